"""Encoders and models, which are asked for by name, and their training: ``train``, and batches of samples for loops of
your own (``samples_of``, ``SampleBuilder``).

The names listed here are stable within a minor version; modules below are private.
"""

from roadcraft.core import use_kernel_cache
from roadcraft.core.lazy import lazy

use_kernel_cache()  # before the first kernel is declared
__getattr__, __dir__, __all__ = lazy(__name__, __file__)
