"""The map's spatial index: which lanes, road blocks or areas hold a point, and how far the nearest is.

Each layer has a uniform grid over its own extent. A cell lists, by ascending row, the polygons that cover it whole and
those whose edges come near it and must be asked; a cell that lists nothing is outside. A query therefore costs the same
on a map of any size. Containment is strict, as shapely's ``contains`` of a point: a point on an edge is outside.
Distances are shapely's, 0 inside. All of it is arrays, so a store keeps it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64, Mask, Polygons, Ragged
from roadcraft.core.driving.geometry.boxes import point_segment_distance
from roadcraft.core.driving.geometry.polygons import crossings
from roadcraft.core.driving.geometry.tolerances import CLEAR_M
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.map_index.grid import fill_cells, grown
from roadcraft.core.driving.readonly import frozen

_CELL_M = 4.0
TILE = 32  # cells along the side of a tile
_MAX_TILES = 1 << 22
_MAX_CELLS = 1 << 24  # that polygons may lie in, all counted
SPAN = 16  # edges that are passed over together where none can matter


class LayerArrays(NamedTuple):
    """A layer as kernels take it. Entry e of a cell c (``entries[starts[c]:starts[c + 1]]``, see ``cell_at``) is
    polygon ``e >> 1``, which covers the cell whole where ``e & 1``. spans (S, 4): lowest x and y, highest x and y of
    the edges that start at ``points[16 * s:16 * s + 16]``."""

    x: float
    y: float
    cell: float
    nx: int
    ny: int
    tiles: NDArray[np.int32]
    tile_at: NDArray[np.int32]
    starts: NDArray[np.int32]
    entries: NDArray[np.int32]
    points: F64
    rings: I64
    offsets: I64
    spans: F64


@dataclass(frozen=True)
class PolygonLayer:
    """K polygons and their grid. rows (K,) int64: row of each in the map's own table (Lanes, RoadBlocks or Areas);
    polygons (K); origin (2,) float64 m: lower left corner; shape (2,) int64: columns, rows; cell_m.

    Only tiles of 32 x 32 cells that hold something are kept: tiles (across * up,) int32: number of each tile of the
    whole extent, -1 where it is empty; tile_at (U,) int32: where the U kept ones lie, row-major; starts (U * 1024 + 1,)
    int32, tile by tile, row-major within; entries int32."""

    rows: I64
    polygons: Polygons
    origin: F64
    shape: I64
    cell_m: float
    tiles: NDArray[np.int32]
    tile_at: NDArray[np.int32]
    starts: NDArray[np.int32]
    entries: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def arrays(self) -> LayerArrays:
        """The argument for kernels."""
        p = self.polygons
        return LayerArrays(
            float(self.origin[0]),
            float(self.origin[1]),
            float(self.cell_m),
            int(self.shape[0]),
            int(self.shape[1]),
            frozen(self.tiles, np.int32),
            frozen(self.tile_at, np.int32),
            frozen(self.starts, np.int32),
            frozen(self.entries, np.int32),
            frozen(p.points),
            frozen(p.rings, np.int64),
            frozen(p.offsets, np.int64),
            frozen(_spans(p.points)),
        )


@dataclass(frozen=True)
class MapIndex:
    """lanes: lanes and connectors (layer row = row of Lanes); blocks: road blocks (row of RoadBlocks); drivable,
    intersections, crosswalks, stops: areas."""

    lanes: PolygonLayer
    blocks: PolygonLayer
    drivable: PolygonLayer
    intersections: PolygonLayer
    crosswalks: PolygonLayer
    stops: PolygonLayer


def build_index(lanes: Polygons, blocks: Polygons, areas: Polygons, rows: Mapping[str, I64]) -> MapIndex:
    """The index of a map (``map_data.index`` keeps it): of its lanes, its road blocks, and the given rows of its areas,
    by the name of their layer."""
    layers = {name: build_layer(areas, of_layer) for name, of_layer in rows.items()}
    return MapIndex(build_layer(lanes), build_layer(blocks), **layers)


def build_layer(polygons: Polygons, rows: I64 | None = None, cell_m: float = _CELL_M) -> PolygonLayer:
    """A layer of the given rows of ``polygons`` (all where None)."""
    if rows is None:
        rows = np.arange(len(polygons), dtype=np.int64)
    else:
        polygons = Polygons.build([polygons[int(i)] for i in rows])
    points = polygons.points
    if not len(points):
        none = np.zeros(0, np.int32)
        return PolygonLayer(
            rows, polygons, np.zeros(2), np.zeros(2, np.int64), cell_m, none, none, np.zeros(1, np.int32), none
        )
    low, high = points.min(axis=0) - 1.0, points.max(axis=0) + 1.0
    extent = high - low
    most = max(float(extent[0] * extent[1]) / (_MAX_TILES * TILE * TILE), _bounds_area(polygons) / _MAX_CELLS)
    cell = max(cell_m, math.sqrt(most))
    shape = np.ceil(extent / cell).astype(np.int64)
    cells, entries = fill_cells(
        frozen(points),
        frozen(polygons.rings, np.int64),
        frozen(polygons.offsets, np.int64),
        float(low[0]),
        float(low[1]),
        cell,
        int(shape[0]),
        int(shape[1]),
    )
    line, column = np.divmod(cells, shape[0])
    across, up = (shape + TILE - 1) // TILE
    tile_at, tile = np.unique(line // TILE * across + column // TILE, return_inverse=True)
    tiles = np.full(across * up, -1, np.int32)
    tiles[tile_at] = np.arange(len(tile_at))
    place = (tile * TILE + line % TILE) * TILE + column % TILE
    starts = np.zeros(len(tile_at) * TILE * TILE + 1, np.int32)
    np.cumsum(np.bincount(place, minlength=len(starts) - 1), out=starts[1:])
    order = np.argsort(place, kind="stable")
    return PolygonLayer(rows, polygons, low, shape, cell, tiles, tile_at.astype(np.int32), starts, entries[order])


def _spans(points: F64) -> F64:
    """``LayerArrays.spans`` of the vertices (P, 2); an edge from one ring to the next only widens what holds both."""
    first = np.arange(0, len(points), SPAN)
    if not len(first):
        return np.zeros((0, 4))
    following = np.concatenate([points[1:], points[-1:]])
    low = np.minimum.reduceat(np.minimum(points, following), first)
    return np.concatenate([low, np.maximum.reduceat(np.maximum(points, following), first)], axis=1)


def _bounds_area(polygons: Polygons) -> float:
    """Area m2 of the polygons' bounding boxes together."""
    cuts = polygons.rings[polygons.offsets]
    first = cuts[:-1][np.diff(cuts) > 0]
    low, high = (f.reduceat(polygons.points, first, axis=0) for f in (np.minimum, np.maximum))
    return float((high - low).prod(axis=1).sum())


# ---- queries -------------------------------------------------------------------------


def containing(layer: PolygonLayer, points: F64) -> Ragged:
    """Layer rows that hold each of M points (M, 2), ascending: M ragged rows. A point on an edge is outside."""
    values, offsets = containing_many(layer.arrays, frozen(points))
    return Ragged(values, offsets)


def inside_any(layer: PolygonLayer, points: F64) -> Mask:
    """Whether any polygon of the layer holds each of M points (M, 2): (M,) bool."""
    return np.asarray(_inside_any_many(layer.arrays, frozen(points)))


def distance(layer: PolygonLayer, rows: I64, points: F64) -> F64:
    """Distance m of M points (M, 2) to the polygons of layer rows (M,): (M,) float64, 0 inside."""
    return np.asarray(_distance_many(layer.arrays, frozen(rows, np.int64), frozen(points)))


# ---- kernels: their first argument is ``PolygonLayer.arrays`` ------------------------


@small_njit
def holds(layer: LayerArrays, row: int, x: float, y: float) -> bool:
    """Whether polygon ``row`` strictly contains (x, y): ``strictly_inside``, past the spans of edges that count
    nothing."""
    points, rings, spans = layer.points, layer.rings, layer.spans
    crossed = 0
    for r in range(layer.offsets[row], layer.offsets[row + 1]):
        i, last = rings[r], rings[r + 1] - 1
        while i < last:
            span = i // SPAN
            end = min((span + 1) * SPAN, last)
            if spans[span, 1] <= y <= spans[span, 3] and x <= spans[span, 2]:
                n = crossings(points, i, end, x, y)
                if n < 0:
                    return False
                crossed += n
            i = end
    return crossed % 2 == 1


@small_njit
def cell_at(tiles: NDArray[np.int32], nx: int, column: int, row: int) -> int:
    """Number of a cell of the grid, whose columns are ``nx``; -1 in a tile that holds nothing."""
    tile = tiles[row // TILE * ((nx + TILE - 1) // TILE) + column // TILE]
    return -1 if tile < 0 else (tile * TILE + row % TILE) * TILE + column % TILE


@small_njit
def cell_of(layer: LayerArrays, x: float, y: float) -> int:
    """Cell that holds (x, y), or -1 where nothing is near."""
    column, row = math.floor((x - layer.x) / layer.cell), math.floor((y - layer.y) / layer.cell)
    if 0 <= column < layer.nx and 0 <= row < layer.ny:
        return cell_at(layer.tiles, layer.nx, int(column), int(row))
    return -1


@small_njit
def rows_at(layer: LayerArrays, x: float, y: float, out: I64, at: int) -> int:
    """Write the rows that hold (x, y), ascending, to ``out[at:]``; returns the end of what was written, at most
    ``len(out)``."""
    cell = cell_of(layer, x, y)
    if cell >= 0:
        for k in range(layer.starts[cell], layer.starts[cell + 1]):
            e = layer.entries[k]
            if at < len(out) and (e & 1 or holds(layer, e >> 1, x, y)):
                out[at] = e >> 1
                at += 1
    return at


@small_njit
def in_any(layer: LayerArrays, x: float, y: float) -> bool:
    """Whether any polygon holds (x, y)."""
    cell = cell_of(layer, x, y)
    if cell >= 0:
        for k in range(layer.starts[cell], layer.starts[cell + 1]):
            e = layer.entries[k]
            if e & 1 or holds(layer, e >> 1, x, y):
                return True
    return False


@small_njit
def row_distance(layer: LayerArrays, row: int, x: float, y: float) -> float:
    """Distance of (x, y) to polygon ``row``, 0 inside."""
    return 0.0 if holds(layer, row, x, y) else edge_distance(layer, row, x, y, math.inf)


@small_njit
def edge_distance(layer: LayerArrays, row: int, x: float, y: float, best: float) -> float:
    """min(best, distance of (x, y) to the edges of polygon ``row``)."""
    points, rings, spans = layer.points, layer.rings, layer.spans
    for r in range(layer.offsets[row], layer.offsets[row + 1]):
        i, last = rings[r], rings[r + 1] - 1
        while i < last:
            span = i // SPAN
            end, clear = min((span + 1) * SPAN, last), best + CLEAR_M
            if (
                max(spans[span, 0] - x, x - spans[span, 2]) <= clear
                and max(spans[span, 1] - y, y - spans[span, 3]) <= clear
            ):
                for k in range(i, end):
                    d = point_segment_distance(x, y, points[k, 0], points[k, 1], points[k + 1, 0], points[k + 1, 1])
                    best = min(best, d)
            i = end
    return best


@njit(cache=True, nogil=True)
def nearest_distance(layer: LayerArrays, x: float, y: float) -> float:
    """Distance of (x, y) to the nearest polygon: rings of cells outward until no cell can hold a nearer one."""
    if len(layer.offsets) < 2:
        return math.inf
    return 0.0 if in_any(layer, x, y) else nearest_edge(layer, x, y, math.inf)


@njit(cache=True, nogil=True)
def nearest_edge(layer: LayerArrays, x: float, y: float, best: float) -> float:
    """min(best, distance of (x, y), which no polygon holds, to the nearest one)."""
    if len(layer.offsets) < 2:
        return best
    # beyond the grid the search starts at the nearest cell; projecting onto the grid can only shorten distances, so the
    # bound below still holds
    cx = min(max(math.floor((x - layer.x) / layer.cell), 0), layer.nx - 1)
    cy = min(max(math.floor((y - layer.y) / layer.cell), 0), layer.ny - 1)
    seen = np.full(16, -1, np.int64)
    count = 0
    for ring in range(max(layer.nx, layer.ny)):
        if best <= (ring - 1) * layer.cell:
            break
        for row in range(max(cy - ring, 0), min(cy + ring, layer.ny - 1) + 1):
            step = 1 if abs(row - cy) == ring or ring == 0 else 2 * ring
            for column in range(cx - ring, cx + ring + 1, step):
                if column < 0 or column >= layer.nx:
                    continue
                cell = cell_at(layer.tiles, layer.nx, column, row)
                if cell < 0:
                    continue
                for k in range(layer.starts[cell], layer.starts[cell + 1]):
                    polygon = layer.entries[k] >> 1
                    fresh = True
                    for k2 in range(len(seen)):
                        fresh = fresh and seen[k2] != polygon
                    if fresh:
                        seen[count % len(seen)] = polygon
                        count += 1
                        best = edge_distance(layer, polygon, x, y, best)
    return best


@njit(cache=True, nogil=True)
def containing_many(layer: LayerArrays, points: F64) -> tuple[I64, I64]:
    """Rows that hold each of M points (M, 2): values (V,) and offsets (M + 1,) of M ragged rows."""
    offsets = np.zeros(len(points) + 1, np.int64)
    values = np.empty(4 * len(points) + 64, np.int64)
    end = 0
    for m in range(len(points)):
        cell = cell_of(layer, points[m, 0], points[m, 1])
        most = end + (layer.starts[cell + 1] - layer.starts[cell] if cell >= 0 else 0)
        if most > len(values):
            values = grown(values, end, 2 * most)
        end = rows_at(layer, points[m, 0], points[m, 1], values, end)
        offsets[m + 1] = end
    return values[:end], offsets


@njit(cache=True, nogil=True)
def _inside_any_many(layer: LayerArrays, points: F64) -> Mask:
    out = np.empty(len(points), np.bool_)
    for m in range(len(points)):
        out[m] = in_any(layer, points[m, 0], points[m, 1])
    return out


@njit(cache=True, nogil=True)
def _distance_many(layer: LayerArrays, rows: I64, points: F64) -> F64:
    out = np.empty(len(points))
    for m in range(len(points)):
        out[m] = row_distance(layer, rows[m], points[m, 0], points[m, 1])
    return out
