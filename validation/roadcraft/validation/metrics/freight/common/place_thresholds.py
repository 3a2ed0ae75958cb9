"""Settings of the metrics of places of the map, as those of ``thresholds``. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from roadcraft.core.config.rules import Range, check
from roadcraft.validation.metrics.common.configs import SpeedLimitConfig


@dataclass(frozen=True)
class BridgeClearanceConfig:
    """Room under structures."""

    least_m: Annotated[float, Range(">= 0")] = 0.1
    """Least room; engine choice."""


@dataclass(frozen=True)
class WeightLimitsConfig:
    """Limits of weight."""

    law: Literal["posted", "us_interstate"] = "posted"
    """posted: what places of the map say; us_interstate: also the federal bridge formula (23 CFR 658.17, as recalled
    and unverified)."""


@dataclass(frozen=True)
class LaneRestrictionConfig:
    """Lanes that trucks keep out of."""

    free_s: Annotated[float, Range(">= 0")] = 0.0
    """Time in a closed lane that costs nothing; engine choice."""


@dataclass(frozen=True)
class GradeSpeedConfig(SpeedLimitConfig):
    """Speed above the advisory of a downgrade; the mean excess that costs all is nuPlan's for speed limits."""


@dataclass(frozen=True)
class DockConfig:
    """How well ego stands at a dock; all engine choices."""

    lateral_m: Annotated[float, Range("> 0")] = 0.1
    """Lateral distance that is good."""
    heading_rad: Annotated[float, Range("> 0")] = 0.017453292519943295
    """Angle that is good: 1 degree."""
    least_gap_m: Annotated[float, Range(">= 0")] = 0.05
    """Least gap that is good."""
    most_gap_m: Annotated[float, Range("> 0")] = 0.2
    """Largest gap that is good."""
    near_m: Annotated[float, Range("> 0")] = 5.0
    """Distance within which ego is at a dock."""

    def __post_init__(self) -> None:
        check(self, ("most_gap_m", self.most_gap_m > self.least_gap_m, "must be greater than least_gap_m"))
