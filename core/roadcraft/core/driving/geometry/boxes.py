"""Oriented boxes: corners, overlap, distance. A box is (5,) float64: center x, y, heading (global frame), length,
width; m, rad.

Overlap is that of closed convex sets (touching counts). Separating axes decide wherever the gap is clear of rounding;
the rest is settled by exact orientation signs of the rounded corners, as GEOS does for the reference's
``polygon.intersects``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.geometry.exact import orientation
from roadcraft.core.driving.geometry.polygons import convex_holds
from roadcraft.core.driving.geometry.tolerances import CLEAR_M
from roadcraft.core.driving.jit import njit, small_njit

_HALF_PI = math.pi / 2.0


@small_njit
def place_corners(box: Any, out: F64) -> tuple[float, float]:
    """Corners of one box (5,), an array or a tuple, in nuPlan's order: front left, rear left, rear right, front right.
    out (4, 2). Returns cosine and sine of the heading."""
    heading = box[2]
    c, s = math.cos(heading), math.sin(heading)
    turned_corners(box, (c, s, math.cos(heading + _HALF_PI), math.sin(heading + _HALF_PI)), out)
    return c, s


@small_njit
def turned_corners(box: Any, turned: tuple[float, float, float, float], out: F64) -> None:
    """As :func:`place_corners`, where the cosine and sine of the heading and of the heading a quarter turn to the left
    are known: ``turned``."""
    x, y = box[0], box[1]
    c, s, cl, sl = turned
    lon, lat = box[3] / 2.0, box[4] / 2.0
    for k in range(4):
        front = lon if k == 0 or k == 3 else -lon
        left = lat if k < 2 else -lat
        # the association of nuplan-devkit's translate_longitudinally_and_laterally, so that corners agree to the last
        # bit
        out[k, 0] = x + (left * cl + front * c)
        out[k, 1] = y + (left * sl + front * s)


@njit(cache=True, nogil=True)
def box_corners(x: float, y: float, heading: float, length: float, width: float) -> F64:
    """Corners (4, 2) of one box, as of :func:`place_corners`."""
    out = np.empty((4, 2))
    place_corners((x, y, heading, length, width), out)
    return out


@njit(cache=True, nogil=True)
def corners(boxes: F64) -> F64:
    """Corners (N, 4, 2) of boxes (N, 5), as of :func:`place_corners`."""
    out = np.empty((len(boxes), 4, 2))
    for i in range(len(boxes)):
        place_corners(boxes[i], out[i])
    return out


def ego_box(ego: F64, vehicle_box: F64) -> F64:
    """Boxes (..., 5) of unit 0 from rear-axle states (..., 10). vehicle_box (3,): rear axle to box center, length,
    width."""
    out = np.empty((*ego.shape[:-1], 5))
    heading = ego[..., 2]
    out[..., 0] = ego[..., 0] + vehicle_box[0] * np.cos(heading)
    out[..., 1] = ego[..., 1] + vehicle_box[0] * np.sin(heading)
    out[..., 2], out[..., 3], out[..., 4] = heading, vehicle_box[1], vehicle_box[2]
    return out


@njit(cache=True, nogil=True)
def overlap(a: Any, b: Any) -> bool:
    """Whether two boxes share a point: each (5,), an array or a tuple."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    reach = 0.5 * (a[3] + a[4] + b[3] + b[4]) + CLEAR_M
    if dx * dx + dy * dy > reach * reach:
        return False
    own = (math.cos(a[2]), math.sin(a[2]), a[3], a[4])
    gap = separation(dx, dy, own, (math.cos(b[2]), math.sin(b[2]), b[3], b[4]))
    if gap > CLEAR_M:
        return False
    if gap < -CLEAR_M:
        return True
    return convex_touch(box_corners(a[0], a[1], a[2], a[3], a[4]), box_corners(b[0], b[1], b[2], b[3], b[4]))


@small_njit
def separation(
    dx: float, dy: float, a: tuple[float, float, float, float], b: tuple[float, float, float, float]
) -> float:
    """Largest gap of two boxes over their four axes: negative iff they overlap. (dx, dy) from a's center to b's; of
    each, cosine and sine of the heading, length and width."""
    ac, asn, al, aw = a
    bc, bs, bl, bw = b
    cc, cs = abs(ac * bc + asn * bs), abs(ac * bs - asn * bc)
    g = abs(dx * ac + dy * asn) - 0.5 * (al + bl * cc + bw * cs)
    g = max(g, abs(dy * ac - dx * asn) - 0.5 * (aw + bl * cs + bw * cc))
    g = max(g, abs(dx * bc + dy * bs) - 0.5 * (bl + al * cc + aw * cs))
    return max(g, abs(dy * bc - dx * bs) - 0.5 * (bw + al * cs + aw * cc))


@small_njit
def segments_touch(ax: float, ay: float, bx: float, by: float, cx: float, cy: float, dx: float, dy: float) -> bool:
    """Whether the closed segments a-b and c-d share a point (exact signs)."""
    if max(ax, bx) < min(cx, dx) or max(cx, dx) < min(ax, bx) or max(ay, by) < min(cy, dy) or max(cy, dy) < min(ay, by):
        return False
    o1, o2 = orientation(ax, ay, bx, by, cx, cy), orientation(ax, ay, bx, by, dx, dy)
    if o1 * o2 > 0:
        return False
    # collinear segments reach here with overlapping bounding boxes, which for them means a common point
    return orientation(cx, cy, dx, dy, ax, ay) * orientation(cx, cy, dx, dy, bx, by) <= 0


@njit(cache=True, nogil=True)
def convex_touch(a: F64, b: F64) -> bool:
    """Whether two convex polygons (N, 2), (M, 2), not closed, in counter-clockwise order share a point (exact
    signs)."""
    for i in range(len(a)):
        k = (i + 1) % len(a)
        if segment_touches(a[i, 0], a[i, 1], a[k, 0], a[k, 1], b):
            return True
    return convex_holds(a, b[0, 0], b[0, 1])


@njit(cache=True, nogil=True)
def segment_touches(ax: float, ay: float, bx: float, by: float, polygon: F64) -> bool:
    """Whether the closed segment a-b shares a point with a convex polygon (N, 2), not closed, counter-clockwise (exact
    signs)."""
    for j in range(len(polygon)):
        r, s = polygon[j], polygon[(j + 1) % len(polygon)]
        if segments_touch(ax, ay, bx, by, r[0], r[1], s[0], s[1]):
            return True
    return convex_holds(polygon, ax, ay)


@small_njit
def point_segment_distance(px: float, py: float, ax: float, ay: float, bx: float, by: float) -> float:
    """Distance of a point to a closed segment, with the operations of GEOS' ``Distance::pointToSegment``."""
    dx, dy = bx - ax, by - ay
    length2 = dx * dx + dy * dy
    along = (px - ax) * dx + (py - ay) * dy  # GEOS compares its quotient by length2 with 0 and 1: the same, slower
    if along <= 0.0 or not length2 > 0.0:
        return math.sqrt((px - ax) * (px - ax) + (py - ay) * (py - ay))
    if along >= length2:
        return math.sqrt((px - bx) * (px - bx) + (py - by) * (py - by))
    return abs(((ay - py) * dx - (ax - px) * dy) / length2) * math.sqrt(length2)


@small_njit
def squared_distance(px: float, py: float, ax: float, ay: float, bx: float, by: float) -> float:
    """Squared distance of a point to a closed segment, for bounds: faster, and rounded otherwise than
    :func:`point_segment_distance`. From an end of it, it is exactly that of the next segment from there."""
    dx, dy, x, y = bx - ax, by - ay, px - ax, py - ay
    length2, along = dx * dx + dy * dy, x * dx + y * dy
    if along <= 0.0:
        return x * x + y * y
    if along >= length2:
        return (px - bx) * (px - bx) + (py - by) * (py - by)
    across = x * dy - y * dx
    return across * across / length2
