"""The decoder: every agent at every half second looks at its own past, at the scene, and at the others at the same moment (SMART, Wu et al. 2024).

A layer looks in the three directions at once and then thinks (attention and feed-forward in sequence, the attentions side by side), which takes half the operations of one
after the other. The same layers serve training, where all moments are known and go through at once, and driving, where one moment follows the other and the past
is kept. Shapes: M rows (scenes times futures), A actors, T moments, D channels, H heads, R channels of a relation.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from roadcraft.plugins.common.layers import mlp
from roadcraft.plugins.tokens.config import TokensConfig
from roadcraft.plugins.tokens.relation import HIDDEN, Relation, attend

Memory = tuple[Tensor, Tensor]  # keys and values (G, H, N, D / H)


@dataclass
class Still:
    """What stands still while a scene goes on. memory: per layer, of B scenes; pose (B, N, 4); mask (B, 1, 1, N) float, 0 or HIDDEN."""

    memory: list[Memory]
    pose: Tensor
    mask: Tensor


@dataclass
class Around:
    """What is the same for all layers. past_mask (M * A, 1, T or 1, P + T); to_scene (B, M / B * A * T, N, R) or None; to_others (M * T, A, A, R), others_mask
    (M * T, 1, A, A); the masks are float, 0 or HIDDEN."""

    past_mask: Tensor
    to_scene: Tensor | None
    scene_mask: Tensor | None
    to_others: Tensor
    others_mask: Tensor


@dataclass
class Kept:
    """What a roll-out keeps: per layer the past of M * A actors; past_mask (M * A, 1, 1, T); others_mask (M, 1, A, A), gone (M * A, 1, 1, 1): of who is not there."""

    memory: list[Memory]
    past_mask: Tensor
    others_mask: Tensor
    gone: Tensor


class Layer(nn.Module):
    """Attention to the past, to the scene and to the others, side by side; then feed-forward. Pre-norm."""

    def __init__(self, dim: int, config: TokensConfig) -> None:
        super().__init__()
        c = self.config = config
        self.heads = c.heads
        self.norm, self.norm_out = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.own = nn.Linear(dim, 7 * dim)  # three queries; keys and values of the past and of the others
        self.scene = nn.Linear(dim, 2 * dim)
        self.ago = nn.Parameter(torch.zeros(c.heads, c.past_tokens + c.future_tokens))
        self.scene_bias, self.others_bias = (nn.Linear(c.relation, c.heads, bias=False) for _ in range(2))
        self.gather = nn.Linear(3 * dim + 2 * c.heads * c.relation, dim)
        self.think = mlp(dim, c.feed_forward * dim, dim)
        self.dropout = nn.Dropout(c.dropout)

    def scene_memory(self, tokens: Tensor) -> Memory:
        """Of a scene's tokens (B, N, D)."""
        return self._memory(self.scene(tokens))

    def past_memory(self, steps: Tensor) -> Memory:
        """Of steps (M * A, P, D) before those that are decoded."""
        dim = steps.shape[-1]
        weight, bias = self.own.weight[3 * dim : 5 * dim], self.own.bias[3 * dim : 5 * dim]
        return self._memory(nn.functional.linear(self.norm(steps), weight, bias))

    def forward(self, x: Tensor, past: Memory, still: Memory | None, around: Around) -> tuple[Tensor, Memory]:
        """x (M, A, T, D) -> the same, and the past (M * A actors) with these moments."""
        m, a, t, d = x.shape
        own = self.own(self.norm(x))
        query = own[..., : 3 * d] * (d // self.heads) ** -0.5
        before = self._memory(own[..., 3 * d : 5 * d].reshape(m * a, t, 2 * d))
        memory = torch.cat([past[0], before[0]], 2), torch.cat([past[1], before[1]], 2)
        steps = memory[0].shape[2]
        bias = self._ago(t, steps) + around.past_mask
        mine, _ = attend(self._heads(query[..., :d].reshape(m * a, t, d)), *memory, bias)
        moment = own[..., 5 * d :].transpose(1, 2).reshape(m * t, a, 2 * d)
        asked = self._heads(query[..., 2 * d :].transpose(1, 2).reshape(m * t, a, d))
        bias = self.others_bias(around.to_others).permute(0, 3, 1, 2) + around.others_mask
        beside = self._gathered(asked, self._memory(moment), bias, around.to_others).view(m, t, a, -1).transpose(1, 2)
        found = [mine.view(m, a, t, d), beside]
        if still is not None and around.to_scene is not None and around.scene_mask is not None:
            asked = self._heads(query[..., d : 2 * d].reshape(len(around.to_scene), -1, d))
            bias = self.scene_bias(around.to_scene).permute(0, 3, 1, 2) + around.scene_mask
            found.append(self._gathered(asked, still, bias, around.to_scene).view(m, a, t, -1))
        else:
            found.append(x.new_zeros(m, a, t, d + self.heads * self.config.relation))
        x = x + self.dropout(self.gather(torch.cat(found, -1)))
        return x + self.dropout(self.think(self.norm_out(x))), memory

    def _gathered(self, query: Tensor, memory: Memory, bias: Tensor, relation: Tensor) -> Tensor:
        """Values and relations gathered by one set of weights (G, Q, D + H * R)."""
        what, share = attend(query, *memory, bias)
        where = share.transpose(1, 2) @ relation
        return torch.cat([what, where.flatten(2)], -1)

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def _memory(self, both: Tensor) -> Memory:
        key, value = both.unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return key, value

    def _ago(self, now: int, steps: int) -> Tensor:
        """How much a step counts by its age (H, now, steps); the future is hidden."""
        if now == 1:
            return self.ago[:, None, :steps].flip(-1)
        step = torch.arange(steps, device=self.ago.device)
        age = step[steps - now :, None] - step
        return self.ago[:, age.clamp_min(0)].masked_fill(age < 0, HIDDEN)


class Decoder(nn.Module):
    """All layers, and the relations they share."""

    def __init__(self, dim: int, config: TokensConfig) -> None:
        super().__init__()
        self.to_scene, self.to_others = Relation(config.relation), Relation(config.relation)
        self.layers = nn.ModuleList(Layer(dim, config) for _ in range(config.layers))
        self.norm, self.scene_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)

    def still(self, tokens: Tensor, mask: Tensor, pose: Tensor) -> Still | None:
        """A scene's tokens (B, N, D), mask (B, N), pose (B, N, 4); None where there are no tokens."""
        if tokens.shape[1] == 0:
            return None
        normed = self.scene_norm(tokens)
        return Still([layer.scene_memory(normed) for layer in self._layers()], pose, _hide(mask)[:, None, None])

    def forward(
        self, x: Tensor, pose: Tensor, alive: Tensor, past: Tensor, past_alive: Tensor, still: Still | None
    ) -> Tensor:
        """All moments at once. x (M, A, T, D); pose (M, A, T, 4); alive (M, A, T) bool; past (M, A, P, D), past_alive (M, A, P) bool -> (M, A, T, D)."""
        m, a, t, _ = x.shape
        seen = torch.cat([past_alive, alive], 2).view(m * a, 1, -1)
        itself = torch.eye(t, dtype=torch.bool, device=x.device)
        itself = torch.cat([itself.new_zeros(t, past.shape[2]), itself], 1)
        moment = pose.transpose(1, 2).reshape(m * t, a, 4)
        there = alive.transpose(1, 2).reshape(m * t, 1, a) | torch.eye(a, dtype=torch.bool, device=x.device)
        around = self._around(_hide(seen | itself)[:, None], pose, still, moment, _hide(there)[:, None])
        flat = past.flatten(0, 1)
        for i, layer in enumerate(self._layers()):
            x, _ = layer(x, layer.past_memory(flat), None if still is None else still.memory[i], around)
        return self.norm(x)

    def keep(self, past: Tensor, past_alive: Tensor, alive: Tensor) -> Kept:
        """The past (M, A, P, D) from which a roll-out of those alive (M, A) starts."""
        flat, a = past.flatten(0, 1), alive.shape[1]
        there = alive[:, None] | torch.eye(a, dtype=torch.bool, device=past.device)
        return Kept(
            [layer.past_memory(flat) for layer in self._layers()],
            _hide(past_alive).flatten(0, 1)[:, None, None],
            _hide(there)[:, None],
            _hide(alive).view(-1, 1, 1, 1),
        )

    def step(self, x: Tensor, pose: Tensor, kept: Kept, still: Still | None) -> tuple[Tensor, Kept]:
        """One moment: x (M, A, D), pose (M, A, 4) -> (M, A, D), and the past with it."""
        now = torch.cat([kept.past_mask, torch.zeros_like(kept.gone)], 3)
        around = self._around(now, pose, still, pose, kept.others_mask)
        memories, y = [], x[:, :, None]
        for i, layer in enumerate(self._layers()):
            y, memory = layer(y, kept.memory[i], None if still is None else still.memory[i], around)
            memories.append(memory)
        after = torch.cat([kept.past_mask, kept.gone], 3)
        return self.norm(y[:, :, 0]), Kept(memories, after, kept.others_mask, kept.gone)

    def _around(
        self, past_mask: Tensor, pose: Tensor, still: Still | None, moment: Tensor, others_mask: Tensor
    ) -> Around:
        to_others = self.to_others(moment, moment)
        if still is None:
            return Around(past_mask, None, None, to_others, others_mask)
        to_scene = self.to_scene(pose.reshape(len(still.pose), -1, 4), still.pose)
        return Around(past_mask, to_scene, still.mask, to_others, others_mask)

    def _layers(self) -> list[Layer]:
        return [layer for layer in self.layers if isinstance(layer, Layer)]


def _hide(seen: Tensor) -> Tensor:
    return (~seen).float() * HIDDEN
