"""A scenario of the motion forecasting data set as a Drive.

It has no box sizes: each kind gets one of its own. Positions of all tracks are smoothed before they are differentiated,
for the file's velocities lag (the ego's by 0.2 s). The ego's first and last position are off in time and left out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.data.map import MapData
from roadcraft.core.data.scenario import Drive, ObjectKind
from roadcraft.core.errors import DataError
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.scenario_io.argoverse2.config import Argoverse2Config
from roadcraft.scenario_io.argoverse2.drives import Boxes, LogRecord, drive_of
from roadcraft.scenario_io.argoverse2.tables import read_columns
from roadcraft.scenario_io.kinematics import ego_from_poses, track_velocities
from roadcraft.scenario_io.lane_graph.route import route_of

NAME = "argoverse2_motion"
EGO = "AV"
_INTERVAL_S = 0.1
_HISTORY = 10  # frames before the scenario
_VELOCITY, _ACCELERATION, _BOX_WINDOW = 7, 9, 7  # frames
# kind, length, width, height in m: usual sizes, since the files have none
SIZES = {
    "vehicle": (ObjectKind.VEHICLE, 4.6, 1.9, 1.6),
    "bus": (ObjectKind.VEHICLE, 12.0, 2.8, 3.2),
    "motorcyclist": (ObjectKind.BICYCLE, 2.2, 0.9, 1.6),
    "cyclist": (ObjectKind.BICYCLE, 1.9, 0.7, 1.7),
    "riderless_bicycle": (ObjectKind.GENERIC_OBJECT, 1.8, 0.6, 1.1),
    "pedestrian": (ObjectKind.PEDESTRIAN, 0.7, 0.7, 1.7),
    "construction": (ObjectKind.TRAFFIC_CONE, 0.5, 0.5, 0.8),
    "static": (ObjectKind.GENERIC_OBJECT, 0.7, 0.7, 1.0),
    "background": (ObjectKind.GENERIC_OBJECT, 0.7, 0.7, 1.0),
    "unknown": (ObjectKind.GENERIC_OBJECT, 0.7, 0.7, 1.0),
}


def read_motion(path: Path, config: Argoverse2Config, map_data: MapData) -> tuple[Drive, list[DataError]]:
    """The drive of a scenario_*.parquet, and what was assumed. Raises DataError for what cannot be used."""
    numbers = dict.fromkeys(("position_x", "position_y", "heading", "start_timestamp"), float)
    texts = dict.fromkeys(("track_id", "object_type", "scenario_id", "focal_track_id", "city"), str)
    a = read_columns(path, {"timestep": int, **numbers, **texts})
    names, track = np.unique(a["track_id"], return_inverse=True)
    step = a["timestep"]
    if (np.bincount(track * (int(step.max()) + 1) + step - step.min()) > 1).any() or step.min() < 0:
        raise DataError("a track has several rows for a timestep, or one below 0", where=str(path))
    pose = np.stack([a["position_x"], a["position_y"], a["heading"]], 1)
    bad = np.flatnonzero(~np.isfinite(pose).all(1))
    if len(bad):
        raise DataError(f"{len(bad)} poses are not finite", where=f"{path}: row {bad[0]}")
    own = np.flatnonzero(np.array(a["track_id"]) == EGO)
    own = own[np.argsort(step[own])][1:-1]  # the first and the last are off in time
    if len(own) < 3 or (np.diff(step[own]) != 1).any():
        raise DataError(f"the track {EGO} of the ego is missing, too short or has gaps", where=str(path))
    first, last = int(step[own[0]]), int(step[own[-1]])
    time_s: F64 = np.arange(first, last + 1, dtype=np.float64) * _INTERVAL_S
    vehicle = load_vehicle(config.vehicle)
    axle = pose[own].copy()
    if config.motion_pose == "center":
        axle[:, :2] -= vehicle.body.axle_to_center_m * np.stack([np.cos(axle[:, 2]), np.sin(axle[:, 2])], 1)
    ego = ego_from_poses(time_s, axle, vehicle, _VELOCITY, _ACCELERATION)
    others = np.flatnonzero((np.array(a["track_id"]) != EGO) & (step >= first) & (step <= last))
    kept, row = np.unique(track[others], return_inverse=True)
    type_of = [a["object_type"][i] for i in np.unique(track, return_index=True)[1]]
    unknown = sorted({type_of[n] for n in kept if type_of[n] not in SIZES})
    sizes = [SIZES.get(type_of[n], SIZES["unknown"]) for n in kept]
    size = np.array([s[1:] for s in sizes], np.float64).reshape(-1, 3)
    frame = step[others] - first
    boxes = Boxes(
        frame,
        row,
        np.concatenate([pose[others], size[row, :2]], 1),
        track_velocities(row, frame, pose[others, :2], time_s, _BOX_WINDOW),
        tuple(str(names[n]) for n in kept),
        np.array([s[0] for s in sizes], np.uint8),
        size[:, 2],
        np.arange(len(kept)),
        np.zeros(len(kept), np.uint8),
    )
    focal = sorted({t for t, n in zip(a["object_type"], a["track_id"], strict=True) if n == a["focal_track_id"][0]})
    tags = sorted({NAME, *(f"{NAME}_focal_{t}" for t in focal)})
    route = route_of(map_data, axle, config.route_ahead_m)
    time_us = np.int64(round(a["start_timestamp"][0]) // 1_000) + np.arange(first, last + 1) * 100_000
    anchor = min(_HISTORY, len(own) - 1)
    log = LogRecord(a["scenario_id"][0], NAME, config.vehicle, time_us, ego, boxes, route, anchor, tags)
    notes = [DataError("the motion data set has no box sizes: each kind of object got a usual one", where=str(path))]
    if unknown:
        notes.append(DataError(f"unknown types count as generic objects: {unknown}", where=str(path)))
    return drive_of(log), notes
