"""Corridors, rails and lane routes against shapely, numpy and brute force."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
import shapely

from roadcraft.core.arrays import Polygons
from roadcraft.core.driving.geometry.arc_path import build_rail, cut_rail, pose_at, rest_of_rail, vertex_headings
from roadcraft.core.driving.geometry.boxes import box_corners
from roadcraft.core.driving.geometry.capsules import (
    CHUNK,
    MARGIN,
    box_capsule,
    capsule_gap,
    corridor_capsules,
    footprint_capsule,
)
from roadcraft.core.driving.geometry.corridor import (
    MAX_VERTICES,
    exact_corridor,
    one_chord,
    piece,
    square_ends,
    unfolded_span,
)
from roadcraft.core.driving.geometry.corridor_distance import (
    Corridor,
    bounds_of,
    choose_nearest,
    distance_of_corridors,
    distance_to_polygon,
    new_pieces,
    polygon_distance,
    ring_distance,
    ring_separation,
    separation_from_polygon,
)
from roadcraft.planners.idm.route import (
    join_centerlines,
    lanes_of_blocks,
    route_blocks,
    search_lanes,
)
from roadcraft.planners.trajectory_scoring.start_lane import lane_under

FAR = 1e30
UTM = np.array([6.6e5, 3.99e6])
PIECES = new_pieces()


def random_path(rng: np.random.Generator, points: int, bend: float) -> np.ndarray:
    heading = np.cumsum(rng.normal(0, bend, points)) + rng.uniform(0, 6.28)
    step = rng.uniform(0.8, 1.3, points)[:, None]
    return np.cumsum(np.c_[np.cos(heading), np.sin(heading)] * step, axis=0) + UTM


def capsules_of(path: np.ndarray, half: float) -> np.ndarray:
    out = np.zeros((len(path) // CHUNK + 2, 5))
    corridor_capsules(path, len(path), half, out)
    return out


@pytest.mark.parametrize("bend", [0.0, 0.002, 0.03, 0.1])
def test_a_box_meets_a_corridor_as_geos_says(bend: float) -> None:
    rng = np.random.default_rng(int(bend * 1000))
    unclear = 0
    for _ in range(150):
        path, half = random_path(rng, int(rng.integers(2, 60)), bend), float(rng.uniform(0.5, 1.5))
        box = (*(path[rng.integers(len(path))] + rng.normal(0, 4, 2)), *rng.uniform([-3, 0.5, 0.5], [3, 8, 3]))
        corners, bound = box_corners(*box), np.empty(5)
        way = Corridor(path, len(path), half, capsules_of(path, half))
        box_capsule(*box, bound)
        geos, polygon = exact_corridor(path, half), shapely.Polygon(corners)
        gap = separation_from_polygon(way, corners, 4, bound)
        far = distance_to_polygon(way, corners, 4, bound, FAR, PIECES)
        unclear += abs(gap) <= MARGIN
        assert abs(gap) <= MARGIN or (gap < 0) == geos.intersects(polygon)
        if not folded_ends(path, len(path), half):
            assert far == pytest.approx(geos.distance(polygon), abs=1e-6)
    assert unclear < 3


def folded_ends(points: np.ndarray, count: int, half_width: float) -> bool:
    return unfolded_span(points, count, half_width) != (0, count - 1)


def test_two_corridors_meet_as_geos_says() -> None:
    rng = np.random.default_rng(7)
    for _ in range(200):
        bend = float(rng.choice([0.0, 0.02, 0.1]))
        a, b = random_path(rng, int(rng.integers(2, 60)), bend), random_path(rng, int(rng.integers(2, 30)), bend)
        b += a[rng.integers(len(a))] - b[0] + rng.normal(0, 6, 2)
        p, q = float(rng.uniform(0.5, 1.5)), float(rng.uniform(0.5, 1.5))
        args = (Corridor(a, len(a), p, capsules_of(a, p)), Corridor(b, len(b), q, capsules_of(b, q)))
        far = distance_of_corridors(*args, FAR, PIECES)
        first, second = exact_corridor(a, p), exact_corridor(b, q)
        apart = first.distance(second)
        assert (far == 0.0) == first.intersects(second) or max(far, apart) <= MARGIN
        if not (folded_ends(a, len(a), p) or folded_ends(b, len(b), q)):
            assert far == pytest.approx(apart, abs=1e-6)


@pytest.mark.parametrize("bend", [0.0, 0.05, 0.6, 2.0])
def test_the_distance_of_a_corridor_is_the_least_of_its_pieces(bend: float) -> None:
    """To the last bit: what is passed over is farther away."""
    rng = np.random.default_rng(int(bend * 100))
    piece_of = np.empty((MAX_VERTICES, 2))
    for _ in range(150):
        path, half = random_path(rng, int(rng.integers(2, 40)), bend), float(rng.uniform(0.3, 1.5))
        if rng.random() < 0.3:
            path[len(path) // 2] = path[len(path) // 2 - 1]
        box = (*(path[rng.integers(len(path))] + rng.normal(0, 8, 2)), *rng.uniform([-3, 0.5, 0.5], [3, 8, 3]))
        corners, bound, least = box_corners(*box), np.empty(5), FAR
        box_capsule(*box, bound)
        for k in range(2 * len(path) - 2):
            n = piece(path, len(path), half, k, piece_of)
            if n:
                least = polygon_distance(piece_of, n, corners, 4, least)
        way = Corridor(path, len(path), half, capsules_of(path, half))
        reach = _least_of_vertices(path, corners)
        assert distance_to_polygon(way, corners, 4, bound, FAR, PIECES) == min(least, reach)


def _least_of_vertices(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(((a[:, None] - b) ** 2).sum(axis=2).min()))


def test_square_caps_are_flat_caps_of_a_longer_path() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        path = random_path(rng, 20, 0.05)
        square, longer = exact_corridor(path, 1.2, square=True), path.copy()
        square_ends(longer, len(longer), 1.2)
        flat = exact_corridor(longer, 1.2)
        assert shapely.symmetric_difference(square, flat).area < 1e-6


def test_a_folded_end_is_told() -> None:
    short = np.array([[0.0, 0.0], [10.0, 0.0], [10.01, 0.001]])
    assert folded_ends(short, 3, 1.0)
    assert not folded_ends(np.array([[0.0, 0.0], [10.0, 0.0], [11.0, 0.1]]), 3, 1.0)
    assert not folded_ends(short, 2, 1.0)


def test_capsules_never_promise_too_much() -> None:
    rng = np.random.default_rng(5)
    for _ in range(300):
        a, b = (rng.uniform([-5, -5, -3, 0.5, 0.3], [5, 5, 3, 9, 3]) for _ in range(2))
        p, q = np.empty(5), np.empty(5)
        box_capsule(*a, p)
        box_capsule(*b, q)
        true = shapely.Polygon(box_corners(*a)).distance(shapely.Polygon(box_corners(*b)))
        assert capsule_gap(p, q) <= true + 1e-9


def test_map_polygons_with_holes() -> None:
    outline = np.array([[0, 0], [20, 0], [20, 20], [0, 20], [0, 0]], float)
    hole = np.array([[8, 8], [8, 12], [12, 12], [12, 8], [8, 8]], float)
    notch = np.array([[0, 0], [6, 0], [3, 3], [6, 6], [0, 6], [0, 0]], float) + 40
    polygons = Polygons.build([[outline, hole], [notch]])
    shapes = [shapely.Polygon(outline, [hole]), shapely.Polygon(notch)]
    rng, bounds = np.random.default_rng(2), np.empty(4)
    for _ in range(400):
        row = int(rng.integers(2))
        center = rng.uniform(-3, 23, 2) if row == 0 else rng.uniform(36, 50, 2)
        corners = box_corners(*center, *rng.uniform([-3, 0.4, 0.4], [3, 5, 3]))
        bounds_of(corners, 4, MARGIN, bounds)
        args = (polygons.points, polygons.rings, *polygons.offsets[row : row + 2], corners, 4, bounds)
        other = shapely.Polygon(corners)
        gap = ring_separation(*args)
        assert abs(gap) <= MARGIN or (gap < 0) == shapes[row].intersects(other)
        assert ring_distance(*args, FAR) == pytest.approx(shapes[row].distance(other), abs=1e-6)


def test_of_touching_objects_the_search_trees_first_is_chosen() -> None:
    rng = np.random.default_rng(3)
    own = shapely.box(-5, -5, 5, 5)
    for _ in range(200):
        n = int(rng.integers(1, 10))
        boxes = [box_corners(*rng.uniform([-9, -9, -3, 1, 1], [9, 9, 3, 6, 3])) for _ in range(n)]
        shapes = [shapely.Polygon(b) for b in boxes]
        far = np.array([own.distance(s) for s in shapes])
        middle = np.array([0.5 * (b[:, 1].min() + b[:, 1].max()) for b in boxes])
        assert choose_nearest(far, middle, n) == int(shapely.STRtree(shapes).nearest(own))


def test_what_is_too_close_to_call_is_left_open() -> None:
    assert choose_nearest(np.array([3.0, 3.0 + 1e-9]), np.zeros(2), 2) == -1
    assert choose_nearest(np.array([0.0, 0.0]), np.array([1.0, 1.0]), 2) == -1
    assert choose_nearest(np.zeros(11), np.arange(11.0), 11) == -1


def test_rails() -> None:
    points = np.array([[0, 0], [0, 0], [3, 0], [3, 4], [3, 9]], float)
    heading, progress = np.zeros(5), np.zeros(5)
    vertex_headings(points, 5, heading)
    n = build_rail(points, heading, 5, progress)
    assert n == 3  # the doubled vertex and the last one are gone
    assert list(progress[:n]) == [0.0, 3.0, 7.0]
    assert pose_at(progress, points, heading, n, 5.0) == pytest.approx((3.0, 2.0, np.pi / 2))
    assert pose_at(progress, points, heading, n, 1.5) == pytest.approx((1.5, 0.0, np.pi / 4))
    out, turned = np.empty((9, 2)), np.empty(9)
    assert rest_of_rail(progress, points, heading, n, 2.0, out, turned) == 3
    assert out[:3].tolist() == [[2, 0], [3, 0], [3, 4]]
    assert rest_of_rail(progress, points, heading, n, 7.0, out, turned) == 2
    assert out[:2].tolist() == [[3, 0], [3, 4]]
    assert cut_rail(progress, points, heading, n, 1.0, 5.0, out) == 3
    assert out[:3].tolist() == [[1, 0], [3, 0], [3, 2]]
    assert cut_rail(progress, points, heading, n, 7.0, 7.0, out) == 2
    assert cut_rail(progress, points, heading, n, 0.0, 0.0, out) == 2
    assert out[:2].tolist() == [[0, 0], [3, 0]]


def test_a_rail_of_two_points_keeps_its_end() -> None:
    points, heading, progress = np.array([[0.0, 0.0], [5.0, 0.0]]), np.zeros(2), np.zeros(2)
    assert build_rail(points, heading, 2, progress) == 2
    assert progress.tolist() == [0.0, 5.0]


def test_headings_are_unwrapped_across_the_back() -> None:
    points = np.array([[0, 0], [-2, -0.02], [-4, 0.0], [-6, -0.02], [-8, 0]], float)
    heading, progress = np.zeros(5), np.zeros(5)
    vertex_headings(points, 5, heading)
    n = build_rail(points, heading, 5, progress)
    assert np.abs(np.diff(heading[:n])).max() < 0.1
    assert abs(pose_at(progress, points, heading, n, 3.0)[2]) > 3.1


def brute_search(m, start, allowed, target, depth):
    """The reference's queue with depth marks."""
    queue, at, parent, end, found = deque([start, None]), 1, {(start, 1): None}, (start, 1), False
    while queue:
        lane = queue.popleft()
        if at > depth:
            break
        if lane is None:
            at += 1
            queue.append(None)
            if queue[0] is None:
                break
            continue
        if int(m.lanes.block[lane]) == target and at == depth:
            end, found = (lane, at), True
            break
        for nxt in m.lanes.successors[lane]:
            if int(nxt) in allowed:
                queue.append(int(nxt))
                parent[int(nxt), at + 1] = lane
                end = (int(nxt), at + 1)
    chain, (lane, at) = [end[0]], end
    while parent[lane, at] is not None:
        lane, at = parent[lane, at], at - 1
        chain.append(lane)
    return chain[::-1], found


def test_lane_routes(tiny_world) -> None:
    m = tiny_world.make_map()
    lanes = lanes_of_blocks(m, np.arange(len(m.blocks)))
    assert sorted(lanes) == sorted(np.flatnonzero(m.lanes.block >= 0))
    for start in range(len(m.lanes)):
        for target in range(len(m.blocks)):
            for depth in (1, 2, 3, 4):
                got = search_lanes(m, start, lanes, target, depth)
                assert got == brute_search(m, start, {int(x) for x in lanes}, target, depth)
    assert len(route_blocks(m, np.array([m.blocks.id[0], 10**9]))) == 1
    chain, found = search_lanes(m, 0, lanes, int(m.lanes.block[0]), 1)
    assert (chain, found) == ([0], True)
    points, heading = join_centerlines(m, chain)
    assert len(points) == len(heading) == len(m.lanes.centerlines[0])
    inside = 0.5 * (points[0] + points[1])
    surfaces = m.lanes.polygons
    shapes = [shapely.Polygon(surfaces[int(lane)][0]) for lane in lanes]
    for center in (inside, inside + 500.0, inside - [300.0, 20.0]):
        box = np.array([*center, 1.0, 0.0, 4.0, 2.0])
        gap = [shapely.Polygon(box_corners(*center, 0.0, 4.0, 2.0)).distance(shape) for shape in shapes]
        held = [lane for lane, shape in zip(lanes, shapes, strict=True) if shape.contains(shapely.Point(center))]
        want = [lane for lane, g in zip(lanes, gap, strict=True) if g <= min(gap) + 1e-9]
        assert lane_under(m.index.lanes.arrays, lanes, box) in (held[:1] or want)
    assert lane_under(m.index.lanes.arrays, np.array([0]), np.array([*inside, 1.0, 0.0, 4.0, 2.0])) == 0
    assert lane_under(m.index.lanes.arrays, lanes[:0], box) == -1


@pytest.mark.parametrize("bend", [0.0, 0.03, 0.2])
def test_capsules_of_footprints_hide_nothing_that_is_near(bend: float) -> None:
    """What is passed over as far from a corridor by its capsule is apart from it, and a footprint lies within its
    capsule."""
    rng = np.random.default_rng(int(bend * 100) + 1)
    passed_over = 0
    for _ in range(200):
        a, b = random_path(rng, int(rng.integers(2, 60)), bend), random_path(rng, int(rng.integers(2, 30)), bend)
        b += a[rng.integers(len(a))] - b[0] + rng.normal(0, 8, 2)
        p, q = float(rng.uniform(0.5, 1.5)), float(rng.uniform(0.5, 1.5))
        heading = float(np.arctan2(*(b[1] - b[0])[::-1]))
        corners, hull = box_corners(*b[0], heading, 4.8, 2.0 * q), np.empty(5)
        footprint_capsule(b, len(b), q, corners, hull)
        shape = shapely.union(exact_corridor(b, q), shapely.Polygon(corners))
        axis, radius = shapely.LineString(hull[:4].reshape(2, 2)), hull[4]
        assert max(axis.distance(v) for v in shapely.points(shapely.get_coordinates(shape))) <= radius + 1e-6
        chunks = capsules_of(a, p)[: (len(a) + CHUNK - 2) // CHUNK]
        if min(capsule_gap(chunk, hull) for chunk in chunks) > 3.0 * MARGIN:
            passed_over += 1
            assert shape.distance(exact_corridor(a, p)) > MARGIN
    assert passed_over > 20


def test_a_slight_bend_has_one_chord() -> None:
    out = np.empty((40, 2))
    for turn in np.linspace(-0.3, 0.3, 121):
        path = np.array([[0.0, 0.0], [1.0, 0.0], [1.0 + np.cos(turn), np.sin(turn)]])
        chords = piece(path, 3, 1.0, 1, out) - 2
        if one_chord(np.sin(turn), np.cos(turn)):
            assert chords in (-2, 1)
        if chords > 1:
            assert abs(turn) > 0.147
