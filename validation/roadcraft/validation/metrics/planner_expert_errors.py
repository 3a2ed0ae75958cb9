"""Open loop: displacement and heading errors of the plans over 3, 5 and 8 s, on average and at the end, each a metric
of its own (reference: nuplan-devkit e924167, planner_expert_average_l2_error_within_bound.py and the three files beside
it)."""

from __future__ import annotations

from typing import ClassVar

from roadcraft.core.arrays import F64
from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import MetricResult
from roadcraft.validation.metrics.common.configs import DisplacementConfig, HeadingConfig
from roadcraft.validation.metrics.common.open_loop import errors, horizon_result


class PlannerExpertAverageL2ErrorWithinBound(Metric):
    """Average displacement error. Score: max(0, 1 - mean error over horizons and frames / largest allowed)."""

    role: ClassVar[str] = "weighted"
    weight: ClassVar[float] = 1.0
    name: ClassVar[str] = "planner_expert_average_l2_error_within_bound"
    short: ClassVar[str] = "planner_expert_ADE"
    error: ClassVar[str] = "average"

    def __init__(self, config: DisplacementConfig | HeadingConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        found, c = errors(context), self.config
        unit, most = ("radian", c.max_rad) if isinstance(c, HeadingConfig) else ("meter", c.max_m)
        values: F64 = getattr(found, self.error)
        return horizon_result(self.name, self.short, unit, found, values, most)


class PlannerExpertFinalL2ErrorWithinBound(PlannerExpertAverageL2ErrorWithinBound):
    """Displacement error at the end of each horizon."""

    name, short, error = "planner_expert_final_l2_error_within_bound", "planner_expert_FDE", "final"


class PlannerExpertAverageHeadingErrorWithinBound(PlannerExpertAverageL2ErrorWithinBound):
    """Average heading error."""

    weight = 2.0
    name, short = "planner_expert_average_heading_error_within_bound", "planner_expert_AHE"
    error = "average_heading"


class PlannerExpertFinalHeadingErrorWithinBound(PlannerExpertAverageL2ErrorWithinBound):
    """Heading error at the end of each horizon."""

    weight = 2.0
    name, short = "planner_expert_final_heading_error_within_bound", "planner_expert_FHE"
    error = "final_heading"
