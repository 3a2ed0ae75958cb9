"""Crowd checks: overlaps and corners off the road against slow twins, and steps of whole crowds."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import shapely
from hypothesis import given, settings, strategies as st
from queries import off_road_slow, overlap_matrix

from roadcraft.core.arrays import Polygons, Polylines
from roadcraft.core.driving.geometry.boxes import corners, ego_box
from roadcraft.core.driving.map_index.index import build_layer, inside_any
from roadcraft.core.driving.motion.bicycle import motion_of, step
from roadcraft.core.driving.motion.chain import chain_of, pull_joints, unit_boxes, unit_poses
from roadcraft.core.driving.multi_agent.collisions import check_crowd
from roadcraft.core.driving.multi_agent.crowd import Crowd, CrowdMaps
from roadcraft.core.driving.multi_agent.lane_field import lane_field
from roadcraft.core.driving.multi_agent.road_edges import RoadEdges, road_edges
from roadcraft.core.driving.multi_agent.road_grid import (
    RoadField,
    field_of_edges,
    field_of_layer,
    join,
    off_road,
    road_field,
)
from roadcraft.core.driving.multi_agent.rows import unit_rows
from roadcraft.core.testing import made_up_map
from roadcraft.core.vehicles.geometry import turning_circle
from roadcraft.core.vehicles.vehicle import Vehicle, load_vehicle

ORIGIN = np.array([331_000.0, 4_690_000.0])


@cache
def road_everywhere() -> RoadField:
    """Road far around each place at which these tests put somebody."""
    square = 5e3 * np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]])
    places = (0.0, ORIGIN, made_up_map().lanes.centerlines.points[0])
    return field_of_layer(build_layer(Polygons.build([[square + place] for place in places])))


@pytest.fixture
def everywhere() -> RoadField:
    return road_everywhere()


def random_edges(rng: np.random.Generator) -> tuple[RoadEdges, RoadField]:
    """Two bent lines anywhere and a ring, drawn either way round."""
    ring = _ring(rng, int(rng.integers(3, 30)))[:: rng.choice([-1, 1])]
    edges = road_edges(Polylines.build([rng.uniform(-50, 50, (int(rng.integers(2, 9)), 2)) for _ in range(2)] + [ring]))
    return edges, field_of_edges(edges, float(rng.uniform(0.5, 5.0)))


def _ring(rng: np.random.Generator, n: int) -> np.ndarray:
    """A star-shaped closed ring, counter-clockwise."""
    turn = 2.0 * np.pi * (np.arange(n) + rng.uniform(0.1, 0.9, n)) / n
    ring = np.stack([np.cos(turn), np.sin(turn)], 1) * rng.uniform(10, 40, n)[:, None]
    return np.concatenate([ring, ring[:1]])


def _crowd(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    boxes = rng.uniform([0, 0, -4, 0.5, 0.5], [30, 30, 4, 12, 3], (n, 5))
    boxes[:, :2] += ORIGIN
    return boxes, rng.integers(0, max(n // 2, 1), n), rng.random(n) < 0.9


def _twin(boxes: np.ndarray, vehicle: np.ndarray, valid: np.ndarray) -> np.ndarray:
    touching = overlap_matrix(boxes, boxes) & valid[:, None] & valid & (vehicle[:, None] != vehicle)
    return np.where(touching.any(axis=1), touching.argmax(axis=1), -1)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
@settings(max_examples=200, deadline=None)
def test_touching_is_every_pair_asked(seed: int, n: int) -> None:
    boxes, vehicle, valid = _crowd(np.random.default_rng(seed), n)
    touched, off = check_crowd(boxes, vehicle, valid, road_everywhere())
    np.testing.assert_array_equal(touched, _twin(boxes, vehicle, valid))
    assert not off.any()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_touching_is_shapely_s(seed: int) -> None:
    boxes, vehicle, valid = _crowd(np.random.default_rng(seed), 16)
    shapes = shapely.polygons(corners(boxes))
    touching = shapely.intersects(shapes[:, None], shapes) & valid[:, None] & valid & (vehicle[:, None] != vehicle)
    touched, _ = check_crowd(boxes, vehicle, valid, road_everywhere())
    np.testing.assert_array_equal(touched >= 0, touching.any(axis=1))


def test_bumper_to_bumper_touches(everywhere: RoadField) -> None:
    """Boxes side by side on a grid of whole metres share edges and corners, exactly; a hair apart they do not touch."""
    boxes = np.array([[0.0, 0, 0, 4, 2], [4, 0, 0, 4, 2], [8, 2, 0, 4, 2], [14.000_001, 0, 0, 4, 2]])
    touched, _ = check_crowd(boxes, np.arange(4), np.ones(4, bool), everywhere)
    assert touched.tolist() == [1, 0, 1, -1]


def test_units_of_one_vehicle_never_touch(everywhere: RoadField) -> None:
    boxes = np.array([[0.0, 0, 0, 6, 2.5], [-6, 0, 0, 12, 2.5], [-10, 0, 0, 4, 2]])
    touched, _ = check_crowd(boxes, np.array([7, 7, 9]), np.ones(3, bool), everywhere)
    assert touched.tolist() == [-1, 2, 1]


def test_absent_agents_are_not_asked(everywhere: RoadField) -> None:
    boxes = np.array([[0.0, 0, 0, 4, 2], [1, 0, 0, 4, 2], [np.nan] * 5])
    touched, off = check_crowd(boxes, np.arange(3), np.array([True, False, False]), everywhere)
    assert touched.tolist() == [-1, -1, -1]
    assert not off.any()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_corners_off_the_road(seed: int) -> None:
    rng = np.random.default_rng(seed)
    edges, field = random_edges(rng)
    boxes = rng.uniform([-60, -60, -4, 0.5, 0.5], [60, 60, 4, 12, 3], (24, 5))
    _, off = check_crowd(boxes, np.arange(24), np.ones(24, bool), field)
    np.testing.assert_array_equal(off.reshape(-1), off_road_slow(edges, corners(boxes).reshape(-1, 2)))


@cache
def two_maps() -> CrowdMaps:
    return CrowdMaps(join([road_field([made_up_map()]), road_everywhere()]), lane_field([made_up_map()] * 2))


def _cars(seed: int, b: int, n: int) -> Crowd:
    """Cars all over the place on two maps, one row in five empty."""
    rng, units = np.random.default_rng(seed), unit_rows(load_vehicle())
    crowd = Crowd(b, n, two_maps())
    for k in range(b):
        crowd.clear(k, int(rng.integers(0, 2)))
        for i in np.flatnonzero(rng.random(n) < 0.8).tolist():
            state = np.zeros((1, 10))
            state[0, :2] = rng.uniform(0, 60, 2) + [0.0, -20.0] + made_up_map().lanes.centerlines.points[0]
            state[0, 2], state[0, 3], state[0, 7] = rng.uniform(-3, 3), 5.0, 0.1
            crowd.spawn(k, i, units, state)
    return crowd


def test_a_step_is_the_bicycle_and_the_checks() -> None:
    run, rng, vehicle = _cars(3, 6, 8), np.random.default_rng(4), load_vehicle()
    rows, before = run.rows, run.rows.state.copy()
    controls = rng.normal(0, [1.0, 0.2], (6, 8, 2))
    run.step(controls, 0.1)
    for b in range(6):
        moved = step(before[b], controls[b], np.full(8, 0.1), *motion_of(vehicle))
        np.testing.assert_array_equal(rows.state[b], np.where(rows.there[b][:, None], moved, before[b]))
        boxes, there = ego_box(rows.state[b], vehicle.box), rows.there[b]
        touched, off = check_crowd(boxes, rows.vehicle[b], there, run.maps.road, int(rows.place[b]))
        np.testing.assert_array_equal(run.touched[b], touched)
        np.testing.assert_array_equal(run.off[b], off)
        np.testing.assert_allclose(run.checks.boxes[b][there], boxes[there], rtol=0, atol=1e-8)
        np.testing.assert_array_equal(run.checks.corners[b][there], corners(run.checks.boxes[b][there]))
        if rows.place[b] == 0:
            on = inside_any(made_up_map().index.drivable, run.checks.corners[b].reshape(-1, 2)).reshape(-1, 4)
            np.testing.assert_array_equal(off[there], ~on[there])
    assert run.off.any()
    assert (run.touched >= 0).any()


TRUCKS = ("us_sleeper_53", "pacifica", "se_a_double", "us_straight_26", "us_twins_28")


def _trucks(seed: int, b: int, names: tuple[str, ...] = TRUCKS) -> tuple[Crowd, list[tuple[Vehicle, int]]]:
    """Vehicles with and without trailers, bent in any way; and each one with the row of its first unit."""
    rng, vehicles, first = np.random.default_rng(seed), [load_vehicle(name) for name in names], 0
    who: list[tuple[Vehicle, int]] = []
    for v in vehicles:
        who.append((v, first))
        first += len(v.units)
    crowd = Crowd(b, first, two_maps(), reverse=True)
    for k in range(b):
        crowd.clear(k, int(rng.integers(0, 2)))
        for v, at in who:
            ego, joints = np.zeros((1, 10)), rng.uniform(-0.7, 0.7, (1, v.joints))
            ego[:, :2] = rng.uniform(0, 60, 2) + [0.0, -20.0] + made_up_map().lanes.centerlines.points[0]
            ego[:, 2], ego[:, 3], ego[:, 7] = rng.uniform(-3, 3), rng.uniform(-3, 12), rng.uniform(-0.4, 0.4)
            state = np.zeros((len(v.units), 10))
            state[0], state[:, :3] = ego[0], unit_poses(ego, joints, chain_of(v))[0]
            if rng.random() < 0.9:
                crowd.spawn(k, at, unit_rows(v), state)
    return crowd, who


def _joints(state: np.ndarray, at: int, units: int) -> np.ndarray:
    return np.asarray((np.diff(state[:, at : at + units, 2]) + np.pi) % (2.0 * np.pi) - np.pi)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_trailers_are_pulled_by_the_chord_and_checked_as_boxes(seed: int) -> None:
    run, who = _trucks(seed, 3)
    rng, rows, found = np.random.default_rng(seed), run.rows, run.checks
    for _ in range(4):
        before = rows.state.copy()
        controls = np.clip(rng.normal(0, [1.0, 0.2], (*rows.there.shape, 2)), [-2.0, -0.1], [0.3, 0.1])
        run.step(controls, 0.1)
        for v, at in who:
            own, there = slice(at, at + len(v.units)), rows.there[:, at]
            moved = step(before[:, at], controls[:, at], np.full(3, 0.1), *motion_of(v))
            np.testing.assert_array_equal(rows.state[there, at], moved[there])
            poses = np.ascontiguousarray(np.stack([before[:, at, :3], moved[:, :3]], 1))
            bent = pull_joints(poses, _joints(before, at, len(v.units)), chain_of(v))[:, 1]
            boxes = unit_boxes(moved, np.ascontiguousarray(bent), chain_of(v))
            turn = (found.boxes[there, own, 2] - boxes[there, :, 2] + np.pi) % (2.0 * np.pi) - np.pi
            np.testing.assert_allclose(turn, 0.0, atol=1e-9)
            np.testing.assert_allclose(
                found.boxes[there, own][..., [0, 1, 3, 4]], boxes[there][..., [0, 1, 3, 4]], rtol=0, atol=2e-8
            )
            np.testing.assert_array_equal(rows.state[~there, own], before[~there, own])
        for b in range(3):
            boxes, there = found.boxes[b], rows.there[b]
            touched, off = check_crowd(boxes, rows.vehicle[b], there, run.maps.road, int(rows.place[b]))
            np.testing.assert_array_equal(run.touched[b], touched)
            np.testing.assert_array_equal(run.touched[b], _twin(boxes, rows.vehicle[b], there))
            np.testing.assert_array_equal(run.off[b], off)


def test_who_has_no_trailer_moves_the_same_to_the_last_bit_beside_those_that_have() -> None:
    alone, _ = _trucks(1, 4, ("pacifica", "us_straight_26"))
    mixed, who = _trucks(2, 4, ("us_sleeper_53", "pacifica", "us_straight_26"))
    mixed.rows.state[:, 2:], mixed.rows.there[:, 2:] = alone.rows.state, alone.rows.there
    mixed.rows.bounds[:, 2:] = alone.rows.bounds
    mixed.rows.body[:, 2:], mixed.rows.motion[:, 2:] = alone.rows.body, alone.rows.motion
    mixed.rows.driven[:, 2:] = alone.rows.driven
    controls = np.random.default_rng(3).normal(0, [1.0, 0.2], (4, 4, 2))
    for _ in range(10):
        alone.step(np.ascontiguousarray(controls[:, 2:]), 0.1)
        mixed.step(controls, 0.1)
    assert alone.rows.state.tobytes() == np.ascontiguousarray(mixed.rows.state[:, 2:]).tobytes()
    assert who[0][0].joints == 1


def test_speed_and_yaw_rate_of_a_trailer_are_those_of_rolling() -> None:
    v = load_vehicle("us_sleeper_53")
    run, state = Crowd(1, 2, two_maps()), np.zeros((2, 10))
    state[0, 3:] = [6.0, 0, 0, 0, 0.2, 0, 0]
    state[:, :3] = unit_poses(state[:1], np.zeros((1, 1)), chain_of(v))[0]
    run.spawn(0, 0, unit_rows(v), state)
    for _ in range(1000):
        run.step(np.zeros((1, 2, 2)), 0.02)
    circle = turning_circle(v, v.body.wheel_base_m / np.tan(0.2))
    assert circle is not None
    rate = 6.0 / circle.radii_m[0]
    np.testing.assert_allclose(run.rows.state[0, :, 8], rate, rtol=1e-3)
    np.testing.assert_allclose(run.rows.state[0, :, 3], rate * circle.radii_m, rtol=1e-3)


def test_join_answers_as_its_parts() -> None:
    rng = np.random.default_rng(1)
    parts = [random_edges(rng)[1], road_field([made_up_map()]), road_everywhere(), random_edges(rng)[1]]
    points = np.concatenate(
        [rng.uniform(-150, 150, (400, 2)), made_up_map().lanes.centerlines.points + rng.normal(0, 5, 2)]
    )
    for whole in (join(parts), join([join(parts[:2]), join(parts[2:])])):
        for m, part in enumerate(parts):
            np.testing.assert_array_equal(off_road(whole, m, points), off_road(part, 0, points))
