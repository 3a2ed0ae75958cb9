"""Reading nuPlan's files: a 17 s window of 52 boxes per frame, a whole log, and maps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roadcraft.core.arrays import Polygons, Polylines, Ragged
from roadcraft.core.data.map import Areas, Lanes, Lines, MapData, RoadBlocks
from roadcraft.core.data.scenario import Drive, LightFrames, ObjectFrames, Scenes, Tracks
from roadcraft.scenario_io.nuplan import NuplanConfig, NuplanSource, read_map, write_drive, write_maps
from roadcraft.scenario_io.nuplan.placeholder import placeholder

BOXES, LIGHTS = 52, 15


def _busy_drive(frames: int = 1200) -> Drive:
    rng = np.random.default_rng(1)
    n = frames * BOXES
    ego = np.zeros((frames, 10))
    ego[:, :2] = (500_000.0, 4_000_000.0)
    return Drive(
        "2021.01.01.00.00.00_veh-01_00000_00060", "us-ma-boston", "made-up", "CC0-1.0", "pacifica", 50_000,
        1_622_845_600_000_000 + 50_000 * np.arange(frames), np.arange(frames).astype(np.uint64) + np.uint64(1), ego,
        np.zeros((frames, 0)),
        Tracks(
            np.arange(400).astype(np.uint64) + np.uint64(7), np.zeros(400, np.uint8), np.arange(400), np.zeros(400,
            np.uint8), np.ones(400)
        ),
        ObjectFrames(
            np.arange(frames + 1) * BOXES, (np.arange(n) % BOXES) + 7 * (np.arange(n) // BOXES // 25), rng.uniform(1, 9,
            (n, 5)), rng.normal(size=(n, 2))
        ),
        LightFrames(np.arange(frames + 1) * LIGHTS, np.tile(np.arange(LIGHTS), frames), np.zeros(frames * LIGHTS,
        np.uint8)),
        Scenes(
            np.arange(0, frames, frames // 6), Ragged.build([[11]] * 6), np.zeros((6, 3)), np.zeros(6, bool),
            tuple(f"s{i}" for i in range(6))
        ),
        np.arange(0, frames, 10), np.zeros(frames // 10, np.int64), ("stationary",),
    )  # fmt: skip


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("busy")
    drive, map_data = _busy_drive(), placeholder("us-ma-boston", "9.12.1817", 32619)
    write_drive(drive, map_data, root / f"{drive.name}.db")
    write_maps([map_data], root / "maps")
    return root


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_window_of_17_seconds(logs: Path, benchmark: Any, warm: bool) -> None:
    """340 frames, 17,680 boxes, 5,100 lights; cold: the log is opened anew each time."""
    config = NuplanConfig(str(logs), past_s=2.0, future_s=0.0)
    source = NuplanSource(config)
    (log,) = source.logs()
    row = source.rows(log)[150]
    span = (row.anchor_us - 3_000_000, row.anchor_us + 12_000_000)
    maps = {"us-ma-boston": source.map(log)}

    def read() -> int:
        s = source if warm else NuplanSource(config)
        s._maps = maps
        return len(s.scenario(row, "stationary", span).drive.objects.track)

    assert benchmark(read) == 341 * BOXES


def test_whole_log(logs: Path, benchmark: Any) -> None:
    """60 s, 62,400 boxes."""
    source = NuplanSource(logs)
    assert len(benchmark(source.drive, source.logs()[0])) == 1200


def test_write_log(tmp_path: Path, benchmark: Any) -> None:
    drive, map_data = _busy_drive(), placeholder("us-ma-boston", "9.12.1817", 32619)
    benchmark.pedantic(write_drive, (drive, map_data, tmp_path / "a.db"), rounds=2)


def _tiled(m: MapData, times: int) -> MapData:
    """Many copies of a map side by side, as one."""
    steps = range(times)

    def ids(a: np.ndarray) -> np.ndarray:
        return (a[:, None] * times + np.arange(times)).ravel()

    def rows(a: np.ndarray) -> np.ndarray:
        return np.where(a[:, None] >= 0, a[:, None] * times + np.arange(times), -1).ravel()

    def each(a: Any) -> np.ndarray:
        return np.repeat(a, times)

    def shift(p: np.ndarray, k: int) -> np.ndarray:
        return p + np.array([k % 100 * 10.0, k // 100 * 10.0])

    def polygons(p: Polygons) -> Polygons:
        return Polygons.build([[shift(r, k) for r in p[i]] for i in range(len(p)) for k in steps])

    def lines(p: Polylines) -> Polylines:
        return Polylines.build([shift(p[i], k) for i in range(len(p)) for k in steps])

    def links(r: Ragged) -> Ragged:
        return Ragged.build([r[i] * times + k for i in range(len(r)) for k in steps])

    a, b, c, d = m.lanes, m.blocks, m.areas, m.lines
    return replace(
        m,
        lanes=Lanes(
            ids(a.id), each(a.kind), rows(a.block), each(a.lane_index), each(a.speed_limit_mps),
            each(a.has_speed_limit),
            each(a.has_light), polygons(a.polygons), lines(a.centerlines), lines(a.left), lines(a.right),
            links(a.successors),
            links(a.predecessors), links(a.stops), rows(a.left_line), rows(a.right_line),
        ),
        blocks=RoadBlocks(
            ids(b.id), each(b.kind), polygons(b.polygons), links(b.lanes), links(b.successors), links(b.predecessors),
            rows(b.intersection)
        ),
        areas=Areas(ids(c.id), each(c.kind), each(c.subtype), polygons(c.polygons)),
        lines=Lines(ids(d.id), each(d.kind), each(d.subtype), lines(d.lines)),
    )  # fmt: skip


@pytest.mark.parametrize("location", ["us-ma-boston", "us-nv-las-vegas-strip"])
def test_golden_map(shared: Path, benchmark: Any, location: str) -> None:
    assert len(benchmark(read_map, shared / "golden" / "nuplan" / "maps", location).lanes) > 60


def test_city_size_map(shared: Path, tmp_path: Path, benchmark: Any) -> None:
    """A golden map 160 times over: 10,240 lanes and connectors, about 4 million coordinates."""
    golden = shared / "golden" / "nuplan" / "maps"
    write_maps([_tiled(read_map(golden, "us-ma-boston"), 160)], tmp_path)
    m = benchmark.pedantic(read_map, (tmp_path, "us-ma-boston"), rounds=2)
    assert len(m.lanes) == 160 * 64
