"""The conformance kit for plugin authors: subclass a suite, name your plugin, run pytest.

::

    from roadcraft.core.testing import PlannerConformance

    class TestCautious(PlannerConformance):
        name = "cautious"

Each suite checks shapes, determinism and batching; nothing is timed.
"""

from __future__ import annotations

from roadcraft.core.kernels.cache import use_kernel_cache
from roadcraft.core.lazy import lazy

use_kernel_cache()  # before numba is imported, so that an author's tests do not compile what is compiled already

__getattr__, __dir__, __all__ = lazy(__name__, __file__)
