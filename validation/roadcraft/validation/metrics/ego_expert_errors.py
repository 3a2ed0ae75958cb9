"""Distance of ego to the expert at the same iteration, without and with the heading, each a metric of its own
(reference: nuplan-devkit e924167, ego_expert_l2_error.py, ego_expert_l2_error_with_yaw.py)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roadcraft.core.driving.geometry.angles import wrap_array
from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import MetricResult, Series
from roadcraft.validation.metrics.common.configs import ErrorWithYawConfig, NoSettings
from roadcraft.validation.metrics.common.dynamics import p90
from roadcraft.validation.metrics.common.frames import expert_boxes, frames


class EgoExpertL2Error(Metric):
    """Reported only: distance of the box centers."""

    name: ClassVar[str] = "ego_expert_L2_error"
    unit: ClassVar[str] = "meters"

    def __init__(self, config: NoSettings | ErrorWithYawConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        c, ego = self.config, frames(context).box
        heading_weight = c.heading_weight if isinstance(c, ErrorWithYawConfig) else 0.0
        off = ego[:, :3] - expert_boxes(context)[: len(ego), :3]
        turn = np.abs(wrap_array(off[:, 2]))
        values = np.hypot(off[:, 0], off[:, 1]) + heading_weight * turn
        found = {"max": float(values.max()), "avg": float(np.mean(values)), "p90": p90(values)}
        stats = {f"{statistic}_{self.name}": value for statistic, value in found.items()}
        return MetricResult(self.name, None, stats, Series(frames(context).time_us, values, self.unit))


class EgoExpertL2ErrorWithYaw(EgoExpertL2Error):
    """Reported only: the distance, and ``heading_weight`` meters per radian of heading error."""

    name, unit = "ego_expert_l2_error_with_yaw", "None"
