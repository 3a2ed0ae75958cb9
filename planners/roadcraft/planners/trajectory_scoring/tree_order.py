"""The order in which GEOS' STR tree hands out its items.

The source asks such a tree which objects lie on a path and, of those that ego overlaps (all at distance 0), takes the
first it is given. Packing rule: GEOS TemplateSTRtree, 10 children per node; checked against shapely in the tests.
"""

from __future__ import annotations

import math

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.jit import njit

_CAPACITY = 10


@njit(cache=True, nogil=True)
def tree_order(bounds: F64) -> I64:
    """Indices (N,) int64 in the order of a query that meets all: bounds (N, 4) min x, min y, max x, max y. Items of
    equal center keep their order."""
    count = len(bounds)
    level, order = bounds.copy(), np.arange(count)
    parent_of = np.empty(count, np.int64)
    leaf = np.arange(
        count
    )  # leaves in tree order as far as it is known: whole subtrees are moved when their roots are sorted
    size = np.ones(count, np.int64)  # leaves below each node of the level
    while True:
        nodes = len(level)
        parents = _pack(level, order, parent_of)
        start, at = np.zeros(nodes, np.int64), 0
        for k in range(nodes):
            start[k] = at
            at += size[k]
        moved, at = np.empty(count, np.int64), 0
        above, below = np.empty((parents, 4)), np.zeros(parents, np.int64)
        for i in range(nodes):
            k, p = order[i], parent_of[i]
            for n in range(size[k]):
                moved[at] = leaf[start[k] + n]
                at += 1
            fresh = below[p] == 0
            for c in range(2):
                above[p, c] = level[k, c] if fresh else min(above[p, c], level[k, c])
                above[p, c + 2] = level[k, c + 2] if fresh else max(above[p, c + 2], level[k, c + 2])
            below[p] += size[k]
        leaf, level, size = moved, above, below
        if parents <= 1:
            return leaf


@njit(cache=True, nogil=True)
def _pack(level: F64, order: I64, parent_of: I64) -> int:
    """Sorts items into vertical slices and, within, by height: order[:N], and parent_of[:N] of each place. Returns the
    number of parents."""
    count = len(level)
    slices = math.ceil(math.sqrt(math.ceil(count / _CAPACITY)))
    size = math.ceil(count / slices)
    for k in range(count):
        order[k] = k
    _sort(level, order, np.int64(0), count, np.int64(0))
    parents = 0
    for begin in range(0, count, size):
        end = min(begin + size, count)
        _sort(level, order, begin, end, np.int64(1))
        for k in range(begin, end):
            parent_of[k] = parents + (k - begin) // _CAPACITY
        parents += (end - begin + _CAPACITY - 1) // _CAPACITY
    return parents


@njit(cache=True, nogil=True)
def _sort(level: F64, order: I64, begin: int, end: int, axis: int) -> None:
    """Stable insertion sort of order[begin:end] by the centers along an axis."""
    for i in range(begin + 1, end):
        item = order[i]
        key = level[item, axis] + level[item, axis + 2]
        k = i
        while k > begin and level[order[k - 1], axis] + level[order[k - 1], axis + 2] > key:
            order[k] = order[k - 1]
            k -= 1
        order[k] = item
