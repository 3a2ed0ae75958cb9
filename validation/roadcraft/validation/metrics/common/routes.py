"""The routes that the metrics share: lanes and connectors under ego's center, under its corners, and under the expert's
center."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64, Mask
from roadcraft.core.driving.map_index.index import containing_many
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.errors import DataError
from roadcraft.core.interfaces import MetricContext
from roadcraft.validation.metrics.common.frames import expert_boxes, frames
from roadcraft.validation.metrics.common.once import once_per_rollout
from roadcraft.validation.metrics.kernels.corners import COMMON, common_or_connected, corner_route
from roadcraft.validation.metrics.kernels.routes import Graph, point_route


@dataclass(frozen=True)
class LaneRoute:
    """Rows of Lanes under a point at each of n steps, in the reference's order: rows (n, K) int64 padded with -1, count
    (n,)."""

    rows: I64
    count: I64

    def at(self, step: int) -> I64:
        return self.rows[step, : self.count[step]]


@dataclass(frozen=True)
class CornerRoute:
    """The same for four corners, and how they go together.

    rows (n, 4, K), count (n, 4); state (n,): APART, OUTSIDE or COMMON (``corner_kernels``); common rows of step i are
    ``common[offsets[i]:offsets[i + 1]]``.
    """

    rows: I64
    count: I64
    state: NDArray[np.int8]
    common: I64
    offsets: I64

    @property
    def in_common(self) -> Mask:
        """(n,) whether all corners are in one lane or in connected ones."""
        return np.asarray(self.state == COMMON)


@once_per_rollout
def graph(context: MetricContext) -> Graph:
    lanes = context.rollout.scenario.map.lanes
    return Graph(
        frozen(lanes.kind, np.uint8),
        frozen(lanes.successors.values, np.int64),
        frozen(lanes.successors.offsets, np.int64),
        frozen(lanes.predecessors.values, np.int64),
        frozen(lanes.predecessors.offsets, np.int64),
    )


@once_per_rollout
def ego_route(context: MetricContext) -> LaneRoute:
    """Route of ego's box center over the n simulated steps."""
    return _route(context, frames(context).box[:, :2], "ego")


@once_per_rollout
def expert_route(context: MetricContext) -> LaneRoute:
    """Route of the expert's box center over all N iterations."""
    return _route(context, expert_boxes(context)[:, :2], "the expert")


def _route(context: MetricContext, points: F64, who: str) -> LaneRoute:
    index = context.rollout.scenario.map.index
    points = frozen(points)
    values, offsets = containing_many(index.lanes.arrays, points)
    rows, count, fault = point_route(
        points,
        frozen(values, np.int64),
        frozen(offsets, np.int64),
        index.lanes.arrays,
        index.intersections.arrays,
        graph(context),
    )
    if fault >= 0:
        raise overlapping_lanes(context, fault, who)
    return LaneRoute(rows, count)


@once_per_rollout
def corners(context: MetricContext) -> CornerRoute:
    """Route of the four corners of ego's box over the n simulated steps."""
    return route_of_corners(context, frames(context).corners, "a corner of ego")


def route_of_corners(context: MetricContext, places: F64, who: str) -> CornerRoute:
    """Route of the four corners (n, 4, 2) of a box; ``who`` they are, for errors."""
    index = context.rollout.scenario.map.index
    values, offsets = containing_many(index.lanes.arrays, frozen(places.reshape(-1, 2)))
    rows, count, fault = corner_route(frozen(values, np.int64), frozen(offsets, np.int64), graph(context))
    if fault >= 0:
        raise overlapping_lanes(context, fault, who)
    state, common, ends = common_or_connected(rows, count, graph(context))
    return CornerRoute(rows, count, state, common, ends)


def overlapping_lanes(context: MetricContext, step: int, who: str) -> DataError:
    """The reference raises where two lane polygons hold one point (``get_one_map_object``), and the scenario fails."""
    scenario = context.rollout.scenario
    return DataError(
        f"two lanes overlap under {who} at step {step}",
        where=f"map {scenario.map.name}, scenario {scenario.token}",
        remedy="lane polygons must not overlap; connectors may",
    )
