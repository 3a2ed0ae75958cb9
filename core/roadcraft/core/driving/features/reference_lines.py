"""Reference lines: the centrelines that the ego may follow along its route, from its own position onward (numba kernels).

Line 0 belongs to the lane the ego is in, line 1 to the lane on its left, line 2 to the one on its right. A line goes on into the successor that stays on
the route longest; past the route it takes the straightest successor; past the map it goes straight on and is marked as invalid.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64

F32 = NDArray[np.float32]

# columns of a reference point and of a line's summary
X, Y, COS, SIN, LIMIT, ON_ROUTE, RED, GREEN, STOP, CONNECTOR = range(10)
POINT_SIZE = 10
LATERAL, HEADING_SIN, HEADING_COS, TO_RED, TO_YELLOW, TO_STOP, TO_ROUTE_END, LIMIT_HERE = range(8)
INFO_SIZE = 8
FAR_M = 200.0  # stands for "none ahead"
REACH_M = 12.0  # a lane further off than this is not the ego's
_GREEN, _YELLOW, _RED, _NO_LIGHT = 0, 1, 2, 4


@njit(cache=True, nogil=True)
def light_of(lane: int, light_lane: I64, light_state: NDArray[np.uint8]) -> int:
    """State of the light that governs a lane row, 4 where there is none."""
    for i in range(len(light_lane)):
        if light_lane[i] == lane:
            return int(light_state[i])
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
def _end_heading(points: F64, offsets: I64, lane: int) -> float:
    b = offsets[lane + 1]
    if b - offsets[lane] < 2:
        return 0.0
    return float(np.arctan2(points[b - 1, 1] - points[b - 2, 1], points[b - 1, 0] - points[b - 2, 0]))


@njit(cache=True, nogil=True)
def route_table(route: I64, block_values: I64, block_offsets: I64, values: I64, offsets: I64) -> tuple[I64, I64, I64]:
    """Lanes of a route's blocks and how many further blocks each can follow without a lane change.

    route (r,) rows of RoadBlocks (-1 unknown) -> start (r + 1,), lane (c,), reach (c,): lanes of position i are ``start[i]:start[i + 1]``.
    """
    start = np.zeros(len(route) + 1, np.int64)
    for i in range(len(route)):
        n = block_offsets[route[i] + 1] - block_offsets[route[i]] if route[i] >= 0 else 0
        start[i + 1] = start[i] + n
    lane, reach = np.zeros(start[-1], np.int64), np.zeros(start[-1], np.int64)
    for i in range(len(route) - 1, -1, -1):
        for c in range(start[i], start[i + 1]):
            lane[c] = block_values[block_offsets[route[i]] + c - start[i]]
            if i + 1 < len(route):
                for k in range(offsets[lane[c]], offsets[lane[c] + 1]):
                    for d in range(start[i + 1], start[i + 2]):
                        if lane[d] == values[k]:
                            reach[c] = max(reach[c], 1 + reach[d])
    return start, lane, reach


@njit(cache=True, nogil=True)
def _cost(distance: float, turn: float) -> float:
    """How badly a lane fits the ego's pose; the other direction of a road never fits."""
    return distance + 3.0 * turn if turn < 1.6 and distance < REACH_M else np.inf


@njit(cache=True, nogil=True)
def _own_lane(
    points: F64, offsets: I64, arc: F64, start: I64, lane: I64, near: I64, x: float, y: float, heading: float
) -> tuple[int, int]:
    """The ego's lane and its position in the route: of the route where one fits, else of the lanes nearby with position -1; (-1, -1) if none fits."""
    best, found, position = np.inf, -1, -1
    for i in range(len(start) - 1):
        for c in range(start[i], start[i + 1]):
            a, b = offsets[lane[c]], offsets[lane[c] + 1]
            distance, _, _, h = _project(points, a, b, arc, x, y)
            cost = _cost(distance, _turn(h, heading))
            if cost < best:
                best, found, position = cost, lane[c], i
    if found < 0:
        for k in range(len(near)):
            distance, _, _, h = _project(points, offsets[near[k]], offsets[near[k] + 1], arc, x, y)
            cost = _cost(distance, _turn(h, heading))
            if cost < best:
                best, found = cost, near[k]
    return found, position


@njit(cache=True, nogil=True)
def _neighbours(
    points: F64, offsets: I64, arc: F64, block: I64, block_values: I64, block_offsets: I64, own: int, x: float, y: float
) -> tuple[int, int]:
    """The lanes of the same block next to ``own`` on the left and on the right, -1 where there is none."""
    left, right, left_gap, right_gap = -1, -1, np.inf, np.inf
    if block[own] < 0:
        return left, right
    _, _, own_lateral, own_heading = _project(points, offsets[own], offsets[own + 1], arc, x, y)
    for k in range(block_offsets[block[own]], block_offsets[block[own] + 1]):
        other = block_values[k]
        if other == own:
            continue
        _, _, lateral, heading = _project(points, offsets[other], offsets[other + 1], arc, x, y)
        gap = own_lateral - lateral
        if _turn(heading, own_heading) < 0.6:
            if 0.5 < gap < left_gap:
                left, left_gap = other, gap
            elif 0.5 < -gap < right_gap:
                right, right_gap = other, -gap
    return left, right


@njit(cache=True, nogil=True)
def _next(
    lane_now: int, position: int, points: F64, at: I64, values: I64, offsets: I64, start: I64, lane: I64, reach: I64
) -> tuple[int, int]:
    """The lane that follows and its position in the route (-1: off the route); lane -1 where the map ends."""
    best, found, where = -1, -1, -1
    if 0 <= position < len(start) - 2:
        for k in range(offsets[lane_now], offsets[lane_now + 1]):
            for c in range(start[position + 1], start[position + 2]):
                if lane[c] == values[k] and reach[c] > best:
                    best, found, where = reach[c], lane[c], position + 1
    if found < 0:
        straightest, heading = np.inf, _end_heading(points, at, lane_now)
        for k in range(offsets[lane_now], offsets[lane_now + 1]):
            turn = _turn(_end_heading(points, at, values[k]), heading)
            if turn < straightest and at[values[k] + 1] - at[values[k]] > 1:
                straightest, found = turn, values[k]
    return found, where


@njit(cache=True, nogil=True)
def _walk(
    out: F64, valid: NDArray[np.bool_], info: F64, first: int, position: int, x: float, y: float, step: float,
    points: F64, at: I64, arc: F64, speed: F64, connector: NDArray[np.uint8], stop_sign: NDArray[np.uint8],
    values: I64, offsets: I64, start: I64, lane: I64, reach: I64, light_lane: I64, light_state: NDArray[np.uint8],
) -> None:  # fmt: skip
    """One line from the place on lane ``first`` nearest to x, y: points in the global frame, and the distances to what lies ahead."""
    _, arc0, _, _ = _project(points, at[first], at[first + 1], arc, x, y)
    now, base, q, on_route = first, -arc0, at[first], position >= 0
    state, heading = light_of(now, light_lane, light_state), 0.0
    info[TO_RED], info[TO_YELLOW], info[TO_STOP], info[TO_ROUTE_END] = FAR_M, FAR_M, FAR_M, 0.0
    info[LIMIT_HERE] = speed[now]
    ended = False
    for j in range(len(out)):
        s = j * step
        while not ended and s - base > arc[at[now + 1] - 1]:
            following, position = _next(now, position, points, at, values, offsets, start, lane, reach)
            if following < 0:
                ended = True
                break
            base += arc[at[now + 1] - 1]
            now, q = following, at[following]
            on_route = on_route and position >= 0
            state = light_of(now, light_lane, light_state)
            for column, seen in ((TO_RED, state == _RED), (TO_YELLOW, state == _YELLOW), (TO_STOP, stop_sign[now] > 0)):
                if seen and info[column] >= FAR_M:
                    info[column] = base
        last = at[now + 1] - 1
        while q < last - 1 and arc[q + 1] < s - base:
            q += 1
        dx, dy = points[q + 1, 0] - points[q, 0], points[q + 1, 1] - points[q, 1]
        length = max(np.hypot(dx, dy), 1e-9)
        along = s - base - arc[q]
        out[j, X], out[j, Y] = points[q, 0] + along * dx / length, points[q, 1] + along * dy / length
        out[j, LIMIT], out[j, CONNECTOR], out[j, STOP] = speed[now], float(connector[now]), float(stop_sign[now])
        out[j, ON_ROUTE] = 1.0 if on_route else 0.0
        out[j, RED] = 1.0 if state == _RED else 0.5 if state == _YELLOW else 0.0
        out[j, GREEN] = 1.0 if state == _GREEN else 0.0
        valid[j] = not ended
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
        dx, dy = line[j, X] - x, line[j, Y] - y
        tx, ty = line[j, COS], line[j, SIN]
        line[j, X], line[j, Y] = c * dx + s * dy, c * dy - s * dx
        line[j, COS], line[j, SIN] = c * tx + s * ty, c * ty - s * tx
    info[LATERAL] = line[0, SIN] * line[0, X] - line[0, COS] * line[0, Y]
    info[HEADING_SIN], info[HEADING_COS] = -line[0, SIN], line[0, COS]


@njit(cache=True, nogil=True)
def write_references(
    b: int, out: F32, mask: NDArray[np.bool_], line_valid: NDArray[np.bool_], out_info: F32, ego: F64, step: float,
    points: F64, at: I64, arc: F64, block: I64, speed: F64, connector: NDArray[np.uint8], stop_sign: NDArray[np.uint8],
    values: I64, offsets: I64, block_values: I64, block_offsets: I64, route: I64, near: I64,
    light_lane: I64, light_state: NDArray[np.uint8],
) -> None:  # fmt: skip
    """Fill row b of reference (B, R, P, 10), its masks (B, R, P) and (B, R), and info (B, R, 8), in the ego frame.

    Where no lane fits, line 0 is the straight line ahead, with every point masked.
    """
    lines, count = out.shape[1], out.shape[2]
    x, y, heading = ego[0], ego[1], ego[2]
    mask[b], line_valid[b] = False, False
    out[b], out_info[b] = 0.0, 0.0
    if lines == 0:
        return
    start, lane, reach = route_table(route, block_values, block_offsets, values, offsets)
    own, position = _own_lane(points, at, arc, start, lane, near, x, y, heading)
    line, valid, info = np.zeros((count, POINT_SIZE)), np.zeros(count, np.bool_), np.zeros(INFO_SIZE)
    line_valid[b, 0] = True
    if own < 0:
        for j in range(count):
            out[b, 0, j, X], out[b, 0, j, COS] = j * step, 1.0
        out_info[b, 0, HEADING_COS] = 1.0
        out_info[b, 0, TO_RED : TO_STOP + 1] = FAR_M
        return
    left, right = _neighbours(points, at, arc, block, block_values, block_offsets, own, x, y)
    for r in range(min(lines, 3)):
        first = own if r == 0 else left if r == 1 else right
        if first < 0:
            continue
        _walk(
            line, valid, info, first, position, x, y, step, points, at, arc, speed, connector, stop_sign,
            values, offsets, start, lane, reach, light_lane, light_state,
        )  # fmt: skip
        _to_ego(line, info, x, y, heading)
        line_valid[b, r] = True
        mask[b, r] = valid
        out[b, r] = line.astype(np.float32)
        out_info[b, r] = info.astype(np.float32)


@njit(cache=True, nogil=True)
def write_frenet(
    b: int, out: F32, line: F32, line_valid: NDArray[np.bool_], pose: F32, size: F32, velocity: F32,
    present: NDArray[np.bool_],
) -> None:  # fmt: skip
    """Objects beside each line: row b of out (B, R, A, 6) = arc length, lateral offset, their rates, half extents along and across.

    line (B, R, P, 10) in the ego frame; pose (A, 4) x, y, cos, sin; size (A, 2) length, width; velocity (A, 2) ego axes; present (A,).
    """
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
            out[b, r, a, 2] = c * velocity[a, 0] + s * velocity[a, 1]
            out[b, r, a, 3] = c * velocity[a, 1] - s * velocity[a, 0]
            out[b, r, a, 4] = 0.5 * (along * size[a, 0] + across * size[a, 1])
            out[b, r, a, 5] = 0.5 * (across * size[a, 0] + along * size[a, 1])
