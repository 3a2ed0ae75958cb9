"""The situation of a dock: what the search finds is a way without slip that keeps clear and ends at the dock, and its
expert drives it."""

from __future__ import annotations

import itertools
from functools import lru_cache

import docking_runs
import numpy as np
import pytest
from freight_drivers import DOCKING, scenario_of
from freight_worlds import freight_world

from roadcraft.core.data.places import PlaceKind
from roadcraft.core.data.plan import Plan
from roadcraft.core.driving.geometry.boxes import overlap
from roadcraft.core.driving.motion.chain import chain_of, pull_joints, unit_boxes, unit_poses
from roadcraft.core.errors import ConfigError
from roadcraft.core.interfaces import Planner
from roadcraft.core.vehicles.geometry import length_of
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.scenario_io import window_of
from roadcraft.scenario_io.synthetic.config import SynthConfig
from roadcraft.scenario_io.synthetic.freight.dock_play import docked
from roadcraft.scenario_io.synthetic.freight.driving.dock_legs import DockDriver, legs_of, moved
from roadcraft.scenario_io.synthetic.freight.driving.dock_search import Goal, Yard, dock_state, find_path
from roadcraft.scenario_io.synthetic.freight.situations.dock_yard import GAP_M
from roadcraft.scenario_io.synthetic.synthesize import world_of
from roadcraft.validation.metrics import FREIGHT_ROLES, evaluate, freight_metrics
from roadcraft.validation.simulation import simulate

CASES = [("us_straight_26", "alley"), ("eu_4x2_13m6", "angled"), ("us_sleeper_53", "angled")]


@lru_cache(maxsize=8)
def found(vehicle: str, kind: str) -> docking_runs.Draw:
    return docking_runs.draw(vehicle, kind, 2)


@pytest.mark.parametrize(("vehicle", "kind"), CASES)
def test_the_way_rolls_without_slip_and_ends_at_the_dock(vehicle: str, kind: str) -> None:
    stage, path = found(vehicle, kind)
    assert path is not None
    truck, task = stage.vehicle, stage.dock
    np.testing.assert_allclose(path.state[-1], dock_state(truck, task.yard.dock, GAP_M), atol=1e-9)
    poses = np.ascontiguousarray(path.state[:, :3])
    steps = np.hypot(*np.diff(poses[:, :2], axis=0).T)
    np.testing.assert_allclose(steps, 0.1, atol=2e-3)
    turned = np.abs(np.diff(np.unwrap(poses[:, 2])))
    assert (turned <= np.tan(truck.max_steering_rad) / truck.body.wheel_base_m * 0.1 + 1e-9).all()
    ahead = np.cos(np.arctan2(*np.diff(poses[:, :2], axis=0).T[::-1]) - poses[:-1, 2])
    np.testing.assert_array_equal(ahead > 0.0, path.forward[:-1] == 1)
    changes = int(np.count_nonzero(np.diff(path.forward)))
    assert changes <= 7, "three pull-ups"
    if truck.joints:
        bent = np.asarray(pull_joints(poses[None], np.ascontiguousarray(path.state[:1, 3:]), chain_of(truck), 4))[0]
        forward = np.flatnonzero(path.forward == 0)[0]  # chords of the first leg, in which nothing grows
        np.testing.assert_allclose(bent[:forward], path.state[:forward, 3:], atol=5e-3)


@pytest.mark.parametrize(("vehicle", "kind"), CASES)
def test_all_units_keep_clear_of_what_stands(vehicle: str, kind: str) -> None:
    stage, path = found(vehicle, kind)
    assert path is not None
    yard, joints = stage.dock.yard, np.ascontiguousarray(path.state[:, 3:])
    boxes = np.asarray(unit_boxes(np.ascontiguousarray(path.state[:, :3]), joints, chain_of(stage.vehicle)))
    others = np.concatenate([yard.boxes, yard.faces])
    assert not any(overlap(b, o) for b in boxes.reshape(-1, 5) for o in others)


@pytest.mark.parametrize("number", range(12))
def test_yards_are_as_asked(number: int) -> None:
    name = ("us_straight_26", "eu_4x2_13m6", "us_daycab_53", "us_sleeper_53")[number % 4]
    stage = docking_runs.staged(name, ("alley", "angled", "straight")[number // 4], number)
    task, truck = stage.dock, load_vehicle(name)
    apron = task.yard.edge[3]
    assert apron >= max(25.0, 1.5 * length_of(truck)) - 1e-9
    assert apron <= 45.0
    docks = [p for p in stage.scene.sketch.places if p.kind == PlaceKind.DOCK]
    assert len(docks) == 7
    assert docks[0].pose == task.yard.dock
    heading, width = task.yard.dock[2], truck.units[-1].width_m
    across = np.abs(task.yard.boxes[:, :2] @ [np.sin(heading), -np.cos(heading)])
    gaps = np.sort(across)[:2] - width
    assert ((gaps >= 0.6) & (gaps <= 1.0)).all(), "one trailer stands on either side"


def test_where_the_dock_is_shut_no_way_is_found() -> None:
    truck = load_vehicle("us_straight_26")
    dock = (0.0, 0.0, 0.5 * np.pi)
    wall = np.array([[0.0, 14.0, 0.0, 60.0, 1.0]])
    yard = Yard(wall, np.zeros((0, 5)), (-30.0, 30.0, 0.0, 30.0), dock)
    assert find_path(truck, yard, Goal(0.0, 22.0, np.pi, 0.0), GAP_M, 0.1) is None
    open_yard = yard._replace(boxes=np.zeros((0, 5)))
    path = find_path(truck, open_yard, Goal(0.0, 20.0, np.pi, 0.0), GAP_M, 0.1)
    assert path is not None
    assert path.nodes > 1


def test_legs_are_whole_and_moved_about_the_dock() -> None:
    stage, path = found("eu_4x2_13m6", "angled")
    assert path is not None
    task = stage.dock
    legs = legs_of(path, task.goal, 10.0, task.speed)
    for a, b in itertools.pairwise(legs):
        np.testing.assert_allclose(a.pose[-1, :2], b.pose[0, :2])
        assert a.forward != b.forward
    start = np.array([task.goal.x, task.goal.y]) - 10.0 * np.array(
        [np.cos(task.goal.heading), np.sin(task.goal.heading)]
    )
    np.testing.assert_allclose(legs[0].pose[0, :2], start)
    aside = moved(legs, task.yard.dock, 0.3, 0.0)
    np.testing.assert_allclose(np.hypot(*(aside[-1].pose[-1] - legs[-1].pose[-1])[:2]), 0.3)
    ego = np.zeros(10)
    ego[:3] = aside[-1].pose[-1]
    assert docked(ego, np.zeros(1), stage.vehicle, task.yard.dock) == pytest.approx((0.3, 0.0), abs=1e-9)
    states = DockDriver(tuple(legs)).states(np.r_[legs[0].pose[0], task.speed, np.zeros(6)])
    assert states[-1, :2] == pytest.approx(legs[0].pose[-1, :2], abs=0.05)


@pytest.fixture(scope="module")
def world():
    return freight_world("dock_reverse")


def test_the_expert_stands_at_the_dock(world) -> None:
    driven = world.played.expert
    off, turned = docked(driven.ego[-1], driven.joints[-1], world.stage.vehicle, world.stage.dock.yard.dock)
    assert abs(off) <= 0.10
    assert abs(turned) <= np.radians(1.0)
    assert abs(driven.ego[-1, 3]) < 0.01
    truck = world.stage.vehicle
    last = np.asarray(unit_poses(driven.ego[-1:], driven.joints[-1:], chain_of(truck)))[0, -1]
    x, y, heading = world.stage.dock.yard.dock
    along = (last[0] - x) * np.cos(heading) + (last[1] - y) * np.sin(heading)
    assert 0.05 <= along - truck.units[-1].rear_m <= 0.20


class Stands(Planner):
    """Stops where it is and stays."""

    def plan(self, obs, state, keys):
        states = np.tile(np.where(np.arange(10) < 3, obs.ego[0], 0.0), (80, 1))
        time_us = obs.time_us[:, None] + 100_000 * np.arange(len(states))
        return Plan(time_us, states[None, None], np.zeros((1, 1))), state


def test_who_stays_away_from_the_dock_has_nothing(world) -> None:
    (driven,) = simulate([scenario_of(world, 2)], Stands(), DOCKING, vehicle=world.stage.vehicle)
    result = evaluate(driven, "closed_loop_nonreactive_agents", freight_metrics(), roles=FREIGHT_ROLES)
    scores = {m.name: m.score for m in result.metrics}
    assert (result.score, scores["dock"], scores["makes_feasible_progress"]) == (0.0, 0.0, 0.0)
    assert scores["progress_feasible"] < 0.1


def test_its_window_lasts_to_the_end_of_the_log(world) -> None:
    from roadcraft.core.data.scenario import ScenarioRow

    row = ScenarioRow("0" * 16, ("freight_dock_reverse",), "a", "b", "c", "d", "e", 1_000_000, 50_000, 2, True)
    first, last = window_of(row, "freight_dock_reverse")
    assert first == row.anchor_us
    assert (last - first) * 1e-6 > 0.05 * len(world.drive)
    assert window_of(row, "freight_downgrade") == (first, last)
    assert window_of(row, "unknown")[1] - first == 20_000_000


def test_trucks_with_more_trailers_are_refused() -> None:
    config = SynthConfig(suite="freight", situations=("dock_reverse",), vehicles=("au_b_double",))
    with pytest.raises(ConfigError, match="no truck of au_b_double"):
        world_of(config, 0)
