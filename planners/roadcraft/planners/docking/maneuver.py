"""The maneuver to a dock: forward to a set-up pose and in reverse to the dock, or with a pull-up between two
reversals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.ndimage import maximum_filter1d

from roadcraft.core.arrays import F64, I64
from roadcraft.planners.docking.curves import PIECES, towing, trace
from roadcraft.planners.docking.search import CUSP_M, begin_of, best_curve, degrees, fan, join
from roadcraft.planners.docking.space import Room, Shape

POINT_M = 0.25
"""Distance between the points of a leg."""
PEAKS = np.array([0.35, 0.65, 1.0])
"""Peak curvatures that are tried, as shares of the largest."""
END_M = 1.5
"""Straight at the end of what is driven in reverse: the tracker tells the joints there by the curvature of the plan's
end, where it stands almost still."""
_OUT = np.arange(END_M, 20.1, 2.5), degrees(*range(0, 105, 8), *range(-8, -105, -8)), np.array([-1.0, 0.0, 5.0, 10.0])
_AWAY = np.arange(0.0, 33.0, 4.0), degrees(*range(0, 81, 10), *range(-10, -81, -10)), np.array([0.0, 6.0])
_BACK = np.array([4.0, 8.0, 14.0]), degrees(0, 12, 24, 36, -12, -24, -36), np.array([0.0])
_SET_UPS, _TURNS, _ENDS, _FAR_M = 30, 50, 50, 45.0
SLOWLY = (0.1, 0.25, 0.5, 1.0)
"""Shares of the largest change of curvature that are tried, gentle first."""
TIERS = (1.0, 1.0), (1.4, 0.75), (1.75, 0.5)
"""Factors of the change of curvature and of the room, gentle first."""


class Leg(NamedTuple):
    """A stretch that is driven in one direction, n points in driving order."""

    forward: bool
    """Whether it is driven forward."""
    lead: F64
    """(n, 3) poses of unit 0, headings unwrapped."""
    last: F64
    """(n, 4) poses of the last unit, and the curvature of its path."""
    way: F64
    """(n,) m that unit 0 has driven."""
    steered: F64
    """(n,) change of the steering angle, rad for each m that unit 0 drives."""


class DockManeuver(NamedTuple):
    """A way to the dock."""

    legs: tuple[Leg, ...]
    """In driving order; the last ends at the dock."""
    cost: float
    """What it costs, as m driven."""


def leg_of(begin: F64, pieces: F64, forward: bool, shape: Shape) -> Leg:
    """The leg along pieces (8, 3) that begin at a pose; in reverse it is driven from their end to their begin."""
    return with_lead(np.asarray(trace(begin, pieces, POINT_M)), forward, shape)


def with_lead(last: F64, forward: bool, shape: Shape) -> Leg:
    """The leg along a path of the last unit (n, 4) that is laid forward."""
    last = np.ascontiguousarray(last)
    lead = np.asarray(towing(last, shape.length, shape.hitch))
    if not forward:
        last, lead = last[::-1], lead[::-1]
    lead = np.ascontiguousarray(lead)
    lead[:, 2] = np.unwrap(lead[:, 2])
    way = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(lead[:, :2], axis=0).T))])
    return Leg(forward, lead, np.ascontiguousarray(last), way, _steered(lead, way, shape.base))


def _steered(lead: F64, way: F64, base: float) -> F64:
    """Change of the steering angle over the way, rad/m, the largest nearby."""
    if len(way) < 4:
        return np.zeros(len(way))
    along = np.maximum(np.diff(way), 1e-6)
    angle = np.arctan(base * np.diff(lead[:, 2]) / along)
    change = np.abs(np.diff(angle)) / (0.5 * (along[1:] + along[:-1]))
    change = np.concatenate([change[:1], change, change[-1:]])
    return np.asarray(maximum_filter1d(change, round(1.0 / POINT_M)))


def gentlest(p: F64, q: F64, first: float, peaks: F64, shape: Shape, room: Room) -> tuple[F64, float]:
    """The pieces (8, 3) of a clear curve from p to q, straight at first, whose curvature changes as slowly as it can,
    and its cost, infinite where there is none."""
    pieces, cost = np.zeros((PIECES, 3)), np.inf
    for share in SLOWLY:
        pieces, cost = best_curve(p, q, first, peaks, shape._replace(rate=share * shape.rate), room)
        if np.isfinite(cost):
            break
    return pieces, float(cost)


def reversal(start: F64, goal: F64, shape: Shape, room: Room) -> tuple[Leg | None, float]:
    """The best leg in reverse from start to goal (4,), and its cost; none where there is none that keeps clear."""
    pieces, cost = gentlest(goal, start, END_M, PEAKS * shape.most, shape, room)
    return (leg_of(goal, pieces, False, shape), cost) if np.isfinite(cost) else (None, np.inf)


def find_maneuver(start: F64, goal: F64, shape: Shape, room: Room, forward: int) -> DockManeuver | None:
    """The cheapest maneuver that is found from start to goal, poses (4,) of the last unit; none where none is. Gentle
    curves with much room come first, sharper ones with less where there is none; with a pull-up where one reversal does
    not do. forward: most forward legs."""
    found = None
    for rate, clearance in TIERS:
        sharp = shape._replace(rate=rate * shape.rate)
        tight = room._replace(clearance=clearance * room.clearance)
        found, out = _at_once(start, goal, sharp, tight, forward > 0)
        if found is None and forward > 1 and len(out[2]) and rate > 1.0:
            found = _with_pull_up(start, goal, out, sharp, tight)
        if found is not None:
            break
    return found


def _at_once(
    start: F64, goal: F64, shape: Shape, room: Room, forward: bool
) -> tuple[DockManeuver | None, tuple[F64, F64, F64]]:
    """In reverse, or, where that is allowed, forward to a set-up pose and in reverse; and the curves out of the
    dock."""
    peaks = PEAKS * shape.most
    straight, cost = reversal(start, goal, shape, room)
    found = None if straight is None else DockManeuver((straight,), cost)
    pieces, set_up, price = fan(goal, _OUT[0], _OUT[1], peaks, _OUT[2], False, shape, room)
    if not len(price) or not forward:
        return found, (pieces, set_up, price)
    to = join(start[None], set_up, 0.0, peaks, shape, room, np.full((1, len(price)), 150.0))[0]
    total = to + price + CUSP_M
    best = int(np.argmin(total))
    if np.isfinite(total[best]) and (found is None or total[best] < found.cost):
        onward, _ = gentlest(start, set_up[best], 0.0, peaks, shape, room)
        legs = leg_of(start, onward, True, shape), leg_of(goal, pieces[best], False, shape)
        found = DockManeuver(legs, float(total[best]))
    return found, (pieces, set_up, price)


def _with_pull_up(start: F64, goal: F64, out: tuple[F64, F64, F64], shape: Shape, room: Room) -> DockManeuver | None:
    """Forward to a turning point, back, forward to a set-up pose, and in reverse to the dock."""
    peaks = PEAKS * shape.most
    pieces, set_up, price = out
    third = _spread(np.where(set_up[:, 3] == 0.0, price, np.inf), _SET_UPS)
    ups, second, owed, after = [], [], [], []
    for k in third:
        p, far, c = fan(set_up[k], _BACK[0], _BACK[1], peaks[1:], _BACK[2], True, shape, room)
        ups.append(p)
        second.append(far)
        owed.append(c + price[k] + CUSP_M)
        after += [k] * len(c)
    if not after:
        return None
    up, second_at, owing = np.concatenate(ups), np.concatenate(second), np.concatenate(owed)
    if abs(start[3]) < 1e-2:
        flat = start.copy()
        flat[3] = 0.0
        ways, first_at, paid = fan(flat, _AWAY[0], _AWAY[1], peaks, _AWAY[2], False, shape, room)
    else:
        flat, first_at = start, set_up[_spread(price, _TURNS)]
        bound = np.full((1, len(first_at)), 100.0)
        ways, paid = None, join(start[None], first_at, 0.0, peaks, shape, room, bound)[0]
    if not len(paid):
        return None
    a, b = _spread(paid, _TURNS), _spread(owing, _ENDS)
    if not len(a) or not len(b):
        return None
    between = join(second_at[b], first_at[a], END_M, peaks[1:], shape, room, np.full((len(b), len(a)), _FAR_M))
    total = between + owing[b][:, None] + paid[a][None] + 2.0 * CUSP_M
    i, j = np.unravel_index(int(np.argmin(total)), total.shape)
    if not np.isfinite(total[i, j]):
        return None
    s1, s2, k = first_at[a[j]], second_at[b[i]], after[b[i]]
    if ways is None:
        onward, _ = gentlest(start, s1, 0.0, peaks, shape, room)
    else:
        onward = ways[a[j]]
    back, _ = gentlest(s2, s1, END_M, peaks[1:], shape, room)
    legs = (
        leg_of(flat, onward, True, shape),
        leg_of(s2, back, False, shape),
        leg_of(begin_of(set_up[k], up[b[i]]), up[b[i]], True, shape),
        leg_of(goal, pieces[k], False, shape),
    )
    return DockManeuver(legs, float(total[i, j]))


def _spread(cost: F64, count: int) -> I64:
    """Up to ``count`` places of finite costs: half of them the cheapest, the others spread over the rest."""
    order = np.argsort(cost, kind="stable")[: int(np.isfinite(cost).sum())]
    if len(order) <= count:
        return np.asarray(order, np.int64)
    half = count // 2
    rest = np.linspace(half, len(order) - 1, count - half).astype(np.int64)
    return np.asarray(np.concatenate([order[:half], order[rest]]), np.int64)
