"""Features: what networks read of a scene, built by one set of numba kernels for training and driving alike.

Everything is float32 in the ego frame (x forward, y left, rear axle at the origin), with fixed capacities (``FeatureSpec``). Of the ego only the current
state is given, and for how long it has stood: a history of its own motion tempts an imitator to repeat it (PlanTF, Cheng et al. 2023). Arrays, with leading dimension B:

===================  ==============  ==================================================================================================
name                 shape           content
===================  ==============  ==================================================================================================
ego                  (7,)            vx, vy, ax, ay (body frame), steering angle, yaw rate, seconds for which it has just stood (``standing``)
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
raster               (C, W, W) uint8 only where W = raster_cells > 0: bird's-eye picture, its channels and codes are those of ``RasterChannel``
===================  ==============  ==================================================================================================

Where ``lane_links`` L > 0 also the lane graph (``lane_graph``); ids are those of a map, the same in every frame, and poses are global and float64, for
differences between them: what is computed from these arrays alone does not depend on where the ego is, to the last bit.

===================  ==============  ==================================================================================================
lane_id              (N,) int64      row of the piece in the map's pieces plus one, 0 where unused
lane_next            (N, L) int64    rows of ``lane`` that follow: the lane's next piece or the first ones of its successors; -1 where none in view
lane_side            (N, 2) int64    rows of ``lane`` beside it, left and right in the same road block, -1 likewise
lane_pose            (N, 3) float64  x, y, heading of the piece at its middle point
lane_shape           (N, P, 6)       the piece as in ``lane``, in the frame of ``lane_pose``
crosswalk_id         (C,) int64      row in the map's crosswalks plus one, 0 where unused
crosswalk_pose       (C, 3) float64  centre and direction of the long axis
crosswalk_shape      (C, P, 2)       the outline in the frame of ``crosswalk_pose``
===================  ==============  ==================================================================================================

Where ``instruction_words`` W > 0 also the conditions:

===================  ==============  ==================================================================================================
instruction          (W,) int64      words of a text command (``conditions``), 0 where there is none
goal                 (4,)            x, y, cos, sin of the goal
goal_valid           () bool
target_speed         (1,)            m/s
target_speed_valid   () bool
style                () int64        place in ``STYLES``
===================  ==============  ==================================================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.features.conditions import (
    Conditions,
    allocate_conditions,
    vocabulary_hash,
    write_conditions,
)
from roadcraft.core.driving.features.kernels import (
    agent_targets_into,
    near_lanes,
    write_agents,
    write_beside,
    write_crosswalks,
    write_lanes,
    write_static,
)
from roadcraft.core.driving.features.lane_graph import LaneGraph, lane_graph, write_frames, write_lane_graph
from roadcraft.core.driving.features.map_tensors import CellIndex, FeatureMap, feature_map
from roadcraft.core.driving.features.raster import CHANNELS, write_raster
from roadcraft.core.driving.features.reference_lines import INFO_SIZE, POINT_SIZE, write_references
from roadcraft.core.driving.features.stopped_time import CREEPING_MPS, STANDING_MPS, stood, stood_lately
from roadcraft.core.errors import DataError, PluginError
from roadcraft.core.layers import NO_LAYERS, RasterLayers
from roadcraft.core.map import MapData
from roadcraft.core.rollout import ObservationBatch
from roadcraft.core.scenario import Drive, Ego
from roadcraft.core.types import FeatureSpec
from roadcraft.core.vehicle import Vehicle

LAYOUT = 3  # raise when an array's meaning changes: old checkpoints are then refused
F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]
Features = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class SceneArrays:
    """One scene as plain arrays, global frame; from an observation or from a log.

    ego (10,) columns ``Ego``; key (R,) int64, kind (R,), box (R, 5), velocity (R, 2): rows of all frames of the source;
    frames (H, 2) int64: first and past-the-last row of each past frame, oldest first, now last, equal where there is none;
    light_lane (n,) lane ids, light_state (n,); route (r,) ids of road blocks; vehicle (4,) as in the features; layers: those known now;
    conditions: what the network is told beside the scene; stood_s: for how long the ego has just stood (``standing``).
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
    layers: RasterLayers = NO_LAYERS
    conditions: Conditions = Conditions()
    stood_s: float = 0.0


def layout_hash(spec: FeatureSpec) -> str:
    """Identifies the features' layout: capacities and the meaning of the arrays. Stored in checkpoints and compared when they are loaded."""
    words = vocabulary_hash() if spec.instruction_words else ""
    return blake2b(f"{LAYOUT}:{spec.schema_hash()}{words}".encode(), digest_size=8).hexdigest()


def merge_specs(a: FeatureSpec, b: FeatureSpec) -> FeatureSpec:
    """The features that serve an encoder ``a`` and a model ``b``: the larger of each capacity (each then sees its own: ``feature_views``); how far the future reaches, which only models foretell, is the
    model's. Raises PluginError where their grids differ."""
    grid = (
        "past_interval_s",
        "lane_points",
        "reference_interval_m",
        "radius_m",
        "future_interval_s",
        "raster_cell_m",
    )
    wrong = [f"{g} is {getattr(a, g)} and {getattr(b, g)}" for g in grid if getattr(a, g) != getattr(b, g)]
    if a.raster_cells and b.raster_cells and a.raster_cells != b.raster_cells:
        wrong.append(f"raster_cells is {a.raster_cells} and {b.raster_cells}")
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
        "lane_links",
        "raster_cells",
        "instruction_words",
    )
    return replace(a, **{k: max(getattr(a, k), getattr(b, k)) for k in larger}, future_steps=b.future_steps)


def allocate(spec: FeatureSpec, batch: int) -> Features:
    """Zeroed feature arrays for ``batch`` scenes."""
    s = spec
    shapes: dict[str, tuple[tuple[int, ...], Any]] = {
        "ego": ((7,), np.float32),
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
    if s.lane_links:
        shapes |= {
            "lane_id": ((s.lanes,), np.int64),
            "lane_next": ((s.lanes, s.lane_links), np.int64),
            "lane_side": ((s.lanes, 2), np.int64),
            "lane_pose": ((s.lanes, 3), np.float64),
            "lane_shape": ((s.lanes, s.lane_points, 6), np.float32),
            "crosswalk_id": ((s.crosswalks,), np.int64),
            "crosswalk_pose": ((s.crosswalks, 3), np.float64),
            "crosswalk_shape": ((s.crosswalks, s.lane_points, 2), np.float32),
        }
    if s.raster_cells:
        shapes["raster"] = (CHANNELS, s.raster_cells, s.raster_cells), np.uint8
    if s.instruction_words:
        shapes |= allocate_conditions(s.instruction_words)
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
    out["ego"][b, :6], out["ego"][b, 6] = ego[3:9], scene.stood_s
    out["vehicle"][b] = scene.vehicle
    write_agents(
        b, out["agent"], out["agent_valid"], out["agent_size"], out["agent_kind"], out["agent_id"],
        ego, scene.key, scene.kind, scene.box, scene.velocity, scene.frames, spec.radius_m,
    )  # fmt: skip
    now = scene.frames[-1]
    write_static(
        b, out["static"], out["static_kind"], out["static_mask"], ego, scene.kind, scene.box, now, spec.radius_m
    )
    light_lane, route = _rows(fm, scene.light_lane), scene.map.block_rows(scene.route)
    lanes = write_lanes(
        b, out["lane"], out["lane_info"], out["lane_light"], out["lane_mask"], out["route_lane"], out["route_lane_mask"], ego,
        spec.radius_m, fm.pieces, fm.piece_lane, fm.block, fm.speed, fm.connector, fm.stop_sign, route, light_lane,
        scene.light_state, *_grid(fm.cells),
    )  # fmt: skip
    crosswalks = write_crosswalks(b, out["crosswalk"], out["crosswalk_mask"], ego, spec.radius_m, fm.crosswalks)
    if spec.lane_links:
        _write_graph(lane_graph(scene.map, spec.lane_points), lanes, crosswalks, out, b)
    near = near_lanes(ego[0], ego[1], fm.piece_lane, *_grid(fm.cells))
    write_references(
        b, out["reference"], out["reference_mask"], out["reference_valid"], out["reference_info"], ego,
        spec.reference_interval_m, fm.points, fm.offsets, fm.arc, fm.block, fm.speed, fm.connector, fm.stop_sign,
        fm.successors.values, fm.successors.offsets, fm.block_lanes.values, fm.block_lanes.offsets, route, near,
        light_lane, scene.light_state,
    )  # fmt: skip
    write_beside(
        b, out["reference_agent"], out["reference_static"], out["reference"], out["reference_valid"], out["agent"],
        out["agent_size"], out["agent_valid"], out["static"], out["static_mask"],
    )  # fmt: skip
    if spec.raster_cells:
        write_raster(scene, fm, route, light_lane, spec.raster_cell_m, out["raster"], b)
    if spec.instruction_words:
        write_conditions(scene.conditions, ego, out, b)


def _write_graph(graph: LaneGraph, lanes: I64, crosswalks: I64, out: Features, b: int) -> None:
    write_lane_graph(
        b, out["lane_id"], out["lane_next"], out["lane_side"], lanes, graph.following.values, graph.following.offsets,
        graph.side,
    )  # fmt: skip
    write_frames(b, out["lane_pose"], out["lane_shape"], lanes, graph.pose, graph.shape)
    out["crosswalk_id"][b, : len(crosswalks)] = crosswalks + 1
    out["crosswalk_id"][b, len(crosswalks) :] = 0
    write_frames(
        b, out["crosswalk_pose"], out["crosswalk_shape"], crosswalks, graph.crosswalk_pose, graph.crosswalk_shape
    )


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


def scenes_of(obs: ObservationBatch, spec: FeatureSpec, conditions: Conditions | None = None) -> list[SceneArrays]:
    """The scenes of an observation; ``conditions`` go before what the observation says. Without object history every past frame but the present one is
    empty. Raises DataError where the observation has raster layers of more or fewer scenes than its own."""
    if len(obs.layers) not in (0, len(obs)):
        raise DataError(
            f"raster layers of {len(obs.layers)} scenes", where="observation", remedy=f"it has {len(obs)} scenes"
        )
    waited = stood_lately(obs)
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
                obs.lights.state[li], obs.route[b], obs.maps[b], row, obs.layers[b] if obs.layers else NO_LAYERS,
                _told(obs, b).under(conditions or Conditions()) if spec.instruction_words else Conditions(),
                float(waited[b]),
            )
        )  # fmt: skip
    return out


def _told(obs: ObservationBatch, b: int) -> Conditions:
    """What an observation itself tells of scenario b."""
    x, y, heading = (float(v) for v in obs.goal[b])
    said = obs.instruction[b] if obs.instruction is not None else None
    return Conditions(said or "", (x, y, heading) if obs.has_goal[b] else None)


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
        self.stood = stood(drive.time_us, drive.ego[:, Ego.VX])
        self._empty = np.zeros(0, np.int64)

    def at(self, frame: int, ego: F64 | None = None, stood_s: float | None = None) -> SceneArrays:
        """The scene at a frame, seen from the logged ego state or from another (10,) one, which has just stood for ``stood_s``; by default as long as the logged
        one, but not at all where that stands and the other drives."""
        d = self.drive
        index = frame - self.past_stride * np.arange(self.spec.past_steps - 1, -1, -1)
        some = np.maximum(index, 0)
        frames = np.stack([d.objects.offsets[some], d.objects.offsets[some + 1]], 1)
        frames[index < 0] = 0
        lights, scene = d.lights.rows(frame), d.scenes.at(frame)
        now = d.ego[frame] if ego is None else ego
        if stood_s is None:
            drives = now[Ego.VX] >= CREEPING_MPS and d.ego[frame, Ego.VX] < STANDING_MPS
            stood_s = 0.0 if drives else float(self.stood[frame])
        return SceneArrays(
            now, self.key, self.kind, d.objects.box, d.objects.velocity, frames,
            d.lights.lane[lights], d.lights.state[lights], d.scenes.route[scene] if scene >= 0 else self._empty, self.map,
            self.vehicle, d.layers.at(frame), stood_s=stood_s,
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
    agent_targets_into(out, seen, ego, scenes.key, d.objects.box, frames, ids)
    return out, seen
