"""Public names of this room, loaded on first use (PEP 562)."""

from __future__ import annotations

from roadcraft.core.lazy import lazy

_HOME: dict[str, str] = {  # public name -> module that defines it
    "TrainConfig": "roadcraft.plugins.training.config",
    "draw_raster": "roadcraft.plugins.bev_raster.picture",
    "train": "roadcraft.plugins.training.run.fit",
}

__all__ = list(_HOME)

__getattr__, __dir__ = lazy(__name__, _HOME)
