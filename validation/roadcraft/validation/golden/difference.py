"""One quantity of one drive, compared value by value."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from roadcraft.core.arrays import F64

TOLERANCE = 1e-6
FREIGHT = "freight"
"""The part of articulated vehicles."""
_SPECIAL = {"inf": math.inf, "-inf": -math.inf}


@dataclass
class Comparison:
    """How many values are equal, the largest difference, and the first unequal pair in words, with its step where the
    quantity has steps.

    part: ``metrics`` (ours on the reference's own drive), ``loop`` (our closed loop), ``metrics of loop`` or
    ``freight`` (articulated vehicles; ``drive`` is then a file, ``planner`` its kind); planner, challenge: of the
    drive; group: what short tables call it; unequal: places of differing values; rounding: how many of those only
    rounding decides.
    """

    drive: str
    quantity: str
    compared: int = 0
    equal: int = 0
    worst: float = 0.0
    example: str = ""
    tolerance: float = TOLERANCE
    part: str = "metrics"
    group: str = ""
    planner: str = ""
    challenge: str = ""
    step: int | None = None
    unequal: list[str] = field(default_factory=list)
    rounding: int = 0

    @property
    def ok(self) -> bool:
        return self.equal + self.rounding == self.compared

    def add(
        self, place: str, ours: Any, theirs: Any, tolerance: float | None = None, *, step: int | None = None
    ) -> None:
        """Compare two values; lists item by item."""
        limit = self.tolerance if tolerance is None else tolerance
        if isinstance(theirs, list) or isinstance(ours, list):
            if not (_is_list(ours) and _is_list(theirs)):
                self.note(place, ours, theirs, math.inf, step)
                return
            a, b = list(ours or []), list(theirs or [])
            if len(a) != len(b):
                self.note(place, f"{len(a)} items", f"{len(b)} items", math.inf, step)
                return
            for i, (x, y) in enumerate(zip(a, b, strict=True)):
                self.add(f"{place}[{i}]", x, y, limit, step=step)
            if not a:
                self.compared += 1
                self.equal += 1
            return
        gap = difference(ours, theirs)
        if gap <= limit:
            self.compared += 1
            self.equal += 1
            self.worst = max(self.worst, gap)
        else:
            self.note(place, ours, theirs, gap, step)

    def add_steps(self, place: str, ours: list[Any], theirs: list[Any], tolerance: float | None = None) -> None:
        """Compare two lists with one entry per step."""
        if len(ours) != len(theirs):
            self.note(place, f"{len(ours)} steps", f"{len(theirs)} steps", math.inf, min(len(ours), len(theirs)))
        for i, (x, y) in enumerate(zip(ours, theirs, strict=False)):
            self.add(f"{place}[{i}]", x, y, tolerance, step=i)

    def add_gaps(self, gaps: F64, ours: F64, theirs: F64, steps: Any, what: str) -> None:
        """Count differences (n,) computed elsewhere; ours and theirs (n, ...) are quoted where one is too large; steps
        (n,)."""
        bad = np.flatnonzero(~(gaps <= self.tolerance))
        self.compared += len(gaps)
        self.equal += len(gaps) - len(bad)
        if len(gaps):
            self.worst = max(self.worst, float(np.where(np.isfinite(gaps), gaps, np.inf).max()))
        self.unequal += [f"{what} {steps[j]}.{j}" for j in bad]
        if len(bad):
            i = int(bad[np.argmin(np.asarray(steps)[bad])])
            self._first(f"{what}: {_text(ours[i])}, reference {_text(theirs[i])}", int(steps[i]))

    def note(self, place: str, ours: Any, theirs: Any, gap: float, step: int | None = None) -> None:
        """Count a value as different."""
        self.compared += 1
        self.worst = max(self.worst, gap)
        self.unequal.append(place)
        self._first(f"{place}: {_text(ours)}, reference {_text(theirs)}", step)

    def _first(self, text: str, step: int | None) -> None:
        if not self.example or (step is not None and self.step is not None and step < self.step):
            self.example, self.step = text, step


def difference(ours: Any, theirs: Any) -> float:
    """Absolute difference of two values: 0 for equal ones, None and not-a-number alike; infinite for what cannot be
    compared."""
    theirs = _SPECIAL.get(theirs, theirs) if isinstance(theirs, str) else theirs
    a, b = _missing(ours), _missing(theirs)
    if a or b:
        return 0.0 if a and b else math.inf
    if isinstance(ours, str) or isinstance(theirs, str):
        return 0.0 if str(ours) == str(theirs) else math.inf
    try:
        x, y = float(ours), float(theirs)
    except (TypeError, ValueError):
        return math.inf
    return 0.0 if x == y else abs(x - y)


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _is_list(value: Any) -> bool:
    return value is None or isinstance(value, list)


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return "(" + ", ".join(repr(float(v)) for v in value.ravel()) + ")"
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 160 else text[:157] + "..."
