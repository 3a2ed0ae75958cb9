"""What the core registers: the commands that belong to no room. Imports nothing heavy."""

from __future__ import annotations

from roadcraft.core.plugins.hookspecs import CommandSpec, PluginSpec, hookimpl


@hookimpl
def roadcraft_plugins() -> list[PluginSpec]:
    home = "roadcraft.core.driving.features"
    groups = [
        ("scene", "Scene", "The ego's present state and its vehicle's size"),
        ("agents", "Agent", "Nearest moving objects and their past"),
        ("static", "Static", "Nearest objects that never move"),
        ("map", "Map", "Nearest pieces of lanes and crosswalks, and the graph of the pieces"),
        ("reference_lines", "ReferenceLine", "Reference lines along the route, and the objects beside them"),
        ("raster", "Raster", "Bird's-eye-view raster"),
        ("conditions", "Condition", "Text command, goal, target speed and style"),
        ("ego_units", "EgoUnit", "Units of the ego, joints and masses, and what its load leaves of power and brakes"),
        ("places", "Place", "Nearest places of the map: grades, clearances, limits, crossings, curbs, shoulders, wind"),
        ("targets", "Target", "Futures of the ego and of agents, for training only"),
    ]
    return [
        PluginSpec("feature", name, summary, f"{home}.settings:{word}Settings", f"{home}.groups:{word}Group")
        for name, word, summary in groups
    ]


@hookimpl
def roadcraft_commands() -> list[CommandSpec]:
    home = "roadcraft.core.commands.plugins"
    return [
        CommandSpec(
            "plugins",
            "List what is installed: planners, models, metrics, formats, and what was left out.",
            f"{home}:plugins",
        ),
        CommandSpec(
            "features",
            "List the tensors that networks read: shapes, columns, units and frames.",
            "roadcraft.core.commands.features:features",
        ),
        CommandSpec(
            "vehicles",
            "List the vehicles: units, masses, axle loads, turning circles, swept paths; draw one.",
            "roadcraft.core.commands.vehicles:vehicles",
        ),
        CommandSpec("config", "Show, check or compare configuration files.", "roadcraft.core.commands.config:config"),
        CommandSpec("new", "Write a complete plugin package of your own to start from.", f"{home}:new"),
    ]
