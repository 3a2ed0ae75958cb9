"""Where one thing lies as seen from another: all that the decoder is told about places, so that it does not matter from where a scene is looked at."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from roadcraft.plugins.tokens.geometry import as_complex

CHANNELS = 9  # of what is told about a relative pose
HIDDEN = -1e4  # added to the weight of what must not be seen; finite, so that a row that sees nothing stays finite


class Relation(nn.Module):
    """What a relative pose means: (G, Q, 4) and (G, N, 4), x, y, cos, sin -> (G, Q, N, R)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.embed = nn.Linear(CHANNELS, size)
        self.fine: Tensor
        self.register_buffer("fine", torch.tensor([0.1, 0.5]), persistent=False)

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        with torch.no_grad():
            told = self._channels(query, key)
        return functional.gelu(self.embed(told))

    def _channels(self, query: Tensor, key: Tensor) -> Tensor:
        """Place, coarse and fine; direction; nearness."""
        here, there = as_complex(query)[:, :, None], as_complex(key)[:, None]
        turn = here[..., 1].conj()
        away = turn * (there[..., 0] - here[..., 0])
        place, direction = torch.view_as_real(away), torch.view_as_real(turn * there[..., 1])
        gap = away.abs()[..., None]
        bent = torch.tanh(place[..., None] * self.fine).flatten(-2)[..., :4]
        near = torch.exp(gap * -0.1)
        return torch.cat([place * 0.02, bent, direction, near], -1)


def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """query (G, H, Q, d), scaled; key, value (G, H, N, d); bias (G or 1, H or 1, Q or 1, N) -> gathered values (G, Q, H * d), weights (G, H, Q, N)."""
    share = (query @ key.transpose(-1, -2) + bias).softmax(-1)
    return (share @ value).transpose(1, 2).flatten(2), share
