"""Whether a point lies in a polygon, and what holds for a point on the boundary.

* ``strictly_inside``: any polygon, exact signs; a point on an edge or vertex is outside, as for shapely's ``contains``;
* ``inside``: any polygon, in plain float64 and so faster; a point on the boundary, or nearer to it than rounding, may
  fall to either side;
* ``convex_holds``: a convex polygon, exact signs; a point on an edge or vertex is inside, as for shapely's
  ``intersects``.

``map_index.cell_edges`` answers ``strictly_inside`` from the edges of one cell alone.
"""

from __future__ import annotations

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.geometry.exact import orientation
from roadcraft.core.driving.jit import small_njit


@small_njit
def strictly_inside(points: F64, rings: I64, first: int, last: int, x: float, y: float) -> bool:
    """Whether the closed rings first .. last - 1 of a ``Polygons`` (points, rings) strictly contain (x, y), by the
    even-odd rule (GEOS' ray crossings with exact signs)."""
    crossed = 0
    for r in range(first, last):
        n = crossings(points, rings[r], rings[r + 1] - 1, x, y)
        if n < 0:
            return False
        crossed += n
    return crossed % 2 == 1


@small_njit
def crossings(points: F64, begin: int, end: int, x: float, y: float) -> int:
    """How many of the edges that start at points[begin:end] the ray from (x, y) along x crosses; -1 where one of them
    holds (x, y). Edges all above, all below or all to the left of (x, y) count nothing."""
    crossed = 0
    for i in range(begin, end):
        ax, ay, bx, by = points[i, 0], points[i, 1], points[i + 1, 0], points[i + 1, 1]
        if ax < x and bx < x:
            continue
        if bx == x and by == y:
            return -1
        if ay == y and by == y:
            if min(ax, bx) <= x <= max(ax, bx):
                return -1
        elif (ay > y and by <= y) or (by > y and ay <= y):
            side = orientation(ax, ay, bx, by, x, y)
            if side == 0:
                return -1
            if (side > 0) == (by > ay):
                crossed += 1
    return crossed


@small_njit
def inside(points: F64, rings: I64, first: int, last: int, x: float, y: float) -> bool:
    """Whether the closed rings first .. last - 1 of a ``Polygons`` (points, rings) contain (x, y), by the even-odd
    rule."""
    odd = False
    for r in range(first, last):
        odd = odd != inside_ring(points, rings[r], rings[r + 1], x, y)
    return odd


@small_njit
def inside_ring(points: F64, begin: int, end: int, x: float, y: float) -> bool:
    """``inside`` of one closed ring, points[begin:end]."""
    odd = False
    for i in range(begin, end - 1):
        ay, by = points[i, 1], points[i + 1, 1]
        if (ay > y) != (by > y):
            ax, bx = points[i, 0], points[i + 1, 0]
            if x < (bx - ax) * (y - ay) / (by - ay) + ax:
                odd = not odd
    return odd


@small_njit
def convex_holds(polygon: F64, x: float, y: float) -> bool:
    """Whether a convex polygon (N, 2), not closed, counter-clockwise, contains (x, y), its boundary included (exact
    signs)."""
    for i in range(len(polygon)):
        p, q = polygon[i], polygon[(i + 1) % len(polygon)]
        if orientation(p[0], p[1], q[0], q[1], x, y) < 0:
            return False
    return True
