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
from roadcraft.core.driving.geometry.boxes import convex_touch, place_corners, separation
from roadcraft.core.driving.geometry.tolerances import CLEAR_M
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.multi_agent.road_grid import RoadField, off_road_into
from roadcraft.core.driving.readonly import frozen


class Checks(NamedTuple):
    """What is found of N agents: corners (N, 4, 2), touched (N,) int32 and off (N, 4) bool, as of :func:`check_crowd`;
    scratch (N, 3)."""

    corners: F64
    touched: NDArray[np.int32]
    off: Mask
    scratch: F64


def check_crowd(
    boxes: F64, vehicle: I64, valid: Mask, field: RoadField, place: int = 0
) -> tuple[NDArray[np.int32], Mask]:
    """Whom each of N agents touches, and which of its corners are off the road.

    boxes (N, 5): center x, y, heading, length, width; vehicle (N,) int64: equal for the units of one vehicle; valid
    (N,) bool: agents that are there; field, place: the road, and which of its maps. Returns touched (N,) int32, the
    lowest row of an agent that it touches or -1, and off (N, 4) bool in the order of ``boxes.corners``. An agent that
    is not there touches nothing and is on the road.
    """
    n = len(boxes)
    out = Checks(np.empty((n, 4, 2)), np.empty(n, np.int32), np.empty((n, 4), np.bool_), np.empty((n, 3)))
    check_into(frozen(boxes), frozen(vehicle, np.int64), frozen(valid, np.bool_), field, place, out)
    return out.touched, out.off


@njit(cache=True, nogil=True)
def check_into(boxes, vehicle, valid, field, place, out):  # type: ignore[no-untyped-def]
    """``check_crowd`` into the arrays of ``out``, :class:`Checks`; the corners are filled where valid."""
    corners, touched, off, scratch = out
    n = len(boxes)
    for i in range(n):
        touched[i] = -1
        if valid[i]:
            _place_corners(boxes, i, corners, scratch)
    off_road_into(field, place, corners, valid, off)
    for i in range(n):
        if not valid[i]:
            continue
        x, y, reach = boxes[i, 0], boxes[i, 1], scratch[i, 2] + CLEAR_M
        for j in range(i + 1, n):
            dx, dy, r = boxes[j, 0] - x, boxes[j, 1] - y, reach + scratch[j, 2]
            near = dx * dx + dy * dy <= r * r
            if near and valid[j] and vehicle[i] != vehicle[j] and _touch(boxes, corners, scratch, i, j):
                if touched[i] < 0:
                    touched[i] = j
                if touched[j] < 0:
                    touched[j] = i


@small_njit
def _place_corners(boxes, i, corners, scratch):  # type: ignore[no-untyped-def]
    """Corners of box i; cosine and sine of its heading, and its radius."""
    lon, lat = boxes[i, 3] / 2.0, boxes[i, 4] / 2.0
    scratch[i, 0], scratch[i, 1] = place_corners(boxes[i], corners[i])
    scratch[i, 2] = math.sqrt(lon * lon + lat * lat)


@small_njit
def _touch(boxes, corners, scratch, i, j):  # type: ignore[no-untyped-def]
    gap = separation(
        boxes[j, 0] - boxes[i, 0],
        boxes[j, 1] - boxes[i, 1],
        (scratch[i, 0], scratch[i, 1], boxes[i, 3], boxes[i, 4]),
        (scratch[j, 0], scratch[j, 1], boxes[j, 3], boxes[j, 4]),
    )
    if abs(gap) > CLEAR_M:
        return gap < 0.0
    return convex_touch(corners[i], corners[j])
