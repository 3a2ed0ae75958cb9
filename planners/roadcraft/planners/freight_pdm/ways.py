"""The ways that are tried, as offsets from the line."""

from __future__ import annotations

import math

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.jit import njit
from roadcraft.planners.freight_pdm.candidates import Candidates, way_of_candidate
from roadcraft.planners.freight_pdm.line import eased
from roadcraft.planners.freight_pdm.others import UsersAhead
from roadcraft.planners.freight_pdm.scene import FreightSetup, Roadside
from roadcraft.planners.trajectory_scoring.traffic import Traffic

NEAR_M = 4.5
"""Beside the own lane, within which somebody who stands there concerns it."""
_EASE = 5.77  # peak of the second derivative of a change of way over its width and the square of its length
_LEAST_S, _LEAST_M = 5.0, 20.0  # which takes so long, and so far, at least
_SAME_M, _REACHES_M = 0.03, 0.3  # into the lane
_STANDS_MPS, _AHEAD_M, _SOON_S = 3.0, 260.0, 3.5  # who stands in or beside the way asks for another lane, in time


@njit(cache=True, nogil=True)
def lanes_beside(
    others: UsersAhead, traffic: Traffic, side: Roadside, span: tuple[int, int], now: tuple[float, float]
) -> F64:
    """Distances (0 to 2) to lanes of the same direction beside the own one that run as far as is looked, where somebody
    stands ahead in the own one or beside all of them."""
    (first, last), (at, speed), asked = span, now, False
    for j in range(len(others.speed)):
        if traffic.ignored[j] or not traffic.moving[j] or traffic.speed[j] > _STANDS_MPS:
            continue
        away = others.span[j, 0, 0] - at
        right, left = others.side[j, 0, 0], others.side[j, 0, 1]
        k = min(max(int(0.5 * (others.span[j, 0, 0] + others.span[j, 0, 1])), 0), len(side.edges.own) - 1)
        lane, lanes = side.edges.own[k], side.edges.same[k]
        inside = right < lane[1] - _REACHES_M and left > lane[0] + _REACHES_M
        beside = not lanes[0] < 0.5 * (right + left) < lanes[1]  # who waits in another lane does not ask
        near = abs(0.5 * (right + left)) < NEAR_M and (inside or beside)
        asked = asked or (near and away < _AHEAD_M and away > _SOON_S * speed)
    out, count = np.empty(2), 0
    own, same = side.edges.own[first:last], side.edges.same[first:last]
    width = own[0, 1] - own[0, 0]
    if asked and np.min(same[:, 1] - own[:, 1]) > 0.85 * width:
        out[count] = width
        count += 1
    if asked and np.min(own[:, 0] - same[:, 0]) > 0.85 * width:
        out[count] = -width
        count += 1
    return out[:count]


@njit(cache=True, nogil=True)
def ways_tried(
    driven: F64, side: Roadside, span: tuple[int, int], lanes: F64, speed: float, setup: FreightSetup
) -> F64:
    """Offsets (K, S - first) of the ways that are tried: that which is driven (S,), and those that leave it for the
    centered one, the center line, the ways beside the centered one, and lanes so far beside it, where it may be left.
    span: first station, and that to which is looked."""
    (first, last), goals, ways = span, 2 + len(setup.sides) + len(lanes), 1
    now, centered, kept = driven[first:], side.centered[first:], side.beside[first:]
    out = np.empty((1 + goals, len(now)))
    out[0] = now
    for g in range(goals):
        aside = np.zeros(len(now)) if g != 1 else -centered
        if g > 1:
            beside = g - 2 - len(setup.sides)
            aside += lanes[beside] if beside >= 0 else setup.sides[g - 2]
        goal = centered + kept * aside
        apart = np.max(np.abs(goal - now)[: last - first])
        if apart > _SAME_M:
            over = int(max(speed * max(math.sqrt(_EASE * apart / setup.change_mps2), _LEAST_S), _LEAST_M))
            out[ways] = eased(now, goal, over)
            ways += 1
    return out[:ways].copy()


@njit(cache=True, nogil=True)
def with_candidates(
    offsets: F64,
    candidates: Candidates,
    side: Roadside,
    first: int,
    at: float,
    dt: float,
    rows: tuple[F64, F64, F64],
    along: F64,
) -> F64:
    """Offsets (K + P, S - first): those of K ways, and of candidates; fills their rows: station, speed, acceleration
    (P, T), and along (P,): 0 for what goes back along the line."""
    own, near = len(offsets), min(max(int(at), 0), len(side.line.xy) - 1)
    out = np.empty((own + len(candidates.states), offsets.shape[1]))
    out[:own] = offsets
    for p in range(len(candidates.states)):
        row = (rows[0][p], rows[1][p], rows[2][p])
        goes = way_of_candidate(side.line, candidates.states[p], near, side.centered, first, dt, out[own + p], row)
        along[p] = 1.0 if goes else 0.0
    return out
