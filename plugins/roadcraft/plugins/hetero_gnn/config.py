"""Settings of the encoder ``hetero_gnn``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from roadcraft.core.config.rules import Range
from roadcraft.plugins.common.scene_features import MapFeatureConfig


@dataclass(frozen=True)
class HeteroGnnConfig(MapFeatureConfig):
    """A graph of agents, lanes and crosswalks. An edge leads from each of the nearest ones, those of the map within
    map_radius_m, the others within agent_radius_m.

    The defaults are small: they train in minutes on two cores. For a large data set: dim 128, edge_dim 64, map_layers
    3, layers 3, heads 8, feed_forward 4, dropout 0.1, agents 32, static 8, lanes 70, lane_points 20, crosswalks 8,
    radius_m 100, agent_lanes 16, agent_agents 16.
    """

    edge_dim: Annotated[int, Range(">= 1")] = 32
    """Width of what an edge says (relative pose, relation)."""
    map_layers: Annotated[int, Range(">= 1")] = 2
    """Rounds of messages among lanes and from crosswalks; they are kept across the steps of a drive."""
    layers: Annotated[int, Range(">= 1")] = 1
    """Rounds of messages with agents, at every step."""
    feed_forward: Annotated[int, Range(">= 1")] = 1
    """Width of the feed-forward layers, as a multiple of dim."""
    lane_successors: Annotated[int, Range(">= 1")] = 2
    """Lanes that follow a lane, and as many before it, that it hears."""
    lane_neighbors: Annotated[int, Range(">= 1")] = 4
    """Other lanes nearby that a lane hears."""
    lane_crosswalks: Annotated[int, Range(">= 1")] = 2
    """Crosswalks that a lane hears."""
    agent_lanes: Annotated[int, Range(">= 1")] = 8
    """Lanes that an agent or the ego hears."""
    agent_agents: Annotated[int, Range(">= 1")] = 8
    """Agents that an agent or the ego hears."""
    agent_static: Annotated[int, Range(">= 1")] = 3
    """Static objects that an agent or the ego hears."""
    lane_agents: Annotated[int, Range(">= 1")] = 4
    """Agents that a lane hears."""
    map_radius_m: Annotated[float, Range("> 0")] = 30.0
    """Longest edge within the map."""
    agent_radius_m: Annotated[float, Range("> 0")] = 50.0
    """Longest edge from or to an agent."""
