"""What this room registers. Imports nothing heavy."""

from __future__ import annotations

from roadcraft.core.hookspecs import PluginSpec, hookimpl


@hookimpl
def roadcraft_plugins() -> list[PluginSpec]:
    configs, here = "roadcraft.planners.basic_configs", "roadcraft.planners"
    return [
        PluginSpec(
            "planner",
            "log_replay",
            "Follows the logged ego trajectory (an oracle)",
            f"{configs}:LogReplayConfig",
            f"{here}.log_replay:LogReplay",
        ),
        PluginSpec(
            "planner",
            "idm",
            "Intelligent driver model along the lanes of the route",
            f"{here}.idm.config:IdmConfig",
            f"{here}.idm.planner:Idm",
        ),
        PluginSpec(
            "planner",
            "constant_velocity",
            "Straight ahead at constant velocity",
            f"{configs}:ConstantVelocityConfig",
            f"{here}.constant_velocity:ConstantVelocity",
        ),
        PluginSpec(
            "planner",
            "pdm_closed",
            "PDM-Closed: simulates and scores IDM proposals (five speeds on three paths), drives the best",
            f"{here}.pdm.config:PdmClosedConfig",
            f"{here}.pdm.planner:PdmClosed",
        ),
        PluginSpec(
            "planner",
            "freight_pdm",
            "PDM for heavy and articulated vehicles: all units, load, roll, brakes and grades",
            f"{here}.freight_pdm.config:FreightPdmConfig",
            f"{here}.freight_pdm.planner:FreightPdm",
        ),
        PluginSpec(
            "planner",
            "guard",
            "Simulates and scores another planner's proposals, drives the best or a slower copy, or brakes",
            f"{here}.guard.config:GuardConfig",
            f"{here}.guard.planner:Guard",
        ),
        PluginSpec(
            "planner",
            "docking",
            "Reverses a truck to a loading dock: set-up pose, reversal, pull-ups",
            f"{here}.docking.config:DockingConfig",
            f"{here}.docking.planner:Docking",
        ),
        PluginSpec(
            "planner",
            "learned",
            "Drives with a trained network (checkpoint=RUN/best)",
            f"{here}.learned.config:LearnedConfig",
            f"{here}.learned.planner:Learned",
        ),
    ]
