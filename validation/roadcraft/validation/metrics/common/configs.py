"""Settings of the metrics; the defaults are nuPlan's (reference: nuplan-devkit e924167,
config/common/simulation_metric). Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from roadcraft.core.config.rules import Range, Unit


@dataclass(frozen=True)
class NoSettings:
    """Nothing to set."""


@dataclass(frozen=True)
class LaneChangeConfig:
    """When lane changes take too long."""

    max_fail_rate: Annotated[float, Range("[0, 1]")] = 0.3
    """Share of failed lane changes up to which the metric passes."""


@dataclass(frozen=True)
class CollisionConfig:
    """At-fault collisions that leave a part of the score: where n are allowed, each costs 1 / (n + 1)."""

    allow_vru: Annotated[int, Range(">= 0")] = 0
    """Collisions with pedestrians and bicycles that leave a part of the score."""
    allow_vehicle: Annotated[int, Range(">= 0")] = 0
    """Collisions with vehicles that leave a part of the score."""
    allow_object: Annotated[int, Range(">= 0")] = 1
    """Collisions with other objects that leave a part of the score."""


@dataclass(frozen=True)
class DrivableAreaConfig:
    """When the ego leaves the drivable area."""

    tolerance_m: Annotated[float, Range(">= 0")] = 0.3
    """Distance by which a corner may stand beyond the drivable area."""


@dataclass(frozen=True)
class DrivingDirectionConfig:
    """Distance driven against the driving direction."""

    compliance_m: Annotated[float, Range(">= 0")] = 2.0
    """Distance within horizon_s below which the score is 1."""
    violation_m: Annotated[float, Range(">= 0")] = 6.0
    """Distance within horizon_s below which the score is 0.5, else 0."""
    horizon_s: Annotated[int, Range("> 0")] = 1
    """Time over which the distance is taken."""


@dataclass(frozen=True)
class ProgressConfig:
    """Progress along the expert's route."""

    min_progress_m: Annotated[float, Range("> 0")] = 2.0
    """Floor of the ego's and the expert's progress in their ratio; also the distance backwards that is noise."""


@dataclass(frozen=True)
class MakingProgressConfig:
    """Whether the ego makes progress at all."""

    min_ratio: Annotated[float, Range(">= 0")] = 0.2
    """Least ratio of the ego's progress to the expert's that passes."""


@dataclass(frozen=True)
class TimeToCollisionConfig:
    """Time to collision, everybody going straight on."""

    step_s: Annotated[float, Range("> 0")] = 0.1
    """Time between projected poses."""
    horizon_s: Annotated[float, Range("> 0")] = 3.0
    """Time up to which everybody is projected."""
    min_ttc_s: Annotated[float, Range(">= 0")] = 0.95
    """A time to collision up to this fails."""


@dataclass(frozen=True)
class SpeedLimitConfig:
    """Speed above the limit."""

    max_overspeed_mps: Annotated[float, Range("> 0")] = 2.23
    """Mean excess over the whole scenario at which the score reaches 0."""


@dataclass(frozen=True)
class JerkConfig:
    """Comfort of the jerk."""

    bound: Annotated[float, Range(">= 0"), Unit("m/s³")] = 8.37
    """Largest magnitude of the jerk that passes."""


@dataclass(frozen=True)
class LonJerkConfig:
    """Comfort of the longitudinal jerk."""

    bound: Annotated[float, Range(">= 0"), Unit("m/s³")] = 4.13
    """Largest longitudinal jerk, either way, that passes."""


@dataclass(frozen=True)
class LatAccelerationConfig:
    """Comfort of the lateral acceleration."""

    bound: Annotated[float, Range(">= 0"), Unit("m/s²")] = 4.89
    """Largest lateral acceleration, either way, that passes."""


@dataclass(frozen=True)
class LonAccelerationConfig:
    """Comfort of the longitudinal acceleration."""

    low: Annotated[float, Unit("m/s²")] = -4.05
    """Least longitudinal acceleration (strongest braking) that passes."""
    high: Annotated[float, Unit("m/s²")] = 2.40
    """Largest longitudinal acceleration that passes."""


@dataclass(frozen=True)
class YawRateConfig:
    """Comfort of the yaw rate."""

    bound: Annotated[float, Range(">= 0"), Unit("rad/s")] = 0.95
    """Largest yaw rate, either way, that passes."""


@dataclass(frozen=True)
class YawAccelerationConfig:
    """Comfort of the yaw acceleration."""

    bound: Annotated[float, Range(">= 0"), Unit("rad/s²")] = 1.93
    """Largest yaw acceleration, either way, that passes."""


@dataclass(frozen=True)
class ComfortConfig:
    """Bounds of all six quantities of ``ego_is_comfortable``, strict."""

    jerk: Annotated[float, Range(">= 0"), Unit("m/s³")] = 8.37
    """Magnitude of the jerk from which on the ego is uncomfortable."""
    lon_jerk: Annotated[float, Range(">= 0"), Unit("m/s³")] = 4.13
    """Longitudinal jerk, either way, from which on the ego is uncomfortable."""
    lat_acceleration: Annotated[float, Range(">= 0"), Unit("m/s²")] = 4.89
    """Lateral acceleration, either way, from which on the ego is uncomfortable."""
    min_lon_acceleration: Annotated[float, Unit("m/s²")] = -4.05
    """Longitudinal acceleration from which on braking is uncomfortable."""
    max_lon_acceleration: Annotated[float, Unit("m/s²")] = 2.40
    """Longitudinal acceleration from which on speeding up is uncomfortable."""
    yaw_rate: Annotated[float, Range(">= 0"), Unit("rad/s")] = 0.95
    """Yaw rate, either way, from which on the ego is uncomfortable."""
    yaw_acceleration: Annotated[float, Range(">= 0"), Unit("rad/s²")] = 1.93
    """Yaw acceleration, either way, from which on the ego is uncomfortable."""


@dataclass(frozen=True)
class ErrorWithYawConfig:
    """Displacement and heading errors in one number."""

    heading_weight: Annotated[float, Range(">= 0"), Unit("m/rad")] = 2.5
    """Meters that a radian of heading error counts."""


@dataclass(frozen=True)
class DisplacementConfig:
    """Displacement errors against the expert."""

    max_m: Annotated[float, Range("> 0")] = 8.0
    """Mean error over all horizons and frames at which the score reaches 0."""


@dataclass(frozen=True)
class HeadingConfig:
    """Heading errors against the expert."""

    max_rad: Annotated[float, Range("> 0")] = 0.8
    """Mean error over all horizons and frames at which the score reaches 0."""


@dataclass(frozen=True)
class MissRateConfig:
    """Frames whose plan misses the expert."""

    max_m: Annotated[tuple[float, float, float], Range(">= 0")] = (6.0, 8.0, 16.0)
    """Largest displacement within 3, 5, 8 s beyond which a frame is a miss."""
    max_rate: Annotated[float, Range("[0, 1]")] = 0.3
    """Share of missed frames up to which the metric passes."""
