"""The lane that ego is on: the one under it that it is aligned with, the first under it, or the nearest."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.geometry.angles import normalize
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.map_index.cell_edges import rows_in_cell
from roadcraft.core.driving.map_index.index import LayerArrays, holds
from roadcraft.planners.trajectory_scoring.area_checks import MapArrays
from roadcraft.planners.trajectory_scoring.traffic import box_ring_distance


@small_njit
def lane_direction(map_arrays: MapArrays, row: int, x: float, y: float) -> float:
    """Direction of a lane's segment at its vertex nearest to (x, y); at the last vertex, of the last segment."""
    points, a, b = map_arrays.line_points, map_arrays.line_at[row], map_arrays.line_at[row + 1]
    best, at = math.inf, a
    for i in range(a, b):
        d = (x - points[i, 0]) ** 2 + (y - points[i, 1]) ** 2
        if d < best:
            best, at = d, i
    at = min(at, b - 2)
    return math.atan2(points[at + 1, 1] - points[at, 1], points[at + 1, 0] - points[at, 0])


@njit(cache=True, nogil=True)
def aligned_lane(ego: F64, vehicle_box: F64, map_arrays: MapArrays, route: I64, on_route: Any) -> int:
    """Row of the route's lane under the rear axle that ego is best aligned with; else :func:`lane_under`.

    ego (10,); route (R,) rows in the route's order; on_route (L,) bool.
    """
    rows = np.empty(64, np.int64)
    best, least = -1, math.inf
    for i in range(rows_in_cell(map_arrays.lanes, ego[0], ego[1], rows, 0)):
        if on_route[rows[i]]:
            error = abs(normalize(lane_direction(map_arrays, rows[i], ego[0], ego[1]) - ego[2]))
            if error < least:
                best, least = rows[i], error
    if best >= 0:
        return best
    c, s = math.cos(ego[2]), math.sin(ego[2])
    box = np.array([ego[0] + vehicle_box[0] * c, ego[1] + vehicle_box[0] * s, c, s, vehicle_box[1], vehicle_box[2]])
    return lane_under(map_arrays.lanes.layer, route, box)


@small_njit
def lane_under(lanes: LayerArrays, rows: I64, box: F64) -> int:
    """The first of the given rows of a map's lanes that holds the center of a box (6,) x, y, cos, sin, length, width;
    else the nearest to the box; -1 without rows."""
    for row in rows:
        if holds(lanes, row, box[0], box[1]):
            return row
    best, least, points, rings, offsets = -1, math.inf, lanes.points, lanes.rings, lanes.offsets
    for row in rows:
        # a ring at a time: the distance to a polygon is the least over its rings unless the box lies in a hole, which
        # no lane has
        for r in range(offsets[row], offsets[row + 1]):
            d = box_ring_distance(box, points[rings[r] : rings[r + 1]], least)
            if d < least:
                best, least = row, d
    return best
