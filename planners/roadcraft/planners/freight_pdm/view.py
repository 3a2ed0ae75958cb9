"""How far ego sees, by where others come into view and go out of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, U64

_NEAR_M, _BESIDE_M = 25.0, 30.0  # closer, or farther aside, somebody comes into view from the side
_RELAX_M = 0.2  # by which the distance is taken to grow while nothing tells, per step


class View(NamedTuple):
    """What was seen at the step before."""

    sight_m: float
    """Distance ahead at which things come into view."""
    most_m: float
    """Largest such distance that is thought of."""
    identity: U64
    """(R,) who was seen; empty at the start."""
    ahead_m: F64
    """(R,) how far ahead, m; 0 for those that tell nothing."""


def unseen(most_m: float) -> View:
    """Before the first step: as far as is thought of."""
    return View(most_m, most_m, np.zeros(0, np.uint64), np.zeros(0))


def viewed(before: View, ego: F64, identity: U64, box: F64) -> View:
    """The view after objects (R,), boxes (R, 5), were seen from ``ego`` (10,). Who appears, or is no longer seen, far
    ahead tells how far things are seen; who is seen farther away says that it is farther."""
    c, s = np.cos(ego[2]), np.sin(ego[2])
    dx, dy = box[:, 0] - ego[0], box[:, 1] - ego[1]
    along, aside = dx * c + dy * s, np.abs(dy * c - dx * s)
    ahead = np.where((along > _NEAR_M) & (aside < _BESIDE_M), along, 0.0)
    sight = min(before.sight_m + _RELAX_M, before.most_m)
    if len(before.identity):
        new = ahead[~np.isin(identity, before.identity)]
        gone = before.ahead_m[~np.isin(before.identity, identity)]
        told = max(float(new.max(initial=0.0)), float(gone.max(initial=0.0)))
        if told > 0.0:
            sight = min(sight, told)
    sight = min(max(sight, float(ahead.max(initial=0.0))), before.most_m)
    return View(sight, before.most_m, identity, ahead)
