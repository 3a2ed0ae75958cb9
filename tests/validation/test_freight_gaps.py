"""Metrics of gaps, speed, load and places of heavy vehicles: each against values by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from made_freight import TRUCK, along, drive, judged, loaded, mirrored, quiet, straight, thing, two_way_road

from roadcraft.core.arrays import Polylines
from roadcraft.core.data.places import PlaceKind, Places, RoadPlace
from roadcraft.core.data.rollout import PlanLog
from roadcraft.core.data.rollout_context import RolloutContext
from roadcraft.core.data.scenario import Ego, LightState, ObjectKind
from roadcraft.core.driving.geometry.boxes import box_corners
from roadcraft.core.driving.motion.closed_forms import stopping
from roadcraft.core.errors import ConfigError
from roadcraft.core.testing import made_up_scenario
from roadcraft.core.testing.world import ORIGIN
from roadcraft.validation.metrics.freight.cargo import payloads
from roadcraft.validation.metrics.freight.common.lane_changes import lane_changes
from roadcraft.validation.metrics.freight.common.leaders import leaders, stopping_distances
from roadcraft.validation.metrics.freight.common.units import units

CAR, PERSON, CYCLIST = ObjectKind.VEHICLE, ObjectKind.PEDESTRIAN, ObjectKind.BICYCLE
SLEEPER, N, G = loaded(), 150, 9.81
T = 0.1 * np.arange(N)
FRONT = 60.0 + 7.4  # of the sleeper whose axle is at 60 m


def car(x: np.ndarray | float, speed: float = 0.0, y: float = -1.8, length: float = 4.5) -> dict:
    """A car along the road, its rear end at x."""
    box = np.zeros((N, 5))
    box[:, 0], box[:, 1], box[:, 3:] = x + 0.5 * length, y, [length, 1.9]
    return thing(CAR, box, np.array([speed, 0.0]))


def uneven(**values: float) -> dict[str, np.ndarray]:
    """Channels of the road."""
    return {f"road.{k}": np.full(N, v) for k, v in values.items()}


# ---- leaders, stopping, headway --------------------------------------------------------------------------------------


def test_leaders_are_those_that_shapely_finds_in_the_band() -> None:
    rng = np.random.default_rng(5)
    ego = along(0.01 * np.sin(np.arange(N) * 0.05), 8.0, 6.2)
    things = [
        thing(CAR, np.array([rng.uniform(60, 180), rng.uniform(-12, 8), rng.uniform(-3, 3), 4.5, 1.9]))
        for _ in range(12)
    ]
    rollout = drive(ego, SLEEPER, things)
    found = leaders(RolloutContext(rollout))
    center = units(RolloutContext(rollout)).boxes[:, 0, :2]
    line = shapely.LineString(center)
    boxes = [shapely.Polygon(box_corners(*(t["box"] + np.array([*ORIGIN, 0, 0, 0])))) for t in things]
    for step in (0, 40, 80):
        rest = shapely.LineString(center[step:]).buffer(1.22, cap_style="flat")
        hits = [
            (line.project(shapely.Point(*things[k]["box"][:2] + np.array(ORIGIN))), k)
            for k, b in enumerate(boxes)
            if b.intersects(rest)
        ]
        ahead = [h for h in sorted(hits) if h[0] > 8.0 * 0.1 * step + 4.35]
        if ahead:
            assert found.row[step] % 12 == ahead[0][1]
    assert (found.row >= 0).any()


def test_stopping_distances_are_the_closed_form_s() -> None:
    speeds = np.linspace(0.0, 30.0, N)
    ego = straight(0.0)
    ego[:, Ego.VX] = speeds
    for grade in (-0.06, 0.0, 0.05):
        context = RolloutContext(drive(ego, SLEEPER, channels=uneven(grade=grade)))
        got = stopping_distances(context, np.full(N, 4.5), 0.3)
        want = [stopping(v, 4.5, SLEEPER.brakes.dead_s + 0.3, SLEEPER.brakes.ramp_s, grade).distance for v in speeds]
        np.testing.assert_allclose(got, want, atol=1e-9)
    steep = stopping_distances(RolloutContext(drive(ego, SLEEPER, channels=uneven(grade=-0.6))), np.full(N, 4.5), 0.3)
    assert np.isinf(steep[-1])


def margin(gap: float, speed: float, leader: float, brake: float = 4.5, grade: float = 0.0) -> float:
    own = stopping(speed, brake, SLEEPER.brakes.dead_s + 0.3, SLEEPER.brakes.ramp_s, grade).distance
    return gap + leader**2 / 16.0 - own


def test_the_stopping_margin_by_hand() -> None:
    for gap in (10.0, 30.0, 60.0):
        rollout = drive(straight(12.0), SLEEPER, [car(FRONT + gap + 12.0 * T, 12.0)])
        result = judged("stopping_margin", rollout)
        want = margin(gap, 12.0, 12.0)
        assert result.stats["min_stopping_margin_[meters]"] == pytest.approx(want, abs=0.01)
        assert result.score == float(want >= 0.0)
        assert bool(result.events) == (want < 0.0)
    wall = judged("stopping_margin", drive(straight(12.0), SLEEPER, [car(240.0)]))
    gaps = 240.0 - FRONT - 12.0 * T
    short = np.array([margin(g, 12.0, 0.0) < 0.0 for g in gaps]) & (gaps > -6.0)
    assert wall.score == pytest.approx(1.0 - short.mean(), abs=0.021)
    empty = judged("stopping_margin", drive(straight(12.0), SLEEPER))
    assert (empty.score, empty.stats["share_of_time_with_leader"]) == (None, 0.0), "nothing to judge"
    assert judged("stopping_margin", drive(straight(12.0), TRUCK)).score is None, "no masses"
    beside = judged("stopping_margin", drive(straight(12.0), SLEEPER, [car(FRONT + 10.0 + 12.0 * T, 12.0, 1.8)]))
    assert (beside.score, beside.stats["share_of_time_with_leader"]) == (None, 0.0)


def test_load_friction_heat_and_grade_lengthen_the_stop() -> None:
    scene = [car(FRONT + 30.0 + 12.0 * T, 12.0)]

    def least(vehicle=SLEEPER, **channels: np.ndarray) -> float:
        found = judged("stopping_margin", drive(straight(12.0), vehicle, scene, channels=channels or None))
        return found.stats["min_stopping_margin_[meters]"]

    dry = least()
    assert dry == pytest.approx(margin(30.0, 12.0, 12.0), abs=0.01)
    wet = np.sqrt(1.0 - 0.49) * 9.81 * 0.3
    assert least(**uneven(friction=0.3)) == pytest.approx(margin(30.0, 12.0, 12.0, wet), abs=0.01)
    assert least(**uneven(grade=-0.05)) == pytest.approx(margin(30.0, 12.0, 12.0, 4.5, -0.05), abs=0.01)
    hot = {"vehicle.brake_temperature": np.full(N, 300.0)}
    assert least(**hot) == pytest.approx(margin(30.0, 12.0, 12.0, 4.5 * (1.0 - 0.18)), abs=0.01)
    assert least(loaded(load="empty")) > dry


def test_brake_demand_by_hand() -> None:
    rollout = drive(straight(12.0), SLEEPER, [car(FRONT + 60.0 + 6.0 * T, 6.0)])
    demand = judged("brake_demand", rollout)
    gap = 60.0 - 6.0 * T
    want = 36.0 / (2.0 * np.maximum(gap, 0.01)) / 4.5
    reached = gap > 2.0
    np.testing.assert_allclose(demand.series.values[reached], want[reached], rtol=1e-3)
    assert demand.stats["unavoidable"]
    away = judged("brake_demand", drive(straight(8.0), SLEEPER, [car(FRONT + 10.0 + 9.0 * T, 9.0)]))
    assert (away.score, away.stats["good"]) == (0.0, True)


@pytest.mark.parametrize("law", ["cdl", "germany"])
def test_headway_by_law(law: str) -> None:
    speed = 20.0
    rollout = drive(straight(speed, x=40.0), SLEEPER, [car(FRONT - 20.0 + 40.0 + speed * T, speed)])
    result = judged("headway", rollout, law=law)
    wanted = {"cdl": 22.34 / 3.048 + 1.0, "germany": 50.0 / speed}[law]
    assert result.stats["min_headway_[s]"] == pytest.approx(2.0, abs=0.01)
    assert result.score == pytest.approx(2.0 / wanted, rel=0.01)
    assert "are asked for" in result.events[0].what
    far = judged(
        "headway", drive(straight(speed, x=40.0), SLEEPER, [car(FRONT - 20.0 + 200.0 + speed * T, speed)]), law=law
    )
    assert far.score == 1.0
    assert judged("headway", drive(straight(4.0), SLEEPER, [car(FRONT + 5.0 + 4.0 * T, 4.0)]), law=law).score is None
    with pytest.raises(ConfigError):
        judged("headway", rollout, law="none")


def test_who_was_cut_in_on_has_five_seconds() -> None:
    other = car(FRONT + 15.0 + 10.0 * T, 10.0)
    other["box"][:, 1] = np.where(T < 4.0, 1.8, -1.8)  # comes over at 4 s
    ahead = car(FRONT + 120.0 + 10.0 * T, 10.0)
    result = judged("headway", drive(straight(10.0), SLEEPER, [other, ahead]), law="cdl")
    wanted = 22.34 / 3.048
    counted = np.where(T < 4.0, 1.0, 1.5 / wanted)[(T < 4.0) | (T >= 9.0)]
    assert result.score == pytest.approx(counted.mean(), abs=0.01)
    alone = judged("headway", drive(straight(10.0), SLEEPER, [other]), law="cdl")
    assert alone.score == pytest.approx(1.5 / wanted, abs=0.01), "the same where nobody was ahead before"


# ---- lane changes, speed ---------------------------------------------------------------------------------------------


def lane_change(speed: float = 15.0) -> np.ndarray:
    ego = straight(speed)
    lateral = 1.8 * (1.0 - np.cos(np.pi * np.clip((T - 3.0) / 8.0, 0.0, 1.0)))
    ego[:, Ego.Y] += lateral
    ego[:, Ego.HEADING] = np.arctan2(np.gradient(lateral, 0.1), speed)
    return ego


def test_gaps_of_a_lane_change_by_hand() -> None:
    plain = drive(lane_change(), SLEEPER)
    (change,) = lane_changes(RolloutContext(plain))
    axle = 60.0 + 15.0 * 0.1 * change.crossing
    rear = axle + 0.3 - 12.5 - 2.74
    for lag_speed, lag, score in ((18.0, 20.0, 1.0), (21.0, 8.0, 0.5), (25.0, 10.0, 0.0), (10.0, 10.0, 1.0)):
        behind = car(rear - lag - 4.5 + lag_speed * (T - T[change.crossing]), lag_speed, 1.8)
        lead = car(axle + 7.4 + 30.0 + 15.0 * (T - T[change.crossing]), 15.0, 1.8)
        result = judged("lane_change_gap", drive(lane_change(), SLEEPER, [behind, lead]))
        assert result.stats["lag_gap_[meters]"] == pytest.approx(lag, abs=0.15)
        assert result.stats["lead_gap_[meters]"] == pytest.approx(30.0, abs=0.15)
        imposed = max(lag_speed - 15.0, 0.0) ** 2 / (2.0 * lag)
        assert result.stats["imposed_deceleration_[mps2]"] == pytest.approx(imposed, rel=0.02)
        assert result.score == pytest.approx(score, abs=0.05)
    abreast = car(rear + 5.0 + 15.0 * (T - T[change.crossing]), 15.0, 1.8)
    assert judged("lane_change_gap", drive(lane_change(), SLEEPER, [abreast])).score == 0.0
    assert judged("lane_change_gap", plain).score == 1.0
    assert judged("lane_change_gap", drive(straight(), SLEEPER)).score is None


def test_truck_speed_takes_the_least_limit() -> None:
    limited = replace(SLEEPER, powertrain=replace(SLEEPER.powertrain, speed_limiter_mps=9.0))
    over = {SLEEPER: 12.0 - 13.0, limited: 12.0 - 9.0}
    for vehicle, excess in over.items():
        result = judged("truck_speed", drive(straight(12.0), vehicle))
        want = 1.0 if excess <= 0 else max(0.0, 1.0 - excess * N / (N - 1) / 2.23)
        assert result.score == pytest.approx(want)
    assert judged("truck_speed", drive(straight(12.0), SLEEPER), truck_limit_mps=11.0).score == pytest.approx(
        1.0 - 1.0 * N / (N - 1) / 2.23
    )
    assert judged("truck_speed", drive(straight(12.0), SLEEPER)).stats == {"truck_speed": True}


# ---- load ------------------------------------------------------------------------------------------------------------


def test_cargo_feels_braking_and_curves() -> None:
    assert payloads(SLEEPER).keys() == {1}
    assert payloads(loaded(load="empty")) == payloads(TRUCK) == {}
    for braking, lateral, score in (
        (0.1, 0.05, 1.0), (0.3425, 0.0, 0.5), (0.0, 0.2, 0.5), (0.5, 0.0, 0.0), (0.0, -0.3, 0.0), (0.3, 0.2, 0.5),
    ):  # fmt: skip
        ego = straight(60.0, x=0.0)
        ego[:, Ego.VX] = 80.0 - braking * G * T
        rollout = drive(ego, SLEEPER, channels=quiet(SLEEPER, ay_1=np.full(N, lateral * G)), joints=np.zeros((N, 1)))
        result = judged("cargo", rollout)
        assert result.score == pytest.approx(score, abs=0.01)
        assert result.stats["max_braking_[g]"] == pytest.approx(max(braking, 0.0), abs=1e-3)
        assert result.stats["max_lateral_[g]"] == pytest.approx(abs(lateral), abs=1e-3)
        assert judged("cargo", mirrored(rollout)).score == pytest.approx(result.score)
    jolted = straight(20.0, x=0.0)
    jolted[:, Ego.VX] = 30.0 - np.where(T < 7.5, 0.0, 2.0 * (T - 7.5))
    jolt = judged("cargo", drive(jolted, SLEEPER, channels=quiet(SLEEPER), joints=np.zeros((N, 1))))
    assert jolt.stats["max_jerk_[m_per_s3]"] > 1.0
    assert judged("cargo", drive(straight(), loaded(load="empty"), channels=quiet(loaded(load="empty")))).score is None
    assert judged("cargo", drive(straight(), SLEEPER)).score is None


@pytest.mark.parametrize(("peak", "score"), [(70.0, None), (120.0, 1.0), (200.0, 1.0), (230.0, 0.5), (300.0, 0.0)])
def test_brake_heat_between_its_bounds(peak: float, score: float | None) -> None:
    hot = 66.0 + (peak - 66.0) * T / T[-1]
    result = judged("brake_heat", drive(straight(10.0), SLEEPER, channels=quiet(SLEEPER, brake_temperature=hot)))
    assert result.score == (score if score is None else pytest.approx(score))
    assert result.stats["max_brake_temperature_[degC]"] == pytest.approx(peak)
    assert bool(result.events) == (peak > 200.0)


def test_retarder_share_and_energy_by_hand() -> None:
    mass = sum(m.mass_kg for m in SLEEPER.masses)
    slow = replace(SLEEPER, brakes=replace(SLEEPER.brakes, retarder_W=100_000.0))
    channels = quiet(SLEEPER, brake=np.full(N, 1.0), drive=np.full(N, 0.5))
    rollout = drive(straight(10.0), slow, channels=channels)
    assert judged("brake_heat", rollout).stats["share_of_retarder"] == pytest.approx(100_000.0 / (mass * 10.0))
    energy = judged("energy", rollout)
    power = 0.5 * mass * 10.0 / (0.95 * 0.43) + 12_000.0
    assert energy.score == pytest.approx(power / 35.8e6 / 10.0 * 1e5)
    assert energy.stats["brake_energy_[kWh]"] == pytest.approx(mass * 10.0 * 15.0 / 3.6e6)
    assert energy.stats["fuel_[l_per_t_km]"] == pytest.approx(energy.score / 100.0 / (mass / 1000.0))
    assert judged("energy", drive(straight(10.0), SLEEPER)).score is None
    standing = judged("energy", drive(straight(0.0), SLEEPER, channels=quiet(SLEEPER)))
    assert standing.score is None


def test_rolling_back_is_what_no_plan_asks_for() -> None:
    ego = straight(0.0)
    ego[20:50, Ego.VX] = -0.2
    result = judged("rollback", drive(ego, SLEEPER))
    assert result.score == pytest.approx(0.6)
    assert (result.stats["within_bound"], result.events[0].step) == (False, 20)
    plans = PlanLog(np.array([0]), np.array([0, 2]), np.zeros(2, np.int64), np.array([[0.0, 0, 0, 0], [0, 0, 0, -1.0]]))
    assert judged("rollback", replace(drive(ego, SLEEPER), plans=plans)).score == 0.0
    assert judged("rollback", drive(straight(), SLEEPER)).score == 0.0


# ---- who is beside ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [PERSON, CYCLIST])
@pytest.mark.parametrize(("room", "score"), [(2.0, 1.0), (0.75, 0.5), (-0.1, 0.0)])
def test_room_beside_people_when_passing(kind: ObjectKind, room: float, score: float) -> None:
    someone = thing(kind, np.array([120.0, -1.8 - 1.295 - room - 0.25, 0.0, 0.5, 0.5]))
    rollout = drive(straight(), SLEEPER, [someone])
    result = judged("vru_side", rollout)
    assert result.score == pytest.approx(score)
    assert result.stats["least_room_[meters]"] == pytest.approx(room)
    assert judged("vru_side", mirrored(rollout)).score == pytest.approx(score)
    if 0.0 < score < 1.0:
        assert result.stats["unit"] == 1, "the trailer is the wider unit"


def test_in_a_turn_less_room_is_asked_for() -> None:
    ego = along(np.full(N, 0.02), 5.0, 6.2, (150.0, 0.0, 0.0))
    rollout = drive(ego, SLEEPER)
    box = units(RolloutContext(rollout)).boxes[70, 1]
    normal = np.array([-np.sin(box[2]), np.cos(box[2])])
    place = box[:2] - ORIGIN + normal * (0.5 * box[4] + 0.8 + 0.25)
    result = judged("vru_side", drive(ego, SLEEPER, [thing(PERSON, np.array([*place, box[2], 0.5, 0.5]))]))
    assert result.stats["in_a_turn"]
    assert result.stats["least_room_[meters]"] <= 0.8
    assert result.score == pytest.approx(max(result.stats["least_room_[meters]"], 0.0) / 1.0)


def test_nobody_beside_no_score() -> None:
    assert judged("vru_side", drive(straight(), SLEEPER)).score is None
    far = thing(PERSON, np.array([120.0, -12.0, 0.0, 0.5, 0.5]))
    assert judged("vru_side", drive(straight(), SLEEPER, [far])).score is None
    near = thing(PERSON, np.array([50.0, -4.0, 0.0, 0.5, 0.5]))
    assert judged("vru_side", drive(straight(0.0), SLEEPER, [near])).score is None, "ego stands"


def test_move_over_asks_for_a_lane_or_for_low_speed() -> None:
    world = two_way_road()  # limit 25 m/s
    car_there = thing(CAR, np.array([150.0, -3.6 - 1.5, 0.0, 4.5, 1.8]))
    for speed, y, score in ((20.0, -1.8, 0.0), (8.0, -1.3, 0.0), (8.0, 0.1, 1.0), (20.0, 2.0, 1.0)):
        rollout = drive(straight(speed, y=y), SLEEPER, [car_there], world=world)
        result = judged("move_over", rollout)
        room = (y - 1.295) - (-5.1 + 0.9)
        good = (room >= 3.66 or speed <= 25.0 - 8.94) and room >= 1.0 + 0.1 * speed
        assert (result.score, float(good)) == (score, score), (speed, y, room)
    assert judged("move_over", drive(straight(20.0), SLEEPER, [car_there])).score is None, "a street of 13 m/s"
    moving = {**car_there, "velocity": np.array([2.0, 0.0])}
    assert judged("move_over", drive(straight(20.0), SLEEPER, [moving], world=world)).score is None


def test_a_lane_of_the_map_that_ego_has_left_is_a_lane_between() -> None:
    world = two_way_road()
    out = thing(CAR, np.array([150.0, -3.6 - 0.5, 0.0, 4.5, 1.8]))  # reaches 0.4 m into the right lane
    for y, score in ((1.5, 1.0), (1.2, 0.0)):
        result = judged("move_over", drive(straight(20.0, y=y), SLEEPER, [out], world=world))
        assert result.stats["least_room_[meters]"] == pytest.approx(y - 1.295 + 3.2, abs=1e-6)
        assert result.stats["least_room_[meters]"] < 3.66
        assert result.score == score, "the right lane is free of ego only in the first"


# ---- junctions and places --------------------------------------------------------------------------------------------


def test_standing_in_the_junction() -> None:
    for seconds, score in ((2.0, 1.0), (3.0, 1.0), (4.0, 0.0)):
        moving = np.where((T > 3.0) & (3.0 + seconds + 0.05 > T), 0.0, 12.0)
        ego = straight(0.0)
        ego[:, Ego.X] += np.concatenate([[0.0], np.cumsum(0.1 * moving[1:])])
        ego[:, Ego.VX] = moving
        result = judged("junction_blocked", drive(ego, SLEEPER))
        assert result.stats["blocked_[s]"] == pytest.approx(seconds, abs=0.1)
        assert result.score == score
    before = straight(0.0)  # waits 20 m before the junction
    assert judged("junction_blocked", drive(before, SLEEPER)).score is None


def test_a_trailer_in_the_junction_at_red() -> None:
    red = made_up_scenario(seconds=15.0, light=LightState.RED)
    slow = judged("junction_blocked", drive(straight(4.0, x=85.0), SLEEPER, scenario=red))
    assert slow.score == 0.0
    green = judged("junction_blocked", drive(straight(4.0, x=85.0), SLEEPER))
    assert (green.score, green.stats["blocked_[s]"]) == (1.0, 0.0)


def with_places(*places: RoadPlace):
    s = made_up_scenario(seconds=15.0)
    return replace(s.map, places=Places.build(places))


LANE = 1  # the right lane from x = 0 to 100
AFTER = 3  # the right lane from x = 130 to 400


@pytest.mark.parametrize(
    ("height", "sag", "score"), [(4.3, np.nan, 1.0), (4.15, np.nan, 0.0), (4.3, 60.0, 0.0), (3.9, np.nan, 0.0)]
)
def test_clearance_counts_the_highest_unit_and_the_sag(height: float, sag: float, score: float) -> None:
    world = with_places(RoadPlace(PlaceKind.CLEARANCE, AFTER, (20.0, 25.0), height, sag))
    result = judged("bridge_clearance", drive(straight(12.0), SLEEPER, world=world))
    hitch = 0.3 * (6.2 - 0.3) / (2.0 * sag)  # lifted, so that the trailer leans
    rise = 0.0 if np.isnan(sag) else (12.5 / 2 + hitch * sag / 12.5) ** 2 / (2.0 * sag)
    assert result.stats["least_clearance_[meters]"] == pytest.approx(height - 4.11 - rise)
    assert result.score == score
    assert judged("bridge_clearance", drive(straight(12.0), SLEEPER)).score is None


def test_to_stop_before_the_bridge_on_its_lane_is_a_fault_and_before_its_lane_none() -> None:
    world = with_places(RoadPlace(PlaceKind.CLEARANCE, AFTER, (250.0, 255.0), 3.0))
    assert judged("bridge_clearance", drive(straight(8.0), SLEEPER, world=world)).score == 0.0
    assert judged("bridge_clearance", drive(straight(2.0), SLEEPER, world=world)).score is None


def test_weight_limits_by_kind() -> None:
    gross = sum(m.mass_kg for m in SLEEPER.masses)
    cases = [
        (RoadPlace(PlaceKind.GROSS_LIMIT, AFTER, (20.0, 30.0), gross + 1.0), 1.0),
        (RoadPlace(PlaceKind.GROSS_LIMIT, AFTER, (20.0, 30.0), gross - 1.0), 0.0),
        (RoadPlace(PlaceKind.AXLE_LIMIT, AFTER, (20.0, 30.0), 10_000.0, 18_000.0), 1.0),
        (RoadPlace(PlaceKind.AXLE_LIMIT, AFTER, (20.0, 30.0), 10_000.0, 15_000.0), 0.0),
        (RoadPlace(PlaceKind.AXLE_LIMIT, AFTER, (20.0, 30.0), 5_000.0), 0.0),
        (RoadPlace(PlaceKind.NO_TRUCKS, AFTER, (20.0, 30.0), 0.0), 0.0),
        (RoadPlace(PlaceKind.NO_TRUCKS, AFTER, (20.0, 30.0), gross + 1.0), 1.0),
        (RoadPlace(PlaceKind.GROSS_LIMIT, AFTER, (260.0, 265.0), 1.0), None),
    ]
    for place, score in cases:
        assert judged("weight_limits", drive(straight(12.0), SLEEPER, world=with_places(place))).score == score, place
    assert judged("weight_limits", drive(straight(12.0), TRUCK, world=with_places(cases[1][0]))).score is None


def test_truck_limits_of_the_map_hold_on_their_span() -> None:
    world = with_places(RoadPlace(PlaceKind.TRUCK_SPEED_LIMIT, AFTER, (0.0, 270.0), 8.0, 20_000.0))
    heavy = judged("truck_speed", drive(straight(12.0), SLEEPER, world=world))
    light = judged("truck_speed", drive(straight(12.0), loaded(load="empty"), world=world))
    assert light.score == 1.0
    assert heavy.stats["max_violation_of_truck_speed"] == pytest.approx(4.0)
    first = int(np.argmax(heavy.series.values > 0.0))
    assert 60.0 + 12.0 * 0.1 * first == pytest.approx(130.0 - 7.4, abs=2.5)


def test_no_unit_stands_on_the_rails() -> None:
    world = with_places(RoadPlace(PlaceKind.RAIL_CROSSING, LANE, (50.0, 55.0)))
    stops = straight(0.0)  # the trailer over the rails
    result = judged("stop_on_rails", drive(stops, SLEEPER, world=world))
    assert result.score == 0.0
    assert "unit 1 on a railway" in result.events[0].what
    assert judged("stop_on_rails", drive(straight(8.0), SLEEPER, world=world)).score == 1.0
    cleared = judged("stop_on_rails", drive(straight(0.0, x=80.0), SLEEPER, world=world))
    assert cleared.score is None


@pytest.mark.parametrize(
    ("aside", "turn", "gap", "score"),
    [
        (0.0, 0.0, 0.1, 1.0),
        (0.1, 0.0, 0.2, 1.0),
        (0.25, 0.0, 0.1, (0.5 + 2.0) / 3.0),
        (0.0, 0.0, 0.275, (2.0 / 3.0 + 2.0) / 3.0),
        (2.0, 0.0, 2.0, 1.0 / 3.0),
    ],
)
def test_how_ego_stands_at_the_dock(aside: float, turn: float, gap: float, score: float) -> None:
    rear = 60.0 + 0.3 - 12.5 - 2.74
    pose = (ORIGIN[0] + rear - gap, ORIGIN[1] - 1.8 + aside, turn)
    world = with_places(RoadPlace(PlaceKind.DOCK, value=1.2, pose=pose))
    result = judged("dock", drive(straight(0.0), SLEEPER, world=world))
    assert result.stats["lateral_[meters]"] == pytest.approx(aside, abs=1e-6)
    assert result.stats["gap_[meters]"] == pytest.approx(gap, abs=1e-6)
    assert result.score == pytest.approx(score, abs=1e-6)
    assert judged("dock", drive(straight(2.0), SLEEPER, world=world)).score is None, "it does not stand"
    assert judged("dock", drive(straight(0.0), SLEEPER)).score is None


def test_a_closed_side_street_does_not_count_for_who_passes_it() -> None:
    """The same lane, turned to lie across the truck's way: its place begins 8 m beside."""
    world = with_places(RoadPlace(PlaceKind.GROSS_LIMIT, AFTER, (0.0, 30.0), 1000.0))
    along = judged("weight_limits", drive(straight(12.0), SLEEPER, world=world))
    lines = [np.array(world.lanes.centerlines[i]) for i in range(len(world.lanes))]
    x, y = lines[AFTER][0]
    lines[AFTER] = np.array([[x + 20.0, y + 8.0], [x + 20.0, y + 200.0]])
    aside = replace(world, lanes=replace(world.lanes, centerlines=Polylines.build(lines)))
    passed = judged("weight_limits", drive(straight(12.0), SLEEPER, world=aside))
    assert (along.score, passed.score) == (0.0, None)
