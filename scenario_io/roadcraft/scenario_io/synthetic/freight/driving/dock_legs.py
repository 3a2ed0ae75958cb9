"""Somebody who drives a way of forward and reverse legs, in words of the tracker of trucks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.data.scenario import EGO_SIZE, Ego
from roadcraft.core.driving.geometry.angles import wrap
from roadcraft.core.driving.jit import njit
from roadcraft.scenario_io.synthetic.freight.driving.dock_search import DockPath, Goal, Yard
from roadcraft.scenario_io.synthetic.freight.driving.pace import TICK_S

CAREFUL_MPS = 0.7
"""Speed at which the ways of the search are driven: their steering changes by ``STEER_PER_M``."""
_ACCEL, _CLOSE_TURN, _CLOSE_DOCK, _HORIZON = 0.25, 0.5, 0.22, 2000
_STOOD_MPS, _STALLED = 0.02, 20


class DockLeg(NamedTuple):
    """A stretch in one direction, n places in driving order."""

    forward: bool
    """Whether it is driven forward."""
    pose: F64
    """(n, 3) of unit 0."""
    way: F64
    """(n,) m driven."""
    most: F64
    """(n,) largest speed, m/s."""


@dataclass
class DockTask:
    """What is to be done in a yard."""

    kind: str
    """Kind of the dock."""
    yard: Yard
    """The yard."""
    goal: Goal
    """The line on which the truck comes, from where it is when the scenario begins."""
    speed: float
    """Its speed there, m/s."""
    legs: list[DockLeg] = field(default_factory=list)
    """The expert's way, once it is found."""


def legs_of(path: DockPath, goal: Goal, back: float, speed: float) -> list[DockLeg]:
    """The legs of a way that begins ``back`` m before the goal's place on its line, where the truck drives at
    ``speed`` m/s or stands."""
    pose, forward = path.state[:, :3], path.forward == 1
    c, s = np.cos(goal.heading), np.sin(goal.heading)
    along = (pose[0, 0] - goal.x) * c + (pose[0, 1] - goal.y) * s
    beside = (pose[0, 1] - goal.y) * c - (pose[0, 0] - goal.x) * s
    far = along + back
    gone = np.linspace(-back, along, round(abs(far) / 0.1) + 1)[:-1]
    share = np.linspace(0.0, 1.0, len(gone) + 1)[:-1]
    aside = beside * share * share * (3.0 - 2.0 * share)
    line = np.stack([goal.x + gone * c - aside * s, goal.y + gone * s + aside * c, np.full(len(gone), pose[0, 2])], 1)
    line[:, 2] = pose[0, 2] - float(wrap(pose[0, 2] - goal.heading)) * (1.0 - share)
    pose = np.concatenate([line, pose])
    forward = np.concatenate([np.full(len(line), far > 0.0), forward])
    most = np.full(len(pose), CAREFUL_MPS)
    most[: len(line)] = max(speed, CAREFUL_MPS)
    ends = [0, *(np.flatnonzero(forward[1:-1] != forward[:-2]) + 1).tolist(), len(pose) - 1]
    return [_leg(bool(forward[a]), pose[a : b + 1], most[a : b + 1]) for a, b in pairwise(ends) if b > a]


def _leg(forward: bool, pose: F64, most: F64) -> DockLeg:
    pose = np.column_stack([pose[:, :2], np.unwrap(pose[:, 2])])
    way = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(pose[:, :2], axis=0).T))])
    return DockLeg(forward, pose, way, most)


def moved(legs: list[DockLeg], dock: tuple[float, float, float], aside: float, turn: float) -> list[DockLeg]:
    """Legs shifted to the left of the dock's axis, m, and turned about the dock, rad."""
    x, y, heading = dock
    c, s, out = np.cos(turn), np.sin(turn), []
    for leg in legs:
        p = leg.pose.copy()
        dx, dy = leg.pose[:, 0] - x, leg.pose[:, 1] - y
        p[:, 0] = x + c * dx - s * dy - aside * np.sin(heading)
        p[:, 1] = y + s * dx + c * dy + aside * np.cos(heading)
        p[:, 2] += turn
        out.append(leg._replace(pose=p))
    return out


@dataclass(frozen=True)
class DockDriver:
    """Who drives legs; ``after`` says where it then is."""

    legs: tuple[DockLeg, ...]
    """What is left, the present one first."""
    way: float = 0.0
    """m driven in it."""
    still: int = 0
    """Steps it has stood."""

    def after(self, ego: F64) -> DockDriver:
        """The driver at the next step, with unit 0 at ego (10,)."""
        if not self.legs:
            return self
        leg = self.legs[0]
        low = max(int(np.searchsorted(leg.way, self.way - 1.0)), 0)
        high = min(int(np.searchsorted(leg.way, self.way + 2.0)) + 1, len(leg.way))
        gap = leg.pose[low:high, :2] - ego[:2]
        k = low + int(np.argmin((gap * gap).sum(1)))
        h, side = leg.pose[k, 2], 1.0 if leg.forward else -1.0
        along = (ego[0] - leg.pose[k, 0]) * np.cos(h) + (ego[1] - leg.pose[k, 1]) * np.sin(h)
        way = float(leg.way[k] + side * along)
        still = self.still + 1 if abs(ego[Ego.VX]) < _STOOD_MPS else 0
        left = float(leg.way[-1]) - way
        close = 0.02 if len(self.legs) == 1 else 0.1
        if still and (left < close or (still > _STALLED and left < 0.5)):
            return DockDriver(self.legs[1:])
        return replace(self, way=way, still=still)

    def states(self, ego: F64) -> F64:
        """States (T, 10) every ``TICK_S`` to the end of the present leg, which the tracker reads joints off;
        the first is ego (10,)."""
        if not self.legs:
            out = np.zeros((21, EGO_SIZE))
            out[:, :3] = ego[:3]
            out[0] = ego
            return out
        leg, close = self.legs[0], _CLOSE_DOCK if len(self.legs) == 1 else _CLOSE_TURN
        side, end, knee = 1.0 if leg.forward else -1.0, float(leg.way[-1]), _ACCEL / close
        most = np.minimum(leg.most, np.sqrt(knee * knee + 2.0 * _ACCEL * (end - leg.way)) - knee)
        ahead = np.minimum.accumulate((most * most + 2.0 * _ACCEL * leg.way)[::-1])[::-1]
        most = np.minimum(most, np.sqrt(np.maximum(ahead - 2.0 * _ACCEL * leg.way, 0.0)))
        at, speeds = _ahead(self.way, max(side * float(ego[Ego.VX]), 0.0), leg.way, most)
        out = np.zeros((len(at), EGO_SIZE))
        for c in range(3):
            out[:, c] = np.interp(at, leg.way, leg.pose[:, c])
        out[:, Ego.VX] = side * speeds
        out[0] = ego
        return out


@njit(cache=True, nogil=True)
def _ahead(way, speed, ways, most):  # type: ignore[no-untyped-def]
    """Ways and speeds (T,) every ``TICK_S`` from a way and a speed on; most (n,): largest speeds at ``ways`` (n,)."""
    out, k, v, w = np.empty((2, _HORIZON)), 0, speed, way
    for n in range(_HORIZON):
        out[0, n], out[1, n] = w, v
        at = w + 0.5 * v * TICK_S
        while k < len(ways) - 2 and ways[k + 1] <= at:
            k += 1
        share = min(max((at - ways[k]) / max(ways[k + 1] - ways[k], 1e-9), 0.0), 1.0)
        cap = most[k] + share * (most[k + 1] - most[k]) if at < ways[-1] else 0.0
        v = min(v + _ACCEL * TICK_S, cap) if v <= cap else max(cap, v - 2.0 * _ACCEL * TICK_S)
        if v < 2e-3 and n > 20:
            return out[0, : n + 1].copy(), out[1, : n + 1].copy()
        w += v * TICK_S
    return out[0].copy(), out[1].copy()
