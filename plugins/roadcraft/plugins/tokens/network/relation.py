"""Where one thing lies as seen from another: all that the decoder is told about places, so that it does not matter from
where a scene is looked at."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS = 9  # of what is told about a relative pose
HIDDEN = -1e4  # added to the weight of what must not be seen; finite, so that a row that sees nothing stays finite


class Relation(nn.Module):
    """What a relative pose means: poses (G, Q, 2) and (G, N, 2), complex -> (G, Q, N, R). Made of cheap operations,
    since pairs are many."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.embed = nn.Linear(CHANNELS, size)

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        with torch.no_grad():
            relative = channels(query, key)
        return functional.relu(self.embed(relative))


def channels(query: Tensor, key: Tensor) -> Tensor:
    """(G, Q, N, CHANNELS): place, coarse, finer, finest; direction; nearness."""
    turn = query[:, :, None, 1].conj()
    away = turn * (key[:, None, :, 0] - query[:, :, None, 0])
    place, direction = torch.view_as_real(away), torch.view_as_real(turn * key[:, None, :, 1])
    gap = away.abs()[..., None]
    fine, finest = 0.1 * place, 0.5 * place
    bent = [fine / (1.0 + fine.abs()), finest / (1.0 + finest.abs())]
    return torch.cat([0.02 * place, *bent, direction, 10.0 / (10.0 + gap)], -1)
