"""How the next motion of each actor is chosen from the logits of its tokens."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from roadcraft.plugins.tokens.geometry import corner_distance


@dataclass
class Choice:
    """motion (M, A, 5, 4): poses of the next half second as seen from now; log_p (M, A): log-probability of the token."""

    motion: Tensor
    log_p: Tensor

    def where(self, rows: Tensor, other: Choice) -> Choice:
        """``other`` in the given rows (M,) bool."""
        return Choice(
            torch.where(rows[:, None, None, None], other.motion, self.motion),
            torch.where(rows[:, None], other.log_p, self.log_p),
        )

    def moved(self, motion: Tensor) -> Choice:
        return replace(self, motion=motion)


def drawn(logits: Tensor, vocabulary: Tensor, luck: Tensor, temperature: float, top_k: int) -> Choice:
    """Draw among the top_k likeliest. logits (M, A, V); vocabulary (V, 5, 4); luck (M, A) in [0, 1)."""
    top, token = logits.topk(min(top_k, logits.shape[-1]))
    share = (top / temperature).softmax(-1).cumsum(-1)
    pick = (share <= luck[..., None] * share[..., -1:]).sum(-1, keepdim=True).clamp_max(share.shape[-1] - 1)
    log_p = top.gather(-1, pick) - logits.logsumexp(-1, keepdim=True)
    return Choice(vocabulary[token.gather(-1, pick)[..., 0]], log_p[..., 0])


def blended(logits: Tensor, vocabulary: Tensor, top_k: int, within_m: float) -> Choice:
    """The likeliest token, blended with those of the top_k that end within ``within_m`` of it, by their probabilities: finer than the vocabulary."""
    top, token = logits.topk(min(top_k, logits.shape[-1]))
    motion = vocabulary[token]
    end = motion[..., -1, :2]
    near = (end - end[..., :1, :]).norm(dim=-1) <= within_m
    share = torch.softmax(top, -1) * near
    share = share / share.sum(-1, keepdim=True)
    mean = (motion * share[..., None, None]).sum(2)
    ahead = mean[..., 2:] / mean[..., 2:].norm(dim=-1, keepdim=True).clamp_min(1e-6)
    return Choice(torch.cat([mean[..., :2], ahead], -1), top[..., 0] - logits.logsumexp(-1))


def nearest_to(logits: Tensor, vocabulary: Tensor, goal: Tensor, size: Tensor, many: int) -> Choice:
    """Of the ``many`` likeliest tokens the one that ends closest to ``goal`` (M, A, 4), by the corners of boxes of ``size`` (M, A, 2)."""
    top, token = logits.topk(min(many, logits.shape[-1]))
    motion = vocabulary[token]
    gap = corner_distance(motion[..., -1, :], goal[..., None, :], size[..., None, :])
    gap = gap.masked_fill(top <= -1e8, torch.inf)
    pick = gap.argmin(-1, keepdim=True)
    rows = pick[..., None, None].expand(*pick.shape, *motion.shape[-2:])
    log_p = top.gather(-1, pick)[..., 0] - logits.logsumexp(-1)
    return Choice(motion.gather(2, rows)[:, :, 0], log_p)
