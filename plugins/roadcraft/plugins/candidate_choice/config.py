"""Settings of the behavior model ``candidate_choice``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from roadcraft.core.config.rules import Range, check
from roadcraft.core.plugins.hookspecs import PluginRef, plugin_field


@dataclass(frozen=True)
class CandidateChoiceConfig:
    """A choice among the trajectories of another model, slower copies of them, and braking.

    Before it has learned, it chooses as the other model does.
    """

    model: PluginRef = plugin_field("model", "multimodal")
    """The model whose trajectories are chosen from."""
    speeds: tuple[float, ...] = (0.6, 0.3, 0.0)
    """Speeds of the copies of each trajectory, as shares of its own; 0 brakes to a standstill."""
    copy_share: Annotated[float, Range("(0, 1)")] = 0.05
    """Probability that each copy gets of its trajectory's before anything is learned; larger values explore more."""
    decision_interval_s: Annotated[float, Range(">= 0")] = 0.5
    """Time for which a choice is kept (0: one step)."""
    deceleration_mps2: Annotated[float, Range("> 0")] = 3.0
    """Deceleration with which the copies slow down, positive."""
    jerk_mps3: Annotated[float, Range("> 0")] = 4.0
    """Jerk with which they begin to."""
    heads: Annotated[int, Range(">= 1")] = 4
    """Attention heads of the choice; the width of the encoder's tokens is a multiple."""

    def __post_init__(self) -> None:
        speeds_fit = all(0.0 <= s < 1.0 for s in self.speeds) and len(set(self.speeds)) == len(self.speeds)
        few = self.copy_share * len(self.speeds) < 1.0
        check(
            self,
            ("speeds", speeds_fit, "must be different shares in [0, 1)"),
            ("copy_share", few, "leaves nothing to the trajectory itself (choose it below 1 / number of speeds)"),
        )
