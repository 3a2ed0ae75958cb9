"""What rewards are made of beside the score: facts of each step of a drive."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, Mask
from roadcraft.core.data.scenario import Ego, Scenario
from roadcraft.core.driving.geometry.boxes import ego_box
from roadcraft.core.driving.geometry.polyline import point_segment_distance
from roadcraft.core.driving.held import Held
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.map_index.index import holds
from roadcraft.core.driving.motion.stopped import STOPPED_MPS
from roadcraft.core.driving.readonly import Index, frozen
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.validation.environments.score_arrays import STEPS, TOUCHED
from roadcraft.validation.environments.score_kernel import SceneSample

FACTS = (
    "contacts", "moving_contacts", "off_road_m", "ran_red", "speed_mps", "forward_mps", "acceleration_mps2",
    "jerk_mps3", "overspeed_mps", "along_m", "expert_m", "on_lane", "offset_m", "edge_m", "heading_rad", "on_route",
    "comfort", "close", "goal_m", "goal_before_m", "log_m", "step_s", "step_share",
)  # fmt: skip
"""Columns of the facts of a step: objects that ego touches for the first time, and those while it moves; how far a
corner is off the drivable area; whether the front came into a connector whose light is red; speed, and forward; along
the vehicle, acceleration and its change; speed above the limit; progress along the expert's route in the step, and the
expert's of the whole drive; whether there is a lane, how far left of its middle ego is, how far from its nearer edge
(infinite where the map has none), how it is turned to it; whether it is on the route (1 where none is known); share of
the six bounds of comfort kept so far; whether time to collision failed so far; distance to where the expert ends, now
and at least before; distance from where the log was; duration of a step, and its share of the drive."""
(
    CONTACTS, MOVING, OFF, RED, SPEED, FORWARD, ACCELERATION, JERK, OVER, ALONG, EXPERT, ON_LANE, OFFSET, EDGE, HEADING,
    ON_ROUTE, COMFORT, CLOSE, GOAL, GOAL_BEFORE, LOG, STEP, SHARE,
) = range(len(FACTS))  # fmt: skip
_VX, _TTC, _BOUNDS = int(Ego.VX), 6, 6  # of the ego; column of ``SCORE_PARTS``; how many bounds comfort has


class FactMap(NamedTuple):
    """left, right: edges of the lanes, points and offsets; on_route (L,): lanes of the route or of the expert's;
    expert (N, 5): boxes of the logged ego."""

    left: F64
    left_offsets: I64
    right: F64
    right_offsets: I64
    on_route: Mask
    expert: F64


class FactMemory(NamedTuple):
    """touched (1,): objects touched before; goal_m (1,): least distance to the goal before."""

    touched: I64
    goal_m: F64


def fact_map(scenario: Scenario, vehicle: Vehicle, pairs: I64) -> Held:
    """Of one drive; pairs (P, 2): (block, lane) rows of the expert's route."""
    lanes = scenario.map.lanes
    blocks = np.concatenate([scenario.map.block_rows(scenario.route), pairs[:, 0]])
    blocks = blocks[blocks >= 0]
    on_route = np.isin(lanes.block, blocks) if len(blocks) else np.ones(len(lanes), np.bool_)
    return Held(
        FactMap(
            frozen(lanes.left.points),
            frozen(lanes.left.offsets, np.int64),
            frozen(lanes.right.points),
            frozen(lanes.right.offsets, np.int64),
            frozen(on_route, np.bool_),
            frozen(ego_box(scenario.expert, vehicle.box)),
        )
    )


def fact_memory() -> Held:
    """Of a drive that has not begun."""
    return Held.copied(FactMemory(np.zeros(1, np.int64), np.full(1, np.inf)))


@njit(cache=True, nogil=True)
def drive_facts(
    world: Any, limits: Any, memory: Any, route: Any, past: Any, moment: SceneSample, r: int, red: I64
) -> F64:
    """The facts (F,), columns ``FACTS``, of the sample in row ``r`` of a moment, which ``score_step`` has just added;
    red: rows of the lanes whose light is red; route, past: what ``fact_map`` and ``fact_memory`` hold."""
    out = np.zeros(len(FACTS))
    counts = memory.counts
    i, n = counts[STEPS] - 1, len(memory.speed)
    x, y, heading = memory.box[i, 0], memory.box[i, 1], memory.box[i, 2]
    speed = memory.speed[i]
    fresh = counts[TOUCHED] - past.touched[0]
    past.touched[0] = counts[TOUCHED]
    out[CONTACTS], out[MOVING] = fresh, fresh if speed > STOPPED_MPS else 0
    out[OFF], out[OVER], out[SPEED] = memory.far_m[i], memory.over[i], speed
    out[FORWARD] = moment.ego[r, _VX]
    out[ACCELERATION] = memory.motion[0, i]
    out[STEP], out[SHARE] = limits.interval_s, 1.0 / max(n - 1, 1)
    if i > 0:
        out[JERK] = (memory.motion[0, i] - memory.motion[0, i - 1]) / limits.interval_s
        out[RED] = _came_into(world, memory, i, red)
    out[ALONG], out[EXPERT] = memory.along[i], max(limits.expert_m, limits.min_progress_m)
    _find_place(world, memory, route, i, x, y, heading, out)
    broken = 0
    for k in range(_BOUNDS):
        broken += memory.broken[k]
    out[COMFORT], out[CLOSE] = 1.0 - broken / _BOUNDS, 1.0 - memory.parts[_TTC]
    goal = route.expert[n - 1]
    out[GOAL], out[GOAL_BEFORE] = math.hypot(x - goal[0], y - goal[1]), past.goal_m[0]
    past.goal_m[0] = min(past.goal_m[0], out[GOAL])
    out[LOG] = math.hypot(x - route.expert[i, 0], y - route.expert[i, 1])
    return out


@njit(cache=True, nogil=True)
def _came_into(world: Any, memory: Any, i: int, red: I64) -> float:
    """Whether ego's front came into one of the lanes ``red`` in step i."""
    now, before = memory.box[i], memory.box[i - 1]
    for k in range(len(red)):
        if red[k] >= 0 and _front_in(world, now, red[k]) and not _front_in(world, before, red[k]):
            return 1.0
    return 0.0


@njit(cache=True, nogil=True)
def _front_in(world: Any, box: F64, row: int) -> bool:
    half = 0.5 * box[3]
    return holds(world.lanes, row, box[0] + half * math.cos(box[2]), box[1] + half * math.sin(box[2]))


@njit(cache=True, nogil=True)
def _find_place(world: Any, memory: Any, route: Any, i: int, x: float, y: float, heading: float, out: F64) -> None:
    """Where ego is in its lane: of several connectors that to which it is turned least."""
    least = math.inf
    out[EDGE] = math.inf
    for k in range(memory.count[i]):
        row = memory.rows[i, k]
        if route.on_route[row]:
            out[ON_ROUTE] = 1.0
        offset, direction = _beside(world.points, world.offsets[row], world.offsets[row + 1], x, y)
        turned = (heading - direction + math.pi) % (2.0 * math.pi) - math.pi
        if abs(turned) < least:
            least = abs(turned)
            left, _ = _beside(route.left, route.left_offsets[row], route.left_offsets[row + 1], x, y)
            right, _ = _beside(route.right, route.right_offsets[row], route.right_offsets[row + 1], x, y)
            out[ON_LANE], out[OFFSET], out[HEADING] = 1.0, offset, turned
            out[EDGE] = min(abs(left), abs(right))


@njit(cache=True, nogil=True)
def _beside(points: F64, first: Index, last: Index, x: float, y: float) -> tuple[float, float]:
    """How far left of a line ``points[first:last]`` a point is, infinite where the line has no segment, and the
    direction of the nearest segment."""
    best, at = math.inf, first
    for i in range(first, last - 1):
        d = point_segment_distance(x, y, points[i, 0], points[i, 1], points[i + 1, 0], points[i + 1, 1])
        if d < best:
            best, at = d, i
    if best == math.inf:
        return best, 0.0
    dx, dy = points[at + 1, 0] - points[at, 0], points[at + 1, 1] - points[at, 1]
    side = dx * (y - points[at, 1]) - dy * (x - points[at, 0])
    return best if side >= 0.0 else -best, math.atan2(dy, dx)
