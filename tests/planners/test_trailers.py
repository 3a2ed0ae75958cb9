"""Planners whose ego pulls a trailer: what it would hit, and where it would leave the road, counts as unit 0's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import shapely

from roadcraft.core import load_vehicle
from roadcraft.core.config.factory import create
from roadcraft.core.data.map import AreaKind, MapData
from roadcraft.core.data.plan import Plan
from roadcraft.core.data.rollout import ObservationBatch, Rollout
from roadcraft.core.data.scenario import EGO_SIZE, Ego, ObjectKind, Scenario
from roadcraft.core.driving.geometry.boxes import box_corners, corners, ego_box, overlap
from roadcraft.core.driving.motion.chain import chain_of, pull_joints, unit_boxes
from roadcraft.core.interfaces import Planner
from roadcraft.core.plugins.hookspecs import PluginRef
from roadcraft.core.testing.world import (
    ORIGIN,
    LaneSketch,
    Mission,
    ObjectSketch,
    observe,
    rectangle,
    sketch_drive,
    sketch_map,
)
from roadcraft.core.vehicles.vehicle import RigidUnit, Vehicle
from roadcraft.planners.idm.batch import IdmScenes, pack_paths
from roadcraft.planners.idm.units import NO_TRAILERS, Towed, touched_by_trailers
from roadcraft.planners.pdm.route import headings
from roadcraft.planners.pdm.route_path import map_arrays_of
from roadcraft.planners.trajectory_scoring.area_checks import patch_around
from roadcraft.planners.trajectory_scoring.forecast import drift
from roadcraft.planners.trajectory_scoring.paths import interpolate, make_path
from roadcraft.planners.trajectory_scoring.scorer import COLLISION_STEP, DRIVABLE, NO_COLLISION, SCORE_COLUMNS, Rules
from roadcraft.planners.trajectory_scoring.traffic import observe as observe_traffic
from roadcraft.planners.trajectory_scoring.units import (
    first_touched,
    ignore_touched,
    score_trailers,
    swept_ahead,
    trailers_of,
)
from roadcraft.validation.config import SimulationConfig
from roadcraft.validation.simulation import simulate

TRACTOR = RigidUnit(5.4, 1.2, 2.44, 3.0, 4.5, hitch_m=0.3, kind="tractor")
VAN = RigidUnit(13.4, 2.7, 2.59, 4.1, 12.5, kind="semitrailer")
TRUCK = Vehicle("truck", (TRACTOR, VAN), 0.7, 0.2, 0.05)
ALONE = replace(TRUCK, name="alone", units=(TRACTOR,))
CHAIN = SimulationConfig(vehicle_model=PluginRef("kinematic_chain"))
TRACKED = replace(CHAIN, tracker=PluginRef("truck_lqr"))
RADIUS, STRAIGHT = 20.0, 60.0
KEYS = np.zeros(1, np.uint64)


def turn(curb: bool = False) -> MapData:
    """60 m to the turn's begin at ORIGIN, a quarter turn to the left of 20 m radius, 100 m. All around it is drivable,
    with a ``curb`` only the lanes."""
    angle = np.linspace(0.0, 0.5 * np.pi, 60)[1:]
    arc = RADIUS * np.stack([np.sin(angle), 1.0 - np.cos(angle)], 1)
    before = np.stack([np.arange(-STRAIGHT, 0.5, 1.0), np.zeros(61)], 1)
    after = arc[-1] + np.stack([np.zeros(100), np.arange(1.0, 101.0)], 1)
    lanes = [
        LaneSketch(10 + k, 1 + k, line + ORIGIN, following, False, 6.0)
        for k, (line, following) in enumerate(
            [
                (before, (11,)),
                (np.concatenate([before[-1:], arc]), (12,)),
                (np.concatenate([arc[-1:], after]), ()),
            ]
        )
    ]
    low, high = (np.array(ORIGIN) + offset for offset in (-200.0, 200.0))
    far = (tuple(high), tuple(high + 1.0))
    ring = rectangle(*(far if curb else (tuple(low), tuple(high))))
    return sketch_map(lanes, [(500, AreaKind.GENERIC_DRIVABLE, 0, ring)])


def scenario(box: Any, kind: ObjectKind = ObjectKind.VEHICLE, curb: bool = False) -> Scenario:
    """20 s in which the ego comes up to the turn at 6 m/s and one thing (5,), relative to ORIGIN, stands."""
    frames = 461
    ego = np.zeros((frames, EGO_SIZE))
    ego[:, 0], ego[:, 1], ego[:, 3] = ORIGIN[0] - 15.0 + 6.0 * 0.05 * (np.arange(frames) - 60), ORIGIN[1], 6.0
    boxes = np.tile(np.add(box, [*ORIGIN, 0.0, 0.0, 0.0]), (frames, 1, 1))
    drive = sketch_drive(
        "turn", "turn", ego, ObjectSketch([kind], boxes, np.zeros((frames, 1, 2))), {10: 0}, Mission([1, 2, 3])
    )
    lights = replace(
        drive.lights, offsets=0 * drive.lights.offsets, lane=drive.lights.lane[:0], state=drive.lights.state[:0]
    )
    return Scenario("0" * 16, "unknown", (), "", replace(drive, lights=lights), turn(curb), 60, 360, 2)


def inside(angle_deg: float, inward_m: float) -> list[float]:
    """A box of 1 m inside the turn."""
    a, r = np.radians(angle_deg), RADIUS - inward_m
    return [r * np.sin(a), RADIUS - r * np.cos(a), a, 1.0, 1.0]


class Blind(Planner):
    """``idm`` that knows of no trailers."""

    def __init__(self) -> None:
        self._idm = create("planner", "idm")

    def start(self, obs: ObservationBatch, keys: Any) -> list[Any]:
        state: list[Any] = self._idm.start(self._of_one_unit(obs), keys)
        return state

    def plan(self, obs: ObservationBatch, state: list[Any], keys: Any) -> tuple[Plan, list[Any]]:
        found: tuple[Plan, list[Any]] = self._idm.plan(self._of_one_unit(obs), state, keys)
        return found

    def _of_one_unit(self, obs: ObservationBatch) -> ObservationBatch:
        return replace(obs, vehicle=ALONE, joints=obs.joints[:, :0])


def blind_guard() -> Planner:
    """``guard`` about an ``idm`` that knows of no trailers."""
    guard = create("planner", "guard", {"planner": {"name": "idm"}})
    guard.inner = Blind()
    return guard


def drive(s: Scenario, vehicle: Vehicle, planner: Planner, how: SimulationConfig = CHAIN) -> Rollout:
    found = simulate([s], planner, how, vehicle=vehicle, debug=True)[0]
    assert isinstance(found, Rollout)
    return found


def hits(rollout: Rollout, thing: np.ndarray) -> list[int]:
    """Steps of the drive in which each unit touches the thing."""
    d = rollout.drive
    boxes = unit_boxes(np.ascontiguousarray(d.ego), np.ascontiguousarray(d.joints), chain_of(rollout.vehicle))
    return [sum(overlap(boxes[t, u], thing) for t in range(len(boxes))) for u in range(boxes.shape[1])]


def driven_m(rollout: Rollout) -> float:
    return float(np.hypot(*np.diff(rollout.drive.ego[:, :2], axis=0).T).sum())


@pytest.mark.parametrize("planner", ["pdm_closed", "guard", "idm"])
def test_what_the_trailer_would_hit_in_a_turn_stops_the_truck_but_not_its_tractor(planner: str) -> None:
    s, how = scenario(inside(70.0, 3.0)), TRACKED if planner == "idm" else CHAIN
    thing = s.drive.objects.box[0]

    def driver() -> Planner:
        found: Planner = blind_guard() if planner == "guard" else create("planner", planner)
        return found

    alone, truck = drive(s, ALONE, driver(), how), drive(s, TRUCK, driver(), how)
    assert hits(alone, thing) == [0]
    assert driven_m(alone) > 50.0
    assert hits(truck, thing) == [0, 0]
    assert driven_m(truck) < 45.0
    free = scenario(inside(70.0, 15.0))
    assert driven_m(drive(free, TRUCK, driver(), how)) > 50.0, "nothing in the way"
    blind = drive(s, TRUCK, Blind(), how)
    assert hits(blind, thing)[1] > 0, "whoever looks at unit 0 alone drives the trailer into it"


def seen(s: Scenario, vehicle: Vehicle = TRUCK, joints: Any = (0.0,)) -> ObservationBatch:
    """An observation at the first iteration, the ego 60 m long on its way."""
    obs = observe([s], 0, vehicle=vehicle)
    return replace(obs, joints=np.array([joints], float)[:, : vehicle.joints])


def test_pdm_slows_down_for_what_the_trailer_would_touch_as_for_a_lead() -> None:
    """It needs no emergency brake: the truck comes to rest short of the place."""
    rollout = drive(scenario(inside(70.0, 3.0)), TRUCK, create("planner", "pdm_closed"))
    assert not rollout.channels[rollout.channel_names.index("emergency_brake")].any()
    assert rollout.drive.ego[-1, 3] < 0.6
    assert rollout.drive.ego[20:, 5].min() > -2.0


@pytest.mark.parametrize("seed", range(3))
def test_where_a_trailer_first_touches_things_is_what_the_slow_twin_finds(seed: int) -> None:
    rng, s = np.random.default_rng(seed), scenario(inside(70.0, 3.0))
    obs = seen(s, TRUCK, rng.uniform(-0.3, 0.3, 1))
    trailers = trailers_of(obs, 0)
    assert trailers is not None
    line = np.concatenate([s.map.lanes.centerlines[k][int(k > 0) :] for k in range(3)])
    path = make_path(line, headings(line))
    swept = swept_ahead(path, 45.0, 60.0, trailers)
    poses = np.array([interpolate(path, arc) for arc in swept.arc])
    bent = pull_joints(poses[None], trailers.joints, chain_of(TRUCK))[0]
    units = unit_boxes(poses, bent, chain_of(TRUCK))[:, 1]
    n = 40
    box = np.column_stack([rng.uniform(-30, 30, (n, 2)) + ORIGIN, rng.uniform(0, 3, n), np.full((n, 2), 1.0)])
    known, kind = np.arange(1, n + 1, dtype=np.uint64), np.zeros(n, np.uint8)
    velocity = rng.uniform(0.0, 3.0, (n, 1)) * np.stack([np.cos(box[:, 2]), np.sin(box[:, 2])], 1)
    ego, limits = np.array([*obs.ego[0, :3], 5.0, 2.0]), np.full(4, 99)
    traffic = observe_traffic(ego, 90.0, limits, known, kind, box, velocity, known[:0])
    ignore_touched(traffic, trailers)
    out = np.empty(n)
    first_touched(swept, traffic, 1.4, out)
    for j, row in enumerate(traffic.row):
        moved = box[row] + [*(1.4 * velocity[row]), 0.0, 0.0, 0.0]
        arcs = [arc for arc, unit in zip(swept.arc, units, strict=True) if overlap(unit, moved)]
        assert out[j] == (min(arcs, default=np.inf) if not traffic.ignored[j] else np.inf)
    assert 0 < np.isfinite(out).sum() < n


def test_an_ego_of_one_unit_has_no_trailers() -> None:
    assert trailers_of(seen(scenario(inside(70.0, 3.0)), ALONE), 0) is None


def bending(rng: np.random.Generator, count: int = 12, steps: int = 41) -> np.ndarray:
    """States (N, T, 10) from the ego's place onward at 6 m/s, each at a curvature of its own."""
    out = np.zeros((count, steps, EGO_SIZE))
    out[..., 3], out[..., 8] = 6.0, 6.0 * rng.uniform(-0.06, 0.06, (count, 1))
    out[..., 2] = out[..., 8] * 0.1 * np.arange(steps)
    step = 0.6 * np.stack([np.cos(out[..., 2]), np.sin(out[..., 2])], -1)
    out[:, 1:, :2] = np.cumsum(step[:, :-1], axis=1)
    out[..., :2] += np.array(ORIGIN) - [15.0, 0.0]
    return out


def sides(box: np.ndarray) -> np.ndarray:
    """Points of both sides, corners included, no more than 2 m apart."""
    left, right = (box_corners(*box)[[k, k + side]] for k, side in ((0, 1), (3, -1)))
    share = np.linspace(0.0, 1.0, 1 + int(np.ceil(box[3] / 2.0)))[:, None]
    return np.concatenate([a + share * (b - a) for a, b in (left, right)])


@pytest.mark.parametrize("vehicle", [TRUCK, load_vehicle("us_twins_28")])
def test_scores_of_trailers_are_those_of_the_slow_twin(vehicle: Vehicle) -> None:
    """Standing things and a curb around trailers on random ways, by polygons."""
    rng, low, off = np.random.default_rng(4), 0, 0
    s = scenario(inside(70.0, 3.0), curb=True)
    road = shapely.union_all([shapely.Polygon(s.map.lanes.polygons[k][0]) for k in range(3)]).buffer(1e-9)
    for _ in range(8):
        joints = rng.uniform(-0.2, 0.2, vehicle.joints)
        obs = seen(s, vehicle, joints)
        trailers = trailers_of(obs, 0, 0.15)
        assert trailers is not None
        states, box = bending(rng), np.array([*rng.uniform([-10.0, -8.0], [10.0, 8.0]), rng.uniform(0, 3), 2.0, 1.0])
        box[:2] += ORIGIN
        known, kind = np.ones(1, np.uint64), np.full(1, ObjectKind.GENERIC_OBJECT, np.uint8)
        ego, limits, still = np.array([*obs.ego[0, :3], 5.0, 2.0]), np.full(4, 9), np.zeros((1, 2))
        traffic = observe_traffic(ego, 60.0, limits, known, kind, box[None], still, known[:0])
        table, arrays = np.ones((len(states), SCORE_COLUMNS)), map_arrays_of(s.map)
        table[:, COLLISION_STEP] = np.inf
        patch = patch_around(states[0, 0], vehicle.box, 60.0)
        score_trailers(states, arrays, patch, traffic, Rules(0.1, 2, (1.0, 1.0, 1.0, 1.0)), trailers, table)
        bent = pull_joints(states, np.tile(joints, (len(states), 1)), chain_of(vehicle), 2)
        for n in range(len(states)):
            boxes = unit_boxes(states[n], bent[n], chain_of(vehicle))[:, 1:]
            touched = [any(overlap(boxes[t, u], box) for u in range(boxes.shape[1])) for t in range(41)]
            assert table[n, NO_COLLISION] == (0.5 if any(touched) else 1.0)
            assert table[n, COLLISION_STEP] == (touched.index(True) if any(touched) else np.inf)
            left = False
            for u in range(boxes.shape[1]):
                within = [road.covers(shapely.MultiPoint(sides(b))) for b in boxes[:, u] - [0.0, 0.0, 0.0, 0.3, 0.3]]
                left |= True in within and not all(within[within.index(True) :])
            assert table[n, DRIVABLE] == float(not left)
            off += left
            low += any(touched)
    assert low > 3
    assert off > 3


def test_what_touches_the_trailer_already_does_not_hold_the_ego_back() -> None:
    beside, away = ([-25.0, 1.6, 0.0, 1.0, 1.0], [150.0, -150.0, 0.0, 1.0, 1.0])
    plans = []
    for box in (beside, away):
        planner, obs, keys = create("planner", "pdm_closed"), seen(scenario(box)), np.zeros(1, np.uint64)
        plan, state = planner.plan(obs, planner.start(obs, keys), keys)
        plans.append(plan.states)
        assert len(state[0].collided) == (box is beside)
    np.testing.assert_array_equal(*plans)


def test_a_plan_does_not_depend_on_the_batch() -> None:
    some = [seen(scenario(inside(a, 3.0)), joints=(j,)) for a, j in ((70.0, 0.0), (20.0, 0.1))]
    both = observe([scenario(inside(a, 3.0)) for a in (70.0, 20.0)], 0, vehicle=TRUCK)
    both = replace(both, joints=np.array([[0.0], [0.1]]))
    for name, params in (("pdm_closed", {}), ("guard", {"planner": {"name": "idm"}}), ("idm", {})):
        planner, keys = create("planner", name, params), np.zeros(2, np.uint64)
        together = planner.plan(both, planner.start(both, keys), keys)[0]
        for b, obs in enumerate(some):
            alone = planner.plan(obs, planner.start(obs, keys[:1]), keys[:1])[0]
            n = alone.states.shape[2]
            np.testing.assert_array_equal(together.states[b, :, :n], alone.states[0])


def test_a_trailer_of_another_goes_where_it_looks() -> None:
    """The units of a vehicle in a turn are boxes of their own: each drifts along its own heading at its own speed."""
    box = np.array([[0.0, 0.0, 1.0, 6.6, 2.4], [-9.0, -4.0, 0.4, 16.1, 2.6]])
    velocity = 5.0 * np.stack([np.cos(box[:, 2]), np.sin(box[:, 2])], 1) * [[1.0], [np.cos(0.6)]]
    moved = drift(box, velocity, np.zeros(2, np.uint8))
    np.testing.assert_allclose(moved, velocity, atol=1e-12)


# ---- idm ------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_idm_finds_where_trailers_touch_things_as_polygons_say(seed: int) -> None:
    """Every place of the path, by distances of shapely polygons of all units."""
    rng, s = np.random.default_rng(seed), scenario(inside(70.0, 3.0))
    obs = seen(s, TRUCK, rng.uniform(-0.2, 0.2, 1))
    planner = create("planner", "idm")
    (state,) = planner.start(obs, KEYS)
    paths, params = pack_paths([state.path], [state.ids]), planner._params_for(TRUCK)._replace(radius=90.0)
    n, own = 100, ego_box(np.array(obs.ego), TRUCK.box)
    box = np.column_stack([rng.uniform(-30, 30, (n, 2)) + ORIGIN, rng.uniform(0, 3, n), np.full((n, 2), 1.0)])
    none = np.zeros(0, np.int64)
    scene = IdmScenes(
        np.array([0, n]), box, corners(box), np.zeros((n, 2)), np.ones(n, bool), NO_TRAILERS, np.zeros(2, np.int64),
        none, none.astype(np.uint8),
    )  # fmt: skip
    towed = Towed(np.array(obs.joints), chain_of(TRUCK))
    found = touched_by_trailers(paths, scene, params, np.array(obs.ego), own, TRUCK.box, towed)

    line, at = shapely.LineString(state.path.line), shapely.Point(own[0, :2])
    start = line.project(at)
    arcs = start + 2.0 * np.arange(int(min(params.horizon * state.path.target, line.length - start) / 2.0) + 1)
    poses = np.empty((len(arcs), 3))
    for k, arc in enumerate(arcs):
        here, there = line.interpolate(arc), line.interpolate(arc + 0.01)
        back = line.interpolate(arc - 0.01) if there.distance(here) < 1e-9 else here
        ahead = there if back is here else here
        heading = np.arctan2(ahead.y - back.y, ahead.x - back.x)
        center = np.array([here.x, here.y])
        poses[k] = [*(center - TRUCK.box[0] * np.array([np.cos(heading), np.sin(heading)])), heading]
    chain = chain_of(TRUCK)
    units = unit_boxes(poses, pull_joints(poses[None], np.array(obs.joints), chain)[0], chain)[:, 1]
    now = unit_boxes(np.array(obs.ego), np.array(obs.joints), chain)[0, 1]
    trailers, things = [shapely.Polygon(c) for c in corners(units)], [shapely.Polygon(c) for c in corners(box)]
    compared = 0
    for j, thing in enumerate(things):
        away = np.array([t.distance(thing) for t in trailers])
        if np.hypot(*(box[j, :2] - own[0, :2])) >= params.radius or shapely.Polygon(corners(now[None])[0]).intersects(
            thing
        ):
            assert found[j] == np.inf
            continue
        # the kernel's headings are those of the rail's segments, its gaps those over four axes
        surely, perhaps = np.flatnonzero(away < 0.15), np.flatnonzero(away < 0.5)
        if len(surely):
            compared += 1
            assert found[j] <= arcs[max(surely[0] - 1, 0)] + 1e-6
        if np.isfinite(found[j]):
            assert len(perhaps)
            assert found[j] >= arcs[max(perhaps[0] - 1, 0)] - 1e-6
    assert compared > 5


def test_what_touches_the_trailer_already_does_not_hold_idm_back() -> None:
    plans = []
    for box in ([-25.0, 1.6, 0.0, 1.0, 1.0], [150.0, -150.0, 0.0, 1.0, 1.0]):
        planner, obs = create("planner", "idm"), seen(scenario(box))
        plans.append(planner.plan(obs, planner.start(obs, KEYS), KEYS)[0].states)
    np.testing.assert_array_equal(*plans)


def speed_after(vehicle: Vehicle, radius_m: float) -> float:
    """What is planned for half a second later, at 14 m/s, 106 m before somebody who stands in the turn's exit."""
    s = scenario([RADIUS, RADIUS + 60.0, 0.5 * np.pi, 4.0, 1.8])
    ego = np.array(s.drive.ego)
    ego[:, Ego.VX] = 14.0
    obs = seen(replace(s, drive=replace(s.drive, ego=ego)), vehicle, (0.0,))
    planner = create("planner", "idm", {"radius_m": radius_m})
    plan, _ = planner.plan(obs, planner.start(obs, KEYS), KEYS)
    return float(plan.states[0, 0, 1, Ego.VX])


def test_a_loaded_truck_brakes_harder_far_ahead_than_an_empty_one_and_that_than_a_car() -> None:
    vehicles = [load_vehicle("us_sleeper_53", load=load) for load in ("loaded", "empty")]
    loaded, empty, car = (speed_after(v, 250.0) for v in (*vehicles, load_vehicle("pacifica")))
    assert loaded < empty < car < 14.0


def test_a_truck_looks_as_far_as_it_may_need_to_stop() -> None:
    truck, car = load_vehicle("us_sleeper_53", load="loaded"), load_vehicle("pacifica")
    assert speed_after(truck, 40.0) == speed_after(truck, 250.0)
    assert speed_after(car, 40.0) > speed_after(car, 250.0)


def test_a_vehicle_without_masses_and_trailers_drives_as_a_car() -> None:
    planner = create("planner", "idm")
    assert planner._params_for(ALONE) is planner._params_for(load_vehicle("pacifica")) is planner._params
