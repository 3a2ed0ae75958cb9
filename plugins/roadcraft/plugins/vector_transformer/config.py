"""Settings of the encoder ``vector_transformer``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from roadcraft.core.rules import Range, check
from roadcraft.plugins.common.scene_features import MapFeatureConfig


@dataclass(frozen=True)
class VectorTransformerConfig(MapFeatureConfig):
    """A transformer over tokens of agents, lanes and crosswalks.

    The defaults are small: they train in minutes on two cores. For a large data set: dim 128, layers 4, heads 8,
    feed_forward 4, dropout 0.1, agents 32, static 8, lanes 70, lane_points 20, crosswalks 8, radius_m 100 (with the
    model's own large size about 1.7 M parameters).
    """

    dim: Annotated[int, Range(">= 1")] = 64
    """Width of the scene tokens; a multiple of heads."""
    layers: Annotated[int, Range(">= 1")] = 2
    """Layers of the transformer."""
    heads: Annotated[int, Range(">= 1")] = 4
    """Attention heads."""
    feed_forward: Annotated[int, Range(">= 1")] = 2
    """Width of the feed-forward layers, as a multiple of dim."""
    dropout: Annotated[float, Range("[0, 1)")] = 0.0
    """Dropout; larger values regularize more, for large data sets."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(
            self, ("dim", self.heads < 1 or self.dim % self.heads == 0, f"must be a multiple of heads = {self.heads}")
        )
