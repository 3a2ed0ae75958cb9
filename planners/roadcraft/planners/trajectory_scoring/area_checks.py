"""Where a trajectory's footprints lie: in one lane or several, off the road, outside the route's lanes.

Source: tuplan_garage b51d5d0 (Apache-2.0), PDMScorer._calculate_ego_area and get_drivable_area_map.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.geometry.boxes import place_corners
from roadcraft.core.driving.geometry.capsules import MARGIN
from roadcraft.core.driving.geometry.corridor_distance import BOX, ring_separation
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.map_index.cell_edges import CellEdges, one_in_cell, rows_in_cell
from roadcraft.core.driving.map_index.index import LayerArrays

OFF_ROAD, ONCOMING = 1, 2
_MOST = 32  # polygons over one another that are told apart


class MapArrays(NamedTuple):
    """What of a map is asked at every step: layers of the index (lanes, road blocks, carparks, intersections), the
    lanes' road blocks (L,), their center lines (points (P, 2), line_at (L + 1,)) and speed limits (L,). Kernels get it
    as a ``Held``."""

    lanes: CellEdges
    blocks: LayerArrays
    parks: CellEdges
    crossings: LayerArrays
    block: I64
    line_points: F64
    line_at: I64
    speed_limit: F64
    has_speed_limit: Any


class _Outlines(NamedTuple):
    """Of a layer, what a polygon is read from: handing the whole layer over costs more than the kernels do."""

    points: F64
    rings: I64
    offsets: I64


@small_njit
def _keep_seen(
    outlines: _Outlines, owner: I64, patch: F64, memo: I64, x: float, y: float, rows: I64, count: int
) -> int:
    """Drop from rows[:count], polygons that hold (x, y), those whose owner among the given polygons lies outside the
    square ``patch`` (4, 2).

    owner: of each row; empty where rows are their own owners. memo (K, 2): owners asked lately, counted from 1, and 1
    or 0: in or out.
    """
    if patch[1, 0] <= x <= patch[0, 0] and patch[2, 1] <= y <= patch[0, 1]:
        return count
    points, rings, offsets = outlines
    bounds = (patch[1, 0] - MARGIN, patch[2, 1] - MARGIN, patch[0, 0] + MARGIN, patch[0, 1] + MARGIN)
    kept = 0
    for i in range(count):
        b = owner[rows[i]] if len(owner) else rows[i]
        if b < 0:
            continue
        m = b % len(memo)
        if memo[m, 0] != b + 1:
            gap = ring_separation(points, rings, offsets[b], offsets[b + 1], patch, BOX, bounds)
            memo[m, 0], memo[m, 1] = b + 1, gap <= MARGIN
        if memo[m, 1]:
            rows[kept] = rows[i]
            kept += 1
    return kept


@small_njit
def _lanes_at(map_arrays: MapArrays, patch: F64, memo: I64, x: float, y: float, out: I64) -> int:
    count = rows_in_cell(map_arrays.lanes, x, y, out, 0)
    b = map_arrays.blocks
    return _keep_seen(_Outlines(b.points, b.rings, b.offsets), map_arrays.block, patch, memo, x, y, out, count)


@small_njit
def _parks_at(map_arrays: MapArrays, patch: F64, memo: I64, x: float, y: float, out: I64) -> int:
    count = rows_in_cell(map_arrays.parks, x, y, out, 0)
    if count == 0:
        return 0
    p = map_arrays.parks.layer
    return _keep_seen(_Outlines(p.points, p.rings, p.offsets), map_arrays.block[:0], patch, memo, x, y, out, count)


@small_njit
def _several(held: I64, counts: I64) -> bool:
    """Whether the corners touch several polygons of which none holds all four. held (4, M) polygons by corner, counts
    (4,) how many."""
    different = 0
    for i in range(4):
        for j in range(counts[i]):
            p, seen, holds = held[i, j], False, 1
            for a in range(4):
                for b in range(counts[a]):
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
def patch_around(state: F64, vehicle_box: F64, radius: float) -> F64:
    """Corners (4, 2) of the axis-parallel square of half-width ``radius`` around a vehicle's center."""
    x, y = state[0] + vehicle_box[0] * math.cos(state[2]), state[1] + vehicle_box[0] * math.sin(state[2])
    out = np.empty((4, 2))
    out[0, 0] = out[3, 0] = x + radius
    out[1, 0] = out[2, 0] = x - radius
    out[0, 1] = out[1, 1] = y + radius
    out[2, 1] = out[3, 1] = y - radius
    return out


class AreaScratch(NamedTuple):
    """What :func:`straddles` writes on, for one ``patch``: see :func:`area_scratch`."""

    held: I64
    counts: I64
    rows: I64
    blocks: I64
    parks: I64
    corners: F64


@njit(cache=True, nogil=True)
def area_scratch() -> AreaScratch:
    """Room for the polygons at four corners and for what is remembered of road blocks and carparks."""
    held, counts, rows = np.empty((4, _MOST), np.int64), np.empty(4, np.int64), np.empty(_MOST, np.int64)
    blocks, parks = np.zeros((_MOST, 2), np.int64), np.zeros((_MOST, 2), np.int64)
    return AreaScratch(held, counts, rows, blocks, parks, np.empty((4, 2)))


@small_njit
def straddles(state: F64, vehicle_box: F64, map_arrays: MapArrays, patch: F64, scratch: AreaScratch) -> bool:
    """Whether a footprint touches several lanes (or carparks) by its corners, none of which holds all four. state
    (10,); patch: where to look."""
    held, counts, rows, blocks, parks, corners = scratch
    x, y = state[0] + vehicle_box[0] * math.cos(state[2]), state[1] + vehicle_box[0] * math.sin(state[2])
    place_corners((x, y, state[2], vehicle_box[1], vehicle_box[2]), corners)
    for i in range(4):
        cx, cy = corners[i, 0], corners[i, 1]
        m = _lanes_at(map_arrays, patch, blocks, cx, cy, held[i])
        if len(map_arrays.parks.layer.offsets) > 1:
            for j in range(_parks_at(map_arrays, patch, parks, cx, cy, rows)):
                if m < _MOST:
                    held[i, m] = -1 - rows[j]
                    m += 1
        counts[i] = m
    return _several(held, counts)


@njit(cache=True, nogil=True)
def classify(
    states: F64, facing: F64, vehicle_box: F64, map_arrays: MapArrays, on_route: Any, patch: F64, flags: I64
) -> None:
    """Flags (N, T) of the poses of states (N, T, 10): OFF_ROAD (some corner in no lane and no carpark), ONCOMING
    (center in no lane of the route).

    facing (N, T, 2): cosine and sine of the headings; on_route (L,) bool. Only road blocks and carparks that touch the
    square ``patch`` (4, 2) count. Each corner is looked for where the corner of the pose before was found.
    """
    rows = np.empty(_MOST, np.int64)
    blocks, parks = np.zeros((_MOST, 2), np.int64), np.zeros((_MOST, 2), np.int64)
    hint, bare = np.full(5, -1, np.int64), len(map_arrays.parks.layer.offsets) < 2
    cells = map_arrays.lanes
    lanes, edge_at, edge, odd, band = cells.layer, cells.edge_at, cells.edge, cells.odd, cells.band
    x0, y0, size, nx, ny = lanes.x, lanes.y, lanes.cell, lanes.nx, lanes.ny
    tiles, starts, entries, points = lanes.tiles, lanes.starts, lanes.entries, lanes.points
    left, right, low, high = patch[1, 0], patch[0, 0], patch[2, 1], patch[0, 1]
    hl, hw = 0.5 * vehicle_box[1], 0.5 * vehicle_box[2]
    for n in range(states.shape[0]):
        hint[:] = -1
        for t in range(states.shape[1]):
            sx, sy, heading = states[n, t, 0], states[n, t, 1], states[n, t, 2]
            if t > 0 and sx == states[n, t - 1, 0] and sy == states[n, t - 1, 1] and heading == states[n, t - 1, 2]:
                flags[n, t] = flags[n, t - 1]  # standing
                continue
            c, q = facing[n, t, 0], facing[n, t, 1]
            x, y = sx + vehicle_box[0] * c, sy + vehicle_box[0] * q
            flag = 0
            for i in range(5):
                u = 0.0 if i == 4 else (hl if i == 0 or i == 3 else -hl)
                v = 0.0 if i == 4 else (hw if i < 2 else -hw)
                px, py = x + (u * c - v * q), y + (u * q + v * c)
                if left <= px <= right and low <= py <= high:
                    hint[i] = one_in_cell(
                        x0,
                        y0,
                        size,
                        nx,
                        ny,
                        tiles,
                        starts,
                        entries,
                        points,
                        edge_at,
                        edge,
                        odd,
                        band,
                        on_route,
                        i == 4,
                        hint[i],
                        px,
                        py,
                    )
                else:
                    m = _lanes_at(map_arrays, patch, blocks, px, py, rows)
                    hint[i] = -1
                    for j in range(m):
                        if i < 4 or on_route[rows[j]]:
                            hint[i] = rows[j]
                if hint[i] >= 0:
                    continue
                if i == 4:
                    flag |= ONCOMING
                elif bare or _parks_at(map_arrays, patch, parks, px, py, rows) == 0:
                    flag |= OFF_ROAD
            flags[n, t] = flag
