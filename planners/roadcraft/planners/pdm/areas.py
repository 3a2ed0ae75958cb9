"""Where a trajectory's footprints lie: in one lane or several, off the road, outside the route's lanes."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.boxes import box_corners

SEVERAL_LANES, OFF_ROAD, ONCOMING = 1, 2, 4
_MOST = 24


class Surface(NamedTuple):
    points: F64
    rings: I64
    offsets: I64
    bounds: F64


@njit(cache=True, nogil=True)
def rows_at(s: Surface, x: float, y: float, out: I64) -> int:
    n = 0
    for i in range(len(s.bounds)):
        b = s.bounds[i]
        if x <= b[0] or x >= b[2] or y <= b[1] or y >= b[3]:
            continue
        inside = False
        for r in range(s.offsets[i], s.offsets[i + 1]):
            for e in range(s.rings[r], s.rings[r + 1] - 1):
                ax, ay, bx, by = s.points[e, 0], s.points[e, 1], s.points[e + 1, 0], s.points[e + 1, 1]
                if (ay > y) != (by > y) and x < (bx - ax) * (y - ay) / (by - ay) + ax:
                    inside = not inside
        if inside:
            out[n] = i
            n += 1
    return n


@njit(cache=True, nogil=True)
def classify(
    states: F64,
    vehicle_box: F64,
    lanes: Surface,
    parks: Surface,
    crossings: Surface,
    on_route: np.ndarray,
    flags: I64,
    crossing: np.ndarray,
) -> None:
    held = np.empty((4, _MOST), np.int64)
    many = np.empty(4, np.int64)
    rows = np.empty(_MOST, np.int64)
    for n in range(states.shape[0]):
        for t in range(states.shape[1]):
            s = states[n, t]
            c, q = math.cos(s[2]), math.sin(s[2])
            x, y = s[0] + vehicle_box[0] * c, s[1] + vehicle_box[0] * q
            k = rows_at(lanes, x, y, rows)
            flag = ONCOMING
            for i in range(k):
                if on_route[rows[i]]:
                    flag = 0
            corners = box_corners(x, y, s[2], vehicle_box[1], vehicle_box[2])
            for i in range(4):
                m = rows_at(lanes, corners[i, 0], corners[i, 1], held[i])
                for j in range(rows_at(parks, corners[i, 0], corners[i, 1], rows)):
                    held[i, m] = -1 - rows[j]
                    m += 1
                many[i] = m
                if m == 0:
                    flag |= OFF_ROAD
            # several polygons touched, none of which holds all four corners
            different, common = 0, False
            for i in range(4):
                for j in range(many[i]):
                    seen = False
                    for a in range(i):
                        for b in range(many[a]):
                            seen = seen or held[a, b] == held[i, j]
                    if seen:
                        continue
                    different += 1
                    if i == 0:
                        holds = 1
                        for a in range(1, 4):
                            for b in range(many[a]):
                                if held[a, b] == held[i, j]:
                                    holds += 1
                        common = common or holds == 4
            if different > 1 and not common:
                flag |= SEVERAL_LANES
            flags[n, t] = flag
            crossing[n, t] = rows_at(crossings, s[0], s[1], rows) > 0
