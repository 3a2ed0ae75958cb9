"""The behavior model ``tokens``: all road users, the ego among them, as a sequence of motion tokens, the next one
foretold from those before.

In the manner of SMART (Wu et al. 2024) with closed-loop fine-tuning by CAT-K (Zhang et al. 2024). What it foretells is
each actor's next half second, as a probability over the vocabulary of its class; a future is rolled out by choosing for
all and going on from there. Training reads what happened in tokens and asks for the next one; a share of the batches is
rolled out instead, and asked for the token that would lead back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from roadcraft.core.errors import PluginError
from roadcraft.core.types import FeatureSpec, Keys, Prediction, SceneEncoding
from roadcraft.plugins.tokens.actors import Goals, actors_of, ego_rear, goals_of
from roadcraft.plugins.tokens.config import TokensConfig
from roadcraft.plugins.tokens.geometry import as_pose, as_real, relative
from roadcraft.plugins.tokens.network.entropy import cross_entropy
from roadcraft.plugins.tokens.network.network import NEVER, TokenNetwork, TokenScene
from roadcraft.plugins.tokens.sampling.choice import blended, drawn
from roadcraft.plugins.tokens.sampling.rng import uniform
from roadcraft.plugins.tokens.sampling.smooth import Smoother
from roadcraft.plugins.tokens.targets import TokenTargets, catk_rollout, soft_labels, teacher_forced
from roadcraft.plugins.tokens.vocabulary import POSE_S, POSES, TOKEN_S, draw


@dataclass
class TokenPrediction(Prediction):
    """A prediction that remembers its scene, and in training what was shown and asked."""

    scene: TokenScene
    token_targets: TokenTargets | None = None


class Tokens(TokenNetwork):
    """See the module's docstring. K = samples, the first without chance."""

    def __init__(self, config: TokensConfig, *, dim: int, features: FeatureSpec) -> None:
        super().__init__(config, dim)
        c = config
        self.spec = replace(
            features,
            future_steps=c.future_tokens * POSES,
            future_interval_s=POSE_S,
            future_agents=features.agents,
            reference_lines=c.reference_lines,
            reference_points=c.reference_points,
            reference_interval_m=c.reference_interval_m,
        )
        self.stride = round(TOKEN_S / features.past_interval_s)
        if abs(self.stride * features.past_interval_s - TOKEN_S) > 1e-6:
            raise PluginError(f"model tokens needs a history that divides {TOKEN_S} s")
        self.smoother = Smoother(self.spec.future_steps, config.smoothing_s)

    def features(self) -> FeatureSpec:
        return self.spec

    @torch.no_grad()
    def prepare(self, batches: Iterable[Mapping[str, Tensor]]) -> None:
        """Draw the vocabulary of each class from the motions of the first ``vocabulary_batches`` training batches. A
        class that never moves in them keeps its made-up one."""
        found = [self._motions(batch) for batch in islice(batches, self.config.vocabulary_batches)]
        for k, (first, last) in enumerate(self.bounds):
            pool = np.concatenate([motions[kinds == k] for motions, kinds in found])
            if not len(pool):
                continue
            words, radius = draw(pool, k, int(last - first), self.config.tolerance_m, np.random.default_rng(k))
            self.vocabulary[first : first + len(words)] = torch.from_numpy(words)
            self.vocabulary[first + len(words) : last] = self.vocabulary[first]
            self.used[first:last] = (torch.arange(int(last - first)) < len(words)).float()
            self.radius[k] = radius

    def _motions(self, batch: Mapping[str, Tensor]) -> tuple[np.ndarray, np.ndarray]:
        """Half-second motions (N, 5, 4) of a batch, and their classes (N,)."""
        actors = actors_of(batch, self.config.past_tokens, self.stride)
        goals = goals_of(actors, batch, 1)
        poses, kinds = [], []
        for t in range(0, self.spec.future_steps, POSES):
            whole = goals.valid[:, :, t : t + POSES + 1].all(-1)
            start, later = goals.pose[:, :, t : t + 1], goals.pose[:, :, t + 1 : t + POSES + 1]
            poses.append(as_real(relative(start, later)[whole]))
            kinds.append(actors.kind[whole])
        return torch.cat(poses).cpu().numpy(), torch.cat(kinds).cpu().numpy()

    # ---- driving -------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def sample(self, encoding: SceneEncoding, features: Mapping[str, Tensor], keys: Keys) -> TokenPrediction:
        """K futures of the ego and of everybody: ego columns x, y, cos, sin, speed, smoothed; agents (B, A, K, T, 4);
        logits the log-likelihood of the ego's tokens in the first ``score_horizon_s`` seconds. Equal keys give equal
        futures."""
        return self._futures(self.scene(encoding, features, self.stride), features, keys)

    @torch.no_grad()
    def _futures(self, scene: TokenScene, features: Mapping[str, Tensor], keys: Keys) -> TokenPrediction:
        c = self.config
        pose, chance = self.roll_out(scene, keys, c.future_tokens, c.samples, c.temperature, c.top_k)
        rear = as_real(ego_rear(pose[:, :, 0], features["vehicle"]))
        ego = self.smoother(rear, features["ego"][:, 0], features["ego"][:, 2])
        score = chance[:, :, : max(round(c.score_horizon_s / TOKEN_S), 1)].sum(-1)
        times = POSE_S * torch.arange(1, ego.shape[2] + 1, device=ego.device)
        return TokenPrediction(ego, score, as_real(pose[:, :, 1:].transpose(1, 2)), times, scene)

    @torch.no_grad()
    def next_motions(
        self, encoding: SceneEncoding, features: Mapping[str, Tensor], keys: Keys, temperature: float, top_k: int
    ) -> Tensor:
        """Motions (B, A, 5, 4) of the agents in the next half second, drawn, each as seen from where the agent is
        now."""
        scene = self.scene(encoding, features, self.stride)
        pose, _ = self.roll_out(scene, keys, 1, 1, temperature, top_k, greedy=False)
        return as_real(relative(scene.actors.pose[:, 1:, None], pose[:, 0, 1:]))

    def roll_out(
        self,
        scene: TokenScene,
        keys: Keys,
        steps: int,
        samples: int,
        temperature: float,
        top_k: int,
        greedy: bool = True,
    ) -> tuple[Tensor, Tensor]:
        """Poses (B, K, A, 5 * steps, 2) of the box centers, and the log-probabilities (B, K, steps) of the ego's
        tokens. greedy: the first future is without chance."""
        b, count = scene.actors.kind.shape
        uniforms = torch.from_numpy(uniform(keys, (samples, steps, count))).to(scene.start.device)
        words, log_p, first = as_pose(self.vocabulary), [], int(greedy)

        def choose(logits: Tensor, pose: Tensor, step: int) -> Tensor:
            top, token = logits.topk(min(top_k, logits.shape[-1]))
            motion = words[token].unflatten(0, (b, samples))
            rows = top.unflatten(0, (b, samples))
            parts = [blended(rows[:, 0], motion[:, 0], self.config.blend_radius_m)] if greedy else []
            for k in range(first, samples):
                parts.append(drawn(rows[:, k], motion[:, k], uniforms[:, k, step], temperature))
            chosen, pick = (torch.stack(p, 1).flatten(0, 1) for p in zip(*parts, strict=True))
            log_p.append(top[:, 0].gather(-1, pick[:, 0])[:, 0] - logits[:, 0].logsumexp(-1))
            return chosen

        path = self.roll(scene, steps, samples, choose)
        return torch.cat(path, 2).unflatten(0, (b, samples)), torch.stack(log_p, 1).unflatten(0, (b, samples))

    # ---- training ------------------------------------------------------------------------------------------------

    def forward(
        self, encoding: SceneEncoding, features: Mapping[str, Tensor], targets: Mapping[str, Tensor] | None = None
    ) -> TokenPrediction:
        """With targets: the future that was shown every half second (the logged one in tokens, or the closed-loop one).
        Else: ``sample`` with fixed keys."""
        scene = self.scene(encoding, features, self.stride)
        if targets is None:
            return self._futures(scene, features, np.zeros(len(features["ego"]), np.uint64))
        goals = self._goals_of_tokens(scene, targets)
        if float(torch.rand(())) < self.config.closed_loop_fraction:
            token_targets = catk_rollout(self, scene, goals, self.config.cat_k)
        else:
            token_targets = teacher_forced(self, scene, goals)
        shown = token_targets.pose[:, :, None, 1:]
        ego = as_real(ego_rear(shown[:, 0], features["vehicle"]))
        times = TOKEN_S * torch.arange(1, ego.shape[2] + 1, device=ego.device)
        return TokenPrediction(ego, ego.new_zeros(len(ego), 1), as_real(shown[:, 1:]), times, scene, token_targets)

    def loss(self, prediction: Prediction, targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Terms ego and agent: cross entropy of the tokens asked for, smoothed over the class. targets: the features,
        and ego_future (B, T, 5), agent_future (B, A, T, 4) with their masks."""
        assert isinstance(prediction, TokenPrediction)
        scene, c = prediction.scene, self.config
        token_targets = prediction.token_targets or teacher_forced(self, scene, self._goals_of_tokens(scene, targets))
        wrong, counts = self.token_losses(scene, token_targets), token_targets.counts
        ego = wrong[:, 0].sum() / counts[:, 0].sum().clamp_min(1)
        agent = wrong[:, 1:].sum() / counts[:, 1:].sum().clamp_min(1)
        return {"ego": c.ego_weight * ego, "agent": c.agent_weight * agent}

    def _goals_of_tokens(self, scene: TokenScene, targets: Mapping[str, Tensor]) -> Goals:
        """What the actors did in the moments that are taught."""
        return goals_of(scene.actors, targets, POSES).first(self.config.training_tokens)

    def token_losses(self, scene: TokenScene, token_targets: TokenTargets) -> Tensor:
        """Cross entropy (B, A, S), in training with labels shared among near tokens; 0 where nothing is asked."""
        asked, words = token_targets.counts, self.words()
        answer = self.output(self.at_once(scene, token_targets.pose, asked)[asked])
        kind = scene.actors.kind[..., None].expand(asked.shape)[asked]
        offset = self.word_bias + (1.0 - self.used) * NEVER
        spread = self.training and self.config.label_smoothing > 0.0
        hit = torch.zeros_like(answer[:, 0], dtype=torch.float32)
        for k, (first, last) in enumerate(self.bounds):
            rows = (kind == k).nonzero()[:, 0]
            token = token_targets.token[asked][rows] - int(first)
            share = (
                soft_labels(self, scene, token_targets, k)
                if spread
                else functional.one_hot(token, int(last - first)).float()
            )
            found = cross_entropy(answer[rows], words[first:last], offset[first:last], share)
            hit = hit.index_put((rows,), found)
        return torch.zeros(asked.shape, dtype=hit.dtype, device=hit.device).masked_scatter(asked, hit)
