"""Paths to follow: polylines with headings, projected on and interpolated along at any length in about a microsecond.

Chunks of ``CHUNK`` segments carry bounding boxes, so that a projection looks at few segments of a long path and still
returns exactly what a search over all of them would.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.geometry.angles import normalize
from roadcraft.core.driving.geometry.arc_path import pose_between, segment_of
from roadcraft.core.driving.geometry.boxes import point_segment_distance
from roadcraft.core.driving.geometry.polyline import along_segment, arc_lengths
from roadcraft.core.driving.jit import njit, small_njit

CHUNK = 16
_SLACK_M = 1e-6  # far above the rounding of coordinates


class ArcPath(NamedTuple):
    """xy (P, 2) m; heading (P,) rad, unwrapped; arc (P,) m from the start; chunk (C, 4) bounds min x, min y, max x, max
    y of each CHUNK segments; segment (P - 1, 5) x, y of its middle, its unit direction (0 without length), its length.

    Points may repeat (where lanes join); the heading then jumps there.
    """

    xy: F64
    heading: F64
    arc: F64
    chunk: F64
    segment: F64


@njit(cache=True, nogil=True)
def segments_of(xy: F64, arc: F64) -> F64:
    """``ArcPath.segment`` (P - 1, 5)."""
    out = np.zeros((max(len(xy) - 1, 0), 5))
    for i in range(len(out)):
        d = arc[i + 1] - arc[i]
        if d > 0.0:
            out[i, 2], out[i, 3], out[i, 4] = (xy[i + 1, 0] - xy[i, 0]) / d, (xy[i + 1, 1] - xy[i, 1]) / d, d
        out[i, 0], out[i, 1] = xy[i, 0] + 0.5 * d * out[i, 2], xy[i, 1] + 0.5 * d * out[i, 3]
    return out


def make_path(xy: F64, heading: F64) -> ArcPath:
    """A path from points (P, 2), P >= 2, and their headings (P,)."""
    xy = np.ascontiguousarray(xy, np.float64)
    starts = range(0, max(len(xy) - 1, 1), CHUNK)
    chunk = np.array([[*xy[i : i + CHUNK + 1].min(0), *xy[i : i + CHUNK + 1].max(0)] for i in starts])
    arc = arc_lengths(xy)
    return ArcPath(xy, np.unwrap(np.asarray(heading, np.float64)), arc, chunk, segments_of(xy, arc))


def no_path() -> ArcPath:
    """A path without points."""
    return ArcPath(np.zeros((0, 2)), np.zeros(0), np.zeros(0), np.zeros((0, 4)), np.zeros((0, 5)))


def offset_path(xy: F64, heading: F64, offset_m: float) -> ArcPath:
    """The path shifted to its left by ``offset_m``, point by point along the normals of ``heading`` (P,)."""
    normal = np.asarray(heading) + 0.5 * math.pi
    return make_path(xy + offset_m * np.stack([np.cos(normal), np.sin(normal)], -1), heading)


@small_njit
def bounds_distance2(chunk: F64, c: int, x: float, y: float) -> float:
    """Squared distance of a point to rectangle c of ``chunk`` (C, 4)."""
    dx = max(chunk[c, 0] - x, 0.0, x - chunk[c, 2])
    dy = max(chunk[c, 1] - y, 0.0, y - chunk[c, 3])
    return dx * dx + dy * dy


@small_njit
def project(path: ArcPath, x: float, y: float, near: int) -> tuple[float, int]:
    """Arc length of the point of the path nearest to (x, y), and its segment: the first of equals, as shapely's
    ``LineString.project``.

    near: a segment to begin with (any; a good one saves time).
    """
    xy, chunk, arc, segment = path.xy, path.chunk, path.arc, path.segment
    last = len(xy) - 2
    at = min(max(near, 0), last)
    home = at // CHUNK
    best = point_segment_distance(x, y, xy[at, 0], xy[at, 1], xy[at + 1, 0], xy[at + 1, 1])
    for turn in range(len(chunk) + 1):
        c = home if turn == 0 else turn - 1
        if turn > 0 and (c == home or bounds_distance2(chunk, c, x, y) > best * best * (1.0 + 1e-12)):
            continue
        for i in range(c * CHUNK, min((c + 1) * CHUNK, last + 1)):
            dx, dy, reach = x - segment[i, 0], y - segment[i, 1], best + 0.5 * segment[i, 4] + _SLACK_M
            if dx * dx + dy * dy > reach * reach:
                continue
            d = point_segment_distance(x, y, xy[i, 0], xy[i, 1], xy[i + 1, 0], xy[i + 1, 1])
            if d < best or (d == best and i < at):
                best, at = d, i
    return arc[at] + along_segment(x, y, xy[at, 0], xy[at, 1], xy[at + 1, 0], xy[at + 1, 1]), at


@small_njit
def interpolate(path: ArcPath, arc: float) -> tuple[float, float, float]:
    """x, y and heading (in [-pi, pi]) at an arc length, which is clipped to the path. Source: tuplan_garage b51d5d0,
    PDMPath.interpolate."""
    s = path.arc
    x, y, heading = pose_on(path, segment_of(s, len(s), min(max(arc, 1e-5), s[-1])), arc)
    return x, y, normalize(heading)


@small_njit
def segment_from(path: ArcPath, arc: float, near: int) -> int:
    """The segment on which :func:`interpolate` finds an arc length, looked for from segment ``near`` on."""
    s, i = path.arc, near
    a = min(max(arc, 1e-5), s[-1])
    while i > 0 and s[i] >= a:
        i -= 1
    while i < len(s) - 2 and s[i + 1] < a:
        i += 1
    return i


@small_njit
def pose_on(path: ArcPath, i: int, arc: float) -> tuple[float, float, float]:
    """x, y and heading, which may be beyond half a turn, at an arc length on segment i."""
    s, xy, heading = path.arc, path.xy, path.heading
    a = min(max(arc, 1e-5), s[-1])
    if s[i + 1] == s[i]:
        return xy[i + 1, 0], xy[i + 1, 1], heading[i + 1]
    # to the last bit: while ego stands, proposals differ by the rounding of their positions only, and that decides
    # which is best
    return pose_between(s, xy, heading, i, a)
