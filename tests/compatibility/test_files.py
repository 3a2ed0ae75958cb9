"""Stores, runs and checkpoint folders of version 0.1.0 open; what it began, this version does not go on with, and says
which version is which."""

from __future__ import annotations

import json
import re
import shutil
from hashlib import blake2b
from pathlib import Path

import pytest
from command_line import roadcraft

from roadcraft.core import DataError, __version__
from roadcraft.planners.learned.checkpoint import read_config, read_metrics
from roadcraft.plugins.training.run.card import write_card
from roadcraft.scenario_io.store.store import Store
from roadcraft.validation import compare, describe_run, report, rescore, score
from roadcraft.validation.scoring.score import load_score_config
from roadcraft.validation.scoring.sealed import write_sealed

FORMATS = ("format-1", "format-2")
NOTE = re.compile(r"note: .* is of format 1, which carries no checksums: damage of it is not noticed\n")
REFUSED = rf"roadcraft 0\.1\.0 began this run, this is roadcraft {re.escape(__version__)}: it cannot be resumed"


@pytest.fixture
def runs(old, tmp_path) -> Path:
    """The runs, where they may be written to."""
    return shutil.copytree(old.runs, tmp_path / "runs")


def name_store(run, old):
    """Let a run name its store by the path that it has here; the digests of its files stay true."""
    config, listed = run / "config.yaml", run / "scenarios.json"
    config.write_text(config.read_text().replace(str(old.made.STORE), str(old.store)))
    content = json.loads(listed.read_text())
    if content.pop("digest", None):
        write_sealed(listed, {**content, "config": blake2b(config.read_bytes(), digest_size=16).hexdigest()})


def test_a_store_opens_and_is_whole(old):
    store = Store(old.store)
    assert [r.token for r in store.iter_rows()].count(old.made.SCENARIO) == 1
    scenario = store.get(old.made.SCENARIO)
    assert (scenario.type, len(store)) == ("following_lane_with_slow_lead", 4)
    assert store.verify() == []


def test_an_old_store_is_driven(old, tmp_path):
    words = ["planner=log_replay", f"data={old.store}", f"scenario={old.made.SCENARIO}", f"out={tmp_path / 'run'}"]
    (record,) = score(load_score_config(words).config, debug=True).records
    assert record["status"] == "ok"
    assert record["score"] > 0.9


@pytest.mark.parametrize("format_", FORMATS)
def test_a_finished_run_is_shown_reported_and_judged_again(old, runs, format_, tmp_path):
    run = runs / format_ / "finished"
    found = describe_run(run)
    assert found["summary"]["challenges"]["closed_loop_nonreactive_agents"]["scenarios"] == 2
    done = roadcraft("show", str(run))
    assert (done.returncode, NOTE.sub("", done.stderr)) == (0, "")
    report([run], tmp_path / "report.html")
    assert "following_lane_with_slow_lead" in (tmp_path / "report.html").read_text()
    name_store(run, old)
    again = rescore(run, tmp_path / "again")
    before = {(r["token"], r["challenge"]): r["score"] for r in scores(run)}
    assert {(r["token"], r["challenge"]): r["score"] for r in again.records} == before


def test_finished_runs_of_both_formats_are_compared(runs):
    found = compare(*(runs / f / "finished" for f in FORMATS))
    assert [s["key"] for s in found["settings"]] == ["version of torch"]  # which runs of format 1 do not tell
    challenge = found["challenges"]["closed_loop_nonreactive_agents"]
    assert challenge["scenarios"] == 2
    assert [challenge[k] for k in ("newly_failed", "newly_passed", "worse", "better")] == [[], [], [], []]


@pytest.mark.parametrize("format_", FORMATS)
def test_a_half_run_of_another_version_is_not_resumed(old, runs, format_):
    run = runs / format_ / "half"
    kept = sorted(p.read_bytes() for p in run.rglob("*") if p.is_file())
    done = roadcraft("score", "--resume", "--out", str(run))
    assert done.returncode == 4
    assert re.search(REFUSED, done.stderr)
    words = ["planner=idm", f"data={old.store}", "rollouts=false", f"out={run}"]
    with pytest.raises(DataError, match=REFUSED):
        score(load_score_config(words).config, resume=True)
    assert sorted(p.read_bytes() for p in run.rglob("*") if p.is_file() and p.name != ".lock") == kept


def test_a_half_training_run_of_another_version_is_not_resumed(old, tmp_path):
    run = shutil.copytree(old.training, tmp_path / "run")
    kept = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    done = roadcraft("train", "--resume", str(run))
    assert done.returncode == 4
    assert re.search(REFUSED, done.stderr)
    assert f"start={run / 'last'}" in done.stderr
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == kept


def test_its_weights_begin_a_run(old, tmp_path):
    done = roadcraft(
        "train",
        f"start={old.training / 'last'}",
        f"data={old.store}",
        f"out={tmp_path / 'new'}",
        "steps=2",
        "batch=4",
        "validation_fraction=0.5",
    )
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    assert (tmp_path / "new" / "best" / "model.safetensors").is_file()


@pytest.mark.parametrize("name", ["hetero_gnn-multimodal", "vector_transformer-tokens"])
def test_a_card_of_an_old_checkpoint_says_what_it_said(old, name):
    folder = old.checkpoints / name
    said = (folder / "README.md").read_text()
    now = write_card(read_config(folder), read_metrics(folder))
    assert "roadcraft 0.1.0" in now
    assert _numbers(now) == _numbers(said)


def _numbers(text: str) -> list[str]:
    return re.findall(r"\d+(?:\.\d+)?", text)


def scores(run: Path) -> list[dict[str, object]]:
    from roadcraft.validation.scoring.folder import RunFolder
    from roadcraft.validation.scoring.tables import read_records

    return list(read_records(RunFolder(run)))
