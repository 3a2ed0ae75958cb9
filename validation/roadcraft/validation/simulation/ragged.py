"""Row ranges of many scenarios gathered into one ragged batch, without a Python loop over them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from roadcraft.core.arrays import I64
from roadcraft.core.driving.jit import njit
from roadcraft.core.rollout import Objects


@njit(cache=True, nogil=True)
def _ranges(low, count, offsets, out):  # type: ignore[no-untyped-def]
    for m in range(len(low)):
        start = low[m]
        for k in range(count[m]):
            out[offsets[m] + k] = start + k


def ranges(low: I64, count: I64) -> tuple[I64, I64]:
    """Offsets (M + 1,) and row numbers (sum of count,) of the ranges ``low[m] .. low[m] + count[m] - 1``."""
    offsets = np.zeros(len(count) + 1, np.int64)
    np.cumsum(count, out=offsets[1:])
    rows = np.empty(offsets[-1], np.int64)
    _ranges(low, count, offsets, rows)
    return offsets, rows


def select(rows: I64, count: int) -> I64 | slice:
    """What picks ``rows`` (ascending) of ``count``: a slice where they are all, which numpy takes much faster."""
    return slice(None) if len(rows) == count else rows


def concat_objects(parts: Sequence[Objects]) -> Objects:
    """The frames of all parts, one after the other."""
    if len(parts) == 1:
        return parts[0]
    counts = np.concatenate([np.diff(p.offsets) for p in parts])
    return Objects(
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        *(
            np.concatenate([getattr(p, name) for p in parts])
            for name in ("id", "kind", "vehicle", "unit", "box", "velocity")
        ),
    )
