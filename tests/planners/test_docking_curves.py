"""Curves of the planner ``docking``: they join poses, turn by what they say, and tow as the chain does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from roadcraft.core.driving.motion.chain import chain_of, pull_joints, unit_poses
from roadcraft.core.driving.motion.closed_forms import steady_circle
from roadcraft.core.errors import ConfigError
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.planners.docking.curves import PIECES, ROUND, connect, curvature_of, lay_turn, towing, trace
from roadcraft.planners.docking.search import begin_of
from roadcraft.planners.docking.space import shape_of

RATE, MOST = 0.009, 0.12
small = st.floats(-1.2, 1.2)


def pieces_of(a: float, angle: float, back: bool = False) -> np.ndarray:
    out = np.zeros((PIECES, 3))
    lay_turn(a, angle, MOST, RATE, out, 0, back)
    return out


@settings(deadline=None, max_examples=60)
@given(st.floats(-MOST, MOST), small, st.booleans())
def test_a_turn_turns_by_its_angle(curvature: float, angle: float, back: bool) -> None:
    pieces = pieces_of(curvature, angle, back)
    path = trace(np.zeros(3), pieces, 0.1)
    assert path[-1, 2] == pytest.approx(angle, abs=1e-9)
    begin, end = (0.0, curvature) if back else (curvature, 0.0)
    assert path[[0, -1], 3] == pytest.approx([begin, end], abs=1e-9)
    assert np.abs(path[:, 3]).max() <= MOST + 1e-9
    steps = np.hypot(*np.diff(path[:, :2], axis=0).T)
    assert (np.abs(np.diff(path[:, 3])) <= RATE / (1.0 - ROUND) * steps + 1e-6).all()
    np.testing.assert_allclose(np.diff(path[:, 2]), 0.5 * (path[1:, 3] + path[:-1, 3]) * steps, atol=2e-5)


@settings(deadline=None, max_examples=40)
@given(st.floats(8.0, 40.0), st.floats(-12.0, 12.0), small, st.sampled_from([0.0, 0.05, -0.05]))
def test_what_connects_ends_where_it_is_to(x: float, y: float, heading: float, curvature: float) -> None:
    p, q = np.array([2.0, 1.0, 0.3, 0.0]), np.array([2.0 + x, 1.0 + y, heading, curvature])
    pieces, trial, work = np.zeros((PIECES, 3)), np.zeros((PIECES, 3)), np.zeros(3)
    length = connect(p, q, 0.0, MOST, RATE, pieces, trial, work)
    if not np.isfinite(length):
        return
    path = trace(p, pieces, 0.25)
    np.testing.assert_allclose(path[-1], q, atol=2e-3)
    assert pieces[:, 0].sum() == pytest.approx(length)
    np.testing.assert_allclose(begin_of(q, pieces)[:3], p[:3], atol=2e-3)


def test_most_poses_ahead_are_reached() -> None:
    rng = np.random.default_rng(3)
    pieces, trial, work = np.zeros((PIECES, 3)), np.zeros((PIECES, 3)), np.zeros(3)
    reached = 0
    for _ in range(100):
        q = np.array([rng.uniform(40.0, 60.0), rng.uniform(-6.0, 6.0), rng.uniform(-0.5, 0.5), 0.0])
        reached += bool(np.isfinite(connect(np.zeros(4), q, 0.0, MOST, RATE, pieces, trial, work)))
    assert reached >= 90


@pytest.mark.parametrize("name", ["us_sleeper_53", "eu_4x2_13m6"])
def test_unit_0_tows_the_trailer_along_the_curve(name: str) -> None:
    """The chain, pulled along the way of unit 0, goes where the curve goes."""
    vehicle = load_vehicle(name)
    shape, chain = shape_of(vehicle, 0.85, 0.7), chain_of(vehicle)
    pieces = np.zeros((PIECES, 3))
    pieces[0, 0] = 5.0
    lay_turn(0.0, 1.2, 0.8 * shape.most, shape.rate, pieces, 1, False)
    pieces[5, 0] = 6.0
    path = np.asarray(trace(np.array([3.0, -2.0, 0.5]), pieces, 0.05))
    lead = np.asarray(towing(path, shape.length, shape.hitch))
    joints = np.asarray(pull_joints(lead[None], np.zeros((1, 1)), chain))[0]
    last = np.asarray(unit_poses(lead, joints, chain))[:, -1]
    np.testing.assert_allclose(last[:, :2], path[:, :2], atol=5e-3)
    np.testing.assert_allclose(np.unwrap(last[:, 2]), path[:, 2], atol=2e-3)
    steps = np.hypot(*np.diff(lead[:, :2], axis=0).T)
    assert (np.abs(np.diff(np.unwrap(lead[:, 2]))) <= shape.sharpest * steps + 1e-6).all()


def test_curvature_is_that_of_the_steady_turn() -> None:
    vehicle = load_vehicle("eu_4x2_13m6")
    shape = shape_of(vehicle, 0.85, 0.7)
    for steering in (0.1, -0.25):
        circle = steady_circle(chain_of(vehicle), steering)
        assert circle is not None
        found = curvature_of(float(circle.joints_rad[0]), steering, shape)
        assert found == pytest.approx(np.sign(steering) / circle.radii_m[-1], rel=1e-9)
        lead = towing(np.array([[0.0, 0.0, 0.0, found]]), shape.length, shape.hitch)
        assert -lead[0, 2] == pytest.approx(circle.joints_rad[0], rel=1e-9)
    single = shape_of(load_vehicle("us_straight_26"), 0.85, 0.7)
    assert curvature_of(0.0, 0.2, single) == pytest.approx(np.tan(0.2) / 6.10)


@pytest.mark.parametrize("name", ["au_b_double", "eu_road_train"])
def test_vehicles_that_it_does_not_know_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"docking cannot reverse '{name}'"):
        shape_of(load_vehicle(name), 0.85, 0.7)
