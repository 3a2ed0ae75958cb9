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
            "Drives what the log drove (an oracle)",
            f"{configs}:LogReplayConfig",
            f"{here}.log_replay:LogReplay",
        ),
        PluginSpec(
            "planner",
            "idm",
            "Intelligent driver model along the route's lanes",
            f"{here}.idm.config:IdmConfig",
            f"{here}.idm.planner:Idm",
        ),
        PluginSpec(
            "planner",
            "constant_velocity",
            "Straight on at the present speed",
            f"{configs}:ConstantVelocityConfig",
            f"{here}.constant_velocity:ConstantVelocity",
        ),
        PluginSpec(
            "planner",
            "pdm_closed",
            "Five speeds on three paths, simulated and scored; the best is driven",
            f"{here}.pdm.config:PdmClosedConfig",
            f"{here}.pdm.planner:PdmClosed",
        ),
        PluginSpec(
            "planner",
            "guard",
            "Judges another planner's proposals, drives the best or a slower copy, brakes when none is safe",
            f"{here}.guard.config:GuardConfig",
            f"{here}.guard.planner:Guard",
        ),
        PluginSpec(
            "planner",
            "learned",
            "Drives by a trained network (checkpoint=RUN/best)",
            f"{here}.learned.config:LearnedConfig",
            f"{here}.learned.planner:Learned",
        ),
    ]
