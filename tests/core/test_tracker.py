"""The banded tracker against the reference's own dense formulation, and against golden drives."""

from __future__ import annotations

import gzip
import json
from math import pi

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.interpolate import interp1d

from roadcraft.core import load_vehicle
from roadcraft.core.driving.motion import bicycle, lqr as tracker

MOTION = bicycle.motion_of(load_vehicle())
WHEEL_BASE = MOTION[0]


def wrap(a):
    return (a + pi) % (2 * pi) - pi


def profiles(poses, dt, pdm=False):
    """Speed and curvature by dense regularised least squares over an initial value and its increments.

    pdm: with that reference's difference matrix, whose diagonal overwrote the band above it."""
    d = np.diff(poses, axis=0)
    m = len(d)
    direction = np.stack([np.cos(poses[:-1, 2]), np.sin(poses[:-1, 2])], axis=1)
    rows = np.tri(m) * dt**2
    rows[:, 0] = dt
    a = (direction[:, :, None] * rows[:, None, :]).reshape(2 * m, m)
    r = np.zeros((max(m - 2, 0), m))
    for k in range(m - 2):
        r[k, k + 1 : k + 3] = (-1, 0) if pdm and k < m - 3 else (-1, 1)
    x = np.linalg.pinv(a.T @ a + 1e-4 * r.T @ r) @ a.T @ d[:, :2].ravel()
    v = x[0] + dt * np.concatenate([[0], np.cumsum(x[1:])])
    a = np.tri(m) * v[:, None] * dt**2
    a[:, 0] = v * dt
    q = 1e-2 * np.eye(m)
    q[0, 0] = 1e-10
    x = np.linalg.pinv(a.T @ a + q) @ a.T @ wrap(d[:, 2])
    return v, x[0] + dt * np.concatenate([[0], np.cumsum(x[1:])])


def commands(state, error, reference, kappa, dt=0.1, n=10):
    v0 = state[3]
    if reference <= 0.2 and v0 <= 0.2:
        return np.array([-0.5 * (v0 - reference), 0.0])
    accel = -(10.0 / 11.0) * (v0 - reference)
    a, b, g = np.eye(3), np.zeros(3), np.zeros(3)
    for k in range(n):
        v = v0 + accel * dt * k
        s = np.array([[1, v * dt, 0], [0, 1, v * dt / WHEEL_BASE], [0, 0, 1]])
        a, b, g = s @ a, s @ b + [0, 0, dt], s @ g + [0, -v * kappa[k] * dt, 0]
    e = a @ [*error, state[7]] + g
    e[1:] = wrap(e[1:])
    q = np.diag([1.0, 10.0, 0.0])
    return np.array([accel, -(b @ q @ e) / (b @ q @ b + 1.0)])


def twin(state, now, times, plan):
    ticks = np.arange(times[0], times[-1] + 1, 100_000)
    xy = interp1d(times, plan[:, :2], axis=0)
    heading = interp1d(times, np.unwrap(plan[:, 2]))
    poses = np.column_stack([xy(ticks), wrap(heading(ticks))])
    v, kappa = profiles(poses, 0.1)
    rx, ry, rh = *xy(now), wrap(heading(now))
    error = -(state[0] - rx) * np.sin(rh) + (state[1] - ry) * np.cos(rh), wrap(state[2] - rh)
    seconds = ticks[:-1] / 1e6
    clock = now * 1e-6
    reference = np.interp(clock + 1.0, seconds, v)
    return commands(state, error, reference, np.interp(clock + 0.1 * np.arange(10), seconds, kappa))


def random_plan(rng, n, start):
    times = start + np.concatenate([[0], np.cumsum(rng.integers(60_000, 600_000, n - 1))])
    speed = np.abs(rng.normal(6, 5))
    heading = wrap(rng.uniform(-pi, pi) + np.cumsum(rng.normal(0, 0.05, n)))
    step = np.diff(times, prepend=times[0]) * 1e-6 * speed
    xy = np.cumsum(step[:, None] * np.stack([np.cos(heading), np.sin(heading)], 1), axis=0) + np.array([3e5, 4e6])
    return times, np.column_stack([xy, heading])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_track_equals_the_dense_formulation(seed):
    rng = np.random.default_rng(seed)
    now = 1_622_856_403_050_082 + int(rng.integers(10**6))
    batch, longest = 4, 30
    times, plans, length = (
        np.zeros((batch, longest), np.int64),
        np.full((batch, longest, 3), np.nan),
        rng.integers(2, 30, batch),
    )
    ego = np.zeros((batch, 10))
    for b in range(batch):
        t, p = random_plan(rng, length[b], now)
        if t[-1] - t[0] < 100_000:
            t[-1] = t[0] + 150_000
        times[b, : length[b]], plans[b, : length[b]] = t, p
        ego[b, :3] = p[0] + rng.normal(0, [0.3, 0.3, 0.05])
        ego[b, 3], ego[b, 7] = rng.choice([0.1, 5.0]), rng.normal(0, 0.1)
    got = tracker.track(ego, np.full(batch, now), times, plans, length, WHEEL_BASE)
    want = [twin(ego[b], now, times[b, : length[b]], plans[b, : length[b]]) for b in range(batch)]
    assert got == pytest.approx(np.array(want), abs=1e-7)


def test_one_in_a_batch_equals_one_alone():
    rng = np.random.default_rng(3)
    t, p = random_plan(rng, 20, 10**15)
    ego = np.zeros((3, 10))
    ego[:, :3] = p[0]
    ego[:, 3] = 4, 5, 6
    batch = tracker.track(
        ego, np.full(3, t[0]), np.tile(t, (3, 1)), np.tile(p, (3, 1, 1)), np.array([20, 9, 15]), WHEEL_BASE
    )
    for b, n in enumerate((20, 9, 15)):
        alone = tracker.track(ego[b : b + 1], t[:1], t[None, :n].copy(), p[None, :n].copy(), np.array([n]), WHEEL_BASE)
        assert (alone[0] == batch[b]).all()


def test_standing_still_and_too_short_a_plan():
    ego = np.zeros((1, 10))
    plan = np.zeros((1, 17, 3))
    times = 10**15 + 500_000 * np.arange(17)[None]
    assert tracker.track(ego, times[:, 0], times, plan, np.array([17]), WHEEL_BASE) == pytest.approx(0.0)
    short = times[:, :2] // 10 * 10
    short[:, 1] = short[:, 0] + 99_999
    assert np.isnan(tracker.track(ego, short[:, 0], short, plan[:, :2].copy(), np.array([2]), WHEEL_BASE)).all()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_rollout_equals_the_dense_formulation(seed):
    rng = np.random.default_rng(seed)
    count, poses, dt = 3, 41, 0.1
    ego = np.zeros(10)
    ego[:3], ego[3], ego[7] = [3e5, 4e6, 1.0], rng.choice([0.0, 8.0]), 0.05
    states = np.zeros((count, poses, 3))
    for p in range(count):
        heading = 1.0 + np.cumsum(rng.normal(0, 0.03, poses))
        speed = np.linspace(ego[3], rng.choice([0.0, 10.0]), poses)
        step = np.stack([np.cos(heading), np.sin(heading)], 1) * speed[:, None] * dt
        states[p] = np.column_stack([ego[:2] + np.cumsum(step, axis=0) - step[0], heading])
    got, _ = tracker.simulate_proposals(ego, states, poses, MOTION, tracker.NUPLAN._replace(interval_s=dt))
    for p in range(count):
        v, kappa = profiles(states[p], dt, pdm=True)
        state = ego
        for i in range(poses - 1):
            h = states[p, i, 2]
            error = (
                -(state[0] - states[p, i, 0]) * np.sin(h) + (state[1] - states[p, i, 1]) * np.cos(h),
                wrap(state[2] - h),
            )
            last = min(i + 10, poses - 2)
            ahead = [kappa[min(i + k, last)] for k in range(10)]
            control = commands(state, error, v[last], ahead)
            state = bicycle.step(state[None], control[None], np.array([dt]), *MOTION)[0]
            assert got[p, i + 1] == pytest.approx(state, abs=1e-6)


def test_whole_golden_drives(shared):
    """Stored plans of every step, logged times: pose, speed and steering stay equal to the end of the drive."""
    worst, drives = np.zeros(10), 0
    for path in sorted((shared / "golden" / "nuplan" / "drives").glob("closed_loop*.json.gz"))[::6]:
        drive = json.loads(gzip.decompress(path.read_bytes()))
        if len(drive["plans"]) != len(drive["ego"]):
            continue
        times = np.array([row[0] for row in drive["ego"]], np.int64)
        logged = np.array([row[1:11] for row in drive["ego"]])
        ego, driven = logged[:1], [logged[0]]
        for i, (_, plan) in enumerate(drive["plans"][:-1]):
            plan_us = np.array([[row[0] for row in plan]], np.int64)
            control = tracker.track(
                ego,
                times[i : i + 1],
                plan_us,
                np.array([[row[1:4] for row in plan]]),
                np.array([len(plan)]),
                WHEEL_BASE,
            )
            ego = bicycle.step(ego, control, (times[i + 1 : i + 2] - times[i]) * 1e-6, *MOTION)
            driven.append(ego[0])
        off = np.abs(np.array(driven) - logged)
        off[:, 2] = np.abs(wrap(off[:, 2]))
        worst, drives = np.maximum(worst, off.max(axis=0)), drives + 1
    assert drives > 15
    assert worst.max() < 1e-9, worst
