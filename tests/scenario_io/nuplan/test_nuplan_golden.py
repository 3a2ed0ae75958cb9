"""Logs and maps of the reference's drives: what we read equals what the reference simulated with."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roadcraft.core.data.map import AreaKind, LaneKind
from roadcraft.core.data.scenario import Ego, LightState, ObjectKind, Scenario
from roadcraft.core.data.windows import window
from roadcraft.scenario_io.filters import window_of
from roadcraft.scenario_io.nuplan import NuplanSource, write_drive, write_maps
from roadcraft.scenario_io.nuplan.rotation import yaw_of

Same = Callable[..., None]


@pytest.fixture(scope="module")
def golden(shared: Path) -> Path:
    return shared / "golden" / "nuplan"


@pytest.fixture(scope="module")
def source(golden: Path) -> NuplanSource:
    return NuplanSource(golden / "logs", golden / "maps")


def drives(golden: Path) -> Iterator[dict[str, Any]]:
    """One drive of each token and mode of observation."""
    seen = set()
    for path in sorted((golden / "drives").glob("*.json.gz")):
        challenge, _, token = path.name.removesuffix(".json.gz").split(".")
        kind = (token, "reactive_agents" in challenge and "nonreactive" not in challenge)
        if kind not in seen:
            seen.add(kind)
            with gzip.open(path) as f:
                yield json.load(f)


def observed(s: Scenario, step: int) -> list[list[Any]]:
    d, rows = s.drive, s.drive.objects.rows(int(s.frames[step]))
    ids = d.tracks.id[d.objects.track[rows]]
    columns = np.column_stack([d.objects.box[rows], d.objects.velocity[rows]]).tolist()
    return [[f"{int(i):016x}", *values] for i, values in zip(ids, columns, strict=True)]


def light_changes(s: Scenario) -> list[list[Any]]:
    out: list[list[Any]] = []
    for step in range(len(s) - 1):
        rows = s.drive.lights.rows(int(s.frames[step]))
        pairs = zip(s.drive.lights.lane[rows], s.drive.lights.state[rows], strict=True)
        now = sorted([str(lane), LightState(state).name] for lane, state in pairs)
        if not out or now != out[-1][1]:
            out.append([step, now])
    return out


def test_scenarios_equal_the_reference(golden: Path, source: NuplanSource) -> None:
    rows = {r.token: r for log in source.logs() for r in source.rows(log)}
    tokens = set()
    for want in drives(golden):
        row, kind = rows[want["token"]], want["scenario_type"]
        s = source.scenario(row, kind, window_of(row, kind))
        where = f"{want['drive']}"
        assert s.log == want["log"], where
        assert kind == "unknown" or kind in s.tags, where
        assert len(s) == want["iterations"], where
        assert s.time_us.tolist() == [e[0] for e in want["expert"]], where
        assert s.expert[:, : Ego.STEERING].tolist() == [e[1:] for e in want["expert"]], where
        assert [str(b) for b in s.route] == want["route_roadblock_ids"], where
        assert light_changes(s) == want["traffic_lights"], where
        types = {
            f"{int(i):016x}": ObjectKind(k).name.lower()
            for i, k in zip(s.drive.tracks.id, s.drive.tracks.kind, strict=True)
        }
        assert want["object_types"].items() <= types.items(), where
        if "nonreactive" in want["challenge"]:
            assert [observed(s, step) for step in range(len(want["objects"]))] == want["objects"], where
        tokens.add(want["token"])
    assert len(tokens) >= 29


def test_windows_are_cut_from_drives(source: NuplanSource, assert_same: Same) -> None:
    for log in source.logs()[::4]:
        drive = source.drive(log)
        for row in [r for r in source.rows(log) if r.tags]:
            s = source.scenario(row, row.tags[-1], window_of(row, row.tags[-1]))
            shift = int(np.searchsorted(drive.time_us, s.drive.time_us[0]))
            assert_same(s.drive, window(drive, shift, shift + len(s.drive) - 1))
            # 22 earlier states are in the reference's history, 8 s of the future in its log-future planner.
            assert len(s.past(22)) == 22
            assert s.drive.time_us[-1] >= min(s.time_us[-1] + 8_050_000, drive.time_us[-1])


def test_logs_and_maps_survive_writing(source: NuplanSource, tmp_path: Path, assert_same: Same) -> None:
    for log in source.logs()[::5]:
        write_drive(source.drive(log), source.map(log), tmp_path / "logs" / f"{log}.db")
    write_maps([source.location(name) for name in ("us-ma-boston", "us-nv-las-vegas-strip")], tmp_path / "maps")
    again = NuplanSource(tmp_path)
    assert again.logs() == source.logs()[::5]
    for log in again.logs():
        assert_same(again.drive(log), source.drive(log))
        assert_same(again.map(log), source.map(log), within=1e-6)
        assert [(r.token, r.tags, r.has_goal) for r in again.rows(log)] == [
            (r.token, r.tags, r.has_goal) for r in source.rows(log)
        ]


def test_one_query_per_frame_gives_the_same(golden: Path, source: NuplanSource, tmp_path: Path) -> None:
    """A slow twin that asks as the reference does, frame by frame, on a database with shuffled rows and no indices."""
    log = source.logs()[-1]
    path = tmp_path / f"{log}.db"
    path.write_bytes((golden / "logs" / path.name).read_bytes())
    with closing(sqlite3.connect(path)) as db:
        for (index,) in db.execute(
            "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        ).fetchall():
            db.execute(f"DROP INDEX {index}")
        for table in ("lidar_box", "ego_pose", "lidar_pc", "traffic_light_status"):
            db.execute(f"CREATE TABLE shuffled AS SELECT * FROM {table} ORDER BY substr(hex(token), 5)")
            db.execute(f"DROP TABLE {table}")
            db.execute(f"ALTER TABLE shuffled RENAME TO {table}")
        db.commit()
        drive = NuplanSource(tmp_path, golden / "maps").drive(log)
        frames = db.execute("SELECT token, timestamp, ego_pose_token FROM lidar_pc ORDER BY timestamp").fetchall()
        for i in range(0, len(drive), 23):
            token, time, pose = frames[i]
            assert (int.from_bytes(token), time) == (int(drive.token[i]), int(drive.time_us[i]))
            q = "SELECT x, y, qw, qx, qy, qz, vx, vy, acceleration_x, acceleration_y FROM ego_pose WHERE token = ?"
            e = db.execute(q, (pose,)).fetchone()
            assert drive.ego[i].tolist() == [e[0], e[1], yaw_of(*e[2:6]), *e[6:], 0, 0, 0]
            q = (
                "SELECT b.track_token, c.name, b.x, b.y, b.yaw, b.length, b.width, b.vx, b.vy FROM lidar_box b JOIN "
                "track t ON "
                "t.token = b.track_token JOIN category c ON c.token = t.category_token WHERE b.lidar_pc_token = ? "
                "ORDER BY b.rowid"
            )
            want = sorted(db.execute(q, (token,)).fetchall(), key=lambda r: ObjectKind[r[1].upper()])
            rows = drive.objects.rows(i)
            assert [r[2:7] for r in want] == [tuple(b) for b in drive.objects.box[rows].tolist()]
            assert [int.from_bytes(r[0]) for r in want] == drive.tracks.id[drive.objects.track[rows]].tolist()
            moving = [list(r[7:]) if ObjectKind[r[1].upper()] <= ObjectKind.BICYCLE else [0.0, 0.0] for r in want]
            assert moving == drive.objects.velocity[rows].tolist()


@pytest.mark.parametrize("location", ["us-ma-boston", "us-nv-las-vegas-strip"])
def test_maps_equal_what_pyogrio_reads(golden: Path, source: NuplanSource, location: str) -> None:
    """An independent reader: GDAL through pyogrio, projected as geopandas does."""
    raw = pytest.importorskip("pyogrio.raw")
    pyproj = pytest.importorskip("pyproj")
    shapely = pytest.importorskip("shapely")
    m = source.location(location)
    file = golden / "maps" / location / m.version / "map.gpkg"
    to_metres = pyproj.Transformer.from_crs("EPSG:4326", f"EPSG:{m.epsg}", always_xy=True).transform

    def layer(name: str) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        meta, fids, wkb, data = raw.read(file, layer=name, return_fids=True)
        geometry = shapely.from_wkb(wkb)
        points = np.column_stack(to_metres(*shapely.get_coordinates(geometry).T))
        return fids, shapely.set_coordinates(geometry, points), dict(zip(meta["fields"], data, strict=True))

    fids, polygons, columns = layer("lanes_polygons")
    lanes = m.lanes.kind == LaneKind.LANE
    assert m.lanes.id[lanes].tolist() == fids.tolist()
    assert m.lanes.lane_index[lanes].tolist() == columns["lane_index"].tolist()
    limits = columns["speed_limit_mps"].astype(float)
    assert m.lanes.has_speed_limit[lanes].tolist() == np.isfinite(limits).tolist()
    assert m.lanes.speed_limit_mps[lanes].tolist() == np.nan_to_num(limits).tolist()
    for row, polygon in zip(np.flatnonzero(lanes), polygons, strict=True):
        assert np.array_equal(m.lanes.polygons[row][0], shapely.get_coordinates(polygon))
    fids, _, columns = layer("lane_connectors")
    assert m.lanes.id[~lanes].tolist() == fids.tolist()
    for row, comes, leads in zip(
        np.flatnonzero(~lanes), columns["exit_lane_fid"], columns["entry_lane_fid"], strict=True
    ):
        assert m.lanes.id[m.lanes.predecessors[row]].tolist() == [comes]
        assert m.lanes.id[m.lanes.successors[row]].tolist() == [leads]
        assert row in m.lanes.successors[m.lanes.predecessors[row][0]]
    _, centers, columns = layer("baseline_paths")
    owner = np.where(np.isnan(columns["lane_fid"]), columns["lane_connector_fid"], columns["lane_fid"]).astype(int)
    for line, row in zip(centers, m.lane_rows(owner), strict=True):
        assert np.array_equal(m.lanes.centerlines[row], shapely.get_coordinates(line))
    for kind, name in (
        (AreaKind.ROAD_SEGMENT, "road_segments"),
        (AreaKind.CARPARK, "carpark_areas"),
        (AreaKind.STOP, "stop_polygons"),
    ):
        fids, areas, _ = layer(name)
        rows = m.areas.of(kind)
        assert m.areas.id[rows].tolist() == fids.tolist()
        for row, area in zip(rows, areas, strict=True):
            assert np.array_equal(m.areas.polygons[row][0], shapely.get_coordinates(area))
