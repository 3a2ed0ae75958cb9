"""What this package provides. Imports nothing heavy: the strings are loaded when a plugin is chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from roadcraft.core import PluginSpec, Range, hookimpl


@dataclass(frozen=True)
class CautiousConfig:
    """The text under a field is shown by ``roadcraft plugins planner cautious``; its range is checked when the planner
    is made."""

    share: Annotated[float, Range("(0, 1]")] = 0.7
    """Share of the speed limit that is driven."""
    headway_s: float = 2.5
    """Time gap to whatever is ahead; a larger gap brakes earlier."""
    deceleration_mps2: float = 1.5
    """Comfortable deceleration, positive; a larger one brakes later and harder."""
    acceleration_mps2: float = 1.0
    """Largest acceleration."""


@dataclass(frozen=True)
class HardBrakingConfig:
    """What counts as hard braking."""

    bound_mps2: float = 3.0
    """Deceleration from which on braking is hard, positive."""


@hookimpl
def roadcraft_plugins() -> list[PluginSpec]:
    home = "roadcraft_cautious"
    return [
        PluginSpec(
            "planner",
            "cautious",
            "Own lane, below the limit, long distance",
            f"{home}.plugin:CautiousConfig",
            f"{home}.planner:Cautious",
        ),
        PluginSpec(
            "metric",
            "hard_braking",
            "Hard braking per minute",
            f"{home}.plugin:HardBrakingConfig",
            f"{home}.metric:HardBraking",
        ),
    ]
