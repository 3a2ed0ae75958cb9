"""Plugins that hang, end the process or crash it, each in one scenario of a run: that scenario fails, with the call,
the time and the reason told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import MAIN, Done, environment, install, process

PLUGIN = """
import ctypes, json, os, sys, time
from dataclasses import dataclass
import numpy as np
from roadcraft.core.plugins.hookspecs import PluginSpec, hookimpl
from roadcraft.core.interfaces import AgentPolicy, Metric, Planner
from roadcraft.core.types import MetricResult
from roadcraft.core.config.factory import create

@dataclass(frozen=True)
class Config:
    deeds: str = "{}"  # what is done, by token

DEEDS = {
    "die": lambda: os._exit(7),
    "segfault": lambda: ctypes.string_at(0),
    "hang": lambda: time.sleep(1000),
    "exit": lambda: sys.exit(3),
    "slow": lambda: time.sleep(2.5),
}

def interrupt():
    raise KeyboardInterrupt

DEEDS["interrupt"] = interrupt

class Drives(Planner):
    def __init__(self, config):
        self.inner, self.deeds = create("planner", "constant_velocity"), json.loads(config.deeds)
        if "exit" in self.deeds:
            sys.exit(self.deeds["exit"])
    def plan(self, obs, state, keys):
        for token in obs.token:
            if obs.iteration[0] == 8 and token in self.deeds:
                DEEDS[self.deeds[token]]()
        return self.inner.plan(obs, state, keys)

class Others(AgentPolicy):
    def __init__(self, config):
        self.inner, self.deeds = create("agents", "log"), json.loads(config.deeds)
    def start(self, scenarios, vehicle, keys):
        for s in scenarios:
            if s.token in self.deeds and len(s) > 10:  # not while it warms up
                DEEDS[self.deeds[s.token]]()
        return self.inner.start(scenarios, vehicle, keys)
    def step(self, scenarios, obs, state, keys):
        return self.inner.step(scenarios, obs, state, keys)

class Judges(Metric):
    def __init__(self, config):
        self.deeds = json.loads(config.deeds)
    def compute(self, context):
        token = context.rollout.scenario.token
        if token in self.deeds and len(context.rollout) > 10:
            DEEDS[self.deeds[token]]()
        return MetricResult("faulty", 1.0)

@hookimpl
def roadcraft_plugins():
    kinds = {"planner": "Drives", "agents": "Others", "metric": "Judges"}
    return [PluginSpec(k, "faulty", "misbehaves as told", "faulty_plugin:Config", f"faulty_plugin:{c}") for k, c in kinds.items()]
"""


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment of a process in which the plugins ``faulty`` are installed."""
    site = tmp_path_factory.mktemp("site")
    (site / "faulty_plugin.py").write_text(PLUGIN)
    return environment(install(site, "faulty", {"faulty": "faulty_plugin"}), COLUMNS="300")


def run(variables: dict[str, str], *words: str) -> Done:
    """``roadcraft`` with a small limit for calls of agents and metrics."""
    limit = "import roadcraft.validation.scoring.pool as pool; pool.OTHERS_LIMIT_S = 4.0"
    return process(*words, code=f"{limit}; {MAIN}", env=variables)


def tokens_of(store: Path) -> list[str]:
    from roadcraft.scenario_io import Store

    return [r.token for r in Store(store).iter_rows()]


def test_every_fault_costs_its_own_scenario(tmp_path: Path, small_store: Path, variables: dict[str, str]) -> None:
    tokens = tokens_of(small_store)
    drives = dict(zip(tokens, ("die", "segfault", "hang", "interrupt"), strict=False))
    others = {tokens[4]: "hang", tokens[6]: "slow"}  # slower than a planner may be, which is no fault of agents
    done = run(
        variables,
        "score",
        "planner=faulty",
        f"planner.deeds={json.dumps(drives)}",
        f"suite.agents={{name: faulty, deeds: '{json.dumps(others)}'}}",
        f"metrics=[{{name: faulty, deeds: '{json.dumps({tokens[5]: 'exit'})}'}}]",
        f"data={small_store}",
        "modes=[reactive]",
        "workers=1",
        "call_timeout_s=1.5",
        f"out={tmp_path / 'run'}",
        "--json",
    )
    assert done.returncode == 1, done.stderr
    summary = json.loads(done.stdout)
    said = {f["token"]: (f["stage"], f["time_s"], f["error"]) for f in summary["failures"]}
    assert said.keys() == set(tokens[:6])
    assert said[tokens[0]] == ("crash", 0.8, "the process ended in planner.plan at 0.8 s, with exit code 7")
    assert said[tokens[1]] == ("crash", 0.8, "the process ended in planner.plan at 0.8 s, killed by SIGSEGV")
    assert said[tokens[2]] == ("timeout", 0.8, "planner.plan at 0.8 s took longer than 1.5 s")
    assert said[tokens[3]] == ("planner", 0.8, "KeyboardInterrupt")
    assert said[tokens[4]] == ("timeout", None, "agents.start took longer than 4.0 s")
    stage, time_s, error = said[tokens[5]]
    assert (stage, time_s) == ("metrics", None)
    assert error.endswith("metric faulty failed: SystemExit: 3")
    kept = {f["token"]: f["failure"]["traceback"] for f in json.loads((tmp_path / "run" / "failures.json").read_text())}
    for token in (tokens[1], tokens[2], tokens[4]):  # where it crashed or hung is known
        assert "faulty_plugin.py" in kept[token]
    (challenge,) = summary["challenges"].values()
    assert (challenge["scenarios"], challenge["failed"]) == (8, 6)
    assert challenge["nuplan_score"] > 0.0
    assert "step -1" not in done.stdout + done.stderr
    words = ("rescore", str(tmp_path / "run"), "--out", str(tmp_path / "again"), "--metric", "faulty", "--json")
    again = json.loads(run(variables, *words).stdout)
    assert {f["token"] for f in again["failures"]} == set(tokens[:5]), "what only a metric failed on is judged again"


@pytest.mark.parametrize("debug", [[], ["--debug"]])
def test_a_planner_that_exits_when_it_is_built_is_told(
    tmp_path: Path, small_store: Path, variables: dict[str, str], debug: list[str]
) -> None:
    words = ("score", "planner=faulty", 'planner.deeds={"exit": 0}', f"data={small_store}", "workers=1")
    done = run(variables, *words, f"out={tmp_path / 'run'}", *debug)
    assert done.returncode == 2
    assert "planner 'faulty' cannot be built: SystemExit: 0" in done.stderr
