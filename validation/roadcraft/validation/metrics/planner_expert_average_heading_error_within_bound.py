"""Open loop: average heading error of the plans over 3, 5 and 8 s (reference: nuplan-devkit e924167, planner_expert_average_heading_error_within_bound.py)."""

from __future__ import annotations

from typing import ClassVar

from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import MetricResult
from roadcraft.validation.metrics.common.configs import HeadingConfig
from roadcraft.validation.metrics.common.open_loop import errors, horizon_result


class AverageHeadingError(Metric):
    """Weight 2. max(0, 1 - mean error over horizons and frames / max_rad)."""

    role: ClassVar[str] = "weighted"
    weight: ClassVar[float] = 2.0

    def __init__(self, config: HeadingConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        found = errors(context)
        return horizon_result(
            "planner_expert_average_heading_error_within_bound",
            "planner_expert_AHE",
            "radian",
            found,
            found.average_heading,
            self.config.max_rad,
        )
