"""What lies beside a line: its lane, lanes of the same direction, the road."""

from __future__ import annotations

import math

import numpy as np

from roadcraft.core.arrays import Mask
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.map_index.cell_edges import rows_in_cell
from roadcraft.core.driving.map_index.index import LayerArrays, in_any
from roadcraft.planners.freight_pdm.line import Line, LineEdges
from roadcraft.planners.trajectory_scoring.area_checks import MapArrays
from roadcraft.planners.trajectory_scoring.start_lane import lane_direction

_STEP_M, _REACH, _GAP = 0.1, 150, 3  # steps to either side; steps of a gap between lanes that is let pass
_MOST = 32


@small_njit
def _kind(
    line: Line, k: int, left: float, map_arrays: MapArrays, own: Mask, drivable: LayerArrays, rows: np.ndarray
) -> int:
    """Of a point beside a station: 3 in the lane, 2 in one of the same direction, 1 on the road, 0 beyond."""
    x, y = line.xy[k, 0] - left * line.facing[k, 1], line.xy[k, 1] + left * line.facing[k, 0]
    found, best = rows_in_cell(map_arrays.lanes, x, y, rows, 0), 0
    for i in range(found):
        if own[rows[i]]:
            return 3
        if best < 2 and math.cos(lane_direction(map_arrays, rows[i], x, y) - line.heading[k]) > 0.7:
            best = 2
    if best == 0 and (found > 0 or in_any(drivable, x, y)):
        best = 1
    return best


@njit(cache=True, nogil=True)
def edges_beside(line: Line, map_arrays: MapArrays, own: Mask, drivable: LayerArrays, aprons: LayerArrays) -> LineEdges:
    """The edges beside all stations. own (L,): the lanes that the line follows; drivable: the map's layer; aprons: a
    layer of them."""
    count = len(line.xy)
    edges = np.zeros((4, count, 2))
    rows = np.empty(_MOST, np.int64)
    for k in range(count):
        for side in range(2):
            sign, kind = (1.0 if side else -1.0), 3
            far = np.zeros(4)
            missed = 0
            for i in range(_REACH):
                now = _kind(line, k, sign * i * _STEP_M, map_arrays, own, drivable, rows)
                if now < kind:
                    missed += 1
                    if missed > _GAP:
                        kind, missed = now, 0
                elif now >= kind:
                    missed = 0
                if kind == 0:
                    break
                if now >= kind:
                    for lower in range(1, kind + 1):
                        far[lower] = i * _STEP_M
            for c in range(3):
                edges[c, k, side] = sign * far[3 - c]
            i = int(far[3] / _STEP_M + 0.5)
            missed = 0
            while len(aprons.offsets) > 1 and missed <= _GAP and i < _REACH:
                i += 1
                left = sign * i * _STEP_M
                x, y = line.xy[k, 0] - left * line.facing[k, 1], line.xy[k, 1] + left * line.facing[k, 0]
                if in_any(aprons, x, y):
                    edges[3, k, side], missed = left, 0
                else:
                    missed += 1
    return LineEdges(edges[0], edges[1], edges[2], edges[3], np.zeros((count, 2)))
