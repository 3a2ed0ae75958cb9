"""What lies before the ego along its reference lines: leads, lights, stops, the route. No other actor has a route that
is known."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from roadcraft.plugins.common.layers import TransformerLayer
from roadcraft.plugins.common.lines import LineEncoder
from roadcraft.plugins.tokens.config import TokensConfig


class RouteEncoder(nn.Module):
    """One vector of all lines, each weighed by how likely it is to be taken."""

    def __init__(self, dim: int, config: TokensConfig) -> None:
        super().__init__()
        c = config
        self.lines = LineEncoder(dim)
        self.rank = nn.Parameter(torch.randn(c.reference_lines, dim) * 0.3)
        self.context = TransformerLayer(dim, c.heads, c.feed_forward, c.dropout, cross=True)
        self.norm, self.logit, self.out = nn.LayerNorm(dim), nn.Linear(dim, 1), nn.Linear(dim, dim)

    def forward(self, ego: Tensor, f: Mapping[str, Tensor], tokens: Tensor, mask: Tensor) -> Tensor:
        """ego (B, D), the features, the scene's tokens (B, N, D) and their mask (B, N) -> (B, D)."""
        real = f["reference_valid"]
        x = self.norm(self.context(self.lines(f) + ego[:, None] + self.rank, real, tokens, mask))
        logit = self.logit(x)[..., 0].float()
        share = logit.masked_fill(~real, torch.finfo(logit.dtype).min).softmax(-1).to(x.dtype)
        out: Tensor = self.out((share[:, None] @ x)[:, 0])
        return out
