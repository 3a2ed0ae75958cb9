"""Open loop: final displacement error of the plans over 3, 5 and 8 s (reference: nuplan-devkit e924167, planner_expert_final_l2_error_within_bound.py)."""

from __future__ import annotations

from typing import ClassVar

from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import MetricResult
from roadcraft.validation.metrics.common.configs import DisplacementConfig
from roadcraft.validation.metrics.common.open_loop import errors, horizon_result


class FinalL2Error(Metric):
    """Weight 1. max(0, 1 - mean error over horizons and frames / max_m)."""

    role: ClassVar[str] = "weighted"
    weight: ClassVar[float] = 1.0

    def __init__(self, config: DisplacementConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        found = errors(context)
        return horizon_result(
            "planner_expert_final_l2_error_within_bound",
            "planner_expert_FDE",
            "meter",
            found,
            found.final,
            self.config.max_m,
        )
