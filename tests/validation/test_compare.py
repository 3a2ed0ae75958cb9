"""Comparing two runs, judging stored drives again, showing results."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from roadcraft.core.errors import DataError
from roadcraft.validation import compare, rescore, score
from roadcraft.validation.inspection.show import describe_run, describe_scenario
from roadcraft.validation.scoring.folder import RunFolder
from roadcraft.validation.scoring.present import print_summary
from roadcraft.validation.scoring.tables import read_records


@pytest.fixture(scope="module")
def runs(tmp_path_factory, small_store):
    """The expert's own drives, and those of a planner that goes straight on."""
    folder = tmp_path_factory.mktemp("runs")
    return [
        score(planner=p, data=str(small_store), out=str(folder / p), workers=1)
        for p in ("log_replay", "constant_velocity")
    ]


def test_paired_differences(runs):
    a, b = runs
    found = compare(a.run, b.run)
    (c,) = found["challenges"].values()
    assert c["scenarios"] == 8
    before, after = ({r["token"]: r["score"] for r in run.records} for run in runs)
    d = np.array([after[t] - before[t] for t in before])
    assert c["score"]["difference"] == pytest.approx(d.mean())
    assert c["score"]["ci"] is None, "four logs have no interval"
    assert (c["verdict"], c["reason"]) == ("undecided", "no interval: 4 logs, 10 are needed")
    for key in ("newly_failed", "newly_passed", "worse", "better"):
        sizes = [abs(x["difference"]) for x in c[key]]
        assert sizes == sorted(sizes, reverse=True)
    reverse = compare(b.run, a.run)["challenges"]["closed_loop_nonreactive_agents"]
    assert reverse["score"]["difference"] == pytest.approx(-c["score"]["difference"])
    assert [x["token"] for x in reverse["newly_passed"]] == [x["token"] for x in c["newly_failed"]]
    assert [x["token"] for x in reverse["better"]] == [x["token"] for x in c["worse"]]


def test_a_run_equals_itself(runs):
    same = compare(runs[0].run, runs[0].run)
    assert (same["verdict"], same["settings"], same["metric_sets"]) == ("equal", [], [])
    for c in same["challenges"].values():
        assert not any(c[k] for k in ("newly_failed", "newly_passed", "worse", "better"))


def test_rescore_gives_the_same(runs, tmp_path):
    again = rescore(runs[1].run, tmp_path / "again")
    assert (again.run / "scores.parquet").read_bytes() == (runs[1].run / "scores.parquet").read_bytes()
    assert (again.run / "metrics.parquet").read_bytes() == (runs[1].run / "metrics.parquet").read_bytes()
    with pytest.raises(DataError, match="a run of its own"):
        rescore(runs[1].run, runs[1].run)


def test_rescore_needs_rollouts(tmp_path, small_store):
    bare = score(
        planner="constant_velocity", data=str(small_store), out=str(tmp_path / "bare"), rollouts=False, workers=1
    )
    with pytest.raises(DataError, match="rollouts"):
        rescore(bare.run, tmp_path / "again")
    with pytest.raises(DataError, match="no scoring run"):
        rescore(tmp_path / "nowhere", tmp_path / "again")


def test_records_come_back_from_tables(runs):
    for run in runs:
        back = {(r["token"], r["challenge"]): r for r in read_records(RunFolder(run.run))}
        for r in run.records:
            b = back[r["token"], r["challenge"]]
            assert b["score"] == r["score"]
            assert [(m["name"], m["score"]) for m in b["metrics"]] == [(m["name"], m["score"]) for m in r["metrics"]]


def test_show_says_why_with_the_drive_at_hand(runs):
    run = runs[1].run
    worst = describe_run(run, limit=0)["scenarios"][0]["token"]
    (told,) = describe_scenario(run, worst[:12])["results"]
    assert told["kept"]
    assert told["metrics"]
    hits = [e for e in told["events"] if e["metric"] == "no_ego_at_fault_collisions"]
    assert all(e["impact_mps"] >= 0.0 for e in hits)


def test_the_summary_can_be_printed(runs):
    out = io.StringIO()
    print_summary(runs[0].summary, Console(file=out, width=120))
    assert "log_replay: 8 scenarios of 4 logs" in out.getvalue()
    assert "non-reactive: no interval: 4 logs, 10 are needed" in out.getvalue()
    assert "following_lane_with_lead" in out.getvalue()
