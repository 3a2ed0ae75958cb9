"""The order in which GEOS' STR tree hands out its items.

The source asks such a tree which objects lie on a path and, of those that ego overlaps (all at distance 0), takes the first it is given. Packing rule:
GEOS TemplateSTRtree, 10 children per node; checked against shapely in the tests.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from roadcraft.core.arrays import F64, I64

_CAPACITY = 10


@njit(cache=True, nogil=True)
def tree_order(bounds: F64) -> I64:
    """Indices (N,) int64 in the order of a query that meets all: bounds (N, 4) min x, min y, max x, max y. Items of equal centre keep their order."""
    count = len(bounds)
    level = bounds.copy()
    orders = []
    firsts = []
    while True:
        order, first = _pack(level)
        orders.append(order)
        firsts.append(first)
        if len(first) <= 2:
            break
        parents = np.empty((len(first) - 1, 4))
        for p in range(len(parents)):
            rows = order[first[p] : first[p + 1]]
            parents[p, 0], parents[p, 1] = level[rows, 0].min(), level[rows, 1].min()
            parents[p, 2], parents[p, 3] = level[rows, 2].max(), level[rows, 3].max()
        level = parents
    nodes = np.zeros(1, np.int64)
    for k in range(len(orders) - 1, -1, -1):
        below = np.empty(count, np.int64)
        n = 0
        for node in nodes:
            for i in range(firsts[k][node], firsts[k][node + 1]):
                below[n] = orders[k][i]
                n += 1
        nodes = below[:n]
    return nodes


@njit(cache=True, nogil=True)
def _pack(level: F64) -> tuple[I64, I64]:
    """Items sorted into vertical slices and, within, by height; and where each parent's children begin."""
    count = len(level)
    slices = int(math.ceil(math.sqrt(math.ceil(count / _CAPACITY))))
    size = int(math.ceil(count / slices))
    order = np.argsort(level[:, 0] + level[:, 2], kind="mergesort")
    first = np.empty(count + 1, np.int64)
    parents = 0
    for begin in range(0, count, size):
        part = order[begin : min(begin + size, count)]
        part = part[np.argsort(level[part, 1] + level[part, 3], kind="mergesort")]
        order[begin : begin + len(part)] = part
        for k in range(0, len(part), _CAPACITY):
            first[parents] = begin + k
            parents += 1
    first[parents] = count
    return order, first[: parents + 1]
