"""The freight score: progress that is feasible, what counts how, and runs that ask for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made_freight import TRUCK, along, drive, expert_of, judged, loaded, quiet, straight, thing, two_way_road

from roadcraft.core.config.factory import create
from roadcraft.core.config.load import load_config
from roadcraft.core.data.instructions import Instructions
from roadcraft.core.data.map import MapData
from roadcraft.core.data.places import PlaceKind, Places, RoadPlace
from roadcraft.core.data.rollout import Rollout
from roadcraft.core.data.scenario import Ego, ObjectKind, Scenario
from roadcraft.core.driving.motion.closed_forms import RoadGrip, traction
from roadcraft.core.errors import ConfigError
from roadcraft.core.plugins.hookspecs import PluginRef
from roadcraft.core.testing import made_up_map, made_up_scenario
from roadcraft.validation.config import ScoreConfig, SimulationConfig
from roadcraft.validation.metrics import FREIGHT_ROLES, challenge_metrics, evaluate, freight_metrics
from roadcraft.validation.simulation import simulate

CLOSED = "closed_loop_nonreactive_agents"
SLEEPER = loaded()
DYNAMIC = SimulationConfig(vehicle_model=PluginRef("dynamic_chain"), tracker=PluginRef("truck_lqr"))


def freight(rollout: Rollout):
    return evaluate(rollout, CLOSED, freight_metrics(), roles=FREIGHT_ROLES)


# ---- progress --------------------------------------------------------------------------------------------------------


def full_power(vehicle, speed: float, steps: int) -> float:
    """Way of a truck at full power, in fine steps."""
    way, launch = 0.0, vehicle.loads[vehicle.load].launch_mps2
    mass = sum(m.mass_kg for m in vehicle.masses)
    for _ in range(steps * 50):
        pull = traction(mass, 0.42, max(speed, 1.0), vehicle.powertrain, RoadGrip())
        resisted = traction(mass, 0.0, max(speed, 1.0), vehicle.powertrain, RoadGrip()).acceleration
        after = min(speed + 0.002 * min(pull.acceleration, launch + resisted), 13.0)  # the limit of the road
        way, speed = way + 0.001 * (speed + after), after
    return way


@pytest.mark.parametrize("load", ["empty", "loaded"])
def test_the_reference_from_rest_pulls_as_the_engine_does(load: str) -> None:
    vehicle = loaded(load=load)
    fast = expert_of(np.minimum(3.0 * 0.1 * np.arange(151), 12.9))  # a car's start
    rollout = drive(straight(0.0, 150), vehicle, scenario=fast)
    result = judged("progress_feasible", rollout)
    want = full_power(vehicle, 0.0, 150)
    reference = result.stats["reference_progress_[meters]"]
    assert reference == pytest.approx(want, rel=0.02)
    assert reference < 0.83 * result.stats["expert_progress_[meters]"]
    assert (result.score, result.events[0].step) == (0.0, 149)
    assert judged("makes_feasible_progress", rollout).score == 0.0
    assert judged("ego_progress_along_expert_route", rollout).score > 0.0, "nuPlan's floor"


def test_who_drives_as_the_reference_has_made_all_that_is_feasible() -> None:
    fast = expert_of(np.minimum(3.0 * 0.1 * np.arange(151), 12.9))
    want = judged("progress_feasible", drive(straight(0.0, 150), SLEEPER, scenario=fast))
    for share in (1.0, 0.5, 0.21, 0.19):
        ego = straight(0.0, 150)
        ego[:, Ego.X] += share * want.stats["reference_progress_[meters]"] * np.linspace(0.0, 1.0, 150) ** 2
        rollout = drive(ego, SLEEPER, scenario=fast)
        assert judged("progress_feasible", rollout).score == pytest.approx(share, rel=0.02)
        assert judged("makes_feasible_progress", rollout).score == float(share > 0.2)


def test_the_reference_is_never_ahead_of_the_expert_and_keeps_the_limit() -> None:
    slow = np.where(np.arange(151) < 60, 8.0, np.maximum(8.0 - 0.2 * (np.arange(151) - 60), 0.0))
    result = judged("progress_feasible", drive(straight(8.0, 150), SLEEPER, scenario=expert_of(slow)))
    expert = result.stats["expert_progress_[meters]"]
    assert result.stats["reference_progress_[meters]"] == pytest.approx(expert, rel=0.02)
    speeding = judged("progress_feasible", drive(straight(20.0, 150), SLEEPER, scenario=expert_of(20.0)))
    # from 20 m/s it slows down at once to the limit of 13 m/s
    assert speeding.stats["reference_progress_[meters]"] == pytest.approx(13.0 * 15.0, rel=0.02)


def test_uphill_less_is_feasible() -> None:
    fast = expert_of(np.minimum(3.0 * 0.1 * np.arange(151), 12.9))
    made = {}
    for grade in (0.0, 0.04, -0.04):
        places = Places.build(
            [
                RoadPlace(PlaceKind.GRADE, k, (0.0, length), grade)
                for k, length in enumerate((100.0, 100.0, 270.0, 270.0, 30.0, 30.0))
            ]
        )
        world = replace(fast.map, places=places)
        result = judged("progress_feasible", drive(straight(0.0, 150), SLEEPER, scenario=fast, world=world))
        made[grade] = result.stats["reference_progress_[meters]"]
    assert made[0.04] < made[0.0] < made[-0.04]


def test_where_there_is_nowhere_to_go_nothing_is_lost() -> None:
    parked = drive(straight(0.0, 150), SLEEPER, scenario=expert_of(0.0))
    assert judged("progress_feasible", parked).score == 1.0
    backwards = drive(straight(-1.0, 150), SLEEPER, scenario=expert_of(8.0))
    assert judged("progress_feasible", backwards).score == 0.0


def test_a_curve_is_taken_at_a_share_of_the_roll_threshold() -> None:
    s = made_up_scenario(seconds=15.0)
    ego = s.drive.ego.copy()
    turn = along(np.full(400, 1 / 60.0), 12.0, 4.5, (500.0, 500.0, 0.0))  # far from any lane
    ego[s.first :: 2][:151] = turn[:151]
    bent = replace(s, drive=replace(s.drive, ego=ego))
    result = judged("progress_feasible", drive(turn[:150], SLEEPER, scenario=bent))
    allowed = np.sqrt(0.5 * 0.34 * 9.81 * 60.0)
    assert result.stats["reference_progress_[meters]"] == pytest.approx(allowed * 15.0, rel=0.03)
    assert judged("progress_feasible", drive(turn[:150], TRUCK, scenario=bent)).stats[
        "reference_progress_[meters]"
    ] == pytest.approx(180.0, rel=0.01), "without masses the reference is the expert"
    still = straight(0.0, 150)
    assert judged("makes_feasible_progress", drive(still, SLEEPER, scenario=bent)).score == 0.0


# ---- the score -------------------------------------------------------------------------------------------------------


def test_a_truck_that_never_moves_scores_zero() -> None:
    for start in (0.0, 8.0):
        still = drive(straight(0.0, 150), SLEEPER, scenario=expert_of(np.maximum(start, np.arange(151) * 0.05)))
        result = freight(still)
        assert result.score == 0.0
        others = [n for n, (role, _) in result.counting.items() if role == "multiplier" and n in result.scores]
        assert [n for n in others if result.scores[n] == 0.0] == ["makes_feasible_progress"]


def test_a_driven_truck_has_a_score_of_its_own_beside_nuplan_s() -> None:
    found = simulate([expert_of(10.0)], create("planner", "log_replay"), DYNAMIC, vehicle=SLEEPER, debug=True)[0]
    assert isinstance(found, Rollout)
    result = freight(found)
    own = evaluate(found, CLOSED, metrics=challenge_metrics(CLOSED))
    assert result.nuplan_score == own.score == own.nuplan_score
    assert 0.0 < result.score <= 1.0
    factor, total, weights = 1.0, 0.0, 0.0
    for name, (role, weight) in result.counting.items():
        score = result.scores.get(name)
        if score is None or role == "report":
            continue
        factor *= score if role == "multiplier" else 1.0
        total, weights = (total + weight * score, weights + weight) if role == "weighted" else (total, weights)
    assert result.score == pytest.approx(factor * total / weights)
    assert {"rollover", "load_transfer", "articulation", "lane_keeping_all_units"} <= set(result.scores)
    assert result.counting["no_ego_at_fault_collisions"] == ("report", 0.0)
    assert result.counting["ego_is_comfortable"] == ("weighted", 1.0)
    assert result.counting["driving_direction_compliance"][0] == "multiplier"
    again = freight(found)
    assert (again.score, dict(again.scores)) == (result.score, dict(result.scores))


def into_the_opposing_lane() -> np.ndarray:
    ego, t = straight(8.0, 150), 0.1 * np.arange(150)
    lateral = 1.8 * (np.cos(np.pi * np.clip((t - 8.5) / 3.0, 0.0, 1.0)) - np.cos(np.pi * np.clip((t - 3) / 3.0, 0, 1)))
    ego[:, Ego.Y] += lateral
    ego[:, Ego.HEADING] = np.arctan2(np.gradient(lateral, 0.1), 8.0)
    return ego


def with_a_stop(x: float) -> np.ndarray:
    """Stands at x for 2 s."""
    ego, way = straight(8.0, 150), 60.0 + 0.8 * np.arange(150)
    ego[:, Ego.X] += np.minimum(way, np.maximum(x, way - 16.0)) - way
    ego[:, Ego.VX] = np.where((way > x) & (way < x + 16.0), 0.0, 8.0)
    return ego


def on_the_way(*places: RoadPlace) -> MapData:
    return replace(made_up_map(), places=Places.build(places))


def told_to_pull_over() -> Scenario:
    s = expert_of(8.0, 33.0)
    told = Instructions(s.drive.time_us[s.first + 20 : s.first + 21], ("pull over",))
    return replace(s, drive=replace(s.drive, instructions=told))


AFTER, T = 3, 0.1 * np.arange(150)  # the right lane from x = 130 m on
EVENTS: dict[str, dict[str, Any]] = {
    "all_unit_collisions": {"things": [thing(ObjectKind.VEHICLE, np.array([170.0, -1.8, 0.0, 4.5, 1.9]))]},
    "all_unit_drivable_area": {"ego": straight(8.0, 150, y=-2.8)},
    "driving_direction_compliance": {"ego": into_the_opposing_lane(), "world": two_way_road()},
    "articulation": {
        "channels": quiet(SLEEPER, slip_1=np.full(150, 0.2)),
        "joints": np.linspace(0, 0.02, 150)[:, None],
    },
    "rollover": {"channels": quiet(SLEEPER, load_transfer_0=np.where((T > 5.0) & (T < 6.0), 1.1, 0.2))},
    "bridge_clearance": {"world": on_the_way(RoadPlace(PlaceKind.CLEARANCE, AFTER, (20.0, 25.0), 3.9))},
    "weight_limits": {"world": on_the_way(RoadPlace(PlaceKind.GROSS_LIMIT, AFTER, (20.0, 25.0), 9_000.0))},
    "stop_on_rails": {
        "ego": with_a_stop(98.0),
        "world": on_the_way(RoadPlace(PlaceKind.RAIL_CROSSING, 1, (90.0, 93.0))),
    },
    "makes_feasible_progress": {"ego": straight(0.0, 150)},
    "pulls_over": {"ego": straight(8.0, 330), "scenario": told_to_pull_over()},
}


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_of_any_multiplier_costs_all(name: str) -> None:
    case = dict(EVENTS[name])
    scenario = case.pop("scenario", expert_of(8.0))
    if "world" in case:
        scenario = replace(scenario, map=case["world"])
    ego = case.pop("ego", straight(8.0, 150))
    result = freight(drive(ego, SLEEPER, scenario=scenario, **case))
    multipliers = {n for n, (role, _) in result.counting.items() if role == "multiplier"}
    assert multipliers == set(EVENTS)
    assert [n for n in multipliers if result.scores.get(n) == 0.0] == [name]
    assert result.score == 0.0


def test_without_an_event_the_score_is_high() -> None:
    assert freight(drive(straight(8.0, 150), SLEEPER, scenario=expert_of(8.0))).score > 0.9
    bent = drive(straight(8.0, 150), SLEEPER, joints=np.full((150, 1), 1.6), scenario=expert_of(8.0))
    assert freight(bent).score == 0.0


def test_a_run_asks_for_it_by_a_setting() -> None:
    config = load_config(ScoreConfig, ["score=freight"]).config
    assert config.score == "freight"
    assert load_config(ScoreConfig, []).config.score == "nuplan"
    with pytest.raises(ConfigError, match="freight needs closed loop"):
        load_config(ScoreConfig, ["score=freight", "suite.modes=[open_loop]"])
    with pytest.raises(ConfigError):
        load_config(ScoreConfig, ["score=trucks"])
