"""Reactive agents and vehicles of several units: the ego's trailers are in their way, and theirs follow them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from roadcraft.core.config.factory import create
from roadcraft.core.data.map import MapData
from roadcraft.core.data.plan import Plan
from roadcraft.core.data.scenario import EGO_SIZE, LightState, ObjectKind, Scenario
from roadcraft.core.driving.motion.chain import chain_of, pull_joints, unit_boxes
from roadcraft.core.plugins.hookspecs import PluginRef
from roadcraft.core.testing.world import (
    ORIGIN,
    LaneSketch,
    Mission,
    ObjectSketch,
    made_up_map,
    made_up_scenario,
    sketch_drive,
    sketch_map,
)
from roadcraft.core.vehicles.vehicle import RigidUnit, Vehicle
from roadcraft.validation.agents.logged import logged_objects
from roadcraft.validation.agents.towing import chain_of_boxes, vehicles_of
from roadcraft.validation.config import SimulationConfig
from roadcraft.validation.simulation import simulate

TRACTOR = RigidUnit(5.4, 1.2, 2.44, 3.0, 4.5, hitch_m=0.3, kind="tractor")
VAN = RigidUnit(13.4, 2.7, 2.59, 4.1, 12.5, kind="semitrailer")
TRUCK = Vehicle("truck", (TRACTOR, VAN), 0.7, 0.2, 0.05)
ALONE = replace(TRUCK, name="alone", units=(TRACTOR,))
KEYS = np.zeros(0, np.uint64)
GREEN = {20: LightState.GREEN, 21: LightState.GREEN}
CAR = [4.7, 2.0]
LANE_Y = -1.8  # of the right lane of the made-up map


@dataclass
class Seen:
    """As much of an observation as agents look at."""

    iteration: np.ndarray
    ego: np.ndarray
    vehicle: Vehicle
    joints: np.ndarray


def world(
    boxes: Any,
    speed: Any,
    ego: Any = (-500.0, 0.0, 0.0),
    vehicle: Any = None,
    unit: Any = None,
    m: MapData | None = None,
) -> Scenario:
    """A scenario of 20 s in which the boxes (n, 5) or (T, n, 5) are logged and the ego stands; relative to ORIGIN."""
    boxes, frames = np.array(boxes, float), 461
    boxes = np.array(np.broadcast_to(boxes, (frames, *boxes.shape[-2:])))
    heading = boxes[..., 2]
    velocity = np.array(speed)[..., None] * np.stack([np.cos(heading), np.sin(heading)], -1)
    boxes[..., :2] += ORIGIN
    state = np.zeros((frames, EGO_SIZE))
    state[:, :3] = ego
    state[:, :2] += ORIGIN
    kinds = [ObjectKind.VEHICLE] * boxes.shape[1]
    drive = sketch_drive("log", "made-up", state, ObjectSketch(kinds, boxes, velocity), GREEN, Mission([1, 2, 3]))
    tracks = drive.tracks
    if vehicle is not None:
        tracks = replace(tracks, vehicle=np.array(vehicle, np.int64), unit=np.array(unit, np.uint8))
    return Scenario("0" * 16, "unknown", (), "", replace(drive, tracks=tracks), m or made_up_map(), 60, 460, 2)


def drive(s: Scenario, vehicle: Vehicle = ALONE, joints: Any = (), steps: int = 199, **params: Any) -> list[Any]:
    """What idm agents show at every step, the ego standing where it is logged with its ``joints``."""
    policy = create("agents", "idm", {"radius_m": 1e4, **params})
    bent = replace(s, drive=replace(s.drive, joints=np.tile(np.array(joints, float), (len(s.drive), 1))))
    state, objects = policy.start([bent], vehicle, KEYS)
    shown = [objects]
    for i in range(steps):
        seen = Seen(np.array([i]), s.expert[i : i + 1], vehicle, np.array(joints, float).reshape(1, -1))
        state, objects = policy.step([bent], seen, state, KEYS)
        shown.append(objects)
    return shown


def front(objects: Any, k: int = 0) -> float:
    return float(objects.box[k, 0] + 0.5 * objects.box[k, 3] - ORIGIN[0])


def test_an_agent_stops_behind_the_rear_of_the_egos_trailer() -> None:
    s = world([[20.0, LANE_Y, 0.0, *CAR]], [8.0], (80.0, LANE_Y, 0.0))
    trailer, tractor = drive(s, TRUCK, [0.0])[-1], drive(s)[-1]
    assert np.hypot(*trailer.velocity[0]) < 0.05
    assert 0.9 < 80.0 + 0.3 - 12.5 - 2.7 - front(trailer) < 2.0
    assert 0.9 < 80.0 - 1.2 - front(tractor) < 2.0, "without the trailer it drives up to the tractor"


def test_an_agent_waits_where_the_egos_trailer_lies_across_its_lane() -> None:
    s = world([[20.0, LANE_Y, 0.0, *CAR]], [8.0], (80.0, 10.0, 0.5 * np.pi))
    assert 80.0 - 1.3 - 2.0 < front(drive(s, TRUCK, [0.0])[-1]) < 80.0 - 1.3
    assert front(drive(s)[-1]) > 110.0, "the tractor alone stands beside the road"
    folded = drive(s, TRUCK, [-0.5 * np.pi])[-1]
    assert front(folded) > 110.0, "the trailer lies along the road's side"


def test_an_agent_follows_the_speed_of_the_egos_trailer() -> None:
    """The ego's trailer rolls along the lane while the tractor drives off to the side."""
    s = world([[20.0, LANE_Y, 0.0, *CAR]], [8.0], (60.0, LANE_Y, 0.0))
    policy, standing = create("agents", "idm", {"radius_m": 1e4}), None
    speeds = []
    for joint in (0.0, 1.2):
        state, _ = policy.start([s], TRUCK, KEYS)
        ego = s.expert[:1].copy()
        ego[0, 1] += 0.0
        ego[0, 2], ego[0, 3] = -joint, 4.0
        for i in range(20):
            state, standing = policy.step([s], Seen(np.array([i]), ego, TRUCK, np.array([[joint]])), state, KEYS)
        speeds.append(np.hypot(*standing.velocity[0]))
    straight, turned = speeds
    assert turned < straight, "at 1.2 rad the trailer rolls at a third of the tractor's speed"


@pytest.mark.parametrize("vehicle", [TRUCK, ALONE])
def test_boxes_of_the_first_frame_make_way_for_the_egos_trailer(vehicle: Vehicle) -> None:
    s = world([[70.0, LANE_Y, 0.0, *CAR]], [0.0], (80.0, LANE_Y, 0.0))
    assert len(drive(s, vehicle, np.zeros(vehicle.joints), steps=0)[0].id) == 2 - len(vehicle.units)


# ---- other vehicles of several units ---------------------------------------------------------------------------------


def circle(radius: float) -> MapData:
    """One lane along a circle to the left that begins at the origin eastwards."""
    angle = np.linspace(0.0, 1.5 * np.pi, 2000)
    line = radius * np.stack([np.sin(angle), 1.0 - np.cos(angle)], 1) + ORIGIN
    return sketch_map([LaneSketch(11, 1, line, (), False, 10.0)], [])


def rolling(radius: float, speed: float, frames: int = 461, vehicle: Vehicle = TRUCK) -> np.ndarray:
    """Boxes (T, n, 5) of a vehicle whose rear axle rolls along the circle at a steady angle, past arc 40 m at first."""
    arc = 40.0 + speed * 0.05 * (np.arange(frames) - 60)
    states = np.zeros((frames, EGO_SIZE))
    states[:, 0], states[:, 1] = radius * np.sin(arc / radius), radius * (1.0 - np.cos(arc / radius))
    states[:, 2] = arc / radius
    lead = states[0] - [*(60.0 * np.array([np.cos(states[0, 2]), np.sin(states[0, 2])])), *np.zeros(8)]
    begun = pull_joints(np.stack([lead, states[0]])[None, :, :3], np.zeros((1, 1)), chain_of(vehicle))[:, -1]
    joints = pull_joints(np.ascontiguousarray(states[None, :, :3]), begun, chain_of(vehicle))[0]
    return np.asarray(unit_boxes(states, np.ascontiguousarray(joints), chain_of(vehicle)))


def straight(x: float, vehicle: Vehicle = TRUCK, y: float = LANE_Y) -> np.ndarray:
    """Boxes (n, 5) of a vehicle on the made-up road."""
    state = np.zeros((1, EGO_SIZE))
    state[0, :2] = x, y
    return np.asarray(unit_boxes(state, np.zeros((1, vehicle.joints)), chain_of(vehicle))[0])


def test_hitch_and_axle_are_fitted_to_the_boxes() -> None:
    s = world(rolling(40.0, 6.0), [6.0, 6.0], vehicle=[7, 7], unit=[0, 1], m=circle(40.0))
    chain = chain_of_boxes(logged_objects(s, [ObjectKind.VEHICLE]), np.array([0, 1]))
    center = TRACTOR.axle_to_center_m
    assert chain.hitch[0] == pytest.approx(0.3 - center, abs=0.05)
    assert chain.wheel_base[1] == pytest.approx(12.5, abs=0.1)
    assert 0.5 * (chain.front[1] - chain.rear[1]) == pytest.approx(VAN.axle_to_center_m, abs=0.1)
    on_road = world(straight(40.0), [0.0, 0.0], vehicle=[7, 7], unit=[0, 1])
    usual = chain_of_boxes(logged_objects(on_road, [ObjectKind.VEHICLE]), np.array([0, 1]))
    assert usual.hitch[0] == pytest.approx(0.3 - center, abs=0.5), "a kingpin 1.1 m behind the nose, in truth 0.9"
    assert usual.wheel_base[1] == pytest.approx(12.5, abs=1.5)
    hitch_to_center = usual.wheel_base[1] - 0.5 * (usual.front[1] - usual.rear[1])
    apart = on_road.drive.objects.box[0, 0] - on_road.drive.objects.box[1, 0]
    assert usual.hitch[0] + apart == pytest.approx(hitch_to_center, abs=1e-9), "the boxes lie as logged"


def test_a_trailer_follows_its_agent_around_a_curve_as_the_closed_form_says() -> None:
    radius = 60.0
    s = world(rolling(radius, 6.0), [6.0, 6.0], vehicle=[7, 7], unit=[0, 1], m=circle(radius))
    shown = drive(s, steps=150)
    assert [o.unit.tolist() for o in shown] == [[0, 1]] * 151
    chain = chain_of_boxes(logged_objects(s, [ObjectKind.VEHICLE]), np.array([0, 1]))
    last = shown[-1].box
    behind = np.sqrt(radius**2 + chain.hitch[0] ** 2 - chain.wheel_base[1] ** 2)
    steady = -(np.arctan(chain.wheel_base[1] / behind) - np.arctan(chain.hitch[0] / radius))
    joint = (last[1, 2] - last[0, 2] + np.pi) % (2.0 * np.pi) - np.pi
    assert joint == pytest.approx(steady, abs=0.01)
    for o in shown:
        tractor, van = o.box
        hitch, kingpin = (
            box[:2] + ahead * np.array([np.cos(box[2]), np.sin(box[2])])
            for box, ahead in (
                (tractor, chain.hitch[0]),
                (van, chain.wheel_base[1] - 0.5 * (chain.front[1] - chain.rear[1])),
            )
        )
        np.testing.assert_allclose(hitch, kingpin, atol=1e-6)
        away = np.hypot(*(van[:2] - ORIGIN - [0.0, radius])) - radius
        assert abs(away) < 1.8, "the trailer's center stays on the lane"
    moved = np.hypot(*(shown[-1].box[1, :2] - shown[-2].box[1, :2])) / 0.1
    assert np.hypot(*shown[-1].velocity[1]) == pytest.approx(moved, rel=0.02)


def test_a_trailer_does_not_hold_back_the_agent_that_pulls_it() -> None:
    boxes = straight(40.0)
    pulled = drive(world(boxes, [8.0, 8.0], vehicle=[7, 7], unit=[0, 1]))
    alone = drive(world(boxes[:1], [8.0]))
    for a, b in zip(pulled, alone, strict=True):
        np.testing.assert_array_equal(a.box[0], b.box[0])
        assert a.vehicle.tolist() == [7, 7]
        np.testing.assert_allclose(a.velocity[1], a.velocity[0], atol=1e-6)


def test_an_agent_stops_behind_the_trailer_of_another() -> None:
    """The ego stands ahead of a truck, and a car follows the truck."""
    boxes = np.concatenate([straight(60.0), [[20.0, LANE_Y, 0.0, *CAR]]])
    s = world(boxes, [8.0, 8.0, 8.0], (110.0, LANE_Y, 0.0), vehicle=[7, 7, 2], unit=[0, 1, 0])
    shown = drive(s)
    for o in shown:
        _, van, car = o.box
        assert car[0] + 0.5 * car[3] < van[0] - 0.5 * van[3]
    assert 0.9 < 110.0 - TRACTOR.rear_m - front(shown[-1], 0) < 2.0
    assert 0.9 < shown[-1].box[1, 0] - 0.5 * shown[-1].box[1, 3] - ORIGIN[0] - front(shown[-1], 2) < 2.0


def test_a_vehicle_is_placed_leaves_and_is_dropped_whole() -> None:
    boxes = straight(80.0)
    s = world(boxes, [8.0, 8.0], (-10.0, LANE_Y, 0.0), vehicle=[7, 7], unit=[0, 1])
    shown = drive(s, steps=3, radius_m=50.0)
    assert [len(o.id) for o in shown] == [2, 0, 0, 0]
    within = world(boxes, [8.0, 8.0], (62.0, LANE_Y, 0.0), vehicle=[7, 7], unit=[0, 1])
    assert len(drive(within, steps=0)[0].id) == 0, "its trailer touches the ego"
    later = np.concatenate([[[64.0, LANE_Y, 0.0, *CAR]], boxes])
    both = world(later, [0.0, 8.0, 8.0], vehicle=[1, 7, 7], unit=[0, 0, 1])
    assert drive(both, steps=0)[0].vehicle.tolist() == [1], "its trailer touches a car that was placed before"
    trailer_alone = world(boxes[1:], [8.0], vehicle=[7], unit=[1])
    assert len(drive(trailer_alone, steps=0)[0].id) == 0


def test_units_stand_behind_the_vehicle_that_pulls_them() -> None:
    vehicle, unit = np.array([5, 3, 5, 9, 5, 4]), np.array([2, 0, 0, 1, 1, 0], np.uint8)
    assert vehicles_of(vehicle, unit).tolist() == [1, 2, 4, 0, 5], "the one of vehicle 9 has no towing unit"


def test_batches_and_scenarios_alone_are_the_same() -> None:
    truck = world(straight(40.0), [8.0, 8.0], vehicle=[7, 7], unit=[0, 1])
    car = world([[20.0, LANE_Y, 0.0, *CAR]], [8.0], (80.0, LANE_Y, 0.0))
    curve = world(rolling(60.0, 6.0), [6.0, 6.0], vehicle=[7, 7], unit=[0, 1], m=circle(60.0))
    some = [truck, car, curve]
    policy = create("agents", "idm", {"radius_m": 1e4})
    together, _ = policy.start(some, TRUCK, KEYS)
    alone = [policy.start([s], TRUCK, KEYS)[0] for s in some]
    for i in range(30):
        joints = np.array([[-0.2]])
        seen = [Seen(np.array([i]), s.expert[i : i + 1], TRUCK, joints) for s in some]
        ego = np.concatenate([v.ego for v in seen])
        both = Seen(np.full(3, i), ego, TRUCK, np.tile(joints, (3, 1)))
        if i == 15:
            together = [together[k] for k in (2, 0, 1)]
            together = [together[k] for k in (1, 2, 0)]
        together, objects = policy.step(some, both, together, KEYS)
        for b, s in enumerate(some):
            alone[b], single = policy.step([s], seen[b], alone[b], KEYS)
            assert single.box.tobytes() == objects.box[objects.rows(b)].tobytes()


def test_agents_meet_the_vehicle_that_is_hitched_whatever_the_planner_takes_it_for() -> None:
    longer, met = replace(TRUCK, name="longer", units=(TRACTOR, replace(VAN, wheel_base_m=14.0))), []
    log = create("agents", "log")

    class Noting(type(log)):
        def step(self, scenarios, obs, state, keys):
            met.append(obs.vehicle.name)
            return super().step(scenarios, obs, state, keys)

    class Straight(create("planner", "constant_velocity").__class__):
        def plan(self, obs, state, keys) -> tuple[Plan, list[Any]]:
            met.append(obs.vehicle.name)
            return super().plan(obs, state, keys)

    planner = Straight(create("planner", "constant_velocity").config)
    chain, agents = SimulationConfig(vehicle_model=PluginRef("kinematic_chain")), Noting(log.config)
    simulate([made_up_scenario(seconds=1.0)], planner, chain, agents=agents, vehicle=TRUCK, believed=longer, debug=True)
    assert met[:2] == ["longer", "truck"]
