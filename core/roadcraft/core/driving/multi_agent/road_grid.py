"""Whether a point is off the road, for many maps in one kernel argument: grids whose cells know the answer or list what
to ask.

A map with road edges answers as ``road_side`` defines it; a cell lists every segment that may be the nearest to one of
its points (by a bound on the distance that the cell's size cannot exceed), and knows its side where the whole cell lies
on one side of all of them. A map without road edges, as nuPlan's, answers by its drivable area: on the road is what one
of the polygons strictly contains; a cell is covered, empty, or lists the polygons' edges in it. So every answer is the
exact one; beyond the grid of a map with edges (64 m around them) all segments are asked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64, Mask, read_only
from roadcraft.core.data.joined import joined
from roadcraft.core.data.map import LineKind, MapData
from roadcraft.core.driving.geometry.boxes import squared_distance
from roadcraft.core.driving.geometry.tolerances import CLEAR_M
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.map_index.cell_edges import cell_edges, holds_from_corner
from roadcraft.core.driving.map_index.index import TILE, PolygonLayer, build_layer
from roadcraft.core.driving.multi_agent.road_edges import (
    RoadEdges,
    right_of_all,
    right_of_listed,
    road_edges,
)
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.errors import DataError

CELL_M = 1.0
_AROUND_M = 64.0
_MAX_CELLS = 1 << 22
ON, OFF = -1, -2


class RoadField(NamedTuple):
    """M maps. grid (M, 3) float64: lower left corner, cell size; shape (M, 2) int64: columns, rows; head_at (M,) int64:
    first cell of each map.

    head (C,) int32: -1 on the road, -2 off it, else a row of the ragged ``candidates``: first (K + 1,) int64,
    candidates (V,) int32. Rows of maps with ``by_edges`` (M,) are segments, of which map m has ``segment_at[m]`` to
    ``segment_at[m + 1] - 1``: ends (S, 4), link (S, 2), bends_left (S,) as in :class:`RoadEdges`. Rows of the others
    are entries (E): a polygon's edges in the cell ``edge[edge_at[e]:edge_at[e + 1]]`` (first of two ``points``) and
    odd[e], whether the cell's corner is inside."""

    by_edges: Mask
    grid: F64
    shape: I64
    head_at: I64
    head: NDArray[np.int32]
    first: I64
    candidates: NDArray[np.int32]
    segment_at: I64
    ends: F64
    link: NDArray[np.int32]
    bends_left: Mask
    points: F64
    edge_at: I64
    edge: NDArray[np.int32]
    odd: Mask


def road_field(maps: Sequence[MapData]) -> RoadField:
    """The field of maps, by road edges where a map has any, else by its drivable area. Raises DataError for a map with
    neither."""
    return join([_of_map(m) for m in maps])


def _of_map(m: MapData) -> RoadField:
    rows = np.flatnonzero(m.lines.kind == LineKind.ROAD_EDGE)
    if len(rows):
        from roadcraft.core.arrays import Polylines

        return field_of_edges(road_edges(Polylines.build([m.lines.lines[int(r)] for r in rows])))
    if not len(m.index.drivable):
        raise DataError(
            "the map has neither road edges nor a drivable area",
            where=m.name,
            remedy="on or off the road cannot be told on it",
        )
    return field_of_layer(m.index.drivable)


def field_of_edges(edges: RoadEdges, cell_m: float = CELL_M) -> RoadField:
    """The field of one map's road edges. Raises ValueError where there is none."""
    ends = edges.ends
    if not len(ends):
        raise ValueError("no road edge has a length")
    low = np.minimum(ends[:, :2], ends[:, 2:]).min(axis=0) - _AROUND_M
    extent = np.maximum(ends[:, :2], ends[:, 2:]).max(axis=0) + _AROUND_M - low
    cell = max(cell_m, math.sqrt(float(extent[0] * extent[1]) / _MAX_CELLS))
    nx, ny = (int(n) for n in np.ceil(extent / cell))
    head, first, candidates = _bake(*edges, float(low[0]), float(low[1]), cell, nx, ny)
    return _one(True, (low[0], low[1], cell), (nx, ny), head, first, candidates, edges=edges)


def field_of_layer(layer: PolygonLayer) -> RoadField:
    """The field of one map's drivable area (or any layer of polygons): on the road is what a polygon strictly
    contains."""
    if len(layer.starts) > 1 and int(layer.shape.prod()) > _MAX_CELLS:
        layer = build_layer(layer.polygons, cell_m=layer.cell_m * math.sqrt(int(layer.shape.prod()) / _MAX_CELLS))
    cells = cell_edges(layer)
    count, entries = _dense(layer)
    covers = np.bincount(np.repeat(np.arange(len(count)), count), layer.entries[entries] & 1, len(count)) > 0
    ask = (count > 0) & ~covers
    head = np.where(covers, ON, OFF).astype(np.int32)
    head[ask] = np.arange(int(ask.sum()))
    first = np.concatenate([[0], np.cumsum(count[ask])])
    candidates = entries[np.repeat(ask, count)]
    grid, polygons = cells.layer, (cells.layer.points, cells.edge_at, cells.edge, cells.odd)
    return _one(False, (grid.x, grid.y, grid.cell), (grid.nx, grid.ny), head, first, candidates, polygons=polygons)


def _dense(layer: PolygonLayer) -> tuple[I64, NDArray[np.int32]]:
    """How many entries each cell of the whole grid has, row-major, and the numbers of the entries in that order."""
    count = np.diff(layer.starts).astype(np.int64)
    tile, place = np.divmod(np.arange(len(count)), TILE * TILE)
    across = -(-int(layer.shape[0]) // TILE)
    line = layer.tile_at[tile] // across * TILE + place // TILE
    column = layer.tile_at[tile] % across * TILE + place % TILE
    used = count > 0
    cell = line[used] * layer.shape[0] + column[used]
    dense = np.zeros(int(layer.shape.prod()), np.int64)
    dense[cell] = count[used]
    return dense, np.argsort(np.repeat(cell, count[used]), kind="stable").astype(np.int32)


def _one(by_edges, grid, shape, head, first, candidates, edges=None, polygons=None) -> RoadField:  # type: ignore[no-untyped-def]
    ends, link, bends = edges or (np.zeros((0, 4)), np.zeros((0, 2)), np.zeros(0))
    points, edge_at, edge, odd = polygons or (np.zeros((0, 2)), np.zeros(1), np.zeros(0), np.zeros(0))
    return RoadField(
        frozen([by_edges], np.bool_), frozen([grid]), frozen([shape], np.int64), frozen([0], np.int64),
        frozen(head, np.int32), frozen(first, np.int64), frozen(candidates, np.int32),
        frozen([0, len(ends)], np.int64), frozen(ends), frozen(link, np.int32), frozen(bends, np.bool_),
        frozen(points), frozen(edge_at, np.int64), frozen(edge, np.int32), frozen(odd, np.bool_),
    )  # fmt: skip


def join(fields: Sequence[RoadField]) -> RoadField:
    """The maps of all fields, in order."""
    if len(fields) == 1:
        return fields[0]
    segments = entries = 0
    parts: list[RoadField] = []
    for f in fields:
        # a list belongs to the map whose cell names it
        owner = np.repeat(f.by_edges, np.diff(np.append(f.head_at, len(f.head))))
        listed, lengths = f.head >= 0, np.diff(f.first)
        by_list = np.zeros(len(lengths), np.bool_)
        by_list[f.head[listed]] = owner[listed]
        candidates = f.candidates + np.where(np.repeat(by_list, lengths), segments, entries)
        parts.append(f._replace(candidates=candidates.astype(np.int32)))
        segments, entries = segments + len(f.ends), entries + len(f.odd)
    rows = {"head_at": "head", "head": "first", "link": "ends", "edge": "points"}
    return read_only(joined(parts, ("first", "segment_at", "edge_at"), rows))


def off_road(field: RoadField, place: int, points: F64) -> Mask:
    """Which of M points (M, 2) are off the road of the field's map ``place``: (M,) bool. A point that is not finite is
    off it."""
    out = np.empty((len(points), 1), np.bool_)
    off_road_into(field, place, frozen(points)[:, None], frozen(np.ones(len(points)), np.bool_), out)
    return out[:, 0]


# ---- kernels -------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def off_road_into(field, m, points, wanted, out):  # type: ignore[no-untyped-def]
    """Which points (N, K, 2) are off the road of map m: out (N, K) bool, False where not wanted (N,)."""
    # Arrays are taken from the tuple once: each taking counts references, which costs more than a look-up.
    by_edges, x0, y0, cell = field.by_edges[m], field.grid[m, 0], field.grid[m, 1], field.grid[m, 2]
    nx, ny, at, head = field.shape[m, 0], field.shape[m, 1], field.head_at[m], field.head
    first, candidates, ends, link, bends_left = field.first, field.candidates, field.ends, field.link, field.bends_left
    points_of, edge, edge_at, odd = field.points, field.edge, field.edge_at, field.odd
    segments, last_segment = field.segment_at[m], field.segment_at[m + 1]
    cells = 1.0 / cell  # per m; lists hold what is a little beyond their cell too, so its rounding does not matter
    for i in range(len(wanted)):
        for k in range(points.shape[1]):
            out[i, k] = False
            if not wanted[i]:
                continue
            x, y = points[i, k, 0], points[i, k, 1]
            column, line = (x - x0) * cells, (y - y0) * cells
            if not (column >= 0.0 and line >= 0.0 and column < nx and line < ny):
                finite = math.isfinite(x) and math.isfinite(y)
                out[i, k] = not (by_edges and finite) or right_of_all(
                    ends, link, bends_left, segments, last_segment, x, y
                )
                continue
            c, r = int(column), int(line)
            known = head[at + r * nx + c]
            if known < 0:
                out[i, k] = known == OFF
            elif by_edges:
                out[i, k] = right_of_listed(ends, link, bends_left, candidates, first[known], first[known + 1], x, y)
            else:
                corner = (x0 + c * cell, y0 + r * cell)
                out[i, k] = True
                for n in range(first[known], first[known + 1]):
                    e = candidates[n]
                    if holds_from_corner(points_of, edge, edge_at[e], edge_at[e + 1], odd[e], corner, x, y):
                        out[i, k] = False
                        break


# ---- baking the field of road edges: squares halved until they know ------------------


@njit(cache=True, nogil=True)
def _bake(
    ends: F64,
    link: NDArray[np.int32],
    bends_left: Mask,
    x0: float,
    y0: float,
    cell: float,
    nx: int,
    ny: int,
) -> tuple[NDArray[np.int32], I64, NDArray[np.int32]]:
    """``head``, ``first`` and ``candidates`` of a grid."""
    levels = 0
    while (1 << levels) < max(nx, ny):
        levels += 1
    near = np.empty((levels + 2, len(ends)), np.int32)
    counts = np.zeros(levels + 2, np.int64)
    distances = np.empty(len(ends))
    for i in range(len(ends)):
        near[0, i] = i
    counts[0] = len(ends)
    stack = np.zeros((4 * levels + 4, 3), np.int64)  # column, row, level
    stack[0, 2] = 1
    top = 1
    head = np.empty(nx * ny, np.int32)
    first, candidates = np.zeros(1024, np.int64), np.empty(4096, np.int32)
    lists = 0
    while top > 0:
        top -= 1
        column, row, level = stack[top, 0], stack[top, 1], stack[top, 2]
        size = 1 << (levels + 1 - level)
        half = 0.5 * size * cell
        cx, cy = x0 + column * cell + half, y0 + row * cell + half
        count = _keep_near(ends, near[level - 1], counts[level - 1], near[level], distances, cx, cy, half)
        counts[level] = count
        side = _common_side(ends, link, near[level], count, cx, cy, half)
        if side != 0 or size == 1:
            code = OFF if side > 0 else ON
            if side == 0:
                if lists + 2 > len(first):
                    first = _longer(first, lists + 1)
                if first[lists] + count > len(candidates):
                    candidates = _longer(candidates, first[lists] + count)
                for k in range(count):
                    candidates[first[lists] + k] = near[level, k]
                first[lists + 1] = first[lists] + count
                code = lists
                lists += 1
            for r in range(row, min(row + size, ny)):
                for c in range(column, min(column + size, nx)):
                    head[r * nx + c] = code
            continue
        size //= 2
        for k in range(4):
            c, r = column + (k & 1) * size, row + (k >> 1) * size
            if c < nx and r < ny:
                stack[top, 0], stack[top, 1], stack[top, 2] = c, r, level + 1
                top += 1
    return head, first[: lists + 1].copy(), candidates[: first[lists]].copy()


@njit(cache=True, nogil=True)
def _longer(values, used):  # type: ignore[no-untyped-def]
    out = np.zeros(2 * used + len(values), values.dtype)
    for k in range(len(values)):
        out[k] = values[k]
    return out


@njit(cache=True, nogil=True)
def _keep_near(
    ends: F64,
    before: NDArray[np.int32],
    count: int,
    out: NDArray[np.int32],
    distances: F64,
    cx: float,
    cy: float,
    half: float,
) -> int:
    """Write the segments that may be the nearest to a point of the square of center (cx, cy): their distance to the
    center exceeds the least one by at most the square's diagonal."""
    least = math.inf
    for k in range(count):
        i = before[k]
        distances[k] = math.sqrt(squared_distance(cx, cy, ends[i, 0], ends[i, 1], ends[i, 2], ends[i, 3]))
        least = min(least, distances[k])
    bound, near_count = least + 2.0 * math.sqrt(2.0) * half + CLEAR_M, 0
    for k in range(count):
        if distances[k] <= bound:
            out[near_count] = before[k]
            near_count += 1
    return near_count


@njit(cache=True, nogil=True)
def _common_side(
    ends: F64, link: NDArray[np.int32], near: NDArray[np.int32], count: int, cx: float, cy: float, half: float
) -> int:
    """1 where the whole square lies right of every segment that has a say in it, -1 where it lies left, else 0."""
    common = 0
    for k in range(count):
        i = near[k]
        side = _side(ends, i, cx, cy, half)
        if side == 0 or (common != 0 and side != common):
            return 0
        common = side
        dx, dy = ends[i, 2] - ends[i, 0], ends[i, 3] - ends[i, 1]
        length = math.sqrt(dx * dx + dy * dy)
        along = ((cx - ends[i, 0]) * dx + (cy - ends[i, 1]) * dy) / length
        reach = half * (abs(dx) + abs(dy)) / length + CLEAR_M
        if link[i, 0] >= 0 and along - reach < 0.0 and _side(ends, link[i, 0], cx, cy, half) != common:
            return 0
        if link[i, 1] >= 0 and along + reach > length and _side(ends, link[i, 1], cx, cy, half) != common:
            return 0
    return common


@njit(cache=True, nogil=True)
def _side(ends: F64, i: int, cx: float, cy: float, half: float) -> int:
    """1 where a square lies wholly right of the line of segment i, -1 left of it, 0 where the line meets it or comes
    too near to tell."""
    dx, dy = ends[i, 2] - ends[i, 0], ends[i, 3] - ends[i, 1]
    length = math.sqrt(dx * dx + dy * dy)
    right = ((cx - ends[i, 0]) * dy - (cy - ends[i, 1]) * dx) / length
    reach = half * (abs(dx) + abs(dy)) / length + CLEAR_M
    return 1 if right > reach else (-1 if right < -reach else 0)
