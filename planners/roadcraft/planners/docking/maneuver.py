"""The maneuver to a dock: forward to a set-up pose and in reverse to the dock, or with pull-ups between reversals."""

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
_OUT = (
    np.arange(END_M, 20.1, 2.5),
    degrees(*range(0, 105, 8), *range(-8, -105, -8), 2, 4, -2, -4),
    np.array([-1.0, 0.0, 5.0, 10.0]),
)
_AWAY = (
    np.array([0.0, 1.0, 2.0, 3.0, *range(4, 33, 4)]),
    degrees(*range(0, 81, 10), *range(-10, -81, -10)),
    np.array([0.0, 6.0]),
)
_BACK = np.array([2.0, 4.0, 8.0, 14.0]), degrees(0, 2, 5, 12, 24, 36, -2, -5, -12, -24, -36), np.array([0.0])
_SET_UPS, _TURNS, _ENDS, _FAR_M, _BENT = 30, 50, 50, 45.0, 1e-2
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


class Poses(NamedTuple):
    """K poses at which a leg begins that leads on to the dock."""

    at: F64
    """(K, 4) of the last unit."""
    cost: F64
    """(K,) of the way from there to the dock, as m driven."""
    pieces: F64
    """(K, 8, 3) of the leg."""
    onward: I64
    """(K,) number of the pose at which it ends, among those it was laid from."""


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
    not do, and then with one more and one more. forward: most forward legs."""
    tried, dock = [], Poses(goal[None], np.zeros(1), np.zeros((1, PIECES, 3)), np.zeros(1, np.int64))
    for rate, clearance in TIERS:
        sharp = shape._replace(rate=rate * shape.rate)
        tight = room._replace(clearance=clearance * room.clearance)
        found, out = _at_once(start, goal, sharp, tight, forward > 0)
        if found is None and forward > 0 and len(out.cost) and rate > 1.0:
            tried.append(([dock, out], sharp, tight))
            found = _joined(start, [dock], forward, sharp, tight) or _with_pull_up(start, forward, *tried[-1])
        if found is not None:
            return found
    for _ in range(1, forward):
        for world in tried:
            found = _with_pull_up(start, forward, *world)
            if found is not None:
                return found
    return None


def _at_once(start: F64, goal: F64, shape: Shape, room: Room, forward: bool) -> tuple[DockManeuver | None, Poses]:
    """In reverse, or, where that is allowed, forward to a set-up pose and in reverse; and the set-up poses."""
    peaks = PEAKS * shape.most
    straight, cost = reversal(start, goal, shape, room)
    found = None if straight is None else DockManeuver((straight,), cost)
    pieces, set_up, price = fan(goal, _OUT[0], _OUT[1], peaks, _OUT[2], False, shape, room)
    out = Poses(set_up, price, pieces, np.zeros(len(price), np.int64))
    if not len(price) or not forward:
        return found, out
    to = join(start[None], set_up, 0.0, peaks, shape, room, np.full((1, len(price)), 150.0))[0]
    total = to + price + CUSP_M
    best = int(np.argmin(total))
    if np.isfinite(total[best]) and (found is None or total[best] < found.cost):
        onward, _ = gentlest(start, set_up[best], 0.0, peaks, shape, room)
        legs = leg_of(start, onward, True, shape), leg_of(goal, pieces[best], False, shape)
        found = DockManeuver(legs, float(total[best]))
    return found, out


def _with_pull_up(start: F64, forward: int, levels: list[Poses], shape: Shape, room: Room) -> DockManeuver | None:
    """A maneuver with one pull-up more than those of the levels, to which it adds the poses for that. levels: the dock,
    set-up poses, poses from which a forward leg leads to one of these, poses from which a reversal leads to one of
    those, and so on."""
    peaks = PEAKS[1:] * shape.most
    if len(levels) > 2:
        levels.append(_leading_to(levels[-1], peaks, False, shape, room))
    levels.append(_leading_to(levels[-1], peaks, True, shape, room))
    return _joined(start, levels, forward, shape, room)


def _joined(start: F64, levels: list[Poses], forward: int, shape: Shape, room: Room) -> DockManeuver | None:
    """In reverse, or forward to a turning point and in reverse, to a pose of the last level, and on from there."""
    peaks, last, spare = PEAKS * shape.most, levels[-1], forward - len(levels) // 2
    begin = start if abs(start[3]) >= _BENT else np.append(start[:3], 0.0)
    pieces, at, paid = fan(begin, _AWAY[0], _AWAY[1], peaks, _AWAY[2], False, shape, room)
    a = _spread(paid, _TURNS) if spare > 0 else np.zeros(0, np.int64)
    b = _spread(last.cost, _ENDS)
    if spare < 0 or not len(b):
        return None
    turns, paid = np.concatenate([begin[None], at[a]]), np.concatenate([[0.0], paid[a] + CUSP_M])
    between = join(last.at[b], turns, END_M, peaks[1:], shape, room, np.full((len(b), len(turns)), _FAR_M))
    total = between + last.cost[b][:, None] + paid
    i, j = np.unravel_index(int(np.argmin(total)), total.shape)
    if not np.isfinite(total[i, j]):
        return None
    k = int(b[i])
    back, _ = gentlest(last.at[k], turns[j], END_M, peaks[1:], shape, room)
    legs = [leg_of(begin, pieces[a[j - 1]], True, shape)] if j else []
    legs.append(leg_of(last.at[k], back, False, shape))
    for n in range(len(levels) - 1, 0, -1):
        onward, forth = int(levels[n].onward[k]), n % 2 == 0
        end = levels[n - 1].at[onward]
        legs.append(leg_of(begin_of(end, levels[n].pieces[k]) if forth else end, levels[n].pieces[k], forth, shape))
        k = onward
    return DockManeuver(tuple(legs), float(total[i, j]))


def _leading_to(poses: Poses, peaks: F64, forward: bool, shape: Shape, room: Room) -> Poses:
    """Poses from which one leg, driven forward or in reverse, leads to one of some poses."""
    found = [(np.zeros((0, 4)), np.zeros(0), np.zeros((0, PIECES, 3)), np.zeros(0, np.int64))]
    for k in _spread(np.where(poses.at[:, 3] == 0.0, poses.cost, np.inf), _SET_UPS).tolist():
        pieces, far, cost = fan(poses.at[k], _BACK[0], _BACK[1], peaks, _BACK[2], forward, shape, room)
        found.append((far, cost + poses.cost[k] + CUSP_M, pieces, np.full(len(cost), k)))
    return Poses(*(np.concatenate(x) for x in zip(*found, strict=True)))


def _spread(cost: F64, count: int) -> I64:
    """Up to ``count`` places of finite costs: half of them the cheapest, the others spread over the rest."""
    order = np.argsort(cost, kind="stable")[: int(np.isfinite(cost).sum())]
    if len(order) <= count:
        return np.asarray(order, np.int64)
    half = count // 2
    rest = np.linspace(half, len(order) - 1, count - half).astype(np.int64)
    return np.asarray(np.concatenate([order[:half], order[rest]]), np.int64)
