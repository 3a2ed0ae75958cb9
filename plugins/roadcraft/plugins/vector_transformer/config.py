"""Settings of the encoder ``vector_transformer``."""

from __future__ import annotations

from dataclasses import dataclass

from roadcraft.core.rules import check
from roadcraft.plugins.common.seen import SeenMapConfig


@dataclass(frozen=True)
class VectorTransformerConfig(SeenMapConfig):
    """The defaults are small: they train in minutes on two cores. For a large data set: dim 128, layers 4, heads 8, feed_forward 4, dropout 0.1, agents 32,
    static 8, lanes 70, lane_points 20, crosswalks 8, radius_m 100 (with the model's own large size about 1.7 M parameters).

    dim, layers, heads, feed_forward (times dim), dropout: of the transformer.

    ego_channels: current states of the ego that are read (of vx, vy, ax, ay, steering, yaw_rate, and
    stood: seconds for which it has just stood; nuPlan's logs hold no steering and no yaw rate, so a
    network that reads them learns that they are 0); kept_channels: never dropped; state_dropout: chance that another one is hidden in training, lest
    the network extrapolates its own motion instead of looking around (PlanTF, Cheng et al. 2023).
    agents, static, lanes, lane_points, crosswalks, past_steps, radius_m: capacities of the features.
    """

    dim: int = 64
    layers: int = 2
    heads: int = 4
    feed_forward: int = 2
    dropout: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check(
            self,
            {">= 1": "dim layers heads feed_forward", "[0, 1)": "dropout"},
            ("dim", self.heads < 1 or self.dim % self.heads == 0, f"must be a multiple of heads = {self.heads}"),
        )
