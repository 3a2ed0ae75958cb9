"""Settings of the encoder ``vector_transformer``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from roadcraft.core.config.rules import Range
from roadcraft.plugins.common.scene_features import MapFeatureConfig


@dataclass(frozen=True)
class VectorTransformerConfig(MapFeatureConfig):
    """A transformer over tokens of agents, lanes and crosswalks.

    The defaults are small: they train in minutes on two cores. For a large data set: dim 128, layers 4, heads 8,
    feed_forward 4, dropout 0.1, agents 32, static 8, lanes 70, lane_points 20, crosswalks 8, radius_m 100 (with the
    model's own large size about 1.7 M parameters).
    """

    layers: Annotated[int, Range(">= 1")] = 2
    """Layers of the transformer."""
