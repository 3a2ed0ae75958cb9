"""Made-up Argoverse 2 logs: a straight road east with two lanes, an oncoming one, an intersection and a bicycle lane,
in the files of the sensor and of the motion data set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import feather, parquet

START_NS = 315_973_157_959_879_000
FRAMES = 156
SENSOR_NAME = "0f5bd2b9-0000-4000-8000-00000000000a"
MOTION_NAME = "1c9f3b6e-0000-4000-8000-00000000000b"
EGO_MPS, EGO_Y = 8.0, -1.75


def lane(id: int, x0: float, x1: float, left_y: float, right_y: float, **more: Any) -> dict[str, Any]:
    """A lane segment between two lines along x; x1 < x0 drives west."""
    ends = [{"x": x0, "z": 1.0}, {"x": x1, "z": 1.0}]
    return {
        "id": id,
        "is_intersection": False,
        "lane_type": "VEHICLE",
        "left_lane_boundary": [{**p, "y": left_y} for p in ends],
        "right_lane_boundary": [{**p, "y": right_y} for p in ends],
        "left_lane_mark_type": "DASHED_WHITE",
        "right_lane_mark_type": "SOLID_WHITE",
        "predecessors": [],
        "successors": [],
        "left_neighbor_id": None,
        "right_neighbor_id": None,
        **more,
    }


def road() -> dict[str, Any]:
    """Lanes 1 (left) and 2 (right) east, 3 west on the left of 1, which 1 and 3 name each other's left neighbor; 4 and
    5 lead on through an intersection, named by lane 1 and 2 alone; 6 lies behind it; 7 is for bicycles; 99 is
    outside of the map."""
    lanes = [
        lane(1, 0.0, 100.0, 3.5, 0.0, left_neighbor_id=3, right_neighbor_id=2, successors=[4]),
        lane(2, 0.0, 100.0, 0.0, -3.5, left_neighbor_id=1, right_neighbor_id=7, successors=[5]),
        lane(3, 100.0, 0.0, 3.5, 7.0, left_neighbor_id=1, successors=[99]),
        lane(4, 100.0, 130.0, 3.5, 0.0, is_intersection=True, successors=[99]),
        lane(5, 100.0, 130.0, 0.0, -3.5, is_intersection=True, successors=[6]),
        lane(6, 130.0, 300.0, 0.0, -3.5, lane_type="BUS"),
        lane(7, 0.0, 100.0, -3.5, -5.0, lane_type="BIKE"),
    ]
    area = [(-10.0, -6.0), (310.0, -6.0), (310.0, 8.0), (-10.0, 8.0)]
    edges = {"edge1": [(101.0, -4.0), (101.0, 7.0)], "edge2": [(104.0, -4.0), (104.0, 7.0)]}
    return {
        "lane_segments": {str(s["id"]): s for s in lanes},
        "drivable_areas": {"11": {"id": 11, "area_boundary": points(area)}},
        "pedestrian_crossings": {"21": {"id": 21, **{k: points(v) for k, v in edges.items()}}},
    }


def points(xy: list[tuple[float, float]]) -> list[dict[str, float]]:
    return [{"x": x, "y": y, "z": 1.0} for x, y in xy]


def stamps(frames: int = FRAMES) -> np.ndarray:
    """Stamps (F,) some milliseconds off 10 Hz."""
    jitter = np.random.default_rng(0).integers(-3_000_000, 3_000_000, frames)
    jitter[0] = 0
    return START_NS + np.arange(frames) * 100_000_000 + jitter


def ego_x(ns: Any) -> Any:
    """Where the ego is, which drives steadily on the right lane."""
    return 10.0 + EGO_MPS * (np.asarray(ns) - START_NS) * 1e-9


def yaw_quaternion(yaw: Any) -> dict[str, Any]:
    half = 0.5 * np.asarray(yaw, np.float64)
    return {"qw": np.cos(half), "qx": 0.0 * half, "qy": 0.0 * half, "qz": np.sin(half)}


def annotation_rows(ns: np.ndarray) -> list[dict[str, Any]]:
    """Boxes in the ego frame: a car ahead in the left lane, a standing cone, and a truck's cab whose trailer hangs 9 m
    behind it, both faster than the ego. Beyond 60 m the trailer's boxes are pulled 3 m towards the cab."""
    out = []
    for t in ns.tolist():
        seconds, ego = (t - START_NS) * 1e-9, float(ego_x(t))

        def box(
            name: str, category: str, x: float, y: float, size: tuple[float, float, float], t: int = t, ego: float = ego
        ) -> None:
            out.append(
                {"timestamp_ns": t, "track_uuid": name, "category": category, "num_interior_pts": 5}
                | dict(zip(("length_m", "width_m", "height_m"), size, strict=True))
                | {"tx_m": x - ego, "ty_m": y - EGO_Y, "tz_m": 0.5}
                | {k: float(v) for k, v in yaw_quaternion(0.0).items()}
            )

        box("car", "REGULAR_VEHICLE", 30.0 + 9.0 * seconds, 1.75, (4.5, 1.9, 1.5))
        box("cone", "CONSTRUCTION_CONE", 80.0, -5.0, (0.4, 0.4, 0.8))
        cab = 40.0 + 14.0 * seconds
        pulled = 3.0 if cab - 9.0 - ego >= 60.0 else 0.0
        box("cab", "TRUCK_CAB", cab, 5.25, (6.0, 2.6, 3.8))
        box("trailer", "VEHICULAR_TRAILER", cab - 9.0 + pulled, 5.25, (10.0, 2.6, 4.0))
    return out


def write_sensor(root: Path, split: str = "val", name: str = SENSOR_NAME, **changed: Any) -> Path:
    """A log of the sensor data set; ``changed``: frames, or the rows of annotations, or the map, in place of those
    above. Every other pose is followed by one a nanosecond later."""
    folder = root / split / name
    (folder / "map").mkdir(parents=True)
    ns = stamps(changed.get("frames", FRAMES))
    rows = changed.get("annotations", annotation_rows(ns))
    feather.write_feather(pa.Table.from_pylist(rows), folder / "annotations.feather")
    times = np.unique(np.concatenate([ns, np.arange(ns[0], ns[-1] + 50_000_000, 6_000_000)]))
    times = np.sort(np.concatenate([times, times[::2] + 1]))
    at = ego_x(times - times % 2)
    pose = {"timestamp_ns": times, **yaw_quaternion(0.0 * at)}
    pose |= {"tx_m": at, "ty_m": np.full(len(at), EGO_Y), "tz_m": np.full(len(at), 1.3)}
    feather.write_feather(pa.table(pose), folder / "city_SE3_egovehicle.feather")
    city_map = folder / "map" / f"log_map_archive_{name}____PIT_city_1.json"
    city_map.write_text(json.dumps(changed.get("map", road())))
    return folder


def motion_rows(steps: int = 110) -> list[dict[str, Any]]:
    """The ego (AV), a bus beside it, a pedestrian who is seen for three seconds, and a thing of a new type. The ego's
    first and last position are off."""
    out = []
    common = {
        "scenario_id": MOTION_NAME, "focal_track_id": "12", "city": "austin", "slice_id": "s", "map_id": 7,
        "start_timestamp": float(START_NS), "end_timestamp": float(START_NS) + 1.09e10, "num_timestamps": steps,
    }  # fmt: skip
    tracks = {
        "12": ("bus", range(steps), 30.0, 1.75, 7.0),
        "13": ("pedestrian", range(20, 50), 60.0, -5.0, 1.0),
        "14": ("hovercraft", range(steps), 90.0, -5.5, 0.0),
        "AV": ("vehicle", range(steps), 10.0, EGO_Y, EGO_MPS),
    }
    for name, (kind, seen, x, y, speed) in tracks.items():
        for k in seen:
            off = 0.4 * (k == 0) - 0.4 * (k == steps - 1) if name == "AV" else 0.0
            out.append(
                {"track_id": name, "object_type": kind, "object_category": 2, "timestep": k, "observed": k < 50}
                | {"position_x": x + 0.1 * speed * k + off, "position_y": y, "heading": 0.0}
                | {"velocity_x": 0.8 * speed, "velocity_y": 0.0, **common}
            )
    return out


def write_motion(root: Path, split: str = "val", rows: list[dict[str, Any]] | None = None) -> Path:
    """A scenario of the motion data set."""
    folder = root / split / MOTION_NAME
    folder.mkdir(parents=True)
    path = folder / f"scenario_{MOTION_NAME}.parquet"
    parquet.write_table(pa.Table.from_pylist(motion_rows() if rows is None else rows), path)
    (folder / f"log_map_archive_{MOTION_NAME}.json").write_text(json.dumps(road()))
    return path
