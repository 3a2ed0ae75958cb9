"""A made-up junction and made-up drives that hold everything the nuPlan format can hold."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from roadcraft.core.arrays import Polygons, Polylines, Ragged, offsets_of, to_arrays
from roadcraft.core.map import AreaKind, Areas, Lanes, LineKind, Lines, MapData, RoadBlocks
from roadcraft.core.scenario import Drive, LightFrames, ObjectFrames, ObjectKind, Scenes, Tracks
from roadcraft.scenario_io.nuplan import NuplanSource, write_drive, write_maps

ORIGIN = np.array([331_000.0, 4_690_000.0])
NAME = "2021.01.01.00.00.00_veh-01_00000_00100"


def _line(x0: float, y0: float, x1: float, y1: float, n: int = 5) -> np.ndarray:
    return np.linspace((x0, y0), (x1, y1), n) + ORIGIN


def _ring(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]) + ORIGIN


def make_map() -> MapData:
    """Two lanes, two connectors (one with a light and two stop lines, one with a light without any) and two lanes; every kind of area."""
    spans = [(0, 40, 0), (0, 40, 1), (60, 100, 0), (60, 100, 1), (40, 60, 0), (40, 60, 1)]
    rows = [(x0, 3.5 * k, x1) for x0, x1, k in spans]
    kind = np.array([0, 0, 0, 0, 1, 1], np.uint8)
    edges = [_line(x0, y + side, x1, y + side) for side in (1.75, -1.75) for x0, y, x1 in rows]
    stop_ids = [901, 905, 977]
    stops = [_ring(39, -2, 41, 2), _ring(40, 2, 42, 5), _ring(200, 0, 201, 1)]
    lanes = Lanes(
        id=np.array([11, 15, 19, 23, 40, 41]),
        kind=kind,
        block=np.array([0, 0, 1, 1, 2, 2]),
        lane_index=np.array([1, 0, 1, 0, -1, -1]),
        speed_limit_mps=np.array([13.4, 0.0, 0.0, 6.7, 5.0, 0.0]),
        has_speed_limit=np.array([True, True, False, True, True, False]),
        has_light=np.array([False, False, False, False, True, True]),
        polygons=Polygons.build([[_ring(x0, y - 1.75, x1, y + 1.75)] for x0, y, x1 in rows]),
        centerlines=Polylines.build([_line(x0, y, x1, y, 3 + k) for k, (x0, y, x1) in enumerate(rows)]),
        left=Polylines.build(edges[:6]),
        right=Polylines.build(edges[6:]),
        successors=Ragged.build([[4], [5], [], [], [2], [3]]),
        predecessors=Ragged.build([[], [], [4], [5], [0], [1]]),
        stops=Ragged.build([[], [], [], [], [7], []]),
        left_line=np.arange(6),
        right_line=np.arange(6, 12),
    )
    blocks = RoadBlocks(
        id=np.array([71, 72, 90]),
        kind=np.array([0, 0, 1], np.uint8),
        polygons=Polygons.build([[_ring(0, -2, 40, 6)], [_ring(60, -2, 100, 6)], [_ring(40, -2, 60, 6)]]),
        lanes=Ragged.build([[0, 1], [2, 3], [4, 5]]),
        successors=Ragged.build([[2], [], [1]]),
        predecessors=Ragged.build([[], [2], [0]]),
        intersection=np.array([-1, -1, 2]),
    )
    hole = [_ring(-20, -20, 120, 30), _ring(10, 10, 20, 20)]
    parts = [_ring(-50, 0, -40, 10), _ring(-48, 2, -44, 6), _ring(-30, 0, -25, 10)]
    kinds = [AreaKind.ROAD_SEGMENT] * 2 + [
        k for k in AreaKind if k not in (AreaKind.ROAD_SEGMENT, AreaKind.STOP, AreaKind.SPEED_BUMP)
    ]
    shapes = [
        hole,
        [_ring(60, -2, 100, 6)],
        [_ring(40, -2, 60, 6)],
        parts,
        *([_ring(i, 20, i + 5, 25)] for i in range(3)),
    ]
    areas = Areas(
        id=np.array([201, 207, 300, 301, 400, 401, 402, *stop_ids, 990]),
        kind=np.array([*kinds, *([AreaKind.STOP] * 3), AreaKind.SPEED_BUMP], np.uint8),
        subtype=np.array([0] * 7 + [2, 1, 4, 0]),
        polygons=Polygons.build([*shapes, *([s] for s in stops), [_ring(70, -2, 71, 2)]]),
    )
    lines = Lines(
        np.arange(500, 512), np.full(12, LineKind.BOUNDARY, np.uint8), np.arange(12) % 3, Polylines.build(edges)
    )
    return MapData("us-ma-boston", "9.12.1817", "made-up", "CC0-1.0", 32619, lanes, blocks, areas, lines)


def make_drive(seed: int, frames: int = 420) -> Drive:
    """Random, but in the order in which the reader yields things: objects by kind, static ones without velocity, no steering."""
    rng = np.random.default_rng(seed)
    n_tracks = 14
    kinds = np.append(np.arange(7), rng.integers(0, 7, n_tracks - 7)).astype(np.uint8)
    track = [rng.permutation(n_tracks)[: rng.integers(0, n_tracks + 1)] for _ in range(frames)]
    track = [t[np.argsort(kinds[t], kind="stable")] for t in track]
    rows = np.concatenate(track).astype(np.int64)
    box = np.column_stack(
        [
            rng.normal(size=(len(rows), 2)) * 50 + ORIGIN,
            rng.uniform(-9, 9, len(rows)),
            rng.uniform(0.2, 20, (len(rows), 2)),
        ]
    )
    velocity = np.where((kinds[rows] <= ObjectKind.BICYCLE)[:, None], rng.normal(size=(len(rows), 2)), 0.0)
    ego = np.zeros((frames, 10))
    ego[:, :2] = np.linspace((5, 0), (95, 3), frames) + rng.normal(size=(frames, 2)) + ORIGIN
    ego[:, 2] = rng.uniform(-np.pi, np.pi, frames)
    ego[:, 3:7] = rng.normal(size=(frames, 4))
    starts = np.sort(rng.choice(np.arange(1, frames), 6, replace=False))
    lights = rng.integers(0, 3, frames)
    tagged = np.sort(rng.choice(np.arange(frames), 30, replace=False))
    return Drive(
        name=NAME,
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
        objects=ObjectFrames(offsets_of([len(t) for t in track]), rows, box, velocity),
        lights=LightFrames(
            offsets_of(lights), rng.integers(40, 42, lights.sum()), rng.integers(0, 4, lights.sum()).astype(np.uint8)
        ),
        scenes=Scenes(
            np.append(0, starts),
            Ragged.build([[71, 90, 72], [71], [71, 90], [90, 72], [72], [71, 90, 72], [71]]),
            np.concatenate(
                [np.column_stack([ORIGIN + rng.normal(size=(6, 2)), rng.uniform(-3, 3, 6)]), np.zeros((1, 3))]
            ),
            np.array([True] * 6 + [False]),
            tuple(f"{NAME}_{i:03d}" for i in range(7)),
        ),
        tag_frame=tagged,
        tag_type=rng.integers(0, 3, 30),
        tag_names=("changing_lane", "stationary", "traversing_intersection"),
    )


class World(NamedTuple):
    """A written log and map, and what they were written from."""

    drive: Drive
    map: MapData
    logs: Path
    maps: Path

    @property
    def log(self) -> Path:
        return self.logs / f"{self.drive.name}.db"

    @property
    def package(self) -> Path:
        return self.maps / self.map.name / self.map.version / "map.gpkg"

    def source(self) -> NuplanSource:
        return NuplanSource(self.logs, self.maps)


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("nuplan")
    drive, map_data = make_drive(0), make_map()
    write_drive(drive, map_data, root / "mini" / f"{drive.name}.db")
    write_maps([map_data], root / "maps")
    return World(drive, map_data, root / "mini", root / "maps")


@pytest.fixture
def world(pristine: World, tmp_path: Path) -> World:
    """A copy for each test, to be spoilt at will."""
    shutil.copytree(pristine.logs.parent, tmp_path, dirs_exist_ok=True)
    return pristine._replace(logs=tmp_path / "mini", maps=tmp_path / "maps")


@pytest.fixture(scope="session")
def new_drive() -> Callable[..., Drive]:
    return make_drive


@pytest.fixture(scope="session")
def new_map() -> Callable[[], MapData]:
    return make_map


def _assert_same(a: Any, b: Any, within: float = 0.0) -> None:
    left, left_meta = to_arrays(a)
    right, right_meta = to_arrays(b)
    assert left_meta == right_meta
    assert left.keys() == right.keys()
    for key, values in left.items():
        other = right[key]
        assert (values.dtype, values.shape) == (other.dtype, other.shape), key
        if within and key.endswith("points"):
            np.testing.assert_allclose(values, other, rtol=0, atol=within, err_msg=key)
        else:
            assert values.tobytes() == other.tobytes(), key


@pytest.fixture(scope="session")
def assert_same() -> Callable[..., None]:
    """``assert_same(a, b, within=0.0)``: equal to the last bit; coordinates of maps within ``within`` metres."""
    return _assert_same
