"""What is around an actor: the scene, which stands still, and the others at the same moment.

Attention whose keys are also weighed by where they are as seen from who looks, and which tells where it looked. Shapes:
G moments, A actors, N tokens of each of B scenes (G / B moments each, side by side), C channels, H heads, R channels of
a relation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from roadcraft.plugins.common.kernels import array, on_cpu
from roadcraft.plugins.tokens.geometry import as_real
from roadcraft.plugins.tokens.network.relation import HIDDEN, Relation
from roadcraft.plugins.tokens.network.scene_attention_kernels import (
    RelationArrays,
    Seen,
    attention_back,
    attention_into,
    room_for,
)


@dataclass
class StaticMemory:
    """What stands still while scenes go on. memory: per layer, keys and values (B, N, 2 * C); pose (B, N, 2) complex;
    mask (B, N) bool."""

    memory: list[Tensor]
    pose: Tensor
    mask: Tensor


class SceneContext:
    """The surroundings in G moments, which all layers look at. pose (G, A, 2) complex; alive (G, A) bool: who is
    there."""

    def __init__(self, relation: Relation, static: StaticMemory, pose: Tensor, alive: Tensor) -> None:
        self.relation, self.static, self.pose, self.alive = relation, static, pose, alive
        self._seen: tuple[Tensor, Tensor] | None = None

    def attend(self, own: Tensor, layer: int, weigh: Tensor) -> Tensor:
        """own (G, A, 3 * C) queries, keys and values; weigh (H, R) -> (G, A, C + H * R): what each actor gathers, and
        where that is; 0 for those who are not there."""
        scene = self.static.memory[layer]
        if not (on_cpu(own) and on_cpu(scene) and on_cpu(weigh)):
            return self.attend_in_torch(own, scene, weigh)
        embed = self.relation.embed
        poses = as_real(self.pose), as_real(self.static.pose)
        seen: Tensor = _ContextAttention.apply(
            torch.is_grad_enabled(),
            _Places(self.alive, poses[0], self.static.mask, poses[1]),
            own,
            scene,
            embed.weight,
            embed.bias,
            weigh,
        )
        return seen

    def attend_in_torch(self, own: Tensor, scene: Tensor, weigh: Tensor) -> Tensor:
        """The same in torch."""
        rows, heads = len(own) // len(scene), len(weigh)
        if self._seen is None:
            places = torch.cat([spread(self.static.pose, rows), self.pose], 1)
            there = torch.cat([spread(self.static.mask, rows), self.alive], 1)
            self._seen = self.relation(self.pose, places), hide(there)[:, None, None]
        relation, hidden = self._seen
        query, key, value = own.unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)
        still = spread(scene.unflatten(-1, (2, heads, -1)).permute(2, 0, 3, 1, 4), rows, 1)
        key, value = torch.cat([still[0], key], 2), torch.cat([still[1], value], 2)
        bias = (relation @ weigh.T).permute(0, 3, 1, 2) + hidden
        what, share = attend(query * query.shape[-1] ** -0.5, key, value, bias)
        where = (share.transpose(1, 2) @ relation).flatten(2)
        return torch.cat([what, where], -1) * self.alive[..., None]


class _Places(NamedTuple):
    """Who and what is where, which takes no gradients: a roll-out learns what to choose, not where it would have come.
    alive (G, A), pose (G, A, 4) of actors; real (B, N), still (B, N, 4) of the scene's tokens, as real numbers."""

    alive: Tensor
    pose: Tensor
    real: Tensor
    still: Tensor


class _ContextAttention(torch.autograd.Function):
    """``attention_into`` and ``attention_back``. learning: whether gradients are recorded, which cannot be told from
    within."""

    @staticmethod
    def forward(
        ctx: Any, learning: bool, places: _Places, own: Tensor, scene: Tensor, embed: Tensor, offset: Tensor,
        weigh: Tensor,
    ) -> Tensor:  # fmt: skip
        alive, pose, real, still = places
        given = [array(x) for x in (own, alive, pose, scene, real, still, embed, offset, weigh)]
        (moments, actors, size), (heads, rels) = given[0].shape, given[8].shape
        learned = learning and any(ctx.needs_input_grad)
        out = own.new_zeros(moments, actors, size // 3 + heads * rels)
        share = own.new_zeros(moments, actors, heads, room_for(given[3].shape[1] + actors) if learned else 0)
        attention_into(Seen(*given[:6]), RelationArrays(*given[6:]), out.numpy(), share.numpy())
        if learned:
            ctx.save_for_backward(own, alive, pose, scene, real, still, embed, offset, weigh, share)
        return out

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        own, _, _, scene, _, _, embed, offset, weigh, _ = saved = ctx.saved_tensors
        made = [torch.zeros_like(x, memory_format=torch.contiguous_format) for x in (own, scene, embed, offset, weigh)]
        given, to = [array(x) for x in saved], [x.numpy() for x in made]
        seen, relation, learned = Seen(*given[:6]), RelationArrays(*given[6:9]), RelationArrays(*to[2:])
        attention_back(seen, relation, given[9], array(slopes[0]), to[0], to[1], learned)
        return None, None, *made


def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """query (G, H, Q, d), scaled; key, value (G, H, N, d); bias (G or 1, H or 1, Q or 1, N) -> gathered values (G, Q, H
    * d), weights (G, H, Q, N)."""
    share = (query @ key.transpose(-1, -2) + bias).softmax(-1)
    return (share @ value).transpose(1, 2).flatten(2), share


def hide(seen: Tensor) -> Tensor:
    """What is added to a weight: 0 where something is seen, HIDDEN elsewhere."""
    return (~seen).float() * HIDDEN


def spread(x: Tensor, rows: int, dim: int = 0) -> Tensor:
    """(B, ...) -> (B * rows, ...), those of a scene side by side."""
    return x if rows == 1 else x.repeat_interleave(rows, dim)
