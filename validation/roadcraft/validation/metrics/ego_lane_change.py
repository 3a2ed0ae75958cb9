"""Lane changes and how many of them failed (reference: nuplan-devkit e924167, ego_lane_change.py)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import Event, MetricResult
from roadcraft.validation.metrics.common.configs import LaneChangeConfig
from roadcraft.validation.metrics.common.events import span_text
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.common.routes import CornerRoute, Graph, corners, graph
from roadcraft.validation.metrics.kernels.corners import APART, COMMON


@dataclass(frozen=True)
class LaneChange:
    """From step ``first``, at which the corners part, to ``last``, at which they are together again (or the scenario
    ends)."""

    first: int
    last: int
    success: bool


class EgoLaneChange(Metric):
    """Reported only. A change begins where the corners leave their common lane for different ones; it succeeds where
    they then agree on a lane that is neither the old one nor leads on from it, and fails on the way back, off the
    lanes, or at the end of the scenario."""

    def __init__(self, config: LaneChangeConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        name, time_us = "ego_lane_change", frames(context).time_us
        changes = lane_changes(corners(context), graph(context))
        stats: dict[str, float | int | bool | None] = {f"number_of_{name}": len(changes)}
        fine = True
        if changes:
            duration = np.array([int(time_us[c.last] - time_us[c.first]) * 1e-6 for c in changes])
            failed = sum(not c.success for c in changes) / len(changes)
            fine = self.config.max_fail_rate >= failed
            stats[f"max_{name}_duration"] = float(duration.max())
            stats[f"avg_{name}_duration"] = float(np.mean(duration))
            stats[f"ratio_of_failed_{name}"] = failed
        stats[f"{name}_fail_rate_below_threshold"] = fine
        events = tuple(
            Event(c.first, f"lane change not completed, {span_text(time_us, c.first, c.last)}")
            for c in changes
            if not c.success
        )
        return MetricResult(name, None, stats, events=events)


def lane_changes(route: CornerRoute, lanes: Graph) -> list[LaneChange]:
    """``find_lane_changes``: every stretch of steps with the corners apart that follows a step with them in common."""
    apart = route.state == APART
    starts = np.flatnonzero(apart[1:] & ~apart[:-1]) + 1
    found = []
    for first in starts[route.state[starts - 1] == COMMON]:
        ends = np.flatnonzero(~apart[first:])
        if not len(ends):
            found.append(LaneChange(int(first), len(apart) - 1, False))
            continue
        last = int(first + ends[0])
        found.append(LaneChange(int(first), last, _succeeds(route, lanes, int(first) - 1, last)))
    return found


def _succeeds(route: CornerRoute, lanes: Graph, before: int, after: int) -> bool:
    if route.state[after] != COMMON:
        return False
    old = route.common[route.offsets[before] : route.offsets[before + 1]]
    onward = [lanes.next_values[lanes.next_offsets[r] : lanes.next_offsets[r + 1]] for r in old]
    new = route.common[route.offsets[after] : route.offsets[after + 1]]
    return not np.isin(new, np.concatenate([old, *onward])).any()
