"""The map's places as features: where they lie, what holds there, mirrored, and for whom they are closed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from roadcraft.core import load_vehicle
from roadcraft.core.data.places import PlaceKind, Places, RoadPlace
from roadcraft.core.data.scenario import Ego, Scenario
from roadcraft.core.driving.features.build import build_features, layout_hash
from roadcraft.core.driving.features.columns import PlaceColumn
from roadcraft.core.driving.features.mirror import mirror
from roadcraft.core.driving.features.scene import LogScenes
from roadcraft.core.driving.features.spec import FeatureSpec
from roadcraft.core.errors import ConfigError
from roadcraft.core.testing.world import made_up_scenario

SPEC = FeatureSpec({"places": {"count": 8}}, agents=1, static=1, lanes=2, lane_points=4, crosswalks=1, radius_m=300.0)
FRAME = 30


def scenario_with(*places: RoadPlace) -> Scenario:
    scenario = made_up_scenario()
    return replace(scenario, map=replace(scenario.map, places=Places.build(places)))


def features(scenario: Scenario, vehicle=None, spec: FeatureSpec = SPEC, ego=None):
    scene = LogScenes(scenario.drive, scenario.map, vehicle or load_vehicle(), spec).at(FRAME, ego)
    return build_features(spec, [scene])


def test_a_place_is_seen_from_the_ego_wherever_it_looks() -> None:
    scenario = scenario_with(RoadPlace(PlaceKind.FRICTION, 0, (5.0, 25.0), 0.3))
    line = scenario.map.lanes.centerlines[0]
    arc = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    begin = np.array([np.interp(5.0, arc, c) for c in line.T])
    for turn in (0.0, 2.1):
        ego = np.array(scenario.drive.ego[FRAME])
        ego[Ego.HEADING] += turn
        row = features(scenario, ego=ego)["place"][0, 0]
        heading = ego[Ego.HEADING]
        ahead = np.array([[np.cos(heading), np.sin(heading)], [-np.sin(heading), np.cos(heading)]])
        np.testing.assert_allclose(row[:2], ahead @ (begin - ego[[Ego.X, Ego.Y]]), atol=1e-4)
        step = line[1] - line[0]
        turned = np.arctan2(step[1], step[0]) - heading
        np.testing.assert_allclose(row[[PlaceColumn.COS, PlaceColumn.SIN]], [np.cos(turned), np.sin(turned)], atol=1e-6)
        assert row[PlaceColumn.LENGTH] == 20.0
        assert row[[PlaceColumn.VALUE, PlaceColumn.SECOND]].tolist() == np.float32([0.3, 0.3]).tolist()


@pytest.mark.parametrize(
    ("place", "value", "second", "across", "across_end"),
    [
        (RoadPlace(PlaceKind.GRADE, 0, (0.0, 9.0), -0.06), -0.06, -0.06, 0.0, 0.0),
        (RoadPlace(PlaceKind.GRADE, 0, (0.0, 9.0), -0.06, 0.02), -0.06, 0.02, 0.0, 0.0),
        (RoadPlace(PlaceKind.BANK, 0, (0.0, 9.0), 0.04), 0.0, 0.0, 0.04, 0.04),
        (RoadPlace(PlaceKind.CLEARANCE, 0, (0.0, 9.0), 3.9), 3.9, 1000.0, 0.0, 0.0),
        (RoadPlace(PlaceKind.CLEARANCE, 0, (0.0, 9.0), 3.9, 9e8), 3.9, 1000.0, 0.0, 0.0),
        (RoadPlace(PlaceKind.GROSS_LIMIT, 0, (0.0, 9.0), 36_000.0), 36.0, 0.0, 0.0, 0.0),
        (RoadPlace(PlaceKind.AXLE_LIMIT, 0, (0.0, 9.0), 9_000.0), 9.0, 1000.0, 0.0, 0.0),
        (RoadPlace(PlaceKind.AXLE_LIMIT, 0, (0.0, 9.0), 9_000.0, 15_000.0), 9.0, 15.0, 0.0, 0.0),
        (RoadPlace(PlaceKind.TRUCK_SPEED_LIMIT, 0, (0.0, 9.0), 24.0, 7_500.0), 24.0, 7.5, 0.0, 0.0),
        (RoadPlace(PlaceKind.RAIL_CROSSING, 0, (0.0, 9.0)), 0.0, 0.0, 0.0, 0.0),
        (RoadPlace(PlaceKind.SHOULDER, 0, (0.0, 9.0), 3.0, -1.0), 3.0, 0.0, -1.0, 0.0),
        (RoadPlace(PlaceKind.DOCK, value=1.2, pose=(664_000.0, 3_997_000.0, 1.0)), 1.2, 0.0, 0.0, 0.0),
    ],
)
def test_each_kind_has_its_values(
    place: RoadPlace, value: float, second: float, across: float, across_end: float
) -> None:
    out = features(scenario_with(place))
    held = [PlaceColumn.VALUE, PlaceColumn.SECOND, PlaceColumn.ACROSS, PlaceColumn.ACROSS_END]
    assert out["place"][0, 0, held].tolist() == np.float32([value, second, across, across_end]).tolist()
    assert out["place_kind"][0, 0] == place.kind
    assert out["place_mask"][0].tolist() == [True] + [False] * 7
    assert not out["place"][0, 1:].any()


def test_wind_blows_in_the_ego_s_frame() -> None:
    scenario = scenario_with(RoadPlace(PlaceKind.WIND, 0, (0.0, 9.0), 12.0, 0.5))
    ego = np.array(scenario.drive.ego[FRAME])
    ego[Ego.HEADING] = 2.0
    row = features(scenario, ego=ego)["place"][0, 0]
    wanted = [12.0 * np.cos(-1.5), 12.0 * np.sin(-1.5)]
    np.testing.assert_allclose(row[[PlaceColumn.VALUE, PlaceColumn.ACROSS]], wanted, rtol=1e-5)


def test_an_area_without_a_lane_has_no_direction() -> None:
    ring = np.array([[20.0, 0.0], [24.0, 0.0], [24.0, 4.0], [20.0, 4.0], [20.0, 0.0]])
    ring += np.array([664_000.0, 3_997_000.0])
    scenario = scenario_with(RoadPlace(PlaceKind.APRON, value=0.1, polygon=(ring,)))
    for turn in (0.0, 1.0):
        ego = np.array(scenario.drive.ego[FRAME])
        ego[Ego.HEADING] += turn
        row = features(scenario, ego=ego)["place"][0, 0]
        assert row[[PlaceColumn.COS, PlaceColumn.SIN]].tolist() == [0.0, 0.0]
        assert np.isfinite(row).all()


def test_mirrored_rows_are_those_of_the_mirrored_places() -> None:
    out = features(scenario_with(RoadPlace(PlaceKind.SHOULDER, 0, (0.0, 9.0), 3.0, -1.0)))
    unchanged = out["place"].copy()
    mirror(SPEC, out, np.array([0]))
    turned = [PlaceColumn.Y, PlaceColumn.SIN, PlaceColumn.ACROSS, PlaceColumn.ACROSS_END]
    others = [c for c in PlaceColumn if c not in turned]
    assert (out["place"][..., turned] == -unchanged[..., turned]).all()
    assert (out["place"][..., others] == unchanged[..., others]).all()
    assert out["place"][0, 0, PlaceColumn.ACROSS] == 1.0


def test_the_nearest_come_first_and_the_far_ones_not_at_all() -> None:
    scenario = scenario_with(*(RoadPlace(PlaceKind.FRICTION, 0, (s, s + 1.0), 0.3) for s in np.arange(0.0, 20.0, 2.0)))
    rows = features(scenario)["place"][0]
    away = np.hypot(rows[:, PlaceColumn.X] + 0.5, rows[:, PlaceColumn.Y])
    assert (np.diff(away) > 0.0).all()
    near = features(scenario, spec=replace(SPEC, radius_m=float(away[2])))
    assert 0 < near["place_mask"].sum() < 8


def test_the_nearest_of_each_kind_is_seen_among_any_number_of_another() -> None:
    """A hundred curbs beside the ego hide neither a bridge nor a shoulder farther off."""
    bridge, shoulder = (
        RoadPlace(PlaceKind.CLEARANCE, 0, (20.0, 20.5), 3.9),
        RoadPlace(PlaceKind.SHOULDER, 0, (15.0, 18.0), 3.0, -1.0),
    )
    curbs = [RoadPlace(PlaceKind.CURB, 0, (s, s + 0.1), 0.15, 1.0) for s in np.linspace(0.0, 10.0, 100)]
    scenario = scenario_with(*curbs[:50], bridge, shoulder, *curbs[50:])
    f = features(scenario)
    kind, away = f["place_kind"][0].tolist(), np.hypot(*f["place"][0, :, [PlaceColumn.X, PlaceColumn.Y]])
    assert sorted(kind[:3]) == sorted([PlaceKind.CLEARANCE, PlaceKind.SHOULDER, PlaceKind.CURB])
    assert kind[3:] == [PlaceKind.CURB] * 5
    alone = features(scenario_with(*curbs))
    np.testing.assert_array_equal(f["place"][0, 3:], alone["place"][0, 1:6])
    assert away[kind.index(PlaceKind.CLEARANCE)] == away.max()


def test_what_is_closed_to_a_truck_is_open_to_a_car() -> None:
    places = RoadPlace(PlaceKind.CLEARANCE, 0, (0.0, 9.0), 3.5), RoadPlace(PlaceKind.NO_TRUCKS, 0, (9.0, 9.5), 0.0)
    scenario = scenario_with(*places)
    for vehicle, closed in ((load_vehicle("us_sleeper_53"), 1.0), (load_vehicle(), 0.0)):
        assert features(scenario, vehicle)["place"][0, :2, PlaceColumn.CLOSED].tolist() == [closed, closed]


def test_specs_that_do_not_ask_for_places_are_as_before() -> None:
    plain = FeatureSpec()
    assert "places" not in plain.groups
    assert layout_hash(plain) != layout_hash(plain.with_groups(places={}))
    with pytest.raises((ConfigError, ValueError), match="count"):
        FeatureSpec({"places": {"count": 0}})
