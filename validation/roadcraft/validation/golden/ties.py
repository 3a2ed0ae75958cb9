"""Which metric values rounding decides.

Some values jump: whether an object that lies exactly on ego's axis is ahead of it is decided by the last bit of an
unclipped cosine (nuplan-devkit, ``get_agent_relative_angle``), whether boxes touch by the last bits of their corners.
Two simulators that agree to a nanometer then differ by seconds to collision. So the metrics that differ are computed
again on copies of our drive, moved by no more than the two drives lie apart, each step by itself: a value that the
reference's answer is found for in a copy is one that rounding decides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.data.rollout import Rollout
from roadcraft.core.interfaces import Metric
from roadcraft.validation.golden.difference import Comparison
from roadcraft.validation.golden.files import GoldenDrive
from roadcraft.validation.golden.values import compare_values

LEAST_M, MOST_M = 1e-9, 1e-6
_COPIES = 512
_SCALES = (1.0, 0.1, 0.01)
_STEP = re.compile(r"\[(\d+)\]")


def mark_value_ties(
    golden: GoldenDrive, ours: Rollout, metrics: Mapping[str, Metric], rows: Sequence[Comparison], apart_m: float
) -> None:
    """Count as ``rounding`` the unequal values among ``rows``, of ``compare_values`` on ``ours``, that equal the
    reference's in a copy whose poses are moved by at most ``apart_m`` (within 1e-9 .. 1e-6 m and rad).

    A step whose value has been found keeps its move, so that in the end one copy holds them all, and with them what is
    derived from the whole drive.
    """
    size = min(max(apart_m, LEAST_M), MOST_M)
    left = {r.quantity: set(r.unequal) for r in rows if not r.ok}
    names = {quantity.split(".")[0] for quantity in left}
    asked = {k: m for k, m in metrics.items() if k in names} if names <= set(metrics) else metrics
    generator, n = np.random.Generator(np.random.PCG64(0)), len(ours)
    found, pending = np.zeros((n, 3)), _steps(left, n)
    for k in range(_COPIES):
        moves = np.where(pending[:, None], generator.uniform(-size, size, (n, 3)) * _SCALES[k % len(_SCALES)], found)
        ego = ours.drive.ego.copy()
        ego[:, :3] += moves
        moved = replace(ours, drive=replace(ours.drive, ego=ego))
        still = {r.quantity: set(r.unequal) for r in compare_values(golden, moved, asked, rows[0].tolerance)[0]}
        for quantity, places in left.items():
            places &= still.get(quantity, places)
        if not any(left.values()):
            break
        after = _steps(left, n)
        settled = pending & ~after
        found[settled], pending = moves[settled], after
    for r in rows:
        if not r.ok:
            r.rounding = sum(place not in left[r.quantity] for place in r.unequal)


def _steps(left: Mapping[str, set[str]], n: int) -> NDArray[np.bool_]:
    """Which of ``n`` steps the places name; all where none is named."""
    named = [int(m[1]) for places in left.values() for m in map(_STEP.search, places) if m]
    out = np.zeros(n, np.bool_)
    out[[i for i in named if i < n]] = True
    return out if out.any() else ~out
