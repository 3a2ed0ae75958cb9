"""The memo by which the metrics of one rollout share intermediate results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from roadcraft.core.arrays import read_only
from roadcraft.core.data.rollout import Rollout


class RolloutContext:
    """A :class:`roadcraft.core.interfaces.MetricContext`: one rollout, and values computed on first use, whose arrays
    are read-only. Lives as long as one evaluation."""

    def __init__(self, rollout: Rollout) -> None:
        self._rollout = rollout
        self._memo: dict[str, Any] = {}

    @property
    def rollout(self) -> Rollout:
        return self._rollout

    def shared(self, key: str, compute: Callable[[], Any]) -> Any:
        if key not in self._memo:
            self._memo[key] = read_only(compute())
        return self._memo[key]
