"""Which lanes and connectors a point drives along, step by step (reference: nuplan-devkit e924167,
metrics/utils/route_extractor.py).

A list of map objects is a padded row of Lanes rows: rows (n, K) int64 and count (n,). The order within a list is the
reference's.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, U8
from roadcraft.core.data.map import LaneKind
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.map_index.index import LayerArrays, in_any, row_distance
from roadcraft.core.driving.readonly import Index

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
    n = len(points)
    most = 1
    for i in range(n):
        most = max(most, offsets[i + 1] - offsets[i])
    rows, count = np.full((n, most), -1, np.int64), np.zeros(n, np.int64)
    for i in range(n):
        under, before = values[offsets[i] : offsets[i + 1]], rows[i - 1, : count[i - 1] if i > 0 else 0]
        found = route_at(i, points[i], under, before, lanes, intersections, graph, rows[i])
        if found < 0:
            return rows, count, i
        count[i] = found
    thin_all(rows, count, graph)
    for i in range(n):
        for j in range(count[i], most):
            rows[i, j] = -1
    return rows, count, -1


@njit(cache=True, nogil=True)
def route_at(
    step: int,
    point: F64,
    under: I64,
    before: I64,
    lanes: LayerArrays,
    intersections: LayerArrays,
    graph: Graph,
    out: I64,
) -> int:
    """One step of ``get_route``: the rows of a point (2,) that lies on Lanes rows ``under`` (ascending), where the step
    before has ``before``. They are written to ``out``, their number returned; -1 where two lanes overlap."""
    kind, none, held = graph.kind, np.int64(0), len(before)
    if held > 0:
        count = keep_or_follow(before, held, under, none, len(under), graph.next_values, graph.next_offsets, out)
        if count > 0:
            return count
    found = search(kind, under, none, len(under), out)
    # a point that strays from its connector stays on it while it is near, but not at the first two steps
    if found >= 0 and step > 1 and held > 0 and kind[before[0]] == LaneKind.CONNECTOR:
        x, y = point[0], point[1]
        stray = kind[out[0]] == LaneKind.CONNECTOR if found > 0 else in_any(intersections, x, y)
        if stray:
            k = 0
            for j in range(held):
                if row_distance(lanes, before[j], x, y) < _NEAR_M:
                    out[k] = before[j]
                    k += 1
            if k > 0:
                return k
    return found


@njit(cache=True, nogil=True)
def thin_all(rows: I64, count: I64, graph: Graph) -> None:
    """Every step (n, K) ``thinned``, the last one first."""
    for i in range(len(rows) - 2, -1, -1):
        count[i] = thinned(rows[i], count[i], rows[i + 1], count[i + 1], graph, rows[i])


@njit(cache=True, nogil=True)
def thinned(rows: I64, count: int, next_rows: I64, following: int, graph: Graph, out: I64) -> int:
    """Several connectors of a step reduced to those that ego ends up on, by what the next step is reduced to
    (``remove_extra_lane_connectors``, which goes backwards): written to ``out``, which may be ``rows``, their number
    returned.

    As in the reference an empty following entry is a subset of anything: it empties the entry of several connectors
    before it.
    """
    if count > 1:
        k = 0
        if following > 0 and graph.kind[next_rows[0]] == LaneKind.LANE:
            first, last = graph.before_offsets[next_rows[0]], graph.before_offsets[next_rows[0] + 1]
            for j in range(count):
                if among(rows[j], graph.before_values, first, last):
                    k += 1
            if k > 0:
                k = 0
                for j in range(count):
                    if among(rows[j], graph.before_values, first, last):
                        out[k] = rows[j]
                        k += 1
                return k
        if count > following:
            subset, none = True, np.int64(0)
            for j in range(following):
                subset = subset and among(next_rows[j], rows, none, count)
            if subset:
                for j in range(following):
                    out[j] = next_rows[j]
                return following
    for j in range(count):
        out[j] = rows[j]
    return count
