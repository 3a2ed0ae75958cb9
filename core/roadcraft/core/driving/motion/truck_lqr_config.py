"""Settings of the tracker of trucks. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from roadcraft.core.config.rules import Range, Unit, check


@dataclass(frozen=True)
class TruckLqrConfig:
    """Weights of the tracker of articulated and heavy vehicles. Lengths, masses, tires and lags come from the vehicle
    file."""

    q_lateral: Annotated[float, Range("> 0")] = 1.0
    """Weight of the lateral error (m) of the rear axle."""
    q_heading: Annotated[float, Range(">= 0")] = 10.0
    """Weight of the heading error (rad) at speeds at which tires slip."""
    q_heading_slow: Annotated[float, Range(">= 0")] = 2.0
    """Weight of the heading error (rad) at low speed."""
    q_joint_rate: Annotated[float, Range(">= 0")] = 2.0
    """Weight of the joint rates (rad/s); a larger one swings the trailers less."""
    r_steering: Annotated[float, Range("> 0")] = 1.0
    """Weight of the steering rate (rad/s) at speeds at which tires slip."""
    r_steering_slow: Annotated[float, Range("> 0")] = 0.5
    """Weight of the steering rate (rad/s) at low speed."""
    q_lateral_reverse: Annotated[float, Range("> 0")] = 0.05
    """Weight of the lateral error (m) of the last unit in reverse."""
    q_heading_reverse: Annotated[float, Range(">= 0")] = 1.0
    """Weight of the heading error (rad) of the last unit in reverse."""
    q_joint_reverse: Annotated[float, Range("> 0")] = 2.0
    """Weight of the joint angles (rad) in reverse."""
    q_steering_reverse: Annotated[float, Range(">= 0")] = 0.2
    """Weight of the steering angle (rad) in reverse."""
    r_steering_reverse: Annotated[float, Range("> 0")] = 5.0
    """Weight of the steering (rad) per meter driven in reverse."""
    most_lateral_reverse: Annotated[float, Range("> 0"), Unit("m")] = 1.5
    """Lateral error in reverse beyond which it steers no harder."""
    gentle_jerk: Annotated[float, Range("> 0"), Unit("m/s3")] = 1.0
    """Largest change of the acceleration while less than gentle_accel is asked."""
    gentle_accel: Annotated[float, Range(">= 0"), Unit("m/s2")] = 1.0
    """Acceleration, either way, above which most_jerk holds."""
    most_jerk: Annotated[float, Range("> 0"), Unit("m/s3")] = 5.0
    """Largest change of the acceleration."""

    def __post_init__(self) -> None:
        check(self)
