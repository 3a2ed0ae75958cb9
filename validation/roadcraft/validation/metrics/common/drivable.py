"""Which corners of ego leave the drivable area, and whether far (reference: nuplan-devkit e924167,
drivable_area_compliance.py)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from roadcraft.core.arrays import F64, I64, Mask
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.map_index.index import LayerArrays, edge_distance, holds, in_any, nearest_edge
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.interfaces import MetricContext
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.common.once import once_per_rollout
from roadcraft.validation.metrics.common.routes import corners, ego_route


@dataclass(frozen=True)
class Departures:
    """outside (n, 4) bool: the corner has neither a lane nor drivable area under it; distance (n, 4) m of such a corner
    to the nearest drivable area or to a lane of ego's own route, whichever is nearer, else 0."""

    outside: Mask
    distance: F64

    @property
    def inside(self) -> Mask:
        """(n,) whether all corners are on the drivable area or on a lane."""
        return np.asarray(~self.outside.any(axis=1))


@once_per_rollout
def departures(context: MetricContext) -> Departures:
    index, route = context.rollout.scenario.map.index, ego_route(context)
    outside, distance = corner_distances(
        frames(context).corners,
        frozen(corners(context).count, np.int64),
        frozen(route.rows, np.int64),
        frozen(route.count, np.int64),
        index.lanes.arrays,
        index.drivable.arrays,
    )
    return Departures(outside, distance)


@njit(cache=True, nogil=True)
def corner_distances(
    corner: F64, corner_count: I64, rows: I64, count: I64, lanes: LayerArrays, drivable: LayerArrays
) -> tuple[Mask, F64]:
    """``Departures`` of corners (n, 4, 2) on ``corner_count`` (n, 4) lanes; ego's route is the first ``count`` (n,) of
    ``rows`` (n, K)."""
    outside, out = np.zeros((len(corner), 4), np.bool_), np.zeros((len(corner), 4))
    for i in range(len(corner)):
        for c in range(4):
            x, y = corner[i, c, 0], corner[i, c, 1]
            if corner_count[i, c] > 0 or in_any(drivable, x, y):
                continue
            outside[i, c], out[i, c] = True, beyond(x, y, rows[i, : count[i]], lanes, drivable, math.inf)
    return outside, out


@njit(cache=True, nogil=True)
def beyond(x: float, y: float, rows: I64, lanes: LayerArrays, drivable: LayerArrays, most: float) -> float:
    """Distance of a point that is on no drivable area to the nearest one or to one of the lanes ``rows``, whichever is
    nearer; ``most`` where that is farther."""
    d = most
    for row in rows:
        if holds(lanes, row, x, y):
            return 0.0
        d = edge_distance(lanes, row, x, y, d)
    return nearest_edge(drivable, x, y, d)
