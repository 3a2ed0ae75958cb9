"""The ego's trailers along simulated trajectories: pulled by the chord of their hitches, and judged as unit 0 is.

What a unit touches, and where it leaves the road, lowers the score of the trajectory. Times to collision are those of
unit 0: a trailer in a turn does not go where its heading points.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.rollout import ObservationBatch
from roadcraft.core.driving.geometry.boxes import overlap, separation
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.map_index.cell_edges import rows_in_cell
from roadcraft.core.driving.map_index.index import LayerArrays, in_any
from roadcraft.core.driving.motion.chain import ChainArrays, chain_of, place_units, pull_joints, unit_boxes
from roadcraft.planners.trajectory_scoring.area_checks import OFF_ROAD, MapArrays
from roadcraft.planners.trajectory_scoring.contacts import score_traffic
from roadcraft.planners.trajectory_scoring.paths import ArcPath, interpolate
from roadcraft.planners.trajectory_scoring.scorer import (
    COLLISION_STEP,
    DRIVABLE,
    NO_COLLISION,
    SCORE_COLUMNS,
    TTC,
    TTC_STEP,
    Rules,
)
from roadcraft.planners.trajectory_scoring.traffic import Traffic

STATION_M = 2.0  # distance of places on a path for which trailers are placed
_SIDE_M = 2.0  # distance of points along a side that are looked for on the road, at most
_MOST = 32


class Trailers(NamedTuple):
    """The J units behind the ego's first: joints (1, J) now; chain: lengths of all units; boxes (J, 3): axle to box
    center, length, width; now (J, 5): where they are; drivable: the map's drivable area; slack_m: points this far over
    its edge are let pass."""

    joints: F64
    chain: ChainArrays
    boxes: F64
    now: F64
    drivable: LayerArrays
    slack_m: float


def trailers_of(obs: ObservationBatch, b: int, slack_m: float = 0.0) -> Trailers | None:
    """Those of scenario ``b``; None for an ego of one unit."""
    return units_behind(obs, b, slack_m) if obs.vehicle.joints else None


def units_behind(obs: ObservationBatch, b: int, slack_m: float = 0.0) -> Trailers:
    """Those of scenario ``b``, none or more."""
    vehicle = obs.vehicle
    joints, chain = np.array(obs.joints[b : b + 1]), chain_of(vehicle)
    boxes = np.array([(u.axle_to_center_m, u.length_m, u.width_m) for u in vehicle.units[1:]]).reshape(-1, 3)
    now = unit_boxes(np.array(obs.ego[b : b + 1]), joints, chain)[0, 1:].copy()
    return Trailers(joints, chain, boxes, now, obs.maps[b].index.drivable.arrays, slack_m)


class Swept(NamedTuple):
    """What the trailers sweep along a path: arc (S,) m of unit 0, and boxes (S, J, 6) x, y, cos, sin, length, width of
    the trailers when it is there; S = 0 for an ego without."""

    arc: F64
    boxes: F64


@njit(cache=True, nogil=True)
def swept_ahead(path: ArcPath, start: float, reach_m: float, trailers: Trailers) -> Swept:
    """What they sweep from the arc length ``start`` on, where the joints are those of now."""
    count, chain = int(reach_m / STATION_M) + 1, trailers.chain
    arc, poses = start + STATION_M * np.arange(count), np.empty((1, count, 3))
    for k in range(count):
        poses[0, k, 0], poses[0, k, 1], poses[0, k, 2] = interpolate(path, arc[k])
    bent, units = pull_joints(poses, trailers.joints, chain), np.empty((len(chain.hitch), 3))
    boxes = np.empty((count, len(trailers.boxes), 6))
    for k in range(count):
        place_units(poses[0, k], bent[0, k], chain, units)
        for u in range(len(trailers.boxes)):
            b, c, s = trailers.boxes[u], math.cos(units[u + 1, 2]), math.sin(units[u + 1, 2])
            boxes[k, u, 0], boxes[k, u, 1] = units[u + 1, 0] + b[0] * c, units[u + 1, 1] + b[0] * s
            boxes[k, u, 2], boxes[k, u, 3], boxes[k, u, 4], boxes[k, u, 5] = c, s, b[1], b[2]
    return Swept(arc, boxes)


@njit(cache=True, nogil=True)
def first_touched(swept: Swept, traffic: Traffic, time_s: float, out: F64) -> None:
    """Arc lengths out (M,) of unit 0 at which a trailer first touches each object, where that is at ``time_s``;
    infinite where none does or the object is ignored."""
    for j in range(len(out)):
        out[j] = math.inf
        if traffic.ignored[j]:
            continue
        b = traffic.box[j]
        x, y = b[0] + time_s * traffic.moved[j, 0], b[1] + time_s * traffic.moved[j, 1]
        for k in range(len(swept.arc)):
            for u in range(swept.boxes.shape[1]):
                own = swept.boxes[k, u]
                dx, dy, reach = x - own[0], y - own[1], traffic.radius[j] + 0.5 * (own[4] + own[5])
                if out[j] < math.inf or dx * dx + dy * dy > reach * reach:
                    continue
                shape = (own[2], own[3], own[4], own[5])
                if separation(dx, dy, shape, (b[2], b[3], b[4], b[5])) <= 0.0:
                    out[j] = swept.arc[k]
            if out[j] < math.inf:
                break


@njit(cache=True, nogil=True)
def ignore_touched(traffic: Traffic, trailers: Trailers) -> None:
    """Marks the objects that touch a trailer now, as those are that touch the first unit."""
    for j in range(len(traffic.box)):
        b = traffic.box[j]
        for u in range(len(trailers.now)):
            if overlap(trailers.now[u], (b[0], b[1], traffic.heading[j], b[4], b[5])):
                traffic.ignored[j] = True


@njit(cache=True, nogil=True)
def pulled(states: F64, trailers: Trailers) -> F64:
    """States (J, N, T, 10) of the trailers along the states (N, T, 10) of unit 0: pose of the axle and speed."""
    count, steps, _ = states.shape
    chain, behind = trailers.chain, trailers.joints.shape[1]
    joints = np.empty((count, behind))
    for n in range(count):
        joints[n] = trailers.joints[0]
    bent, poses = pull_joints(states, joints, chain, 2), np.empty((behind + 1, 3))
    out = np.zeros((behind, count, steps, 10))
    for n in range(count):
        for t in range(steps):
            place_units(states[n, t], bent[n, t], chain, poses)
            speed, yaw_rate = states[n, t, 3], states[n, t, 8]
            for u in range(behind):
                c, s, across = math.cos(bent[n, t, u]), math.sin(bent[n, t, u]), chain.hitch[u] * yaw_rate
                speed, yaw_rate = speed * c + across * s, (across * c - speed * s) / chain.wheel_base[u + 1]
                out[u, n, t, :3], out[u, n, t, 3], out[u, n, t, 8] = poses[u + 1], speed, yaw_rate
    return out


@njit(cache=True, nogil=True)
def score_trailers(
    states: F64,
    map_arrays: MapArrays,
    patch: F64,
    traffic: Traffic,
    rules: Rules,
    trailers: Trailers,
    score_table: F64,
) -> None:
    """Lowers the scores of N trajectories, states (N, T, 10) of unit 0, by what their trailers touch and where those
    leave the road. score_table: (N, SCORE_COLUMNS)."""
    own = pulled(states, trailers)
    flags = np.empty((len(own), *states.shape[:2]), np.int64)
    for u in range(len(own)):
        _leave_road(own[u], trailers.boxes[u], map_arrays, trailers.drivable, trailers.slack_m, flags[u])
        for n in range(len(states)):
            for t in range(states.shape[1]):
                if flags[u, n, t] & OFF_ROAD:
                    score_table[n, DRIVABLE] = 0.0
    score_contacts(own, flags, map_arrays, patch, traffic, rules, trailers, score_table)


@njit(cache=True, nogil=True)
def score_contacts(
    own: F64,
    flags: I64,
    map_arrays: MapArrays,
    patch: F64,
    traffic: Traffic,
    rules: Rules,
    trailers: Trailers,
    score_table: F64,
) -> None:
    """Lowers the scores of N trajectories by what their trailers touch. own (J, N, T, 10): their states of
    :func:`pulled`; flags (J, N, T): OFF_ROAD where they are that."""
    contacts = Rules(rules.dt, rules.refresh, rules.weights, rules.ahead[:1], rules.direction_m, rules.progress_floor_m)
    table = np.ones((len(score_table), SCORE_COLUMNS))
    for u in range(len(own)):
        score_traffic(own[u], flags[u], map_arrays, patch, trailers.boxes[u], traffic, contacts, table)
        for n in range(len(score_table)):
            for column in (NO_COLLISION, COLLISION_STEP, TTC, TTC_STEP):
                score_table[n, column] = min(score_table[n, column], table[n, column])


@njit(cache=True, nogil=True)
def _leave_road(
    states: F64, box: F64, map_arrays: MapArrays, drivable: LayerArrays, slack_m: float, flags: I64
) -> None:
    """Flags (N, T) of one unit's states: OFF_ROAD where a corner or a point of a side lies in no lane and no drivable
    area, not held against a trajectory until the unit has been on the road once."""
    half, side = max(0.5 * box[1] - slack_m, 0.0), max(0.5 * box[2] - slack_m, 0.0)
    points, rows = 1 + max(math.ceil(2.0 * half / _SIDE_M), 1), np.empty(_MOST, np.int64)
    for n in range(states.shape[0]):
        entered = False
        for t in range(states.shape[1]):
            x, y, heading = states[n, t, 0], states[n, t, 1], states[n, t, 2]
            c, s, outside = math.cos(heading), math.sin(heading), False
            for i in range(points):
                along = box[0] + half - 2.0 * half * i / (points - 1)
                for across in (side, -side):
                    px, py = x + along * c - across * s, y + along * s + across * c
                    outside = outside or not (
                        in_any(drivable, px, py) or rows_in_cell(map_arrays.lanes, px, py, rows, 0) > 0
                    )
            entered = entered or not outside
            flags[n, t] = OFF_ROAD if outside and entered else 0
