"""What this package provides. Imports nothing heavy: the strings are loaded when a plugin is chosen."""

from __future__ import annotations

from dataclasses import dataclass

from roadcraft.core import PluginSpec, hookimpl


@dataclass(frozen=True)
class CautiousConfig:
    """share: of the speed limit that is driven; headway_s: to whatever is ahead; deceleration_mps2, acceleration_mps2: the gentlest that do."""

    share: float = 0.7
    headway_s: float = 2.5
    deceleration_mps2: float = 1.5
    acceleration_mps2: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 < self.share <= 1.0:
            raise ValueError(f"share = {self.share}: a share of the speed limit lies in (0, 1]")


@dataclass(frozen=True)
class HardBrakingConfig:
    """bound_mps2: braking harder than this counts."""

    bound_mps2: float = 3.0


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
