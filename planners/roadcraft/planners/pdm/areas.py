"""Where a trajectory's footprints lie: in one lane or several, off the road, outside the route's lanes.

Source: tuplan_garage b51d5d0 (Apache-2.0), PDMScorer._calculate_ego_area and get_drivable_area_map.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.boxes import box_corners
from roadcraft.core.driving.lanes import LayerArrays, rows_at
from roadcraft.planners.pdm.corridor import convex_meets_ring

SEVERAL_LANES, OFF_ROAD, ONCOMING = 1, 2, 4
_MOST = 32  # polygons over one another that are told apart


class Ground(NamedTuple):
    """What of a map is asked at every step: layers of the index (lanes, road blocks, carparks, intersections), the lanes' road blocks (L,), their
    centre lines (points (P, 2), line_at (L + 1,)) and speed limits (L,)."""

    lanes: LayerArrays
    blocks: LayerArrays
    parks: LayerArrays
    crossings: LayerArrays
    block: I64
    line_points: F64
    line_at: I64
    speed_limit: F64
    has_speed_limit: Any


@njit(cache=True, nogil=True)
def _meets_patch(layer: LayerArrays, row: int, patch: F64) -> bool:
    for r in range(layer.offsets[row], layer.offsets[row + 1]):
        if convex_meets_ring(patch, layer.points[layer.rings[r] : layer.rings[r + 1]]):
            return True
    return False


@njit(cache=True, nogil=True)
def _keep_seen(layer: LayerArrays, owner: I64, patch: F64, memo: I64, x: float, y: float, rows: I64, count: int) -> int:
    """Drop from rows[:count], polygons that hold (x, y), those whose owner (a polygon of ``layer``) lies outside the square ``patch`` (4, 2)."""
    if patch[1, 0] <= x <= patch[0, 0] and patch[2, 1] <= y <= patch[0, 1]:
        return count
    kept = 0
    for i in range(count):
        b = owner[rows[i]] if len(owner) else rows[i]
        if b >= 0 and memo[b] == 0:
            memo[b] = 1 if _meets_patch(layer, b, patch) else -1
        if b >= 0 and memo[b] > 0:
            rows[kept] = rows[i]
            kept += 1
    return kept


@njit(cache=True, nogil=True)
def _straddles(held: I64, many: I64) -> bool:
    """Whether the corners touch several polygons of which none holds all four. held (4, M) polygons by corner, many (4,) how many."""
    different = 0
    for i in range(4):
        for j in range(many[i]):
            p, seen, holds = held[i, j], False, 1
            for a in range(4):
                for b in range(many[a]):
                    if held[a, b] == p:
                        seen = seen or a < i
                        holds += 1 if a != i else 0
            if seen:
                continue
            if holds == 4:
                return False
            different += 1
    return different > 1


@njit(cache=True, nogil=True)
def classify(states: F64, vehicle_box: F64, ground: Ground, on_route: Any, radius: float, flags: I64) -> None:
    """Flags (N, T) of the poses of states (N, T, 10): SEVERAL_LANES, OFF_ROAD (some corner in no lane and no carpark), ONCOMING (centre in no lane of
    the route). on_route (L,) bool. Only road blocks and carparks that touch the square of half-width ``radius`` around the first pose count."""
    none = np.zeros(0, np.int64)
    held, many, rows = np.empty((4, _MOST), np.int64), np.zeros(4, np.int64), np.empty(_MOST, np.int64)
    blocks = np.zeros(max(len(ground.blocks.offsets) - 1, 0), np.int64)
    parks = np.zeros(max(len(ground.parks.offsets) - 1, 0), np.int64)
    s = states[0, 0]
    x, y = s[0] + vehicle_box[0] * math.cos(s[2]), s[1] + vehicle_box[0] * math.sin(s[2])
    patch = np.array([[x + radius, y + radius], [x - radius, y + radius], [x - radius, y - radius], [x + radius, y - radius]])
    for n in range(states.shape[0]):
        for t in range(states.shape[1]):
            s = states[n, t]
            x, y = s[0] + vehicle_box[0] * math.cos(s[2]), s[1] + vehicle_box[0] * math.sin(s[2])
            count = rows_at(ground.lanes, x, y, rows, 0)
            count = _keep_seen(ground.blocks, ground.block, patch, blocks, x, y, rows, count)
            flag = ONCOMING
            for i in range(count):
                if on_route[rows[i]]:
                    flag = 0
            corners = box_corners(x, y, s[2], vehicle_box[1], vehicle_box[2])
            for i in range(4):
                cx, cy = corners[i, 0], corners[i, 1]
                m = rows_at(ground.lanes, cx, cy, held[i], 0)
                m = _keep_seen(ground.blocks, ground.block, patch, blocks, cx, cy, held[i], m)
                if len(parks):
                    count = rows_at(ground.parks, cx, cy, rows, 0)
                    for j in range(_keep_seen(ground.parks, none, patch, parks, cx, cy, rows, count)):
                        if m < _MOST:
                            held[i, m] = -1 - rows[j]
                            m += 1
                many[i] = m
                if m == 0:
                    flag |= OFF_ROAD
            if _straddles(held, many):
                flag |= SEVERAL_LANES
            flags[n, t] = flag
