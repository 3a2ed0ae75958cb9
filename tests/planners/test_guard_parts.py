"""What the guard judges by: comfort of a drive as a whole, gentle copies, objects where a planner predicts them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.signal import savgol_filter

from roadcraft.planners.guard.comfort import PAST, comfort_filters, driven_before, score_comfort
from roadcraft.planners.guard.retime import SETTLE_M, moved_to_centerline, retimed
from roadcraft.planners.pdm.comfort import NUPLAN_BOUNDS
from roadcraft.planners.trajectory_scoring import scorer
from roadcraft.planners.trajectory_scoring.forecast import drift
from roadcraft.planners.trajectory_scoring.paths import make_path, no_path
from roadcraft.planners.trajectory_scoring.traffic import ForecastRows, forecast_paths, observe

DT, REACH = 0.1, 1.461
LIMITS = np.array([50, 25, 10, 50])


def whole_drive(states, begin, now):
    """The slow twin: scipy's filters, as the metric has them, over everything, then a look at the outputs that states
    after ``now`` have a part in."""
    count = len(states)
    ax, ay, rate, accel = states[:, 5], states[:, 6], states[:, 8], states[:, 9]
    heading = np.unwrap(states[:, 2])
    along, across = savgol_filter(ax + REACH * (rate**2 + accel), 8, 2), savgol_filter(ay, 8, 2)
    low, high, side, jerk, lon_jerk, twist, turn = NUPLAN_BOUNDS
    series = [
        (along, low, high, 4, 4, 3),
        (across, -side, side, 4, 4, 3),
        (savgol_filter(along, 15, 2, 1, DT), -lon_jerk, lon_jerk, 11, 11, 10),
        (savgol_filter(savgol_filter(np.hypot(ax, ay), 8, 2), 15, 2, 1, DT), -jerk, jerk, 11, 11, 10),
        (savgol_filter(heading, 5, 3, 2, DT), -twist, twist, 2, 2, 2),
        (savgol_filter(heading, 5, 2, 1, DT), -turn, turn, 2, 2, 2),
    ]
    for values, least, most, ahead, end, lead in series:
        for i in range(count - end):
            # the first outputs of a drive come from its first window, which reaches farther ahead
            reaches = i + ahead
            if begin and i < {4: 4, 11: 11, 2: 2}[ahead]:
                reaches = {4: 7, 11: 18, 2: 4}[ahead]
            if reaches <= now or (not begin and i < lead):
                continue
            if not least < values[i] < most:
                return False
    return True


@pytest.mark.parametrize(
    ("driven", "begin"), [(0, True), (1, True), (5, True), (12, True), (19, True), (PAST, True), (PAST, False)]
)
def test_comfort_is_the_metric_s_over_what_was_and_what_will_be_driven(driven, begin):
    rng = np.random.default_rng(driven)
    count, ahead = 400, 41
    scale = rng.uniform(0, 1.3, count)[:, None]
    drives = np.zeros((count, driven + ahead, 10))
    size = drives.shape[:2]
    drives[..., 5] = rng.normal(0, 0.5, (count, 1)) + np.cumsum(rng.normal(0, 0.25, size), 1) * scale
    drives[..., 6] = rng.normal(0, 0.3, (count, 1))
    heading = 3.1 + np.cumsum(np.cumsum(rng.normal(0, 0.004, size), 1), 1) * scale
    drives[..., 2] = np.arctan2(np.sin(heading), np.cos(heading))
    comfort = comfort_filters(DT, REACH, NUPLAN_BOUNDS)
    got, want = [], []
    for d in drives:
        score_table = np.ones((1, scorer.SCORE_COLUMNS))
        score_comfort(
            np.ascontiguousarray(d[:driven]), begin, np.ascontiguousarray(d[None, driven:]), comfort, score_table
        )
        got.append(score_table[0, scorer.COMFORT] == 1.0)
        want.append(whole_drive(d, begin, driven))
    assert 20 < sum(want) < count - 20
    if begin:
        assert got == want
    else:  # the twin smooths beyond the first state that is known; outputs it has a part in are not judged
        assert np.mean(np.array(got) == want) > 0.97


def test_what_was_driven_reaches_back_to_a_gap_or_the_drive_s_start():
    past, time_us, valid = np.zeros((22, 10)), np.arange(22) * 100_000, np.ones(22, bool)
    past[:, 0] = np.arange(22)
    found, begin = driven_before(past, time_us, valid, DT, 0)
    assert (found.shape, begin) == ((0, 10), True)
    found, begin = driven_before(past, time_us, valid, DT, 7)
    assert (found[:, 0].tolist(), begin) == ([float(i) for i in range(14, 21)], True)
    found, begin = driven_before(past, time_us, valid, DT, 100)
    assert (found[:, 0].tolist(), begin) == ([float(i) for i in range(1, 21)], False)
    valid[:15] = False
    found, begin = driven_before(past, time_us, valid, DT, 100)
    assert (found[:, 0].tolist(), begin) == ([float(i) for i in range(15, 21)], False)
    time_us = time_us.copy()
    time_us[:18] -= 500_000
    found, begin = driven_before(past, time_us, np.ones(22, bool), DT, 100)
    assert found[:, 0].tolist() == [18.0, 19.0, 20.0]


@pytest.mark.parametrize("factor", [1.0, 0.5, 0.0])
def test_copies_keep_to_the_path_and_their_limits(factor):
    t = np.arange(81) * DT
    driven_m = 8.0 * t + 0.7 * t * t
    poses = np.stack([30 * np.sin(driven_m / 30), 30 * (1 - np.cos(driven_m / 30)), driven_m / 30], -1)
    out = np.empty_like(poses)
    retimed(poses, 8.0, -1.0, factor, (2.0, 2.5, 3.5), DT, out)
    speed = np.hypot(*np.diff(out[:, :2], axis=0).T) / DT
    accel = np.diff(speed) / DT
    # two straight steps around a corner of the path are shorter than the way along it
    assert accel.max() < 2.1
    assert accel.min() > -2.6
    assert np.abs(np.diff(accel))[speed[2:] > 1.0].max() / DT < 3.5 + 1.5
    np.testing.assert_allclose(np.hypot(out[:, 0], out[:, 1] - 30), 30.0, atol=0.02)
    if factor == 0.0:
        assert speed[-1] < 0.05
    else:
        own = np.hypot(*np.diff(poses[:, :2], axis=0).T) / DT
        assert speed[-20] == pytest.approx(factor * own[-20], abs=0.6)


def test_an_emergency_stop_takes_speed_squared_over_twice_the_deceleration():
    t = np.arange(81) * DT
    poses = np.stack([10 * t, 0 * t, 0 * t], -1)
    out = np.empty_like(poses)
    retimed(poses, 10.0, 1.5, 0.0, (2.0, 6.0, math.inf), DT, out)
    assert out[-1, 0] == pytest.approx(10.0**2 / 12.0, abs=0.05)


def world_of(rng, count=12):
    kind = rng.integers(0, 5, count).astype(np.uint8)
    box = np.concatenate(
        [rng.uniform(-40, 40, (count, 2)), rng.uniform(-3, 3, (count, 1)), rng.uniform(1, 5, (count, 2))], -1
    )
    velocity = rng.normal(0, 5, (count, 2)) * (kind < 3)[:, None]
    identity = rng.permutation(1000)[:count].astype(np.uint64)
    traffic = observe(
        np.array([0, 0, 0, 4.0, 2.0]), 60.0, LIMITS, identity, kind, box, velocity, np.zeros(0, np.uint64)
    )
    return traffic, identity, kind, box, velocity


def test_predicted_paths_are_the_forecast_s_and_drift_elsewhere():
    rng = np.random.default_rng(3)
    traffic, identity, kind, box, velocity = world_of(rng)
    time_s = np.arange(1, 81) * DT
    who = identity[rng.permutation(12)[:7]]
    known = np.arange(7) != 2
    pose = np.zeros((7, 80, 3))
    for a, i in enumerate(who):
        start = box[identity.tolist().index(i), :2]
        pose[a, :, :2] = start + np.cumsum(rng.normal(0.4, 0.3, (80, 2)), 0)
    path = forecast_paths(traffic, identity, kind, ForecastRows(who, known, time_s, pose), 0.2, 42)
    moved = drift(box, velocity, kind)
    assert path.shape[1] == 42
    for j, row in enumerate(traffic.row):
        at = np.arange(42) * 0.2
        np.testing.assert_allclose(np.hypot(path[j, :, 2], path[j, :, 3]), 1.0)
        a = [n for n in range(7) if who[n] == identity[row] and known[n]]
        if a and kind[row] in (0, 2):
            xs = np.concatenate([[0.0], time_s])
            for c in range(2):
                ys = np.concatenate([[box[row, c]], pose[a[0], :, c]])
                np.testing.assert_allclose(path[j, :41, c], np.interp(at[:41], xs, ys), atol=1e-9)
        else:
            np.testing.assert_allclose(path[j, :, :2], box[row, :2] + at[:, None] * moved[row], atol=1e-9)
            np.testing.assert_allclose(path[j, :, 2], np.cos(box[row, 2]), atol=1e-12)


def test_a_predicted_turn_turns_the_box_and_a_step_back_does_not():
    box = np.array([[10.0, 0.0, 0.0, 4.0, 2.0]])
    who = np.array([5], np.uint64)
    traffic = observe(
        np.array([0, 0, 0, 4.0, 2.0]), 60.0, LIMITS, who, np.zeros(1, np.uint8), box, np.zeros((1, 2)), np.zeros(0,
        np.uint64)
    )  # fmt: skip
    time_s = np.arange(1, 41) * DT
    for driven_m, want in (((0.0, 1.0), (0.0, 1.0)), ((-1.0, 0.0), (1.0, 0.0)), ((0.0, 0.01), (1.0, 0.0))):
        pose = np.zeros((1, 40, 3))
        pose[0, :, :2] = box[0, :2] + time_s[:, None] * 3.0 * np.array(driven_m)
        predicted = ForecastRows(who, np.ones(1, bool), time_s, pose)
        path = forecast_paths(traffic, who, np.zeros(1, np.uint8), predicted, 0.2, 22)
        np.testing.assert_allclose(path[0, -1, 2:], want, atol=1e-9)


def test_beyond_its_end_a_forecast_goes_straight_on():
    box = np.array([[10.0, 0.0, 0.0, 4.0, 2.0]])
    who, kind = np.array([5], np.uint64), np.zeros(1, np.uint8)
    nobody = np.zeros(0, np.uint64)
    traffic = observe(np.array([0, 0, 0, 4.0, 2.0]), 60.0, LIMITS, who, kind, box, np.zeros((1, 2)), nobody)
    for steps in (1, 7):
        time_s = np.arange(1, steps + 1) * DT
        pose = np.zeros((1, steps, 3))
        pose[0, :, 0] = 10.0 + 3.0 * time_s
        path = forecast_paths(traffic, who, kind, ForecastRows(who, np.ones(1, bool), time_s, pose), 0.2, 22)
        np.testing.assert_allclose(path[0, :, 0], 10.0 + 3.0 * 0.2 * np.arange(22), atol=1e-9)


def test_a_copy_on_a_line_keeps_the_speed_and_settles_smoothly():
    """Round a curve of 20 m, from 1 m beside it and turned by 0.2 rad: as far at each time, on the line after SETTLE_M,
    without a kink."""
    angle = np.linspace(0.0, 1.5, 200)
    line = make_path(20.0 * np.stack([np.sin(angle), 1.0 - np.cos(angle)], -1), angle)
    t = 0.1 * np.arange(41)
    poses = np.stack([1.0 + 5.0 * t * np.cos(0.2), 1.0 + 5.0 * t * np.sin(0.2), np.full(41, 0.2)], -1)
    out = np.empty_like(poses)
    assert moved_to_centerline(poses, line, out)
    assert np.array_equal(out[0], poses[0])
    radius = np.hypot(out[:, 0], out[:, 1] - 20.0)
    assert abs(radius - 20.0)[5.0 * t > SETTLE_M].max() < 0.01
    arc = 20.0 * np.arctan2(out[:, 0], 20.0 - out[:, 1])
    np.testing.assert_allclose(np.diff(arc), 0.5, atol=0.01)
    steps = np.diff(out[:, :2], axis=0)
    headings = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
    assert abs(headings - 0.5 * (out[1:, 2] + out[:-1, 2])).max() < 0.03
    assert abs(np.diff(headings)).max() < 0.08


@pytest.mark.parametrize("first", [(0.0, 3.5, 0.0), (0.0, 0.0, 1.2), (-4.0, 0.0, 0.0)])
def test_no_copy_on_a_line_that_is_not_ones_own(first):
    line = make_path(np.array([[0.0, 0.0], [50.0, 0.0]]), np.zeros(2))
    poses = np.array(first) + np.array([1.0, 0.0, 0.0]) * np.arange(5)[:, None]
    assert not moved_to_centerline(poses, line, np.empty_like(poses))
    nowhere = no_path()
    assert not moved_to_centerline(np.zeros((5, 3)), nowhere, np.empty((5, 3)))
