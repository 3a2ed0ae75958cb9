"""Ragged tables by frame, and how frames of them are picked and joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import I64, offsets_of


def ranges(low: I64, count: I64) -> tuple[I64, I64]:
    """Offsets (M + 1,) and row numbers (sum of count,) of the ranges ``low[m]`` to ``low[m] + count[m] - 1``."""
    offsets = offsets_of(count)
    return offsets, np.arange(offsets[-1]) + np.repeat(low - offsets[:-1], count)


@dataclass(frozen=True)
class FrameRows:
    """A ragged table of M frames (or scenarios): its rows of frame m are ``offsets[m]:offsets[m + 1]``. Its other
    fields are columns, one entry a row."""

    offsets: I64
    """(M + 1,) int64."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def rows(self, m: int) -> slice:
        """Rows of frame ``m``."""
        return slice(int(self.offsets[m]), int(self.offsets[m + 1]))

    def select(self, frames: Sequence[int] | I64) -> Self:
        """The given frames, in the given order, as a table of their own; a frame below 0 is empty."""
        wanted = np.asarray(frames, np.int64)
        at = np.maximum(wanted, 0)
        low = self.offsets[at]
        offsets, rows = ranges(low, np.where(wanted < 0, 0, self.offsets[at + 1] - low))
        return type(self)(offsets, *(column[rows] for column in self._columns()))

    @classmethod
    def concat(cls, parts: Sequence[Self]) -> Self:
        """The frames of all parts, one after the other; at least one part."""
        if len(parts) == 1:
            return parts[0]
        offsets = offsets_of(np.concatenate([np.diff(p.offsets) for p in parts]))
        return cls(offsets, *map(np.concatenate, zip(*(p._columns() for p in parts), strict=True)))

    def _columns(self) -> list[NDArray[Any]]:
        return [getattr(self, f.name) for f in fields(self)[1:]]
