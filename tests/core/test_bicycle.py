"""The kinematic bicycle against a plain twin and closed forms."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from roadcraft.core import load_vehicle
from roadcraft.core.driving.motion import bicycle

PACIFICA = bicycle.motion_of(load_vehicle())


def twin(s, control, dt, wheel_base, max_steer, accel_lag, steer_lag):
    x, y, h, v, _, a, _, d, w, _ = s
    a2 = a + dt / (dt + accel_lag) * (control[0] - a)
    d2 = np.clip(d + dt / (dt + steer_lag) * control[1] * dt, -max_steer, max_steer)
    v2 = v + a2 * dt
    w2 = v2 * np.tan(d2) / wheel_base
    h2 = np.angle(np.exp(1j * (h + v * np.tan(d) / wheel_base * dt)))
    return np.array([x + v * np.cos(h) * dt, y + v * np.sin(h) * dt, h2, v2, 0, a2, 0, d2, w2, (w2 - w) / dt])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_equals_a_plain_twin(seed):
    rng = np.random.default_rng(seed)
    ego = rng.normal(size=(5, 10)) * [1e5, 1e6, 2, 8, 1, 3, 3, 0.5, 0.5, 0.5]
    controls, dt = rng.normal(size=(5, 2)) * [4, 1], rng.uniform(0.05, 0.2, 5)
    got = bicycle.step(ego, controls, dt, *PACIFICA)
    want = np.array([twin(ego[b], controls[b], dt[b], *PACIFICA) for b in range(5)])
    assert got == pytest.approx(want, abs=1e-9)


def test_straight_line_and_limits():
    ego = np.zeros((1, 10))
    ego[0, 3] = 10.0
    for _ in range(50):
        ego = bicycle.step(ego, np.zeros((1, 2)), np.array([0.1]), *PACIFICA)
    assert ego[0, :4] == pytest.approx([50.0, 0.0, 0.0, 10.0])
    for _ in range(50):
        ego = bicycle.step(ego, np.array([[-3.0, 9.0]]), np.array([0.1]), *PACIFICA)
    assert ego[0, 7] == pytest.approx(pi / 3)
    assert ego[0, 3] < 0.0, "nothing keeps it from driving backwards"
    assert -pi <= ego[0, 2] < pi


def test_the_input_is_left_alone():
    ego = np.ones((2, 10))
    bicycle.step(ego, np.ones((2, 2)), np.full(2, 0.1), *PACIFICA)
    assert (ego == 1.0).all()
