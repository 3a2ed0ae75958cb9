"""Settings of the planners that learn nothing: log replay, constant velocity, intelligent driver model."""

from __future__ import annotations

from dataclasses import dataclass

from roadcraft.core.rules import check


@dataclass(frozen=True)
class LogReplayConfig:
    """poses: future poses of the plan, spread evenly over horizon_s seconds."""

    poses: int = 16
    horizon_s: float = 8.0

    def __post_init__(self) -> None:
        check(self, {">= 1": "poses", "> 0": "horizon_s"})


@dataclass(frozen=True)
class ConstantVelocityConfig:
    """Straight on (or along a fixed steering angle) from the present velocity.

    horizon_s, interval_s: of the plan; acceleration_mps2: until max_speed_mps is passed; a faster ego slows down towards max_speed_mps;
    steering_rad: tire angle that is held.
    """

    horizon_s: float = 10.0
    interval_s: float = 0.25
    acceleration_mps2: float = 0.0
    max_speed_mps: float = 5.0
    steering_rad: float = 0.0

    def __post_init__(self) -> None:
        check(
            self,
            {">= 0.001": "interval_s", ">= 0": "max_speed_mps"},
            ("horizon_s", self.horizon_s >= self.interval_s, f"must be at least interval_s = {self.interval_s}"),
        )


@dataclass(frozen=True)
class IdmConfig:
    """The intelligent driver model along the route's lanes.

    target_speed_mps: where the lane has no limit; min_gap_m: to the object ahead; headway_s: time gap; max_accel_mps2, max_decel_mps2: bounds,
    both positive; poses, interval_s: of the plan; radius_m: objects whose centre is nearer than this to ego's are considered.
    """

    target_speed_mps: float = 10.0
    min_gap_m: float = 1.0
    headway_s: float = 1.5
    max_accel_mps2: float = 1.0
    max_decel_mps2: float = 3.0
    poses: int = 16
    interval_s: float = 0.5
    radius_m: float = 40.0

    def __post_init__(self) -> None:
        positive = "target_speed_mps min_gap_m max_accel_mps2 max_decel_mps2 interval_s radius_m"
        check(self, {"> 0": positive, ">= 1": "poses", ">= 0": "headway_s"})
