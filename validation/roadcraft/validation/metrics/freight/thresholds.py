"""Settings of the metrics of heavy and articulated vehicles. Every threshold names its source: an engineering choice
has none; what is recalled says that it is unverified. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from roadcraft.core.rules import Range


@dataclass(frozen=True)
class AllUnitDrivableAreaConfig:
    """When a unit leaves the drivable area."""

    tolerance_m: Annotated[float, Range(">= 0")] = 0.3
    """Distance by which a point of an outline may stand beyond the drivable area: nuPlan's for corners."""


@dataclass(frozen=True)
class LaneKeepingConfig:
    """When units leave the lanes that unit 0 uses."""

    noticed_m: Annotated[float, Range(">= 0")] = 0.1
    """Excess that counts as time out of the lanes; engine choice."""
    max_m: Annotated[float, Range("> 0")] = 0.5
    """Excess at which the score reaches 0; engine choice."""
    oncoming_s: Annotated[float, Range(">= 0")] = 6.0
    """Time until an oncoming road user arrives up to which an excess into its lane costs the whole score; engine
    choice."""
