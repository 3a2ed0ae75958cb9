"""A log of the sensor data set as a Drive: boxes of annotations.feather, poses of city_SE3_egovehicle.feather.

Frames are the stamps of the annotations (10 Hz within some milliseconds). Poses come at some 170 Hz, many pairs of them
a nanosecond apart, which count once; they are resampled evenly before they are differentiated.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.map import MapData
from roadcraft.core.data.scenario import Drive, Ego, ObjectKind
from roadcraft.core.driving.geometry.angles import wrap_array
from roadcraft.core.errors import DataError
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.scenario_io.argoverse2.config import Argoverse2Config
from roadcraft.scenario_io.argoverse2.drives import Boxes, LogRecord, drive_of
from roadcraft.scenario_io.argoverse2.tables import read_columns, rotations
from roadcraft.scenario_io.kinematics import ego_from_poses, resampled, track_velocities
from roadcraft.scenario_io.lane_graph.route import route_of

ANNOTATIONS, POSES = "annotations.feather", "city_SE3_egovehicle.feather"
NAME = "argoverse2_sensor"
_SAME_NS = 1_000  # poses nearer in time are one
_RATE_HZ = 100.0
_VELOCITY, _ACCELERATION = 41, 81  # samples at that rate: 0.4 and 0.8 s
_BOX_WINDOW = 5  # frames
_HISTORY_S = 0.5  # before the scenario, which leaves 15 s
_QUATERNION, _PLACE = ("qw", "qx", "qy", "qz"), ("tx_m", "ty_m", "tz_m")
_COURSE, _GAP_M, _ASIDE_M, _SHARE, _LEAST = np.radians(10.0), (-3.0, 4.0), 1.5, 0.8, 5
_FIFTH_WHEEL_M = 1.0  # ahead of the rear end of a cab

V, P, B = ObjectKind.VEHICLE, ObjectKind.PEDESTRIAN, ObjectKind.BICYCLE
C, R, G = ObjectKind.TRAFFIC_CONE, ObjectKind.BARRIER, ObjectKind.GENERIC_OBJECT
KINDS = {
    "REGULAR_VEHICLE": V, "LARGE_VEHICLE": V, "BUS": V, "SCHOOL_BUS": V, "ARTICULATED_BUS": V, "BOX_TRUCK": V,
    "TRUCK": V, "TRUCK_CAB": V, "VEHICULAR_TRAILER": V, "RAILED_VEHICLE": V, "MOTORCYCLE": B, "MOTORCYCLIST": B,
    "BICYCLE": B, "BICYCLIST": B, "WHEELED_RIDER": B, "WHEELED_DEVICE": B, "PEDESTRIAN": P, "OFFICIAL_SIGNALER": P,
    "STROLLER": P, "WHEELCHAIR": P, "CONSTRUCTION_CONE": C, "CONSTRUCTION_BARREL": C, "MESSAGE_BOARD_TRAILER": R,
    "TRAFFIC_LIGHT_TRAILER": R, "MOBILE_PEDESTRIAN_CROSSING_SIGN": G, "BOLLARD": G, "SIGN": G, "STOP_SIGN": G,
    "ANIMAL": G, "DOG": G,
}  # fmt: skip


def read_sensor(folder: Path, config: Argoverse2Config, map_data: MapData) -> tuple[Drive, list[DataError]]:
    """The drive of a log's folder, and what is odd about it. Raises DataError for what cannot be used."""
    path = folder / ANNOTATIONS
    numbers = dict.fromkeys(("length_m", "width_m", "height_m", *_QUATERNION, *_PLACE), float)
    a = read_columns(path, {"timestamp_ns": int, "track_uuid": str, "category": str, **numbers})
    stamps, frame = np.unique(a["timestamp_ns"], return_inverse=True)
    ego, turned, origin = _ego(folder / POSES, stamps, config)
    turn = rotations(np.stack([a[k] for k in _QUATERNION], 1), str(path))
    at = np.einsum("rij,rj->ri", turned[frame], np.stack([a[k] for k in _PLACE], 1)) + origin[frame]
    forward = np.einsum("rij,rj->ri", turned[frame], turn[:, :, 0])
    names, track = np.unique(a["track_uuid"], return_inverse=True)
    box = np.stack([at[:, 0], at[:, 1], np.arctan2(forward[:, 1], forward[:, 0]), a["length_m"], a["width_m"]], 1)
    first = np.unique(track, return_index=True)[1]
    category = [a["category"][i] for i in first]
    unknown = sorted({c for c in category if c not in KINDS})
    notes = [DataError(f"unknown categories count as generic objects: {unknown}", where=str(path))] if unknown else []
    time_s = (stamps - stamps[0]) * 1e-9
    vehicle, unit, moved = couple(category, track, frame, box, ego, config.couple_within_m)
    if moved:
        what = f"{moved} boxes of trailers farther than {config.couple_within_m:g} m from the ego put behind their cabs"
        notes.append(DataError(what, where=str(path)))
    boxes = Boxes(
        frame,
        track,
        box,
        track_velocities(track, frame, box[:, :2], time_s, _BOX_WINDOW),
        tuple(names.tolist()),
        np.array([KINDS.get(c, G) for c in category], np.uint8),
        a["height_m"][first],
        vehicle,
        unit,
    )
    anchor = int(np.abs(time_s - _HISTORY_S).argmin()) if time_s[-1] > 2 * _HISTORY_S else 0
    route = route_of(map_data, ego[:, [Ego.X, Ego.Y, Ego.HEADING]], config.route_ahead_m)
    time_us = stamps // 1_000
    log = LogRecord(folder.resolve().name, NAME, config.vehicle, time_us, ego, boxes, route, anchor, (NAME,))
    return drive_of(log), notes


def _ego(path: Path, stamps: I64, config: Argoverse2Config) -> tuple[F64, F64, F64]:
    """Ego states (F, 10) at the stamps (F,), and rotations (F, 3, 3) and origins (F, 3) of the ego frame in the city's
    there. Raises DataError where a stamp has no pose within 50 ms."""
    p: dict[str, Any] = read_columns(path, {"timestamp_ns": int, **dict.fromkeys((*_QUATERNION, *_PLACE), float)})
    order = np.argsort(p["timestamp_ns"], kind="stable")
    ns = p["timestamp_ns"][order]
    origin = np.stack([p[k][order] for k in _PLACE], 1)
    turn = rotations(np.stack([p[k][order] for k in _QUATERNION], 1), str(path))
    bad = np.flatnonzero(~np.isfinite(origin).all(1))
    if len(bad):
        raise DataError("a pose is not finite", where=f"{path}: row {order[bad[0]]}")
    keep = np.concatenate([[True], np.diff(ns) >= _SAME_NS])
    ns, origin, turn = ns[keep], origin[keep], turn[keep]
    near = np.clip(np.searchsorted(ns, stamps), 1, max(len(ns) - 1, 1)) if len(ns) > 1 else np.zeros(len(stamps), int)
    if len(ns) > 1:
        near = np.where(stamps - ns[near - 1] < ns[near] - stamps, near - 1, near)
    off = np.abs(ns[near] - stamps)
    if off.max() > 50_000_000:
        i = int(off.argmax())
        what = f"no pose within 0.05 s of the annotations at {stamps[i]} ns, the nearest is {off[i] * 1e-9:.2f} s away"
        raise DataError(what, where=str(path), remedy="poses must cover the annotations")
    start = ns[0]
    time_s = (ns - start) * 1e-9
    pose = np.stack([origin[:, 0], origin[:, 1], np.arctan2(turn[:, 1, 0], turn[:, 0, 0])], 1)
    count = max(int(time_s[-1] * _RATE_HZ) + 1, 2)
    even_s = np.arange(count) / _RATE_HZ
    body = load_vehicle(config.vehicle)
    ego = ego_from_poses(even_s, resampled(time_s, pose, even_s), body, _VELOCITY, _ACCELERATION)
    at_s = (stamps - start) * 1e-9
    ego[:, Ego.HEADING] = np.unwrap(ego[:, Ego.HEADING])
    out = np.stack([np.interp(at_s, even_s, ego[:, c]) for c in range(ego.shape[1])], 1)
    out[:, : Ego.HEADING + 1] = resampled(time_s, pose, at_s)
    out[:, Ego.HEADING] = wrap_array(out[:, Ego.HEADING])
    return out, turn[near], origin[near]


def couple(
    category: list[str], track: I64, frame: I64, box: F64, ego: F64, within_m: float
) -> tuple[I64, np.ndarray, int]:
    """Which tracks (N) are units of one vehicle: a cab, and the trailer that keeps its course right behind it in most
    frames in which both are within ``within_m`` of the ego. Farther off the trailer's boxes (R, 5) are put, in place,
    where its nearer ones say that it hangs. Returns ``vehicle`` (N,), ``unit`` (N,) and how many boxes were put."""
    vehicle, unit, moved = np.arange(len(category)), np.zeros(len(category), np.uint8), 0
    by_track = {
        n: np.flatnonzero(track == n) for n, c in enumerate(category) if c in ("TRUCK_CAB", "VEHICULAR_TRAILER")
    }
    for t in (n for n in by_track if category[n] == "VEHICULAR_TRAILER"):
        best: tuple[float, int, float] | None = None
        for c in (n for n in by_track if category[n] == "TRUCK_CAB" and n not in vehicle[unit > 0]):
            found = _hitch(box, frame, by_track[c], by_track[t], ego, within_m)
            if found is not None and (best is None or found[0] < best[0]):
                best = found[0], c, found[1]
        if best is not None:
            _, c, back = best
            vehicle[t], unit[t] = c, 1
            moved += _hang(box, frame, by_track[c], by_track[t], ego, within_m, back)
    return vehicle, unit, moved


def _both(frame: I64, cab: I64, trailer: I64) -> tuple[I64, I64]:
    """Rows of both in the frames that hold both."""
    _, i, j = np.intersect1d(frame[cab], frame[trailer], return_indices=True)
    return cab[i], trailer[j]


def _range(box: F64, frame: I64, rows: I64, ego: F64) -> F64:
    out: F64 = np.linalg.norm(box[rows, :2] - ego[frame[rows], :2], axis=1)
    return out


def _fifth_wheel(box: F64, cab: I64) -> F64:
    """Points (n, 2) at which a trailer hangs on a cab."""
    back = (0.5 * box[cab, 3] - _FIFTH_WHEEL_M)[:, None]
    out: F64 = box[cab, :2] - back * np.stack([np.cos(box[cab, 2]), np.sin(box[cab, 2])], 1)
    return out


def _hitch(box: F64, frame: I64, cab: I64, trailer: I64, ego: F64, within_m: float) -> tuple[float, float] | None:
    """How far apart cab and trailer are aside (m, median), and how far the trailer's center is behind the fifth wheel,
    where they go as one vehicle."""
    c, t = _both(frame, cab, trailer)
    near = (_range(box, frame, c, ego) < within_m) & (_range(box, frame, t, ego) < within_m)
    c, t = c[near], t[near]
    if len(c) < _LEAST:
        return None
    turn = np.abs(wrap_array(box[t, 2] - box[c, 2]))
    offset = box[t, :2] - box[c, :2]
    along = offset[:, 0] * np.cos(box[c, 2]) + offset[:, 1] * np.sin(box[c, 2])
    aside = np.abs(offset[:, 1] * np.cos(box[c, 2]) - offset[:, 0] * np.sin(box[c, 2]))
    gap = -along - 0.5 * (box[c, 3] + box[t, 3])
    together = (turn < _COURSE) & (gap > _GAP_M[0]) & (gap < _GAP_M[1]) & (aside < _ASIDE_M)
    if together.mean() < _SHARE:
        return None
    direction = np.stack([np.cos(box[t, 2]), np.sin(box[t, 2])], 1)
    back = np.median(((_fifth_wheel(box, c) - box[t, :2]) * direction).sum(1))
    return float(np.median(aside)), float(back)


def _hang(box: F64, frame: I64, cab: I64, trailer: I64, ego: F64, within_m: float, back_m: float) -> int:
    c, t = _both(frame, cab, trailer)
    far = (_range(box, frame, c, ego) >= within_m) | (_range(box, frame, t, ego) >= within_m)
    c, t = c[far], t[far]
    box[t, :2] = _fifth_wheel(box, c) - back_m * np.stack([np.cos(box[t, 2]), np.sin(box[t, 2])], 1)
    return len(t)
