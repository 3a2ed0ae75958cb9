"""The behavior model ``diffusion``: drives of the ego and its neighbors, denoised together along the reference lines
ahead, under a condition: text command, goal, target speed, style.

A drive is a line and a set of spline coefficients along it (``common.frenet``), so that whatever is drawn joins the
present state, stays smooth and may stand still. p(drive | scene, condition) = p(line | scene, condition)
p(coefficients, neighbors | line, scene, condition): the first factor is a softmax over the lines, the second a
diffusion transformer (``dit``) that predicts clean values from noised ones. The condition enters both, and training
leaves it out of some samples, so that sampling can weigh it (classifier-free guidance, Ho and Salimans 2022). Facts of
Diffusion Planner (Zheng et al. 2025): one token per vehicle, adaLN condition, x0 prediction, small initial noise,
guidance by energies.

The K samples of an answer are dealt to the lines in turn, the likeliest first. The first sample of a line starts from
no noise at all and is the network's middle answer; the others start from ``temperature`` times the noise of their
scene's key. A sample's logit is the log-probability of its line plus its share among the samples of that line: the
nearer to the middle answer, the likelier. (Agreement of all samples of a line chose worse drives.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from roadcraft.core.data.scenario import ObjectKind
from roadcraft.core.types import FeatureSpec, Keys, Prediction, SceneEncoding, TokenKind
from roadcraft.plugins.common.frenet import INTERVAL_S, OFFSET_SCALE, FrenetDecoder, features_of_lines
from roadcraft.plugins.common.layers import TransformerLayer, mlp
from roadcraft.plugins.common.lines import LineEncoder, lateral_state, near_weights, nearest_line, pose_error
from roadcraft.plugins.diffusion.condition_encoder import ConditionEncoder
from roadcraft.plugins.diffusion.config import DiffusionConfig
from roadcraft.plugins.diffusion.dit import Denoiser, PreparedScene
from roadcraft.plugins.diffusion.guidance import apply_guidance
from roadcraft.plugins.diffusion.neighbors import Neighbors
from roadcraft.plugins.diffusion.schedule import T_MIN, signal_and_noise, solve, times

APPROACH_S = 3.0  # of travel, in which a car that is off its line comes back onto it
NEARNESS_M = 1.0  # a sample further by this much from its line's middle answer is e times less likely


@dataclass
class Denoised(Prediction):
    """A prediction and what its loss is made of: training drives ``drive`` (B, M, T, 5) denoised along ``line`` (B,)
    from M noise levels, their coefficients ``values`` (B, M, E), those of their neighbors ``others`` (B, M, A, Q), and
    ``line_logits`` (B, R)."""

    drive: Tensor
    values: Tensor
    others: Tensor
    line: Tensor
    line_logits: Tensor


@dataclass
class DiffusionScene:
    """A scene made ready for sampling: line contexts (B, R, D) and logits (B, R), and what the denoiser reads."""

    context: Tensor
    logits: Tensor
    prepared: PreparedScene


class Diffusion(nn.Module):
    """See the module's docstring."""

    def __init__(self, config: DiffusionConfig, *, dim: int, features: FeatureSpec) -> None:
        super().__init__()
        self.config, self.dim = config, dim
        c = config
        agents = min(c.future_agents, features.agents)
        self.spec = features_of_lines(c, features, agents, instruction_words=c.max_words)
        self.lines, self.condition_encoder = LineEncoder(dim), ConditionEncoder(c.max_words, c.word_dim, dim)
        self.line, self.ego = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.rank, self.line_query = (
            nn.Parameter(torch.randn(c.reference_lines, dim) * 0.3),
            nn.Parameter(torch.zeros(c.reference_lines, dim)),
        )
        self.context = TransformerLayer(dim, c.heads, c.feed_forward, c.dropout, cross=True)
        self.norm, self.logit = nn.LayerNorm(dim), mlp(dim, dim, 1)
        self.agent, self.agent_kind = mlp(8, dim, dim), nn.Embedding(len(ObjectKind), dim)
        self.agent_token = nn.Linear(dim, dim)
        self.decoder = FrenetDecoder(
            c.speed_knots_s, c.offset_knots_s, c.future_steps, c.reference_interval_m, c.min_knot_speed_mps
        )
        self.neighbors = Neighbors(c.future_steps)
        size = self.decoder.speed_size + self.decoder.offset_size
        self.denoiser = Denoiser(dim, size, self.neighbors.size, c.blocks, c.heads, c.feed_forward, c.dropout)
        self.scale: Tensor
        self.approach: Tensor
        self.register_buffer("scale", _spread(self.decoder), persistent=False)
        self.register_buffer("approach", _approach(self.decoder), persistent=False)

    def features(self) -> FeatureSpec:
        return self.spec

    # ---- the scene ---------------------------------------------------------------------------------------------------

    def _scene(self, encoding: SceneEncoding, f: Mapping[str, Tensor], condition: Tensor) -> DiffusionScene:
        rows = torch.arange(len(condition), device=condition.device)
        ego = self.ego(encoding.tokens[rows, encoding.ego])
        x = self.line(self.lines(f)) + ego[:, None] + self.rank + condition
        context = self.norm(self.context(x, f["reference_valid"], encoding.tokens, encoding.mask))
        # a command may name a line directly
        logits = self.logit(context)[..., 0] + (condition * self.line_query).sum(-1)
        logits = logits.masked_fill(~f["reference_valid"], torch.finfo(x.dtype).min)
        vehicles = torch.cat([ego[:, None], self._agents(encoding, f)], 1)
        there = torch.ones_like(f["agent_valid"][:, :1, -1])
        mask = torch.cat([there, f["agent_valid"][:, : self.spec.future_agents, -1]], 1)
        prepared = self.denoiser.prepare(vehicles, mask, encoding.tokens, encoding.mask)
        return DiffusionScene(context + condition, logits, prepared)

    def _agents(self, encoding: SceneEncoding, f: Mapping[str, Tensor]) -> Tensor:
        """Neighbors as they are now (B, A, D), with the encoder's tokens of them where it has such."""
        count = self.spec.future_agents
        now, size = f["agent"][:, :count, -1], f["agent_size"][:, :count]
        scale = now.new_tensor([1 / 50, 1 / 50, 1, 1, 1 / 10, 1 / 10])
        x = self.agent(torch.cat([now * scale, size / 5.0], -1)) + self.agent_kind(f["agent_kind"][:, :count])
        first = (encoding.kind[0] == TokenKind.AGENT).nonzero()
        if 0 < count <= len(first):
            x = x + self.agent_token(encoding.tokens[:, int(first[0]) : int(first[0]) + count])
        return x

    def _decode(self, line: Tensor, values: Tensor, f: Mapping[str, Tensor]) -> Tensor:
        """Drives (B, K, T, 5) along lines (B, K) of normalized values (B, K, E)."""
        shape, lateral, slope = _lines_of(line, f)
        raw = values * self.scale + lateral[..., None] * self.approach
        speed, offset = raw.split([self.decoder.speed_size, self.decoder.offset_size], -1)
        out: Tensor = self.decoder(speed, offset, shape, lateral, slope, f["ego"][:, 0])
        return out

    # ---- training ----------------------------------------------------------------------------------------------------

    def forward(
        self, encoding: SceneEncoding, features: Mapping[str, Tensor], targets: Mapping[str, Tensor] | None = None
    ) -> Prediction:
        """With targets: M drives denoised from noised ones, with equal logits; torch's generator draws the noise. Else:
        ``sample`` with fixed keys."""
        if targets is None:
            return self.sample(encoding, features, np.zeros(len(features["ego"]), np.uint64))
        return self._denoise_targets(encoding, targets)

    def _denoise_targets(
        self, encoding: SceneEncoding, f: Mapping[str, Tensor], generator: torch.Generator | None = None
    ) -> Denoised:
        scene = self._scene(encoding, f, self.condition_encoder(f))
        b, m = len(scene.logits), self.config.noise_levels
        agents, size, device = self.spec.future_agents, self.neighbors.size, scene.logits.device
        line = nearest_line(f)
        values, others, _ = self._wanted(f, line)
        t = torch.rand(b, m, device=device, generator=generator) * (1.0 - T_MIN) + T_MIN
        noise = torch.randn(b, m, len(self.scale) + agents * size, device=device, generator=generator)
        e, e_others = noise[..., : len(self.scale)], noise[..., len(self.scale) :].unflatten(-1, (agents, size))
        alpha, sigma = (v[..., None] for v in signal_and_noise(self.config.process, t))
        z = alpha * values[:, None] + sigma * e
        z_others = alpha[..., None] * others[:, None] + sigma[..., None] * e_others
        lines = line[:, None].expand(-1, m)
        context = scene.context.gather(1, lines[..., None].expand(-1, -1, self.dim))
        x, x_others = self.denoiser(z, z_others, t, context, scene.prepared)
        drive = self._decode(lines, x, f)
        futures = self._futures(x_others, f).transpose(1, 2)
        return Denoised(
            drive, torch.zeros(b, m, device=device), futures, self._times(x), drive, x, x_others, line, scene.logits
        )

    def _wanted(self, targets: Mapping[str, Tensor], line: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Normalized values (B, E) of the expert along ``line`` (B,), those of its neighbors (B, A, Q), and which of
        these are known."""
        shape, lateral, slope = (v[:, 0] for v in _lines_of(line[:, None], targets))
        speed, offset = self.decoder.fit(
            targets["ego_future"], targets["ego_future_valid"], shape, lateral, slope, targets["ego"][:, 0]
        )
        values = (torch.cat([speed, offset], -1) - lateral[:, None] * self.approach) / self.scale
        count = self.spec.future_agents
        others, known = self.neighbors.fit(
            targets["agent_future"][:, :count],
            targets["agent_future_valid"][:, :count],
            targets["agent"][:, :count, -1],
        )
        return values.clamp(-8.0, 8.0), others, known

    def loss(self, prediction: Prediction, targets: Mapping[str, Tensor], encoding: SceneEncoding) -> dict[str, Tensor]:
        """Terms value, regression, choice, agent; of a sample those of the targets denoised from fixed noise."""
        c, p = self.config, prediction
        if not isinstance(p, Denoised):
            generator = torch.Generator(p.ego.device).manual_seed(0)
            p = self._denoise_targets(encoding, targets, generator)
        goal, valid = targets["ego_future"], targets["ego_future_valid"]
        values, others, known = self._wanted(targets, p.line)
        some = valid.any(-1).to(p.values.dtype)[:, None]
        weight = near_weights(valid, p.time_s, c)
        regression = pose_error(p.drive, goal[:, None].expand_as(p.drive), c)
        miss = (p.values - values[:, None]).square().mean(-1)
        terms = {
            "value": c.coefficient_weight * (miss * some).mean(),
            "regression": c.regression_weight * (regression * weight[:, None]).sum(-1).mean(),
            "choice": c.classification_weight * functional.cross_entropy(p.line_logits, nearest_line(targets)),
        }
        if self.spec.future_agents:
            off = functional.smooth_l1_loss(p.others, others[:, None].expand_as(p.others), reduction="none")
            seen = known[:, None].expand_as(off)
            terms["agent"] = c.agent_weight * (off * seen).sum() / seen.sum().clamp_min(1)
        return terms

    # ---- sampling ----------------------------------------------------------------------------------------------------

    def sample(self, encoding: SceneEncoding, features: Mapping[str, Tensor], keys: Keys) -> Prediction:
        """K = samples drives, columns x, y, cos, sin, speed, and K futures of each neighbor, drawn with them. Noise
        depends on ``keys`` (B,) alone."""
        c, f = self.config, features
        condition = self.condition_encoder(f)
        scenes = [self._scene(encoding, f, condition)] if c.guidance_scale else []
        if c.guidance_scale != 1.0:
            scenes.append(self._scene(encoding, f, torch.zeros_like(condition)))
        weights = [c.guidance_scale, 1.0 - c.guidance_scale] if len(scenes) == 2 else [1.0]
        log_p = torch.stack([w * s.logits.log_softmax(-1) for w, s in zip(weights, scenes, strict=True)]).sum(0)
        log_p = log_p.masked_fill(~f["reference_valid"], torch.finfo(log_p.dtype).min).log_softmax(-1)
        line, first = _deal(log_p, f["reference_valid"], c.samples)
        noise = self._noise(keys, first)
        size = len(self.scale)
        z = solve(c.process, c.solver_order, partial(self._clean, scenes, weights, line, f), noise, times(c.steps))
        drive, others = self._decode(line, z[..., :size], f), self._split(z)
        logits = log_p.gather(1, line) + _nearness(drive, line, first, self._times(z))
        return Prediction(drive, logits, self._futures(others, f).transpose(1, 2), self._times(z))

    def _clean(
        self,
        scenes: list[DiffusionScene],
        weights: list[float],
        line: Tensor,
        f: Mapping[str, Tensor],
        z: Tensor,
        t: float,
    ) -> Tensor:
        """Clean values of ego and neighbors (B, K, E + A Q) as predicted from z at time t, weighed over the
        conditions, and guided."""
        size, k = len(self.scale), z.shape[1]
        index = line[..., None].expand(-1, -1, self.dim)
        context = torch.cat([s.context.gather(1, index) for s in scenes], 1)
        ego, others = z[..., :size], self._split(z)
        branches = len(scenes)
        at = torch.full((len(z), branches * k), t, device=z.device)
        x, x_others = self.denoiser(
            ego.repeat(1, branches, 1), others.repeat(1, branches, 1, 1), at, context, scenes[0].prepared
        )
        x = torch.stack([w * v for w, v in zip(weights, x.split(k, 1), strict=True)]).sum(0)
        x_others = torch.stack([w * v for w, v in zip(weights, x_others.split(k, 1), strict=True)]).sum(0)
        if self.config.guidance.on:
            x = apply_guidance(self.config.guidance, x, partial(self._decode, line), self._futures(x_others, f), f)
        return torch.cat([x, x_others.flatten(2)], -1)

    def _split(self, z: Tensor) -> Tensor:
        return z[..., len(self.scale) :].unflatten(-1, (self.spec.future_agents, self.neighbors.size))

    def _noise(self, keys: Keys, first: Tensor) -> Tensor:
        """Start of each sample (B, K, E + A Q): nothing for the first sample of a line, else noise from its scene's
        key."""
        shape = (first.shape[1], len(self.scale) + self.spec.future_agents * self.neighbors.size)
        rows = [np.random.Generator(np.random.Philox(key=int(k))).standard_normal(shape, np.float32) for k in keys]
        noise = torch.from_numpy(np.stack(rows)).to(first.device)
        later = torch.arange(first.shape[1], device=first.device) != first
        return self.config.temperature * noise * later[..., None]

    def _futures(self, others: Tensor, f: Mapping[str, Tensor]) -> Tensor:
        """Neighbors (B, K, A, T, 4)."""
        out: Tensor = self.neighbors(others, f["agent"][:, : self.spec.future_agents, -1])
        return out

    def _times(self, like: Tensor) -> Tensor:
        return INTERVAL_S * torch.arange(1, self.config.future_steps + 1, device=like.device)


def _deal(log_p: Tensor, valid: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Lines (B, count) for the samples, in turn from the likeliest, and the place of the first sample of each one's
    line (B, count)."""
    order = log_p.argsort(dim=-1, descending=True, stable=True)
    lines = valid.sum(-1, keepdim=True).clamp_min(1)
    k = torch.arange(count, device=log_p.device)[None]
    return order.gather(1, k % lines), k % lines


def _nearness(drive: Tensor, line: Tensor, first: Tensor, time_s: Tensor) -> Tensor:
    """Log-share of each sample among those of its line (B, K), by its mean distance to their first, whose place is
    ``first`` (B, K); near poses weigh more."""
    place = drive[..., ::8, :2]
    middle = place.gather(1, first[..., None, None].expand_as(place))
    weight = 1.0 / (1.0 + time_s[::8])
    far = (place - middle).norm(dim=-1) @ (weight / weight.sum()) / NEARNESS_M
    same = line[:, :, None] == line[:, None]
    return -far - (-far)[:, None].masked_fill(~same, -torch.inf).logsumexp(-1)


def _lines_of(line: Tensor, f: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Shape (B, K, P, 4) of the lines with the given numbers (B, K), and the ego's offset and slope beside them (B,
    K)."""
    reference, info = f["reference"], f["reference_info"]
    shape = reference[..., :4].gather(1, line[..., None, None].expand(-1, -1, reference.shape[2], 4))
    info = info.gather(1, line[..., None].expand(-1, -1, info.shape[-1]))
    return shape, *lateral_state(info)


def _spread(decoder: FrenetDecoder) -> Tensor:
    """Standard deviations of the coefficients, as found in driving: speeds are surer near, offsets smaller far
    ahead."""
    speed = [min(max(0.12 * t, 0.05), 0.7) for t in decoder.speed_at_s]
    offset = [0.25 / (1.0 + 0.3 * t) for t in decoder.offset_at_s]
    return torch.tensor([*speed, *offset], dtype=torch.float32)


def _approach(decoder: FrenetDecoder) -> Tensor:
    """Coefficients, per meter beside the line, of the usual way back onto it: a quintic of APPROACH_S. Values are what
    is added to that, so that coming back from farther off than any sample of training is no larger a thing to say.
    (With 5 s, as of lane changes, cars drifted out of fast curves.)"""
    u = torch.tensor(decoder.offset_at_s).div(APPROACH_S).clamp_max(1.0)
    left = 1.0 - u**3 * (10.0 - 15.0 * u + 6.0 * u**2)
    return torch.cat([torch.zeros(decoder.speed_size), left / OFFSET_SCALE])
