"""Whole drives from the logs and maps themselves: our planners, agents and closed loop against the reference's, step by
step."""

from __future__ import annotations

import numpy as np
import pytest

from roadcraft.core.config.factory import create
from roadcraft.core.data.rollout import Rollout
from roadcraft.scenario_io import ScenarioFilter, find, open_source
from roadcraft.validation.golden.files import read_golden
from roadcraft.validation.metrics.common.evaluation import evaluate
from roadcraft.validation.simulation import simulate


@pytest.fixture(scope="module")
def source(shared):
    golden = shared / "golden" / "nuplan"
    return open_source(golden / "logs", "nuplan", maps_root=str(golden / "maps"))


def drive(shared, source, pattern, planner, agents):
    """(golden drive, our rollout) pairs."""
    golden = [read_golden(p).data for p in sorted((shared / "golden" / "nuplan" / "drives").glob(pattern))]
    chosen = [find(source, ScenarioFilter(scenario_tokens=(g["token"],)))[0] for g in golden]
    scenarios = [source.scenario(*c) for c in chosen]
    return list(zip(golden, simulate(scenarios, create("planner", planner), agents=agents), strict=True))


@pytest.mark.parametrize(
    ("pattern", "planner", "agents", "within_m"),
    [
        ("closed_loop_nonreactive_agents.simple.*", "constant_velocity", "log", 1e-6),
        ("closed_loop_nonreactive_agents.log_future.[49a]*", "log_replay", "log", 1e-6),
        ("closed_loop_nonreactive_agents.idm.[29a]*", "idm", "log", 1e-5),
        ("closed_loop_reactive_agents.log_future_r.*", "log_replay", "idm", 1e-6),
        ("closed_loop_reactive_agents.idm_r.9*", "idm", "idm", 1e-5),
    ],
)
def test_whole_drives(shared, source, pattern, planner, agents, within_m):
    pairs = drive(shared, source, pattern, planner, agents)
    assert pairs
    for golden, ours in pairs:
        assert isinstance(ours, Rollout), ours
        want = np.array([row[1:11] for row in golden["ego"]])
        assert ours.drive.time_us.tolist() == [row[0] for row in golden["ego"]]
        off = np.abs(ours.drive.ego - want)
        off[:, 2] = np.abs((off[:, 2] + np.pi) % (2 * np.pi) - np.pi)
        first = np.flatnonzero((off[:, [0, 1, 2, 3, 7]] > within_m).any(axis=1))
        assert not len(first), f"{golden['drive']}: step {first[0]} is {off[first[0]]} off"
        rows = [row for frame in golden["objects"] for row in frame]
        ids = [f"{i:016x}" for i in ours.drive.tracks.id[ours.drive.objects.track]]
        assert ids == [row[0] for row in rows]
        boxes = np.array([row[1:3] for row in rows])
        assert np.abs(ours.drive.objects.box[:, :2] - boxes).max(initial=0.0) < 1e-5
        judged = evaluate(ours, golden["challenge"])
        assert judged.score == pytest.approx(golden["score"], abs=1e-6)
