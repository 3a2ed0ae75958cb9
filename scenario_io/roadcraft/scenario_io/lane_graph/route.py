"""The route, where a log does not give it: the lanes that the ego drove, and straight on from there."""

from __future__ import annotations

from collections import deque

import numpy as np
from scipy.spatial import KDTree

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.map import MapData
from roadcraft.scenario_io.lane_graph.shapes import tangents

_REACH = 3.5  # m from a center line within which the ego may be on a lane
_STRIDE = 2  # steps between matched poses
_HOP, _CHANGE, _JUMP = 0.5, 2.0, 50.0  # costs (m2) of skipping a short lane, of changing lane, of anything else


def route_of(map_data: MapData, pose: F64, ahead_m: float) -> I64:
    """Ids of the road blocks (R,) that the ego drives through, and of those straight ahead for ``ahead_m``. pose (F,
    3): box center x, y, heading. Empty where it drives off every lane."""
    rows = _continued(map_data, driven_lanes(map_data, pose), pose[-1, :2], ahead_m)
    blocks: list[int] = []
    for row in rows:
        block = int(map_data.blocks.id[map_data.lanes.block[row]])
        if block not in blocks:
            blocks.append(block)
    return np.array(blocks, np.int64)


def driven_lanes(map_data: MapData, pose: F64) -> list[int]:
    """Rows of the lanes driven, in order: the cheapest chain of lanes near the poses (dynamic programming over
    distance, direction and how lanes follow each other), gaps closed along the lane graph."""
    lanes = map_data.lanes
    points = lanes.centerlines.points
    along = np.concatenate([tangents(lanes.centerlines[i]) for i in range(len(lanes))])
    owner = np.repeat(np.arange(len(lanes)), np.diff(lanes.centerlines.offsets))
    near = KDTree(points).query_ball_point(pose[::_STRIDE, :2], _REACH)
    cost: dict[int, float] = {}
    back: list[dict[int, int]] = []
    for at, hits in zip(pose[::_STRIDE], near, strict=True):
        here = _candidates(at, np.array(hits, np.int64), points, along, owner)
        if not here:
            continue
        step: dict[int, int] = {}
        new: dict[int, float] = {}
        for row, own in here.items():
            before = min(cost, key=lambda b, row=row: cost[b] + _transition(map_data, b, row)) if cost else row
            new[row] = own + (cost[before] + _transition(map_data, before, row) if cost else 0.0)
            step[row] = before
        cost = new
        back.append(step)
    if not cost:
        return []
    chain = [min(cost, key=lambda r: cost[r])]
    for step in reversed(back[1:]):
        chain.append(step[chain[-1]])
    return _joined(map_data, list(dict.fromkeys(reversed(chain))))


def _candidates(at: F64, hits: I64, points: F64, along: F64, owner: I64) -> dict[int, float]:
    """Lane row -> cost of being on it here."""
    out: dict[int, float] = {}
    if len(hits) == 0:
        return out
    same = along[hits] @ np.array([np.cos(at[2]), np.sin(at[2])])
    cost = ((points[hits] - at[:2]) ** 2).sum(1) + 4.0 * (1.0 - same)
    for row, c in zip(owner[hits[same > 0.5]].tolist(), cost[same > 0.5].tolist(), strict=True):
        out[row] = min(c, out.get(row, np.inf))
    return out


def _transition(m: MapData, a: int, b: int) -> float:
    if a == b:
        return 0.0
    following = m.lanes.successors[a]
    if b in following:
        return 0.0
    if any(b in m.lanes.successors[int(s)] for s in following):
        return _HOP
    return _CHANGE if m.lanes.block[a] == m.lanes.block[b] else _JUMP


def _joined(m: MapData, chain: list[int]) -> list[int]:
    out = chain[:1]
    for row in chain[1:]:
        out += _path(m, out[-1], row) or [row]
    return out


def _path(m: MapData, start: int, end: int, depth: int = 4) -> list[int]:
    """Lanes after ``start`` up to ``end`` by successors, or none within ``depth``."""
    queue = deque([(start, [])])
    seen = {start}
    while queue:
        at, path = queue.popleft()
        if len(path) >= depth:
            continue
        for s in map(int, m.lanes.successors[at]):
            if s == end:
                return [*path, s]
            if s not in seen:
                seen.add(s)
                queue.append((s, [*path, s]))
    return []


def _continued(m: MapData, rows: list[int], end: F64, ahead_m: float) -> list[int]:
    if not rows:
        return rows
    line = m.lanes.centerlines[rows[-1]]
    nearest = int(np.linalg.norm(line - end, axis=1).argmin())
    left = ahead_m - _length(line[nearest:])
    out = list(rows)
    while left > 0:
        options = [int(s) for s in m.lanes.successors[out[-1]] if int(s) not in out]
        if not options:
            break
        out.append(min(options, key=lambda r: abs(_turn(m.lanes.centerlines[r]))))
        left -= _length(m.lanes.centerlines[out[-1]])
    return out


def _length(line: F64) -> float:
    return float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())


def _turn(line: F64) -> float:
    a, b = tangents(line)[[0, -1]]
    return float(np.arctan2(a[0] * b[1] - a[1] * b[0], a @ b))
