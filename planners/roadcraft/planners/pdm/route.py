"""From the mission's road blocks to a center line: what happens once, at a scenario's first step.

Source: tuplan_garage b51d5d0 (Apache-2.0), route_utils, BreadthFirstSearchRoadBlock, Dijkstra; in each search the order
in which equals are met is the source's own, since it decides between them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.data.map import LaneKind, MapData
from roadcraft.core.driving.geometry.angles import normalize
from roadcraft.core.driving.map_index.index import cell_of

_NEAR_M, _HEADING_RAD, _DISPLACEMENT_M = 1.0, 0.25 * math.pi, 3.0
_DEPTH_BACKWARD, _DEPTH_FORWARD, _WINDOW = 15, 30, 30
_OVERLAP_M2 = 1.0


def headings(points: F64) -> F64:
    """Heading (P,) at each vertex of a line (P, 2): that of the segment ahead, the last repeated."""
    d = np.diff(points, axis=0)
    h = np.arctan2(d[:, 1], d[:, 0])
    return np.append(h, h[-1])


def corrected_route(map_data: MapData, route: Sequence[int], pose: F64) -> list[int]:
    """Rows of the road blocks to follow from ``pose`` (3,) x, y, heading of the rear axle: the given ones (rows),
    joined to where ego is, with missing links found and loops cut. Without any, a route straight ahead."""
    near, candidates = _block_under(map_data, pose, set(route))
    if not route:
        return _ahead(map_data, near)
    path = _joined(map_data, list(route), near, candidates)
    return list(dict.fromkeys(_without_loop(map_data, _linked(map_data, path))))


def centerline(map_data: MapData, route: Sequence[int], start: int) -> list[int]:
    """Rows of the lanes from lane ``start`` to the end of the route (30 blocks at most), shortest first; the deepest
    way where none gets there."""
    lanes = map_data.lanes
    allowed = {int(r) for b in route for r in map_data.blocks.lanes[b]}
    block = int(lanes.block[start])
    begin = route.index(block) if block in route else 0
    target = route[begin : begin + _WINDOW][-1]
    queue, dist, depth = [start], [1.0], [1]
    parent: dict[int, int] = {start: -1}
    expanded: list[tuple[int, float, int]] = []
    done: set[int] = set()
    end = -1
    while queue:
        i = min(range(len(dist)), key=dist.__getitem__)
        lane, cost, level = queue.pop(i), dist.pop(i), depth.pop(i)
        if lanes.block[lane] == target:
            end = lane
            break
        expanded.append((lane, cost, level))
        done.add(lane)
        for n in (int(s) for s in lanes.successors[lane]):
            if n not in allowed:
                continue
            alt = cost + _length(lanes.centerlines[n])
            if n in queue:
                k = queue.index(n)
                if alt < dist[k]:
                    parent[n], dist[k], depth[k] = lane, alt, level + 1
            elif n not in done:
                parent[n] = lane
                queue.append(n)
                dist.append(alt)
                depth.append(level + 1)
    if end < 0:
        deepest = max(level for _, _, level in expanded)
        end = min((e for e in expanded if e[2] == deepest), key=lambda e: e[1])[0]
    out = [end]
    while parent[out[-1]] >= 0:
        out.append(parent[out[-1]])
    return out[::-1]


def _length(points: F64) -> float:
    return float(np.sqrt((np.diff(points, axis=0) ** 2).sum(1)).sum())


def _block_under(map_data: MapData, pose: F64, route: set[int]) -> tuple[int, list[int]]:
    """The most plausible road block at a pose, and all that are."""
    candidates = blocks_in_box(map_data, float(pose[0]), float(pose[1]), _NEAR_M) or _nearest_blocks(map_data, pose)
    on_route: list[tuple[float, int]] = []
    others: list[tuple[float, int]] = []
    closest: list[tuple[float, int]] = []
    for b in candidates:
        least = math.inf
        for lane in map_data.blocks.lanes[b]:
            line = map_data.lanes.centerlines[int(lane)]
            gap2 = ((line - pose[:2]) ** 2).sum(1)
            k = int(gap2.argmin())
            gap, off = math.sqrt(gap2[k]), headings(line)[k] - pose[2]
            least = min(least, gap)
            if abs(normalize(off)) < _HEADING_RAD and gap < _DISPLACEMENT_M:
                (on_route if b in route else others).append((gap, b))
        closest.append((least, b))
    found = on_route or others or closest
    return min(found, key=lambda f: f[0])[1], [b for _, b in found]


def blocks_in_box(map_data: MapData, x: float, y: float, half_m: float) -> list[int]:
    """Rows of the road blocks that touch the axis-parallel square around a point: blocks of lanes first, in row
    order."""
    import shapely

    patch = shapely.box(x - half_m, y - half_m, x + half_m, y + half_m)
    layer = map_data.index.blocks
    cells = {cell_of(layer.arrays, x + i * half_m, y + j * half_m) for i in (-1, 0, 1) for j in (-1, 0, 1)}
    near = {int(e) >> 1 for c in cells if c >= 0 for e in layer.entries[layer.starts[c] : layer.starts[c + 1]]}
    return [b for b in sorted(near) if shapely.intersects(_polygon(map_data.blocks.polygons[b]), patch)]


def _nearest_blocks(map_data: MapData, pose: F64) -> list[int]:
    import shapely

    point = shapely.Point(pose[0], pose[1])
    out = []
    for kind in (LaneKind.LANE, LaneKind.CONNECTOR):
        rows = np.flatnonzero(map_data.blocks.kind == kind)
        if len(rows):
            gaps = [shapely.distance(_polygon(map_data.blocks.polygons[int(b)]), point) for b in rows]
            out.append(int(rows[int(np.argmin(gaps))]))
    return out


def _polygon(rings: list[F64]) -> Any:
    import shapely

    if len(rings) == 1:
        return shapely.Polygon(rings[0])
    shape = shapely.Polygon(rings[0])
    for ring in rings[1:]:
        shape = shape.symmetric_difference(shapely.Polygon(ring))
    return shape


def _search(map_data: MapData, start: int, targets: Sequence[int], forward: bool, max_depth: int) -> list[int]:
    """Breadth-first over road blocks: rows from start to the first target met (reversed when searching backwards), []
    where none is.

    The source keeps every way to a block in its queue, and the last one that reached it becomes the parent; a level's
    blocks in order of first and of last arrival carry the same information without growing exponentially.
    """
    edges = map_data.blocks.successors if forward else map_data.blocks.predecessors
    first, last = [start], [start]
    parents: list[dict[int, int]] = [{}]
    for _ in range(max_depth):
        hit = next((b for b in first if b in targets), -1)
        if hit >= 0:
            out = [hit]
            for level in range(len(parents) - 1, 0, -1):
                out.append(parents[level][out[-1]])
            return out[::-1] if forward else out
        reached: dict[int, int] = {}
        for b in last:
            for n in (int(e) for e in edges[b]):
                reached.pop(n, None)
                reached[n] = b
        first = list(dict.fromkeys(int(e) for b in first for e in edges[b]))
        last = list(reached)
        parents.append(reached)
        if not first:
            break
    return []


def _joined(map_data: MapData, route: list[int], near: int, candidates: list[int]) -> list[int]:
    if near in route:
        return route
    back = _search(map_data, route[0], candidates, False, _DEPTH_BACKWARD)
    if back:
        return back[:-1] + route
    ahead = _search(map_data, near, route[:3], True, _DEPTH_FORWARD)
    return ahead + route[route.index(ahead[-1]) + 1 :] if ahead else route


def _linked(map_data: MapData, route: list[int]) -> list[int]:
    out = route[:1]
    for a, b in pairwise(route):
        if a not in map_data.blocks.predecessors[b]:
            way = _search(map_data, a, [b], True, _DEPTH_FORWARD)
            out += way[1:-1]
        out.append(b)
    return out


def _without_loop(map_data: MapData, route: list[int]) -> list[int]:
    """The route up to where a block of connectors overlaps an earlier one by more than a square meter."""
    import shapely

    seen = []
    for i, b in enumerate(route):
        if map_data.blocks.kind[b] != LaneKind.CONNECTOR:
            continue
        shape = _polygon(map_data.blocks.polygons[b])
        if any(shapely.intersection(shape, s).area > _OVERLAP_M2 for s in seen if shapely.intersects(shape, s)):
            return route[:i]
        seen.append(shape)
    return route


def _ahead(map_data: MapData, start: int) -> list[int]:
    """A route where the log gives none: on from ``start``, at each fork the block that turns least."""
    out = [start]
    while len(out) < _WINDOW:
        ways = [int(b) for b in map_data.blocks.successors[out[-1]] if int(b) not in out]
        if not ways:
            break
        out.append(min(ways, key=lambda b: _turn(map_data, b)))
    return out


def _turn(map_data: MapData, block: int) -> float:
    rows = map_data.blocks.lanes[block]
    if not len(rows):
        return math.inf
    h = headings(map_data.lanes.centerlines[int(rows[0])])
    off = h[-1] - h[0]
    return abs(normalize(off))
