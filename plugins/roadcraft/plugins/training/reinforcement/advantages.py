"""Advantages: how much better an action was than what was expected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from roadcraft.plugins.training.reinforcement.distributions import single


class EpisodeEnds(NamedTuple):
    """Where the episodes of R rows end in T steps; bool (T, R) each."""

    terminated: Tensor
    """The action ended the episode for good."""
    truncated: Tensor
    """The episode was cut off after the action."""
    alive: Tensor
    """False where a row acts in no episode."""


def generalized_advantages(
    rewards: Tensor,
    values: Tensor,
    last_values: Tensor,
    final_values: Tensor,
    ends: EpisodeEnds,
    discount: float,
    trace: float,
) -> Tensor:
    """Generalized advantage estimates (Schulman et al. 2016) of T steps of R rows, (T, R).

    Nothing is carried across the end of an episode, whichever flag marks it. A terminated episode is worth nothing
    after its end; a truncated one is worth ``final_values``. A step that is both is terminated.

    Arguments:
        rewards: (T, R), of the action taken at the step.
        values: (T, R), of the observation that the action was chosen by.
        last_values: (R,), of the observation after the last step.
        final_values: (T, R), of the observation that ended an episode; read where one was truncated.
        ends: where episodes end; the advantage of a step that is not alive is 0.
        discount: factor per step, gamma.
        trace: factor lambda; 1 sums all rewards, 0 looks one step ahead.

    Raises ValueError where a row stops being alive and neither flag says how its episode ended.
    """
    rewards, values, last_values, final_values = map(single, (rewards, values, last_values, final_values))
    terminated, truncated, alive = ends
    ended = terminated | truncated
    lost = alive[:-1] & ~alive[1:] & ~ended[:-1]
    if bool(lost.any()):
        step, row = lost.nonzero()[0].tolist()
        raise ValueError(f"row {row} is not alive after step {step}, which neither terminated nor truncated it")
    following = torch.cat([values[1:], last_values[None]])
    following = torch.where(terminated, 0.0, torch.where(truncated, final_values, following))
    delta = rewards + discount * following - values
    carried = discount * trace * (~ended & alive).to(delta)
    out = torch.zeros_like(delta)
    after = torch.zeros_like(last_values)
    for t in range(len(delta) - 1, -1, -1):
        after = torch.where(alive[t], delta[t] + carried[t] * after, 0.0)
        out[t] = after
    return out


def group_advantages(rewards: Tensor, alive: Tensor, scale: float, discount: float = 1.0) -> Tensor:
    """Advantages within groups of G roll-outs of one scene, (T, S, G): what a roll-out still earns from a step on, less
    the mean of those of its group that drive at that step, divided by ``scale``.

    The scale is fixed: dividing by the group's own deviation blows up the noise of groups that agree and plays a rare
    collision down (VD-GRPO, Plan-R1).

    Arguments:
        rewards: (T, S, G), of S scenes.
        alive: bool (T, S, G), False after a roll-out's end.
        scale: what counts as one unit of reward.
        discount: factor by which a reward counts less per step that it lies ahead.
    """
    ahead = single(rewards) * alive
    for t in range(len(ahead) - 2, -1, -1):
        ahead[t] += discount * ahead[t + 1]
    mean = (ahead * alive).sum(-1, keepdim=True) / alive.sum(-1, keepdim=True).clamp_min(1)
    return (ahead - mean) * alive / scale


def normalized(advantages: Tensor, weight: Tensor) -> Tensor:
    """Advantages (N,) with mean 0 and deviation 1 among those of positive weight (N,)."""
    count = weight.sum().clamp_min(1.0)
    mean = (advantages * weight).sum() / count
    deviation = ((advantages - mean).square() * weight).sum().div(count).sqrt()
    return (advantages - mean) / (deviation + 1e-8)


@dataclass
class AdvantageFilter:
    """Leaves out samples that teach little: those whose advantage is small beside the largest of late (GIGAFLOW).

    Of those left out a random share keeps its value loss, weighted so that the mean over all samples is unchanged:
    the value function would otherwise be fitted to surprises alone.
    """

    threshold: float = 0.01
    """Share of the average largest advantage below which a sample is left out (0: none is)."""
    rate: float = 0.25
    """Weight of a new batch in the moving average of the largest advantage."""
    value_share: float = 0.1
    """Share of those left out whose value loss is kept."""
    largest: float = 0.0
    """The moving average; 0 before the first batch."""

    def weights(
        self, advantages: Tensor, alive: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Weights of policy loss and value loss, float (N,), for advantages (N,) and bool alive (N,)."""
        own = advantages.abs() * alive
        peak = float(own.max()) if own.numel() else 0.0
        self.largest = peak if not self.largest else (1.0 - self.rate) * self.largest + self.rate * peak
        kept = alive & (own >= self.threshold * self.largest)
        drawn = torch.rand(own.shape, generator=generator, device=generator.device if generator else own.device)
        spared = alive & ~kept & (drawn.to(own.device) < self.value_share)
        return kept.float(), kept.float() + spared.float() / max(self.value_share, 1e-9)

    def state(self) -> dict[str, Any]:
        """What a run that goes on needs."""
        return {"largest": self.largest}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take up ``state``."""
        self.largest = float(state["largest"])
