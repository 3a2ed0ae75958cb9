"""Settings that all networks with attention share (no torch)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from roadcraft.core.config.rules import Range


@dataclass(frozen=True)
class AttentionConfig:
    """Layers of attention and feed-forward."""

    heads: Annotated[int, Range(">= 1")] = 4
    """Attention heads."""
    feed_forward: Annotated[int, Range(">= 1")] = 2
    """Width of the feed-forward layers, as a multiple of dim."""
    dropout: Annotated[float, Range("[0, 1)")] = 0.0
    """Dropout; larger values regularize more, for large data sets."""
