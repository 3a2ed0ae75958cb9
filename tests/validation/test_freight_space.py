"""Metrics of where all units of ego are: contacts, drivable area, lanes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from made_freight import TRACTOR, TRUCK, VAN, along, drive, judged, mirrored, straight, thing, two_way_road

from roadcraft.core import load_vehicle
from roadcraft.core.data.map import AreaKind
from roadcraft.core.data.places import PlaceKind, Places, RoadPlace
from roadcraft.core.data.rollout_context import RolloutContext
from roadcraft.core.data.scenario import Ego, ObjectKind
from roadcraft.core.driving.geometry.boxes import box_corners
from roadcraft.core.driving.map_index.index import containing
from roadcraft.core.errors import DataError
from roadcraft.core.testing import made_up_rollout, made_up_scenario
from roadcraft.core.testing.world import ORIGIN, LaneSketch, rectangle, sketch_map
from roadcraft.validation.metrics.common.collisions import collisions
from roadcraft.validation.metrics.freight.all_unit_collisions import unit_contacts
from roadcraft.validation.metrics.freight.common.outlines import outline_departures
from roadcraft.validation.metrics.freight.common.units import units

ALONE = replace(TRUCK, name="alone", units=(TRACTOR,))
CAR, PERSON, CYCLIST = ObjectKind.VEHICLE, ObjectKind.PEDESTRIAN, ObjectKind.BICYCLE


def test_units_stand_where_the_chain_puts_them() -> None:
    rollout = drive(along(np.full(100, 1 / 40.0), 5.0, 4.5))
    u = units(RolloutContext(rollout))
    np.testing.assert_allclose(u.boxes[:, 1, 3:], [[16.1, 2.59]] * 100)
    for step in (0, 50, 99):
        for i in range(2):
            np.testing.assert_allclose(u.corners[step, i], box_corners(*u.boxes[step, i]), atol=1e-9)
    steady = slice(60, 99)
    np.testing.assert_allclose(u.yaw_rate[steady, 1], np.gradient(u.poses[:, 1, 2], 0.1)[steady], atol=2e-3)
    moved = np.hypot(*np.gradient(u.poses[:, 1, :2], 0.1, axis=0).T)
    np.testing.assert_allclose(u.speed[steady, 1], moved[steady], atol=0.02)


def test_joints_that_are_not_the_vehicle_s_are_refused() -> None:
    rollout = drive(straight())
    with pytest.raises(DataError, match="has 1 joints, its vehicle 'alone' has 0"):
        judged("all_unit_collisions", replace(rollout, vehicle=ALONE))
    bad = replace(rollout, drive=replace(rollout.drive, joints=rollout.drive.joints * np.nan))
    with pytest.raises(DataError, match="joint angles are not finite"):
        judged("all_unit_drivable_area", bad)


# ---- contacts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_a_car_s_contacts_are_nuplan_s(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rollout = made_up_rollout(made_up_scenario(speed_mps=12.0, lane=seed % 2), sideways_m=rng.uniform(-1.0, 1.0))
    o = rollout.drive.objects
    box = o.box.copy()
    box[:, :2] += rng.normal(0.0, 2.0, (len(box), 2)) + np.array([-8.0, 0.0])
    rollout = replace(rollout, drive=replace(rollout.drive, objects=replace(o, box=box)))
    context = RolloutContext(rollout)
    ours, theirs = unit_contacts(context), collisions(context)
    assert len(ours) > 0
    assert [(c.step, c.row, int(c.type), c.at_fault) for c in ours] == list(
        zip(theirs.step, theirs.row, theirs.type, theirs.at_fault, strict=True)
    )


def test_contacts_are_those_of_the_polygons() -> None:
    rng = np.random.default_rng(3)
    ego = along(0.02 * np.sin(np.arange(120) * 0.06), 7.0, 4.5)
    things = [
        thing(CAR, np.array([rng.uniform(60, 140), rng.uniform(-8, 8), rng.uniform(-3, 3), 4.5, 1.9]))
        for _ in range(30)
    ]
    rollout = drive(ego, things=things)
    context = RolloutContext(rollout)
    u, found = units(context), {(c.unit, c.row % 30): c.step for c in unit_contacts(context)}
    want = {}
    for k, t in enumerate(things):
        other = shapely.Polygon(box_corners(*(t["box"] + np.array([*ORIGIN, 0, 0, 0]))))
        for i in range(2):
            hits = [s for s in range(120) if shapely.Polygon(u.corners[s, i]).intersects(other)]
            if hits:
                want[(i, k)] = hits[0]
    assert found == want
    assert {i for i, _ in want} == {0, 1}


def test_a_trailer_that_cuts_a_corner_runs_over_who_stands_there() -> None:
    ego = along(np.full(100, -1 / 15.0), 3.0, 4.5)  # a right turn: the trailer cuts in
    u = units(RolloutContext(drive(ego)))
    inside = u.boxes[70, 1, :2] - ORIGIN
    rollout = drive(ego, things=[thing(PERSON, np.array([*inside, 0.0, 0.5, 0.5]))])
    result = judged("all_unit_collisions", rollout)
    assert result.score == 0.0
    assert result.stats["number_of_at_fault_collisions_of_unit_0"] == 0
    assert result.stats["number_of_at_fault_collisions_of_unit_1"] == 1
    assert result.events[0].what == "unit 1 drove into a pedestrian"
    assert judged("no_ego_at_fault_collisions", rollout).score == 1.0, "nuPlan's metric sees unit 0 alone"
    assert judged("all_unit_collisions", mirrored(rollout)).score == 0.0
    cab = replace(rollout, vehicle=ALONE, drive=replace(rollout.drive, joints=np.zeros((100, 0))))
    assert judged("all_unit_collisions", cab).score == 1.0, "without its trailer nothing happens"


def beside(speed: float, rel: np.ndarray, drift: float, offset: float = 3.0) -> np.ndarray:
    """Boxes of a car beside the trailer, which drifts sideways."""
    t, box = np.arange(150) * 0.1, np.zeros((150, 5))
    box[:, 0], box[:, 1] = 60.0 + rel + speed * t, -1.8 + offset + drift * t
    box[:, 3:] = [4.5, 1.9]
    return box


def test_who_drives_into_the_side_or_the_rear_of_the_trailer_is_at_fault() -> None:
    into = thing(CAR, beside(8.0, -8.0, -0.3), np.array([8.0, -0.3]))
    result = judged("all_unit_collisions", drive(straight(), things=[into]))
    assert result.stats["number_of_all_unit_collisions"] == 1
    assert result.score == 1.0, "the trailer kept its lane"
    rear = beside(9.5, -32.0, 0.0, 0.0)
    result = judged("all_unit_collisions", drive(straight(), things=[thing(CAR, rear, np.array([9.5, 0.0]))]))
    assert (result.stats["number_of_all_unit_collisions"], result.score) == (1, 1.0)


def test_a_trailer_that_leaves_its_lane_into_another_is_at_fault() -> None:
    ego = straight(y=-1.0)  # over the marking of the left lane
    into = thing(CAR, beside(8.0, -8.0, -0.3, 4.0), np.array([8.0, -0.3]))
    result = judged("all_unit_collisions", drive(ego, things=[into]))
    assert result.score == 0.0
    assert result.events[0].what == "unit 1 touched a vehicle"


def test_a_trailer_that_moves_to_where_another_was_is_at_fault_even_in_its_lane() -> None:
    ego = straight(speed=2.0)
    joints = np.concatenate([np.zeros(75), np.linspace(0.0, -0.1, 75)])[:, None]  # the rear of the trailer swings
    box = np.zeros((150, 5))
    box[:, 0], box[:, 1], box[:, 3:] = 60.0 - 12.0 + 0.2 * np.arange(150), -1.8 - 1.75, [1.0, 0.5]
    for sign in (1.0, -1.0):
        moved = box.copy()
        moved[:, 1] = -1.8 + sign * 1.75
        rollout = drive(ego, things=[thing(CYCLIST, moved, np.array([2.0, 0.0]))], joints=sign * joints)
        found = unit_contacts(RolloutContext(rollout))
        assert [(c.unit, c.at_fault) for c in found] == [(1, True)]


def test_in_reverse_the_rear_end_leads() -> None:
    ego = straight(speed=-1.0, x=100.0)
    follower = beside(0.5, 20.0, 0.0, 0.0)
    result = judged("all_unit_collisions", drive(ego, things=[thing(CAR, follower, np.array([0.5, 0.0]))]))
    assert result.score == 0.0
    assert result.events[0].what == "unit 1 hit a vehicle"


def test_another_truck_is_one_vehicle() -> None:
    units_of = [thing(CAR, np.array([90.0 + 10.0 * k, -1.8, 0.0, 9.0, 2.5]), vehicle=7, unit=k) for k in range(3)]
    rollout = drive(straight(), things=units_of)
    assert [c.unit for c in unit_contacts(RolloutContext(rollout))] == [0, 1]
    apart = drive(straight(), things=[{**t, "vehicle": -1} for t in units_of])
    assert len(unit_contacts(RolloutContext(apart))) > 2


# ---- drivable area ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_departures_are_shapely_s_distances(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ego = along(rng.uniform(-0.02, 0.02) * np.sin(np.arange(60) * 0.08), 6.0, 4.5, (60.0, rng.uniform(-3.5, 3.5), 0.0))
    rollout = drive(ego)
    m = rollout.scenario.map
    road = shapely.unary_union([shapely.Polygon(m.areas.polygons[int(a)][0]) for a in m.drivable]).buffer(0)
    lanes = [shapely.Polygon(m.lanes.polygons[r][0]) for r in range(len(m.lanes))]
    context = RolloutContext(rollout)
    for d in outline_departures(context):
        far = shapely.distance(road, shapely.points(d.points))
        np.testing.assert_allclose(d.off_road, far, atol=1e-7)
        used = shapely.unary_union([lanes[r] for r in used_rows(context)])
        np.testing.assert_allclose(d.excess, shapely.distance(used, shapely.points(d.points)), atol=1e-7)
    worst = max(float(d.off_road[:, : d.tires].max()) for d in outline_departures(context))
    assert judged("all_unit_drivable_area", rollout).score == float(worst < 0.3)


def used_rows(context: RolloutContext) -> list[int]:
    """All lanes under the center in this short drive, and what lies before and behind them."""
    rollout = context.rollout
    index, center = rollout.scenario.map.index.lanes, units(context).boxes[:, 0, :2]
    lanes = rollout.scenario.map.lanes
    held = containing(index, center)
    rows = {int(r) for k in range(len(center)) for r in held[k]}
    first, last = next(k for k in range(60) if len(held[k])), max(k for k in range(60) if len(held[k]))
    rows |= {int(r) for k in held[first] for r in lanes.predecessors[int(k)]}
    return sorted(rows | {int(r) for k in held[last] for r in lanes.successors[int(k)]})


def test_trailers_alone_may_roll_on_an_apron() -> None:
    x0, y0 = ORIGIN
    world, bank = two_way_road(), 6.6  # the road's southern edge
    rings = rectangle((x0 + 50.0, y0 - bank - 2.0), (x0 + 250.0, y0 - bank + 0.1))
    apron = Places.build([RoadPlace(PlaceKind.APRON, value=0.08, polygon=rings)])
    ego = straight(y=-bank + 1.25, x=100.0, speed=4.0)  # tractor within the road, the wider trailer 0.045 m beyond
    joints = np.full((150, 1), 0.08)  # the trailer's rear farther to the side
    plain, kept = (drive(ego, world=m, joints=joints) for m in (world, replace(world, places=apron)))
    one, other = (outline_departures(RolloutContext(r)) for r in (plain, kept))
    assert one[0].off_road.max() == 0.0
    assert one[1].off_road.max() > 0.3
    assert judged("all_unit_drivable_area", plain).score == 0.0
    assert judged("all_unit_drivable_area", kept).score == 1.0
    assert other[1].off_road.max() == 0.0
    for a, b in zip(one, other, strict=True):
        near = shapely.distance(shapely.Polygon(rings[0]), shapely.points(b.points))
        np.testing.assert_allclose(b.off_road, a.off_road if a is one[0] else np.minimum(a.off_road, near), atol=1e-9)
    cab = drive(straight(y=-bank - 1.0, x=100.0, speed=4.0), world=replace(world, places=apron), vehicle=ALONE)
    assert judged("all_unit_drivable_area", cab).score == 0.0, "unit 0 stays off it"


def test_a_side_that_cuts_a_curb_while_its_corners_are_on_the_road() -> None:
    x0, y0 = ORIGIN
    line = np.stack([np.arange(0.0, 201.0), np.full(201, -1.8)], 1) + ORIGIN
    ring = np.array(
        [(0, -3.6), (91, -3.6), (91, -2.5), (93, -2.5), (93, -3.6), (200, -3.6), (200, 3.6), (0, 3.6), (0, -3.6)]
    )
    notched = [(500, AreaKind.ROAD_SEGMENT, 0, [ring + ORIGIN])]
    lane = [LaneSketch(1, 1, line + np.array([0.0, 0.9]), (), False, 20.0)]  # so narrow that the notch lies outside
    world = sketch_map(lane, notched, width_m=1.8)
    ego = straight(speed=0.0, steps=20, x=100.0)  # the trailer from x = 84.6 to 100.7
    result = judged("all_unit_drivable_area", drive(ego, world=world))
    assert result.stats["max_distance_of_unit_1_[meters]"] == pytest.approx(1.8 + 1.295 - 2.5)
    assert result.stats["max_distance_of_unit_0_[meters]"] == 0.0
    assert result.score == 0.0
    assert "unit 1 0.59 m beyond the drivable area" in result.events[0].what or "0.60" in result.events[0].what
    plain = sketch_map(
        lane, [(500, AreaKind.ROAD_SEGMENT, 0, rectangle((x0, y0 - 3.6), (x0 + 200, y0 + 3.6)))], width_m=1.8
    )
    assert judged("all_unit_drivable_area", drive(ego, world=plain)).score == 1.0


def test_the_tolerance_is_nuplan_s_and_tires_are_told_apart() -> None:
    for off, score in ((0.25, 1.0), (0.35, 0.0)):
        result = judged("all_unit_drivable_area", drive(straight(y=-3.6 + 1.295 - off)))
        assert result.score == score
        assert result.stats["max_all_unit_drivable_area_[meters]"] == pytest.approx(off)
        assert result.stats["wheel_off_road_of_unit_1"], "the tires of this van stand at its sides"
    narrow = replace(TRUCK, units=(TRACTOR, replace(VAN, track_m=1.8)))
    assert not judged("all_unit_drivable_area", drive(straight(y=-3.6 + 1.295 - 0.25), narrow)).stats[
        "wheel_off_road_of_unit_1"
    ]
    assert judged("all_unit_drivable_area", drive(straight(y=-2.9), narrow), tolerance_m=1.0).score == 1.0


# ---- lanes -----------------------------------------------------------------------------------------------------------


def test_excess_costs_by_its_largest_value() -> None:
    for y, excess in ((-1.8, 0.0), (-1.295, 0.0), (-1.1, 0.195), (-0.95, 0.345), (-0.5, 0.795)):
        result = judged("lane_keeping_all_units", drive(straight(y=y)))
        assert result.stats["max_lane_keeping_all_units_[meters]"] == pytest.approx(excess, abs=1e-9)
        assert result.score == pytest.approx(1.0 - min(excess / 0.5, 1.0))
        assert result.stats["max_towards_same_direction_[meters]"] == pytest.approx(excess, abs=1e-9)
        assert result.stats["share_of_time_beyond_0.1_m"] == float(excess > 0.1)
    out = judged("lane_keeping_all_units", drive(straight(y=-2.5)))
    assert out.stats["max_towards_shoulder_[meters]"] == pytest.approx(2.5 + 1.295 - 3.6)
    assert "unit 1 0.20 m out of its lanes" in out.events[0].what or "0.19 m" in out.events[0].what


def test_a_trailer_out_of_its_lane_counts_where_the_tractor_is_within() -> None:
    rollout = drive(straight(), joints=np.full((150, 1), 0.05))  # a trailer that tracks aside
    result = judged("lane_keeping_all_units", rollout)
    assert result.stats["max_of_unit_0_[meters]"] == 0.0
    assert result.stats["max_of_unit_1_[meters]"] > 0.1
    right = judged("lane_keeping_all_units", drive(straight(), joints=np.full((150, 1), -0.05)))
    assert right.stats["max_of_unit_1_[meters]"] == pytest.approx(result.stats["max_of_unit_1_[meters]"], abs=1e-9)


def test_during_a_lane_change_both_lanes_are_in_use() -> None:
    n, ego = 150, straight(x=60.0)
    lateral = 3.6 * (1.0 - np.cos(np.pi * np.clip((np.arange(n) * 0.1 - 4.0) / 8.0, 0.0, 1.0))) / 2.0
    ego[:, Ego.Y] += lateral
    ego[:, Ego.HEADING] = np.arctan2(np.gradient(lateral, 0.1), 8.0)
    result = judged("lane_keeping_all_units", drive(ego))
    assert result.score == 1.0
    weaving = straight(x=60.0)
    weaving[:, Ego.Y] += 1.0 * np.sin(np.pi * np.clip((np.arange(n) * 0.1 - 4.0) / 8.0, 0.0, 1.0))
    assert judged("lane_keeping_all_units", drive(weaving)).score < 1.0, "the center never came over"


def test_the_opposing_lane_with_somebody_in_it() -> None:
    world, ego = two_way_road(), straight(y=-1.1)
    free = judged("lane_keeping_all_units", drive(ego, world=world))
    assert free.stats["max_towards_opposing_[meters]"] == pytest.approx(0.195)
    assert free.score == pytest.approx(1.0 - 0.195 / 0.5)
    t, box = np.arange(150) * 0.1, np.zeros((150, 5))
    box[:, 0], box[:, 1], box[:, 2], box[:, 3:] = 350.0 - 10.0 * t, 1.8, np.pi, [4.5, 1.9]
    comes = drive(ego, world=world, things=[thing(CAR, box, np.array([-10.0, 0.0]))])
    result = judged("lane_keeping_all_units", comes)
    assert (result.score, result.stats["met_oncoming"]) == (0.0, True)
    met = next(e for e in result.events if "comes along" in e.what)
    assert met.object_id == 1
    # the front of the tractor at 65.4 + 8 t, the car at 350 - 10 t: 6 s at 18 m/s are 108 m
    assert met.step == pytest.approx((350.0 - 65.4 - 108.0) / 18.0 / 0.1, abs=2)
    away = drive(ego, world=world, things=[thing(CAR, box + np.array([200.0, 0, 0, 0, 0]), np.array([-10.0, 0.0]))])
    assert judged("lane_keeping_all_units", away).score == free.score
    same = drive(ego, world=world, things=[thing(CAR, box * [1, 1, 0, 1, 1], np.array([10.0, 0.0]))])
    assert judged("lane_keeping_all_units", same).score == free.score


def test_no_lane_no_score() -> None:
    assert judged("lane_keeping_all_units", drive(straight(y=500.0))).score is None


def test_the_trailer_may_still_be_on_the_lane_behind() -> None:
    ego = straight(x=102.0, steps=40)  # the tractor on the connector, the trailer on the lane before it
    assert judged("lane_keeping_all_units", drive(ego)).score == 1.0


def test_a_car_is_a_vehicle_of_one_unit() -> None:
    rollout = made_up_rollout()
    assert judged("lane_keeping_all_units", rollout).score == 1.0
    assert judged("all_unit_drivable_area", rollout).score == 1.0
    assert load_vehicle("pacifica").joints == 0
