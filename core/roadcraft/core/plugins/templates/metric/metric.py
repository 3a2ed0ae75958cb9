"""The share of time in which the ego drives faster than a bound."""

import numpy as np

from roadcraft.core import Ego, Event, Metric, MetricContext, MetricResult, Series

from __PACKAGE__.plugin import __CLASS__Config


class __CLASS__(Metric):
    role = "report"  # or "multiplier", or "weighted" with a weight

    def __init__(self, config: __CLASS__Config) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        drive = context.rollout.drive
        speed = np.hypot(drive.ego[:, Ego.VX], drive.ego[:, Ego.VY])
        over = speed > self.config.bound_mps
        events = (Event(int(np.argmax(over)), f"faster than {self.config.bound_mps} m/s"),) if over.any() else ()
        return MetricResult(
            "__NAME__",
            float(1.0 - over.mean()),
            {"max_speed": float(speed.max())},
            Series(drive.time_us, speed, "m/s"),
            events,
        )
