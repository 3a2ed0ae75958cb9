"""What each row of a crowd sees, in one vector of float32: itself, the road along its route and beside it, and who is
near.

Places, directions and velocities of others are in the row's own axes: origin at the center of its first unit's box, x
forward, y left. The nearest are those whose circles come nearest to a box of the row's vehicle, so that who can touch
it is among them, unless more than ``NEIGHBORS`` circles reach into its boxes.
"""

from __future__ import annotations

import math

import numpy as np

from roadcraft.core.data.scenario import LightState
from roadcraft.core.driving.features.columns import FeatureColumn
from roadcraft.core.driving.geometry.angles import wrap
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.multi_agent.following import STOPS

NEIGHBORS = 16
"""Nearest others that a row sees."""
POINTS_M = (2.0, 4.0, 7.0, 10.0, 15.0, 20.0, 27.0, 35.0, 45.0, 60.0, 80.0, 100.0)
"""Ways ahead, m, at which the row sees points of its line and of those beside it."""
FAR_M = 100.0
"""Ways ahead are told up to here, m."""


class OwnColumn(FeatureColumn):
    """The row itself and its place on the road; 0 where it has no lane."""

    SPEED = "speed forward", "m/s"
    ACCELERATION = "acceleration forward", "m/s2"
    STEERING = "steering angle, left positive", "rad"
    YAW_RATE = "rate of the heading, left positive", "rad/s"
    LAST_ACCELERATION = "acceleration that it asked for last", "m/s2"
    LAST_STEERING_RATE = "steering rate that it asked for last", "rad/s"
    LENGTH = "length of its first unit", "m"
    WIDTH = "width of its first unit", "m"
    AXLE_TO_CENTER = "rear axle to the center of the box", "m"
    WHEEL_BASE = "wheel base", "m"
    MAX_STEERING = "largest steering angle", "rad"
    OVERALL_LENGTH = "front end to rear end of the last unit, all in line", "m"
    JOINT_1 = "heading of the second unit less that of the first, 0 without", "rad"
    JOINT_2 = "heading of the third unit less that of the second, 0 without", "rad"
    JOINT_3 = "heading of the fourth unit less that of the third, 0 without", "rad"
    HAS_LANE = "1 where it is on a lane"
    LANE_OFFSET = "how far its axle is left of the lane's middle", "m"
    HEADING_COS = "cosine of its heading less the lane's direction"
    HEADING_SIN = "sine of its heading less the lane's direction"
    HAS_LIMIT = "1 where the lane has a speed limit"
    LIMIT = "speed limit of the lane, 0 without", "m/s"
    RED_AHEAD = "1 where the light of one of the next two lanes that have one is red, up to 100 m ahead"
    RED_DISTANCE = "way from its front to where that lane begins, 100 without", "m"
    ROUTE_AHEAD = "way from its axle to where its line leaves the route, at most 100", "m"
    ROUTE_LEFT = "the same on the line to its left, 0 without", "m"
    ROUTE_RIGHT = "the same on the line to its right, 0 without", "m"


class NearColumn(FeatureColumn):
    """A rigid unit near the row; all 0 where there is none."""

    X = "center, forward", "m"
    Y = "center, to the left", "m"
    COS = "cosine of its heading less the own"
    SIN = "sine of its heading less the own"
    VX = "velocity of its axle, forward", "m/s"
    VY = "velocity of its axle, to the left", "m/s"
    LENGTH = "length", "m"
    WIDTH = "width", "m"


class LinePointColumn(FeatureColumn):
    """A point of a line of lanes; all 0 where the line has ended, or its ``AHEAD`` known lanes have."""

    X = "forward", "m"
    Y = "to the left", "m"
    ON_ROUTE = "1 where the lane belongs to the route, -1 where it does not"


LINES = ("own", "left", "right")
OWN_SIZE, NEAR_SIZE, POINT_SIZE = len(OwnColumn), len(NearColumn), len(LinePointColumn)
NEAR_AT = OWN_SIZE
LINE_AT = NEAR_AT + NEIGHBORS * NEAR_SIZE
OBSERVATION_SIZE = LINE_AT + len(LINES) * len(POINTS_M) * POINT_SIZE
"""Numbers that a row sees."""
_POINTS = np.array(POINTS_M)
_POINTS.setflags(write=False)
_RED = int(LightState.RED)


def observation_columns() -> tuple[tuple[str, str, str], ...]:
    """Name, meaning and unit of each number of an observation, in order: ``speed``, ..., ``near_0.x``, ...,
    ``left_3.on_route``."""
    blocks = [("", OwnColumn), *((f"near_{k}.", NearColumn) for k in range(NEIGHBORS))]
    blocks += [(f"{line}_{k}.", LinePointColumn) for line in LINES for k in range(len(POINTS_M))]
    return tuple((prefix + c.name.lower(), c.meaning, c.unit) for prefix, columns in blocks for c in columns)


@njit(cache=True, nogil=True)
def observe_into(rows, lanes, places, checks, actions, given, near, out):  # type: ignore[no-untyped-def]
    """The observations of all rows, out (B, N, OBSERVATION_SIZE) float32: of the first units of vehicles that are
    driven, and of others too where ``given``; 0 of all other rows. near (4, N): scratch, center x and y and radius of
    each row, and how near it is to the one that sees."""
    for b in range(len(rows.place)):
        boxes = checks.boxes[b]
        for i in range(rows.there.shape[1]):
            there = rows.there[b, i] and math.isfinite(boxes[i, 0] + boxes[i, 1])
            near[0, i], near[1, i] = (boxes[i, 0], boxes[i, 1]) if there else (0.0, 0.0)
            near[2, i] = 0.5 * math.sqrt(boxes[i, 3] ** 2 + boxes[i, 4] ** 2) if there else -math.inf
        for i in range(rows.there.shape[1]):
            seen = out[b, i]
            seen[:] = 0.0
            if rows.there[b, i] and (given or rows.driven[b, i]) and rows.vehicle[b, i] == i:
                last = _see_itself(rows, b, i, actions, seen)
                _see_others(rows, checks, b, i, last, near, seen)
                if places.lane[b, i] >= 0:
                    _see_road(rows, lanes, places, checks, b, i, seen)


@small_njit
def _see_itself(rows, b, i, actions, seen):  # type: ignore[no-untyped-def]
    """Returns the row of the vehicle's last unit."""
    own, body = rows.state[b, i], rows.body[b, i]
    seen[OwnColumn.SPEED], seen[OwnColumn.ACCELERATION] = own[3], own[5]
    seen[OwnColumn.STEERING], seen[OwnColumn.YAW_RATE] = own[7], own[8]
    seen[OwnColumn.LAST_ACCELERATION], seen[OwnColumn.LAST_STEERING_RATE] = actions[b, i, 0], actions[b, i, 1]
    seen[OwnColumn.LENGTH], seen[OwnColumn.WIDTH], seen[OwnColumn.AXLE_TO_CENTER] = body[1], body[2], body[0]
    seen[OwnColumn.WHEEL_BASE], seen[OwnColumn.MAX_STEERING] = rows.motion[b, i, 0], rows.motion[b, i, 1]
    last, axle = i, 0.0
    while last + 1 < rows.there.shape[1] and rows.vehicle[b, last + 1] == i and rows.there[b, last + 1]:
        rear, last = axle + rows.body[b, last, 0] - 0.5 * rows.body[b, last, 1], last + 1
        if rows.towed[b, last, 0] > 0.0:
            axle += rows.towed[b, last, 1] - rows.towed[b, last, 0]
        else:  # its hitch is not known: its front end is where the unit before ends
            axle = rear - rows.body[b, last, 0] - 0.5 * rows.body[b, last, 1]
        if last - i <= 3:
            seen[OwnColumn.JOINT_1 + last - i - 1] = wrap(rows.state[b, last, 2] - rows.state[b, last - 1, 2])
    rear = axle + rows.body[b, last, 0] - 0.5 * rows.body[b, last, 1]
    seen[OwnColumn.OVERALL_LENGTH] = body[0] + 0.5 * body[1] - rear
    return last


@small_njit
def _see_others(rows, checks, b, i, last, near, seen):  # type: ignore[no-untyped-def]
    """Rank all others by how near their circles come to the boxes of rows i to last, and write the nearest."""
    boxes, turned, keys, n = checks.boxes[b], checks.turned[b], near[3], near.shape[1]
    keys[:] = math.inf
    for u in range(i, last + 1):
        pose = (boxes[u, 0], boxes[u, 1], turned[u, 2], turned[u, 3])
        _come_near(near[0], near[1], near[2], pose, 0.5 * boxes[u, 3], 0.5 * boxes[u, 4], keys)
    keys[i : last + 1] = math.inf
    x, y, c, s = boxes[i, 0], boxes[i, 1], turned[i, 2], turned[i, 3]
    order, count = checks.listed, 0
    for j in range(n):  # all are put in their places: who is near cannot be foretold, and wrong guesses cost more
        if keys[j] < math.inf:
            order[_not_above(keys[:j], keys[j]) + _below(keys[j + 1 :], keys[j])] = j
            count += 1
    for rank in range(min(count, NEIGHBORS)):
        j, at = order[rank], NEAR_AT + rank * NEAR_SIZE
        dx, dy = boxes[j, 0] - x, boxes[j, 1] - y
        cos, sin = turned[j, 2] * c + turned[j, 3] * s, turned[j, 3] * c - turned[j, 2] * s
        forward, left = rows.state[b, j, 3], rows.state[b, j, 4]
        seen[at + NearColumn.X], seen[at + NearColumn.Y] = dx * c + dy * s, dy * c - dx * s
        seen[at + NearColumn.COS], seen[at + NearColumn.SIN] = cos, sin
        seen[at + NearColumn.VX], seen[at + NearColumn.VY] = forward * cos - left * sin, forward * sin + left * cos
        seen[at + NearColumn.LENGTH], seen[at + NearColumn.WIDTH] = boxes[j, 3], boxes[j, 4]


# The loops of these three compile to vector instructions, so that to ask all costs less than to choose.


@small_njit
def _come_near(xs, ys, radii, pose, lon, lat, keys):  # type: ignore[no-untyped-def]
    """Lower ``keys`` to the distances of circles from one box; infinite where the radius is not finite."""
    x, y, c, s = pose
    for j in range(len(xs)):
        dx, dy = xs[j] - x, ys[j] - y
        gx, gy = max(abs(dx * c + dy * s) - lon, 0.0), max(abs(dy * c - dx * s) - lat, 0.0)
        keys[j] = min(keys[j], math.sqrt(gx * gx + gy * gy) - radii[j])


@small_njit
def _below(keys, key):  # type: ignore[no-untyped-def]
    count = 0
    for k in range(len(keys)):
        count += keys[k] < key
    return count


@small_njit
def _not_above(keys, key):  # type: ignore[no-untyped-def]
    count = 0
    for k in range(len(keys)):
        count += keys[k] <= key
    return count


@small_njit
def _see_road(rows, lanes, places, checks, b, i, seen):  # type: ignore[no-untyped-def]
    lane, along, c, s = places.lane[b, i], places.along[b, i], checks.turned[b, i, 2], checks.turned[b, i, 3]
    lc, ls = places.facing[b, i, 0], places.facing[b, i, 1]
    seen[OwnColumn.HAS_LANE], seen[OwnColumn.LANE_OFFSET] = 1.0, places.offset[b, i]
    seen[OwnColumn.HEADING_COS], seen[OwnColumn.HEADING_SIN] = c * lc + s * ls, s * lc - c * ls
    if lanes.limit[lane] < math.inf:
        seen[OwnColumn.HAS_LIMIT], seen[OwnColumn.LIMIT] = 1.0, lanes.limit[lane]
    front = along + rows.body[b, i, 0] + 0.5 * rows.body[b, i, 1]
    seen[OwnColumn.RED_DISTANCE] = FAR_M
    for k in range(STOPS):
        column, gap = places.stop[b, i, k], places.stop_at[b, i, k] - front
        if column >= 0 and 0.0 <= gap < FAR_M and places.light[b, column] == _RED:
            seen[OwnColumn.RED_AHEAD], seen[OwnColumn.RED_DISTANCE] = 1.0, gap
            break
    x, y = checks.boxes[b, i, 0], checks.boxes[b, i, 1]
    for line in range(3):
        first = places.ahead[b, i, line, 0]
        if first < 0:
            continue
        begin = along if line == 0 else along * lanes.length[first] / lanes.length[lane]
        seen[OwnColumn.ROUTE_AHEAD + line] = min(max(places.leaves[b, i, line] - begin, 0.0), FAR_M)
        at = LINE_AT + line * len(_POINTS) * POINT_SIZE
        _see_line(lanes, places.ahead[b, i, line], places.listed[b, i, line], begin, (x, y, c, s), at, seen)


@small_njit
def _see_line(lanes, ahead, listed, begin, frame, at, seen):  # type: ignore[no-untyped-def]
    """The points of a line from ``begin`` m along its first lane on."""
    (x, y, c, s), k, points = frame, 0, lanes.points
    lane, base = ahead[0], -begin
    first, step, length, on = lanes.point_at[lane], lanes.spacing[lane], lanes.length[lane], 1.0 if listed[0] else -1.0
    for p in range(len(_POINTS)):
        way = _POINTS[p] - base
        while way > length:
            k += 1
            if k == len(ahead) or ahead[k] < 0:
                return
            base, lane, way = base + length, ahead[k], way - length
            first, step, length = lanes.point_at[lane], lanes.spacing[lane], lanes.length[lane]
            on = 1.0 if listed[k] else -1.0
        q = first + max(int(way / step), 0)
        t = way - (q - first) * step
        dx, dy = points[q, 0] + t * points[q, 2] - x, points[q, 1] + t * points[q, 3] - y
        seen[at + LinePointColumn.X], seen[at + LinePointColumn.Y] = dx * c + dy * s, dy * c - dx * s
        seen[at + LinePointColumn.ON_ROUTE] = on
        at += POINT_SIZE
