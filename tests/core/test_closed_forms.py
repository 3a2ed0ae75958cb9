"""Closed forms against integrated equations and one another; the swept path against closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from made_trucks import truck
from scipy.integrate import solve_ivp

from roadcraft.core.driving.motion import closed_forms as forms
from roadcraft.core.driving.motion.chain import FREE, advance_rolling, chain_of, pull_joints
from roadcraft.core.errors import ConfigError
from roadcraft.core.vehicles.geometry import swept_path
from roadcraft.core.vehicles.vehicle import GRAVITY_MPS2, Brakes, Powertrain

seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=20, deadline=None)
@given(seeds, st.integers(1, 4), st.sampled_from([-0.15, 0.15]))
def test_a_steady_circle_stays_one(seed, n, steering):
    vehicle = truck(np.random.default_rng(seed), n)
    chain = chain_of(vehicle)
    circle = forms.steady_circle(chain, steering)
    assert circle is not None
    ego = np.zeros((1, 10))
    ego[0, 3], ego[0, 7] = 5.0, steering
    _, bent = advance_rolling(ego, circle.joints_rad[None], np.zeros((1, 2)), np.full(1, 0.1), (chain, FREE))
    assert bent[0] == pytest.approx(circle.joints_rad, abs=1e-9)
    assert (np.sign(circle.joints_rad) == -np.sign(steering)).all()
    assert circle.offtracking_m == pytest.approx(circle.steered_m - circle.radii_m[-1])
    assert circle.swept_m > vehicle.body.width_m


def test_trailers_fold_where_there_is_no_circle():
    assert forms.steady_circle(chain_of(truck(np.random.default_rng(1), 2)), 0.9) is None


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_a_pull_is_that_of_the_chord_and_adds_up(seed):
    rng = np.random.default_rng(seed)
    chain = chain_of(truck(rng, 2))
    length, joint, way = chain.wheel_base[1], rng.uniform(-2.5, 2.5), rng.uniform(-5.0, 20.0, 2)
    path = np.array([[[0.0, 0.0, 0.0], [way[0], 0.0, 0.0]]])
    got = forms.tractrix(joint, length, way[0])[0]
    assert pull_joints(path, np.array([[joint]]), chain)[0, 1, 0] == pytest.approx(got, abs=1e-12)
    assert forms.tractrix(got, length, way[1])[0] == pytest.approx(
        forms.tractrix(joint, length, way.sum())[0], abs=1e-9
    )


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_the_joint_on_an_arc_is_that_of_the_equation(seed):
    rng = np.random.default_rng(seed)
    length, hitch, curvature = rng.uniform(2, 12), rng.uniform(-2, 1), rng.choice([0.0, 1.0]) * rng.uniform(-0.2, 0.2)
    joint, arc = rng.uniform(-1.2, 1.2), rng.uniform(-4.0, 15.0)

    def rate(_, y):
        return (hitch * curvature * np.cos(y) - np.sin(y)) / length - curvature

    want = solve_ivp(rate, (0.0, arc), [joint], "DOP853", rtol=1e-11, atol=1e-12).y[0, -1]
    got = forms.joint_on_arc(joint, length, hitch, curvature, arc)
    assert (got - want + np.pi) % (2 * np.pi) - np.pi == pytest.approx(0.0, abs=1e-8)
    tight = np.sqrt(1.0 / (length**2 - hitch**2)) if abs(hitch) < length else 0.1
    near = forms.joint_on_arc(joint, length, hitch, tight * (1 - 1e-9), abs(arc))
    assert forms.joint_on_arc(joint, length, hitch, tight, abs(arc)) == pytest.approx(near, abs=1e-3)


def test_up_to_the_joint_of_no_return_full_lock_straightens():
    length, hitch, radius = 11.0, -0.5, 13.0
    limit = forms.no_return_joint(length, hitch, radius)
    assert limit is not None
    for joint, grows in ((limit - 0.01, False), (limit + 0.01, True)):
        after = forms.joint_on_arc(joint, length, hitch, -1.0 / radius, -0.5)
        assert (after > joint) is grows
    assert forms.no_return_joint(11.0, 0.0, 10.0) is None


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_a_stop_is_that_of_the_equation(seed):
    rng = np.random.default_rng(seed)
    speed, b, dead, ramp, grade = rng.uniform([0.1, 2, 0, 0.1, -0.08], [30, 8, 1, 1.5, 0.08])

    def rates(t, y):
        held = 0.0 if t < dead else GRAVITY_MPS2 * grade + b * min(1.0, (t - dead) / ramp)
        return [y[1], -held]

    def stands(t, y):
        return y[1]

    stands.terminal = True
    got = forms.stopping(speed, b, dead, ramp, grade)
    done = solve_ivp(rates, (0.0, 60.0), [0.0, speed], events=stands, rtol=1e-9, atol=1e-9, max_step=0.02)
    assert got is not None
    assert got.time == pytest.approx(done.t_events[0][0], abs=1e-3)
    assert got.distance == pytest.approx(done.y[0, -1], abs=1e-2)


def test_stops_that_are_none():
    assert forms.stopping(20.0, 1.0, 0.2, 0.4, -0.2) is None
    assert forms.stopping(0.0, 5.0, 0.2, 0.0) == (0.0, 0.0)
    car = forms.stopping(30.0, 5.0, 0.0, 0.0)
    assert car is not None
    assert car.distance == pytest.approx(90.0)


def test_brakes_approach_the_temperature_at_which_cooling_takes_all():
    engine, brakes = Powertrain(1.0), Brakes()
    near = forms.brake_temperature(36_000.0, 66.0, forms.Slope(0.06, 1e3, 10.0, 30.0), engine, brakes)
    far = forms.brake_temperature(36_000.0, 66.0, forms.Slope(0.06, 1e7, 10.0, 30.0), engine, brakes)
    assert 66.0 < near.temperature < far.temperature
    assert far.temperature == pytest.approx(30.0 + far.power / (134.0 + 62.4))
    spared = forms.brake_temperature(36_000.0, 66.0, forms.Slope(0.06, 1e4, 10.0, 30.0), engine, Brakes(retarder_W=1e6))
    assert spared.power == 0.0
    assert 30.0 < spared.temperature < 66.0


def test_the_grade_severity_rating():
    short, long = (forms.gsrs_temperature(80_000.0, 0.06, 21.0, miles) for miles in (3.0, 5.0))
    assert short.total_F < long.total_F
    assert long.total_F == pytest.approx(500.0, abs=15.0)


def test_full_power_and_grip():
    engine = Powertrain(335_000.0)
    level = forms.traction(36_300.0, 0.42, 22.0, engine, forms.RoadGrip())
    assert forms.traction(36_300.0, 0.42, level.steady_speed, engine, forms.RoadGrip()).acceleration == pytest.approx(
        0, abs=1e-9
    )
    climbing = forms.traction(36_300.0, 0.42, 5.0, engine, forms.RoadGrip(0.06))
    assert climbing.steady_speed * 3.6 == pytest.approx(42.0, abs=1.0)
    assert forms.traction(36_300.0, 0.42, 0.0, engine, forms.RoadGrip(0.06, 0.1)).steady_speed == 0.0
    assert forms.traction(36_300.0, 0.42, 0.0, engine, forms.RoadGrip(-0.06, 0.1)).steady_speed > 30.0


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_a_step_of_roll_ends_at_the_static_threshold(seed):
    rng = np.random.default_rng(seed)
    body = forms.RollBody(*rng.uniform([1.8, 1.2, 0.8, 0.6, 0.1, 0.5, 0.1], [2.1, 2.4, 0.9, 1.6, 0.14, 0.9, 0.4]))
    tips = forms.roll_step(body, GRAVITY_MPS2 * body.threshold_g, 200.0)
    assert tips.load_transfer == pytest.approx(1.0)
    assert tips.roll_rate == pytest.approx(0.0, abs=1e-9)
    one, two = forms.roll_step(body, 1.0, 0.7), forms.roll_step(body, 2.0, 0.7)
    assert np.array(two) == pytest.approx(2.0 * np.array(one))


def test_bridges():
    verdict = forms.bridge_formula([0, 12, 16, 47, 51], [12_000, 17_000, 17_000, 17_000, 17_000])
    assert verdict.compliant
    assert verdict.gross_margin == 0.0
    assert forms.bridge_formula([0, 4], [17_000, 17_001]).worst_group == (0, 1)
    assert not forms.bridge_formula([0, 4], [17_000, 17_001]).compliant
    assert forms.bridge_formula([0, 40], [12_000, 21_000]).axle_margin == -1_000.0


def test_sags_and_curves():
    assert forms.sag_rise(6.0, 8.0, 1000.0) == pytest.approx(0.024)
    assert forms.curve_speed(30.0, 0.04, 0.24, 1.0) * 3.6 == pytest.approx(33.0, abs=0.5)
    flat = forms.curve_speed(100.0, 0.0, 0.34, 0.5)
    assert flat == pytest.approx(np.sqrt(100.0 * GRAVITY_MPS2 * 0.17))
    assert forms.curve_speed(100.0, -0.5, 0.34, 0.5) == 0.0
    assert forms.equivalent_wheel_base([7.05, 8.35]) == pytest.approx(7.7 + 0.65**2 / 7.7, abs=1e-3)


@settings(max_examples=4, deadline=None)
@given(seeds, st.integers(1, 3))
def test_a_long_turn_sweeps_the_ring_of_the_steady_circle(seed, n):
    vehicle = truck(np.random.default_rng(seed), n)
    chain, radius = chain_of(vehicle), 30.0
    turn = swept_path(vehicle, radius, np.pi)
    steering = np.arcsin(chain.wheel_base[0] / radius)
    circle = forms.steady_circle(chain, steering)
    assert circle is not None
    assert turn.offtracking_m == pytest.approx(circle.offtracking_m, abs=0.05)
    assert turn.max_joint_rad == pytest.approx(np.abs(circle.joints_rad), abs=0.02)
    assert turn.swept_width_m == pytest.approx(circle.swept_m, abs=0.12)
    assert turn.widths_m.min() >= chain.width[0] - 1e-9


def test_tail_swing_grows_with_the_rear_overhang_and_a_wide_turn_takes_the_width():
    vehicle = truck(np.random.default_rng(2), 2)
    longer = replace(vehicle, units=tuple(replace(u, rear_m=u.rear_m + 2.0) for u in vehicle.units))
    assert (swept_path(longer).tail_swing_m > swept_path(vehicle).tail_swing_m).all()
    wide = swept_path(vehicle, 1e5, 1e-4)
    assert wide.swept_width_m == pytest.approx(max(u.width_m for u in vehicle.units), abs=1e-2)


def test_an_arc_that_cannot_be_driven_is_refused():
    vehicle = truck(np.random.default_rng(2), 2)
    for radius, angle in ((2.0, 1.0), (12.5, 0.0), (12.5, 7.0), (float("nan"), 1.0)):
        with pytest.raises(ConfigError, match="cannot follow an arc"):
            swept_path(vehicle, radius, angle)
