"""What this package provides. Imports nothing heavy: the strings are loaded when the model is chosen."""

from __future__ import annotations

from dataclasses import dataclass

from roadcraft.core import PluginSpec, hookimpl


@dataclass(frozen=True)
class AnchorsConfig:
    """lines: reference lines that are followed; accelerations_mps2: held for hold_s each, then the speed is kept; merge_s: until the ego is on the line.

    width: of the scorer's layers; sharpness_m: an anchor that is so much further from what the expert did than the best one counts e times less as target.
    """

    lines: int = 3
    accelerations_mps2: tuple[float, ...] = (-5.0, -3.0, -2.0, -1.2, -0.6, -0.2, 0.0, 0.4, 0.8, 1.4, 2.2)
    hold_s: tuple[float, ...] = (2.0, 5.0)
    merge_s: float = 3.5
    width: int = 64
    sharpness_m: float = 0.3

    def __post_init__(self) -> None:
        if self.lines < 1 or self.width < 1:
            raise ValueError("lines and width must be at least 1")
        if not self.accelerations_mps2 or not self.hold_s:
            raise ValueError("accelerations_mps2 and hold_s need at least one value each")
        if min(*self.hold_s, self.merge_s, self.sharpness_m) <= 0.0:
            raise ValueError("hold_s, merge_s and sharpness_m must be positive")


@hookimpl
def roadcraft_plugins() -> list[PluginSpec]:
    home = "roadcraft_anchors"
    summary = "Scores a fixed vocabulary of manoeuvres along the reference lines"
    return [PluginSpec("model", "anchors", summary, f"{home}.plugin:AnchorsConfig", f"{home}.model:Anchors")]
