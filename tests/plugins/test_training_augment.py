"""Augmentation: perturb and recover, late starts, mirror, agent dropout."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from roadcraft.core.driving.features.build import FeatureSpec
from roadcraft.core.driving.features.conditions import word_ids
from roadcraft.core.driving.features.mirror import check_mirror, mirror
from roadcraft.core.driving.features.stopped_time import STANDING_MPS
from roadcraft.core.errors import PluginError
from roadcraft.core.testing.feature import mirrored_world
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.plugins.training.augment.augment import RANDOM_COUNT, displace, limits, random_numbers, recover, touches
from roadcraft.plugins.training.augment.late_start import grown, latest_stand
from roadcraft.plugins.training.config import AugmentConfig
from roadcraft.plugins.training.data.samples import SampleBuilder, SampleSet, find_samples, log_facts

SPEC = FeatureSpec(
    agents=4, static=2, lanes=12, lane_points=10, route_lanes=4, crosswalks=1, reference_points=30, future_agents=3
)


def found(source: Any, min_future_s: float) -> SampleSet:
    return find_samples(source.logs(), [log_facts(source, log) for log in source.logs()], 0.5, min_future_s)


def test_displaced_samples_lead_back_to_the_log(made_up_source: Any) -> None:
    builder = SampleBuilder(made_up_source, SPEC)
    samples = found(made_up_source, 8.5)
    rows = np.arange(min(40, len(samples)))
    plain = builder.batch(samples, rows)
    moved = builder.batch(samples, rows, AugmentConfig(perturbation=1.0), random_numbers(1, 0, len(rows)))
    turn = moved["ego_future"][:, :, :2] - plain["ego_future"][:, :, :2]
    changed = np.abs(turn[:, 0]).sum(-1) > 1e-3
    assert changed.mean() > 0.5
    assert np.isfinite(moved["ego_future"]).all()
    # from the joining pose on, distances between poses are those of the log
    for future in (plain["ego_future"], moved["ego_future"]):
        steps = np.linalg.norm(np.diff(future[:, :, :2], axis=1), axis=-1)
        np.testing.assert_allclose(
            steps[:, 21:], np.linalg.norm(np.diff(plain["ego_future"][:, :, :2], axis=1), axis=-1)[:, 21:], atol=1e-3
        )
    # the ego of a displaced sample starts at its own pose: the first target pose is one step away
    first = moved["ego_future"][:, 0, :2]
    assert np.abs(first[:, 1]).max() < 0.3
    np.testing.assert_allclose(first[:, 0], 0.1 * moved["ego"][:, 0], atol=0.25)


def test_recovery_joins_position_speed_and_heading() -> None:
    t = 0.1 * np.arange(1, 81)
    logged = np.array([0.0, 0.0, 0.0, 10.0, 0, 0, 0, 0, 0, 0])
    future = np.stack([10 * t, 0 * t, 0 * t, 10 + 0 * t, 0 * t, 0 * t], 1)
    ego = logged.copy()
    ego[:4] = 0.5, 0.7, 0.1, 9.0
    out = recover(future, ego, logged, 20, 0.1)
    np.testing.assert_array_equal(out[19:], future[19:])
    path = np.concatenate([[[0.5, 0.7]], out[:, :2]])
    velocity = np.diff(path, axis=0) / 0.1
    np.testing.assert_allclose(np.hypot(*velocity.T)[0], 9.0, atol=0.2)
    np.testing.assert_allclose(np.arctan2(velocity[0, 1], velocity[0, 0]), 0.1, atol=0.02)
    assert np.abs(np.diff(np.hypot(*velocity.T))).max() / 0.1 < 4.0
    assert np.abs(np.diff(out[:, 2])).max() < 0.05


def test_recovery_against_a_solved_quintic() -> None:
    """Each axis is the polynomial of degree five with the given place, speed and acceleration at both ends, solved as a
    linear system."""
    rng = np.random.default_rng(3)
    logged, ego = rng.normal(size=10), rng.normal(size=10)
    logged[3], ego[3] = 8.0, 7.0
    ego[:2] = logged[:2] + 0.5
    t = 0.1 * np.arange(1, 41)
    future = np.stack([logged[0] + 6 * t, logged[1] + 2 * t, 0.3 + 0 * t, 6.3 + 0 * t, 0.4 + 0 * t, 0.2 + 0 * t], 1)
    ego[2] = 0.4
    out = recover(future, ego, logged, 20, 0.1)
    end, n = 2.0, np.arange(6)
    rows = [
        n == 0,
        n == 1,
        2 * (n == 2),
        end**n,
        n * end ** np.maximum(n - 1, 0),
        n * (n - 1) * end ** np.maximum(n - 2.0, 0),
    ]
    for axis, way in enumerate((np.cos, np.sin)):
        known = [
            ego[axis], ego[3] * way(ego[2]) + ego[4] * way(ego[2] + np.pi / 2), logged[5] * way(ego[2]),
            future[19, axis], future[19, 3] * way(0.3) + 0.2 * way(0.3 + np.pi / 2), future[19, 4] * way(0.3),
        ]  # fmt: skip
        c = np.linalg.solve(np.array(rows, np.float64), np.array(known))
        np.testing.assert_allclose(out[:19, axis], np.polynomial.polynomial.polyval(t[:19], c), rtol=0, atol=1e-9)


def test_who_holds_against_wind_recovers_with_its_heading_into_the_wind() -> None:
    """It drives along x at 20 m/s while it heads 0.05 rad into the wind; put 0.4 m aside with that heading it is not
    going aside, and what leads it back keeps the angle between heading and course."""
    t, slip = 0.1 * np.arange(1, 81), 0.05
    forward, left = 20 * np.cos(slip), 20 * np.sin(slip)
    logged = np.array([0.0, 0.0, -slip, forward, left, 0, 0, 0, 0, 0])
    full = np.ones_like(t)
    future = np.stack([20 * t, 0 * t, -slip * full, forward * full, 0 * t, left * full], 1)
    same = recover(future, logged, logged, 20, 0.1)
    np.testing.assert_allclose(same, future, atol=1e-9)
    ego = logged.copy()
    ego[1] = 0.4
    out = recover(future, ego, logged, 20, 0.1)
    assert out[:, 1].max() <= 0.4
    assert out[:19, 1].min() >= -1e-9  # straight back
    course = np.arctan2(np.diff(out[:19, 1]), np.diff(out[:19, 0]))
    between = 0.5 * (out[1:19, 2] + out[:18, 2])
    np.testing.assert_allclose(course - between, slip, atol=1e-3)
    np.testing.assert_array_equal(out[19:], future[19:])


def test_a_standing_car_is_not_moved_sideways(made_up_source: Any) -> None:
    logged = made_up_source.drive(made_up_source.logs()[0]).ego[50] * np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 0])
    for seed in range(10):
        moved = displace(logged, limits(AugmentConfig()), random_numbers(seed, 0, 1)[0])
        c, s = np.cos(moved[2]), np.sin(moved[2])
        d = moved[:2] - logged[:2]
        assert abs(c * d[1] - s * d[0]) < 1e-6
        assert moved[2] == logged[2]
        assert moved[3] >= 0


@pytest.mark.parametrize("speed", [3.0, 5.0, 10.0, 25.0])
def test_a_change_of_heading_gives_no_more_speed_across_than_asked(speed: float) -> None:
    """At low speed it is as large as without the limit; at high speed its largest is what the limit allows. The speed
    is the changed one."""
    logged, draws = np.array([0, 0, 0.3, speed, 0, 0, 0, 0, 0, 0]), random_numbers(0, 0, 200)
    free, bound = (
        np.array([displace(logged, limits(AugmentConfig(lateral_mps=most)), d) for d in draws]) for most in (0.0, 1.0)
    )
    np.testing.assert_array_equal(bound[:, 3], free[:, 3])
    turn, changed = bound[:, 2] - 0.3, bound[:, 3]
    np.testing.assert_allclose(turn, (free[:, 2] - 0.3) * np.minimum(1.0, 1.0 / (0.2 * changed)), atol=1e-12)
    assert 0.9 < (np.abs(turn) / np.minimum(0.2, 1.0 / changed)).max() <= 1.0
    assert np.abs(turn * changed).max() <= 1.0 + 1e-12


def test_a_car_put_ahead_of_a_stopped_log_waits() -> None:
    logged = np.zeros(10)
    t = 0.1 * np.arange(1, 81)
    way = np.maximum(t - 4.0, 0.0) ** 2
    future = np.stack([way, 0 * t, 0 * t, 2 * np.maximum(t - 4.0, 0.0), 0 * t, 0 * t], 1)
    ego = logged.copy()
    ego[0] = 0.8
    out = recover(future, ego, logged, 20, 0.1)
    waits = way < 0.8
    np.testing.assert_array_equal(out[waits, 0], 0.8)
    np.testing.assert_array_equal(out[waits, 3], 0.0)
    np.testing.assert_array_equal(out[~waits], future[~waits])


def test_a_displacement_that_touches_somebody_is_not_made(made_up_source: Any, tiny_world: Any) -> None:
    log = made_up_source.logs()[0]
    drive = made_up_source.drive(log)
    box = drive.objects.box.copy()
    box[drive.objects.rows(50).start, :3] = drive.ego[50, :3]
    assert touches(drive.ego[50], load_vehicle().box, box[drive.objects.rows(50)])
    assert not touches(drive.ego[50], load_vehicle().box, drive.objects.box[drive.objects.rows(50)])
    samples = SampleSet((log,), np.zeros(1, np.int32), np.array([50], np.int32))
    crowded = _One(made_up_source, replace(drive, objects=replace(drive.objects, box=box)))
    for source, moves in ((crowded, False), (made_up_source, True)):
        builder, rows = SampleBuilder(source, SPEC), np.zeros(1, np.int64)
        plain = builder.batch(samples, rows)
        drawn = [
            builder.batch(samples, rows, AugmentConfig(perturbation=1.0), random_numbers(k, 0, 1)) for k in range(5)
        ]
        assert any(not np.array_equal(plain["ego_future"], d["ego_future"]) for d in drawn) == moves


class _One:
    """A source of one drive."""

    def __init__(self, source: Any, drive: Any, map_data: Any = None) -> None:
        self._drive, self._map = drive, map_data or source.map(drive.name)

    def logs(self) -> list[str]:
        return [self._drive.name]

    def drive(self, log: str) -> Any:
        return self._drive

    def map(self, log: str) -> Any:
        return self._map


# ---- late starts ---------------------------------------------------------------------


def _standing_till(drive: Any, frame: int) -> Any:
    """The drive, but it stands where it is at ``frame`` until then."""
    ego = drive.ego.copy()
    ego[:frame] = ego[frame]
    ego[:frame, 3:] = 0.0
    return replace(drive, ego=ego)


def test_a_late_start_is_the_logged_start_from_where_the_log_stood(made_up_source: Any) -> None:
    drive = _standing_till(made_up_source.drive(made_up_source.logs()[0]), 80)
    frames = np.array([60, 79, 84, 100, 139, 145], np.int32)
    samples = SampleSet((drive.name,), np.zeros(len(frames), np.int32), frames)
    builder, rows = SampleBuilder(_One(made_up_source, drive), SPEC), np.arange(len(frames))  # type: ignore[arg-type]
    plain = builder.batch(samples, rows)
    none = AugmentConfig(perturbation=0.0, late_start=0.0)
    for k, v in builder.batch(samples, rows, none, random_numbers(0, 0, len(rows))).items():
        np.testing.assert_array_equal(v, plain[k])
    late = builder.batch(
        samples, rows, AugmentConfig(late_start=1.0, late_start_s=3.0), random_numbers(0, 0, len(rows))
    )
    # standing, standing, 0.2, 1.0 and 2.95 s after the start, too long after it
    started = np.array([False, False, True, True, True, False])
    c, s = np.cos(drive.ego[79, 2]), np.sin(drive.ego[79, 2])
    for b in np.flatnonzero(started):
        assert late["ego"][b, 0] == 0.0
        assert late["ego"][b, 6] == pytest.approx(2.0)
        stride = 2 * np.arange(1, SPEC.future_steps + 1)
        logged = drive.ego[np.minimum(79 + stride, len(drive) - 1)]
        xy = (logged[:, :2] - drive.ego[79, :2]) @ np.array([[c, -s], [s, c]])
        np.testing.assert_allclose(late["ego_future"][b, :, :2], xy, atol=1e-4)
        np.testing.assert_array_equal(late["ego_future_valid"][b], 79 + stride < len(drive))
        moved = (drive.ego[79, :2] - drive.ego[frames[b], :2]) @ np.array([c, s])
        lead, was = late["agent"][b, 0, -1, 0], plain["agent"][b, 0, -1, 0]
        assert lead == pytest.approx(was - moved, abs=0.5)  # others are where they are by now
    np.testing.assert_array_equal(late["ego"][~started, 6], plain["ego"][~started, 6])


def test_nobody_starts_late_into_others(made_up_source: Any) -> None:
    """Beside a plain search of the last stand and of whom it would touch."""
    rng = np.random.default_rng(5)
    body, found = grown(load_vehicle().box), 0
    for _ in range(200):
        n = 40
        states = np.zeros((n, 10))
        begun = int(rng.integers(3, 25))
        states[begun:, 3] = rng.uniform(0.3, 6.0)
        states[:, 0] = np.cumsum(states[:, 3]) * 0.3
        box = np.tile([0.0, 0.0, 0.0, 4.0, 1.8], (n, 1))
        box[:, :3] = rng.uniform([-5.0, -6.0, -3.0], [40.0, 6.0, 3.0], (n, 3))
        offsets, frame = np.arange(n + 1), int(rng.integers(0, n))
        start = latest_stand(states, frame, 10, 20, 2, body, box, offsets)
        stands = [f for f in range(max(frame - 10, 0), frame + 1) if states[f, 3] < STANDING_MPS]
        want = frame
        if stands and stands[-1] < frame:
            moments = [k for k in range(0, 21, 2) if frame + k < n]
            free = not any(touches(states[stands[-1] + k], body, box[frame + k : frame + k + 1]) for k in moments)
            want = stands[-1] if free else frame
        found += want < frame
        assert start == want
    assert found > 10


# ---- mirror --------------------------------------------------------------------------


@pytest.mark.parametrize("log", range(3))
def test_a_mirrored_scene_is_the_scene_of_a_mirrored_world(made_up_source: Any, log: int) -> None:
    name = made_up_source.logs()[log]
    world = made_up_source.map(name)
    other = _One(made_up_source, *mirrored_world(made_up_source.drive(name), world))
    samples = SampleSet((name,), np.zeros(4, np.int32), np.array([10, 60, 110, 160], np.int32))
    rows = np.arange(4)
    here = SampleBuilder(made_up_source, SPEC).batch(samples, rows)
    there = SampleBuilder(other, SPEC).batch(samples, rows)  # type: ignore[arg-type]
    assert here.keys() == there.keys()
    before = {k: v.copy() for k, v in here.items()}
    mirror(SPEC, here, np.array([1, 3]))
    for k, v in here.items():
        np.testing.assert_array_equal(v[[0, 2]], before[k][[0, 2]], err_msg=k)
        np.testing.assert_allclose(v[[1, 3]], there[k][[1, 3]], rtol=0, atol=2e-4, err_msg=k)
    mirror(SPEC, here, np.array([1, 3]))
    for k, v in here.items():
        np.testing.assert_array_equal(v, before[k], err_msg=k)


def test_every_tensor_of_ours_has_a_rule(made_up_source: Any) -> None:
    spec = replace(SPEC, lane_links=2, raster_cells=16, instruction_words=4)
    out = SampleBuilder(made_up_source, spec).batch(found(made_up_source, 3.0), np.arange(2))
    assert out.keys() == spec.tensors.keys()
    check_mirror(spec)


def test_pictures_words_and_sides() -> None:
    spec = FeatureSpec(lanes=1, lane_links=2, raster_cells=4, instruction_words=2)
    left, right = (word_ids(word)[0] for word in ("left", "right"))
    picture = np.zeros((2, 27, 4, 4), np.uint8)
    picture[0, 0, 1, 0] = 255  # a mask, at the left rim
    picture[0, 15] = 128
    picture[0, 15, 2, 3] = 1  # as fast as can be to the right, at the right rim
    arrays = {
        "raster": picture.copy(),
        "lane_side": np.array([[[3, 4]], [[5, 6]]]),
        "instruction": np.array([[left, 0], [left, 0]]),
    }
    mirror(spec, arrays, np.array([0]))
    assert arrays["raster"][0, 0, 1].tolist() == [0, 0, 0, 255]
    assert arrays["raster"][0, 15, 2].tolist() == [255, 128, 128, 128]
    assert arrays["lane_side"].tolist() == [[[4, 3]], [[5, 6]]]
    assert arrays["instruction"].tolist() == [[right, 0], [left, 0]]
    with pytest.raises(PluginError, match="two reference lines"):
        check_mirror(FeatureSpec(reference_lines=2))


# ---- agent dropout -------------------------------------------------------------------


def _near(drive: Any, frame: int, keep_m: float) -> set[int]:
    """Keys of the agents that come near the ego's way, slowly: every half second of the next eight."""
    end = min(frame + 160, len(drive) - 1)
    moments = range(frame, end + 1, 10)
    path = [drive.ego[f, :2] for f in moments]
    last = drive.ego[moments[-1]]
    path += [last[:2] + d * np.array([np.cos(last[2]), np.sin(last[2])]) for d in range(5, 31, 5)]
    near = set()
    for f in moments:
        rows = drive.objects.rows(f)
        for r in range(rows.start, rows.stop):
            if min(np.hypot(*(drive.objects.box[r, :2] - p)) for p in path) < keep_m:
                near.add(int(np.array(drive.tracks.id[drive.objects.track[r]]).view(np.int64)))
    return near


def test_only_agents_without_a_say_are_dropped(made_up_source: Any) -> None:
    samples = found(made_up_source, 3.0)
    rows = np.arange(0, len(samples), 7)
    builder = SampleBuilder(made_up_source, SPEC)
    plain = builder.batch(samples, rows)
    config = AugmentConfig(perturbation=0.0, agent_dropout=1.0, agent_dropout_distance_m=6.0)
    thinned = builder.batch(samples, rows, config, random_numbers(0, 0, len(rows)))
    gone = 0
    for b, row in enumerate(rows):
        drive = made_up_source.drive(samples.logs[samples.log[row]])
        here = {int(i) for i in plain["agent_id"][b] if i}
        left = {int(i) for i in thinned["agent_id"][b] if i}
        assert left == here & _near(drive, int(samples.frame[row]), 6.0)
        gone += len(here - left)
        kept = [a for a, i in enumerate(plain["agent_id"][b]) if int(i) in left]
        n = len(kept)
        assert thinned["agent_valid"][b, :n, -1].all()  # no holes
        assert not thinned["agent_valid"][b, n:].any()
        for name in ("agent", "agent_valid", "agent_size", "agent_kind"):
            np.testing.assert_array_equal(thinned[name][b, :n], plain[name][b, kept], err_msg=name)
        for a, k in enumerate(kept[:3]):
            if k < 3:
                np.testing.assert_array_equal(thinned["agent_future"][b, a], plain["agent_future"][b, k])
    assert gone > 0
    for name in ("static", "lane", "reference", "ego_future"):
        np.testing.assert_array_equal(thinned[name], plain[name], err_msg=name)


def test_agents_are_dropped_as_often_as_asked(made_up_source: Any) -> None:
    samples = found(made_up_source, 3.0)
    rows = np.repeat(np.arange(len(samples)), 4)
    builder = SampleBuilder(made_up_source, SPEC)

    def present(share: float) -> int:
        config = AugmentConfig(perturbation=0.0, agent_dropout=share, agent_dropout_distance_m=6.0)
        return int((builder.batch(samples, rows, config, random_numbers(0, 0, len(rows)))["agent_id"] != 0).sum())

    none, some, every = present(0.0), present(0.3), present(1.0)
    assert (none - some) / (none - every) == pytest.approx(0.3, abs=0.08)


def test_a_source_may_be_asked_for_no_chance_at_all(made_up_source: Any) -> None:
    """Validation draws nothing: the same as chances that never come."""
    samples = found(made_up_source, 3.0)
    builder = SampleBuilder(made_up_source, SPEC)
    rows = np.arange(5)
    a = builder.batch(samples, rows)
    b = builder.batch(samples, rows, AugmentConfig(perturbation=0.0), np.zeros((5, RANDOM_COUNT)))
    for k in a:
        np.testing.assert_array_equal(a[k], b[k], err_msg=k)
