"""A behavior model: along each line ahead a few speed profiles, the likeliest of which is driven. Small, but
complete.

A reference line (own lane, left, right; see ``FeatureSpec``) says where the road goes; the network says how
fast. So it steers from the first step of training on and learns only when to go, to slow down and to stop.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from roadcraft.core import FeatureSpec, Keys, Prediction, SceneEncoding

from __PACKAGE__.plugin import __CLASS__Config

Features = Mapping[str, Tensor]

POINT_M = 2.0  # between points of a line
# columns of the feature reference_info
LATERAL, SIN, COS, TO_RED, TO_YELLOW, TO_STOP, TO_ROUTE_END, LIMIT = range(8)
FAR_M = 200.0  # distance that stands for "nothing ahead"
FRONT_M, HALF_WIDTH_M = 4.0, 1.0  # of a usual car: rear axle to front end, and to the side
KNOTS = 9  # of a speed profile, evenly over the horizon, with the logit in the place of the first


def mlp(inputs: int, dim: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, dim), nn.GELU(), nn.Linear(dim, outputs))


def near(distance: Tensor) -> Tensor:
    return torch.exp(-distance.clamp_min(0.0) / 10)


def gap_ratio(gap: Tensor, speed: Tensor, closing: Tensor) -> Tensor:
    """Ratio of the intelligent driver model's desired gap to the gap, at most 3."""
    return ((1.5 + 1.2 * speed + speed * closing / 3.0).clamp_min(0.0) / gap.clamp_min(0.5)).clamp_max(3.0)


class __CLASS__(nn.Module):
    learning_rate = 2e-3  # where the configuration gives none

    def __init__(self, config: __CLASS__Config, *, dim: int, features: FeatureSpec) -> None:
        super().__init__()
        self.modes = config.modes
        self.spec = replace(
            features,
            reference_lines=3,
            reference_points=80,
            reference_interval_m=POINT_M,
            future_steps=80,
            future_agents=0,
        )
        self.shape, self.rules = mlp(10, dim, dim), mlp(14, dim, dim)
        self.objects, self.lead = mlp(10, dim, dim), mlp(6, dim, dim)
        self.attention = nn.MultiheadAttention(dim, 4, batch_first=True)
        self.norm, self.mode = nn.LayerNorm(dim), nn.Parameter(0.5 * torch.randn(config.modes, dim))
        self.answer = mlp(dim, 2 * dim, KNOTS)  # changes of speed, and the logit

    def features(self) -> FeatureSpec:
        return self.spec

    def forward(self, encoding: SceneEncoding, features: Features) -> Prediction:
        """K = lines x modes trajectories; a line that does not exist has the lowest logit there is."""
        f, b = features, len(features["ego"])
        line, valid, speed = f["reference"], f["reference_valid"], f["ego"][:, :1].clamp_min(0.0)
        ego = encoding.tokens[torch.arange(b, device=line.device), encoding.ego]
        scale = line.new_tensor([1 / 50, 1 / 50, 1, 1, 1 / 15, 1, 1, 1, 1, 1])
        x = (
            ego[:, None]
            + self.shape(line[:, :, ::4] * scale).amax(2)
            + self._rules(f, speed)
            + self._objects(f, speed)
        )
        scene, hidden = encoding.tokens, ~encoding.mask
        x = x + self.attention(x, scene, scene, key_padding_mask=hidden, need_weights=False)[0]
        out = self.answer(self.norm(x)[:, :, None] + self.mode)  # (B, R, M, KNOTS)
        ego = self._drive(out[..., 1:], line, f["reference_info"], speed)
        logits = out[..., 0].masked_fill(~valid[..., None], torch.finfo(out.dtype).min)
        time_s = self.spec.future_interval_s * torch.arange(1, self.spec.future_steps + 1, device=line.device)
        return Prediction(ego.flatten(1, 2), logits.flatten(1), None, time_s)

    def _rules(self, f: Features, speed: Tensor) -> Tensor:
        """Lines by where the ego is relative to them, by lights, stop signs and the route's end ahead, by speed
        limit: (B, R, D)."""
        info, speed = f["reference_info"], speed[:, None]
        ahead = info[..., TO_RED : TO_ROUTE_END + 1]
        pace = torch.cat([speed, f["ego"][:, None, 6:].clamp_max(5.0)], -1).expand(-1, info.shape[1], -1)
        rows = [
            info[..., :COS],
            info[..., LIMIT:] / 15,
            (info[..., LIMIT:] > 0) * 1.0,
            pace / 5,
            near(ahead),
            gap_ratio(ahead - FRONT_M, speed, speed),
        ]
        found: Tensor = self.rules(torch.cat(rows, -1))
        return found

    def _objects(self, f: Features, speed: Tensor) -> Tensor:
        """The objects along each line, and the nearest one on the path: (B, R, D)."""
        rows = torch.cat([f["reference_agent"], f["reference_static"]], 2)
        real = torch.cat([f["agent_valid"][..., -1], f["static_mask"]], 1)[:, None, :, None]
        s, d, vs, vd, half_s, half_d = (rows[..., i : i + 1] for i in range(6))
        gap, clear, speed = s - half_s - FRONT_M, d.abs() - half_d - HALF_WIDTH_M, speed[:, None, None]
        in_path = real & (clear < 0.2) & (s > 0)
        parts = [
            s / 50,
            d / 5,
            vs / 10,
            vd / 3,
            half_s / 5,
            half_d / 2,
            near(gap),
            clear / 3,
            in_path * 1.0,
            in_path * gap_ratio(gap, speed, speed - vs),
        ]
        x = self.objects(torch.cat(parts, -1)) * real
        lead, at = F.pad(gap.masked_fill(~in_path, FAR_M), (0, 0, 0, 1), value=FAR_M).min(2)  # (B, R, 1)
        pace = F.pad(vs, (0, 0, 0, 1)).gather(2, at[:, :, None])[:, :, 0]
        speed = speed[:, 0].expand_as(lead)
        about = torch.cat(
            [
                lead / 50,
                near(lead),
                pace / 10,
                (speed - pace) / 5,
                gap_ratio(lead, speed, speed - pace),
                (lead < FAR_M) * 1.0,
            ],
            -1,
        )
        found: Tensor = F.pad(x, (0, 0, 0, 1)).amax(2) + self.lead(about)
        return found

    def _drive(self, raw: Tensor, line: Tensor, info: Tensor, speed: Tensor) -> Tensor:
        """Trajectories (B, R, M, T, 5) x, y, cos, sin, speed: raw (B, R, M, KNOTS - 1) bends the present speed,
        the ego's offset from the line dies away."""
        t = self.spec.future_steps
        knots = torch.cat([torch.zeros_like(raw[..., :1]), raw], -1)
        change = F.interpolate(knots.flatten(0, 2)[:, None], t + 1, mode="linear", align_corners=True).view(
            *raw.shape[:3], t + 1
        )
        pace = F.softplus(speed[:, :, None, None] + 4.0 * change - 0.05, beta=4.0)
        distance = ((pace[..., 1:] + pace[..., :-1]) * 0.5 * self.spec.future_interval_s).cumsum(-1)
        at = (distance / POINT_M).clamp_max(line.shape[2] - 1.001)
        low = at.long()
        rows = torch.stack([low, low + 1], -1).flatten(2)[..., None].expand(-1, -1, -1, 4)  # (B, R, M T 2, 4)
        ends = line[..., :4].gather(2, rows).view(*distance.shape, 2, 4)
        here = torch.lerp(ends[..., 0, :], ends[..., 1, :], (at - low)[..., None])
        ahead = F.normalize(here[..., 2:], dim=-1)
        beyond = (distance - at * POINT_M)[..., None] * ahead
        off = info[..., LATERAL, None, None] * torch.exp(-distance / (4.0 + 1.5 * speed[:, :, None, None]))
        aside = torch.stack([-ahead[..., 1], ahead[..., 0]], -1) * off[..., None]
        return torch.cat([here[..., :2] + beyond + aside, ahead, pace[..., 1:, None]], -1)

    def loss(self, prediction: Prediction, targets: Features) -> dict[str, Tensor]:
        """The trajectory nearest to the driven one is brought nearer, and is to be the likeliest (winner takes
        all). Near poses weigh more: they are driven."""
        goal, valid = targets["ego_future"], targets["ego_future_valid"]  # (B, T, 5), (B, T)
        weight = valid / (1.0 + prediction.time_s / 2.0)
        weight = (weight / weight.sum(-1, keepdim=True).clamp_min(1e-6))[:, None]
        real = prediction.logits > torch.finfo(prediction.logits.dtype).min
        error = ((prediction.ego[..., :2] - goal[:, None, :, :2]).norm(dim=-1) * weight).sum(-1)  # (B, K)
        best = error.masked_fill(~real, torch.inf).argmin(-1)
        chosen = prediction.ego[torch.arange(len(best), device=best.device), best]
        gap = F.smooth_l1_loss(chosen, goal, reduction="none") * goal.new_tensor([1.0, 1.0, 2.0, 2.0, 0.5])
        some = valid.any(-1)  # where nothing was driven there is nothing to choose
        return {
            "trajectory": (gap.sum(-1) * weight[:, 0]).sum(-1).mean(),
            "choice": 0.5 * (F.cross_entropy(prediction.logits, best, reduction="none") * some).mean(),
        }

    def sample(self, encoding: SceneEncoding, features: Features, keys: Keys) -> Prediction:
        return self.forward(encoding, features)
