"""The metric ``hard_braking``: how often the ego brakes harder than a bound."""

from __future__ import annotations

from typing import Any

import numpy as np

from roadcraft.core import Ego, Event, Metric, MetricResult, Series
from roadcraft_cautious.plugin import HardBrakingConfig


class HardBraking(Metric):
    """Score: 1 without hard braking, falling to 0 at one start of it per two seconds. Reported beside nuPlan's score,
    not part of it."""

    role = "report"

    def __init__(self, config: HardBrakingConfig) -> None:
        self.config = config

    def compute(self, context: Any) -> MetricResult:
        drive = context.rollout.drive
        accel = drive.ego[:, Ego.AX]
        hard = accel < -self.config.bound_mps2
        begins = np.flatnonzero(hard & ~np.concatenate([[False], hard[:-1]]))
        minutes = max((drive.time_us[-1] - drive.time_us[0]) / 60e6, 1e-9)
        stats = {
            "hard_brakings": len(begins),
            "per_minute": float(len(begins) / minutes),
            "strongest_mps2": float(accel.min()),
        }
        events = tuple(Event(int(i), f"brakes harder than {self.config.bound_mps2} m/s2") for i in begins)
        score = float(max(0.0, 1.0 - len(begins) / minutes / 30.0))
        return MetricResult("hard_braking", score, stats, Series(drive.time_us, accel, "m/s2"), events)
