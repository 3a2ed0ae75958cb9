"""The conformance kit for plugin authors: subclass a suite, name your plugin, run pytest.

::

    from roadcraft.core.testing import PlannerConformance

    class TestCautious(PlannerConformance):
        name = "cautious"

Each suite checks shapes, determinism and batching; nothing is timed.
"""

from __future__ import annotations

from roadcraft.core.kernel_cache import use_kernel_cache
from roadcraft.core.lazy import lazy

use_kernel_cache()  # before numba is imported, so that an author's tests do not compile what is compiled already

_HOME = {
    "AgentsConformance": "roadcraft.core.testing.agents",
    "EncoderConformance": "roadcraft.core.testing.network",
    "MetricConformance": "roadcraft.core.testing.metric",
    "ModelConformance": "roadcraft.core.testing.network",
    "PlannerConformance": "roadcraft.core.testing.planner",
    "SourceConformance": "roadcraft.core.testing.source",
    "TrackerConformance": "roadcraft.core.testing.motion",
    "VehicleModelConformance": "roadcraft.core.testing.motion",
    "made_up_map": "roadcraft.core.testing.world",
    "made_up_rollout": "roadcraft.core.testing.world",
    "made_up_scenario": "roadcraft.core.testing.world",
    "observe": "roadcraft.core.testing.world",
}

__all__ = list(_HOME)

__getattr__, __dir__ = lazy(__name__, _HOME)
