"""What a replay draws, packed small: the map around the drive, everybody's motion, the lights, the plans, as a deflated
block of base64 text.

Positions are int16 in units of 2 cm around the scenario's own origin (655 m across), headings in 1e-4 rad, speeds in
cm/s, accelerations in cm/s2.
"""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.data.map import AreaKind, LaneKind, MapData
from roadcraft.core.data.rollout import Rollout
from roadcraft.core.data.scenario import Ego
from roadcraft.core.driving.motion.chain import chain_of, unit_poses

UNIT_M = 0.02
REACH_M = 110.0  # of what is drawn around the ego's path
FAR = 32767


def pack(scene: dict[str, Any]) -> str:
    """Deflated JSON as base64 text, which the page inflates when the scene is opened."""
    return base64.b64encode(zlib.compress(json.dumps(scene, separators=(",", ":")).encode(), 9)).decode()


def map_layers(map_data: MapData, path: NDArray[np.float64], origin: NDArray[np.float64]) -> dict[str, Any]:
    """Polygons and lines within reach of a path (n, 2), in packed units."""
    low, high = path.min(0) - REACH_M, path.max(0) + REACH_M

    def near(points: NDArray[np.float64]) -> bool:
        return len(points) > 0 and bool((points.max(0) >= low).all() and (points.min(0) <= high).all())

    def rings(rows: Any, polygons: Any) -> list[list[int]]:
        return [_units(r, origin) for i in rows for r in polygons[int(i)] if near(r)]

    lanes, areas = map_data.lanes, map_data.areas
    lane_rows = [i for i in range(len(lanes)) if near(lanes.centerlines[i])]
    road = areas.of(AreaKind.ROAD_SEGMENT, AreaKind.INTERSECTION, AreaKind.GENERIC_DRIVABLE)
    return {
        "road": rings(road, areas.polygons),
        "carpark": rings(areas.of(AreaKind.CARPARK), areas.polygons),
        "walk": rings(areas.of(AreaKind.WALKWAY), areas.polygons),
        "crosswalk": rings(areas.of(AreaKind.CROSSWALK), areas.polygons),
        "stop": rings(areas.of(AreaKind.STOP), areas.polygons),
        "lane": rings([i for i in lane_rows if lanes.kind[i] == LaneKind.LANE], lanes.polygons),
        "line": [_units(lanes.centerlines[i], origin) for i in lane_rows],
        "line_id": [int(lanes.id[i]) for i in lane_rows],
        "edge": [
            _units(map_data.lines.lines[i], origin) for i in range(len(map_data.lines)) if near(map_data.lines.lines[i])
        ],
    }


def drive_layers(rollout: Rollout, origin: NDArray[np.float64]) -> dict[str, Any]:
    """The ego's motion and plans."""
    ego = rollout.drive.ego
    body = rollout.vehicle.body
    plans = []
    for p in range(len(rollout.plans.step)):
        rows = slice(int(rollout.plans.offsets[p]), int(rollout.plans.offsets[p + 1]))
        xy = rollout.plans.states[rows, :2]
        keep = np.unique(np.linspace(0, len(xy) - 1, min(len(xy), 21)).astype(int))
        plans.append([int(rollout.plans.step[p]), _units(xy[keep], origin)])
    return {
        "t": [int(t) for t in (rollout.drive.time_us - rollout.drive.time_us[0]) // 1000],
        "pose": _poses(ego[:, :3], origin),
        "speed": _scaled(np.hypot(ego[:, Ego.VX], ego[:, Ego.VY]), 100),
        "accel": _scaled(ego[:, Ego.AX], 100),
        "steer": _scaled(ego[:, Ego.STEERING], 1e4),
        "size": [round(v, 3) for v in (body.axle_to_center_m, body.length_m, body.width_m)],
        "units": _trailers(rollout, origin),
        "truck": _truck_series(rollout),
        "plans": plans,
    }


def _trailers(rollout: Rollout, origin: NDArray[np.float64]) -> list[dict[str, Any]]:
    """Poses of the axles of the units behind the first, and their sizes."""
    drive, units = rollout.drive, rollout.vehicle.units[1:]
    if not units or drive.joints.shape[1] != len(units):
        return []
    poses = unit_poses(np.ascontiguousarray(drive.ego), np.ascontiguousarray(drive.joints), chain_of(rollout.vehicle))
    sizes = [[round(v, 3) for v in (u.axle_to_center_m, u.length_m, u.width_m)] for u in units]
    return [{"pose": _poses(poses[:, 1 + i], origin), "size": size} for i, size in enumerate(sizes)]


def _truck_series(rollout: Rollout) -> list[dict[str, Any]]:
    """What is plotted of a truck beside speed and acceleration: values in hundredths, and the bound that counts."""
    channels = dict(zip(rollout.channel_names, rollout.channels, strict=True))
    transfer = [np.abs(v) for k, v in channels.items() if k.startswith("vehicle.load_transfer")]
    joints = np.degrees(np.abs(rollout.drive.joints))
    found = [("largest joint angle, degrees", joints.max(1), None)] if joints.shape[1] else []
    if transfer:
        found.append(("load transfer ratio", np.max(transfer, axis=0), 1.0))
    if "vehicle.brake_temperature" in channels:
        found.append(("brake temperature, °C", channels["vehicle.brake_temperature"], 260.0))
    return [{"label": label, "values": _scaled(values, 100), "most": most} for label, values, most in found]


def traffic_layers(rollout: Rollout, origin: NDArray[np.float64]) -> dict[str, Any]:
    """Everybody else: per object its kind, size, and pose in each step where it is in reach; lights as changes."""
    drive = rollout.drive
    n, o = len(drive), drive.objects
    step = np.repeat(np.arange(n), np.diff(o.offsets))
    distance = np.hypot(*(o.box[:, :2] - drive.ego[step, :2]).T)
    keep = distance <= REACH_M
    objects = []
    for track in np.unique(o.track[keep]):
        rows = np.flatnonzero(keep & (o.track == track))
        first, last = int(step[rows[0]]), int(step[rows[-1]])
        poses = np.full((last - first + 1, 3), FAR, np.int64)
        poses[step[rows] - first] = np.asarray(_poses(o.box[rows, :3], origin)).reshape(-1, 3)
        still = bool((poses == poses[0]).all())
        objects.append(
            {
                "id": f"{int(drive.tracks.id[track]):016x}",
                "k": int(drive.tracks.kind[track]),
                "s": [round(float(v), 2) for v in o.box[rows[0], 3:5]],
                "a": first,
                "n": last - first + 1,
                "p": poses[0].tolist() if still else _deltas(poses),
            }
        )
    return {"objects": objects, "lights": _light_changes(rollout)}


def _light_changes(rollout: Rollout) -> list[list[Any]]:
    lights, changes, before = rollout.drive.lights, [], None
    for f in range(len(lights)):
        rows = lights.rows(f)
        now = [[int(a), int(s)] for a, s in zip(lights.lane[rows], lights.state[rows], strict=True)]
        if now != before:
            changes.append([f, now])
            before = now
    return changes


def _units(points: NDArray[np.float64], origin: NDArray[np.float64]) -> list[int]:
    """x0, y0, dx, dy, ...: first point, then differences, which deflate well."""
    units = np.clip(np.rint((points - origin) / UNIT_M), -FAR, FAR).astype(np.int64)
    return np.diff(units, axis=0, prepend=0).ravel().tolist()


def _poses(poses: NDArray[np.float64], origin: NDArray[np.float64]) -> list[int]:
    out = np.empty((len(poses), 3), np.int64)
    out[:, :2] = np.clip(np.rint((poses[:, :2] - origin) / UNIT_M), 1 - FAR, FAR - 1)
    out[:, 2] = np.rint(np.mod(poses[:, 2] + np.pi, 2 * np.pi) * 1e4 - np.pi * 1e4)
    return out.ravel().tolist()


def _deltas(values: NDArray[np.int64]) -> list[int]:
    return np.diff(values, axis=0, prepend=0).ravel().tolist()


def _scaled(values: NDArray[np.float64], scale: float) -> list[int]:
    return np.rint(values * scale).astype(np.int64).tolist()
