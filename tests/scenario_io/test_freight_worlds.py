"""Worlds of the freight suite: the expert keeps what a truck must keep, the mistaken driver does not, and a seed says
it all."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import shapely
from freight_worlds import SEED, freight_world

from roadcraft.core.data.map import content_hash
from roadcraft.core.data.places import PlaceKind
from roadcraft.core.data.scenario import Ego
from roadcraft.core.driving.geometry.boxes import corners
from roadcraft.core.driving.motion.chain import chain_of, unit_boxes
from roadcraft.core.errors import ConfigError
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.scenario_io.nuplan.config import NuplanConfig
from roadcraft.scenario_io.nuplan.source import NuplanSource
from roadcraft.scenario_io.synthetic.config import FREIGHT_SITUATIONS, LEFT_HAND, SynthConfig
from roadcraft.scenario_io.synthetic.freight.log import ANCHOR, eyes_of
from roadcraft.scenario_io.synthetic.freight.world import BUILDERS, FreightWorld, botched, faults_of, mistaken_drive
from roadcraft.scenario_io.synthetic.recording.tags import WARM_UP
from roadcraft.scenario_io.synthetic.roads.sketch import flipped
from roadcraft.scenario_io.synthetic.synthesize import synth, world_of
from roadcraft.scenario_io.synthetic.world import own_map


@pytest.fixture
def w(situation: str, number: int) -> FreightWorld:
    """The world that a test's parameters name."""
    return freight_world(situation, number)


def boxes_of(w: FreightWorld, ego: np.ndarray, joints: np.ndarray) -> np.ndarray:
    return np.asarray(unit_boxes(np.ascontiguousarray(ego), np.ascontiguousarray(joints), chain_of(w.stage.vehicle)))


def first_touch(w: FreightWorld, boxes: np.ndarray) -> int:
    """Frame of the first contact of any unit with any object, -1 for none, by shapely."""
    o = w.drive.objects
    for f in range(0, len(w.drive), 2):
        rows = o.box[o.rows(f)]
        near = rows[np.hypot(*(rows[:, :2] - boxes[f, 0, :2]).T) < 60.0]
        mine, theirs = (shapely.polygons(corners(np.ascontiguousarray(b))) for b in (boxes[f], near))
        if shapely.intersects(mine[:, None], theirs).any():
            return f
    return -1


def test_every_situation_has_both_drivers() -> None:
    assert set(BUILDERS) == set(FREIGHT_SITUATIONS)


@pytest.mark.parametrize("number", [0, 3])
@pytest.mark.parametrize("situation", FREIGHT_SITUATIONS)
def test_the_expert_keeps_what_it_must(w: FreightWorld) -> None:
    assert faults_of(w.played.verdict) == []
    boxes = boxes_of(w, w.drive.ego, w.drive.joints)
    assert first_touch(w, boxes) == -1
    m = own_map(w.patch, w.location, SEED)
    road = map(m.areas.polygons.__getitem__, m.drivable)
    ground = shapely.union_all([shapely.Polygon(r[0]).buffer(0.02) for r in road])
    aprons = [shapely.Polygon(p[0], p[1:]) for p in map(m.places.polygons.__getitem__, m.places.of(PlaceKind.APRON))]
    behind = shapely.union_all([ground, *aprons])
    for area, units in ((ground, boxes[::4, :1]), (behind, boxes[::4, 1:])):
        points = corners(units.reshape(-1, 5)).reshape(-1, 2)
        assert shapely.contains_xy(area.buffer(0.05), points[:, 0], points[:, 1]).all()


@pytest.mark.parametrize("number", [0, 3])
@pytest.mark.parametrize("situation", FREIGHT_SITUATIONS)
def test_the_mistaken_driver_makes_the_mistake(w: FreightWorld) -> None:
    ego, joints, verdict = mistaken_drive(w)
    assert ego.shape == w.drive.ego.shape
    assert joints.shape == w.drive.joints.shape
    assert botched(verdict), verdict
    np.testing.assert_allclose(ego[0, :2], w.drive.ego[0, :2], atol=12.0)


@pytest.mark.parametrize("number", [0])
@pytest.mark.parametrize("situation", FREIGHT_SITUATIONS)
def test_the_drive_is_whole(w: FreightWorld, situation: str) -> None:
    d, vehicle = w.drive, load_vehicle(w.drive.vehicle)
    assert d.joints.shape == (len(d), vehicle.joints)
    assert d.tag_names == (f"freight_{situation}",)
    assert (len(d) - ANCHOR) * 0.05 >= 20.0, "twenty seconds are left from the tagged frame on"
    step = np.hypot(*np.diff(d.ego[:, :2], axis=0).T)
    np.testing.assert_allclose(step, 0.025 * np.abs(d.ego[1:, Ego.VX] + d.ego[:-1, Ego.VX]), atol=0.02)
    m = own_map(w.patch, w.location, SEED)
    for s in range(len(d.scenes)):
        rows = m.block_rows(d.scenes.route[s])
        assert (rows >= 0).all()
        assert all(b in m.blocks.successors[a] for a, b in itertools.pairwise(rows))
    eyes = eyes_of(w.stage, w.played)[WARM_UP:]
    eyes = w.patch.place.move(flipped(eyes) if w.location in LEFT_HAND else eyes)
    np.testing.assert_allclose(eyes[:, 0], d.ego[:, :2], atol=1e-9)
    to_eyes = d.objects.box[:, None, :2] - np.repeat(eyes, np.diff(d.objects.offsets), axis=0)
    assert np.hypot(to_eyes[..., 0], to_eyes[..., 1]).min(axis=1).max() < w.stage.sight + 8.0


def test_a_queue_stands_for_whoever_keeps_the_pace() -> None:
    """A truck that does not brake meets who stands there where its sight ends, while the expert is still far behind."""
    w = freight_world("end_of_queue")
    fast = eyes_of(w.stage, w.played)[WARM_UP:, -1]
    fast = w.patch.place.move(flipped(fast) if w.location in LEFT_HAND else fast)
    gone = np.hypot(*(fast - w.drive.ego[:, :2]).T)
    assert gone.max() > 15.0
    assert gone[-1] < gone.max()
    o = w.drive.objects
    still = np.hypot(*o.velocity.T) < 0.01
    seen = next(f for f in range(len(o)) if still[o.rows(f)].any())
    standing = o.box[o.rows(seen)][still[o.rows(seen)], :2]
    assert w.stage.sight - 3.0 < np.hypot(*(standing - fast[seen]).T).min() < w.stage.sight


@pytest.mark.parametrize("number", [3])
@pytest.mark.parametrize("situation", FREIGHT_SITUATIONS)
def test_traffic_keeps_to_the_left_where_it_must(w: FreightWorld) -> None:
    assert w.location == "sg-one-north"
    assert w.patch.sketch is not w.stage.scene.sketch
    for place, before in zip(w.patch.sketch.places, w.stage.scene.sketch.places, strict=True):
        flips, turns = place.kind == PlaceKind.BANK, place.kind in (PlaceKind.SHOULDER, PlaceKind.CURB, PlaceKind.WIND)
        np.testing.assert_equal(place.value, -before.value if flips else before.value)
        np.testing.assert_equal(place.second, -before.second if flips or turns else before.second)
        if before.pose is not None:
            np.testing.assert_equal(place.pose, np.array(before.pose) * [1.0, -1.0, -1.0])
    a, b = w.stage.scene.sketch, w.patch.sketch
    assert all(np.array_equal(y.center, x.center * [1, -1]) for x, y in zip(a.segments, b.segments, strict=True))
    assert all(y.left == x.right for x, y in zip(a.segments, b.segments, strict=True))
    for block in b.blocks:
        assert [b.segments[k].index for k in block.segments] == list(range(len(block.segments)))
    yaw = w.played.expert.ego[70:, Ego.YAW_RATE]
    np.testing.assert_array_equal(w.drive.ego[:, Ego.YAW_RATE], -yaw)


def test_others_articulate() -> None:
    for number in range(8):
        w = freight_world("loop_ramp", number)
        t, o = w.drive.tracks, w.drive.objects
        rear = np.flatnonzero(t.unit == 1)
        for k in rear.tolist():
            pull = int(t.vehicle[k])
            assert t.unit[pull] == 0 or t.vehicle[pull] == pull
            frames = [f for f in range(0, len(o), 40) if {k, pull} <= set(o.track[o.rows(f)].tolist())]
            for f in frames:
                a, b = (o.box[o.rows(f)][o.track[o.rows(f)] == x][0] for x in (pull, k))
                assert np.hypot(*(a[:2] - b[:2])) < 0.5 * (a[3] + b[3]) + 1.0
        if len(rear):
            return
    pytest.fail("no articulated vehicle in eight worlds")


def test_a_seed_says_it_all() -> None:
    again = world_of(SynthConfig(suite="freight", seed=SEED, situations=("loop_ramp",)), 0)
    first = freight_world("loop_ramp")
    assert content_hash(again.drive) == content_hash(first.drive)
    assert own_map(again.patch, again.location, 0).content_hash == own_map(first.patch, first.location, 0).content_hash
    other = world_of(SynthConfig(suite="freight", seed=SEED + 1, situations=("loop_ramp",)), 0)
    assert not set(other.drive.token.tolist()) & set(first.drive.token.tolist())


def test_trucks_and_loads_are_chosen() -> None:
    config = SynthConfig(suite="freight", situations=("loop_ramp",), vehicles=("us_twins_28",), loads=("loaded",))
    w = world_of(config, 0)
    assert (w.drive.vehicle, w.stage.vehicle.load) == ("us_twins_28", "loaded")
    with pytest.raises(ConfigError, match=r"us_twins_28 has a load of empty that loop_ramp is about: loaded, cubed"):
        world_of(replace(config, loads=("empty",)), 0)
    with pytest.raises(ValueError, match="must name situations of suite=freight, not car_following"):
        SynthConfig(suite="freight", situations=("car_following",))
    with pytest.raises(ValueError, match="suite=''"):
        SynthConfig(situations=("loop_ramp",))
    with pytest.raises(ValueError, match="they are for suite=freight"):
        SynthConfig(vehicles=("us_twins_28",))


def test_worlds_are_files_and_read_again(tmp_path) -> None:
    config = SynthConfig(suite="freight", seed=SEED, situations=("loop_ramp",), worlds=2, processes=1, locations=1)
    report = synth(tmp_path, config)
    assert (report.situations, report.worlds) == ({"loop_ramp": 2}, 2)
    assert report.drawn["loop_ramp"] == report.draws >= 2
    source, w = NuplanSource(NuplanConfig(data_root=str(tmp_path))), world_of(config, 0)
    drive = source.drive(w.drive.name)
    assert drive.load == w.stage.vehicle.load
    np.testing.assert_array_equal(drive.joints, w.drive.joints)
    np.testing.assert_array_equal(drive.objects.box, w.drive.objects.box)
    np.testing.assert_array_equal(drive.tracks.vehicle, w.drive.tracks.vehicle)
    assert len(source.map(w.drive.name).places) > len(own_map(w.patch, w.location, SEED).places) > 0
