"""The conformance kit for plugin authors: subclass a suite, name your plugin, run pytest.

::

    from roadcraft.core.testing import PlannerConformance

    class TestCautious(PlannerConformance):
        name = "cautious"

Each suite checks shapes, determinism and batching, and **reports** latency; nothing is timed as an assertion.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "AgentsConformance": "agents",
    "EncoderConformance": "network",
    "MetricConformance": "metric",
    "ModelConformance": "network",
    "PlannerConformance": "planner",
    "SourceConformance": "source",
    "TrackerConformance": "motion",
    "VehicleModelConformance": "motion",
    "made_up_map": "world",
    "made_up_rollout": "world",
    "made_up_scenario": "world",
    "observe": "world",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
