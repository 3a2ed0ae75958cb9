"""The behaviour model ``tokens``: all road users, the ego among them, as a sequence of motion tokens, the next one foretold from those before.

In the manner of SMART (Wu et al. 2024) with closed-loop fine-tuning by CAT-K (Zhang et al. 2024). What it foretells is each actor's next half second, as a
probability over the vocabulary of its class; a future is rolled out by choosing for all and going on from there. Training reads what happened in tokens and asks
for the next one; a share of the batches is rolled out instead, and asked for the token that would lead back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from roadcraft.core.errors import PluginError
from roadcraft.core.interfaces import FeatureSpec, Keys, Prediction, SceneEncoding
from roadcraft.plugins.common.layers import mlp
from roadcraft.plugins.common.tokens import TokenKind
from roadcraft.plugins.tokens.actors import CLASSES, Actors, Goals, actors_of, ego_rear, goals_of
from roadcraft.plugins.tokens.chance import uniform
from roadcraft.plugins.tokens.choice import blended, drawn, nearest_to
from roadcraft.plugins.tokens.config import TokensConfig
from roadcraft.plugins.tokens.decoder import Decoder, Still
from roadcraft.plugins.tokens.geometry import compose, relative
from roadcraft.plugins.tokens.smooth import Smoother
from roadcraft.plugins.tokens.vocabulary import POSE_S, POSES, TOKEN_S, draw, made_up, match, roll

LENGTHS_M = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # of the waves by which motions are told apart; sideways a quarter of them
WAVES = [[2.0 * math.pi / w for w in LENGTHS_M], [8.0 * math.pi / w for w in LENGTHS_M]]
SCALES = (0.2, 1.0, 1.0, 2.0)
MOTION = 5 + 4 * len(LENGTHS_M)
NEVER = -1e9  # added to the logit of another class's token


@dataclass
class Scene:
    """What is known of B scenes before anything is foretold. start (B, A, D): what each actor is; past (B, A, P - 1, D) and its mask; hidden (B, A, V)."""

    actors: Actors
    still: Still | None
    start: Tensor
    past: Tensor
    past_alive: Tensor
    hidden: Tensor


@dataclass
class Lesson:
    """What training asks: poses (B, A, S + 1, 4) that were shown, the tokens (B, A, S) asked for, and which of them count."""

    pose: Tensor
    token: Tensor
    counts: Tensor


@dataclass
class TokenPrediction(Prediction):
    """A prediction that remembers its scene, and in training what it was shown."""

    scene: Scene
    lesson: Lesson | None = None


class Tokens(nn.Module):
    """See the module's docstring. K = samples, the first without chance. In training mode, with targets among the features, ``forward`` gives the future that was
    shown every half second (the logged one in tokens, or the closed-loop one); else the same as ``sample`` with keys of 0."""

    def __init__(self, config: TokensConfig, *, dim: int, features: FeatureSpec) -> None:
        super().__init__()
        self.config, self.dim = config, dim
        c = config
        self.spec = replace(features, future_steps=c.future_tokens * POSES, future_agents=features.agents)
        self.stride = round(TOKEN_S / features.past_interval_s)
        if (
            abs(self.stride * features.past_interval_s - TOKEN_S) > 1e-6
            or abs(features.future_interval_s - POSE_S) > 1e-6
        ):
            raise PluginError(f"model tokens needs a history that divides {TOKEN_S} s and targets every {POSE_S} s")
        words = [made_up(k, n) for k, n in enumerate(c.sizes)]
        ends = np.cumsum(c.sizes)
        self.bounds = np.stack([ends - c.sizes, ends], 1)
        self.vocabulary: Tensor
        self.used: Tensor
        self.radius: Tensor
        self.register_buffer("vocabulary", torch.from_numpy(np.concatenate(words)))
        self.register_buffer("used", torch.ones(len(self.vocabulary)))
        self.register_buffer("radius", torch.zeros(CLASSES))
        self.motion = mlp(MOTION, dim, dim)
        self.size, self.kind = mlp(3, dim), nn.Embedding(CLASSES, dim)
        self.role, self.moment = nn.Embedding(2, dim), nn.Embedding(c.past_tokens + c.future_tokens, dim)
        self.seen = nn.Linear(dim, dim)
        self.decoder = Decoder(dim, c)
        self.word, self.word_own = mlp(MOTION, dim, dim), nn.Parameter(torch.zeros(len(self.vocabulary), dim))
        self.word_bias = nn.Parameter(torch.zeros(len(self.vocabulary)))
        self.answer = nn.Linear(dim, dim)
        self.smoother = Smoother(self.spec.future_steps, c.smooth_s)

    def features(self) -> FeatureSpec:
        return self.spec

    # ---- the vocabulary ------------------------------------------------------------------------------------------

    @torch.no_grad()
    def prepare(self, batches: Iterable[Mapping[str, Tensor]]) -> None:
        """Draw the vocabulary of each class from the motions of the first ``vocabulary_batches`` training batches. A class that never moves in
        them keeps its made-up one."""
        found: list[list[np.ndarray]] = [[] for _ in range(CLASSES)]
        for batch in islice(batches, self.config.vocabulary_batches):
            motions, kinds = self._motions(batch)
            for k in range(CLASSES):
                found[k].append(motions[kinds == k])
        for k, (first, last) in enumerate(self.bounds):
            pool = np.concatenate(found[k]) if found[k] else np.zeros((0, POSES, 4), np.float32)
            if not len(pool):
                continue
            words, radius = draw(pool, k, int(last - first), self.config.tolerance_m, np.random.default_rng(k))
            self.vocabulary[first : first + len(words)] = torch.from_numpy(words)
            self.vocabulary[first + len(words) : last] = self.vocabulary[first]
            self.used[first:last] = (torch.arange(last - first) < len(words)).float()
            self.radius[k] = radius

    def _motions(self, batch: Mapping[str, Tensor]) -> tuple[np.ndarray, np.ndarray]:
        """Half-second motions (N, 5, 4) of a batch, and their classes (N,)."""
        actors = actors_of(batch, self.config.past_tokens, self.stride)
        goals = goals_of(actors, batch, 1)
        poses, kinds = [], []
        for t in range(0, self.spec.future_steps, POSES):
            whole = goals.valid[:, :, t : t + POSES + 1].all(-1)
            start, later = goals.pose[:, :, t : t + 1], goals.pose[:, :, t + 1 : t + POSES + 1]
            poses.append(relative(start, later)[whole])
            kinds.append(actors.kind[whole])
        return torch.cat(poses).cpu().numpy(), torch.cat(kinds).cpu().numpy()

    def _end(self) -> np.ndarray:
        """Last poses (V, 4) of the tokens, those out of use out of reach."""
        end = self.vocabulary[:, -1].detach().cpu().numpy().copy()
        end[self.used.detach().cpu().numpy() < 0.5, :2] = 1e6
        return end

    # ---- what goes in --------------------------------------------------------------------------------------------

    def _scene(self, encoding: SceneEncoding, f: Mapping[str, Tensor]) -> Scene:
        actors = actors_of(f, self.config.past_tokens, self.stride)
        b, count = actors.kind.shape
        kind = encoding.kind[0]
        still = (kind != TokenKind.EGO) & (kind != TokenKind.AGENT)
        rows = still.nonzero()[:, 0]
        where = encoding.pose[:, rows]
        pose = torch.stack([where[..., 0], where[..., 1], where[..., 2].cos(), where[..., 2].sin()], -1)
        own = torch.zeros(b, count, self.dim, dtype=encoding.tokens.dtype, device=encoding.tokens.device)
        own[:, 0] = encoding.tokens[torch.arange(b, device=kind.device), encoding.ego]
        agents = (kind == TokenKind.AGENT).nonzero()[:, 0][: count - 1]
        own[:, 1 : 1 + len(agents)] = encoding.tokens[:, agents]
        role = torch.zeros(count, dtype=torch.int64, device=kind.device)
        role[0] = 1
        area = actors.size.prod(-1, keepdim=True) / 10.0
        start = (
            self.seen(own)
            + self.size(torch.cat([actors.size / 5.0, area], -1))
            + self.kind(actors.kind)
            + self.role(role)
        )
        ago = torch.arange(self.config.past_tokens - 1, device=kind.device)
        past = self.motion(motion_channels(actors.moved[:, :, :-1])) + self.moment(ago) + start[:, :, None]
        hidden = torch.full((CLASSES, len(self.vocabulary)), NEVER, device=kind.device)
        for k, (first, last) in enumerate(self.bounds):
            hidden[k, first:last] = (1.0 - self.used[first:last]) * NEVER
        there = self.decoder.still(encoding.tokens[:, rows], encoding.mask[:, rows], pose)
        return Scene(
            actors, there, start, past, actors.moved_valid[:, :, :-1] & actors.valid[..., None], hidden[actors.kind]
        )

    def _words(self) -> Tensor:
        """Keys (V, D) of the vocabulary."""
        return (self.word(motion_channels(self.vocabulary[:, -1])) + self.word_own) * self.dim**-0.5

    # ---- driving -------------------------------------------------------------------------------------------------

    def sample(self, encoding: SceneEncoding, features: Mapping[str, Tensor], keys: Keys) -> TokenPrediction:
        """K futures of the ego and of everybody: ego columns x, y, cos, sin, speed, smoothed; agents (B, A, K, T, 4); logits the log-likelihood of the ego's
        tokens in the first ``score_s`` seconds. Equal keys give equal futures."""
        c = self.config
        with torch.no_grad():
            scene = self._scene(encoding, features)
            poses, chance = self.roll_out(scene, keys, c.future_tokens, c.samples, c.temperature, c.top_k)
            ego = self.smoother(
                ego_rear(poses[:, :, 0], features["vehicle"]), features["ego"][:, 0], features["ego"][:, 2]
            )
            score = chance[:, :, : max(round(c.score_s / TOKEN_S), 1)].sum(-1)
            times = POSE_S * torch.arange(1, ego.shape[2] + 1, device=ego.device)
        return TokenPrediction(ego, score, poses[:, :, 1:].transpose(1, 2), times, scene)

    def next_motions(
        self, encoding: SceneEncoding, features: Mapping[str, Tensor], keys: Keys, temperature: float, top_k: int
    ) -> Tensor:
        """Half-second motions (B, A, 5, 4) of the agents, drawn, each as seen from where the agent is now."""
        scene = self._scene(encoding, features)
        poses, _ = self.roll_out(scene, keys, 1, 1, temperature, top_k, greedy=False)
        return relative(scene.actors.pose[:, 1:, None], poses[:, 0, 1:])

    def roll_out(
        self, scene: Scene, keys: Keys, steps: int, samples: int, temperature: float, top_k: int, greedy: bool = True
    ) -> tuple[Tensor, Tensor]:
        """Poses (B, K, A, 5 * steps, 4) of the box centres, and the log-probabilities (B, K, steps) of the ego's tokens. greedy: the first future is without
        chance."""
        b, count = scene.actors.kind.shape
        luck = torch.from_numpy(uniform(keys, (samples, steps, count))).to(scene.start.device)
        poses, chances = [], []

        def choose(logits: Tensor, pose: Tensor, step: int) -> Tensor:
            top, token = logits.topk(min(top_k, logits.shape[-1]))
            rows, words, first = (
                top.unflatten(0, (b, samples)),
                self.vocabulary[token].unflatten(0, (b, samples)),
                int(greedy),
            )
            some = drawn(
                rows[:, first:].flatten(0, 1),
                words[:, first:].flatten(0, 1),
                luck[:, first:, step].flatten(0, 1),
                temperature,
            )
            parts = [tuple(v.unflatten(0, (b, samples - first)) for v in some)]
            if greedy:
                parts.insert(0, tuple(v[:, None] for v in blended(rows[:, 0], words[:, 0], self.config.blend_m)))
            motion, pick = (torch.cat(p, 1).flatten(0, 1) for p in zip(*parts, strict=True))
            poses.append(compose(pose[:, :, None], motion))
            chances.append(top[:, 0].gather(-1, pick[:, 0])[:, 0] - logits[:, 0].logsumexp(-1))
            return motion

        self._go(scene, steps, samples, choose)
        return torch.cat(poses, 2).unflatten(0, (b, samples)), torch.stack(chances, 1).unflatten(0, (b, samples))

    def _go(self, scene: Scene, steps: int, samples: int, choose: Callable[[Tensor, Tensor, int], Tensor]) -> None:
        """Step by step: foretell, let ``choose(logits (M, A, V), pose (M, A, 4), step)`` decide the motion (M, A, 5, 4), move."""
        start, hidden = _spread(scene.start, samples), _spread(scene.hidden, samples) + self.word_bias
        pose, moved = _spread(scene.actors.pose, samples), _spread(scene.actors.moved[:, :, -1], samples)
        alive = _spread(scene.actors.valid, samples)
        kept = self.decoder.keep(_spread(scene.past, samples), _spread(scene.past_alive, samples), alive)
        words = self._words()
        moments = self.moment.weight[self.config.past_tokens - 1 :]
        for step in range(steps):
            x = self.motion(motion_channels(moved)) + moments[step] + start
            y, kept = self.decoder.step(x, pose, kept, scene.still)
            moved = choose(self.answer(y) @ words.T + hidden, pose, step)[:, :, -1]
            pose = compose(pose, moved)

    # ---- training ------------------------------------------------------------------------------------------------

    def forward(self, encoding: SceneEncoding, features: Mapping[str, Tensor]) -> TokenPrediction:
        if not self.training or "ego_future" not in features:
            return self.sample(encoding, features, np.zeros(len(features["ego"]), np.uint64))
        scene = self._scene(encoding, features)
        goals = goals_of(scene.actors, features, POSES)
        closed = float(torch.rand(())) < self.config.closed_loop
        lesson = self.closed_lesson(scene, goals) if closed else self.lesson(scene, goals)
        shown = lesson.pose[:, :, None, 1:]
        ego = ego_rear(shown[:, 0], features["vehicle"])
        times = TOKEN_S * torch.arange(1, ego.shape[2] + 1, device=ego.device)
        return TokenPrediction(ego, ego.new_zeros(len(ego), 1), shown[:, 1:], times, scene, lesson)

    def loss(self, prediction: Prediction, targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Terms ego and agent: cross entropy of the tokens asked for, smoothed over the class. targets: the features, and ego_future (B, T, 5), agent_future
        (B, A, T, 4) with their masks."""
        assert isinstance(prediction, TokenPrediction)
        scene, c = prediction.scene, self.config
        lesson = prediction.lesson or self.lesson(scene, goals_of(scene.actors, targets, POSES))
        wrong = self._surprise(scene, lesson)
        counts = lesson.counts.to(wrong.dtype)
        ego = (wrong[:, 0] * counts[:, 0]).sum() / counts[:, 0].sum().clamp_min(1.0)
        agent = (wrong[:, 1:] * counts[:, 1:]).sum() / counts[:, 1:].sum().clamp_min(1.0)
        return {"ego": c.ego * ego, "agent": c.agent * agent}

    def _surprise(self, scene: Scene, lesson: Lesson) -> Tensor:
        """Smoothed cross entropy (B, A, S), 0 where nothing is asked."""
        steps = lesson.token.shape[2]
        moved = relative(lesson.pose[:, :, :-1], lesson.pose[:, :, 1:])
        moved = torch.cat([scene.actors.moved[:, :, -1:], moved[:, :, :-1]], 2)
        ago = self.config.past_tokens - 1 + torch.arange(steps, device=moved.device)
        x = self.motion(motion_channels(moved)) + self.moment(ago) + scene.start[:, :, None]
        y = self.decoder(x, lesson.pose[:, :, :-1], lesson.counts, scene.past, scene.past_alive, scene.still)
        asked = lesson.counts
        hidden = scene.hidden[:, :, None].expand(-1, -1, steps, -1)[asked]
        log_p = (self.answer(y[asked]) @ self._words().T + self.word_bias + hidden).log_softmax(-1)
        token = lesson.token[asked]
        real = hidden == 0.0
        even = -(log_p * real).sum(-1) / real.sum(-1)
        hit = functional.nll_loss(log_p, token, reduction="none")
        share = self.config.label_smoothing if self.training else 0.0
        out = torch.zeros(asked.shape, dtype=log_p.dtype, device=log_p.device)
        out[asked] = (1.0 - share) * hit + share * even
        return out

    @torch.no_grad()
    def lesson(self, scene: Scene, goals: Goals) -> Lesson:
        """Teacher forcing: what happened, read in tokens."""
        a = scene.actors
        flat = goals.pose.flatten(0, 1).cpu().numpy().astype(np.float32), goals.valid.flatten(0, 1).cpu().numpy()
        size, kind = a.size.flatten(0, 1).cpu().numpy().astype(np.float32), a.kind.flatten().cpu().numpy()
        token, pose = roll(*flat, size, kind, self._end(), self.bounds)
        device, shape = goals.pose.device, goals.valid.shape[:2]
        return Lesson(
            torch.from_numpy(pose).to(device).unflatten(0, shape),
            torch.from_numpy(token).to(device).unflatten(0, shape),
            goals.valid[:, :, :-1] & goals.valid[:, :, 1:],
        )

    @torch.no_grad()
    def closed_lesson(self, scene: Scene, goals: Goals, closest_of: int = 0) -> Lesson:
        """CAT-K: roll out, executing among the likeliest ``closest_of`` tokens the one closest to what happened; asked for is the token of the whole vocabulary
        that leads back to it. An actor is taken up where it is seen again after a gap."""
        a, many = scene.actors, closest_of or self.config.closest_of
        both = goals.valid[:, :, :-1] & goals.valid[:, :, 1:]
        poses, stand = [a.pose], a.pose.new_tensor([0.0, 0.0, 1.0, 0.0])
        was = self.training
        self.eval()  # a roll-out drops nothing out

        def choose(logits: Tensor, pose: Tensor, step: int) -> Tensor:
            top, token = logits.topk(min(many, logits.shape[-1]))
            goal = relative(pose, goals.pose[:, :, step + 1])
            motion, _ = nearest_to(top, self.vocabulary[token], goal, a.size)
            back = torch.where(goals.valid[:, :, step + 1, None], goal, stand)[:, :, None].expand_as(motion)
            motion = torch.where(both[:, :, step, None, None], motion, back)
            poses.append(compose(pose, motion[:, :, -1]))
            return motion

        self._go(scene, both.shape[2], 1, choose)
        self.train(was)
        pose = torch.stack(poses, 2)
        here, goal = pose[:, :, :-1].reshape(-1, 4), goals.pose[:, :, 1:].reshape(-1, 4)
        steps = both.shape[2]
        size = a.size[:, :, None].expand(-1, -1, steps, -1).reshape(-1, 2)
        kind = a.kind[..., None].expand(-1, -1, steps).reshape(-1)
        token = match(
            *(v.cpu().numpy().astype(np.float32) for v in (here, goal, size)),
            kind.cpu().numpy(),
            self._end(),
            self.bounds,
        )
        return Lesson(pose, torch.from_numpy(token).to(pose.device).view(both.shape), both)


def motion_channels(moved: Tensor) -> Tensor:
    """Motions (..., 4), half a second long, as channels (..., MOTION): lengths also as waves, so that small differences count."""
    wave = (moved[..., :2, None] * moved.new_tensor(WAVES)).flatten(-2)
    return torch.cat(
        [moved * moved.new_tensor(SCALES), torch.exp(-5.0 * moved[..., :1].abs()), wave.sin(), wave.cos()], -1
    )


def _spread(x: Tensor, samples: int) -> Tensor:
    """(B, ...) -> (B * samples, ...), the samples of a scene side by side."""
    return x if samples == 1 else x.repeat_interleave(samples, 0)
