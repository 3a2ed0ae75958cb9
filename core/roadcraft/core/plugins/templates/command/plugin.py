"""What this package provides to roadcraft. Imports nothing heavy: the strings are loaded when the command is
called."""

from roadcraft.core import CommandSpec, hookimpl


@hookimpl
def roadcraft_commands() -> list[CommandSpec]:
    return [
        CommandSpec(
            name="__NAME__",
            help="Count the scenarios of each type.",
            target="__PACKAGE__.command:__NAME__",
        )
    ]
