"""The network of the model ``tokens``: from a scene to the logits of every actor's next token."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from roadcraft.core.types import SceneEncoding, TokenKind
from roadcraft.plugins.common.layers import mlp
from roadcraft.plugins.tokens.actors import CLASSES, Actors, actors_of
from roadcraft.plugins.tokens.config import TokensConfig
from roadcraft.plugins.tokens.geometry import as_pose, as_real, compose, relative
from roadcraft.plugins.tokens.network.decoder import Decoder
from roadcraft.plugins.tokens.network.scene_attention import spread
from roadcraft.plugins.tokens.route_encoder import RouteEncoder
from roadcraft.plugins.tokens.vocabulary import F32, made_up

LENGTHS_M = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # of the waves by which motions are told apart; sideways a quarter of them
MOTION = 5 + 4 * len(LENGTHS_M)
NEVER = -1e9  # added to the logit of another class's token


@dataclass
class TokenScene:
    """What is known of B scenes before anything is foretold. tokens (B, N, D), mask (B, N), pose (B, N, 2): of what
    does not move; start (B, A, D): what each actor is; past (B, A, P - 1, D), past_alive (B, A, P - 1): its motions but
    the last; hidden (B, A, V): 0 or NEVER."""

    actors: Actors
    tokens: Tensor
    mask: Tensor
    pose: Tensor
    start: Tensor
    past: Tensor
    past_alive: Tensor
    hidden: Tensor


class TokenNetwork(nn.Module):
    """A motion is read by its lengths and waves of them, so are the tokens that are answered: what is close in the
    world is close in the network. The vocabulary is one list for all classes; ``bounds`` (3, 2) are the first and
    past-the-last token of each, ``used`` (V,) is 0 for places that are not filled."""

    def __init__(self, config: TokensConfig, dim: int) -> None:
        super().__init__()
        self.config, self.dim = config, dim
        c = config
        ends = np.cumsum(c.sizes)
        self.bounds = np.stack([ends - c.sizes, ends], 1)
        words = np.concatenate([made_up(k, n) for k, n in enumerate(c.sizes)])
        self.vocabulary: Tensor
        self.used: Tensor
        self.radius: Tensor
        self.register_buffer("vocabulary", torch.from_numpy(words))
        self.register_buffer("used", torch.ones(len(words)))
        self.register_buffer("radius", torch.zeros(CLASSES))
        self.motion = mlp(MOTION, dim, dim)
        self.size, self.kind = mlp(3, dim), nn.Embedding(CLASSES, dim)
        self.role, self.step_embedding = nn.Embedding(2, dim), nn.Embedding(c.past_tokens + c.training_tokens - 1, dim)
        self.scene_input, self.route_encoder = nn.Linear(dim, dim), RouteEncoder(dim, c)
        self.decoder = Decoder(dim, c)
        self.word, self.word_own = mlp(MOTION, dim, dim), nn.Parameter(torch.zeros(len(words), dim))
        self.word_bias = nn.Parameter(torch.zeros(len(words)))
        self.output = nn.Linear(dim, dim)

    def ends(self) -> F32:
        """Last poses (V, 4) of the tokens, those out of use out of reach."""
        end = self.vocabulary[:, -1].detach().cpu().numpy().copy()
        end[self.used.detach().cpu().numpy() < 0.5, :2] = 1e6
        return end

    def scene(self, encoding: SceneEncoding, f: Mapping[str, Tensor], stride: int) -> TokenScene:
        """stride: frames of the history per half second. The encoder's tokens of the ego and the agents say what they
        are; the others are what there is to see."""
        actors = actors_of(f, self.config.past_tokens, stride)
        b, count = actors.kind.shape
        kind, device = encoding.kind[0], encoding.tokens.device
        rows = ((kind != TokenKind.EGO) & (kind != TokenKind.AGENT)).nonzero()[:, 0]
        heading = encoding.pose[:, rows, 2]
        pose = as_pose(torch.cat([encoding.pose[:, rows, :2], heading.cos()[..., None], heading.sin()[..., None]], -1))
        own = torch.zeros(b, count, self.dim, dtype=encoding.tokens.dtype, device=device)
        own[:, 0] = encoding.tokens[torch.arange(b, device=device), encoding.ego]
        agents = (kind == TokenKind.AGENT).nonzero()[:, 0][: count - 1]
        own[:, 1 : 1 + len(agents)] = encoding.tokens[:, agents]
        role = (torch.arange(count, device=device) == 0).long()
        shape = torch.cat([actors.size / 5.0, actors.size.prod(-1, keepdim=True) / 10.0], -1)
        start = self.scene_input(own) + self.size(shape) + self.kind(actors.kind) + self.role(role)
        way = self.route_encoder(start[:, 0], f, encoding.tokens, encoding.mask)
        start = torch.cat([start[:, :1] + way[:, None], start[:, 1:]], 1)
        ago = torch.arange(self.config.past_tokens - 1, device=device)
        past = self.motion(motion_channels(actors.moved[:, :, :-1])) + self.step_embedding(ago) + start[:, :, None]
        hidden = torch.full((CLASSES, len(self.vocabulary)), NEVER, device=device)
        for k, (first, last) in enumerate(self.bounds):
            hidden[k, first:last] = (1.0 - self.used[first:last]) * NEVER
        past_alive = actors.moved_valid[:, :, :-1] & actors.valid[..., None]
        return TokenScene(
            actors, encoding.tokens[:, rows], encoding.mask[:, rows], pose, start, past, past_alive, hidden[actors.kind]
        )

    def words(self) -> Tensor:
        """Keys (V, D) of the vocabulary."""
        own = self.word(motion_channels(as_pose(self.vocabulary[:, -1]))) + self.word_own
        return own * self.dim**-0.5

    def at_once(self, scene: TokenScene, pose: Tensor, alive: Tensor) -> Tensor:
        """What each actor thinks (B, A, S, D) at each of S moments, all known: pose (B, A, S + 1, 2), alive (B, A,
        S)."""
        steps = alive.shape[2]
        moved = relative(pose[:, :, :-2], pose[:, :, 1:-1])
        moved = torch.cat([scene.actors.moved[:, :, -1:], moved], 2)
        x = self.motion(motion_channels(moved)) + self._moments(steps) + scene.start[:, :, None]
        still = self.decoder.static_memory(scene.tokens, scene.mask, scene.pose)
        return self.decoder(x, pose[:, :, :-1], alive, scene.past, scene.past_alive, still)

    def roll(
        self, scene: TokenScene, steps: int, samples: int, choose: Callable[[Tensor, Tensor, int], Tensor]
    ) -> list[Tensor]:
        """One moment after the other: foretell, let ``choose(logits (M, A, V), pose (M, A, 2), step)`` decide the
        motion (M, A, 5, 2), go on from there. M = B * samples. Gives the poses (M, A, 5, 2) of each moment."""
        start, hidden = spread(scene.start, samples), spread(scene.hidden, samples) + self.word_bias
        pose, moved = spread(scene.actors.pose, samples), spread(scene.actors.moved[:, :, -1], samples)
        still = self.decoder.static_memory(scene.tokens, scene.mask, scene.pose)
        alive = spread(scene.actors.valid, samples)
        cache = self.decoder.keep(spread(scene.past, samples), spread(scene.past_alive, samples), alive)
        words = self.words().T
        moments = self._moments(steps)
        path = []
        for step in range(steps):
            x = self.motion(motion_channels(moved)) + moments[step] + start
            y, cache = self.decoder.step(x, pose, cache, still)
            motion = choose(self.output(y) @ words + hidden, pose, step)
            path.append(compose(pose[:, :, None], motion))
            pose, moved = path[-1][:, :, -1], motion[:, :, -1]
        return path

    def _moments(self, steps: int) -> Tensor:
        """What each of the steps from now on is (steps, D); those after all that were taught are as the last of
        these."""
        step = torch.arange(steps, device=self.step_embedding.weight.device).clamp_max(self.config.training_tokens - 1)
        return self.step_embedding(self.config.past_tokens - 1 + step)


def motion_channels(moved: Tensor) -> Tensor:
    """Motions (..., 2), complex, half a second long, as channels (..., MOTION): lengths also as waves, so that small
    differences count."""
    moved = as_real(moved)
    x, y = moved[..., :1], moved[..., 1:2]
    wave = torch.cat([x * (2.0 * math.pi / w) for w in LENGTHS_M] + [y * (8.0 * math.pi / w) for w in LENGTHS_M], -1)
    near = 0.2 / (0.2 + x.abs())
    return torch.cat([0.2 * x, moved[..., 1:3], 2.0 * moved[..., 3:], near, wave.sin(), wave.cos()], -1)
