"""roadcraft's planners inside an installed nuplan-devkit, and the devkit's planners inside roadcraft.

nuplan-devkit (https://github.com/motional/nuplan-devkit) is not on the package index and stays optional; it is imported
on first use.

Inside the devkit, planners are named in its own configuration. ``config/planner`` holds it ready; put it on hydra's
search path::

    python nuplan/planning/script/run_simulation.py +simulation=closed_loop_nonreactive_agents \\
        planner=roadcraft planner.roadcraft.name=pdm_closed \\
        hydra.searchpath="[pkg://nuplan.planning.script.config.common, pkg://nuplan.planning.script.experiments,
        pkg://roadcraft.validation.devkit.config]"

A planner's own settings are ``planner.roadcraft.params.KEY=VALUE`` (``+planner...`` for a new key). Planners that need
the log itself (``log_replay``) run with ``planner=roadcraft_oracle``. Maps are found by NUPLAN_MAPS_ROOT.

Inside roadcraft, hand an instance to ``simulate``::

    simulate(scenarios, DevkitPlanner(IDMPlanner(...), maps_root="maps"))
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from roadcraft.core.lazy import lazy

_load, __dir__, __all__ = lazy(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name in __all__ and not available():
        from roadcraft.core.errors import PluginError

        raise PluginError(
            f"{name} needs nuplan-devkit, which is not installed (see https://github.com/motional/nuplan-devkit)"
        )
    return _load(name)


def available() -> bool:
    """Whether nuplan-devkit can be imported."""
    try:
        return find_spec("nuplan.planning") is not None
    except ModuleNotFoundError:
        return False
