"""The lane graph of the features: against a slow twin, and independent of where the ego is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from roadcraft.core.arrays import Ragged
from roadcraft.core.driving.features.build import allocate, build_features
from roadcraft.core.driving.features.lane_graph import build_lane_graph, lane_graph
from roadcraft.core.driving.features.map_tensors import feature_map
from roadcraft.core.driving.features.scene import LogScenes
from roadcraft.core.testing import made_up_scenario
from roadcraft.core.types import FeatureSpec
from roadcraft.core.vehicles.vehicle import load_vehicle

SPEC = FeatureSpec(
    agents=4, static=2, lanes=24, lane_points=10, route_lanes=4, crosswalks=2, reference_points=20, lane_links=2
)
STATIC = ("lane_pose", "lane_shape")


@pytest.fixture(scope="module", params=["junction", "road"])
def scene(request: pytest.FixtureRequest, tiny_world: Any) -> tuple[Any, Any]:
    """A map and a drive through it."""
    if request.param == "road":
        scenario = made_up_scenario()
        return scenario.map, scenario.drive
    world = tiny_world.make_map()
    return world, tiny_world.make_drive(world, 0)


def features(scene: tuple[Any, Any], frame: int, spec: FeatureSpec = SPEC) -> dict[str, np.ndarray]:
    world, drive = scene
    return {k: v[0] for k, v in build_features(spec, [LogScenes(drive, world, load_vehicle(), spec).at(frame)]).items()}


def slow_next(world: Any, piece: int, fm: Any) -> list[int]:
    lane = fm.pieces.lane[piece]
    if piece + 1 < len(fm.pieces.lane) and fm.pieces.lane[piece + 1] == lane:
        return [piece + 1]
    after = [np.flatnonzero(fm.pieces.lane == s) for s in world.lanes.successors[int(lane)]]
    return [int(rows[0]) for rows in after if len(rows)]


def slow_side(world: Any, piece: int, fm: Any, step: int) -> int:
    lanes, lane = world.lanes, fm.pieces.lane[piece]
    if lanes.block[lane] < 0 or lanes.lane_index[lane] < 0:
        return -1
    for other in range(len(lanes)):
        if lanes.block[other] == lanes.block[lane] and lanes.lane_index[other] == lanes.lane_index[lane] + step >= 0:
            rows = np.flatnonzero(fm.pieces.lane == other)
            gaps = [np.hypot(*(fm.pieces.points[r, 5, :2] - fm.pieces.points[piece, 5, :2])) for r in rows]
            return int(rows[int(np.argmin(gaps))]) if len(rows) else -1
    return -1


@pytest.mark.parametrize("frame", [30, 150, 250])
@pytest.mark.parametrize("lanes", [5, 24])
def test_against_a_slow_twin(scene: tuple[Any, Any], frame: int, lanes: int) -> None:
    """Also where the window is smaller than the map, so that links lead out of it."""
    world, drive = scene
    fm, f = feature_map(world, SPEC.lane_points), features(scene, frame, replace(SPEC, lanes=lanes))
    c, s = np.cos(drive.ego[frame, 2]), np.sin(drive.ego[frame, 2])
    used = f["lane_mask"]
    assert (f["lane_id"][~used] == 0).all()
    assert len(set(f["lane_id"][used])) == used.sum()
    window = [int(i) - 1 for i in f["lane_id"][used]]
    for n, piece in enumerate(window):
        d = fm.pieces.points[piece].reshape(-1, 3, 2) - drive.ego[frame, :2]
        here = np.stack([c * d[..., 0] + s * d[..., 1], c * d[..., 1] - s * d[..., 0]], -1).reshape(-1, 6)
        np.testing.assert_allclose(f["lane"][n], here, atol=2e-5)
        follow = [window.index(p) for p in slow_next(world, piece, fm) if p in window][: SPEC.lane_links]
        assert f["lane_next"][n].tolist() == follow + [-1] * (SPEC.lane_links - len(follow))
        beside = [slow_side(world, piece, fm, step) for step in (-1, 1)]
        assert f["lane_side"][n].tolist() == [window.index(p) if p in window else -1 for p in beside]
    assert (f["lane_next"][~used] == -1).all()
    assert (f["lane_side"][~used] == -1).all()


def test_left_is_left(scene: tuple[Any, Any]) -> None:
    f = features(scene, 30)
    neighbors = [(n, int(m), j) for n in range(SPEC.lanes) for j, m in enumerate(f["lane_side"][n]) if m >= 0]
    assert {j for _, _, j in neighbors} == {0, 1}
    for n, m, j in neighbors:
        x, y, heading = f["lane_pose"][n]
        d = f["lane_pose"][m, :2] - [x, y]
        across = np.cos(heading) * d[1] - np.sin(heading) * d[0]
        assert across > 1.0 if j == 0 else across < -1.0
        assert f["lane_side"][m, 1 - j] == n


def test_shapes_put_back_at_their_poses_are_the_pieces(scene: tuple[Any, Any]) -> None:
    world, _ = scene
    fm, graph = feature_map(world, 10), lane_graph(world, 10)
    for points, pose, shape in (
        (fm.pieces.points, graph.pose, graph.shape),
        (fm.crosswalks, graph.crosswalk_pose, graph.crosswalk_shape),
    ):
        c, s = np.cos(pose[:, 2])[:, None, None], np.sin(pose[:, 2])[:, None, None]
        x, y = shape[..., 0::2].astype(float), shape[..., 1::2].astype(float)
        np.testing.assert_allclose(pose[:, 0, None, None] + c * x - s * y, points[..., 0::2], atol=1e-5)
        np.testing.assert_allclose(pose[:, 1, None, None] + s * x + c * y, points[..., 1::2], atol=1e-5)
    assert (np.diff(graph.shape[:, 4:7, 0], axis=1) > 0).all(), "x looks along the lane"
    assert lane_graph(world, 10) is graph


def test_a_piece_is_the_same_in_every_frame(scene: tuple[Any, Any]) -> None:
    """Ids, poses and shapes to the last bit, wherever the ego is."""
    known: dict[int, list[np.ndarray]] = {}
    for frame in (20, 90, 160, 230):
        f = features(scene, frame, replace(SPEC, lanes=6))
        for n in np.flatnonzero(f["lane_mask"]):
            for a, b in zip(
                known.setdefault(int(f["lane_id"][n]), [f[k][n] for k in STATIC]),
                [f[k][n] for k in STATIC],
                strict=True,
            ):
                np.testing.assert_array_equal(a, b)
    assert len(known) > 6


def test_crosswalks_keep_their_ids(tiny_world: Any) -> None:
    world = tiny_world.make_map()
    f = features((world, tiny_world.make_drive(world, 0)), 60)
    assert f["crosswalk_id"].tolist() == [1, 0]
    assert f["crosswalk_mask"].tolist() == [True, False]
    np.testing.assert_allclose(f["crosswalk_pose"][0, :2] - tiny_world.START, [98.5, 1.5], atol=0.5)
    assert abs(np.sin(f["crosswalk_pose"][0, 2])) == pytest.approx(1.0, abs=0.05), "it crosses a road along x"
    assert np.abs(f["crosswalk_shape"][0, :, 0]).max() > 2.0 * np.abs(f["crosswalk_shape"][0, :, 1]).max()
    assert not f["crosswalk_shape"][1].any()


def test_costs_nothing_where_it_is_not_asked_for(tiny_world: Any) -> None:
    world = tiny_world.make_map()
    f = features((world, tiny_world.make_drive(world, 0)), 60, replace(SPEC, lane_links=0))
    assert not {"lane_id", "lane_next", "lane_side", "lane_pose", "lane_shape", "crosswalk_id"} & f.keys()
    assert not any("lane graph" in key for key in vars(world).get("_memo", {}))


def test_odd_maps(tiny_world: Any) -> None:
    """No lanes in reach; no successors; unknown blocks and places; a lane without length between two others."""
    world = tiny_world.make_map()
    drive = tiny_world.make_drive(world, 0)
    log = LogScenes(drive, world, load_vehicle(), SPEC)
    away = drive.ego[60].copy()
    away[:2] += 5000.0
    f = build_features(SPEC, [log.at(60, away)])
    for name, empty in allocate(SPEC, 1).items():
        if name.startswith(("lane_", "crosswalk_")) and name not in ("lane_light", "lane_next", "lane_side"):
            np.testing.assert_array_equal(f[name], empty, err_msg=name)
    lanes = world.lanes
    lone = replace(
        world,
        lanes=replace(
            lanes,
            block=np.full(len(lanes), -1),
            lane_index=np.full(len(lanes), -1),
            successors=Ragged.build([[]] * len(lanes)),
        ),
    )
    graph = build_lane_graph(lone, feature_map(lone, 10))
    assert (graph.side == -1).all()
    inside = np.flatnonzero(np.diff(feature_map(lone, 10).pieces.lane) == 0)
    np.testing.assert_array_equal(graph.following.values, inside + 1)
    points = lanes.centerlines.points.copy()
    a, b = lanes.centerlines.offsets[7:9]
    points[a:b] = points[a]
    short = replace(world, lanes=replace(lanes, centerlines=replace(lanes.centerlines, points=points)))
    fm = feature_map(short, 10)
    assert not (fm.pieces.lane == 7).any()
    graph = build_lane_graph(short, fm)
    last = int(np.flatnonzero(fm.pieces.lane == 1)[-1])
    assert [int(fm.pieces.lane[p]) for p in graph.following[last]] == [9]
