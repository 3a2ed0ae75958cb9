"""The store: what comes out is what went in, bit by bit, and damage is told with its place."""

from __future__ import annotations

import errno
import gc
import json
import multiprocessing
import os
import pickle
import signal
import time
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st
from safetensors import safe_open

from roadcraft.core import files
from roadcraft.core.arrays import to_arrays
from roadcraft.core.data.windows import cut
from roadcraft.core.errors import DataError
from roadcraft.scenario_io.filter_config import ScenarioFilter
from roadcraft.scenario_io.filters import find, select, window_of
from roadcraft.scenario_io.store import shard
from roadcraft.scenario_io.store.index import (
    DriveEntry,
    IndexPart,
    TokenIndex,
    narrow,
    read_index,
    read_part,
    scenario_table,
    to_rows,
    write_part,
)
from roadcraft.scenario_io.store.shard import Shard, ShardMember, load_drive, save_drive, write_shard
from roadcraft.scenario_io.store.store import Store
from roadcraft.scenario_io.store.writer import StoreWriter, clean, compact, exclusive


def same(a, b) -> None:
    (x, mx), (y, my) = to_arrays(a), to_arrays(b)
    assert mx == my
    assert list(x) == list(y)
    for key in x:
        assert x[key].dtype == y[key].dtype, key
        assert x[key].shape == y[key].shape, key
        assert x[key].tobytes() == y[key].tobytes(), key


@pytest.fixture
def store(tmp_path, make_drive, make_map, make_rows) -> Path:
    with StoreWriter(tmp_path / "s", shard_drives=2) as out:
        for seed in range(5):
            drive = make_drive(seed)
            out.add(
                drive.name,
                drive,
                make_map(seed % 2),
                make_rows(drive),
                {"plans": np.arange(3.0) + seed},
                {"seed": seed},
            )
    return tmp_path / "s"


def test_round_trip(store, make_drive, make_map, make_rows):
    s = Store(store)
    assert s.logs() == [f"log_{i}" for i in range(5)]
    for seed in range(5):
        drive = make_drive(seed)
        same(s.drive(drive.name), drive)
        same(s.map(drive.name), make_map(seed % 2))
        assert s.rows(drive.name) == make_rows(drive)
        assert s.extra(drive.name)["plans"].tolist() == [seed, seed + 1, seed + 2]
        assert s.meta(drive.name) == {"seed": seed}
    assert len(list((store / "maps").iterdir())) == 2
    assert s.map("log_0") is s.map("log_2")
    assert s.verify() == []


def test_a_scenario_equals_the_one_cut_from_the_log(store, make_drive, make_map, make_rows):
    s = Store(store)
    for seed in range(5):
        drive = make_drive(seed)
        for row in make_rows(drive):
            direct = cut(drive, make_map(seed % 2), row, row.tags[0], window_of(row, row.tags[0]))
            stored = s.get(row.token)
            assert (stored.token, stored.type, stored.first, stored.last, stored.stride) == (
                direct.token, direct.type, direct.first, direct.last, direct.stride,
            )  # fmt: skip
            assert stored.expert.tobytes() == direct.expert.tobytes()


def test_a_window_across_a_gap_is_refused(make_drive, make_map, make_rows):
    drive = make_drive(1)
    row = make_rows(drive)[1]
    late = replace(drive, time_us=drive.time_us + 3_000_000 * (np.arange(len(drive)) > 20))
    with pytest.raises(DataError, match=r"log_1: scenario .*: the log has a gap of 3\.1\d? s in the window"):
        cut(late, make_map(1), row, "b", (int(late.time_us[14]), int(late.time_us[32])))


def test_arrays_look_to_kernels_like_those_of_a_log(store, make_drive):
    stored, _ = to_arrays(Store(store).drive("log_1"))
    for key, a in stored.items():
        assert (a.flags.aligned, a.flags.c_contiguous, a.flags.writeable) == (True, True, True), key
        assert type(a) is np.ndarray
    before = Store(store).drive("log_1").ego[0, 0]
    stored["ego"][0, 0] = -1.0
    assert Store(store).drive("log_1").ego[0, 0] == before


def test_shards_are_plain_safetensors(store):
    files = sorted((store / "drives").glob("*.safetensors"))
    assert len(files) == 3
    with safe_open(files[0], "np") as f:
        names = set(f.keys())
        assert "0/ego" in names
        assert f.get_tensor("0/ego").shape == (40, 10)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["<f8", "<f4", "<i8", "<u8", "|u1", "|b1", "<i4", "<u2"]),
            st.lists(st.integers(0, 4), max_size=3),
        ),
        max_size=6,
    )
)
def test_any_extra_arrays_come_back(tmp_path_factory, make_drive, layout):
    rng = np.random.default_rng(0)
    extra = {f"x{i}": (rng.random(s) * 9).astype(d) for i, (d, s) in enumerate(layout)}
    path = tmp_path_factory.mktemp("x") / "d.safetensors"
    save_drive(path, make_drive(1, 3), extra, {"note": [1, None, "é"]})
    drive, back, meta = load_drive(path)
    same(drive, make_drive(1, 3))
    assert meta == {"note": [1, None, "é"]}
    assert {k: (v.dtype, v.shape, v.tobytes()) for k, v in back.items()} == {
        k: (v.dtype, v.shape, v.tobytes()) for k, v in extra.items()
    }


def test_objects_cannot_be_stored(tmp_path, make_drive):
    with pytest.raises(TypeError, match="cannot be stored"):
        save_drive(tmp_path / "d", make_drive(1), {"x": np.array([object()])})


def test_filters_through_the_index_equal_filters_over_rows(store):
    s = Store(store)
    rows = list(s.iter_rows())
    tokens = tuple(r.token for r in rows[::3])
    for f in (
        ScenarioFilter(),
        ScenarioFilter(scenario_types=("a",)),
        ScenarioFilter(scenario_types=("b", "c"), remove_invalid_goals=True),
        ScenarioFilter(scenario_tokens=tokens, log_names=("log_1", "log_3")),
        ScenarioFilter(splits=("train",)),
        ScenarioFilter(map_names=("here",), num_scenarios_per_type=2),
    ):
        assert find(s, f) == select(rows, f)
    assert len(find(s)) == 10


def test_appending_and_compacting_change_nothing_for_readers(store, make_drive, make_map, make_rows):
    before = {r.token: r for r in Store(store).iter_rows()}
    with StoreWriter(store) as out:
        assert "log_3" in out.done
        with pytest.raises(DataError, match="already"):
            out.add("log_3", make_drive(3), make_map(1))
        out.add("log_9", make_drive(9), make_map(1), make_rows(make_drive(9)))
    grown = list(Store(store).iter_rows())
    assert len(grown) == len(before) + 2
    keep = {p: p.read_bytes() for p in (store / "index").iterdir()}
    compact(store / "index")
    assert len(list((store / "index").iterdir())) == 1
    assert list(Store(store).iter_rows()) == grown
    for p, data in keep.items():  # killed between the merged part and the removal of the old ones
        p.write_bytes(data)
    again = Store(store)
    assert sorted(r.token for r in again.iter_rows()) == sorted(r.token for r in grown)
    same(again.drive("log_9"), make_drive(9))


def test_released_drives_leave_memory_but_for_those_in_use(store, make_drive):
    source = Store(store)
    first, second = (source.drive(make_drive(seed).name) for seed in (0, 4))
    files = [weakref.ref(s._data) for s in source._shards.values()]
    assert len(files) == 2
    source.release()
    del second
    gc.collect()
    assert [f() is None for f in files] == [False, True]
    same(first, make_drive(0))
    same(source.drive(first.name), first)


@pytest.mark.parametrize("later", [1, None])
def test_a_file_that_is_replaced_or_deleted_while_it_is_open_is_read_as_it_was(tmp_path, make_drive, later):
    path, drive = tmp_path / "drive.safetensors", make_drive(0)
    save_drive(path, drive)
    opened = Shard(path)
    path.unlink()
    if later is not None:
        save_drive(path, make_drive(later))
    same(opened.load(drive.name, type(drive)), drive)


def test_a_store_pickles_as_its_path(store):
    assert pickle.loads(pickle.dumps(Store(store))).logs() == Store(store).logs()


def _read(path: Path, out) -> None:
    out.put(float(sum(Store(path).drive(k).ego.sum() for k in Store(path).logs())))


def test_many_processes_read_at_once(store):
    ctx = multiprocessing.get_context("fork")
    queue = ctx.Queue()
    workers = [ctx.Process(target=_read, args=(store, queue)) for _ in range(3)]
    for w in workers:
        w.start()
    sums = {queue.get(timeout=60) for _ in workers}
    for w in workers:
        w.join()
    assert len(sums) == 1


def test_unknown_names(store):
    s = Store(store)
    with pytest.raises(DataError, match="no scenario 'nope'"):
        s.get("nope")
    with pytest.raises(DataError, match="no log 'nope'"):
        s.drive("nope")


# ---- damage --------------------------------------------------------------------------


def test_not_a_store(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        Store(tmp_path / "none")
    (tmp_path / "x").mkdir()
    with pytest.raises(DataError, match="not a store"):
        Store(tmp_path / "x")
    (tmp_path / "x" / "photo.jpg").write_text("x")
    with pytest.raises(DataError, match="not a store"):
        StoreWriter(tmp_path / "x")
    with pytest.raises(DataError, match="a file is in the way"):
        StoreWriter(tmp_path / "x" / "photo.jpg")


@pytest.mark.parametrize("version", [0, 99, "x"])
def test_another_version_is_told(store, version):
    (store / "store.json").write_text(json.dumps({"version": version}))
    with pytest.raises(DataError, match=r"store version .* reads version 1"):
        Store(store)
    (store / "store.json").write_text("{")
    with pytest.raises(DataError, match=r"store.json.*damaged"):
        Store(store)


def test_another_schema_version_is_told(tmp_path, make_drive, monkeypatch):
    monkeypatch.setattr(shard, "SCHEMA", 7)
    save_drive(tmp_path / "d", make_drive(1))
    monkeypatch.undo()
    with pytest.raises(DataError, match="schema version 7, this roadcraft reads version 1"):
        load_drive(tmp_path / "d")


@pytest.mark.parametrize("keep", [0, 5, 100, 4000, -1])
def test_a_cut_off_shard_is_told(store, keep):
    path = sorted((store / "drives").iterdir())[0]
    path.write_bytes(path.read_bytes()[:keep])
    s = Store(store)
    hurt = [k for k in s.logs() if s.entry(k).shard == f"drives/{path.name}"]
    with pytest.raises(DataError, match="cut off") as e:
        s.drive(hurt[0])
    assert path.name in str(e.value)
    assert len(s.verify()) == 1
    whole = next(k for k in s.logs() if k not in hurt)
    assert len(s.drive(whole)) == 40
    with pytest.raises(DataError, match=r"cut off|too short"):
        Shard(path)


def test_flipped_bytes_are_found(store):
    path = sorted((store / "drives").iterdir())[1]
    data = bytearray(path.read_bytes())
    data[-40] ^= 1
    path.write_bytes(data)
    other = sorted((store / "maps").iterdir())[0]
    data = bytearray(other.read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    data[start + 3] ^= 1
    other.write_bytes(data)
    faults = Store(store).verify()
    assert len(faults) == 2
    assert path.name in faults[0]
    assert "checksum" in faults[0]
    assert other.name in faults[1]


def _everything(path: Path) -> dict[str, object]:
    """All that a reader can get out of a store; files whose damage was told, by name."""
    s, out = Store(path), {}
    try:
        keys = s.logs()
    except DataError as e:
        return {"index": f"told: {e}"}
    for key in keys:
        for name, get in (("drive", s.drive), ("map", s.map), ("extra", s.extra), ("rows", s.rows)):
            try:
                value = get(key)
            except DataError as e:
                out[key, name] = f"told: {e}"
                continue
            arrays = value if isinstance(value, dict) else to_arrays(value)[0] if name != "rows" else {}
            index = to_arrays(value.index)[0] if name == "map" else {}
            out[key, name] = (
                str(value) if name == "rows" else [a.tobytes() for a in (*arrays.values(), *index.values())]
            )
    return out


@pytest.mark.parametrize("folder", ["drives", "maps", "index"])
def test_a_block_of_zeros_is_told_or_changes_nothing(store, folder):
    sound, told = _everything(store), 0
    path = sorted((store / folder).iterdir())[0]
    data = path.read_bytes()
    for at in np.linspace(0, len(data) - 600, 25).astype(int).tolist():
        path.write_bytes(data[:at] + bytes(600) + data[at + 600 :])
        found = _everything(store)
        for key, value in found.items():
            if isinstance(value, str) and value.startswith("told: "):
                assert path.name in value
                told += 1
            else:
                assert value == sound[key]
    assert told >= 25
    path.write_bytes(data)
    assert _everything(store) == sound


def test_swapped_files_are_told(store):
    for folder, get in (("drives", "drive"), ("maps", "map")):
        a, b = sorted((store / folder).iterdir())[:2]
        x, y = a.read_bytes(), b.read_bytes()
        a.write_bytes(y)
        b.write_bytes(x)
        s = Store(store)
        for key in s.logs():
            file = {"drive": s.entry(key).shard, "map": f"maps/{s.entry(key).map}.safetensors"}[get]
            if file in (f"{folder}/{a.name}", f"{folder}/{b.name}"):
                with pytest.raises(DataError, match=r"no member|were written|differ from what was written") as e:
                    getattr(s, get)(key)
                assert file in str(e.value)
        a.write_bytes(x)
        b.write_bytes(y)


def _without_checks(path: Path) -> None:
    """The file as an earlier roadcraft wrote it."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    del header["__metadata__"]["check"]
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])


def test_a_store_of_an_earlier_roadcraft_is_read_and_its_damage_told(store):
    sound = _everything(store)
    for path in (*(store / "drives").iterdir(), *(store / "maps").iterdir()):
        _without_checks(path)
    compact(store / "index")
    old = read_index(store / "index")
    shards = [
        replace(s, bytes=(store / f).stat().st_size, digest=files.digest_of(store / f)) for f, s in old.shards.items()
    ]
    for path in (store / "index").iterdir():
        path.unlink()
    part = write_part(store / "index", shards, list(old.drives.values()), old.table)
    part.rename(part.with_name("0" * 20 + ".parquet"))
    assert _everything(store) == sound
    for folder in ("drives", "maps"):
        path = sorted((store / folder).iterdir())[0]
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        told = [v for v in _everything(store).values() if isinstance(v, str) and path.name in v]
        assert told
        assert all("checksum does not match" in t or "content hash" in t for t in told)
        data[-1] ^= 1
        path.write_bytes(data)
    assert _everything(store) == sound


def test_a_damaged_header_is_told(store):
    path = sorted((store / "drives").iterdir())[0]
    data = bytearray(path.read_bytes())
    data[9:14] = b"xxxxx"
    path.write_bytes(data)
    with pytest.raises(DataError, match="header cannot be read"):
        Shard(path)


def test_a_damaged_index_is_told(store):
    path = sorted((store / "index").iterdir())[0]
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DataError, match="index file cannot be read"):
        Store(store).logs()


def test_no_flipped_byte_of_an_index_goes_unseen(store):
    path = sorted((store / "index").iterdir())[0]
    data = path.read_bytes()
    want = read_part(path)
    rng, told = np.random.default_rng(0), []
    for at in rng.choice(len(data), 300, replace=False):
        path.write_bytes(data[:at] + bytes([data[at] ^ (1 << int(rng.integers(8)))]) + data[at + 1 :])
        try:
            part = read_part(path)
        except DataError as e:
            told.append(str(e))
        else:  # statistics and the like, which are not read
            assert part.table.equals(want.table)
            assert (part.shards, part.drives) == (want.shards, want.drives)
    assert len(told) > 200
    assert all(path.name in t for t in told)


def test_a_missing_shard_is_told(store):
    path = sorted((store / "drives").iterdir())[0]
    path.unlink()
    assert "missing" in Store(store).verify()[0]
    s = Store(store)
    hurt = next(k for k in s.logs() if s.entry(k).shard == f"drives/{path.name}")
    with pytest.raises(DataError, match=r"cannot be opened: .*\(run the same ingest again: its drives are read anew\)"):
        s.drive(hurt)


def test_a_full_disk_loses_nothing(store, make_drive, make_map, monkeypatch):
    before = sorted(p.name for p in store.rglob("*"))

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    out = StoreWriter(store)
    out.add("late", make_drive(7), make_map(0))
    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(DataError, match=r"disk is full.*everything written before is intact"):
        out.flush()
    monkeypatch.undo()
    assert sorted(p.name for p in store.rglob("*")) == before
    assert Store(store).verify() == []


def test_what_a_killed_writer_left_is_ignored_and_cleaned(store, make_drive):
    write_shard(store / "drives" / "orphan.safetensors", [ShardMember("x", make_drive(1))])
    (store / "drives" / ".y.tmp").write_bytes(b"half")
    assert Store(store).logs() == [f"log_{i}" for i in range(5)]
    with exclusive(store):
        assert clean(store) == 2
    assert Store(store).verify() == []


def _write_forever(path: Path, make_drive, make_map, make_rows) -> None:
    out = StoreWriter(path, shard_drives=1)
    for i in range(100_000):
        drive = make_drive(i, 400, f"k{i}")
        out.add(drive.name, drive, make_map(i % 3), make_rows(drive))


@pytest.mark.parametrize("after_s", [0.05, 0.13, 0.3])
def test_killed_at_any_moment(tmp_path, make_drive, make_map, make_rows, after_s):
    path = tmp_path / "s"
    StoreWriter(path)
    ctx = multiprocessing.get_context("fork")
    worker = ctx.Process(target=_write_forever, args=(path, make_drive, make_map, make_rows))
    worker.start()
    time.sleep(after_s)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    s = Store(path)
    assert [f for f in s.verify() if "no index file names it" not in f] == []
    assert s.logs() == sorted(f"k{i}" for i in range(len(s.logs())))
    for key in s.logs():
        same(s.drive(key), make_drive(int(key[1:]), 400, key))
    with StoreWriter(path) as out:
        out.add("next", make_drive(1), make_map(0))
    assert "next" in Store(path).logs()


def test_only_one_ingest_at_a_time(store):
    with exclusive(store), pytest.raises(DataError, match="another ingest"), exclusive(store):
        pass


# ---- the index -----------------------------------------------------------------------


@pytest.mark.parametrize("width", [16, 7, None])
def test_tokens_are_found_whatever_their_length(width):
    rng = np.random.default_rng(width or 0)
    sizes = [width] * 500 if width else rng.integers(1, 30, 500).tolist()
    tokens = ["".join(rng.choice(list("0123456789abcdef"), n)) for n in sizes]
    chunks = [
        pa.array(["x", *tokens[:200]])[1:],
        pa.array(tokens[200:201], pa.string()),
        pa.array([], pa.string()),
        pa.array(tokens[201:]),
    ]
    found = TokenIndex(pa.chunked_array(chunks))
    for t in tokens:
        assert tokens[found.find(t)] == t
    for t in ("", "x", "0123456789abcdeg", "g" * 40, "ä" * 8):
        assert found.find(t) is None


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sets(st.sampled_from("abc")), st.sampled_from(["l1", "l2", "l3"]), st.booleans()), max_size=30
    ),
    st.data(),
)
def test_narrowing_by_columns_equals_narrowing_by_rows(make_rows, make_drive, listed, data):
    base = make_rows(make_drive(1))[0]
    rows = [
        replace(base, token=f"{i:016x}", tags=tuple(sorted(t)), log=log, has_goal=g)
        for i, (t, log, g) in enumerate(listed)
    ]
    rows.sort(key=lambda r: (["l2", "l3", "l1"].index(r.log), r.token))
    drives, at = {}, 0
    for log in ("l2", "l3", "l1"):
        n = sum(r.log == log for r in rows)
        drives[log] = DriveEntry(log, log, "", "", "", "", "", "", 0, 0, 0, 0, at, n)
        at += n
    halves = [scenario_table([(r, "", 0) for r in part]) for part in (rows[: len(rows) // 2], rows[len(rows) // 2 :])]
    part = IndexPart({}, dict(sorted(drives.items())), pa.concat_tables(halves))
    f = ScenarioFilter(
        scenario_types=data.draw(st.none() | st.just(("a", "z")) | st.just(())),
        log_names=data.draw(st.none() | st.just(("l1", "l3"))),
        scenario_tokens=data.draw(st.none() | st.just(tuple(f"{i:016x}" for i in range(0, 40, 2)))),
        remove_invalid_goals=data.draw(st.booleans()),
    )
    want = [
        r
        for r in sorted(rows, key=lambda r: (r.log, r.token))
        if (f.scenario_types is None or set(r.tags) & set(f.scenario_types))
        and (f.log_names is None or r.log in f.log_names)
        and (f.scenario_tokens is None or r.token in f.scenario_tokens)
        and (not f.remove_invalid_goals or r.has_goal)
    ]
    assert to_rows(narrow(part, f)) == want
