"""The decoder: every agent at every half second looks at its own past, at the scene, and at the others at the same moment (SMART, Wu et al. 2024).

The same layers serve training, where all moments are known and go through at once, and driving, where one moment follows the other and the past is kept.
Shapes: M rows (scenes times futures), A actors, T moments, D channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from roadcraft.plugins.common.layers import mlp
from roadcraft.plugins.tokens.config import TokensConfig
from roadcraft.plugins.tokens.relation import HIDDEN, PastAttention, Relation, RelativeAttention


@dataclass
class Still:
    """What stands still while a scene goes on. memory: per layer keys and values of B scenes; pose (B, N, 4); mask (B, 1, N) float."""

    memory: list[tuple[Tensor, Tensor]]
    pose: Tensor
    mask: Tensor


@dataclass
class Kept:
    """The past of M * A actors while they are rolled out: per layer keys and values; mask (M * A, 1, T) float."""

    memory: list[tuple[Tensor, Tensor]]
    mask: Tensor


class Layer(nn.Module):
    """Attention to the past, to the scene and to the others; feed-forward. Pre-norm."""

    def __init__(self, dim: int, config: TokensConfig) -> None:
        super().__init__()
        c = config
        self.past = PastAttention(dim, c.heads, c.past_tokens + c.future_tokens)
        self.scene = RelativeAttention(dim, c.heads, c.relation)
        self.others = RelativeAttention(dim, c.heads, c.relation)
        self.norm = nn.LayerNorm(dim)
        self.out = mlp(dim, c.feed_forward * dim, dim)
        self.dropout = nn.Dropout(c.dropout)

    def forward(
        self,
        x: Tensor,
        past: Tensor | tuple[Tensor, Tensor],
        past_mask: Tensor,
        still: tuple[tuple[Tensor, Tensor], Tensor, Tensor] | None,
        to_others: Tensor,
        others_mask: Tensor,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """x (M, A, T, D) -> the same, and the keys and values of the past with these moments.

        past: steps before them (M * A, P, D), or their keys and values; past_mask (M * A, T, P + T); still: memory, relation (B, M / B * A * T, N, R), mask of the scene;
        to_others (M * T, A, A, R), others_mask (M * T, 1 or A, A)."""
        m, a, t, d = x.shape
        own = self.past.norm(x).view(m * a, t, d)
        memory = self._remember(past, own)
        x = x + self.dropout(self.past(own, memory, past_mask).view(m, a, t, d))
        if still is not None:
            keys, relation, mask = still
            there = self.scene(self.scene.norm(x).view(len(mask), -1, d), keys, relation, mask)
            x = x + self.dropout(there.view(m, a, t, d))
        moment = self.others.norm(x).transpose(1, 2).reshape(m * t, a, d)
        beside = self.others(moment, self.others.memory(moment), to_others, others_mask)
        x = x + self.dropout(beside.view(m, t, a, d).transpose(1, 2))
        return x + self.dropout(self.out(self.norm(x))), memory

    def _remember(self, past: Tensor | tuple[Tensor, Tensor], own: Tensor) -> tuple[Tensor, Tensor]:
        now = self.past.memory(own)
        before = self.past.memory(self.past.norm(past)) if isinstance(past, Tensor) else past
        return torch.cat([before[0], now[0]], 2), torch.cat([before[1], now[1]], 2)


class Decoder(nn.Module):
    """All layers, and the relations they share."""

    def __init__(self, dim: int, config: TokensConfig) -> None:
        super().__init__()
        self.to_scene, self.to_others = Relation(config.relation), Relation(config.relation)
        self.layers = nn.ModuleList(Layer(dim, config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(dim)
        self.scene_norm = nn.LayerNorm(dim)

    def still(self, tokens: Tensor, mask: Tensor, pose: Tensor) -> Still | None:
        """Keys and values of a scene's tokens (B, N, D), mask (B, N), pose (B, N, 4); None where there are no tokens."""
        if tokens.shape[1] == 0:
            return None
        normed = self.scene_norm(tokens)
        hidden = (~mask).to(tokens.dtype)[:, None] * HIDDEN
        return Still([layer.scene.memory(normed) for layer in self._layers()], pose, hidden)

    def forward(self, x: Tensor, pose: Tensor, alive: Tensor, past: Tensor, past_alive: Tensor, still: Still | None) -> Tensor:
        """All moments at once. x (M, A, T, D); pose (M, A, T, 4); alive (M, A, T) bool; past (M, A, P, D), past_alive (M, A, P) bool -> (M, A, T, D)."""
        m, a, t, _ = x.shape
        seen = torch.cat([past_alive, alive], 2).view(m * a, 1, -1)
        itself = torch.eye(t, dtype=torch.bool, device=x.device)
        itself = torch.cat([itself.new_zeros(t, past.shape[2]), itself], 1)
        past_mask = (~(seen | itself)).to(x.dtype) * HIDDEN
        moment = pose.transpose(1, 2).reshape(m * t, a, 4)
        there = alive.transpose(1, 2).reshape(m * t, 1, a) | torch.eye(a, dtype=torch.bool, device=x.device)
        others_mask = (~there).to(x.dtype) * HIDDEN
        to_others = self.to_others(moment, moment)
        to_scene = None if still is None else self.to_scene(pose.reshape(len(still.pose), -1, 4), still.pose)
        past = past.flatten(0, 1)
        for i, layer in enumerate(self.layers):
            scene = None if still is None or to_scene is None else (still.memory[i], to_scene, still.mask)
            x, _ = layer(x, past, past_mask, scene, to_others, others_mask)
        return self.norm(x)

    def keep(self, past: Tensor, past_alive: Tensor) -> Kept:
        """The past (M, A, P, D) from which a roll-out starts."""
        flat = past.flatten(0, 1)
        mask = (~past_alive).to(past.dtype).flatten(0, 1)[:, None] * HIDDEN
        return Kept([layer.past.memory(layer.past.norm(flat)) for layer in self._layers()], mask)

    def step(self, x: Tensor, pose: Tensor, alive: Tensor, kept: Kept, still: Still | None) -> tuple[Tensor, Kept]:
        """One moment: x (M, A, D), pose (M, A, 4), alive (M, A) -> (M, A, D), and the past with it."""
        m, a, d = x.shape
        mask = torch.cat([kept.mask, kept.mask.new_zeros(m * a, 1, 1)], 2)
        there = alive[:, None] | torch.eye(a, dtype=torch.bool, device=x.device)
        others_mask = (~there).to(x.dtype) * HIDDEN
        to_others = self.to_others(pose, pose)
        to_scene = None if still is None else self.to_scene(pose.reshape(len(still.pose), -1, 4), still.pose)
        memories = []
        y = x[:, :, None]
        for i, layer in enumerate(self.layers):
            scene = None if still is None or to_scene is None else (still.memory[i], to_scene, still.mask)
            y, memory = layer(y, kept.memory[i], mask, scene, to_others, others_mask)
            memories.append(memory)
        after = torch.cat([kept.mask, (~alive).to(x.dtype).view(m * a, 1, 1) * HIDDEN], 2)
        return self.norm(y[:, :, 0]), Kept(memories, after)

    def _layers(self) -> list[Layer]:
        return [layer for layer in self.layers if isinstance(layer, Layer)]
