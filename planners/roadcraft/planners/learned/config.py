"""Settings of the planner ``learned``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from roadcraft.core.config.load import path_field
from roadcraft.core.config.rules import Range, check


@dataclass(frozen=True)
class LearnedConfig:
    """Drives by a trained network. instruction, target_speed_mps and style are for networks that read them; they go
    before what an observation says."""

    checkpoint: str = path_field()
    """Checkpoint folder written by roadcraft train."""
    micro_batch: Annotated[int, Range(">= 1")] = 32
    """Scenes per call of the network, the last call filled up, so that no result depends on their number; 1 gives the
    lowest latency for one vehicle."""
    candidates: Annotated[int, Range(">= 0")] = 0
    """Most trajectories in a plan, the likeliest first (0: all)."""
    instruction: str = ""
    """Text command, such as 'change to the left lane' ('': none)."""
    target_speed_mps: Annotated[float, Range(">= 0")] = 0.0
    """Speed that is aimed at (0: none)."""
    style: Literal["none", "calm", "normal", "assertive"] = "none"
    """Style of driving."""
    model: dict[str, Any] = field(default_factory=dict)
    """Params of the model that replace those it was trained with, such as {guidance: {collision: 1.0}}; what changes
    its weights is refused."""

    def __post_init__(self) -> None:
        check(self)

    def preflight(self) -> None:
        """The checkpoint can be driven with. Raises DataError and PluginError."""
        from roadcraft.planners.learned.checkpoint import load_checkpoint

        load_checkpoint(self.checkpoint, self.model)
