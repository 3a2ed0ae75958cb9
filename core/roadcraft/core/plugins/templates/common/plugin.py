"""What this package provides to roadcraft. Imports nothing heavy: the strings are loaded when the plugin is
chosen."""

from dataclasses import dataclass
from typing import Annotated

from roadcraft.core import __IMPORTS__


@dataclass(frozen=True)
class __CLASS__Config:
    """Settings of ``__NAME__``; each is checked, with its type and range, before anything runs, and
    listed with its text."""

__FIELDS__


@hookimpl
def roadcraft_plugins() -> list[PluginSpec]:
    return [
        PluginSpec(
            kind="__KIND__",
            name="__NAME__",
            summary="__SUMMARY__",
            config="__PACKAGE__.plugin:__CLASS__Config",
            target="__PACKAGE__.__KIND__:__CLASS__",
        )
    ]
