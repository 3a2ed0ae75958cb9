"""Tables of several maps or batches one after the other."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from roadcraft.core.arrays import offsets_of

T = TypeVar("T", bound=Any)


def joined(parts: Sequence[T], offsets: Collection[str] = (), row_numbers: Mapping[str, str] | None = None) -> T:
    """NamedTuples of arrays as one of their kind: of each field the arrays of all parts, one after the other.

    offsets: fields that are row offsets (N + 1,), beginning with 0, which go on where those of the part before end;
    row_numbers: fields that hold numbers of rows, and the field whose rows they count, or whose offsets count them;
    numbers below 0 stay as they are. At least one part.
    """
    numbered, columns = row_numbers or {}, []
    for name in parts[0]._fields:
        arrays = [getattr(p, name) for p in parts]
        dtype = arrays[0].dtype
        if name in offsets:
            bases = offsets_of([int(a[-1]) for a in arrays])
            arrays = [*(a[:-1] + base for a, base in zip(arrays, bases, strict=False)), bases[-1:]]
        elif name in numbered:
            of = numbered[name]
            bases = offsets_of([len(getattr(p, of)) - (of in offsets) for p in parts])
            arrays = [np.where(a < 0, a, a + base) for a, base in zip(arrays, bases, strict=False)]
        columns.append(np.concatenate(arrays).astype(dtype, copy=False))
    whole: T = type(parts[0])(*columns)
    return whole
