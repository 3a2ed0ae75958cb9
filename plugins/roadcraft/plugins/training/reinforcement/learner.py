"""What a policy learns from a roll-out: advantages, minibatches and their losses. A function of tensors, which a run of
Lightning and a plain loop both call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from roadcraft.core.types import Losses
from roadcraft.plugins.training.policy_config import PolicyGradientConfig
from roadcraft.plugins.training.reinforcement.advantages import (
    AdvantageFilter,
    EpisodeEnds,
    generalized_advantages,
    group_advantages,
    normalized,
)
from roadcraft.plugins.training.reinforcement.losses import (
    LossCoefficients,
    PolicySamples,
    SampleWeight,
    explained_variance,
    policy_losses,
)
from roadcraft.plugins.training.reinforcement.rollouts import Policy, PolicyRollout

Method = Literal["ppo", "vdgrpo"]


class Minibatch(NamedTuple):
    """N samples, and what was seen."""

    obs: dict[str, Tensor]
    samples: PolicySamples

    def rows(self, chosen: Tensor | slice) -> Minibatch:
        """Some of them."""
        return Minibatch({k: v[chosen] for k, v in self.obs.items()}, PolicySamples(*(x[chosen] for x in self.samples)))

    def to(self, device: torch.device | str) -> Minibatch:
        """The same on another device."""
        return Minibatch(
            {k: v.to(device) for k, v in self.obs.items()}, PolicySamples(*(x.to(device) for x in self.samples))
        )


@dataclass
class Learner:
    """Clipped policy gradients by ``method``: ppo with a value function and generalized advantages, vdgrpo with groups
    of roll-outs of one scene (rows of a group side by side).

    reference: the policy to stay near, with frozen weights, or None. bootstrap: whether an episode that was cut off
    counts what the value expects beyond; else it counts as ended.
    """

    method: Method
    config: PolicyGradientConfig
    reference: Policy | None = None
    bootstrap: bool = True
    filter: AdvantageFilter = field(init=False)

    def __post_init__(self) -> None:
        self.filter = AdvantageFilter(self.config.advantage_filter)

    def samples(
        self, rollout: PolicyRollout, generator: torch.Generator | None = None
    ) -> tuple[Minibatch, dict[str, float]]:
        """All samples of a roll-out, T x R of them, and figures of it: mean reward of a step, explained variance of
        the value, share of the samples that the filter leaves out. Raises ValueError where a reward or a value is not
        finite: nothing could be learned any more."""
        r, c = rollout, self.config
        if self.method == "ppo":
            cut = r.truncated if self.bootstrap else torch.zeros_like(r.truncated)
            ended = r.terminated if self.bootstrap else r.terminated | r.truncated
            advantage = generalized_advantages(
                r.reward,
                r.value,
                r.last_value,
                r.final_value,
                EpisodeEnds(ended, cut, r.alive),
                c.discount,
                c.gae_lambda,
            )
        else:
            grouped = [x.unflatten(1, (-1, c.group_size)) for x in (r.reward, r.alive)]
            advantage = group_advantages(*grouped, c.advantage_scale, c.discount).flatten(1)
        target, alive = (advantage + r.value).flatten(), r.alive.flatten()
        if not bool(torch.isfinite(target[alive]).all()):
            raise ValueError("a reward or a value of the roll-out is not finite")
        policy_weight, value_weight = self.filter.weights(advantage.flatten(), alive, generator)
        weights = (policy_weight, value_weight if self.method == "ppo" else torch.zeros_like(value_weight))
        flat = {k: v.flatten(0, 1) for k, v in r.obs.items()}
        samples = PolicySamples(r.action.flatten(0, 1), r.log_prob.flatten(), advantage.flatten(), target, *weights)
        count = alive.sum().clamp_min(1)
        figures = {
            "reward": float((r.reward * r.alive).sum() / count),
            "filtered": 1.0 - float(weights[0].sum() / count),
        }
        if self.method == "ppo":
            figures["explained_variance"] = float(explained_variance(r.value.flatten(), target, alive.float()))
        return Minibatch(flat, samples), figures

    def minibatches(self, whole: Minibatch, generator: torch.Generator | None = None) -> Iterator[Minibatch]:
        """``epochs`` times all samples that weigh anything, in random order, in minibatches of nearly equal size, as
        near to ``minibatch`` as their number allows; none where nothing weighs anything."""
        size = self.config.minibatch
        used = ((whole.samples.policy_weight > 0) | (whole.samples.value_weight > 0)).nonzero()[:, 0]
        for _ in range(self.config.epochs):
            order = used[torch.randperm(len(used), generator=generator)]
            count = max(round(len(order) / size), 1) if len(order) else 0
            for part in order.tensor_split(count) if count else ():
                yield self._normalized(whole.rows(part))

    def _normalized(self, batch: Minibatch) -> Minibatch:
        if self.method != "ppo" or not self.config.normalize_advantage:
            return batch
        s = batch.samples
        return batch._replace(samples=s._replace(advantage=normalized(s.advantage, s.policy_weight)))

    def parts(self, batch: Minibatch) -> Iterator[Minibatch]:
        """A minibatch cut into micro-batches."""
        for first in range(0, len(batch.samples.advantage), self.config.micro_batch):
            yield batch.rows(slice(first, first + self.config.micro_batch))

    def losses(self, policy: Policy, part: Minibatch, total: SampleWeight) -> Losses:
        """Loss terms of a part of a minibatch whose weight is ``total``: their gradients add up to those of the
        whole."""
        c = self.config
        answer = policy(part.obs)
        reference = None
        if self.reference is not None and c.kl_coef:
            with torch.no_grad():
                reference = self.reference(part.obs).distribution
        return policy_losses(
            answer.distribution,
            part.samples,
            total,
            LossCoefficients(c.clip_range, c.entropy_coef, c.value_coef, c.kl_coef),
            answer.value if self.method == "ppo" else None,
            reference,
        )

    def entropy(self, policy: Policy, rollout: PolicyRollout) -> float:
        """Mean entropy of the policy over all that was seen in a roll-out."""
        alive = rollout.alive.flatten()
        seen, sums = {k: v.flatten(0, 1)[alive] for k, v in rollout.obs.items()}, 0.0
        count, size = int(alive.sum()), self.config.micro_batch
        with torch.no_grad():
            for first in range(0, count, size):
                part = policy({k: v[first : first + size] for k, v in seen.items()})
                sums += float(part.distribution.entropy().sum())
        return sums / max(count, 1)

    def backward(self, policy: Policy, batch: Minibatch) -> dict[str, float]:
        """Gradients of a minibatch, summed over its micro-batches; returns its terms and diagnostics."""
        total, found = SampleWeight.of(batch.samples), dict[str, float]()
        for part in self.parts(batch):
            losses = self.losses(policy, part, total)
            torch.stack(list(losses.terms.values())).sum().backward()  # type: ignore[no-untyped-call]
            _add(found, losses.terms)
            _add(found, losses.diagnostics)
        return found


def _add(sums: dict[str, float], values: Mapping[str, Tensor]) -> None:
    for k, v in values.items():
        sums[k] = sums.get(k, 0.0) + float(v.detach())
