"""Yaw acceleration (reference: nuplan-devkit e924167, ego_yaw_acceleration.py)."""

from __future__ import annotations

from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import MetricResult
from roadcraft.validation.metrics.common.bounded import bounded
from roadcraft.validation.metrics.common.configs import YawAccelerationConfig
from roadcraft.validation.metrics.common.dynamics import yaw_acceleration


class EgoYawAcceleration(Metric):
    """Reported only; ``ego_is_comfortable`` scores it."""

    def __init__(self, config: YawAccelerationConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        bound = self.config.bound
        return bounded(
            context, "ego_yaw_acceleration", yaw_acceleration(context), "radians_per_second_squared", -bound, bound
        )
