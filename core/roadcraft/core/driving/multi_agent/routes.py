"""Routes of a crowd's rows: the lanes along which a log was driven, and on from there at random, with the lanes beside
that lead the same way."""

from __future__ import annotations

import math

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.map import MapData
from roadcraft.core.driving.held import Held
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.map_index.index import containing
from roadcraft.core.driving.multi_agent.following import walk
from roadcraft.core.driving.multi_agent.lane_field import lanes_of
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.memo import memo
from roadcraft.core.random import INCREMENT, mix64

_FOLLOWS, _BESIDE, _JUMPS, _AGAINST, _TURN = 0.1, 0.5, 5.0, 10.0, 2.0
"""What it costs a match to go to the next lane, to the one beside, to any other, to drive against the lane's direction,
and to turn from it by a right angle."""
_LINKS = 6  # lanes that a gap of the match is closed by at most


def route_of(map_data: MapData, poses: F64, key: int, ahead_m: float = 200.0) -> I64:
    """The route of a vehicle that was logged at poses (T, 3), x, y m and heading rad, T >= 1: the lanes that it was on
    (:func:`matched`), then lanes that follow, chosen by ``key``, until it is ``ahead_m`` long behind the last pose, and
    all lanes beside them that lead there too. Rows of ``Lanes``, in driving order; none where no pose is on a lane."""
    path = matched(map_data, poses)
    return widened(map_data, extended(map_data, path, key, ahead_m)) if len(path) else path


def matched(map_data: MapData, poses: F64) -> I64:
    """The lanes, rows of ``Lanes``, along which poses (T, 3) lead best: in their direction, each lane following the one
    before or beside it. Poses that are on no lane, or not finite, are passed over; a gap is closed by lanes that lead
    over it, and where none do, the path ends."""
    found = containing(map_data.index.lanes, np.ascontiguousarray(poses[:, :2]))
    lanes = _match(_held(map_data), frozen(poses), frozen(found.values, np.int64), frozen(found.offsets, np.int64))
    path: list[int] = []
    for lane in lanes[np.flatnonzero(np.diff(lanes, prepend=-1))].tolist():
        between = _between(map_data, path[-1], lane) if path else [lane]
        if not between:
            break
        path += between
    return np.array(path, np.int64)


def extended(map_data: MapData, path: I64, key: int, ahead_m: float) -> I64:
    """A path (P,), P >= 1, and lanes that follow it, each chosen by ``key`` among those that do, until these are
    ``ahead_m`` long or none follows."""
    length, out, left = lanes_of(map_data).length, path.tolist(), ahead_m
    with np.errstate(over="ignore"):
        state = np.uint64(key)
        while left > 0.0 and len(following := map_data.lanes.successors[out[-1]]):
            state = state + INCREMENT
            out.append(int(following[int(mix64(state) % np.uint64(len(following)))]))
            left -= max(float(length[out[-1]]), 1.0)
    return np.array(out, np.int64)


def widened(map_data: MapData, path: I64) -> I64:
    """A path and the lanes of its road blocks from which it can be gone on with: all of the last block, of the others
    those that a kept lane of the next one follows."""
    stages: list[list[int]] = []
    for lane in path.tolist():
        block = map_data.lanes.block[lane]
        if stages and block >= 0 and map_data.lanes.block[stages[-1][0]] == block:
            stages[-1].append(lane)
        else:
            stages.append([lane])
    kept: list[list[int]] = []
    for stage in reversed(stages):
        block = int(map_data.lanes.block[stage[0]])
        others = map_data.blocks.lanes[block].tolist() if block >= 0 else []
        if kept:
            later = set(kept[-1])
            others = [k for k in others if not later.isdisjoint(map_data.lanes.successors[k].tolist())]
        kept.append(list(dict.fromkeys([*stage, *others])))
    return np.array(list(dict.fromkeys(lane for stage in reversed(kept) for lane in stage)), np.int64)


def _held(map_data: MapData) -> Held:
    return memo(map_data, "held lane field", lambda: Held(lanes_of(map_data)))


def _between(m: MapData, first: int, last: int) -> list[int]:
    """Lanes from the one after ``first`` to ``last``, each following or beside the one before; none where it takes more
    than ``_LINKS``."""
    beside, came = lanes_of(m).beside, {first: -1}
    front = [first]
    for _ in range(_LINKS):
        reached: list[int] = []
        for lane in front:
            for other in [*m.lanes.successors[lane].tolist(), *beside[lane].tolist()]:
                if other >= 0 and other not in came:
                    came[other] = lane
                    reached.append(other)
        if last in came:
            path = [last]
            while came[path[-1]] != first:
                path.append(came[path[-1]])
            return path[::-1]
        front = reached
    return []


@njit(cache=True, nogil=True)
def _match(lanes, poses: F64, values: I64, offsets: I64) -> I64:  # type: ignore[no-untyped-def]
    """The least costly row of lanes, one for each pose that any lane holds: ``values[offsets[t]:offsets[t + 1]]``."""
    cost, came, count = np.empty(len(values)), np.full(len(values), -1), 0
    first, last = -1, -1  # entries of the pose before
    for t in range(len(poses)):
        x, y, heading = poses[t]
        if offsets[t] == offsets[t + 1] or not math.isfinite(x + y + heading):
            continue
        count += 1
        c, s = math.cos(heading), math.sin(heading)
        for k in range(offsets[t], offsets[t + 1]):
            lane, least, near = values[k], math.inf, 0
            for p in range(lanes.point_at[lane], lanes.point_at[lane + 1]):
                d = (lanes.points[p, 0] - x) ** 2 + (lanes.points[p, 1] - y) ** 2
                if d < least:
                    least, near = d, p
            _, _, point = walk(lanes, lane, (near - lanes.point_at[lane]) * lanes.spacing[lane], x, y)
            along = c * lanes.points[point, 2] + s * lanes.points[point, 3]
            best = 0.0 if first < 0 else math.inf
            for q in range(first, last):
                to = cost[q] + _link(lanes, values[q], lane)
                if to < best:
                    best, came[k] = to, q
            cost[k] = best + _TURN * (1.0 - along) + (_AGAINST if along < 0.0 else 0.0)
        first, last = offsets[t], offsets[t + 1]
    out = np.empty(count, np.int64)
    if count:
        at = first + int(np.argmin(cost[first:last]))
        while at >= 0:
            count -= 1
            out[count], at = values[at], came[at]
    return out


@njit(cache=True, nogil=True)
def _link(lanes, before: int, lane: int) -> float:  # type: ignore[no-untyped-def]
    if before == lane:
        return 0.0
    for k in range(lanes.following_at[before], lanes.following_at[before + 1]):
        if lanes.following[k] == lane:
            return _FOLLOWS
    beside = lanes.beside[before, 0] == lane or lanes.beside[before, 1] == lane
    return _BESIDE if beside else _JUMPS
