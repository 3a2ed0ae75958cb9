"""Ingest: resumable, in parallel, one bad log never in the way of the others."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import environment

from roadcraft.core import files
from roadcraft.core.arrays import Polylines
from roadcraft.core.cli import main
from roadcraft.core.errors import ConfigError, DataError
from roadcraft.scenario_io import ScenarioFilter, Store, StoreWriter, find, ingest, open_source
from roadcraft.scenario_io.checks import check_drive
from roadcraft.scenario_io.commands import parse_params
from roadcraft.scenario_io.open import detect
from roadcraft.scenario_io.store.writer import exclusive, repair


@pytest.fixture(scope="module")
def logs(tmp_path_factory, make_drive, make_map, make_rows) -> Path:
    """Forty drives, as a store: the one format that is always there."""
    path = tmp_path_factory.mktemp("logs") / "logs"
    with StoreWriter(path, shard_drives=10, spatial_index=False) as out:
        for i in range(40):
            drive = make_drive(i, 60, f"log_{i:02d}")
            out.add(drive.name, drive, make_map(i % 3), make_rows(drive))
    return path


def contents(path: Path) -> dict[str, bytes]:
    """Every drive that is found; a killed writer may have left a file whose drives are told as not found, never a
    damaged one."""
    store = Store(path)
    assert [f for f in store.verify() if "no index file names it" not in f] == []
    return {k: store.drive(k).objects.box.tobytes() for k in store.logs()}


def test_everything_arrives(logs, tmp_path):
    report = ingest("store", logs, tmp_path / "out", workers=1)
    assert (report.drives, report.scenarios, report.already, report.skipped) == (40, 80, 0, ())
    assert report.bytes > 0
    assert contents(tmp_path / "out") == contents(logs)
    assert list(Store(tmp_path / "out").iter_rows()) == list(Store(logs).iter_rows())
    again = ingest("store", logs, tmp_path / "out", workers=1)
    assert (again.drives, again.already, again.bytes) == (0, 40, 0)


def test_two_processes(logs, tmp_path):
    report = ingest(None, logs, tmp_path / "out", workers=2)
    assert report.drives == 40
    assert contents(tmp_path / "out") == contents(logs)
    assert len(list((tmp_path / "out" / "index").glob("*.parquet"))) == 1
    assert ingest(None, logs, tmp_path / "out", workers=2).already == 40


def test_the_index_of_a_map_comes_along(logs, tmp_path):
    ingest("store", logs, tmp_path / "out", workers=1)
    stored = Store(tmp_path / "out").map("log_00")
    assert "index" in stored.__dict__
    built = Store(logs).map("log_00")
    assert "index" not in built.__dict__
    for name in ("lanes", "blocks", "drivable", "intersections", "crosswalks", "stops"):
        a, b = getattr(stored.index, name), getattr(built.index, name)
        for field in ("rows", "origin", "shape", "starts", "entries"):
            np.testing.assert_array_equal(getattr(a, field), getattr(b, field))
        assert a.cell_m == b.cell_m


_SCRIPT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever starts the tests in the background ignores it
from roadcraft.scenario_io import ingest
ingest("store", sys.argv[1], sys.argv[2], workers=int(sys.argv[3]))
"""

_SLOW = """
import os, time
from roadcraft.scenario_io.store import writer
fast = writer.write_part
def slowly(*args):
    time.sleep(float(os.environ["SLOWLY"]))
    return fast(*args)
writer.write_part = slowly
"""


def slowed(folder: Path, seconds: float) -> dict[str, str]:
    """The environment of a process that, like its workers, takes its time to write."""
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(_SLOW)
    return environment(folder / "site", SLOWLY=str(seconds))


@pytest.mark.parametrize(("workers", "parts"), [(1, 3), (2, 2)])
def test_killed_and_repeated(logs, tmp_path, workers, parts):
    script, out = tmp_path / "run.py", tmp_path / "out"
    script.write_text(_SCRIPT)
    run = subprocess.Popen([sys.executable, str(script), str(logs), str(out), str(workers)], env=slowed(tmp_path, 0.05))
    until = time.monotonic() + 60
    while len(list(out.glob("index/*.parquet"))) < parts and time.monotonic() < until and run.poll() is None:
        time.sleep(0.005)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    kept = len(contents(out))
    assert kept >= parts
    report = ingest("store", logs, out, workers=1)
    assert report.drives + report.already == 40
    assert report.already >= kept
    assert contents(out) == contents(logs)
    # An orphaned worker notices within half a second that its parent is gone; until then it may leave a temporary file.
    time.sleep(1.0)
    ingest("store", logs, out, workers=1)
    assert not list(out.rglob("*.tmp"))
    assert Store(out).verify() == []


def test_interrupted(logs, tmp_path):
    """Ctrl-C reaches the whole process group; the logs at hand are finished and kept."""
    script, out = tmp_path / "run.py", tmp_path / "out"
    script.write_text(_SCRIPT)
    run = subprocess.Popen(
        [sys.executable, str(script), str(logs), str(out), "2"],
        env=slowed(tmp_path, 0.5),  # slow enough to be caught at work
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 60
    while len(list(out.glob("index/*.parquet"))) < 2 and time.monotonic() < until and run.poll() is None:
        time.sleep(0.005)
    os.killpg(run.pid, signal.SIGINT)
    _, said = run.communicate(timeout=60)
    assert run.returncode != 0, said
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert said.count("Traceback") == 1  # none from the workers
    kept = len(contents(out))
    assert 2 <= kept < 40
    assert ingest("store", logs, out, workers=1).drives == 40 - kept


@pytest.mark.parametrize("how", ["file", "stdin"])
def test_a_script_needs_no_guard(logs, tmp_path, how):
    text = (
        f"from roadcraft.scenario_io import ingest\nprint(ingest('store', {str(logs)!r}, {str(tmp_path / 'out')!r}, "
        "workers=2).drives)\n"
    )
    (tmp_path / "plain.py").write_text(text)
    name = str(tmp_path / "plain.py") if how == "file" else "-"
    run = subprocess.run([sys.executable, name], input=text, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "40\n"), run.stderr


def test_a_killed_worker_is_told_and_what_was_finished_kept(logs, tmp_path):
    out = tmp_path / "out"
    script = _SCRIPT + "\n"
    (tmp_path / "run.py").write_text(script)
    run = subprocess.Popen(
        [sys.executable, str(tmp_path / "run.py"), str(logs), str(out), "2"],
        env=slowed(tmp_path, 0.5),
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 60
    while len(list(out.glob("index/*.parquet"))) < 1 and time.monotonic() < until and run.poll() is None:
        time.sleep(0.005)
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
    os.kill(int(children[-1]), signal.SIGKILL)
    _, said = run.communicate(timeout=60)
    assert "a worker process was killed (out of memory?) (what was finished is kept" in said
    kept = len(contents(out))
    assert 0 < kept < 40
    assert ingest("store", logs, out, workers=1).drives == 40 - kept


@pytest.fixture
def damaged(tmp_path, make_drive, make_map, make_rows) -> Path:
    """Two sound drives and one each of what check_drive refuses."""
    path = tmp_path / "damaged"
    with StoreWriter(path, spatial_index=False) as out:
        for i in range(2):
            out.add(f"good_{i}", make_drive(i), make_map(0), make_rows(make_drive(i), f"good_{i}"))
        d = make_drive(5)
        ego, box, time_us = d.ego.copy(), d.objects.box.copy(), d.time_us.copy()
        ego[7, 1], box[3, 0], time_us[4] = np.nan, np.inf, time_us[3]
        out.add("nan_pose", replace(d, ego=ego), make_map(0))
        out.add("inf_box", replace(d, objects=replace(d.objects, box=box)), make_map(0))
        out.add("same_time", replace(d, time_us=time_us), make_map(0))
        out.add("lost_track", replace(d, objects=replace(d.objects, track=d.objects.track + 99)), make_map(0))
        out.add("short", make_drive(6, 1), make_map(0))
    return path


def test_bad_logs_are_skipped_and_bad_parts_left_out_and_told(damaged, tmp_path, make_drive):
    report = ingest("store", damaged, tmp_path / "out", workers=1)
    told = {s.log: (s.where, s.what) for s in report.skipped}
    assert told == {
        "same_time": ("same_time: frame 4", "time does not increase (1 times)"),
        "lost_track": told["lost_track"],
        "short": ("short", "the log is too short: 1 frames"),
    }
    assert "belongs to no track" in told["lost_track"][1]
    tokens = make_drive(5).token
    left = {s.log: (s.where, s.what) for s in report.left_out}
    assert left["nan_pose"] == (f"nan_pose, frame {int(tokens[7]):016x}", "1 frame left out: without a finite ego pose")
    assert left["inf_box"][1] == "1 box left out: without a finite pose, possible position or possible size"
    store = Store(tmp_path / "out")
    assert store.logs() == ["good_0", "good_1", "inf_box", "nan_pose"]
    assert len(store.drive("nan_pose")) == 39
    assert len(store.drive("inf_box").objects.box) == len(make_drive(5).objects.box) - 1


def test_many_logs_with_one_fault_are_counted_one_by_one(logs, tmp_path, capsys, monkeypatch):
    import roadcraft.scenario_io.ingestion as ingestion

    def refuse(*_: object) -> None:
        raise DataError("there are no maps", where=str(tmp_path), remedy="say maps_root=PATH")

    shown: list[int] = []
    monkeypatch.setattr(ingestion, "check_drive", refuse)
    monkeypatch.setattr(ingestion, "_bar", lambda total: nullcontext(lambda count, skipped: shown.append(skipped)))
    with pytest.raises(SystemExit) as e:
        main(["ingest", "store", str(logs), "--out", str(tmp_path / "a"), "--workers", "1"])
    said = capsys.readouterr()
    assert (e.value.code, shown[-1]) == (4, 40)
    assert said.out.rstrip().endswith(", 40 skipped")
    assert "skipped: 37 more logs: there are no maps" in said.err.splitlines()


def test_a_log_without_poses_says_so(tmp_path, make_drive, make_map):
    d = make_drive(0)
    with StoreWriter(tmp_path / "odd", spatial_index=False) as out:
        out.add("lost", replace(d, ego=np.full_like(d.ego, np.nan)), make_map(0))
    (skipped,) = ingest("store", tmp_path / "odd", tmp_path / "out", workers=1).skipped
    assert skipped.what == f"{len(d)} of {len(d)} frames have no finite ego pose"
    assert skipped.remedy == "position, heading and velocity of at least 2 frames must be numbers"


def test_an_empty_map_is_refused(make_drive, make_map):
    m = make_map(0)
    none = replace(m.lanes, id=m.lanes.id[:0])
    with pytest.raises(DataError, match="map is empty"):
        check_drive(make_drive(1), replace(m, lanes=none), "x")


def test_repeated_vertices_of_any_source_s_centre_lines_are_one(tmp_path, make_drive, make_map, make_rows):
    m, d = make_map(0), make_drive(0)
    points = m.lanes.centerlines.points
    twice = Polylines(np.repeat(points, 2, axis=0), m.lanes.centerlines.offsets * 2)
    with StoreWriter(tmp_path / "odd", spatial_index=False) as out:
        out.add(d.name, d, replace(m, lanes=replace(m.lanes, centerlines=twice)), make_rows(d))
    report = ingest("store", tmp_path / "odd", tmp_path / "out", workers=1)
    assert [w.what for w in report.warnings] == [f"{len(points)} repeated vertices of center lines left out"]
    assert Store(tmp_path / "out").map(d.name).content_hash == m.content_hash


def test_the_exit_code_says_that_something_was_skipped(damaged, logs, tmp_path, capsys):
    def run(*words: str) -> int:
        with pytest.raises(SystemExit) as e:
            main(["ingest", *words])
        return int(e.value.code or 0)

    assert run("store", str(damaged), "--out", str(tmp_path / "a"), "--workers", "1") == 3
    shown = capsys.readouterr()
    assert "skipped: same_time: frame 4: time does not increase" in shown.err
    assert "left out: nan_pose, frame " in shown.err
    assert "4 drives with 4 scenarios added" in shown.out
    assert shown.out.rstrip().endswith(", 3 skipped, 2 left out in part")
    assert run("auto", str(logs), "--out", str(tmp_path / "b"), "--workers", "1", "--json") == 0
    assert json.loads(capsys.readouterr().out)["drives"] == 40
    assert run("auto", str(tmp_path / "none"), "--out", str(tmp_path / "c")) == 4
    assert "there is no such file or folder" in capsys.readouterr().err


def test_a_full_disk_ends_the_ingest_and_keeps_what_was_written(logs, tmp_path, monkeypatch):
    calls = []

    def full(fd: int) -> None:
        calls.append(fd)
        if len(calls) > 12:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(DataError, match="disk is full"):
        ingest("store", logs, tmp_path / "out", workers=1)
    monkeypatch.undo()
    kept = len(contents(tmp_path / "out"))
    assert ingest("store", logs, tmp_path / "out", workers=1).already == kept
    assert contents(tmp_path / "out") == contents(logs)


class Quits(Store):
    """A source whose reader of one log ends the process."""

    def drive(self, log):
        return sys.exit(5) if log == "log_07" else super().drive(log)


def test_a_source_that_exits_costs_that_log_only(logs, tmp_path, monkeypatch):
    monkeypatch.setattr("roadcraft.scenario_io.ingestion.open_source", lambda path, format: Quits(path))
    report = ingest("store", logs, tmp_path / "out", workers=1)
    assert report.drives == 39
    (skipped,) = report.skipped
    assert (skipped.log, skipped.what) == ("log_07", "SystemExit: 5")


def test_a_source_that_exits_when_opened_is_told(logs, tmp_path, monkeypatch):
    monkeypatch.setattr("roadcraft.scenario_io.ingestion.open_source", lambda path, format: sys.exit(5))
    with pytest.raises(DataError, match="the source 'store' ended the process: SystemExit: 5"):
        ingest("store", logs, tmp_path / "out", workers=1)


def test_tagged_only(damaged, tmp_path):
    assert ingest("store", damaged, tmp_path / "out", workers=1, tagged_only=True).scenarios == 4


# ---- opening -------------------------------------------------------------------------


def test_formats_are_told_from_the_files(logs, tmp_path):
    assert detect(logs) == "store"
    assert isinstance(open_source(logs), Store)
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "x.db").write_bytes(b"")
    assert detect(tmp_path) == "nuplan"
    assert detect(deep / "x.db") == "nuplan"
    (tmp_path / "y.tfrecord-00000-of-00150").write_bytes(b"")
    assert detect(tmp_path / "y.tfrecord-00000-of-00150") == "womd"
    with pytest.raises(DataError, match="several formats: nuplan, womd"):
        detect(tmp_path)


def test_what_is_accepted_is_said(tmp_path):
    with pytest.raises(DataError, match=r"folder is empty.*accepted: a store .*nuPlan logs .*Waymo"):
        open_source(tmp_path)
    (tmp_path / "readme.md").write_text("x")
    with pytest.raises(DataError, match=r"no scenarios are found here, but readme\.md \(accepted: a store"):
        open_source(tmp_path)
    StoreWriter(tmp_path / "s")
    with pytest.raises(DataError, match="takes no parameters"):
        open_source(tmp_path / "s", splits=["val"])


def test_params():
    assert parse_params(["a=1", "b=[x, y]", "c=", "d=p/q=r"]) == {"a": "1", "b": ["x", "y"], "c": "", "d": "p/q=r"}
    for word in ("x", "=x"):
        with pytest.raises(ConfigError, match=f"'{word}': parameters are written key=value"):
            parse_params([word])


def test_unknown_params_are_told(logs, tmp_path):
    with pytest.raises(ConfigError, match="splitz"):
        ingest("womd", logs, tmp_path / "out", {"splitz": "val"})


# ---- real logs -----------------------------------------------------------------------


def test_a_scenario_is_the_same_from_the_store_and_from_the_log(shared, tmp_path):
    raw = open_source(shared / "golden" / "nuplan")
    ingest("nuplan", shared / "golden" / "nuplan", tmp_path / "out", workers=1)
    store = Store(tmp_path / "out")
    chosen = find(raw, ScenarioFilter(preset="mapped"))
    assert chosen == find(store, ScenarioFilter(preset="mapped"))
    for c in chosen[::5]:
        a, b = raw.scenario(*c), store.scenario(*c)
        assert a.map.content_hash == b.map.content_hash
        assert (a.token, a.type, a.tags, len(a), a.route.tolist()) == (
            b.token,
            b.type,
            b.tags,
            len(b),
            b.route.tolist(),
        )
        assert (a.goal is None) == (b.goal is None)
        for x, y in ((a.time_us, b.time_us), (a.expert, b.expert)):
            assert x.tobytes() == y.tobytes()
        for f, g in zip(a.frames.tolist(), b.frames.tolist(), strict=True):
            p, q = a.drive.objects.rows(f), b.drive.objects.rows(g)
            assert a.drive.objects.box[p].tobytes() == b.drive.objects.box[q].tobytes()
            assert a.drive.objects.velocity[p].tobytes() == b.drive.objects.velocity[q].tobytes()
            assert (
                a.drive.tracks.id[a.drive.objects.track[p]].tolist()
                == b.drive.tracks.id[b.drive.objects.track[q]].tolist()
            )
            assert (
                a.drive.lights.state[a.drive.lights.rows(f)].tobytes()
                == b.drive.lights.state[b.drive.lights.rows(g)].tobytes()
            )


def test_a_store_is_read_without_the_packages_of_the_log_formats(logs):
    code = f"""
import sys
for name in ("pyogrio", "pyproj", "sqlite3", "torch", "google_crc32c", "waymo_open_dataset"):
    sys.modules[name] = None
from roadcraft.scenario_io import Store, ScenarioFilter, find
s = Store({str(logs)!r})
c = find(s, ScenarioFilter())
assert len(s.scenario(*c[0]).expert)
assert "shapely" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_damaged_store_is_mended_by_the_same_ingest(logs, tmp_path):
    out = tmp_path / "out"
    ingest("store", logs, out, workers=1)
    first, second = sorted((out / "drives").iterdir())[:2]
    first.write_bytes(first.read_bytes()[:-9])
    second.unlink()
    a_map = sorted((out / "maps").iterdir())[0]
    a_map.unlink()
    hurt = {
        k
        for k, d in Store(out).index.drives.items()
        if d.shard.endswith((first.name, second.name)) or d.map == a_map.stem
    }
    rows = {r.token: r for r in Store(logs).iter_rows()}
    with exclusive(out):
        assert repair(out) == len(hurt)
        assert repair(out) == 0
    left = Store(out)
    assert set(left.logs()) == {f"log_{i:02d}" for i in range(40)} - hurt
    assert {r.token: r for r in left.iter_rows()} == {t: r for t, r in rows.items() if r.log not in hurt}
    report = ingest("store", logs, out, workers=1)
    assert report.drives == len(hurt)
    assert contents(out) == contents(logs)
    assert {r.token: r for r in Store(out).iter_rows()} == rows


def test_a_store_that_lost_everything_is_filled_again(logs, tmp_path):
    ingest("store", logs, tmp_path / "out", workers=1)
    for p in (tmp_path / "out" / "drives").iterdir():
        p.unlink()
    assert ingest("store", logs, tmp_path / "out", workers=1).drives == 40
    assert contents(tmp_path / "out") == contents(logs)
