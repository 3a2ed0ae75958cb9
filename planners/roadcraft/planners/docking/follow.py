"""Where a truck is along a leg, and what it does in the next seconds."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.data.scenario import EGO_SIZE, Ego
from roadcraft.core.driving.jit import njit
from roadcraft.planners.docking.maneuver import Leg

TICK_S = 0.1
"""Time between states of a plan."""
HORIZON_S = 150.0
"""Longest plan; in reverse the tracker reads off it how the joints must be now."""
LEAST_MPS = 0.3
"""Speed below which no steering asks to go."""
_NEAR = 12  # points before and behind the last place at which the present one is looked for


class ReversePace(NamedTuple):
    """How fast a leg is driven."""

    most: float
    """Largest speed, m/s."""
    accel: float
    """Acceleration and deceleration, m/s2."""
    close: float
    """Speed over the way that is left, at its end, 1/s."""
    steering: float
    """Largest rate of the steering angle, rad/s."""


class PlaceOnLeg(NamedTuple):
    """Where a truck is along a leg."""

    way: float
    """m driven by unit 0."""
    lateral: float
    """m of the held unit to the left of its path: of the last unit in reverse, else of unit 0."""
    heading: float
    """rad of the same, from its path."""


def place_on(leg: Leg, lead: F64, last: F64, before: float) -> PlaceOnLeg:
    """The place of a truck with unit 0 and the last unit at these poses (3,), which was at ``before`` m."""
    line, pose = (leg.lead, lead) if leg.forward else (leg.last, last)
    middle = int(np.searchsorted(leg.way, before))
    low, high = max(min(middle, len(line) - 1) - _NEAR, 0), min(middle + _NEAR, len(line))
    gap = pose[:2] - line[low:high, :2]
    k = low + int(np.argmin((gap * gap).sum(1)))
    h = line[k, 2]
    dx, dy = pose[0] - line[k, 0], pose[1] - line[k, 1]
    along = (dx * np.cos(h) + dy * np.sin(h)) * (1.0 if leg.forward else -1.0)
    a, b = max(k - 1, 0), min(k + 1, len(line) - 1)
    moved = float(np.hypot(*(line[b, :2] - line[a, :2])))
    share = (leg.way[b] - leg.way[a]) / moved if moved > 1e-6 else 1.0
    turned = (pose[2] - h + np.pi) % (2.0 * np.pi) - np.pi
    ahead = min(max(along, -2.0), 2.0) * share
    return PlaceOnLeg(float(leg.way[k] + ahead), float(dy * np.cos(h) - dx * np.sin(h)), float(turned))


def states_along(leg: Leg, way: float, ego: F64, pace: ReversePace) -> F64:
    """States (T, 10) every ``TICK_S`` from ``way`` m on to the end of the leg; the first is ego (10,), at whose speed
    it goes on."""
    side = 1.0 if leg.forward else -1.0
    able = np.maximum(pace.steering / np.maximum(leg.steered, 1e-3), LEAST_MPS)
    ways, speeds = _paced(way, max(side * float(ego[Ego.VX]), 0.0), pace, leg.way, able)
    end = float(leg.way[-1])
    out = np.zeros((len(ways), EGO_SIZE))
    beyond = (ways - np.clip(ways, 0.0, end)) * side
    for c in range(3):
        out[:, c] = np.interp(ways, leg.way, leg.lead[:, c])
    out[:, Ego.X] += beyond * np.cos(out[:, Ego.HEADING])
    out[:, Ego.Y] += beyond * np.sin(out[:, Ego.HEADING])
    out[:, Ego.VX] = side * speeds
    out[0] = ego
    return out


@njit(cache=True, nogil=True)
def _paced(way, speed, pace, ways, able):  # type: ignore[no-untyped-def]
    """Ways and speeds (T,) every ``TICK_S`` along points at ``ways`` (n,) m, where no more than ``able`` (n,) m/s may
    be driven; until the truck stands, at most ``HORIZON_S``."""
    count, end, knee = int(HORIZON_S / TICK_S) + 1, ways[-1], pace.accel / pace.close
    out, w, v, k = np.empty((2, count)), way, min(speed, pace.most), 0
    for n in range(count):
        out[0, n], out[1, n] = w, v
        left = end - w
        allowed = sqrt(knee * knee + 2.0 * pace.accel * left) - knee if left > 0.0 else 0.0
        while k < len(ways) - 1 and ways[k] < w + 0.5:
            k += 1
        after = min(v + pace.accel * TICK_S, pace.most, allowed, max(able[k], v - pace.accel * TICK_S))
        if after < 2e-3 and n > 20:
            return out[0, : n + 1].copy(), out[1, : n + 1].copy()
        w += (0.5 * (v + after) if after < v else after) * TICK_S
        v = after
    return out[0].copy(), out[1].copy()


def standing(ego: F64) -> F64:
    """States (21, 10) of a truck that stays."""
    out = np.zeros((21, EGO_SIZE))
    out[:, :3] = ego[:3]
    out[0] = ego
    return out
