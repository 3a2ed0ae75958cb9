"""How the next motion of each actor is chosen among its likeliest tokens.

Shapes: M rows, A actors, k tokens: top (M, A, k) logits in descending order, motion (M, A, k, 5, 2) complex poses of
the next half second as seen from now. Each returns the chosen motion (M, A, 5, 2) and which of the k it was (M, A, 1).
"""

from __future__ import annotations

import torch
from torch import Tensor

from roadcraft.plugins.tokens.geometry import corner_distance


def drawn(top: Tensor, motion: Tensor, uniforms: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Drawn by probability. uniforms (M, A) in [0, 1)."""
    share = (top / temperature).softmax(-1).cumsum(-1)
    pick = (share <= uniforms[..., None] * share[..., -1:]).sum(-1, keepdim=True).clamp_max(share.shape[-1] - 1)
    return _take(motion, pick), pick


def blended(top: Tensor, motion: Tensor, within_m: float) -> tuple[Tensor, Tensor]:
    """The likeliest, blended with those that end within ``within_m`` of it, by their probabilities: finer than the
    vocabulary."""
    end = motion[..., -1, 0]
    share = top.softmax(-1) * ((end - end[..., :1]).abs() <= within_m)
    mean = (share / share.sum(-1, keepdim=True) * motion.flatten(3).permute(3, 0, 1, 2)).sum(-1)
    mean = mean.permute(1, 2, 0).unflatten(-1, motion.shape[-2:])
    return torch.stack([mean[..., 0], mean[..., 1].sgn()], -1), torch.zeros_like(top[..., :1], dtype=torch.int64)


def nearest_to(top: Tensor, motion: Tensor, goal: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """The one that ends closest to ``goal`` (M, A, 2), by the corners of boxes of ``size`` (M, A, 2)."""
    gap = corner_distance(motion[..., -1, :], goal[..., None, :], size[..., None, :])
    pick = gap.masked_fill(top <= -1e8, torch.inf).argmin(-1, keepdim=True)
    return _take(motion, pick), pick


def _take(motion: Tensor, pick: Tensor) -> Tensor:
    return motion.gather(2, pick[..., None, None].expand(*pick.shape, *motion.shape[-2:]))[:, :, 0]
