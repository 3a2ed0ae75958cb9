"""Yaw rate (reference: nuplan-devkit e924167, ego_yaw_rate.py)."""

from __future__ import annotations

from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import MetricResult
from roadcraft.validation.metrics.common.bounded import bounded
from roadcraft.validation.metrics.common.configs import YawRateConfig
from roadcraft.validation.metrics.common.dynamics import yaw_rate


class EgoYawRate(Metric):
    """Reported only; ``ego_is_comfortable`` scores it."""

    def __init__(self, config: YawRateConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        bound = self.config.bound
        return bounded(context, "ego_yaw_rate", yaw_rate(context), "radians_per_second", -bound, bound)
