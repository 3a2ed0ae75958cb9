"""Settings of the encoder ``bev_raster``."""

from __future__ import annotations

from dataclasses import dataclass

from roadcraft.core.rules import check
from roadcraft.plugins.common.seen import SeenConfig

LAYERS = ("grade", "friction", "roughness", "traversability", "occupancy")
PATCH = 4


@dataclass(frozen=True)
class BevRasterConfig(SeenConfig):
    """The defaults are small: they train in minutes on two cores. For a large data set: cells 192, cell_m 0.5, channels [64, 128, 192], dim 128, layers 3,
    heads 8, feed_forward 4, dropout 0.1, agents 32, static 8.

    cells, cell_m: rows (and columns) of the raster and their size; three quarters lie ahead of the ego. channels: of the convolutional stages; the
    first sees patches of 4 x 4 cells, each further one halves the resolution, and the last one's cells become tokens.
    surface: raster layers of the ground that are read (of grade, friction, roughness, traversability, occupancy), each with a channel that says where
    it is known; to a network trained on logs without a layer that layer changes nothing.
    dim, layers, heads, feed_forward (times dim), dropout: of the transformer that mixes the tokens.

    ego_channels, kept_channels, state_dropout: current states of the ego that are read, those never hidden in training, and the chance that another
    one is, as in ``vector_transformer``. agents, static, past_steps, radius_m: capacities of the features; the raster shows everybody in its
    field, for past_steps frames.
    """

    cells: int = 128
    cell_m: float = 0.75
    channels: tuple[int, ...] = (32, 48, 64)
    surface: tuple[str, ...] = LAYERS
    dim: int = 64
    layers: int = 1
    heads: int = 4
    feed_forward: int = 2
    dropout: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        step = PATCH * 2 ** max(len(self.channels) - 1, 0)
        stages = f"must be a multiple of {step} with {len(self.channels)} stages of channels"
        check(
            self,
            {">= 1": "dim heads layers", "> 0": "cell_m", "[0, 1)": "dropout"},
            ("dim", self.heads < 1 or self.dim % self.heads == 0, f"must be a multiple of heads = {self.heads}"),
            ("channels", len(self.channels) > 0, "must name one number per stage"),
            ("channels", all(c >= 8 and c % 8 == 0 for c in self.channels), "must be multiples of 8"),
            ("cells", self.cells >= step and self.cells % step == 0, stages),
            ("surface", set(self.surface) <= set(LAYERS), f"must be among {', '.join(LAYERS)}"),
        )
