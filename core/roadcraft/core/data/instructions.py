"""What the ego was told to do, and when: text commands of a drive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from roadcraft.core.arrays import I64
from roadcraft.core.errors import DataError

PULL_OVER = "pull over"
"""Leave the lanes for the shoulder and stand there."""


@dataclass(frozen=True)
class Instructions:
    """K text commands. Each holds from its time until the next one; an empty one ends the one before.

    Raises DataError where times and texts do not fit each other, or times do not increase.
    """

    time_us: I64
    """(K,) int64: when it was given, by the clock of the drive."""
    text: tuple[str, ...]
    """(K) the command."""

    def __post_init__(self) -> None:
        if self.time_us.shape != (len(self.text),):
            raise DataError(f"{self.time_us.shape} times for {len(self.text)} texts", where="instructions")
        late = np.flatnonzero(np.diff(self.time_us) <= 0)
        if len(late):
            raise DataError(
                f"number {late[0] + 1} is not later than the one before",
                where="instructions",
                remedy="order them by time, one at a time",
            )

    def __len__(self) -> int:
        return len(self.text)

    def __reduce__(self) -> str | tuple[object, ...]:
        # Those of a drive that has none stay the one object that marks it as such, in other processes too.
        return "NO_INSTRUCTIONS" if self is NO_INSTRUCTIONS else (Instructions, (self.time_us, self.text))

    def at(self, time_us: int) -> str | None:
        """The command that holds at a time, or None."""
        k = int(np.searchsorted(self.time_us, time_us, side="right")) - 1
        return (self.text[k] or None) if k >= 0 else None


NO_INSTRUCTIONS = Instructions(np.zeros(0, np.int64), ())
"""Nothing was said."""
