"""Settings of the metrics; the defaults are nuPlan's (reference: nuplan-devkit e924167, config/common/simulation_metric). Standard library only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NoSettings:
    """Nothing to set."""


@dataclass(frozen=True)
class LaneChangeConfig:
    """max_fail_rate: share of failed lane changes that is still fine."""

    max_fail_rate: float = 0.3


@dataclass(frozen=True)
class CollisionConfig:
    """At-fault collisions that leave a part of the score: allow n, and each costs 1 / (n + 1)."""

    allow_vru: int = 0
    allow_vehicle: int = 0
    allow_object: int = 1


@dataclass(frozen=True)
class DrivableAreaConfig:
    """tolerance_m: how far a corner may stand beyond the drivable area."""

    tolerance_m: float = 0.3


@dataclass(frozen=True)
class DrivingDirectionConfig:
    """Way against the driving direction within horizon_s: below compliance_m scores 1, below violation_m 0.5, else 0."""

    compliance_m: float = 2.0
    violation_m: float = 6.0
    horizon_s: int = 1


@dataclass(frozen=True)
class ProgressConfig:
    """min_progress_m: floor of ego's and the expert's progress in their ratio, and how far backwards is noise."""

    min_progress_m: float = 2.0


@dataclass(frozen=True)
class MakingProgressConfig:
    """min_ratio: of ego's progress to the expert's."""

    min_ratio: float = 0.2


@dataclass(frozen=True)
class TimeToCollisionConfig:
    """Everyone is projected every step_s up to horizon_s; least_s: a time to collision up to this fails."""

    step_s: float = 0.1
    horizon_s: float = 3.0
    least_s: float = 0.95


@dataclass(frozen=True)
class SpeedLimitConfig:
    """max_overspeed_mps: mean excess over the whole scenario at which the score reaches 0."""

    max_overspeed_mps: float = 2.23


@dataclass(frozen=True)
class JerkConfig:
    """Bound of the jerk's magnitude, m/s3."""

    bound: float = 8.37


@dataclass(frozen=True)
class LonJerkConfig:
    """Bound of the longitudinal jerk, m/s3."""

    bound: float = 4.13


@dataclass(frozen=True)
class LatAccelerationConfig:
    """Bound of the lateral acceleration, m/s2."""

    bound: float = 4.89


@dataclass(frozen=True)
class LonAccelerationConfig:
    """Bounds of the longitudinal acceleration, m/s2."""

    low: float = -4.05
    high: float = 2.40


@dataclass(frozen=True)
class YawRateConfig:
    """Bound of the yaw rate, rad/s."""

    bound: float = 0.95


@dataclass(frozen=True)
class YawAccelerationConfig:
    """Bound of the yaw acceleration, rad/s2."""

    bound: float = 1.93


@dataclass(frozen=True)
class ComfortConfig:
    """Bounds of all six quantities of ``ego_is_comfortable``, strict."""

    jerk: float = 8.37
    lon_jerk: float = 4.13
    lat_acceleration: float = 4.89
    min_lon_acceleration: float = -4.05
    max_lon_acceleration: float = 2.40
    yaw_rate: float = 0.95
    yaw_acceleration: float = 1.93


@dataclass(frozen=True)
class ErrorWithYawConfig:
    """heading_weight: metres that a radian of heading error counts."""

    heading_weight: float = 2.5


@dataclass(frozen=True)
class DisplacementConfig:
    """max_m: mean error over all horizons and frames at which the score reaches 0."""

    max_m: float = 8.0


@dataclass(frozen=True)
class HeadingConfig:
    """max_rad: mean error over all horizons and frames at which the score reaches 0."""

    max_rad: float = 0.8


@dataclass(frozen=True)
class MissRateConfig:
    """max_m: largest displacement within 3, 5, 8 s beyond which a frame is a miss; max_rate: share of missed frames that is still fine."""

    max_m: tuple[float, float, float] = (6.0, 8.0, 16.0)
    max_rate: float = 0.3
