"""One call for a whole batch; where it raises, one call per scenario, so that a fault costs only the scenario that has
it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from functools import cache
from typing import Generic, TypeVar

import numpy as np

from roadcraft.core.arrays import I64, read_only

T = TypeVar("T")
_WORDS = 1000  # characters of an exception's text in a line; its traceback has it whole


class Parts(Generic[T]):
    """Answers of a call: ``parts`` are (rows, answer) in row order; ``faults`` maps a row to what it raised; ``rows``
    (ascending) went well."""

    def __init__(self, parts: list[tuple[I64, T]], faults: dict[int, BaseException]) -> None:
        self.parts, self.faults = parts, faults

    @property
    def rows(self) -> I64:
        return np.concatenate([rows for rows, _ in self.parts]) if self.parts else np.zeros(0, np.int64)


def is_fault(raised: BaseException) -> bool:
    """Whether what came out of plugin code is a fault of that code, SystemExit and whatever else included; the user's
    interrupt is none. Where nobody can interrupt (SIGINT is ignored, as in a scoring process), a KeyboardInterrupt is
    the plugin's own too."""
    return not isinstance(raised, KeyboardInterrupt) or signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def error_text(raised: BaseException) -> str:
    """``ZeroDivisionError: division by zero``: one line for what plugin code raised."""
    try:
        words = " ".join(str(raised).split())
    except Exception as e:  # an exception's own words are plugin code too
        words = f"(its text cannot be made: {type(e).__name__})"
    if len(words) > _WORDS:
        words = f"{words[:_WORDS]}... ({len(words)} characters)"
    if isinstance(raised, ValueError) and words.endswith("read-only"):  # numpy's own words
        words += " (what a plugin is shown is shared: copy an array before writing into it)"
    return f"{type(raised).__name__}: {words}" if words else type(raised).__name__


@cache
def all_rows(count: int) -> I64:
    """Numbers of ``count`` rows, read-only."""
    return read_only(np.arange(count, dtype=np.int64))


def isolated(call: Callable[[I64 | None], T], count: int) -> Parts[T]:
    """``call(None)`` for all ``count`` scenarios at once; if it raises, ``call([b])`` for each, from the same state."""
    try:
        return Parts([(all_rows(count), call(None))], {})
    except BaseException as e:
        if not is_fault(e):
            raise
        parts: list[tuple[I64, T]] = []
        faults: dict[int, BaseException] = {}
        for b in range(count):
            rows = np.array([b], np.int64)
            try:
                parts.append((rows, call(rows)))
            except BaseException as e:
                if not is_fault(e):
                    raise
                faults[b] = e
        return Parts(parts, faults)
