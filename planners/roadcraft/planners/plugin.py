"""What this room registers. Imports nothing heavy."""

from __future__ import annotations

from roadcraft.core.hookspecs import CommandSpec, PluginSpec, hookimpl


@hookimpl
def roadcraft_plugins() -> list[PluginSpec]:
    return []


@hookimpl
def roadcraft_commands() -> list[CommandSpec]:
    return []
