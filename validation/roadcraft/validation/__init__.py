"""The closed loop and its judgment: ``simulate``, ``observe``, ``evaluate``, ``score``, ``compare``, ``report``.

The names listed here are stable within a minor version; modules below are private.
"""

from roadcraft.core import use_kernel_cache
from roadcraft.core.lazy import lazy

use_kernel_cache()  # before the first kernel is declared
__getattr__, __dir__, __all__ = lazy(__name__, __file__)
