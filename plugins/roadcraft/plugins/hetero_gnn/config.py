"""Settings of the encoder ``hetero_gnn``."""

from __future__ import annotations

from dataclasses import dataclass

from roadcraft.core.rules import check
from roadcraft.plugins.common.seen import SeenMapConfig


@dataclass(frozen=True)
class HeteroGnnConfig(SeenMapConfig):
    """The defaults are small: they train in minutes on two cores. For a large data set: dim 128, edge_dim 64, map_layers 3, layers 3, heads 8,
    feed_forward 4, dropout 0.1, agents 32, static 8, lanes 70, lane_points 20, crosswalks 8, radius_m 100, agent_lanes 16, agent_agents 16.

    dim, heads, feed_forward (times dim), dropout: of tokens and layers; edge_dim: of what an edge tells (relative pose, relation); map_layers: rounds of
    messages among lanes and from crosswalks, kept across the steps of a drive; layers: rounds with agents, at every step.

    lane_links: lanes that follow a lane (and as many before it); lane_lanes: other lanes near a lane; lane_crosswalks; agent_lanes, agent_agents,
    agent_static: what an agent (or the ego) hears; lane_agents: agents that a lane hears. Always the nearest ones, those of the map within near_m,
    the others within reach_m.

    ego_channels, kept_channels, state_dropout: as in ``vector_transformer``: current states of the ego that are read, those that are never hidden, and
    the chance that another one is hidden in training.
    agents, static, lanes, lane_points, crosswalks, past_steps, radius_m: capacities of the features.
    """

    dim: int = 64
    edge_dim: int = 32
    map_layers: int = 2
    layers: int = 1
    heads: int = 4
    feed_forward: int = 1
    dropout: float = 0.0
    lane_links: int = 2
    lane_lanes: int = 4
    lane_crosswalks: int = 2
    agent_lanes: int = 8
    agent_agents: int = 8
    agent_static: int = 3
    lane_agents: int = 4
    near_m: float = 30.0
    reach_m: float = 50.0

    def __post_init__(self) -> None:
        super().__post_init__()
        heard = "lane_links lane_lanes lane_crosswalks agent_lanes agent_agents agent_static lane_agents"
        check(
            self,
            {">= 1": f"dim heads map_layers layers {heard}", "> 0": "near_m reach_m", "[0, 1)": "dropout"},
            ("dim", self.heads < 1 or self.dim % self.heads == 0, f"must be a multiple of heads = {self.heads}"),
        )
