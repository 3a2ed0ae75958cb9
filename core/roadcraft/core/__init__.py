"""The small core of roadcraft: domain types, interfaces, the plugin system and configuration.

Importing this package loads the standard library only; every public name is loaded on first use (PEP 562).
The names listed here are stable within a minor version; modules below are private, but for ``roadcraft.core.testing``.
"""

from roadcraft.core._version import __version__
from roadcraft.core.config.renamed import find_moved_modules
from roadcraft.core.lazy import lazy

__getattr__, __dir__, __all__ = lazy(__name__, __file__)
find_moved_modules()
