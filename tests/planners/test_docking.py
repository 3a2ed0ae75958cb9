"""The planner ``docking``: it finds ways that keep clear, and brings trucks to the dock in the closed loop."""

from __future__ import annotations

from dataclasses import replace

import docking_runs
import numpy as np
import pytest

from roadcraft.core.config.factory import create
from roadcraft.core.data.places import PlaceKind, Places, RoadPlace
from roadcraft.core.errors import ConfigError, DataError
from roadcraft.core.random import scenario_key
from roadcraft.core.testing import PlannerConformance, made_up_scenario
from roadcraft.core.testing.world import observe
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.planners.docking.config import DockingConfig
from roadcraft.planners.docking.curves import PIECES, lay_turn
from roadcraft.planners.docking.follow import ReversePace, place_on, states_along
from roadcraft.planners.docking.maneuver import leg_of
from roadcraft.planners.docking.space import shape_of
from roadcraft.validation.simulation import simulate

CASES = [
    ("us_straight_26", "straight"),
    ("eu_4x2_13m6", "alley"),
    ("us_daycab_53", "angled"),
    ("us_sleeper_53", "angled"),
]


@pytest.fixture(scope="module")
def drives():
    """One drive of each vehicle."""
    out = {}
    for vehicle, kind in CASES:
        found = docking_runs.draw(vehicle, kind, 2)
        out[vehicle] = docking_runs.drive(docking_runs.scenario_of(found, 130.0), found.stage.vehicle)
    return out


@pytest.mark.parametrize("vehicle", [v for v, _ in CASES])
def test_the_last_unit_stands_at_the_dock_and_nothing_is_touched(drives, vehicle: str) -> None:
    found = drives[vehicle]
    assert not isinstance(found, str), found
    assert found.touches == ""
    assert abs(found.lateral) <= 0.10
    assert abs(found.heading) <= np.radians(1.0)
    assert 0.05 <= found.gap <= 0.20
    assert found.pull_ups <= 3


def test_once_it_has_reversed_it_goes_forward_no_more_often_than_pull_ups_are_left() -> None:
    found = docking_runs.draw("us_straight_26", "alley", 2)
    s = docking_runs.scenario_of(found, 60.0)
    obs = observe([s], 0, vehicle=found.stage.vehicle)
    for pull_ups, reversed, most in ((0, False, 1), (0, True, 0), (1, True, 1), (3, False, 4)):
        planner = create("planner", "docking", {"pull_ups": pull_ups})
        state = replace(planner.start_one(obs, 0), reversed=reversed, pull_ups=0)
        again = planner._replanned(obs, state, planner._shape(obs))
        assert sum(x.forward for x in again.legs) <= most
        assert again.pull_ups <= pull_ups


def test_askew_between_neighbors_it_comes_straight_by_short_moves() -> None:
    """Without a pull-up there is no way: the trailer stands 0.5 m aside, 14 m before the dock, and the yard ends 3 m
    ahead of the truck."""
    found = docking_runs.unsearched("us_daycab_53", "straight", 1)
    s, vehicle = docking_runs.scenario_of(found, 200.0), found.stage.vehicle
    once = docking_runs.drive(s, vehicle, pull_ups=0)
    assert not isinstance(once, str), once
    assert not once.in_place
    several = docking_runs.drive(s, vehicle)
    assert not isinstance(several, str), several
    assert several.good, several
    assert 1 <= several.pull_ups <= 3


def leg(vehicle: str, forward: bool):
    shape = shape_of(load_vehicle(vehicle), 0.85, 0.7)
    pieces = np.zeros((PIECES, 3))
    pieces[0, 0] = 3.0
    lay_turn(0.0, 0.6, 0.6 * shape.most, shape.rate, pieces, 1, False)
    return leg_of(np.array([5.0, -3.0, 0.4, 0.0]), pieces, forward, shape)


@pytest.mark.parametrize("forward", [True, False])
def test_a_leg_is_driven_to_its_end(forward: bool) -> None:
    way = leg("us_sleeper_53", forward)
    side = 1.0 if forward else -1.0
    ego = np.zeros(10)
    ego[:3], ego[3] = way.lead[0], 0.0
    states = states_along(way, 0.0, ego, ReversePace(1.0, 0.3, 0.5, 0.2))
    np.testing.assert_allclose(states[-1, :2], way.lead[-1, :2], atol=0.02)
    assert (side * states[:, 3] >= 0.0).all()
    assert np.abs(states[:, 3]).max() <= 1.0
    assert np.abs(np.diff(states[:, 3])).max() <= 0.3 * 0.1 + 1e-6
    steps = np.hypot(*np.diff(states[1:, :2], axis=0).T)
    np.testing.assert_allclose(steps, 0.1 * np.abs(states[2:, 3]), atol=6e-3)


def test_the_place_along_a_leg_is_that_of_the_held_unit() -> None:
    way = leg("eu_4x2_13m6", False)
    for k in (10, 40, len(way.way) - 5):
        last, h = way.last[k, :3].copy(), way.last[k, 2]
        last[:2] += 0.2 * np.array([-np.sin(h), np.cos(h)])
        last[2] += 0.05
        place = place_on(way, way.lead[k], last, way.way[k] - 0.5)
        assert (place.way, place.lateral, place.heading) == pytest.approx((way.way[k], 0.2, 0.05), abs=0.03)


def test_a_map_without_docks_is_told() -> None:
    planner, obs = create("planner", "docking"), observe([made_up_scenario("1" * 16)], 30)
    with pytest.raises(DataError, match=r"needs a dock.*has none.*give the map a place of kind DOCK"):
        planner.start(obs, np.zeros(1, np.uint64))


def test_where_there_is_no_way_it_stays() -> None:
    """A dock beyond the drivable area."""
    scenario = made_up_scenario("1" * 16)
    dock = RoadPlace(PlaceKind.DOCK, value=1.2, pose=(664_000.0, 3_997_500.0, 0.0))
    far = replace(scenario, map=replace(scenario.map, places=Places.build([dock])))
    truck, planner = load_vehicle("eu_4x2_13m6", load="loaded"), create("planner", "docking")
    rollout = simulate([far], planner, docking_runs.DRIVEN, vehicle=truck, debug=True)[0]
    speed = rollout.drive.ego[:, 3]
    assert speed[-1] == pytest.approx(0.0, abs=0.05)
    assert (rollout.channels[list(rollout.channel_names).index("leg")] == 0.0).all()


def test_settings_that_make_no_sense_are_told() -> None:
    with pytest.raises(ConfigError, match="steering_share"):
        DockingConfig(steering_share=1.5)


class TestContract(PlannerConformance):
    name = "docking"

    def observe(self, planner, count=3, iteration=30):
        """Cars that are to stop backward at a dock behind them on their road."""
        scenarios = []
        for i in range(count):
            s = made_up_scenario(f"{i + 1:016x}", speed_mps=1.0 + 0.1 * i, lane=i % 2)
            x, y, h = s.drive.ego[s.frames[iteration], :3]
            pose = (float(x - 12.0 * np.cos(h)), float(y - 12.0 * np.sin(h)), float(h))
            places = Places.build([RoadPlace(PlaceKind.DOCK, value=1.2, pose=pose)])
            scenarios.append(replace(s, map=replace(s.map, places=places)))
        return observe(scenarios, iteration, planner.needs())

    def test_the_car_is_planned_for(self, planner) -> None:
        obs = self.observe(planner, 1)
        state = planner.start(obs, np.array([scenario_key(0, obs.token[0])], np.uint64))
        assert state[0].legs
