"""Which metric values of a drive are decided by rounding.

Some values jump: whether an object that lies exactly on ego's axis is ahead of it is decided by the last bit of an unclipped cosine (reference/nuplan.md,
section i), whether boxes touch by the last bits of their corners. Two simulators that agree to a nanometre can then differ by seconds to collision. So a
value that differs is computed again with the whole drive moved by as little as the two drives lie apart: if it does not hold still, rounding decides it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.interfaces import Metric
from roadcraft.core.rollout import Rollout
from roadcraft.validation.conforming.difference import Comparison
from roadcraft.validation.conforming.values import compare_values
from roadcraft.validation.golden import GoldenDrive

_TRIES = 16
_LEAST_M, _MOST_M = 1e-9, 1e-6


def mark_ties(
    golden: GoldenDrive, ours: Rollout, metrics: Mapping[str, Metric], rows: Sequence[Comparison], apart_m: float
) -> None:
    """Count as ``rounding`` those unequal values of ``rows`` (from ``compare_values`` on ``ours``) that become equal to the reference's in one of a few
    moved copies of the drive. apart_m: how far the drives lie apart; copies are moved by no more than that, within 1e-9 .. 1e-6 m and rad."""
    size = min(max(apart_m, _LEAST_M), _MOST_M)
    shaky = [r for r in rows if not r.ok]
    left = {r.quantity: set(r.unequal) for r in shaky}
    generator = np.random.Generator(np.random.PCG64(0))
    for _ in range(_TRIES):
        if not any(left.values()):
            break
        shift = generator.uniform(-size, size, 3)
        found, _ = compare_values(golden, _moved(ours, shift), metrics, rows[0].tolerance)
        still = {r.quantity: set(r.unequal) for r in found}
        for quantity, places in left.items():
            places &= still.get(quantity, set())
    for r in shaky:
        r.rounding = sum(place not in left[r.quantity] for place in r.unequal)


def _moved(ours: Rollout, shift: F64) -> Rollout:
    ego = ours.drive.ego.copy()
    ego[:, :3] += shift
    return replace(ours, drive=replace(ours.drive, ego=ego))
