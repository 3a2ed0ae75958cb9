"""One call for a whole batch; where it raises, one call per scenario, so that a fault costs only the scenario that has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np

from roadcraft.core.arrays import I64

T = TypeVar("T")


class Parts(Generic[T]):
    """Answers of a call: ``parts`` are (rows, answer) in row order; ``faults`` maps a row to what it raised; ``rows`` (ascending) went well."""

    def __init__(self, parts: list[tuple[I64, T]], faults: dict[int, BaseException]) -> None:
        self.parts, self.faults = parts, faults

    @property
    def rows(self) -> I64:
        return np.concatenate([rows for rows, _ in self.parts]) if self.parts else np.zeros(0, np.int64)


def isolated(call: Callable[[I64 | None], T], count: int) -> Parts[T]:
    """``call(None)`` for all ``count`` scenarios at once; if it raises, ``call([b])`` for each, from the same state."""
    try:
        return Parts([(np.arange(count, dtype=np.int64), call(None))], {})
    except Exception:
        parts: list[tuple[I64, T]] = []
        faults: dict[int, BaseException] = {}
        for b in range(count):
            rows = np.array([b], np.int64)
            try:
                parts.append((rows, call(rows)))
            except Exception as e:
                faults[b] = e
        return Parts(parts, faults)
