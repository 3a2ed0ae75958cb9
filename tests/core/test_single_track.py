"""Slipping tires: accelerations against redundant coordinates with Lagrange multipliers, the integrator against
scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from made_trucks import truck
from scipy.integrate import solve_ivp

from roadcraft.core.driving.motion.linear_single_track import linear_single_track
from roadcraft.core.driving.motion.single_track import (
    Forces,
    cog_accelerations,
    single_track_of,
    slide_on,
    sliding_rates,
    work_of,
)

seeds = st.integers(0, 2**32 - 1)


def random_state(rng, n):
    state = rng.normal(size=3 + 2 * n) * 0.3
    state[2] = rng.uniform(-3, 3)
    forces = Forces(rng.normal(size=1 + n) * 1e4, rng.uniform(2e4, 9e4, 1 + n), rng.normal(size=4) * [0.5, 0.5, 9, 9])
    return state, (rng.uniform(7, 30), rng.normal(), 0.2 * rng.normal()), forces


def multipliers(state, motion, vehicle, track, forces):
    """Accelerations (n, 2) of the centers of gravity, global frame, and yaw accelerations (n,): three per unit, tied by
    equal hitch accelerations and the given longitudinal acceleration of unit 0's rear axle."""
    n, (speed, accel, steering) = len(vehicle.units), motion
    headings = state[2] + np.concatenate([[0.0], np.cumsum(state[3 : 2 + n])])
    e = np.stack([np.cos(headings), np.sin(headings)], -1)
    left = np.stack([-e[:, 1], e[:, 0]], -1)
    rate = state[3 + n :]
    cog = [m.cog_m for m in vehicle.masses]  # from the axle
    velocity = np.empty((n, 2))  # of the axle
    velocity[0] = speed * e[0] + state[2 + n] * left[0]
    for i in range(1, n):
        hitch = velocity[i - 1] + vehicle.units[i - 1].hitch_m * rate[i - 1] * left[i - 1]
        velocity[i] = hitch - vehicle.units[i].wheel_base_m * rate[i] * left[i]
    mass = np.zeros((3 * n, 3 * n))
    applied = np.zeros(3 * n)
    wind = forces.pull[2:]

    def act(i, force, place):
        """force (2,) global at ``place`` m ahead of unit i's axle."""
        applied[3 * i : 3 * i + 2] += force
        arm = (place - cog[i]) * e[i]
        applied[3 * i + 2] += arm[0] * force[1] - arm[1] * force[0]

    def tire(k, slip):
        free = -track.stiffness[k] * slip
        return forces.grip[k] * np.tanh(free / forces.grip[k]) if track.saturates else free

    for i, (unit, load) in enumerate(zip(vehicle.units, vehicle.masses, strict=True)):
        mass[3 * i, 3 * i] = mass[3 * i + 1, 3 * i + 1] = load.mass_kg
        mass[3 * i + 2, 3 * i + 2] = load.yaw_inertia_kgm2
        slip = np.arctan2(velocity[i] @ left[i], velocity[i] @ e[i])
        act(i, tire(1 + i, slip) * left[i] + forces.along[1 + i] * e[i], 0.0)
        act(i, load.mass_kg * (forces.pull[0] * e[i] + forces.pull[1] * left[i]), load.cog_m)
        blown = wind @ left[i]
        side = 0.5 * 1.2 * 1.1 * unit.length_m * unit.height_m * blown * abs(blown)
        act(i, side * left[i], unit.axle_to_center_m)
    front = velocity[0] + vehicle.body.wheel_base_m * rate[0] * left[0]
    slip = np.arctan2(front @ left[0], front @ e[0]) - steering
    wheel = np.array([np.cos(headings[0] + steering), np.sin(headings[0] + steering)])
    side = tire(0, slip) * np.array([-wheel[1], wheel[0]]) + forces.along[0] * wheel
    act(0, side, vehicle.body.wheel_base_m)

    rows, right = [], []
    row = np.zeros(3 * n)  # along unit 0: acceleration of the rear axle
    row[:2] = e[0]
    rows.append(row)
    right.append(accel - state[2 + n] * rate[0] - cog[0] * rate[0] ** 2)
    for i in range(1, n):
        a, b = vehicle.units[i - 1].hitch_m - cog[i - 1], vehicle.units[i].wheel_base_m - cog[i]
        for axis in range(2):
            row = np.zeros(3 * n)
            row[3 * i - 3 + axis], row[3 * i - 1] = 1.0, a * left[i - 1, axis]
            row[3 * i + axis], row[3 * i + 2] = -1.0, -b * left[i, axis]
            rows.append(row)
            right.append(a * rate[i - 1] ** 2 * e[i - 1, axis] - b * rate[i] ** 2 * e[i, axis])
    c = np.array(rows)
    whole = np.block([[mass, c.T], [c, np.zeros((len(c), len(c)))]])
    found = np.linalg.solve(whole, np.concatenate([applied, right]))[: 3 * n].reshape(n, 3)
    return found[:, :2], found[:, 2], e, left


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(1, 4), st.booleans())
def test_accelerations_are_those_of_lagrange_multipliers(seed, n, saturates):
    rng = np.random.default_rng(seed)
    vehicle = truck(rng, n)
    track = single_track_of(vehicle, saturates)
    state, motion, forces = random_state(rng, n)
    got, ay = np.empty(3 + 2 * n), np.empty(n)
    sliding_rates(state, motion, vehicle.body.wheel_base_m, track, forces, work_of(n), got)
    cog_accelerations(state, motion[0], motion[1], got[2 + n :], track, ay)
    accelerations, yaw, e, left = multipliers(state, motion, vehicle, track, forces)
    assert got[3 + n :] == pytest.approx(yaw, rel=1e-9, abs=1e-9)
    assert ay == pytest.approx((accelerations * left).sum(1), rel=1e-9, abs=1e-9)
    rear = accelerations[0] - vehicle.masses[0].cog_m * (yaw[0] * left[0] - state[3 + n] ** 2 * e[0])
    assert got[2 + n] + motion[0] * state[3 + n] == pytest.approx(rear @ left[0], rel=1e-9, abs=1e-9)
    assert got[:2] == pytest.approx(motion[0] * e[0] + state[2 + n] * left[0])
    assert got[2 : 2 + n] == pytest.approx(np.diff(state[3 + n :], prepend=0.0))


@settings(max_examples=8, deadline=None)
@given(seeds, st.integers(1, 4))
def test_steps_are_those_of_scipy(seed, n):
    rng = np.random.default_rng(seed)
    vehicle = truck(rng, n)
    track, front, work = single_track_of(vehicle), vehicle.body.wheel_base_m, work_of(n)
    state, (speed, accel, steering), forces = random_state(rng, n)
    state[3:] *= 0.2

    def rates(t, y):
        out = np.empty(len(y))
        sliding_rates(y, (speed + accel * t, accel, steering + 0.3 * t), front, track, forces, work, out)
        return out

    want = solve_ivp(rates, (0.0, 0.2), state, "DOP853", rtol=1e-11, atol=1e-12).y[:, -1]
    for k in range(40):
        a, z = 0.005 * k, 0.005 * (k + 1)
        ends = ((speed + accel * a, speed + accel * z), (steering + 0.3 * a, steering + 0.3 * z))
        slide_on(state, *ends, 0.005, front, (track, forces), work)
    assert state == pytest.approx(want, abs=1e-7)


@settings(max_examples=20, deadline=None)
@given(seeds, st.integers(1, 4))
def test_small_motion_is_that_of_the_linear_model(seed, n):
    rng = np.random.default_rng(seed)
    vehicle, speed, small = truck(rng, n), rng.uniform(8, 30), 1e-6
    model, track = linear_single_track(vehicle, speed), single_track_of(vehicle)
    x, steering = small * rng.normal(size=2 * n), small * rng.normal()
    cog = vehicle.masses[0].cog_m
    state = np.zeros(3 + 2 * n)
    state[3 : 2 + n] = x[1 + n :]
    state[3 + n :] = x[1] + np.concatenate([[0.0], np.cumsum(x[2 : 1 + n])])
    state[2 + n] = x[0] - cog * x[1]
    forces, got, ay = Forces(np.zeros(1 + n), np.full(1 + n, 1e6), np.zeros(4)), np.empty(3 + 2 * n), np.empty(n)
    sliding_rates(state, (speed, 0.0, steering), vehicle.body.wheel_base_m, track, forces, work_of(n), got)
    want = model.A @ x + model.B * steering
    rates = np.concatenate([[got[2 + n] + cog * got[3 + n]], got[3 + n : 4 + n], np.diff(got[3 + n :])])
    assert rates == pytest.approx(want[: 1 + n], rel=1e-5, abs=small * 1e-5)
    cog_accelerations(state, speed, 0.0, got[2 + n :], track, ay)
    c, d = model.lateral_acceleration(model.cogs)
    assert ay == pytest.approx(c @ x + d * steering, rel=1e-5, abs=small * 1e-4)
