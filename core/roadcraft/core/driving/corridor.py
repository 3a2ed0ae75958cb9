"""Corridors: paths widened to both sides, and where other shapes meet them.

A corridor is the buffer that GEOS makes of a path with flat caps: the union of each segment's rectangle and, outside each bend, a join whose arc is drawn
with chords (one quarter circle in 16; a bend below 0.147 rad has a single chord). Here it stays that union of convex pieces and is
never built as a polygon: pieces are made where a chunk of the path comes near the other shape. A square cap is a flat one on a path that is longer
by half the width (``square_ends``).

A *shape* in these kernels is a corridor, or a convex polygon, or both together (a vehicle's footprint along its path). ``separation`` answers how far
apart (positive: separated along some axis by that much; negative: they overlap), ``distance`` the true distance, 0 where they touch.
A separation within ``MARGIN`` of 0 is too close to call: callers ask ``exact_corridor`` (GEOS) then.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.boxes import point_segment_distance
from roadcraft.core.driving.kernels import leaf

MARGIN = 1e-6
"""m; separations nearer to 0 than this are left to exact geometry. Coordinates of 1e7 m round to 2e-9 m."""
CHUNK = 8
"""Segments that share one bounding capsule."""
TIE = 1e-7
"""m; nearest objects that differ by less are told apart by exact geometry."""
LEAF = 10
"""Objects in one leaf of the reference's search tree (shapely's STRtree)."""
_ARC = math.pi / 32.0
_SLIGHT = 0.14  # tangent of a bend a little below 1.5 _ARC
_STRAIGHT = 1e-7  # rad; a join this thin lies within rounding of the rectangles beside it
_FAR = 1e30
_MAX_VERTICES = 40


@leaf
def one_chord(cross: float, dot: float) -> bool:
    """Whether a bend, by the products of the segments before and after it, is so slight that its join surely has one chord."""
    return abs(cross) < _SLIGHT * dot


@leaf
def piece(points: F64, count: int, half_width: float, k: int, out: F64) -> int:
    """Convex piece k of the corridor of points (>= count, 2): 2i is the rectangle of segment i, 2i + 1 the join after it.

    Writes its vertices to out (40, 2) and returns their number; 0 where there is none.
    """
    i = k // 2
    ax, ay, bx, by = points[i, 0], points[i, 1], points[i + 1, 0], points[i + 1, 1]
    ux, uy = bx - ax, by - ay
    length = math.sqrt(ux * ux + uy * uy)
    if length == 0.0:
        return 0
    nx, ny = -uy / length * half_width, ux / length * half_width
    if k % 2 == 0:
        out[0, 0], out[0, 1] = ax - nx, ay - ny
        out[1, 0], out[1, 1] = bx - nx, by - ny
        out[2, 0], out[2, 1] = bx + nx, by + ny
        out[3, 0], out[3, 1] = ax + nx, ay + ny
        return 4
    if i + 2 >= count:
        return 0
    vx, vy = points[i + 2, 0] - bx, points[i + 2, 1] - by
    onward = math.sqrt(vx * vx + vy * vy)
    if onward == 0.0:
        return 0
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


@leaf
def square_ends(points: F64, count: int, half_width: float) -> None:
    """Lengthen the path by half the width at both ends, in place: its flat caps are then the square caps of the path as it was."""
    for first, second in ((0, 1), (count - 1, count - 2)):
        dx, dy = points[first, 0] - points[second, 0], points[first, 1] - points[second, 1]
        length = math.sqrt(dx * dx + dy * dy)
        if length > 0.0:
            points[first, 0] += dx / length * half_width
            points[first, 1] += dy / length * half_width


@njit(cache=True, nogil=True)
def unfolded_span(points: F64, count: int, half_width: float) -> tuple[int, int]:
    """First and one past the last segment that no folded end touches; 0 and count - 1 where neither end is folded.

    An end is folded where the path bends so near it that a piece reaches beyond the cap: a short end segment meets a bend sharper than its length over
    half the width. GEOS cuts such a piece off along the cap, nearly; the union of pieces then covers a few square centimetres too much.
    """
    span = np.array([0, max(count - 1, 0)])
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
                    span[turn] = k + 1 if turn == 0 else count - 2 - k
            way += onward
            if way > 4.0 * half_width:
                break
    return span[0], span[1]


@njit(cache=True, nogil=True)
def folded_ends(points: F64, count: int, half_width: float) -> bool:
    """Whether either end of the corridor is folded (see ``unfolded_span``)."""
    first, last = unfolded_span(points, count, half_width)
    return first > 0 or last < count - 1


@leaf
def capsule_of(points: F64, first: int, last: int, half_width: float, out: F64) -> None:
    """Capsule (axis x0, y0, x1, y1 and radius) around a corridor's vertices first .. last: out (5,)."""
    ax, ay, bx, by = points[first, 0], points[first, 1], points[last, 0], points[last, 1]
    off = 0.0
    for i in range(first + 1, last):
        off = max(off, point_segment_distance(points[i, 0], points[i, 1], ax, ay, bx, by))
    out[0], out[1], out[2], out[3], out[4] = ax, ay, bx, by, off + half_width


@leaf
def corridor_capsules(points: F64, count: int, half_width: float, out: F64) -> int:
    """Capsules of the corridor's chunks of ``CHUNK`` segments: out (>= count / CHUNK + 1, 5); returns their number."""
    n = 0
    for first in range(0, count - 1, CHUNK):
        capsule_of(points, first, min(first + CHUNK, count - 1), half_width, out[n])
        n += 1
    return n


@leaf
def footprint_capsule(points: F64, count: int, half_width: float, box: F64, out: F64) -> None:
    """Capsule around a footprint, a corridor of ``count`` >= 2 points and a box (4, 2) of corners: out (5,)."""
    capsule_of(points, 0, count - 1, half_width, out)
    for k in range(4):
        out[4] = max(out[4], point_segment_distance(box[k, 0], box[k, 1], out[0], out[1], out[2], out[3]))


@leaf
def near_corridor(capsules: F64, count: int, bounds: F64, row: int) -> bool:
    """Whether what capsule ``row`` of bounds (N, 5) holds may meet the corridor of ``count`` points with these chunks, or come too close to call."""
    for c in range((count + CHUNK - 2) // CHUNK):  # noqa: SIM110 (numba compiles no generators)
        if capsule_gap(capsules[c], bounds[row]) <= 3.0 * MARGIN:
            return True
    return False


@leaf
def box_capsule(x: float, y: float, heading: float, length: float, width: float, out: F64) -> None:
    """Capsule around a box: its long axis, and half its width as the radius: out (5,)."""
    c, s = math.cos(heading) * 0.5 * length, math.sin(heading) * 0.5 * length
    out[0], out[1], out[2], out[3], out[4] = x - c, y - s, x + c, y + s, 0.5 * width


@leaf
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
    near = min(point_segment_distance(ax, ay, cx, cy, dx, dy), point_segment_distance(bx, by, cx, cy, dx, dy))
    near = min(near, point_segment_distance(cx, cy, ax, ay, bx, by))
    near = min(near, point_segment_distance(dx, dy, ax, ay, bx, by))
    return near - reach


@leaf
def convex_separation(a: F64, n: int, b: F64, m: int, limit: float) -> float:
    """Largest gap of two convex polygons over the normals of their edges: positive iff they are apart, and then a lower bound of
    their distance; the search ends at the first gap beyond ``limit``. a (>= n, 2), b (>= m, 2), any orientation; two vertices make a segment
    (not both may be segments)."""
    best = -_FAR
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
            low_a, high_a = _FAR, -_FAR
            for q in range(n):
                t = (a[q, 0] - ox) * nx + (a[q, 1] - oy) * ny
                low_a, high_a = min(low_a, t), max(high_a, t)
            low_b, high_b = _FAR, -_FAR
            for q in range(m):
                t = (b[q, 0] - ox) * nx + (b[q, 1] - oy) * ny
                low_b, high_b = min(low_b, t), max(high_b, t)
            best = max(best, max(low_a - high_b, low_b - high_a))
            if best > limit:
                return best
    return best


@leaf
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


@leaf
def polygon_capsule(polygon: F64, count: int, out: F64) -> None:
    """Some capsule around a convex polygon (>= count, 2): its first to its middle vertex, and what lies off that line: out (5,)."""
    half = count // 2
    out[0], out[1], out[2], out[3], out[4] = polygon[0, 0], polygon[0, 1], polygon[half, 0], polygon[half, 1], 0.0
    for i in range(count):
        off = point_segment_distance(polygon[i, 0], polygon[i, 1], out[0], out[1], out[2], out[3])
        out[4] = max(out[4], off)


@njit(cache=True, nogil=True)
def _meet(
    points: F64,
    count: int,
    half_width: float,
    capsules: F64,
    polygon: F64,
    vertices: int,
    bound: F64,
    true_distance: bool,
    best: float,
) -> float:
    """Smallest separation (or distance) below ``best`` of a corridor's pieces and one convex polygon.

    ``true_distance`` comes as np.bool_(...): numba compiles once more for each literal True and False that a call spells out.
    """
    scratch = np.empty((_MAX_VERTICES, 2))
    own = np.empty(5)
    segments = count - 1
    for c in range((segments + CHUNK - 1) // CHUNK):
        if capsule_gap(capsules[c], bound) > min(best, _FAR) + (0.0 if true_distance else MARGIN):
            continue
        for i in range(c * CHUNK, min(c * CHUNK + CHUNK, segments)):
            own[0], own[1], own[2], own[3] = points[i, 0], points[i, 1], points[i + 1, 0], points[i + 1, 1]
            own[4] = half_width
            if capsule_gap(own, bound) > best + (0.0 if true_distance else MARGIN):
                continue
            for k in (2 * i, 2 * i + 1):
                n = piece(points, count, half_width, k, scratch)
                if n == 0:
                    continue
                if true_distance:
                    best = polygon_distance(scratch, n, polygon, vertices, best)
                    if best == 0.0:
                        return 0.0
                else:
                    best = min(best, convex_separation(scratch, n, polygon, vertices, best))
                    if best < -MARGIN:
                        return best
    return best


@njit(cache=True, nogil=True)
def _meet_corridors(
    points: F64,
    count: int,
    half_width: float,
    capsules: F64,
    other: F64,
    other_count: int,
    other_half_width: float,
    other_capsules: F64,
    true_distance: bool,
    best: float,
) -> float:
    """Smallest separation (or distance) below ``best`` of two corridors' pieces."""
    scratch = np.empty((_MAX_VERTICES, 2))
    bound = np.empty(5)
    slack = 0.0 if true_distance else MARGIN
    chunks, segments = (count - 2) // CHUNK + 1, other_count - 1
    for c in range((segments + CHUNK - 1) // CHUNK):
        near = False
        for d in range(chunks):
            if capsule_gap(capsules[d], other_capsules[c]) <= best + slack:
                near = True
                break
        if not near:
            continue
        for i in range(c * CHUNK, min(c * CHUNK + CHUNK, segments)):
            bound[0], bound[1], bound[2], bound[3] = other[i, 0], other[i, 1], other[i + 1, 0], other[i + 1, 1]
            bound[4] = other_half_width
            for k in (2 * i, 2 * i + 1):
                n = piece(other, other_count, other_half_width, k, scratch)
                if n == 0:
                    continue
                best = _meet(points, count, half_width, capsules, scratch, n, bound, true_distance, best)
                if best <= 0.0 and (true_distance or best < -MARGIN):
                    return best
    return best


@leaf
def _vertex_distance(a: F64, n: int, b: F64, m: int) -> float:
    """Distance of the nearest vertices: both shapes hold theirs, so it bounds the shapes' distance from above and spares most pieces a look."""
    best = _FAR
    for i in range(n):
        for j in range(m):
            dx, dy = a[i, 0] - b[j, 0], a[i, 1] - b[j, 1]
            best = min(best, dx * dx + dy * dy)
    return math.sqrt(best)


@njit(cache=True, nogil=True)
def separation_from_polygon(
    points: F64, count: int, half_width: float, capsules: F64, polygon: F64, vertices: int, bound: F64
) -> float:
    """Separation of a corridor and a convex polygon, clipped to +MARGIN*2 when clearly apart.

    points (>= count, 2) with count >= 2; capsules from ``corridor_capsules``; polygon (>= vertices, 2) and ``bound`` (5,) a capsule around it.
    """
    return _meet(points, count, half_width, capsules, polygon, vertices, bound, np.bool_(False), 2.0 * MARGIN)


@njit(cache=True, nogil=True)
def separation_of_corridors(
    points: F64,
    count: int,
    half_width: float,
    capsules: F64,
    other: F64,
    other_count: int,
    other_half_width: float,
    other_capsules: F64,
) -> float:
    """Separation of two corridors (counts >= 2), clipped to +MARGIN*2 when clearly apart."""
    return _meet_corridors(
        points,
        count,
        half_width,
        capsules,
        other,
        other_count,
        other_half_width,
        other_capsules,
        np.bool_(False),
        2.0 * MARGIN,
    )


@njit(cache=True, nogil=True)
def distance_to_polygon(
    points: F64, count: int, half_width: float, capsules: F64, polygon: F64, vertices: int, bound: F64, best: float
) -> float:
    """min(best, distance of a corridor and a convex polygon)."""
    best = min(best, _vertex_distance(points, count, polygon, vertices))
    return _meet(points, count, half_width, capsules, polygon, vertices, bound, np.bool_(True), best)


@njit(cache=True, nogil=True)
def distance_of_corridors(
    points: F64,
    count: int,
    half_width: float,
    capsules: F64,
    other: F64,
    other_count: int,
    other_half_width: float,
    other_capsules: F64,
    best: float,
) -> float:
    """min(best, distance of two corridors)."""
    best = min(best, _vertex_distance(points, count, other, other_count))
    return _meet_corridors(
        points, count, half_width, capsules, other, other_count, other_half_width, other_capsules, np.bool_(True), best
    )


@leaf
def inside_polygon(points: F64, rings: I64, offsets: I64, row: int, x: float, y: float) -> bool:
    """Whether (x, y) lies in polygon ``row`` of a ``Polygons`` (points, rings, offsets), by the even-odd rule over its rings."""
    odd = False
    for r in range(offsets[row], offsets[row + 1]):
        for i in range(rings[r], rings[r + 1] - 1):
            ay, by = points[i, 1], points[i + 1, 1]
            if (ay > y) != (by > y):
                ax, bx = points[i, 0], points[i + 1, 0]
                if x < (bx - ax) * (y - ay) / (by - ay) + ax:
                    odd = not odd
    return odd


@leaf
def bounds_of(points: F64, count: int, margin: float, out: F64) -> None:
    """Bounding box min x, min y, max x, max y of the first ``count`` points, widened by ``margin``: out (4,)."""
    out[0], out[1], out[2], out[3] = _FAR, _FAR, -_FAR, -_FAR
    for i in range(count):
        out[0], out[2] = min(out[0], points[i, 0] - margin), max(out[2], points[i, 0] + margin)
        out[1], out[3] = min(out[1], points[i, 1] - margin), max(out[3], points[i, 1] + margin)


@leaf
def ring_separation(points: F64, rings: I64, offsets: I64, row: int, polygon: F64, vertices: int, bounds: F64) -> float:
    """Separation of a convex polygon (>= vertices, 2) and polygon ``row`` of a ``Polygons``, clipped to +MARGIN*2 when clearly apart.

    bounds (4,): the convex polygon's bounding box, widened by at least MARGIN.
    """
    gap = 2.0 * MARGIN
    for r in range(offsets[row], offsets[row + 1]):
        for i in range(rings[r], rings[r + 1] - 1):
            ax, ay, bx, by = points[i, 0], points[i, 1], points[i + 1, 0], points[i + 1, 1]
            off_x = max(min(ax, bx) - bounds[2], bounds[0] - max(ax, bx))
            off_y = max(min(ay, by) - bounds[3], bounds[1] - max(ay, by))
            if max(off_x, off_y) <= 0.0:
                gap = min(gap, convex_separation(polygon, vertices, points[i : i + 2], 2, gap))
                if gap < -MARGIN:
                    return gap
    if gap > MARGIN and inside_polygon(points, rings, offsets, row, polygon[0, 0], polygon[0, 1]):
        return -1.0
    return gap


@leaf
def ring_distance(
    points: F64, rings: I64, offsets: I64, row: int, polygon: F64, vertices: int, bounds: F64, best: float
) -> float:
    """min(best, distance of a convex polygon and polygon ``row`` of a ``Polygons``). Arguments as for ``ring_separation``."""
    if inside_polygon(points, rings, offsets, row, polygon[0, 0], polygon[0, 1]):
        return 0.0
    for r in range(offsets[row], offsets[row + 1]):
        for i in range(rings[r], rings[r + 1] - 1):
            ax, ay, bx, by = points[i, 0], points[i, 1], points[i + 1, 0], points[i + 1, 1]
            off_x = max(min(ax, bx) - bounds[2], bounds[0] - max(ax, bx))
            off_y = max(min(ay, by) - bounds[3], bounds[1] - max(ay, by))
            if max(off_x, off_y) < best:
                best = polygon_distance(polygon, vertices, points[i : i + 2], 2, best)
                if best == 0.0:
                    return 0.0
    return best


@leaf
def choose_nearest(far: F64, middle: F64, count: int) -> int:
    """Index of the nearest of ``count`` >= 1 objects at distances ``far``; -1 where that is too close to call.

    Of several that touch (distance 0), the one whose extent in y has the lowest middle (``middle``, read for those alone): the reference's search
    tree keeps up to 10 objects in one leaf in that order and answers the first of equally near ones.
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


def exact_corridor(points: F64, half_width: float, square: bool = False) -> Any:
    """The corridor as GEOS makes it: a shapely polygon. points (P, 2), flat or square caps, round joins."""
    import shapely

    return shapely.LineString(points).buffer(half_width, cap_style="square" if square else "flat")
