"""Numba kernels that fill one row of the feature arrays (``groups``) from one scene.

Kernels that Python calls for each scene take their arrays one by one, since in a named tuple each costs 0.2 us more to
hand over, which the benchmark of the features shows; within them arrays that belong together are one tuple.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.scenario import LAST_MOVING, LightState
from roadcraft.core.driving.features.map_tensors import (
    CELL_M,
    CONNECTOR,
    LIMIT,
    STOP,
    CellIndex,
    LaneLights,
    PieceArrays,
)
from roadcraft.core.driving.features.reference_lines import light_of, write_frenet
from roadcraft.core.driving.geometry.frames import pose_in_frame, to_frame
from roadcraft.core.driving.jit import njit

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]
Bool = NDArray[np.bool_]
_NO_LIGHT = len(LightState)  # where no light governs a lane


class MapTensors(NamedTuple):
    """Tensors of the group ``map``: lane (B, N, P, 6), lane_info (B, N, 4), lane_light (B, N),
    lane_mask (B, N), route_lane (B, M, P, 6), route_lane_mask (B, M), crosswalk (B, C, P, 2), crosswalk_mask (B, C)."""

    lane: F32
    lane_info: F32
    lane_light: I64
    lane_mask: Bool
    route_lane: F32
    route_lane_mask: Bool
    crosswalk: F32
    crosswalk_mask: Bool


@njit(cache=True, nogil=True)
def _nearest(box: F64, kind: U8, frame: I64, ego: F64, radius: float, low: int, high: int, n: int) -> I64:
    """Rows of the up to n objects of a frame (2,) that are nearest to ego, with low <= kind <= high, nearest first,
    ties in row order."""
    (first, last), x, y = frame, ego[0], ego[1]
    distance, row, found = np.empty(last - first), np.empty(last - first, np.int64), 0
    for i in range(first, last):
        d = (box[i, 0] - x) ** 2 + (box[i, 1] - y) ** 2
        if low <= kind[i] <= high and d <= radius * radius:
            distance[found], row[found] = d, i
            found += 1
    return row[:found][np.argsort(distance[:found], kind="mergesort")][:n]


@njit(cache=True, nogil=True)
def _find(key: I64, first: int, last: int, wanted: int, guess: int) -> int:
    """The row of a track in a frame, looked for first where it stood in the frame before; -1 where it is not there."""
    if last <= first:
        return -1
    k = first + min(max(guess, 0), last - first - 1)
    for _ in range(last - first):
        if key[k] == wanted:
            return k
        k += 1
        if k == last:
            k = first
    return -1


@njit(cache=True, nogil=True)
def write_agents(
    b: int, agent: F32, valid: Bool, size: F32, out_kind: I64, out_id: I64, ego: F64, key: I64, kind: U8, box: F64,
    velocity: F64, frames: I64, radius: float,
) -> None:  # fmt: skip
    """Row b: the nearest moving objects of the last frame within ``radius``, and where each was in the earlier ones."""
    agent[b], valid[b], size[b], out_kind[b], out_id[b] = 0.0, False, 0.0, 0, 0
    steps = agent.shape[2]
    first = frames[steps - 1, 0]
    rows = _nearest(box, kind, frames[steps - 1], ego, radius, 0, LAST_MOVING, agent.shape[1])
    c, s = np.cos(ego[2]), np.sin(ego[2])
    for a in range(len(rows)):
        now = rows[a]
        size[b, a, 0], size[b, a, 1] = box[now, 3], box[now, 4]
        out_kind[b, a], out_id[b, a] = kind[now], key[now]
        guess = now - first
        for h in range(steps - 1, -1, -1):
            f, l = frames[h]
            i = now if h == steps - 1 else _find(key, f, l, key[now], guess)
            if i < 0:
                continue
            guess = i - f
            agent[b, a, h, :4] = pose_in_frame(box[i, 0], box[i, 1], box[i, 2], ego, c, s)
            agent[b, a, h, 4], agent[b, a, h, 5] = to_frame(velocity[i, 0], velocity[i, 1], c, s)
            valid[b, a, h] = True


@njit(cache=True, nogil=True)
def write_static(
    b: int, static: F32, out_kind: I64, mask: Bool, ego: F64, kind: U8, box: F64, frames: I64, radius: float
) -> None:
    """Row b: the nearest objects of the last frame within ``radius`` that never move."""
    static[b], out_kind[b], mask[b] = 0.0, 0, False
    rows = _nearest(box, kind, frames[-1], ego, radius, LAST_MOVING + 1, 255, static.shape[1])
    c, s = np.cos(ego[2]), np.sin(ego[2])
    for a in range(len(rows)):
        i = rows[a]
        static[b, a, :4] = pose_in_frame(box[i, 0], box[i, 1], box[i, 2], ego, c, s)
        static[b, a, 4], static[b, a, 5] = box[i, 3], box[i, 4]
        out_kind[b, a], mask[b, a] = kind[i], True


@njit(cache=True, nogil=True)
def candidates(x: float, y: float, reach: float, cells: CellIndex) -> I64:
    """Items of the cells within ``reach``, each once, ascending."""
    origin, shape, offsets, items = cells.origin, cells.shape, cells.offsets, cells.items
    x0, x1 = max(int(np.floor((x - reach - origin[0]) / CELL_M)), 0), int(np.floor((x + reach - origin[0]) / CELL_M))
    y0, y1 = max(int(np.floor((y - reach - origin[1]) / CELL_M)), 0), int(np.floor((y + reach - origin[1]) / CELL_M))
    x1, y1 = min(x1, shape[0] - 1), min(y1, shape[1] - 1)
    total = 0
    for cy in range(y0, y1 + 1):
        for cx in range(x0, x1 + 1):
            total += offsets[cy * shape[0] + cx + 1] - offsets[cy * shape[0] + cx]
    found, n = np.empty(total, np.int64), 0
    for cy in range(y0, y1 + 1):
        for cx in range(x0, x1 + 1):
            for k in range(offsets[cy * shape[0] + cx], offsets[cy * shape[0] + cx + 1]):
                found[n] = items[k]
                n += 1
    found.sort()
    unique = 0
    for k in range(total):
        if k == 0 or found[k] != found[k - 1]:
            found[unique] = found[k]
            unique += 1
    return found[:unique]


@njit(cache=True, nogil=True)
def near_lanes(x: float, y: float, pieces: PieceArrays) -> I64:
    """Lanes with a piece in the cells around a point, for an ego without a route."""
    return np.unique(pieces.lane[candidates(x, y, 0.5 * CELL_M, pieces.cells)])


@njit(cache=True, nogil=True)
def _write_piece(out: F32, piece: F64, ego: F64, c: float, s: float) -> None:
    for k in range(len(piece)):
        for j in range(0, piece.shape[1], 2):
            out[k, j], out[k, j + 1] = to_frame(piece[k, j] - ego[0], piece[k, j + 1] - ego[1], c, s)


@njit(cache=True, nogil=True)
def _distances(points: F64, rows: I64, x: float, y: float) -> F64:
    """Squared distance from x, y to the nearest point of each row's polyline."""
    out = np.full(len(rows), np.inf)
    for i in range(len(rows)):
        for k in range(points.shape[1]):
            out[i] = min(out[i], (points[rows[i], k, 0] - x) ** 2 + (points[rows[i], k, 1] - y) ** 2)
    return out


@njit(cache=True, nogil=True)
def write_map(
    b: int, lane: F32, lane_info: F32, lane_light: I64, lane_mask: Bool, route_lane: F32, route_mask: Bool,
    crosswalk: F32, crosswalk_mask: Bool, ego: F64, radius: float, points: F64, piece_lane: I64, block: I64, info: F64,
    origin: F64, shape: I64, offsets: I64, items: I64, outlines: F64, light_lane: I64, light_state: U8, route: I64,
) -> tuple[I64, I64]:  # fmt: skip
    """Row b: the nearest pieces of lanes, those on the route once more, the nearest crosswalks. outlines (C, P, 2) of
    crosswalks; route (r,): rows of RoadBlocks. Returns the pieces and the crosswalks in the scene's rows."""
    out = MapTensors(lane, lane_info, lane_light, lane_mask, route_lane, route_mask, crosswalk, crosswalk_mask)
    pieces = PieceArrays(points, piece_lane, block, info, CellIndex(origin, shape, offsets, items))
    lights = LaneLights(light_lane, light_state)
    crosswalks = _write_crosswalks(b, out, ego, radius, outlines)
    return _write_lanes(b, out, ego, radius, pieces, route, lights), crosswalks


@njit(cache=True, nogil=True)
def _write_lanes(
    b: int, out: MapTensors, ego: F64, radius: float, pieces: PieceArrays, route: I64, lights: LaneLights
) -> I64:
    lane_out, info, mask, route_out = out.lane, out.lane_info, out.lane_mask, out.route_lane
    lane_out[b], info[b], out.lane_light[b], mask[b] = 0.0, 0.0, _NO_LIGHT, False
    route_out[b], out.route_lane_mask[b] = 0.0, False
    rows = candidates(ego[0], ego[1], radius, pieces.cells)
    distance = _distances(pieces.points, rows, ego[0], ego[1])
    # mergesort is stable: of two pieces at one distance the first of the map comes first, wherever the cells begin
    order = np.argsort(distance, kind="mergesort")
    c, s = np.cos(ego[2]), np.sin(ego[2])
    on_routes = 0
    for n in range(len(order)):
        row = rows[order[n]]
        full = n >= lane_out.shape[1] and on_routes >= route_out.shape[1]
        if distance[order[n]] > radius * radius or full:
            break
        on_route = False
        for r in range(len(route)):
            on_route = on_route or (route[r] >= 0 and route[r] == pieces.block[row])
        if n < lane_out.shape[1]:
            _write_piece(lane_out[b, n], pieces.points[row], ego, c, s)
            info[b, n, 0], info[b, n, 1] = pieces.info[row, LIMIT], 1.0 if on_route else 0.0
            info[b, n, 2], info[b, n, 3] = pieces.info[row, CONNECTOR], pieces.info[row, STOP]
            out.lane_light[b, n] = light_of(pieces.lane[row], lights)
            mask[b, n] = True
        if on_route and on_routes < route_out.shape[1]:
            _write_piece(route_out[b, on_routes], pieces.points[row], ego, c, s)
            out.route_lane_mask[b, on_routes] = True
            on_routes += 1
    return rows[order[: mask[b].sum()]]


@njit(cache=True, nogil=True)
def _write_crosswalks(b: int, out: MapTensors, ego: F64, radius: float, outlines: F64) -> I64:
    crosswalk, mask = out.crosswalk, out.crosswalk_mask
    crosswalk[b], mask[b] = 0.0, False
    # outlines are few per map (a city has some thousands): one vertex decides whether one is worth measuring
    near = np.empty(len(outlines), np.int64)
    count = 0
    for i in range(len(outlines)):
        if abs(outlines[i, 0, 0] - ego[0]) < 2.0 * radius and abs(outlines[i, 0, 1] - ego[1]) < 2.0 * radius:
            near[count] = i
            count += 1
    rows = near[:count]
    distance = _distances(outlines, rows, ego[0], ego[1])
    order = np.argsort(distance, kind="mergesort")
    c, s = np.cos(ego[2]), np.sin(ego[2])
    for n in range(min(len(order), crosswalk.shape[1])):
        if distance[order[n]] > radius * radius:
            break
        _write_piece(crosswalk[b, n], outlines[rows[order[n]]], ego, c, s)
        mask[b, n] = True
    return rows[order[: mask[b].sum()]]


@njit(cache=True, nogil=True)
def write_line_objects(
    b: int, out_agent: F32, out_static: F32, line: F32, line_valid: Bool, agent: F32, agent_valid: Bool,
    agent_size: F32, static: F32, static_mask: Bool,
) -> None:  # fmt: skip
    """Row b of reference_agent and reference_static, from the lines, agents and static objects that are written
    already."""
    now = agent.shape[2] - 1
    pose, velocity = agent[b, :, now, :4].copy(), agent[b, :, now, 4:6].copy()
    seen = agent_valid[b, :, now].copy()
    write_frenet(b, out_agent, line, line_valid, pose, agent_size[b], velocity, seen)
    still = np.zeros((static.shape[1], 2), np.float32)
    boxes, size = static[b, :, :4].copy(), static[b, :, 4:6].copy()
    write_frenet(b, out_static, line, line_valid, boxes, size, still, static_mask[b])


@njit(cache=True, nogil=True)
def agent_targets_into(out: F32, seen: Bool, ego: F64, key: I64, box: F64, frames: I64, ids: I64) -> None:
    c, s = np.cos(ego[2]), np.sin(ego[2])
    for a in range(len(ids)):
        if ids[a] == 0:
            continue
        guess = 0
        for t in range(len(frames)):
            i = _find(key, frames[t, 0], frames[t, 1], ids[a], guess)
            if i < 0:
                continue
            guess = i - frames[t, 0]
            out[a, t] = pose_in_frame(box[i, 0], box[i, 1], box[i, 2], ego, c, s)
            seen[a, t] = True
