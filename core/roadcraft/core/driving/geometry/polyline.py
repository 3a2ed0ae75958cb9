"""Polylines: arc length, projection, interpolation. points (P, 2) float64 m, P >= 2; ``s`` (P,) are their
``arc_lengths``.

Projection and interpolation follow shapely's ``LineString.project`` and ``interpolate`` operation by operation (GEOS'
length indexing), so that arc lengths agree with the reference's to the last bit.
"""

from __future__ import annotations

import math

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.geometry.arc_path import first_beyond
from roadcraft.core.driving.geometry.boxes import point_segment_distance
from roadcraft.core.driving.geometry.tolerances import CLEAR_M
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.readonly import Index


@njit(cache=True, nogil=True)
def arc_lengths(points: F64) -> F64:
    """Distance along the line from its first point to each of its points, (P,)."""
    out = np.zeros(len(points))
    for i in range(1, len(points)):
        dx, dy = points[i, 0] - points[i - 1, 0], points[i, 1] - points[i - 1, 1]
        out[i] = out[i - 1] + math.sqrt(dx * dx + dy * dy)
    return out


@njit(cache=True, nogil=True)
def length_row(points: F64, first: Index, last: Index) -> float:
    """Length of the line ``points[first:last]``."""
    length = 0.0
    for i in range(first + 1, last):
        dx, dy = points[i, 0] - points[i - 1, 0], points[i, 1] - points[i - 1, 1]
        length += math.sqrt(dx * dx + dy * dy)
    return length


@small_njit
def along_segment(x: float, y: float, ax: float, ay: float, bx: float, by: float) -> float:
    """Way from a to the place on the segment a-b that is nearest to (x, y)."""
    dx, dy = bx - ax, by - ay
    length2 = dx * dx + dy * dy
    share = ((x - ax) * dx + (y - ay) * dy) / length2 if length2 > 0.0 else 0.0
    return min(max(share, 0.0), 1.0) * math.sqrt(length2)


@njit(cache=True, nogil=True)
def project_point(points: F64, s: F64, x: float, y: float) -> tuple[float, float, int]:
    """Nearest place on the line to (x, y): arc length m, distance m (positive to the left of the segment), row of the
    segment.

    Of several nearest segments the first counts.
    """
    best, segment = math.inf, 0
    for i in range(len(points) - 1):
        d = point_segment_distance(x, y, points[i, 0], points[i, 1], points[i + 1, 0], points[i + 1, 1])
        if d < best:
            best, segment = d, i
    ax, ay, bx, by = points[segment, 0], points[segment, 1], points[segment + 1, 0], points[segment + 1, 1]
    side = (bx - ax) * (y - ay) - (by - ay) * (x - ax)
    return s[segment] + along_segment(x, y, ax, ay, bx, by), best if side >= 0.0 else -best, segment


@njit(cache=True, nogil=True)
def project_row(points: F64, first: Index, last: Index, x: float, y: float) -> float:
    """Arc length of the projection of (x, y) on the line ``points[first:last]``, without its arc lengths at hand."""
    best, arc, begin, at = math.inf, 0.0, 0.0, first
    for i in range(first, last - 1):
        ax, ay, bx, by = points[i, 0], points[i, 1], points[i + 1, 0], points[i + 1, 1]
        clear = best + CLEAR_M  # a segment whose bounds are farther than the best, clear of rounding, is so too
        if max(min(ax, bx) - x, x - max(ax, bx)) > clear or max(min(ay, by) - y, y - max(ay, by)) > clear:
            continue
        d = point_segment_distance(x, y, ax, ay, bx, by)
        if d < best:
            while at < i:
                dx, dy = points[at + 1, 0] - points[at, 0], points[at + 1, 1] - points[at, 1]
                begin += math.sqrt(dx * dx + dy * dy)
                at += 1
            best, arc = d, begin + along_segment(x, y, ax, ay, bx, by)
    return arc


@njit(cache=True, nogil=True)
def interpolate(points: F64, s: F64, arc: float) -> tuple[float, float, float]:
    """The place at an arc length, clamped to the line: x, y and the heading of its segment (at a vertex, of the segment
    that starts there)."""
    i = max(min(first_beyond(s, len(s), arc), len(points) - 1) - 1, 0)
    dx, dy = points[i + 1, 0] - points[i, 0], points[i + 1, 1] - points[i, 1]
    length = math.sqrt(dx * dx + dy * dy)
    heading = math.atan2(dy, dx)
    fraction = (arc - s[i]) / length if length > 0.0 else 0.0
    if fraction <= 0.0:
        return points[i, 0], points[i, 1], heading
    if fraction >= 1.0:
        return points[i + 1, 0], points[i + 1, 1], heading
    return dx * fraction + points[i, 0], dy * fraction + points[i, 1], heading


@njit(cache=True, nogil=True)
def nearest_pose(points: F64, s: F64, x: float, y: float) -> tuple[float, float, float]:
    """nuPlan's nearest pose on a baseline: the projection of (x, y), heading towards the point 0.5 m further on (at the
    very end, from the point 0.5 m before). Reference: nuplan-devkit, ``get_nearest_pose_from_position``."""
    arc = project_point(points, s, x, y)[0]
    px, py, _ = interpolate(points, s, arc)
    qx, qy, _ = interpolate(points, s, arc + 0.5)
    if px == qx and py == qy:
        qx, qy, _ = interpolate(points, s, arc - 0.5)
        return px, py, math.atan2(py - qy, px - qx)
    return px, py, math.atan2(qy - py, qx - px)
