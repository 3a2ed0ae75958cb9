"""The recipe ``adamw_cosine``: AdamW, a linear warm-up, a cosine, factors of the rate by part of the network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch.nn import Parameter
from torch.optim import Optimizer

from roadcraft.core.interfaces import Recipe
from roadcraft.plugins.training.run.parameters import names_under

FLOOR = 0.01  # of the learning rate: what is left at the end, and what a warm-up begins with


class AdamWCosine(Recipe):
    """See ``AdamWCosineConfig``. Vectors (biases, norms) are not decayed."""

    def groups(self, parameters: Mapping[str, Parameter]) -> list[dict[str, Any]]:
        """Matrices and vectors, of each rate."""
        factors = dict.fromkeys(parameters, 1.0)
        for prefix in sorted(self.config.rates, key=len):
            names = names_under(prefix, parameters, "recipe.rates")
            factors |= dict.fromkeys(names, self.config.rates[prefix])
        decay = self.settings.weight_decay
        return [
            {"params": some, "weight_decay": decay if matrices else 0.0, "lr": self.settings.learning_rate * factor}
            for factor in dict.fromkeys(factors.values())
            for matrices in (True, False)
            if (some := [p for k, p in parameters.items() if factors[k] == factor and (p.dim() > 1) is matrices])
        ]

    def optimizer(self, groups: list[dict[str, Any]]) -> Optimizer:
        """AdamW in one kernel."""
        return torch.optim.AdamW(groups, lr=self.settings.learning_rate, fused=True)

    def schedule(self, step: int, steps: int, progress: float) -> float:
        """A linear rise, then a cosine."""
        c, p = self.settings, min(progress, 1.0)
        if step / steps < c.warmup_fraction and p < c.warmup_fraction:
            return max((p if c.minutes else (step + 1) / steps) / c.warmup_fraction, FLOOR)
        wave = 0.5 * (1.0 + math.cos(math.pi * (p - c.warmup_fraction) / (1.0 - c.warmup_fraction)))
        return FLOOR + (1.0 - FLOOR) * wave
