"""Features: what networks read of a scene, built by one set of numba kernels for training and driving alike.

Everything is float32 in the ego frame (x forward, y left, rear axle at the origin), with fixed capacities (``FeatureSpec``). Of the ego only the current
state is given: a history of its own motion tempts an imitator to repeat it (PlanTF, Cheng et al. 2023). Arrays, with leading dimension B:

===================  ==============  ==================================================================================================
name                 shape           content
===================  ==============  ==================================================================================================
ego                  (6,)            vx, vy, ax, ay (body frame), steering angle, yaw rate
vehicle              (4,)            rear axle to box centre, length, width, wheel base
agent                (A, H, 6)       nearest moving objects, oldest first: centre x, y, cos, sin of heading, vx, vy
agent_valid          (A, H) bool     [..., -1] says whether the row is used
agent_size           (A, 2)          length, width
agent_kind           (A,) int64      ObjectKind
agent_id             (A,) int64      track id of the row, for targets; 0 where unused
static               (S, 6)          nearest static objects: centre x, y, cos, sin, length, width
static_kind          (S,) int64      ObjectKind
static_mask          (S,) bool
lane                 (N, P, 6)       nearest pieces of lanes and connectors: centre x, y, left edge x, y, right edge x, y
lane_info            (N, 4)          speed limit m/s (0 unknown), on the route, connector, stop sign
lane_light           (N,) int64      LightState, 4 where there is no light
lane_mask            (N,) bool
route_lane           (M, P, 6)       nearest pieces of lanes on the route
route_lane_mask      (M,) bool
crosswalk            (C, P, 2)       outlines
crosswalk_mask       (C,) bool
reference            (R, Q, 10)      lines ahead: own lane, left, right (``reference_lines``): x, y, cos, sin, limit, on route, red, green, stop, connector
reference_mask       (R, Q) bool     points on the map
reference_valid      (R,) bool       line 0 always
reference_info       (R, 8)          ego's lateral offset, sin, cos of its heading error; metres to red, yellow, stop sign, end of route; limit here
reference_agent      (R, A, 6)       agents beside each line: arc length, offset, their rates, half extents along and across
reference_static     (R, S, 6)       static objects likewise
===================  ==============  ==================================================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.feature_map import CELL_M, CellIndex, FeatureMap, feature_map
from roadcraft.core.driving.reference_lines import INFO_SIZE, POINT_SIZE, light_of, write_frenet, write_references
from roadcraft.core.errors import PluginError
from roadcraft.core.interfaces import FeatureSpec
from roadcraft.core.map import MapData, index_of
from roadcraft.core.rollout import ObservationBatch
from roadcraft.core.scenario import Drive, ObjectKind
from roadcraft.core.vehicle import Vehicle

LAST_MOVING = int(ObjectKind.BICYCLE)
LAYOUT = 1  # raise when an array's meaning changes: old checkpoints are then refused
F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]
Features = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class SceneArrays:
    """One scene as plain arrays, global frame; from an observation or from a log.

    ego (10,) columns ``Ego``; key (R,) int64, kind (R,), box (R, 5), velocity (R, 2): rows of all frames of the source;
    frames (H, 2) int64: first and past-the-last row of each past frame, oldest first, now last, equal where there is none;
    light_lane (n,) lane ids, light_state (n,); route (r,) ids of road blocks; vehicle (4,) as in the features.
    """

    ego: F64
    key: I64
    kind: U8
    box: F64
    velocity: F64
    frames: I64
    light_lane: I64
    light_state: U8
    route: I64
    map: MapData
    vehicle: F64


def layout_hash(spec: FeatureSpec) -> str:
    """Identifies the features' layout: capacities and the meaning of the arrays. Stored in checkpoints and compared when they are loaded."""
    return blake2b(f"{LAYOUT}:{spec.schema_hash()}".encode(), digest_size=8).hexdigest()


def merge_specs(a: FeatureSpec, b: FeatureSpec) -> FeatureSpec:
    """The features that serve an encoder and a model: the larger of each capacity. Raises PluginError where their grids differ."""
    grid = ("past_interval_s", "lane_points", "reference_interval_m", "radius_m", "future_steps", "future_interval_s")
    wrong = [g for g in grid if getattr(a, g) != getattr(b, g)]
    if wrong:
        raise PluginError(f"encoder and model ask for features on different grids: {', '.join(wrong)}")
    larger = (
        "agents",
        "past_steps",
        "static",
        "lanes",
        "route_lanes",
        "crosswalks",
        "reference_lines",
        "reference_points",
        "future_agents",
    )
    return replace(a, **{k: max(getattr(a, k), getattr(b, k)) for k in larger})


def allocate(spec: FeatureSpec, batch: int) -> Features:
    """Zeroed feature arrays for ``batch`` scenes."""
    s = spec
    shapes: dict[str, tuple[tuple[int, ...], Any]] = {
        "ego": ((6,), np.float32),
        "vehicle": ((4,), np.float32),
        "agent": ((s.agents, s.past_steps, 6), np.float32),
        "agent_valid": ((s.agents, s.past_steps), np.bool_),
        "agent_size": ((s.agents, 2), np.float32),
        "agent_kind": ((s.agents,), np.int64),
        "agent_id": ((s.agents,), np.int64),
        "static": ((s.static, 6), np.float32),
        "static_kind": ((s.static,), np.int64),
        "static_mask": ((s.static,), np.bool_),
        "lane": ((s.lanes, s.lane_points, 6), np.float32),
        "lane_info": ((s.lanes, 4), np.float32),
        "lane_light": ((s.lanes,), np.int64),
        "lane_mask": ((s.lanes,), np.bool_),
        "route_lane": ((s.route_lanes, s.lane_points, 6), np.float32),
        "route_lane_mask": ((s.route_lanes,), np.bool_),
        "crosswalk": ((s.crosswalks, s.lane_points, 2), np.float32),
        "crosswalk_mask": ((s.crosswalks,), np.bool_),
        "reference": ((s.reference_lines, s.reference_points, POINT_SIZE), np.float32),
        "reference_mask": ((s.reference_lines, s.reference_points), np.bool_),
        "reference_valid": ((s.reference_lines,), np.bool_),
        "reference_info": ((s.reference_lines, INFO_SIZE), np.float32),
        "reference_agent": ((s.reference_lines, s.agents, 6), np.float32),
        "reference_static": ((s.reference_lines, s.static, 6), np.float32),
    }
    return {name: np.zeros((batch, *shape), kind) for name, (shape, kind) in shapes.items()}


def build_features(spec: FeatureSpec, scenes: Sequence[SceneArrays]) -> Features:
    """Features of B scenes."""
    out = allocate(spec, len(scenes))
    for b, scene in enumerate(scenes):
        write_features(spec, scene, out, b)
    return out


def write_features(spec: FeatureSpec, scene: SceneArrays, out: Features, b: int) -> None:
    """Fill row ``b`` of ``out``."""
    fm = feature_map(scene.map, spec.lane_points)
    ego = scene.ego
    out["ego"][b] = ego[3:9]
    out["vehicle"][b] = scene.vehicle
    _write_agents(
        b, out["agent"], out["agent_valid"], out["agent_size"], out["agent_kind"], out["agent_id"],
        ego, scene.key, scene.kind, scene.box, scene.velocity, scene.frames, spec.radius_m,
    )  # fmt: skip
    now = scene.frames[-1]
    _write_static(
        b, out["static"], out["static_kind"], out["static_mask"], ego, scene.kind, scene.box, now, spec.radius_m
    )
    light_lane, route = _rows(fm, scene.light_lane), scene.map.block_rows(scene.route)
    _write_lanes(
        b, out["lane"], out["lane_info"], out["lane_light"], out["lane_mask"], out["route_lane"], out["route_lane_mask"], ego,
        spec.radius_m, fm.pieces, fm.piece_lane, fm.block, fm.speed, fm.connector, fm.stop_sign, route, light_lane,
        scene.light_state, *_grid(fm.cells),
    )  # fmt: skip
    _write_crosswalks(b, out["crosswalk"], out["crosswalk_mask"], ego, spec.radius_m, fm.crosswalks)
    near = _near_lanes(ego[0], ego[1], fm.piece_lane, *_grid(fm.cells))
    write_references(
        b, out["reference"], out["reference_mask"], out["reference_valid"], out["reference_info"], ego,
        spec.reference_interval_m, fm.points, fm.offsets, fm.arc, fm.block, fm.speed, fm.connector, fm.stop_sign,
        fm.successors.values, fm.successors.offsets, fm.block_lanes.values, fm.block_lanes.offsets, route, near,
        light_lane, scene.light_state,
    )  # fmt: skip
    _write_beside(
        b, out["reference_agent"], out["reference_static"], out["reference"], out["reference_valid"], out["agent"],
        out["agent_size"], out["agent_valid"], out["static"], out["static_mask"],
    )  # fmt: skip


def _grid(cells: CellIndex) -> tuple[F64, I64, I64, I64]:
    return cells.origin, cells.shape, cells.offsets, cells.items


def _rows(fm: FeatureMap, ids: I64) -> I64:
    if len(fm.light_id) == 0 or len(ids) == 0:
        return np.full(len(ids), -1, np.int64)
    at = np.minimum(np.searchsorted(fm.light_id, ids), len(fm.light_id) - 1)
    return np.where(fm.light_id[at] == ids, fm.light_row[at], -1)


def vehicle_row(vehicle: Vehicle) -> F64:
    """The vehicle feature (4,)."""
    return np.append(vehicle.box, vehicle.body.wheel_base_m)


def scenes_of(obs: ObservationBatch, spec: FeatureSpec) -> list[SceneArrays]:
    """The scenes of an observation. Without object history every past frame but the present one is empty."""
    past = obs.objects if obs.objects_past is None else obs.objects_past
    per = len(past) // max(len(obs), 1)
    key, row = past.id.view(np.int64), vehicle_row(obs.vehicle)
    out = []
    for b in range(len(obs)):
        step = max(round(spec.past_interval_s / float(obs.interval_s[b])), 1)
        frames = np.zeros((spec.past_steps, 2), np.int64)
        for h in range(spec.past_steps):
            p = per - 1 - step * (spec.past_steps - 1 - h)
            if p >= 0:
                frames[h] = past.offsets[b * per + p], past.offsets[b * per + p + 1]
        li = obs.lights.rows(b)
        out.append(
            SceneArrays(
                obs.ego_past[b, -1], key, past.kind, past.box, past.velocity, frames, obs.lights.lane[li],
                obs.lights.state[li], obs.route[b], obs.maps[b], row,
            )
        )  # fmt: skip
    return out


class LogScenes:
    """The scenes of a drive: ``at(frame)`` is what an observation at that frame holds. Looks at nothing later than the frame."""

    def __init__(self, drive: Drive, map_data: MapData, vehicle: Vehicle, spec: FeatureSpec) -> None:
        self.drive, self.map, self.spec = drive, map_data, spec
        track = drive.objects.track
        self.key = np.ascontiguousarray(drive.tracks.id[track]).view(np.int64)
        self.kind = np.ascontiguousarray(drive.tracks.kind[track])
        self.vehicle = vehicle_row(vehicle)
        self.past_stride = max(round(spec.past_interval_s * 1e6 / drive.interval_us), 1)
        self.future_stride = max(round(spec.future_interval_s * 1e6 / drive.interval_us), 1)
        self._empty = np.zeros(0, np.int64)

    def at(self, frame: int, ego: F64 | None = None) -> SceneArrays:
        """The scene at a frame, seen from the logged ego state or from another (10,) one."""
        d = self.drive
        index = frame - self.past_stride * np.arange(self.spec.past_steps - 1, -1, -1)
        some = np.maximum(index, 0)
        frames = np.stack([d.objects.offsets[some], d.objects.offsets[some + 1]], 1)
        frames[index < 0] = 0
        lights, scene = d.lights.rows(frame), d.scenes.at(frame)
        return SceneArrays(
            d.ego[frame] if ego is None else ego, self.key, self.kind, d.objects.box, d.objects.velocity, frames,
            d.lights.lane[lights], d.lights.state[lights], d.scenes.route[scene] if scene >= 0 else self._empty, self.map,
            self.vehicle,
        )  # fmt: skip

    def future(self, frame: int) -> tuple[I64, NDArray[np.bool_]]:
        """Drive frames of the targets (T,) and which of them exist."""
        index = frame + self.future_stride * np.arange(1, self.spec.future_steps + 1)
        return np.minimum(index, len(self.drive) - 1), index < len(self.drive)


def agent_targets(
    spec: FeatureSpec, scenes: LogScenes, frame: int, ego: F64, ids: I64
) -> tuple[F32, NDArray[np.bool_]]:
    """Futures of the agents with the given track ids: (A, T, 4) x, y, cos, sin in the frame of ``ego``, and their validity (A, T)."""
    index, valid = scenes.future(frame)
    d = scenes.drive
    frames = np.stack([d.objects.offsets[index], d.objects.offsets[index + 1]], 1)
    frames[~valid] = 0
    out, seen = (
        np.zeros((len(ids), spec.future_steps, 4), np.float32),
        np.zeros((len(ids), spec.future_steps), np.bool_),
    )
    _agent_targets(out, seen, ego, scenes.key, d.objects.box, frames, ids)
    return out, seen


def unknown_blocks(map_data: MapData, route: I64) -> I64:
    """Ids of a route that the map does not know."""
    return route[index_of(map_data.blocks.id, route) < 0]


# ---- kernels ----------------------------------------------------------------------------------------------------------------------------------------


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
def _write_agents(
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
def _write_static(
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
def _candidates(x: float, y: float, reach: float, origin: F64, shape: I64, offsets: I64, items: I64) -> I64:
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
def _near_lanes(x: float, y: float, piece_lane: I64, origin: F64, shape: I64, offsets: I64, items: I64) -> I64:
    """Lanes with a piece in the cells around a point, for an ego without a route."""
    pieces = _candidates(x, y, 0.5 * CELL_M, origin, shape, offsets, items)
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
def _write_lanes(
    b: int, out: F32, info: F32, light: I64, mask: NDArray[np.bool_], route_out: F32, route_mask: NDArray[np.bool_], ego: F64,
    radius: float, pieces: F64, piece_lane: I64, block: I64, speed: F64, connector: U8, stop_sign: U8, route: I64,
    light_lane: I64, light_state: U8, origin: F64, shape: I64, offsets: I64, items: I64,
) -> None:  # fmt: skip
    out[b], info[b], light[b], mask[b], route_out[b], route_mask[b] = 0.0, 0.0, 4, False, 0.0, False
    rows = _candidates(ego[0], ego[1], radius, origin, shape, offsets, items)
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


@njit(cache=True, nogil=True)
def _write_crosswalks(b: int, out: F32, mask: NDArray[np.bool_], ego: F64, radius: float, outlines: F64) -> None:
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


@njit(cache=True, nogil=True)
def _write_beside(
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
def _agent_targets(out: F32, seen: NDArray[np.bool_], ego: F64, key: I64, box: F64, frames: I64, ids: I64) -> None:
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
