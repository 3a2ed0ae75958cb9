"""Small drives and maps made of random numbers: formats and stores must carry anything."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from roadcraft.core.arrays import Polygons, Polylines, Ragged, offsets_of
from roadcraft.core.interfaces import ScenarioRow
from roadcraft.core.map import Areas, Lanes, Lines, MapData, RoadBlocks
from roadcraft.core.scenario import Drive, LightFrames, ObjectFrames, Scenes, Tracks

ORIGIN = 664433.123456789  # of the map, as far out as northings are


def _drive(seed: int, frames: int = 40, name: str = "") -> Drive:
    rng = np.random.default_rng(seed)
    counts, lights = rng.integers(0, 6, frames), rng.integers(0, 3, frames)
    n, m = int(counts.sum()), int(lights.sum())
    return Drive(
        name=name or f"log_{seed}",
        map_name="here",
        source="test",
        licence="none",
        vehicle="pacifica",
        interval_us=50_000,
        time_us=1_600_000_000_000_000 + 50_000 * np.arange(frames),
        token=rng.integers(0, 2**64, frames, dtype=np.uint64),
        ego=rng.normal(size=(frames, 10)) + np.array([ORIGIN + 40, ORIGIN + 2, *[0.0] * 8]),
        joints=np.zeros((frames, 0)),
        tracks=Tracks(
            rng.integers(0, 2**64, 7, dtype=np.uint64),
            rng.integers(0, 7, 7).astype(np.uint8),
            np.arange(7),
            np.zeros(7, np.uint8),
            rng.random(7),
        ),
        objects=ObjectFrames(
            offsets_of(counts), rng.integers(0, 7, n), rng.uniform(0.1, 3, (n, 5)), rng.normal(size=(n, 2))
        ),
        lights=LightFrames(offsets_of(lights), rng.integers(0, 9, m), rng.integers(0, 4, m).astype(np.uint8)),
        scenes=Scenes(
            np.array([0, frames // 2]),
            Ragged.build([[5, 6], [7]]),
            rng.normal(size=(2, 3)),
            np.array([True, False]),
            ("s0", "s1"),
        ),
        tag_frame=np.array([10, 20]),
        tag_type=np.array([0, 1]),
        tag_names=("a", "b"),
    )


def _map(seed: int) -> MapData:
    rng = np.random.default_rng(seed)
    x, y = ORIGIN + 20.0 * np.arange(4) + rng.random(), ORIGIN
    box = [np.array([[a, y], [a + 20, y], [a + 20, y + 4], [a, y + 4], [a, y]]) for a in x]
    line = [np.array([[a, y + 2], [a + 10, y + 2], [a + 20, y + 2]]) for a in x]
    edge = [np.array([[a, y + 4], [a + 20, y + 4]]) for a in x]
    none, each = Ragged.build([[]] * 4), [[i] for i in range(4)]
    following, before = Ragged.build([[1], [2], [3], []]), Ragged.build([[], [0], [1], [2]])
    kind = np.zeros(4, np.uint8)
    return MapData(
        name="here",
        version="1",
        source="test",
        licence="none",
        epsg=0,
        lanes=Lanes(
            np.arange(4) + 100, kind, np.arange(4), np.zeros(4, np.int64), np.full(4, 13.4), np.ones(4, bool), np.zeros(4, bool),
            Polygons.build([[b] for b in box]), Polylines.build(line), Polylines.build(edge), Polylines.build(edge),
            following, before, none, np.full(4, -1), np.full(4, -1),
        ),
        blocks=RoadBlocks(
            np.arange(4) + 5, kind, Polygons.build([[b] for b in box]), Ragged.build(each), following, before, np.full(4, -1)
        ),
        areas=Areas(np.arange(4), np.zeros(4, np.uint8), np.zeros(4, np.int64), Polygons.build([[b] for b in box])),
        lines=Lines(np.arange(1), np.zeros(1, np.uint8), np.zeros(1, np.int64), Polylines.build(edge[:1])),
    )  # fmt: skip


def _rows(drive: Drive, key: str | None = None) -> list[ScenarioRow]:
    return [
        ScenarioRow(
            token=f"{int(drive.token[f]):016x}",
            tags=(drive.tag_names[t],),
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
        for f, t in zip(drive.tag_frame, drive.tag_type, strict=True)
    ]


@pytest.fixture(scope="session")
def make_drive() -> Callable[..., Drive]:
    """``make_drive(seed, frames=40, name="log_<seed>")``"""
    return _drive


@pytest.fixture(scope="session")
def make_map() -> Callable[[int], MapData]:
    return _map


@pytest.fixture(scope="session")
def make_rows() -> Callable[..., list[ScenarioRow]]:
    """``make_rows(drive, key=None)``: two scenarios, types 'a' and 'b'."""
    return _rows
