"""nuPlan's log databases and GeoPackage maps, read and written. Public names load on first use."""

from roadcraft.core.lazy import lazy

__getattr__, __dir__, __all__ = lazy(__name__, __file__)
