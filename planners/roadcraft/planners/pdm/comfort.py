"""Whether simulated trajectories stay within nuPlan's comfort bounds, by Savitzky-Golay fits over the whole horizon.

Source: tuplan_garage b51d5d0 (Apache-2.0), pdm_comfort_metrics. Its filters are linear and its windows mostly as long
as the trajectory, so each is a small table that is computed once: a parabola through all accelerations, the two ends of
the (straight) jerk, five-point stencils of the heading.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.geometry.angles import nearest_turn
from roadcraft.core.driving.jit import njit
from roadcraft.planners.trajectory_scoring.scorer import COMFORT

NUPLAN_BOUNDS = np.array([-4.05, 2.40, 4.89, 8.37, 4.13, 1.93, 0.95])


class Comfort(NamedTuple):
    """Tables for T states: parabola (3, T) coefficients and basis (T, 3); jerk (2, T): at the first and last state;
    turn, twist (T, 5): yaw rate and acceleration at each state from the five headings from ``min(max(t - 2, 0), T -
    5)`` on. bounds (7,): least and largest longitudinal acceleration, then largest magnitudes of lateral acceleration,
    jerk, longitudinal jerk, yaw acceleration, yaw rate."""

    parabola: F64
    basis: F64
    jerk: F64
    turn: F64
    twist: F64
    bounds: F64


def comfort_tables(count: int, dt: float, bounds: F64) -> Comfort:
    """Tables for ``count`` states (at least 8), ``dt`` s apart."""
    from scipy.signal import savgol_filter

    eye = np.eye(count)
    t = np.linspace(-1.0, 1.0, count)
    basis = np.stack([np.ones(count), t, t * t], -1)
    # by scipy, as the source filters: other weights would round otherwise
    smooth = savgol_filter(eye, 8, 2, axis=0)
    jerk = savgol_filter(smooth, count, 2, deriv=1, delta=dt, axis=0)
    turn = savgol_filter(eye, 5, 2, deriv=1, delta=dt, axis=0)
    twist = savgol_filter(eye, 5, 3, deriv=2, delta=dt, axis=0)
    first = np.clip(np.arange(count) - 2, 0, count - 5)
    rows = first[:, None] + np.arange(5)
    pick = np.arange(count)[:, None]
    return Comfort(
        np.ascontiguousarray(np.linalg.pinv(basis)),
        np.ascontiguousarray(basis),
        np.ascontiguousarray(jerk[[0, -1]]),
        np.ascontiguousarray(turn[pick, rows]),
        np.ascontiguousarray(twist[pick, rows]),
        np.asarray(bounds, np.float64),
    )


@njit(cache=True, nogil=True)
def _rounded(value: float) -> float:
    return np.rint(value * 1e8) / 1e8


@njit(cache=True, nogil=True)
def _parabola_within(a: F64, tables: Comfort, low: float, high: float) -> bool:
    c0 = c1 = c2 = 0.0
    for t in range(len(a)):
        c0 += tables.parabola[0, t] * a[t]
        c1 += tables.parabola[1, t] * a[t]
        c2 += tables.parabola[2, t] * a[t]
    for t in range(len(a)):
        v = _rounded(c0 * tables.basis[t, 0] + c1 * tables.basis[t, 1] + c2 * tables.basis[t, 2])
        if not low < v < high:
            return False
    return True


@njit(cache=True, nogil=True)
def _comfortable(states: F64, tables: Comfort, ax: F64, ay: F64, size: F64, heading: F64) -> bool:
    bounds = tables.bounds
    count = len(states)
    for t in range(count):
        ax[t], ay[t] = states[t, 5], states[t, 6]
        size[t] = math.sqrt(ax[t] * ax[t] + ay[t] * ay[t])
        heading[t] = states[t, 2]
        if t > 0:
            heading[t] = nearest_turn(heading[t], heading[t - 1])
    if not _parabola_within(ax, tables, bounds[0], bounds[1]) or not _parabola_within(
        ay, tables, -bounds[2], bounds[2]
    ):
        return False
    for end in range(2):
        jerk = lon = 0.0
        for t in range(count):
            jerk += tables.jerk[end, t] * size[t]
            lon += tables.jerk[end, t] * ax[t]
        if not abs(_rounded(jerk)) < bounds[3] or not abs(_rounded(lon)) < bounds[4]:
            return False
    for t in range(count):
        first = min(max(t - 2, 0), count - 5)
        rate = accel = 0.0
        for k in range(5):
            rate += tables.turn[t, k] * heading[first + k]
            accel += tables.twist[t, k] * heading[first + k]
        if not abs(_rounded(accel)) < bounds[5] or not abs(_rounded(rate)) < bounds[6]:
            return False
    return True


@njit(cache=True, nogil=True)
def score_comfort(states: F64, tables: Comfort, score_table: F64) -> None:
    """1 or 0 per trajectory of (N, T, 10), T being the tables', written to ``score_table``."""
    count = states.shape[1]
    ax, ay, size, heading = np.empty(count), np.empty(count), np.empty(count), np.empty(count)
    for n in range(len(states)):
        score_table[n, COMFORT] = 1.0 if _comfortable(states[n], tables, ax, ay, size, heading) else 0.0
