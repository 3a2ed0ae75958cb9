"""Longitudinal acceleration (reference: nuplan-devkit e924167, ego_lon_acceleration.py)."""

from __future__ import annotations

from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import MetricResult
from roadcraft.validation.metrics.common.bounded import bounded
from roadcraft.validation.metrics.common.configs import LonAccelerationConfig
from roadcraft.validation.metrics.common.dynamics import acceleration


class EgoLonAcceleration(Metric):
    """Reported only; ``ego_is_comfortable`` scores it."""

    def __init__(self, config: LonAccelerationConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        c = self.config
        return bounded(
            context, "ego_lon_acceleration", acceleration(context, "x"), "meters_per_second_squared", c.low, c.high
        )
