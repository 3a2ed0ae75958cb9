"""Parts of trajectory scoring against slow twins, on whatever input hypothesis finds: areas and progress by shapely,
retimed copies step by step in Python."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import shapely
import tiny_world
from hypothesis import assume, given, settings, strategies as st
from hypothesis.extra.numpy import arrays

from roadcraft.core import AreaKind, Polygons, load_vehicle
from roadcraft.core.driving.geometry.boxes import box_corners, ego_box
from roadcraft.core.testing.world import rectangle
from roadcraft.planners.guard.config import GuardConfig
from roadcraft.planners.guard.planner import Guard
from roadcraft.planners.guard.retime import moved_to_centerline, resample, retimed
from roadcraft.planners.guard.simulate_and_score import check_areas
from roadcraft.planners.pdm.route_path import map_arrays_of
from roadcraft.planners.trajectory_scoring import contacts, scorer
from roadcraft.planners.trajectory_scoring.area_checks import OFF_ROAD, ONCOMING, classify, patch_around
from roadcraft.planners.trajectory_scoring.contacts import score_traffic
from roadcraft.planners.trajectory_scoring.paths import make_path
from roadcraft.planners.trajectory_scoring.scorer import SCORE_COLUMNS, Rules, score_progress, total
from roadcraft.planners.trajectory_scoring.traffic import Traffic, observe

WORLD, (X0, Y0) = tiny_world.make_map(), tiny_world.START
PLACES = [rectangle((X0 + 70.0, Y0 - 9.0), (X0 + 90.0, Y0 + 9.0)), rectangle((X0 + 900.0, Y0), (X0 + 901.0, Y0 + 1.0))]
MAP = replace(WORLD, areas=replace(WORLD.areas, polygons=Polygons.build(PLACES)))  # not drivable throughout
MAP_ARRAYS = map_arrays_of(MAP)
VEHICLE = load_vehicle()
DT = 0.1


# ---- areas ---------------------------------------------------------------------------------------------------------


def polygons(shapes: Any) -> list[shapely.Polygon]:
    return [shapely.Polygon(rings[0], rings[1:]) for rings in shapes]


LANES = polygons(MAP.lanes.polygons)
ROADS = polygons(MAP.areas.polygons[i] for i in range(len(MAP.areas)) if MAP.areas.kind[i] == AreaKind.ROAD_SEGMENT)


@st.composite
def places(draw: Any) -> np.ndarray:
    """States (T, 10) anywhere about the junction."""
    count = draw(st.integers(1, 12))
    at = draw(arrays(np.float64, (count, 3), elements=st.floats(-1.0, 1.0, width=32)))
    states = np.zeros((count, 10))
    states[:, :2] = tiny_world.START + np.array([110.0, 0.0]) + at[:, :2] * [60.0, 25.0]
    states[:, 2] = at[:, 2] * math.pi
    return states


def facing(states: np.ndarray) -> np.ndarray:
    """Cosine and sine of the headings (N, T, 2)."""
    return np.stack([np.cos(states[..., 2]), np.sin(states[..., 2])], -1)


def near_an_edge(point: np.ndarray) -> bool:
    """On it either answer is right."""
    return any(p.exterior.distance(shapely.Point(point)) < 1e-6 for p in (*LANES, *ROADS))


def lanes_at(point: np.ndarray) -> list[int]:
    return [i for i, lane in enumerate(LANES) if lane.covers(shapely.Point(point))]


def runs_against(lane: int, state: np.ndarray, point: np.ndarray) -> bool:
    line = MAP.lanes.centerlines[lane]
    nearest = min(int(np.argmin(np.hypot(*(line - point).T))), len(line) - 2)
    dx, dy = line[nearest + 1] - line[nearest]
    return math.cos(math.atan2(dy, dx) - state[2]) < 0.0


@settings(max_examples=60, deadline=None)
@given(places(), st.lists(st.integers(0, len(LANES) - 1), min_size=1, max_size=5))
def test_flags_of_pdm_are_those_of_shapely(states: np.ndarray, route: list[int]) -> None:
    on_route = np.zeros(len(LANES), np.bool_)
    on_route[route] = True
    flags = np.zeros((1, len(states)), np.int64)
    patch = np.array([[1e3, 1e3], [-1e3, 1e3], [-1e3, -1e3], [1e3, -1e3]]) + tiny_world.START
    classify(states[None], facing(states[None]), VEHICLE.box, MAP_ARRAYS, on_route, patch, flags)
    for state, flag in zip(states, flags[0], strict=True):
        box = ego_box(state, VEHICLE.box)
        corners, center = box_corners(*box), box[:2]
        if not any(near_an_edge(p) for p in corners):
            assert bool(flag & OFF_ROAD) == any(not lanes_at(p) for p in corners)
        if not near_an_edge(center):
            assert bool(flag & ONCOMING) == (not set(lanes_at(center)) & set(route))


@settings(max_examples=60, deadline=None)
@given(places())
def test_flags_of_guard_are_those_of_shapely(states: np.ndarray) -> None:
    """OFF_ROAD only after a pose that was on the road; a little over the edge counts for nothing."""
    setup = Guard(GuardConfig(), object())._scoring_setup(VEHICLE)  # type: ignore[arg-type]
    flags, scores = np.zeros((1, len(states)), np.int64), np.ones((1, SCORE_COLUMNS))
    drivable = MAP.index.drivable.arrays
    check_areas(states[None], facing(states[None]), setup, MAP_ARRAYS, drivable, flags, scores)
    entered = False
    for state, flag in zip(states, flags[0], strict=True):
        x, y, heading, length, width = ego_box(state, VEHICLE.box)
        corners = box_corners(x, y, heading, length - 2 * setup.slack_m, width - 2 * setup.slack_m)
        assume(not any(near_an_edge(p) for p in corners))
        outside = any(not lanes_at(p) and not any(a.covers(shapely.Point(p)) for a in ROADS) for p in corners)
        entered = entered or not outside
        assert bool(flag & OFF_ROAD) == (outside and entered)
        if not near_an_edge(np.array([x, y])):
            here = lanes_at(np.array([x, y]))
            against = bool(here) and all(runs_against(lane, state, np.array([x, y])) for lane in here)
            assert bool(flag & ONCOMING) == against


# ---- retimed copies ------------------------------------------------------------------------------------------------


@st.composite
def drives(draw: Any) -> np.ndarray:
    """Poses (T, 3) every DT of a vehicle that drives along curves and may stand."""
    count = draw(st.integers(3, 50))
    speed = draw(arrays(np.float64, count, elements=st.floats(0.0, 20.0, width=32)))
    turn = draw(arrays(np.float64, count, elements=st.floats(-0.0625, 0.0625, width=32)))
    heading = draw(st.floats(-4.0, 4.0)) + np.cumsum(turn)
    xy = np.cumsum(DT * speed[:, None] * np.stack([np.cos(heading), np.sin(heading)], 1), 0)
    return np.column_stack([xy - xy[0] + tiny_world.START, heading])


def retimed_slowly(poses: np.ndarray, speed: float, accel: float, factor: float, limits: Any) -> list[float]:
    """How far a copy has come at each time, one step after the other."""
    most, decel, jerk = limits
    step = np.hypot(*np.diff(poses[:, :2], axis=0).T)
    reach = DT if math.isinf(jerk) else 0.3
    along = [0.0]
    for own in step:
        wanted = float(np.clip((factor * own / DT - speed) / reach, -decel, most))
        accel = float(np.clip(wanted, accel - jerk * DT, accel + jerk * DT))
        then = max(speed + accel * DT, 0.0)
        along.append(min(along[-1] + 0.5 * (speed + then) * DT, float(step.sum())))
        speed = then
    return along


@settings(max_examples=100, deadline=None)
@given(
    drives(),
    st.floats(0.0, 20.0),
    st.floats(-3.0, 3.0),
    st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    st.sampled_from([(2.0, 2.5, 3.5), (2.0, 6.0, math.inf)]),
)
def test_a_retimed_copy_is_the_slow_twins(
    poses: np.ndarray, speed: float, accel: float, factor: float, limits: tuple[float, float, float]
) -> None:
    out = np.empty_like(poses)
    retimed(poses, speed, accel, factor, limits, DT, out)
    along = retimed_slowly(poses, speed, accel, factor, limits)
    assume(np.hypot(*np.diff(poses[:, :2], axis=0).T).sum() > 0.1)
    line = shapely.LineString(poses[:, :2])
    for place, pose in zip(along, out, strict=True):
        assert line.interpolate(place).distance(shapely.Point(pose[:2])) < 1e-6
    assert np.array_equal(out[0], poses[0])


@settings(max_examples=100, deadline=None)
@given(drives(), st.integers(1, 40), st.integers(0, 30))
def test_resampling_is_interpolation_and_then_straight_on(poses: np.ndarray, more: int, every: int) -> None:
    count, step_us = len(poses), 100_000 + 10_000 * every
    time_us = 10**15 + step_us * np.arange(count)
    states = np.zeros((count, 10))
    states[:, :3] = poses
    out = np.empty((count + more, 3))
    assert resample(time_us, states, count, int(time_us[0]), 100_000, out)
    t, own = 0.1 * np.arange(len(out)), 1e-6 * (time_us - time_us[0])
    beyond = np.maximum(t - own[-1], 0.0)
    for k in (0, 1):
        last = (poses[-1, k] - poses[-2, k]) / (own[-1] - own[-2])
        np.testing.assert_allclose(out[:, k], np.interp(t, own, poses[:, k]) + last * beyond, rtol=0, atol=1e-6)
    heading = np.interp(t, own, np.unwrap(poses[:, 2]))
    np.testing.assert_allclose(np.cos(out[:, 2] - heading), 1.0, rtol=0, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(drives(), st.floats(-2.5, 2.5), st.floats(-0.7, 0.7))
def test_a_copy_on_the_centerline_keeps_its_pace_and_ends_on_the_line(
    poses: np.ndarray, aside: float, turned: float
) -> None:
    line = make_path(tiny_world.START + np.array([[-30.0, 0.0], [1500.0, 0.0]]), np.zeros(2))
    poses = poses - [0.0, 0.0, poses[0, 2]] + [0.0, aside, turned]
    way = np.append(0.0, np.cumsum(np.hypot(*np.diff(poses[:, :2], axis=0).T)))
    out = np.empty_like(poses)
    assert moved_to_centerline(poses, line, out)
    np.testing.assert_allclose(out[:, 0] - tiny_world.START[0], way, rtol=0, atol=1e-6)
    np.testing.assert_allclose(out[way >= 12.0][1:, 1], tiny_world.START[1], rtol=0, atol=1e-6)
    assert np.abs(out[:, 1] - tiny_world.START[1]).max() <= abs(aside) + 0.15 * 12.0 * math.tan(0.7) + 1e-6


# ---- traffic -------------------------------------------------------------------------------------------------------


def contacts_slowly(states: np.ndarray, traffic: Traffic, rules: Rules) -> tuple[float, float, float, float]:
    """Collision, its step, time to collision, its step of one trajectory off the map: all objects at all times."""
    own, ahead = VEHICLE.box, [int(a) for a in rules.ahead]
    hit, near = set[int](), set[int]()
    collision, collided_at, ttc, ttc_at = 1.0, math.inf, 1.0, math.inf
    for t, state in enumerate(states):
        x, y, heading, length, width = ego_box(state, own)
        along, speed = np.array([math.cos(heading), math.sin(heading)]), math.hypot(state[3], state[4])
        for k, j in [(k, j) for k in ahead for j in np.flatnonzero(~traffic.ignored)]:
            looking = ttc > 0.0 and speed >= contacts.PROJECTED_MPS
            if not ((looking and j not in near) or (k == 0 and j not in hit)) or (k > 0 and not looking):
                continue
            cx, cy = np.array([x, y]) + along * speed * k * DT
            time_s = (t + k) // rules.refresh * rules.refresh * DT
            ox, oy = traffic.box[j, :2] + time_s * traffic.moved[j]
            ego, other = (
                shapely.Polygon(box_corners(*b))
                for b in ((cx, cy, heading, length, width), (ox, oy, traffic.heading[j], *traffic.box[j, 4:]))
            )
            if not ego.intersects(other):
                continue
            way = np.array([ox, oy]) - state[:2]
            angle = math.acos(np.clip(along @ way / np.hypot(*way), -1.0, 1.0))
            if k == 0 and j not in hit:
                hit.add(j)
                front = shapely.LineString(box_corners(x, y, heading, length, width)[[0, 3]])
                stands = not traffic.moving[j] or traffic.speed[j] <= contacts.STOPPED_MPS
                fault = stands or (angle <= math.radians(150.0) and front.intersects(other))
                if speed > contacts.STOPPED_MPS and fault:
                    collision, collided_at = min(collision, 0.0 if traffic.moving[j] else 0.5), min(collided_at, t)
            if looking and j not in near:
                near.add(j)
                if angle < math.radians(30.0):
                    ttc, ttc_at = 0.0, float(t)
    return collision, collided_at, ttc, ttc_at


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_what_is_met_is_what_a_search_over_all_objects_finds(seed: int) -> None:
    """Objects of all speeds, near and far; ego turns, brakes and stands."""
    rng = np.random.default_rng(seed)
    count, objects, far = 25, 12, np.array([1e5, 1e5]) + tiny_world.START
    states = np.zeros((3, count, 10))
    states[..., 3] = np.maximum(
        rng.uniform(0.0, 18.0, (3, 1)) + rng.uniform(-9.0, 3.0, (3, 1)) * DT * np.arange(count), 0
    )
    states[..., 2] = rng.uniform(-3.0, 3.0) + np.cumsum(rng.normal(0.0, 0.04, (3, count)), 1)
    way = DT * states[..., 3:4] * np.stack([np.cos(states[..., 2]), np.sin(states[..., 2])], -1)
    states[..., :2] = far + np.cumsum(way, 1) - way
    states[:, 0] = states[0, 0]
    heading = rng.uniform(-3.1, 3.1, objects)
    box = np.column_stack([far + rng.normal(0.0, 25.0, (objects, 2)), heading, rng.uniform(0.5, 9, (objects, 2))])
    speed = rng.choice([0.0, 0.03, 3.0, 12.0, 25.0], objects)
    velocity = speed[:, None] * np.stack([np.cos(heading), np.sin(heading)], 1)
    kind, identity = rng.integers(0, 5, objects).astype(np.uint8), np.arange(objects).astype(np.uint64)
    ego, none = ego_box(states[0, 0], VEHICLE.box), np.zeros(0, np.uint64)
    traffic = observe(ego, 90.0, np.full(4, 50), identity, kind, box, velocity, none)
    rules, scores = Rules(DT, 2, (5.0, 5.0, 2.0, 0.0)), np.ones((3, SCORE_COLUMNS))
    patch, flags = patch_around(states[0, 0], VEHICLE.box, 50.0), np.zeros((3, count), np.int64)
    score_traffic(states, flags, MAP_ARRAYS, patch, VEHICLE.box, traffic, rules, scores)
    columns = [scorer.NO_COLLISION, scorer.COLLISION_STEP, scorer.TTC, scorer.TTC_STEP]
    for n in range(3):
        assert tuple(scores[n, columns]) == contacts_slowly(states[n], traffic, rules)


# ---- scores --------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(drives(), st.floats(-3.0, 3.0))
def test_progress_is_what_shapely_measures(poses: np.ndarray, aside: float) -> None:
    states = np.zeros((1, len(poses), 10))
    states[0, :, :3] = poses
    xy = tiny_world.START + np.stack([np.linspace(-200.0, 200.0, 60), aside + np.linspace(-40.0, 40.0, 60)], 1)
    scores = np.ones((1, SCORE_COLUMNS))
    score_progress(states, facing(states), VEHICLE.box, make_path(xy, np.zeros(60)), scores)
    line = shapely.LineString(xy)
    first, last = (line.project(shapely.Point(ego_box(states[0, k], VEHICLE.box)[:2])) for k in (0, -1))
    assert scores[0, scorer.PROGRESS_M] == pytest.approx(max(last - first, 0.0), abs=1e-6)


@settings(max_examples=100, deadline=None)
@given(st.data(), st.integers(1, 6))
def test_the_total_is_the_product_times_the_weighted_mean(data: Any, count: int) -> None:
    scores = data.draw(arrays(np.float64, (count, SCORE_COLUMNS), elements=st.sampled_from([0.0, 0.5, 1.0])))
    scores[:, scorer.PROGRESS_M] *= 40.0
    weights = (5.0, 5.0, 2.0, 4.0)
    got = total(scores, Rules(DT, 2, weights))
    gates = scores[:, scorer.NO_COLLISION] * scores[:, scorer.DRIVABLE] * scores[:, scorer.DIRECTION]
    far = scores[:, scorer.PROGRESS_M] * gates
    progress = far / far.max() if far.max() > 0.1 else (gates > 0.0).astype(float)
    others = [scores[:, k] for k in (scorer.TTC, scorer.COMFORT, scorer.SPEED_LIMIT)]
    np.testing.assert_allclose(got, gates * np.average([progress, *others], axis=0, weights=weights), rtol=1e-12)
    assert ((got >= 0.0) & (got <= 1.0)).all()
