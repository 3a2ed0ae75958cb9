"""What this room registers. Imports nothing heavy."""

from __future__ import annotations

from roadcraft.core.plugins.hookspecs import CommandSpec, PluginSpec, hookimpl
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
            "vehicle_model",
            "kinematic_chain",
            "Units that follow each other without side slip, for articulated vehicles at low speed",
            f"{configs}:KinematicChainConfig",
            f"{simulation}.kinematic_chain:KinematicChain",
        ),
        PluginSpec(
            "tracker",
            "truck_lqr",
            "Linear-quadratic tracker of articulated and heavy vehicles, forward and in reverse",
            f"{configs}:TruckLqrConfig",
            f"{simulation}.truck_lqr:TruckLqr",
        ),
        PluginSpec(
            "vehicle_model",
            "dynamic_chain",
            "Heavy vehicles with masses: lags, slipping tires, swinging trailers, roll, brake heat",
            f"{configs}:DynamicChainConfig",
            f"{simulation}.dynamic_chain:DynamicChainModel",
        ),
        PluginSpec(
            "agents",
            "log",
            "All objects follow the log",
            "roadcraft.validation.agents.configs:LogAgentsConfig",
            "roadcraft.validation.agents.log:LogAgents",
        ),
        PluginSpec(
            "agents",
            "idm",
            "Vehicles follow the intelligent driver model",
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
            "Simulate a planner on a suite of scenarios and score it.",
            f"{commands}:score",
            config,
            preflight="roadcraft.validation.scoring.preflight:check",
        ),
        CommandSpec("rescore", "Score a run's stored drives again, without simulation.", f"{commands}:rescore"),
        CommandSpec(
            "conformance",
            "Compare with the reference simulator, value by value.",
            "roadcraft.validation.golden.commands:conformance",
        ),
        CommandSpec("compare", "Compare two runs, scenario by scenario.", f"{commands}:compare"),
        CommandSpec(
            "show", "List the contents of a run or a store, or explain a scenario's score.", f"{commands}:show"
        ),
        CommandSpec(
            "report", "Write runs as one HTML page with replays.", "roadcraft.validation.reporting.commands:report"
        ),
        CommandSpec(
            "warm",
            "Compile the kernels ahead of the first run.",
            "roadcraft.validation.warming.commands:warm",
        ),
        CommandSpec(
            "demo",
            "Run the whole pipeline, from synthetic logs to a report.",
            "roadcraft.validation.demonstration.commands:demo",
        ),
    ]
