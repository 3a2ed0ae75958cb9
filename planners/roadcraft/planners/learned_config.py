"""Settings of the planner ``learned``."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class LearnedConfig:
    """checkpoint: folder written by ``roadcraft train``; micro_batch: scenes per call of the network, the last call filled up. Results are the same
    bit for bit whatever the number of scenes, since the network always sees this many; 1 gives the lowest latency for one vehicle.
    candidates: at most so many trajectories in a plan, the likeliest first (0: all)."""

    checkpoint: str = field(default="", metadata={"path": True})
    micro_batch: int = 32
    candidates: int = 0

    def __post_init__(self) -> None:
        if self.micro_batch < 1:
            raise ValueError("micro_batch must be at least 1")
        if self.candidates < 0:
            raise ValueError("candidates must not be negative")
