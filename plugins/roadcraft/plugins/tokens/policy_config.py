"""Settings of the agent policy ``tokens``."""

from __future__ import annotations

from dataclasses import dataclass

from roadcraft.core.config import path_field
from roadcraft.core.rules import check

MOVING = ("vehicle", "pedestrian", "bicycle")


@dataclass(frozen=True)
class TokenAgentsConfig:
    """checkpoint: folder written by ``roadcraft train model=tokens``. driven: kinds that the model drives; all others replay the log. temperature, top_k: of the
    draw of each half second; radius_m: driven agents farther than this from ego are removed for good; micro_batch: scenes per call of the network,
    the last call filled up, so that a result does not depend on how many scenarios run together."""

    checkpoint: str = path_field()
    driven: tuple[str, ...] = MOVING
    temperature: float = 1.0
    top_k: int = 8
    radius_m: float = 120.0
    micro_batch: int = 8

    def preflight(self) -> None:
        """The checkpoint is one. Raises DataError."""
        from roadcraft.planners.checkpoint import read_config

        read_config(self.checkpoint)

    def __post_init__(self) -> None:
        check(
            self,
            {"> 0": "temperature radius_m", ">= 1": "top_k micro_batch"},
            ("driven", set(self.driven) <= set(MOVING), f"must be kinds among {', '.join(MOVING)}"),
            ("driven", len(self.driven) > 0, "must name at least one kind"),
        )
