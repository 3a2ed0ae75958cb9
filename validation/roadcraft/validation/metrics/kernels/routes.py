"""Which lanes and connectors a point drives along, step by step (reference: nuplan-devkit e924167,
metrics/utils/route_extractor.py).

A list of map objects is a padded row of Lanes rows: rows (n, K) int64 and count (n,). The order within a list is the
reference's.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, U8
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.map_index.index import LayerArrays, in_any, row_distance
from roadcraft.core.driving.readonly import Index
from roadcraft.core.map import LaneKind

_NEAR_M = 5.0


class Graph(NamedTuple):
    """The lane graph as kernels take it: kind (L,), and successors and predecessors as ragged rows."""

    kind: U8
    next_values: I64
    next_offsets: I64
    before_values: I64
    before_offsets: I64


@njit(cache=True, nogil=True)
def among(row: Index, values: I64, first: Index, last: Index) -> bool:
    """Whether ``row`` is one of ``values[first:last]``."""
    k = first
    while k < last and values[k] != row:
        k += 1
    return k < last


@njit(cache=True, nogil=True)
def search(kind: U8, values: I64, first: int, last: int, out: I64) -> int:
    """The lane among the rows that hold a point, else all connectors: written to ``out``, their number returned; -1
    where two lanes overlap.

    Lanes precede connectors in Lanes, so ascending rows give the lanes first (``get_current_route_objects``).
    """
    count = 0
    for k in range(first, last):
        if kind[values[k]] == LaneKind.LANE:
            count += 1
    if count > 1:
        return -1
    if count == 1:
        out[0] = values[first]
        return 1
    for k in range(first, last):
        out[count] = values[k]
        count += 1
    return count


@njit(cache=True, nogil=True)
def keep_or_follow(
    candidates: I64, count: int, values: I64, first: int, last: int, next_values: I64, next_offsets: I64, out: I64
) -> int:
    """The candidates that hold the point, or, of a single candidate that does not, the successors that do
    (``get_route_obj_with_candidates``)."""
    n = 0
    for k in range(count):
        if among(candidates[k], values, first, last):
            out[n] = candidates[k]
            n += 1
    if n == 0 and count == 1:
        for k in range(next_offsets[candidates[0]], next_offsets[candidates[0] + 1]):
            if among(next_values[k], values, first, last):
                out[n] = next_values[k]
                n += 1
    return n


@njit(cache=True, nogil=True)
def point_route(
    points: F64,
    values: I64,
    offsets: I64,
    lanes: LayerArrays,
    intersections: LayerArrays,
    graph: Graph,
) -> tuple[I64, I64, int]:
    """``get_route`` of n points (n, 2); values and offsets: the Lanes rows that hold each, ascending. Returns rows,
    count and -1, or the step at which two lanes overlap (where the reference raises)."""
    kind, next_values, next_offsets, before_values, before_offsets = graph
    n = len(points)
    most = 1
    for i in range(n):
        most = max(most, offsets[i + 1] - offsets[i])
    rows, count = np.full((n, most), -1, np.int64), np.zeros(n, np.int64)
    near = np.empty(most, np.int64)
    for i in range(n):
        first, last = offsets[i], offsets[i + 1]
        held = count[i - 1] if i > 0 else 0
        if held > 0:
            count[i] = keep_or_follow(rows[i - 1], held, values, first, last, next_values, next_offsets, rows[i])
        if count[i] > 0:
            continue
        found = search(kind, values, first, last, rows[i])
        if found < 0:
            return rows, count, i
        count[i] = found
        # a point that strays from its connector stays on it while it is near, but not at the first two steps
        if i > 1 and held > 0 and kind[rows[i - 1, 0]] == LaneKind.CONNECTOR:
            x, y = points[i, 0], points[i, 1]
            stray = kind[rows[i, 0]] == LaneKind.CONNECTOR if found > 0 else in_any(intersections, x, y)
            if stray:
                k = 0
                for j in range(held):
                    if row_distance(lanes, rows[i - 1, j], x, y) < _NEAR_M:
                        near[k] = rows[i - 1, j]
                        k += 1
                for j in range(k):
                    rows[i, j] = near[j]
                    count[i] = k
    _thin(rows, count, kind, before_values, before_offsets)
    for i in range(n):
        for j in range(count[i], most):
            rows[i, j] = -1
    return rows, count, -1


@njit(cache=True, nogil=True)
def _thin(rows: I64, count: I64, kind: U8, before_values: I64, before_offsets: I64) -> None:
    """Backwards, reduce several connectors to those that ego ends up on (``remove_extra_lane_connectors``).

    As in the reference an empty following entry is a subset of anything: it empties the entry of several connectors
    before it.
    """
    own = np.empty(rows.shape[1], np.int64)
    for i in range(len(rows) - 2, -1, -1):
        if count[i] <= 1:
            continue
        m, k = count[i], 0
        for j in range(m):
            own[j] = rows[i, j]
        following = count[i + 1]
        if following > 0 and kind[rows[i + 1, 0]] == LaneKind.LANE:
            lane = rows[i + 1, 0]
            for j in range(m):
                if among(own[j], before_values, before_offsets[lane], before_offsets[lane + 1]):
                    rows[i, k] = own[j]
                    k += 1
        if k > 0:
            count[i] = k
        elif m > following:
            subset = True
            for j in range(following):
                subset = subset and among(rows[i + 1, j], own, np.int64(0), m)
            if subset:
                for j in range(following):
                    rows[i, j] = rows[i + 1, j]
                count[i] = following
