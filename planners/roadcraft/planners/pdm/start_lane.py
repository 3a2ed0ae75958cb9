"""The lane of the route that ego drives on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.geometry.angles import normalize
from roadcraft.core.driving.map_index.cell_edges import rows_in_cell
from roadcraft.planners.trajectory_scoring.area_checks import MapArrays
from roadcraft.planners.trajectory_scoring.traffic import box_ring_distance


@njit(cache=True, nogil=True)
def heading_error(map_arrays: MapArrays, row: int, x: float, y: float, heading: float) -> float:
    """How far the lane's direction at its vertex nearest to (x, y) is off ``heading``, in [0, pi]."""
    a, b = map_arrays.line_at[row], map_arrays.line_at[row + 1]
    best, at = math.inf, a
    for i in range(a, b):
        d = math.sqrt((x - map_arrays.line_points[i, 0]) ** 2 + (y - map_arrays.line_points[i, 1]) ** 2)
        if d < best:
            best, at = d, i
    at = min(at, b - 2)
    along = math.atan2(
        map_arrays.line_points[at + 1, 1] - map_arrays.line_points[at, 1],
        map_arrays.line_points[at + 1, 0] - map_arrays.line_points[at, 0],
    )
    return abs(normalize(along - heading))


@njit(cache=True, nogil=True)
def starting_lane(ego: F64, vehicle_box: F64, map_arrays: MapArrays, route: I64, on_route: Any) -> int:
    """Row of the route's lane under the rear axle that ego is best aligned with; else the first under its centre; else
    the nearest; -1 without any.

    ego (10,); route (R,) rows in the route's order; on_route (L,) bool.
    """
    rows = np.empty(64, np.int64)
    best, least = -1, math.inf
    for i in range(rows_in_cell(map_arrays.lanes, ego[0], ego[1], rows, 0)):
        if on_route[rows[i]]:
            error = heading_error(map_arrays, rows[i], ego[0], ego[1], ego[2])
            if error < least:
                best, least = rows[i], error
    if best >= 0:
        return best
    c, s = math.cos(ego[2]), math.sin(ego[2])
    box = np.array([ego[0] + vehicle_box[0] * c, ego[1] + vehicle_box[0] * s, c, s, vehicle_box[1], vehicle_box[2]])
    count = rows_in_cell(map_arrays.lanes, box[0], box[1], rows, 0)
    for row in route:
        for i in range(count):
            if rows[i] == row:
                return row
    lanes = map_arrays.lanes
    for row in route:
        # a ring at a time: the distance to a polygon is the least over its rings unless the box lies in a hole, which
        # no lane has
        for r in range(lanes.offsets[row], lanes.offsets[row + 1]):
            d = box_ring_distance(box, lanes.points[lanes.rings[r] : lanes.rings[r + 1]], least)
            if d < least:
                best, least = row, d
    return best
