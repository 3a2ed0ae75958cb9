"""The small core of roadcraft: domain types, interfaces, the plugin system and configuration.

Importing this package loads the standard library only; every name below is loaded on first use (PEP 562).
"""

from roadcraft.core._version import __version__
from roadcraft.core.lazy import lazy
from roadcraft.core.renamed import find_moved_modules

__getattr__, __dir__, __all__ = lazy(__name__, __file__)
find_moved_modules()
