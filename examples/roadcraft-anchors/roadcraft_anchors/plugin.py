"""What this package provides. Imports nothing heavy: the strings are loaded when the model is chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from roadcraft.core import PluginSpec, Range, check, hookimpl
from roadcraft.plugins import AdamWCosineConfig


@dataclass(frozen=True)
class AnchorsConfig:
    """A fixed vocabulary of anchors: each acceleration, held for each time, along each reference line."""

    lines: Annotated[int, Range(">= 1")] = 3
    """Reference lines that are followed."""
    accelerations_mps2: tuple[float, ...] = (-5.0, -3.0, -2.0, -1.2, -0.6, -0.2, 0.0, 0.4, 0.8, 1.4, 2.2)
    """Accelerations of the anchors."""
    hold_s: Annotated[tuple[float, ...], Range("> 0")] = (2.0, 5.0)
    """Times for which an acceleration is held; then the speed is kept."""
    merge_s: Annotated[float, Range("> 0")] = 3.5
    """Time until the ego is on the line."""
    width: Annotated[int, Range(">= 1")] = 64
    """Width of the scorer's layers."""
    sharpness_m: Annotated[float, Range("> 0")] = 0.3
    """An anchor that is so much farther from the expert than the best one counts e times less as target; smaller values
    are sharper."""

    def __post_init__(self) -> None:
        check(
            self,
            ("accelerations_mps2", len(self.accelerations_mps2) > 0, "must hold at least one value"),
            ("hold_s", len(self.hold_s) > 0, "must hold at least one value"),
        )


@dataclass(frozen=True)
class NoisyAgentsConfig(AdamWCosineConfig):
    """The built-in recipe, with noise on what is seen of others, a price for being too sure, and a rate that holds."""

    noise_m: Annotated[float, Range(">= 0")] = 0.2
    """Standard deviation of the noise on the positions of other road users."""
    noise_mps: Annotated[float, Range(">= 0")] = 0.3
    """Standard deviation of the noise on their velocities."""
    entropy_weight: Annotated[float, Range(">= 0")] = 0.01
    """Weight of the entropy of the choice, which is rewarded."""
    decay: Annotated[float, Range("(0, 1)")] = 0.3
    """Share of the run, at its end, in which the learning rate falls; before that it holds."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self)


@hookimpl
def roadcraft_plugins() -> list[PluginSpec]:
    home = "roadcraft_anchors"
    model = "Scores a fixed vocabulary of maneuvers along the reference lines"
    recipe = "AdamW with a rate that holds and falls, noise on other road users, an entropy bonus"
    return [
        PluginSpec("model", "anchors", model, f"{home}.plugin:AnchorsConfig", f"{home}.model:Anchors"),
        PluginSpec(
            "recipe", "noisy_agents", recipe, f"{home}.plugin:NoisyAgentsConfig", f"{home}.noisy_agents:NoisyAgents"
        ),
    ]
