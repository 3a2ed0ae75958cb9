"""The behavior model ``multimodal``: several trajectories of the ego with their likelihoods, and one of each agent.

Queries are reference lines times longitudinal modes (PLUTO, Cheng et al. 2024); a query's answer is decoded along its
line (``frenet``), so that steering is a small correction to a road that is known, headings are unit vectors by
construction and plans join the present state. Losses: the line is the one nearest to where the expert ends, the mode
the one nearest to what the expert did; that trajectory is regressed, and a cross entropy over all queries learns the
choice.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from roadcraft.core.driving.geometry.frames import from_frame
from roadcraft.core.types import FeatureSpec, Keys, Prediction, SceneEncoding, TokenKind
from roadcraft.plugins.common.frenet import INTERVAL_S, FrenetDecoder, features_of_lines
from roadcraft.plugins.common.layers import TransformerLayer, full_precision, mlp
from roadcraft.plugins.common.lines import LineEncoder, lateral_state, near_weights, nearest_line, pose_error
from roadcraft.plugins.multimodal.config import MultimodalConfig

AGENT_POSES = 16  # of an agent's future that the head gives; those between are interpolated


class Multimodal(nn.Module):
    """See the module's docstring. K = lines x modes, line first."""

    def __init__(self, config: MultimodalConfig, *, dim: int, features: FeatureSpec) -> None:
        super().__init__()
        self.config, self.dim = config, dim
        c = config
        self.spec = features_of_lines(c, features, min(c.future_agents, features.agents))
        self.lines = LineEncoder(dim)
        self.line, self.ego = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.rank = nn.Parameter(torch.randn(c.reference_lines, 1, dim) * 0.1)
        self.mode = nn.Parameter(torch.randn(1, c.modes, dim) * 0.5)
        self.layers = nn.ModuleList(
            TransformerLayer(dim, c.heads, c.feed_forward, c.dropout, cross=True) for _ in range(c.layers)
        )
        self.norm = nn.LayerNorm(dim)
        self.decoder = FrenetDecoder(
            c.speed_knots_s, c.offset_knots_s, c.future_steps, c.reference_interval_m, c.min_knot_speed_mps
        )
        self.speed = mlp(dim, dim, self.decoder.speed_size)
        self.offset = mlp(dim, dim, self.decoder.offset_size)
        self.logit = mlp(dim, dim, 1)
        self.agent = mlp(dim, dim, AGENT_POSES * 2)
        for head in (self.speed, self.offset, self.agent):
            last = head[-1]
            assert isinstance(last, nn.Linear)
            nn.init.normal_(last.weight, std=0.01)
            nn.init.zeros_(last.bias)
        at = torch.linspace(0, AGENT_POSES, c.future_steps + 1)[1:]
        between = (1.0 - (at - torch.arange(1, AGENT_POSES + 1)[:, None]).abs()).clamp_min(0.0)
        self.between: Tensor  # (AGENT_POSES, T): what each pose weighs in linear interpolation
        self.register_buffer("between", between, persistent=False)

    def features(self) -> FeatureSpec:
        return self.spec

    def forward(self, encoding: SceneEncoding, features: Mapping[str, Tensor]) -> Prediction:
        """K = lines x modes trajectories, columns x, y, cos, sin, speed; a query whose line does not exist has logit
        -inf (in float32: the lowest)."""
        f, c = features, self.config
        b = len(f["ego"])
        ego = encoding.tokens[torch.arange(b, device=encoding.tokens.device), encoding.ego]
        line = self.line(self.lines(f)) + self.ego(ego)[:, None]
        x = (line[:, :, None] + self.rank + self.mode).flatten(1, 2)
        valid = f["reference_valid"].repeat_interleave(c.modes, 1)
        for layer in self.layers:
            x = layer(x, valid, encoding.tokens, encoding.mask)
        x = self.norm(x)
        info = f["reference_info"].repeat_interleave(c.modes, 1)
        lines = f["reference"][..., :4].repeat_interleave(c.modes, 1)
        speed, offset, logits = self.speed(x).float(), self.offset(x).float(), self.logit(x)[..., 0].float()
        with full_precision(x):
            trajectories = self.decoder(speed, offset, lines, *lateral_state(info), f["ego"][:, 0])
        logits = logits.masked_fill(~valid, torch.finfo(logits.dtype).min)
        time_s = INTERVAL_S * torch.arange(1, c.future_steps + 1, device=x.device)
        return Prediction(trajectories, logits, self._agents(encoding, f), time_s)

    def _agents(self, encoding: SceneEncoding, f: Mapping[str, Tensor]) -> Tensor | None:
        """(B, A, 1, T, 4): constant velocity plus what the agent's token adds, in the agent's own frame."""
        count = min(self.config.future_agents, f["agent"].shape[1])
        first = (encoding.kind[0] == TokenKind.AGENT).nonzero()
        if count == 0 or len(first) < count:
            return None
        start = int(first[0])
        now = f["agent"][:, :count, -1]
        c, s = now[..., 2, None], now[..., 3, None]
        own = self.agent(encoding.tokens[:, start : start + count]).float().unflatten(-1, (AGENT_POSES, 2)) * 5.0
        turned = torch.stack(from_frame(own[..., 0], own[..., 1], c, s), 2)
        t = INTERVAL_S * torch.arange(1, self.config.future_steps + 1, device=own.device)
        with full_precision(own):
            place = turned @ self.between + (now[..., :2, None] + now[..., 4:, None] * t)
        heading = now[..., None, 2:4].expand(-1, -1, len(t), -1)
        return torch.cat([place.transpose(2, 3), heading], -1)[:, :, None]

    def sample(self, encoding: SceneEncoding, features: Mapping[str, Tensor], keys: Keys) -> Prediction:
        """The same as ``forward``: this model says all it knows in one answer, so ``keys`` change nothing."""
        return self.forward(encoding, features)

    def loss(self, prediction: Prediction, targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Terms regression, choice, agent. targets: the features, and ego_future (B, T, 5), ego_future_valid (B, T),
        agent_future (B, A, T, 4), agent_future_valid (B, A, T)."""
        c = self.config
        b = len(prediction.ego)
        goal, valid = targets["ego_future"], targets["ego_future_valid"]
        ego = prediction.ego.unflatten(1, (c.reference_lines, c.modes))
        line = nearest_line(targets)
        mine = ego[torch.arange(b), line]
        weight = near_weights(valid, prediction.time_s, c)
        gap = (mine[..., :2] - goal[:, None, :, :2]).norm(dim=-1)
        mode = (gap.detach() * weight[:, None]).sum(-1).argmin(-1)
        best = mine[torch.arange(b), mode]
        regression = pose_error(best, goal, c)
        terms = {
            "regression": c.regression_weight * (regression * weight).sum(-1).mean(),
            "choice": c.classification_weight * functional.cross_entropy(prediction.logits, line * c.modes + mode),
        }
        if prediction.agents is not None and "agent_future" in targets:
            seen = targets["agent_future_valid"][:, : prediction.agents.shape[1]]
            miss = functional.smooth_l1_loss(
                prediction.agents[:, :, 0, :, :2], targets["agent_future"][:, : seen.shape[1], :, :2], reduction="none"
            )
            terms["agent"] = c.agent_weight * (miss.sum(-1) * seen).sum() / seen.sum().clamp_min(1)
        return terms
