"""Whether a trajectory keeps a drive within nuPlan's comfort bounds, as the metric will find it: with the same filters,
and with what was driven before.

A metric that looks at a drive as a whole smooths over 1.5 s, so what ego did up to now and what it does next are judged
together: two gentle plans that brake and accelerate by turns are not comfortable. PDM's own test (``comfort``) fits one
parabola through the next 4 s and sees neither. Source: the definitions of nuplan-devkit e924167
(metrics/utils/state_extractors.py), as in ``validation/metrics/dynamics``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.scenario import Ego
from roadcraft.core.driving.geometry.angles import nearest_turn
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.motion.savitzky_golay import Taps, filter_from, taps
from roadcraft.planners.trajectory_scoring.scorer import COMFORT

PAST = 20  # states before now that the filters of what is still open reach back to
_SMOOTH, _JERK, _TURN = 8, 15, 5  # states that a filter takes in


class ComfortFilters(NamedTuple):
    """Filters for states ``dt`` s apart and the bounds. smooth: accelerations; jerk: smoothed ones, differentiated;
    turn, twist: yaw rate and acceleration of headings; reach: from the rear axle to the box center, m; bounds (7,):
    least and largest longitudinal acceleration, then largest magnitudes of lateral acceleration, jerk, longitudinal
    jerk, yaw acceleration, yaw rate."""

    smooth: Taps
    jerk: Taps
    turn: Taps
    twist: Taps
    reach: float
    bounds: F64


def comfort_filters(dt: float, reach: float, bounds: F64) -> ComfortFilters:
    """Filters for states ``dt`` s apart."""

    return ComfortFilters(
        taps(_SMOOTH, 2, 0, dt),
        taps(_JERK, 2, 1, dt),
        taps(_TURN, 2, 1, dt),
        taps(_TURN, 3, 2, dt),
        float(reach),
        np.asarray(bounds, np.float64),
    )


def driven_before(past: F64, past_us: I64, valid: np.ndarray, dt: float, iteration: int) -> tuple[F64, bool]:
    """The states (P, 10), at most PAST, before the last of ``past`` (H, 10) that belong to a drive of so many steps and
    follow one another every ``dt`` s, to a tenth; and whether they begin with the drive's first."""
    step = np.abs(np.diff(past_us) * 1e-6 - dt) < 0.1 * dt
    broken = np.flatnonzero(~(step & valid[:-1] & valid[1:]))
    first = int(broken[-1]) + 1 if len(broken) else 0
    count = min(iteration, PAST, len(past) - 1 - first)
    return np.ascontiguousarray(past[len(past) - 1 - count : -1]), count == iteration


@njit(cache=True, nogil=True)
def _within(values: F64, first: int, last: int, low: float, high: float) -> bool:
    for i in range(first, last):  # noqa: SIM110 (numba compiles no generators)
        if not low < values[i] < high:
            return False
    return True


@njit(cache=True, nogil=True)
def score_comfort(past: F64, begin: bool, states: F64, comfort: ComfortFilters, score_table: F64) -> None:
    """1 or 0 per trajectory of states (N, T, 10), the first of which is now, after past (P, 10); written to
    ``score_table``.

    begin: the first of all these states is the drive's first, where the metric begins. Judged is whatever a state to
    come has a part in, and half a window before the end.
    """
    p, b = len(past), comfort.bounds
    count = p + states.shape[1]
    raw, smooth, jerk = np.empty(count), np.empty(count), np.empty(count)
    for n in range(len(states)):
        ok = True
        for what in range(4):  # along, whole, across, heading
            for t in range(count):
                s = past[t] if t < p else states[n, t - p]
                if what == 0:
                    raw[t] = s[Ego.AX] + comfort.reach * (s[Ego.YAW_RATE] ** 2 + s[Ego.YAW_ACCEL])
                elif what == 1:
                    raw[t] = math.sqrt(s[Ego.AX] ** 2 + s[Ego.AY] ** 2)
                elif what == 2:
                    raw[t] = s[Ego.AY]
                else:
                    raw[t] = s[Ego.HEADING]
                    if t > 0:
                        raw[t] = nearest_turn(raw[t], raw[t - 1])
            if what < 3:
                first = filter_from(raw, 0, comfort.smooth, begin, smooth)
                start = 0 if begin and p < 8 else max(first, p - 3)
                low, high = (b[0], b[1]) if what == 0 else (-b[2], b[2])
                ok = ok and (what == 1 or _within(smooth, start, count - 4, low, high))
            if what < 2:
                first = filter_from(smooth[: count - 4], first, comfort.jerk, begin, jerk)
                start = 0 if begin and p < 19 else max(first, p - 10)
                most = b[4] if what == 0 else b[3]
                ok = ok and _within(jerk, start, count - 11, -most, most)
            if what == 3:
                for chosen, most in ((comfort.twist, b[5]), (comfort.turn, b[6])):
                    first = filter_from(raw, 0, chosen, begin, smooth)
                    start = 0 if begin and p < 5 else max(first, p - 1)
                    ok = ok and _within(smooth, start, count - 2, -most, most)
            if not ok:
                break
        score_table[n, COMFORT] = 1.0 if ok else 0.0
