"""The ego's present state as a token."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from roadcraft.plugins.common.layers import Attention, mlp
from roadcraft.plugins.common.scene_features import EGO_CHANNELS

SPEED_SCALE = 10.0


class EgoStates(nn.Module):
    """One token per state channel, gathered by one query; in training all channels but the kept ones are dropped at
    random (PlanTF, Cheng et al. 2023)."""

    def __init__(self, dim: int, heads: int, channels: tuple[str, ...], kept: tuple[str, ...], dropout: float) -> None:
        super().__init__()
        self.columns = [EGO_CHANNELS.index(c) for c in channels]
        self.kept = [c in kept for c in channels]
        self.dropout = dropout
        self.scale = nn.Parameter(torch.randn(len(self.columns), dim) * 0.5)
        self.place = nn.Parameter(torch.randn(len(self.columns), dim) * 0.1)
        self.vehicle = mlp(4, dim)
        self.query = nn.Parameter(torch.randn(1, 1, dim) * 0.1)
        self.attend = Attention(dim, heads)

    def forward(self, ego: Tensor, vehicle: Tensor) -> Tensor:
        """ego (B, 7), vehicle (B, 4) -> (B, D)."""
        state = ego[:, self.columns] / SPEED_SCALE
        tokens = state[..., None] * self.scale + self.place
        mask = torch.ones(state.shape, dtype=torch.bool, device=state.device)
        if self.training and self.dropout > 0:
            kept = torch.tensor(self.kept, device=state.device)
            mask = kept | (torch.rand(state.shape, device=state.device) >= self.dropout)
        always = self.vehicle(vehicle)[:, None]
        memory = torch.cat([always, tokens], 1)
        mask = torch.cat([torch.ones_like(mask[:, :1]), mask], 1)
        return self.attend(self.query.expand(len(ego), -1, -1), memory, mask)[:, 0]
