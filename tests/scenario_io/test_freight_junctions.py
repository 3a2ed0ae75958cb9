"""Freight situations at junctions: what their roads are like, how a way through a tight place is found, and what the
two drivers do there."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from freight_worlds import freight_world

from roadcraft.core.data.places import PlaceKind
from roadcraft.core.data.scenario import Ego, LightState
from roadcraft.core.vehicles.geometry import length_of
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.scenario_io.synthetic.freight.crossroads import lights_of
from roadcraft.scenario_io.synthetic.freight.driving.fit import (
    Ground,
    even_course,
    fitted,
    most_curvature,
    one_ground,
    reach_beyond,
    steering_cap,
    swept_boxes,
)
from roadcraft.scenario_io.synthetic.freight.driving.pace import nobody
from roadcraft.scenario_io.synthetic.freight.play import halting, mistake
from roadcraft.scenario_io.synthetic.freight.situations.rail_crossing import TRACK_M
from roadcraft.scenario_io.synthetic.freight.situations.roundabout import RING_MPS, Ring
from roadcraft.scenario_io.synthetic.freight.situations.tight_right import Corner
from roadcraft.scenario_io.synthetic.freight.stage import Intent
from roadcraft.scenario_io.synthetic.freight.world import FreightWorld
from roadcraft.scenario_io.synthetic.roads.curves import headings, integrate, lengths, turn

RING = Ring(outer=20.0, roadway=7.0, apron=2.0, entry=4.5, splitter=1.5, curb=15.0)


def straight(y: float = 0.0) -> np.ndarray:
    return np.stack([np.arange(0.0, 200.0, 0.5), np.full(400, y)], 1)


# ---- ways through tight places ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["us_straight_26", "us_sleeper_53", "se_a_double"])
def test_a_truck_reaches_beyond_a_narrow_road_by_what_it_is_wider(name: str) -> None:
    truck = load_vehicle(name)
    half = 0.5 * max(u.width_m for u in truck.units)
    for aside in (0.0, 0.4, -0.7):
        road = one_ground([np.array([[-10.0, -1.0], [210.0, -1.0], [210.0, 1.0], [-10.0, 1.0]])])
        reach = reach_beyond(swept_boxes(even_course(straight(aside)), truck), road)
        assert reach == pytest.approx(half + abs(aside) - 1.02, abs=1e-6)
    assert reach_beyond(swept_boxes(even_course(straight()), truck), road.less(-2.0)) == 0.0


def test_each_unit_has_its_own_ground() -> None:
    truck = load_vehicle("us_sleeper_53")
    boxes = swept_boxes(even_course(straight()), truck)
    narrow, wide = (shapely.box(-10.0, -h, 210.0, h) for h in (1.0, 3.0))
    first, second = (0.5 * u.width_m for u in truck.units)
    assert reach_beyond(boxes, Ground(narrow, wide)) == pytest.approx(first - 1.0)
    assert reach_beyond(boxes, Ground(wide, narrow)) == pytest.approx(second - 1.0)


def test_the_search_finds_the_middle_of_a_road() -> None:
    truck = load_vehicle("us_straight_26")
    road = one_ground([np.array([[-10.0, 0.6], [210.0, 0.6], [210.0, 3.2], [-10.0, 3.2]])])
    p, reach = fitted(lambda p: straight(float(p[0])), [[0.0], [5.0]], [0.5], truck, lambda _: [(road, 1.0)])
    assert reach < 0.02
    assert p[0] == pytest.approx(1.9, abs=0.05)


def test_the_search_keeps_to_what_the_steering_can() -> None:
    truck = load_vehicle("us_sleeper_53")
    everywhere = one_ground([np.array([[-300.0, -300.0], [300.0, -300.0], [300.0, 300.0], [-300.0, 300.0]])])

    def bend(p: np.ndarray) -> np.ndarray:
        corner = turn(np.array([60.0, 0.0]), 0.0, np.array([60.0 + p[0], p[0]]), 0.5 * np.pi, 0.5)
        rest = np.stack([np.full(80, 60.0 + p[0]), p[0] + 0.5 * np.arange(1, 81)], 1)
        return np.concatenate([straight()[:120], corner, rest])

    p, reach = fitted(bend, [[6.0]], [2.0], truck, lambda _: [(everywhere, 1.0)])
    assert reach < 0.02
    assert np.abs(even_course(bend(p)).curvature).max() <= 1.03 * most_curvature(truck)


def test_a_curve_that_tightens_is_taken_as_fast_as_the_steering_turns() -> None:
    truck = load_vehicle("us_sleeper_53")
    points, _ = integrate(0.0015 * 0.5 * np.arange(80), 0.5)  # a clothoid
    slow = steering_cap(even_course(points), truck)[10:60]
    assert truck.max_steering_rate_radps is not None
    k = 0.0015 * np.arange(80)[10:60] * 0.5
    turned = truck.body.wheel_base_m * 0.0015 / (1.0 + (truck.body.wheel_base_m * k) ** 2)
    assert (slow * turned <= truck.max_steering_rate_radps).all()
    assert slow.min() > 5.0
    assert steering_cap(even_course(straight()), truck).min() > 100.0


# ---- roads -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("curb", [6.0, 10.0, 15.0])
def test_the_curb_is_as_round_as_drawn(curb: float) -> None:
    corner = Corner(curb, (3.4, 3.6), (1, 2), 0.4, (0.5, 2.3))
    (x, y), (s, e) = corner.edges, corner.mouths
    line = turn(np.array([x, -s]), 0.5 * np.pi, np.array([e, y]), 0.0, 0.02 * curb)
    middle = len(line) // 2
    a, b, c = line[[middle - 8, middle, middle + 8]]
    area = 0.5 * abs((b - a)[0] * (c - a)[1] - (b - a)[1] * (c - a)[0])
    sides = [np.hypot(*d) for d in (a - b, b - c, c - a)]
    assert np.prod(sides) / (4.0 * area) == pytest.approx(curb, rel=0.01), "the circle through three points"
    ring = corner.link(1)
    assert shapely.Polygon(np.concatenate([ring[0], ring[2][::-1]])).is_valid
    way = corner.way(np.array([0.0, 0.0, curb + 3.0, 20.0, 20.0]))
    np.testing.assert_allclose(way[[0, -1], [0, 1]], corner.middles, atol=1e-9)


@pytest.mark.parametrize("turned", [np.pi, 1.5 * np.pi, 2.0 * np.pi])
def test_a_way_around_keeps_its_radius_and_leaves_where_it_should(turned: float) -> None:
    d = RING.splitter + 0.5 * RING.entry
    way = RING.way(np.array([RING.middle, 18.0, 18.0, d, d]), turned)
    far = np.hypot(*way.T)
    assert far.min() == pytest.approx(RING.middle, abs=0.35)
    u = np.array([np.sin(turned), -np.cos(turned)])
    np.testing.assert_allclose(way[-1] - (way[-1] @ u) * u, d * np.array([u[1], -u[0]]), atol=1e-6)
    heading = np.unwrap(headings(way))
    assert heading[-1] - heading[0] == pytest.approx(turned - np.pi, abs=1e-3), "once around to the left"
    left, _, right = RING.link(turned)
    link = shapely.Polygon(np.concatenate([left, right[::-1]]))
    assert link.is_valid
    assert shapely.area(link.difference(shapely.buffer(RING.pavement(), 0.3))) < 1.0


def test_the_apron_is_for_trailers() -> None:
    ground = RING.ground()
    assert RING.island == 11.0
    for radius, first, behind in ((12.0, False, True), (14.0, True, True), (10.5, False, False)):
        spot = shapely.Point(radius, 0.0)
        assert (shapely.covers(ground.first, spot), shapely.covers(ground.behind, spot)) == (first, behind)


def test_lights_are_green_once() -> None:
    lights = lights_of({1: (10.0, 20.0)})
    at = lights[[0, 199, 200, 399, 400, 459, 460]]
    red, green, yellow = LightState.RED, LightState.GREEN, LightState.YELLOW
    assert at[:, 1].tolist() == [red, red, green, green, yellow, yellow, red]
    assert (lights[:, [0, 2, 3]] == red).all()


# ---- drivers ---------------------------------------------------------------------------------------------------------


def test_a_wall_is_ahead_until_it_is_gone() -> None:
    course = even_course(straight())
    intent = Intent(course, np.full(400, 10.0), wait=(80.0, 2.0))
    ahead = halting(intent, nobody(40))
    assert ahead.s[:20] == pytest.approx(80.0)
    assert np.isinf(ahead.s[20:]).all()
    free = nobody(40)
    assert np.array_equal(halting(Intent(course, intent.cap), free).s, free.s)


def test_rails_are_stood_upon_by_mistake_alone() -> None:
    w = freight_world("rail_crossing")
    rails = [p for p in w.stage.scene.sketch.places if p.kind == PlaceKind.RAIL_CROSSING]
    assert len(rails) == 2, "one on the lane there, one on the lane back"
    for p in rails:
        line = w.stage.scene.sketch.segments[p.lane].center
        arc, ring = lengths(line), shapely.Polygon(p.polygon[0])
        at = [[np.interp(s, arc, line[:, k]) for k in (0, 1)] for s in np.linspace(*p.span, 5)]
        assert all(shapely.distance(ring, shapely.Point(x)) < 0.05 for x in at)
        assert p.span[1] - p.span[0] >= TRACK_M - 1e-6
    assert w.played.verdict.wrong == ""
    assert mistake(w.stage, w.played)[1].wrong.startswith("stands on rails")
    over = w.stage.experts[0].over
    tail = min(b[0, 0] for k, b in enumerate(np.swapaxes(w.played.motion.box, 0, 1)) if k and _queues(w, k))
    assert tail - 2.4 - over[1] < length_of(w.stage.vehicle) + 5.0, "there is no room for all of it"


def _queues(w: FreightWorld, k: int) -> bool:
    m = w.played.motion
    return bool(m.active[0, k] and (m.speed[:400:20, k] < 0.3).all() and m.path[0, k] == w.stage.route)


def test_who_stands_in_a_queue_is_there_from_the_start() -> None:
    w = freight_world("dual_left_turn")
    m, consts = w.played.motion, np.array(w.stage.scene.consts)
    waits = consts[:, 15] < 0.0
    assert waits.sum() > 5
    assert m.active[0, waits].all()


def test_the_expert_turns_in_its_own_lane_and_the_other_touches_its_neighbor() -> None:
    w = freight_world("dual_left_turn")
    assert w.played.verdict.excess < 0.2
    green = np.flatnonzero(w.stage.scene.lights[:, 1] == LightState.GREEN)
    line = w.stage.scene.paths[w.stage.route].starts[1]
    crossed = np.flatnonzero(w.played.expert.s + w.stage.vehicle.body.front_m > line + 0.5)
    assert green[0] <= crossed[0] <= green[-1]
    assert set(np.unique(w.drive.lights.state)) == {LightState.RED, LightState.GREEN, LightState.YELLOW}
    assert mistake(w.stage, w.played)[1].excess > 0.8


def test_nobody_stands_inside_a_roundabout() -> None:
    w = freight_world("roundabout")
    begin, end = w.stage.experts[0].over
    s, v = w.played.expert.s, w.played.expert.ego[:, Ego.VX]
    front = s + w.stage.vehicle.body.front_m
    inside = (front > begin + 0.5) & (front - length_of(w.stage.vehicle) < end - 0.5)
    assert inside.any()
    assert v[inside].min() > 0.1
    course = w.played.expert.course
    around = np.abs(np.interp(s, course.s, course.curvature)) > 0.02
    assert v[around].max() < RING_MPS + 0.2
