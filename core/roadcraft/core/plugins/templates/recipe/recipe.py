"""The recipe ``__NAME__``. Loaded when it is chosen, not before."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from roadcraft.core import Losses, Prediction, Recipe, SceneEncoding


class __CLASS__(Recipe):
    """AdamW with a linear decay; other road users are seen with noise; how sure the network is of its choice is
    logged."""

    def groups(self, parameters: Mapping[str, torch.nn.Parameter]) -> list[dict[str, Any]]:
        return [{"params": list(parameters.values())}]

    def optimizer(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        return torch.optim.AdamW(groups, lr=self.settings.learning_rate, weight_decay=self.settings.weight_decay)

    def schedule(self, step: int, steps: int, progress: float) -> float:
        rise: float = (step + 1) / steps / max(self.settings.warmup_fraction, 1e-6)
        return min(rise, 1.0) * max(1.0 - progress, 0.01)

    def augment(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        seen = batch["agent"]  # (B, A, T, 6) x, y, cos, sin, vx, vy
        noise = self.config.noise_m * torch.randn_like(seen[..., :2]) * batch["agent_valid"][..., None]
        return {**batch, "agent": torch.cat([seen[..., :2] + noise, seen[..., 2:]], -1)}

    def losses(self, prediction: Prediction, targets: Mapping[str, Tensor], encoding: SceneEncoding) -> Losses:
        chance = prediction.logits.softmax(-1)
        return Losses({}, {"sureness": chance.amax(-1).mean()})
