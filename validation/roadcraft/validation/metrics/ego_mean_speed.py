"""Mean speed (reference: nuplan-devkit e924167, ego_mean_speed.py)."""

from __future__ import annotations

import numpy as np

from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import MetricResult
from roadcraft.validation.metrics.common.configs import NoSettings
from roadcraft.validation.metrics.common.frames import frames


class EgoMeanSpeed(Metric):
    """Reported only."""

    def __init__(self, config: NoSettings) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        return MetricResult("ego_mean_speed", None, {"ego_mean_speed_value": float(np.mean(frames(context).speed))})
