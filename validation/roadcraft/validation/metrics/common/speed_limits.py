"""The speed limit that holds for ego at each step (reference: nuplan-devkit e924167, speed_limit_compliance.py,
``_get_speed_limit_violation``)."""

from __future__ import annotations

import math

import numpy as np

from roadcraft.core.arrays import F64, I64, Mask
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.errors import DataError
from roadcraft.core.interfaces import MetricContext
from roadcraft.validation.metrics.common.once import once_per_rollout
from roadcraft.validation.metrics.common.routes import LaneRoute, ego_route, graph
from roadcraft.validation.metrics.kernels.routes import Graph


@once_per_rollout
def speed_limits(context: MetricContext) -> F64:
    """Limit m/s at each of n steps, infinite where none holds: that of the lane, or the largest of the lanes that ego's
    connectors join, whose own limits do not count. One missing (or zero) limit among them means no limit."""
    scenario = context.rollout.scenario
    limit, fault = limits_of(context, ego_route(context))
    if fault >= 0:
        raise DataError(
            f"connector {scenario.map.lanes.id[fault]} joins no lanes, so no speed limit can be told",
            where=f"map {scenario.map.name}, scenario {scenario.token}",
            remedy="a connector needs a lane it comes from or leads to",
        )
    return limit


def limits_of(context: MetricContext, route: LaneRoute) -> tuple[F64, int]:
    """Limits m/s (n,) along a route, infinite where none holds, and -1; or, from there on infinite, the row of a
    connector that joins no lanes."""
    lanes = context.rollout.scenario.map.lanes
    limit, fault = lane_limits(
        frozen(route.rows, np.int64),
        frozen(route.count, np.int64),
        frozen(lanes.speed_limit_mps),
        frozen(lanes.has_speed_limit, np.bool_),
        graph(context),
    )
    return limit, fault


@njit(cache=True, nogil=True)
def lane_limits(rows: I64, count: I64, limit: F64, known: Mask, graph: Graph) -> tuple[F64, int]:
    """Limits (n,) and -1, or the row of a connector without any lane (where the reference raises)."""
    next_values, next_offsets = graph.next_values, graph.next_offsets
    before_values, before_offsets = graph.before_values, graph.before_offsets
    out = np.full(len(rows), math.inf)
    for i in range(len(rows)):
        if count[i] == 0:
            continue
        best, missing, lanes = -math.inf, False, 0
        if graph.kind[rows[i, 0]] == 0:
            row = rows[i, 0]
            best, missing, lanes = limit[row], not known[row] or limit[row] == 0.0, 1
        else:
            for k in range(count[i]):
                row = rows[i, k]
                for e in range(next_offsets[row], next_offsets[row + 1]):
                    lane = next_values[e]
                    missing = missing or not known[lane] or limit[lane] == 0.0
                    best, lanes = max(best, limit[lane]), lanes + 1
                for e in range(before_offsets[row], before_offsets[row + 1]):
                    lane = before_values[e]
                    missing = missing or not known[lane] or limit[lane] == 0.0
                    best, lanes = max(best, limit[lane]), lanes + 1
        if lanes == 0:
            return out, rows[i, 0]
        if not missing:
            out[i] = best
    return out, -1
