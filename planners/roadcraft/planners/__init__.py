"""Planners, which are asked for by name (``create("planner", "idm")``), and the checkpoints of learned ones.

``load_checkpoint(folder)`` gives the network and its config. The names listed here are stable within a minor version;
modules below are private.
"""

from roadcraft.core import use_kernel_cache
from roadcraft.core.lazy import lazy

use_kernel_cache()  # before the first kernel is declared
__getattr__, __dir__, __all__ = lazy(__name__, __file__)
