"""Distance and heading error of ego to the expert (reference: nuplan-devkit e924167, ego_expert_l2_error_with_yaw.py)."""

from __future__ import annotations

from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import MetricResult
from roadcraft.validation.metrics.common.configs import ErrorWithYawConfig
from roadcraft.validation.metrics.common.expert_error import error_result, expert_errors


class EgoExpertL2ErrorWithYaw(Metric):
    """Reported only. A radian of heading error counts ``heading_weight`` metres."""

    def __init__(self, config: ErrorWithYawConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        values = expert_errors(context, self.config.heading_weight)
        return error_result(context, "ego_expert_l2_error_with_yaw", values, "None")
