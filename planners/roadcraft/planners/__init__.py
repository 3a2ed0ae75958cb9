"""Public names of this room, loaded on first use (PEP 562)."""

from roadcraft.core.lazy import lazy

__getattr__, __dir__, __all__ = lazy(__name__, __file__)
