"""The closed loop: golden drives, independence of the batch, fault isolation."""

from __future__ import annotations

import re
import signal
from dataclasses import replace

import numpy as np
import pytest

from roadcraft.core import load_vehicle
from roadcraft.core.arrays import to_arrays
from roadcraft.core.data.layers import Grid, RasterLayers
from roadcraft.core.data.plan import Forecast, Plan
from roadcraft.core.data.rollout import Rollout
from roadcraft.core.errors import ConfigError, PluginError, RoadcraftError
from roadcraft.core.interfaces import Planner, SinglePlanner, Tracker, VehicleModel, stack_plans
from roadcraft.core.testing import made_up_scenario
from roadcraft.core.testing.world import observe
from roadcraft.core.types import PlannerNeeds
from roadcraft.core.vehicles.vehicle import RigidUnit, Vehicle
from roadcraft.validation.config import KinematicBicycleConfig, SimulationConfig
from roadcraft.validation.simulation import Failure, simulate
from roadcraft.validation.simulation.closed_loop import Watch
from roadcraft.validation.simulation.controllers import TwoStage
from roadcraft.validation.simulation.kinematic_bicycle import KinematicBicycle
from roadcraft.validation.simulation.plan_check import contiguous
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
    with pytest.raises(RoadcraftError, match=f"scenario {few[1].token}, at 0.3 s, {stage}: "):
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


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: replace(p, states=p.states + 1j), "Plan.states is complex128, expected float64"),
        (lambda p: replace(p, states=p.states.astype(str)), "Plan.states is <U32, expected float64"),
        (lambda p: replace(p, scores=p.scores.astype(bool)), "Plan.scores is bool, expected float64"),
        (lambda p: replace(p, controls=np.full((len(p), 2), None)), "Plan.controls is object, expected float64"),
        (lambda p: replace(p, debug={3: np.zeros(len(p))}), "Plan.debug has the key 3, expected text"),
    ],
)
def test_a_plan_of_other_types_is_named_and_not_converted(few, log_agents, change, said):
    class Wrong(Straight):
        def plan(self, obs, state, keys):
            plan, after = super().plan(obs, state, keys)
            return change(plan), after

    got = simulate(few[:1], Wrong(), agents=log_agents)[0]
    assert got.error == f"PluginError: {said}"


def test_an_exception_that_cannot_say_what_it_is_costs_its_scenario_only(few, log_agents):
    class MuteError(Exception):
        def __str__(self):
            raise KeyError("words")

    def mute(plan, b):
        raise MuteError

    got = simulate(few[:2], Faulty(few[1].token, mute), agents=log_agents)
    assert [type(r) for r in got] == [Rollout, Failure]
    assert got[1].error == "MuteError: (its text cannot be made: KeyError)"


def test_an_endless_text_of_an_exception_is_cut_in_the_line_that_tells_it(few, log_agents):
    def talk(plan, b):
        raise ValueError("x" * 5000)

    got = simulate(few[:1], Faulty(few[0].token, talk), agents=log_agents)
    assert got[0].error == f"ValueError: {'x' * 1000}... (5000 characters)"
    assert "x" * 5000 in got[0].traceback


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


def _in_objects(obs):
    obs.objects.box[:, 0] += 1.0


def _in_past(obs):
    obs.objects_past.box[:] = 0.0


def _in_map(obs):
    obs.maps[0].lanes.centerlines.points[:] = 0.0


def _in_log(obs):
    obs.scenarios[0].expert[:, 0] = 0.0


def _in_drive(obs):
    obs.scenarios[0].drive.objects.box[:] = 0.0


def _in_lights(obs):
    obs.lights.state[:] = 0


def _in_route(obs):
    obs.route.values[:] = 0


def _in_ego(obs):
    obs.ego[:, 3] = 0.0


def _in_history(obs):
    obs.ego_past[:, :-1] = 0.0


def _in_vehicle(obs):
    obs.vehicle.box[:] = 0.0


def _in_one(obs):
    obs.select([0]).ego_past[:] = 0.0


def _in_layers(obs):
    obs.layers[0].values[:] = 0.0


@pytest.mark.parametrize(
    "write",
    [
        _in_objects,
        _in_past,
        _in_map,
        _in_log,
        _in_drive,
        _in_lights,
        _in_route,
        _in_ego,
        _in_history,
        _in_vehicle,
        _in_one,
        _in_layers,
    ],
)
def test_what_a_planner_sees_is_read_only(write):
    class Writer(Straight):
        def needs(self):
            return PlannerNeeds(object_past=4, log=True)

        def plan(self, obs, state, keys):
            write(obs)
            return super().plan(obs, state, keys)

    scenario = made_up_scenario(seconds=2.0)
    layers = RasterLayers.build({"friction": Grid(np.ones((4, 4), np.float32), 1.0)})
    scenario = replace(scenario, drive=replace(scenario.drive, layers=layers))
    (failure,) = simulate([scenario], Writer())
    assert isinstance(failure, Failure)
    assert (failure.stage, failure.step) == ("planner", 0)
    assert failure.error.startswith("ValueError: ")
    assert "is read-only (what a plugin is shown is shared: copy an array before writing into it)" in failure.error


def test_a_planner_that_reuses_its_arrays_does_not_change_what_it_planned(few, log_agents):
    class Thrifty(Straight):
        buffer = None

        def plan(self, obs, state, keys):
            plan, after = super().plan(obs, state, keys)
            if self.buffer is None or len(self.buffer[0]) != len(obs):
                self.buffer = [plan.time_us.copy(), plan.states.copy()]
            self.buffer[0][:], self.buffer[1][:] = plan.time_us, plan.states
            state[:] = [None] * len(state)  # its list is its own
            return replace(plan, time_us=self.buffer[0], states=self.buffer[1]), after

    good, got = (simulate(few[:2], planner, agents=log_agents) for planner in (Straight(), Thrifty()))
    assert all(same(a, b) for a, b in zip(good, got, strict=True))


def test_agents_that_reuse_their_arrays_do_not_change_what_they_did(few, log_agents):
    class Thrifty(type(log_agents)):
        buffer = None

        def _at(self, scenarios, iterations):
            objects = super()._at(scenarios, iterations)
            if self.buffer is not None:
                self.buffer.box[:] = np.nan  # whoever still holds last step's objects would see this
            self.buffer = objects
            return objects

    class Remembers(Straight):
        def plan(self, obs, state, keys):
            plan, after = super().plan(obs, state, keys)
            if not hasattr(self, "seen"):
                self.seen = obs.objects
            return plan, after

    planner = Remembers()
    good, got = simulate(few[:1], Straight(), agents=log_agents), simulate(few[:1], planner, agents=Thrifty())
    assert same(good[0], got[0])
    assert np.isfinite(planner.seen.box).all()


class _Cancelled(BaseException):
    """As asyncio's and trio's: no Exception."""


def _exit(plan, b):
    raise SystemExit(3)


def _exit_well(plan, b):
    raise SystemExit


def _cancel(plan, b):
    raise _Cancelled("enough")


@pytest.mark.parametrize(
    ("fault", "said"), [(_exit, "SystemExit: 3"), (_exit_well, "SystemExit"), (_cancel, "_Cancelled: enough")]
)
def test_a_planner_that_ends_the_process_ends_its_scenario(few, log_agents, fault, said):
    got = simulate(few[:3], Faulty(few[1].token, fault), agents=log_agents)
    assert [type(r) for r in got] == [Rollout, Failure, Rollout]
    assert (got[1].stage, got[1].step, got[1].error) == ("planner", 3, said)


def _interrupt(plan, b):
    raise KeyboardInterrupt


def test_an_interrupt_is_the_users_where_there_is_a_user(few, log_agents):
    planner = Faulty(few[0].token, _interrupt)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            simulate(few[:1], planner, agents=log_agents)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in a worker
        (failure,) = simulate(few[:1], planner, agents=log_agents)
    finally:
        signal.signal(signal.SIGINT, before)
    assert failure.error == "KeyboardInterrupt"


def _wrong_debug(plan, b):
    plan.debug["more"] = np.zeros(7)


def test_debug_values_of_a_wrong_length_are_named(few, log_agents):
    got = simulate(few[:2], Faulty(few[1].token, _wrong_debug), agents=log_agents)
    assert isinstance(got[0], Rollout)
    assert got[1].error == "PluginError: Plan.debug['more'] has shape (7,), expected (1, ...)"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda o: (o.box.__setitem__((0, 1), np.nan), o)[1], "the box of object .* is not finite"),
        (lambda o: replace(o, box=o.box * [1, 1, 1, 1, -1]), "the box of object .* has no size"),
        (lambda o: replace(o, box=o.box[:-1]), r"Objects.box has shape \(\d+, 5\) by Objects.offsets, got float64"),
        (lambda o: replace(o, id=o.id.astype(str)), "Objects.id has shape"),
        (lambda o: replace(o, offsets=o.offsets[:-1]), r"Objects.offsets are \(2,\) int64"),
        (lambda o: replace(o, offsets=o.offsets + np.array([1, 0])), "Objects.offsets begin with 0 and do not fall"),
        (lambda o: replace(o, velocity=o.velocity + np.inf), "the velocity of object .* is infinite"),
        (lambda o: None, r"agents return \(states, Objects\), got tuple of 2"),
        (lambda o: replace(o, id=o.id * np.uint64(0)), "object 0000000000000000 is there twice at the same time"),
    ],
)
def test_agents_that_answer_nonsense_are_named(few, log_agents, change, said):
    class Wrong(type(log_agents)):
        def step(self, scenarios, obs, state, keys):
            state, objects = super().step(scenarios, obs, state, keys)
            return state, change(objects) if obs.iteration[0] == 4 and few[1].token in obs.token else objects

    got = simulate(few[:2], Straight(), SimulationConfig(batch=1), agents=Wrong())
    assert isinstance(got[0], Rollout)
    assert (got[1].stage, got[1].step) == ("agents", 5 if "twice" in said else 4)
    assert re.search(said, got[1].error)


def test_agents_that_never_start_cost_their_scenarios(few, log_agents):
    class Broken(type(log_agents)):
        def start(self, scenarios, vehicle, keys):
            raise OSError("no file")

    got = simulate(few[:2], Straight(), agents=Broken())
    assert [(f.stage, f.step, f.error) for f in got] == [("agents", None, "OSError: no file")] * 2


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        ("tracker", "the tracker's (Broken) controls are not finite"),
        ("model", "the vehicle model's (Broken) ego states are not finite"),
        ("shape", "the tracker's (Broken) controls have shape (1, 3), expected (1, 2)"),
    ],
)
def test_trackers_and_vehicle_models_that_answer_nonsense_are_named(few, log_agents, stage, said):
    class Broken(Tracker, VehicleModel):
        def track(self, ego, *rest):
            return np.full((len(ego), 3 if stage == "shape" else 2), np.nan if stage == "tracker" else 0.0)

        def step(self, ego, joints, controls, dt_s, vehicle):
            return np.where(ego[:, 3:4] > -1, np.nan, ego), joints

    (failure,) = simulate(few[:1], Straight(), agents=log_agents, controller=TwoStage(Broken(), Broken()))
    assert (failure.stage, failure.step) == ("controller", 0)
    assert failure.error == f"PluginError: {said}"


@pytest.mark.parametrize("which", ["tracker", "model"])
@pytest.mark.parametrize("scenarios", [1, 2])
def test_trackers_and_vehicle_models_cannot_write_into_the_ego(few, log_agents, which, scenarios):
    class Writes(Tracker, VehicleModel):
        def track(self, ego, *rest):
            if which == "tracker":
                ego[:] = 0.0
            return np.zeros((len(ego), 2))

        def step(self, ego, joints, controls, dt_s, vehicle):
            ego[:] = 0.0
            return ego, joints

    for failure in simulate(few[:scenarios], Straight(), agents=log_agents, controller=TwoStage(Writes(), Writes())):
        assert (failure.stage, failure.step) == ("controller", 0)
        assert "read-only (what a plugin is shown is shared" in failure.error


def test_a_forecast_of_single_scenarios_reaches_the_judge():
    class Seer(SinglePlanner):
        def plan_one(self, obs, state, key):
            b, t = int(obs.token[0], 16), np.arange(11)
            states = np.repeat(obs.ego[:, None, None], 11, axis=2)
            forecast = Forecast(
                np.array([[b]], np.uint64),
                np.ones((1, 1), bool),
                obs.time_us[:, None] + 100_000 * (1 + t[: b + 2]),
                np.full((1, 1, b + 2, 3), float(b)),
            )
            return Plan(
                obs.time_us[:, None] + 100_000 * t, states, np.zeros((1, 1)), forecast=forecast if b else None
            ), state

    obs = observe([made_up_scenario(f"{b:016x}") for b in range(3)], 5, PlannerNeeds())
    keys = np.zeros(3, np.uint64)
    plan, _ = Seer().plan(obs, [None] * 3, keys)
    f = contiguous(plan, 3).forecast
    assert f.length.tolist() == [0, 3, 4]
    assert f.known[:, 0].tolist() == [False, True, True]
    assert f.id[:, 0].tolist() == [0, 1, 2]
    assert (f.pose[1, 0, :3] == 1.0).all()
    assert (f.pose[2] == 2.0).all()
    assert (np.diff(f.time_us[2]) == 100_000).all()
    assert plan.select([2]).forecast.length.tolist() == [4]


def test_no_forecast_ends_the_simulation_whatever_its_columns_are(few, log_agents):
    """A loop that drops a scenario picks rows of every array of a plan."""

    def _lists(plan, b):
        plan.states[b] = np.nan

    class Seer(Faulty):
        def plan(self, obs, state, keys):
            plan, after = super().plan(obs, state, keys)
            b = len(obs)
            columns = [[0]] * b, [[True]] * b, [[1]] * b, np.zeros((b, 1, 1, 3))
            return replace(plan, forecast=Forecast(*columns)), after

    got = simulate(few[:2], Seer(few[1].token, _lists), agents=log_agents)
    assert isinstance(got[0], Rollout)
    assert "not finite" in got[1].error


def test_a_forecasts_length_is_one_per_scenario(few, log_agents):
    def _length(plan, b):
        b = len(plan.states)
        columns = np.zeros((b, 1), np.uint64), np.ones((b, 1), bool), np.ones((b, 1), np.int64), np.zeros((b, 1, 1, 3))
        object.__setattr__(plan, "forecast", Forecast(*columns, np.int64(1)))

    got = simulate(few[:1], Faulty(few[0].token, _length), agents=log_agents)
    assert got[0].error == "PluginError: Plan.forecast.length has shape (), expected (1,)"


def test_plans_with_and_without_controls_do_not_mix():
    plan = Plan(np.zeros((1, 2), np.int64), np.zeros((1, 1, 2, 10)), np.zeros((1, 1)))
    with pytest.raises(PluginError, match="1 of 2 plans carry controls"):
        stack_plans([plan, replace(plan, controls=np.zeros((1, 2)))])


def test_how_long_each_call_took_is_kept(few, log_agents):
    watch = Watch()
    results = simulate(few[:2], Straight(), agents=log_agents, watch=watch)
    for s, r in zip(few, results, strict=False):
        calls = watch.latency_s[s.token]
        assert (calls[: len(r)] > 0.0).all()
        assert np.isnan(calls[len(r) :]).all()
