"""Whom to let pass where another lane joins: the gap that costs least, chosen long before."""

from __future__ import annotations

import math

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.jit import njit
from roadcraft.planners.freight_pdm.others import UsersAhead, lane_of
from roadcraft.planners.freight_pdm.pace import GAP_S, Truck, TruckManner, gap_at_joint
from roadcraft.planners.trajectory_scoring.area_checks import MapArrays
from roadcraft.planners.trajectory_scoring.traffic import Traffic

_BESIDE_M, _ALONG = 8.0, 0.8  # farthest aside, and least cosine between headings, of who drives beside
_SLOWER = 0.25  # share of the speed that may be given up for a gap
_IMPOSED_MPS2 = 1.5  # that a follower may be asked for
_SOON_S = 20.0  # before the joint from which on a gap is looked for
_LACKING = 5.0  # a m that a gap lacks, over one by which to fall back


@njit(cache=True, nogil=True)
def let_pass(
    others: UsersAhead,
    traffic: Traffic,
    map_arrays: MapArrays,
    joins: F64,
    now: tuple[float, float],
    driver: tuple[Truck, TruckManner],
) -> tuple[int, float]:
    """Who of those on lanes that join the way is to be ahead at the joint, -1 for nobody, and where that is. now:
    station and speed; joins (L,): see ``route.Route``.

    Everybody is taken to keep the present speed up to the joint. Of the gaps between those beside, and of that before
    all of them, that counts which costs least: by how much it has to fall back for it, and, five times, what it lacks:
    of the length of all units with a time gap to both sides and as much as the follower's speed asks for, and of what
    giving up a quarter of the speed gains.
    """
    (at, speed), (truck, manner), rows, count = now, driver, np.empty(32, np.int64), 0
    who, places = np.empty(len(traffic.row), np.int64), np.empty((len(traffic.row), 3))  # rear, front, speed
    joint, front, tail = math.inf, at + truck.front, at - truck.behind
    for j in range(len(traffic.row)):
        if traffic.ignored[j] or not traffic.moving[j] or others.facing[j, 0, 0] < _ALONG:
            continue
        left = 0.5 * (others.side[j, 0, 0] + others.side[j, 0, 1])
        if abs(left) > _BESIDE_M:
            continue
        lane = lane_of(map_arrays, traffic.box[j, 0], traffic.box[j, 1], traffic.heading[j], rows)
        if lane < 0 or not at < joins[lane] < at + truck.front + _SOON_S * max(speed, 1.0):
            continue
        joint = min(joint, joins[lane])
        moved = (others.speed[j, 0] - speed) * max(joins[lane] - front, 0.0) / max(speed, 1.0)
        k = count  # in the order of their fronts, the foremost first
        while k > 0 and places[k - 1, 1] < others.span[j, 0, 1] + moved:
            places[k], who[k] = places[k - 1], who[k - 1]
            k -= 1
        places[k, 0], places[k, 1] = others.span[j, 0, 0] + moved, others.span[j, 0, 1] + moved
        places[k, 2], who[k] = others.speed[j, 0], j
        count += 1
    best, least, most = -1, math.inf, _SLOWER * max(joint - front, 0.0)
    for k in range(-1, count):
        falls = 0.0
        if k >= 0:
            falls = max(front + gap_at_joint(places[k, 2], manner) - places[k, 0], 0.0)
        lacks = max(falls - most, 0.0)
        if k + 1 < count:
            closing = max(places[k + 1, 2] - speed, 0.0)
            room = tail - falls - places[k + 1, 1]
            lacks += max(GAP_S * places[k + 1, 2] + 0.5 * closing * closing / _IMPOSED_MPS2 - room, 0.0)
        if falls + _LACKING * lacks < least:
            best, least = k, falls + _LACKING * lacks
    return (who[best] if best >= 0 else -1), joint
