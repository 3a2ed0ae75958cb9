"""Settings of the encoder ``bev_raster``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from roadcraft.core.config.rules import OneOf, Range, check
from roadcraft.plugins.common.scene_features import SceneFeatureConfig

LAYERS = ("grade", "friction", "roughness", "traversability", "occupancy")
PATCH = 4


@dataclass(frozen=True)
class BevRasterConfig(SceneFeatureConfig):
    """A bird's-eye raster through a convolutional network; the raster shows everybody in its field, for past_steps
    frames.

    The defaults are small: they train in minutes on two cores. For a large data set: cells 192, cell_m 0.5, channels
    [64, 128, 192], dim 128, layers 3, heads 8, feed_forward 4, dropout 0.1, agents 32, static 8.
    """

    cells: Annotated[int, Range(">= 1")] = 128
    """Rows and columns of the raster, three quarters of them ahead of the ego; a multiple of the last stage's
    stride."""
    cell_m: Annotated[float, Range("> 0")] = 0.75
    """Size of a cell; smaller cells see more detail and less far."""
    channels: Annotated[tuple[int, ...], Range(">= 8")] = (32, 48, 64)
    """Channels of the convolutional stages, multiples of 8. The first sees patches of 4 x 4 cells, each further one
    halves the resolution; cells of the last become tokens."""
    raster_layers: Annotated[tuple[str, ...], OneOf(*LAYERS)] = LAYERS
    """Raster layers of the ground that are read, each with a channel that says where it is known; a layer that the
    training logs lack changes nothing."""
    layers: Annotated[int, Range(">= 1")] = 1
    """Layers of the transformer that mixes the tokens."""

    def __post_init__(self) -> None:
        super().__post_init__()
        step = PATCH * 2 ** max(len(self.channels) - 1, 0)
        stages = f"must be a multiple of {step} with {len(self.channels)} stages of channels"
        check(
            self,
            ("channels", len(self.channels) > 0, "must name one number per stage"),
            ("channels", all(c % 8 == 0 for c in self.channels), "must be multiples of 8"),
            ("cells", self.cells % step == 0, stages),
        )
