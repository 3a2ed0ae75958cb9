"""Numba kernels that fill one row of the feature arrays (``features``) from one scene."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.features.map_tensors import CELL_M
from roadcraft.core.driving.features.reference_lines import light_of, write_frenet
from roadcraft.core.scenario import ObjectKind

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]
LAST_MOVING = int(ObjectKind.BICYCLE)


@njit(cache=True, nogil=True)
def _nearest(
    box: F64, kind: U8, first: int, last: int, x: float, y: float, radius: float, low: int, high: int, n: int
) -> I64:
    """Rows of the up to n nearest objects with low <= kind <= high, nearest first, ties in row order."""
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
    b: int, out: F32, valid: NDArray[np.bool_], size: F32, out_kind: I64, out_id: I64, ego: F64, key: I64, kind: U8,
    box: F64, velocity: F64, frames: I64, radius: float,
) -> None:  # fmt: skip
    out[b], valid[b], size[b], out_kind[b], out_id[b] = 0.0, False, 0.0, 0, 0
    steps = out.shape[2]
    first, last = frames[steps - 1]
    rows = _nearest(box, kind, first, last, ego[0], ego[1], radius, 0, LAST_MOVING, out.shape[1])
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
            dx, dy, turn = box[i, 0] - ego[0], box[i, 1] - ego[1], box[i, 2] - ego[2]
            out[b, a, h, 0], out[b, a, h, 1] = c * dx + s * dy, c * dy - s * dx
            out[b, a, h, 2], out[b, a, h, 3] = np.cos(turn), np.sin(turn)
            out[b, a, h, 4] = c * velocity[i, 0] + s * velocity[i, 1]
            out[b, a, h, 5] = c * velocity[i, 1] - s * velocity[i, 0]
            valid[b, a, h] = True


@njit(cache=True, nogil=True)
def write_static(
    b: int, out: F32, out_kind: I64, mask: NDArray[np.bool_], ego: F64, kind: U8, box: F64, now: I64, radius: float
) -> None:
    out[b], out_kind[b], mask[b] = 0.0, 0, False
    rows = _nearest(box, kind, now[0], now[1], ego[0], ego[1], radius, LAST_MOVING + 1, 255, out.shape[1])
    c, s = np.cos(ego[2]), np.sin(ego[2])
    for a in range(len(rows)):
        i = rows[a]
        dx, dy, turn = box[i, 0] - ego[0], box[i, 1] - ego[1], box[i, 2] - ego[2]
        out[b, a, 0], out[b, a, 1] = c * dx + s * dy, c * dy - s * dx
        out[b, a, 2], out[b, a, 3] = np.cos(turn), np.sin(turn)
        out[b, a, 4], out[b, a, 5] = box[i, 3], box[i, 4]
        out_kind[b, a], mask[b, a] = kind[i], True


@njit(cache=True, nogil=True)
def candidates(x: float, y: float, reach: float, origin: F64, shape: I64, offsets: I64, items: I64) -> I64:
    """Items of the cells within ``reach``, each once, ascending."""
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
def near_lanes(x: float, y: float, piece_lane: I64, origin: F64, shape: I64, offsets: I64, items: I64) -> I64:
    """Lanes with a piece in the cells around a point, for an ego without a route."""
    pieces = candidates(x, y, 0.5 * CELL_M, origin, shape, offsets, items)
    return np.unique(piece_lane[pieces])


@njit(cache=True, nogil=True)
def _write_piece(out: F32, piece: F64, ego: F64, c: float, s: float) -> None:
    for k in range(len(piece)):
        for j in range(0, piece.shape[1], 2):
            dx, dy = piece[k, j] - ego[0], piece[k, j + 1] - ego[1]
            out[k, j], out[k, j + 1] = c * dx + s * dy, c * dy - s * dx


@njit(cache=True, nogil=True)
def _distances(points: F64, rows: I64, x: float, y: float) -> F64:
    """Squared distance from x, y to the nearest point of each row's polyline."""
    out = np.full(len(rows), np.inf)
    for i in range(len(rows)):
        for k in range(points.shape[1]):
            out[i] = min(out[i], (points[rows[i], k, 0] - x) ** 2 + (points[rows[i], k, 1] - y) ** 2)
    return out


@njit(cache=True, nogil=True)
def write_lanes(
    b: int, out: F32, info: F32, light: I64, mask: NDArray[np.bool_], route_out: F32, route_mask: NDArray[np.bool_], ego: F64,
    radius: float, pieces: F64, piece_lane: I64, block: I64, speed: F64, connector: U8, stop_sign: U8, route: I64,
    light_lane: I64, light_state: U8, origin: F64, shape: I64, offsets: I64, items: I64,
) -> I64:  # fmt: skip
    """Returns the pieces in the scene's rows."""
    out[b], info[b], light[b], mask[b], route_out[b], route_mask[b] = 0.0, 0.0, 4, False, 0.0, False
    rows = candidates(ego[0], ego[1], radius, origin, shape, offsets, items)
    distance = _distances(pieces, rows, ego[0], ego[1])
    order = np.argsort(distance, kind="mergesort")
    c, s = np.cos(ego[2]), np.sin(ego[2])
    on_routes = 0
    for n in range(len(order)):
        row = rows[order[n]]
        if distance[order[n]] > radius * radius or (n >= out.shape[1] and on_routes >= route_out.shape[1]):
            break
        lane = piece_lane[row]
        on_route = False
        for r in range(len(route)):
            on_route = on_route or (route[r] >= 0 and route[r] == block[lane])
        if n < out.shape[1]:
            _write_piece(out[b, n], pieces[row], ego, c, s)
            info[b, n, 0], info[b, n, 1] = speed[lane], 1.0 if on_route else 0.0
            info[b, n, 2], info[b, n, 3] = float(connector[lane]), float(stop_sign[lane])
            light[b, n] = light_of(lane, light_lane, light_state)
            mask[b, n] = True
        if on_route and on_routes < route_out.shape[1]:
            _write_piece(route_out[b, on_routes], pieces[row], ego, c, s)
            route_mask[b, on_routes] = True
            on_routes += 1
    return rows[order[: mask[b].sum()]]


@njit(cache=True, nogil=True)
def write_crosswalks(b: int, out: F32, mask: NDArray[np.bool_], ego: F64, radius: float, outlines: F64) -> I64:
    """Returns the crosswalks in the scene's rows."""
    out[b], mask[b] = 0.0, False
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
    for n in range(min(len(order), out.shape[1])):
        if distance[order[n]] > radius * radius:
            break
        _write_piece(out[b, n], outlines[rows[order[n]]], ego, c, s)
        mask[b, n] = True
    return rows[order[: mask[b].sum()]]


@njit(cache=True, nogil=True)
def write_beside(
    b: int, out_agent: F32, out_static: F32, line: F32, line_valid: NDArray[np.bool_], agent: F32, agent_size: F32,
    agent_valid: NDArray[np.bool_], static: F32, static_mask: NDArray[np.bool_],
) -> None:  # fmt: skip
    now = agent.shape[2] - 1
    pose, velocity = agent[b, :, now, :4].copy(), agent[b, :, now, 4:6].copy()
    write_frenet(b, out_agent, line, line_valid, pose, agent_size[b], velocity, agent_valid[b, :, now].copy())
    still = np.zeros((static.shape[1], 2), np.float32)
    write_frenet(
        b, out_static, line, line_valid, static[b, :, :4].copy(), static[b, :, 4:6].copy(), still, static_mask[b]
    )


@njit(cache=True, nogil=True)
def agent_targets_into(out: F32, seen: NDArray[np.bool_], ego: F64, key: I64, box: F64, frames: I64, ids: I64) -> None:
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
            dx, dy, turn = box[i, 0] - ego[0], box[i, 1] - ego[1], box[i, 2] - ego[2]
            out[a, t, 0], out[a, t, 1] = c * dx + s * dy, c * dy - s * dx
            out[a, t, 2], out[a, t, 3] = np.cos(turn), np.sin(turn)
            seen[a, t] = True
