"""Losses, gradients, held-out errors and weights that are no longer finite: a run stops there, before they are
stored."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from roadcraft.core.errors import RoadcraftError


class Diverged(RoadcraftError):
    """Something is not finite any more. ``what`` it is; ``remedy``; sample: (part, row) of the first sample whose
    features are at fault."""

    def __init__(self, step: int, what: str, remedy: str, sample: tuple[int, int] | None = None) -> None:
        super().__init__(f"training stopped at step {step}, where a value is not finite: {what} ({remedy})")
        self.step, self.what, self.remedy, self.sample = step, what, remedy, sample


class FiniteCheck:
    """Of the steps that are trained. On a CPU each step is looked at before the optimizer uses it; elsewhere looking
    would wait for the device, so ``found`` is to be called every few steps."""

    def __init__(self, learning_rate: float, clip: float) -> None:
        self.remedy = f"a lower learning_rate or clip helps: they are {learning_rate:g} and {clip:g}"
        self.trouble: Diverged | None = None
        self.all_finite: Tensor | None = None

    def check_loss(self, terms: Mapping[str, Tensor], batch: Mapping[str, Tensor], step: int, part: int) -> None:
        """Note what is wrong with the loss of a part of a batch."""
        total = torch.stack([v.detach() for v in terms.values()]).sum()
        if total.device.type != "cpu":
            self._note(total)
        elif self.trouble is None and not math.isfinite(float(total)):
            self.trouble = self._blame(terms, batch, step, part)

    def check_gradient(self, norm: Tensor, step: int) -> bool:
        """Note what is wrong with the gradient's norm, which is the same in every process; whether it is known to be
        not finite."""
        if norm.device.type != "cpu":
            self._note(norm)
            return False
        wrong = not math.isfinite(float(norm))
        if wrong and self.trouble is None:
            self.trouble = Diverged(step, f"the norm of the gradient is {float(norm)}", self.remedy)
        return wrong

    def found(self, step: int) -> Diverged | None:
        """What was found in the steps up to ``step``."""
        if self.trouble is None and self.all_finite is not None and not bool(self.all_finite):
            self.trouble = Diverged(step, "the loss or its gradient is not finite", self.remedy)
        return self.trouble

    def _note(self, value: Tensor) -> None:
        fine = torch.isfinite(value.detach())
        self.all_finite = fine if self.all_finite is None else self.all_finite & fine

    def _blame(self, terms: Mapping[str, Tensor], batch: Mapping[str, Tensor], step: int, part: int) -> Diverged:
        for name, values in batch.items():
            bad = ~torch.isfinite(values) if values.is_floating_point() else None
            if bad is not None and bool(bad.any()):
                row = int(bad.flatten(1).any(1).nonzero()[0])
                what = f"the feature {name} holds a value that is not finite"
                return Diverged(step, what, "the data is at fault, not the learning rate", (part, row))
        return Diverged(step, f"the loss term {_worst(terms)}", self.remedy)


def check_scores(scores: Mapping[str, float], step: int, remedy: str) -> None:
    """Raises Diverged where a held-out error is not finite."""
    bad = {k: v for k, v in scores.items() if not (math.isfinite(v) or k.startswith("diagnostics/"))}
    if bad:
        raise Diverged(step, "held out, " + ", ".join(f"{k} is {v}" for k, v in bad.items()), remedy)


def check_weights(weights: Mapping[str, Tensor], step: int, remedy: str) -> None:
    """Raises Diverged where a weight is not finite."""
    bad = [k for k, v in weights.items() if v.is_floating_point() and not bool(torch.isfinite(v).all())]
    if bad:
        raise Diverged(step, f"{len(bad)} weights are not finite, the first is {bad[0]}", remedy)


def _worst(terms: Mapping[str, Tensor]) -> str:
    said = [f"{k} is {float(v.detach())}" for k, v in terms.items() if not math.isfinite(float(v.detach()))]
    return ", ".join(said) if said else "sum overflows"
