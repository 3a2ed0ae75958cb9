"""Ego stays on the drivable area (reference: nuplan-devkit e924167, drivable_area_compliance.py)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import Event, MetricResult
from roadcraft.validation.metrics.common.configs import DrivableAreaConfig
from roadcraft.validation.metrics.common.drivable import departures
from roadcraft.validation.metrics.common.events import runs, span_text

_CORNERS = ("front left", "rear left", "rear right", "front right")


class DrivableAreaCompliance(Metric):
    """Multiplier. 0 where a corner ever stands ``tolerance_m`` or more beyond the drivable area and ego's own lanes,
    else 1."""

    role: ClassVar[str] = "multiplier"

    def __init__(self, config: DrivableAreaConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        distance = departures(context).distance
        far = distance >= self.config.tolerance_m
        score = 0.0 if far.any() else 1.0
        events, time_us = [], context.rollout.drive.time_us
        for first, last in zip(*runs(np.asarray(far.any(axis=1))), strict=True):
            part = distance[first : last + 1]
            step, corner = divmod(int(part.argmax()), 4)
            what = (
                f"{_CORNERS[corner]} corner {part[step, corner]:.2f} m beyond the drivable area, "
                f"{span_text(time_us, int(first), int(last))}"
            )
            events.append(Event(int(first) + step, what))
        return MetricResult(
            "drivable_area_compliance", score, {"drivable_area_compliance": score}, events=tuple(events)
        )
