"""Scoring: tables, durability, resumption, isolation of what hangs or crashes, the command line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow.parquet as pq
import pytest
from command_line import MAIN, environment, install, process

from roadcraft.core.errors import ConfigError, DataError
from roadcraft.core.plugins.hookspecs import PluginRef
from roadcraft.validation import score, write_junit
from roadcraft.validation.config import ScoreConfig
from roadcraft.validation.inspection.show import describe_run, describe_scenario
from roadcraft.validation.scoring.folder import RunFolder, refuse_changes
from roadcraft.validation.scoring.summary import planner_label

PLUGIN = '''
import os, time
import numpy as np
from dataclasses import dataclass
from roadcraft.core.plugins.hookspecs import PluginSpec, hookimpl
from roadcraft.core.interfaces import Planner
from roadcraft.core.data.plan import Plan

@dataclass(frozen=True)
class Config:
    token: str = ""
    deed: str = ""
    pause_s: float = 0.0

class Villain(Planner):
    """Straight on; in one scenario it hangs, dies or raises at step 8."""
    def __init__(self, config):
        self.config = config
    def plan(self, obs, state, keys):
        time.sleep(self.config.pause_s)
        if self.config.token in obs.token and obs.iteration[0] == 8:
            if self.config.deed == "hang":
                time.sleep(1000)
            elif self.config.deed == "die":
                os._exit(7)
            else:
                raise ValueError("as told")
        t = np.arange(21)
        states = np.repeat(obs.ego[:, None, None], 21, axis=2)
        gone = obs.ego[:, 3:4] * t * 0.1
        states[:, 0, :, 0] += gone * np.cos(obs.ego[:, 2:3])
        states[:, 0, :, 1] += gone * np.sin(obs.ego[:, 2:3])
        flags = {"guard_changed": obs.iteration % 4 == 0, "guard_braked": obs.iteration < 0}
        return Plan(obs.time_us[:, None] + 100_000 * t, states, np.zeros((len(obs), 1)), debug=flags), state

@hookimpl
def roadcraft_plugins():
    return [PluginSpec("planner", "villain", "misbehaves as told", "villain_plugin:Config", "villain_plugin:Villain")]
'''


@pytest.fixture(scope="module")
def variables(tmp_path_factory):
    """Environment of a process in which the planner ``villain`` is installed."""
    site = tmp_path_factory.mktemp("site")
    (site / "villain_plugin.py").write_text(PLUGIN)
    return environment(install(site, "villain", {"villain": "villain_plugin"}), COLUMNS="200")


def roadcraft(variables, *words, code=0):
    done = process(*words, env=variables)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def run_score(tmp_path, small_store, name="run", **settings):
    return score(
        **{
            "planner": "constant_velocity",
            "data": str(small_store),
            "out": str(tmp_path / name),
            "workers": 1,
            **settings,
        }
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory, small_store):
    return run_score(tmp_path_factory.mktemp("finished"), small_store, modes=["nonreactive", "open_loop"])


def test_tables_and_summary(finished):
    scores = pq.read_table(finished.run / "scores.parquet").to_pylist()
    assert len(scores) == 16
    assert [(r["token"], r["challenge"]) for r in scores] == sorted((r["token"], r["challenge"]) for r in scores)
    assert {r["status"] for r in scores} == {"ok"}
    summary = json.loads((finished.run / "summary.json").read_text())
    assert summary["scenarios"] == 8
    assert summary["logs"] == 4
    assert len(summary["scenario_list_hash"]) == 16
    assert {"roadcraft", "numpy", "numba"} <= summary["versions"].keys()
    for name, c in summary["challenges"].items():
        mine = [r["score"] for r in scores if r["challenge"] == name]
        assert c["score"] == pytest.approx(np.mean(mine))
        assert c["nuplan_score"] == c["score"]
        assert (c["ci"], c["logs"]) == (None, 4), "under ten logs there is no interval"
        assert {k: v["scenarios"] for k, v in c["types"].items()} == {"changing_lane": 4, "following_lane_with_lead": 4}
        assert c["metrics"]
    timings = pq.read_table(finished.run / "timings.parquet")
    assert {"load_s", "plan_s", "metrics_s"} <= set(timings.column_names)


@pytest.mark.parametrize("settings", [{"batch": 1}, {"batch": 3, "workers": 2}])
def test_batch_and_workers_do_not_matter(tmp_path, small_store, finished, settings):
    other = run_score(tmp_path, small_store, modes=["nonreactive", "open_loop"], **settings)
    assert (other.run / "scores.parquet").read_bytes() == (finished.run / "scores.parquet").read_bytes()


def test_debug_gives_the_same(tmp_path, small_store, finished):
    other = run_score(tmp_path, small_store, modes=["nonreactive", "open_loop"], debug=True)
    assert (other.run / "scores.parquet").read_bytes() == (finished.run / "scores.parquet").read_bytes()


def test_resume_goes_on_and_refuses_changes(tmp_path, small_store, finished):
    run = run_score(tmp_path, small_store, modes=["nonreactive", "open_loop"]).run
    with pytest.raises(ConfigError, match="--resume"):
        run_score(tmp_path, small_store, modes=["nonreactive", "open_loop"])
    for part in (run / "parts").iterdir():
        lines = part.read_bytes().splitlines(keepends=True)
        part.write_bytes(b"".join(lines[:5]) + lines[5][:40])  # torn in the middle of a line
    for table in run.glob("*.parquet"):
        table.unlink()
    again = run_score(tmp_path, small_store, modes=["nonreactive", "open_loop"], resume=True, workers=2, batch=2)
    assert (again.run / "scores.parquet").read_bytes() == (finished.run / "scores.parquet").read_bytes()
    with pytest.raises(ConfigError, match=r"seed: began with 0, now 3"):
        run_score(tmp_path, small_store, modes=["nonreactive", "open_loop"], resume=True, seed=3)
    with pytest.raises(ConfigError, match=r"suite\.modes"):
        run_score(tmp_path, small_store, resume=True)


def test_killed_and_resumed_is_byte_identical(tmp_path, small_store, variables):
    words = ["score", "planner=villain", f"data={small_store}", "workers=1", "batch=1"]
    roadcraft(variables, *words, f"out={tmp_path / 'whole'}")
    halves = [*words, f"out={tmp_path / 'halves'}", "planner.params.pause_s=0.001"]
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, *halves], env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    folder = RunFolder(tmp_path / "halves")
    deadline = time.monotonic() + 120
    while not (folder.exists and len(folder.records()) >= 2):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(folder.records()) < 8
    roadcraft(variables, *halves, "--resume")
    assert folder.scores.read_bytes() == (tmp_path / "whole" / "scores.parquet").read_bytes()


@pytest.mark.parametrize(("deed", "stage"), [("hang", "timeout"), ("die", "crash")])
def test_a_fault_costs_one_scenario(tmp_path, small_store, variables, deed, stage):
    token = tokens_of(small_store)[2]
    words = [
        "score",
        "planner=villain",
        f"planner.params.token={token}",
        f"planner.params.deed={deed}",
        f"data={small_store}",
    ]
    done = roadcraft(
        variables,
        *words,
        f"out={tmp_path / 'run'}",
        "workers=1",
        "call_timeout_s=1.5",
        "--json",
        f"--junit={tmp_path / 'j.xml'}",
        code=1,
    )
    summary = json.loads(done.stdout)
    (failure,) = summary["failures"]
    assert (failure["token"], failure["stage"]) == (token, stage)
    challenge = summary["challenges"]["closed_loop_nonreactive_agents"]
    assert challenge["failed"] == 1
    assert challenge["score"] == pytest.approx(challenge["nuplan_score"] * 7 / 8)
    assert 0.2 < challenge["shares"]["guard_changed"] < 0.3
    assert challenge["shares"]["guard_braked"] == 0.0
    (kept,) = json.loads((tmp_path / "run" / "failures.json").read_text())
    if deed != "die":
        assert "villain_plugin.py" in kept["failure"]["traceback"], "says where it was"
    suite = ElementTree.parse(tmp_path / "j.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("errors")) == ("8", "1")
    assert describe_scenario(tmp_path / "run", token)["results"][0]["failure"]["stage"] == stage
    listed = describe_run(tmp_path / "run", failed=True)["scenarios"]
    assert [s["token"] for s in listed] == [token]


def tokens_of(store):
    from roadcraft.scenario_io import Store

    return [r.token for r in Store(store).iter_rows()]


def test_one_scenario_in_debug(tmp_path, small_store, variables):
    token = tokens_of(small_store)[0]
    words = [
        "score",
        "planner=villain",
        "planner.params.deed=raise",
        f"planner.params.token={token}",
        f"data={small_store}",
        f"scenario={token}",
    ]
    done = roadcraft(variables, *words, f"out={tmp_path / 'run'}", "--debug", code=1)
    assert "villain_plugin.py" in done.stderr
    assert "as told" in done.stderr


def test_errors_are_told_before_anything_runs(tmp_path, small_store):
    with pytest.raises(ConfigError, match=r"suite\.data is missing"):
        score(planner="constant_velocity", out=str(tmp_path / "a"))
    with pytest.raises(DataError, match="no scenario 'ffff'"):
        run_score(tmp_path, small_store, scenario="ffff")
    with pytest.raises(ConfigError, match="did you mean 'planner'"):
        score(planer="idm", data=str(small_store))
    with pytest.raises(DataError, match="accepted"):
        score(planner="constant_velocity", data=str(tmp_path / "nowhere"), out=str(tmp_path / "b"))


def test_a_planner_that_cannot_be_built_stops_the_run(tmp_path, small_store):
    with pytest.raises(Exception, match="checkpoint"):
        run_score(tmp_path, small_store, planner={"name": "learned", "params": {"checkpoint": str(tmp_path / "none")}})


def test_labels_name_the_fallback():
    inner = PluginRef("learned", {"checkpoint": "runs/a/best"})
    assert (
        planner_label("guard", {"planner": inner, "fallback": PluginRef("pdm_closed")})
        == "guard(learned runs/a/best), fallback pdm_closed"
    )
    assert planner_label("guard", {"planner": {"name": "idm", "params": {}}, "fallback": None}) == "guard(idm)"
    assert planner_label("idm", {}) == "idm"


def test_changes_that_cannot_matter_are_let_through():
    before = {"seed": 1, "workers": 2, "simulation": {"batch": 4, "record_plan_every": 5}}
    refuse_changes(
        before,
        {"seed": 1, "workers": 9, "simulation": {"batch": 8, "record_plan_every": 5}},
        ScoreConfig.FREE,
        Path("x"),
    )
    with pytest.raises(ConfigError, match=r"simulation\.record_plan_every"):
        refuse_changes(
            before, {**before, "simulation": {"batch": 4, "record_plan_every": 1}}, ScoreConfig.FREE, Path("x")
        )


def test_junit_tells_zero_scores(tmp_path, finished):
    write_junit(finished.records, tmp_path / "j.xml")
    root = ElementTree.parse(tmp_path / "j.xml").getroot()
    zeros = sum(r["score"] == 0 for r in finished.records)
    assert sum(int(s.get("failures", "0")) for s in root) == zeros
    assert len(root.findall(".//testcase")) == 16
