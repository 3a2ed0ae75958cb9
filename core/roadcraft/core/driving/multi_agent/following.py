"""Where each row of a crowd is along its route: a place that goes on from the last one, lanes ahead of it and beside,
red lights that it passes.

A row keeps to its lane: it comes onto the next one where the lane ends, and onto the one beside it once that is nearer
by ``HYSTERESIS_M``. Lanes ahead are those of the route where it goes on from there, else the first that follows.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, U8, Mask
from roadcraft.core.data.scenario import LightState
from roadcraft.core.driving.jit import njit, small_njit

AHEAD = 12
"""Lanes that are known ahead on each of the three lines: that of the row and those to its left and right."""
STOPS = 2
"""Lanes governed by a light that are known ahead."""
BESIDE_M = 1.0
"""Offset from the lane's middle, m, from which on the lane beside is asked."""
HYSTERESIS_M = 0.5
"""How much nearer, m, the lane beside must be for the row to be on it."""
LOST_M = 6.0
"""Offset, m, beyond which the lane is looked for anew among those of the route."""
_RED, _STEPS, _TURN_M2 = int(LightState.RED), 64, 25.0


class RowPlaces(NamedTuple):
    """Of each of B times N rows where it is on its route. Lanes are rows of ``LaneField``; what is not there is -1."""

    route: NDArray[np.int32]
    """(B, N, R): lanes that belong to the row's route, in driving order, lanes beside each other in any."""
    lane: NDArray[np.int32]
    """(B, N): the lane it is on, -1: to be found, as of a row that is not there or has no route."""
    along: F64
    """(B, N): where on the lane, m from its beginning."""
    offset: F64
    """(B, N): how far left of the lane's middle, m."""
    facing: F64
    """(B, N, 2): cosine and sine of the lane's direction there."""
    ahead: NDArray[np.int32]
    """(B, N, 3, AHEAD): lanes of the own line, the one to the left and the one to the right, from where it is."""
    listed: Mask
    """(B, N, 3, AHEAD): which of them belong to the route."""
    leaves: F64
    """(B, N, 3): way from the beginning of each line's first lane to where the line leaves the route, m."""
    stop: NDArray[np.int32]
    """(B, N, STOPS): columns of ``governed`` of the next lanes ahead that have a light."""
    stop_at: F64
    """(B, N, STOPS): way from the beginning of the lane it is on to theirs, m."""
    ran_red: Mask
    """(B, N): in the last step its front came past the beginning of a lane whose light is red."""
    governed: NDArray[np.int32]
    """(B, G): lanes that have a light."""
    light: U8
    """(B, G): their ``LightState``."""

    @classmethod
    def empty(cls, scenarios: int, rows: int, route_lanes: int, lights: int) -> RowPlaces:
        """Nobody has a route, and there are no lights."""
        shape = (scenarios, rows)

        def none(*size: int) -> NDArray[np.int32]:
            return np.full((*shape, *size), -1, np.int32)

        return cls(
            none(route_lanes), none(), np.zeros(shape), np.zeros(shape), np.zeros((*shape, 2)), none(3, AHEAD),
            np.zeros((*shape, 3, AHEAD), np.bool_), np.zeros((*shape, 3)), none(STOPS), np.zeros((*shape, STOPS)),
            np.zeros(shape, np.bool_), np.full((scenarios, lights), -1, np.int32),
            np.full((scenarios, lights), LightState.UNKNOWN, np.uint8),
        )  # fmt: skip


@small_njit
def walk(lanes, lane, along, x, y):  # type: ignore[no-untyped-def]
    """The place on a lane that is nearest to (x, y), looked for from ``along`` m on, segment by segment until it does
    not get nearer. Returns the way along the lane, below 0 before its beginning and beyond its length behind its end;
    the offset to the left; the number of the segment's point."""
    first, last, step, points = lanes.point_at[lane], lanes.point_at[lane + 1] - 2, lanes.spacing[lane], lanes.points
    i, before, left = first + int(min(max(along / step, 0.0), last - first + 0.0)), 0, _STEPS
    while True:
        dx, dy, c, s = x - points[i, 0], y - points[i, 1], points[i, 2], points[i, 3]
        t = dx * c + dy * s
        way = -1 if t < 0.0 and i > first else 1 if t > step and i < last else 0
        if way == 0 or left == 0:
            break
        if way == -before:  # between two segments
            t = min(max(t, 0.0), step)
            break
        i, before, left = i + way, way, left - 1
    return (i - first) * step + t, dy * c - dx * s, i


@small_njit
def _in(listed, lane):  # type: ignore[no-untyped-def]
    for k in range(len(listed)):
        if listed[k] == lane:
            return k
        if listed[k] < 0:
            break
    return -1


@small_njit
def _next(lanes, lane, route):  # type: ignore[no-untyped-def]
    """The lane that goes on from one along a route, and its place in the route."""
    first, last = lanes.following_at[lane], lanes.following_at[lane + 1]
    for k in range(first, last):
        at = _in(route, lanes.following[k])
        if at >= 0:
            return lanes.following[k], at
    return (lanes.following[first] if last > first else np.int32(-1)), -1


@njit(cache=True, nogil=True)
def look_ahead(lanes, places, b, i):  # type: ignore[no-untyped-def]
    """Fill what a row sees from the lane that it has come onto."""
    own, route, ahead, listed = places.lane[b, i], places.route[b, i], places.ahead[b, i], places.listed[b, i]
    for line in range(3):
        lane = own if line == 0 else lanes.beside[own, line - 1]
        at = _in(route, lane) if lane >= 0 else -1
        there, way = True, 0.0
        for k in range(AHEAD):
            ahead[line, k], listed[line, k] = lane, at >= 0
            there = there and at >= 0
            if lane >= 0:
                way += lanes.length[lane] if there else 0.0
                lane, at = _next(lanes, lane, route)
        places.leaves[b, i, line] = way
    way, found, stop, stop_at = lanes.length[own], 0, places.stop[b, i], places.stop_at[b, i]
    stop[:] = -1
    for k in range(1, AHEAD):
        lane = ahead[0, k]
        if lane < 0 or found == STOPS:
            break
        column = _in(places.governed[b], lane)
        if column >= 0:
            stop[found], stop_at[found] = column, way
            found += 1
        way += lanes.length[lane]


@njit(cache=True, nogil=True)
def _find(lanes, places, b, i, own, cosine, sine):  # type: ignore[no-untyped-def]
    """Put a row on the lane of its route that is nearest to its axle, ``own`` (10,), and goes its way."""
    best, lane, along = math.inf, -1, 0.0
    for k in range(places.route.shape[2]):
        at = places.route[b, i, k]
        if at < 0:
            break
        for p in range(lanes.point_at[at], lanes.point_at[at + 1]):
            dx, dy = own[0] - lanes.points[p, 0], own[1] - lanes.points[p, 1]
            d = dx * dx + dy * dy + _TURN_M2 * (1.0 - cosine * lanes.points[p, 2] - sine * lanes.points[p, 3])
            if d < best:
                best, lane, along = d, at, (p - lanes.point_at[at]) * lanes.spacing[at]
    if lane >= 0:
        places.lane[b, i] = lane
        along, offset, point = walk(lanes, lane, along, own[0], own[1])
        _put(lanes, places, b, i, along, offset, point)
        look_ahead(lanes, places, b, i)


@small_njit
def _put(lanes, places, b, i, along, offset, point):  # type: ignore[no-untyped-def]
    places.along[b, i], places.offset[b, i] = along, offset
    places.facing[b, i, 0], places.facing[b, i, 1] = lanes.points[point, 2], lanes.points[point, 3]


@small_njit
def _passes_red(places, b, i, before, after):  # type: ignore[no-untyped-def]
    """Whether a front that goes from one way along the lane to another comes past a red light."""
    for k in range(STOPS):
        column = places.stop[b, i, k]
        if column >= 0 and before <= places.stop_at[b, i, k] < after and places.light[b, column] == _RED:
            return True
    return False


@njit(cache=True, nogil=True)
def _go_on(lanes, places, b, i, own, front, dt):  # type: ignore[no-untyped-def]
    """Where a row that has a lane is now. Returns whether its front, ``front`` m ahead of its axle, ran a red light."""
    x, y, lane, before = own[0], own[1], places.lane[b, i], places.along[b, i]
    along, offset, point = walk(lanes, lane, before + own[3] * dt, x, y)
    red = _passes_red(places, b, i, before + front, along + front)
    for _ in range(AHEAD):
        following = places.ahead[b, i, 0, 1]
        if along <= lanes.length[lane] or following < 0:
            break
        along, lane = along - lanes.length[lane], following
        along, offset, point = walk(lanes, lane, along, x, y)
        places.lane[b, i] = lane
        look_ahead(lanes, places, b, i)
    while abs(offset) > BESIDE_M:
        other = lanes.beside[lane, 0 if offset > 0.0 else 1]
        if other < 0:
            break
        there, nearer, at = walk(lanes, other, along * lanes.length[other] / lanes.length[lane], x, y)
        if not abs(nearer) + HYSTERESIS_M < abs(offset):
            break
        lane, along, offset, point = other, there, nearer, at
        places.lane[b, i] = lane
        look_ahead(lanes, places, b, i)
    _put(lanes, places, b, i, along, offset, point)
    return red


@njit(cache=True, nogil=True)
def follow_into(rows, lanes, places, b, dt, turned):  # type: ignore[no-untyped-def]
    """Where the rows of scenario b are after a step of ``dt`` s; where it is 0, nobody runs a red light. rows, lanes,
    places: ``CrowdRows``, ``LaneField``, :class:`RowPlaces`, held; turned: ``CrowdChecks.turned``."""
    for i in range(rows.there.shape[1]):
        places.ran_red[b, i] = False
        if not rows.there[b, i] or places.route[b, i, 0] < 0:
            places.lane[b, i] = -1
            continue
        own, known = rows.state[b, i], turned[b, i]
        if not math.isfinite(own[0] + own[1] + own[3]):
            places.lane[b, i] = -1
            continue
        if places.lane[b, i] >= 0 and abs(places.offset[b, i]) <= LOST_M:
            front = rows.body[b, i, 0] + 0.5 * rows.body[b, i, 1]
            places.ran_red[b, i] = _go_on(lanes, places, b, i, own, front, dt) and dt > 0.0
            if abs(places.offset[b, i]) <= LOST_M:
                continue
        _find(lanes, places, b, i, own, known[2], known[3])
