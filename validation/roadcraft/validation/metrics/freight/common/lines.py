"""Where points are on the center lines of lanes."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, Mask
from roadcraft.core.data.map import MapData
from roadcraft.core.driving.geometry.bounds import square_to_bounds
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.memo import memo

_SPAN = 16  # segments whose bounds are known
_ROUNDING_M2 = 1e-6  # squared distances may be off by less


class CenterLine(NamedTuple):
    """A line whose segments have a length, for kernels."""

    points: F64
    """(P, 2) m."""
    ends: F64
    """(P - 1,) m along the line to the end of each segment."""
    bounds: F64
    """(B, 4) least and largest x and y of each ``_SPAN`` segments."""


def center_line(line: F64) -> CenterLine:
    """The line (P, 2), whose points may repeat."""
    return CenterLine(*_measured(frozen(line)))


def lane_line(map_data: MapData, lane: int) -> CenterLine:
    """That of a lane, kept with its map."""
    return memo(map_data, ("center line", lane), lambda: center_line(map_data.lanes.centerlines[lane]))


def arcs_on(line: CenterLine, points: F64) -> tuple[F64, F64, F64]:
    """Arc lengths (n,) of points (n, 2) on a line that goes straight on beyond its ends, their distances from it (n,),
    and the line's headings (n,) there."""
    arc, off, heading = _arcs(line, frozen(points))
    return arc, off, heading


def steps_at(line: F64, points: F64) -> F64:
    """The segments (n, 2) of a line (P, 2) that begin with the vertex nearest to each of points (n, 2), the last one
    left out."""
    found: F64 = _steps(frozen(line), frozen(points))
    return found


def over_span(line: CenterLine, boxes: F64, span: tuple[float, float], beside_m: float, along: float) -> Mask:
    """Whether each of boxes (n, m, 5) reaches into a span, has its center within ``beside_m`` of the line, and heads
    along it: cosine ``along`` or more. (n, m)."""
    found: Mask = _over(line, frozen(boxes), span, beside_m, along)
    return found


# ---- kernels -------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _measured(line: F64) -> tuple[F64, F64, F64]:
    points, count = np.empty_like(line), min(len(line), 1)
    points[:count] = line[:count]
    for i in range(1, len(line)):
        if math.hypot(line[i, 0] - points[count - 1, 0], line[i, 1] - points[count - 1, 1]) > 0.0:
            points[count] = line[i]
            count += 1
    ends, last = np.empty(max(count - 1, 0)), 0.0
    bounds = np.empty(((count + _SPAN - 2) // _SPAN, 4))
    for i in range(count - 1):
        b = i // _SPAN
        if i % _SPAN == 0:
            bounds[b, :2], bounds[b, 2:] = points[i], points[i]
        last += math.hypot(points[i + 1, 0] - points[i, 0], points[i + 1, 1] - points[i, 1])
        ends[i] = last
        for k in range(2):
            bounds[b, k] = min(bounds[b, k], points[i + 1, k])
            bounds[b, 2 + k] = max(bounds[b, 2 + k], points[i + 1, k])
    return points[:count].copy(), ends, bounds


@small_njit
def _to_segment(points: F64, i: int, x: float, y: float) -> tuple[float, float, float]:
    """Squared distance of (x, y) to a segment, the first and the last of which have no end outward; the way along it;
    and its length."""
    ax, ay, dx, dy = points[i, 0], points[i, 1], points[i + 1, 0] - points[i, 0], points[i + 1, 1] - points[i, 1]
    length = math.hypot(dx, dy)
    t = ((x - ax) * dx + (y - ay) * dy) / length
    if i > 0:
        t = max(t, 0.0)
    if i < len(points) - 2:
        t = min(t, length)
    ox, oy = x - ax - t / length * dx, y - ay - t / length * dy
    return ox * ox + oy * oy, t, length


@small_njit
def _place(line: CenterLine, x: float, y: float, hint: int) -> tuple[float, float, int]:
    """Arc length and distance of (x, y), and the segment, the first of several; hint: a segment that may be near."""
    points, ends, bounds = line.points, line.ends, line.bounds
    count = len(points) - 1
    best, nearest, way, long = math.inf, count, 0.0, 0.0
    for k in range(3):  # a good guess, and both ends, which go on
        i = hint if k == 0 else 0 if k == 1 else count - 1
        d, t, length = _to_segment(points, i, x, y)
        if d < best or (d == best and i < nearest):
            best, nearest, way, long = d, i, t, length
    for b in range(len(bounds)):
        if square_to_bounds(bounds, b, x, y) > best + _ROUNDING_M2:
            continue
        for i in range(b * _SPAN, min((b + 1) * _SPAN, count)):
            d, t, length = _to_segment(points, i, x, y)
            if d < best or (d == best and i < nearest):
                best, nearest, way, long = d, i, t, length
    return ends[nearest] - long + way, math.sqrt(best), nearest


@small_njit
def _heading(line: CenterLine, arc: float, near: int) -> float:
    """Heading at an arc length; near: a segment beside it."""
    i, last = near, len(line.ends) - 1
    while i < last and line.ends[i] <= arc:
        i += 1
    while i > 0 and line.ends[i - 1] > arc:
        i -= 1
    return math.atan2(line.points[i + 1, 1] - line.points[i, 1], line.points[i + 1, 0] - line.points[i, 0])


@njit(cache=True, nogil=True)
def _arcs(line: CenterLine, points: F64) -> tuple[F64, F64, F64]:
    n, hint = len(points), 0
    arc, off, heading = np.zeros(n), np.empty(n), np.zeros(n)
    for k in range(n):
        x, y = points[k, 0], points[k, 1]
        if len(line.ends) == 0:
            off[k] = math.hypot(x - line.points[0, 0], y - line.points[0, 1])
            continue
        arc[k], off[k], hint = _place(line, x, y, hint)
        heading[k] = _heading(line, arc[k], hint)
    return arc, off, heading


@njit(cache=True, nogil=True)
def _over(line: CenterLine, boxes: F64, span: tuple[float, float], beside: float, along: float) -> Mask:
    (n, m, _), (low, high) = boxes.shape, span
    out = np.zeros((n, m), np.bool_)
    first, bounds = line.points[0], line.bounds
    least, most = (first[0], first[1]), (first[0], first[1])
    for b in range(len(bounds)):
        least = (min(least[0], bounds[b, 0]), min(least[1], bounds[b, 1]))
        most = (max(most[0], bounds[b, 2]), max(most[1], bounds[b, 3]))
    for i in range(m):
        hint = 0
        for k in range(n):
            x, y, half = boxes[k, i, 0], boxes[k, i, 1], 0.5 * boxes[0, i, 3]
            reach = half + beside + 1.0
            if max(least[0] - x, x - most[0]) > reach or max(least[1] - y, y - most[1]) > reach:
                continue
            if len(line.ends) == 0:
                arc, off, heading = 0.0, math.hypot(x - first[0], y - first[1]), 0.0
            else:
                arc, off, hint = _place(line, x, y, hint)
                heading = _heading(line, arc, hint)
            turned = math.cos(boxes[k, i, 2] - heading) >= along
            out[k, i] = turned and off <= beside and arc + half >= low and arc - half <= high
    return out


@njit(cache=True, nogil=True)
def _steps(line: F64, points: F64) -> F64:
    out, count, nearest = np.empty((len(points), 2)), len(line) - 1, 0
    bounds = np.empty(((count + _SPAN - 1) // _SPAN, 4))
    for i in range(count):
        b = i // _SPAN
        if i % _SPAN == 0:
            bounds[b, :2], bounds[b, 2:] = line[i], line[i]
        for k in range(2):
            bounds[b, k] = min(bounds[b, k], line[i, k])
            bounds[b, 2 + k] = max(bounds[b, 2 + k], line[i, k])
    for k in range(len(points)):
        x, y = points[k, 0], points[k, 1]
        best = (x - line[nearest, 0]) ** 2 + (y - line[nearest, 1]) ** 2
        for b in range(len(bounds)):
            if square_to_bounds(bounds, b, x, y) > best + _ROUNDING_M2:
                continue
            for i in range(b * _SPAN, min((b + 1) * _SPAN, count)):
                d = (x - line[i, 0]) ** 2 + (y - line[i, 1]) ** 2
                if d < best or (d == best and i < nearest):
                    best, nearest = d, i
        out[k, 0], out[k, 1] = line[nearest + 1, 0] - line[nearest, 0], line[nearest + 1, 1] - line[nearest, 1]
    return out
