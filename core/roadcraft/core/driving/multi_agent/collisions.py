"""What must not happen to any of N agents: touching another one, or having a corner off the road. Exact, for every
agent at once.

Two boxes touch as ``boxes.overlap`` defines it, by circles around them first, then separating axes, then exact signs;
units of one vehicle never touch each other. Corners are those of ``boxes.corners``, to the last bit; ``road_field``
says what is off the road.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64, Mask
from roadcraft.core.driving.geometry.boxes import convex_touch, separation, turned_corners
from roadcraft.core.driving.geometry.tolerances import CLEAR_M
from roadcraft.core.driving.held import Held
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.multi_agent.road_grid import RoadField, off_road_into
from roadcraft.core.driving.readonly import frozen

_HALF_PI = math.pi / 2.0


class CrowdChecks(NamedTuple):
    """What is found of B times N agents, and what is kept of them from step to step."""

    boxes: F64
    """(B, N, 5): center x, y, heading, length, width."""
    corners: F64
    """(B, N, 4, 2), as of ``boxes.corners``."""
    touched: NDArray[np.int32]
    """(B, N): the lowest row of an agent that it touches, or -1."""
    off: Mask
    """(B, N, 4): corners off the road."""
    turned: F64
    """(B, N, 7): a heading and a steering angle; cosine and sine of the heading and of a quarter turn to its left, and
    tangent of the angle."""
    circles: F64
    """(3, N): scratch."""
    listed: I64
    """(N,): scratch."""

    @classmethod
    def empty(cls, scenarios: int, rows: int) -> CrowdChecks:
        """Nobody there."""
        shape = (scenarios, rows)
        return cls(
            np.zeros((*shape, 5)), np.zeros((*shape, 4, 2)), np.full(shape, -1, np.int32),
            np.zeros((*shape, 4), np.bool_), np.full((*shape, 7), np.nan), np.zeros((3, rows)),
            np.zeros(rows, np.int64),
        )  # fmt: skip


def check_crowd(
    boxes: F64, vehicle: I64, valid: Mask, field: RoadField, place: int = 0
) -> tuple[NDArray[np.int32], Mask]:
    """Whom each of N agents touches, and which of its corners are off the road.

    boxes (N, 5): center x, y, heading, length, width; vehicle (N,) int64: equal for the units of one vehicle; valid
    (N,) bool: agents that are there; field, place: the road, and which of its maps. Returns touched (N,) int32, the
    lowest row of an agent that it touches or -1, and off (N, 4) bool in the order of ``boxes.corners``. An agent that
    is not there touches nothing and is on the road.
    """
    out = CrowdChecks.empty(1, len(boxes))
    out.boxes[0] = boxes
    there = frozen(valid, np.bool_)
    _check(Held(out), frozen(vehicle, np.int64), there, Held(field), place)
    return out.touched[0], out.off[0]


@njit(cache=True, nogil=True)
def _check(out, vehicle, there, field, place):  # type: ignore[no-untyped-def]
    for i in range(len(there)):
        if there[i]:
            box_into(out, 0, i)
    check_into(out, 0, vehicle, there, field, place)


@small_njit
def turn_to(known, heading):  # type: ignore[no-untyped-def]
    """Make ``CrowdChecks.turned`` (7,) of one agent hold a heading."""
    if known[0] != heading:
        known[0], known[2], known[3] = heading, math.cos(heading), math.sin(heading)
        known[4], known[5] = math.cos(heading + _HALF_PI), math.sin(heading + _HALF_PI)


@small_njit
def box_into(out, b, i):  # type: ignore[no-untyped-def]
    """The corners of a box of ``out``, :class:`CrowdChecks`."""
    box, known = out.boxes[b, i], out.turned[b, i]
    turn_to(known, box[2])
    turned_corners(box, (known[2], known[3], known[4], known[5]), out.corners[b, i])


@njit(cache=True, nogil=True)
def check_into(out, b, vehicle, there, field, place):  # type: ignore[no-untyped-def]
    """``check_crowd`` of scenario b, whose boxes and corners are there, into ``out``, :class:`CrowdChecks`."""
    touched, n = out.touched[b], len(there)
    xs, ys, radii, rows, boxes = out.circles[0], out.circles[1], out.circles[2], out.listed, out.boxes[b]
    count = 0
    for i in range(n):
        touched[i] = -1
        if there[i]:
            lon, lat = boxes[i, 3] / 2.0, boxes[i, 4] / 2.0
            xs[count], ys[count], rows[count] = boxes[i, 0], boxes[i, 1], i
            radii[count] = math.sqrt(lon * lon + lat * lat) + CLEAR_M
            count += 1
    off_road_into(field, place, out.corners[b], there, out.off[b])
    for k in range(count):
        x, y, reach = xs[k], ys[k], radii[k]
        if not _any_near(xs[k + 1 : count], ys[k + 1 : count], radii[k + 1 : count], x, y, reach):
            continue
        i = rows[k]
        for m in range(k + 1, count):
            dx, dy, r = xs[m] - x, ys[m] - y, reach + radii[m]
            if dx * dx + dy * dy <= r * r and vehicle[i] != vehicle[rows[m]] and _touch(out, b, i, rows[m]):
                j = rows[m]
                if touched[i] < 0:
                    touched[i] = j
                if touched[j] < 0:
                    touched[j] = i


@small_njit
def _any_near(xs, ys, radii, x, y, reach):  # type: ignore[no-untyped-def]
    near = 0  # counted to the end: such a loop compiles to vector instructions
    for m in range(len(xs)):
        dx, dy, r = xs[m] - x, ys[m] - y, reach + radii[m]
        near += dx * dx + dy * dy <= r * r
    return near > 0


@small_njit
def _touch(out, b, i, j):  # type: ignore[no-untyped-def]
    p, q, of_p, of_q = out.boxes[b, i], out.boxes[b, j], out.turned[b, i], out.turned[b, j]
    gap = separation(
        q[0] - p[0], q[1] - p[1], (of_p[2], of_p[3], p[3], p[4]), (of_q[2], of_q[3], q[3], q[4])
    )  # fmt: skip
    if abs(gap) > CLEAR_M:
        return gap < 0.0
    return convex_touch(out.corners[b, i], out.corners[b, j])
