"""What training asks of the network: in each moment the token that was next, or the one that would lead back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from roadcraft.plugins.tokens.actors import Goals
from roadcraft.plugins.tokens.geometry import as_pose, as_real, relative
from roadcraft.plugins.tokens.network.network import TokenNetwork, TokenScene
from roadcraft.plugins.tokens.sampling.choice import nearest_to
from roadcraft.plugins.tokens.vocabulary import labels, match, roll


@dataclass
class TokenTargets:
    """pose (B, A, S + 1, 2): shown; goal (B, A, S, 2): where each half second led in truth; token (B, A, S): asked for;
    counts (B, A, S) bool: which of them count."""

    pose: Tensor
    goal: Tensor
    token: Tensor
    counts: Tensor


@torch.no_grad()
def teacher_forced(network: TokenNetwork, scene: TokenScene, goals: Goals) -> TokenTargets:
    """Teacher forcing: what happened, read in tokens."""
    shape, device = goals.valid.shape[:2], goals.pose.device
    size, kind = scene.actors.size.flatten(0, 1), scene.actors.kind.flatten()
    token, pose = roll(
        _plain(as_real(goals.pose).flatten(0, 1)),
        goals.valid.flatten(0, 1).cpu().numpy(),
        _plain(size),
        kind.cpu().numpy(),
        network.ends(),
        network.bounds,
    )
    return TokenTargets(
        as_pose(torch.from_numpy(pose).to(device)).unflatten(0, shape),
        goals.pose[:, :, 1:],
        torch.from_numpy(token).to(device).unflatten(0, shape),
        goals.valid[:, :, :-1] & goals.valid[:, :, 1:],
    )


@torch.no_grad()
def catk_rollout(network: TokenNetwork, scene: TokenScene, goals: Goals, count: int) -> TokenTargets:
    """CAT-K (Zhang et al. 2024): roll out, executing among the ``count`` likeliest tokens the one closest to what
    happened; asked for is the token of the whole vocabulary that leads back to it. An actor out of sight stands, and is
    taken up where it is seen again."""
    a, steps = scene.actors, goals.pose.shape[2] - 1
    both = goals.valid[:, :, :-1] & goals.valid[:, :, 1:]
    words = as_pose(network.vocabulary)
    stand = words[0, 0]

    def choose(logits: Tensor, pose: Tensor, step: int) -> Tensor:
        top, token = logits.topk(min(count, logits.shape[-1]))
        goal = relative(pose, goals.pose[:, :, step + 1])
        motion, _ = nearest_to(top, words[token], goal, a.size)
        back = torch.where(goals.valid[:, :, step + 1, None], goal, stand)[:, :, None].expand_as(motion)
        return torch.where(both[:, :, step, None, None], motion, back)

    was = network.training
    network.eval()  # a roll-out drops nothing out
    path = network.roll(scene, steps, 1, choose)
    network.train(was)
    pose = torch.stack([a.pose, *(p[:, :, -1] for p in path)], 2)
    token = match(
        _plain(as_real(pose[:, :, :-1]).flatten(0, 2)),
        _plain(as_real(goals.pose[:, :, 1:]).flatten(0, 2)),
        _plain(a.size[:, :, None].expand(-1, -1, steps, -1).flatten(0, 2)),
        a.kind[..., None].expand(-1, -1, steps).flatten().cpu().numpy(),
        network.ends(),
        network.bounds,
    )
    return TokenTargets(pose, goals.pose[:, :, 1:], torch.from_numpy(token).to(pose.device).view(both.shape), both)


@torch.no_grad()
def soft_labels(network: TokenNetwork, scene: TokenScene, token_targets: TokenTargets, kind: int) -> Tensor:
    """Labels (N, V) of the N answers of a class that count: the token asked for and those near it, of the V tokens of
    the class."""
    a = scene.actors
    asked = token_targets.counts & (a.kind == kind)[..., None]
    wide = network.config.label_smoothing * network.radius[kind].clamp_min(network.config.tolerance_m)
    first, last = network.bounds[kind]
    found = labels(
        _plain(as_real(token_targets.pose[:, :, :-1][asked])),
        _plain(as_real(token_targets.goal[asked])),
        _plain(a.size[:, :, None].expand(*asked.shape, 2)[asked]),
        network.ends()[first:last],
        float(wide),
    )
    return torch.from_numpy(found).to(asked.device)


def _plain(x: Tensor) -> Any:
    return np.ascontiguousarray(x.cpu().numpy(), np.float32)
