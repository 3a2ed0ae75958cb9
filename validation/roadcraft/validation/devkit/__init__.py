"""roadcraft's planners inside an installed nuplan-devkit, and the devkit's planners inside roadcraft.

nuplan-devkit (https://github.com/motional/nuplan-devkit) is not on the package index and stays optional; it is imported on first use.

Inside the devkit, name a planner in the devkit's own configuration, e.g. as ``planner/roadcraft.yaml`` of a folder on hydra's search path::

    roadcraft:
      _target_: roadcraft.validation.devkit.RoadcraftPlanner
      _convert_: all
      name: pdm_closed
      params: {}

and start ``run_simulation.py planner=roadcraft hydra.searchpath="[pkg://roadcraft.validation.devkit.config, ...]"``. Planners that need the log itself (``log_replay``) are
named with ``RoadcraftOracle``. Inside roadcraft, hand an instance to ``simulate``::

    simulate(scenarios, DevkitPlanner(IDMPlanner(...), maps_root="maps"))
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

_HOME = {
    "RoadcraftPlanner": "roadcraft.validation.devkit.outward",
    "RoadcraftOracle": "roadcraft.validation.devkit.outward",
    "DevkitPlanner": "roadcraft.validation.devkit.inward",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if not available():
        from roadcraft.core.errors import PluginError

        raise PluginError(
            f"{name} needs nuplan-devkit, which is not installed (see https://github.com/motional/nuplan-devkit)"
        )
    return getattr(import_module(_HOME[name]), name)


def available() -> bool:
    """Whether nuplan-devkit can be imported."""
    try:
        return find_spec("nuplan.planning") is not None
    except ModuleNotFoundError:
        return False
