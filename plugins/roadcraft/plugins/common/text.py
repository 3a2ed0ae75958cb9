"""A text command as a vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from roadcraft.core.driving.features.conditions import WORDS
from roadcraft.plugins.common.layers import TransformerLayer, mlp


class TextEncoder(nn.Module):
    """A small transformer over the words of a command, trained with the network from nothing; it reads the fixed
    vocabulary of ``core.driving.features.conditions``."""

    def __init__(self, words: int, word_dim: int, dim: int) -> None:
        super().__init__()
        self.word = nn.Embedding(WORDS, word_dim, padding_idx=0)
        self.place = nn.Parameter(torch.randn(words, word_dim) * 0.3)
        self.layer = TransformerLayer(word_dim, 2, 2, 0.0)
        self.out = mlp(word_dim, dim, dim)

    def forward(self, ids: Tensor) -> Tensor:
        """ids (B, W) int64 -> (B, D), 0 where there are no words."""
        real = ids > 0
        some = real.any(-1, keepdim=True)
        x = self.word(ids) + self.place[: ids.shape[1]]
        x = self.layer(x, real | ~some)  # attention needs one key; what it makes of silence is thrown away
        mean = (x * real[..., None]).sum(1) / real.sum(-1, keepdim=True).clamp_min(1)
        return self.out(mean) * some
