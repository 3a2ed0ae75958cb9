"""Reference lines: the centerlines that the ego may follow along its route, from its own position onward (numba
kernels).

Line 0 belongs to the lane the ego is in, line 1 to the lane on its left, line 2 to the one on its right. A line goes on
into the successor that stays on the route longest; past the route it takes the straightest successor; past the map it
goes straight on and is marked as invalid."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.scenario import LightState
from roadcraft.core.driving.features.columns import ReferenceColumn, ReferenceInfoColumn
from roadcraft.core.driving.features.map_tensors import (
    CONNECTOR as LANE_CONNECTOR,
    LIMIT as LANE_LIMIT,
    STOP as LANE_STOP,
    LaneArrays,
    LaneLights,
)
from roadcraft.core.driving.geometry.frames import to_frame
from roadcraft.core.driving.jit import njit

F32 = NDArray[np.float32]
Bool = NDArray[np.bool_]

X, Y, COS, SIN, LIMIT, ON_ROUTE, RED, GREEN, STOP, CONNECTOR = (int(c) for c in ReferenceColumn)
POINT_SIZE = len(ReferenceColumn)
LATERAL, HEADING_SIN, HEADING_COS, TO_RED, TO_YELLOW, TO_STOP, TO_ROUTE_END, LIMIT_HERE = (
    int(c) for c in ReferenceInfoColumn
)
INFO_SIZE = len(ReferenceInfoColumn)
FAR_M = 200.0  # stands for "none ahead"
REACH_M = 12.0  # a lane further off than this is not the ego's
_ACROSS_RAD = 1.6  # a lane that runs more across the ego's heading than this leads another way
_TURN_M_PER_RAD = 3.0  # a lane that is one radian off is as unlikely as one that is 3 m further away
_PARALLEL_RAD = 0.6  # neighbors run side by side
_APART_M = 0.5  # and are not the same line
_LANES = 3  # own, left, right
_GREEN, _YELLOW, _RED, _NO_LIGHT = int(LightState.GREEN), int(LightState.YELLOW), int(LightState.RED), len(LightState)


class _Line(NamedTuple):
    """One line while it is walked: points (P, 10), valid (P,), info (8,), float64."""

    points: F64
    valid: Bool
    info: F64


class RouteLanes(NamedTuple):
    """Lanes of a route's blocks. start (r + 1,): those of position i are ``start[i]:start[i + 1]``; lane (c,) rows of
    Lanes; reach (c,): how many further blocks each can follow without a lane change."""

    start: I64
    lane: I64
    reach: I64


@njit(cache=True, nogil=True)
def light_of(lane: int, lights: LaneLights) -> int:
    """State of the light that governs a lane row, one past the last LightState where there is none."""
    for i in range(len(lights.lane)):
        if lights.lane[i] == lane:
            return int(lights.state[i])
    return _NO_LIGHT


@njit(cache=True, nogil=True)
def _project(points: F64, first: int, last: int, arc: F64, x: float, y: float) -> tuple[float, float, float, float]:
    """Nearest place on vertices first..last-1: distance, arc length, signed lateral offset (left positive), heading."""
    best, best_arc, best_lateral, best_heading = np.inf, 0.0, 0.0, 0.0
    for q in range(first, last - 1):
        dx, dy = points[q + 1, 0] - points[q, 0], points[q + 1, 1] - points[q, 1]
        length = np.hypot(dx, dy)
        if length < 1e-9:
            continue
        px, py = x - points[q, 0], y - points[q, 1]
        along = min(max((px * dx + py * dy) / length, 0.0), length)
        distance = np.hypot(px - along * dx / length, py - along * dy / length)
        if distance < best:
            best, best_arc = distance, arc[q] + along
            best_lateral = (dx * py - dy * px) / length
            best_heading = np.arctan2(dy, dx)
    return best, best_arc, best_lateral, best_heading


@njit(cache=True, nogil=True)
def _turn(a: float, b: float) -> float:
    d = (a - b) % (2.0 * np.pi)
    return float(min(d, 2.0 * np.pi - d))


@njit(cache=True, nogil=True)
def _end_heading(lanes: LaneArrays, lane: int) -> float:
    points, b = lanes.points, lanes.offsets[lane + 1]
    if b - lanes.offsets[lane] < 2:
        return 0.0
    return float(np.arctan2(points[b - 1, 1] - points[b - 2, 1], points[b - 1, 0] - points[b - 2, 0]))


@njit(cache=True, nogil=True)
def route_lanes(route: I64, lanes: LaneArrays) -> RouteLanes:
    """The lanes of a route (r,) of rows of RoadBlocks, -1 unknown."""
    in_block, block_offsets = lanes.block_lanes, lanes.block_offsets
    start = np.zeros(len(route) + 1, np.int64)
    for i in range(len(route)):
        n = block_offsets[route[i] + 1] - block_offsets[route[i]] if route[i] >= 0 else 0
        start[i + 1] = start[i] + n
    lane, reach = np.zeros(start[-1], np.int64), np.zeros(start[-1], np.int64)
    # from the end backward: a lane reaches one block further than the best of its successors in the next block
    for i in range(len(route) - 1, -1, -1):
        for c in range(start[i], start[i + 1]):
            lane[c] = in_block[block_offsets[route[i]] + c - start[i]]
            if i + 1 < len(route):
                for k in range(lanes.successor_offsets[lane[c]], lanes.successor_offsets[lane[c] + 1]):
                    for d in range(start[i + 1], start[i + 2]):
                        if lane[d] == lanes.successors[k]:
                            reach[c] = max(reach[c], 1 + reach[d])
    return RouteLanes(start, lane, reach)


@njit(cache=True, nogil=True)
def _cost(distance: float, turn: float) -> float:
    """How badly a lane fits the ego's pose; the other direction of a road never fits."""
    return distance + _TURN_M_PER_RAD * turn if turn < _ACROSS_RAD and distance < REACH_M else np.inf


@njit(cache=True, nogil=True)
def _project_on(lanes: LaneArrays, lane: int, x: float, y: float) -> tuple[float, float, float, float]:
    return _project(lanes.points, lanes.offsets[lane], lanes.offsets[lane + 1], lanes.arc, x, y)


@njit(cache=True, nogil=True)
def _own_lane(lanes: LaneArrays, route: RouteLanes, near: I64, ego: F64) -> tuple[int, int]:
    """The ego's lane and its position in the route: of the route where one fits, else of the lanes nearby with position
    -1; (-1, -1) if none fits."""
    best, found, position = np.inf, -1, -1
    for i in range(len(route.start) - 1):
        for c in range(route.start[i], route.start[i + 1]):
            distance, _, _, h = _project_on(lanes, route.lane[c], ego[0], ego[1])
            cost = _cost(distance, _turn(h, ego[2]))
            if cost < best:
                best, found, position = cost, route.lane[c], i
    if found < 0:
        for k in range(len(near)):
            distance, _, _, h = _project_on(lanes, near[k], ego[0], ego[1])
            cost = _cost(distance, _turn(h, ego[2]))
            if cost < best:
                best, found = cost, near[k]
    return found, position


@njit(cache=True, nogil=True)
def _neighbors(lanes: LaneArrays, own: int, x: float, y: float) -> tuple[int, int]:
    """The lanes of the same block next to ``own`` on the left and on the right, -1 where there is none."""
    left, right, left_gap, right_gap = -1, -1, np.inf, np.inf
    block = lanes.block[own]
    if block < 0:
        return left, right
    _, _, own_lateral, own_heading = _project_on(lanes, own, x, y)
    for k in range(lanes.block_offsets[block], lanes.block_offsets[block + 1]):
        other = lanes.block_lanes[k]
        if other == own:
            continue
        _, _, lateral, heading = _project_on(lanes, other, x, y)
        gap = own_lateral - lateral  # of a lane to the left: the ego lies less far to the left of it
        if _turn(heading, own_heading) < _PARALLEL_RAD:
            if _APART_M < gap < left_gap:
                left, left_gap = other, gap
            elif _APART_M < -gap < right_gap:
                right, right_gap = other, -gap
    return left, right


@njit(cache=True, nogil=True)
def _next(now: int, position: int, lanes: LaneArrays, route: RouteLanes) -> tuple[int, int]:
    """The lane that follows and its position in the route (-1: off the route); lane -1 where the map ends."""
    best, found, where = -1, -1, -1
    first, last = lanes.successor_offsets[now], lanes.successor_offsets[now + 1]
    if 0 <= position < len(route.start) - 2:
        for k in range(first, last):
            for c in range(route.start[position + 1], route.start[position + 2]):
                if route.lane[c] == lanes.successors[k] and route.reach[c] > best:
                    best, found, where = route.reach[c], route.lane[c], position + 1
    if found < 0:
        straightest, heading = np.inf, _end_heading(lanes, now)
        for k in range(first, last):
            after = lanes.successors[k]
            turn = _turn(_end_heading(lanes, after), heading)
            if turn < straightest and lanes.offsets[after + 1] - lanes.offsets[after] > 1:
                straightest, found = turn, after
    return found, where


@njit(cache=True, nogil=True)
def _walk(
    line: _Line, first: int, position: int, ego: F64, step: float, lanes: LaneArrays, route: RouteLanes,
    lights: LaneLights,
) -> None:  # fmt: skip
    """One line from the place on lane ``first`` nearest to the ego: points in the global frame, and the distances to
    what lies ahead."""
    out, info, points, at, arc = line.points, line.info, lanes.points, lanes.offsets, lanes.arc
    _, arc0, _, _ = _project_on(lanes, first, ego[0], ego[1])
    # base: arc length along the line at which lane ``now`` begins; negative for the first, which begins behind the ego
    now, base, q, on_route = first, -arc0, at[first], position >= 0
    state, heading = light_of(now, lights), 0.0
    info[TO_RED], info[TO_YELLOW], info[TO_STOP], info[TO_ROUTE_END] = FAR_M, FAR_M, FAR_M, 0.0
    info[LIMIT_HERE] = lanes.info[now, LANE_LIMIT]
    ended = False
    for j in range(len(out)):
        s = j * step
        while not ended and s - base > arc[at[now + 1] - 1]:
            following, position = _next(now, position, lanes, route)
            if following < 0:
                ended = True  # the last segment is prolonged from here on
                break
            base += arc[at[now + 1] - 1]
            now, q = following, at[following]
            on_route = on_route and position >= 0
            state = light_of(now, lights)
            stop = lanes.info[now, LANE_STOP] > 0.0
            for column, seen in ((TO_RED, state == _RED), (TO_YELLOW, state == _YELLOW), (TO_STOP, stop)):
                if seen and info[column] >= FAR_M:
                    info[column] = base
        last = at[now + 1] - 1
        while q < last - 1 and arc[q + 1] < s - base:
            q += 1
        dx, dy = points[q + 1, 0] - points[q, 0], points[q + 1, 1] - points[q, 1]
        length = max(np.hypot(dx, dy), 1e-9)
        along = s - base - arc[q]
        out[j, X], out[j, Y] = points[q, 0] + along * dx / length, points[q, 1] + along * dy / length
        out[j, LIMIT], out[j, CONNECTOR] = lanes.info[now, LANE_LIMIT], lanes.info[now, LANE_CONNECTOR]
        out[j, STOP] = lanes.info[now, LANE_STOP]
        out[j, ON_ROUTE] = 1.0 if on_route else 0.0
        out[j, RED] = 1.0 if state == _RED else 0.5 if state == _YELLOW else 0.0
        out[j, GREEN] = 1.0 if state == _GREEN else 0.0
        line.valid[j] = not ended
        if on_route and not ended:
            info[TO_ROUTE_END] = s
    for j in range(len(out)):
        a, b = max(j - 1, 0), min(j + 1, len(out) - 1)
        heading = np.arctan2(out[b, Y] - out[a, Y], out[b, X] - out[a, X])
        out[j, COS], out[j, SIN] = np.cos(heading), np.sin(heading)


@njit(cache=True, nogil=True)
def _to_ego(line: F64, info: F64, x: float, y: float, heading: float) -> None:
    """Turn a line into the ego frame, in place, and note where the ego lies beside it."""
    c, s = np.cos(heading), np.sin(heading)
    for j in range(len(line)):
        line[j, X], line[j, Y] = to_frame(line[j, X] - x, line[j, Y] - y, c, s)
        line[j, COS], line[j, SIN] = to_frame(line[j, COS], line[j, SIN], c, s)
    info[LATERAL] = line[0, SIN] * line[0, X] - line[0, COS] * line[0, Y]
    info[HEADING_SIN], info[HEADING_COS] = -line[0, SIN], line[0, COS]


# Arrays one by one (LaneArrays, LaneLights), as in ``kernels``: in a tuple each costs 0.2 us more to hand over.
@njit(cache=True, nogil=True)
def write_references(
    b: int, reference: F32, mask: Bool, line_valid: Bool, out_info: F32, ego: F64, step: float, points: F64,
    offsets: I64, arc: F64, block: I64, lane_info: F64, successors: I64, successor_offsets: I64, block_lanes: I64,
    block_offsets: I64, light_lane: I64, light_state: NDArray[np.uint8], route: I64, near: I64,
) -> bool:  # fmt: skip
    """Row b of the lines, in the ego frame. route (r,): rows of RoadBlocks; near (n,): lanes to look at where the ego
    is on none of the route. Returns whether a lane fits; where none does, line 0 is the straight line ahead, with every
    point masked."""
    lanes = LaneArrays(
        points, offsets, arc, block, lane_info, successors, successor_offsets, block_lanes, block_offsets
    )
    lights = LaneLights(light_lane, light_state)
    lines, count = reference.shape[1], reference.shape[2]
    mask[b], line_valid[b] = False, False
    reference[b], out_info[b] = 0.0, 0.0
    if lines == 0:
        return True
    table = route_lanes(route, lanes)
    own, position = _own_lane(lanes, table, near, ego)
    line = _Line(np.zeros((count, POINT_SIZE)), np.zeros(count, np.bool_), np.zeros(INFO_SIZE))
    line_valid[b, 0] = True
    if own < 0:
        for j in range(count):
            reference[b, 0, j, X], reference[b, 0, j, COS] = j * step, 1.0
        out_info[b, 0, HEADING_COS] = 1.0
        out_info[b, 0, TO_RED : TO_STOP + 1] = FAR_M
        return False
    left, right = _neighbors(lanes, own, ego[0], ego[1])
    for r in range(min(lines, _LANES)):
        first = own if r == 0 else left if r == 1 else right
        if first < 0:
            continue
        _walk(line, first, position, ego, step, lanes, table, lights)
        _to_ego(line.points, line.info, ego[0], ego[1], ego[2])
        line_valid[b, r] = True
        mask[b, r] = line.valid
        reference[b, r] = line.points.astype(np.float32)
        out_info[b, r] = line.info.astype(np.float32)
    return True


@njit(cache=True, nogil=True)
def write_frenet(
    b: int, out: F32, line: F32, line_valid: Bool, pose: F32, size: F32, velocity: F32, present: Bool
) -> None:
    """Objects beside each line: row b of out (B, R, A, 6) = arc length, lateral offset, their rates, half extents along
    and across.

    line (B, R, P, 10) in the ego frame; pose (A, 4) x, y, cos, sin; size (A, 2) length, width; velocity (A, 2) ego
    axes; present (A,)."""
    out[b] = 0.0
    count = line.shape[2]
    for r in range(line.shape[1]):
        if not line_valid[b, r]:
            continue
        for a in range(len(pose)):
            if not present[a]:
                continue
            nearest, j = np.inf, 0
            for k in range(count):
                d2 = (line[b, r, k, X] - pose[a, 0]) ** 2 + (line[b, r, k, Y] - pose[a, 1]) ** 2
                if d2 < nearest:
                    nearest, j = d2, k
            c, s = line[b, r, j, COS], line[b, r, j, SIN]
            dx, dy = pose[a, 0] - line[b, r, j, X], pose[a, 1] - line[b, r, j, Y]
            step = np.hypot(line[b, r, 1, X] - line[b, r, 0, X], line[b, r, 1, Y] - line[b, r, 0, Y])
            along, across = abs(c * pose[a, 2] + s * pose[a, 3]), abs(c * pose[a, 3] - s * pose[a, 2])
            out[b, r, a, 0] = j * step + c * dx + s * dy
            out[b, r, a, 1] = c * dy - s * dx
            out[b, r, a, 2], out[b, r, a, 3] = to_frame(velocity[a, 0], velocity[a, 1], c, s)
            out[b, r, a, 4] = 0.5 * (along * size[a, 0] + across * size[a, 1])
            out[b, r, a, 5] = 0.5 * (across * size[a, 0] + along * size[a, 1])
