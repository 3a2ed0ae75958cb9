"""The strip a vehicle sweeps along a path, and what touches it.

The strip is the path's part between two of its vertices, widened by ``half_width`` to both sides: a rectangle per
segment, a wedge on the outer side of each vertex and square ends, which is the region that GEOS' buffer encloses
(reference: tuplan_garage b51d5d0, PDMGenerator._get_driving_corridor).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.geometry.boxes import box_corners, convex_touch, segments_touch, separation
from roadcraft.core.driving.jit import small_njit
from roadcraft.planners.trajectory_scoring.paths import CHUNK, ArcPath, bounds_distance2, interpolate

_SLACK_M = 1e-6
_ARC_STEP = 0.5 * math.pi / 16  # GEOS rounds a corner with 16 chords per quarter


@small_njit
def span(path: ArcPath, start: float, end: float) -> tuple[int, int]:
    """First and last vertex with ``start <= arc <= end``, both clipped to the path; first > last where there is
    none."""
    s = path.arc
    start, end = min(max(start, 0.0), s[-1]), min(max(end, 0.0), s[-1])
    return np.searchsorted(s, start), np.searchsorted(s, end, side="right") - 1


@njit(cache=True, nogil=True)
def piece(path: ArcPath, start: float, end: float) -> ArcPath:
    """The path between two arc lengths as a path of two points, for stretches that hold fewer than two vertices."""
    a = interpolate(path, start)
    b = interpolate(path, end)
    xy, heading, arc, chunk = np.empty((2, 2)), np.empty(2), np.zeros(2), np.empty((1, 4))
    xy[0, 0], xy[0, 1], xy[1, 0], xy[1, 1] = a[0], a[1], b[0], b[1]
    heading[0], heading[1] = a[2], b[2]
    arc[1] = math.sqrt((b[0] - a[0]) ** 2 + (b[1] - a[1]) ** 2)
    chunk[0, 0], chunk[0, 1] = min(a[0], b[0]), min(a[1], b[1])
    chunk[0, 2], chunk[0, 3] = max(a[0], b[0]), max(a[1], b[1])
    return ArcPath(xy, heading, arc, chunk)


@small_njit
def ends(path: ArcPath, first: int, last: int) -> tuple[int, int]:
    """The first and the last segment of some length between two vertices; -1, -1 where all points coincide."""
    a, b = -1, -1
    for i in range(first, last):
        if path.arc[i + 1] > path.arc[i]:
            a = i
            break
    for i in range(last - 1, first - 1, -1):
        if path.arc[i + 1] > path.arc[i]:
            b = i
            break
    return a, b


@small_njit
def strip_box(path: ArcPath, i: int, half_width: float, before: float, after: float, out: F64) -> None:
    """The rectangle of segment i, lengthened by ``before`` and ``after``: out (6,) x, y, cos, sin, length, width."""
    d = path.arc[i + 1] - path.arc[i]
    c, s = (path.xy[i + 1, 0] - path.xy[i, 0]) / d, (path.xy[i + 1, 1] - path.xy[i, 1]) / d
    middle = 0.5 * (d + after - before)
    out[0], out[1], out[2], out[3] = path.xy[i, 0] + middle * c, path.xy[i, 1] + middle * s, c, s
    out[4], out[5] = d + before + after, 2.0 * half_width


@small_njit
def wedge(path: ArcPath, i: int, k: int, half_width: float, part: int, out: F64) -> int:
    """Triangle ``part`` of the outer corner where segment i ends and segment k begins: out (3, 2), counter-clockwise.
    Returns the number of parts."""
    di, dk = path.arc[i + 1] - path.arc[i], path.arc[k + 1] - path.arc[k]
    ci, si = (path.xy[i + 1, 0] - path.xy[i, 0]) / di, (path.xy[i + 1, 1] - path.xy[i, 1]) / di
    ck, sk = (path.xy[k + 1, 0] - path.xy[k, 0]) / dk, (path.xy[k + 1, 1] - path.xy[k, 1]) / dk
    turn = math.atan2(ci * sk - si * ck, ci * ck + si * sk)
    if abs(turn) < 1e-12:
        return 0
    parts = max(int(abs(turn) / _ARC_STEP + 0.5), 1)
    from_angle = math.atan2(si, ci) - math.copysign(0.5 * math.pi, turn)
    a, b = from_angle + turn * part / parts, from_angle + turn * (part + 1) / parts
    if turn < 0.0:
        a, b = b, a
    x, y = path.xy[k, 0], path.xy[k, 1]
    out[0, 0], out[0, 1] = x, y
    out[1, 0], out[1, 1] = x + half_width * math.cos(a), y + half_width * math.sin(a)
    out[2, 0], out[2, 1] = x + half_width * math.cos(b), y + half_width * math.sin(b)
    return parts


@small_njit
def next_segment(path: ArcPath, i: int, last: int) -> int:
    """The next segment of some length after i and before vertex ``last``, or -1."""
    for k in range(i + 1, last):
        if path.arc[k + 1] > path.arc[k]:
            return k
    return -1


@njit(cache=True, nogil=True)
def box_in_strip(path: ArcPath, first: int, last: int, tips: tuple[int, int], half_width: float, box: F64) -> bool:
    """Whether an oriented box touches the strip between two vertices. box (6,): x, y, cos, sin, length, width; tips of
    :func:`ends`."""
    xy, arc, chunk = path.xy, path.arc, path.chunk
    x, y, length, width = box[0], box[1], box[4], box[5]
    reach = 0.5 * math.sqrt(length * length + width * width) + 1.5 * half_width
    near = False
    for c in range(first // CHUNK, (last - 1) // CHUNK + 1):
        if bounds_distance2(chunk, c, x, y) > reach * reach:
            continue
        for i in range(max(first, c * CHUNK), min(last, (c + 1) * CHUNK)):
            d = arc[i + 1] - arc[i]
            if d <= 0.0:
                continue
            ux, uy = (xy[i + 1, 0] - xy[i, 0]) / d, (xy[i + 1, 1] - xy[i, 1]) / d
            before, after = (half_width if i == tips[0] else 0.0), (half_width if i == tips[1] else 0.0)
            middle, long = 0.5 * (d + after - before), d + before + after
            dx, dy = x - (xy[i, 0] + middle * ux), y - (xy[i, 1] + middle * uy)
            far = reach + 0.5 * long
            if dx * dx + dy * dy > far * far:
                continue
            near = True
            if separation(dx, dy, ux, uy, long, 2.0 * half_width, box[2], box[3], length, width) <= 0.0:
                return True
    return near and _box_in_wedge(path, first, last, half_width, box, reach)


@njit(cache=True, nogil=True)
def _box_in_wedge(path: ArcPath, first: int, last: int, half_width: float, box: F64, reach: float) -> bool:
    xy, arc, chunk = path.xy, path.arc, path.chunk
    corners, triangle = box_corners(box[0], box[1], math.atan2(box[3], box[2]), box[4], box[5]), np.empty((3, 2))
    for c in range(first // CHUNK, (last - 1) // CHUNK + 1):
        if bounds_distance2(chunk, c, box[0], box[1]) > reach * reach:
            continue
        for i in range(max(first, c * CHUNK), min(last, (c + 1) * CHUNK)):
            dx, dy = xy[i + 1, 0] - box[0], xy[i + 1, 1] - box[1]
            if arc[i + 1] <= arc[i] or dx * dx + dy * dy > reach * reach:
                continue
            # a wedge lies within half_width of its vertex
            off_x = abs(dx * box[2] + dy * box[3]) - 0.5 * box[4]
            off_y = abs(dy * box[2] - dx * box[3]) - 0.5 * box[5]
            if max(off_x, off_y) > half_width + _SLACK_M:
                continue
            k = next_segment(path, i, last)
            if k < 0:
                continue
            parts = wedge(path, i, k, half_width, np.int64(0), triangle)
            for part in range(parts):
                wedge(path, i, k, half_width, part, triangle)
                if convex_touch(triangle, corners):
                    return True
    return False


@small_njit
def convex_meets_ring(shape: F64, ring: F64) -> bool:
    """Whether a convex polygon (N, 2) and the area inside a closed ring (V, 2) share a point."""
    lo_x, hi_x, lo_y, hi_y = shape[0, 0], shape[0, 0], shape[0, 1], shape[0, 1]
    for k in range(1, len(shape)):
        lo_x, hi_x = min(lo_x, shape[k, 0]), max(hi_x, shape[k, 0])
        lo_y, hi_y = min(lo_y, shape[k, 1]), max(hi_y, shape[k, 1])
    inside = False
    px, py = shape[0, 0], shape[0, 1]
    for e in range(len(ring) - 1):
        ax, ay, bx, by = ring[e, 0], ring[e, 1], ring[e + 1, 0], ring[e + 1, 1]
        if (ay > py) != (by > py) and px < (bx - ax) * (py - ay) / (by - ay) + ax:
            inside = not inside
        if max(ax, bx) < lo_x or min(ax, bx) > hi_x or max(ay, by) < lo_y or min(ay, by) > hi_y:
            continue
        for k in range(len(shape)):
            m = (k + 1) % len(shape)
            if segments_touch(ax, ay, bx, by, shape[k, 0], shape[k, 1], shape[m, 0], shape[m, 1]):
                return True
        if _in_convex(shape, ax, ay):
            return True
    return inside


@small_njit
def _in_convex(shape: F64, x: float, y: float) -> bool:
    for k in range(len(shape)):
        m = (k + 1) % len(shape)
        if (shape[m, 0] - shape[k, 0]) * (y - shape[k, 1]) - (shape[m, 1] - shape[k, 1]) * (x - shape[k, 0]) < 0.0:
            return False
    return True


@njit(cache=True, nogil=True)
def strip_marks(path: ArcPath, half_width: float, ring: F64) -> I64:
    """Marks (P - 1,) int64 of each segment's rectangle (bit 0) and of the wedge at its end (bit 1) that meet the area
    inside a closed ring."""
    out = np.zeros(len(path.xy) - 1, np.int64)
    lo_x, hi_x, lo_y, hi_y = math.inf, -math.inf, math.inf, -math.inf
    for e in range(len(ring)):
        lo_x, hi_x = min(lo_x, ring[e, 0] - 2.0 * half_width), max(hi_x, ring[e, 0] + 2.0 * half_width)
        lo_y, hi_y = min(lo_y, ring[e, 1] - 2.0 * half_width), max(hi_y, ring[e, 1] + 2.0 * half_width)
    strip, triangle = np.empty(6), np.empty((3, 2))
    for c in range(len(path.chunk)):
        b = path.chunk[c]
        if b[2] < lo_x or b[0] > hi_x or b[3] < lo_y or b[1] > hi_y:
            continue
        for i in range(c * CHUNK, min((c + 1) * CHUNK, len(out))):
            if path.arc[i + 1] <= path.arc[i]:
                continue
            strip_box(path, i, half_width, 0.0, 0.0, strip)
            if convex_meets_ring(_corners(strip), ring):
                out[i] |= 1
            k = next_segment(path, i, len(path.xy) - 1)
            parts = wedge(path, i, k, half_width, np.int64(0), triangle) if k >= 0 else 0
            for part in range(parts):
                wedge(path, i, k, half_width, part, triangle)
                if convex_meets_ring(triangle, ring):
                    out[i] |= 2
    return out


@njit(cache=True, nogil=True)
def _corners(strip: F64) -> F64:
    return box_corners(strip[0], strip[1], math.atan2(strip[3], strip[2]), strip[4], strip[5])


@njit(cache=True, nogil=True)
def ring_in_strip(
    path: ArcPath, first: int, last: int, tips: tuple[int, int], half_width: float, ring: F64, marks: I64
) -> bool:
    """Whether the area inside a closed ring meets the strip between two vertices. marks (P - 1,) of :func:`strip_marks`
    for the same ring."""
    for i in range(first, last):
        if marks[i] & 1 or (marks[i] & 2 and next_segment(path, i, last) >= 0):
            return True
    strip = np.empty(6)
    for tip in tips:
        strip_box(
            path, tip, half_width, half_width if tip == tips[0] else 0.0, half_width if tip == tips[1] else 0.0, strip
        )
        if convex_meets_ring(_corners(strip), ring):
            return True
    return False
