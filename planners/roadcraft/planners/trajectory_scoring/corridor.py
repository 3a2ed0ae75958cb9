"""The strip a vehicle sweeps along a path, and what touches it.

The strip is the part of an ``ArcPath`` between two of its vertices as a corridor (``geometry.corridor``) with square
ends (reference: tuplan_garage b51d5d0, PDMGenerator._get_driving_corridor).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.geometry.arc_path import first_beyond, first_from
from roadcraft.core.driving.geometry.boxes import place_corners, separation
from roadcraft.core.driving.geometry.capsules import MARGIN
from roadcraft.core.driving.geometry.corridor import MAX_VERTICES, piece, segment_strip
from roadcraft.core.driving.geometry.corridor_distance import (
    BOX,
    EDGE,
    bounds_of,
    convex_separation,
    ring_separation,
)
from roadcraft.core.driving.geometry.polyline import arc_lengths
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.planners.trajectory_scoring.paths import CHUNK, ArcPath, bounds_distance2, interpolate, segments_of

_SLACK_M = 1e-6


@small_njit
def span(path: ArcPath, start: float, end: float) -> tuple[int, int]:
    """First and last vertex with ``start <= arc <= end``, both clipped to the path; first > last where there is
    none."""
    s = path.arc
    start, end = min(max(start, 0.0), s[-1]), min(max(end, 0.0), s[-1])
    return first_from(s, len(s), start), first_beyond(s, len(s), end) - 1


class Strip(NamedTuple):
    """What a vehicle sweeps from point ``first`` to point ``last`` of a path, half_width m to either side; tips: the
    first and the last of its segments that have a length, -1 where none has."""

    path: ArcPath
    first: int
    last: int
    half_width: float
    tips: tuple[int, int]


@njit(cache=True, nogil=True)
def strip_between(path: ArcPath, start: float, end: float, half_width: float) -> tuple[Strip, bool]:
    """The strip along a path between two arc lengths, and whether it is of the path itself: where fewer than two
    vertices lie between them, it is of the straight line from one to the other."""
    first, last = span(path, start, end)
    if last - first >= 1:
        return Strip(path, first, last, half_width, ends(path, first, last)), True
    xy, heading, chunk = np.empty((2, 2)), np.empty(2), np.empty((1, 4))
    xy[0, 0], xy[0, 1], heading[0] = interpolate(path, start)
    xy[1, 0], xy[1, 1], heading[1] = interpolate(path, end)
    bounds_of(xy, EDGE, 0.0, chunk[0])
    arc = arc_lengths(xy)
    line, zero = ArcPath(xy, heading, arc, chunk, segments_of(xy, arc)), np.int64(0)
    return Strip(line, zero, zero + 1, half_width, ends(line, zero, zero + 1)), False


@small_njit
def ends(path: ArcPath, first: int, last: int) -> tuple[int, int]:
    """The first and the last segment of some length between two vertices; -1, -1 where all points coincide."""
    s = path.arc
    if not s[last] > s[first]:
        return -1, -1
    return first_beyond(s, len(s), s[first]) - 1, first_from(s, len(s), s[last]) - 1


@small_njit
def strip_gap(strip: Strip, x: float, y: float, box: F64, scratch: tuple[F64, F64]) -> float:
    """-1 where an oriented box moved to (x, y) touches the strip; else how far, at least, it must move to do so.

    box (6,): x, y, cos, sin, length, width; scratch (MAX_VERTICES, 2) and (4, 2).
    """
    path, first, last, half_width, tips = strip
    xy, chunk, segment = path.xy, path.chunk, path.segment
    cosine, sine, length, width = box[2], box[3], box[4], box[5]
    reach = 0.5 * math.sqrt(length * length + width * width) + 1.5 * half_width
    nearest, joins = math.inf, False
    for c in range(first // CHUNK, (last - 1) // CHUNK + 1):
        away2 = bounds_distance2(chunk, c, x, y)
        nearest = min(nearest, away2)
        if away2 > reach * reach:
            continue
        for i in range(max(first, c * CHUNK), min(last, (c + 1) * CHUNK)):
            d = segment[i, 4]
            dx, dy = x - segment[i, 0], y - segment[i, 1]
            far = reach + 0.5 * d + half_width
            if d <= 0.0 or dx * dx + dy * dy > far * far:
                continue
            ux, uy, long = segment[i, 2], segment[i, 3], d
            if i == tips[0] or i == tips[1]:
                before, after = (half_width if i == tips[0] else 0.0), (half_width if i == tips[1] else 0.0)
                middle, long = 0.5 * (d + after - before), d + before + after
                dx, dy = x - (xy[i, 0] + middle * ux), y - (xy[i, 1] + middle * uy)
            if separation(dx, dy, (ux, uy, long, 2.0 * half_width), (cosine, sine, length, width)) <= 0.0:
                return -1.0
            # a join lies within half_width of its vertex
            dx, dy = xy[i + 1, 0] - x, xy[i + 1, 1] - y
            off_x = abs(dx * cosine + dy * sine) - 0.5 * length
            off_y = abs(dy * cosine - dx * sine) - 0.5 * width
            joins = joins or max(off_x, off_y) <= half_width + _SLACK_M
    if joins and _box_in_join(strip, x, y, box, reach, scratch):
        return -1.0
    return max(math.sqrt(nearest) - reach - _SLACK_M, 0.0)


@small_njit
def _box_in_join(strip: Strip, x: float, y: float, box: F64, reach: float, scratch: tuple[F64, F64]) -> bool:
    path, first, last, half_width, _ = strip
    xy, arc, chunk = path.xy, path.arc, path.chunk
    shape, corners = scratch
    place_corners((x, y, math.atan2(box[3], box[2]), box[4], box[5]), corners)
    for c in range(first // CHUNK, (last - 1) // CHUNK + 1):
        if bounds_distance2(chunk, c, x, y) > reach * reach:
            continue
        for i in range(max(first, c * CHUNK), min(last, (c + 1) * CHUNK)):
            dx, dy = xy[i + 1, 0] - x, xy[i + 1, 1] - y
            if arc[i + 1] <= arc[i] or dx * dx + dy * dy > reach * reach:
                continue
            # a join lies within half_width of its vertex
            off_x = abs(dx * box[2] + dy * box[3]) - 0.5 * box[4]
            off_y = abs(dy * box[2] - dx * box[3]) - 0.5 * box[5]
            if max(off_x, off_y) > half_width + _SLACK_M:
                continue
            n = piece(xy, last + 1, half_width, 2 * i + 1, shape)
            if n > 0 and convex_separation(shape, n, corners, BOX, 0.0) <= 0.0:
                return True
    return False


@small_njit
def _meets(shape: F64, count: int, ring: F64, rings: I64, bounds: F64) -> bool:
    """Whether a convex polygon of ``count`` vertices touches the area inside a closed ring. rings (2,): 0 and the
    ring's length; bounds (4,): scratch."""
    bounds_of(shape, count, MARGIN, bounds)
    return ring_separation(ring, rings, np.int64(0), np.int64(1), shape, count, bounds) <= MARGIN


@njit(cache=True, nogil=True)
def strip_marks(path: ArcPath, half_width: float, ring: F64) -> I64:
    """Marks (P - 1,) int64 of each segment's rectangle (bit 0) and of the join at its end (bit 1) that meet the area
    inside a closed ring."""
    out = np.zeros(len(path.xy) - 1, np.int64)
    lo_x, hi_x, lo_y, hi_y = math.inf, -math.inf, math.inf, -math.inf
    for e in range(len(ring)):
        lo_x, hi_x = min(lo_x, ring[e, 0] - 2.0 * half_width), max(hi_x, ring[e, 0] + 2.0 * half_width)
        lo_y, hi_y = min(lo_y, ring[e, 1] - 2.0 * half_width), max(hi_y, ring[e, 1] + 2.0 * half_width)
    shape, bounds, rings = np.empty((MAX_VERTICES, 2)), np.empty(4), np.array([0, len(ring)])
    for c in range(len(path.chunk)):
        b = path.chunk[c]
        if b[2] < lo_x or b[0] > hi_x or b[3] < lo_y or b[1] > hi_y:
            continue
        for i in range(c * CHUNK, min((c + 1) * CHUNK, len(out))):
            for k in range(2):
                n = piece(path.xy, len(path.xy), half_width, 2 * i + k, shape)
                if n > 0 and _meets(shape, n, ring, rings, bounds):
                    out[i] |= k + 1
    return out


@njit(cache=True, nogil=True)
def ring_in_strip(strip: Strip, ring: F64, marks: I64) -> bool:
    """Whether the area inside a closed ring meets the strip. marks (P - 1,) of :func:`strip_marks` for the same
    ring."""
    path, first, last, half_width, tips = strip
    for i in range(first, last):
        if marks[i] & 1 or (marks[i] & 2 and path.arc[last] > path.arc[i + 1]):
            return True
    shape, bounds, rings = np.empty((BOX, 2)), np.empty(4), np.array([0, len(ring)])
    for tip in tips:
        before, after = (half_width if tip == tips[0] else 0.0), (half_width if tip == tips[1] else 0.0)
        segment_strip(path.xy, tip, half_width, before, after, shape)
        if _meets(shape, BOX, ring, rings, bounds):
            return True
    return False
