"""Rails: polylines with a heading at every vertex, along which an agent or a planner moves by arc length.

A rail is three arrays: progress (P,) float64 m, strictly increasing; points (P, 2) float64; heading (P,) float64 rad,
unwrapped. Between vertices position and heading are linear in progress. Reference: nuplan-devkit e924167,
InterpolatedPath, trim_path and create_path_from_se2.
"""

from __future__ import annotations

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.geometry.angles import wrap
from roadcraft.core.driving.jit import small_njit

_SAME = 1e-8  # successive vertices nearer than this count as one


@small_njit
def vertex_headings(points: F64, count: int, out: F64) -> None:
    """Heading of each vertex towards its successor; the last repeats the one before. points (>= count, 2), out (>=
    count,)."""
    for i in range(count - 1):
        out[i] = np.arctan2(points[i + 1, 1] - points[i, 1], points[i + 1, 0] - points[i, 0])
    if count > 1:
        out[count - 1] = out[count - 2]


@small_njit
def build_rail(points: F64, heading: F64, count: int, progress: F64) -> int:
    """Turn ``count`` vertices into a rail, in place; returns its number of vertices.

    Vertices that coincide with their successor are dropped, and so is the last one (a quirk of the reference which
    decides where a path ends); where fewer than two would remain, the last is kept. points (>= count, 2), heading and
    progress (>= count,).
    """
    kept, total = 0, 0.0
    end_x, end_y, end_h = points[count - 1, 0], points[count - 1, 1], heading[count - 1]
    for i in range(count - 1):
        dx, dy = points[i + 1, 0] - points[i, 0], points[i + 1, 1] - points[i, 1]
        step = np.sqrt(dx * dx + dy * dy)
        if step > _SAME:
            points[kept, 0], points[kept, 1], heading[kept] = points[i, 0], points[i, 1], heading[i]
            progress[kept] = total
            kept += 1
        total += step
    if kept < 2 and total > _SAME:
        points[kept, 0], points[kept, 1], heading[kept] = end_x, end_y, end_h
        progress[kept] = total
        kept += 1
    for i in range(1, kept):
        turn = heading[i] - heading[i - 1]
        if abs(turn) >= np.pi:
            turned = wrap(turn)
            if turned == -np.pi and turn > 0.0:
                turned = np.pi
            heading[i] = heading[i - 1] + turned
    return kept


@small_njit
def clamp_progress(progress: F64, count: int, s: float) -> float:
    """``s`` limited to the rail."""
    return max(progress[0], min(s, progress[count - 1]))


@small_njit
def first_from(values: F64, count: int, s: float) -> int:
    """Index of the first of ``count`` ascending values that is not below ``s``; count where there is none."""
    low, left = 0, count
    while left > 0:
        half = left // 2
        if values[low + half] >= s:
            left = half
        else:
            low, left = low + half + 1, left - half - 1
    return low


@small_njit
def first_beyond(values: F64, count: int, s: float) -> int:
    """Index of the first of ``count`` ascending values above ``s``; count where there is none."""
    low, left = 0, count
    while left > 0:
        half = left // 2
        if values[low + half] > s:
            left = half
        else:
            low, left = low + half + 1, left - half - 1
    return low


@small_njit
def segment_of(progress: F64, count: int, s: float) -> int:
    """Index i of the segment (i, i + 1) that is used to interpolate at ``s``: the first whose end is not before
    ``s``."""
    return min(max(first_from(progress, count, s), 1), count - 1) - 1


@small_njit
def pose_between(progress: F64, points: F64, heading: F64, i: int, s: float) -> tuple[float, float, float]:
    """x, y and heading at ``s`` on segment i, linear in progress (or time): slope first, as scipy's ``interp1d``, to
    the last bit."""
    length, ahead = progress[i + 1] - progress[i], s - progress[i]
    x = (points[i + 1, 0] - points[i, 0]) / length * ahead + points[i, 0]
    y = (points[i + 1, 1] - points[i, 1]) / length * ahead + points[i, 1]
    return x, y, (heading[i + 1] - heading[i]) / length * ahead + heading[i]


@small_njit
def pose_at(progress: F64, points: F64, heading: F64, count: int, s: float) -> tuple[float, float, float]:
    """x, y and heading in [-pi, pi) at ``s``, which must lie on the rail."""
    x, y, h = pose_between(progress, points, heading, segment_of(progress, count, s), s)
    return x, y, wrap(h)


@small_njit
def pose_before(progress: F64, points: F64, heading: F64, i: int, s: float) -> tuple[float, float, float]:
    """``pose_at`` where vertex i > 0 is the first beyond ``s``."""
    x, y, h = pose_between(progress, points, heading, i - 2 if i > 1 and progress[i - 1] == s else i - 1, s)
    return x, y, wrap(h)


@small_njit
def rest_of_rail(progress: F64, points: F64, heading: F64, count: int, s: float, out: F64, out_heading: F64) -> int:
    """The rail from ``s`` to its end: interpolated start, then the vertices beyond; at the very end its last two
    vertices.

    Writes out (>= count + 1, 2) and out_heading (>= count + 1,); returns the number of vertices. ``s`` must lie on the
    rail.
    """
    first = first_beyond(progress, count, s)
    n = 0
    if first < count:
        out[0, 0], out[0, 1], out_heading[0] = pose_before(progress, points, heading, first, s)
        n = 1
    else:
        first = count - 2
    for i in range(first, count):
        out[n, 0], out[n, 1], out_heading[n] = points[i, 0], points[i, 1], heading[i]
        n += 1
    return n


@small_njit
def cut_rail(progress: F64, points: F64, heading: F64, count: int, start: float, end: float, out: F64) -> int:
    """Points of the rail from ``start`` to ``end`` (both on the rail, start <= end): out (N, 2); returns their number,
    0 where they are more than N.

    A start at the rail's end gives its last two vertices, an end at its start the first two.
    """
    first = first_beyond(progress, count, start)
    last = first_from(progress, count, end) - 1
    if last - first + 3 > len(out):
        return 0
    if first >= count or last < 0:
        i = count - 2 if first >= count else 0
        out[0, 0], out[0, 1], out[1, 0], out[1, 1] = points[i, 0], points[i, 1], points[i + 1, 0], points[i + 1, 1]
        return 2
    out[0, 0], out[0, 1], _ = pose_before(progress, points, heading, first, start)
    n = 1
    for i in range(first, last + 1):
        out[n, 0], out[n, 1] = points[i, 0], points[i, 1]
        n += 1
    out[n, 0], out[n, 1], _ = pose_between(progress, points, heading, last, end)
    return n + 1
