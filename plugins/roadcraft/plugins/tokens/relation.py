"""Attention that knows where one thing lies as seen from another, and therefore does not care from where a scene is looked at."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS = 9  # of what is told about a relative pose
HIDDEN = -1e4  # added to the weight of what must not be seen; finite, so that a row that sees nothing stays finite


class Relation(nn.Module):
    """What a relative pose means: (G, Q, 4) and (G, N, 4), x, y, cos, sin -> (G, Q, N, R)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.embed = nn.Linear(CHANNELS, size)

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        x, y, c, s = (v[:, :, None] for v in query.unbind(-1))
        u, v, d, t = (v[:, None] for v in key.unbind(-1))
        dx, dy = u - x, v - y
        ahead, left = c * dx + s * dy, c * dy - s * dx
        gap = torch.sqrt(dx * dx + dy * dy + 1e-6)
        told = [
            ahead / 50.0,
            left / 50.0,
            torch.tanh(ahead / 10.0),
            torch.tanh(left / 10.0),
            torch.tanh(left / 2.0),
            c * d + s * t,
            c * t - s * d,
            torch.exp(-gap / 5.0),
            torch.exp(-gap / 20.0),
        ]
        return functional.gelu(self.embed(torch.stack(told, -1)))


class RelativeAttention(nn.Module):
    """Multi-head attention in which the relation of query and key (G, Q, N, R) adds to the weights, and is itself gathered by them."""

    def __init__(self, dim: int, heads: int, relation: int) -> None:
        super().__init__()
        self.heads, self.relation = heads, relation
        self.norm = nn.LayerNorm(dim)
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.bias = nn.Linear(relation, heads, bias=False)
        self.out = nn.Linear(dim + heads * relation, dim)

    def memory(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (G, H, N, D / H) of tokens (G, N, D)."""
        g, n, d = tokens.shape
        both = self.key_value(tokens).view(g, n, 2, self.heads, d // self.heads)
        key, value = both.permute(2, 0, 3, 1, 4)
        return key, value

    def forward(self, x: Tensor, memory: tuple[Tensor, Tensor], relation: Tensor, mask: Tensor) -> Tensor:
        """x (G, Q, D), normed; mask (G, Q or 1, N) float, 0 or HIDDEN -> what is added to x."""
        g, q, d = x.shape
        key, value = memory
        query = self.query(x).view(g, q, self.heads, d // self.heads).transpose(1, 2) * (d // self.heads) ** -0.5
        weight = query @ key.transpose(-1, -2) + self.bias(relation).permute(0, 3, 1, 2) + mask[:, None]
        share = weight.softmax(-1)
        what = (share @ value).transpose(1, 2).reshape(g, q, d)
        where = (share.transpose(1, 2) @ relation).reshape(g, q, -1)
        return self.out(torch.cat([what, where], -1))


class PastAttention(nn.Module):
    """Causal attention of an agent's steps to its own steps before, by how long ago they were."""

    def __init__(self, dim: int, heads: int, longest: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.query, self.key_value, self.out = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim), nn.Linear(dim, dim)
        self.ago = nn.Parameter(torch.zeros(heads, longest))

    def memory(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (G, H, T, D / H) of steps (G, T, D), normed."""
        g, t, d = x.shape
        both = self.key_value(x).view(g, t, 2, self.heads, d // self.heads)
        key, value = both.permute(2, 0, 3, 1, 4)
        return key, value

    def forward(self, x: Tensor, memory: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        """x (G, Q, D): the last Q of the T steps in memory; mask (G, Q, T) float, 0 or HIDDEN, without the causal part."""
        g, q, d = x.shape
        key, value = memory
        t = key.shape[2]
        step = torch.arange(t, device=x.device)
        ago = step[t - q :, None] - step
        bias = self.ago[:, ago.clamp_min(0)].masked_fill(ago < 0, HIDDEN)
        query = self.query(x).view(g, q, self.heads, d // self.heads).transpose(1, 2)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias + mask[:, None])
        return self.out(mixed.transpose(1, 2).reshape(g, q, d))
