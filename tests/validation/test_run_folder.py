"""Run folders: what a run was made with is kept and compared, damage is told, and nothing is read of a run that is not
whole."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from command_line import MAIN, environment, install, process

from roadcraft.core.errors import ConfigError, DataError, DiskError
from roadcraft.core.plugins.hookspecs import PluginRef
from roadcraft.validation import compare, rescore, score
from roadcraft.validation.inspection.show import describe_run, describe_scenario
from roadcraft.validation.reporting.write import report
from roadcraft.validation.scoring.folder import TABLES, RunFolder
from roadcraft.validation.scoring.present import Bar
from roadcraft.validation.scoring.provenance import path_digest
from roadcraft.validation.scoring.sealed import RecordFile, read_lines
from roadcraft.validation.scoring.tables import read_records


def run_score(out, store, **settings):
    return score(**{"planner": "constant_velocity", "data": str(store), "out": str(out), "debug": True, **settings})


@pytest.fixture(scope="module")
def whole(tmp_path_factory, small_store):
    return run_score(tmp_path_factory.mktemp("whole") / "run", small_store).run


@pytest.fixture
def run(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "run")


def halve(run):
    """As if it had been killed at half."""
    for part in (run / "parts").glob("*.jsonl"):
        lines = part.read_bytes().splitlines(keepends=True)
        part.write_bytes(b"".join(lines[: len(lines) // 2]))
    for name in (*TABLES, "summary.json"):
        (run / name).unlink()


def damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


READERS = {
    "show": describe_run,
    "compare": lambda run: compare(run, run),
    "rescore": lambda run: rescore(run, run.with_name("again")),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_run_that_is_not_finished_is_refused_with_what_finishes_it(run, reader):
    halve(run)
    with pytest.raises(DataError) as e:
        READERS[reader](run)
    assert str(e.value) == (
        f"{run}: this run is not finished: 4 of 8 drives are kept (finish it with: roadcraft score --resume --out "
        f"{run})"
    )


@pytest.mark.parametrize("name", ["scores.parquet", "metrics.parquet"])
def test_a_damaged_table_is_told_with_what_makes_it_again(run, small_store, name):
    before = (run / name).read_bytes()
    damage(run / name)
    with pytest.raises(DataError) as e:
        read_records(RunFolder(run))
    assert str(e.value) == (
        f"{run / name}: damaged: not what was written for this run "
        f"(make it again from parts/ with: roadcraft score --resume --out {run})"
    )
    run_score(run, small_store, resume=True)
    assert (run / name).read_bytes() == before


def test_a_table_of_another_run_is_told(run, small_store, tmp_path):
    other = run_score(tmp_path / "other", small_store, planner="log_replay").run
    shutil.copy(other / "scores.parquet", run)
    with pytest.raises(DataError, match=r"scores\.parquet: damaged: not what was written for this run"):
        describe_run(run)


def test_damaged_failures_are_told(run):
    (run / "failures.json").write_text("[")
    with pytest.raises(DataError, match=r"failures\.json: damaged"):
        describe_scenario(run, read_records(RunFolder(run))[0]["token"])


@pytest.mark.parametrize("name", ["summary.json", "scenarios.json"])
def test_a_digit_that_changed_in_a_json_file_is_told(run, name):
    text = (run / name).read_text()
    (run / name).write_text(text.replace("1", "7", 1) if name == "scenarios.json" else text.replace("0.9", "0.8", 1))
    with pytest.raises(DataError, match=f"{name}: damaged or edited"):
        describe_run(run)


def test_a_configuration_that_was_edited_is_told(run):
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("seed: 0", "seed: 8"))
    with pytest.raises(DataError, match=r"config\.yaml: damaged or edited"):
        RunFolder(run).tree()


@pytest.mark.parametrize(("found", "remedy"), [(0, "score again"), (99, "upgrade roadcraft")])
def test_a_run_of_another_format_is_refused(run, found, remedy):
    listed = json.loads((run / "scenarios.json").read_text())
    (run / "scenarios.json").write_text(json.dumps({**listed, "format": found}))
    with pytest.raises(DataError, match=rf"this run is of format {found}, this roadcraft reads 2 \({remedy}\)"):
        describe_run(run)


def as_format_1(run):
    """The run as a roadcraft wrote it that knew no checksums, roles and digests, its first drive a failed one."""
    listed = json.loads((run / "scenarios.json").read_text())
    versions = {**listed["versions"], "roadcraft": "0.1.0"}
    (run / "scenarios.json").write_text(
        json.dumps({"format": 1, "versions": versions, "scenarios": listed["scenarios"]})
    )
    tree = yaml.safe_load((run / "config.yaml").read_text())
    tree["simulation"]["plan_every"] = tree["simulation"].pop("record_plan_every")
    (run / "config.yaml").write_text(yaml.safe_dump({**tree, "out": "runs/a"}))
    records = []
    for part in (run / "parts").glob("*.jsonl"):
        for record in read_lines(part):
            bare = {k: v for k, v in record.items() if k not in ("nuplan_score", "interval_s")}
            bare["metrics"] = [{k: v for k, v in m.items() if k not in ("role", "weight")} for m in record["metrics"]]
            records.append(bare)
        part.unlink()
    fault = {"step": -1, "stage": "planner.plan", "error": "ValueError: no", "traceback": "Traceback: no"}
    records[0] |= {"status": "failed", "score": 0.0, "metrics": [], "failure": fault}
    (run / "parts" / "worker0-0.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    for name, gone in (("scores.parquet", ["nuplan_score", "interval_s"]), ("metrics.parquet", ["role", "weight"])):
        pq.write_table(pq.read_table(run / name).drop_columns(gone), run / name)
    scores = pq.read_table(run / "scores.parquet").to_pylist()
    for row in scores:
        if row["token"] == records[0]["token"]:
            row |= {"status": "failed", "score": 0.0}
    pq.write_table(pa.Table.from_pylist(scores), run / "scores.parquet")
    entry = {k: records[0][k] for k in ("token", "challenge", "type", "log", "failure")}
    (run / "failures.json").write_text(json.dumps([entry]))
    (run / "summary.json").write_text(json.dumps({"format": 1}))
    return records


def test_a_run_made_before_checksums_is_read_and_says_that_it_has_none(run, whole, tmp_path, capsys):
    before = RunFolder(whole).records()
    records = as_format_1(run)
    first, *others = [(r["token"], r["mode"]) for r in records]
    assert {k: v for k, v in RunFolder(run).records().items() if k in others} == {k: before[k] for k in others}
    found = describe_run(run)
    assert (
        capsys.readouterr().err
        == f"note: {run} is of format 1, which carries no checksums: damage of it is not noticed\n"
    )
    (figures,) = found["summary"]["challenges"].values()
    assert (figures["failed"], figures["scenarios"]) == (1, 8)
    assert figures["nuplan_score"] == pytest.approx(np.mean([before[k]["nuplan_score"] for k in others]))
    assert figures["metrics"]["no_ego_at_fault_collisions"]["role"] == "multiplier"
    assert [f["time_s"] for f in found["summary"]["failures"]] == [None]
    assert describe_scenario(run, first[0])["results"][0]["failure"]["error"] == "ValueError: no"
    (same,) = compare(whole, run)["challenges"].values()
    assert [x["token"] for x in same["newly_failed"]] == [first[0]]
    assert [s["key"] for s in compare(whole, run)["settings"]] == ["version of roadcraft"]
    again = rescore(run, tmp_path / "again")
    assert again.summary["challenges"]["closed_loop_nonreactive_agents"]["score"] == pytest.approx(figures["score"])
    report([run], tmp_path / "report.html")
    assert (tmp_path / "report.html").is_file()


def test_only_resuming_refuses_a_run_made_before_checksums(run, small_store):
    as_format_1(run)
    with pytest.raises(DataError, match=r"roadcraft 0\.1\.0 began this run, .* it cannot be resumed"):
        run_score(run, small_store, resume=True)


def test_a_damaged_line_of_a_part_is_driven_again(run, small_store):
    before = (run / "scores.parquet").read_bytes()
    (part,) = (run / "parts").glob("*.jsonl")
    lines = part.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b'"score": 1.0', b'"score": 0.5', 1)
    part.write_bytes(b"".join(lines))
    assert RunFolder(run).damaged_parts() == {f"parts/{part.name}": 1}
    run_score(run, small_store, resume=True)
    assert (run / "scores.parquet").read_bytes() == before


def test_a_torn_last_line_is_as_if_it_were_not_there(tmp_path):
    with RecordFile(tmp_path / "p.jsonl") as part:
        for i in range(3):
            part.add({"i": i})
        part.commit()
    data = (tmp_path / "p.jsonl").read_bytes()
    (tmp_path / "p.jsonl").write_bytes(data[:-5])
    assert list(read_lines(tmp_path / "p.jsonl")) == [{"i": 0}, {"i": 1}]


def test_resuming_names_what_has_changed_beneath_the_configuration(run, whole, small_store, monkeypatch):
    halve(run)
    kept = RunFolder(run).digests()
    assert sorted(kept) == ["code.roadcraft", "suite.data"]
    monkeypatch.setattr("roadcraft.validation.scoring.provenance._own_code", lambda: "0123456789abcdef")
    with pytest.raises(ConfigError) as e:
        run_score(run, small_store, resume=True)
    assert f"code.roadcraft: began with {kept['code.roadcraft']}, now 0123456789abcdef" in str(e.value)
    monkeypatch.undo()
    run_score(run, small_store, resume=True)
    assert (run / "scores.parquet").read_bytes() == (whole / "scores.parquet").read_bytes()


def test_other_drives_behind_the_same_tokens_are_told(small_store, tmp_path):
    from roadcraft.scenario_io import Store, StoreWriter

    data = shutil.copytree(small_store, tmp_path / "data")
    run = run_score(tmp_path / "run", data).run
    halve(run)
    shutil.rmtree(data)
    old = Store(small_store)
    with StoreWriter(data) as out:
        for log in old.logs():
            drive = old.drive(log)
            out.add(log, replace(drive, ego=drive.ego + 1e-9), old.map(log), old.rows(log))
    with pytest.raises(ConfigError, match=r"- suite\.data: began with [0-9a-f]{16}, now [0-9a-f]{16}"):
        run_score(run, data, resume=True)


def test_every_path_at_any_depth_has_a_digest(tmp_path, small_store):
    from roadcraft.scenario_io.open import open_source
    from roadcraft.validation.config import ScoreConfig, SuiteConfig, VehicleRef
    from roadcraft.validation.scoring.provenance import digests_of

    (tmp_path / "best").mkdir()
    (tmp_path / "best" / "model.safetensors").write_bytes(b"1")
    (tmp_path / "truck.yaml").write_text("a: 1")
    inner = {"name": "learned", "params": {"checkpoint": str(tmp_path / "best")}}
    config = ScoreConfig(
        planner=PluginRef("guard", {"planner": inner}),
        vehicle=VehicleRef(file=str(tmp_path / "truck.yaml")),
        suite=SuiteConfig(data=str(small_store)),
    )
    source = open_source(small_store)
    one = digests_of(config, source, [])
    (tmp_path / "best" / "model.safetensors").write_bytes(b"2")
    two = digests_of(config, source, [])
    assert {k for k in one if one[k] != two[k]} == {"planner.params.planner.params.checkpoint"}
    (tmp_path / "truck.yaml").write_text("a: 2")
    assert digests_of(config, source, [])["vehicle.file"] != one["vehicle.file"]
    assert "vehicle.file" not in digests_of(replace(config, vehicle=VehicleRef()), source, [])


def test_a_checkpoints_card_may_be_written_again(tmp_path):
    for name in ("config.yaml", "model.safetensors", "metrics.json", "README.md"):
        (tmp_path / name).write_text("1")
    before = path_digest(tmp_path)
    (tmp_path / "metrics.json").write_text("2")
    assert path_digest(tmp_path) == before
    (tmp_path / "config.yaml").write_text("2")
    assert path_digest(tmp_path) != before


def test_the_first_and_the_last_bytes_of_a_long_file_are_in_its_digest(tmp_path):
    file, digests = tmp_path / "log.db", set()
    for at in (None, 0, -1):
        data = bytearray(10 << 20)
        if at is not None:
            data[at] = 1
        file.write_bytes(data)
        digests.add(path_digest(file, 0, 3))
    assert len(digests) == 3


def test_a_judged_again_run_knows_where_its_drives_lie(run):
    again = rescore(run, run.with_name("again"))
    assert RunFolder(again.run).replays("nonreactive") == run / "rollouts" / "nonreactive"
    twice = rescore(again.run, run.with_name("twice"))
    assert RunFolder(twice.run).replays("nonreactive") == run / "rollouts" / "nonreactive"
    assert pq.read_table(twice.run / "scores.parquet").equals(pq.read_table(run / "scores.parquet"))


def test_drives_of_another_run_are_told(run, small_store, tmp_path):
    other = run_score(tmp_path / "other", small_store, planner="log_replay").run
    rollouts = run / "rollouts" / "nonreactive"
    shutil.rmtree(rollouts)
    with pytest.raises(DataError, match=r"rollouts/nonreactive: this run did not keep its rollouts"):
        RunFolder(run).replays("nonreactive")
    shutil.copytree(other / "rollouts" / "nonreactive", rollouts)
    with pytest.raises(DataError, match=r"rollouts/nonreactive: these are not the drives that were judged"):
        rescore(run, tmp_path / "again")
    (shown,) = describe_scenario(run, read_records(RunFolder(run))[0]["token"])["results"]
    assert shown["why_not_kept"].startswith(f"{rollouts}: these are not the drives that were judged")


def test_a_run_that_only_judged_says_when_the_one_that_drove_is_gone(run, tmp_path):
    again = rescore(run, tmp_path / "again").run
    shutil.rmtree(run)
    with pytest.raises(DataError) as e:
        RunFolder(again).replays("nonreactive")
    assert str(e.value) == f"{run}: the run that drove is gone ({again} only judged its drives)"


def test_a_run_is_written_only_into_a_folder_of_its_own(tmp_path, small_store):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("mine")
    (tmp_path / "file").write_text("")
    for out, said in (
        (small_store, "is a store"),
        (tmp_path / "file", "is a file"),
        (tmp_path / "notes", r"is no run and holds other files \(a\.txt\)"),
    ):
        with pytest.raises(ConfigError, match=rf"out: {out} {said}; name a new folder with out="):
            run_score(out, small_store)
    assert [p.name for p in (tmp_path / "notes").iterdir()] == ["a.txt"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path, small_store):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file/run: cannot be written: Not a directory"):
        run_score(tmp_path / "file" / "run", small_store)


def test_results_without_their_configuration_are_not_mixed_with_new_ones(run, small_store):
    (run / "config.yaml").unlink()
    with pytest.raises(DataError) as e:
        run_score(run, small_store, resume=True)
    assert str(e.value) == (
        f"out: {run}: holds results, but config.yaml is missing "
        "(copy it again from where it came, or choose another out=)"
    )
    assert (run / "rollouts" / "nonreactive" / "store.json").is_file()


def test_two_processes_do_not_write_into_one_run(run, small_store):
    with RunFolder(run).lock(), pytest.raises(ConfigError, match=f"another process is writing to {run}"):
        run_score(run, small_store, resume=True)


# ---- the command line ----------------------------------------------------------------------------------------------


def roadcraft(*words, code=0, **options):
    done = process(*words, **options)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def test_resuming_needs_no_more_than_the_folder(run, whole, tmp_path):
    halve(run)
    done = roadcraft("score", "--resume", "--out", "run", "workers=1", cwd=tmp_path)
    assert (run / "scores.parquet").read_bytes() == (whole / "scores.parquet").read_bytes()
    assert "written to run" in done.stderr
    done = roadcraft("score", "--resume", code=2)
    assert done.stderr == "error: --resume: which run? say --out RUN\n"
    done = roadcraft("score", "--resume", "--out", tmp_path / "none", code=4)
    assert f"{tmp_path / 'none'}: no scoring run here" in done.stderr


EDITOR = '''
import os, time
from dataclasses import dataclass
from roadcraft.core.config.load import path_field
from roadcraft.core.plugins.hookspecs import PluginSpec, hookimpl
from roadcraft.core.config.factory import create

@dataclass(frozen=True)
class Config:
    file: str = path_field()
    pause_s: float = 0.0

class Editor:
    """Drives straight on; at step 8 it changes the file it was given, if that reads ``before``, and dies."""
    def __init__(self, config):
        self.path, self.pause_s, self.inner = config.file, config.pause_s, create("planner", "constant_velocity")
        self.text = open(self.path).read()
    def __getattr__(self, name):
        return getattr(self.inner, name)
    def plan(self, obs, state, keys):
        time.sleep(self.pause_s)
        if obs.iteration[0] == 8 and self.text == "before":
            open(self.path, "w").write("after")
            os._exit(7)
        return self.inner.plan(obs, state, keys)

@hookimpl
def roadcraft_plugins():
    return [PluginSpec("planner", "editor", "changes its file", "editor_plugin:Config", "editor_plugin:Editor")]
'''


@pytest.fixture
def with_editor(tmp_path):
    """Environment of a process in which the planner ``editor`` is installed."""
    site = install(tmp_path / "site", "editor", {"editor": "editor_plugin"})
    (site / "editor_plugin.py").write_text(EDITOR)
    return environment(site)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_says_what_is_kept_and_how_to_go_on(small_store, tmp_path, with_editor, number, code):
    run = tmp_path / "run"
    (tmp_path / "file").write_text("")
    words = [
        "score",
        "planner=editor",
        f"planner.file={tmp_path / 'file'}",
        "planner.pause_s=0.005",
        f"data={small_store}",
    ]
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, *words, "workers=1", "batch=1", "--out", str(run)],
        env=with_editor,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 200
    while not (RunFolder(run).exists and RunFolder(run).records()):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    kept = len(RunFolder(run).records())
    assert 0 < kept < 8
    assert re.search(
        rf"^interrupted: {kept} of 8 drives are kept in {run}(, about \d+ more that were under way are lost)?; "
        rf"go on with: roadcraft score --resume --out {run}$",
        said,
        re.MULTILINE,
    ), said
    assert "Traceback" not in said
    assert not list(run.rglob("*.tmp"))


def test_the_time_that_is_left_follows_the_pace_of_driving_not_of_compiling():
    bar = Bar(100, False, "drives")
    bar.at(0.0, bar.started + 60.0)
    assert bar.left() == ""
    for second in range(1, 30):
        bar.at(second * 1.0, bar.started + 60.0 + second)
    assert bar.left() == "about 71 s left"


def test_progress_counts_what_is_kept(capsys):
    bar = Bar(100, True, "drives", done=10)
    bar.at(5.0, bar.started + 1.0)
    bar.at(20.0, bar.started + 31.0)
    assert capsys.readouterr().err == "10 of 100 drives done, 20 under way, 31 s, about 2 min left\n"


def test_a_gate_that_is_not_met_ends_the_command_with_1(run, tmp_path):
    words = ["score", "--resume", "--out", run, "--junit", tmp_path / "j.xml", "--json"]
    done = roadcraft(*words, "--fail-below", "0.1")
    assert json.loads(done.stdout)["does_not_pass"] == []
    done = roadcraft(*words, "--fail-below", "1.0", "--fail-on", "ego_is_comfortable", code=1)
    one, two = json.loads(done.stdout)["does_not_pass"]
    assert done.stderr.splitlines()[-2:] == [f"does not pass: {one}", f"does not pass: {two}"]
    assert 'name="overall score"' in (tmp_path / "j.xml").read_text()
    done = roadcraft(*words, "--fail-on", "comfort", code=2)
    assert "--fail-on (command line): no metric 'comfort'; did you mean" in done.stderr
    assert "less than or equal to 1" in roadcraft(*words, "--fail-below", "80", code=2).stderr


def test_a_file_that_is_replaced_while_the_run_goes_on_drives_no_part_of_it(small_store, tmp_path, with_editor):
    (tmp_path / "weights").write_text("before")
    words = ["score", "planner=editor", f"planner.file={tmp_path / 'weights'}", f"data={small_store}", "workers=1"]
    done = roadcraft(*words, "--out", tmp_path / "run", code=2, env=with_editor)
    assert f"{tmp_path / 'run'} cannot go on: what it was begun with has changed since" in done.stderr
    assert re.search(r"- planner\.params\.file: began with [0-9a-f]{16}, now [0-9a-f]{16}", done.stderr)
    assert RunFolder(tmp_path / "run").digests()["code.editor"].startswith("1.0 ")


def test_code_of_a_plugin_that_changed_is_told_when_a_run_is_resumed(small_store, tmp_path, with_editor):
    (tmp_path / "weights").write_text("after")
    words = ["score", "planner=editor", f"planner.file={tmp_path / 'weights'}", f"data={small_store}", "workers=1"]
    roadcraft(*words, "--out", tmp_path / "run", env=with_editor)
    halve(tmp_path / "run")
    (tmp_path / "site" / "editor_plugin.py").write_text(EDITOR + "\n# better now\n")
    done = roadcraft("score", "--resume", "--out", tmp_path / "run", code=2, env=with_editor)
    assert re.search(r"- code\.editor: began with 1\.0 [0-9a-f]{16}, now 1\.0 [0-9a-f]{16}", done.stderr)


def test_a_dry_run_tells_the_size_of_a_run_and_writes_nothing(small_store, tmp_path):
    words = ["score", "planner=constant_velocity", f"data={small_store}", "modes=[nonreactive,open_loop]", "workers=2"]
    found = json.loads(roadcraft(*words, "--dry-run", "--json", cwd=tmp_path).stdout)
    assert {k: found[k] for k in ("scenarios", "logs", "drives", "types", "workers")} == {
        "scenarios": 8,
        "logs": 4,
        "drives": 16,
        "types": {"following_lane_with_lead": 4, "changing_lane": 4},
        "workers": 2,
    }
    e = found["estimate"]
    assert e["seconds"] == pytest.approx(e["seconds_per_drive"] * 8)
    assert e["bytes"] == pytest.approx(e["bytes_per_drive"] * 16)
    assert e["bytes_per_drive"] > 1000
    text = roadcraft(*words, "--dry-run", cwd=tmp_path).stdout
    assert "8 scenarios of 4 logs, 16 drives" in text
    assert re.search(r"about \d+ s on 2 workers and \d+ MB of disk \(from driving 8 of them", text)
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_tells_drives_that_fail(small_store, tmp_path, with_editor):
    (tmp_path / "file").write_text("")
    source = EDITOR.replace("        time.sleep(self.pause_s)", "        raise ValueError('not today')")
    (tmp_path / "site" / "editor_plugin.py").write_text(source)
    words = ["score", "planner=editor", f"planner.file={tmp_path / 'file'}", f"data={small_store}", "--dry-run"]
    text = " ".join(roadcraft(*words, env=with_editor).stdout.split())
    assert re.search(
        r"warning: 8 of these drives could not be driven, the first: \w{16}, planner: ValueError: not today", text
    )


def test_a_great_many_scenarios_without_a_filter_are_driven_only_when_asked_for(small_store, tmp_path):
    with pytest.raises(ConfigError) as e:
        run_score(tmp_path / "run", small_store, at_most=7)
    assert str(e.value) == (
        "1 mistake in the configuration:\n"
        f"  - suite.filter: is empty, so that all 8 scenarios of {small_store} would be driven, 8 drives: say --all to "
        "drive them all, "
        "--dry-run to see how long that takes, or a filter, such as filter={preset: val14} or filter={sample: 1000}"
    )
    assert not (tmp_path / "run").exists()
    assert len(run_score(tmp_path / "run", small_store, at_most=7, filter={"sample": 1}).records) == 1


def test_data_that_cannot_be_loaded_stop_the_run_and_count_against_nobody(small_store, tmp_path):
    store = shutil.copytree(small_store, tmp_path / "store")
    shard = sorted((store / "drives").glob("*.safetensors"))[-1]
    good = shard.read_bytes()
    damage(shard)
    words = ["score", "planner=constant_velocity", f"data={store}", "workers=1", "batch=2", "--out", tmp_path / "run"]
    done = roadcraft(*words, code=4)
    told = (
        rf"^error: {shard}: .*; (\d) of 8 drives are kept \(delete this file and run the same ingest again: .*, then "
        r"(.*)\)$"
    )
    found = re.search(told, done.stderr, re.MULTILINE)
    assert found, done.stderr
    assert "Traceback" not in done.stderr
    assert int(found[1]) == len(RunFolder(tmp_path / "run").records())
    assert all(r["status"] == "ok" for r in RunFolder(tmp_path / "run").records().values())
    shard.write_bytes(good)
    roadcraft(*words, *(["--resume"] if int(found[1]) else []))
    assert RunFolder(tmp_path / "run").read_summary()["challenges"]["closed_loop_nonreactive_agents"]["failed"] == 0


def test_a_full_disk_leaves_no_torn_line():
    with RecordFile(Path("/dev/full")) as part:
        part.add({"a": 1})
        with pytest.raises(DiskError, match="/dev/full: the disk is full"):
            part.commit()


@pytest.mark.parametrize(("size", "file"), [("8k", r"\S+"), ("300k", r"rollouts/nonreactive/\S+\.safetensors")])
def test_a_full_disk_is_told_with_what_is_kept(small_store, tmp_path, size, file):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    try:
        words = ["score", "planner=constant_velocity", f"data={small_store}", "workers=1", "batch=2"]
        done = roadcraft(*words, "--out", disk / "run", code=4)
        left = [p for p in disk.rglob("*") if p.name.endswith(".tmp")]
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert re.search(rf"^error: {disk}/run/{file}: the disk is full; \d of 8 drives are kept \(free some space, then ",
    done.stderr, re.MULTILINE)  # fmt: skip
    assert "Traceback" not in done.stderr
    assert left == []
