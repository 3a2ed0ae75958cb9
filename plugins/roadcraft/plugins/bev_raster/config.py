"""Settings of the encoder ``bev_raster``."""

from __future__ import annotations

from dataclasses import dataclass

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
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} is not a multiple of heads {self.heads}")
        if not self.channels or any(c < 8 or c % 8 for c in self.channels):
            raise ValueError("channels must be multiples of 8, one per stage")
        step = PATCH * 2 ** (len(self.channels) - 1)
        if self.cells < step or self.cells % step:
            raise ValueError(f"cells must be a multiple of {step} with {len(self.channels)} stages, not {self.cells}")
        if not self.cell_m > 0.0:
            raise ValueError("cell_m must be positive")
        unknown = set(self.surface) - set(LAYERS)
        if unknown:
            raise ValueError(f"unknown surface layers {sorted(unknown)}; known: {', '.join(LAYERS)}")
