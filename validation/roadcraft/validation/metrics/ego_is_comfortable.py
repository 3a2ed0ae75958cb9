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
        bounds = comfort_bounds(self.config)
        quantities = {
            "jerk": jerk(context, "magnitude"),
            "lateral acceleration": acceleration(context, "y"),
            "longitudinal acceleration": acceleration(context, "x"),
            "longitudinal jerk": jerk(context, "x"),
            "yaw acceleration": yaw_acceleration(context),
            "yaw rate": yaw_rate(context),
        }
        good, events = True, list[Event]()
        for name, values in quantities.items():
            low, high, unit = bounds[name]
            found = excess(values, low, high)
            good = good and found.within
            events += excess_events(name, values, unit, low, high, found)
        return MetricResult("ego_is_comfortable", float(good), {"ego_is_comfortable": good}, events=tuple(events))


def comfort_bounds(c: ComfortConfig) -> dict[str, tuple[float, float, str]]:
    """By quantity the bounds that it must lie strictly between, and their unit."""
    return {
        "jerk": (-c.jerk, c.jerk, "m/s3"),
        "lateral acceleration": (-c.lat_acceleration, c.lat_acceleration, "m/s2"),
        "longitudinal acceleration": (c.min_lon_acceleration, c.max_lon_acceleration, "m/s2"),
        "longitudinal jerk": (-c.lon_jerk, c.lon_jerk, "m/s3"),
        "yaw acceleration": (-c.yaw_acceleration, c.yaw_acceleration, "rad/s2"),
        "yaw rate": (-c.yaw_rate, c.yaw_rate, "rad/s"),
    }
