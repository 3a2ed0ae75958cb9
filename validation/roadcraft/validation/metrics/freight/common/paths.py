"""Places of the units beside the path of the steered axle."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.interfaces import MetricContext
from roadcraft.validation.metrics.common.once import once_per_rollout
from roadcraft.validation.metrics.freight.common.outlines import outline_departures
from roadcraft.validation.metrics.freight.common.units import units

STEP_M = 0.05
"""Least distance between points of the path."""
BIN_M = 1.0
"""Length of path in which the swept band is measured."""


class Beside(NamedTuple):
    """Axles and the swept band beside the path of the steered axle; n steps, m units, B bins of ``BIN_M``."""

    left: F64
    """(n, m) m of the axles to the left of the path; not a number beyond its ends."""
    low: F64
    """(B,) m; rightmost point of any unit, to the left of the path."""
    high: F64
    """(B,) m; leftmost."""
    passed: int
    """Number of bins that all units have passed."""


@once_per_rollout
def beside_path(context: MetricContext) -> Beside | None:
    """The places, or None where ego hardly moves, or drives in reverse."""
    u = units(context)
    count = u.poses.shape[1]
    path = _thinned(u.steered)
    if len(path) < 3 or (u.speed[:, 0] < -0.05).any():
        return None
    s = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    bins = int(s[-1] / BIN_M) + 1
    low, high, rear = np.full(bins, math.inf), np.full(bins, -math.inf), np.zeros(2)
    for d in outline_departures(context):
        at, _ = _follow(path, s, frozen(d.points), d.tires, (low, high))
        rear = at[1:3]
    _, left = _follow(path, s, frozen(u.poses[:, :, :2]), count, (low, high))
    last = float(rear.min()) if np.isfinite(rear).all() else 0.0
    return Beside(left, low, high, min(int(last / BIN_M), bins))


def _thinned(points: F64) -> F64:
    """The path without points that hardly lead on."""
    steps = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    rows = np.floor(steps / STEP_M)
    keep = np.concatenate([[True], rows[1:] > rows[:-1]])
    return np.ascontiguousarray(points[keep])


@njit(cache=True, nogil=True)
def _follow(path: F64, s: F64, points: F64, count: int, band: tuple[F64, F64]) -> tuple[F64, F64]:
    """Arc length at the end (count,) and distance to the left (n, count) of the first of points (n, K, 2) that move
    along a path (P, 2), each found from where it was before; not a number beyond the ends. Widens the band."""
    n, (low, high) = len(points), band
    ends, left = np.full(count, math.nan), np.full((n, count), math.nan)
    last = len(path) - 2
    for k in range(count):
        j = 0
        for i in range(n):
            x, y = points[i, k, 0], points[i, k, 1]
            way = 0
            while True:
                dx, dy = path[j + 1, 0] - path[j, 0], path[j + 1, 1] - path[j, 1]
                length = s[j + 1] - s[j]
                t = ((x - path[j, 0]) * dx + (y - path[j, 1]) * dy) / length
                step = 1 if t > length else -1 if t < 0.0 else 0
                if step == 0 or step == -way or not 0 <= j + step <= last:
                    break
                j, way = j + step, step
            if (j == 0 and t < 0.0) or (j == last and t > length):
                continue
            arc, aside = s[j] + min(max(t, 0.0), length), (dx * (y - path[j, 1]) - dy * (x - path[j, 0])) / length
            left[i, k] = aside
            if i == n - 1:
                ends[k] = arc
            b = min(int(arc / BIN_M), len(low) - 1)
            low[b], high[b] = min(low[b], aside), max(high[b], aside)
    return ends, left
