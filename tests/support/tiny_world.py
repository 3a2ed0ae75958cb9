"""A made-up junction and a made-up drive through it: small enough to build in milliseconds, rich enough to train a few
steps on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from roadcraft.core.data.map import AreaKind, MapData
from roadcraft.core.data.rollout import ObservationBatch
from roadcraft.core.data.scenario import Drive, LightState, ObjectKind, Scenario
from roadcraft.core.testing import world
from roadcraft.core.testing.world import LaneSketch, Mission, ObjectSketch, rectangle, sketch_drive, sketch_map
from roadcraft.core.types import PlannerNeeds

WIDTH = 3.5
START = np.array([331_000.0, 4_690_000.0])  # UTM-like, so that float32 would not do


def _straight(a: tuple[float, float], b: tuple[float, float]) -> np.ndarray:
    return np.linspace(a, b, max(int(np.hypot(b[0] - a[0], b[1] - a[1]) // 2), 2))


def _arc(center: tuple[float, float], radius: float, first: float, last: float) -> np.ndarray:
    t = np.linspace(first, last, 12)
    return np.stack([center[0] + radius * np.cos(t), center[1] + radius * np.sin(t)], 1)


def make_map() -> MapData:
    """A two-lane road east (lane rows 0 left, 1 right), a junction with lights at x = 100 with connectors straight on
    (6, 7), to the left (8) and to the right (9), and the roads beyond: east (2, 3), north (4) and south (5). A
    crosswalk lies before the junction."""
    lines = [
        (500, _straight((0, WIDTH), (100, WIDTH)), (106, 108)),
        (500, _straight((0, 0), (100, 0)), (107, 109)),
        (501, _straight((120, WIDTH), (280, WIDTH)), ()),
        (501, _straight((120, 0), (280, 0)), ()),
        (502, _straight((115, 18.5), (115, 150)), ()),  # north
        (503, _straight((105, -5), (105, -150)), ()),  # south
        (504, _straight((100, WIDTH), (120, WIDTH)), (102,)),
        (504, _straight((100, 0), (120, 0)), (103,)),
        (505, _arc((100, WIDTH + 15), 15, -np.pi / 2, 0.0), (104,)),
        (506, _arc((100, -5), 5, np.pi / 2, 0.0), (105,)),
    ]
    lanes = [
        LaneSketch(100 + i, block, line + START, after, i >= 6, 13.4 if i < 6 else np.nan, i >= 6)
        for i, (block, line, after) in enumerate(lines)
    ]
    x, y = START
    areas = [
        (1, AreaKind.ROAD_SEGMENT, 0, rectangle((x - 20, y - 160), (x + 300, y + 160))),
        (2, AreaKind.CROSSWALK, 0, rectangle((x + 97, y - 3), (x + 100, y + 6))),
    ]
    return sketch_map(lanes, areas, width_m=WIDTH, name="tiny")


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
    kinds = [ObjectKind(m[3]) for m in movers + still]
    light = np.where(t < 4, LightState.RED, LightState.GREEN)
    drive = sketch_drive(
        f"tiny-{seed}",
        "tiny",
        ego,
        ObjectSketch(kinds, boxes, velocity),
        {106: light, 107: light},
        Mission(route),
        first_token=1000 * seed + 1,
    )
    return replace(drive, tracks=replace(drive.tracks, id=np.arange(5, dtype=np.uint64) + np.uint64(2**63 + seed)))


def observe(drives: list[Drive], map_data: MapData, frames: list[int], past: int = 21) -> ObservationBatch:
    """What a planner would see of each drive at the given frame, at 10 Hz."""
    scenes = [
        Scenario(f"{d.name}-{f}", "", (), "made-up", d, map_data, f, len(d) - 1, 2)
        for d, f in zip(drives, frames, strict=True)
    ]
    return world.observe(scenes, 0, PlannerNeeds(object_past=past))
