"""Ego gets somewhere (reference: nuplan-devkit e924167, ego_is_making_progress.py)."""

from __future__ import annotations

from typing import ClassVar

from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import Event, MetricResult
from roadcraft.validation.metrics.common.configs import MakingProgressConfig, ProgressConfig
from roadcraft.validation.metrics.common.progress import progress


class EgoIsMakingProgress(Metric):
    """Multiplier. 1 where ego makes at least ``min_ratio`` of the expert's progress, else 0."""

    role: ClassVar[str] = "multiplier"

    def __init__(self, config: MakingProgressConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        ratio = progress(context).ratio(ProgressConfig().min_progress_m)
        enough = bool(ratio >= self.config.min_ratio)
        what = f"made {100 * ratio:.0f} % of the expert's progress, {100 * self.config.min_ratio:.0f} % are needed"
        events = () if enough else (Event(len(context.rollout) - 1, what),)
        return MetricResult("ego_is_making_progress", float(enough), {"ego_is_making_progress": enough}, events=events)
