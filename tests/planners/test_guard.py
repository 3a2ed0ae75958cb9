"""guard around planners that are bad on purpose."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import tiny_world

from roadcraft.core.arrays import Polygons
from roadcraft.core.data.plan import Forecast, Plan
from roadcraft.core.interfaces import Planner
from roadcraft.core.plugins.hookspecs import PluginRef
from roadcraft.core.testing import PlannerConformance
from roadcraft.planners.guard.config import GuardConfig
from roadcraft.planners.guard.planner import Guard

KEYS = np.zeros(1, np.uint64)


class Candidates(Planner):
    """Straight on at given speeds and sideways drifts (m/s); a candidate whose speed is NaN is not a number
    throughout."""

    def __init__(self, ways, scores=None, count=17, step_s=0.5, controls=None):
        self.ways, self.scores, self.count, self.step_s, self.controls = ways, scores, count, step_s, controls

    def plan(self, obs, state, keys):
        t = np.arange(self.count) * self.step_s
        states = np.zeros((len(obs), len(self.ways), self.count, 10))
        for b in range(len(obs)):
            ego = obs.ego[b]
            for k, (speed, side) in enumerate(self.ways):
                c, s = np.cos(ego[2]), np.sin(ego[2])
                states[b, k] = ego
                states[b, k, :, 0] = ego[0] + t * (speed * c - side * s)
                states[b, k, :, 1] = ego[1] + t * (speed * s + side * c)
                states[b, k, :, 3] = speed
        scores = np.tile(self.scores if self.scores is not None else np.zeros(len(self.ways)), (len(obs), 1))
        time_us = obs.time_us[:, None] + (t * 1e6).astype(np.int64)
        return Plan(time_us, states, scores.astype(float), None, self.controls), state


def scene(speed=8.0, ahead_m=None, count=1):
    """Ego in the right lane of the tiny world, the road to itself but for a parked car ``ahead_m`` metres in front."""
    traffic = tiny_world.make_map()
    # the tiny world is drivable everywhere; here only its lanes are
    far = tiny_world.START + 900.0 + np.array([[0, 0], [1, 0], [1, 1], [0, 0]])
    away = Polygons.build([[far]] * len(traffic.areas))
    traffic = replace(traffic, areas=replace(traffic.areas, polygons=away))
    drives = [tiny_world.make_drive(traffic, 0) for _ in range(count)]
    obs = tiny_world.observe(drives, traffic, [60] * count)
    ego = np.zeros(10)
    ego[:2], ego[3] = (tiny_world.START[0] + 30.0, tiny_world.START[1]), speed
    obs.ego_past[:] = ego
    box, velocity = obs.objects.box, obs.objects.velocity
    box[:, :2] += 500.0
    velocity[:] = 0.0
    if ahead_m is not None:
        box[obs.objects.offsets[:-1]] = [ego[0] + ahead_m, ego[1], 0.0, 4.5, 1.9]
    return obs


def guarded(inner, **settings):
    return Guard(GuardConfig(**settings), inner)


def drive(guard, obs):
    keys = np.zeros(len(obs), np.uint64)
    return guard.plan(obs, guard.start(obs, keys), keys)[0]


def test_a_good_choice_is_left_alone():
    inner = Candidates([(8.0, 0.0), (4.0, 0.0)], [1.0, 0.0])
    obs = scene()
    plan = drive(guarded(inner), obs)
    raw, _ = inner.plan(obs, [None], KEYS)
    assert np.array_equal(plan.states[:, 0], raw.states[:, 0])
    assert np.array_equal(plan.time_us, raw.time_us)
    assert plan.debug["guard_changed"].tolist() == [0.0]
    assert plan.debug["guard_braked"].tolist() == [0.0]


def test_off_the_road_is_not_driven():
    inner = Candidates([(8.0, -3.0), (8.0, 0.0), (float("nan"), 0.0)], [5.0, 0.0, 9.0])
    plan = drive(guarded(inner), scene())
    assert plan.debug["guard_changed"].tolist() == [1.0]
    assert plan.debug["guard_braked"].tolist() == [0.0]
    n = int(plan.length[0])
    assert abs(plan.states[0, 0, :n, 1] - tiny_world.START[1]).max() < 1e-6
    assert np.isfinite(plan.states).all()


@pytest.mark.parametrize("keep", [True, False])
def test_a_proposal_that_leaves_the_road_is_led_back_to_the_centre_line(keep):
    """At its own speed; without such copies only a slower one, or a stop, stays on the road."""
    plan = drive(guarded(Candidates([(8.0, -2.0)]), follow_centerline=keep), scene())
    n = int(plan.length[0])
    assert plan.debug["guard_changed"].tolist() == [1.0]
    driven_m = plan.states[0, 0, :n, :2] - plan.states[0, 0, 0, :2]
    if keep:
        assert plan.debug["guard_braked"].tolist() == [0.0]
        assert abs(plan.states[0, 0, :n, 1] - tiny_world.START[1]).max() < 0.05
        assert driven_m[40, 0] > 28.0
    else:
        assert driven_m[40, 0] < 16.0


def test_a_slow_proposal_does_not_win_because_the_favourite_leaves_the_road():
    """The favourite's copy on the centre line does, at its speed."""
    plan = drive(guarded(Candidates([(8.0, -2.0), (2.0, 0.0)], [1.0, 0.0])), scene())
    n = int(plan.length[0])
    assert plan.states[0, 0, 40, 0] - plan.states[0, 0, 0, 0] > 28.0
    assert abs(plan.states[0, 0, :n, 1] - tiny_world.START[1]).max() < 0.05


@pytest.mark.parametrize(("count", "step_s"), [(17, 0.5), (41, 0.1), (5, 1.0)])
def test_ahead_of_a_parked_car_a_slower_copy_or_a_stop_is_driven(count, step_s):
    plan = drive(guarded(Candidates([(8.0, 0.0)], count=count, step_s=step_s)), scene(8.0, 36.0))
    assert plan.debug["guard_changed"].tolist() == [1.0]
    n = int(plan.length[0])
    reached = plan.states[0, 0, n - 1, 0] - tiny_world.START[0] - 30.0
    at_4_s = plan.states[0, 0, np.searchsorted(plan.time_us[0, :n], plan.time_us[0, 0] + 4_000_000), 0]
    assert at_4_s - tiny_world.START[0] - 30.0 < 29.0 <= 8.0 * 4
    assert reached >= 0.0


def test_before_a_wall_it_brakes():
    plan = drive(guarded(Candidates([(9.0, 0.0), (9.0, 0.4)])), scene(9.0, 19.0))
    assert plan.debug["guard_braked"].tolist() == [1.0]
    n = int(plan.length[0])
    assert plan.states[0, 0, n - 1, 3] == pytest.approx(0.0, abs=1e-6)
    assert plan.states[0, 0, n - 1, 0] - tiny_world.START[0] - 30.0 < 9.0**2 / (2 * 2.5) + 0.5


def test_without_one_usable_candidate_it_stops_straight_on():
    plan = drive(guarded(Candidates([(float("nan"), 0.0)])), scene())
    assert plan.debug["guard_braked"].tolist() == [1.0]
    assert np.isfinite(plan.states).all()


def test_the_fallback_drives_where_nothing_is_safe():
    inner = Candidates([(9.0, -4.0)])
    plan = drive(guarded(inner, fallback=PluginRef("pdm_closed"), speed_fractions=()), scene(9.0, 14.0))
    assert plan.debug["guard_fallback"].tolist() == [1.0]
    assert plan.debug["guard_braked"].tolist() == [0.0]


def test_controls_are_kept_unless_the_choice_changes():
    controls = np.array([[0.7, 0.01]])
    moved = drive(guarded(Candidates([(8.0, 0.0)], controls=controls)), scene())
    assert np.array_equal(moved.controls, controls)
    changed = drive(guarded(Candidates([(8.0, 0.0)], controls=controls)), scene(8.0, 20.0))
    assert changed.controls[0, 0] < 0.0


def test_the_verdict_does_not_depend_on_the_batch():
    guard = guarded(Candidates([(8.0, 0.0), (8.0, -1.0)]))
    obs = scene(8.0, 30.0, count=3)
    obs.ego_past[1, :, 3] = 4.0
    together = drive(guard, obs)
    for b in (2, 1, 0):
        alone = drive(guard, obs.select([b]))
        n = int(alone.length[0])
        assert np.array_equal(alone.states[0, 0, :n], together.states[b, 0, :n])
        assert alone.scores[0, 0] == together.scores[b, 0]


class TestContract(PlannerConformance):
    name = "guard"
    params: ClassVar = {"planner": {"name": "constant_velocity"}}


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="speed_fractions"):
        GuardConfig(speed_fractions=(1.5,))
    with pytest.raises(ValueError, match="horizon_s"):
        GuardConfig(horizon_s=0.5)


class Forecasting(Candidates):
    """Candidates that predict one vehicle: standing where it is, or where it will be from the next step on."""

    def __init__(self, ways, spot, **kw):
        super().__init__(ways, **kw)
        self.spot = spot

    def plan(self, obs, state, keys):
        plan, state = super().plan(obs, state, keys)
        times = obs.time_us[:, None] + 100_000 * np.arange(1, 81)
        pose = np.zeros((len(obs), 1, 80, 3))
        pose[..., :2] = self.spot
        first = obs.objects.offsets[:-1]
        return replace(
            plan, forecast=Forecast(obs.objects.id[first][:, None], np.ones((len(obs), 1), bool), times, pose)
        ), state


def crossing(y, speed):
    """A car 20 m ahead and ``y`` m to the side, that moves to the other side at ``speed``."""
    obs = scene(8.0, 20.0)
    row = obs.objects.offsets[0]
    obs.objects.kind[row] = 0
    obs.objects.box[row, 1] += y
    obs.objects.box[row, 2] = np.pi / 2
    obs.objects.velocity[row] = 0.0, speed
    return obs


def test_others_go_where_the_planner_predicts_them():
    obs = crossing(-12.0, 4.5)  # straight on, it will be in the way
    spot = obs.objects.box[obs.objects.offsets[0], :2]
    yields = Forecasting([(8.0, 0.0)], spot)
    assert drive(guarded(Candidates([(8.0, 0.0)])), obs).debug["guard_changed"].tolist() == [1.0]
    assert drive(guarded(yields), obs).debug["guard_changed"].tolist() == [0.0]
    assert drive(guarded(yields, use_forecast=False), obs).debug["guard_changed"].tolist() == [1.0]
    still = crossing(-12.0, 0.0)
    comes = Forecasting([(8.0, 0.0)], spot + np.array([0.0, 12.0]))
    assert drive(guarded(Candidates([(8.0, 0.0)])), still).debug["guard_changed"].tolist() == [0.0]
    assert drive(guarded(comes), still).debug["guard_changed"].tolist() == [1.0]


def test_a_forecast_that_is_no_number_counts_for_nothing_and_one_of_the_past_is_refused(monkeypatch):
    obs = crossing(-12.0, 4.5)
    inner = Forecasting([(8.0, 0.0)], np.array([np.nan, 0.0]))
    assert drive(guarded(inner), obs).debug["guard_changed"].tolist() == [1.0]
    late = guarded(inner)
    plan, state = inner.plan(obs, [None], KEYS)
    old = replace(plan, forecast=replace(plan.forecast, time_us=plan.forecast.time_us - 10**6))
    monkeypatch.setattr(inner, "plan", lambda *a: (old, state))
    with pytest.raises(ValueError, match="forecast must begin after now"):
        drive(late, obs)
