"""Whether, and how, a truck can come to a dock: a search over its poses, joint and steering.

A* on a lattice (hybrid: states are exact, cells only tell which are alike), from the dock outward: motion without slip
can be driven the other way round, so what leads away from the dock, played backward, leads to it. The search knows all
that stands and moves in steps of a meter at steering angles that the steering rate allows.
"""

from __future__ import annotations

import heapq
from itertools import pairwise
from math import cos, pi, sin
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.geometry.angles import wrap
from roadcraft.core.driving.geometry.boxes import separation
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.motion.chain import ChainArrays, chain_of, place_units, roll_on
from roadcraft.core.vehicles.vehicle import Vehicle

STEER_PER_M = 0.38
"""Change of the steering angle over a meter, rad: at 0.7 m/s what trucks steer within a second, less some for the
tracker."""
LEAD_M = 2.0
"""Straight before the dock."""
LEVELS = 7
"""Steering angles that are tried."""
STEERING_SHARE = 0.88
"""Share of the largest steering angle that is used."""
MOST_NODES = 1_500_000
"""States after which the search gives up."""
_STEP_M, _PARTS, _FINE = 1.0, 2, 10
_CELL_M, _CELL_RAD, _CELL_JOINT = 0.75, pi / 36.0, pi / 24.0
_CUSP_M, _STEERED_M, _GREED = 4.0, 0.3, 2.5
_BESIDE_M, _TURNED, _BENT, _STEERED = 0.12, 0.03, 0.03, 0.25


class Yard(NamedTuple):
    """A yard, local frame: what stands in it, and where it ends."""

    boxes: F64
    """(M, 5) trailers at the docks beside, and what else stands."""
    faces: F64
    """(K, 5) faces of the docks, to which less room is kept."""
    edge: tuple[float, float, float, float]
    """Lowest and highest x, lowest and highest y of the drivable area, m."""
    dock: tuple[float, float, float]
    """Pose of the dock."""


class Goal(NamedTuple):
    """What the search ends at: the straight line that the truck comes along."""

    x: float
    """Unit 0's axle at the start, m."""
    y: float
    """m."""
    heading: float
    """rad."""
    ahead: float
    """Least way from there on at which it may leave the line, m; negative where it may go back at once."""
    slack: float = 1.0
    """Factor of how far beside and turned from the line it may leave it."""


class DockPath(NamedTuple):
    """A way to the dock, n places 0.1 m apart in driving order."""

    state: F64
    """(n, 2 + units): x, y, heading of unit 0, joints."""
    forward: I64
    """(n,) 1 where it is driven forward on to the next place, else 0."""
    nodes: int
    """States that the search has seen."""


def dock_state(vehicle: Vehicle, dock: tuple[float, float, float], gap: float) -> F64:
    """State (2 + units) of a straight truck whose rear edge stands ``gap`` m from a dock."""
    units, (x, y, heading) = vehicle.units, dock
    back = gap + units[-1].rear_m + sum(b.wheel_base_m - a.hitch_m for a, b in pairwise(units))
    out = np.zeros(2 + len(units))
    out[:3] = x + back * cos(heading), y + back * sin(heading), heading
    return out


def find_path(vehicle: Vehicle, yard: Yard, goal: Goal, gap: float, clearance: float) -> DockPath | None:
    """The way from the goal's line to the dock; none where none is found. gap: to the dock, m; clearance: to what
    stands and to the edge of the yard, m."""
    chain, start = chain_of(vehicle), dock_state(vehicle, yard.dock, gap)
    most = STEERING_SHARE * vehicle.max_steering_rad
    limit = 0.8 * min([u.joint_limit_rad for u in vehicle.units[1:]], default=pi)
    start[:2] += LEAD_M * np.array([cos(start[2]), sin(start[2])])
    found = _search(
        start, chain, (yard.boxes, yard.faces, yard.edge), goal, (most, limit, clearance, chain.wheel_base[0])
    )
    nodes, parent, way, last, count = found
    if last < 0:
        return None
    order = [last]
    while parent[order[-1]] >= 0:
        order.append(int(parent[order[-1]]))
    state, forward = _played(nodes[order], way[order], chain)
    back = np.arange(1, round(LEAD_M / 0.1) + 1) * 0.1
    end = np.repeat(state[-1:], len(back), 0)
    end[:, :2] -= back[:, None] * np.array([cos(end[0, 2]), sin(end[0, 2])])
    return DockPath(np.concatenate([state, end]), np.append(forward, np.zeros(len(back), np.int64)), int(count))


def _played(nodes: F64, way: I64, chain: ChainArrays) -> tuple[F64, I64]:
    """States and directions along nodes (k, 3 + units) from the line to the dock; way (k,): direction in which the
    search came to each, seen from the dock."""
    states, forward = [nodes[:1, :-1]], []
    for k in range(len(nodes) - 1):  # the search went from node k + 1 to node k
        back = np.asarray(_fine(nodes[k + 1], nodes[k, -1], float(way[k]), chain))[::-1]
        states.append(back[1:])
        forward += [int(way[k] < 0)] * (len(back) - 1)
    return np.concatenate(states), np.array([*forward, *(forward or [0])[-1:]], np.int64)


@njit(cache=True, nogil=True)
def _fine(node, end, way, chain):  # type: ignore[no-untyped-def]
    """States (11, 2 + units) along one step of the search."""
    size = len(node) - 1
    out, state, work = np.empty((_FINE + 1, size)), node[:size].copy(), np.empty((5, size))
    angle = node[size]
    out[0] = state
    for k in range(_FINE):
        h = _STEP_M / _FINE
        after = angle + min(max(end - angle, -STEER_PER_M * h), STEER_PER_M * h)
        roll_on(state, (way, way), (angle, after), h, chain, work)
        angle = after
        out[k + 1] = state
    return out


@small_njit
def _is_clear(state, chain, world, clearance, placed):  # type: ignore[no-untyped-def]
    """Whether all units keep clear; placed (n, 3): scratch."""
    boxes, faces, (x0, x1, y0, y1) = world
    place_units(state, state[3:], chain, placed)
    for i in range(len(placed)):
        c, s = cos(placed[i, 2]), sin(placed[i, 2])
        front, rear, half = chain.front[i], chain.rear[i], 0.5 * chain.width[i]
        for end in (front, -rear):
            for side in (half, -half):
                x = placed[i, 0] + end * c - side * s
                y = placed[i, 1] + end * s + side * c
                if x < x0 + clearance or x > x1 - clearance or y < y0 or y > y1 - clearance:
                    return False
        ahead = 0.5 * (front - rear)
        cx, cy, own = placed[i, 0] + ahead * c, placed[i, 1] + ahead * s, (c, s, front + rear, 2.0 * half)
        for group, room in ((boxes, clearance), (faces, 0.05)):
            for k in range(len(group)):
                b = group[k]
                dx, dy = b[0] - cx, b[1] - cy
                reach = 0.5 * (front + rear + b[3] + b[4]) + half + room
                if dx * dx + dy * dy > reach * reach:
                    continue
                if separation(dx, dy, own, (cos(b[2]), sin(b[2]), b[3], b[4])) < room:
                    return False
    return True


@small_njit
def _left(state, goal, base, chain):  # type: ignore[no-untyped-def]
    """A guess at the way that is left to the goal's line, how far beside, turned, bent the truck is, and where along
    the line."""
    dx, dy, c, s = state[0] - goal.x, state[1] - goal.y, cos(goal.heading), sin(goal.heading)
    beside, along, turned = abs(dy * c - dx * s), dx * c + dy * s, abs(wrap(state[2] - goal.heading))
    bent = abs(state[3]) if len(state) > 3 else 0.0
    trailer = chain.wheel_base[len(chain.wheel_base) - 1]
    return max(beside, 1.6 * base * turned) + 0.7 * trailer * bent, beside, turned, bent, along


@njit(cache=True, nogil=True)
def _search(start, chain, world, goal, limits):  # type: ignore[no-untyped-def]
    """Nodes (N, 3 + units): state and steering; the parents (N,) and directions (N,) by which they were reached; the
    last node of the way, -1 for none; how many there are."""
    most, limit, clearance, base = limits
    (x0, x1, y0, y1), size = world[2], len(start)
    nx, ny = int((x1 - x0) / _CELL_M) + 1, int((y1 - y0) / _CELL_M) + 1
    nh, nj = 72, 25
    closed = np.zeros(nx * ny * nh * nj * 2, np.bool_)
    nodes, parent = np.empty((MOST_NODES, size + 1)), np.full(MOST_NODES, -1, np.int64)
    way, turns, paid = np.zeros(MOST_NODES, np.int64), np.zeros(MOST_NODES, np.int64), np.zeros(MOST_NODES)
    placed, state, work = np.empty((len(chain.front), 3)), np.empty(size), np.empty((5, size))
    nodes[0, :size], nodes[0, size], way[0] = start, 0.0, 1
    heap, count = [(0.0, 0)], 1
    while len(heap) > 0 and count < MOST_NODES - 2 * LEVELS:
        _, n = heapq.heappop(heap)
        bent = nodes[n, 3] if size > 3 else 0.0
        cell = int((nodes[n, 0] - x0) / _CELL_M) * ny + int((nodes[n, 1] - y0) / _CELL_M)
        cell = cell * nh + int((wrap(nodes[n, 2]) + pi) / _CELL_RAD) % nh
        cell = (cell * nj + min(max(int(bent / _CELL_JOINT + 12.5), 0), nj - 1)) * 2 + (way[n] > 0)
        if closed[cell]:
            continue
        closed[cell] = True
        _, beside, turned, bent, along = _left(nodes[n, :size], goal, base, chain)
        on = beside < goal.slack * _BESIDE_M and turned < goal.slack * _TURNED and along > goal.ahead
        on = on and bent < _BENT and abs(nodes[n, size]) < _STEERED
        if on and _line_is_clear(nodes[n, :size], along, chain, world, (clearance, work, placed)):
            return nodes[:count], parent[:count], way[:count], n, count
        for sign in (1, -1):
            if sign != way[n] and (turns[n] >= 7 or n == 0):
                continue
            for level in range(LEVELS):
                end = most * (2.0 * level / (LEVELS - 1.0) - 1.0)
                angle = nodes[n, size]
                state[:] = nodes[n, :size]
                ok = True
                for _ in range(_PARTS):
                    h = _STEP_M / _PARTS
                    after = angle + min(max(end - angle, -STEER_PER_M * h), STEER_PER_M * h)
                    roll_on(state, (sign * 1.0, sign * 1.0), (angle, after), h, chain, work)
                    angle = after
                    if (size > 3 and abs(state[3]) > limit) or not _is_clear(state, chain, world, clearance, placed):
                        ok = False
                        break
                if not ok:
                    continue
                cost = paid[n] + _STEP_M + _STEERED_M * abs(angle - nodes[n, size])
                if sign != way[n]:
                    cost += _CUSP_M
                nodes[count, :size], nodes[count, size] = state, angle
                parent[count], way[count], paid[count] = n, sign, cost
                turns[count] = turns[n] + (sign != way[n])
                left, _, _, _, _ = _left(state, goal, base, chain)
                heapq.heappush(heap, (cost + _GREED * left, count))
                count += 1
    return nodes[:count], parent[:count], way[:count], -1, count


@small_njit
def _line_is_clear(state, along, chain, world, more):  # type: ignore[no-untyped-def]
    """Whether the straight between a state on the line and the start is clear."""
    clearance, work, placed = more
    at, parts = work[4], int(abs(along)) + 1
    for k in range(parts + 1):
        gone = along * k / parts
        for j in range(len(state)):
            at[j] = state[j]
        at[0] -= gone * cos(state[2])
        at[1] -= gone * sin(state[2])
        if not _is_clear(at, chain, world, clearance, placed):
            return False
    return True
