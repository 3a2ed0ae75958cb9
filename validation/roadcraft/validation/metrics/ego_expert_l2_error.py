"""Distance of ego to the expert (reference: nuplan-devkit e924167, ego_expert_l2_error.py)."""

from __future__ import annotations

from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import MetricResult
from roadcraft.validation.metrics.common.configs import NoSettings
from roadcraft.validation.metrics.common.expert_error import error_result, expert_errors


class EgoExpertL2Error(Metric):
    """Reported only."""

    def __init__(self, config: NoSettings) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        return error_result(context, "ego_expert_L2_error", expert_errors(context, 0.0), "meters")
