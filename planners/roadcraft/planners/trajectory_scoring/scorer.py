"""The scoring engine that pdm_closed and guard share: how a simulated trajectory fares, in the manner of nuPlan's
closed-loop metrics.

Source: tuplan_garage b51d5d0 (Apache-2.0), PDMScorer; the nuPlan metrics of the same names are computed differently
(see validation/metrics).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.geometry.boxes import box_corners, convex_touch, segments_touch, separation
from roadcraft.core.driving.geometry.facing import AHEAD_RAD, BEHIND_RAD, relative_angle
from roadcraft.core.driving.geometry.reference_trig import cosine, sine
from roadcraft.core.driving.geometry.tolerances import CLEAR_M
from roadcraft.core.driving.jit import small_njit
from roadcraft.core.driving.map_index.index import in_any
from roadcraft.planners.trajectory_scoring.area_checks import OFF_ROAD, ONCOMING, MapArrays, straddles
from roadcraft.planners.trajectory_scoring.paths import ArcPath, project
from roadcraft.planners.trajectory_scoring.traffic import Traffic

STOPPED_MPS, PROJECTED_MPS = 0.05, 0.005

# columns of a score sheet
NO_COLLISION, DRIVABLE, DIRECTION, PROGRESS_M, TTC, COMFORT, COLLISION_STEP, TTC_STEP, SPEED_LIMIT = range(9)
SCORE_COLUMNS = 9


class Rules(NamedTuple):
    """dt s between states; refresh: steps between two states of the forecast; weights of progress, time to collision,
    comfort, speed limit; ahead (F,) int64 steps of the time-to-collision projections; direction_m: against traffic,
    from where 0.5 and 0 are given; progress_floor_m: below it, all progress is equal. Defaults: tuplan_garage's."""

    dt: float
    refresh: int
    weights: tuple[float, float, float, float]
    ahead: I64 = np.array([0, 3, 6, 9])
    direction_m: tuple[float, float] = (2.0, 6.0)
    progress_floor_m: float = 0.1


@njit(cache=True, nogil=True)
def centroid(
    x: float, y: float, heading: float, length: float, width: float, dx: float, dy: float
) -> tuple[float, float]:
    """Centroid of a box moved corner by corner by (dx, dy), with GEOS' operations: up to 1e-10 m from (x + dx, y + dy),
    which may decide whether an object on ego's axis is ahead of it."""
    p = box_corners(x, y, heading, length, width)
    for k in range(4):
        p[k, 0] += dx
        p[k, 1] += dy
    area = sx = sy = 0.0
    for k in range(1, 3):
        twice = (p[k + 1, 0] - p[0, 0]) * (p[k, 1] - p[0, 1]) - (p[k, 0] - p[0, 0]) * (p[k + 1, 1] - p[0, 1])
        area += twice
        sx += twice * (p[0, 0] + p[k, 0] + p[k + 1, 0])
        sy += twice * (p[0, 1] + p[k, 1] + p[k + 1, 1])
    return (sx / 3.0 / area, sy / 3.0 / area) if area != 0.0 else (x + dx, y + dy)


@njit(cache=True, nogil=True)
def _touching(ego: F64, x: float, y: float, box: F64) -> bool:
    """Whether ego (6,) moved to (x, y) touches a box (6,)."""
    g = separation(box[0] - x, box[1] - y, (ego[2], ego[3], ego[4], ego[5]), (box[2], box[3], box[4], box[5]))
    if g > CLEAR_M:
        return False
    if g < -CLEAR_M:
        return True
    a = box_corners(x, y, math.atan2(ego[3], ego[2]), ego[4], ego[5])
    return convex_touch(a, box_corners(box[0], box[1], math.atan2(box[3], box[2]), box[4], box[5]))


@njit(cache=True, nogil=True)
def _front_touches(ego: F64, box: F64) -> bool:
    a = box_corners(ego[0], ego[1], math.atan2(ego[3], ego[2]), ego[4], ego[5])
    b = box_corners(box[0], box[1], math.atan2(box[3], box[2]), box[4], box[5])
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


@njit(cache=True, nogil=True)
def _at_fault(angle: float, ego: F64, speed: float, traffic: Traffic, j: int, box: F64, spread: bool) -> bool:
    """Whether ego is to blame for touching object j, its box (6,) where it is then, now; angle between ego's heading
    and the way to it; spread: ego straddles lanes or is off the road."""
    if speed <= STOPPED_MPS:
        return False
    if not traffic.moving[j] or traffic.speed[j] <= STOPPED_MPS:
        return True
    if angle > BEHIND_RAD:
        return False
    return _front_touches(ego, box) or spread


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
    """Collisions at fault and time to collision of N trajectories (N, T, 10), written to ``score_table`` (N, SHEET).

    flags (N, T) and patch (4, 2): of ``areas``. An object matters at its first contact only: whatever it is found to be
    then, it is not looked at again, and of the first contact at fault the step is kept.
    """
    count = len(traffic.box)
    radius = np.empty(count)
    own = 0.5 * math.sqrt(vehicle_box[1] ** 2 + vehicle_box[2] ** 2)
    for j in range(count):
        radius[j] = own + 0.5 * math.sqrt(traffic.box[j, 4] ** 2 + traffic.box[j, 5] ** 2)
    ego, other = np.empty(6), np.empty(6)
    ego[4], ego[5] = vehicle_box[1], vehicle_box[2]
    forecast_steps = traffic.path.shape[1]
    hit, near = np.empty(count, np.bool_), np.empty(count, np.bool_)
    for n in range(len(states)):
        hit[:] = traffic.ignored
        near[:] = traffic.ignored
        collision, collided_at, ttc, ttc_at = 1.0, math.inf, 1.0, math.inf
        for t in range(states.shape[1]):
            state = states[n, t]
            c, s = cosine(state[2]), sine(state[2])
            ego[0], ego[1], ego[2], ego[3] = state[0] + vehicle_box[0] * c, state[1] + vehicle_box[0] * s, c, s
            speed = math.sqrt(state[3] * state[3] + state[4] * state[4])
            spread, known = (flags[n, t] & OFF_ROAD) != 0, False
            for f in range(len(rules.ahead)):
                looking = ttc > 0.0 and speed >= PROJECTED_MPS
                if rules.ahead[f] > 0 and not looking:
                    break
                lead_s = rules.ahead[f] * rules.dt
                x, y = ego[0] + c * speed * lead_s, ego[1] + s * speed * lead_s
                time_s = (t + rules.ahead[f]) // rules.refresh * rules.refresh * rules.dt
                for j in range(count):
                    if (near[j] or not looking) and (hit[j] or rules.ahead[f] > 0):
                        continue
                    if forecast_steps > 0:
                        # from where it will be at t, it is taken to go on as it moves then: so the metric looks at it
                        at, then = (
                            traffic.path[j, min(t // rules.refresh, forecast_steps - 2)],
                            lead_s / (rules.refresh * rules.dt),
                        )
                        after = traffic.path[j, min(t // rules.refresh, forecast_steps - 2) + 1]
                        ox, oy = at[0] + then * (after[0] - at[0]), at[1] + then * (after[1] - at[1])
                    else:
                        at = traffic.box[j]
                        ox, oy = at[0] + time_s * traffic.moved[j, 0], at[1] + time_s * traffic.moved[j, 1]
                    dx, dy = ox - x, oy - y
                    if dx * dx + dy * dy > radius[j] * radius[j]:
                        continue
                    other[0], other[1] = ox, oy
                    other[2], other[3], other[4], other[5] = at[2], at[3], traffic.box[j, 4], traffic.box[j, 5]
                    if not _touching(ego, x, y, other):
                        continue
                    if not (spread or known):
                        spread, known = straddles(state, vehicle_box, map_arrays, patch), True
                    mx, my = ox, oy
                    if forecast_steps == 0:
                        dx, dy = time_s * traffic.moved[j, 0], time_s * traffic.moved[j, 1]
                        mx, my = centroid(at[0], at[1], traffic.heading[j], at[4], at[5], dx, dy)
                    angle = relative_angle(state[0], state[1], c, s, mx, my)
                    if rules.ahead[f] == 0 and not hit[j]:
                        hit[j] = True
                        if _at_fault(angle, ego, speed, traffic, j, other, spread):
                            collision = min(collision, 0.0 if traffic.moving[j] else 0.5)
                            collided_at = min(collided_at, float(t))
                    if looking and not near[j]:
                        near[j] = True
                        if angle < AHEAD_RAD or (
                            not angle > BEHIND_RAD and (spread or in_any(map_arrays.crossings, state[0], state[1]))
                        ):
                            ttc, ttc_at = 0.0, float(t)
                            looking = False
        score_table[n, NO_COLLISION], score_table[n, COLLISION_STEP], score_table[n, TTC], score_table[n, TTC_STEP] = (
            collision,
            collided_at,
            ttc,
            ttc_at,
        )


@small_njit
def score_areas(states: F64, flags: I64, vehicle_box: F64, rules: Rules, score_table: F64) -> None:
    """Drivable area and driving direction. flags (N, T) of ``areas``; the way driven outside the route's lanes counts
    per uninterrupted stretch."""
    for n in range(len(states)):
        drivable, stretch, worst = 1.0, 0.0, 0.0
        px = py = 0.0
        for t in range(states.shape[1]):
            if flags[n, t] & OFF_ROAD:
                drivable = 0.0
            x = states[n, t, 0] + vehicle_box[0] * math.cos(states[n, t, 2])
            y = states[n, t, 1] + vehicle_box[0] * math.sin(states[n, t, 2])
            if not flags[n, t] & ONCOMING:
                stretch = 0.0
            elif t > 0:
                stretch += math.sqrt((x - px) ** 2 + (y - py) ** 2)
                worst = max(worst, stretch)
            px, py = x, y
        score_table[n, DRIVABLE] = drivable
        score_table[n, DIRECTION] = (
            1.0 if worst < rules.direction_m[0] else (0.5 if worst < rules.direction_m[1] else 0.0)
        )


@small_njit
def score_progress(states: F64, vehicle_box: F64, path: ArcPath, score_table: F64) -> None:
    """Metres gained along ``path`` by the box centre from the first to the last state, not below 0."""
    for n in range(len(states)):
        a, b = states[n, 0], states[n, -1]
        ax, ay = a[0] + vehicle_box[0] * math.cos(a[2]), a[1] + vehicle_box[0] * math.sin(a[2])
        bx, by = b[0] + vehicle_box[0] * math.cos(b[2]), b[1] + vehicle_box[0] * math.sin(b[2])
        start, near = project(path, ax, ay, np.int64(0))
        score_table[n, PROGRESS_M] = max(project(path, bx, by, near)[0] - start, 0.0)


@njit(cache=True, nogil=True)
def total(score_table: F64, rules: Rules) -> F64:
    """Scores (N,) in [0, 1] from a score_table: product of the yes-or-no terms times the weighted mean of the
    others."""
    product, raw, out = np.empty(len(score_table)), np.empty(len(score_table)), np.empty(len(score_table))
    most = 0.0
    for n in range(len(score_table)):
        product[n] = score_table[n, NO_COLLISION] * score_table[n, DRIVABLE] * score_table[n, DIRECTION]
        raw[n] = score_table[n, PROGRESS_M] * product[n]
        most = max(most, raw[n])
    w = rules.weights
    for n in range(len(score_table)):
        if most > rules.progress_floor_m:
            progress = raw[n] / most
        else:
            progress = 0.0 if product[n] == 0.0 else 1.0
        mean = (
            progress * w[0]
            + score_table[n, TTC] * w[1]
            + score_table[n, COMFORT] * w[2]
            + score_table[n, SPEED_LIMIT] * w[3]
        )
        out[n] = product[n] * (mean / (w[0] + w[1] + w[2] + w[3]))
    return out
