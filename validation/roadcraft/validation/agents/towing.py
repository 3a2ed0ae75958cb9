"""Units that agents pull: which logged boxes belong together, where their hitches and axles lie, and how they follow.

A log gives boxes alone. Two consecutive units share a hitch on the long axes of both, and a trailer's axle moves along
its heading; both are fitted to the boxes of the whole scenario by least squares, together with what is usual, which
counts where the log says little: on a straight road nothing tells where the hitch lies along the axes. Usual is a
kingpin 1.1 m behind the nose of a trailer that reaches over the unit before it, else an eye at that unit's rear end,
and an axle 0.28 of the length behind the trailer's center (the vehicles that come with roadcraft: 0.06 to 0.4).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, U8
from roadcraft.core.data.rollout import Objects
from roadcraft.core.driving.geometry.boxes import place_corners
from roadcraft.core.driving.geometry.capsules import box_capsule
from roadcraft.core.driving.geometry.corridor_distance import BOX, bounds_of
from roadcraft.core.driving.jit import small_njit
from roadcraft.core.driving.motion.chain import ChainArrays, place_units, pull_between
from roadcraft.validation.agents.agent_batch import AgentBatch, Constants

_KINGPIN_M, _AXLE = 1.1, 0.28
_BOX_M, _MOVE_M, _USUAL_M = 0.1, 0.05, 1.0  # standard deviations: of a box, of its move in a frame, of what is usual
_ARC_STEPS = np.int64(2)  # parts of the way between two poses of a towing unit
_SHORTEST_M = 1.0  # least distance from a hitch to the axle behind it


def vehicles_of(vehicle: I64, unit: U8) -> I64:
    """Rows of the units of whole vehicles, columns as of ``Objects``: in the order of their towing units, each followed
    by the units behind it; units whose towing unit is missing are left out."""
    towing = np.flatnonzero(unit == 0)
    if len(towing) == len(unit):
        return towing
    found = []
    for r in towing:
        behind = np.flatnonzero((vehicle == vehicle[r]) & (unit > 0))
        found += [r, *behind[np.argsort(unit[behind], kind="stable")]]
    return np.array(found, np.int64)


def chain_of_boxes(logged: Objects, rows: I64) -> ChainArrays:
    """Lengths of units of the first iteration, ``rows`` of :func:`vehicles_of`, as of one chain after the other; the
    reference of a towing unit is its box's center."""
    id, _, _, unit, box, _ = (c[rows] for c in logged.columns(0))
    half = 0.5 * box[:, 3]
    out = ChainArrays(half.copy(), np.zeros(len(box)), half.copy(), half.copy(), box[:, 4].copy())
    for k in np.flatnonzero(unit):
        ahead, length, axle = _fitted(_moves(logged, id[k - 1]), _moves(logged, id[k]))
        # of the unit before, the hitch ahead of its own reference
        out.hitch[k - 1] = ahead + 0.5 * (out.front[k - 1] - out.rear[k - 1])
        out.wheel_base[k] = length
        out.front[k], out.rear[k] = half[k] + axle, half[k] - axle
    return out


def _moves(logged: Objects, id: np.uint64) -> tuple[I64, F64]:
    """Iterations and boxes of one object."""
    rows = np.flatnonzero(logged.id == id)
    return np.searchsorted(logged.offsets, rows, side="right") - 1, logged.box[rows]


def _fitted(front: tuple[I64, F64], back: tuple[I64, F64]) -> tuple[float, float, float]:
    """Of two consecutive units: the hitch ahead of the first one's box center, from the hitch to the axle of the second
    one, and from that axle forward to its box center; m."""
    _, i, j = np.intersect1d(front[0], back[0], return_indices=True)
    a, b = front[1][i], back[1][j]
    own, other = np.stack([np.cos(a[:, 2]), np.sin(a[:, 2])]), np.stack([np.cos(b[:, 2]), np.sin(b[:, 2])])
    apart = (b[:, :2] - a[:, :2]).T
    # hitch: center + ahead * own = other center + nose * other
    hitch = np.stack([own.ravel(), -other.ravel()], 1) / _BOX_M
    far = -float(np.mean((apart * own).sum(0)))
    before, half = 0.5 * a[0, 3], 0.5 * b[0, 3]
    ahead = half - _KINGPIN_M - far if far < before + half else -before
    usual = np.array([ahead, ahead + far])
    ahead, nose = _near(hitch, apart.ravel() / _BOX_M, usual)
    turn, middle = np.diff(b[:, 2]), b[:-1, 2] + 0.5 * np.diff(b[:, 2])
    across = np.diff(b[:, 1]) * np.cos(middle) - np.diff(b[:, 0]) * np.sin(middle)
    (axle,) = _near(2.0 * np.sin(0.5 * turn)[:, None] / _MOVE_M, across / _MOVE_M, np.array([2.0 * _AXLE * half]))
    axle = min(max(axle, _SHORTEST_M - nose), half)
    return float(ahead), float(max(nose + axle, _SHORTEST_M)), float(axle)


def _near(rows: F64, right: F64, usual: F64) -> F64:
    """Least squares that hold to ``usual`` where the rows say nothing."""
    rest = right - rows @ usual
    return np.asarray(usual + np.linalg.solve(rows.T @ rows + np.eye(len(usual)) / _USUAL_M**2, rows.T @ rest))


class TowScratch(NamedTuple):
    """Memory for the units of vehicles: joints (A,), poses (A, 3), arc (2, 3)."""

    joints: F64
    poses: F64
    arc: F64


def tow_scratch(units: int) -> TowScratch:
    """Memory for vehicles of up to so many units."""
    return TowScratch(np.empty(units), np.empty((units, 3)), np.empty((2, 3)))


@small_njit
def pull_trailers(agents: AgentBatch, constants: Constants, before: F64, scratch: TowScratch) -> None:
    """Moves, in place, the units behind all agents, which have moved since their poses were ``before`` (A, 3)."""
    first = 0
    while first < len(before):
        last = first + 1
        while last < len(before) and constants.unit[last] > 0:
            last += 1
        if last > first + 1 and agents.alive[first]:
            lengths, hitches = constants.wheel_base[first:last], constants.hitch[first:last]
            front, rear = constants.front[first:last], constants.rear[first:last]
            chain = ChainArrays(lengths, hitches, front, rear, lengths)  # nobody asks for widths here
            joints = scratch.joints[: last - first - 1]
            for i in range(len(joints)):
                joints[i] = before[first + i + 1, 2] - before[first + i, 2]
            pull_between(before[first], agents.pose[first], joints, chain, _ARC_STEPS, scratch.arc)
            hang(agents, constants.size, chain, joints, first, scratch.poses)
            for i in range(first + 1, last):
                agents.speed[i] = agents.speed[i - 1] * math.cos(joints[i - first - 1])
        first = last


@small_njit
def hang(agents: AgentBatch, size: F64, chain: ChainArrays, joints: F64, first: int, poses: F64) -> None:
    """Places the units behind agent ``first`` as the joints (n - 1,) say, and renews what others see of them. poses (>=
    n, 3): scratch."""
    place_units(agents.pose[first], joints, chain, poses)
    for i in range(1, len(chain.hitch)):
        a, ahead, heading = first + i, 0.5 * (chain.front[i] - chain.rear[i]), poses[i, 2]
        x, y = poses[i, 0] + ahead * math.cos(heading), poses[i, 1] + ahead * math.sin(heading)
        agents.pose[a, 0], agents.pose[a, 1], agents.pose[a, 2] = x, y, heading
        length, width = size[a, 0], size[a, 1]
        place_corners((x, y, heading, length, width), agents.box_corners[a])
        box_capsule(x, y, heading, length, width, agents.box_capsule[a])
        box_capsule(x, y, heading, length, width, agents.hull[a])
        bounds_of(agents.box_corners[a], BOX, 0.0, agents.extent[a])
