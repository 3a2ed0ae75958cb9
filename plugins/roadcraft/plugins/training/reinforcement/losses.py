"""Losses of policies and values: functions of tensors alone.

A batch may be cut into parts and their gradients summed: every mean is divided by the weight of the whole batch, which
is given (``SampleWeight``).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from roadcraft.core.types import Losses
from roadcraft.plugins.training.reinforcement.distributions import ActionDistribution, single


class PolicySamples(NamedTuple):
    """N samples of a roll-out."""

    action: Tensor
    """(N, A) or (N,), as the distribution draws them."""
    log_prob: Tensor
    """(N,), of the distribution that the action was drawn from."""
    advantage: Tensor
    """(N,)."""
    target: Tensor
    """(N,): what the value should have been, advantage plus value at the time."""
    policy_weight: Tensor
    """(N,): of policy loss and entropy; 0 leaves a sample out."""
    value_weight: Tensor
    """(N,): of the value loss."""


class SampleWeight(NamedTuple):
    """Sums of the weights of a whole batch, by which its parts are divided."""

    policy: Tensor
    value: Tensor

    @staticmethod
    def of(samples: PolicySamples) -> SampleWeight:
        """Of a batch."""
        return SampleWeight(samples.policy_weight.sum().clamp_min(1.0), samples.value_weight.sum().clamp_min(1.0))


class LossCoefficients(NamedTuple):
    """What the terms weigh."""

    clip: float
    """How far a ratio of probabilities may move from 1 before its gradient ends."""
    entropy: float = 0.0
    """Of the entropy's bonus."""
    value: float = 0.5
    """Of half the squared error of the value."""
    reference: float = 0.0
    """Of the divergence from the reference policy."""


def policy_losses(
    policy: ActionDistribution,
    samples: PolicySamples,
    total: SampleWeight,
    coefficients: LossCoefficients,
    value: Tensor | None = None,
    reference: ActionDistribution | None = None,
) -> Losses:
    """The clipped loss of PPO (Schulman et al. 2017), the value's squared error, the entropy's bonus, and the
    divergence from a reference policy; group-relative losses are the same without a value.

    Terms: policy, entropy_bonus, value (where a value is given), reference (where one is given). Diagnostics:
    approximate_kl, clip_fraction, entropy. All of them are sums over the part divided by the whole batch's weight.

    Arguments:
        policy: what the network says now of the samples.
        samples: N of them.
        total: weight of the batch that the samples are a part of.
        coefficients: what the terms weigh.
        value: (N,), of the network now.
        reference: the policy to stay near, such as that of the weights begun with; it has no gradient.
    """
    c, weight = coefficients, samples.policy_weight
    log_ratio = policy.log_prob(samples.action) - single(samples.log_prob)
    ratio, advantage = log_ratio.exp(), single(samples.advantage)
    gain = torch.minimum(ratio * advantage, ratio.clamp(1.0 - c.clip, 1.0 + c.clip) * advantage)
    spread = policy.entropy()

    def mean(x: Tensor) -> Tensor:
        return (x * weight).sum() / total.policy

    terms = {"policy": -mean(gain), "entropy_bonus": -c.entropy * mean(spread)}
    if value is not None:
        error = (single(value) - single(samples.target)).square()
        terms["value"] = 0.5 * c.value * (error * samples.value_weight).sum() / total.value
    diagnostics = {
        "approximate_kl": mean(approximate_kl(log_ratio)).detach(),
        "clip_fraction": mean(((ratio - 1.0).abs() > c.clip).float()).detach(),
        "entropy": mean(spread).detach(),
    }
    if reference is not None:
        divergence = mean(policy.divergence(reference))
        terms["reference"] = c.reference * divergence
        diagnostics["reference_kl"] = divergence.detach()
    return Losses(terms, diagnostics)


def approximate_kl(log_ratio: Tensor) -> Tensor:
    """Estimates of the divergence of the old policy from the new one by samples of the old: ratio - 1 - log ratio,
    never below 0 (Schulman's k3)."""
    return torch.expm1(log_ratio) - log_ratio


def explained_variance(value: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Share of the variance of target (N,) that value (N,) explains: 1 all of it, 0 as much as a constant does. Samples
    of weight (N,) 0 do not count. 0 where the target does not vary."""
    count = weight.sum().clamp_min(1.0)

    def variance(x: Tensor) -> Tensor:
        return ((x - (x * weight).sum() / count).square() * weight).sum() / count

    whole = variance(target)
    return torch.where(whole > 0.0, 1.0 - variance(target - value) / whole.clamp_min(1e-30), torch.zeros_like(whole))
