"""Public names of this room, loaded on first use (PEP 562)."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME: dict[str, str] = {  # public name -> module that defines it
    "TrainConfig": "roadcraft.plugins.training.config",
    "draw_raster": "roadcraft.plugins.bev_raster.picture",
    "train": "roadcraft.plugins.training.run",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
