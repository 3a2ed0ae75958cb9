"""On or off the road, by oriented road edges: the definition, asked of every segment. ``road_field`` gives the same
answers at the price of a cell.

A road edge has the road on its left as it is drawn (Waymo's orientation: plus is the right side, off the road). A point
belongs to the nearest segment in the plane, the first in row order where rounded squared distances are equal, and is
off the road where it lies strictly to its right; on a segment it is on the road. Where the nearest point is the end of
a segment and another one goes on from there, the two sides are combined: off the road where either says so if the edge
bends left there, where both say so if it bends right or runs straight. A polyline is closed where its ends are less
than 1 m apart. Sides are exact signs.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, Mask, Polylines
from roadcraft.core.driving.geometry.boxes import squared_distance
from roadcraft.core.driving.geometry.exact import orientation
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.readonly import frozen

_CLOSED_M = 1.0


class RoadEdges(NamedTuple):
    """S segments: ends (S, 4) float64 ax, ay, bx, by; link (S, 2) int32: rows of the segments before and after, -1
    where there is none; bends_left (S,) bool: whether the joint with the one after it turns left."""

    ends: F64
    link: NDArray[np.int32]
    bends_left: Mask


def road_edges(lines: Polylines) -> RoadEdges:
    """The segments of polylines in row order, those of no length left out. Raises ValueError where a coordinate is not
    finite."""
    if not np.isfinite(lines.points).all():
        raise ValueError("a road edge has a coordinate that is not finite")
    ends, link, count = [np.zeros((0, 4))], [np.zeros((0, 2), np.int32)], 0
    for k in range(len(lines)):
        p = lines[k]
        if len(p) > 1:
            p = p[np.concatenate([[True], (p[1:] != p[:-1]).any(axis=1)])]
        n = len(p) - 1
        if n < 1:
            continue
        ends.append(np.hstack([p[:-1], p[1:]]))
        here = np.stack([np.arange(n) - 1, np.arange(n) + 1], 1)
        closed = n > 2 and float(((p[0] - p[-1]) ** 2).sum()) < _CLOSED_M**2
        here[0, 0], here[-1, 1] = (n - 1, 0) if closed else (-1 - count, -1 - count)
        link.append((here + count).astype(np.int32))
        count += n
    all_ends, all_links = np.concatenate(ends), np.concatenate(link)
    d = all_ends[:, 2:] - all_ends[:, :2]
    after = d[all_links[:, 1]] if count else d
    bends = (d[:, 0] * after[:, 1] - d[:, 1] * after[:, 0] > 0.0) & (all_links[:, 1] >= 0)
    return RoadEdges(frozen(all_ends), frozen(all_links, np.int32), frozen(bends, np.bool_))


@njit(cache=True, nogil=True)
def right_of_all(
    ends: F64, link: NDArray[np.int32], bends_left: Mask, first: int, last: int, x: float, y: float
) -> bool:
    """Whether (x, y) is off the road by segments ``first`` to ``last - 1``."""
    best, nearest = math.inf, -1
    for i in range(first, last):
        d2 = squared_distance(x, y, ends[i, 0], ends[i, 1], ends[i, 2], ends[i, 3])
        if d2 < best:
            best, nearest = d2, i
    return nearest >= 0 and right_of(ends, link, bends_left, nearest, x, y)


@njit(cache=True, nogil=True)
def right_of_listed(ends, link, bends_left, listed, first, last, x, y):  # type: ignore[no-untyped-def]
    """Whether (x, y) is off the road by the segments ``listed[first:last]``, ascending, at least one."""
    best, nearest = math.inf, listed[first]
    for k in range(first, last):
        i = listed[k]
        d2 = squared_distance(x, y, ends[i, 0], ends[i, 1], ends[i, 2], ends[i, 3])
        if d2 < best:
            best, nearest = d2, i
    return right_of(ends, link, bends_left, nearest, x, y)


@njit(cache=True, nogil=True)
def right_of(ends: F64, link: NDArray[np.int32], bends_left: Mask, i: int, x: float, y: float) -> bool:
    """Whether (x, y) is off the road, given that segment i is the nearest."""
    ax, ay, bx, by = ends[i, 0], ends[i, 1], ends[i, 2], ends[i, 3]
    off = orientation(ax, ay, bx, by, x, y) < 0
    dx, dy = bx - ax, by - ay
    along = (x - ax) * dx + (y - ay) * dy
    if along < 0.0:
        other, left = link[i, 0], link[i, 0] >= 0 and bends_left[link[i, 0]]
    elif along > dx * dx + dy * dy:
        other, left = link[i, 1], bends_left[i]
    else:
        return off
    if other < 0:
        return off
    also = orientation(ends[other, 0], ends[other, 1], ends[other, 2], ends[other, 3], x, y) < 0
    return (off or also) if left else (off and also)
