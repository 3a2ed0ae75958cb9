"""One answer per drive: equal, explained by rounding and why, or different."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from roadcraft.validation.golden.difference import Comparison
from roadcraft.validation.golden.retrace import Parting

EQUAL, ROUNDING, DIFFERENT, NOT_COMPARED = "equal", "rounding", "different", "not compared"


@dataclass(frozen=True)
class Verdict:
    """answer: one of the constants above; partings: steps from the reference's own states at which our answer is
    another one; why: in words."""

    drive: str
    answer: str
    partings: tuple[Parting, ...] = ()
    why: tuple[str, ...] = ()


def verdict_of(drive: str, rows: Sequence[Comparison], partings: Sequence[Parting], errors: Sequence[str]) -> Verdict:
    """What the comparisons of one drive come to."""
    wrong = any(not r.ok for r in rows)
    if not wrong and not errors and not any(r.rounding for r in rows):
        return Verdict(drive, EQUAL)
    answer = DIFFERENT if wrong else NOT_COMPARED if errors else ROUNDING
    return Verdict(drive, answer, tuple(partings), (*_reasons(rows, partings), *errors))


def _reasons(rows: Sequence[Comparison], partings: Sequence[Parting]) -> list[str]:
    out = [p.said for p in partings]
    loop = [r for r in rows if r.part == "loop" and r.rounding]
    if loop and not partings:
        out.append("every step, taken from the reference's own state, ends where the reference's does")
    if loop:
        first = min(r.step for r in loop if r.step is not None)
        far = next((r for r in loop if r.quantity == "ego position"), None)
        by = f", ego by {far.worst:.1e} m at most" if far is not None else f" ({', '.join(r.quantity for r in loop)})"
        return [*out, f"so our closed loop leaves the reference's at step {first}{by}"]
    tied = [r for r in rows if r.part == "metrics of loop" and r.rounding]
    return out + [
        f"{r.quantity}: {', '.join(r.unequal[:6])} change as ego is moved by no more than the drives lie apart"
        for r in tied
    ]
