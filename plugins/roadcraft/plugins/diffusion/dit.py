"""The denoiser: a diffusion transformer (DiT, Peebles and Xie 2023) over one token per vehicle, as in Diffusion Planner
(Zheng et al. 2025)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from roadcraft.plugins.common.layers import Attention, mlp

WAVES = 16


class TimeEmbedding(nn.Module):
    """Diffusion time as sines and cosines, then an MLP."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.waves: Tensor
        self.register_buffer("waves", math.pi * 2.0 ** torch.linspace(-2.0, 6.0, WAVES), persistent=False)
        self.out = mlp(2 * WAVES, dim, dim)

    def forward(self, t: Tensor) -> Tensor:
        """t (...) -> (..., D)."""
        phase = t[..., None] * self.waves
        return self.out(torch.cat([phase.sin(), phase.cos()], -1))


class SceneAttention(nn.Module):
    """Attention to a scene whose keys and values are made once and used at every step of the solver."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key_value, self.out = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim), nn.Linear(dim, dim)

    def prepare(self, memory: Tensor) -> Tensor:
        """(2, B, heads, N, D / heads) of memory (B, N, D)."""
        b, n, d = memory.shape
        return self.key_value(memory).view(b, n, 2, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)

    def forward(self, x: Tensor, prepared: Tensor, mask: Tensor) -> Tensor:
        """x (B, Q, D), mask (B, N) -> (B, Q, D)."""
        b, q, d = x.shape
        query = self.query(x).view(b, q, self.heads, d // self.heads).transpose(1, 2)
        mixed = functional.scaled_dot_product_attention(query, prepared[0], prepared[1], attn_mask=mask[:, None, None])
        return self.out(mixed.transpose(1, 2).reshape(b, q, d))


class Block(nn.Module):
    """Vehicles of one sample attend to each other, all samples to the scene; the condition shifts, scales and gates
    (adaLN-Zero)."""

    def __init__(self, dim: int, heads: int, feed_forward: int, dropout: float) -> None:
        super().__init__()
        self.norm_self = nn.LayerNorm(dim, elementwise_affine=False)
        self.norm_scene = nn.LayerNorm(dim)
        self.norm_out = nn.LayerNorm(dim, elementwise_affine=False)
        self.attend_self, self.attend_scene = Attention(dim, heads), SceneAttention(dim, heads)
        self.out = mlp(dim, feed_forward * dim, dim)
        self.modulate = nn.Linear(dim, 6 * dim)
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, condition: Tensor, mask: Tensor, scene: Tensor, scene_mask: Tensor) -> Tensor:
        """x (B, K, V, D) vehicles of K samples, condition (B, K, D), mask (B, V), scene as prepared, scene_mask (B, N)
        -> (B, K, V, D)."""
        b, k, v, d = x.shape
        shift, scale, gate, shift_out, scale_out, gate_out = self.modulate(condition)[:, :, None].chunk(6, -1)
        y = (self.norm_self(x) * (1.0 + scale) + shift).flatten(0, 1)
        each = mask[:, None].expand(b, k, v).flatten(0, 1)
        x = x + gate * self.dropout(self.attend_self(y, y, each)).view(b, k, v, d)
        x = x + self.dropout(self.attend_scene(self.norm_scene(x).flatten(1, 2), scene, scene_mask)).view(b, k, v, d)
        return x + gate_out * self.dropout(self.out(self.norm_out(x) * (1.0 + scale_out) + shift_out))


class PreparedScene(NamedTuple):
    """What the denoiser reads of a scene, made once and used at every step of the solver."""

    vehicles: Tensor
    """(B, 1 + A, D) ego and agents as they are now."""
    mask: Tensor
    """(B, 1 + A) bool: who is there."""
    memory: list[Tensor]
    """Of each block: keys and values of the scene's N tokens, see ``SceneAttention.prepare``."""
    memory_mask: Tensor
    """(B, N) bool."""


class Denoiser(nn.Module):
    """From noised values of ego and neighbors to clean ones."""

    def __init__(
        self, dim: int, ego_size: int, agent_size: int, blocks: int, heads: int, feed_forward: int, dropout: float
    ) -> None:
        super().__init__()
        self.time = TimeEmbedding(dim)
        self.ego_in, self.agent_in = nn.Linear(ego_size, dim), nn.Linear(agent_size, dim)
        self.blocks = nn.ModuleList(Block(dim, heads, feed_forward, dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(dim, elementwise_affine=False)
        self.modulate = nn.Linear(dim, 2 * dim)
        self.ego_out, self.agent_out = nn.Linear(dim, ego_size), nn.Linear(dim, agent_size)
        for layer in (self.modulate, self.ego_out, self.agent_out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def prepare(self, vehicles: Tensor, mask: Tensor, tokens: Tensor, tokens_mask: Tensor) -> PreparedScene:
        """vehicles (B, 1 + A, D) with mask; the scene's tokens (B, N, D) with theirs."""
        memory = [block.attend_scene.prepare(tokens) for block in self.blocks]  # type: ignore[operator, union-attr]
        return PreparedScene(vehicles, mask, memory, tokens_mask)

    def forward(
        self, ego: Tensor, agents: Tensor, t: Tensor, condition: Tensor, scene: PreparedScene
    ) -> tuple[Tensor, Tensor]:
        """ego (B, K, E), agents (B, K, A, Q) noised to t (B, K); condition (B, K, D) -> clean ego (B, K, E), agents
        (B, K, A, Q)."""
        x = torch.cat([self.ego_in(ego)[:, :, None], self.agent_in(agents)], 2) + scene.vehicles[:, None]
        c = condition + self.time(t)
        for block, memory in zip(self.blocks, scene.memory, strict=True):
            x = block(x, c, scene.mask, memory, scene.memory_mask)
        shift, scale = self.modulate(c)[:, :, None].chunk(2, -1)
        x = self.norm(x) * (1.0 + scale) + shift
        return self.ego_out(x[:, :, 0]), self.agent_out(x[:, :, 1:])
