"""The scoring engine that pdm_closed and guard share: rules, score tables, area and progress, and the
total, in the manner of nuPlan's closed-loop metrics; ``contacts`` judges traffic.

Source: tuplan_garage b51d5d0 (Apache-2.0), PDMScorer; the nuPlan metrics of the same names are computed differently
(see validation/metrics).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.planners.trajectory_scoring.area_checks import OFF_ROAD, ONCOMING
from roadcraft.planners.trajectory_scoring.paths import ArcPath, project

# columns of a score table
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


@small_njit
def score_areas(states: F64, facing: F64, flags: I64, vehicle_box: F64, rules: Rules, score_table: F64) -> None:
    """Drivable area and driving direction. facing (N, T, 2): cosine and sine; flags (N, T) of
    ``area_checks``; the distance driven outside the route's lanes counts per uninterrupted stretch."""
    for n in range(len(states)):
        drivable, stretch, worst = 1.0, 0.0, 0.0
        px = py = 0.0
        for t in range(states.shape[1]):
            if flags[n, t] & OFF_ROAD:
                drivable = 0.0
            x = states[n, t, 0] + vehicle_box[0] * facing[n, t, 0]
            y = states[n, t, 1] + vehicle_box[0] * facing[n, t, 1]
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
def score_progress(states: F64, facing: F64, vehicle_box: F64, path: ArcPath, score_table: F64) -> None:
    """Meters gained along ``path`` by the box center from the first state, the same for all, to the last, not below 0.
    facing (N, T, 2): cosine and sine of the headings."""
    start, near = 0.0, np.int64(0)
    if len(states):
        start, near = _along(path, states[0, 0], facing[0, 0], vehicle_box[0], near)
    for n in range(len(states)):
        arc, near = _along(path, states[n, -1], facing[n, -1], vehicle_box[0], near)
        score_table[n, PROGRESS_M] = max(arc - start, 0.0)


@small_njit
def _along(path: ArcPath, state: F64, facing: F64, to_center: float, near: int) -> tuple[float, int]:
    return project(path, state[0] + to_center * facing[0], state[1] + to_center * facing[1], near)


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
