"""Numba kernels that draw one scene into a bird's-eye raster (``raster``): filled polygons, thick lines, oriented
boxes, grids.

Shapes are drawn in *cell coordinates* (u, v): the center of the cell in row i and column j is u = i, v = j; u grows
backward and v to the right. One rule decides everywhere: a cell belongs to a shape if its center lies inside. All
arithmetic is float64; a center within rounding of an edge may go either way."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.scenario import LAST_MOVING, LightState
from roadcraft.core.driving.features.map_tensors import CONNECTOR, LaneLights, PieceArrays
from roadcraft.core.driving.features.reference_lines import light_of
from roadcraft.core.driving.jit import njit

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]

# channels and ranges, as ``raster.RasterChannel`` documents them
DRIVABLE, ROUTE, SPEED_LIMIT, LANE, LANE_COS, LANE_SIN, LANE_EDGE, CROSSWALK, STOP, LIGHT_STOP, LIGHT_GO = range(11)
VEHICLE, PEDESTRIAN, BICYCLE, VELOCITY_X, VELOCITY_Y, STATIC = range(11, 17)
FIRST_LAYER, LAYERS = 17, 5  # channels of the raster layers by kind, then as many that say where each is known
VELOCITY_MPS = 30.0
OLDEST = 64  # what the oldest frame of the past is drawn with; the present one with 255
LINE_CELLS = 0.5  # half the thickness of a line: no gaps at any angle
BOX_CELLS = (
    0.7072  # least half extent of a box: any box covers at least one center, so that nobody is lost between cells
)
_GREEN, _YELLOW, _RED = int(LightState.GREEN), int(LightState.YELLOW), int(LightState.RED)
_FLAT = 1e-14


class RasterView(NamedTuple):
    """Whence a raster is seen: the ego's x, y, cosine and sine of its heading, and the size of a cell, m."""

    x: float
    y: float
    cos: float
    sin: float
    cell_m: float


class AreaArrays(NamedTuple):
    """Polygons to fill, in rings of points: channel (N,), value (N,): what is drawn where; lane (N,): row of Lanes, -1
    for areas."""

    points: F64
    rings: I64
    offsets: I64
    channel: U8
    value: U8
    lane: I64


class RasterBar(NamedTuple):
    """A rectangle from (u, v) along the unit vector (du, dv), ``half`` wide to either side, in cells."""

    u: float
    v: float
    du: float
    dv: float
    length: float
    half: float


@njit(cache=True, nogil=True)
def view_of(ego: F64, cell_m: float) -> RasterView:
    return RasterView(ego[0], ego[1], np.cos(ego[2]), np.sin(ego[2]), cell_m)


@njit(cache=True, nogil=True)
def signed(value: float, limit: float) -> int:
    """Code of a signed quantity: 128 stands for 0, 1 and 255 for -limit and limit."""
    return int(np.floor(128.5 + 127.0 * min(max(value / limit, -1.0), 1.0)))


@njit(cache=True, nogil=True)
def cells_ahead(cells: int) -> int:
    """Rows ahead of the rear axle: three quarters."""
    return cells - cells // 4


@njit(cache=True, nogil=True)
def to_cells(x: float, y: float, view: RasterView, cells: int) -> tuple[float, float]:
    """Cell coordinates of a point of the global frame. The ego looks along -u; a quarter of the rows lies behind its
    rear axle."""
    dx, dy = x - view.x, y - view.y
    u = cells_ahead(cells) - 0.5 - (view.cos * dx + view.sin * dy) / view.cell_m
    v = 0.5 * cells - 0.5 - (view.cos * dy - view.sin * dx) / view.cell_m
    return u, v


@njit(cache=True, nogil=True)
def fill_polygon(
    out: U8, scratch: U8, points: F64, rings: I64, first: int, last: int, view: RasterView, value: int
) -> None:
    """Raise the cells of a polygon (rings first..last-1, even-odd) of out (N, N) to at least ``value``. scratch (N, N +
    1): zeros, and left so.

    Where an edge crosses a row, the parity changes at the first center beyond it; a sweep along the row sums the
    changes up."""
    n = out.shape[0]
    row_low, row_high, column_low, column_high = n, -1, n + 1, -1
    for r in range(first, last):
        ua, va = 0.0, 0.0
        for q in range(rings[r], rings[r + 1]):
            u, v = to_cells(points[q, 0], points[q, 1], view, n)
            if q > rings[r]:
                low, high = min(ua, u), max(ua, u)
                if high > 0.0 and low <= n - 1:
                    i0, i1 = max(int(np.ceil(low)), 0), min(int(np.ceil(high)), n)
                    slope = (v - va) / (u - ua) if i1 > i0 else 0.0
                    for i in range(i0, i1):
                        at = va + (i - ua) * slope
                        j = 0 if at < 0.0 else n if at >= n - 1 else int(at) + 1
                        scratch[i, j] ^= 1
                        row_low, row_high = min(row_low, i), max(row_high, i)
                        column_low, column_high = min(column_low, j), max(column_high, j)
            ua, va = u, v
    for i in range(row_low, row_high + 1):
        inside = np.uint8(0)
        for j in range(column_low, column_high + 1):
            inside ^= scratch[i, j]
            scratch[i, j] = 0
            if inside and out[i, j] < value:
                out[i, j] = value


@njit(cache=True, nogil=True)
def _slab(p: float, across: float, along: float, low: float, high: float) -> tuple[float, float]:
    """The q with low <= p * across + q * along <= high, empty (1, -1) or an interval."""
    if abs(along) < _FLAT:
        return (-np.inf, np.inf) if low <= p * across <= high else (1.0, -1.0)
    a, b = (low - p * across) / along, (high - p * across) / along
    return (a, b) if a <= b else (b, a)


@njit(cache=True, nogil=True)
def draw_bar(out: U8, channel: int, bar: RasterBar, round_ends: bool, value: int, pair: int, a: int, b: int) -> None:
    """Raise the cells of out[channel] within a bar, with half discs at its ends if ``round_ends``, to at least
    ``value``. The two channels from ``pair`` on are set to a and b there (pair -1: none)."""
    n = out.shape[1]
    ua, va, du, dv, length, half = bar
    ub, vb = ua + length * du, va + length * dv
    reach = half if round_ends else half * abs(dv)
    low, high = min(ua, ub) - reach, max(ua, ub) + reach
    if not (high >= 0.0 and low <= n - 1):
        return
    for i in range(max(int(np.ceil(low)), 0), min(int(np.floor(high)), n - 1) + 1):
        p = i - ua
        a0, a1 = _slab(p, du, dv, 0.0, length)
        b0, b1 = _slab(p, -dv, du, -half, half)
        q0, q1 = max(a0, b0), min(a1, b1)
        if q0 > q1 or a0 > a1 or b0 > b1:
            q0, q1 = np.inf, -np.inf
        if round_ends:
            w = half * half - p * p
            if w >= 0.0:
                q0, q1 = min(q0, -np.sqrt(w)), max(q1, np.sqrt(w))
            w = half * half - (i - ub) * (i - ub)
            if w >= 0.0:
                q0, q1 = min(q0, vb - va - np.sqrt(w)), max(q1, vb - va + np.sqrt(w))
        if not (va + q1 >= 0.0 and va + q0 <= n - 1):
            continue
        for j in range(int(np.ceil(max(va + q0, 0.0))), int(np.floor(min(va + q1, n - 1.0))) + 1):
            if out[channel, i, j] < value:
                out[channel, i, j] = value
            if pair >= 0:
                out[pair, i, j], out[pair + 1, i, j] = a, b


@njit(cache=True, nogil=True)
def _draw_line(
    out: U8, channel: int, piece: F64, column: int, view: RasterView, half: float, value: int, directed: bool
) -> None:
    """One polyline: columns ``column``, ``column + 1`` of piece (P, 6). A directed one also tells cos and sin of its
    heading in the ego frame."""
    ua, va = 0.0, 0.0
    for k in range(len(piece)):
        u, v = to_cells(piece[k, column], piece[k, column + 1], view, out.shape[1])
        length = np.hypot(u - ua, v - va)
        if k > 0 and length > 1e-9:
            bar = RasterBar(ua, va, (u - ua) / length, (v - va) / length, length, half)
            pair = LANE_COS if directed else -1
            draw_bar(out, channel, bar, True, value, pair, signed(-bar.du, 1.0), signed(-bar.dv, 1.0))
        ua, va = u, v


@njit(cache=True, nogil=True)
def _listed(block: int, route: I64) -> bool:
    found = False
    for r in route:
        found = found or (r == block and r >= 0)
    return found


@njit(cache=True, nogil=True)
def draw_areas(out: U8, ego: F64, cell_m: float, rows: I64, areas: AreaArrays, block: I64, route: I64) -> None:
    """Fill polygons ``rows`` into their channels; the surface of a lane on the route goes into ROUTE too. block (L,) of
    each lane, route (r,): rows of RoadBlocks."""
    n = out.shape[1]
    scratch = np.zeros((n, n + 1), np.uint8)
    view = view_of(ego, cell_m)
    points, rings, offsets, channel, value, lane = areas
    for k in rows:
        first, last = offsets[k], offsets[k + 1]
        if value[k] > 0:
            fill_polygon(out[channel[k]], scratch, points, rings, first, last, view, int(value[k]))
        if lane[k] >= 0 and _listed(block[lane[k]], route):
            fill_polygon(out[ROUTE], scratch, points, rings, first, last, view, 255)


@njit(cache=True, nogil=True)
def draw_lanes(
    out: U8, ego: F64, cell_m: float, rows: I64, pieces: PieceArrays, route: I64, lights: LaneLights
) -> None:
    """Centerlines with their direction, edges and lights of pieces ``rows``; lanes on the route lie above the others.
    Edges of connectors are left out: within a junction they cross each other and bound nothing."""
    view = view_of(ego, cell_m)
    for above in (False, True):
        for row in rows:
            if _listed(pieces.block[row], route) != above:
                continue
            piece = pieces.points[row]
            _draw_line(out, LANE, piece, 0, view, LINE_CELLS, 255, True)
            if pieces.info[row, CONNECTOR] == 0.0:
                _draw_line(out, LANE_EDGE, piece, 2, view, LINE_CELLS, 255, False)
                _draw_line(out, LANE_EDGE, piece, 4, view, LINE_CELLS, 255, False)
            light = light_of(pieces.lane[row], lights)
            if light == _GREEN:
                _draw_line(out, LIGHT_GO, piece, 0, view, 2.0 * LINE_CELLS, 255, False)
            elif light in (_YELLOW, _RED):
                value = 255 if light == _RED else 128
                _draw_line(out, LIGHT_STOP, piece, 0, view, 2.0 * LINE_CELLS, value, False)


@njit(cache=True, nogil=True)
def draw_objects(out: U8, ego: F64, cell_m: float, kind: U8, box: F64, velocity: F64, frames: I64) -> None:
    """Moving objects of all frames, fading with age, velocities of those of now; static objects of now."""
    n, steps = out.shape[1], len(frames)
    view = view_of(ego, cell_m)
    c, s = view.cos, view.sin
    for h in range(steps):
        now = h == steps - 1
        value = 255 if now else OLDEST + (255 - OLDEST) * h // (steps - 1)
        for i in range(frames[h, 0], frames[h, 1]):
            static = kind[i] > LAST_MOVING
            if static and not now:
                continue
            u, v = to_cells(box[i, 0], box[i, 1], view, n)
            half, wide = max(0.5 * box[i, 3] / cell_m, BOX_CELLS), max(0.5 * box[i, 4] / cell_m, BOX_CELLS)
            reach = half + wide
            if not (-reach <= u <= n + reach and -reach <= v <= n + reach):
                continue
            turn = box[i, 2] - ego[2]
            du, dv = -np.cos(turn), -np.sin(turn)
            channel, pair = (STATIC, -1) if static else (VEHICLE + kind[i], VELOCITY_X if now else -1)
            vx = signed(c * velocity[i, 0] + s * velocity[i, 1], VELOCITY_MPS)
            vy = signed(c * velocity[i, 1] - s * velocity[i, 0], VELOCITY_MPS)
            bar = RasterBar(u - half * du, v - half * dv, du, dv, 2.0 * half, wide)
            draw_bar(out, channel, bar, False, value, pair, vx, vy)


@njit(cache=True, nogil=True)
def draw_grid(
    out: U8, ego: F64, cell_m: float, kind: int, pose: F64, grid_cell_m: float, values: F32, limits: tuple[float, float]
) -> None:
    """One grid (H, W), interpolated between the centers of its cells, into the channel of its kind, and 255 into the
    one that says where it is known. limits: the quantity's lowest and highest value.

    Unknown are the places outside the grid and those between centers one of which is NaN; between the outermost centers
    and the rim the outermost values hold."""
    n = out.shape[1]
    (rows, columns), (low, high) = values.shape, limits
    # places in the grid's own cells change by the same step from cell to cell of the raster: one place and two steps
    turn = ego[2] - pose[2]
    c, s = np.cos(turn) / grid_cell_m, np.sin(turn) / grid_cell_m
    gc, gs = np.cos(pose[2]) / grid_cell_m, np.sin(pose[2]) / grid_cell_m
    dx, dy = ego[0] - pose[0], ego[1] - pose[1]
    front, left = (cells_ahead(n) - 0.5) * cell_m, (0.5 * n - 0.5) * cell_m
    x0, y0 = gc * dx + gs * dy - 0.5 + c * front - s * left, gc * dy - gs * dx - 0.5 + s * front + c * left
    # codes of signed quantities begin at 1, so that 128 stands for 0
    base, scale = (1.5, 254.0) if low < 0.0 else (0.5, 255.0)
    plane, known = out[FIRST_LAYER + kind], out[FIRST_LAYER + LAYERS + kind]
    wide, tall = columns - 1.0, rows - 1.0
    c, s = c * cell_m, s * cell_m
    for i in range(n):
        for j in range(n):
            x, y = x0 - c * i + s * j, y0 - s * i - c * j
            if not (-0.5 <= x <= wide + 0.5 and -0.5 <= y <= tall + 0.5):
                continue
            x, y = min(max(x, 0.0), wide), min(max(y, 0.0), tall)
            c0, r0 = int(x), int(y)
            c1, r1 = c0 + (c0 + 1 < columns), r0 + (r0 + 1 < rows)
            near = values[r0, c0] + (x - c0) * (values[r0, c1] - values[r0, c0])
            far = values[r1, c0] + (x - c0) * (values[r1, c1] - values[r1, c0])
            value = near + (y - r0) * (far - near)
            if np.isnan(value):
                continue
            share = min(max((value - low) / (high - low), 0.0), 1.0)
            plane[i, j], known[i, j] = int(base + scale * share), 255
