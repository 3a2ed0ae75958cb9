"""Settings of the agent policy ``tokens``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from roadcraft.core.config.load import path_field
from roadcraft.core.config.rules import OneOf, Range, check

MOVING = ("vehicle", "pedestrian", "bicycle")


@dataclass(frozen=True)
class TokenAgentsConfig:
    """Drives other road users by a trained model of motion tokens."""

    checkpoint: str = path_field()
    """Checkpoint folder written by roadcraft train model=tokens."""
    driven: Annotated[tuple[str, ...], OneOf(*MOVING)] = MOVING
    """Kinds that the model drives; all others replay the log."""
    temperature: Annotated[float, Range("> 0")] = 1.0
    """Temperature of the draw of each half second; larger values give more diverse behavior."""
    top_k: Annotated[int, Range(">= 1")] = 8
    """Likeliest tokens among which each half second is drawn."""
    radius_m: Annotated[float, Range("> 0")] = 120.0
    """Driven agents farther than this from the ego are removed for good."""
    micro_batch: Annotated[int, Range(">= 1")] = 8
    """Scenes per call of the network, the last call filled up; a result does not depend on how many scenarios run
    together."""

    def preflight(self) -> None:
        """The checkpoint can be driven with. Raises DataError and PluginError."""
        from roadcraft.planners.learned.checkpoint import load_checkpoint

        load_checkpoint(self.checkpoint)

    def __post_init__(self) -> None:
        check(self, ("driven", len(self.driven) > 0, "must name at least one kind"))
