"""Settings of the planners that learn nothing: log replay, constant velocity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from roadcraft.core.config.rules import Range, check


@dataclass(frozen=True)
class LogReplayConfig:
    """Drives what the log's own driver drove."""

    poses: Annotated[int, Range(">= 1")] = 16
    """Future poses of the plan, spread evenly over the horizon."""
    horizon_s: Annotated[float, Range("> 0")] = 8.0
    """Length of the plan."""

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class ConstantVelocityConfig:
    """Straight on (or along a fixed steering angle) from the present velocity."""

    horizon_s: Annotated[float, Range("> 0")] = 10.0
    """Length of the plan; at least interval_s."""
    interval_s: Annotated[float, Range(">= 0.001")] = 0.25
    """Time between poses of the plan."""
    acceleration_mps2: float = 0.0
    """Acceleration until max_speed_mps is passed."""
    max_speed_mps: Annotated[float, Range(">= 0")] = 5.0
    """Speed up to which the ego accelerates; a faster ego slows down towards it."""
    steering_rad: float = 0.0
    """Tire angle that is held; positive turns left."""

    def __post_init__(self) -> None:
        check(
            self, ("horizon_s", self.horizon_s >= self.interval_s, f"must be at least interval_s = {self.interval_s}")
        )
