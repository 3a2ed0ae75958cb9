"""What is seen from step to step: how far, by where others come into view and go out of it, and who slows down."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, U64

_NEAR_M, _BESIDE_M = 25.0, 30.0  # closer, or farther aside, somebody comes into view from the side
_SMOOTH, _MOST_MPS2 = 0.4, 8.0  # share of a new value; hardest that anybody slows down
_RELAX_MPS = 2.0  # by which the distance is taken to grow while nothing tells


class SightView(NamedTuple):
    """What was seen at the step before."""

    sight_m: float
    """Distance ahead at which things come into view."""
    most_m: float
    """Largest such distance that is thought of."""
    identity: U64
    """(R,) who was seen; empty at the start."""
    ahead_m: F64
    """(R,) how far ahead, m; 0 for those that tell nothing."""
    speed_mps: F64
    """(R,)."""
    slowing_mps2: F64
    """(R,) by which they slow down, 0 for those that do not."""


def unseen(most_m: float) -> SightView:
    """Before the first step: as far as is thought of."""
    return SightView(most_m, most_m, np.zeros(0, np.uint64), np.zeros(0), np.zeros(0), np.zeros(0))


def viewed(before: SightView, ego: F64, identity: U64, box: F64, velocity: F64, step_s: float) -> SightView:
    """The view after objects (R,), boxes (R, 5), velocities (R, 2), were seen from ``ego`` (10,), ``step_s`` after the
    one before. Who appears, or is no longer seen, far ahead tells how far things are seen; who is seen farther away
    says that it is farther."""
    c, s = np.cos(ego[2]), np.sin(ego[2])
    dx, dy = box[:, 0] - ego[0], box[:, 1] - ego[1]
    along, aside = dx * c + dy * s, np.abs(dy * c - dx * s)
    ahead = np.where((along > _NEAR_M) & (aside < _BESIDE_M), along, 0.0)
    sight = min(before.sight_m + _RELAX_MPS * step_s, before.most_m)
    if len(before.identity):
        new = ahead[~np.isin(identity, before.identity)]
        gone = before.ahead_m[~np.isin(before.identity, identity)]
        told = max(float(new.max(initial=0.0)), float(gone.max(initial=0.0)))
        if told > 0.0:
            sight = min(sight, told)
    sight = min(max(sight, float(ahead.max(initial=0.0))), before.most_m)
    speed, slowing = np.nan_to_num(np.hypot(velocity[:, 0], velocity[:, 1])), np.zeros(len(identity))
    if len(before.identity) and len(identity):
        order = np.argsort(before.identity)
        at = order[np.minimum(np.searchsorted(before.identity, identity, sorter=order), len(order) - 1)]
        known = before.identity[at] == identity
        raw = np.clip((before.speed_mps[at] - speed) / step_s, 0.0, _MOST_MPS2)
        slowing = np.where(known, before.slowing_mps2[at] + _SMOOTH * (raw - before.slowing_mps2[at]), 0.0)
    return SightView(sight, before.most_m, identity, ahead, speed, slowing)
