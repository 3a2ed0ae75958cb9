"""nuPlan's score of a drive so far, step by step, with the offline metrics' own kernels.

Two things of an offline metric look back: several connectors under ego are reduced to those that it ends up on, and a
Savitzky-Golay filter takes samples after its output. So a step judges anew the steps whose connectors it has changed,
and an output of a filter counts from the step on at which it is known; the outputs at the end, which have filters of
their own, count at the last step.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, U8, U64
from roadcraft.core.data.scenario import LAST_MOVING, ObjectKind
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.map_index.index import rows_at
from roadcraft.core.driving.motion.savitzky_golay import filtered_at, last_needed
from roadcraft.validation.environments.score_arrays import (
    ALONG_AT,
    CANDIDATES,
    FAULT,
    HIT_OBJECT,
    HIT_VEHICLE,
    HIT_VRU,
    JERKED,
    NO_LIMIT,
    OVERLAP,
    RATED,
    SMOOTHED,
    STEPS,
    TOO_MANY,
    TOUCHED,
    TURNED,
    TURNS,
)
from roadcraft.validation.metrics.common.collisions import CollisionType, first_contacts
from roadcraft.validation.metrics.common.drivable import corner_distances
from roadcraft.validation.metrics.common.progress import share_of, start_along, step_along
from roadcraft.validation.metrics.common.speed_limits import lane_limits
from roadcraft.validation.metrics.driving_direction_compliance import direction_score, step_way, way_since
from roadcraft.validation.metrics.ego_is_comfortable import EgoIsComfortable
from roadcraft.validation.metrics.ego_progress_along_expert_route import EgoProgressAlongExpertRoute
from roadcraft.validation.metrics.kernels.contacts import ObjectRows
from roadcraft.validation.metrics.kernels.corners import COMMON, CornerRows, common_or_connected, corners_at
from roadcraft.validation.metrics.kernels.routes import Graph, route_at, thinned
from roadcraft.validation.metrics.kernels.ttc import StepFlags, time_to_collision
from roadcraft.validation.metrics.no_ego_at_fault_collisions import share_left
from roadcraft.validation.metrics.speed_limit_compliance import SpeedLimitCompliance, overspeed_score
from roadcraft.validation.metrics.time_to_collision_within_bound import TimeToCollisionWithinBound

_COMFORT, _PROGRESS = EgoIsComfortable.weight, EgoProgressAlongExpertRoute.weight
_LIMIT, _TTC = SpeedLimitCompliance.weight, TimeToCollisionWithinBound.weight
_FRONT, _STOPPED, _LATERAL = (
    int(t) for t in (CollisionType.ACTIVE_FRONT, CollisionType.STOPPED_TRACK, CollisionType.ACTIVE_LATERAL)
)
_VEHICLE = int(ObjectKind.VEHICLE)
_ROUNDED = 1e8  # the offline metrics round to 8 decimals


class SceneSample(NamedTuple):
    """What R egos and those around them do at one step: ego (R, 10); box (R, 5); corner (R, 4, 2); speed (R,) m/s;
    acceleration (3, R): x, y, magnitude; objects of row r ``offsets[r]:offsets[r + 1]``: id, kind, object_box (., 5),
    object_speed."""

    ego: F64
    box: F64
    corner: F64
    speed: F64
    acceleration: F64
    offsets: I64
    id: U64
    kind: U8
    object_box: F64
    object_speed: F64


@njit(cache=True, nogil=True)
def score_step(world: Any, limits: Any, memory: Any, moment: SceneSample, r: int) -> None:
    """Add the sample of row ``r`` of a moment to a drive; world, limits and memory: what ``score_map``,
    ``score_limits`` and ``score_memory`` hold. ``memory.parts`` are those of the drive so far; after the last sample,
    of the whole one."""
    counts, i = memory.counts, memory.counts[STEPS]
    if counts[FAULT] != 0 or i == len(memory.speed):
        return
    memory.box[i], memory.corner[i], memory.speed[i] = moment.box[r], moment.corner[r], moment.speed[r]
    graph = Graph(world.kind, world.next_values, world.next_offsets, world.before_values, world.before_offsets)
    if not _find_lanes(world, memory, graph, i):
        counts[FAULT] = OVERLAP
        return
    for j in range(_thin(memory, graph, i), i + 1):
        _judge_lanes(world, limits, memory, graph, j)
    if not _meet_objects(world, limits, memory, moment, r, i, _in_common(memory, graph, i)):
        counts[FAULT] = TOO_MANY
        return
    _follow_route(world, limits, memory, i)
    _feel(limits, memory, moment, r, i)
    counts[STEPS] = i + 1
    _sum_up(limits, memory, i)


@njit(cache=True, nogil=True)
def _find_lanes(world: Any, memory: Any, graph: Graph, i: int) -> bool:
    """The lanes under ego's center and corners; whether no two of them overlap."""
    box, corner, width = memory.box[i], memory.corner[i], memory.raw.shape[1]
    under, ends = np.empty(4 * width, np.int64), np.zeros(5, np.int64)
    end = rows_at(world.lanes, box[0], box[1], under, 0)
    held = memory.raw_count[i - 1] if i > 0 else 0
    before, out = memory.raw[max(i - 1, 0), :held], memory.raw[i]
    found = route_at(i, box[:2], under[:end], before, world.lanes, world.intersections, graph, out)
    if found < 0:
        return False
    memory.raw_count[i] = found
    for c in range(4):
        ends[c + 1] = rows_at(world.lanes, corner[c, 0], corner[c, 1], under, ends[c])
    here, there = memory.candidates[i % 2], memory.candidates[(i + 1) % 2]
    corners, candidates = CornerRows(memory.corner_rows[0], memory.corner_count[i]), memory.counts[CANDIDATES]
    candidates = corners_at(i, under, ends, graph, here, candidates, there, corners)
    memory.counts[CANDIDATES] = candidates
    return candidates >= 0


@njit(cache=True, nogil=True)
def _thin(memory: Any, graph: Graph, i: int) -> int:
    """Reduce the connectors up to step i; the first step that has changed."""
    raw, raw_count, rows, count = memory.raw, memory.raw_count, memory.rows, memory.count
    rows[i], count[i] = raw[i], raw_count[i]
    out, j = np.empty(raw.shape[1], np.int64), i - 1
    while j >= 0 and raw_count[j] > 1:
        k = thinned(raw[j], raw_count[j], rows[j + 1], count[j + 1], graph, out)
        same = k == count[j]
        for c in range(k):
            same = same and out[c] == rows[j, c]
        if same:
            break
        rows[j, :k], count[j] = out[:k], k
        j -= 1
    return j + 1


@njit(cache=True, nogil=True)
def _judge_lanes(world: Any, limits: Any, memory: Any, graph: Graph, j: int) -> None:
    """Drivable area, driving direction and speed limit of step j."""
    rows, count, part = memory.rows, memory.count, slice(j, j + 1)
    row = rows[j, 0] if count[j] > 0 else np.int64(-1)
    if j == 0:
        memory.way_row[0] = row
    state = memory.way_row[j], memory.way_known[j] != 0, memory.way_arc[j]
    way, current, known, arc = step_way(memory.box[j], row, state, world.points, world.offsets)
    memory.way[j], memory.way_row[j + 1], memory.way_known[j + 1], memory.way_arc[j + 1] = way, current, known, arc
    memory.backward[j] = way_since(memory.way, j, limits.horizon)
    _, far = corner_distances(
        memory.corner[part], memory.corner_count[part], rows[part], count[part], world.lanes, world.drivable
    )
    memory.far_m[j] = far.max()
    limit, fault = lane_limits(rows[part], count[part], world.limit, world.known, graph)
    memory.over[j], memory.unlimited[j] = max(memory.speed[j] - limit[0], 0.0), fault >= 0


@njit(cache=True, nogil=True)
def _in_common(memory: Any, graph: Graph, i: int) -> bool:
    """Whether all corners of ego are in one lane or in connected ones."""
    state, _, _ = common_or_connected(memory.corner_rows, memory.corner_count[i : i + 1], graph)
    return state[0] == COMMON


@njit(cache=True, nogil=True)
def _meet_objects(world: Any, limits: Any, memory: Any, moment: SceneSample, r: int, i: int, in_common: bool) -> bool:
    """First contacts and time to collision; whether there was room to remember the contacts."""
    low, high, one = moment.offsets[r], moment.offsets[r + 1], slice(r, r + 1)
    counts, touched, ids, kind = memory.counts, memory.touched, moment.id, moment.kind
    objects = ObjectRows(
        np.array([0, high - low]),
        np.arange(high - low),
        kind[low:high],
        moment.object_box[low:high],
        moment.object_speed[low:high],
    )
    ego, box, speed = moment.ego[one], moment.box[one], moment.speed[one]
    fresh, hit = np.ones(high - low, np.int64), np.zeros(1, np.bool_)
    for k in range(high - low):
        for t in range(counts[TOUCHED]):
            if touched[t] == ids[low + k]:
                fresh[k] = 0
    _, rows, types, _ = first_contacts(ego, box, moment.corner[one], speed, objects, high - low)
    for k in range(len(rows)):
        row = rows[k]
        if fresh[row] == 0:
            continue
        if counts[TOUCHED] == len(touched):
            return False
        fresh[row], touched[counts[TOUCHED]] = 0, ids[low + row]
        counts[TOUCHED] += 1
        if types[k] == _FRONT or types[k] == _STOPPED or (types[k] == _LATERAL and not in_common):
            hit[0] = True
            what = objects.kind[row]
            counts[HIT_OBJECT if what > LAST_MOVING else HIT_VEHICLE if what == _VEHICLE else HIT_VRU] += 1
    flags = StepFlags(fresh, hit, np.array([in_common]))
    seconds, _ = time_to_collision(
        ego, box, speed, objects, flags, world.intersections, limits.ttc_step_s, limits.ttc_horizon_s
    )
    memory.close[i] = 0 if seconds[0] > limits.min_ttc_s else 1
    return True


@njit(cache=True, nogil=True)
def _follow_route(world: Any, limits: Any, memory: Any, i: int) -> None:
    pairs, box, counts = limits.pairs, memory.box[i], memory.counts
    if len(pairs) == 0:
        return
    if i == 0:
        memory.arc[0] = start_along(box[0], box[1], pairs, world.points, world.offsets)
    else:
        memory.along[i], counts[ALONG_AT], memory.arc[0] = step_along(
            box[0], box[1], counts[ALONG_AT], memory.arc[0], pairs, world.blocks, world.points, world.offsets
        )


@njit(cache=True, nogil=True)
def _feel(limits: Any, memory: Any, moment: SceneSample, r: int, i: int) -> None:
    """Comfort, as far as the filters' outputs are known."""
    motion, smooth, counts, n = memory.motion, memory.smooth, memory.counts, len(memory.speed)
    for axis in range(3):
        motion[axis, i] = moment.acceleration[axis, r]
    if i > 0:
        counts[TURNS] += int(np.rint((memory.box[i, 2] - memory.box[i - 1, 2]) / (2.0 * np.pi)))
    motion[3, i] = memory.box[i, 2] - 2.0 * np.pi * counts[TURNS]
    while counts[SMOOTHED] < n and last_needed(counts[SMOOTHED], n, limits.acceleration.window) <= i:
        k = counts[SMOOTHED]
        for axis in range(3):
            smooth[axis, k] = _filtered(motion[axis], k, limits.acceleration)
        _bound(limits, memory, 0, smooth[0, k], k)
        _bound(limits, memory, 1, smooth[1, k], k)
        counts[SMOOTHED] += 1
    while counts[JERKED] < n and last_needed(counts[JERKED], n, limits.jerk.window) < counts[SMOOTHED]:
        k = counts[JERKED]
        _bound(limits, memory, 2, _filtered(smooth[0], k, limits.jerk), k)
        _bound(limits, memory, 3, _filtered(smooth[2], k, limits.jerk), k)
        counts[JERKED] += 1
    while counts[RATED] < n and last_needed(counts[RATED], n, limits.yaw_rate.window) <= i:
        _bound(limits, memory, 4, _filtered(motion[3], counts[RATED], limits.yaw_rate), counts[RATED])
        counts[RATED] += 1
    while counts[TURNED] < n and last_needed(counts[TURNED], n, limits.yaw_acceleration.window) <= i:
        _bound(limits, memory, 5, _filtered(motion[3], counts[TURNED], limits.yaw_acceleration), counts[TURNED])
        counts[TURNED] += 1


@njit(cache=True, nogil=True)
def _filtered(values: F64, k: int, weights: Any) -> float:
    out = filtered_at(values, k, weights.inner, weights.left, weights.right) * weights.scale
    return np.rint(out * _ROUNDED) / _ROUNDED


@small_njit
def _bound(limits: Any, memory: Any, series: int, value: float, k: int) -> None:
    if not limits.low[series] < value < limits.high[series]:
        memory.uncomfortable[k] = 1
        memory.broken[series] = 1


@njit(cache=True, nogil=True)
def _sum_up(limits: Any, memory: Any, i: int) -> None:
    """The score of steps 0 to i, and its parts."""
    counts, n, last = memory.counts, len(memory.speed), i + 1 == len(memory.speed)
    far, worst, over, along, close, harsh = 0.0, memory.backward[0], 0.0, 0.0, 0, 0
    for j in range(i + 1):
        far, worst = max(far, memory.far_m[j]), min(worst, memory.backward[j])
        over, along = over + memory.over[j], along + memory.along[j]
        close, harsh = close + memory.close[j], harsh + memory.uncomfortable[j]
        if last and memory.unlimited[j]:
            counts[FAULT] = NO_LIMIT
    collisions = 1.0
    for k in range(3):
        collisions *= share_left(counts[HIT_VRU + k], limits.allowed[k])
    drivable = 0.0 if far >= limits.tolerance_m else 1.0
    direction = direction_score(abs(worst), limits.compliance_m, limits.violation_m)
    progress = share_of(along, limits.expert_m, limits.min_progress_m) if len(limits.pairs) else 1.0
    moving = 1.0 if progress >= limits.min_ratio or not last else 0.0
    speed = overspeed_score(over, limits.interval_s, limits.duration_s, limits.max_overspeed_mps)
    factor, weights = collisions * drivable * direction * moving, _COMFORT + _PROGRESS + _LIMIT + _TTC
    comfort, ttc = 1.0 if harsh == 0 else 0.0, 1.0 if close == 0 else 0.0
    kept, clear = 1.0 - harsh / n, 1.0 - close / n
    parts = memory.parts
    parts[0] = factor * ((_COMFORT * comfort + _PROGRESS * progress + _LIMIT * speed + _TTC * ttc) / weights)
    parts[1], parts[2], parts[3], parts[4], parts[5] = collisions, drivable, direction, moving, progress
    parts[6], parts[7], parts[8] = ttc, speed, comfort
    parts[9] = factor * ((_COMFORT * kept + _PROGRESS * progress + _LIMIT * speed + _TTC * clear) / weights)
