"""Ego's progress as a share of the expert's (reference: nuplan-devkit e924167, ego_progress_along_expert_route.py)."""

from __future__ import annotations

from typing import ClassVar

from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import Event, MetricResult, Series
from roadcraft.validation.metrics.common.configs import ProgressConfig
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.common.progress import progress


class EgoProgressAlongExpertRoute(Metric):
    """Weight 5. The expert's total counts all N states, ego's its N - 1 simulated ones, so the last step of progress is
    never made up."""

    role: ClassVar[str] = "weighted"
    weight: ClassVar[float] = 5.0

    def __init__(self, config: ProgressConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        name, found = "ego_progress_along_expert_route", progress(context)
        ratio = found.ratio(self.config.min_progress_m)
        if found.ego is None:
            stats = {"expert_total_progress_along_route": 0.0, "ego_expert_progress_along_route_ratio": ratio}
            return MetricResult(name, ratio, stats)
        ego, expert = found.totals
        stats = {
            "expert_total_progress_along_route": expert,
            "ego_total_progress_along_route": ego,
            "ego_expert_progress_along_route_ratio": ratio,
        }
        f = frames(context)
        events = (
            () if ratio >= 1.0 else (Event(len(f) - 1, f"made {ego:.1f} m along the route, the expert {expert:.1f} m"),)
        )
        return MetricResult(name, ratio, stats, Series(f.time_us, found.ego, "meters"), events)
