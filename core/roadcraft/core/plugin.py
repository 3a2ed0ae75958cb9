"""What the core registers: the commands that belong to no room. Imports nothing heavy."""

from __future__ import annotations

from roadcraft.core.hookspecs import CommandSpec, hookimpl


@hookimpl
def roadcraft_commands() -> list[CommandSpec]:
    home = "roadcraft.core.commands"
    return [
        CommandSpec(
            "plugins",
            "List what is installed: planners, models, metrics, formats, and what was left out.",
            f"{home}:plugins",
        ),
        CommandSpec("config", "Show, check or compare configuration files.", "roadcraft.core.config_commands:config"),
        CommandSpec("new", "Write a complete plugin package of your own to start from.", f"{home}:new"),
    ]
