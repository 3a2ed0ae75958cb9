"""Where corridors and other shapes meet, and how far apart they are.

A *shape* in these kernels is a corridor, or a convex polygon, or both together (a vehicle's footprint along its path).
``separation`` answers how far apart (positive: separated along some axis by that much; negative: they overlap),
``distance`` the true distance, 0 where they touch. A separation within ``MARGIN`` of 0 is too close to call: callers
ask ``exact_corridor`` (GEOS) then.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.geometry.boxes import point_segment_distance
from roadcraft.core.driving.geometry.capsules import CHUNK, MARGIN, capsule_gap
from roadcraft.core.driving.geometry.corridor import MAX_VERTICES, SLIGHT, one_chord, piece
from roadcraft.core.driving.geometry.polygons import inside
from roadcraft.core.driving.geometry.tolerances import FAR
from roadcraft.core.driving.jit import inlined_njit, njit, small_njit

TIE = 1e-7
"""m; nearest objects that differ by less are told apart by exact geometry."""
LEAF = 10
"""Objects in one leaf of the reference's search tree (shapely's STRtree)."""
BOX, EDGE = np.int64(4), np.int64(2)
"""Vertices of a box and of an edge, for calls: numba compiles a kernel once more for each plain number that a call
spells out."""


@small_njit
def convex_separation(a: F64, n: int, b: F64, m: int, limit: float) -> float:
    """Largest gap of two convex polygons over the normals of their edges: positive iff they are apart, and then a lower
    bound of their distance; the search ends at the first gap beyond ``limit``. a (>= n, 2), b (>= m, 2), any
    orientation; two vertices make a segment (not both may be segments)."""
    best = -FAR
    for turn in range(2):
        p, k = (a, n) if turn == 0 else (b, m)
        edges = k if k > 2 else 1
        for i in range(edges):
            j = (i + 1) % k
            ox, oy = p[i, 0], p[i, 1]
            ex, ey = p[j, 0] - ox, p[j, 1] - oy
            length = math.sqrt(ex * ex + ey * ey)
            if length < 1e-9:
                continue
            nx, ny = -ey / length, ex / length
            low_a, high_a = FAR, -FAR
            for q in range(n):
                t = (a[q, 0] - ox) * nx + (a[q, 1] - oy) * ny
                low_a, high_a = min(low_a, t), max(high_a, t)
            low_b, high_b = FAR, -FAR
            for q in range(m):
                t = (b[q, 0] - ox) * nx + (b[q, 1] - oy) * ny
                low_b, high_b = min(low_b, t), max(high_b, t)
            best = max(best, max(low_a - high_b, low_b - high_a))
            if best > limit:
                return best
    return best


@small_njit
def polygon_distance(a: F64, n: int, b: F64, m: int, best: float) -> float:
    """min(best, distance of two convex polygons a (>= n, 2), b (>= m, 2)); 0 where they touch."""
    apart = convex_separation(a, n, b, m, max(best, 0.0))
    if apart <= 0.0:
        return 0.0
    if apart >= best:
        return best
    for i in range(n):
        k = (i + 1) % n
        for j in range(m):
            q = (j + 1) % m
            best = min(best, point_segment_distance(a[i, 0], a[i, 1], b[j, 0], b[j, 1], b[q, 0], b[q, 1]))
            best = min(best, point_segment_distance(b[j, 0], b[j, 1], a[i, 0], a[i, 1], a[k, 0], a[k, 1]))
    return best


class Corridor(NamedTuple):
    """A path of n points (>= n, 2), swept half_width m to either side; capsules from ``corridor_capsules``."""

    points: F64
    n: int
    half_width: float
    capsules: F64


class Pieces(NamedTuple):
    """Memory for a piece of each of two corridors: vertices (MAX_VERTICES, 2), a capsule (5,)."""

    own: F64
    other: F64
    own_bound: F64
    other_bound: F64


def new_pieces() -> Pieces:
    """Memory for pieces."""
    return Pieces(np.empty((MAX_VERTICES, 2)), np.empty((MAX_VERTICES, 2)), np.empty(5), np.empty(5))


@inlined_njit
def _clear_along(points: F64, count: int, half_width: float, i: int, polygon: F64, vertices: int, far: float) -> bool:
    """Whether a polygon (>= vertices, 2) surely lies more than ``far`` + MARGIN before or behind segment i and the join
    after it, along the segment."""
    ax, ay, bx, by = points[i, 0], points[i, 1], points[i + 1, 0], points[i + 1, 1]
    ux, uy = bx - ax, by - ay
    square = ux * ux + uy * uy
    low, high = FAR, -FAR
    for q in range(vertices):
        t = (polygon[q, 0] - ax) * ux + (polygon[q, 1] - ay) * uy
        low, high = min(low, t), max(high, t)
    bulge = 0.0
    if i + 2 < count:
        vx, vy = points[i + 2, 0] - bx, points[i + 2, 1] - by
        bulge = SLIGHT * half_width if one_chord(ux * vy - uy * vx, ux * vx + uy * vy) else half_width
    length = math.sqrt(square)
    far = (far + MARGIN) * length
    return low - square - bulge * length > far or -high > far


@inlined_njit
def _meet(
    corridor: Corridor, polygon: F64, vertices: int, bound: F64, true_distance: bool, best: float, own: F64, around: F64
) -> float:
    """Smallest separation (or distance) below ``best`` of a corridor's pieces and one convex polygon, the last pieces
    first: most that is met lies ahead. own and around are memory for a piece and its capsule."""
    points, count, half_width, capsules = corridor
    segments, slack = count - 1, 0.0 if true_distance else MARGIN
    around[4] = half_width
    for c in range((segments + CHUNK - 1) // CHUNK - 1, -1, -1):
        if capsule_gap(capsules[c], bound) > min(best, FAR) + slack:
            continue
        for i in range(min(c * CHUNK + CHUNK, segments) - 1, c * CHUNK - 1, -1):
            if true_distance and _clear_along(points, count, half_width, i, polygon, vertices, best):
                continue
            around[0], around[1], around[2], around[3] = points[i, 0], points[i, 1], points[i + 1, 0], points[i + 1, 1]
            if capsule_gap(around, bound) > best + slack:
                continue
            for k in (2 * i, 2 * i + 1):
                n = piece(points, count, half_width, k, own)
                if n == 0:
                    continue
                if true_distance:
                    best = polygon_distance(own, n, polygon, vertices, best)
                    if best == 0.0:
                        return 0.0
                else:
                    best = min(best, convex_separation(own, n, polygon, vertices, best))
                    if best < -MARGIN:
                        return best
    return best


@small_njit
def _nearest_piece(
    corridor: Corridor, polygon: F64, vertices: int, bound: F64, best: float, own: F64, around: F64
) -> float:
    return _meet(corridor, polygon, vertices, bound, True, best, own, around)


@inlined_njit
def _squared(dx, dy):  # type: ignore[no-untyped-def]
    return dx * dx + dy * dy


@small_njit
def _vertex_distance(a: F64, n: int, b: F64, m: int) -> float:
    """Distance of the nearest vertices: both shapes hold theirs, so it bounds the shapes' distance from above and
    spares most pieces a look."""
    # four at a time: one after the other, each would wait for the least before
    first, second, third, fourth = FAR, FAR, FAR, FAR
    for i in range(n):
        x, y = a[i, 0], a[i, 1]
        for j in range(0, m - 3, 4):
            first = min(first, _squared(x - b[j, 0], y - b[j, 1]))
            second = min(second, _squared(x - b[j + 1, 0], y - b[j + 1, 1]))
            third = min(third, _squared(x - b[j + 2, 0], y - b[j + 2, 1]))
            fourth = min(fourth, _squared(x - b[j + 3, 0], y - b[j + 3, 1]))
        for j in range(m // 4 * 4, m):
            first = min(first, _squared(x - b[j, 0], y - b[j, 1]))
    return math.sqrt(min(min(first, second), min(third, fourth)))


@njit(cache=True, nogil=True)
def separation_from_polygon(corridor: Corridor, polygon: F64, vertices: int, bound: F64) -> float:
    """Separation of a corridor and a convex polygon, clipped to +MARGIN*2 when clearly apart.

    The corridor's n is >= 2; polygon (>= vertices, 2) and ``bound`` (5,) a capsule around it.
    """
    own, around = np.empty((MAX_VERTICES, 2)), np.empty(5)
    return _meet(corridor, polygon, vertices, bound, False, 2.0 * MARGIN, own, around)


@small_njit
def distance_to_polygon(
    corridor: Corridor, polygon: F64, vertices: int, bound: F64, best: float, pieces: Pieces
) -> float:
    """min(best, distance of a corridor and a convex polygon (>= vertices, 2) within the capsule ``bound`` (5,))."""
    best = min(best, _vertex_distance(corridor.points, corridor.n, polygon, vertices))
    return _nearest_piece(corridor, polygon, vertices, bound, best, pieces.own, pieces.own_bound)


@small_njit
def distance_of_corridors(a: Corridor, b: Corridor, best: float, pieces: Pieces) -> float:
    """min(best, distance of two corridors)."""
    best = min(best, _vertex_distance(a.points, a.n, b.points, b.n))
    points, count, other, bound = b.points, b.n, pieces.other, pieces.other_bound
    bound[4] = b.half_width
    for i in range(count - 1):
        if _clear_along(points, count, b.half_width, i, a.points, a.n, best + a.half_width):
            continue
        bound[0], bound[1], bound[2], bound[3] = points[i, 0], points[i, 1], points[i + 1, 0], points[i + 1, 1]
        near = False
        for c in range((a.n - 2) // CHUNK + 1):
            if capsule_gap(a.capsules[c], bound) <= best:
                near = True
                break
        if not near:
            continue
        for k in (2 * i, 2 * i + 1):
            n = piece(points, count, b.half_width, k, other)
            if n > 0:
                best = _nearest_piece(a, other, n, bound, best, pieces.own, pieces.own_bound)
                if best <= 0.0:
                    return best
    return best


@small_njit
def footprint_distance(
    swept: Corridor,
    box: F64,
    bound: F64,
    other: Corridor,
    other_box: F64,
    other_bound: F64,
    best: float,
    pieces: Pieces,
) -> float:
    """min(best, distance of two footprints): a corridor, of fewer than two points where there is none, a box (4, 2) and
    the box's capsule (5,) each."""
    if swept.n > 1:
        best = distance_to_polygon(swept, other_box, BOX, other_bound, best, pieces)
    if best > 0.0 and capsule_gap(bound, other_bound) < best:
        best = polygon_distance(box, BOX, other_box, BOX, best)
    if other.n > 1 and best > 0.0:
        best = distance_to_polygon(other, box, BOX, bound, best, pieces)
    if other.n > 1 and swept.n > 1 and best > 0.0:
        best = distance_of_corridors(swept, other, best, pieces)
    return best


@small_njit
def bounds_of(points: F64, count: int, margin: float, out: F64) -> None:
    """Bounding box min x, min y, max x, max y of the first ``count`` points, widened by ``margin``: out (4,)."""
    out[0], out[1], out[2], out[3] = FAR, FAR, -FAR, -FAR
    for i in range(count):
        out[0], out[2] = min(out[0], points[i, 0] - margin), max(out[2], points[i, 0] + margin)
        out[1], out[3] = min(out[1], points[i, 1] - margin), max(out[3], points[i, 1] + margin)


@small_njit
def ring_separation(points: F64, rings: I64, first: int, last: int, polygon: F64, vertices: int, bounds: Any) -> float:
    """Separation of a convex polygon (>= vertices, 2) and the area inside the closed rings first .. last - 1 of a
    ``Polygons`` (points, rings), clipped to +MARGIN*2 when clearly apart.

    bounds (4,), an array or a tuple: the convex polygon's bounding box, widened by at least MARGIN.
    """
    gap = 2.0 * MARGIN
    for r in range(first, last):
        for i in range(rings[r], rings[r + 1] - 1):
            ax, ay, bx, by = points[i, 0], points[i, 1], points[i + 1, 0], points[i + 1, 1]
            off_x = max(min(ax, bx) - bounds[2], bounds[0] - max(ax, bx))
            off_y = max(min(ay, by) - bounds[3], bounds[1] - max(ay, by))
            if max(off_x, off_y) <= 0.0:
                gap = min(gap, convex_separation(polygon, vertices, points[i : i + 2], EDGE, gap))
                if gap < -MARGIN:
                    return gap
    if gap > MARGIN and inside(points, rings, first, last, polygon[0, 0], polygon[0, 1]):
        return -1.0
    return gap


@small_njit
def ring_distance(
    points: F64, rings: I64, first: int, last: int, polygon: F64, vertices: int, bounds: F64, best: float
) -> float:
    """min(best, distance of a convex polygon and the area inside closed rings). Arguments as for
    ``ring_separation``."""
    if inside(points, rings, first, last, polygon[0, 0], polygon[0, 1]):
        return 0.0
    for r in range(first, last):
        for i in range(rings[r], rings[r + 1] - 1):
            ax, ay, bx, by = points[i, 0], points[i, 1], points[i + 1, 0], points[i + 1, 1]
            off_x = max(min(ax, bx) - bounds[2], bounds[0] - max(ax, bx))
            off_y = max(min(ay, by) - bounds[3], bounds[1] - max(ay, by))
            if max(off_x, off_y) < best:
                best = polygon_distance(polygon, vertices, points[i : i + 2], EDGE, best)
                if best == 0.0:
                    return 0.0
    return best


@small_njit
def choose_nearest(far: F64, middle: F64, count: int) -> int:
    """Index of the nearest of ``count`` >= 1 objects at distances ``far``; -1 where that is too close to call.

    Of several that touch (distance 0), the one whose extent in y has the lowest middle (``middle``, read for those
    alone): the reference's search tree keeps up to 10 objects in one leaf in that order and answers the first of
    equally near ones.
    """
    best, zeros = 0, 0
    for i in range(count):
        zeros += far[i] == 0.0
        if far[i] < far[best] or (far[i] == 0.0 and far[best] == 0.0 and middle[i] < middle[best]):
            best = i
    if zeros > 1 and count > LEAF:
        return -1
    for i in range(count):
        if i == best:
            continue
        if zeros > 1 and far[i] == 0.0 and abs(middle[i] - middle[best]) <= TIE:
            return -1
        if zeros == 0 and far[i] - far[best] <= TIE:
            return -1
    return best
