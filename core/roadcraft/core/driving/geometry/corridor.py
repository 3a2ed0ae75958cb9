"""Corridors: paths widened to both sides.

A corridor is the buffer that GEOS makes of a path with flat caps: the union of each segment's rectangle and, outside
each bend, a join whose arc is drawn with chords (one quarter circle in 16; a bend below 0.147 rad has a single chord).
Here it stays that union of convex pieces and is never built as a polygon: pieces are made where a chunk of the path
comes near another shape (``capsules``, ``corridor_gap``). A square cap is a flat one on a path that is longer by half
the width (``square_ends``).
"""

from __future__ import annotations

import math
from typing import Any

from roadcraft.core.arrays import F64
from roadcraft.core.driving.jit import small_njit

MAX_VERTICES = 40
"""Vertices that a piece may have: a turn of half a circle has 32 chords."""
_ARC = math.pi / 32.0
SLIGHT = 0.14
"""Tangent of a bend that surely has a join of one chord: a little below 1.5 of the angle of a chord."""
_STRAIGHT = 1e-7  # rad; a join this thin lies within rounding of the rectangles beside it


@small_njit
def one_chord(cross: float, dot: float) -> bool:
    """Whether a bend, by the products of the segments before and after it, is so slight that its join surely has one
    chord."""
    return abs(cross) < SLIGHT * dot


@small_njit
def segment_strip(points: F64, i: int, half_width: float, before: float, after: float, out: F64) -> int:
    """The rectangle of segment i, lengthened at both ends: out (>= 4, 2), counterclockwise. Returns its number of
    vertices, 0 where the segment has no length."""
    ax, ay, bx, by = points[i, 0], points[i, 1], points[i + 1, 0], points[i + 1, 1]
    ux, uy = bx - ax, by - ay
    length = math.sqrt(ux * ux + uy * uy)
    if length == 0.0:
        return 0
    ux, uy = ux / length, uy / length
    nx, ny = -uy * half_width, ux * half_width
    ax, ay, bx, by = ax - ux * before, ay - uy * before, bx + ux * after, by + uy * after
    out[0, 0], out[0, 1] = ax - nx, ay - ny
    out[1, 0], out[1, 1] = bx - nx, by - ny
    out[2, 0], out[2, 1] = bx + nx, by + ny
    out[3, 0], out[3, 1] = ax + nx, ay + ny
    return 4


@small_njit
def piece(points: F64, count: int, half_width: float, k: int, out: F64) -> int:
    """Convex piece k of the corridor of points (>= count, 2): 2i is the rectangle of segment i, 2i + 1 the join after
    it, with the next segment that has a length.

    Writes its vertices to out (MAX_VERTICES, 2) and returns their number; 0 where there is none.
    """
    i = k // 2
    if k % 2 == 0:
        return segment_strip(points, i, half_width, 0.0, 0.0, out)
    ax, ay, bx, by = points[i, 0], points[i, 1], points[i + 1, 0], points[i + 1, 1]
    ux, uy = bx - ax, by - ay
    length = math.sqrt(ux * ux + uy * uy)
    vx = vy = onward = 0.0
    for j in range(i + 2, count):
        vx, vy = points[j, 0] - bx, points[j, 1] - by
        onward = math.sqrt(vx * vx + vy * vy)
        if onward > 0.0:
            break
    if length == 0.0 or onward == 0.0:
        return 0
    nx, ny = -uy / length * half_width, ux / length * half_width
    cross, dot = ux * vy - uy * vx, ux * vx + uy * vy
    if dot > 0.0 and abs(cross) < _STRAIGHT * dot:
        return 0
    side = -1.0 if cross > 0.0 else 1.0
    nx, ny = side * nx, side * ny
    mx, my = -vy / onward * half_width * side, vx / onward * half_width * side
    out[0, 0], out[0, 1] = bx, by
    out[1, 0], out[1, 1] = bx + nx, by + ny
    chords = 1
    if not one_chord(cross, dot):
        turn = math.atan2(cross, dot)
        chords = max(1, int(abs(turn) / _ARC + 0.5))
        for j in range(1, chords):
            c, s = math.cos(turn * j / chords), math.sin(turn * j / chords)
            out[1 + j, 0], out[1 + j, 1] = bx + c * nx - s * ny, by + s * nx + c * ny
    out[1 + chords, 0], out[1 + chords, 1] = bx + mx, by + my
    return chords + 2


@small_njit
def square_ends(points: F64, count: int, half_width: float) -> None:
    """Lengthen the path by half the width at both ends, in place: its flat caps are then the square caps of the path as
    it was."""
    for first, second in ((0, 1), (count - 1, count - 2)):
        dx, dy = points[first, 0] - points[second, 0], points[first, 1] - points[second, 1]
        length = math.sqrt(dx * dx + dy * dy)
        if length > 0.0:
            points[first, 0] += dx / length * half_width
            points[first, 1] += dy / length * half_width


@small_njit
def unfolded_span(points: F64, count: int, half_width: float) -> tuple[int, int]:
    """First and one past the last segment that no folded end touches; 0 and count - 1 where neither end is folded.

    An end is folded where the path bends so near it that a piece reaches beyond the cap: a short end segment meets a
    bend sharper than its length over half the width. GEOS cuts such a piece off along the cap, nearly; the union of
    pieces then covers a few square centimeters too much.
    """
    low, high = 0, max(count - 1, 0)
    for turn in range(2 if count > 2 else 0):
        step = 1 if turn == 0 else -1
        first = 0 if turn == 0 else count - 1
        x, y = points[first, 0], points[first, 1]
        ux, uy = points[first + step, 0] - x, points[first + step, 1] - y
        length = math.sqrt(ux * ux + uy * uy)
        way = length
        for k in range(1, count - 1):
            i = first + k * step
            ax, ay = points[i, 0], points[i, 1]
            vx, vy = points[i + step, 0] - ax, points[i + step, 1] - ay
            onward = math.sqrt(vx * vx + vy * vy)
            if onward > 0.0 and length > 0.0:
                ahead = ((ax - x) * ux + (ay - y) * uy) / length
                if ahead < abs(ux * vy - uy * vx) / (length * onward) * half_width:
                    if turn == 0:
                        low = k + 1
                    else:
                        high = count - 2 - k
            way += onward
            if way > 4.0 * half_width:
                break
    return low, high


def exact_corridor(points: F64, half_width: float, square: bool = False) -> Any:
    """The corridor as GEOS makes it: a shapely polygon. points (P, 2), flat or square caps, round joins."""
    import shapely

    return shapely.LineString(points).buffer(half_width, cap_style="square" if square else "flat")
