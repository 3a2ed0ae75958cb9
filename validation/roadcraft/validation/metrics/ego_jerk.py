"""Jerk's magnitude (reference: nuplan-devkit e924167, ego_jerk.py)."""

from __future__ import annotations

from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import MetricResult
from roadcraft.validation.metrics.common.bounded import bounded
from roadcraft.validation.metrics.common.configs import JerkConfig
from roadcraft.validation.metrics.common.dynamics import jerk


class EgoJerk(Metric):
    """Reported only; ``ego_is_comfortable`` scores it."""

    def __init__(self, config: JerkConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        bound = self.config.bound
        return bounded(context, "ego_jerk", jerk(context, "magnitude"), "meters_per_second_cubed", -bound, bound)
