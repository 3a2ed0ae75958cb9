"""Point in polygon at the price of a cell: which of a layer's edges cross each cell of its grid, and on which side the
cell's corner lies.

Where ``index`` asks a polygon, it walks its spans of edges. Here the answer for a point follows from that for the lower
left corner of its cell by counting the edges between the two, of which a cell of a few meters holds a handful: 30 to 60
ns per point. Same answers: strict containment, exact signs.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64, Mask
from roadcraft.core.driving.geometry.exact import orientation
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.map_index.grid import MARGIN_M, heights_between
from roadcraft.core.driving.map_index.index import TILE, LayerArrays, PolygonLayer, cell_at
from roadcraft.core.driving.readonly import frozen


class CellEdges(NamedTuple):
    """A layer, and for its entry k the edges ``edge[edge_at[k]:edge_at[k + 1]]`` (index of their first point) of its
    polygon that cross its cell, and odd[k]: whether the cell's lower left corner is inside by the even-odd rule.
    Covered cells list no edges. band (E, 4): nx, ny, low, high; no edge crosses the part of the cell where ``low < nx *
    x + ny * y < high``, x and y counted from its corner, and all of it is inside."""

    layer: LayerArrays
    edge_at: I64
    edge: NDArray[np.int32]
    odd: Mask
    band: NDArray[np.float32]


def cell_edges(layer: PolygonLayer) -> CellEdges:
    """The edges by cell of a layer. Takes about 0.1 us per edge and cell, once per map."""
    edge_at, edge, odd = _fill(layer.arrays)
    filled = frozen(edge_at, np.int64), frozen(edge, np.int32), frozen(odd, np.bool_)
    return CellEdges(layer.arrays, *filled, frozen(_bands(layer.arrays, *filled), np.float32))


@small_njit
def _right(ax: float, ay: float, bx: float, by: float, x: float, y: float) -> bool:
    """Whether an edge that spans the height y passes to the right of the cell border's point (x, y)."""
    return _left(ax, ay, bx, by, x, y) == (by > ay)


@small_njit
def _left(ax: float, ay: float, bx: float, by: float, x: float, y: float) -> bool:
    """Whether a point (x, y) of a cell's left border lies left of a -> b. An edge through the very point is as if the
    point lay a hair higher and a smaller hair to the right, for every count alike: maps drawn on whole meters have
    vertices at the corners of cells."""
    side = orientation(ax, ay, bx, by, x, y)
    return side > 0 or (side == 0 and (bx > ax or (bx == ax and ay > by)))


@small_njit
def _cells_of(layer: LayerArrays, i: int, column: int) -> tuple[int, int]:
    """First and last grid row of the cells of a column that edge i comes near; first > last where it does not."""
    ax, ay, bx, by = layer.points[i, 0], layer.points[i, 1], layer.points[i + 1, 0], layer.points[i + 1, 1]
    if ax > bx:
        ax, ay, bx, by = bx, by, ax, ay
    left, right = layer.x + column * layer.cell - MARGIN_M, layer.x + (column + 1) * layer.cell + MARGIN_M
    if bx < left or ax > right:
        return 1, 0
    low, high = heights_between(left, right, ax, ay, bx, by)
    first, last = (
        math.floor((low - MARGIN_M - layer.y) / layer.cell),
        math.floor((high + MARGIN_M - layer.y) / layer.cell),
    )
    return max(int(first), 0), min(int(last), layer.ny - 1)


@small_njit
def _corner(layer: LayerArrays, cell: int) -> tuple[float, float]:
    """Lower left corner of a cell."""
    tile, across = layer.tile_at[cell // (TILE * TILE)], (layer.nx + TILE - 1) // TILE
    column, line = tile % across * TILE + cell % TILE, tile // across * TILE + cell // TILE % TILE
    return layer.x + column * layer.cell, layer.y + line * layer.cell


@small_njit
def _entry_of(layer: LayerArrays, cell: int, row: int) -> int:
    for k in range(layer.starts[cell], layer.starts[cell + 1]):
        if layer.entries[k] == 2 * row:
            return k
    return -1


@njit(cache=True, nogil=True)
def _fill(layer: LayerArrays) -> tuple[I64, NDArray[np.int32], Mask]:
    entries = len(layer.entries)
    edge_at = np.zeros(entries + 1, np.int64)
    edge = np.empty(0, np.int32)
    used = np.zeros(entries, np.int64)
    for fill in range(2):
        for row in range(len(layer.offsets) - 1):
            for r in range(layer.offsets[row], layer.offsets[row + 1]):
                for i in range(layer.rings[r], layer.rings[r + 1] - 1):
                    lo = min(layer.points[i, 0], layer.points[i + 1, 0]) - MARGIN_M - layer.x
                    hi = max(layer.points[i, 0], layer.points[i + 1, 0]) + MARGIN_M - layer.x
                    for column in range(
                        max(math.floor(lo / layer.cell), 0),
                        min(math.floor(hi / layer.cell), layer.nx - 1) + 1,
                    ):
                        first, last = _cells_of(layer, i, column)
                        for line in range(first, last + 1):
                            cell = cell_at(layer.tiles, layer.nx, column, line)
                            k = _entry_of(layer, cell, row) if cell >= 0 else -1
                            if k < 0:
                                continue
                            if fill:
                                edge[edge_at[k] + used[k]] = i
                                used[k] += 1
                            else:
                                edge_at[k + 1] += 1
        if not fill:
            for k in range(entries):
                edge_at[k + 1] += edge_at[k]
            edge = np.empty(edge_at[entries], np.int32)
    odd = np.zeros(entries, np.bool_)
    for cell in range(len(layer.starts) - 1):
        x, y = _corner(layer, cell)
        for k in range(layer.starts[cell], layer.starts[cell + 1]):
            if layer.entries[k] & 1:
                continue
            row = layer.entries[k] >> 1
            for r in range(layer.offsets[row], layer.offsets[row + 1]):
                for i in range(layer.rings[r], layer.rings[r + 1] - 1):
                    ax, ay, bx, by = (
                        layer.points[i, 0],
                        layer.points[i, 1],
                        layer.points[i + 1, 0],
                        layer.points[i + 1, 1],
                    )
                    if (ay > y) != (by > y) and max(ax, bx) >= x and _right(ax, ay, bx, by, x, y):
                        odd[k] = not odd[k]
    return edge_at, edge, odd


@small_njit
def holds_from_corner(
    points: F64, edge: NDArray[np.int32], first: int, last: int, odd: bool, corner: tuple[float, float], x: float,
    y: float,
) -> bool:  # fmt: skip
    """Whether a polygon strictly contains (x, y), given whether it does the lower left corner of the cell, and its
    edges in the cell.

    From the corner up the cell's left border to the point's height, then right to the point: edges that cross either
    leg flip the answer.
    """
    cx, cy = corner
    for n in range(first, last):
        i = edge[n]
        ax, ay, bx, by = points[i, 0], points[i, 1], points[i + 1, 0], points[i + 1, 1]
        if (ay > y) != (by > y):
            here = orientation(ax, ay, bx, by, x, y)
            if here == 0:
                return False
            if (here > 0) != _left(ax, ay, bx, by, cx, y):
                odd = not odd
        elif (
            (ay == y and by == y and min(ax, bx) <= x <= max(ax, bx)) or (bx == x and by == y) or (ax == x and ay == y)
        ):
            return False
        if (ax > cx) != (bx > cx) and _left(ax, ay, bx, by, cx, cy) != _left(ax, ay, bx, by, cx, y):
            odd = not odd
    return odd


@small_njit
def _widest(sides: F64, count: int, ends: tuple[float, float], taken: float) -> tuple[float, float]:
    """The widest gap between ``count`` intervals sides (>= count, 2), ordered by their lower ends, and the ends of the
    whole range, among those narrower than ``taken``."""
    low, found_low, found_high = ends[0], 0.0, 0.0
    for k in range(count + 1):
        high = min(sides[k, 0], ends[1]) if k < count else ends[1]
        if found_high - found_low < high - low < taken:
            found_low, found_high = low, high
        if k < count:
            low = max(low, sides[k, 1])
    return found_low, found_high


@njit(cache=True, nogil=True)
def _bands(layer: LayerArrays, edge_at: I64, edge: NDArray[np.int32], odd: Mask) -> NDArray[np.float32]:
    """``CellEdges.band``: along the longest of a cell's edges, the widest stretch between edges that is inside."""
    band, most = np.zeros((len(edge_at) - 1, 4), np.float32), 1
    for k in range(len(edge_at) - 1):
        most = max(most, edge_at[k + 1] - edge_at[k])
    sides, points, size = np.empty((most, 2)), layer.points, layer.cell
    for cell in range(len(layer.starts) - 1):
        cx, cy = _corner(layer, cell)
        for k in range(layer.starts[cell], layer.starts[cell + 1]):
            count, longest = edge_at[k + 1] - edge_at[k], 0.0
            for n in range(count):
                i = edge[edge_at[k] + n]
                dx, dy = points[i + 1, 0] - points[i, 0], points[i + 1, 1] - points[i, 1]
                length = math.sqrt(dx * dx + dy * dy)
                if length > longest:
                    longest = length
                    band[k, 0], band[k, 1] = -dy / length, dx / length
            # what follows counts with the direction as it was rounded
            nx, ny = np.float64(band[k, 0]), np.float64(band[k, 1])
            for n in range(count):
                i = edge[edge_at[k] + n]
                a = nx * (points[i, 0] - cx) + ny * (points[i, 1] - cy)
                b = nx * (points[i + 1, 0] - cx) + ny * (points[i + 1, 1] - cy)
                m = n
                while m > 0 and sides[m - 1, 0] > min(a, b):
                    sides[m, 0], sides[m, 1] = sides[m - 1, 0], sides[m - 1, 1]
                    m -= 1
                sides[m, 0], sides[m, 1] = min(a, b), max(a, b)
            low, high = size * (min(nx, 0.0) + min(ny, 0.0)), size * (max(nx, 0.0) + max(ny, 0.0))
            taken = math.inf
            while count > 0:
                a, b = _widest(sides, count, (low, high), taken)
                if not b - a > 2.0 * MARGIN_M:
                    break
                # a point of the cell's diagonal across the stretch, in the middle of it
                share = (0.5 * (a + b) - low) / (high - low)
                x = cx + size * (share if nx > 0.0 else 1.0 - share)
                y = cy + size * (share if ny > 0.0 else 1.0 - share)
                if holds_from_corner(points, edge, edge_at[k], edge_at[k + 1], odd[k], (cx, cy), x, y):
                    band[k, 2], band[k, 3] = a + 0.5 * MARGIN_M, b - 0.5 * MARGIN_M
                    break
                taken = b - a
    return band


@small_njit
def rows_in_cell(cells: CellEdges, x: float, y: float, out: I64, at: int) -> int:
    """Write the layer rows that hold (x, y), ascending, to ``out[at:]``; returns the end of what was written, at most
    ``len(out)``."""
    layer, edge_at, edge, odd, band = cells.layer, cells.edge_at, cells.edge, cells.odd, cells.band
    column, line = math.floor((x - layer.x) / layer.cell), math.floor((y - layer.y) / layer.cell)
    if not (0 <= column < layer.nx and 0 <= line < layer.ny):
        return at
    cell = cell_at(layer.tiles, layer.nx, int(column), int(line))
    if cell < 0:
        return at
    corner = (layer.x + column * layer.cell, layer.y + line * layer.cell)
    entries, points = layer.entries, layer.points
    for k in range(layer.starts[cell], layer.starts[cell + 1]):
        e = entries[k]
        if at < len(out) and (
            e & 1
            or band[k, 2] < band[k, 0] * (x - corner[0]) + band[k, 1] * (y - corner[1]) < band[k, 3]
            or holds_from_corner(points, edge, edge_at[k], edge_at[k + 1], odd[k], corner, x, y)
        ):
            out[at] = e >> 1
            at += 1
    return at


@small_njit
def one_in_cell(
    x0: float,
    y0: float,
    size: float,
    nx: int,
    ny: int,
    tiles: NDArray[np.int32],
    starts: NDArray[np.int32],
    entries: NDArray[np.int32],
    points: F64,
    edge_at: I64,
    edge: NDArray[np.int32],
    odd: Mask,
    band: NDArray[np.float32],
    wanted: Mask,
    choosy: bool,
    hint: int,
    x: float,
    y: float,
) -> int:
    """A layer row that holds (x, y), or -1: ``hint`` if it does, else the first. wanted (K,) bool: rows that count, if
    ``choosy``.

    The fields of :class:`CellEdges` one by one: taking them from the tuple costs more than the search (numba counts
    references).
    """
    column, line = math.floor((x - x0) / size), math.floor((y - y0) / size)
    if not (0 <= column < nx and 0 <= line < ny):
        return -1
    cell = cell_at(tiles, nx, int(column), int(line))
    if cell < 0:
        return -1
    cx, cy = x0 + column * size, y0 + line * size
    corner, dx, dy = (cx, cy), x - cx, y - cy
    first, last = starts[cell], starts[cell + 1]
    checked = -1
    for k in range(first, last):
        if entries[k] >> 1 == hint:
            checked = k
            if entries[k] & 1 or band[k, 2] < band[k, 0] * dx + band[k, 1] * dy < band[k, 3]:
                return hint
            if holds_from_corner(points, edge, edge_at[k], edge_at[k + 1], odd[k], corner, x, y):
                return hint
    for k in range(first, last):
        e = entries[k]
        if k == checked or (choosy and not wanted[e >> 1]):
            continue
        if e & 1 or band[k, 2] < band[k, 0] * dx + band[k, 1] * dy < band[k, 3]:
            return int(e >> 1)
        if holds_from_corner(points, edge, edge_at[k], edge_at[k + 1], odd[k], corner, x, y):
            return int(e >> 1)
    return -1
