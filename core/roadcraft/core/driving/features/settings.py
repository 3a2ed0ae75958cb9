"""Settings of the feature groups: what a ``FeatureSpec`` holds by the group's name. Standard library only.

Each check is that of the field; a group whose capacity is 0 has tensors without rows, and ``raster``, ``conditions``
and the lane graph then have none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from roadcraft.core.config.rules import Range, check


@dataclass(frozen=True)
class _Settings:
    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class SceneSettings(_Settings):
    """The ego and its vehicle; and how far around it and how far back the other groups look."""

    radius_m: Annotated[float, Range("> 0")] = 100.0
    """Distance from the ego up to which objects and map are read."""
    past_steps: Annotated[int, Range(">= 1")] = 21
    """Frames of history, the present one included."""
    past_interval_s: Annotated[float, Range("> 0")] = 0.1
    """Time between two frames of history."""


@dataclass(frozen=True)
class AgentSettings(_Settings):
    """Moving objects with their history, nearest first."""

    count: Annotated[int, Range(">= 0")] = 32
    """Nearest moving objects."""


@dataclass(frozen=True)
class StaticSettings(_Settings):
    """Objects that never move, nearest first."""

    count: Annotated[int, Range(">= 0")] = 8
    """Nearest static objects."""


@dataclass(frozen=True)
class MapSettings(_Settings):
    """Pieces of lanes and crosswalks, nearest first, and the graph of the pieces."""

    lanes: Annotated[int, Range(">= 0")] = 70
    """Nearest pieces of lanes and connectors."""
    points: Annotated[int, Range(">= 2")] = 20
    """Points along each piece and each outline."""
    route_lanes: Annotated[int, Range(">= 0")] = 20
    """Nearest pieces on the route, given once more on their own."""
    crosswalks: Annotated[int, Range(">= 0")] = 8
    """Nearest crosswalks."""
    links: Annotated[int, Range(">= 0")] = 0
    """Successors kept per piece (0: no lane graph)."""


@dataclass(frozen=True)
class ReferenceLineSettings(_Settings):
    """Centerlines along the route from the ego onward: its own lane, the one to the left, the one to the right."""

    count: Annotated[int, Range(">= 0")] = 3
    """Lines."""
    points: Annotated[int, Range(">= 0")] = 80
    """Points of each line; at least 2 where there are lines."""
    interval_m: Annotated[float, Range("> 0")] = 2.0
    """Distance between two points."""

    def __post_init__(self) -> None:
        check(self, ("points", not self.count or self.points >= 2, f"must be at least 2 for {self.count} lines"))


@dataclass(frozen=True)
class RasterSettings(_Settings):
    """A bird's-eye picture."""

    cells: Annotated[int, Range(">= 0")] = 0
    """Rows and columns (0: no picture)."""
    cell_m: Annotated[float, Range("> 0")] = 0.5
    """Side of a cell."""


@dataclass(frozen=True)
class ConditionSettings(_Settings):
    """What the network is told beside the scene: a text command, a goal, a target speed, a style."""

    words: Annotated[int, Range(">= 0")] = 0
    """Words of a command (0: neither commands nor other conditions are read)."""


@dataclass(frozen=True)
class EgoUnitSettings(_Settings):
    """The ego's units: the towing one and its trailers."""

    count: Annotated[int, Range(">= 1")] = 4
    """Units, the first ones of the vehicle."""


@dataclass(frozen=True)
class PlaceSettings(_Settings):
    """Places of the map (``PlaceKind``) near the ego."""

    count: Annotated[int, Range(">= 1")] = 16
    """Places, the nearest ones."""


@dataclass(frozen=True)
class TargetSettings(_Settings):
    """What training compares with: the futures of the ego and of agents."""

    steps: Annotated[int, Range(">= 0")] = 80
    """Poses of each future."""
    interval_s: Annotated[float, Range("> 0")] = 0.1
    """Time between two poses."""
    agents: Annotated[int, Range(">= 0")] = 10
    """Nearest agents with futures."""
