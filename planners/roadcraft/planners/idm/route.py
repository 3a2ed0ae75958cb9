"""Routes over the lane graph: which lanes a mission allows, where ego starts, and the chain of lanes that leads to the
last road block.

Rows are rows of ``map.lanes`` or ``map.blocks``; a route is given as ids of road blocks in driving order. The searches
run once per scenario. Reference: nuplan-devkit e924167, BreadthFirstSearch and IDMPlanner.
"""

from __future__ import annotations

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.map import MapData
from roadcraft.core.driving.geometry.arc_path import vertex_headings


def route_blocks(map_data: MapData, route: I64) -> I64:
    """Rows of the route's road blocks (R',) int64 in driving order; ids the map does not know are left out."""
    rows = map_data.block_rows(route)
    return rows[rows >= 0]


def lanes_of_blocks(map_data: MapData, blocks: I64) -> I64:
    """Rows of all lanes of the given blocks, block by block (M,) int64."""
    parts = [map_data.blocks.lanes[int(b)] for b in blocks]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def search_lanes(map_data: MapData, start: int, allowed: I64, target_block: int, depth: int) -> tuple[list[int], bool]:
    """Breadth-first search from lane ``start`` over ``allowed`` lanes for a lane of ``target_block`` at exactly
    ``depth`` lanes from the start.

    Returns the chain of lane rows from the start, and whether the target was reached; where it was not, the chain ends
    at the lane that the search came upon last (the reference calls it the longest route). depth counts the start as 1.
    """
    lanes = map_data.lanes
    free = {int(lane) for lane in allowed}
    parent: dict[tuple[int, int], int] = {}
    level, at, end, found = [start], 1, (start, 1), False
    while level and at <= depth and not found:
        onward: list[int] = []
        for lane in level:
            if at == depth and int(lanes.block[lane]) == target_block:
                end, found = (lane, at), True
                break
            for successor in lanes.successors[lane]:
                if int(successor) in free:
                    onward.append(int(successor))
                    parent[int(successor), at + 1] = lane
                    end = (int(successor), at + 1)
        level, at = onward, at + 1
    chain, (lane, at) = [end[0]], end
    while at > 1:
        lane, at = parent[lane, at], at - 1
        chain.append(lane)
    return chain[::-1], found


def join_centerlines(map_data: MapData, lanes: list[int]) -> tuple[F64, F64]:
    """All vertices of the lanes' center lines one after the other, points (P, 2), and each vertex's heading (P,) within
    its own lane."""
    lines = [map_data.lanes.centerlines[lane] for lane in lanes]
    points = np.concatenate(lines)
    heading = np.zeros(len(points))
    at = 0
    for line in lines:
        vertex_headings(line, len(line), heading[at : at + len(line)])
        at += len(line)
    return points, heading
