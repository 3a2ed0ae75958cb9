"""Bad input gives a DataError that names file, place and remedy; never anything else."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roadcraft.core.errors import DataError
from roadcraft.core.map import MapData
from roadcraft.core.scenario import Drive, ObjectKind
from roadcraft.scenario_io.nuplan import NuplanConfig, NuplanSource, read_map
from roadcraft.scenario_io.nuplan.schema import TABLES

UNREAD = {"camera", "image"}
READ_COLUMNS = {
    "log": ("map_version",),
    "lidar": ("channel", "log_token"),
    "ego_pose": ("x", "qz", "vx", "acceleration_y"),
    "scene": ("name", "roadblock_ids", "goal_ego_pose_token"),
    "lidar_pc": ("timestamp", "scene_token", "ego_pose_token", "lidar_token"),
    "category": ("name",),
    "track": ("category_token", "height"),
    "lidar_box": ("x", "yaw", "width", "vy", "track_token"),
    "scenario_tag": ("type",),
    "traffic_light_status": ("status", "lane_connector_id"),
}


def spoil(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


def read_everything(source: NuplanSource, log: str) -> Drive:
    rows = source.rows(log)
    drive = source.drive(log)
    row = rows[len(rows) // 2]
    source.scenario(row, "unknown", (row.anchor_us - 1_000_000, row.anchor_us + 2_000_000))
    return drive


def fault(world: Any, *words: str) -> DataError:
    """The error of reading everything; its message holds the words and the file's name."""
    with pytest.raises(DataError) as e:
        read_everything(world.source(), world.drive.name)
    for word in words:
        assert word in str(e.value), str(e.value)
    return e.value


@pytest.mark.parametrize("table", sorted(set(TABLES) - UNREAD))
def test_missing_table(world: Any, table: str) -> None:
    spoil(world.log, f"DROP TABLE {table}")
    fault(world, world.log.name, f"no such table: {table}", "(")


@pytest.mark.parametrize(("table", "column"), [(t, c) for t, cs in READ_COLUMNS.items() for c in cs])
def test_missing_column(world: Any, table: str, column: str) -> None:
    spoil(
        world.log,
        *(f"DROP INDEX IF EXISTS ix_{table}_{column}",),
        f"ALTER TABLE {table} RENAME COLUMN {column} TO gone",
    )
    fault(world, world.log.name, "no such column", column)


@pytest.mark.parametrize("table", sorted(UNREAD))
def test_cameras_are_not_needed(world: Any, table: str) -> None:
    spoil(world.log, f"DROP TABLE {table}")
    assert len(read_everything(world.source(), world.drive.name)) == len(world.drive)


def test_log_of_another_lidar_only(world: Any) -> None:
    spoil(world.log, "UPDATE lidar SET channel = 'TopPointCloud'")
    fault(world, "table lidar", "MergedPointCloud")


def test_frames_of_other_lidars_are_left_out(world: Any) -> None:
    columns = "next_token, prev_token, ego_pose_token, x'0102030405060708', scene_token, filename, timestamp + 7"
    spoil(world.log, f"INSERT INTO lidar_pc SELECT randomblob(8), {columns} FROM lidar_pc")
    assert read_everything(world.source(), world.drive.name).token.tolist() == world.drive.token.tolist()


@pytest.mark.parametrize("column", ["x", "y", "vx", "acceleration_x", "qw"])
def test_pose_that_is_not_finite(world: Any, column: str) -> None:
    token = f"{int(world.drive.token[200]):016x}"
    pose = f"(SELECT ego_pose_token FROM lidar_pc WHERE token = x'{token}')"
    spoil(world.log, f"UPDATE ego_pose SET {column} = NULL WHERE token = {pose}")  # SQLite stores NaN as NULL
    fault(world, "ego_pose", token)
    spoil(world.log, f"UPDATE ego_pose SET {column} = 9e999 WHERE token = {pose}")
    fault(world, "ego_pose", token)


def test_pose_that_is_missing(world: Any) -> None:
    token = f"{int(world.drive.token[200]):016x}"
    spoil(
        world.log, f"DELETE FROM ego_pose WHERE token = (SELECT ego_pose_token FROM lidar_pc WHERE token = x'{token}')"
    )
    fault(world, "ego_pose", token)


@pytest.mark.parametrize(
    ("column", "value"), [("x", "NULL"), ("yaw", "'left'"), ("length", "0"), ("width", "-2"), ("vx", "9e999")]
)
def test_box_that_is_none(world: Any, column: str, value: str) -> None:
    moving = world.drive.tracks.kind[world.drive.objects.track] <= ObjectKind.BICYCLE
    row = np.flatnonzero(moving & (np.arange(len(moving)) >= world.drive.objects.offsets[210]))[0]
    frame = f"{int(world.drive.token[np.searchsorted(world.drive.objects.offsets, row, side='right') - 1]):016x}"
    spoil(
        world.log,
        f"UPDATE lidar_box SET {column} = {value} WHERE lidar_pc_token = x'{frame}' AND track_token IN "
        "(SELECT t.token FROM track t JOIN category c ON c.token = t.category_token WHERE c.name IN ('vehicle', 'pedestrian', 'bicycle'))",
    )
    e = fault(world, "lidar_box")
    assert value == "'left'" or frame in str(e)


def test_unknown_category(world: Any) -> None:
    spoil(world.log, "UPDATE category SET name = 'spaceship' WHERE name = 'vehicle'")
    e = fault(world, "table track, token", "unknown category 'spaceship'")
    assert "known: vehicle, pedestrian" in e.remedy


def test_box_without_track(world: Any) -> None:
    token = f"{int(world.drive.tracks.id[3]):016x}"
    spoil(world.log, f"DELETE FROM track WHERE token = x'{token}'")
    fault(world, "lidar_box", token, "no such row in table track")


def test_tokens_that_are_not_unique(world: Any) -> None:
    statements = [f"CREATE TABLE copy AS SELECT * FROM {t}" for t in ("track",)]
    spoil(
        world.log,
        *statements,
        "DROP TABLE track",
        "ALTER TABLE copy RENAME TO track",
        "INSERT INTO track SELECT * FROM track LIMIT 1",
    )
    fault(world, "table track", "not unique")


def test_time_stamp_twice(world: Any) -> None:
    time = int(world.drive.time_us[200])
    spoil(world.log, f"UPDATE lidar_pc SET timestamp = {time} WHERE timestamp = {int(world.drive.time_us[201])}")
    fault(world, "lidar_pc", str(time), "twice")


@pytest.mark.parametrize("value", ["'noon'", "NULL", "-5", "x'00'"])
def test_time_stamp_that_is_none(world: Any, value: str) -> None:
    spoil(world.log, f"UPDATE lidar_pc SET timestamp = {value} WHERE timestamp = {int(world.drive.time_us[201])}")
    source = world.source()
    if value == "NULL":  # such a frame lies in no window, as in the reference
        assert len(source.drive(world.drive.name)) == len(world.drive) - 1
    else:
        fault(world, "lidar_pc", "time stamp")


def test_no_route(world: Any) -> None:
    spoil(world.log, "UPDATE scene SET roadblock_ids = ''")
    fault(world, "table scene", "no route")
    spoil(world.log, "UPDATE scene SET roadblock_ids = NULL")
    fault(world, "table scene", "no route")


def test_scenes_without_a_route_are_left_out_and_named(world: Any) -> None:
    name = world.drive.scenes.names[3]
    spoil(world.log, f"UPDATE scene SET roadblock_ids = '' WHERE name = '{name}'")
    source, first = world.source(), world.drive.scenes.first
    times = [r.anchor_us for r in source.rows(world.drive.name)]
    assert times == world.drive.time_us[[*range(first[2], first[3]), *range(first[4], first[5])]].tolist()
    (left_out,) = source.left_out(world.drive.name)
    assert name in left_out.where
    assert "no route" in left_out.what


def test_an_ingest_reports_scenes_without_a_route_and_keeps_the_rest(world: Any, tmp_path: Path) -> None:
    from roadcraft.scenario_io import Store, ingest

    name = world.drive.scenes.names[3]
    spoil(world.log, f"UPDATE scene SET roadblock_ids = '' WHERE name = '{name}'")
    report = ingest("nuplan", world.logs, tmp_path / "store", {"maps_root": str(world.maps)}, workers=1)
    assert report.drives == 1
    assert [name in s.where and "no route" in s.what for s in report.skipped] == [True]
    assert Store(tmp_path / "store").logs() == world.source().logs()


def test_route_of_another_map(world: Any) -> None:
    spoil(world.log, "UPDATE scene SET roadblock_ids = '12345 12346'")
    fault(world, "table scene", "12345", "map version")


@pytest.mark.parametrize("text", ["71,90", "71 x", "9" * 40])
def test_route_that_is_no_list_of_ids(world: Any, text: str) -> None:
    spoil(world.log, f"UPDATE scene SET roadblock_ids = '{text}'")
    fault(world, "table scene", "roadblock_ids")


def test_goal_that_is_not_finite(world: Any) -> None:
    spoil(world.log, "UPDATE ego_pose SET y = 9e999 WHERE token IN (SELECT goal_ego_pose_token FROM scene)")
    fault(world, "table scene", "goal")


def test_too_few_scenes(world: Any) -> None:
    spoil(world.log, "DELETE FROM scene WHERE rowid > 4")
    fault(world, "table scene", "too short: 4 scenes", "at least 5")


def test_window_beyond_the_log(world: Any) -> None:
    source = world.source()
    row = source.rows(world.drive.name)[0]
    with pytest.raises(DataError, match="too short: 0 iterations"):
        source.scenario(row, "unknown", (int(world.drive.time_us[-1]) + 10_000, int(world.drive.time_us[-1]) + 20_000))
    with pytest.raises(DataError, match="no frame"):
        source.scenario(row, "unknown", (0, 1000))


def test_empty_and_foreign_files(world: Any, tmp_path: Path) -> None:
    for content in (b"", b"hello" * 1000, b"SQLite format 3\0" + bytes(200)):
        world.log.write_bytes(content)
        fault(world, world.log.name)
    with pytest.raises(DataError, match="no logs"):
        NuplanSource(tmp_path / "maps")
    with pytest.raises(DataError, match="no such file or folder"):
        NuplanSource(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no log 'other'"):
        world.source().drive("other")


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.9, 0.999])
def test_truncated_log(world: Any, share: float) -> None:
    data = world.log.read_bytes()
    world.log.write_bytes(data[: int(len(data) * share)])
    fault(world, world.log.name)


@pytest.mark.parametrize("seed", range(40))
def test_flipped_bytes_in_a_log(world: Any, seed: int) -> None:
    """Either an error of ours or a drive of finite numbers (SQLite keeps no checksums)."""
    rng = np.random.default_rng(seed)
    data = bytearray(world.log.read_bytes())
    for at in rng.integers(0, len(data), 1 + seed % 20):
        data[at] ^= int(rng.integers(1, 256))
    world.log.write_bytes(data)
    try:
        drive = read_everything(world.source(), world.drive.name)
    except DataError:
        return
    assert np.isfinite(drive.ego).all()
    assert np.isfinite(drive.objects.box).all()
    assert (np.diff(drive.time_us) > 0).all()


# ---- maps ---------------------------------------------------------------------------------------------------------------------------------------


def map_fault(world: Any, *words: str) -> DataError:
    with pytest.raises(DataError) as e:
        read_map(world.maps, "us-ma-boston")
    for word in words:
        assert word in str(e.value), str(e.value)
    return e.value


def test_no_maps_folder(world: Any, tmp_path: Path) -> None:
    source = NuplanSource(NuplanConfig(str(world.logs), str(tmp_path / "nowhere")))
    with pytest.raises(DataError, match=r"nuplan-maps-v1\.0\.json.*maps_root"):
        source.map(world.drive.name)


def test_location_that_is_not_listed(world: Any) -> None:
    spoil(world.log, "UPDATE log SET map_version = 'us-tx-austin.gpkg'")
    e = fault(world, "us-tx-austin", "not listed")
    assert "us-ma-boston" in e.remedy


@pytest.mark.parametrize("text", ["", "[]", '{"us-ma-boston": 3}', "{"])
def test_list_of_maps_that_is_none(world: Any, text: str) -> None:
    (world.maps / "nuplan-maps-v1.0.json").write_text(text)
    map_fault(world, "nuplan-maps-v1.0.json")


def test_map_file_missing(world: Any) -> None:
    world.package.unlink()
    map_fault(world, "map.gpkg", "no such map file")


def test_maps_that_list_another_version(world: Any) -> None:
    index = world.maps / "nuplan-maps-v1.0.json"
    listed = json.loads(index.read_text())
    listed["us-ma-boston"]["version"] = "9.99"
    index.write_text(json.dumps(listed))
    map_fault(world, "9.99", "no such map file")


LAYERS = (
    "lanes_polygons", "lane_connectors", "gen_lane_connectors_scaled_width_polygons", "baseline_paths", "boundaries", "lane_groups_polygons",
    "lane_group_connectors", "intersections", "stop_polygons", "crosswalks", "walkways", "carpark_areas", "road_segments",
    "generic_drivable_areas",
)  # fmt: skip


@pytest.mark.parametrize("layer", [*LAYERS, "meta", "gpkg_geometry_columns"])
def test_missing_layer(world: Any, layer: str) -> None:
    spoil(world.package, f'DROP TABLE "{layer}"')
    map_fault(world, "map.gpkg", f"layer {layer}")


@pytest.mark.parametrize("layer", LAYERS)
def test_layer_that_is_not_registered(world: Any, layer: str) -> None:
    spoil(world.package, f"DELETE FROM gpkg_geometry_columns WHERE table_name = '{layer}'")
    map_fault(world, f"layer {layer}", "no such layer")


@pytest.mark.parametrize(
    ("layer", "column"),
    [("lanes_polygons", "lane_index"), ("lane_connectors", "traffic_light_stop_line_fids"), ("baseline_paths", "lane_fid"),
     ("stop_polygons", "stop_polygon_type_fid"), ("lane_group_connectors", "to_lane_group_fid")],
)  # fmt: skip
def test_missing_map_column(world: Any, layer: str, column: str) -> None:
    spoil(world.package, f'ALTER TABLE "{layer}" RENAME COLUMN {column} TO gone')
    map_fault(world, f"layer {layer}", f"no column '{column}'")


def test_empty_map(world: Any) -> None:
    spoil(world.package, "DELETE FROM lanes_polygons")
    map_fault(world, "layer lanes_polygons", "empty")


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE lanes_polygons SET lane_fid = 99 WHERE fid = 15", ("lane_fid", "fid 15")),
        ("UPDATE lane_connectors SET fid = 15 WHERE fid = 40", ("id 15 is not unique",)),
        ("UPDATE lane_group_connectors SET fid = 71", ("id 71 is not unique",)),
        ("UPDATE baseline_paths SET lane_fid = 11 WHERE fid = 2", ("two features for id 11", "baseline_paths")),
        ("DELETE FROM baseline_paths WHERE lane_fid = 19", ("no feature for id 19", "baseline_paths")),
        ("DELETE FROM gen_lane_connectors_scaled_width_polygons WHERE lane_connector_fid = 41", ("no feature for id 41",)),
        ("UPDATE lanes_polygons SET geom = NULL WHERE fid = 23", ("lanes_polygons, fid 23", "geometry")),
        ("UPDATE lanes_polygons SET geom = x'4750000300000000' WHERE fid = 23", ("lanes_polygons, fid 23", "geometry")),
        ("UPDATE boundaries SET geom = (SELECT geom FROM crosswalks) WHERE fid = 503", ("boundaries, fid 503", "line")),
        ("UPDATE crosswalks SET geom = (SELECT geom FROM boundaries) WHERE fid = 401", ("crosswalks, fid 401", "polygon")),
        ("UPDATE lanes_polygons SET lane_index = 'left' WHERE fid = 15", ("lanes_polygons", "lane_index")),
        ("UPDATE lanes_polygons SET lane_index = 1e300 WHERE fid = 15", ("lanes_polygons", "lane_index")),
        ("UPDATE meta SET value = 'here' WHERE key = 'projectedCoordSystem'", ("layer meta", "'here'")),
        ("UPDATE meta SET value = 'EPSG:999999' WHERE key = 'projectedCoordSystem'", ("EPSG:999999",)),
        ("UPDATE gpkg_spatial_ref_sys SET srs_id = 5 WHERE srs_id = 4326", ("coordinate system",)),
    ],
)  # fmt: skip
def test_maps_that_contradict_themselves(world: Any, statement: str, words: tuple[str, ...]) -> None:
    spoil(world.package, statement)
    map_fault(world, "map.gpkg", *words)


def test_coordinates_off_the_globe(world: Any) -> None:
    with closing(sqlite3.connect(world.package)) as db:
        blob = bytearray(db.execute("SELECT geom FROM crosswalks").fetchone()[0])
    first = 8 + 32 + 1 + 4 + 4 + 4  # header, envelope, byte order, type, number of rings, of points
    blob[first:] = np.full((len(blob) - first) // 8, 9e99).tobytes()
    spoil(world.package, f"UPDATE crosswalks SET geom = x'{blob.hex()}'")
    map_fault(world, "crosswalks, fid 401", "globe")


def test_references_to_nothing_are_left_out(world: Any) -> None:
    spoil(
        world.package,
        "UPDATE lane_connectors SET exit_lane_fid = 777, traffic_light_stop_line_fids = '555, 901' WHERE fid = 40",
        "UPDATE lanes_polygons SET lane_group_fid = 777, left_boundary_fid = 777 WHERE fid = 15",
        "UPDATE lane_group_connectors SET intersection_fid = NULL",
    )
    m = read_map(world.maps, "us-ma-boston")
    assert m.lanes.predecessors[4].tolist() == []
    assert m.lanes.successors[0].tolist() == []
    assert m.lanes.stops[4].tolist() == [7]
    assert (m.lanes.block[1], m.lanes.left_line[1], len(m.lanes.left[1])) == (-1, -1, 0)
    assert m.blocks.lanes[0].tolist() == [0]
    assert m.blocks.intersection.tolist() == [-1, -1, -1]


@pytest.mark.parametrize(
    ("text", "rows", "light"),
    [
        ("901", [7], True),  # touched by the connector's path
        ("905", [8], True),  # not touched: the nearest to its start
        ("977,905", [8], True),
        (" 977 , 901,905 ", [7], True),
        ("", [], False),
        (" ", [], True),  # counts as a light, as in the reference
        (None, [], False),
    ],
)
def test_stop_lines_of_a_connector(world: Any, text: str | None, rows: list[int], light: bool) -> None:
    value = "NULL" if text is None else f"'{text}'"
    spoil(world.package, f"UPDATE lane_connectors SET traffic_light_stop_line_fids = {value} WHERE fid = 40")
    m = read_map(world.maps, "us-ma-boston")
    assert m.lanes.stops[4].tolist() == rows
    assert bool(m.lanes.has_light[4]) == light


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_truncated_map(world: Any, share: float) -> None:
    data = world.package.read_bytes()
    world.package.write_bytes(data[: int(len(data) * share)])
    map_fault(world, "map.gpkg")


@pytest.mark.parametrize("seed", range(40))
def test_flipped_bytes_in_a_map(world: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = bytearray(world.package.read_bytes())
    for at in rng.integers(0, len(data), 1 + seed % 20):
        data[at] ^= int(rng.integers(1, 256))
    world.package.write_bytes(data)
    try:
        m = read_map(world.maps, "us-ma-boston")
    except DataError:
        return
    assert np.isfinite(m.lanes.polygons.points).all()


def test_a_map_is_loaded_once(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def counted(root: Path, location: str) -> MapData:
        calls.append(location)
        return read_map(root, location)

    monkeypatch.setattr("roadcraft.scenario_io.nuplan.source.read_map", counted)
    source = world.source()
    assert source.map(world.drive.name) is source.location("us-ma-boston")
    assert calls == ["us-ma-boston"]


def test_without_pyproj_the_error_says_what_to_install(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyproj", None)
    e = map_fault(world, "pyproj")
    assert "roadcraft[nuplan]" in e.remedy
