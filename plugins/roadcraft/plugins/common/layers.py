"""Small building blocks of networks."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from roadcraft.core.driving.geometry.frames import to_frame


def mlp(*sizes: int) -> nn.Sequential:
    """Linear layers of the given sizes with GELU between them."""
    layers: list[nn.Module] = []
    for i in range(len(sizes) - 1):
        layers.append(nn.Linear(sizes[i], sizes[i + 1]))
        if i < len(sizes) - 2:
            layers.append(nn.GELU())
    return nn.Sequential(*layers)


class Attention(nn.Module):
    """Multi-head attention by ``scaled_dot_product_attention``; keys are masked, queries never."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        """x (B, Q, D), memory (B, N, D), mask (B, N) bool true where real -> (B, Q, D)."""
        b, q, d = x.shape
        n = memory.shape[1]
        query = self.query(x).view(b, q, self.heads, d // self.heads).transpose(1, 2)
        key, value = self.key_value(memory).view(b, n, 2, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None, :])
        return self.out(mixed.transpose(1, 2).reshape(b, q, d))


class TransformerLayer(nn.Module):
    """Pre-norm self-attention, optional cross-attention, feed-forward."""

    def __init__(self, dim: int, heads: int, feed_forward: int, dropout: float, cross: bool = False) -> None:
        super().__init__()
        self.norm_self, self.attend_self = nn.LayerNorm(dim), Attention(dim, heads)
        self.norm_cross = nn.LayerNorm(dim) if cross else None
        self.attend_cross = Attention(dim, heads) if cross else None
        self.norm_out = nn.LayerNorm(dim)
        self.out = mlp(dim, feed_forward * dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, mask: Tensor, memory: Tensor | None = None, memory_mask: Tensor | None = None
    ) -> Tensor:
        """x (B, Q, D), mask (B, Q); memory (B, N, D), memory_mask (B, N) for cross-attention -> (B, Q, D)."""
        y = self.norm_self(x)
        x = x + self.dropout(self.attend_self(y, y, mask))
        if (
            self.attend_cross is not None
            and self.norm_cross is not None
            and memory is not None
            and memory_mask is not None
        ):
            x = x + self.dropout(self.attend_cross(self.norm_cross(x), memory, memory_mask))
        return x + self.dropout(self.out(self.norm_out(x)))


def full_precision(x: Tensor) -> AbstractContextManager[Any]:
    """What is computed inside is not rounded to bfloat16, which at 100 m resolves half a meter."""
    kind = x.device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()


def into_frame(points: Tensor, pose: Tensor) -> Tensor:
    """Turn vectors (B, N, ..., 2) by minus the heading of pose (B, N, 4) x, y, cos, sin."""
    extra = (1,) * (points.dim() - 3)
    c, s = pose[..., 2].reshape(*pose.shape[:2], *extra), pose[..., 3].reshape(*pose.shape[:2], *extra)
    x, y = points[..., 0], points[..., 1]
    return torch.stack(to_frame(x, y, c, s), -1)


def pose_of_line(line: Tensor) -> Tensor:
    """Pose (B, N, 4) x, y, cos, sin of lines (B, N, P, 2) at their middle; unused ones look along x."""
    middle = line.shape[2] // 2
    along = line[:, :, min(middle + 1, line.shape[2] - 1)] - line[:, :, middle - 1]
    length = along.norm(dim=-1, keepdim=True)
    ahead = torch.where(length > 1e-6, along / length.clamp_min(1e-6), along.new_tensor([1.0, 0.0]))
    return torch.cat([line[:, :, middle], ahead], -1)
