"""What the feature builder needs of a map, computed once per map: lanes cut into pieces and resampled, a cell index,
lanes as flat arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64, Polygons, Polylines
from roadcraft.core.data.map import AreaKind, LaneKind, MapData
from roadcraft.core.driving.geometry.polygons import inside
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.memo import memo

PIECE_M = 40.0  # a longer lane becomes several tokens, else its points lie too far apart to show a bend
CELL_M = 32.0
HALF_LANE_M = 1.75  # where a map has no lane edges
U8 = NDArray[np.uint8]
STOP_SIGN = 1  # subtype of a STOP area
MOUTH_M = 8.0  # of a lane's end, or a connector's beginning: a stop area there is the one that governs it
MOUTH_STEP_M = 0.1


class CellIndex(NamedTuple):
    """Which items lie in which cell of a grid."""

    origin: F64
    """Corner (2,) of the grid, m."""
    shape: I64
    """Columns and rows (2,)."""
    offsets: I64
    """Where the items of each cell begin (cells + 1,)."""
    items: I64
    """Items (V,), cell by cell."""


LIMIT, CONNECTOR, STOP = range(
    3
)  # columns of what holds for a lane: speed limit m/s or 0, whether a connector, whether behind a stop sign


class LaneArrays(NamedTuple):
    """L lanes, rows as in ``Lanes``; global frame, meters."""

    points: F64
    """Vertices (Q, 2) of the centerlines."""
    offsets: I64
    """Where each lane's vertices begin (L + 1,)."""
    arc: F64
    """Arc length (Q,) at each vertex."""
    block: I64
    """Row of RoadBlocks (L,), -1 for none."""
    info: F64
    """What holds for the lane (L, 3): LIMIT, CONNECTOR, STOP."""
    successors: I64
    """Rows of the lanes that follow, lane by lane."""
    successor_offsets: I64
    """Where those of each lane begin (L + 1,)."""
    block_lanes: I64
    """Rows of the lanes of each road block."""
    block_offsets: I64
    """Where those of each block begin."""


class PieceArrays(NamedTuple):
    """N pieces of lanes; global frame, meters."""

    points: F64
    """Points along each piece (N, P, 6): center x, y, left edge x, y, right edge x, y."""
    lane: I64
    """Row of Lanes (N,)."""
    block: I64
    """Row of RoadBlocks (N,), -1 for none."""
    info: F64
    """What holds for the piece (N, 3): LIMIT, CONNECTOR, STOP."""
    cells: CellIndex
    """The pieces by cell."""


class LaneLights(NamedTuple):
    """Traffic lights by the lanes that they govern: lane (n,) int64 rows of Lanes, state (n,) uint8 LightState."""

    lane: I64
    state: U8


class FeatureMap(NamedTuple):
    """A map as the feature kernels read it: pieces, lanes, and the outlines (C, P, 2) of crosswalks, global frame,
    meters."""

    pieces: PieceArrays
    lanes: LaneArrays
    crosswalks: F64


def feature_map(map_data: MapData, lane_points: int) -> FeatureMap:
    """The feature map of ``map_data`` with ``lane_points`` points per piece, computed on first use and kept with the
    map."""
    return memo(map_data, ("feature map", lane_points), lambda: build_feature_map(map_data, lane_points))


def build_feature_map(map_data: MapData, lane_points: int) -> FeatureMap:
    """Compute the feature map."""
    lanes = map_data.lanes
    lines = lanes.centerlines
    arc = arc_lengths(lines.points, lines.offsets)
    lengths = np.zeros(len(lanes))
    some = np.diff(lines.offsets) > 0
    lengths[some] = arc[lines.offsets[1:][some] - 1]
    count = np.where(lengths > 0.1, np.ceil(lengths / PIECE_M), 0).astype(np.int64)
    piece_lane = np.repeat(np.arange(len(lanes), dtype=np.int64), count)
    part = np.arange(len(piece_lane)) - np.repeat(np.cumsum(count) - count, count)
    share = np.stack([part, part + 1.0], 1) / np.maximum(count, 1)[piece_lane][:, None]
    pieces = np.zeros((len(piece_lane), lane_points, 6))
    for column, edge in ((0, lines), (2, lanes.left), (4, lanes.right)):
        edge_arc = arc if edge is lines else arc_lengths(edge.points, edge.offsets)
        _resample(edge.points, edge.offsets, edge_arc, piece_lane, share, pieces, column)
    limit = np.where(lanes.has_speed_limit, lanes.speed_limit_mps, 0.0)
    info = np.column_stack([limit, lanes.kind, stop_signs(map_data)]).astype(np.float64)
    return FeatureMap(
        PieceArrays(pieces, piece_lane, lanes.block[piece_lane], info[piece_lane], cell_index(pieces[:, :, :2])),
        LaneArrays(
            points=np.ascontiguousarray(lines.points),
            offsets=lines.offsets,
            arc=arc,
            block=lanes.block,
            info=info,
            successors=lanes.successors.values,
            successor_offsets=lanes.successors.offsets,
            block_lanes=map_data.blocks.lanes.values,
            block_offsets=map_data.blocks.lanes.offsets,
        ),
        _outlines(map_data.areas.polygons, map_data.areas.of(AreaKind.CROSSWALK), lane_points),
    )


def rows_of(map_data: MapData, what: str, ids: I64) -> I64:
    """Rows of Lanes (``what`` = lanes) or RoadBlocks (blocks) with the given ids, -1 where unknown; the order of the
    ids is kept with the map."""
    cache = vars(map_data).setdefault("_id_orders", {})
    if what not in cache:
        known = getattr(map_data, what).id
        order = np.argsort(known, kind="stable").astype(np.int64)
        cache[what] = np.ascontiguousarray(known[order]), order
    ordered, row = cache[what]
    if len(ordered) == 0 or len(ids) == 0:
        return np.full(len(ids), -1, np.int64)
    at = np.minimum(np.searchsorted(ordered, ids), len(ordered) - 1)
    return np.where(ordered[at] == ids, row[at], -1)


def stop_signs(map_data: MapData) -> U8:
    """Which lanes (L,) uint8 begin behind a stop sign: connectors whose mouth, or the end of a lane before them, lies
    in the area of one. (Maps in nuPlan's format link stop lines with connectors for traffic lights only.)"""
    lanes, areas = map_data.lanes, map_data.areas
    out = np.zeros(len(lanes), np.uint8)
    signs = areas.of(AreaKind.STOP)
    signs = np.ascontiguousarray(signs[areas.subtype[signs] == STOP_SIGN], np.int64)
    real = np.flatnonzero(np.diff(lanes.centerlines.offsets) >= 2)
    if not len(signs) or not len(real):
        return out
    lines = lanes.centerlines
    arc = arc_lengths(lines.points, lines.offsets)
    length, connects = arc[lines.offsets[real + 1] - 1], lanes.kind[real] == LaneKind.CONNECTOR
    part = np.minimum(MOUTH_M / np.maximum(length, 1e-3), 1.0)
    share = np.where(connects[:, None], np.stack([0.0 * part, part], 1), np.stack([1.0 - part, 0.0 * part + 1.0], 1))
    mouths = np.zeros((len(real), round(MOUTH_M / MOUTH_STEP_M) + 1, 6))
    _resample(lines.points, lines.offsets, arc, real, share, mouths, 0)
    polygons = areas.polygons
    rings, offsets = frozen(polygons.rings, np.int64), frozen(polygons.offsets, np.int64)
    signed = _any_inside(mouths, signs, frozen(polygons.points), rings, offsets)
    out[real[signed & connects]] = 1
    for before in real[signed & ~connects]:
        out[lanes.successors[int(before)]] = 1
    return out


@njit(cache=True, nogil=True)
def _any_inside(mouths: F64, signs: I64, points: F64, rings: I64, offsets: I64) -> NDArray[np.bool_]:
    """Which of the mouths (N, P, 6), pieces of at most MOUTH_M, have a point in a polygon of the given rows."""
    out = np.zeros(len(mouths), np.bool_)
    for row in signs:
        first, last = rings[offsets[row]], rings[offsets[row] + 1]
        x0, x1 = points[first:last, 0].min(), points[first:last, 0].max()
        y0, y1 = points[first:last, 1].min(), points[first:last, 1].max()
        for i in range(len(mouths)):
            x, y = mouths[i, 0, 0], mouths[i, 0, 1]
            if out[i] or x < x0 - MOUTH_M or x > x1 + MOUTH_M or y < y0 - MOUTH_M or y > y1 + MOUTH_M:
                continue
            for k in range(mouths.shape[1]):
                if inside(points, rings, offsets[row], offsets[row + 1], mouths[i, k, 0], mouths[i, k, 1]):
                    out[i] = True
                    break
    return out


def _outlines(polygons: Polygons, rows: I64, count: int) -> F64:
    """``count`` points along the outer ring of each polygon."""
    rings = Polylines.build([polygons[int(r)][0] for r in rows])
    out = np.zeros((len(rings), count, 6))
    share = np.tile([0.0, 1.0], (len(rings), 1))
    rows_of = np.arange(len(rings), dtype=np.int64)
    _resample(rings.points, rings.offsets, arc_lengths(rings.points, rings.offsets), rows_of, share, out, 0)
    return np.ascontiguousarray(out[:, :, :2])


def cell_index(points: F64) -> CellIndex:
    """Index of items by the cells that their bounding boxes touch. points (N, P, 2)."""
    if len(points) == 0:
        return CellIndex(np.zeros(2), np.zeros(2, np.int64), np.zeros(1, np.int64), np.zeros(0, np.int64))
    low, high = points.min(1), points.max(1)
    origin = low.min(0)
    shape = (np.floor((high.max(0) - origin) / CELL_M) + 1).astype(np.int64)
    first = np.floor((low - origin) / CELL_M).astype(np.int64)
    last = np.floor((high - origin) / CELL_M).astype(np.int64)
    offsets, items = _fill_cells(first, last, shape)
    return CellIndex(origin, shape, offsets, items)


@njit(cache=True, nogil=True)
def _fill_cells(first: I64, last: I64, shape: I64) -> tuple[I64, I64]:
    offsets = np.zeros(shape[0] * shape[1] + 1, np.int64)
    for step in range(2):
        if step == 1:
            offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(offsets[1:])))
            items = np.zeros(offsets[-1], np.int64)
            fill = offsets[:-1].copy()
        for i in range(len(first)):
            for cy in range(first[i, 1], last[i, 1] + 1):
                for cx in range(first[i, 0], last[i, 0] + 1):
                    c = cy * shape[0] + cx
                    if step == 0:
                        offsets[c + 1] += 1
                    else:
                        items[fill[c]] = i
                        fill[c] += 1
    return offsets, items


@njit(cache=True, nogil=True)
def arc_lengths(points: F64, offsets: I64) -> F64:
    """Arc length at every vertex of ragged polylines, each from its own start: points (Q, 2), offsets (N + 1,) -> (Q,)
    m."""
    out = np.zeros(len(points))
    for i in range(len(offsets) - 1):
        for q in range(offsets[i] + 1, offsets[i + 1]):
            out[q] = out[q - 1] + np.hypot(points[q, 0] - points[q - 1, 0], points[q, 1] - points[q - 1, 1])
    return out


@njit(cache=True, nogil=True)
def _resample(points: F64, offsets: I64, arc: F64, row: I64, share: F64, out: F64, column: int) -> None:
    """Equally spaced points of line ``row[i]`` between two shares of its length; an empty edge lies half a lane beside
    the centerline (columns 0, 1)."""
    count = out.shape[1]
    for i in range(len(row)):
        a, b = offsets[row[i]], offsets[row[i] + 1]
        if b - a < 2:
            _assume_edge(out[i], column)
            continue
        q = a
        for k in range(count):
            target = arc[b - 1] * (share[i, 0] + (share[i, 1] - share[i, 0]) * k / (count - 1))
            while q < b - 2 and arc[q + 1] < target:
                q += 1
            length = arc[q + 1] - arc[q]
            u = min(max((target - arc[q]) / length, 0.0), 1.0) if length > 0.0 else 0.0
            out[i, k, column] = points[q, 0] + u * (points[q + 1, 0] - points[q, 0])
            out[i, k, column + 1] = points[q, 1] + u * (points[q + 1, 1] - points[q, 1])


@njit(cache=True, nogil=True)
def _assume_edge(piece: F64, column: int) -> None:
    side = 1.0 if column == 2 else -1.0
    count = len(piece)
    for k in range(count):
        before, after = max(k - 1, 0), min(k + 1, count - 1)
        dx, dy = piece[after, 0] - piece[before, 0], piece[after, 1] - piece[before, 1]
        length = max(np.hypot(dx, dy), 1e-9)
        piece[k, column] = piece[k, 0] - side * HALF_LANE_M * dy / length
        piece[k, column + 1] = piece[k, 1] + side * HALF_LANE_M * dx / length
