"""Settings of the planner ``learned``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from roadcraft.core.config import path_field
from roadcraft.core.rules import check


@dataclass(frozen=True)
class LearnedConfig:
    """checkpoint: folder written by ``roadcraft train``; micro_batch: scenes per call of the network, the last call filled up. Results are the same
    bit for bit whatever the number of scenes, since the network always sees this many; 1 gives the lowest latency for one vehicle.
    candidates: at most so many trajectories in a plan, the likeliest first (0: all).

    instruction: a text command ("change to the left lane"), target_speed_mps (0: none), style: for networks that read them; they go before what an
    observation says. model: params of the model that replace those it was trained with, such as ``{guidance: {collision: 1.0}}``; whatever changes its
    weights is refused."""

    checkpoint: str = path_field()
    micro_batch: int = 32
    candidates: int = 0
    instruction: str = ""
    target_speed_mps: float = 0.0
    style: Literal["none", "calm", "normal", "assertive"] = "none"
    model: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check(self, {">= 1": "micro_batch", ">= 0": "candidates target_speed_mps"})

    def preflight(self) -> None:
        """The checkpoint is one. Raises DataError."""
        from roadcraft.planners.checkpoint import read_config

        read_config(self.checkpoint)
