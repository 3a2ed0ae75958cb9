"""What a scene's driver is told, as vectors: a text command, a goal, a target speed, a style. Whatever is not told adds
nothing: zeros mean silence."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from roadcraft.core.driving.features.conditions import STYLES
from roadcraft.plugins.common.layers import mlp
from roadcraft.plugins.common.text import TextEncoder


class ConditionEncoder(nn.Module):
    """All conditions as one vector per reference line, since a goal means another thing for each."""

    def __init__(self, words: int, word_dim: int, dim: int) -> None:
        super().__init__()
        self.text = TextEncoder(words, word_dim, dim)
        self.goal, self.goal_line = mlp(6, dim, dim), mlp(3, dim, dim)
        self.speed = mlp(3, dim, dim)
        self.style = nn.Embedding(len(STYLES), dim)

    def forward(self, f: Mapping[str, Tensor]) -> Tensor:
        """(B, R, D)."""
        style = self.style(f["style"]) * (f["style"] > 0)[:, None]
        all_lines = self.text(f["instruction"]) + self._goal(f["goal"], f["goal_valid"]) + self._speed(f) + style
        return all_lines[:, None] + self._goal_line(f)

    def _goal(self, goal: Tensor, valid: Tensor) -> Tensor:
        far = goal[:, :2].norm(dim=-1, keepdim=True)
        way = goal[:, :2] / far.clamp_min(1.0)
        return self.goal(torch.cat([way, goal[:, 2:], far / (far + 50.0), torch.exp(-far / 20.0)], -1)) * valid[:, None]

    def _speed(self, f: Mapping[str, Tensor]) -> Tensor:
        target, now = f["target_speed"], f["ego"][:, :1]
        rows = torch.cat([target / 15.0, (target - now) / 5.0, torch.exp(-target)], -1)
        return self.speed(rows) * f["target_speed_valid"][:, None]

    def _goal_line(self, f: Mapping[str, Tensor]) -> Tensor:
        """Where the goal lies beside each line, (B, R, D)."""
        line = f["reference"]
        gap = f["goal"][:, None, None, :2] - line[..., :2]
        at = gap.square().sum(-1).argmin(-1)[..., None]
        near = torch.cat([gap, line[..., 2:4]], -1).gather(2, at[..., None].expand(-1, -1, -1, 4))[:, :, 0]
        across = near[..., 2] * near[..., 1] - near[..., 3] * near[..., 0]
        off = near[..., :2].norm(dim=-1)
        rows = torch.stack([(across / 4.0).clamp(-3.0, 3.0), torch.exp(-off / 5.0), at[..., 0] / line.shape[2]], -1)
        return self.goal_line(rows) * f["goal_valid"][:, None, None]
