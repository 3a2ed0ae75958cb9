"""A map that holds everything the nuPlan format can hold, and drives of random numbers: formats and stores must carry
anything."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from roadcraft.core.arrays import Polylines, Ragged, offsets_of
from roadcraft.core.data.map import AreaKind, LaneKind, MapData
from roadcraft.core.data.scenario import Drive, LightFrames, ObjectFrames, ObjectKind, ScenarioRow, Scenes, Tracks
from roadcraft.core.testing.world import LaneSketch, rectangle, sketch_map

ORIGIN = np.array([331_000.0, 4_690_000.0])
WIDTH = 3.5
NAME = "2021.01.01.00.00.00_veh-01_00000_00100"


def make_map(seed: int = 0) -> MapData:
    """Two lanes (ids 11, 15), two connectors (40 with a light and two stop lines, 41 with a light without any), two
    lanes (19, 23); every kind of area.

    Another ``seed`` moves it by less than a metre.
    """
    shift = ORIGIN + (np.random.default_rng(seed).random(2).round(3) if seed else 0.0)

    def line(x0: float, x1: float, y: float, count: int) -> np.ndarray:
        return np.linspace((x0, y), (x1, y), count) + shift

    def box(x0: float, y0: float, x1: float, y1: float) -> list[np.ndarray]:
        return rectangle((x0 + shift[0], y0 + shift[1]), (x1 + shift[0], y1 + shift[1]))

    nan = float("nan")
    rows = [
        (11, 71, (0, 40, 0), (40,), 13.4),
        (15, 71, (0, 40, WIDTH), (41,), 0.0),
        (19, 72, (60, 100, 0), (), nan),
        (23, 72, (60, 100, WIDTH), (), 6.7),
        (40, 90, (40, 60, 0), (19,), 5.0),
        (41, 90, (40, 60, WIDTH), (23,), nan),
    ]
    lanes = [
        LaneSketch(
            lane,
            block,
            line(*at, 3 + k),
            after,
            block == 90,
            limit,
            block == 90,
            (7,) if lane == 40 else (),
            (k, k + 6),
        )
        for k, (lane, block, at, after, limit) in enumerate(rows)
    ]
    edges = [line(x0, x1, y + side, 5) for side in (WIDTH / 2, -WIDTH / 2) for _, _, (x0, x1, y), _, _ in rows]
    with_hole = [*box(-20, -20, 120, 30), *box(10, 10, 20, 20)]
    parts = [*box(-50, 0, -40, 10), *box(-48, 2, -44, 6), *box(-30, 0, -25, 10)]
    others = [k for k in AreaKind if k not in (AreaKind.ROAD_SEGMENT, AreaKind.STOP, AreaKind.SPEED_BUMP)]
    shapes = [box(40, -2, 60, 6), parts, *(box(i, 20, i + 5, 25) for i in range(3))]
    areas = [
        (201, AreaKind.ROAD_SEGMENT, 0, with_hole),
        (207, AreaKind.ROAD_SEGMENT, 0, box(60, -2, 100, 6)),
        *((k, kind, 0, rings) for k, kind, rings in zip((300, 301, 400, 401, 402), others, shapes, strict=True)),
        (901, AreaKind.STOP, 2, box(39, -2, 41, 2)),
        (905, AreaKind.STOP, 1, box(40, 2, 42, 5)),
        (977, AreaKind.STOP, 4, box(200, 0, 201, 1)),
        (990, AreaKind.SPEED_BUMP, 0, box(70, -2, 71, 2)),
    ]
    made = sketch_map(
        lanes, areas, list(enumerate(edges, 500)), width_m=WIDTH, intersections={90: 2}, name="us-ma-boston",
        version="9.12.1817", epsg=32619
    )  # fmt: skip
    as_read = replace(
        made.lanes,
        lane_index=np.where(made.lanes.kind == LaneKind.CONNECTOR, -1, made.lanes.lane_index),
        left=Polylines.build(edges[:6]),
        right=Polylines.build(edges[6:]),
    )
    return replace(made, lanes=as_read, lines=replace(made.lines, subtype=np.arange(len(edges)) % 3))


def make_drive(seed: int, frames: int = 420, name: str = NAME) -> Drive:
    """Random, but in the order in which nuPlan's reader yields things: objects by kind, static ones without velocity,
    no steering."""
    rng = np.random.default_rng(seed)
    n_tracks = 14
    kinds = np.append(np.arange(7), rng.integers(0, 7, n_tracks - 7)).astype(np.uint8)
    track = [rng.permutation(n_tracks)[: rng.integers(0, n_tracks + 1)] for _ in range(frames)]
    track = [t[np.argsort(kinds[t], kind="stable")] for t in track]
    rows = np.concatenate(track).astype(np.int64)
    n = len(rows)
    box = [rng.normal(size=(n, 2)) * 50 + ORIGIN, rng.uniform(-9, 9, n), rng.uniform(0.2, 20, (n, 2))]
    velocity = np.where((kinds[rows] <= ObjectKind.BICYCLE)[:, None], rng.normal(size=(n, 2)), 0.0)
    ego = np.zeros((frames, 10))
    ego[:, :2] = np.linspace((5, 0), (95, 3), frames) + rng.normal(size=(frames, 2)) + ORIGIN
    ego[:, 2] = rng.uniform(-np.pi, np.pi, frames)
    ego[:, 3:7] = rng.normal(size=(frames, 4))
    starts = np.sort(rng.choice(np.arange(1, frames), min(6, frames - 1), replace=False))
    lights = rng.integers(0, 3, frames)
    tagged = np.sort(rng.choice(np.arange(frames), min(30, frames), replace=False))
    scenes = len(starts) + 1
    return Drive(
        name=name,
        map_name="us-ma-boston",
        source="made-up",
        licence="CC0-1.0",
        vehicle="pacifica",
        interval_us=50_000,
        time_us=1_622_845_600_000_000 + 50_000 * np.arange(frames) + rng.integers(-200, 200, frames),
        token=rng.integers(0, 2**64, frames, dtype=np.uint64),
        ego=ego,
        joints=np.zeros((frames, 0)),
        tracks=Tracks(
            rng.integers(0, 2**64, n_tracks, dtype=np.uint64),
            kinds,
            np.arange(n_tracks),
            np.zeros(n_tracks, np.uint8),
            rng.uniform(0.5, 4.0, n_tracks),
        ),
        objects=ObjectFrames(offsets_of([len(t) for t in track]), rows, np.column_stack(box), velocity),
        lights=LightFrames(
            offsets_of(lights), rng.integers(40, 42, lights.sum()), rng.integers(0, 4, lights.sum()).astype(np.uint8)
        ),
        scenes=Scenes(
            np.append(0, starts),
            Ragged.build([[71, 90, 72], [71], [71, 90], [90, 72], [72], [71, 90, 72], [71]][:scenes]),
            np.concatenate(
                [
                    np.column_stack([ORIGIN + rng.normal(size=(scenes - 1, 2)), rng.uniform(-3, 3, scenes - 1)]),
                    np.zeros((1, 3)),
                ]
            ),
            np.arange(scenes) < scenes - 1,
            tuple(f"{name}_{i:03d}" for i in range(scenes)),
        ),
        tag_frame=tagged,
        tag_type=rng.integers(0, 3, len(tagged)),
        tag_names=("changing_lane", "stationary", "traversing_intersection"),
    )


def make_rows(drive: Drive, key: str = "") -> list[ScenarioRow]:
    """Two scenarios, at frames 10 and 20, of the first two types."""
    return [
        ScenarioRow(
            token=f"{int(drive.token[f]):016x}",
            tags=(tag,),
            log=key or drive.name,
            split="val",
            map_name=drive.map_name,
            source=drive.source,
            licence=drive.licence,
            anchor_us=int(drive.time_us[f]),
            interval_us=drive.interval_us,
            stride=2,
            has_goal=bool(f % 20),
            first_us=int(drive.time_us[f - 6]),
            last_us=int(drive.time_us[f + 12]),
        )
        for f, tag in ((10, "a"), (20, "b"))
    ]
