"""What this room registers. Imports nothing heavy."""

from __future__ import annotations

from roadcraft.core.plugins.hookspecs import PluginSpec, hookimpl
from roadcraft.core.plugins.package_specs import package_specs


@hookimpl
def roadcraft_plugins() -> list[PluginSpec]:
    configs, here = "roadcraft.planners.basic_configs", "roadcraft.planners"
    packages = {
        "idm": "Intelligent driver model along the lanes of the route",
        "freight_pdm": "PDM for heavy and articulated vehicles: all units, load, roll, brakes and grades",
        "guard": "Simulates and scores another planner's proposals, drives the best or a slower copy, or brakes",
        "docking": "Reverses a truck to a loading dock: set-up pose, reversal, pull-ups",
        "learned": "Drives with a trained network (checkpoint=RUN/best)",
    }
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
        *package_specs("planner", here, packages),
    ]
