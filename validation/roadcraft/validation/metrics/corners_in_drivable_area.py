"""All four corners on the drivable area, step by step (reference: nuplan-devkit e924167,
drivable_area_compliance.py)."""

from __future__ import annotations

import numpy as np

from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import MetricResult, Series
from roadcraft.validation.metrics.common.configs import NoSettings
from roadcraft.validation.metrics.common.drivable import departures
from roadcraft.validation.metrics.common.frames import frames


class CornersInDrivableArea(Metric):
    """Reported only: no tolerance."""

    def __init__(self, config: NoSettings) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        inside = departures(context).inside
        series = Series(frames(context).time_us, inside.astype(np.float64), "boolean")
        stats = {"corners_in_drivable_area": float(inside.all())}
        return MetricResult("corners_in_drivable_area", None, stats, series)
