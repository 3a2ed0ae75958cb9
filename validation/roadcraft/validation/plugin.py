"""What this room registers. Imports nothing heavy."""

from __future__ import annotations

from roadcraft.core.hookspecs import CommandSpec, PluginSpec, hookimpl


@hookimpl
def roadcraft_plugins() -> list[PluginSpec]:
    configs, simulation = "roadcraft.validation.config", "roadcraft.validation.simulation"
    return [
        PluginSpec(
            "tracker",
            "lqr",
            "nuPlan's linear-quadratic tracker",
            f"{configs}:LqrConfig",
            f"{simulation}.lqr:LqrTracker",
        ),
        PluginSpec(
            "vehicle_model",
            "kinematic_bicycle",
            "nuPlan's bicycle with lagging actuators, for vehicles of one unit",
            f"{configs}:KinematicBicycleConfig",
            f"{simulation}.kinematic_bicycle:KinematicBicycle",
        ),
        PluginSpec(
            "agents",
            "log",
            "Everybody follows the log",
            "roadcraft.validation.agents.configs:LogAgentsConfig",
            "roadcraft.validation.agents.log:LogAgents",
        ),
        PluginSpec(
            "agents",
            "idm",
            "Cars follow the intelligent driver model",
            "roadcraft.validation.agents.configs:IdmAgentsConfig",
            "roadcraft.validation.agents.idm:IdmAgents",
        ),
    ]


@hookimpl
def roadcraft_commands() -> list[CommandSpec]:
    return []
