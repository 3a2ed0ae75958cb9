"""Lateral acceleration (reference: nuplan-devkit e924167, ego_lat_acceleration.py)."""

from __future__ import annotations

from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import MetricResult
from roadcraft.validation.metrics.common.bounded import bounded
from roadcraft.validation.metrics.common.configs import LatAccelerationConfig
from roadcraft.validation.metrics.common.dynamics import acceleration


class EgoLatAcceleration(Metric):
    """Reported only; ``ego_is_comfortable`` scores it. nuPlan's bicycle model has none after its first step, so the bound can only fail there."""

    def __init__(self, config: LatAccelerationConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        bound = self.config.bound
        return bounded(
            context, "ego_lat_acceleration", acceleration(context, "y"), "meters_per_second_squared", -bound, bound
        )
