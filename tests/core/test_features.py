"""The feature builder: what it holds, that training and driving see the same, and what it makes of odd scenes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from roadcraft.core.arrays import Ragged
from roadcraft.core.driving.features.build import build_features, layout_hash, merge_specs, write_agent_future
from roadcraft.core.driving.features.map_tensors import feature_map
from roadcraft.core.driving.features.reference_lines import (
    FAR_M,
    HEADING_SIN,
    LATERAL,
    LIMIT_HERE,
    TO_RED,
    TO_ROUTE_END,
)
from roadcraft.core.driving.features.scene import LogScenes, scenes_of
from roadcraft.core.errors import PluginError
from roadcraft.core.testing import made_up_scenario, observe as observe_scenarios
from roadcraft.core.types import FeatureSpec
from roadcraft.core.vehicles.vehicle import load_vehicle

SPEC = FeatureSpec(agents=6, static=3, lanes=12, lane_points=10, route_lanes=5, crosswalks=2, reference_points=40)


@pytest.fixture(scope="module")
def world(tiny_world: Any) -> Any:
    return tiny_world.make_map()


@pytest.fixture(scope="module")
def drives(tiny_world: Any, world: Any) -> list[Any]:
    return [tiny_world.make_drive(world, k) for k in range(3)]


def scenes(drive: Any, world: Any) -> LogScenes:
    return LogScenes(drive, world, load_vehicle(), SPEC)


@pytest.mark.parametrize("frame", [0, 7, 100, 250])
def test_log_and_observation_give_the_same_bits(tiny_world: Any, world: Any, drives: list[Any], frame: int) -> None:
    logged = build_features(SPEC, [scenes(d, world).at(frame) for d in drives])
    seen = build_features(SPEC, scenes_of(tiny_world.observe(drives, world, [frame] * 3), SPEC))
    assert logged.keys() == seen.keys()
    for name, value in logged.items():
        np.testing.assert_array_equal(value, seen[name], err_msg=name)


def test_log_and_observation_agree_on_the_simulators_scenario() -> None:
    scenario = made_up_scenario()
    obs = observe_scenarios([scenario])
    log = LogScenes(scenario.drive, scenario.map, obs.vehicle, SPEC)
    a, b = build_features(SPEC, [log.at(scenario.first)]), build_features(SPEC, scenes_of(obs, SPEC))
    for name, value in a.items():
        np.testing.assert_array_equal(value, b[name], err_msg=name)


def test_batches_do_not_mix(tiny_world: Any, world: Any, drives: list[Any]) -> None:
    obs = tiny_world.observe(drives, world, [50, 90, 130])
    together = build_features(SPEC, scenes_of(obs, SPEC))
    for b in range(3):
        alone = build_features(SPEC, scenes_of(obs.select([b]), SPEC))
        for name, value in alone.items():
            np.testing.assert_array_equal(value[0], together[name][b], err_msg=name)


def test_shapes_types_and_finiteness(world: Any, drives: list[Any]) -> None:
    f = build_features(SPEC, [scenes(d, world).at(100) for d in drives])
    assert f["agent"].shape == (3, 6, 21, 6)
    assert f["lane"].shape == (3, 12, 10, 6)
    assert f["route_lane"].shape == (3, 5, 10, 6)
    assert f["reference"].shape == (3, 3, 40, 10)
    for name, value in f.items():
        assert value.dtype in (np.float32, np.bool_, np.int64), name
        assert np.isfinite(value.astype(np.float64)).all(), name


def test_agents_against_a_slow_twin(world: Any, drives: list[Any]) -> None:
    drive, frame = drives[1], 120
    f = build_features(SPEC, [scenes(drive, world).at(frame)])
    ego = drive.ego[frame]
    c, s = np.cos(ego[2]), np.sin(ego[2])
    rows = [
        r for r in range(*drive.objects.rows(frame).indices(10**9)) if drive.tracks.kind[drive.objects.track[r]] <= 2
    ]
    rows.sort(key=lambda r: float(np.hypot(*(drive.objects.box[r, :2] - ego[:2]))))
    for a, row in enumerate(rows):
        track = drive.objects.track[row]
        assert f["agent_id"][0, a] == np.array(drive.tracks.id[track]).view(np.int64)
        for h in range(21):
            past = drive.objects.rows(frame - 2 * (20 - h))
            r = past.start + int(np.flatnonzero(drive.objects.track[past] == track)[0])
            d, v = drive.objects.box[r, :2] - ego[:2], drive.objects.velocity[r]
            turn = drive.objects.box[r, 2] - ego[2]
            expected = [
                c * d[0] + s * d[1],
                c * d[1] - s * d[0],
                np.cos(turn),
                np.sin(turn),
                c * v[0] + s * v[1],
                c * v[1] - s * v[0],
            ]
            np.testing.assert_allclose(f["agent"][0, a, h], expected, rtol=0, atol=2e-6)
    assert f["agent_valid"][0, : len(rows)].all()
    assert not f["agent_valid"][0, len(rows) :].any()


def test_lanes_are_the_nearest_pieces(world: Any, drives: list[Any]) -> None:
    ego = drives[0].ego[60]
    f = build_features(SPEC, [scenes(drives[0], world).at(60)])
    fm = feature_map(world, SPEC.lane_points)
    distance = np.hypot(fm.pieces.points[..., 0] - ego[0], fm.pieces.points[..., 1] - ego[1]).min(1)
    near = np.argsort(distance, kind="stable")
    near = near[distance[near] <= SPEC.radius_m][: SPEC.lanes]
    assert f["lane_mask"][0].sum() == len(near)
    c, s = np.cos(ego[2]), np.sin(ego[2])
    for n, piece in enumerate(near):
        d = fm.pieces.points[piece].reshape(-1, 3, 2) - ego[:2]
        expected = np.stack([c * d[..., 0] + s * d[..., 1], c * d[..., 1] - s * d[..., 0]], -1).reshape(-1, 6)
        np.testing.assert_allclose(f["lane"][0, n], expected, rtol=0, atol=2e-5)


def test_pieces_cover_their_lanes(world: Any) -> None:
    fm = feature_map(world, 10)
    for lane in range(len(world.lanes)):
        pieces = fm.pieces.points[fm.pieces.lane == lane]
        line = world.lanes.centerlines[lane]
        np.testing.assert_allclose(pieces[0, 0, :2], line[0], atol=1e-9)
        np.testing.assert_allclose(pieces[-1, -1, :2], line[-1], atol=1e-9)
        np.testing.assert_allclose(pieces[1:, 0], pieces[:-1, -1], atol=1e-9)
    assert feature_map(world, 10) is fm


def test_a_map_without_lane_edges_gets_some() -> None:
    world = made_up_scenario().map
    none = replace(world.lanes.left, points=np.zeros((0, 2)), offsets=np.zeros(len(world.lanes) + 1, np.int64))
    bare = replace(world, lanes=replace(world.lanes, left=none, right=none))
    fm = feature_map(bare, 10)
    np.testing.assert_allclose(fm.pieces.points[..., 3] - fm.pieces.points[..., 1], 1.75, atol=1e-6)
    np.testing.assert_allclose(fm.pieces.points[..., 5] - fm.pieces.points[..., 1], -1.75, atol=1e-6)


def test_reference_lines_follow_the_route(tiny_world: Any, world: Any, drives: list[Any]) -> None:
    for way, drive in zip(tiny_world.ROUTES, drives, strict=True):
        frame = 130
        f = build_features(SPEC, [scenes(drive, world).at(frame)])
        assert f["reference_mask"][0, 0].all()
        line = f["reference"][0, 0]
        np.testing.assert_allclose(np.hypot(line[:, 2], line[:, 3]), 1.0, atol=1e-6)
        steps = np.hypot(*np.diff(line[:, :2], axis=0).T)
        assert steps.max() <= SPEC.reference_interval_m + 1e-4
        end = np.arctan2(line[-1, 3], line[-1, 2])
        expected = {"straight": 0.0, "left": np.pi / 2, "right": -np.pi / 2}[way]
        assert end == pytest.approx(expected, abs=1e-3)
        assert f["reference_info"][0, 0, TO_ROUTE_END] > 60.0


def test_neighbouring_lines_lie_left_and_right(tiny_world: Any, world: Any, drives: list[Any]) -> None:
    f = build_features(SPEC, [scenes(drives[0], world).at(20), scenes(drives[1], world).at(20)])
    np.testing.assert_array_equal(f["reference_valid"], [[True, True, False], [True, False, True]])
    assert f["reference"][0, 1, 0, 1] == pytest.approx(tiny_world.WIDTH, abs=1e-4)
    assert f["reference"][1, 2, 0, 1] == pytest.approx(-tiny_world.WIDTH, abs=1e-4)
    assert f["reference_info"][0, 1, LATERAL] == pytest.approx(-tiny_world.WIDTH, abs=1e-4)


def test_a_red_light_is_told_with_its_distance(tiny_world: Any, world: Any, drives: list[Any]) -> None:
    drive = drives[1]  # turns left through connector 8, which no light of this drive governs
    straight = replace(drive, scenes=replace(drive.scenes, route=Ragged.build([tiny_world.ROUTES["straight"][1]])))
    for one, expected in ((drive, FAR_M), (straight, 100.0 - (drive.ego[60, 0] - tiny_world.START[0]))):
        f = build_features(SPEC, [scenes(one, world).at(60)])
        assert f["reference_info"][0, 0, TO_RED] == pytest.approx(expected, abs=1e-3)
    assert f["reference_info"][0, 0, LIMIT_HERE] == pytest.approx(13.4)


def test_objects_beside_a_line(tiny_world: Any, world: Any, drives: list[Any]) -> None:
    drive, frame = drives[0], 20
    f = build_features(SPEC, [scenes(drive, world).at(frame)])
    lead = int(np.argmax(f["agent_size"][0, :, 0] == np.float32(4.7)))
    s, d, vs, vd, half_s, half_d = f["reference_agent"][0, 0, lead]
    assert s == pytest.approx(f["agent"][0, lead, -1, 0], abs=1e-3)
    assert (d, vd) == (pytest.approx(0.0, abs=1e-3), pytest.approx(0.0, abs=1e-3))
    assert vs == pytest.approx(f["agent"][0, lead, -1, 4], abs=1e-3)
    assert (half_s, half_d) == (pytest.approx(2.35, abs=1e-3), pytest.approx(0.95, abs=1e-3))


def test_no_route_no_lanes_no_objects(tiny_world: Any, world: Any, drives: list[Any]) -> None:
    obs = tiny_world.observe(drives[:1], world, [100])
    lost = replace(obs, route=Ragged.build([[]]))
    f = build_features(SPEC, scenes_of(lost, SPEC))
    assert f["reference_mask"][0, 0].any(), "without a route the lanes still lead on"
    assert f["reference_info"][0, 0, TO_ROUTE_END] == 0.0
    far = obs.ego_past.copy()
    far[..., :2] += 5000.0
    f = build_features(SPEC, scenes_of(replace(obs, ego_past=far), SPEC))
    assert f["reference_valid"][0].tolist() == [True, False, False]
    assert not f["reference_mask"].any()
    np.testing.assert_allclose(f["reference"][0, 0, :3, 0], [0.0, 2.0, 4.0])
    assert not f["lane_mask"].any()
    assert not f["agent_valid"].any()
    unknown = replace(obs, route=Ragged.build([[999_999, 1]]))
    assert np.isfinite(build_features(SPEC, scenes_of(unknown, SPEC))["reference"]).all()


@settings(max_examples=40, deadline=None)
@given(st.floats(-60, 340), st.floats(-150, 150), st.floats(-7, 7), st.sampled_from([0, 1, 2]))
def test_any_pose_gives_finite_features(tiny_world: Any, x: float, y: float, heading: float, which: int) -> None:
    world = tiny_world.make_map()
    drive = tiny_world.make_drive(world, which, seconds=3.0)
    ego = drive.ego[30].copy()
    ego[:3] = tiny_world.START[0] + x, tiny_world.START[1] + y, heading
    f = build_features(SPEC, [scenes(drive, world).at(30, ego)])
    for name, value in f.items():
        assert np.isfinite(value.astype(np.float64)).all(), name
    if f["reference_mask"][0, 0].any():
        first, info = f["reference"][0, 0, 0], f["reference_info"][0, 0]
        assert abs(info[LATERAL]) <= 12.0 + 1e-3
        assert abs(info[HEADING_SIN]) <= 1.0 + 1e-6
        assert np.hypot(*first[:2]) >= abs(info[LATERAL]) - 1e-3


def test_agent_targets_follow_the_tracks(world: Any, drives: list[Any]) -> None:
    drive, frame = drives[0], 100
    log = scenes(drive, world)
    f = build_features(SPEC, [log.at(frame)])
    future, valid = np.zeros((6, SPEC.future_steps, 4), np.float32), np.zeros((6, SPEC.future_steps), np.bool_)
    write_agent_future(log, frame, drive.ego[frame], f["agent_id"][0], future, valid)
    _, exists = log.future(frame)
    np.testing.assert_array_equal(valid[0], exists)
    np.testing.assert_array_equal(valid[-1], False)
    later = build_features(SPEC, [log.at(frame + 20, drive.ego[frame])])
    order = [list(later["agent_id"][0]).index(i) for i in f["agent_id"][0, :3]]
    np.testing.assert_allclose(future[:3, 9], later["agent"][0, order, -1, :4], atol=1e-6)


def test_layouts_are_told_apart() -> None:
    assert layout_hash(SPEC) == layout_hash(replace(SPEC))
    assert layout_hash(SPEC) != layout_hash(replace(SPEC, agents=7))
    merged = merge_specs(replace(SPEC, agents=3, lanes=20), replace(SPEC, future_steps=30))
    assert (merged.agents, merged.lanes, merged.future_steps) == (6, 20, 30)
    with pytest.raises(PluginError, match="map: points is 10 and 5"):
        merge_specs(SPEC, replace(SPEC, lane_points=5))
