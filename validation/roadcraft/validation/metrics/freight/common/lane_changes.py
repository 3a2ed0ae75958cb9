"""Lane changes of ego: when they begin, cross the marking, settle, and have the last unit in the new lane."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, Mask
from roadcraft.core.data.map import Lanes
from roadcraft.core.data.scenario import Ego
from roadcraft.core.driving.map_index.index import containing
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.interfaces import MetricContext
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.common.once import once_per_rollout
from roadcraft.validation.metrics.common.routes import corners, ego_route
from roadcraft.validation.metrics.freight.common.lines import steps_at
from roadcraft.validation.metrics.freight.common.units import units

SIDEWAYS_MPS = 0.1
"""Speed across the lane below which unit 0 no longer moves sideways; engine choice."""


class WholeLaneChange(NamedTuple):
    """Steps of one lane change."""

    start: int
    """First lateral motion of unit 0."""
    crossing: int
    """Unit 0's first corner in the new lane."""
    settled: int
    """Last lateral motion of unit 0."""
    inside: int
    """The last unit wholly in the new lane; -1 where that is not seen."""
    lane: int
    """Row of the new lane."""
    line: F64
    """(P, 2) its center line, with what leads to it and follows it."""


@once_per_rollout
def lane_changes(context: MetricContext) -> tuple[WholeLaneChange, ...]:
    """Changes of unit 0's center from a lane or connector to another one of the same road block."""
    route, lanes = ego_route(context), context.rollout.scenario.map.lanes
    steps = np.flatnonzero(route.count > 0)
    rows = route.rows[steps, 0]
    at = np.flatnonzero(rows[1:] != rows[:-1]) + 1
    out = []
    for k in at.tolist():
        before, after = int(rows[k - 1]), int(rows[k])
        if 0 <= int(lanes.block[before]) == int(lanes.block[after]):
            out.append(_change(context, int(steps[k]), after))
    return tuple(out)


def _change(context: MetricContext, over: int, lane: int) -> WholeLaneChange:
    """The lane change whose center crosses at step ``over``."""
    lanes = context.rollout.scenario.map.lanes
    strand = np.array([lane, *lanes.predecessors[lane].tolist(), *lanes.successors[lane].tolist()])
    held = np.asarray(np.isin(corners(context).rows, strand).any(axis=(1, 2)))
    out = np.flatnonzero(~held[: over + 1])
    crossing = int(out[-1]) + 1 if len(out) else 0
    f, u, line = frames(context), units(context), strand_line(lanes, lane)
    along = steps_at(line, f.ego[:, :2])
    course = f.ego[:, Ego.HEADING] - np.arctan2(along[:, 1], along[:, 0])
    across = f.ego[:, Ego.VX] * np.sin(course) + f.ego[:, Ego.VY] * np.cos(course)
    still = np.abs(across) <= SIDEWAYS_MPS
    before, after = np.flatnonzero(still[: over + 1]), np.flatnonzero(still[over:])
    whole = np.flatnonzero(held_by(context, u.corners[over:, -1], strand).all(axis=1))
    start = min(int(before[-1]) + 1 if len(before) else 0, crossing)
    settled = over + int(after[0]) if len(after) else len(f) - 1
    return WholeLaneChange(start, crossing, settled, over + int(whole[0]) if len(whole) else -1, lane, line)


def held_by(context: MetricContext, places: F64, rows: I64) -> Mask:
    """(n, 4) whether each of corners (n, 4, 2) is in one of the given rows of Lanes."""
    found = containing(context.rollout.scenario.map.index.lanes, frozen(places.reshape(-1, 2)))
    among = np.concatenate([[0], np.cumsum(np.isin(found.values, rows))])
    return np.asarray(among[found.offsets[1:]] > among[found.offsets[:-1]]).reshape(-1, 4)


def strand_line(lanes: Lanes, lane: int) -> F64:
    """Center line (P, 2) of a lane, with those of its first predecessor and successor."""
    before, after = lanes.predecessors[lane].tolist()[:1], lanes.successors[lane].tolist()[:1]
    line = np.concatenate([lanes.centerlines[row] for row in (*before, lane, *after)])
    steps = np.hypot(*np.diff(line, axis=0).T) > 1e-6
    return np.asarray(line[np.concatenate([[True], steps])])
