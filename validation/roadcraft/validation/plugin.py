"""What this room registers. Imports nothing heavy."""

from __future__ import annotations

from roadcraft.core.hookspecs import CommandSpec, PluginSpec, hookimpl
from roadcraft.validation.metrics.common.specs import metric_specs


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
        *metric_specs(),
    ]


@hookimpl
def roadcraft_commands() -> list[CommandSpec]:
    commands, config = "roadcraft.validation.commands", "roadcraft.validation.config:ScoreConfig"
    return [
        CommandSpec(
            "score",
            "Drive a suite of scenarios with a planner and judge the drives.",
            f"{commands}:score",
            config,
            preflight="roadcraft.validation.scoring.preflight:check",
        ),
        CommandSpec("rescore", "Judge a run's stored drives again, without driving.", f"{commands}:rescore"),
        CommandSpec(
            "conformance",
            "Compare with the reference simulator, number by number.",
            "roadcraft.validation.golden.commands:conformance",
        ),
        CommandSpec("compare", "Say how one run differs from another, scenario by scenario.", f"{commands}:compare"),
        CommandSpec(
            "show", "List what a run or a store holds, or say why a scenario scored as it did.", f"{commands}:show"
        ),
        CommandSpec(
            "report", "Write runs as one HTML page with replays.", "roadcraft.validation.reporting.commands:report"
        ),
        CommandSpec(
            "demo", "The whole path, from made-up logs to a report.", "roadcraft.validation.demonstration.commands:demo"
        ),
    ]
