"""Longitudinal jerk (reference: nuplan-devkit e924167, ego_lon_jerk.py)."""

from __future__ import annotations

from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import MetricResult
from roadcraft.validation.metrics.common.bounded import bounded
from roadcraft.validation.metrics.common.configs import LonJerkConfig
from roadcraft.validation.metrics.common.dynamics import jerk


class EgoLonJerk(Metric):
    """Reported only; ``ego_is_comfortable`` scores it."""

    def __init__(self, config: LonJerkConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        bound = self.config.bound
        return bounded(context, "ego_lon_jerk", jerk(context, "x"), "meters_per_second_cubed", -bound, bound)
