"""The decoder: every actor at every half second looks at its own past, and at what is around it: the scene, and the
others at the same moment.

In the manner of SMART (Wu et al. 2024), but a layer looks both ways at once and then thinks, which takes fewer
operations than one after the other. The same layers serve training, where all moments are known and go through at once,
and driving, where one moment follows the other and the past is kept. Shapes: M rows (scenes times futures), A actors,
T moments, N tokens of a scene, D channels, H heads.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from roadcraft.plugins.common.layers import mlp
from roadcraft.plugins.tokens.config import TokensConfig
from roadcraft.plugins.tokens.network.relation import HIDDEN, Relation
from roadcraft.plugins.tokens.network.scene_attention import SceneContext, StaticMemory, attend, hide

Memory = tuple[Tensor, Tensor]  # keys and values (G, H, N, D / H)


@dataclass
class DecoderCache:
    """What a roll-out keeps. memory: per layer the past of M * A actors; mask (M * A, 1, 1, T): float, 0 or HIDDEN;
    alive (M, A) bool: who is there, all the way."""

    memory: list[Memory]
    mask: Tensor
    alive: Tensor


class Layer(nn.Module):
    """Attention to the past and to what is around, side by side; then feed-forward. Pre-norm."""

    def __init__(self, dim: int, config: TokensConfig) -> None:
        super().__init__()
        c = config
        self.heads = c.heads
        self.norm, self.norm_out = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.own = nn.Linear(dim, 6 * dim)  # query, keys and values of the past; query, keys and values of the others
        self.scene = nn.Linear(dim, 2 * dim)
        self.age_bias = nn.Parameter(torch.zeros(c.heads, c.past_tokens + c.training_tokens - 1))
        self.bias = nn.Linear(c.relation_dim, c.heads, bias=False)
        self.gather = nn.Linear(2 * dim + c.heads * c.relation_dim, dim)
        self.feed_forward = mlp(dim, c.feed_forward * dim, dim)
        self.dropout = nn.Dropout(c.dropout)

    def past_memory(self, steps: Tensor) -> Memory:
        """Of steps (M * A, P, D) before those that are decoded."""
        dim = steps.shape[-1]
        both = functional.linear(self.norm(steps), self.own.weight[dim : 3 * dim], self.own.bias[dim : 3 * dim])
        return self._memory(both)

    def forward(
        self, x: Tensor, past: Memory, past_mask: Tensor, context: SceneContext, index: int
    ) -> tuple[Tensor, Memory]:
        """x (M, A, T, D) -> the same, and the past with these moments. past: of M * A actors, P steps; past_mask (M *
        A, 1, T or 1, P + T): float, 0 or HIDDEN; around: of M * T moments; index: of this layer."""
        m, a, t, d = x.shape
        mine, others = self.own(self.norm(x)).split(3 * d, -1)
        query, key, value = self._parts(mine.reshape(m * a, t, 3 * d))
        memory = torch.cat([past[0], key], 2), torch.cat([past[1], value], 2)
        attended, _ = attend(query, *memory, self._ago(t, memory[0].shape[2]) + past_mask)
        seen = context.attend(others.transpose(1, 2).reshape(m * t, a, 3 * d), index, self.bias.weight)
        seen = seen.view(m, t, a, -1).transpose(1, 2)
        x = x + self.dropout(self.gather(torch.cat([attended.view(m, a, t, d), seen], -1)))
        return x + self.dropout(self.feed_forward(self.norm_out(x))), memory

    def _parts(self, x: Tensor) -> Tensor:
        """Query (scaled), keys and values (3, G, H, T, D / H) of (G, T, 3 * D)."""
        query, key, value = x.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return query * query.shape[-1] ** -0.5, key, value

    def _memory(self, both: Tensor) -> Memory:
        key, value = both.unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return key, value

    def _ago(self, now: int, steps: int) -> Tensor:
        """How much a step counts by its age (H, now, steps); the future is hidden, and what is older than any step in
        training."""
        step = torch.arange(steps, device=self.age_bias.device)
        age, most = step[steps - now :, None] - step, self.age_bias.shape[1] - 1
        return self.age_bias[:, age.clamp(0, most)].masked_fill((age < 0) | (age > most), HIDDEN)


class Decoder(nn.Module):
    """All layers, and the relation they share."""

    def __init__(self, dim: int, config: TokensConfig) -> None:
        super().__init__()
        self.relation = Relation(config.relation_dim)
        self.layers = nn.ModuleList(Layer(dim, config) for _ in range(config.layers))
        self.norm, self.scene_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)

    def static_memory(self, tokens: Tensor, mask: Tensor, pose: Tensor) -> StaticMemory:
        """Of a scene's tokens (B, N, D), mask (B, N), pose (B, N, 2)."""
        normed = self.scene_norm(tokens)
        return StaticMemory([layer.scene(normed) for layer in self._layers()], pose, mask)

    def forward(
        self, x: Tensor, pose: Tensor, alive: Tensor, past: Tensor, past_alive: Tensor, static: StaticMemory
    ) -> Tensor:
        """All moments at once. x (M, A, T, D); pose (M, A, T, 2); alive (M, A, T) bool; past (M, A, P, D), past_alive
        (M, A, P) bool -> (M, A, T, D)."""
        m, a, t, _ = x.shape
        seen = torch.cat([past_alive, alive], 2).view(m * a, 1, -1)
        itself = torch.eye(t, dtype=torch.bool, device=x.device)
        itself = torch.cat([itself.new_zeros(t, past.shape[2]), itself], 1)
        context = SceneContext(
            self.relation,
            static,
            pose.transpose(1, 2).reshape(m * t, a, 2),
            alive.transpose(1, 2).reshape(m * t, a),
        )
        past_mask, flat = hide(seen | itself)[:, None], past.flatten(0, 1)
        for i, layer in enumerate(self._layers()):
            x, _ = layer(x, layer.past_memory(flat), past_mask, context, i)
        return self.norm(x)

    def keep(self, past: Tensor, past_alive: Tensor, alive: Tensor) -> DecoderCache:
        """The past (M, A, P, D) from which a roll-out of those alive (M, A) starts."""
        flat = past.flatten(0, 1)
        memory = [layer.past_memory(flat) for layer in self._layers()]
        return DecoderCache(memory, hide(past_alive).flatten(0, 1)[:, None, None], alive)

    def step(self, x: Tensor, pose: Tensor, cache: DecoderCache, static: StaticMemory) -> tuple[Tensor, DecoderCache]:
        """One moment: x (M, A, D), pose (M, A, 2) -> (M, A, D), and the past with it."""
        now, gone = functional.pad(cache.mask, (0, 1)), hide(cache.alive).view(-1, 1, 1, 1)
        context = SceneContext(self.relation, static, pose, cache.alive)
        memories, y = [], x[:, :, None]
        for i, layer in enumerate(self._layers()):
            y, memory = layer(y, cache.memory[i], now, context, i)
            memories.append(memory)
        return self.norm(y[:, :, 0]), DecoderCache(memories, torch.cat([cache.mask, gone], 3), cache.alive)

    def _layers(self) -> list[Layer]:
        return [layer for layer in self.layers if isinstance(layer, Layer)]
