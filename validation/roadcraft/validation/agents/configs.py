"""Settings of the agent policies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from roadcraft.core.config.rules import OneOf, Range, check

_REPLAYABLE = ("pedestrian", "bicycle", "traffic_cone", "barrier", "czone_sign", "generic_object")


@dataclass(frozen=True)
class LogAgentsConfig:
    """Everybody does what the log did; there is nothing to set."""


@dataclass(frozen=True)
class IdmAgentsConfig:
    """Cars on lanes follow the intelligent driver model; slow and static kinds replay the log."""

    target_speed_mps: Annotated[float, Range("> 0")] = 10.0
    """Speed aimed at where no lane says otherwise."""
    min_gap_m: Annotated[float, Range("> 0")] = 1.0
    """Gap to the object ahead at standstill."""
    headway_s: Annotated[float, Range(">= 0")] = 1.5
    """Time gap to the object ahead; a larger gap brakes earlier."""
    max_accel_mps2: Annotated[float, Range("> 0")] = 1.0
    """Largest acceleration."""
    max_decel_mps2: Annotated[float, Range("> 0")] = 2.0
    """Comfortable deceleration, positive; a larger one brakes later and harder."""
    min_path_m: Annotated[float, Range(">= 0")] = 20.0
    """Length of path kept ahead beyond target speed times headway."""
    radius_m: Annotated[float, Range("> 0")] = 100.0
    """Agents farther than this from the ego are removed for good."""
    replayed: Annotated[tuple[str, ...], OneOf(*_REPLAYABLE)] = (
        "pedestrian",
        "barrier",
        "czone_sign",
        "traffic_cone",
        "generic_object",
    )
    """Kinds of objects that replay the log, in the order in which observations list them; a kind left out is absent."""

    def __post_init__(self) -> None:
        check(self)
