"""The lanes and connectors under the four corners of ego's box, and whether they are common or connected (reference:
nuplan-devkit e924167, metrics/utils/route_extractor.py)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import I64
from roadcraft.core.driving.jit import njit
from roadcraft.validation.metrics.kernels.routes import Graph, among, keep_or_follow, search

APART, OUTSIDE, COMMON = 0, 1, 2  # None, the empty set, and a set of objects in the reference


class CornerRows(NamedTuple):
    """The Lanes rows under the corners of one step: rows (4, K), of which the first count (4,) of each corner hold."""

    rows: I64
    count: I64


@njit(cache=True, nogil=True)
def corner_route(values: I64, offsets: I64, graph: Graph) -> tuple[I64, I64, int]:
    """``extract_corners_route``; values and offsets: the Lanes rows that hold each of the 4 n corners, step by step.
    Returns rows (n, 4, K), count (n, 4) and -1, or the step at which two lanes overlap."""
    n = (len(offsets) - 1) // 4
    most = 1
    for i in range(4 * n):
        most = max(most, offsets[i + 1] - offsets[i])
    rows, count = np.full((n, 4, most), -1, np.int64), np.zeros((n, 4), np.int64)
    here, there = np.empty(8 * most, np.int64), np.empty(8 * most, np.int64)
    candidates = np.int64(0)  # a literal 0 would have numba compile what it is passed to once more
    for i in range(n):
        ends = offsets[4 * i : 4 * i + 5]
        found = CornerRows(rows[i], count[i])
        candidates = corners_at(i, values, ends, graph, here, candidates, there, found)
        if candidates < 0:
            return rows, count, i
        here, there = there, here
    return rows, count, -1


@njit(cache=True, nogil=True)
def corners_at(
    step: int,
    values: I64,
    ends: I64,
    graph: Graph,
    here: I64,
    candidates: int,
    there: I64,
    found: CornerRows,
) -> int:
    """One step of ``extract_corners_route``; corner c is on the Lanes rows ``values[ends[c]:ends[c + 1]]``. here: what
    the step before found, ``candidates`` rows, to which the second step adds. Writes ``found``, and into ``there``
    all that was found; returns its number, or -1 where two lanes overlap."""
    none, (rows, count) = np.int64(0), found
    following = none
    for c in range(4):
        first, last = ends[c], ends[c + 1]
        k = 0
        if candidates > 0:
            k = keep_or_follow(here, candidates, values, first, last, graph.next_values, graph.next_offsets, rows[c])
        if k == 0:
            k = search(graph.kind, values, first, last, rows[c])
            if k < 0:
                return -1
            if step == 1:  # at the second step what one corner finds is a candidate for the next corner
                for j in range(k):
                    if not among(rows[c, j], here, none, candidates):
                        here[candidates] = rows[c, j]
                        candidates += 1
        count[c] = k
        for j in range(k):
            if not among(rows[c, j], there, none, following):
                there[following] = rows[c, j]
                following += 1
    return following


@njit(cache=True, nogil=True)
def common_or_connected(rows: I64, count: I64, graph: Graph) -> tuple[NDArray[np.int8], I64, I64]:
    """``extract_common_or_connecting_route_objs`` of every step: state (n,) APART, OUTSIDE or COMMON, and the common or
    connecting rows as ragged values and offsets (n + 1,)."""
    n = len(rows)
    state, offsets = np.zeros(n, np.int8), np.zeros(n + 1, np.int64)
    values = np.empty(4 * n + 64, np.int64)
    none = np.int64(0)
    end = none
    for i in range(n):
        outside = 0
        for c in range(4):
            if count[i, c] == 0:
                outside += 1
        if outside == 4:
            state[i] = OUTSIDE
        elif outside == 0:
            begin = end
            for k in range(count[i, 0]):
                row, shared = rows[i, 0, k], True
                for c in range(1, 4):
                    shared = shared and among(row, rows[i, c], none, count[i, c])
                if shared:
                    values, end = _append(values, begin, end, row)
            if end == begin and _rear_connected(rows[i], count[i], graph.next_values, graph.next_offsets):
                for k in range(count[i, 0]):
                    row = rows[i, 0, k]
                    values, end = _connecting(row, rows[i], count[i], graph, values, begin, end)
                    for b in range(graph.before_offsets[row], graph.before_offsets[row + 1]):
                        before = graph.before_values[b]
                        values, end = _connecting(before, rows[i], count[i], graph, values, begin, end)
            state[i] = COMMON if end > begin else APART
        offsets[i + 1] = end
    return state, values[:end], offsets


@njit(cache=True, nogil=True)
def _append(values: I64, begin: int, end: int, row: int) -> tuple[I64, int]:
    if among(row, values, begin, end):
        return values, end
    if end == len(values):
        grown = np.empty(2 * end, np.int64)
        for k in range(end):
            grown[k] = values[k]
        values = grown
    values[end] = row
    return values, end + 1


@njit(cache=True, nogil=True)
def _self_or_edge(row: int, list_rows: I64, count: int, edge_values: I64, edge_offsets: I64) -> bool:
    """Whether ``row`` is in the list or an edge (successor or predecessor) of one in it."""
    for k in range(count):
        own = list_rows[k]
        if own == row or among(row, edge_values, edge_offsets[own], edge_offsets[own + 1]):
            return True
    return False


@njit(cache=True, nogil=True)
def _rear_connected(rows: I64, count: I64, next_values: I64, next_offsets: I64) -> bool:
    for a, b in ((1, 2), (2, 1)):
        for k in range(count[a]):
            if _self_or_edge(rows[a, k], rows[b], count[b], next_values, next_offsets):
                return True
    return False


@njit(cache=True, nogil=True)
def _connecting(row: int, rows: I64, count: I64, graph: Graph, values: I64, begin: int, end: int) -> tuple[I64, int]:
    """Append ``row``, which is under the front left corner or leads there, if it also joins the other corners
    crosswise."""
    if (
        _self_or_edge(row, rows[2], count[2], graph.next_values, graph.next_offsets)
        and _self_or_edge(row, rows[3], count[3], graph.before_values, graph.before_offsets)
        and _self_or_edge(row, rows[1], count[1], graph.next_values, graph.next_offsets)
    ):
        return _append(values, begin, end, row)
    return values, end
