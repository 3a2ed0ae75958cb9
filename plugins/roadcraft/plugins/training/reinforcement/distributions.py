"""Distributions of actions: what a policy head's numbers mean.

Everything is computed in float32 (float64 stays), whatever the precision of the network that gave the parameters: a
ratio of two probabilities is the exponential of a small difference of large numbers.
"""

from __future__ import annotations

from typing import Protocol, Self

import torch
from torch import Tensor
from torch.nn import functional

EDGE = 1e-6  # of the open interval that a Beta density lives on, which float32 rounding would close


class ActionDistribution(Protocol):
    """Distributions of N rows."""

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """One action per row, drawn from ``generator``."""
        ...

    def best(self) -> Tensor:
        """The action that is driven when nothing is drawn."""
        ...

    def log_prob(self, action: Tensor) -> Tensor:
        """Logarithm of the probability, or density, of one action per row, (N,)."""
        ...

    def entropy(self) -> Tensor:
        """Entropy in nats, (N,)."""
        ...

    def divergence(self, other: Self) -> Tensor:
        """Kullback-Leibler divergence of this distribution from ``other`` in nats, (N,), in closed form."""
        ...


def single(x: Tensor) -> Tensor:
    """float32, or float64 where it is so already."""
    return x if x.dtype == torch.float64 else x.float()


class BetaDistribution:
    """Independent Beta distributions of A numbers in [-1, 1].

    The density is that of u = (action + 1) / 2 in (0, 1): a constant factor away from that of the action, which no
    ratio and no gradient sees. Both parameters are above 1, so that the density has one peak, and none at a bound.

    parameters: (N, 2 A), any real numbers; 1 + softplus of the first half is alpha, of the second beta.
    """

    def __init__(self, parameters: Tensor) -> None:
        first, second = single(parameters).chunk(2, -1)
        self.alpha, self.beta = 1.0 + functional.softplus(first), 1.0 + functional.softplus(second)

    def _log_norm(self) -> Tensor:
        return torch.lgamma(self.alpha) + torch.lgamma(self.beta) - torch.lgamma(self.alpha + self.beta)

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """Actions (N, A) in [-1, 1]."""
        with torch.no_grad():
            x, y = (torch.ops.aten._standard_gamma(p, generator) for p in (self.alpha, self.beta))
            return 2.0 * (x / (x + y)).clamp(EDGE, 1.0 - EDGE) - 1.0

    def best(self) -> Tensor:
        """The mean, (N, A)."""
        return 2.0 * self.alpha / (self.alpha + self.beta) - 1.0

    def log_prob(self, action: Tensor) -> Tensor:
        """action: (N, A) in [-1, 1]; a bound counts as the nearest number inside."""
        u = ((single(action) + 1.0) / 2.0).clamp(EDGE, 1.0 - EDGE)
        log_density = (self.alpha - 1.0) * u.log() + (self.beta - 1.0) * torch.log1p(-u) - self._log_norm()
        return log_density.sum(-1)

    def entropy(self) -> Tensor:
        """Entropy of u in nats, (N,): at most 0, that of the uniform distribution."""
        a, b = self.alpha, self.beta
        own = (a - 1.0) * torch.digamma(a) + (b - 1.0) * torch.digamma(b)
        return (self._log_norm() - own + (a + b - 2.0) * torch.digamma(a + b)).sum(-1)

    def divergence(self, other: Self) -> Tensor:
        a, b, a2, b2 = self.alpha, self.beta, other.alpha, other.beta
        inner = (a - a2) * torch.digamma(a) + (b - b2) * torch.digamma(b)
        inner = inner + (a2 - a + b2 - b) * torch.digamma(a + b)
        return (other._log_norm() - self._log_norm() + inner).sum(-1)


class ChoiceDistribution:
    """One of K actions per row.

    logits: (N, K). allowed: bool (N, K), the actions that can be drawn (None: all). Raises ValueError where a row
    allows none.
    """

    def __init__(self, logits: Tensor, allowed: Tensor | None = None) -> None:
        logits = single(logits)
        if allowed is not None:
            if not bool(allowed.any(-1).all()):
                row = int((~allowed.any(-1)).nonzero()[0, 0])
                raise ValueError(f"row {row} of the action mask allows no action")
            logits = logits.masked_fill(~allowed, -torch.inf)
        self.log_p = logits.log_softmax(-1)

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """Indices (N,), by Gumbel's maximum: what is not allowed is at minus infinity and cannot be the largest."""
        with torch.no_grad():
            drawn = torch.empty_like(self.log_p).exponential_(generator=generator).clamp_min(1e-30)
            return (self.log_p - drawn.log()).argmax(-1)

    def best(self) -> Tensor:
        """The likeliest, (N,)."""
        return self.log_p.argmax(-1)

    def log_prob(self, action: Tensor) -> Tensor:
        """action: indices (N,)."""
        return self.log_p.gather(-1, action.long()[:, None])[:, 0]

    def _mean(self, values: Tensor) -> Tensor:
        """Mean of values (N, K) over the actions; those not allowed count nothing."""
        return (self.log_p.exp() * values.masked_fill(self.log_p.isneginf(), 0.0)).sum(-1)

    def entropy(self) -> Tensor:
        return -self._mean(self.log_p)

    def divergence(self, other: Self) -> Tensor:
        """``other`` allows at least the same actions."""
        return self._mean(self.log_p - other.log_p)


def joint_actions(*levels: Tensor) -> Tensor:
    """Every combination of the levels of A quantities, (K, A), the last quantity varying fastest: row i is what choice
    i of a ``ChoiceDistribution`` over K does. One joint choice can tie quantities together, such as braking and
    steering, which one choice for each cannot."""
    return torch.cartesian_prod(*levels).reshape(-1, len(levels))
