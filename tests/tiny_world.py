"""A made-up junction and a made-up drive through it: small enough to build in milliseconds, rich enough to train a few steps on."""

from __future__ import annotations

import numpy as np

from roadcraft.core.arrays import Polygons, Polylines, Ragged
from roadcraft.core.map import AreaKind, Areas, Lanes, Lines, MapData, RoadBlocks
from roadcraft.core.rollout import Lights, Objects, ObservationBatch
from roadcraft.core.scenario import Drive, LightFrames, ObjectFrames, ObjectKind, Scenes, Tracks
from roadcraft.core.vehicle import load_vehicle

WIDTH = 3.5
START = np.array([331_000.0, 4_690_000.0])  # UTM-like, so that float32 would not do


def _straight(a: tuple[float, float], b: tuple[float, float]) -> np.ndarray:
    return np.linspace(a, b, max(int(np.hypot(b[0] - a[0], b[1] - a[1]) // 2), 2))


def _arc(center: tuple[float, float], radius: float, first: float, last: float) -> np.ndarray:
    t = np.linspace(first, last, 12)
    return np.stack([center[0] + radius * np.cos(t), center[1] + radius * np.sin(t)], 1)


def make_map() -> MapData:
    """A two-lane road east (lanes 0 left, 1 right), a signalised junction at x = 100 with straight (4, 5), left (6) and right (7) connectors,
    and the roads beyond: east (2, 3), north (8 is lane row 4 ..)."""
    lines = [
        _straight((0, WIDTH), (100, WIDTH)),
        _straight((0, 0), (100, 0)),
        _straight((120, WIDTH), (280, WIDTH)),
        _straight((120, 0), (280, 0)),
        _straight((115, 18.5), (115, 150)),  # north
        _straight((105, -5), (105, -150)),  # south
        _straight((100, WIDTH), (120, WIDTH)),
        _straight((100, 0), (120, 0)),
        _arc((100, WIDTH + 15), 15, -np.pi / 2, 0.0),
        _arc((100, -5), 5, np.pi / 2, 0.0),
    ]
    lines = [line + START for line in lines]
    n = len(lines)
    left, right, polygons = [], [], []
    for line in lines:
        d = np.gradient(line, axis=0)
        normal = np.stack([-d[:, 1], d[:, 0]], 1) / np.hypot(*d.T)[:, None]
        left.append(line + 0.5 * WIDTH * normal)
        right.append(line - 0.5 * WIDTH * normal)
        polygons.append([np.concatenate([left[-1], right[-1][::-1], left[-1][:1]])])
    follow = {0: [6, 8], 1: [7, 9], 6: [2], 7: [3], 8: [4], 9: [5]}
    block = np.array([0, 0, 1, 1, 2, 3, 4, 4, 5, 6])
    before = {s: [a for a, ss in follow.items() if s in ss] for s in range(n)}
    lanes = Lanes(
        id=np.arange(100, 100 + n),
        kind=np.array([0] * 6 + [1] * 4, np.uint8),
        block=block,
        lane_index=np.array([0, 1, 0, 1, 0, 0, 0, 1, 0, 0]),
        speed_limit_mps=np.full(n, 13.4),
        has_speed_limit=np.arange(n) < 6,
        has_light=np.arange(n) >= 6,
        polygons=Polygons.build(polygons),
        centerlines=Polylines.build(lines),
        left=Polylines.build(left),
        right=Polylines.build(right),
        successors=Ragged.build([follow.get(i, []) for i in range(n)]),
        predecessors=Ragged.build([before[i] for i in range(n)]),
        stops=Ragged.build([[]] * n),
        left_line=np.full(n, -1),
        right_line=np.full(n, -1),
    )
    blocks = RoadBlocks(
        id=np.arange(500, 507),
        kind=np.array([0, 0, 0, 0, 1, 1, 1], np.uint8),
        polygons=Polygons.build([polygons[int(np.flatnonzero(block == k)[0])] for k in range(7)]),
        lanes=Ragged.build([list(np.flatnonzero(block == k)) for k in range(7)]),
        successors=Ragged.build([[4, 5, 6], [], [], [], [1], [2], [3]]),
        predecessors=Ragged.build([[], [4], [5], [6], [0], [0], [0]]),
        intersection=np.full(7, -1),
    )
    box = np.array([[97.0, -3], [100, -3], [100, 6], [97, 6], [97, -3]]) + START
    road = np.array([[-20.0, -160], [300, -160], [300, 160], [-20, 160], [-20, -160]]) + START
    areas = Areas(
        np.array([1, 2]),
        np.array([AreaKind.ROAD_SEGMENT, AreaKind.CROSSWALK], np.uint8),
        np.zeros(2, np.int64),
        Polygons.build([[road], [box]]),
    )
    none = np.zeros(0, np.int64)
    line_rows = Lines(none, np.zeros(0, np.uint8), none, Polylines.build([]))
    return MapData("tiny", "1", "made-up", "CC0", 0, lanes, blocks, areas, line_rows)


ROUTES = {
    "straight": ([1, 7, 3], [500, 504, 501]),
    "left": ([0, 8, 4], [500, 505, 502]),
    "right": ([1, 9, 5], [500, 506, 503]),
}


def make_drive(map_data: MapData, seed: int = 0, seconds: float = 14.0) -> Drive:
    """A drive along one of the routes at a varying speed, with a lead, a neighbour, a pedestrian and cones; 20 Hz."""
    rng = np.random.default_rng(seed)
    way = list(ROUTES)[seed % 3]
    rows, route = ROUTES[way]
    path = np.concatenate([map_data.lanes.centerlines[r] for r in rows])
    path = path[np.concatenate([[True], np.hypot(*np.diff(path, axis=0).T) > 1e-6])]
    arc = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    n = int(seconds * 20)
    t = np.arange(n) * 0.05
    speed = 7.0 + 2.0 * rng.random() + 1.5 * np.sin(0.4 * t + rng.random())
    s = 5.0 + 20 * rng.random() + np.concatenate([[0], np.cumsum(0.025 * (speed[1:] + speed[:-1]))])

    def along(s: np.ndarray, side: float = 0.0) -> np.ndarray:
        xy = np.stack([np.interp(s, arc, path[:, k]) for k in (0, 1)], 1)
        ahead = np.stack([np.interp(s + 0.5, arc, path[:, k]) for k in (0, 1)], 1)
        behind = np.stack([np.interp(s - 0.5, arc, path[:, k]) for k in (0, 1)], 1)
        h = np.arctan2(*(ahead - behind).T[::-1])
        return np.stack([xy[:, 0] - side * np.sin(h), xy[:, 1] + side * np.cos(h), h], 1)

    ego = np.zeros((n, 10))
    ego[:, :3], ego[:, 3], ego[:, 5] = along(s), speed, np.gradient(speed, 0.05)
    movers = [
        (along(s + 14 + 4 * rng.random()), 4.7, 1.9, 0),
        (along(s + 3, WIDTH), 4.5, 1.8, 0),
        (along(0.2 * s + 60, -6), 0.6, 0.6, 1),
    ]
    still = [(np.append(START + np.array([90 + 3 * k, -3.0]), 0.0), 0.4, 0.4, 3) for k in range(2)]
    boxes, velocity = np.zeros((n, 5, 5)), np.zeros((n, 5, 2))
    for k, (pose, length, width, _) in enumerate(movers):
        boxes[:, k, :3], boxes[:, k, 3:] = pose, (length, width)
        velocity[:, k] = np.gradient(pose[:, :2], 0.05, axis=0)
    for k, (pose, length, width, _) in enumerate(still):
        boxes[:, 3 + k] = [*pose, length, width]
    kinds = np.array([m[3] for m in movers] + [m[3] for m in still], np.uint8)
    track = np.tile(np.arange(5), n)
    state = np.where(t < 4, 2, 0).astype(np.uint8)
    return Drive(
        name=f"tiny-{seed}",
        map_name="tiny",
        source="made-up",
        licence="CC0",
        vehicle="pacifica",
        interval_us=50_000,
        time_us=(1_600_000_000_000_000 + np.arange(n) * 50_000).astype(np.int64),
        token=np.arange(n).astype(np.uint64) + np.uint64(1000 * seed + 1),
        ego=ego,
        joints=np.zeros((n, 0)),
        tracks=Tracks(
            np.arange(5).astype(np.uint64) + np.uint64(2**63 + seed),
            kinds,
            np.arange(5),
            np.zeros(5, np.uint8),
            np.full(5, 1.5),
        ),
        objects=ObjectFrames(np.arange(n + 1) * 5, track, boxes.reshape(-1, 5), velocity.reshape(-1, 2)),
        lights=LightFrames(np.arange(n + 1) * 2, np.tile([106, 107], n), np.repeat(state, 2)),
        scenes=Scenes(np.zeros(1, np.int64), Ragged.build([route]), np.zeros((1, 3)), np.zeros(1, bool), ("only",)),
        tag_frame=np.zeros(0, np.int64),
        tag_type=np.zeros(0, np.int64),
        tag_names=(),
    )


def observe(
    drives: list[Drive], map_data: MapData, frames: list[int], past: int = 21, stride: int = 2
) -> ObservationBatch:
    """What a planner would see of each drive at the given frame."""
    ids, boxes, velocities, kinds, offsets, now = [], [], [], [], [0], []
    for drive, frame in zip(drives, frames, strict=True):
        for p in range(past - 1, -1, -1):
            f = frame - p * stride
            rows = drive.objects.rows(f) if f >= 0 else slice(0, 0)
            ids.append(drive.tracks.id[drive.objects.track[rows]])
            kinds.append(drive.tracks.kind[drive.objects.track[rows]])
            boxes.append(drive.objects.box[rows])
            velocities.append(drive.objects.velocity[rows])
            offsets.append(offsets[-1] + len(boxes[-1]))
        now.append(len(offsets) - 2)
    key = np.concatenate(ids)
    objects_past = Objects(
        np.array(offsets), key, np.concatenate(kinds), np.arange(len(key)), np.zeros(len(key), np.uint8),
        np.concatenate(boxes), np.concatenate(velocities),
    )  # fmt: skip
    b = len(drives)
    egos = np.stack(
        [d.ego[np.maximum(f - stride * np.arange(21, -1, -1), 0)] for d, f in zip(drives, frames, strict=True)]
    )
    lights = [d.lights.rows(f) for d, f in zip(drives, frames, strict=True)]
    return ObservationBatch(
        token=tuple(f"{d.name}-{f}" for d, f in zip(drives, frames, strict=True)),
        iteration=np.zeros(b, np.int64),
        time_us=np.array([d.time_us[f] for d, f in zip(drives, frames, strict=True)]),
        interval_s=np.full(b, 0.1),
        ego_past=egos,
        ego_past_us=np.zeros((b, 22), np.int64),
        ego_past_valid=np.ones((b, 22), bool),
        joints=np.zeros((b, 0)),
        objects=objects_past.select(np.array(now)),
        lights=Lights(
            np.cumsum([0] + [r.stop - r.start for r in lights]),
            np.concatenate([d.lights.lane[r] for d, r in zip(drives, lights, strict=True)]),
            np.concatenate([d.lights.state[r] for d, r in zip(drives, lights, strict=True)]),
        ),
        maps=(map_data,) * b,
        route=Ragged.build([d.scenes.route[0] for d in drives]),
        goal=np.zeros((b, 3)),
        has_goal=np.zeros(b, bool),
        vehicle=load_vehicle(),
        objects_past=objects_past,
    )


__all__ = ["ObjectKind", "make_drive", "make_map", "observe"]
