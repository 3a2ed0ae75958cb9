"""Accelerations, jerks and yaw stay within bounds (reference: nuplan-devkit e924167, ego_is_comfortable.py)."""

from __future__ import annotations

from typing import ClassVar

from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import Event, MetricResult
from roadcraft.validation.metrics.common.bounded import excess_events
from roadcraft.validation.metrics.common.configs import ComfortConfig
from roadcraft.validation.metrics.common.dynamics import acceleration, excess, jerk, yaw_acceleration, yaw_rate


class EgoIsComfortable(Metric):
    """Weight 2. 1 where all six quantities lie strictly within their bounds at every step, else 0."""

    role: ClassVar[str] = "weighted"
    weight: ClassVar[float] = 2.0

    def __init__(self, config: ComfortConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        c = self.config
        quantities = (
            ("jerk", jerk(context, "magnitude"), "m/s3", -c.jerk, c.jerk),
            ("lateral acceleration", acceleration(context, "y"), "m/s2", -c.lat_acceleration, c.lat_acceleration),
            (
                "longitudinal acceleration",
                acceleration(context, "x"),
                "m/s2",
                c.min_lon_acceleration,
                c.max_lon_acceleration,
            ),
            ("longitudinal jerk", jerk(context, "x"), "m/s3", -c.lon_jerk, c.lon_jerk),
            ("yaw acceleration", yaw_acceleration(context), "rad/s2", -c.yaw_acceleration, c.yaw_acceleration),
            ("yaw rate", yaw_rate(context), "rad/s", -c.yaw_rate, c.yaw_rate),
        )
        good, events = True, list[Event]()
        for name, values, unit, low, high in quantities:
            found = excess(values, low, high)
            good = good and found.within
            events += excess_events(name, values, unit, low, high, found)
        return MetricResult("ego_is_comfortable", float(good), {"ego_is_comfortable": good}, events=tuple(events))
