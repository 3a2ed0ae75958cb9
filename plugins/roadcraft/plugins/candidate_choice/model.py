"""The behavior model ``candidate_choice``: which of another model's trajectories is driven, or how much slower.

Candidates are the other model's trajectories, slower copies of each along its own path, and braking along it. Their
probabilities are those of the other model, corrected by a small network that sees the candidates and the scene; its
last layer begins at zero. A value, the score that is expected, stands beside them. Both are learned by driving
(``roadcraft train method=ppo`` or ``vdgrpo``); imitation trains the other model alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from roadcraft.core.config.factory import create
from roadcraft.core.driving.features.columns import EgoColumn
from roadcraft.core.interfaces import accepts
from roadcraft.core.types import FeatureSpec, Keys, Prediction, SceneEncoding
from roadcraft.plugins.candidate_choice.config import CandidateChoiceConfig
from roadcraft.plugins.candidate_choice.copies import slower_copies
from roadcraft.plugins.common.layers import TransformerLayer, full_precision, mlp

POSES = 8  # of a candidate that the choice sees, evenly spread over it
SCALE = (0.05, 0.1, 1.0, 1.0, 0.1)  # of their columns x, y, cos, sin, speed


@dataclass
class ChoicePrediction(Prediction):
    """What the other model predicted, beside the choice."""

    inner: Prediction
    """As the other model made it."""


class CandidateChoice(nn.Module):
    """See the module's docstring. K = (1 + F) times the other model's: its own first, then all copies at the first
    speed, and so on."""

    def __init__(self, config: CandidateChoiceConfig, *, dim: int, features: FeatureSpec) -> None:
        super().__init__()
        self.config = config
        self.inner = create("model", config.model.name, config.model.params, dim=dim, features=features)
        self.decision_interval_s = config.decision_interval_s
        size = 5 * POSES + 2
        self.candidate, self.ego = mlp(size, dim, dim), nn.Linear(dim, dim)
        self.layer = TransformerLayer(dim, config.heads, 2, 0.0, cross=True)
        self.norm, self.score = nn.LayerNorm(dim), mlp(dim, dim, 1)
        self.worth = mlp(2 * dim + size, dim, 1)
        last = self.score[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def features(self) -> FeatureSpec:
        spec: FeatureSpec = self.inner.features()
        return spec

    def forward(self, encoding: SceneEncoding, features: Mapping[str, Tensor]) -> ChoicePrediction:
        return self.chosen(self.candidates(self.inner(encoding, features), features), encoding)

    def sample(self, encoding: SceneEncoding, features: Mapping[str, Tensor], keys: Keys) -> ChoicePrediction:
        """The other model's sample, and the choice among its candidates; extras hold the value (B, 1)."""
        return self.chosen(self.candidates(self.inner.sample(encoding, features, keys), features), encoding)

    def loss(
        self, prediction: ChoicePrediction, targets: Mapping[str, Tensor], encoding: SceneEncoding | None = None
    ) -> Any:
        """That of the other model."""
        more = {"encoding": encoding} if accepts(self.inner.loss, "encoding") else {}
        return self.inner.loss(prediction.inner, targets, **more)

    # ---- the choice ------------------------------------------------------------------

    def candidates(self, inner: Prediction, features: Mapping[str, Tensor]) -> ChoicePrediction:
        """The candidates with the probabilities that they have before anything is learned."""
        c, speeds = self.config, len(self.config.speeds)
        k = inner.logits.shape[1]
        with full_precision(inner.ego), torch.no_grad():
            ego = features["ego"].float()
            now = torch.stack([ego[:, EgoColumn.VX].clamp_min(0.0), ego[:, EgoColumn.AX]], -1)
            own = inner.ego[..., :5].float()
            copies = slower_copies(own, inner.time_s, now, c.speeds, c.deceleration_mps2, c.jerk_mps3)
        lowest = torch.finfo(torch.float32).min
        real = inner.logits > torch.finfo(inner.logits.dtype).min
        prior = inner.logits.float().masked_fill(~real, -torch.inf).log_softmax(-1)
        shares = torch.tensor([1.0 - speeds * c.copy_share, *(c.copy_share,) * speeds], device=prior.device)
        logits = (prior[:, None] + shares.log()[:, None]).masked_fill(~real[:, None], lowest).flatten(1)
        agents = inner.agents
        if agents is not None and agents.shape[2] == k > 1:
            agents = agents.repeat(1, 1, 1 + speeds, 1, 1)
        extras = {
            name: x.repeat(1, 1 + speeds, *(1,) * (x.dim() - 2)) if x.shape[1] == k > 1 else x
            for name, x in inner.extras.items()
        }
        trajectories = torch.cat([own[:, None], copies], 1).flatten(1, 2)
        return ChoicePrediction(trajectories, logits, agents, inner.time_s, inner, extras=extras)

    def chosen(self, candidates: ChoicePrediction, encoding: SceneEncoding) -> ChoicePrediction:
        """The same with what was learned of the choice."""
        logits, value = self.choose(self.choice_inputs(candidates, encoding))
        return replace(candidates, logits=logits, extras={**candidates.extras, "value": value[:, None]})

    def choice_inputs(self, candidates: ChoicePrediction, encoding: SceneEncoding) -> dict[str, Tensor]:
        """All that the choice is made from: candidate (B, K, F), prior (B, K), tokens (B, N, D), mask (B, N), ego (B,
        D). No gradient leads through them."""
        steps = candidates.ego.shape[2]
        at = torch.linspace(0, steps, POSES + 1)[1:].round().long() - 1
        poses = candidates.ego[:, :, at]
        if poses.shape[-1] == 4:
            poses = torch.nn.functional.pad(poses, (0, 1))
        b, k = candidates.logits.shape
        prior = candidates.logits
        share = torch.tensor([1.0, *self.config.speeds], device=poses.device).repeat_interleave(
            k // (1 + len(self.config.speeds))
        )
        known = torch.stack([prior.clamp_min(-20.0) / 10.0, share.expand(b, k)], -1)
        seen = torch.cat([(poses * poses.new_tensor(SCALE)).flatten(2), known], -1)
        rows = torch.arange(b, device=poses.device)
        inputs = {
            "candidate": seen,
            "prior": prior,
            "tokens": encoding.tokens.float(),
            "mask": encoding.mask,
            "ego": encoding.tokens[rows, encoding.ego].float(),
        }
        return {name: x.detach() for name, x in inputs.items()}

    def choose(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Logits (B, K), those of candidates that are none the lowest number, and values (B,)."""
        prior, tokens, mask = inputs["prior"], inputs["tokens"], inputs["mask"]
        real = prior > torch.finfo(prior.dtype).min
        x = self.candidate(inputs["candidate"]) + self.ego(inputs["ego"])[:, None]
        x = self.norm(self.layer(x, real, tokens, mask))
        logits = (prior + self.score(x)[..., 0].float()).masked_fill(~real, torch.finfo(prior.dtype).min)
        weight = mask[..., None].to(tokens)
        scene = (tokens * weight).sum(1) / weight.sum(1).clamp_min(1.0)
        likely = (prior.softmax(-1)[..., None] * inputs["candidate"]).sum(1)
        value = self.worth(torch.cat([inputs["ego"], scene, likely], -1))[:, 0].float()
        return logits, value
