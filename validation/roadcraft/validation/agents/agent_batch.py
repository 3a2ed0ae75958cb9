"""The reactive agents of one scenario as packed arrays, and the map in the form their kernels read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, U8, Mask
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.map import MapData

MAX_ROUTE = 5  # segments an agent remembers


class Roads(NamedTuple):
    """The map for kernels. line_points, line_offsets: centre lines; next_values, next_offsets: successors; stop_values,
    stop_offsets: rows of the areas that govern a lane; has_light (L,) bool; limit (L,) float64 m/s, NaN where unknown;
    area_points, area_rings, area_offsets."""

    line_points: F64
    line_offsets: I64
    next_values: I64
    next_offsets: I64
    stop_values: I64
    stop_offsets: I64
    has_light: Mask
    limit: F64
    area_points: F64
    area_rings: I64
    area_offsets: I64


class AgentBatch(NamedTuple):
    """State of A agents in the order in which they were placed, the order in which they move.

    alive (A,) bool; progress (A,) m along the rail, not clamped; speed, target (A,) m/s; pose (A, 3) x, y, heading on
    the rail; route (A, 5) int64 lane rows, the first route_length (A,) valid; rails: rail_count (A,), rail_progress (A,
    P), rail_points (A, P, 2), rail_heading (A, P); what others see of an agent, its box and the corridor it is about to
    sweep: box_corners (A, 4, 2), box_capsule (A, 5), foot_count (A,), foot_points (A, F, 2), foot_capsules (A, F / 8 +
    2, 5); extent (A, 4): bounding box of both, hull (A, 5): capsule around both.
    """

    alive: Mask
    progress: F64
    speed: F64
    target: F64
    pose: F64
    route: I64
    route_length: I64
    rail_count: I64
    rail_progress: F64
    rail_points: F64
    rail_heading: F64
    box_corners: F64
    box_capsule: F64
    foot_count: I64
    foot_points: F64
    foot_capsules: F64
    extent: F64
    hull: F64


class Surroundings(NamedTuple):
    """What surrounds the agents in one step. ego (4,): centre x, y, heading, speed; ego_corners (4, 2), ego_capsule
    (5,): before its own step; corners (K, 4, 2), capsules (K, 5), extents (K, 4): replayed objects of the next
    iteration; light_lane (T,) int64 lane rows, light_state (T,) LightState; dt: seconds."""

    ego: F64
    ego_corners: F64
    ego_capsule: F64
    corners: F64
    capsules: F64
    extents: F64
    light_lane: I64
    light_state: U8
    dt: float


class IdmAgentParams(NamedTuple):
    """Parameters of the driver model (see ``IdmAgentsConfig``)."""

    min_gap: float
    headway: float
    max_accel: float
    max_decel: float
    min_path: float
    radius: float


def roads_of(map_data: MapData) -> Roads:
    """Views of the map's arrays, nothing copied but the speed limits."""
    lanes, areas = map_data.lanes, map_data.areas
    return Roads(
        frozen(lanes.centerlines.points),
        frozen(lanes.centerlines.offsets, np.int64),
        frozen(lanes.successors.values, np.int64),
        frozen(lanes.successors.offsets, np.int64),
        frozen(lanes.stops.values, np.int64),
        frozen(lanes.stops.offsets, np.int64),
        frozen(lanes.has_light, np.bool_),
        frozen(np.where(lanes.has_speed_limit, lanes.speed_limit_mps, np.nan)),
        frozen(areas.polygons.points),
        frozen(areas.polygons.rings, np.int64),
        frozen(areas.polygons.offsets, np.int64),
    )


RAILS = ("rail_progress", "rail_points", "rail_heading")
FEET = ("foot_points", "foot_capsules")


def copy_batch(agents: AgentBatch) -> AgentBatch:
    """A copy that may be changed, but for its rails, which are shared."""
    return AgentBatch(*(v if n in RAILS else v.copy() for n, v in zip(AgentBatch._fields, agents, strict=True)))


def with_own_paths(agents: AgentBatch) -> AgentBatch:
    """The same agents with rails that may be changed."""
    return agents._replace(**{n: getattr(agents, n).copy() for n in RAILS})


def widen_batch(agents: AgentBatch) -> AgentBatch:
    """The same state with twice the room for vertices of rails and footprints."""
    grown = {}
    for name in RAILS + FEET:
        old = getattr(agents, name)
        new = np.zeros((old.shape[0], 2 * old.shape[1], *old.shape[2:]))
        new[:, : old.shape[1]] = old
        grown[name] = new
    return agents._replace(**grown)
