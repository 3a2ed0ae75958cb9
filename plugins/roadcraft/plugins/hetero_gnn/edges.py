"""Edges of fixed number: each receiver hears K senders, and what an edge tells is the sender's pose as the receiver
sees it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from roadcraft.plugins.common.layers import mlp

BANDS = 4  # frequencies per coordinate
RANGE_M = 50.0


@dataclass(frozen=True)
class Edges:
    """index (2, E) int64 sender and receiver in flattened scenes, attr (E, edge_dim), E = B x R x K whatever is real:
    an edge that is none leads to a receiver past the last one, so that products keep their shape and bits do not depend
    on the batch."""

    index: Tensor
    attr: Tensor


def make_edges(slots: Tensor, real: Tensor, attr: Tensor, senders: int) -> Edges:
    """slots, real (B, R, K): senders of each receiver within its scene and which of them exist; attr (B, R, K,
    edge_dim)."""
    b, r, k = slots.shape
    scene = torch.arange(b, device=slots.device)[:, None, None]
    source = slots + senders * scene
    receiver = torch.arange(b * r, device=slots.device).view(b, r, 1).expand(b, r, k)
    receiver = torch.where(real, receiver, b * r)
    return Edges(torch.stack([source.flatten(), receiver.flatten()]), attr.flatten(0, 2))


def nearest(receiver: Tensor, sender: Tensor, allowed: Tensor, count: int, reach_m: float) -> tuple[Tensor, Tensor]:
    """The nearest senders of each receiver, ties in row order. Poses (B, R, 4) and (B, S, 4), allowed (B, R, S) ->
    slots, real (B, R, min(count, S))."""
    gap = (receiver[:, :, None, :2] - sender[:, None, :, :2]).square().sum(-1)
    gap = gap.masked_fill(~allowed, torch.inf)
    near, slots = gap.sort(dim=-1, stable=True)
    return slots[..., :count], near[..., :count] <= reach_m * reach_m


def relative(receiver: Tensor, sender: Tensor, slots: Tensor) -> Tensor:
    """(B, R, K, 4) float32 x, y, cos, sin of the senders in the frame of their receiver. Poses (B, R, 4), (B, S, 4) x,
    y, cos, sin."""
    b, r, k = slots.shape
    there = sender.gather(1, slots.reshape(b, r * k, 1).expand(-1, -1, 4)).view(b, r, k, 4)
    d = there[..., :2] - receiver[:, :, None, :2]
    c, s = receiver[:, :, None, 2], receiver[:, :, None, 3]
    turned = [
        c * d[..., 0] + s * d[..., 1],
        c * d[..., 1] - s * d[..., 0],
        c * there[..., 2] + s * there[..., 3],
        c * there[..., 3] - s * there[..., 2],
    ]
    return torch.stack(turned, -1).float()


class RelativePose(nn.Module):
    """Embeds relative poses (..., 4) -> (..., size): position, distance and bearing, the former by learned frequencies,
    and the turn between headings (after QCNet, Zhou et al. 2023)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.frequency = nn.Parameter(torch.randn(3, BANDS) * 3.0)
        self.embed = mlp(3 + 2 * 3 * BANDS + 4, size, size)

    def forward(self, pose: Tensor) -> Tensor:
        distance = pose[..., :2].norm(dim=-1, keepdim=True)
        bearing = pose[..., :2] / distance.clamp_min(1.0)
        place = torch.cat([pose[..., :2], distance], -1) / RANGE_M
        wave = (place[..., None] * self.frequency).flatten(-2)
        return self.embed(torch.cat([place, wave.cos(), wave.sin(), bearing, pose[..., 2:]], -1))
