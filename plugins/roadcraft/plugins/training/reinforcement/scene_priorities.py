"""Which scenes are driven: those that go badly more often, the others often enough not to be forgotten."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from roadcraft.core.arrays import F64, I64


@dataclass
class ScenePriorities:
    """Probabilities of N scenes, from a moving average of their scores; a scene not yet driven counts as one that
    scored 0."""

    count: int
    """N."""
    floor: float = 0.2
    """Weight that every scene has beside what it lacks to a score of 1; larger values spread more evenly."""
    rate: float = 0.3
    """Weight of a new score in a scene's moving average."""
    score: F64 = field(init=False)
    """(N,): the moving averages, in [0, 1]."""
    driven: I64 = field(init=False)
    """(N,): how often each was driven."""

    def __post_init__(self) -> None:
        """Raises ValueError without a scene or a floor."""
        if self.count < 1 or self.floor <= 0.0:
            raise ValueError(f"priorities need a scene and a floor above 0, got {self.count} and {self.floor}")
        self.score = np.zeros(self.count)
        self.driven = np.zeros(self.count, np.int64)

    def record(self, scenes: I64, scores: F64) -> None:
        """Scores in [0, 1] of finished drives, in order; a scene may occur more than once. Raises ValueError for a
        score that is not finite or a scene that is not one of the N, and records nothing then."""
        if not np.isfinite(scores).all() or ((scenes < 0) | (scenes >= self.count)).any():
            raise ValueError(f"scores must be finite and scenes within 0 to {self.count - 1}")
        for scene, score in zip(scenes.tolist(), scores.tolist(), strict=True):
            rate = self.rate if self.driven[scene] else 1.0
            self.score[scene] += rate * (min(max(score, 0.0), 1.0) - self.score[scene])
            self.driven[scene] += 1

    def probabilities(self) -> F64:
        """(N,), in proportion to 1 - score + floor."""
        weight: F64 = 1.0 - self.score + self.floor
        return weight / weight.sum()

    def state(self) -> dict[str, Any]:
        """What a run that goes on needs: arrays by name."""
        return {"score": self.score.copy(), "driven": self.driven.copy()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take up ``state``. Raises ValueError where it is of another number of scenes."""
        if len(state["score"]) != self.count:
            raise ValueError(f"priorities of {len(state['score'])} scenes, here are {self.count}")
        self.score, self.driven = np.array(state["score"], np.float64), np.array(state["driven"], np.int64)
