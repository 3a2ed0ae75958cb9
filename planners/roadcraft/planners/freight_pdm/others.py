"""Where others will be, by their lanes, and who of them is in a way."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, Mask
from roadcraft.core.driving.geometry.angles import normalize
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.map_index.cell_edges import rows_in_cell
from roadcraft.planners.freight_pdm.line import Line, TruckWay, nearest_station, station_of
from roadcraft.planners.trajectory_scoring.area_checks import MapArrays
from roadcraft.planners.trajectory_scoring.traffic import Traffic

ALIGNED_RAD = 0.6
"""Largest angle between a vehicle and the lane that it is taken to follow."""
_DRIFT_S = 2.0  # for which a vehicle is taken to go on moving across its lane
_SLOWS_S = 3.0  # for which it is taken to go on slowing down
_MOST = 32


class Successors(NamedTuple):
    """Lanes that follow each lane: rows ``values[offsets[k]:offsets[k + 1]]``."""

    values: I64
    offsets: I64


class UsersAhead(NamedTuple):
    """M objects at S moments, beside the line."""

    span: F64
    """(M, S, 2): stations of rear and front."""
    side: F64
    """(M, S, 2): least and greatest offset."""
    facing: F64
    """(M, S, 2): cosine and sine of the angle between object and line."""
    size: F64
    """(M, 2): length and width, m."""
    speed: F64
    """(M, S) m/s along the line."""
    slowing: F64
    """(M,) m/s2 by which it slows down now."""
    long: Mask
    """(M,): longer than a car, so that it brakes as a truck."""


@small_njit
def _toward(points: F64, k: int) -> float:
    return math.atan2(points[k + 1, 1] - points[k, 1], points[k + 1, 0] - points[k, 0])


@small_njit
def _vertex_before(map_arrays: MapArrays, row: int, x: float, y: float) -> int:
    """The vertex at which the segment of a lane's center line begins that is nearest to a point."""
    a, b, p = map_arrays.line_at[row], map_arrays.line_at[row + 1], map_arrays.line_points
    best, at = math.inf, a
    for i in range(a, b - 1):
        ux, uy = p[i + 1, 0] - p[i, 0], p[i + 1, 1] - p[i, 1]
        length2 = ux * ux + uy * uy
        t = 0.0
        if length2 > 0.0:
            t = min(max(((x - p[i, 0]) * ux + (y - p[i, 1]) * uy) / length2, 0.0), 1.0)
        d = (x - p[i, 0] - t * ux) ** 2 + (y - p[i, 1] - t * uy) ** 2
        if d < best:
            best, at = d, i
    return at


@small_njit
def lane_of(map_arrays: MapArrays, x: float, y: float, heading: float, rows: I64) -> int:
    """The lane under a point that leads where a vehicle looks; -1 where none does."""
    best, least = -1, ALIGNED_RAD
    for i in range(rows_in_cell(map_arrays.lanes, x, y, rows, 0)):
        if map_arrays.line_at[rows[i] + 1] - map_arrays.line_at[rows[i]] < 2:
            continue
        off = abs(normalize(_toward(map_arrays.line_points, _vertex_before(map_arrays, rows[i], x, y)) - heading))
        if off < least:
            best, least = rows[i], off
    return best


@small_njit
def _next_lane(map_arrays: MapArrays, after: Successors, row: int, heading: float) -> int:
    """The lane after another that turns least; -1 where none follows."""
    best, least = -1, math.inf
    for k in range(after.offsets[row], after.offsets[row + 1]):
        r = after.values[k]
        if map_arrays.line_at[r + 1] - map_arrays.line_at[r] < 2:
            continue
        off = abs(normalize(_toward(map_arrays.line_points, map_arrays.line_at[r]) - heading))
        if off < least:
            best, least = r, off
    return best


@njit(cache=True, nogil=True)
def along_lanes(
    traffic: Traffic, slowing: F64, map_arrays: MapArrays, after: Successors, step_s: float, count: int
) -> tuple[F64, F64]:
    """Poses (M, S, 4) x, y, cos, sin of the objects at ``count`` moments, every ``step_s`` s from now on, and their
    speeds (M, S): whoever drives along a lane follows it, all others go straight on. slowing (M,) m/s2: that of now,
    which lasts for some seconds."""
    out, rows = np.empty((len(traffic.box), count, 4)), np.empty(_MOST, np.int64)
    pace, way = np.empty((len(traffic.box), count)), np.empty(count)
    points = map_arrays.line_points
    for j in range(len(traffic.box)):
        b, speed, heading = traffic.box[j], traffic.speed[j], traffic.heading[j]
        for t in range(count):
            lasts = min(t * step_s, _SLOWS_S, speed / max(slowing[j], 1e-6))
            pace[j, t] = max(speed - slowing[j] * lasts, 0.0)
            way[t] = speed * lasts - 0.5 * slowing[j] * lasts * lasts + pace[j, t] * (t * step_s - lasts)
        lane = -1
        ahead = traffic.moved[j, 0] * b[2] + traffic.moved[j, 1] * b[3] >= 0.0
        if traffic.moving[j] and speed > 0.5 and ahead:
            lane = lane_of(map_arrays, b[0], b[1], heading, rows)
        if lane < 0:
            for t in range(count):
                gone = way[t] / speed if speed > 0.0 else 0.0
                out[j, t, 0], out[j, t, 1] = b[0] + gone * traffic.moved[j, 0], b[1] + gone * traffic.moved[j, 1]
                out[j, t, 2], out[j, t, 3] = b[2], b[3]
            continue
        k = _vertex_before(map_arrays, lane, b[0], b[1])
        h = _toward(points, k)
        c, s = math.cos(h), math.sin(h)
        at = (b[0] - points[k, 0]) * c + (b[1] - points[k, 1]) * s
        left = (b[1] - points[k, 1]) * c - (b[0] - points[k, 0]) * s
        off = normalize(heading - h)
        along, across = math.cos(off), speed * math.sin(off)
        length = math.hypot(points[k + 1, 0] - points[k, 0], points[k + 1, 1] - points[k, 1])
        for t in range(count):
            if t > 0:
                at += along * (way[t] - way[t - 1])
                while at > length:
                    if k + 2 < map_arrays.line_at[lane + 1]:
                        k += 1
                    else:
                        following = _next_lane(map_arrays, after, lane, h)
                        if following < 0:
                            break
                        lane, k = following, map_arrays.line_at[following]
                    at -= length
                    h = _toward(points, k)
                    length = math.hypot(points[k + 1, 0] - points[k, 0], points[k + 1, 1] - points[k, 1])
                c, s = math.cos(h), math.sin(h)
            side = left + across * min(t * step_s, _DRIFT_S)
            out[j, t, 0], out[j, t, 1] = points[k, 0] + at * c - side * s, points[k, 1] + at * s + side * c
            out[j, t, 2], out[j, t, 3] = (b[2], b[3]) if t == 0 else (c, s)
    return out, pace


@njit(cache=True, nogil=True)
def beside(
    line: Line, traffic: Traffic, predicted: tuple[F64, F64], slowing: F64, window: tuple[int, int], long_m: float
) -> UsersAhead:
    """The objects beside the stations of a window (first, last). predicted, slowing: of :func:`along_lanes`; long_m:
    length from which on they brake as trucks."""
    path, pace = predicted
    m, count = path.shape[0], path.shape[1]
    span, side, speed = np.empty((m, count, 2)), np.empty((m, count, 2)), np.empty((m, count))
    facing = np.empty((m, count, 2))
    for j in range(m):
        near = nearest_station(line, path[j, 0, 0], path[j, 0, 1], window[0], window[1])
        length, width = traffic.box[j, 4], traffic.box[j, 5]
        for t in range(count):
            if t > 0 and path[j, t, 0] == path[j, t - 1, 0] and path[j, t, 1] == path[j, t - 1, 1]:
                span[j, t], side[j, t], speed[j, t] = span[j, t - 1], side[j, t - 1], speed[j, t - 1]
                facing[j, t] = facing[j, t - 1]
                continue
            at, left = station_of(line, path[j, t, 0], path[j, t, 1], near)
            near = min(max(int(at + 0.5), 0), len(line.xy) - 1)
            c = line.facing[near, 0] * path[j, t, 2] + line.facing[near, 1] * path[j, t, 3]
            s = line.facing[near, 0] * path[j, t, 3] - line.facing[near, 1] * path[j, t, 2]
            facing[j, t, 0], facing[j, t, 1] = c, s
            wider = max(1.0 - line.curvature[near] * left, 0.25)  # than a m of the line
            half, across = (
                0.5 * (length * abs(c) + width * abs(s)) / wider,
                0.5 * (length * abs(s) + width * abs(c)),
            )
            span[j, t, 0], span[j, t, 1] = at - half, at + half
            side[j, t, 0], side[j, t, 1] = left - across, left + across
            backward = traffic.moved[j, 0] * traffic.box[j, 2] + traffic.moved[j, 1] * traffic.box[j, 3] < 0.0
            speed[j, t] = pace[j, t] * (-c if backward else c)
    size = traffic.box[:, 4:6].copy()
    return UsersAhead(span, side, facing, size, speed, slowing, traffic.moving & (size[:, 0] > long_m))


@small_njit
def _cut(along: float, facing: F64, size: F64) -> tuple[float, float]:
    """From where to where, m to the left of its center, a box is ``along`` m ahead of it. facing: cosine and sine of
    its heading; size: length and width."""
    (c, s), low, high = (facing[0], facing[1]), -math.inf, math.inf
    if abs(s) > 1e-6:
        middle, half = -along * c / s, 0.5 * size[0] / abs(s)
        low, high = middle - half, middle + half
    if abs(c) > 1e-6:
        middle, half = along * s / c, 0.5 * size[1] / abs(c)
        low, high = max(low, middle - half), min(high, middle + half)
    return low, high


@njit(cache=True, nogil=True)
def in_the_way(others: UsersAhead, traffic: Traffic, way: TruckWay, room: tuple[float, float]) -> Mask:
    """Who of the others is within the band that the units sweep at a moment: (M, S). room: m beside it, from what
    stands and from what moves."""
    m, count = others.speed.shape
    out, last = np.zeros((m, count), np.bool_), len(way.band) - 1
    for j in range(m):
        if traffic.ignored[j]:
            continue
        beside_m = room[1] if traffic.speed[j] > 0.05 else room[0]
        long, wide = others.size[j, 0], others.size[j, 1]
        for t in range(count):
            (rear, front), left = others.span[j, t], 0.5 * (others.side[j, t, 0] + others.side[j, t, 1])
            half = 0.5 * (long * abs(others.facing[j, t, 0]) + wide * abs(others.facing[j, t, 1]))
            a = min(max(int(rear) - way.first, 0), last)
            b = min(max(int(front + 1.0) - way.first, 0), last)
            for k in range(a, b + 1):
                share = min(max((way.first + k - rear) / max(front - rear, 1e-6), 0.0), 1.0)
                low, high = _cut((2.0 * share - 1.0) * half, others.facing[j, t], others.size[j])
                if left + low < way.band[k, 1] + beside_m and left + high > way.band[k, 0] - beside_m:
                    out[j, t] = True
                    break
    return out
