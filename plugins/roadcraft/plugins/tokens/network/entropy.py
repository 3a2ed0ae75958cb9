"""Cross entropy of answers and a vocabulary without an array of all their products: those are made a few rows at a
time, and made again in the backward pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

CACHED, LARGE = 2**18, 2**24  # products at a time, on the CPU and elsewhere


def cross_entropy(answer: Tensor, words: Tensor, offset: Tensor, share: Tensor) -> Tensor:
    """(N,): of answer (N, D), whose products with words (V, D) plus offset (V,) are the logits, and labels share (N,
    V), which sum to 1. Always float32."""
    out: Tensor = _CrossEntropy.apply(answer.float(), words.float(), offset.float(), share)
    return out


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, answer: Tensor, words: Tensor, offset: Tensor, share: Tensor) -> Tensor:
        ctx.save_for_backward(answer, words, offset, share)
        out = answer.new_empty(len(answer))
        with torch.autocast(answer.device.type, enabled=False):
            for rows in _parts(share):
                logits = torch.addmm(offset, answer[rows], words.T)
                out[rows] = logits.logsumexp(-1) - (logits * share[rows]).sum(-1)
        return out

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        answer, words, offset, share = ctx.saved_tensors
        answer_slope, words_slope, offset_slope = (torch.zeros_like(x) for x in (answer, words, offset))
        for rows in _parts(share):
            off = torch.addmm(offset, answer[rows], words.T).softmax(-1)
            off = off.sub_(share[rows]).mul_(slopes[0][rows, None])
            torch.mm(off, words, out=answer_slope[rows])
            words_slope.addmm_(off.T, answer[rows])
            offset_slope += off.sum(0)
        return answer_slope, words_slope, offset_slope, None


def _parts(share: Tensor) -> Iterator[slice]:
    size = max((CACHED if share.device.type == "cpu" else LARGE) // share.shape[1], 1)
    return (slice(i, i + size) for i in range(0, len(share), size))
