"""The closed loop: golden drives, independence of the batch, fault isolation."""

from __future__ import annotations

import numpy as np
import pytest

from roadcraft.core import load_vehicle
from roadcraft.core.arrays import to_arrays
from roadcraft.core.errors import ConfigError, RoadcraftError
from roadcraft.core.interfaces import Planner, PlannerNeeds
from roadcraft.core.rollout import Plan, Rollout
from roadcraft.core.vehicle import RigidUnit, Vehicle
from roadcraft.validation.config import KinematicBicycleConfig, SimulationConfig
from roadcraft.validation.simulation import Failure, simulate
from roadcraft.validation.simulation.kinematic_bicycle import KinematicBicycle
from roadcraft.validation.simulation.recorder import first_rows

NONREACTIVE = "closed_loop_nonreactive_agents."


def same(a: Rollout, b: Rollout) -> bool:
    for x, y in ((a.drive, b.drive), (a.plans, b.plans)):
        left, right = to_arrays(x)[0], to_arrays(y)[0]
        if left.keys() != right.keys() or any(left[k].tobytes() != right[k].tobytes() for k in left):
            return False
    return a.channel_names == b.channel_names and a.channels.tobytes() == b.channels.tobytes()


class Straight(Planner):
    """Straight on with the present speed, jittered by the step's key; its state counts the steps."""

    def needs(self):
        return PlannerNeeds(object_past=4)

    def start(self, obs, keys):
        return [0] * len(obs)

    def plan(self, obs, state, keys):
        t = np.arange(41)
        time_us = obs.time_us[:, None] + 100_000 * t
        ego = obs.ego
        states = np.repeat(ego[:, None, None], 41, axis=2)
        gone = (ego[:, 3] + keys % np.uint64(100) * 1e-3)[:, None] * t * 0.1
        states[:, 0, :, 0] += gone * np.cos(ego[:, 2:3])
        states[:, 0, :, 1] += gone * np.sin(ego[:, 2:3])
        seen = np.diff(obs.objects_past.offsets).reshape(len(obs), 4).sum(axis=1)
        return Plan(time_us, states, np.zeros((len(obs), 1)), debug={"count": np.array(state), "seen": seen}), [
            s + 1 for s in state
        ]


class Faulty(Straight):
    """Does something wrong in one scenario from step 3 on."""

    def __init__(self, token, fault):
        self.token, self.fault = token, fault

    def plan(self, obs, state, keys):
        plan, after = super().plan(obs, state, keys)
        if self.token in obs.token and obs.iteration[0] >= 3:
            self.fault(plan, obs.token.index(self.token))
        return plan, after


@pytest.fixture(scope="module")
def few(golden_runs, log_agents):
    """Scenarios of 149, 150 and 199 samples."""
    scenarios, _, _ = golden_runs(NONREACTIVE + "log_future.*")
    return scenarios


def test_whole_golden_drives(golden_runs, log_agents):
    """Every second drive of scripted planners: ego, objects, lights and plans are those of the reference."""
    scenarios, planner, drives = golden_runs(NONREACTIVE + "[cehjlorsw]*")
    keep = [i for i, d in enumerate(drives) if len(d["plans"]) == len(d["ego"])][::3]
    results = simulate([scenarios[i] for i in keep], planner, agents=log_agents)
    assert len(keep) > 25
    for i, got in zip(keep, results, strict=True):
        want = drives[i]
        assert isinstance(got, Rollout), got
        ego = np.array([row[1:11] for row in want["ego"]])
        off = np.abs(got.drive.ego - ego)
        off[:, 2] = np.abs((off[:, 2] + np.pi) % (2 * np.pi) - np.pi)
        assert off.max() < 1e-9
        assert got.drive.time_us.tolist() == [row[0] for row in want["ego"]]
        seen = [f"{t:016x}" for t in got.drive.tracks.id[got.drive.objects.track]]
        assert seen == [row[0] for frame in want["objects"] for row in frame]
        assert got.plans.step.tolist() == list(range(0, len(got), 5))


def test_batch_order_and_company_do_not_matter(few, log_agents):
    alone = simulate(few, Straight(), SimulationConfig(batch=1), agents=log_agents, seed=7)
    for batch in (3, 64):
        together = simulate(few[::-1], Straight(), SimulationConfig(batch=batch), agents=log_agents, seed=7)[::-1]
        assert all(same(a, b) for a, b in zip(alone, together, strict=True))
    other = simulate(few[:1], Straight(), agents=log_agents, seed=8)[0]
    assert not same(other, alone[0]), "the seed reaches the planner"
    assert {len(r) for r in alone} == {149, 150, 200}


def test_history_and_channels(few, log_agents):
    rollout = simulate(few[:1], Straight(), agents=log_agents)[0]
    assert rollout.channel_names == ("count", "seen")
    n = len(rollout)
    assert rollout.channels[0].tolist() == list(range(n)), "the state is passed on"
    objects = np.diff(few[0].drive.objects.offsets)[:n]
    padded = np.concatenate([np.zeros(3, np.int64), objects])
    assert rollout.channels[1].tolist() == [padded[i : i + 4].sum() for i in range(n)]


def _nan(plan, b):
    plan.states[b, 0, 5, 1] = np.nan


def _stale(plan, b):
    plan.time_us[b] -= 100_000


def _backwards(plan, b):
    plan.time_us[b, 7] = plan.time_us[b, 6]


def _short(plan, b):
    plan.time_us[b] = plan.time_us[b, 0] + np.arange(41)


def _raise(plan, b):
    raise ZeroDivisionError("planner bug")


def _score(plan, b):
    plan.scores[b] = np.nan


@pytest.mark.parametrize(
    ("fault", "stage", "words"),
    [
        (_nan, "plan", "not finite"),
        (_stale, "plan", "first time"),
        (_backwards, "plan", "do not increase"),
        (_short, "plan", "ends before"),
        (_score, "plan", "score"),
        (_raise, "planner", "planner bug"),
    ],
)
def test_a_fault_costs_its_scenario_only(few, log_agents, fault, stage, words):
    good = simulate(few[:3], Straight(), agents=log_agents)
    got = simulate(few[:3], Faulty(few[1].token, fault), agents=log_agents)
    assert same(got[0], good[0])
    assert same(got[2], good[2])
    failure = got[1]
    assert isinstance(failure, Failure)
    assert (failure.token, failure.step, failure.stage) == (few[1].token, 3, stage)
    assert words in failure.error
    assert (stage != "planner") or "Traceback" in failure.traceback
    with pytest.raises(RoadcraftError, match=f"{few[1].token}.*step 3"):
        simulate(few[:3], Faulty(few[1].token, fault), agents=log_agents, debug=True)


def test_all_fail_at_once(few, log_agents):
    class Broken(Straight):
        def start(self, obs, keys):
            raise OSError("no checkpoint")

    got = simulate(few[:2], Broken(), agents=log_agents)
    assert [type(f) for f in got] == [Failure, Failure]
    assert "no checkpoint" in got[0].error


@pytest.mark.parametrize(
    "answer",
    [
        None,
        3,
        Plan(np.zeros((2, 5)), np.zeros((2, 5, 10)), np.zeros(2)),
        Plan(np.zeros((1, 5)), np.zeros((1, 1, 5, 4)), np.zeros((1, 1))),
    ],
)
def test_a_wrong_answer_is_named(few, log_agents, answer):
    class Wrong(Straight):
        def plan(self, obs, state, keys):
            return answer, state

    got = simulate(few[:1], Wrong(), agents=log_agents)[0]
    assert isinstance(got, Failure)
    assert "Plan" in got.error


def test_a_lost_state_is_named(few, log_agents):
    class Careless(Straight):
        def plan(self, obs, state, keys):
            return super().plan(obs, state, keys)[0], None

    assert "state" in simulate(few[:1], Careless(), agents=log_agents)[0].error


def test_perfect_tracking_and_open_loop(golden_runs, few, log_agents):
    scenarios, planner, _ = golden_runs(NONREACTIVE + "log_future.a6*")
    s = scenarios[0]
    perfect = simulate(scenarios, planner, SimulationConfig(controller="perfect"), agents=log_agents)[0]
    plan = planner.plans[s.token][0]
    times, rows = np.array([r[0] for r in plan]), np.array([r[1:5] for r in plan])
    for c in (0, 1):
        assert perfect.drive.ego[1, c] == pytest.approx(np.interp(s.time_us[1], times, rows[:, c]))
    log = simulate(few[:1], Straight(), SimulationConfig(controller="log"), agents=log_agents)[0]
    assert (log.drive.ego == few[0].expert[: len(log)]).all()
    assert len(log.plans.step) == len(log), "open loop keeps every plan"


def test_agents_that_fail(few, log_agents):
    class Flaky(type(log_agents)):
        def step(self, scenarios, obs, state, keys):
            if few[0].token in obs.token and obs.iteration[0] == 5:
                raise RuntimeError("agent bug")
            return super().step(scenarios, obs, state, keys)

    good = simulate(few[:2], Straight(), agents=log_agents)
    got = simulate(few[:2], Straight(), agents=Flaky())
    assert (got[0].stage, got[0].step) == ("agents", 5)
    assert same(got[1], good[1])


def test_controls_bypass_the_tracker(few, log_agents):
    class Coast(Straight):
        def plan(self, obs, state, keys):
            plan, after = super().plan(obs, state, keys)
            return Plan(plan.time_us, plan.states, plan.scores, controls=np.zeros((len(obs), 2))), after

    got = simulate(few[:1], Coast(), agents=log_agents)[0].drive.ego
    assert got[-1, 5] == pytest.approx(0.0, abs=1e-9)
    assert got[-1, 7] == got[0, 7]


def test_a_trailer_needs_another_model():
    unit = RigidUnit(4, 1, 2.5, 3, 4)
    truck = Vehicle("truck", (unit, unit), 1.0, 0.2, 0.05)
    with pytest.raises(ConfigError, match="2 units"):
        KinematicBicycle(KinematicBicycleConfig()).step(
            np.zeros((1, 10)), np.zeros((1, 1)), np.zeros((1, 2)), np.ones(1), truck
        )
    assert load_vehicle().body.wheel_base_m > 0


def test_first_rows_equals_unique():
    rng = np.random.default_rng(0)
    for n, kinds in ((0, 1), (5, 2), (5000, 60), (70_000, 60_000)):
        ids = rng.integers(0, kinds, n).astype(np.uint64) * np.uint64(2**40 + 7)
        row, first = first_rows(ids)
        seen: dict[int, int] = {}
        want = [seen.setdefault(int(i), len(seen)) for i in ids]
        assert row.tolist() == want
        assert (ids[first] == np.array(list(seen), np.uint64)).all()
