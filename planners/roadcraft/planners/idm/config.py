"""Settings of the planner ``idm``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from roadcraft.core.config.rules import Range, check


@dataclass(frozen=True)
class IdmConfig:
    """The intelligent driver model along the route's lanes. A vehicle with masses keeps the response time of its brakes
    beside the time gap, and looks 250 m far."""

    target_speed_mps: Annotated[float, Range("> 0")] = 10.0
    """Speed aimed at where the lane has no limit."""
    min_gap_m: Annotated[float, Range("> 0")] = 1.0
    """Gap to the object ahead at standstill; a larger gap stops earlier."""
    headway_s: Annotated[float, Range(">= 0")] = 1.5
    """Time gap to the object ahead; a larger gap brakes earlier."""
    max_accel_mps2: Annotated[float, Range("> 0")] = 1.0
    """Largest acceleration."""
    max_decel_mps2: Annotated[float, Range("> 0")] = 3.0
    """Comfortable deceleration, positive; a larger one brakes later and harder."""
    brake_share: Annotated[float, Range("(0, 1]")] = 0.5
    """Share of what the brakes of a vehicle with masses give in its state of load, which it decelerates by at most;
    engine choice."""
    poses: Annotated[int, Range(">= 1")] = 16
    """Poses of the plan."""
    interval_s: Annotated[float, Range("> 0")] = 0.5
    """Time between poses of the plan."""
    radius_m: Annotated[float, Range("> 0")] = 40.0
    """Objects whose center is nearer than this to the ego's are considered."""

    def __post_init__(self) -> None:
        check(self)
