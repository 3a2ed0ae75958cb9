"""The parts that synthetic worlds are made of: curves, speed caps, lights, drivers' eyes, and how traffic behaves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from roadcraft.core.data.scenario import LightState
from roadcraft.scenario_io.synthetic.recording.tags import conditions
from roadcraft.scenario_io.synthetic.roads.curves import bends, headings, lengths, offset, resample, smoothstep, turn
from roadcraft.scenario_io.synthetic.roads.paths import STEP, _slow_before
from roadcraft.scenario_io.synthetic.situations.scene import STEPS, SyntheticScene, signal_program
from roadcraft.scenario_io.synthetic.traffic import drivers as dr
from roadcraft.scenario_io.synthetic.world import build


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-2.2, 2.2).filter(lambda a: abs(a) > 0.35),
    st.floats(6.0, 40.0),
    st.floats(6.0, 40.0),
    st.floats(-3.0, 3.0),
)
def test_turns_meet_both_poses_without_a_kink(angle, before, after, heading):
    start = np.array([3.0, -2.0])
    t0 = np.array([np.cos(heading), np.sin(heading)])
    t1 = np.array([np.cos(heading + angle), np.sin(heading + angle)])
    end = start + before * t0 + after * t1
    line = turn(start, heading, end, heading + angle)
    assert np.array_equal(line[0], start)
    assert np.array_equal(line[-1], end)
    d = np.diff(line, axis=0)
    h = np.unwrap(np.arctan2(d[:, 1], d[:, 0]))
    assert abs(np.cos(h[0] - heading)) > 0.999
    assert np.cos(h[-1] - heading - angle) > 0.999
    assert abs((h[-1] - h[0]) - angle) < 0.15
    assert np.hypot(*d.T).max() <= 0.5 + 1e-9
    # never tighter than 1.6 times the arc that the shorter tangent allows
    radius = min(before, after) / np.tan(abs(angle) / 2)
    assert np.abs(np.diff(h)).max() < 1.6 * 0.5 / radius + 0.02


@settings(max_examples=30, deadline=None)
@given(st.floats(-0.25, 0.25), st.floats(8.0, 60.0), st.floats(-2.0, 2.0))
def test_gentle_joins_are_smooth(angle, along, aside):
    line = turn(np.zeros(2), 0.0, np.array([along, aside * along / 60]), angle)
    assert np.allclose(line[0], 0.0)
    assert np.abs(headings(line)).max() < 0.9


def test_bends_turn_as_told():
    points, heading = bends([(100.0, 0.0), (100.0, 1 / 80), (100.0, 0.0)])
    assert heading[0] == 0.0
    assert heading[-1] == pytest.approx(100.0 / 80, rel=0.02)
    assert lengths(points)[-1] == pytest.approx(300.0, rel=1e-3)
    moved = offset(points, 3.0)
    assert lengths(moved)[-1] == pytest.approx(300.0 - 3.0 * heading[-1], rel=2e-3)
    assert np.array_equal(resample(points, 0.7)[-1], points[-1])
    assert smoothstep(np.array([-1.0, 0.0, 0.5, 1.0, 2.0])).tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]


def test_speed_caps_can_be_kept_by_braking_gently():
    rng = np.random.default_rng(0)
    cap = rng.uniform(3.0, 20.0, 300)
    kept = _slow_before(cap, 1.4)
    s = np.arange(300) * STEP
    slow = np.array([min(np.sqrt(cap[j] ** 2 + 2 * 1.4 * (s[j] - s[i])) for j in range(i, 300)) for i in range(300)])
    assert np.allclose(kept, slow)


def test_lights_cycle_through_green_yellow_red():
    lights = signal_program([((0,), 12.0), ((2,), 9.0)], 4, shift=5.0)
    assert lights.shape == (STEPS, 4)
    green = lights == LightState.GREEN
    assert not (green[:, 0] & (lights[:, 2] != LightState.RED)).any()
    for g in (0, 2):
        after = {(a, b) for a, b in zip(lights[:-1, g], lights[1:, g], strict=True) if a != b}
        G, Y, R = LightState.GREEN, LightState.YELLOW, LightState.RED
        assert after == {(G, Y), (Y, R), (R, G)}


def _straight(length: float):
    n = int(length / STEP) + 1
    xy = np.stack([np.arange(n) * STEP, np.zeros(n)], 1)
    none = np.array([-1], np.int64)
    direction = np.tile([1.0, 0.0], (n, 1))
    return dr.PathArrays(
        np.array([0, n], np.int64), xy, np.zeros(n), np.full(n, 20.0), none, none, np.array([np.inf]), direction
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_leader_is_the_nearest_body_in_the_way(seed):
    rng = np.random.default_rng(seed)
    roads = _straight(200.0)
    const, state = np.zeros(dr.CONSTANTS), np.zeros(dr.STATES)
    const[[dr.LENGTH, dr.WIDTH, dr.FRONT, dr.REAR]] = 4.8, 1.9, 2.4, 2.4
    state[dr.S], state[dr.V] = 50.0, 10.0
    n = 12
    box = np.zeros((n, 5))
    box[:, 0], box[:, 1] = rng.uniform(20, 140, n), rng.uniform(-6, 6, n)
    box[:, 3], box[:, 4] = rng.uniform(3.5, 9.0, n), 1.9
    box[0, :3] = 50.0, 0.0, 0.0
    box[(box[:, 0] > 40) & (box[:, 0] < 60), 0] = 150.0
    box[0, 0] = 50.0
    speed = rng.uniform(0, 12, n)
    gap, v, j = dr.leader(0, 0, state, const, dr.Bodies(box, speed, np.ones(n, np.bool_)), roads, 60.0)
    rows = [k for k in range(1, n) if abs(box[k, 1]) < 1.9 + 0.18 and 52.4 < box[k, 0] - 0.5 * box[k, 3] < 50.0 + 60.0]
    if not rows:
        assert j == -1
        assert gap == np.inf
    else:
        best = min(rows, key=lambda k: box[k, 0] - 0.5 * box[k, 3])
        assert j == best
        assert gap == pytest.approx(box[best, 0] - 0.5 * box[best, 3] - 52.4, abs=1e-9)
        assert v == pytest.approx(speed[best])


def test_sideways_slope_is_the_derivative():
    const, state = np.zeros(dr.CONSTANTS), np.zeros(dr.STATES)
    const[[dr.LATERAL, dr.WANDER, dr.WANDER_PHASE]] = -0.4, 0.2, 1.0
    state[[dr.SHIFT, dr.SHIFT_S, dr.SHIFT_L]] = 3.5, 20.0, 40.0
    for s in np.linspace(10.0, 70.0, 25):
        _, slope = dr.sideways(s, state, const)
        a, b = (dr.sideways(s + e, state, const)[0] for e in (-1e-4, 1e-4))
        assert slope == pytest.approx((b - a) / 2e-4, abs=1e-6)
    assert dr.sideways(80.0, state, const)[0] == pytest.approx(-0.4 + 0.2 * np.sin(2 * np.pi / 90 * 80 + 1.0))


def _played(situation: str, seed: int):
    scene = SyntheticScene(np.random.default_rng(seed))
    build(scene, situation)
    return scene, scene.run()


@pytest.mark.parametrize("situation", ["car_following", "signal_straight", "dense_traffic"])
def test_traffic_moves_like_cars(situation):
    _, m = _played(situation, 3)
    assert (m.speed >= 0.0).all()
    assert np.abs(m.accel[m.active]).max() <= 6.5
    on = m.active[1:] & m.active[:-1] & (m.path[1:] == m.path[:-1])
    step = np.diff(m.s, axis=0)
    mean = 0.5 * (m.speed[1:] + m.speed[:-1]) * 0.05
    assert np.abs(step - mean)[on].max() < 1e-6
    hop = np.hypot(*np.moveaxis(np.diff(m.box[:, :, :2], axis=0), 2, 0))
    still = m.active[1:] & m.active[:-1]
    assert hop[still].max() < 0.05 * m.speed.max() * 1.3 + 0.05  # nobody jumps, not even when changing lanes


def test_nobody_drives_past_a_stop_sign():
    scene, m = _played("stop_sign", 1)
    assert scene.ego_path is not None
    entry = next(
        a
        for a, k in zip(scene.ego_path.starts, scene.ego_path.route.segments, strict=False)
        if scene.sketch.segments[k].source >= 0
    )
    before = (m.s[:, 0] + scene.consts[0][dr.FRONT] > entry - 4.0) & (
        m.s[:, 0] + scene.consts[0][dr.FRONT] < entry + 0.2
    )
    assert m.speed[before, 0].min() < 0.15


def test_running_a_stage_twice_is_the_same():
    _, a = _played("unprotected_left", 2)
    scene, b = _played("unprotected_left", 2)
    assert np.array_equal(a.box, b.box)
    assert np.array_equal(a.walker, b.walker)
    assert set(conditions(scene, b))
