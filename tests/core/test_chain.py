"""Trailers that follow without side slip: the chain's Runge-Kutta steps and the chord against scipy's integrator, and
properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from made_trucks import truck
from scipy.integrate import solve_ivp

from roadcraft.core import load_vehicle
from roadcraft.core.driving.geometry.angles import wrap_array
from roadcraft.core.driving.motion import bicycle
from roadcraft.core.driving.motion.chain import (
    FREE,
    actuators_of,
    advance_rolling,
    chain_of,
    pull_joints,
    unit_boxes,
    unit_poses,
)

seeds = st.integers(0, 2**32 - 1)


def start(rng, count, units):
    ego = rng.normal(size=(count, 10)) * [50, 50, 2, 6, 0, 0, 0, 0.2, 0, 0]
    return ego, rng.uniform(-1.0, 1.0, (count, units - 1))


def constrained(y, speed, steering, vehicle):
    """Rates of x, y, heading and joints from velocities that axles without side slip and hitches allow: 3 n unknown
    velocities, one linear system."""
    n, headings = len(vehicle.units), y[2] + np.concatenate([[0.0], np.cumsum(y[3:])])
    rows, right = [], []

    def row(**terms):
        out = np.zeros(3 * n)
        for place, value in terms.items():
            out[int(place[1:])] = value
        rows.append(out)
        right.append(0.0)

    for i, (unit, a) in enumerate(zip(vehicle.units, headings, strict=True)):
        row(**{f"_{3 * i}": -np.sin(a), f"_{3 * i + 1}": np.cos(a)})
        if i == 0:
            f = a + steering
            row(_0=-np.sin(f), _1=np.cos(f), _2=unit.wheel_base_m * np.cos(steering))
            row(_0=np.cos(a), _1=np.sin(a))
            right[-1] = speed
            continue
        before, h, b, w = headings[i - 1], vehicle.units[i - 1].hitch_m, 3 * (i - 1), unit.wheel_base_m
        row(**{f"_{b}": 1.0, f"_{b + 2}": -h * np.sin(before), f"_{b + 3}": -1.0, f"_{b + 5}": w * np.sin(a)})
        row(**{f"_{b + 1}": 1.0, f"_{b + 2}": h * np.cos(before), f"_{b + 4}": -1.0, f"_{b + 5}": -w * np.cos(a)})
    found = np.linalg.solve(np.array(rows), np.array(right)).reshape(n, 3)
    return np.concatenate([found[0], np.diff(found[:, 2])])


@settings(max_examples=6, deadline=None)
@given(seeds)
def test_equals_constrained_velocities_integrated_by_scipy(seed):
    rng = np.random.default_rng(seed)
    vehicle = truck(rng, int(rng.integers(1, 5)))
    ego, joints = start(rng, 1, len(vehicle.units))
    controls = rng.normal(size=(1, 2)) * [1.0, 0.2]
    got, bent = advance_rolling(ego, joints, controls, np.full(1, 0.1), (chain_of(vehicle), FREE), 32)

    def rates(t, y):
        return constrained(y, ego[0, 3] + controls[0, 0] * t, ego[0, 7] + controls[0, 1] * t, vehicle)

    y0 = np.concatenate([ego[0, :3], joints[0]])
    want = solve_ivp(rates, (0.0, 0.1), y0, "DOP853", rtol=1e-10, atol=1e-12).y[:, -1]
    assert got[0, :2] == pytest.approx(want[:2], abs=1e-8)
    assert np.abs(wrap_array(got[0, 2] - want[2])) < 1e-8
    assert np.abs(wrap_array(bent[0] - want[3:])).max(initial=0.0) < 1e-8
    yaw_rate = got[0, 3] * np.tan(got[0, 7]) / vehicle.body.wheel_base_m
    assert got[0, 8:] == pytest.approx([yaw_rate, (yaw_rate - ego[0, 8]) / 0.1])
    assert (got[0, [4, 6]] == 0.0).all()


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_hitches_coincide_and_boxes_hold_their_units(seed):
    rng = np.random.default_rng(seed)
    vehicle = truck(rng, 4)
    chain = chain_of(vehicle)
    ego, joints = start(rng, 6, 4)
    poses, boxes = unit_poses(ego, joints, chain), unit_boxes(ego, joints, chain)
    e = np.stack([np.cos(poses[..., 2]), np.sin(poses[..., 2])], -1)
    behind = poses[:, :-1, :2] + chain.hitch[:-1, None] * e[:, :-1]
    ahead = poses[:, 1:, :2] + chain.wheel_base[1:, None] * e[:, 1:]
    assert np.abs(behind - ahead).max() < 1e-12
    assert np.abs(wrap_array(np.diff(poses[..., 2]) - joints)).max() < 1e-12
    nose = boxes[..., :2] + 0.5 * boxes[..., 3:4] * e
    assert nose == pytest.approx(poses[..., :2] + chain.front[:, None] * e)
    assert boxes[0, :, 3] == pytest.approx([u.length_m for u in vehicle.units])
    assert (boxes[..., 4] == chain.width).all()


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_reversed_controls_retrace_the_path(seed):
    rng = np.random.default_rng(seed)
    vehicle = truck(rng, 3)
    model, dt = (chain_of(vehicle), FREE), np.full(1, 0.1)
    ego, joints = start(rng, 1, 3)
    ego[0, 3] *= 0.5
    controls = rng.normal(size=(10, 1, 2)) * [1.0, 0.1]
    there, bent = ego, joints
    for c in controls:
        there, bent = advance_rolling(there, bent, c, dt, model, 60)
    there[0, 3] *= -1.0
    for c in controls[::-1]:  # the speed's sign turns around, and with it that of its rate twice
        there, bent = advance_rolling(there, bent, c * [1.0, -1.0], dt, model, 60)
    assert there[0, :2] == pytest.approx(ego[0, :2], abs=1e-9)
    assert abs(wrap_array(there[0, 2] - ego[0, 2])) < 1e-9
    assert bent == pytest.approx(joints, abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_a_mirrored_drive_is_mirrored(seed):
    rng = np.random.default_rng(seed)
    vehicle = truck(rng, 4)
    model, dt = (chain_of(vehicle), actuators_of(vehicle)), np.full(3, 0.1)
    ego, joints = start(rng, 3, 4)
    controls = rng.normal(size=(3, 2))
    mirror = np.array([1, -1, -1, 1, -1, 1, -1, -1, -1, -1.0])
    got, bent = advance_rolling(ego, joints, controls, dt, model)
    other, bent_other = advance_rolling(ego * mirror, -joints, controls * [1.0, -1.0], dt, model)
    assert other * mirror == pytest.approx(got, abs=1e-12)
    assert -bent_other == pytest.approx(bent, abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_without_the_last_unit_the_others_move_the_same(seed):
    rng = np.random.default_rng(seed)
    vehicle = truck(rng, 4)
    chain = chain_of(vehicle)
    fewer = type(chain)(*[a[:3].copy() for a in chain])
    ego, joints = start(rng, 3, 4)
    controls, dt = rng.normal(size=(3, 2)), np.full(3, 0.1)
    got, bent = advance_rolling(ego, joints, controls, dt, (chain, FREE))
    less, bent_less = advance_rolling(ego, joints[:, :2].copy(), controls, dt, (fewer, FREE))
    assert (got == less).all()
    assert (bent[:, :2] == bent_less).all()
    path = np.cumsum(rng.normal(size=(3, 9, 3)) * [1.0, 1.0, 0.1], 1)
    assert (pull_joints(path, joints, chain)[..., :2] == pull_joints(path, joints[:, :2].copy(), fewer)).all()


def test_one_unit_drives_the_circle_of_the_bicycle():
    vehicle = load_vehicle()
    model = (chain_of(vehicle), FREE)
    ego, none = np.zeros((1, 10)), np.zeros((1, 0))
    ego[0, 3], ego[0, 7] = 5.0, 0.2
    radius = vehicle.body.wheel_base_m / np.tan(0.2)
    for _ in range(40):
        ego, none = advance_rolling(ego, none, np.zeros((1, 2)), np.full(1, 0.1), model)
    turn = 5.0 * 4.0 / radius
    assert ego[0, :3] == pytest.approx(
        [radius * np.sin(turn), radius * (1.0 - np.cos(turn)), wrap_array(turn)], abs=1e-6
    )
    assert none.shape == (1, 0)


def test_limits_and_lags_are_those_of_the_bicycle():
    vehicle = load_vehicle()
    motion, model = bicycle.motion_of(vehicle), (chain_of(vehicle), actuators_of(vehicle))
    rng = np.random.default_rng(1)
    ego, controls, dt = rng.normal(size=(20, 10)), rng.normal(size=(20, 2)) * [2.0, 9.0], rng.uniform(0.05, 0.2, 20)
    got, _ = advance_rolling(ego, np.zeros((20, 0)), controls, dt, model)
    want = bicycle.step(ego, controls, dt, *motion)
    assert got[:, 3:] == pytest.approx(want[:, 3:], abs=1e-12)
    limited = model[1]._replace(max_steering_rate=0.1, steering_lag=0.0)
    got, _ = advance_rolling(ego * 0.1, np.zeros((20, 0)), controls, dt, (model[0], limited))
    assert (np.abs(got[:, 7] - 0.1 * ego[:, 7]) <= 0.1 * dt + 1e-12).all()


def test_the_input_is_left_alone():
    vehicle = truck(np.random.default_rng(0), 3)
    ego, joints, path = np.ones((2, 10)), np.full((2, 2), 0.1), np.ones((2, 4, 3))
    advance_rolling(ego, joints, np.ones((2, 2)), np.full(2, 0.1), (chain_of(vehicle), FREE))
    pull_joints(path, joints, chain_of(vehicle))
    assert (ego == 1.0).all()
    assert (joints == 0.1).all()
    assert (path == 1.0).all()


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_a_straight_pull_is_exact_however_long_and_adds_up(seed):
    rng = np.random.default_rng(seed)
    vehicle = truck(rng, 2)
    chain = chain_of(vehicle)
    heading, way = rng.uniform(-3, 3), rng.uniform(-8.0, 30.0, 2)
    places = np.concatenate([[0.0], np.cumsum(way)])
    path = np.stack([places * np.cos(heading), places * np.sin(heading), np.full(3, heading)], -1)[None]
    joints = rng.uniform(-1.5, 1.5, (1, 1))
    got = pull_joints(path, joints, chain)[0, :, 0]
    want = 2.0 * np.arctan(np.tan(0.5 * joints[0, 0]) * np.exp(-places / chain.wheel_base[1]))
    assert got == pytest.approx(want, abs=1e-12)
    whole = pull_joints(np.ascontiguousarray(path[:, ::2]), joints, chain)[0, -1, 0]
    assert whole == pytest.approx(got[-1], abs=1e-12)


@pytest.mark.parametrize("direction", [-1.0, 1.0])
def test_the_chord_approaches_the_differential_equation(direction):
    """Worst joint over a second of a drive, over many drives: every 0.1 s, 0.0125 s, and every 0.1 s in 8 parts."""
    errors = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        chain = chain_of(truck(rng, 2 + seed % 3))
        ego, joints = start(rng, 1, 2 + seed % 3)
        ego[0, 3], joints = 6.0 * direction, 0.2 * joints
        poses, bent, rates = [ego[0, :3]], [joints[0]], np.repeat(rng.normal(size=10) * 0.1, 8)
        for rate in rates:
            control = np.array([[0.0, rate]])
            ego, joint = advance_rolling(ego, bent[-1][None], control, np.full(1, 0.0125), (chain, FREE), 1)
            poses.append(ego[0, :3])
            bent.append(joint[0])
        path, want = np.array(poses)[None], np.array(bent)
        every = path[:, ::8].copy()
        coarse = np.abs(pull_joints(every, joints, chain)[0] - want[::8]).max()
        fine = np.abs(pull_joints(path, joints, chain)[0] - want).max()
        parts = np.abs(pull_joints(every, joints, chain, 8)[0] - want[::8]).max()
        errors.append((coarse, fine, parts))
    coarse, fine, parts = np.mean(errors, 0)
    assert np.max(errors) < 2e-2
    assert fine < 0.05 * coarse
    assert parts < 0.4 * coarse


def test_standing_still_changes_no_joint():
    chain = chain_of(truck(np.random.default_rng(3), 3))
    path, joints = np.ones((2, 5, 3)), np.array([[0.3, -0.2], [1.2, 3.0]])
    assert pull_joints(path, joints, chain) == pytest.approx(np.repeat(joints[:, None], 5, 1), abs=1e-15)
