"""Roll-outs: what a policy saw and did in an environment, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from torch import Tensor

from roadcraft.plugins.training.reinforcement.distributions import ActionDistribution


class PolicyAnswer(NamedTuple):
    """What a policy says of N observations."""

    distribution: ActionDistribution
    value: Tensor | None
    """(N,): the return that is expected; None where the policy has no value function."""


class Policy(Protocol):
    """Turns observations into distributions of actions."""

    def __call__(self, obs: Mapping[str, Tensor]) -> PolicyAnswer:
        """The answer to blocks (N, ...)."""
        ...


@dataclass(frozen=True)
class PolicyRollout:
    """T steps of R rows."""

    obs: dict[str, Tensor]
    """Blocks (T, R, ...)."""
    action: Tensor
    """(T, R) or (T, R, A)."""
    log_prob: Tensor
    """(T, R), of the action when it was drawn."""
    value: Tensor
    """(T, R); 0 without a value function."""
    reward: Tensor
    """(T, R)."""
    terminated: Tensor
    """bool (T, R)."""
    truncated: Tensor
    """bool (T, R)."""
    alive: Tensor
    """bool (T, R): the row acted."""
    final_value: Tensor
    """(T, R): value of what was seen last in a truncated episode."""
    last_value: Tensor
    """(R,): value of what is seen after the last step."""
