"""The truck planner in worlds of one road: what it does with units, load, leaders, closures and lights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from roadcraft.core import load_vehicle
from roadcraft.core.config.factory import create
from roadcraft.core.data.instructions import PULL_OVER, Instructions
from roadcraft.core.data.map import AreaKind, MapData
from roadcraft.core.data.places import PlaceKind, Places, RoadPlace
from roadcraft.core.data.rollout import Rollout
from roadcraft.core.data.scenario import EGO_SIZE, ObjectKind, Scenario
from roadcraft.core.driving.geometry.boxes import box_corners, overlap
from roadcraft.core.driving.map_index.index import inside_any, nearest_distance
from roadcraft.core.driving.motion.chain import chain_of, unit_boxes
from roadcraft.core.plugins.hookspecs import PluginRef
from roadcraft.core.testing import PlannerConformance
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
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.planners.freight_pdm import route
from roadcraft.planners.freight_pdm.config import FreightPdmConfig
from roadcraft.planners.freight_pdm.line import Line, LineEdges, reach_out
from roadcraft.planners.freight_pdm.pace import pull, traction_asked, truck_of
from roadcraft.validation.config import SimulationConfig
from roadcraft.validation.simulation import simulate

DRIVEN = SimulationConfig(vehicle_model=PluginRef("dynamic_chain"), tracker=PluginRef("truck_lqr"))
LOADED, CUBED = (load_vehicle("us_sleeper_53", load=load) for load in ("loaded", "cubed"))
BEFORE, RADIUS = 160.0, 60.0


class TestContract(PlannerConformance):
    name = "freight_pdm"


def road(places: tuple[RoadPlace, ...] = (), radius: float = RADIUS, junction: bool = False) -> MapData:
    """160 m straight, half a turn to the left, 200 m straight; 20 m/s allowed. junction: whether the turn is in one."""
    angle = np.linspace(0.0, np.pi, 120)[1:]
    arc = radius * np.stack([np.sin(angle), 1.0 - np.cos(angle)], 1)
    before = np.stack([np.arange(-BEFORE, 0.5, 1.0), np.zeros(int(BEFORE) + 1)], 1)
    after = arc[-1] + np.stack([-np.arange(1.0, 201.0), np.zeros(200)], 1)
    lines = before, np.concatenate([before[-1:], arc]), np.concatenate([arc[-1:], after])
    lanes = [
        LaneSketch(10 + k, 1 + k, line + ORIGIN, (11 + k,) if k < 2 else (), junction and k == 1, 20.0)
        for k, line in enumerate(lines)
    ]
    far = tuple((x + 400.0, y + 400.0) for x, y in (ORIGIN, (ORIGIN[0] + 1.0, ORIGIN[1] + 1.0)))
    world = sketch_map(lanes, [(500, AreaKind.GENERIC_DRIVABLE, 0, rectangle(far[0], far[1]))])
    return replace(world, places=Places.build(places)) if places else world


def scenario(
    world: MapData, vehicle: Vehicle, speed: float, boxes: Any = (), velocity: Any = (), seconds: float = 25.0
) -> Scenario:
    """A truck 20 m after the road's begin; boxes (N, 5) relative to ORIGIN, velocities (N, 2), both at its start."""
    frames = 60 + round(seconds * 20.0) + 1
    t = 0.05 * (np.arange(frames) - 60)
    ego = np.zeros((frames, EGO_SIZE))
    ego[:, 0], ego[:, 1], ego[:, 3] = ORIGIN[0] - BEFORE + 40.0 + speed * t, ORIGIN[1], speed
    at = np.tile(np.reshape(boxes, (1, -1, 5)), (frames, 1, 1)) + np.array([*ORIGIN, 0.0, 0.0, 0.0])
    moving = np.tile(np.reshape(velocity, (1, -1, 2)), (frames, 1, 1)) if len(boxes) else np.zeros((frames, 0, 2))
    at[..., :2] += t[:, None, None] * moving
    drive = sketch_drive(
        "bend", "bend", ego, ObjectSketch([ObjectKind.VEHICLE] * at.shape[1], at, moving), {10: 0}, Mission([1, 2, 3])
    )
    lights = replace(
        drive.lights, offsets=0 * drive.lights.offsets, lane=drive.lights.lane[:0], state=drive.lights.state[:0]
    )
    drive = replace(drive, lights=lights, vehicle=vehicle.name, joints=np.zeros((frames, vehicle.joints)))
    return Scenario("0" * 16, "unknown", (), "", drive, world, 60, frames - 1, 2)


def told(s: Scenario, text: str) -> Scenario:
    """The same, the truck told so at its start."""
    return replace(s, drive=replace(s.drive, instructions=Instructions(s.time_us[:1].copy(), (text,))))


def drive(s: Scenario, vehicle: Vehicle, **params: Any) -> Rollout:
    found = simulate([s], create("planner", "freight_pdm", params), DRIVEN, vehicle=vehicle, debug=True)[0]
    assert isinstance(found, Rollout)
    return found


def transfer(rollout: Rollout) -> float:
    return float(np.abs(rollout.channels[rollout.channel_names.index("vehicle.load_transfer_0")]).max())


@pytest.fixture(scope="module")
def bends() -> dict[str, Rollout]:
    """The bend driven with loads, and with parts of the planner left out."""
    world = road()
    cubed, loaded = scenario(world, CUBED, 15.0), scenario(world, LOADED, 15.0)
    bare = {"roll_share": None, "practice": False, "lateral_mps2": 5.0, "friction_share": 0.6}
    return {
        "cubed": drive(cubed, CUBED),
        "loaded": drive(loaded, LOADED),
        "bare": drive(cubed, CUBED, **bare),
        "tractor": drive(loaded, LOADED, center_by_swept_path=False, lateral_offsets_m=()),
    }


def test_a_bend_is_taken_as_the_load_permits(bends: dict[str, Rollout]) -> None:
    around = {name: r.drive.ego[r.drive.ego[:, 0] > ORIGIN[0] + 30.0] for name, r in bends.items()}
    fastest = {name: float(ego[:, 3].max()) for name, ego in around.items()}
    assert transfer(bends["cubed"]) < 0.7
    assert transfer(bends["loaded"]) < 0.7
    assert fastest["cubed"] < fastest["loaded"]
    assert transfer(bends["bare"]) > 0.9, "what the caps are for"


def offsets(rollout: Rollout) -> np.ndarray:
    """Greatest distances to the inside and outside, from the middle of the bend's lane, of all units' corners."""
    d = rollout.drive
    boxes = unit_boxes(np.ascontiguousarray(d.ego), np.ascontiguousarray(d.joints), chain_of(rollout.vehicle))
    out = []
    for box in boxes.reshape(-1, 5):
        c, s = np.cos(box[2]), np.sin(box[2])
        for share in np.linspace(-0.5, 0.5, 9):
            for side in (-0.5, 0.5):
                x = box[0] + share * box[3] * c - side * box[4] * s - ORIGIN[0]
                y = box[1] + share * box[3] * s + side * box[4] * c - ORIGIN[1] - RADIUS
                if x > 15.0 and abs(np.arctan2(y, x)) < 1.0:
                    out.append(RADIUS - np.hypot(x, y))
    return np.array([max(out), -min(out)])


def test_the_band_of_all_units_is_centered_not_the_tractor(bends: dict[str, Rollout]) -> None:
    inside, outside = offsets(bends["loaded"])
    naive_inside, naive_outside = offsets(bends["tractor"])
    assert abs(inside - outside) < 0.25
    assert naive_inside - naive_outside > 0.5
    assert inside < naive_inside - 0.2


def corner(side: float) -> MapData:
    """A turn of 90 degrees to the right (side -1) or left with a radius of 14 m, and 5 m of road on its outside."""
    angle = np.linspace(0.0, 0.5 * np.pi, 40)[1:]
    arc = 14.0 * np.stack([np.sin(angle), side * (1.0 - np.cos(angle))], 1)
    before = np.stack([np.arange(-BEFORE, 0.5, 1.0), np.zeros(int(BEFORE) + 1)], 1)
    after = arc[-1] + np.stack([np.zeros(200), side * np.arange(1.0, 201.0)], 1)
    lines = before, np.concatenate([before[-1:], arc]), np.concatenate([arc[-1:], after])
    lanes = [
        LaneSketch(10 + k, 1 + k, line + ORIGIN, (11 + k,) if k < 2 else (), False, 12.0)
        for k, line in enumerate(lines)
    ]
    x, y = ORIGIN
    inner = ((x - 100.0, y + min(side * 1.7, side * -6.8)), (x + 20.8, y + max(side * 1.7, side * -6.8)))
    outer = ((x + 12.3, y + min(0.0, side * 100.0)), (x + 20.8, y + max(0.0, side * 100.0)))
    between = ((x + 9.0, y + min(side * 5.0, side * -6.8)), (x + 20.8, y + max(side * 5.0, side * -6.8)))
    areas = [(500 + k, AreaKind.GENERIC_DRIVABLE, 0, rectangle(*box)) for k, box in enumerate((inner, outer, between))]
    return sketch_map(lanes, areas)


def off_road(rollout: Rollout) -> float:
    """Farthest that a point of a unit's outline ever is from the road, m."""
    d, index = rollout.drive, rollout.scenario.map.index
    boxes = unit_boxes(np.ascontiguousarray(d.ego), np.ascontiguousarray(d.joints), chain_of(rollout.vehicle))
    u = np.array([(a, b) for a in np.linspace(-0.5, 0.5, 15) for b in (-0.5, 0.5)])
    c, s = np.cos(boxes[..., 2, None]), np.sin(boxes[..., 2, None])
    long, across = u[:, 0] * boxes[..., 3, None], u[:, 1] * boxes[..., 4, None]
    at = np.stack([boxes[..., 0, None] + long * c - across * s, boxes[..., 1, None] + long * s + across * c], -1)
    points = np.ascontiguousarray(at.reshape(-1, 2))
    out = points[~(inside_any(index.lanes, points) | inside_any(index.drivable, points))]
    far = [min(nearest_distance(a.arrays, x, y) for a in (index.lanes, index.drivable)) for x, y in out.tolist()]
    return max(far, default=0.0)


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_about_a_tight_corner_no_unit_leaves_the_road(side: float) -> None:
    s = scenario(corner(side), LOADED, 9.0, seconds=50.0)
    kept, cut = drive(s, LOADED), drive(s, LOADED, center_by_swept_path=False)
    assert side * (kept.drive.ego[-1, 1] - ORIGIN[1]) > 40.0, "it has come around"
    assert off_road(kept) < 0.3, "what the drivable area's metric tolerates"
    assert off_road(cut) > 1.0


def test_it_stops_behind_what_stands_and_could_stop_all_the_time() -> None:
    s = scenario(road(), LOADED, 15.0, [[-10.0, 0.0, 0.0, 5.0, 2.0]], [[0.0, 0.0]], 20.0)
    ego = drive(s, LOADED).drive.ego
    front = ego[-1, 0] + LOADED.body.front_m
    gap = ORIGIN[0] - 12.5 - front
    assert ego[-1, 3] < 0.2
    assert 1.0 < gap < 8.0
    assert ego[:, 5].min() > -3.0
    braking = 0.5 * ego[:, 3] ** 2 / 4.5 + 0.7 * ego[:, 3]
    assert (braking < ORIGIN[0] - 12.5 - (ego[:, 0] + LOADED.body.front_m) + 0.5).all()


def test_it_keeps_behind_who_is_slower() -> None:
    s = scenario(road(), LOADED, 14.0, [[-60.0, 0.0, 0.0, 5.0, 2.0]], [[6.0, 0.0]], 9.0)
    rollout = drive(s, LOADED)
    box = rollout.drive.objects.box
    boxes = unit_boxes(
        np.ascontiguousarray(rollout.drive.ego), np.ascontiguousarray(rollout.drive.joints), chain_of(LOADED)
    )
    assert not any(overlap(boxes[t, 0], box[t]) for t in range(len(boxes)))
    assert rollout.drive.ego[-1, 3] < 8.0


def joining() -> MapData:
    """The truck's lane comes over to that on its left 220 to 330 m after its start, and ends in it."""
    x = np.arange(-BEFORE, 221.0)
    u = np.clip((x - 100.0) / 110.0, 0.0, 1.0)
    own = np.stack([x, 3.6 * u**3 * (10.0 + u * (6.0 * u - 15.0))], 1)
    beside, after = np.stack([x, np.full(len(x), 3.6)], 1), np.stack([np.arange(220.0, 620.0), np.full(400, 3.6)], 1)
    lanes = [
        LaneSketch(10 + k, 1 + (k == 2), line + ORIGIN, (12,) if k < 2 else (), False, 14.4)
        for k, line in enumerate((own, beside, after))
    ]
    far = tuple((x + 900.0, y + 400.0) for x, y in (ORIGIN, (ORIGIN[0] + 1.0, ORIGIN[1] + 1.0)))
    return sketch_map(lanes, [(500, AreaKind.GENERIC_DRIVABLE, 0, rectangle(far[0], far[1]))])


@pytest.mark.parametrize("behind_m", [(10.0,), (10.0, 35.0)])
def test_where_its_lane_joins_another_it_lets_pass_who_would_be_beside_it_there(
    behind_m: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cars that keep the truck's speed, whatever it does, beside its trailer and 25 m behind."""
    boxes = [[40.0 - BEFORE - b, 3.6, 0.0, 5.0, 2.0] for b in behind_m]
    s = scenario(joining(), LOADED, 14.0, boxes, [[14.0, 0.0]] * len(boxes), 32.0)

    def touched(rollout: Rollout) -> bool:
        d = rollout.drive
        own = unit_boxes(np.ascontiguousarray(d.ego), np.ascontiguousarray(d.joints), chain_of(LOADED))
        seen = d.objects.box.reshape(len(own), -1, 5)
        return any(overlap(own[t, u], box) for t in range(len(own)) for u in range(2) for box in seen[t])

    found = drive(s, LOADED)
    ego, last = found.drive.ego, found.drive.objects.box.reshape(len(found.drive.ego), -1, 5)[-1]
    assert not touched(found)
    assert (last[:, 0] - 2.5 > ego[-1, 0] + LOADED.body.front_m).all()
    assert ego[:, 3].min() > 8.0
    assert ego[:, 5].min() > -1.5, "gently"
    assert abs(ego[-1, 1] - ORIGIN[1] - 3.6) < 0.3
    monkeypatch.setattr(route, "_joins", lambda map_data, *_: np.full(len(map_data.lanes), np.inf))
    assert touched(drive(s, LOADED)), "who does not look beside meets them"


@pytest.mark.parametrize(
    ("place", "stops"),
    [
        (RoadPlace(PlaceKind.CLEARANCE, 0, (130.0, 140.0), 4.0), True),
        (RoadPlace(PlaceKind.CLEARANCE, 0, (130.0, 140.0), 4.6), False),
        (RoadPlace(PlaceKind.GROSS_LIMIT, 0, (130.0, 140.0), 20_000.0), True),
        (RoadPlace(PlaceKind.NO_TRUCKS, 0, (130.0, 140.0), 0.0), True),
        (RoadPlace(PlaceKind.NO_TRUCKS, 0, (130.0, 140.0), 60_000.0), False),
    ],
)
def test_it_stops_before_what_it_may_not_pass(place: RoadPlace, stops: bool) -> None:
    ego = drive(scenario(road((place,)), LOADED, 10.0, seconds=18.0), LOADED).drive.ego
    front = ego[-1, 0] + LOADED.body.front_m - ORIGIN[0]
    assert (front < -30.0) == stops
    if stops:
        assert front > -45.0
        assert ego[-1, 3] < 0.3


def test_it_holds_all_units_in_the_lane_against_gusts() -> None:
    """The lane is 3.6 m wide, the truck 2.6 m; the wind blows to the left."""
    gusts = (RoadPlace(PlaceKind.WIND, 0, (80.0, 120.0), 20.0, 0.5 * np.pi),)
    empty = load_vehicle(LOADED.name, load="empty")

    def most(world: MapData, **params: Any) -> tuple[float, float, float]:
        d = drive(scenario(world, empty, 18.0, seconds=7.0), empty, **params).drive
        boxes = unit_boxes(np.ascontiguousarray(d.ego), np.ascontiguousarray(d.joints), chain_of(empty))
        edge = np.concatenate([box_corners(*box) for box in boxes.reshape(-1, 5)])
        edge = edge[np.abs(edge[:, 0] - ORIGIN[0] + 50.0) < 30.0, 1] - ORIGIN[1]
        at = d.ego[:, 0] - ORIGIN[0] + BEFORE
        return float(edge.max()), float(-edge.min()), float(d.ego[(at > 85.0) & (at < 115.0), 3].min())

    left, right, speed = most(road(gusts))
    heedless, _, _ = most(road(gusts), practice=False)
    _, _, calm = most(road())
    assert heedless > 1.8 + 0.3
    assert left < min(heedless - 0.25, 1.8 + 0.2)
    assert right < 1.8
    assert speed < calm


def test_a_closed_place_behind_does_not_hide_one_ahead() -> None:
    """The truck begins beyond the first bridge."""
    low = [RoadPlace(PlaceKind.CLEARANCE, 0, span, 4.0) for span in ((2.0, 6.0), (130.0, 140.0))]
    ego = drive(scenario(road(tuple(low)), LOADED, 10.0, seconds=18.0), LOADED).drive.ego
    assert -45.0 < ego[-1, 0] + LOADED.body.front_m - ORIGIN[0] < -30.0
    assert ego[-1, 3] < 0.3


def test_it_stands_in_no_junction_before_what_it_may_not_pass() -> None:
    shut = (RoadPlace(PlaceKind.NO_TRUCKS, 2, (20.0, 30.0), 0.0),)
    there, before = (
        drive(scenario(road(shut, 20.0, junction), LOADED, 10.0, seconds=45.0), LOADED).drive.ego[-1]
        for junction in (False, True)
    )
    assert max(there[3], before[3]) < 0.3
    assert there[1] > ORIGIN[1] + 20.0, "beyond the middle of the turn"
    assert -8.0 < before[0] + LOADED.body.front_m - ORIGIN[0] < -3.0


def test_on_ice_it_accelerates_as_the_driven_axles_hold() -> None:
    icy = (RoadPlace(PlaceKind.FRICTION, 0, (0.0, 160.0), 0.15),)
    hardest = [
        float(drive(scenario(road(p), LOADED, 5.0, seconds=5.0), LOADED).drive.ego[:, 5].max()) for p in ((), icy)
    ]
    truck, level = truck_of(LOADED, 1.0, 6.0), np.zeros(1)
    most = float(traction_asked(truck, level, level + 0.15, 0.5)[0])
    assert most < 0.8 * 0.15 * truck.driven, "not all of the grip"
    assert hardest[1] < most / truck.inertia + 0.02
    assert hardest[0] > 1.5 * hardest[1]


def test_on_an_icy_slope_that_it_can_climb_it_does_not_stand() -> None:
    truck, slope, icy = (
        truck_of(load_vehicle("us_sleeper_53", load="empty"), 1.0, 6.0),
        np.full(1, 0.05),
        np.full(1, 0.3),
    )
    traction = float(traction_asked(truck, slope, icy, 0.5)[0])
    assert 0.25 < pull(truck, 1.0, 0.05, traction, 1.0) < 0.35
    assert traction < 0.3 * truck.driven


def test_of_a_trailer_only_what_is_beyond_the_apron_is_off_the_lane() -> None:
    """Unit 1 stands so far left that its side is beyond the lane: on the apron, 1 cm beyond it, and where there is
    none."""
    n, chain = 60, chain_of(LOADED)
    x = np.arange(n, dtype=float)
    line = Line(np.stack([x, 0.0 * x], 1), np.zeros(n), np.stack([x * 0.0 + 1.0, 0.0 * x], 1), np.zeros(n))
    pair = np.tile([-1.8, 1.8], (n, 1))
    found = []
    for apron, side in ((3.8, 3.7), (3.8, 3.81), (0.0, 3.7)):
        far = np.tile([0.0, apron], (n, 1))
        edges = LineEdges(pair, pair, pair, far, np.zeros((n, 2)))
        units = np.array([[40.0, 0.0, 0.0], [25.0, side - 0.5 * chain.width[1], 0.0]])
        band, excess = np.tile([np.inf, -np.inf], (n, 1)), np.zeros(3)
        reach_out(line, edges, units, chain, (40, 0), band, excess)
        found.append(excess[0])
        assert band[:, 1].max() == pytest.approx(side), "the band is what is swept, on an apron too"
    assert found == pytest.approx([0.0, 0.01, 1.9], abs=1e-6)


def test_it_does_not_wait_on_rails_for_what_it_may_not_pass_just_beyond() -> None:
    rails = RoadPlace(PlaceKind.RAIL_CROSSING, 0, (100.0, 104.0))
    low = RoadPlace(PlaceKind.CLEARANCE, 0, (120.0, 124.0), 4.0)
    ego = drive(scenario(road((rails, low)), LOADED, 10.0, seconds=20.0), LOADED).drive.ego
    assert ego[-1, 0] + LOADED.body.front_m - ORIGIN[0] < -60.0
    assert ego[-1, 3] < 0.3


def test_it_waits_before_rails_until_all_units_get_across() -> None:
    rails = RoadPlace(PlaceKind.RAIL_CROSSING, 0, (110.0, 114.0))
    queue = [[-20.0, 0.0, 0.0, 5.0, 2.0]]
    blocked = drive(scenario(road((rails,)), LOADED, 10.0, queue, [[0.0, 0.0]], 20.0), LOADED).drive.ego
    assert blocked[-1, 0] + LOADED.body.front_m - ORIGIN[0] < -50.0
    assert blocked[-1, 3] < 0.3
    free = drive(scenario(road((rails,)), LOADED, 10.0, seconds=20.0), LOADED).drive.ego
    assert free[-1, 1] > ORIGIN[1] + 1.0, "it drives on into the bend"


def test_told_to_pull_over_it_stands_on_the_shoulder_with_all_units() -> None:
    shoulder = RoadPlace(PlaceKind.SHOULDER, 0, (50.0, 160.0), 3.4, -1.0)
    s = scenario(road((shoulder,)), LOADED, 12.0, seconds=28.0)
    d = drive(told(s, PULL_OVER), LOADED).drive
    ends = np.ascontiguousarray(d.ego[-1:]), np.ascontiguousarray(d.joints[-1:])
    boxes = unit_boxes(*ends, chain_of(LOADED))[0]
    left = max(float(box_corners(*box)[:, 1].max()) for box in boxes) - ORIGIN[1]
    assert d.ego[-1, 3] < 0.1
    assert left < -1.8, "the lane is 3.6 m wide"
    assert d.ego[-1, 0] + LOADED.body.front_m < ORIGIN[0]
    assert d.ego[:, 5].min() > -3.0
    assert drive(told(s, "go on"), LOADED).drive.ego[-1, 1] > ORIGIN[1] + 1.0
    times, texts = np.array([s.time_us[0], s.time_us[100]]), (PULL_OVER, "")
    revoked = replace(s, drive=replace(s.drive, instructions=Instructions(times, texts)))
    assert drive(revoked, LOADED).drive.ego[-1, 1] > ORIGIN[1] + 1.0, "told no longer, it goes on"


def test_a_place_limits_trucks_and_not_cars() -> None:
    slow = RoadPlace(PlaceKind.TRUCK_SPEED_LIMIT, 0, (0.0, 160.0), 9.0)
    planner, keys = create("planner", "freight_pdm"), np.zeros(1, np.uint64)
    caps = []
    for vehicle in (LOADED, load_vehicle("pacifica")):
        s = scenario(road((slow,)), vehicle, 8.0)
        state = planner.start(observe([s], 0, vehicle=vehicle), keys)[0]
        caps.append(float(state.route.road.cap[int(state.station)]))
    assert caps[0] == pytest.approx(0.97 * 9.0)
    assert caps[1] > 12.0


def test_what_the_vehicle_is_comes_from_the_observation_alone() -> None:
    """The same log planned for two loads has two speeds in the bend, each that of a planner which saw no other load."""
    s, keys = scenario(road(), LOADED, 15.0), np.zeros(1, np.uint64)
    params = {"lateral_mps2": 3.0}  # so that the load decides
    both, caps = create("planner", "freight_pdm", params), []
    for vehicle in (LOADED, CUBED):
        obs = observe([s], 0, vehicle=vehicle)
        alone = create("planner", "freight_pdm", params)
        state = both.start(obs, keys)
        plan = both.plan(obs, state, keys)[0]
        np.testing.assert_array_equal(plan.states, alone.plan(obs, alone.start(obs, keys), keys)[0].states)
        caps.append(float(state[0].route.road.cap[300]))
    assert caps[1] < caps[0] - 0.5


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="proposal_steps"):
        FreightPdmConfig(proposal_steps=90)
    with pytest.raises(ValueError, match="radius_m"):
        FreightPdmConfig(radius_m=0.0)
    with pytest.raises(ValueError, match="speed_shares"):
        FreightPdmConfig(speed_shares=())
    with pytest.raises(ValueError, match="largest"):
        FreightPdmConfig(speed_shares=(0.3, 1.0))
