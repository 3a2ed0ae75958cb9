"""Scenarios from logs: sources of every format, the store, filters, made-up worlds.

``open_source(path)`` opens a store or raw logs, ``find`` selects scenarios. The names listed here are stable within a
minor version; modules below are private.
"""

from roadcraft.core import use_kernel_cache
from roadcraft.core.lazy import lazy

use_kernel_cache()  # before the first kernel is declared
__getattr__, __dir__, __all__ = lazy(__name__, __file__)
