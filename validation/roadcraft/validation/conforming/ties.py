"""Which differences are decided by rounding.

Some values jump: whether an object that lies exactly on ego's axis is ahead of it is decided by the last bit of an unclipped cosine (reference/nuplan.md,
section i), whether boxes touch by the last bits of their corners, which of several equally good proposals is planned by the last bits of their scores.
Two simulators that agree to a nanometre then differ by seconds to collision, or plan to stand still on another path. So a value that differs is
computed again with everything moved by as little as the two drives lie apart: if it does not hold still, rounding decides it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.interfaces import Metric
from roadcraft.core.rollout import Rollout
from roadcraft.core.scenario import Scenario
from roadcraft.validation.conforming.difference import Comparison
from roadcraft.validation.conforming.values import compare_values
from roadcraft.validation.golden import GoldenDrive

_TRIES = 16
_LEAST_M, _MOST_M = 1e-9, 1e-6


def mark_value_ties(
    golden: GoldenDrive, ours: Rollout, metrics: Mapping[str, Metric], rows: Sequence[Comparison], apart_m: float
) -> None:
    """Mark ties among the metric values ``rows`` that ``compare_values`` found on ``ours``; in the copies the whole drive of ego is moved."""

    def again(shift: F64) -> list[Comparison]:
        ego = ours.drive.ego.copy()
        ego[:, :3] += shift
        moved = replace(ours, drive=replace(ours.drive, ego=ego))
        return compare_values(golden, moved, metrics, rows[0].tolerance)[0]

    _mark(rows, again, apart_m)


def mark_plan_ties(
    scenario: Scenario, rows: Sequence[Comparison], drive_again: Callable[[Scenario], list[Comparison]], apart_m: float
) -> None:
    """Mark ties among the plans in ``rows``; ``drive_again`` drives a scenario whose log starts elsewhere, and compares. Ego and agents are held to their
    tolerances all the same."""

    def again(shift: F64) -> list[Comparison]:
        ego = scenario.drive.ego.copy()
        ego[:, :3] += shift
        return drive_again(replace(scenario, drive=replace(scenario.drive, ego=ego)))

    _mark(rows, again, apart_m)


def _mark(rows: Sequence[Comparison], again: Callable[[F64], list[Comparison]], apart_m: float) -> None:
    """Count as ``rounding`` the unequal values of ``rows`` that are equal to the reference's in one of a few copies, moved by at most ``apart_m``
    (within 1e-9 .. 1e-6 m and rad)."""
    size = min(max(apart_m, _LEAST_M), _MOST_M)
    left = {r.quantity: set(r.unequal) for r in rows if not r.ok}
    generator = np.random.Generator(np.random.PCG64(0))
    for _ in range(_TRIES):
        if not any(left.values()):
            break
        still = {r.quantity: set(r.unequal) for r in again(generator.uniform(-size, size, 3))}
        for quantity, places in left.items():
            places &= still.get(quantity, places)
    for r in rows:
        if not r.ok:
            r.rounding = sum(place not in left[r.quantity] for place in r.unequal)
