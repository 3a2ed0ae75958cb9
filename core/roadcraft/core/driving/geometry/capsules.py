"""Capsules around corridors and boxes: an axis x0, y0, x1, y1 and a radius, (5,) float64. Cheap to compare, they tell
what need not be looked at."""

from __future__ import annotations

import math

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.geometry.boxes import squared_distance
from roadcraft.core.driving.jit import small_njit

MARGIN = 1e-6
"""m; separations nearer to 0 than this are left to exact geometry. Coordinates of 1e7 m round to 2e-9 m."""
CHUNK = 8
"""Segments of a corridor that share one capsule."""


@small_njit
def capsule_of(points: F64, first: int, last: int, half_width: float, out: F64) -> None:
    """Capsule (axis x0, y0, x1, y1 and radius) around a corridor's vertices first .. last: out (5,)."""
    ax, ay, bx, by = points[first, 0], points[first, 1], points[last, 0], points[last, 1]
    dx, dy, beyond, aside = bx - ax, by - ay, 0.0, 0.0
    square = dx * dx + dy * dy
    for i in range(first + 1, last):  # as ``squared_distance`` has it, with one division for all
        x, y = points[i, 0] - ax, points[i, 1] - ay
        along = x * dx + y * dy
        if along <= 0.0:
            beyond = max(beyond, x * x + y * y)
        elif along >= square:
            x, y = points[i, 0] - bx, points[i, 1] - by
            beyond = max(beyond, x * x + y * y)
        else:
            aside = max(aside, abs(x * dy - y * dx))
    off = max(beyond, aside * aside / square) if aside > 0.0 else beyond
    out[0], out[1], out[2], out[3], out[4] = ax, ay, bx, by, math.sqrt(off) + half_width


@small_njit
def corridor_capsules(points: F64, count: int, half_width: float, out: F64) -> int:
    """Capsules of the corridor's chunks of ``CHUNK`` segments: out (>= count / CHUNK + 1, 5); returns their number."""
    n = 0
    for first in range(0, count - 1, CHUNK):
        capsule_of(points, first, min(first + CHUNK, count - 1), half_width, out[n])
        n += 1
    return n


@small_njit
def footprint_capsule(points: F64, count: int, half_width: float, box: F64, out: F64) -> None:
    """Capsule around a footprint, a corridor of ``count`` >= 2 points and a box (4, 2) of corners: out (5,)."""
    capsule_of(points, np.int64(0), count - 1, half_width, out)
    off = 0.0
    for k in range(4):
        off = max(off, squared_distance(box[k, 0], box[k, 1], out[0], out[1], out[2], out[3]))
    out[4] = max(out[4], math.sqrt(off))


@small_njit
def box_capsule(x: float, y: float, heading: float, length: float, width: float, out: F64) -> None:
    """Capsule around a box: its long axis, and half its width as the radius: out (5,)."""
    c, s = math.cos(heading) * 0.5 * length, math.sin(heading) * 0.5 * length
    out[0], out[1], out[2], out[3], out[4] = x - c, y - s, x + c, y + s, 0.5 * width


@small_njit
def capsule_gap(a: F64, b: F64) -> float:
    """Distance of two capsules (negative: they overlap): a lower bound of the distance of what they hold."""
    ax, ay, bx, by = a[0], a[1], a[2], a[3]
    cx, cy, dx, dy = b[0], b[1], b[2], b[3]
    reach = a[4] + b[4]
    # A cheap bound by the axes' bounding boxes settles most pairs.
    gx = max(min(ax, bx) - max(cx, dx), min(cx, dx) - max(ax, bx))
    gy = max(min(ay, by) - max(cy, dy), min(cy, dy) - max(ay, by))
    rough = max(gx, gy) - reach
    if rough > MARGIN:
        return rough
    side1 = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    side2 = (bx - ax) * (dy - ay) - (by - ay) * (dx - ax)
    side3 = (dx - cx) * (ay - cy) - (dy - cy) * (ax - cx)
    side4 = (dx - cx) * (by - cy) - (dy - cy) * (bx - cx)
    if side1 * side2 < 0.0 and side3 * side4 < 0.0:
        return -reach
    near = min(squared_distance(ax, ay, cx, cy, dx, dy), squared_distance(bx, by, cx, cy, dx, dy))
    near = min(near, squared_distance(cx, cy, ax, ay, bx, by), squared_distance(dx, dy, ax, ay, bx, by))
    return math.sqrt(near) - reach


@small_njit
def polygon_capsule(polygon: F64, count: int, out: F64) -> None:
    """Some capsule around a convex polygon (>= count, 2): its first to its middle vertex, and what lies off that line:
    out (5,)."""
    half = count // 2
    out[0], out[1], out[2], out[3], off = polygon[0, 0], polygon[0, 1], polygon[half, 0], polygon[half, 1], 0.0
    for i in range(count):
        off = max(off, squared_distance(polygon[i, 0], polygon[i, 1], out[0], out[1], out[2], out[3]))
    out[4] = math.sqrt(off)
