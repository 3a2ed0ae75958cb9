"""Bad input gives a DataError that names file, place and remedy; never anything else."""

from __future__ import annotations

import json
import re
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from roadcraft.core.data.map import MapData
from roadcraft.core.data.scenario import Drive, ObjectKind
from roadcraft.core.errors import DataError
from roadcraft.scenario_io.nuplan import NuplanConfig, NuplanSource, read_map, write_drive
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
@pytest.mark.parametrize("value", ["NULL", "9e999", "7e12"])  # SQLite stores NaN as NULL
def test_a_frame_with_an_impossible_pose_is_left_out_and_told(world: Any, column: str, value: str) -> None:
    token = f"{int(world.drive.token[200]):016x}"
    pose = f"(SELECT ego_pose_token FROM lidar_pc WHERE token = x'{token}')"
    spoil(world.log, f"UPDATE ego_pose SET {column} = {value} WHERE token = {pose}")
    left_out_frame(world, token)


def test_a_frame_without_a_pose_is_left_out_and_told(world: Any) -> None:
    token = f"{int(world.drive.token[200]):016x}"
    spoil(
        world.log, f"DELETE FROM ego_pose WHERE token = (SELECT ego_pose_token FROM lidar_pc WHERE token = x'{token}')"
    )
    left_out_frame(world, token)


def left_out_frame(world: Any, token: str) -> None:
    source, d = world.source(), world.drive
    read = read_everything(source, d.name)
    assert read.token.tolist() == [t for t in d.token.tolist() if t != int(token, 16)]
    (told,) = source.left_out(d.name)
    assert (told.where, told.what) == (f"{world.log}, frame {token}", "1 frame left out: without a finite ego pose")
    assert token not in {r.token for r in source.rows(d.name)}
    kept = np.delete(np.arange(len(d)), np.flatnonzero(d.token == int(token, 16)))
    for i, f in enumerate(kept.tolist()):
        assert read.objects.box[read.objects.rows(i)].tobytes() == d.objects.box[d.objects.rows(f)].tobytes()
        assert read.lights.lane[read.lights.rows(i)].tolist() == d.lights.lane[d.lights.rows(f)].tolist()
        assert read.scenes.names[read.scenes.at(i)] == d.scenes.names[d.scenes.at(f)]


def a_moving_box(world: Any) -> tuple[int, int, str]:
    """Row of a moving object's box in frame 210 or later, its frame, and what picks it in SQL."""
    o, tracks = world.drive.objects, world.drive.tracks
    moving = tracks.kind[o.track] <= ObjectKind.BICYCLE
    row = int(np.flatnonzero(moving & (np.arange(len(moving)) >= o.offsets[210]))[0])
    frame = int(np.searchsorted(o.offsets, row, side="right")) - 1
    token, track = int(world.drive.token[frame]), int(tracks.id[o.track[row]])
    return row, frame, f"lidar_pc_token = x'{token:016x}' AND track_token = x'{track:016x}'"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("x", "NULL"),
        ("y", "9e999"),
        ("yaw", "NULL"),
        ("length", "0"),
        ("width", "-2"),
        ("length", "1e6"),
        ("width", "NULL"),
    ],
)
def test_an_impossible_box_is_left_out_and_told(world: Any, column: str, value: str) -> None:
    row, frame, where = a_moving_box(world)
    spoil(world.log, f"UPDATE lidar_box SET {column} = {value} WHERE {where}")
    source = world.source()
    read = read_everything(source, world.drive.name)
    assert len(read) == len(world.drive)
    assert read.objects.box.tobytes() == np.delete(world.drive.objects.box, row, 0).tobytes()
    assert read.objects.offsets[frame + 1] == world.drive.objects.offsets[frame + 1] - 1
    (told,) = source.left_out(world.drive.name)
    track, token = where.split("x'")[2][:16], where.split("x'")[1][:16]
    assert told.where == f"{world.log}: track {track}, frame {token}"
    assert told.what == "1 box left out: without a finite pose, possible position or possible size"


@pytest.mark.parametrize("value", ["NULL", "9e999", "5000"])
def test_a_missing_velocity_is_taken_from_the_frame_beside(world: Any, value: str) -> None:
    row, frame, where = a_moving_box(world)
    spoil(world.log, f"UPDATE lidar_box SET vx = {value} WHERE {where}")
    source = world.source()
    read, o = read_everything(source, world.drive.name), world.drive.objects
    assert read.objects.box.tobytes() == o.box.tobytes()
    beside = [
        o.velocity[r]
        for f in (frame - 1, frame + 1)
        for r in range(o.offsets[f], o.offsets[f + 1])
        if o.track[r] == o.track[row]
    ]
    assert read.objects.velocity[row].tolist() == (beside[0].tolist() if beside else [0.0, 0.0])
    (told,) = source.left_out(world.drive.name)
    assert told.what == "1 velocity missing or impossible: taken from the frame beside, or 0"


def test_a_box_that_is_no_number_is_refused(world: Any) -> None:
    spoil(world.log, f"UPDATE lidar_box SET yaw = 'left' WHERE {a_moving_box(world)[2]}")
    fault(world, "lidar_box")


def test_frames_every_tenth_of_a_second_are_read_as_such(world: Any) -> None:
    for t in world.drive.time_us[1::2].tolist():
        spoil(world.log, f"DELETE FROM lidar_pc WHERE timestamp = {t}")
    source = world.source()
    rows = source.rows(world.drive.name)
    assert {(r.interval_us, r.stride) for r in rows} == {(100_000, 1)}
    assert source.drive(world.drive.name).interval_us == 100_000
    scenario = source.scenario(rows[0], "unknown", (rows[0].anchor_us, rows[0].anchor_us + 2_000_000))
    assert scenario.interval_s == pytest.approx(0.1)
    assert len(scenario) in (20, 21)


def test_frames_five_times_a_second_are_refused(world: Any) -> None:
    for i in (1, 2, 3):
        for t in world.drive.time_us[i::4].tolist():
            spoil(world.log, f"DELETE FROM lidar_pc WHERE timestamp = {t}")
    fault(world, "table lidar_pc", "0.2", "s apart", "1 to 10 frames in 0.1 s")


def test_time_stamps_of_another_unit_are_refused(world: Any) -> None:
    spoil(world.log, "UPDATE lidar_pc SET timestamp = timestamp / 1000")
    fault(world, "table lidar_pc", "5e-05 s apart", "time stamps are microseconds")


def missing_frames(world: Any, frames: np.ndarray) -> None:
    for t in world.drive.time_us[frames].tolist():
        spoil(world.log, f"DELETE FROM lidar_pc WHERE timestamp = {t}")


def test_no_scenario_spans_a_gap(world: Any, new_drive: Any, tmp_path: Path) -> None:
    from roadcraft.scenario_io import Store, ingest, window_of

    world = world._replace(drive=new_drive(3, 1500))
    write_drive(world.drive, world.map, world.log)
    time, name = world.drive.time_us, world.drive.name
    whole = {r.token for r in world.source().rows(name)}
    missing_frames(world, np.arange(700, 730))
    source = world.source()
    rows = source.rows(name)
    assert 0 < len(rows) < len(whole)
    for r in rows:
        first, last = (
            min(window_of(r, t)[0] for t in r.tags or ("unknown",)),
            max(window_of(r, t)[1] for t in r.tags or ("unknown",)),
        )
        assert last <= time[699] or first - 2_000_000 >= time[730]
    told = source.left_out(name)[-1]
    assert told.what.startswith("a gap of 1.55 s ")
    lost = len(whole) - len(whole & {f"{int(t):016x}" for t in world.drive.token[700:730]}) - len(rows)
    assert f"{lost} scenarios across it left out" in told.what
    report = ingest("nuplan", world.logs, tmp_path / "s", {"maps_root": str(world.maps)}, workers=1)
    store = Store(tmp_path / "s")
    assert store.logs() == [name, f"{name}~2"]
    assert [len(store.drive(k)) for k in store.logs()] == [700, len(time) - 730]
    assert sorted(r.token for r in store.iter_rows()) == sorted(r.token for r in rows)
    assert [s.what for s in report.left_out] == [told.what]


def test_a_log_in_which_frames_are_missing_everywhere_is_refused(world: Any) -> None:
    rng = np.random.default_rng(0)
    missing_frames(world, np.flatnonzero(rng.random(len(world.drive)) < 0.3))
    fault(world, "of the steps between frames are not the nominal 0.05 s", "frames are missing")


def test_single_missing_frames_are_accepted(world: Any) -> None:
    whole = len(world.source().rows(world.drive.name))
    missing_frames(world, np.arange(50, 400, 60))
    source = world.source()
    assert whole - 6 <= len(source.rows(world.drive.name)) < whole
    assert source.left_out(world.drive.name) == []


def test_nothing_spans_a_jump_of_the_ego(world: Any) -> None:
    later = f"(SELECT ego_pose_token FROM lidar_pc WHERE timestamp > {world.drive.time_us[300]})"
    spoil(world.log, f"UPDATE ego_pose SET x = x + 1000 WHERE token IN {later}")
    source = world.source()
    assert source.rows(world.drive.name) == []
    told = source.left_out(world.drive.name)[-1].what
    assert re.fullmatch(
        r"the ego jumps \d+ m 15\.0\d s after the start of the log: \d+ scenarios across it left out", told
    )


def test_the_map_of_another_place_is_refused(world: Any, tmp_path: Path) -> None:
    from roadcraft.scenario_io import ingest

    def report() -> Any:
        return ingest("nuplan", world.logs, tmp_path / "s", {"maps_root": str(world.maps)}, workers=1)

    spoil(world.log, "UPDATE ego_pose SET y = y + 5000")
    (skipped,) = report().skipped
    assert skipped.what == "the ego is on no lane and no drivable area of map us-ma-boston in any frame"
    assert skipped.remedy == "is it the right map?"
    half = int(world.drive.time_us[100])
    spoil(world.log, f"UPDATE ego_pose SET y = y - 5000 WHERE timestamp < {half}")
    again = report()
    assert again.skipped == ()
    assert any("of map us-ma-boston in 7" in w.what and w.what.endswith("% of the frames") for w in again.warnings)


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
    assert [name in s.where and "no route" in s.what for s in report.left_out] == [True]
    assert report.skipped == ()
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


# ---- maps ----------------------------------------------------------------------------


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


def test_a_folder_that_links_to_itself_holds_its_logs_once(world: Any) -> None:
    (world.logs / "again").symlink_to(world.logs, target_is_directory=True)
    assert world.source().logs() == [world.drive.name]


def test_the_maps_of_the_environment_are_taken_where_none_are_given(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.maps.rename(tmp_path / "elsewhere")
    monkeypatch.setenv("NUPLAN_MAPS_ROOT", str(tmp_path / "elsewhere"))
    assert NuplanSource(NuplanConfig(str(world.logs))).map(world.drive.name).name == "us-ma-boston"
    with pytest.raises(DataError, match=r"maps_root, or NUPLAN_MAPS_ROOT, must be"):
        NuplanSource(NuplanConfig(str(world.logs), str(tmp_path / "nowhere"))).map(world.drive.name)


def test_a_suite_on_raw_logs_names_the_folder_of_its_maps(world: Any, tmp_path: Path) -> None:
    from roadcraft.validation.scoring.suites import SuiteConfig, open_data

    world.maps.rename(tmp_path / "elsewhere")
    suite = SuiteConfig(data=str(world.logs), maps=str(tmp_path / "elsewhere"))
    assert open_data(suite).map(world.drive.name).name == "us-ma-boston"


def test_an_ingest_names_the_log_that_lacks_its_map(
    world: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from roadcraft.core.cli import main

    spoil(world.log, "UPDATE log SET map_version = 'us-tx-austin.gpkg'")
    with pytest.raises(SystemExit) as e:
        main(["ingest", "nuplan", str(world.logs), f"maps_root={world.maps}", "--out", str(tmp_path / "s"), "-w", "1"])
    assert e.value.code == 4
    assert (
        f"skipped: {world.drive.name}: {world.maps}/nuplan-maps-v1.0.json: location 'us-tx-austin'"
        in capsys.readouterr().err
    )


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
    "lanes_polygons", "lane_connectors", "gen_lane_connectors_scaled_width_polygons", "baseline_paths", "boundaries",
    "lane_groups_polygons",
    "lane_group_connectors", "intersections", "stop_polygons", "crosswalks", "walkways", "carpark_areas",
    "road_segments",
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
    [("lanes_polygons", "lane_index"), ("lane_connectors", "traffic_light_stop_line_fids"), ("baseline_paths",
    "lane_fid"),
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
        ("DELETE FROM gen_lane_connectors_scaled_width_polygons WHERE lane_connector_fid = 41", ("no feature for id 41",
        )),
        ("UPDATE lanes_polygons SET geom = NULL WHERE fid = 23", ("lanes_polygons, fid 23", "geometry")),
        ("UPDATE lanes_polygons SET geom = x'4750000300000000' WHERE fid = 23", ("lanes_polygons, fid 23", "geometry")),
        ("UPDATE boundaries SET geom = (SELECT geom FROM crosswalks) WHERE fid = 503", ("boundaries, fid 503", "line")),
        ("UPDATE crosswalks SET geom = (SELECT geom FROM boundaries) WHERE fid = 401", ("crosswalks, fid 401",
        "polygon")),
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
    source = world.source()
    m = source.map(world.drive.name)
    where = f"{world.package}: layer "
    assert {(w.where, w.what) for w in source.warnings(world.drive.name)} == {
        (where + "lane_connectors, fid 40", "exit_lane_fid names no feature of lanes_polygons (1 times)"),
        (where + "lane_connectors, fid 40", "traffic_light_stop_line_fids names no feature of stop_polygons (1 times)"),
        (where + "lanes_polygons, fid 15", "lane_group_fid names no feature of lane_groups_polygons (1 times)"),
        (where + "lanes_polygons, fid 15", "left_boundary_fid names no feature of boundaries (1 times)"),
    }
    assert m.lanes.predecessors[4].tolist() == []
    assert m.lanes.successors[0].tolist() == []
    assert m.lanes.stops[4].tolist() == [7]
    assert (m.lanes.block[1], m.lanes.left_line[1], len(m.lanes.left[1])) == (-1, -1, 0)
    assert m.blocks.lanes[0].tolist() == [0]
    assert m.blocks.intersection.tolist() == [-1, -1, -1]


def reshape(world: Any, layer: str, change: Any, *fids: int) -> None:
    """Applies ``change`` to the coordinates (P, 2) of features of a layer (all, if none is named)."""
    with closing(sqlite3.connect(world.package)) as db:
        rows = db.execute(f'SELECT fid, geom FROM "{layer}"').fetchall()
        for fid, blob in rows:
            shape = shapely.from_wkb(blob[40:])
            if not fids or fid in fids:
                if shape.geom_type == "LineString":
                    shape = shapely.LineString(change(shapely.get_coordinates(shape)))
                else:
                    shape = shapely.Polygon(change(shapely.get_coordinates(shape)))
                db.execute(f'UPDATE "{layer}" SET geom = ? WHERE fid = ?', (blob[:40] + shapely.to_wkb(shape), fid))
        db.commit()


REPEATS = {
    "first": lambda p: np.vstack([p[:1], p]),
    "middle": lambda p: np.vstack([p[: len(p) // 2 + 1], p[len(p) // 2 :]]),
    "last": lambda p: np.vstack([p, p[-1:], p[-1:]]),
    "nearly": lambda p: np.vstack([p, p[-1:] + 1e-13]),
    "all": lambda p: np.repeat(p, 2, axis=0),
}


@pytest.mark.parametrize("way", REPEATS)
def test_repeated_vertices_of_lines_are_one_and_told(world: Any, assert_same: Any, way: str) -> None:
    whole = read_map(world.maps, "us-ma-boston")
    for layer in ("baseline_paths", "boundaries"):
        reshape(world, layer, REPEATS[way])
    told: list[DataError] = []
    assert_same(read_map(world.maps, "us-ma-boston", told), whole)
    assert [t.where.split("layer ")[1].split(",")[0] for t in told] == ["boundaries", "baseline_paths"]
    assert all(t.what.endswith(" repeated vertices of lines left out") for t in told)


@pytest.mark.parametrize(("layer", "fid"), [("baseline_paths", 2), ("boundaries", 503)])
def test_a_line_without_length_is_refused(world: Any, layer: str, fid: int) -> None:
    reshape(world, layer, lambda p: np.repeat(p[:1], 3, axis=0), fid)
    map_fault(world, f"layer {layer}, fid {fid}", "a line without length")


def test_a_polygon_that_crosses_itself_is_told(world: Any) -> None:
    reshape(world, "crosswalks", lambda p: p[[0, 2, 1, 3, 0]])
    told: list[DataError] = []
    read_map(world.maps, "us-ma-boston", told)
    (t,) = told
    assert t.where == f"{world.package}: layer crosswalks, fid 401"
    assert t.what.startswith("1 polygons cross themselves")


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

    def counted(root: Path, location: str, told: Any) -> MapData:
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
