"""Argoverse 2: real logs where they lie beside the checkout, and files made here for everything that can be wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from command_line import roadcraft
from made_argoverse import (
    EGO_MPS,
    EGO_Y,
    MOTION_NAME,
    SENSOR_NAME,
    annotation_rows,
    motion_rows,
    road,
    stamps,
    write_motion,
    write_sensor,
)
from pyarrow import feather, parquet

from roadcraft.core.data.map import AreaKind, LaneKind
from roadcraft.core.data.scenario import Ego, ObjectKind
from roadcraft.core.errors import DataError
from roadcraft.scenario_io import ScenarioFilter, ingest, open_source, select
from roadcraft.scenario_io.open import detect

REAL = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("argoverse")
    write_sensor(root / "sensor")
    write_motion(root / "motion")
    return root


@pytest.fixture(scope="module")
def sensor(logs: Path) -> Any:
    return open_source(logs / "sensor")


@pytest.fixture(scope="module")
def motion(logs: Path) -> Any:
    return open_source(logs / "motion")


def test_the_format_is_told_by_the_files(logs: Path, tmp_path: Path) -> None:
    assert detect(logs / "sensor") == detect(logs / "motion") == "argoverse2"
    with pytest.raises(DataError, match=r"accepted: .*Argoverse 2 logs"):
        open_source(tmp_path)


def test_one_scenario_of_each_log(sensor: Any, motion: Any) -> None:
    for source, name, window_s, kind in (
        (sensor, SENSOR_NAME, 15.0, "argoverse2_sensor"),
        (motion, MOTION_NAME, 9.7, "argoverse2_motion"),
    ):
        [log] = source.logs()
        assert log == f"val/{name}"
        [row] = source.rows(log)
        assert (row.split, row.map_name, row.source) == ("val", f"av2_{name}", kind)
        assert kind in row.tags
        assert "NC" in row.licence
        assert (row.last_us - row.first_us) * 1e-6 == pytest.approx(window_s, abs=0.02)
        scenario = source.scenario(row, row.tags[0], (row.first_us, row.last_us))
        assert scenario.token == f"{int(scenario.drive.token[scenario.anchor]):016x}"
        assert scenario.anchor == scenario.first
    assert "argoverse2_motion_focal_bus" in motion.rows(motion.logs()[0])[0].tags


def test_the_ego_drives_as_it_was_made_to(sensor: Any, motion: Any) -> None:
    """Poses one nanosecond apart, uneven stamps and the two positions of a motion log that are off change no speed."""
    for source, frames in ((sensor, 156), (motion, 108)):
        ego = source.drive(source.logs()[0]).ego
        assert len(ego) == frames
        np.testing.assert_allclose(ego[:, Ego.VX], EGO_MPS, atol=1e-3)
        np.testing.assert_allclose(ego[:, [Ego.VY, Ego.AX, Ego.AY, Ego.YAW_RATE, Ego.STEERING]], 0.0, atol=0.02)
        np.testing.assert_allclose(ego[:, Ego.Y], EGO_Y, atol=1e-9)
    drive = sensor.drive(sensor.logs()[0])
    np.testing.assert_array_equal(drive.time_us, stamps() // 1000)
    np.testing.assert_allclose(drive.ego[:, Ego.X], 10.0 + EGO_MPS * (stamps() - stamps()[0]) * 1e-9, atol=1e-6)


def test_boxes_come_out_where_they_were_put(sensor: Any) -> None:
    drive = sensor.drive(sensor.logs()[0])
    seconds = (stamps() - stamps()[0]) * 1e-9
    o, kinds = drive.objects, drive.tracks.kind
    assert sorted(kinds.tolist()) == [ObjectKind.VEHICLE] * 3 + [ObjectKind.TRAFFIC_CONE]
    cone = int(np.flatnonzero(kinds == ObjectKind.TRAFFIC_CONE)[0])
    np.testing.assert_allclose(o.box[o.track == cone], [[80.0, -5.0, 0.0, 0.4, 0.4]] * 156, atol=1e-9)
    assert not o.velocity[o.track == cone].any()
    [car] = (n for n in range(4) if np.allclose(o.box[o.track == n][0], [30.0, 1.75, 0.0, 4.5, 1.9]))
    np.testing.assert_allclose(o.box[o.track == car][:, 0], 30.0 + 9.0 * seconds, atol=1e-6)
    np.testing.assert_allclose(o.velocity[o.track == car], [[9.0, 0.0]] * 156, atol=0.02)


def test_cab_and_trailer_are_one_vehicle_that_keeps_its_length(sensor: Any) -> None:
    """Far boxes of the trailer, pulled towards the cab, are put where the near ones say that it hangs."""
    log = sensor.logs()[0]
    drive = sensor.drive(log)
    tracks, o = drive.tracks, drive.objects
    [trailer] = np.flatnonzero(tracks.unit == 1)
    cab = tracks.vehicle[trailer]
    assert tracks.vehicle[cab] == cab
    assert tracks.unit[cab] == 0
    apart = o.box[o.track == cab][:, 0] - o.box[o.track == trailer][:, 0]
    np.testing.assert_allclose(apart, 9.0, atol=1e-6)
    [note] = sensor.warnings(log)
    assert "boxes of trailers farther than 60 m" in str(note)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"ty_m": 4.0}, "beside"),
        ({"tx_m": -12.0}, "too far behind"),
        ({"qw": float(np.cos(0.2)), "qz": float(np.sin(0.2))}, "on another course"),
    ],
)
def test_who_goes_not_with_a_cab_is_no_trailer_of_it(tmp_path: Path, change: dict[str, float], why: str) -> None:
    rows = annotation_rows(stamps())
    for row in rows:
        if row["track_uuid"] == "trailer":
            row |= {k: v + (row[k] if k.startswith("t") else 0.0) for k, v in change.items()}
    write_sensor(tmp_path, annotations=rows)
    source = open_source(tmp_path)
    assert not source.drive(source.logs()[0]).tracks.unit.any(), why


def test_motion_logs_have_usual_sizes_and_say_so(motion: Any) -> None:
    [log] = motion.logs()
    drive = motion.drive(log)
    notes = " ".join(map(str, motion.warnings(log)))
    assert "no box sizes" in notes
    assert "hovercraft" in notes
    counts = np.bincount(drive.objects.track)
    assert sorted(counts.tolist()) == [30, 108, 108]
    bus = int(np.flatnonzero(drive.objects.box[:, 3] == 12.0)[0])
    np.testing.assert_allclose(drive.objects.velocity[bus], [7.0, 0.0], atol=1e-6)  # of its positions: the column lags


def test_the_av_of_a_motion_log_may_be_given_by_its_center(logs: Path, motion: Any) -> None:
    other = open_source(logs / "motion", motion_pose="center")
    axle, center = (s.drive(s.logs()[0]).ego for s in (motion, other))
    np.testing.assert_allclose(axle[:, Ego.X] - center[:, Ego.X], 1.339, atol=1e-9)


def test_the_lane_graph(sensor: Any) -> None:
    m = sensor.map(sensor.logs()[0])
    lanes, row = m.lanes, {int(k): i for i, k in enumerate(m.lanes.id)}
    assert sorted(row) == [1, 2, 3, 4, 5, 6]  # without the bicycles' lane
    assert [int(k) for k in lanes.id[lanes.kind == LaneKind.CONNECTOR]] == [4, 5]
    # links that one side alone names hold for both; what lies outside of the map is left out
    assert [lanes.id[i].tolist() for i in (lanes.successors[row[1]], lanes.successors[row[2]])] == [[4], [5]]
    assert lanes.id[lanes.predecessors[row[5]]].tolist() == [2]
    assert lanes.id[lanes.predecessors[row[6]]].tolist() == [5]
    assert not len(lanes.successors[row[3]])
    # the left neighbor in the other direction shares no road block, the right one does
    assert lanes.block[row[1]] == lanes.block[row[2]] != lanes.block[row[3]]
    assert [int(lanes.lane_index[row[k]]) for k in (1, 2)] == [0, 1]
    assert not lanes.has_speed_limit.any()
    assert not lanes.has_light.any()
    center = lanes.centerlines[row[3]]
    np.testing.assert_allclose(center[[0, -1]], [[100.0, 5.25], [0.0, 5.25]])
    assert np.linalg.norm(np.diff(center, axis=0), axis=1).max() <= 0.5 + 1e-9
    assert len(m.areas.of(AreaKind.INTERSECTION)) == 1
    assert len(m.areas.of(AreaKind.CROSSWALK)) == 1
    assert len(m.areas.of(AreaKind.GENERIC_DRIVABLE)) == 1
    shared = m.lanes.left_line[row[3]]
    assert shared == m.lanes.left_line[row[1]]  # one boundary for both directions


def test_the_route_leads_through_the_intersection(sensor: Any) -> None:
    log = sensor.logs()[0]
    drive, m = sensor.drive(log), sensor.map(log)
    blocks = m.lanes.block[[int(np.flatnonzero(m.lanes.id == k)[0]) for k in (2, 5, 6)]]
    assert drive.scenes.route[0].tolist() == m.blocks.id[blocks].tolist()
    np.testing.assert_allclose(drive.scenes.goal[0], drive.ego[-1, :3])


def test_ingested_they_can_be_driven(logs: Path, tmp_path: Path) -> None:
    for name in ("sensor", "motion"):
        done = roadcraft("ingest", "auto", logs / name, "--out", tmp_path / name, "-w", 1)
        assert done.returncode == 0
        assert "1 drives with 1 scenarios added" in done.stdout
        store = open_source(tmp_path / name)
        original = open_source(logs / name)
        [log] = store.logs()
        np.testing.assert_array_equal(store.drive(log).ego, original.drive(original.logs()[0]).ego)
        assert store.map(log).content_hash == original.map(original.logs()[0]).content_hash
        assert replay_score(tmp_path / name, tmp_path / f"run-{name}") > 0.99


def replay_score(store: Path, out: Path) -> float:
    """What following the log scores in the one scenario of a store."""
    words = ["score", "planner=log_replay", f"data={store}", "filter={preset: all}", "workers=1", "vehicle=log"]
    done = roadcraft(*words, "modes=[nonreactive]", "--out", out)
    assert done.returncode == 0, done.stderr
    [score] = parquet.read_table(out / "scores.parquet")["score"].to_pylist()
    return float(score)


def test_a_scenario_is_found_by_its_tag(logs: Path, tmp_path: Path) -> None:
    ingest(None, logs, tmp_path / "both", {}, workers=1)
    rows = open_source(tmp_path / "both").iter_rows()
    found = select(rows, ScenarioFilter(scenario_types=("argoverse2_sensor",)))
    assert [s.row.log for s in found] == [f"sensor/val/{SENSOR_NAME}"]


def broken_map(change: Any) -> dict[str, Any]:
    raw = road()
    change(raw["lane_segments"])
    return raw


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("annotations.feather", b"", r"annotations.feather: the file cannot be read.*copy it anew"),
        ("annotations.feather", b"ARROW1\0\0 cut", r"annotations.feather: the file cannot be read"),
        ("city_SE3_egovehicle.feather", b"\0" * 100, r"city_SE3_egovehicle.feather: the file cannot be read"),
        ("map", b'{"lane_segments": {', r"log_map_archive.*the map cannot be read"),
        ("map", b"\xff\xfe", r"log_map_archive.*the map cannot be read"),
        ("map", b"[]", r"the map is a list, not an object"),
        ("map", b"{}", r"the map has no lane for vehicles"),
        ("map", b'{"lane_segments": [1]}', r"lane_segments is no mapping from ids to objects"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    folder = write_sensor(tmp_path, frames=20)
    path = next(folder.glob("map/*.json")) if name == "map" else folder / name
    path.write_bytes(content)
    source = open_source(tmp_path)
    with pytest.raises(DataError, match=says):
        source.rows(source.logs()[0])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: s["1"].pop("left_lane_boundary"), r"lane segment 1, left_lane_boundary: 0 distinct points"),
        (lambda s: s["2"].update(right_lane_boundary=[{"x": 1.0}]), r"lane segment 2, .*no list of points"),
        (
            lambda s: s["2"]["right_lane_boundary"][1].update(y=float("nan")),
            r"right_lane_boundary, point 1.*not finite",
        ),
        (lambda s: s["3"].update(id=1), r"lane segment 1: 1 ids are those of several lane segments"),
        (lambda s: s["3"].update(id="3"), r"id '3', which is no integer"),
        (lambda s: s["3"].update(successors=["x"]), r"lane segment 3: successors is \['x'\], not ids"),
    ],
)
def test_what_a_map_lacks_is_named(tmp_path: Path, change: Any, says: str) -> None:
    write_sensor(tmp_path, frames=20, map=broken_map(change))
    source = open_source(tmp_path)
    with pytest.raises(DataError, match=says):
        source.map(source.logs()[0])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.drop_columns(["qw"]), r"annotations.feather: there is no column qw"),
        (lambda t: t.set_column(7, "qw", pa.array([2.0] * len(t))), r"quaternions have not length 1, the first 2"),
        (
            lambda t: t.set_column(0, "timestamp_ns", pa.array(["x"] * len(t))),
            r"column timestamp_ns is string, not int",
        ),
        (
            lambda t: t.set_column(4, "length_m", pa.array([None] * len(t), pa.float64())),
            r"column length_m has no value",
        ),
        (lambda t: t.slice(0, 0), r"the file has no rows"),
    ],
)
def test_what_a_table_lacks_is_named(tmp_path: Path, change: Any, says: str) -> None:
    folder = write_sensor(tmp_path, frames=20)
    table = feather.read_table(folder / "annotations.feather")
    table = table.select(["timestamp_ns", "track_uuid", "category", "num_interior_pts", "length_m", "width_m",
                          "height_m", "qw", "qx", "qy", "qz", "tx_m", "ty_m", "tz_m"])  # fmt: skip
    feather.write_feather(change(table), folder / "annotations.feather")
    source = open_source(tmp_path)
    with pytest.raises(DataError, match=says):
        source.rows(source.logs()[0])


def test_impossible_boxes_are_left_out_and_told(tmp_path: Path) -> None:
    rows = annotation_rows(stamps())
    rows[4]["tx_m"] = float("inf")
    rows[8]["length_m"] = -1.0
    write_sensor(tmp_path, annotations=rows)
    source = open_source(tmp_path)
    told = " ".join(map(str, source.left_out(source.logs()[0])))
    assert "2 boxes left out" in told


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda rows: [r for r in rows if r["track_id"] != "AV"], r"the track AV of the ego is missing"),
        (lambda rows: [r for r in rows if r["track_id"] != "AV" or r["timestep"] != 60], r"too short or has gaps"),
        (lambda rows: [*rows, rows[3]], r"a track has several rows for a timestep"),
        (lambda rows: [{**rows[0], "heading": float("nan")}, *rows[1:]], r"poses are not finite"),
    ],
)
def test_a_motion_log_that_cannot_be_used(tmp_path: Path, change: Any, says: str) -> None:
    write_motion(tmp_path, rows=change(motion_rows()))
    source = open_source(tmp_path)
    with pytest.raises(DataError, match=says):
        source.rows(source.logs()[0])


def test_a_test_split_has_nothing_to_drive(tmp_path: Path) -> None:
    folder = write_sensor(tmp_path, split="test", frames=20)
    (folder / "annotations.feather").unlink()
    report = ingest("argoverse2", tmp_path, tmp_path / "store", {}, workers=1)
    [skipped] = report.skipped
    assert "no annotations.feather" in skipped.what
    write_motion(tmp_path / "motion", split="test", rows=motion_rows(12))
    source = open_source(tmp_path / "motion")
    [why] = source.left_out(source.logs()[0])
    assert "too short to drive" in str(why)


def test_a_log_without_a_map_says_what_to_copy(tmp_path: Path) -> None:
    path = write_motion(tmp_path)
    next(path.parent.glob("*.json")).unlink()
    source = open_source(path)
    with pytest.raises(DataError, match=r"no map.*copy log_map_archive"):
        source.map(source.logs()[0])


@pytest.mark.skipif(not (REAL / "argoverse2_sensor").is_dir(), reason="the real logs lie beside the checkout only")
@pytest.mark.parametrize(("folder", "tracks", "least"), [("argoverse2_sensor", 146, 0.95), ("argoverse2", 57, 0.85)])
def test_real_logs(folder: str, tracks: int, least: float, tmp_path: Path) -> None:
    """Of the motion log the braking of its ego costs the comfort: a jerk of -5.6 m/s3 where 4.13 are allowed."""
    source = open_source(REAL / folder)
    [log] = source.logs()
    drive, m = source.drive(log), source.map(log)
    assert len(drive.tracks) == tracks
    assert len(drive.scenes.route[0]) >= 2
    assert drive.ego[:, Ego.VX].min() > -0.1
    ends = [
        m.lanes.centerlines[i][-1] - m.lanes.centerlines[int(s)][0]
        for i in range(len(m.lanes))
        for s in m.lanes.successors[i]
    ]
    assert np.linalg.norm(ends, axis=1).max() < 0.5
    ingest(None, REAL / folder, tmp_path / "store", {}, workers=1)
    assert replay_score(tmp_path / "store", tmp_path / "run") >= least
