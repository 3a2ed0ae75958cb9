"""Settings of the planner ``docking``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from roadcraft.core.config.rules import Range, check


@dataclass(frozen=True)
class DockingConfig:
    """Forward to a set-up pose, then in reverse to the dock, with pull-ups where one reversal does not do."""

    gap_m: Annotated[float, Range("[0, 2]")] = 0.12
    """Gap between the last unit's rear edge and the dock that is aimed at."""
    forward_mps: Annotated[float, Range("[0.3, 5]")] = 1.5
    """Largest speed forward."""
    reverse_mps: Annotated[float, Range("[0.3, 3]")] = 0.9
    """Largest speed in reverse."""
    clearance_m: Annotated[float, Range("[0, 2]")] = 0.2
    """Room kept beside all units; near the dock less."""
    steering_share: Annotated[float, Range("(0, 1]")] = 0.85
    """Share of the largest steering angle that a plan uses; the rest is the tracker's."""
    joint_share: Annotated[float, Range("(0, 1)")] = 0.7
    """Share of the joint that can no longer be straightened in reverse, and of the joint's limit, beyond which it pulls
    up."""
    pull_ups: Annotated[int, Range("[0, 10]")] = 3
    """Most pull-ups: forward moves between two reversals."""
    lateral_m: Annotated[float, Range("(0, 1]")] = 0.08
    """Lateral error at the dock beyond which it pulls up once more."""
    heading_rad: Annotated[float, Range("(0, 0.5]")] = 0.0145
    """Heading error at the dock beyond which it pulls up once more."""
    joint_gain: Annotated[float, Range("(0, 1]")] = 0.1
    """Weight of a measured joint angle against the one that rolling without slip leads to; smaller ones bear more
    noise."""

    def __post_init__(self) -> None:
        check(self)
