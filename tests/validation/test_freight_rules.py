"""Rules of the road for trucks: closures and limits by the planners' rule, lanes, advisories, merges, leaders."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_freight import TRUCK, drive, expert_of, judged, loaded, straight, thing

from roadcraft.core import load_vehicle
from roadcraft.core.config.factory import create
from roadcraft.core.data.map import MapData
from roadcraft.core.data.places import PlaceKind, Places, RoadPlace
from roadcraft.core.data.rollout_context import RolloutContext
from roadcraft.core.data.scenario import Ego, ObjectKind
from roadcraft.core.driving.downgrades import advised_speeds
from roadcraft.core.driving.route_places import bridge_verdict, closed_places, truck_speed_limits, unit_heights
from roadcraft.core.errors import ConfigError
from roadcraft.core.testing import made_up_map, made_up_rollout
from roadcraft.core.testing.world import ORIGIN, LaneSketch, sketch_map
from roadcraft.validation.metrics.freight.common.leaders import leaders
from roadcraft.validation.metrics.freight.merge import merging_lanes

CAR, PERSON = ObjectKind.VEHICLE, ObjectKind.PEDESTRIAN
SLEEPER, N = loaded(), 150
T = 0.1 * np.arange(N)
LEFT, AFTER = 2, 3  # rows of the lanes from x = 130 to 400


def world(*places: RoadPlace) -> MapData:
    return replace(made_up_map(), places=Places.build(places))


# ---- one rule --------------------------------------------------------------------------------------------------------

VEHICLES = {
    "loaded": SLEEPER, "empty": loaded(load="empty"), "unknown": TRUCK, "car": load_vehicle("pacifica"),
    "bus": load_vehicle("us_city_bus", load="loaded"),
}  # fmt: skip


@pytest.mark.parametrize("who", VEHICLES)
@pytest.mark.parametrize(
    "place",
    [
        RoadPlace(PlaceKind.NO_TRUCKS, AFTER, (20.0, 30.0), 0.0),
        RoadPlace(PlaceKind.NO_TRUCKS, AFTER, (20.0, 30.0), 17_500.0),
        RoadPlace(PlaceKind.GROSS_LIMIT, AFTER, (20.0, 30.0), 16_000.0),
        RoadPlace(PlaceKind.AXLE_LIMIT, AFTER, (20.0, 30.0), 7_500.0, 15_000.0),
        RoadPlace(PlaceKind.AXLE_LIMIT, AFTER, (20.0, 30.0), 9_000.0, 12_000.0),
    ],
)
def test_weight_limits_are_the_planners(who: str, place: RoadPlace) -> None:
    vehicle, m = VEHICLES[who], world(place)
    concerned = vehicle.masses if place.kind != PlaceKind.NO_TRUCKS else who not in ("car", "bus")
    result = judged("weight_limits", drive(straight(12.0), vehicle, world=m))
    assert result.score == (float(not closed_places(m, vehicle)[0]) if concerned else None)
    assert bool(result.events) == (result.score == 0.0)


@pytest.mark.parametrize("who", VEHICLES)
@pytest.mark.parametrize("from_kg", [np.nan, 17_500.0])
def test_speed_limits_of_trucks_are_the_planners(who: str, from_kg: float) -> None:
    m = world(RoadPlace(PlaceKind.TRUCK_SPEED_LIMIT, AFTER, (0.0, 270.0), 8.0, from_kg))
    result = judged("truck_speed", drive(straight(12.0), VEHICLES[who], world=m))
    limit = truck_speed_limits(m, VEHICLES[who])[AFTER]
    assert (result.score == 1.0) == np.isinf(limit)
    if np.isfinite(limit):
        assert result.stats["max_violation_of_truck_speed"] == pytest.approx(12.0 - limit)


def test_room_under_a_structure_is_that_of_the_planners() -> None:
    vehicle = loaded("se_a_double")
    for sag in (np.nan, 80.0, 400.0):
        m = world(RoadPlace(PlaceKind.CLEARANCE, AFTER, (20.0, 25.0), 4.3, sag))
        ego = straight(14.0)
        result = judged("bridge_clearance", drive(ego, vehicle, world=m))
        heights = unit_heights(vehicle, sag)
        assert result.stats["least_clearance_[meters]"] == pytest.approx(4.3 - heights.max())
        assert result.score == float(not closed_places(m, vehicle)[0])


# ---- weights by law --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["us_sleeper_53", "se_a_double", "us_twins_28"])
def test_the_bridge_formula_is_a_law_of_its_own(name: str) -> None:
    vehicle = loaded(name)
    verdict = bridge_verdict(vehicle)
    rollout = drive(straight(12.0), vehicle)
    assert judged("weight_limits", rollout).score is None
    result = judged("weight_limits", rollout, law="us_interstate")
    margin = min(verdict.group_margin, verdict.axle_margin, verdict.gross_margin)
    assert result.score == float(margin >= 0.0)
    assert result.stats["bridge_formula_margin_[kg]"] == pytest.approx(margin * 0.45359237)
    assert ("bridge formula" in " ".join(e.what for e in result.events)) == (margin < 0.0)
    assert judged("weight_limits", drive(straight(12.0), TRUCK), law="us_interstate").score is None, "no masses"
    with pytest.raises(ConfigError):
        judged("weight_limits", rollout, law="none")


# ---- lanes closed to trucks ------------------------------------------------------------------------------------------


def test_time_in_a_lane_that_is_closed_to_trucks() -> None:
    m = world(RoadPlace(PlaceKind.NO_TRUCKS, LEFT, (0.0, 270.0), 20_000.0))
    assert judged("lane_restriction", drive(straight(12.0), SLEEPER, world=m)).score == 1.0, "it keeps to the right"
    left = drive(straight(12.0, y=1.8), SLEEPER, world=m)
    result = judged("lane_restriction", left)
    seconds = np.count_nonzero(60.0 + 1.2 * np.arange(N) + 7.4 >= 130.0) * 0.1
    assert result.stats["closed_lane_[s]"] == pytest.approx(seconds, abs=0.11)
    assert result.score == pytest.approx(1.0 - seconds / 15.0, abs=0.01)
    assert "unit 0 in a lane that is closed to trucks" in result.events[0].what
    assert judged("lane_restriction", left, free_s=20.0).score == 1.0
    for vehicle in (loaded(load="empty"), load_vehicle("pacifica")):
        assert judged("lane_restriction", drive(straight(12.0, y=1.8), vehicle, world=m)).score is None
    assert judged("lane_restriction", drive(straight(12.0), SLEEPER)).score is None
    assert judged("lane_restriction", drive(straight(2.0), SLEEPER, world=m)).score is None, "that road is not driven"


# ---- advisories on downgrades ----------------------------------------------------------------------------------------


def slope(fall: float, until: float = 9000.0) -> MapData:
    line = np.column_stack([np.linspace(-2000.0, 8000.0, 101), np.full(101, -1.8)]) + ORIGIN
    places = Places.build([RoadPlace(PlaceKind.GRADE, 0, (2080.0, until), -fall)])
    return replace(sketch_map([LaneSketch(1, 1, line, limit_mps=30.0)]), places=places)


@pytest.mark.parametrize("speed", [8.0, 14.0, 20.0])
def test_speed_above_the_advisory_of_a_downgrade(speed: float) -> None:
    m = slope(0.06)
    advised = float(advised_speeds(m, SLEEPER)[0])
    assert 8.0 < advised < 14.0
    result = judged("grade_speed", drive(straight(speed), SLEEPER, world=m))
    center = 60.0 + 0.5 * (7.4 - 1.3)
    over = np.where(center + speed * T >= 80.0, max(speed - advised, 0.0), 0.0)
    np.testing.assert_allclose(result.series.values, over, atol=1e-9)
    assert result.score == pytest.approx(max(0.0, 1.0 - over.sum() * 0.1 / (2.23 * 14.9)))
    assert bool(result.events) == (speed > advised)


def test_no_advisory_no_score() -> None:
    fast = straight(20.0)
    assert judged("grade_speed", drive(fast, SLEEPER, world=slope(0.04, 3000.0))).score is None, "short and gentle"
    assert judged("grade_speed", drive(fast, TRUCK, world=slope(0.06))).score is None, "no masses"
    assert judged("grade_speed", drive(fast, SLEEPER)).score is None, "a level map"
    assert judged("grade_speed", drive(straight(2.0, x=-1500.0), SLEEPER, world=slope(0.06))).score is None, "not there"


# ---- merges ----------------------------------------------------------------------------------------------------------


def ramp(bend: float = 0.0) -> MapData:
    """A lane (y -1.8) and beside it one from a ramp (y -5.4) that comes over to it between x = 150 and 250."""

    def line(first: float, last: float, y0: float, y1: float) -> np.ndarray:
        x = np.arange(first, last + 0.5, 1.0)
        s = np.clip((x - first) / (last - first), 0.0, 1.0)
        y = y0 + (y1 - y0) * s * s * (3.0 - 2.0 * s) + bend * x * x
        return np.column_stack([x, y]) + ORIGIN

    return sketch_map(
        [
            LaneSketch(1, 1, line(0.0, 150.0, -1.8, -1.8), (3,), limit_mps=25.0),
            LaneSketch(2, 2, line(0.0, 150.0, -5.4, -5.4), (4,), limit_mps=25.0),
            LaneSketch(5, 5, line(250.0, 600.0, -1.8, -1.8), (), limit_mps=25.0),
            LaneSketch(3, 3, line(150.0, 250.0, -1.8, -1.8), (5,), True),
            LaneSketch(4, 4, line(150.0, 250.0, -5.4, -1.8), (5,), True),
        ]
    )


def from_the_ramp(x: np.ndarray, speed: np.ndarray | float) -> np.ndarray:
    ego, s = straight(0.0), np.clip((x - 150.0) / 100.0, 0.0, 1.0)
    ego[:, Ego.X], ego[:, Ego.Y] = ORIGIN[0] + x, ORIGIN[1] - 5.4 + 3.6 * s * s * (3.0 - 2.0 * s)
    ego[:, Ego.HEADING] = np.arctan2(3.6 * 6.0 * s * (1.0 - s) / 100.0, 1.0)
    ego[:, Ego.VX] = speed
    return ego


def follower(gap: float, speed: float, step: int, rear: float) -> dict:
    box = np.zeros((N, 5))
    box[:, 0], box[:, 1], box[:, 3:] = rear - gap - 2.25 + speed * (T - T[step]), -1.8, [4.5, 1.9]
    return thing(CAR, box, np.array([speed, 0.0]))


@pytest.mark.parametrize("bend", [0.0, 2e-4])
def test_who_comes_over_to_the_other_lane_is_the_one_that_merges(bend: float) -> None:
    m = ramp(bend)
    ego = from_the_ramp(60.0 + 15.0 * T, 15.0)
    ego[:, Ego.Y] += bend * (60.0 + 15.0 * T) ** 2
    (found,) = merging_lanes(RolloutContext(drive(ego, SLEEPER, world=m)))
    assert found.lane == 4
    on = straight(15.0)
    on[:, Ego.Y] += bend * (60.0 + 15.0 * T) ** 2
    assert not merging_lanes(RolloutContext(drive(on, SLEEPER, world=m))), "who drives on does not"
    assert not merging_lanes(RolloutContext(made_up_rollout()))


def test_gaps_of_a_merge_by_hand() -> None:
    ego, m = from_the_ramp(60.0 + 15.0 * T, 15.0), ramp()
    plain = drive(ego, SLEEPER, world=m)
    (found,) = merging_lanes(RolloutContext(plain))
    step = found.crossing
    front = 60.0 + 1.5 * step + 7.4
    s = np.clip((front - 150.0) / 100.0, 0.0, 1.0)
    assert -5.4 + 3.6 * s * s * (3.0 - 2.0 * s) + 1.22 == pytest.approx(-3.6, abs=0.25), "its left corner comes over"
    alone = judged("merge", plain)
    assert (alone.score, alone.stats["speed_difference_[mps]"]) == (1.0, None)
    assert alone.stats["rest_of_the_lane_[meters]"] == pytest.approx(250.0 - (front - 7.4 + 3.05), abs=1.0)
    rear = 60.0 + 1.5 * step + 0.3 - 12.5 - 2.74
    for speed, gap, score in ((18.0, 20.0, 1.0), (21.0, 8.0, 0.5), (25.0, 10.0, 0.0), (10.0, 10.0, 1.0)):
        result = judged("merge", drive(ego, SLEEPER, [follower(gap, speed, step, rear)], world=m))
        assert result.stats["speed_difference_[mps]"] == pytest.approx(speed - 15.0)
        assert result.stats["lag_gap_[meters]"] == pytest.approx(gap, abs=0.2)
        assert result.score == pytest.approx(score, abs=0.05)
    abreast = judged("merge", drive(ego, SLEEPER, [follower(-8.0, 15.0, step, rear)], world=m))
    assert (abreast.score, abreast.events[0].what) == (0.0, "merges without a gap")


def test_to_stop_at_the_end_of_the_lane_is_a_fault_unless_somebody_is_in_the_way() -> None:
    speed = np.clip(15.0 - 2.0 * T, 0.0, None)
    x = 170.0 + np.concatenate([[0.0], np.cumsum(0.05 * (speed[1:] + speed[:-1]))])
    ego, m = from_the_ramp(x - 6.0, speed), ramp()
    assert (x < 230.0).all()
    stands = judged("merge", drive(ego, SLEEPER, world=m))
    assert stands.score == 0.0
    assert "at the end of a lane" in stands.events[-1].what
    before = judged("merge", drive(from_the_ramp(x - 110.0, speed), SLEEPER, world=m))
    assert before.score is None, "far from the end, and it never merges"
    assert judged("merge", drive(ego, SLEEPER, world=m), wait_s=20.0).score != 0.0
    with pytest.raises(ConfigError):
        judged("merge", drive(ego, SLEEPER, world=m), bad_mps2=1.0)


def test_an_acceleration_lane_that_ends_beside_the_others() -> None:
    x = np.arange(0.0, 400.5, 1.0)
    lanes = [
        LaneSketch(1, 1, np.column_stack([x[:251], np.full(251, -1.8)]) + ORIGIN, (3,), limit_mps=25.0),
        LaneSketch(2, 1, np.column_stack([x[:251], np.full(251, -5.4)]) + ORIGIN, (), limit_mps=25.0),
        LaneSketch(3, 3, np.column_stack([x[250:], np.full(151, -1.8)]) + ORIGIN, (), limit_mps=25.0),
    ]
    m, ego = sketch_map(lanes), from_the_ramp(60.0 + 12.0 * T, 12.0)
    rollout = drive(ego, SLEEPER, world=m)
    (found,) = merging_lanes(RolloutContext(rollout))
    assert (found.lane, judged("merge", rollout).score) == (1, 1.0)
    assert judged("merge", drive(straight(12.0), SLEEPER, world=m)).score is None
    waits = straight(0.0, x=225.0, y=-5.4)
    stood = judged("merge", drive(waits, SLEEPER, world=m))
    assert (stood.score, stood.stats["stood_at_the_end_[s]"]) == (0.0, pytest.approx(15.0))
    stream = [follower(20.0 + 30.0 * k, 15.0, 75, 225.0 + 90.0) for k in range(9)]
    assert judged("merge", drive(waits, SLEEPER, stream, world=m)).stats["stood_at_the_end_[s]"] < 15.0, "no gap there"


# ---- leaders ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heading", "leads"), [(0.0, True), (0.6, True), (1.0, False), (np.pi / 2, False), (2.0, False)]
)
def test_who_crosses_leads_nobody(heading: float, leads: bool) -> None:
    box = np.array([150.0, -1.8, heading, 4.5, 1.9])
    velocity = 3.0 * np.array([np.cos(heading), np.sin(heading)])
    found = leaders(RolloutContext(drive(straight(), SLEEPER, [thing(CAR, box, velocity)])))
    assert (found.row >= 0).any() == leads
    stands = leaders(RolloutContext(drive(straight(), SLEEPER, [thing(CAR, box)])))
    assert (stands.row >= 0).any(), "who stands across is in the way"
    oncoming = leaders(RolloutContext(drive(straight(), SLEEPER, [thing(CAR, box, np.array([-3.0, 0.1]))])))
    assert (oncoming.speed[oncoming.row >= 0] == 0.0).all()
    assert (oncoming.row >= 0).any()


def test_a_pedestrian_on_the_way_over_is_no_leader() -> None:
    box = np.zeros((N, 5))
    box[:, 0], box[:, 1], box[:, 3:] = 150.0, -8.0 + 1.4 * T, 0.6
    walks = drive(straight(), SLEEPER, [thing(PERSON, box, np.array([0.0, 1.4]))])
    assert judged("stopping_margin", walks).score is None
    assert judged("headway", walks).score is None


# ---- settings --------------------------------------------------------------------------------------------------------


def test_the_least_progress_is_judged_by_the_settings_of_the_feasible_one() -> None:
    fast = expert_of(np.minimum(3.0 * 0.1 * np.arange(151), 12.9))
    ego = straight(0.0, 150)
    reference = judged("progress_feasible", drive(ego, SLEEPER, scenario=fast)).stats["reference_progress_[meters]"]
    ego[:, Ego.X] += 0.21 * reference * np.linspace(0.0, 1.0, 150) ** 2
    rollout = drive(ego, SLEEPER, scenario=fast)
    least = create("metric", "makes_feasible_progress")
    for floor, score in ((2.0, 1.0), (1e4, 1.0)):
        context = RolloutContext(rollout)
        create("metric", "progress_feasible", {"floor_m": floor}).compute(context)
        assert least.compute(context).score == score
    still = RolloutContext(drive(straight(0.0, 150), SLEEPER, scenario=fast))
    create("metric", "progress_feasible", {"floor_m": 1e4}).compute(still)
    assert least.compute(still).score == 1.0, "there was nowhere to go, by those settings"
    assert least.compute(RolloutContext(still.rollout)).score == 0.0
