"""Lateral jerk (reference: nuplan-devkit e924167, ego_lat_jerk.py)."""

from __future__ import annotations

from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import MetricResult
from roadcraft.validation.metrics.common.bounded import bounded
from roadcraft.validation.metrics.common.configs import NoSettings
from roadcraft.validation.metrics.common.dynamics import jerk


class EgoLatJerk(Metric):
    """Reported only."""

    def __init__(self, config: NoSettings) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        return bounded(context, "ego_lat_jerk", jerk(context, "y"), "meters_per_second_cubed")
