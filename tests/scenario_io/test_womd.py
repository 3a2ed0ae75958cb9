"""Waymo Motion: real scenarios where they lie beside the checkout, and messages built here for everything that can be
wrong."""

from __future__ import annotations

import builtins
import gc
import math
import struct
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from roadcraft.core.cli import main
from roadcraft.core.config.factory import create
from roadcraft.core.data.map import AreaKind, LaneKind, LineKind
from roadcraft.core.data.scenario import Ego, LightState, ObjectKind
from roadcraft.core.errors import DataError
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.scenario_io.filters import find
from roadcraft.scenario_io.ingestion import ingest
from roadcraft.scenario_io.lane_graph.shapes import dense
from roadcraft.scenario_io.open import open_source
from roadcraft.scenario_io.store.store import Store
from roadcraft.scenario_io.womd import protos, tfrecord
from roadcraft.scenario_io.womd.config import WomdConfig
from roadcraft.scenario_io.womd.source import WomdSource
from roadcraft.validation import simulate

pytest.importorskip("waymo_open_dataset.protos.scenario_pb2", reason=protos.INSTALL)
STEPS, ANCHOR = 31, 10


def lane(message: Any, id: int, points, exits=(), entries=(), mph=25.0, kind=2) -> Any:
    feature = message.map_features.add(id=id)
    feature.lane.type, feature.lane.speed_limit_mph = kind, mph
    for x, y in points:
        feature.lane.polyline.add(x=x, y=y)
    feature.lane.exit_lanes.extend(exits)
    feature.lane.entry_lanes.extend(entries)
    return feature.lane


def edge(message: Any, id: int, points) -> None:
    feature = message.map_features.add(id=id)
    feature.road_edge.type = 1
    for x, y in points:
        feature.road_edge.polyline.add(x=x, y=y)


def track(
    message: Any, id: int, kind: int, x0: float, y: float, speed: float, box=(4.5, 2.0), valid=range(STEPS)
) -> None:
    t = message.tracks.add(id=id, object_type=kind)
    for i in range(STEPS):
        if i in valid:
            t.states.add(
                center_x=x0 + 0.1 * speed * i,
                center_y=y,
                heading=0.0,
                velocity_x=speed,
                length=box[0],
                width=box[1],
                height=1.5,
                valid=True,
            )
        else:
            t.states.add(center_z=-1.6e-4, valid=False)


def straight(x0: float, x1: float, y: float) -> list[tuple[float, float]]:
    return [(x, y) for x in np.arange(x0, x1 + 0.25, 0.5)]


def message(scenario_id: str = "00000000000000ab") -> Any:
    """A road east with two lanes (1 right, 2 left), a signalised connector ahead of lane 1 (3), a left turn from it
    (4), and lane 5 beyond."""
    m = protos.scenario_class()(scenario_id=scenario_id, current_time_index=ANCHOR, sdc_track_index=1)
    m.timestamps_seconds.extend(0.1 * i for i in range(STEPS))
    track(m, 77, 1, 30.0, 0.0, 10.0)
    track(m, 42, 1, 10.0, 0.0, 10.0, box=(5.286, 2.332))
    track(m, 7, 2, 60.0, -8.0, 1.0, box=(0.8, 0.8), valid=range(5, 20))
    track(m, 8, 4, 50.0, 8.0, 2.0)
    right = lane(m, 1, straight(0, 80, 0.0), exits=[3, 4])
    left = lane(m, 2, straight(0, 80, 3.6))
    right.left_neighbors.add(
        feature_id=2, self_start_index=0, self_end_index=160, neighbor_start_index=0, neighbor_end_index=160
    )
    left.right_neighbors.add(
        feature_id=1, self_start_index=0, self_end_index=160, neighbor_start_index=0, neighbor_end_index=160
    )
    lane(m, 3, straight(80, 110, 0.0), exits=[5], entries=[1])
    turn = [(80 + 15 * math.sin(a), 15 - 15 * math.cos(a)) for a in np.linspace(0, math.pi / 2, 40)]
    lane(m, 4, turn, entries=[1])
    lane(m, 5, straight(110, 200, 0.0), entries=[3], mph=0.0)
    lane(m, 6, straight(0, 200, -4.0), kind=3)
    edge(m, 20, [(0.0, -6.0), (200.0, -6.0)])
    edge(m, 21, [(200.0, 5.4), (97.0, 5.4), (97.0, 40.0)])
    edge(m, 22, [(92.0, 40.0), (92.0, 5.4), (0.0, 5.4)])
    for _ in range(STEPS):
        state = m.dynamic_map_states.add().lane_states.add(lane=3, state=4)
        state.stop_point.x, state.stop_point.y = 80.5, 0.0
    sign = m.map_features.add(id=30).stop_sign
    sign.lane.append(2)
    sign.position.x, sign.position.y = 79.0, 6.0
    walk = m.map_features.add(id=31).crosswalk
    for x, y in ((82, -6), (85, -6), (85, 6), (82, 6)):
        walk.polygon.add(x=x, y=y)
    m.tracks_to_predict.add(track_index=0)
    m.objects_of_interest.append(77)
    return m


def write(path: Path, *messages: Any) -> Path:
    path.write_bytes(b"".join(tfrecord.frame(m.SerializeToString()) for m in messages))
    return path


@pytest.fixture
def source(tmp_path) -> WomdSource:
    return WomdSource(WomdConfig(str(write(tmp_path / "a.tfrecord", message()))))


def test_ego(source):
    drive = source.drive(source.logs()[0])
    offset = load_vehicle("pacifica").body.axle_to_center_m
    np.testing.assert_allclose(drive.ego[:, Ego.X], 10.0 + np.arange(STEPS) - offset, atol=1e-9)
    np.testing.assert_allclose(drive.ego[:, Ego.VX], 10.0, atol=1e-6)
    np.testing.assert_allclose(drive.ego[:, Ego.VY :], 0.0, atol=1e-4)
    assert drive.time_us[1] - drive.time_us[0] == 100_000
    assert f"{int(drive.token[ANCHOR]):016x}" == "00000000000000ab"
    assert len(set(drive.token.tolist())) == STEPS


def test_a_circle_gives_its_own_rates(tmp_path):
    m = message()
    radius, speed = 20.0, 8.0
    w = speed / radius
    for i, s in enumerate(m.tracks[1].states):
        a = 0.1 * i * w
        s.center_x, s.center_y, s.heading = radius * math.sin(a), -radius * math.cos(a), a
        s.velocity_x, s.velocity_y = speed * math.cos(a), speed * math.sin(a)
    ego = WomdSource(WomdConfig(str(write(tmp_path / "a.tfrecord", m)))).drive("a.tfrecord#00000").ego[2:-2]
    offset = load_vehicle("pacifica").body.axle_to_center_m
    np.testing.assert_allclose(ego[:, Ego.YAW_RATE], w, rtol=1e-4)
    np.testing.assert_allclose(ego[:, Ego.VX], speed, rtol=1e-4)
    np.testing.assert_allclose(ego[:, Ego.VY], -offset * w, rtol=1e-3)
    np.testing.assert_allclose(ego[:, Ego.AY], speed * w, rtol=2e-3)
    np.testing.assert_allclose(ego[:, Ego.AX], offset * w * w, rtol=2e-2)


def test_released_drives_leave_memory(source):
    log = source.logs()[0]
    drive = weakref.ref(source.drive(log))
    gc.collect()
    assert drive() is not None
    source.release()
    gc.collect()
    assert drive() is None
    assert source.drive(log).name == source.rows(log)[0].token


def test_objects_are_told_by_valid_alone(source):
    d = source.drive(source.logs()[0])
    assert [ObjectKind(k) for k in d.tracks.kind] == [
        ObjectKind.VEHICLE,
        ObjectKind.GENERIC_OBJECT,
        ObjectKind.PEDESTRIAN,
    ]
    assert d.tracks.id.tolist() == [77, 8, 7]
    counts = np.diff(d.objects.offsets)
    assert counts.tolist() == [3 if 5 <= i < 20 else 2 for i in range(STEPS)]
    rows = d.objects.rows(10)
    assert d.objects.track[rows].tolist() == [0, 1, 2]
    np.testing.assert_allclose(d.objects.box[rows][0], [40.0, 0.0, 0.0, 4.5, 2.0])
    np.testing.assert_allclose(d.objects.velocity[rows], [[10, 0], [0, 0], [1, 0]])


def test_lights(source):
    d = source.drive(source.logs()[0])
    assert set(d.lights.lane.tolist()) == {3}
    assert set(d.lights.state.tolist()) == {LightState.RED}
    assert len(d.lights) == STEPS


def test_lanes(source):
    m = source.map(source.logs()[0])
    assert m.lanes.id.tolist() == [1, 2, 5, 3, 4]  # lanes, then connectors; the bike lane is left out
    assert m.lanes.kind.tolist() == [LaneKind.LANE] * 3 + [LaneKind.CONNECTOR] * 2
    assert m.lanes.block.tolist() == [0, 0, 1, 2, 3]
    assert m.lanes.lane_index.tolist() == [1, 0, 0, 0, 0]
    np.testing.assert_allclose(m.lanes.speed_limit_mps[0], 25 * 0.44704)
    assert m.lanes.has_speed_limit.tolist() == [True, True, False, True, True]
    assert m.lanes.has_light.tolist() == [False, False, False, True, False]
    assert m.lanes.successors[0].tolist() == [3, 4]
    assert m.lanes.predecessors[2].tolist() == [3]
    assert m.blocks.successors[0].tolist() == [2, 3]
    assert m.areas.kind[m.blocks.intersection[2]] == AreaKind.INTERSECTION
    left, right = m.lanes.left[0][80], m.lanes.right[0][80]
    np.testing.assert_allclose(left, [40.0, 1.8], atol=1e-6)  # half the way to the parallel lane
    assert right[1] == pytest.approx(-1.8, abs=1e-6)  # nothing near: the default
    np.testing.assert_allclose(m.lanes.left[1][80], [40.0, 5.4], atol=1e-6)  # the road edge


def test_stops_govern_their_lanes(source):
    m = source.map(source.logs()[0])
    sign, light = int(m.lanes.stops[1][0]), int(m.lanes.stops[3][0])
    assert (m.areas.kind[sign], m.areas.subtype[sign]) == (AreaKind.STOP, 1)
    assert (m.areas.kind[light], m.areas.subtype[light]) == (AreaKind.STOP, 2)
    assert shapely.Polygon(m.areas.polygons[light][0]).contains(shapely.Point(80.5, 0.0))
    assert shapely.Polygon(m.areas.polygons[sign][0]).contains(shapely.Point(79.0, 3.6))


def test_the_ground_between_the_edges_is_drivable(source):
    m = source.map(source.logs()[0])
    shapes = [shapely.Polygon(p[0], p[1:]) for p in (m.areas.polygons[int(r)] for r in m.drivable)]

    def drivable(x: float, y: float) -> bool:
        return any(s.contains(shapely.Point(x, y)) for s in shapes)

    assert drivable(40, 0)
    assert drivable(40, -5.9)  # beside the lanes, before the edge
    assert drivable(94, 30)  # the side road, without a lane
    assert not drivable(40, -6.1)
    assert not drivable(40, 6.0)
    assert not drivable(150, 20)


def test_route(source):
    log = source.logs()[0]
    m, d = source.map(log), source.drive(log)
    blocks = [set(m.lanes.id[m.blocks.lanes[int(b)]].tolist()) for b in m.block_rows(d.scenes.route[0])]
    assert blocks == [{1, 2}, {3}, {5}]
    np.testing.assert_array_equal(d.scenes.goal[0], d.ego[-1, :3])


def test_rows(source):
    (row,) = source.rows(source.logs()[0])
    assert row.token == "00000000000000ab"
    assert row.tags == ("womd", "womd_interactive", "womd_predict_vehicle")
    assert (row.first_us, row.last_us, row.stride, row.interval_us) == (1_000_000, 3_000_000, 1, 100_000)
    (chosen,) = find(source)
    s = source.scenario(*chosen)
    assert (s.first, s.last, len(s), len(s.past(22))) == (10, 30, 21, 10)


def test_history_alone_makes_no_scenario(tmp_path, capsys):
    m = message()
    for t in m.tracks:
        del t.states[ANCHOR + 1 :]
    del m.timestamps_seconds[ANCHOR + 1 :]
    s = WomdSource(WomdConfig(str(write(tmp_path / "a.tfrecord", m))))
    assert len(s.drive(s.logs()[0])) == ANCHOR + 1
    assert s.rows(s.logs()[0]) == []
    (told,) = s.left_out(s.logs()[0])
    assert told.what == "too short to drive: 1.0 s long, 0.0 s of it after the current step"
    with pytest.raises(SystemExit) as e:
        main(["ingest", "womd", str(tmp_path / "a.tfrecord"), "--out", str(tmp_path / "s"), "--workers", "1"])
    assert e.value.code == 3
    assert capsys.readouterr().out.rstrip().endswith(f"1 left out in part, nothing to drive: {told.what}")
    with pytest.raises(
        DataError,
        match=r"no scenario to drive in its 1 drives, the longest of which is 1\.0 s long \(15 s .* or 9\.1 s",
    ):
        find(Store(tmp_path / "s"))


# ---- damage --------------------------------------------------------------------------


@pytest.fixture
def three(tmp_path) -> Path:
    return write(tmp_path / "three.tfrecord", *(message(f"00000000000000a{i}") for i in range(3)))


def _start(path: Path, record: int) -> int:
    return tfrecord.scan(path)[record].offset


def test_a_flipped_byte_names_file_offset_and_scenario(three):
    at = _start(three, 1)
    data = bytearray(three.read_bytes())
    where = bytes(data).index(struct.pack("<d", 40.0 + 0.1 * 10), at)  # a coordinate
    data[where] ^= 1
    three.write_bytes(data)
    s = open_source(three)
    with pytest.raises(
        DataError, match=rf"three.tfrecord: the record at byte {at} \(scenario 00000000000000a1\) is damaged: its CRC"
    ):
        s.drive(s.logs()[1])
    assert len(s.drive(s.logs()[2])) == STEPS


def test_a_flipped_byte_that_breaks_the_message(three):
    at = _start(three, 0)
    data = bytearray(three.read_bytes())
    data[at : at + 4] = b"\xff" * 4
    three.write_bytes(data)
    with pytest.raises(DataError, match=rf"byte {at} \(a scenario whose id cannot be read\).*CRC"):
        open_source(three).drive("three.tfrecord#00000")


def test_a_damaged_header_ends_the_file_there(three):
    at = _start(three, 1) - 12
    data = bytearray(three.read_bytes())
    data[at] ^= 1
    three.write_bytes(data)
    s = open_source(three)
    assert len(s.logs()) == 2
    with pytest.raises(DataError, match=rf"header at byte {at} is damaged"):
        s.drive(s.logs()[1])


@pytest.mark.parametrize("less", [1, 200, -5])
def test_a_cut_off_file(three, less):
    at = _start(three, 2)
    data = three.read_bytes()
    three.write_bytes(data[:-less] if less > 0 else data[: at - 12 - less])
    s = open_source(three)
    assert len(s.logs()) == 3
    assert len(s.drive(s.logs()[1])) == STEPS
    with pytest.raises(DataError, match=r"three.tfrecord: the file is cut off.*fetch this file again"):
        s.rows(s.logs()[2])


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda m: m.tracks[1].states[3].__setattr__("center_x", math.nan),
        r"track 42, step 3: a state of the ego is not finite"),
        (lambda m: m.tracks[1].states[4].__setattr__("valid", False), r"step 4: the ego has no valid state"),
        (lambda m: m.tracks[0].states.pop(), r"track 77 has 30 states for 31 time stamps"),
        (lambda m: m.__setattr__("sdc_track_index", 9), r"sdc_track_index 9 names none of 4 tracks"),
        (lambda m: m.__setattr__("current_time_index", 31), r"current_time_index 31 is not a step"),
        (lambda m: m.__setattr__("scenario_id", ""), r"not a Waymo Motion scenario"),
        (lambda m: m.timestamps_seconds.__setitem__(5, 0.0), r"time stamps that do not increase"),
        (lambda m: m.map_features[2].lane.polyline[7].__setattr__("y", math.nan),
        r"lane 3, point 7: a coordinate is not finite"),
        (lambda m: m.map_features[6].road_edge.polyline[1].__setattr__("x", math.nan), r"map feature 20, point 1"),
        (lambda m: [f.lane.ClearField("polyline") for f in m.map_features if f.HasField("lane")],
        r"no lane with a center line"),
        (lambda m: m.ClearField("map_features"), r"no lane with a center line"),
    ],
)  # fmt: skip
def test_bad_messages_are_told(tmp_path, harm, told):
    m = message()
    harm(m)
    s = WomdSource(WomdConfig(str(write(tmp_path / "bad.tfrecord", m))))
    with pytest.raises(DataError, match=told) as e:
        s.drive(s.logs()[0])
    assert "bad.tfrecord" in str(e.value)


def test_invalid_states_may_hold_anything(tmp_path):
    m = message()
    m.tracks[2].states[0].center_x = math.nan
    s = WomdSource(WomdConfig(str(write(tmp_path / "a.tfrecord", m))))
    assert np.isfinite(s.drive(s.logs()[0]).objects.box).all()


def test_a_lane_without_centre_line_is_left_out(tmp_path):
    m = message()
    m.map_features[3].lane.ClearField("polyline")
    s = WomdSource(WomdConfig(str(write(tmp_path / "a.tfrecord", m))))
    assert 4 not in s.map(s.logs()[0]).lanes.id


def junction(*lanes: tuple[int, list[int]]) -> Any:
    """A scene that shows lanes (id, exits) one after the other, the first one signalled, and nothing else."""
    m = message()
    del m.map_features[:]
    m.dynamic_map_states[0].lane_states[0].lane = lanes[0][0]
    for k, (id, exits) in enumerate(lanes):
        lane(m, id, straight(60.0 * k, 60.0 * (k + 1), 0.0), exits=exits, entries=[id])
    return m


@pytest.mark.parametrize(
    "lanes", [[(3, [])], [(3, [3])], [(1, [1, 2]), (2, [2])], [(3, [4, 5]), (4, []), (5, [])], [(3, [3, 99])]]
)
def test_a_scene_of_junction_lanes_alone_is_read_and_driven(tmp_path, lanes):
    s = WomdSource(WomdConfig(str(write(tmp_path / "a.tfrecord", junction(*lanes)))))
    (log,) = s.logs()
    m = s.map(log)
    assert sorted(m.lanes.id.tolist()) == sorted(id for id, _ in lanes)
    assert all(i not in m.lanes.successors[i] for i in range(len(m.lanes)))
    report = ingest("womd", tmp_path / "a.tfrecord", tmp_path / "s", workers=1)
    assert (report.scenarios, report.skipped, report.left_out) == (1, (), ())
    scenario = Store(tmp_path / "s").get("00000000000000ab")
    rollout = simulate([scenario], create("planner", "idm"))[0]
    assert np.isfinite(rollout.drive.ego).all()


def test_ids_given_twice_are_refused(tmp_path):
    two_lanes, two_tracks = message(), message()
    lane(two_lanes, 3, straight(0, 9, 50.0))
    track(two_tracks, 7, 1, 0.0, 50.0, 1.0)
    for m, told in (
        (two_lanes, "map feature 3: 1 map features share an id"),
        (two_tracks, "track 7: 1 tracks share an id"),
    ):
        (skipped,) = ingest("womd", write(tmp_path / "a.tfrecord", m), tmp_path / "s", workers=1).skipped
        assert f"{skipped.where}: {skipped.what}".endswith(told)


@pytest.mark.parametrize(
    ("field", "value"), [("length", 0.0), ("heading", math.inf), ("center_y", math.nan), ("width", 1e6)]
)
def test_an_impossible_box_is_left_out_and_told(tmp_path, field, value):
    m = message()
    setattr(m.tracks[0].states[4], field, value)
    s = WomdSource(WomdConfig(str(write(tmp_path / "a.tfrecord", m))))
    (log,) = s.logs()
    before = len(
        WomdSource(WomdConfig(str(write(tmp_path / "b.tfrecord", message())))).drive("b.tfrecord#00000").objects.box
    )
    assert len(s.drive(log).objects.box) == before - 1
    (told,) = s.left_out(log)
    assert told.what == "1 box left out: without a finite pose, possible position or possible size"
    assert "track 000000000000004d" in told.where


def test_a_map_without_edges_is_as_drivable_as_its_lanes(tmp_path):
    m = message()
    for f in [f for f in m.map_features if f.HasField("road_edge")]:
        m.map_features.remove(f)
    s = WomdSource(WomdConfig(str(write(tmp_path / "a.tfrecord", m))))
    assert len(s.map(s.logs()[0]).areas.of(AreaKind.GENERIC_DRIVABLE)) == 0


def test_off_every_lane_there_is_no_route(tmp_path):
    m = message()
    for s in m.tracks[1].states:
        s.center_y += 300.0
    source = WomdSource(WomdConfig(str(write(tmp_path / "a.tfrecord", m))))
    assert source.drive(source.logs()[0]).scenes.route[0].tolist() == []


def test_other_records_are_told(tmp_path):
    path = tmp_path / "x.tfrecord"
    path.write_bytes(tfrecord.frame(b"\x0a\x03abc"))
    s = open_source(path)
    with pytest.raises(DataError, match=r"x.tfrecord"):
        s.drive(s.logs()[0])
    path.write_bytes(b"no TFRecord at all, but long enough for a header")
    s = open_source(path)
    with pytest.raises(DataError, match="not a TFRecord file"):
        s.drive(s.logs()[0])


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ("waymo_open_dataset", r"pip install --no-deps waymo-open-dataset-tf-2-12-0==1\.6\.7"),
        ("google.protobuf", r"needs the package protobuf.*roadcraft\[womd\]"),
        ("google_crc32c", r"needs the package google-crc32c.*roadcraft\[womd\]"),
    ],
)
def test_a_missing_package_is_told_with_its_command(tmp_path, monkeypatch, missing, told):
    path = write(tmp_path / "a.tfrecord", message())
    original = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith(missing):
            raise ImportError(f"No module named {name!r}")
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DataError, match=told):
        WomdSource(WomdConfig(str(path)))


def test_ingest_skips_what_is_damaged(three, tmp_path):
    data = bytearray(three.read_bytes())
    data[_start(three, 1) + 300] ^= 8
    three.write_bytes(data)
    report = ingest("womd", three, tmp_path / "store", workers=1)
    assert (report.drives, report.scenarios, len(report.skipped)) == (2, 2, 1)
    assert "CRC" in report.skipped[0].what
    assert "three.tfrecord" in report.skipped[0].where
    assert len(Store(tmp_path / "store").get("00000000000000a2")) == 21


def test_crc_of_the_specification():
    assert tfrecord.checksum()(b"123456789") == 0xE3069283
    assert tfrecord.masked(lambda _: 0, b"") == 0xA282EAD8


def test_dense():
    line = dense(np.array([[0.0, 0], [1.2, 0], [1.2, 0.3]]))
    np.testing.assert_allclose(line, [[0, 0], [0.4, 0], [0.8, 0], [1.2, 0], [1.2, 0.3]])


# ---- real scenarios ------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(shared) -> WomdSource:
    return WomdSource(WomdConfig(str(shared / "data" / "womd")))


def test_real_scenarios(real):
    counts = {
        real.drive(k).name: (len(real.drive(k).tracks), len(real.drive(k)), len(real.map(k).lanes)) for k in real.logs()
    }
    assert counts == {"637f20cafde22ff8": (82, 91, 197), "ee519cf571686d19": (256, 91, 114)}
    for key in real.logs():
        d, m = real.drive(key), real.map(key)
        assert len(d.scenes.route[0]) >= 3
        assert (m.block_rows(d.scenes.route[0]) >= 0).all()
        assert (m.lines.kind == LineKind.ROAD_EDGE).sum() in (28, 75)
        speed = np.linalg.norm(np.diff(d.ego[:, :2], axis=0), axis=1) / 0.1
        assert np.abs(speed - np.hypot(d.ego[1:, Ego.VX], d.ego[1:, Ego.VY])).max() < 0.3
        assert np.abs(d.ego[:, Ego.VY]).max() < 0.5  # the rear axle hardly slips
    assert len(real.drive(real.logs()[0]).lights.lane) == 1092


def test_the_real_ego_stays_on_the_road(real):
    for key in real.logs():
        d, m = real.drive(key), real.map(key)
        shapes = [
            shapely.Polygon(p[0], p[1:])
            for p in (m.areas.polygons[int(r)] for r in m.areas.of(AreaKind.GENERIC_DRIVABLE))
        ]
        ground = shapely.unary_union(shapes)
        assert all(ground.covers(shapely.Point(p)) for p in d.ego[::5, :2])
        first = m.blocks.polygons[int(m.block_rows(d.scenes.route[0][:1])[0])]
        center = d.ego[10, :2] + 1.461 * np.array([np.cos(d.ego[10, 2]), np.sin(d.ego[10, 2])])
        assert any(shapely.Polygon(r).contains(shapely.Point(center)) for r in first)


def test_real_lanes_hold_their_centre_lines_and_do_not_overlap(real):
    for key in real.logs():
        m = real.map(key)
        shapes = [
            shapely.MultiPolygon([shapely.Polygon(r) for r in m.lanes.polygons[i]]).buffer(0)
            for i in range(len(m.lanes))
        ]
        for i, shape in enumerate(shapes):
            assert shape.is_valid
            assert shape.area > 0
            inner = m.lanes.centerlines[i][1:-1]
            assert shapely.contains_xy(shape.buffer(0.01), inner).mean() > 0.95 if len(inner) else True
        lanes = np.flatnonzero(m.lanes.kind == LaneKind.LANE)
        total = sum(shapes[i].area for i in lanes)
        assert total - shapely.unary_union([shapes[i] for i in lanes]).area < 0.01 * total


def test_a_real_scenario_through_the_store(real, shared, tmp_path):
    report = ingest("womd", shared / "data" / "womd", tmp_path / "s", workers=1)
    assert (report.drives, report.scenarios, report.skipped) == (2, 2, ())
    store = Store(tmp_path / "s")
    for key in real.logs():
        assert store.drive(key).ego.tobytes() == real.drive(key).ego.tobytes()
        assert store.map(key).content_hash == real.map(key).content_hash
    assert len(store.get("637f20cafde22ff8")) == 81
