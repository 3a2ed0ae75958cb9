"""What is written is read back: drives to the last bit, maps within the rounding of the projection."""

from __future__ import annotations

import json
import pickletools
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, strategies as st

from roadcraft.core.arrays import Polylines, Ragged
from roadcraft.core.config.factory import create
from roadcraft.core.data.map import MapData, content_hash
from roadcraft.core.data.scenario import Drive
from roadcraft.core.data.windows import cut, window
from roadcraft.core.errors import DataError
from roadcraft.core.testing import SourceConformance
from roadcraft.scenario_io import open_source
from roadcraft.scenario_io.nuplan import NuplanConfig, NuplanSource, calibration, read_map, write_drive, write_maps
from roadcraft.scenario_io.nuplan.layers import COLUMNS
from roadcraft.scenario_io.nuplan.placeholder import LOCATIONS
from roadcraft.scenario_io.nuplan.rotation import quaternion_of, yaw_of

Same = Callable[..., None]


@pytest.mark.parametrize("seed", range(4))
def test_a_drive_comes_back_to_the_last_bit(
    tmp_path: Path, seed: int, new_drive: Any, new_map: Any, assert_same: Same
) -> None:
    drive = new_drive(seed, frames=60)
    path = write_drive(drive, new_map(), tmp_path / f"{drive.name}.db")
    write_maps([new_map()], tmp_path / "maps")
    assert_same(NuplanSource(path).drive(drive.name), drive)


def test_a_map_comes_back(world: Any, assert_same: Same) -> None:
    assert_same(world.source().map(world.drive.name), world.map, within=1e-6)


def test_other_readers_open_the_map(world: Any) -> None:
    """GDAL, with its warnings as errors."""
    pyogrio = pytest.importorskip("pyogrio")
    layers = dict(pyogrio.list_layers(world.package))
    assert layers.pop("meta") is None
    assert set(layers) == {*COLUMNS}
    for name in layers:
        meta, fids, _, _ = pyogrio.raw.read(world.package, layer=name, return_fids=True)
        assert meta["crs"] == "EPSG:4326"
        assert list(meta["fields"]) == [*COLUMNS[name]]
        assert len(fids) > 0


def test_equal_input_gives_equal_files(world: Any, tmp_path: Path) -> None:
    again = write_drive(world.drive, world.map, tmp_path / "again.db")
    assert again.read_bytes() == world.log.read_bytes()
    write_maps([world.map], tmp_path / "again")
    assert (
        tmp_path / "again" / world.map.name / world.map.version / "map.gpkg"
    ).read_bytes() == world.package.read_bytes()


def test_window_and_drive_give_the_same_scenario(world: Any, assert_same: Same) -> None:
    source = world.source()
    drive, map_data = source.drive(world.drive.name), source.map(world.drive.name)
    source = NuplanSource(NuplanConfig(str(world.logs), str(world.maps), past_s=2.0, future_s=1.0))
    rows = source.rows(world.drive.name)
    for row in rows[::37]:
        span = (row.anchor_us - 1_000_000, row.anchor_us + 3_000_000)
        one, whole = source.scenario(row, "unknown", span), cut(drive, map_data, row, "unknown", span)
        shift = whole.first - one.first
        assert_same(one.drive, window(drive, shift, shift + len(one.drive) - 1))
        assert np.array_equal(one.expert, whole.expert)
        assert np.array_equal(one.route, whole.route)
        assert (one.goal is None) == (whole.goal is None)
        assert one.past(19).tolist() == (whole.past(19) - shift).tolist()


def test_route_and_goal_are_those_of_the_tagged_frame(world: Any) -> None:
    """The window of a scenario may begin in the scene before (checked with the reference on this very case)."""
    d: Drive = world.drive
    frame = int(d.scenes.first[3]) + 4
    source = world.source()
    (row,) = [r for r in source.rows(d.name) if r.token == f"{int(d.token[frame]):016x}"]
    s = source.scenario(row, "unknown", (row.anchor_us - 3_000_000, row.anchor_us + 3_000_000))
    assert s.first < s.anchor
    assert s.drive.scenes.at(s.first) == s.drive.scenes.at(s.anchor) - 1
    assert s.route.tolist() == d.scenes.route[3].tolist() != d.scenes.route[2].tolist()
    assert s.goal is not None
    assert s.goal.tolist() == d.scenes.goal[3].tolist()


def test_rows_are_the_frames_of_the_middle_scenes(world: Any) -> None:
    d: Drive = world.drive
    rows = world.source().rows(d.name)
    frames = range(d.scenes.first[2], d.scenes.first[5])
    assert [r.token for r in rows] == [f"{int(d.token[f]):016x}" for f in frames]
    assert [r.anchor_us for r in rows] == d.time_us[list(frames)].tolist()
    tags = {int(f): d.tag_names[t] for f, t in zip(d.tag_frame, d.tag_type, strict=True)}
    assert [r.tags for r in rows] == [(tags[f],) if f in tags else () for f in frames]
    assert {(r.log, r.split, r.map_name, r.source, r.licence, r.interval_us, r.stride) for r in rows} == {
        (d.name, "mini", "us-ma-boston", "made-up", "CC0-1.0", 50_000, 2)
    }
    assert all(r.has_goal for r in rows)


def test_scenes_are_ordered_by_name_not_by_time(world: Any) -> None:
    names = [f"scene-{n}" for n in (9, 1, 10, 5, 3, 2, 4)]
    d = replace(world.drive, scenes=replace(world.drive.scenes, names=tuple(names)))
    write_drive(d, world.map, world.log)
    valid = sorted(names)[2:-2]
    first = np.append(d.scenes.first, len(d))
    frames = [f for i, n in enumerate(names) if n in valid for f in range(first[i], first[i + 1])]
    assert [r.anchor_us for r in world.source().rows(d.name)] == d.time_us[sorted(frames)].tolist()


def test_all_four_locations_of_the_reference_exist(world: Any) -> None:
    listed = json.loads((world.maps / "nuplan-maps-v1.0.json").read_text())
    assert set(listed) == set(LOCATIONS)
    for name in LOCATIONS:
        m = read_map(world.maps, name)
        assert len(m.lanes) > 0
        assert m.epsg == LOCATIONS[name][1]
    before = (world.maps / "sg-one-north" / "9.17.1964" / "map.gpkg").read_bytes()
    write_maps([replace(world.map, name="elsewhere", version="2")], world.maps)
    assert (world.maps / "sg-one-north" / "9.17.1964" / "map.gpkg").read_bytes() == before
    assert set(json.loads((world.maps / "nuplan-maps-v1.0.json").read_text())) == {*LOCATIONS, "elsewhere"}


def test_edges_without_lines_become_lines(world: Any, tmp_path: Path) -> None:
    none = np.full(len(world.map.lanes), -1)
    empty = Polylines.build([np.zeros((0, 2)), *(world.map.lanes.right[i] for i in range(1, 6))])
    lanes = replace(world.map.lanes, left_line=none, right_line=none, right=empty)
    write_maps([replace(world.map, lanes=lanes)], tmp_path / "m")
    back = read_map(tmp_path / "m", world.map.name)
    assert len(back.lines) == len(world.map.lines) + 11
    assert back.lanes.right_line[0] == -1
    assert len(back.lanes.right[0]) == 0
    np.testing.assert_allclose(back.lanes.left.points, world.map.lanes.left.points, rtol=0, atol=1e-6)


def test_links_and_tokens_of_the_database(world: Any) -> None:
    db = sqlite3.connect(world.log)
    frames = db.execute("SELECT token, prev_token, next_token FROM lidar_pc ORDER BY timestamp").fetchall()
    assert [f[1] for f in frames] == [None, *(f[0] for f in frames[:-1])]
    assert [f[2] for f in frames] == [*(f[0] for f in frames[1:]), None]
    boxes = db.execute(
        "SELECT b.token, b.track_token, b.prev_token, b.next_token FROM lidar_box b "
        "JOIN lidar_pc p ON p.token = b.lidar_pc_token ORDER BY b.track_token, p.timestamp"
    ).fetchall()
    for a, b in pairwise(boxes):
        same = a[1] == b[1]
        assert a[3] == (b[0] if same else None)
        assert b[2] == (a[0] if same else None)
    for child, column, parent in (
        ("lidar", "log_token", "log"), ("camera", "log_token", "log"), ("ego_pose", "log_token", "log"), ("scene",
        "log_token", "log"),
        ("scene", "goal_ego_pose_token", "ego_pose"), ("lidar_pc", "ego_pose_token", "ego_pose"), ("lidar_pc",
        "lidar_token", "lidar"),
        ("lidar_pc", "scene_token", "scene"), ("track", "category_token", "category"), ("lidar_box", "track_token",
        "track"),
        ("lidar_box", "lidar_pc_token", "lidar_pc"), ("scenario_tag", "lidar_pc_token", "lidar_pc"),
        ("traffic_light_status", "lidar_pc_token", "lidar_pc"),
    ):  # fmt: skip
        lost = (
            f"SELECT COUNT(*) FROM {child} WHERE {column} IS NOT NULL AND {column} NOT IN (SELECT token FROM {parent})"
        )
        assert db.execute(lost).fetchone() == (0,), (child, column)
    db.close()


def test_calibration_bytes_are_lists_of_numbers_and_nothing_else(world: Any) -> None:
    db = sqlite3.connect(world.log)
    blobs = [b for row in db.execute("SELECT translation, rotation, intrinsic, distortion FROM camera") for b in row]
    blobs += [b for row in db.execute("SELECT translation, rotation FROM lidar") for b in row]
    db.close()
    for blob in blobs:
        # Disassembled, not loaded.
        assert {op.name for op, _, _ in pickletools.genops(blob)} <= {"MARK", "LIST", "FLOAT", "APPEND", "STOP"}
    assert calibration.pickled((1.0, -0.25)) == b"(lF1.0\naF-0.25\na."
    assert calibration.pickled(((1.0,), (2.0,))) == b"(l(lF1.0\naa(lF2.0\naa."


@given(st.floats(-np.pi, np.pi))
@example(0.0)
@example(np.pi)
@example(-np.pi)
@example(np.pi / 2)
@example(-np.pi / 2)
def test_quaternions_give_the_heading_to_the_last_bit(yaw: float) -> None:
    assume(yaw == 0.0 or abs(yaw) > 1e-300)  # half of it must be a normal number
    w, x, y, z = quaternion_of(yaw)
    assert yaw_of(w, x, y, z) == yaw
    assert abs(w * w + x * x + y * y + z * z - 1) < 1e-14


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: replace(d, interval_us=100_000), "20 Hz"),
        (lambda d: replace(d, joints=np.full((len(d), 1), np.nan)), "joints row .0. is not finite"),
        (lambda d: replace(d, map_name="elsewhere"), "not on 'us-ma-boston'"),
        (lambda d: replace(d, token=np.zeros_like(d.token)), "frame tokens are not unique"),
        (lambda d: replace(d, tracks=replace(d.tracks, id=np.zeros_like(d.tracks.id))), "track ids are not unique"),
        (lambda d: replace(d, time_us=d.time_us[::-1]), "do not increase"),
        (lambda d: replace(d, ego=np.where(np.arange(10) == 1, np.nan, d.ego)), "ego row"),
        (lambda d: replace(d, ego=np.where(np.arange(10) == 2, 4.0, d.ego)), "outside .-pi, pi."),
        (lambda d: replace(d, scenes=replace(d.scenes, goal=d.scenes.goal * np.nan)), "goal row .0. is not finite"),
        (lambda d: replace(d, scenes=replace(d.scenes, names=("a", "b") * 3 + ("c",))), "3 scenes"),
    ],
)
def test_drives_that_do_not_fit_are_refused(world: Any, change: Callable[[Drive], Drive], message: str) -> None:
    before = world.log.read_bytes()
    with pytest.raises(DataError, match=message):
        write_drive(change(world.drive), world.map, world.log)
    assert world.log.read_bytes() == before
    assert [p.name for p in world.logs.iterdir()] == [world.log.name]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: replace(m, epsg=0), "no projected frame"),
        (lambda m: replace(m, lanes=replace(m.lanes, id=np.array([1, 2, 3, 4, 5, 1]))), "lane id .1. is not unique"),
        (lambda m: replace(m, lanes=replace(m.lanes, id=m.lanes.id - 12)), "negative"),
        (lambda m: replace(m, lanes=replace(m.lanes, has_light=np.zeros(6, bool))), "stop lines but no light"),
        (lambda m: replace(m, lines=replace(m.lines, kind=m.lines.kind + 1)), "lane boundaries only"),
        (lambda m: replace(m, areas=replace(m.areas, id=m.areas.id * 0)), "ROAD_SEGMENT areas are not unique"),
    ],
)
def test_maps_that_do_not_fit_are_refused(
    new_map: Callable[[], MapData], tmp_path: Path, change: Callable[[MapData], MapData], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        write_maps([change(new_map())], tmp_path)


def test_routes_may_repeat_scene_names(world: Any, assert_same: Same) -> None:
    """A scene that is interrupted by another is one row of the database and two stretches of the drive."""
    s = world.drive.scenes
    names = (*s.names[:6], s.names[0])
    goal, has = s.goal.copy(), s.has_goal.copy()
    goal[6], has[6] = goal[0], has[0]
    route = Ragged.build([*(s.route[i] for i in range(6)), s.route[0]])
    drive = replace(world.drive, scenes=replace(s, names=names, goal=goal, has_goal=has, route=route))
    write_drive(drive, world.map, world.log)
    assert_same(world.source().drive(drive.name), drive)


def test_sources_are_found_by_folder_and_by_name(world: Any, tmp_path: Path) -> None:
    assert open_source(tmp_path).logs() == [world.drive.name]
    assert content_hash(open_source(world.log).map(world.drive.name)) == content_hash(
        world.source().map(world.drive.name)
    )
    (tmp_path / "val").mkdir()
    (tmp_path / "val" / "other.db").write_bytes(world.log.read_bytes())
    assert NuplanSource(NuplanConfig(str(tmp_path), splits=("val",))).logs() == ["other"]
    assert NuplanSource(NuplanConfig(str(tmp_path), splits=("val",))).rows("other")[0].split == "val"
    (tmp_path / "val" / world.log.name).write_bytes(world.log.read_bytes())
    with pytest.raises(DataError, match="splits="):
        NuplanSource(tmp_path)


class TestConformance(SourceConformance):
    """The kit that every log format's author runs."""

    name = "nuplan"

    @pytest.fixture
    def source(self, world: Any) -> Any:
        return create("source", "nuplan", {"data_root": str(world.logs), "maps_root": str(world.maps)})
