"""Whom a simulated trajectory touches, and whom it is about to: collisions at fault and time to collision, in the
manner of nuPlan's closed-loop metrics.

Source: tuplan_garage b51d5d0 (Apache-2.0), PDMScorer; the nuPlan metrics of the same names are computed differently
(see validation/metrics).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, Mask
from roadcraft.core.driving.geometry.boxes import convex_touch, place_corners, segments_touch, separation
from roadcraft.core.driving.geometry.facing import AHEAD_RAD, BEHIND_RAD, relative_angle
from roadcraft.core.driving.geometry.reference_trig import cosine, sine
from roadcraft.core.driving.geometry.tolerances import CLEAR_M
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.map_index.index import in_any
from roadcraft.core.driving.motion.stopped import PROJECTED_MPS, STOPPED_MPS
from roadcraft.planners.trajectory_scoring.area_checks import (
    OFF_ROAD,
    AreaScratch,
    MapArrays,
    area_scratch,
    straddles,
)
from roadcraft.planners.trajectory_scoring.scorer import (
    COLLISION_STEP,
    NO_COLLISION,
    TTC,
    TTC_STEP,
    Rules,
)
from roadcraft.planners.trajectory_scoring.traffic import Traffic


@small_njit
def centroid(box: tuple[float, float, float, float, float], dx: float, dy: float, p: F64) -> tuple[float, float]:
    """Centroid of a box x, y, heading, length, width moved corner by corner by (dx, dy), with GEOS' operations: up to
    1e-10 m from (x + dx, y + dy), which may decide whether an object on ego's axis is ahead of it. p (4, 2):
    scratch."""
    place_corners(box, p)
    for k in range(4):
        p[k, 0] += dx
        p[k, 1] += dy
    area = sx = sy = 0.0
    for k in range(1, 3):
        twice = (p[k + 1, 0] - p[0, 0]) * (p[k, 1] - p[0, 1]) - (p[k, 0] - p[0, 0]) * (p[k + 1, 1] - p[0, 1])
        area += twice
        sx += twice * (p[0, 0] + p[k, 0] + p[k + 1, 0])
        sy += twice * (p[0, 1] + p[k, 1] + p[k + 1, 1])
    return (sx / 3.0 / area, sy / 3.0 / area) if area != 0.0 else (box[0] + dx, box[1] + dy)


class _Work(NamedTuple):
    """Of one trajectory at each of T times: track (T, 7) box center x, y, cosine, sine, length, width, and speed. Of M
    objects: hit, near (M,) had its first contact, now or ahead; closing (M,) m/s, at most, at which it and ego draw
    near each other; reach (M,) m beyond which it is not met, nor in the projections; due (M,) not met before this step;
    open, some (M,) indices. other (6,), a, b (4, 2) and areas: scratch."""

    track: F64
    hit: Mask
    near: Mask
    closing: F64
    reach: F64
    due: I64
    open: I64
    some: I64
    other: F64
    a: F64
    b: F64
    areas: AreaScratch


@small_njit
def _touching(ego: F64, x: float, y: float, box: F64, work: _Work) -> bool:
    """Whether ego (6,) moved to (x, y) touches a box (6,)."""
    g = separation(box[0] - x, box[1] - y, (ego[2], ego[3], ego[4], ego[5]), (box[2], box[3], box[4], box[5]))
    if g > CLEAR_M:
        return False
    if g < -CLEAR_M:
        return True
    place_corners((x, y, math.atan2(ego[3], ego[2]), ego[4], ego[5]), work.a)
    place_corners((box[0], box[1], math.atan2(box[3], box[2]), box[4], box[5]), work.b)
    return convex_touch(work.a, work.b)


@small_njit
def _front_touches(ego: F64, box: F64, work: _Work) -> bool:
    a, b = work.a, work.b
    place_corners((ego[0], ego[1], math.atan2(ego[3], ego[2]), ego[4], ego[5]), a)
    place_corners((box[0], box[1], math.atan2(box[3], box[2]), box[4], box[5]), b)
    for k in range(4):
        m = (k + 1) % 4
        if segments_touch(a[0, 0], a[0, 1], a[3, 0], a[3, 1], b[k, 0], b[k, 1], b[m, 0], b[m, 1]):
            return True
    for k in range(4):
        m = (k + 1) % 4
        cross = (b[m, 0] - b[k, 0]) * (a[0, 1] - b[k, 1]) - (b[m, 1] - b[k, 1]) * (a[0, 0] - b[k, 0])
        if cross < 0.0:
            return False
    return True


@small_njit
def _at_fault(angle: float, ego: F64, traffic: Traffic, j: int, spread: bool, work: _Work) -> bool:
    """Whether ego (7,) is to blame for touching object j, where it is then, now; angle between ego's heading and the
    way to it; spread: ego straddles lanes or is off the road."""
    if ego[6] <= STOPPED_MPS:
        return False
    if not traffic.moving[j] or traffic.speed[j] <= STOPPED_MPS:
        return True
    if angle > BEHIND_RAD:
        return False
    return _front_touches(ego, work.other, work) or spread


@small_njit
def _place(traffic: Traffic, j: int, t: int, ahead: int, rules: Rules, other: F64) -> None:
    """Object j as a box, other (6,), where it is taken to be ``ahead`` steps after step t."""
    steps = traffic.path.shape[1]
    if steps > 0:
        # from where it will be at t, it is taken to go on as it moves then: so the metric looks at it
        s, then = min(t // rules.refresh, steps - 2), ahead * rules.dt / (rules.refresh * rules.dt)
        at, after = traffic.path[j, s], traffic.path[j, s + 1]
        other[0], other[1] = at[0] + then * (after[0] - at[0]), at[1] + then * (after[1] - at[1])
    else:
        at, time_s = traffic.box[j], (t + ahead) // rules.refresh * rules.refresh * rules.dt
        other[0], other[1] = at[0] + time_s * traffic.moved[j, 0], at[1] + time_s * traffic.moved[j, 1]
    other[2], other[3], other[4], other[5] = at[2], at[3], traffic.box[j, 4], traffic.box[j, 5]


@small_njit
def _trace(states: F64, vehicle_box: F64, dt: float, track: F64) -> tuple[float, float, float]:
    """Writes ``_Work.track``; answers a velocity, and by how much at most ego's, and the one that is projected, differ
    from it."""
    low_x = low_y = math.inf
    high_x = high_y = -math.inf
    for t in range(len(states)):
        c, s = cosine(states[t, 2]), sine(states[t, 2])
        track[t, 0], track[t, 1] = states[t, 0] + vehicle_box[0] * c, states[t, 1] + vehicle_box[0] * s
        track[t, 2], track[t, 3], track[t, 4], track[t, 5] = c, s, vehicle_box[1], vehicle_box[2]
        speed = math.sqrt(states[t, 3] * states[t, 3] + states[t, 4] * states[t, 4])
        track[t, 6] = speed
        low_x, high_x = min(low_x, c * speed), max(high_x, c * speed)
        low_y, high_y = min(low_y, s * speed), max(high_y, s * speed)
        if t > 0:
            vx, vy = (track[t, 0] - track[t - 1, 0]) / dt, (track[t, 1] - track[t - 1, 1]) / dt
            low_x, high_x, low_y, high_y = min(low_x, vx), max(high_x, vx), min(low_y, vy), max(high_y, vy)
    spread = 0.5 * math.sqrt((high_x - low_x) ** 2 + (high_y - low_y) ** 2)
    return 0.5 * (low_x + high_x), 0.5 * (low_y + high_y), spread


@small_njit
def _apart(traffic: Traffic, j: int, velocity: tuple[float, float, float], rules: Rules) -> tuple[float, float]:
    """How fast, at most, ego and object j draw near each other, m/s, and how far, at most, object j is from where it
    would be at a steady speed, m: it is moved every ``refresh`` steps."""
    step_s = rules.refresh * rules.dt
    steps = traffic.path.shape[1]
    if steps == 0:
        mx, my = traffic.moved[j, 0], traffic.moved[j, 1]
        dx, dy = velocity[0] - mx, velocity[1] - my
        return math.sqrt(dx * dx + dy * dy) + velocity[2], 2.0 * step_s * math.sqrt(mx * mx + my * my)
    fastest = 0.0
    for s in range(steps - 1):
        dx, dy = traffic.path[j, s + 1, 0] - traffic.path[j, s, 0], traffic.path[j, s + 1, 1] - traffic.path[j, s, 1]
        fastest = max(fastest, math.sqrt(dx * dx + dy * dy) / step_s)
    own = math.sqrt(velocity[0] * velocity[0] + velocity[1] * velocity[1])
    return own + velocity[2] + fastest, 2.0 * step_s * fastest


@small_njit
def _near_now(t: int, count: int, traffic: Traffic, rules: Rules, work: _Work) -> tuple[int, int]:
    """Of the ``count`` open objects, those that may meet ego at step t or in the projections from it: their number in
    ``work.some``; and how many stay open, which are those that may be met later."""
    ego, n, k = work.track[t], np.int64(0), np.int64(0)
    while k < count:
        j = work.open[k]
        if work.due[j] > t:
            k += 1
            continue
        _place(traffic, j, t, np.int64(0), rules, work.other)
        dx, dy, closing = work.other[0] - ego[0], work.other[1] - ego[1], work.closing[j]
        gap = math.sqrt(dx * dx + dy * dy) - work.reach[j]
        if gap <= 0.0:
            work.some[n] = j
            n += 1
            k += 1
            continue
        steps = len(work.track) - t
        later = gap / (closing * rules.dt) if closing * rules.dt * steps > gap else float(steps)
        if later >= steps:
            count -= 1
            work.open[k] = work.open[count]
        else:
            work.due[j] = t + max(int(later), 1)
            k += 1
    return n, count


@small_njit
def _passed_beside(ego: F64, t: int, j: int, last_s: float, traffic: Traffic, rules: Rules, other: F64) -> bool:
    """Whether object j, now at ``other`` (6,), stays to one side of ego's straight way in all projections from step
    t."""
    c, s = ego[2], ego[3]
    side = (other[1] - ego[1]) * c - (other[0] - ego[0]) * s
    if traffic.path.shape[1] > 0:
        k = min(t // rules.refresh, traffic.path.shape[1] - 2)
        step_s = rules.refresh * rules.dt
        mx = (traffic.path[j, k + 1, 0] - traffic.path[j, k, 0]) / step_s
        my = (traffic.path[j, k + 1, 1] - traffic.path[j, k, 1]) / step_s
    else:
        mx, my = traffic.moved[j, 0], traffic.moved[j, 1]
    drift = (my * c - mx * s) * (last_s + rules.refresh * rules.dt)
    cc, cs = abs(c * other[2] + s * other[3]), abs(c * other[3] - s * other[2])
    half = 0.5 * (ego[5] + other[4] * cs + other[5] * cc) + 2.0 * CLEAR_M
    return min(side, side + drift) > half or max(side, side + drift) < -half


@small_njit
def _meet(
    states: F64, flags: I64, map_arrays: MapArrays, patch: F64, vehicle_box: F64, traffic: Traffic, rules: Rules,
    work: _Work,
) -> tuple[float, float, float, float]:  # fmt: skip
    """Collision, its step, time to collision, its step: of one trajectory (T, 10)."""
    velocity = _trace(states, vehicle_box, rules.dt, work.track)
    last_s, count = rules.ahead[len(rules.ahead) - 1] * rules.dt, np.int64(0)
    own = 0.5 * math.sqrt(vehicle_box[1] ** 2 + vehicle_box[2] ** 2)
    for j in range(len(traffic.box)):
        if not traffic.ignored[j]:
            work.hit[j], work.near[j], work.due[j], work.open[count] = False, False, 0, j
            work.closing[j], slack = _apart(traffic, j, velocity, rules)
            work.reach[j] = own + traffic.radius[j] + last_s * work.closing[j] + slack + CLEAR_M
            count += 1
    other = work.other
    collision, collided_at, ttc, ttc_at = 1.0, math.inf, 1.0, math.inf
    for t in range(len(states)):
        ego = work.track[t]
        spread, known = (flags[t] & OFF_ROAD) != 0, False
        some, count = _near_now(t, count, traffic, rules, work)
        for k in range(some):
            j = work.some[k]
            _place(traffic, j, t, np.int64(0), rules, other)
            if _passed_beside(ego, t, j, last_s, traffic, rules, other):
                continue
            reach = own + traffic.radius[j]
            for f in range(len(rules.ahead)):
                ahead = rules.ahead[f]
                looking = ttc > 0.0 and ego[6] >= PROJECTED_MPS
                if ahead > 0 and not looking:
                    break
                if (work.near[j] or not looking) and (work.hit[j] or ahead > 0):
                    continue
                lead_s = ahead * rules.dt
                x, y = ego[0] + ego[2] * ego[6] * lead_s, ego[1] + ego[3] * ego[6] * lead_s
                _place(traffic, j, t, ahead, rules, other)
                dx, dy = other[0] - x, other[1] - y
                if dx * dx + dy * dy > reach * reach or not _touching(ego, x, y, other, work):
                    continue
                if not (spread or known):
                    spread, known = straddles(states[t], vehicle_box, map_arrays, patch, work.areas), True
                mx, my = other[0], other[1]
                if traffic.path.shape[1] == 0:
                    time_s, at = (t + ahead) // rules.refresh * rules.refresh * rules.dt, traffic.box[j]
                    box = (at[0], at[1], traffic.heading[j], at[4], at[5])
                    mx, my = centroid(box, time_s * traffic.moved[j, 0], time_s * traffic.moved[j, 1], work.a)
                angle = relative_angle(states[t, 0], states[t, 1], ego[2], ego[3], mx, my)
                if ahead == 0 and not work.hit[j]:
                    work.hit[j] = True
                    if _at_fault(angle, ego, traffic, j, spread, work):
                        collision = min(collision, 0.0 if traffic.moving[j] else 0.5)
                        collided_at = min(collided_at, float(t))
                if looking and not work.near[j]:
                    work.near[j] = True
                    if angle < AHEAD_RAD or (
                        not angle > BEHIND_RAD and (spread or in_any(map_arrays.crossings, states[t, 0], states[t, 1]))
                    ):
                        ttc, ttc_at = 0.0, float(t)
    return collision, collided_at, ttc, ttc_at


@njit(cache=True, nogil=True)
def score_traffic(
    states: F64,
    flags: I64,
    map_arrays: MapArrays,
    patch: F64,
    vehicle_box: F64,
    traffic: Traffic,
    rules: Rules,
    score_table: F64,
) -> None:
    """Collisions at fault and time to collision of N trajectories (N, T, 10), into score_table (N, SCORE_COLUMNS).

    flags (N, T) and patch (4, 2): of ``area_checks``. An object matters at its first contact only: whatever it is found
    to be then, it is not looked at again, and of the first contact at fault the step is kept. Objects are left out for
    as long as they are too far to be met at the speeds of both.
    """
    count, areas = len(traffic.box), area_scratch()
    work = _Work(
        np.empty((states.shape[1], 7)),
        np.empty(count, np.bool_),
        np.empty(count, np.bool_),
        np.empty(count),
        np.empty(count),
        np.empty(count, np.int64),
        np.empty(count, np.int64),
        np.empty(count, np.int64),
        np.empty(6),
        np.empty((4, 2)),
        np.empty((4, 2)),
        areas,
    )
    for n in range(len(states)):
        collision, collided_at, ttc, ttc_at = _meet(
            states[n], flags[n], map_arrays, patch, vehicle_box, traffic, rules, work
        )
        score_table[n, NO_COLLISION], score_table[n, COLLISION_STEP] = collision, collided_at
        score_table[n, TTC], score_table[n, TTC_STEP] = ttc, ttc_at
