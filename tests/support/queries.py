"""Queries that only tests ask, point by point."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, Mask
from roadcraft.core.driving.geometry.boxes import overlap
from roadcraft.core.driving.map_index.index import LayerArrays, PolygonLayer, nearest_distance
from roadcraft.core.driving.multi_agent.road_edges import RoadEdges, right_of_all


def distance_to_any(layer: PolygonLayer, points: F64) -> F64:
    """Distance m of M points (M, 2) to the nearest polygon of the layer: (M,) float64, 0 inside, infinite where the
    layer is empty."""
    return np.asarray(_distances(layer.arrays, np.ascontiguousarray(points)))


@njit(cache=True, nogil=True)
def _distances(layer: LayerArrays, points: F64) -> F64:
    out = np.empty(len(points))
    for m in range(len(points)):
        out[m] = nearest_distance(layer, points[m, 0], points[m, 1])
    return out


def off_road_slow(edges: RoadEdges, points: F64) -> Mask:
    """Which of M points (M, 2) are off the road, every segment asked: (M,) bool. Without segments none is."""
    return np.asarray(_off_road(*edges, np.ascontiguousarray(points)))


@njit(cache=True, nogil=True)
def _off_road(ends: F64, link: NDArray[np.int32], bends_left: Mask, points: F64) -> Mask:
    out = np.zeros(len(points), np.bool_)
    for m in range(len(points)):
        out[m] = right_of_all(ends, link, bends_left, 0, len(ends), points[m, 0], points[m, 1])
    return out


@njit(cache=True, nogil=True)
def overlap_matrix(a: F64, b: F64) -> Mask:
    """Which of the boxes a (N, 5) share a point with which of b (M, 5): (N, M) bool."""
    out = np.zeros((len(a), len(b)), np.bool_)
    for i in range(len(a)):
        for j in range(len(b)):
            out[i, j] = overlap(a[i], b[j])
    return out
