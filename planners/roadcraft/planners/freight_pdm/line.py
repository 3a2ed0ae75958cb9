"""The route's center line in even steps, what the vehicle's units sweep beside it, and where on it others are.

A place is a station, m along the line, and an offset, m to its left. A way of the vehicle is an offset of unit 0's rear
axle at every station.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.geometry.angles import normalize
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.motion.chain import ChainArrays, place_units, pull_on

POINTS = 6  # points along each side of a unit, its corners included


class Line(NamedTuple):
    """S stations, 1 m apart."""

    xy: F64
    """(S, 2) m."""
    heading: F64
    """(S,) rad, unwrapped."""
    facing: F64
    """(S, 2): cosine and sine of the heading."""
    curvature: F64
    """(S,) 1/m, to the left positive."""


class LineEdges(NamedTuple):
    """Offsets of what lies beside the line's S stations, each (S, 2): right, left."""

    own: F64
    """The lane."""
    same: F64
    """Lanes of the same direction."""
    road: F64
    """All that is drivable."""
    apron: F64
    """What units behind unit 0 may roll on beyond the lane; 0 where there is no apron."""
    lee: F64
    """How much farther to either side the units reach in wind than as they roll."""


class TruckWay(NamedTuple):
    """A way over W stations of the line and what the vehicle does to its surroundings on it."""

    first: int
    """Station of its begin."""
    pose: F64
    """(W, 3): unit 0's rear axle, x, y, heading."""
    curvature: F64
    """(W,) 1/m of the axle's path."""
    stretch: F64
    """(W,): way of the axle for each m of the line."""
    band: F64
    """(W, 2): least and greatest offset of what all units sweep at a station."""
    excess: F64
    """(W, 3): how far, m, the units stand beyond the lane, beyond lanes of its direction, and beyond the road while
    unit 0 is at a station or was before."""


@small_njit
def station_of(line: Line, x: float, y: float, near: int) -> tuple[float, float]:
    """Station and offset of a point, looked for from station ``near`` on; before the first and beyond the last station
    the line goes straight on."""
    last, k, along, left = len(line.xy) - 1, near, 0.0, 0.0
    for _ in range(40):
        dx, dy = x - line.xy[k, 0], y - line.xy[k, 1]
        c, s = line.facing[k, 0], line.facing[k, 1]
        along, left = dx * c + dy * s, dy * c - dx * s
        step = along / max(1.0 - line.curvature[k] * left, 0.25)
        if (k == 0 and step < 0.0) or (k == last and step > 0.0):
            break
        along = step
        if abs(step) <= 0.75:
            break
        k = min(max(k + math.floor(step + 0.5), 0), last)
    return k + along, left


@small_njit
def nearest_station(line: Line, x: float, y: float, first: int, last: int) -> int:
    """The station of those from ``first`` to ``last`` that is nearest to a point, to within 4 m."""
    best, least = first, math.inf
    for k in range(first, last + 1, 4):
        dx, dy = x - line.xy[k, 0], y - line.xy[k, 1]
        if dx * dx + dy * dy < least:
            best, least = k, dx * dx + dy * dy
    return best


@njit(cache=True, nogil=True)
def sweep(line: Line, edges: LineEdges, offset: F64, first: int, joints: F64, chain: ChainArrays) -> TruckWay:
    """The way with the given offsets (W,) from station ``first`` on. joints (J,): at its begin."""
    count, n = len(offset), len(chain.wheel_base)
    pose, curvature, stretch = np.empty((count, 3)), np.zeros(count), np.ones(count)
    band, excess = np.empty((count, 2)), np.zeros((count, 3))
    for k in range(count):
        i = first + k
        before, after = offset[max(k - 1, 0)], offset[min(k + 1, count - 1)]
        slope = (after - before) / max(min(k + 1, count - 1) - max(k - 1, 0), 1)
        c, s = line.facing[i, 0], line.facing[i, 1]
        pose[k, 0], pose[k, 1] = line.xy[i, 0] - offset[k] * s, line.xy[i, 1] + offset[k] * c
        along = max(1.0 - line.curvature[i] * offset[k], 0.2)
        pose[k, 2] = line.heading[i] + math.atan2(slope, along)
        stretch[k] = math.sqrt(along * along + slope * slope)
        band[k, 0], band[k, 1] = offset[k] - 0.5 * chain.width[0], offset[k] + 0.5 * chain.width[0]
    for k in range(count):
        a, b = max(k - 2, 0), min(k + 2, count - 1)
        curvature[k] = (pose[b, 2] - pose[a, 2]) / max(np.sum(stretch[a:b]), 1e-6)
    bent, units = joints.copy(), np.empty((n, 3))
    for k in range(count):
        if k > 0:
            pull_on(pose[k - 1], pose[k], bent, chain)
            for column in range(3):
                excess[k, column] = excess[k - 1, column]
        place_units(pose[k], bent, chain, units)
        reach_out(line, edges, units, chain, (first + k, first), band, excess[k])
    return TruckWay(first, pose, curvature, stretch, band, excess)


@small_njit
def reach_out(
    line: Line, edges: LineEdges, units: F64, chain: ChainArrays, at: tuple[int, int], band: F64, excess: F64
) -> None:
    """Raises excess (3,) to how far the units, poses (n, 3), stand beyond the edges, and widens the band (W, 2) at the
    stations where they are. Of units behind unit 0 what lies on an apron is not beyond. at: a station near
    unit 0, and that of the band's begin."""
    first = at[1]
    for u in range(len(units)):
        c, s, near = math.cos(units[u, 2]), math.sin(units[u, 2]), at[0]
        for p in range(POINTS):
            long = chain.front[u] - (chain.front[u] + chain.rear[u]) * p / (POINTS - 1)
            for turn in range(2):
                side = (0.5 - turn) * chain.width[u]
                x, y = units[u, 0] + long * c - side * s, units[u, 1] + long * s + side * c
                station, left = station_of(line, x, y, near)
                near = min(max(int(station + 0.5), 0), len(line.xy) - 1)
                if station >= first and len(band):
                    k = min(near - first, len(band) - 1)
                    band[k, 0] = min(band[k, 0], left + edges.lee[near, 0])
                    band[k, 1] = max(band[k, 1], left + edges.lee[near, 1])
                if u > 0:  # what lies on an apron does not count
                    left -= max(min(left, edges.apron[near, 1]) - edges.own[near, 1], 0.0)
                    left += max(edges.own[near, 0] - max(left, edges.apron[near, 0]), 0.0)
                right, left = left + edges.lee[near, 0], left + edges.lee[near, 1]
                excess[0] = max(excess[0], left - edges.own[near, 1], edges.own[near, 0] - right)
                excess[1] = max(excess[1], left - edges.same[near, 1], edges.same[near, 0] - right)
                excess[2] = max(excess[2], left - edges.road[near, 1], edges.road[near, 0] - right)


@small_njit
def pose_along(way: TruckWay, station: float) -> tuple[float, float, float, float]:
    """x, y, heading and curvature of a way at a station, straight on beyond its ends."""
    u = station - way.first
    k = min(max(int(u), 0), len(way.pose) - 2)
    f = u - k
    g = min(max(f, 0.0), 1.0)
    a, b = way.pose[k], way.pose[k + 1]
    heading = normalize(a[2] + g * (b[2] - a[2]))
    return (
        a[0] + f * (b[0] - a[0]),
        a[1] + f * (b[1] - a[1]),
        heading,
        way.curvature[k] + g * (way.curvature[k + 1] - way.curvature[k]),
    )


@njit(cache=True, nogil=True)
def eased(now: F64, goal: F64, over: int) -> F64:
    """Offsets (W,) that leave those of ``now`` at their begin and reach those of ``goal`` after ``over`` stations,
    smooth to the second derivative."""
    out = np.empty(len(now))
    for k in range(len(now)):
        u = min(k / over, 1.0)
        out[k] = goal[k] + (now[k] - goal[k]) * (1.0 - u * u * u * (10.0 + u * (6.0 * u - 15.0)))
    return out
