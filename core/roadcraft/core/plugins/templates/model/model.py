"""A behavior model: along each line ahead a few trajectories, the likeliest of which is driven. Small, but
complete.

A reference line (own lane, left, right; see ``FeatureSpec``) says where the road goes; the network says how fast,
and how far beside it. So it steers from the first step of training on and learns only when to go, to slow down, to
stop and to swerve.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from roadcraft.core import EgoColumn, FeatureSpec, Keys, ObjectKind, Prediction, SceneEncoding
from roadcraft.core import ReferenceInfoColumn as Info

from __PACKAGE__.plugin import __CLASS__Config

Features = Mapping[str, Tensor]

STEPS, INTERVAL_S = 80, 0.1  # of a trajectory
POINT_M = 2.0  # between points of a line
FROM_LINE = (Info.LATERAL, Info.HEADING_SIN, Info.HEADING_COS)  # the ego's place beside a line
FAR_M = 200.0  # distance that stands for "nothing ahead"
# times for which the network says a speed, and an offset from the line (seconds of travel at the present speed)
SPEED_S, OFFSET_S = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.5, 8.0), (0.8, 1.6, 2.4, 3.5, 5.0, 7.0)
STANDING = 0.1  # what a sample counts whose ego stands throughout: standing is soon learned, setting off is rare
SETTLE_S = 0.8  # in which the ego's own offset dies away


def mlp(inputs: int, dim: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, dim), nn.GELU(), nn.Linear(dim, outputs))


def near(distance: Tensor) -> Tensor:
    return torch.exp(-distance.clamp_min(0.0) / 10)


def gap_ratio(gap: Tensor, speed: Tensor, closing: Tensor) -> Tensor:
    """Ratio of the intelligent driver model's desired gap to the gap, at most 3."""
    return ((1.5 + 1.2 * speed + speed * closing / 3.0).clamp_min(0.0) / gap.clamp_min(0.5)).clamp_max(3.0)


def weights(at: Tensor, knots: tuple[float, ...], smooth: bool = False) -> Tensor:
    """What each knot weighs in an interpolation between 0 at 0 and values at the knots: (...) to (..., knots)."""
    end = at.new_tensor(knots)
    start = F.pad(end[:-1], (1, 0))
    passed = ((at[..., None] - start) / (end - start)).clamp(0.0, 1.0)
    if smooth:
        passed = passed * passed * (3.0 - 2.0 * passed)
    return passed - F.pad(passed[..., 1:], (0, 1))


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
            future_steps=STEPS,
            future_interval_s=INTERVAL_S,
            future_agents=0,
        )
        self.ego, self.shape, self.rules = nn.Linear(dim, dim), mlp(10, dim, dim), mlp(24, dim, dim)
        self.object, self.kind, self.lead = mlp(13, dim, dim), nn.Embedding(len(ObjectKind), dim), mlp(13, dim, dim)
        self.norm, self.mode = nn.LayerNorm(dim), nn.Parameter(0.5 * torch.randn(config.modes, dim))
        layer = nn.TransformerDecoderLayer(dim, 4, 2 * dim, 0.0, "gelu", batch_first=True, norm_first=True)
        self.mix = nn.TransformerDecoder(layer, 1, nn.LayerNorm(dim))
        self.trajectory, self.logit = mlp(dim, dim, len(SPEED_S) + len(OFFSET_S)), mlp(dim, dim, 1)
        nn.init.normal_(self.trajectory[-1].weight, std=0.01)  # type: ignore[arg-type]
        nn.init.zeros_(self.trajectory[-1].bias)  # type: ignore[arg-type]

    def features(self) -> FeatureSpec:
        return self.spec

    def forward(self, encoding: SceneEncoding, features: Features) -> Prediction:
        """K = lines x modes trajectories; a line that does not exist has the lowest logit there is."""
        f, b = features, len(features["ego"])
        line, speed = f["reference"], f["ego"][:, :1].clamp_min(0.0)
        ego = encoding.tokens[torch.arange(b, device=line.device), encoding.ego]
        scale = line.new_tensor([1 / 50, 1 / 50, 1, 1, 1 / 15, 1, 1, 1, 1, 1])
        shape = self.shape(line[:, :, ::4] * scale).amax(2)
        x = self.norm(shape + self._rules(f, speed) + self._objects(f, speed)) + self.ego(ego)[:, None]
        x = (x[:, :, None] + self.mode).flatten(1, 2)  # (B, K, D)
        real = f["reference_valid"].repeat_interleave(self.modes, 1)
        x = self.mix(x, encoding.tokens, tgt_key_padding_mask=~real, memory_key_padding_mask=~encoding.mask)
        ego = self._drive(self.trajectory(x).unflatten(1, (-1, self.modes)).float(), line, f["reference_info"], speed)
        logits = self.logit(x)[..., 0].float()
        time_s = INTERVAL_S * torch.arange(1, STEPS + 1, device=line.device)
        return Prediction(ego, logits.masked_fill(~real, torch.finfo(logits.dtype).min), None, time_s)

    def _rules(self, f: Features, speed: Tensor) -> Tensor:
        """Lines by where the ego is relative to them, by lights, stop signs and the route's end ahead, by speed
        limit: (B, R, D)."""
        info, speed, stood = f["reference_info"], speed[:, None], f["ego"][:, None, EgoColumn.STOPPED_TIME_S :]
        ahead, limit = info[..., Info.TO_RED : Info.TO_ROUTE_END + 1], info[..., Info.LIMIT_HERE :]
        motion = torch.cat([speed / 10, torch.exp(-stood), torch.exp(-stood / 3)], -1).expand(-1, info.shape[1], -1)
        known = (ahead < FAR_M - 1.0) * 1.0
        there = [ahead / 50, near(ahead), known, gap_ratio(ahead - 4.0, speed, speed)]
        beside = info[..., : Info.TO_RED]
        found: Tensor = self.rules(torch.cat([beside, limit / 15, (limit > 0) * 1.0, motion, *there], -1))
        return found

    def _objects(self, f: Features, speed: Tensor) -> Tensor:
        """The objects beside each line, and the nearest one on the path: (B, R, D)."""
        kind = torch.cat([f["agent_kind"], f["static_kind"]], 1)[:, None]
        real = torch.cat([f["agent_valid"][..., -1], f["static_mask"]], 1)[:, None]
        s, d, vs, vd, half_s, half_d = torch.cat([f["reference_agent"], f["reference_static"]], 2).unbind(-1)
        axle, length, width = f["vehicle"][:, :3, None, None].unbind(1)
        gap, clear, closing = s - half_s - axle - 0.5 * length, d.abs() - half_d - 0.5 * width, speed[..., None] - vs
        enter = clear.clamp_min(0.0) / (-d.sign() * vd).clamp_min(0.2)  # seconds until it is on the path
        in_path = real & (clear < 0.2) & (s > 0)
        ratio = gap_ratio(gap, speed[..., None], closing)
        columns = [s / 50, d / 5, vs / 10, vd / 3, half_s / 5, half_d / 2, near(gap), clear / 3, closing / 10]
        columns += [in_path * 1.0, in_path * ratio, torch.exp(-enter / 3), (s - closing * enter.clamp_max(8.0)) / 20]
        rows = F.pad(torch.stack(columns, -1), (0, 0, 0, 1))  # and one that stands for none
        x = (self.object(rows[:, :, :-1]) + self.kind(kind)) * real[..., None]
        distance, at = F.pad(gap.masked_fill(~in_path, FAR_M), (0, 1), value=FAR_M).min(-1)
        lead = rows.gather(2, at[..., None, None].expand(-1, -1, 1, rows.shape[-1]))[:, :, 0]
        found: Tensor = F.pad(x, (0, 0, 0, 1)).amax(2) + self.lead(lead) * (distance < FAR_M)[..., None]
        return found

    def _drive(self, raw: Tensor, line: Tensor, info: Tensor, speed: Tensor) -> Tensor:
        """Trajectories (B, K, T, 5) x, y, cos, sin, speed: raw (B, R, M, speeds and offsets) adds to the present
        speed, and to the offset, which by itself dies away."""
        time_s = INTERVAL_S * torch.arange(STEPS + 1, device=raw.device)
        changes, shifts = raw[..., : len(SPEED_S)], raw[..., len(SPEED_S) :]
        now = speed[:, :, None, None]
        change = (4.0 * changes[..., None, :] * weights(time_s, SPEED_S)).sum(-1)
        speeds = F.softplus(now + change, beta=4.0)
        distance = ((speeds[..., 1:] + speeds[..., :-1]) * 0.5 * INTERVAL_S).cumsum(-1)  # (B, R, M, T)
        at = (distance / POINT_M).clamp_max(line.shape[2] - 1.001)
        low = at.long()
        rows = torch.stack([low, low + 1], -1).flatten(2)[..., None].expand(-1, -1, -1, 4)  # (B, R, M T 2, 4)
        ends = line[..., :4].gather(2, rows).view(*distance.shape, 2, 4)
        here = torch.lerp(ends[..., 0, :], ends[..., 1, :], (at - low)[..., None])
        ahead = F.normalize(here[..., 2:], dim=-1)
        left = torch.stack([-ahead[..., 1], ahead[..., 0]], -1)
        lateral, sin, cos = (info[..., k, None, None] for k in FROM_LINE)
        per_s, slope = now.clamp_min(5.0), (sin / cos.clamp_min(0.3)).clamp(-1.5, 1.5)

        def offset(distance: Tensor) -> Tensor:
            u = distance / per_s
            shift = (2.0 * shifts[..., None, :] * weights(u, OFFSET_S, smooth=True)).sum(-1)
            settle = lateral + (slope * per_s + lateral / SETTLE_S) * u
            found: Tensor = settle * torch.exp(-u / SETTLE_S) + shift
            return found

        aside = offset(distance)
        turn = (offset(distance + 0.5) - aside) / 0.5
        place = here[..., :2] + (distance - at * POINT_M)[..., None] * ahead + aside[..., None] * left
        heading = F.normalize(ahead + turn[..., None] * left, dim=-1)
        return torch.cat([place, heading, speeds[..., 1:, None]], -1).flatten(1, 2)

    def loss(self, prediction: Prediction, targets: Features) -> dict[str, Tensor]:
        """Of the trajectories along the line on which the expert ends, the one nearest to what it drove is brought
        nearer, and is to be the likeliest. Near poses weigh more: they are driven."""
        goal, valid = targets["ego_future"], targets["ego_future_valid"]  # (B, T, 5), (B, T)
        b = torch.arange(len(goal), device=goal.device)
        end = goal[b, (valid.sum(-1) - 1).clamp_min(0), :2]
        far = (targets["reference"][..., :2] - end[:, None, None]).norm(dim=-1).amin(-1)  # (B, R)
        line = far.masked_fill(~targets["reference_valid"], torch.inf).argmin(-1)
        weight = valid / (1.0 + prediction.time_s / 2.0)
        weight = weight / weight.sum(-1, keepdim=True).clamp_min(1e-6)
        ways = prediction.ego.view(len(goal), -1, self.modes, *goal.shape[1:])[b, line]  # (B, M, T, 5)
        best = ((ways[..., :2] - goal[:, None, :, :2]).norm(dim=-1) * weight[:, None]).sum(-1).argmin(-1)
        gap = F.smooth_l1_loss(ways[b, best], goal, reduction="none") * goal.new_tensor([1.0, 1.0, 2.0, 2.0, 0.5])
        choice = F.cross_entropy(prediction.logits, line * self.modes + best, reduction="none")
        moves = ((goal[..., :2].norm(dim=-1) > 1.0) & valid).any(-1)
        share = torch.where(moves, 1.0, STANDING) * valid.any(-1)  # where nothing was driven nothing is learned
        return {
            "trajectory": ((gap.sum(-1) * weight).sum(-1) * share).mean(),
            "choice": 0.5 * (choice * share).mean(),
        }

    def sample(self, encoding: SceneEncoding, features: Features, keys: Keys) -> Prediction:
        return self.forward(encoding, features)
