"""Settings of the agent policy ``tokens``."""

from __future__ import annotations

from dataclasses import dataclass

from roadcraft.core.config import path_field

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
        if not self.temperature > 0.0 or not self.radius_m > 0.0:
            raise ValueError("temperature and radius_m must be positive")
        if self.top_k < 1 or self.micro_batch < 1:
            raise ValueError("top_k and micro_batch must be at least 1")
        wrong = [k for k in self.driven if k not in MOVING]
        if wrong or not self.driven:
            raise ValueError(
                f"driven: unknown kinds {wrong}; known: {', '.join(MOVING)}"
                if wrong
                else "driven needs at least one kind"
            )
