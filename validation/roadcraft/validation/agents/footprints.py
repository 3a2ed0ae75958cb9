"""How far apart two agents' footprints are: a footprint is a box and the corridor that its agent sweeps in a headway.

The distances are those of ``corridor_distance``, piece for piece; here memory is the caller's and far segments are
passed over before their pieces are made.
"""

from __future__ import annotations

import math

from roadcraft.core.arrays import F64
from roadcraft.core.driving.geometry.capsules import CHUNK, capsule_gap
from roadcraft.core.driving.geometry.corridor import piece
from roadcraft.core.driving.geometry.corridor_distance import BOX, Corridor, polygon_distance
from roadcraft.core.driving.geometry.tolerances import FAR
from roadcraft.core.driving.jit import small_njit
from roadcraft.validation.agents.way import WayScratch


@small_njit
def to_box(
    foot: Corridor, box: F64, box_bound: F64, polygon: F64, bound: F64, best: float, scratch: WayScratch
) -> float:
    """min(best, distance from a footprint, corridor and box (4, 2), to another box within the capsule ``bound``)."""
    if capsule_gap(box_bound, bound) < best:
        best = polygon_distance(box, BOX, polygon, BOX, best)
    if foot.n > 1 and best > 0.0:
        best = to_polygon(foot, polygon, BOX, bound, best, scratch)
    return best


@small_njit
def to_polygon(foot: Corridor, polygon: F64, vertices: int, bound: F64, best: float, scratch: WayScratch) -> float:
    """min(best, distance of a corridor and a convex polygon (>= vertices, 2) within the capsule ``bound``)."""
    best = min(best, _vertex_distance(foot.points, foot.n, polygon, vertices))
    return _pieces_to_polygon(foot, polygon, vertices, bound, best, scratch)


@small_njit
def to_corridor(foot: Corridor, other: Corridor, best: float, scratch: WayScratch) -> float:
    """min(best, distance of two corridors)."""
    best = min(best, _vertex_distance(foot.points, foot.n, other.points, other.n))
    points, count, bound = other.points, other.n, scratch.other_bound
    for i in range(count - 1):
        bound[0], bound[1], bound[2], bound[3] = points[i, 0], points[i, 1], points[i + 1, 0], points[i + 1, 1]
        bound[4] = other.half_width
        if not _near(foot, bound, best):
            continue
        for k in (2 * i, 2 * i + 1):
            n = piece(points, count, other.half_width, k, scratch.other)
            if n > 0:
                best = _pieces_to_polygon(foot, scratch.other, n, bound, best, scratch)
                if best <= 0.0:
                    return best
    return best


@small_njit
def _near(foot: Corridor, bound: F64, best: float) -> bool:
    """Whether a chunk of the corridor may be nearer than ``best`` to what lies in a capsule."""
    for c in range((foot.n - 2) // CHUNK + 1):  # noqa: SIM110 (numba compiles no generators)
        if capsule_gap(foot.capsules[c], bound) <= best:
            return True
    return False


@small_njit
def _pieces_to_polygon(
    foot: Corridor, polygon: F64, vertices: int, bound: F64, best: float, scratch: WayScratch
) -> float:
    points, segments, own = foot.points, foot.n - 1, scratch.own_bound
    own[4] = foot.half_width
    for c in range((segments + CHUNK - 1) // CHUNK):
        if capsule_gap(foot.capsules[c], bound) > min(best, FAR):
            continue
        for i in range(c * CHUNK, min(c * CHUNK + CHUNK, segments)):
            own[0], own[1], own[2], own[3] = points[i, 0], points[i, 1], points[i + 1, 0], points[i + 1, 1]
            if capsule_gap(own, bound) > best:
                continue
            for k in (2 * i, 2 * i + 1):
                n = piece(points, foot.n, foot.half_width, k, scratch.own)
                if n > 0:
                    best = polygon_distance(scratch.own, n, polygon, vertices, best)
                    if best == 0.0:
                        return 0.0
    return best


@small_njit
def _vertex_distance(a: F64, n: int, b: F64, m: int) -> float:
    """Distance of the nearest vertices: both shapes hold theirs, so it bounds the shapes' distance from above and
    spares most pieces a look."""
    best = FAR
    for i in range(n):
        for j in range(m):
            dx, dy = a[i, 0] - b[j, 0], a[i, 1] - b[j, 1]
            best = min(best, dx * dx + dy * dy)
    return math.sqrt(best)
