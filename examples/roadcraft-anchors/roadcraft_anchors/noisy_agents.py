"""The recipe ``noisy_agents``: the built-in one, changed in three places.

The rate rises, holds and falls (warm-up, stable, decay: Hu et al. 2024), so that a run can be made longer without a new
plan. Other road users are seen with the noise of a sensor. The entropy of the choice is rewarded (Pereyra et al. 2017),
which keeps a classifier of many alike candidates from being too sure.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from roadcraft.core import Losses, Prediction, SceneEncoding
from roadcraft.plugins import AdamWCosine


class NoisyAgents(AdamWCosine):
    """See the module's docstring."""

    def schedule(self, step: int, steps: int, progress: float) -> float:
        """A linear rise, 1, a linear fall to a hundredth."""
        rise = (step + 1) / (steps * max(self.settings.warmup_fraction, 1e-6))
        return float(max(min(rise, 1.0, (1.0 - progress) / self.config.decay), 0.01))

    def augment(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Noise on the positions and velocities of the feature ``agent`` (B, A, T, 6) x, y, cos, sin, vx, vy."""
        agent, c = batch["agent"], self.config
        size = agent.new_tensor([c.noise_m, c.noise_m, 0.0, 0.0, c.noise_mps, c.noise_mps])
        return {**batch, "agent": agent + size * torch.randn_like(agent) * batch["agent_valid"][..., None]}

    def losses(self, prediction: Prediction, targets: Mapping[str, Tensor], encoding: SceneEncoding) -> Losses:
        """One term, ``entropy``; how likely the likeliest candidate is, is logged as ``sureness``."""
        log_p = prediction.logits.float().log_softmax(-1)
        entropy = -(log_p.exp() * log_p.clamp_min(-30.0)).sum(-1).mean()
        return Losses({"entropy": -self.config.entropy_weight * entropy}, {"sureness": log_p.amax(-1).exp().mean()})
