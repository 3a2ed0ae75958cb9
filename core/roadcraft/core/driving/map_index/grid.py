"""Sorts polygons into the cells of a uniform grid; ``lanes`` explains what the cells are for."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64, Mask
from roadcraft.core.driving.geometry.polygons import inside
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.readonly import Index

MARGIN_M = 1e-3  # an edge this near to a cell counts as crossing it, far above the rounding of a cell's coordinates


class _Grid(NamedTuple):
    x0: float
    y0: float
    cell: float
    nx: int
    ny: int


@njit(cache=True, nogil=True)
def fill_cells(
    points: F64, rings: I64, offsets: I64, x0: float, y0: float, cell: float, nx: int, ny: int
) -> tuple[I64, NDArray[np.int32]]:
    """Cell and entry of every (polygon, cell) pair, polygons ascending: (E,) int64, (E,) int32. An entry is ``2 *
    row``, plus 1 where the polygon covers the whole cell. Grid of nx * ny cells of size ``cell`` m from (x0, y0),
    row-major."""
    grid = _Grid(x0, y0, cell, nx, ny)
    cells, entries = np.empty(1024, np.int64), np.empty(1024, np.int32)
    count = np.int64(0)
    for p in range(len(offsets) - 1):
        first, last = rings[offsets[p]], rings[offsets[p + 1]]
        if last == first:
            continue
        c0, c1 = _extent(points, first, last, np.int64(0), x0, cell, nx)
        r0, r1 = _extent(points, first, last, np.int64(1), y0, cell, ny)
        crossed = np.zeros((r1 - r0 + 1, c1 - c0 + 1), np.bool_)
        for r in range(offsets[p], offsets[p + 1]):
            for i in range(rings[r], rings[r + 1] - 1):
                _mark(points, i, grid, c0, r0, crossed)
        if count + crossed.size > len(cells):
            room = 2 * (count + crossed.size)
            cells, entries = grown(cells, count, room), grown(entries, count, room)
        for row in range(r0, r1 + 1):
            covered, known = False, False
            for column in range(c0, c1 + 1):
                if crossed[row - r0, column - c0]:
                    known = False
                elif not known:
                    x, y = x0 + (column + 0.5) * cell, y0 + (row + 0.5) * cell
                    covered, known = inside(points, rings, offsets[p], offsets[p + 1], x, y), True
                if covered or not known:
                    cells[count], entries[count] = row * nx + column, 2 * p + (1 if known else 0)
                    count += 1
                if not known:
                    covered = False
    return cells[:count], entries[:count]


@njit(cache=True, nogil=True)
def grown(values: Any, count: int, room: int) -> Any:
    """The first ``count`` values in an array with room for ``room``."""
    out = np.empty(room, values.dtype)
    for k in range(count):
        out[k] = values[k]
    return out


@njit(cache=True, nogil=True)
def _extent(points: F64, first: Index, last: Index, axis: int, start: float, cell: float, n: int) -> tuple[int, int]:
    """First and last cell along an axis of ``points[first:last]``."""
    low, high = math.inf, -math.inf
    for i in range(first, last):
        low, high = min(low, points[i, axis]), max(high, points[i, axis])
    return _span(low, high, start, cell, n)


@njit(cache=True, nogil=True)
def _span(low: float, high: float, start: float, cell: float, n: int) -> tuple[int, int]:
    a = math.floor((low - MARGIN_M - start) / cell)
    b = math.floor((high + MARGIN_M - start) / cell)
    return min(max(a, 0), n - 1), min(max(b, 0), n - 1)


@small_njit
def heights_between(left: float, right: float, ax: float, ay: float, bx: float, by: float) -> tuple[float, float]:
    """Least and greatest y of an edge, ax <= bx, between two verticals that it comes near."""
    ya, yb = ay, by
    if bx - ax > MARGIN_M:
        slope = (by - ay) / (bx - ax)
        if left > ax:
            ya = ay + (left - ax) * slope
        if right < bx:
            yb = ay + (right - ax) * slope
    return min(ya, yb), max(ya, yb)


@njit(cache=True, nogil=True)
def _mark(points: F64, i: int, grid: _Grid, c0: int, r0: int, crossed: Mask) -> None:
    """Mark the cells that the edge from point i crosses: column by column, the rows between where the edge enters and
    leaves the column."""
    x0, y0, cell, nx, ny = grid
    ax, ay, bx, by = points[i, 0], points[i, 1], points[i + 1, 0], points[i + 1, 1]
    if ax > bx:
        ax, ay, bx, by = bx, by, ax, ay
    first, last = _span(ax, bx, x0, cell, nx)
    for column in range(first, last + 1):
        left, right = x0 + column * cell - MARGIN_M, x0 + (column + 1) * cell + MARGIN_M
        low, high = _span(*heights_between(left, right, ax, ay, bx, by), y0, cell, ny)
        for row in range(low, high + 1):
            crossed[row - r0, column - c0] = True
