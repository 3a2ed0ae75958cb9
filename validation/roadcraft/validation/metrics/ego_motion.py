"""How ego moves: accelerations, jerks and yaw rates over the drive, each a metric of its own (reference: nuplan-devkit
e924167, ego_acceleration.py, ego_jerk.py, ego_yaw_rate.py and the files of their components).

All are reported only; ``ego_is_comfortable`` scores those that have bounds.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from roadcraft.core.arrays import F64
from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import MetricResult
from roadcraft.validation.metrics.common.bounded import bounded
from roadcraft.validation.metrics.common.configs import (
    JerkConfig,
    LatAccelerationConfig,
    LonAccelerationConfig,
    LonJerkConfig,
    NoSettings,
    YawAccelerationConfig,
    YawRateConfig,
)
from roadcraft.validation.metrics.common.dynamics import acceleration, jerk, yaw_acceleration, yaw_rate

_Bound = JerkConfig | LonJerkConfig | LatAccelerationConfig | YawRateConfig | YawAccelerationConfig


class _Motion(Metric):
    """One quantity at every step. name: of the metric and its statistics; unit: of the series; axis: of the quantity,
    where it has one."""

    name: ClassVar[str]
    unit: ClassVar[str]
    axis: ClassVar[str] = ""

    def __init__(self, config: NoSettings | LonAccelerationConfig | _Bound) -> None:
        self.config = config

    @abstractmethod
    def values(self, context: MetricContext) -> F64:
        """The quantity (n,)."""

    def compute(self, context: MetricContext) -> MetricResult:
        c = self.config
        if isinstance(c, NoSettings):
            return bounded(context, self.name, self.values(context), self.unit)
        low, high = (c.low, c.high) if isinstance(c, LonAccelerationConfig) else (-c.bound, c.bound)
        return bounded(context, self.name, self.values(context), self.unit, low, high)


class EgoAcceleration(_Motion):
    """The acceleration's magnitude."""

    name, unit, axis = "ego_acceleration", "meters_per_second_squared", "magnitude"

    def values(self, context: MetricContext) -> F64:
        return acceleration(context, self.axis)


class EgoLonAcceleration(EgoAcceleration):
    """Longitudinal acceleration."""

    name, axis = "ego_lon_acceleration", "x"


class EgoLatAcceleration(EgoAcceleration):
    """Lateral acceleration. nuPlan's bicycle model has none after its first step, so the bound can only fail there."""

    name, axis = "ego_lat_acceleration", "y"


class EgoJerk(_Motion):
    """The jerk's magnitude."""

    name, unit, axis = "ego_jerk", "meters_per_second_cubed", "magnitude"

    def values(self, context: MetricContext) -> F64:
        return jerk(context, self.axis)


class EgoLonJerk(EgoJerk):
    """Longitudinal jerk."""

    name, axis = "ego_lon_jerk", "x"


class EgoLatJerk(EgoJerk):
    """Lateral jerk."""

    name, axis = "ego_lat_jerk", "y"


class EgoYawRate(_Motion):
    """Yaw rate."""

    name, unit = "ego_yaw_rate", "radians_per_second"

    def values(self, context: MetricContext) -> F64:
        return yaw_rate(context)


class EgoYawAcceleration(_Motion):
    """Yaw acceleration."""

    name, unit = "ego_yaw_acceleration", "radians_per_second_squared"

    def values(self, context: MetricContext) -> F64:
        return yaw_acceleration(context)
