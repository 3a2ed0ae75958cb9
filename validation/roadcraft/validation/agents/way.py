"""The way ahead of an agent, the corridor along the rest of its rail, and whether something else meets it.

The pieces of that corridor are those of ``corridor``; the rail and the capsules of its chunks are read in place, only
the segment on which the agent stands is cut at its progress.
"""

from __future__ import annotations

from typing import NamedTuple

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.geometry.arc_path import clamp_progress, first_beyond, pose_before
from roadcraft.core.driving.geometry.capsules import CHUNK, MARGIN, capsule_gap
from roadcraft.core.driving.geometry.corridor import piece
from roadcraft.core.driving.geometry.corridor_distance import Corridor, Pieces, convex_separation
from roadcraft.core.driving.jit import small_njit
from roadcraft.validation.agents.rails import Rails


class Way(NamedTuple):
    """The rest of a rail of ``count`` vertices from its segment ``segment`` on. points (count, 2); capsules, boxes and
    ahead of its chunks, as in ``Rails``; reach (4,): that of the chunk on which the way begins; head (3, 2): where it
    begins, and the rail's next two vertices."""

    points: F64
    count: int
    segment: int
    half_width: float
    head: F64
    capsules: F64
    boxes: F64
    ahead: F64
    reach: F64


class WayScratch(NamedTuple):
    """Memory of the kernels: head (3, 2); near (N,) int64 for the chunks of a way; edge (2, 2) and edge_bound (5,);
    area (4,); rest (P, 2) for all of a way, sure_head (3, 2) for where its unfolded part begins; own_capsules and
    other_capsules, as of one agent in ``new_feet``."""

    head: F64
    near: I64
    pieces: Pieces
    edge: F64
    edge_bound: F64
    area: F64
    rest: F64
    sure_head: F64
    own_capsules: F64
    other_capsules: F64


@small_njit
def way_ahead(rails: Rails, low: int, count: int, progress: float, half_width: float, head: F64) -> Way:
    """The way from an agent's progress to its rail's end (at the very end, the last segment), as ``rest_of_rail`` has
    it; writes ``head``."""
    along, points = rails.progress[low : low + count], rails.points[low : low + count]
    now = clamp_progress(along, count, progress)
    first = first_beyond(along, count, now)
    if first < count:
        head[0, 0], head[0, 1], _ = pose_before(along, points, rails.heading[low : low + count], first, now)
    else:
        first = count - 1
        head[0, 0], head[0, 1] = points[first - 1, 0], points[first - 1, 1]
    for k in range(1, min(3, count - first + 1)):
        head[k, 0], head[k, 1] = points[first + k - 1, 0], points[first + k - 1, 1]
    chunk, chunks = low // CHUNK, (count + CHUNK - 2) // CHUNK
    capsules, boxes = rails.capsules[chunk : chunk + chunks], rails.boxes[chunk : chunk + chunks]
    ahead = rails.ahead[chunk : chunk + chunks]
    return Way(points, count, first - 1, half_width, head, capsules, boxes, ahead, ahead[(first - 1) // CHUNK])


@small_njit
def near_chunks(way: Way, bound: F64, extent: F64, near: I64) -> int:
    """Chunks of the way that may meet what lies in a capsule (5,) and in a bounding box (4,), or come too close to
    call: their rows in ``near``, and their number."""
    n = 0
    boxes, capsules, ahead = way.boxes, way.capsules, way.ahead
    x0, y0, x1, y1 = extent[0], extent[1], extent[2], extent[3]
    for c in range(way.segment // CHUNK, len(boxes)):
        if boxes[c, 0] > x1 or boxes[c, 2] < x0 or boxes[c, 1] > y1 or boxes[c, 3] < y0:
            if ahead[c, 0] > x1 or ahead[c, 2] < x0 or ahead[c, 1] > y1 or ahead[c, 3] < y0:
                break
            continue
        if capsule_gap(capsules[c], bound) <= 3.0 * MARGIN:
            near[n] = c
            n += 1
    return n


@small_njit
def polygon_on_way(way: Way, near: I64, polygon: F64, vertices: int, bound: F64, pieces: Pieces) -> float:
    """Separation of the way and a convex polygon (>= vertices, 2) within the capsule ``bound``, clipped to +MARGIN*2
    when clearly apart; looked at are the chunks ``near`` (N,)."""
    points, head, half, start = way.points, way.head, way.half_width, way.segment
    own, around, best = pieces.own, pieces.own_bound, 2.0 * MARGIN
    around[4] = half
    for q in range(len(near)):
        c = near[q]
        for i in range(max(c * CHUNK, start), min(c * CHUNK + CHUNK, way.count - 1)):
            around[0], around[1], around[2], around[3] = points[i, 0], points[i, 1], points[i + 1, 0], points[i + 1, 1]
            if i == start:
                around[0], around[1] = head[0, 0], head[0, 1]
            if capsule_gap(around, bound) > best + MARGIN:
                continue
            for k in range(2):
                if i == start:
                    n = piece(head, min(3, way.count - start), half, k, own)
                else:
                    n = piece(points, way.count, half, 2 * i + k, own)
                if n > 0:
                    best = min(best, convex_separation(own, n, polygon, vertices, best))
                    if best < -MARGIN:
                        return best
    return best


@small_njit
def corridor_on_way(way: Way, near: I64, other: Corridor, pieces: Pieces) -> float:
    """Separation of the way and another corridor, clipped as in ``polygon_on_way``."""
    points, bound, best = other.points, pieces.other_bound, 2.0 * MARGIN
    bound[4] = other.half_width
    for i in range(other.n - 1):
        bound[0], bound[1], bound[2], bound[3] = points[i, 0], points[i, 1], points[i + 1, 0], points[i + 1, 1]
        close = False
        for q in range(len(near)):
            close |= capsule_gap(way.capsules[near[q]], bound) <= best + MARGIN
        if not close:
            continue
        for k in (2 * i, 2 * i + 1):
            n = piece(points, other.n, other.half_width, k, pieces.other)
            if n > 0:
                best = min(best, polygon_on_way(way, near, pieces.other, n, bound, pieces))
                if best < -MARGIN:
                    return best
    return best
