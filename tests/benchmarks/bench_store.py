"""How long a scenario takes to come out of a store: logs of 8 minutes at 20 Hz, 50 objects per frame, page cache warm.

``pytest tests/benchmarks/bench_store.py`` prints the table; bytes per scenario stand in its extra_info.
"""

from __future__ import annotations

from itertools import cycle
from pathlib import Path

import numpy as np
import pytest

from roadcraft.core.arrays import Polygons, Polylines, Ragged, offsets_of
from roadcraft.core.data.map import Areas, Lanes, Lines, MapData, RoadBlocks
from roadcraft.core.data.scenario import Drive, LightFrames, ObjectFrames, Scenario, ScenarioRow, Scenes, Tracks
from roadcraft.scenario_io import ScenarioFilter, Store, StoreWriter, find, ingest, window_of

FRAMES, OBJECTS, LOGS = 9600, 50, 4


def _log(seed: int) -> tuple[Drive, MapData, list[ScenarioRow]]:
    rng = np.random.default_rng(seed)
    rows = FRAMES * OBJECTS
    tags = np.arange(100, FRAMES - 500, 50)
    drive = Drive(
        f"log_{seed}", "here", "test", "none", "pacifica", 50_000,
        seed * 10**10 + 50_000 * np.arange(FRAMES), rng.integers(0, 2**64, FRAMES, dtype=np.uint64),
        rng.normal(size=(FRAMES, 10)), np.zeros((FRAMES, 0)),
        Tracks(rng.integers(0, 2**64, 900, dtype=np.uint64), np.zeros(900, np.uint8), np.arange(900), np.zeros(900,
        np.uint8), np.ones(900)),
        ObjectFrames(
            offsets_of(np.full(FRAMES, OBJECTS)), rng.integers(0, 900, rows), rng.normal(size=(rows, 5)),
            rng.normal(size=(rows, 2))
        ),
        LightFrames(offsets_of(np.full(FRAMES, 8)), np.zeros(FRAMES * 8, np.int64), np.zeros(FRAMES * 8, np.uint8)),
        Scenes(np.arange(0, FRAMES, 400), Ragged.build([[1, 2]] * 24), np.zeros((24, 3)), np.ones(24, bool),
        tuple(map(str, range(24)))),
        tags, np.zeros(len(tags), np.int64), ("stationary",),
    )  # fmt: skip
    index = [
        ScenarioRow(
            f"{int(drive.token[f]):016x}", ("stationary",) if f in set(tags.tolist()) else (), drive.name, "val",
            "here", "test", "none",
            int(drive.time_us[f]), 50_000, 2, True,
        )
        for f in range(60, FRAMES - 500)
    ]  # fmt: skip
    return drive, _empty_map(), index


def _empty_map() -> MapData:
    none, ids = Ragged.build([]), np.zeros(0, np.int64)
    u8, lines, polygons = np.zeros(0, np.uint8), Polylines.build([]), Polygons.build([])
    flags = np.zeros(0, bool)
    return MapData(
        "here", "1", "test", "none", 0,
        Lanes(ids, u8, ids, ids, np.zeros(0), flags, flags, polygons, lines, lines, lines, none, none, none, ids, ids),
        RoadBlocks(ids, u8, polygons, none, none, none, ids), Areas(ids, u8, ids, polygons), Lines(ids, u8, ids, lines),
    )  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "store"
    with StoreWriter(path, spatial_index=False) as out:
        for seed in range(LOGS):
            out.add(f"log_{seed}", *_log(seed))
    return path


def _touch(s: Scenario) -> float:
    """Read what a simulation reads: the expert, and every object and light of the window."""
    o, li = s.drive.objects, s.drive.lights
    rows = slice(int(o.offsets[s.first]), int(o.offsets[s.last + 1]))
    lights = slice(int(li.offsets[s.first]), int(li.offsets[s.last + 1]))
    return float(
        s.expert.sum()
        + o.box[rows].sum()
        + o.velocity[rows].sum()
        + o.track[rows].sum()
        + li.lane[lights].sum()
        + li.state[lights].sum()
    )


def test_scenario_by_token(benchmark, store):
    s = Store(store)
    tokens = [c.row.token for c in find(s, ScenarioFilter(scenario_types=("stationary",)))]
    order = cycle(np.random.default_rng(0).permutation(tokens).tolist())
    size = sum(p.stat().st_size for p in store.rglob("*") if p.is_file())
    benchmark.extra_info["bytes_per_tagged_scenario"] = size // len(tokens)
    benchmark.extra_info["bytes_per_frame"] = size // (FRAMES * LOGS)
    assert len(benchmark(lambda: s.get(next(order)))) == 151


def test_scenario_by_token_all_arrays_touched(benchmark, store):
    s = Store(store)
    tokens = [c.row.token for c in find(s, ScenarioFilter(scenario_types=("stationary",)))]
    order = cycle(np.random.default_rng(0).permutation(tokens).tolist())
    for t in tokens:
        _touch(s.get(t))
    assert benchmark(lambda: _touch(s.get(next(order)))) != 0


def test_scenario_of_a_selection(benchmark, store):
    s = Store(store)
    chosen = cycle(find(s, ScenarioFilter(scenario_types=("stationary",))))
    assert len(benchmark(lambda: s.scenario(*next(chosen)))) == 151


def test_open_and_select(benchmark, store):
    f = ScenarioFilter(scenario_types=("stationary",), num_scenarios_per_type=100)
    assert len(benchmark(lambda: find(Store(store), f))) == 100


def test_first_drive_of_a_process(benchmark, store):
    assert benchmark(lambda: len(Store(store).drive("log_2"))) == FRAMES


def test_window_of(benchmark, store):
    row = Store(store).rows("log_1")[0]
    assert benchmark(lambda: window_of(row, "unknown"))[0] == row.anchor_us


def test_write(benchmark, tmp_path):
    logs = [_log(seed) for seed in range(2)]
    number = iter(range(1000))

    def write() -> None:
        with StoreWriter(tmp_path / f"s{next(number)}", spatial_index=False) as out:
            for drive, map_data, rows in logs:
                out.add(drive.name, drive, map_data, rows)

    benchmark.pedantic(write, rounds=3)


@pytest.mark.parametrize("kind", ["nuplan", "womd"])
def test_ingest(benchmark, shared, tmp_path, kind):
    """Real files beside the checkout, one process, kernels compiled before."""
    path = {"nuplan": shared / "golden" / "nuplan", "womd": shared / "data" / "womd"}[kind]
    number = iter(range(1000))
    first = ingest(kind, path, tmp_path / "warm", workers=1)

    def run() -> None:
        assert ingest(kind, path, tmp_path / f"s{next(number)}", workers=1).drives == first.drives

    benchmark.extra_info["drives"] = first.drives
    benchmark.extra_info["bytes_per_drive"] = first.bytes // first.drives
    benchmark.pedantic(run, rounds=3)
