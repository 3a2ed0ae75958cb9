"""nuPlan's metrics and scores, one metric per file, and what they share. Public names are loaded on first use."""

from roadcraft.core.lazy import lazy

__getattr__, __dir__, __all__ = lazy(__name__, __file__)
