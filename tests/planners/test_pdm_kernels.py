"""PDM's kernels against shapely and scipy on random input."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from scipy.signal import savgol_filter

from roadcraft.core.arrays import Polygons
from roadcraft.core.driving.geometry.boxes import box_corners
from roadcraft.core.driving.map_index.cell_edges import cell_edges, rows_in_cell
from roadcraft.core.driving.map_index.index import build_layer, containing
from roadcraft.planners.guard.retime import resample
from roadcraft.planners.pdm.comfort import NUPLAN_BOUNDS, comfort_tables, score_comfort
from roadcraft.planners.pdm.route_path import map_arrays_of
from roadcraft.planners.trajectory_scoring import contacts, scorer
from roadcraft.planners.trajectory_scoring.area_checks import patch_around
from roadcraft.planners.trajectory_scoring.corridor import (
    MAX_VERTICES,
    Strip,
    ends,
    ring_in_strip,
    span,
    strip_gap,
    strip_marks,
)
from roadcraft.planners.trajectory_scoring.forecast import drift
from roadcraft.planners.trajectory_scoring.paths import interpolate, make_path, project
from roadcraft.planners.trajectory_scoring.traffic import box_distance, box_ring_distance, box_within_ring, observe
from roadcraft.planners.trajectory_scoring.tree_order import tree_order

HALF = 1.15
ORIGIN = np.array([331_000.0, 4_690_000.0])


def random_path(rng, count=60):
    heading = rng.uniform(-3, 3) + np.cumsum(rng.normal(0, 0.06, count))
    step = rng.uniform(0.4, 2.0, count)
    step[rng.integers(0, count, 3)] = 0.0  # repeated points, as where lanes join
    xy = ORIGIN + np.cumsum(np.stack([np.cos(heading), np.sin(heading)], 1) * step[:, None], 0)
    return make_path(xy, np.append(heading[1:], heading[-1]))


def six(box):
    return np.array([box[0], box[1], math.cos(box[2]), math.sin(box[2]), box[3], box[4]])


def polygon(box):
    return shapely.Polygon(box_corners(*box))


def random_box(rng, around, spread):
    return np.array(
        [*(around + rng.normal(0, spread, 2)), rng.uniform(-3, 3), rng.uniform(0.4, 6), rng.uniform(0.4, 2.5)]
    )


@pytest.mark.parametrize("seed", range(5))
def test_projection_and_interpolation_on_a_path(seed):
    rng = np.random.default_rng(seed)
    path = random_path(rng)
    line = shapely.LineString(path.xy)
    for _ in range(60):
        x, y = path.xy[rng.integers(60)] + rng.normal(0, 8, 2)
        got, _ = project(path, x, y, int(rng.integers(0, 80)))
        assert got == pytest.approx(line.project(shapely.Point(x, y)), abs=1e-9)
        arc = rng.uniform(0.01, path.arc[-1])
        px, py, _ = interpolate(path, arc)
        assert line.interpolate(arc).distance(shapely.Point(px, py)) < 1e-8
    assert interpolate(path, -5.0)[:2] == pytest.approx(path.xy[0], abs=1e-4)


@pytest.mark.parametrize("seed", range(6))
def test_what_touches_the_strip(seed):
    rng = np.random.default_rng(seed)
    path = random_path(rng)
    first, last = span(path, 5.0, path.arc[-1] - 7.0)
    assert path.arc[first] >= 5.0 > path.arc[first - 1]
    region = shapely.LineString(path.xy[first : last + 1]).buffer(HALF, cap_style="square")
    strip = Strip(path, first, last, HALF, ends(path, first, last))
    scratch = np.empty((MAX_VERTICES, 2)), np.empty((4, 2))
    for spread in [3.0] * 150 + [30.0] * 50:
        box = random_box(rng, path.xy[rng.integers(60)], spread)
        apart = polygon(box).distance(region)
        if apart > 1e-3 or polygon(box).intersection(region).area > 1e-3:
            gap = strip_gap(strip, box[0], box[1], six(box), scratch)
            assert (gap < 0.0) == bool(polygon(box).intersects(region))
            assert gap <= apart
    for _ in range(20):
        ring = np.array(polygon(random_box(rng, path.xy[rng.integers(60)], 6.0)).buffer(0.8).exterior.coords)
        if abs(shapely.Polygon(ring).distance(region)) > 1e-3 or shapely.Polygon(ring).intersection(region).area > 1e-3:
            got = ring_in_strip(strip, ring, strip_marks(path, HALF, ring))
            assert got == bool(shapely.Polygon(ring).intersects(region))


def test_distances_of_boxes_and_rings():
    rng = np.random.default_rng(0)
    for _ in range(300):
        a, b = random_box(rng, ORIGIN, 4.0), random_box(rng, ORIGIN, 4.0)
        assert box_distance(six(a), b[0], b[1], six(b)) == pytest.approx(polygon(a).distance(polygon(b)), abs=1e-8)
        star = ORIGIN + rng.normal(0, 4, 2)
        angle = np.sort(rng.uniform(0, 2 * math.pi, 9))
        ring = star + np.stack([np.cos(angle), np.sin(angle)], 1) * rng.uniform(1, 8, 9)[:, None]
        ring = np.concatenate([ring, ring[:1]])
        shape = shapely.Polygon(ring)
        if not shape.is_valid:
            continue
        assert box_ring_distance(six(a), ring, 1e9) == pytest.approx(polygon(a).distance(shape), abs=1e-8)
        assert box_ring_distance(six(a), ring, 1e-3) in (0.0, math.inf) or polygon(a).distance(shape) < 1e-3
        assert box_within_ring(box_corners(*a), ring) == bool(polygon(a).within(shape))


def test_centroids_are_those_of_geos_to_the_last_bit():
    rng = np.random.default_rng(0)
    off, scratch = 0, np.empty((4, 2))
    for _ in range(500):
        box, moved = random_box(rng, ORIGIN, 400.0), rng.normal(0, 30, 2)
        want = shapely.Polygon(box_corners(*box) + moved).centroid
        assert contacts.centroid(tuple(box), *moved, scratch) == (want.x, want.y)
        off += (want.x, want.y) != tuple(box[:2] + moved)
    assert off > 100
    assert contacts.centroid((1.0, 2.0, 0.3, 0.0, 0.0), 0.5, 0.5, scratch) == (1.5, 2.5)


@pytest.mark.parametrize(("heading", "low", "high"), [(1.8368477891243318, 0.6, 1.0), (0.5, 0.0, 0.1)])
def test_a_car_on_the_axis_is_predicted_where_the_reference_predicts_it(tiny_world, heading, low, high):
    """In the reference's arithmetic the first heading's vector is longer than one, so that what is straight ahead is
    neither ahead nor behind."""
    map_arrays, count = map_arrays_of(tiny_world.make_map()), 400
    along = np.array([math.cos(heading), math.sin(heading)])
    car = np.array([[365_035.0, 143_600.0, heading, 4.6, 1.9]])
    states = np.zeros((count, 1, 10))
    states[:, 0, :2] = car[0, :2] - np.linspace(6.5, 14.0, count)[:, None] * along
    states[:, 0, 2], states[:, 0, 3] = heading, 12.0
    body, one = np.array([1.46, 5.18, 2.3]), np.array([1], np.uint64)
    ego = np.array([*states[0, 0, :2], heading, *body[1:]])
    kind, still = np.zeros(1, np.uint8), np.zeros((1, 2))
    traffic = observe(ego, 50.0, np.array([50, 25, 10, 50]), one, kind, car, still, one[:0])
    rules = scorer.Rules(0.1, 2, (5.0, 5.0, 2.0, 0.0))
    score_table = np.ones((count, scorer.SCORE_COLUMNS))
    flags = np.zeros((count, 1), np.int64)
    contacts.score_traffic(
        states, flags, map_arrays, patch_around(states[0, 0], body, 50.0), body, traffic, rules, score_table
    )
    assert low <= score_table[:, scorer.TTC].mean() <= high


def test_the_tree_hands_out_items_as_geos_does():
    rng = np.random.default_rng(0)
    for count in [*range(1, 40), 95, 150]:
        center, half = rng.normal(0, 30, (count, 2)), rng.uniform(0.2, 5, (count, 2))
        bounds = np.concatenate([center - half, center + half], 1)
        everything = shapely.STRtree(shapely.box(*bounds.T), 10).query(shapely.box(-999, -999, 999, 999))
        assert np.array_equal(everything, tree_order(bounds))


def test_edges_by_cell_answer_as_the_index():
    rng = np.random.default_rng(1)
    shapes = []
    for _ in range(40):
        angle = np.sort(rng.uniform(0, 2 * math.pi, 14))
        center, radius = ORIGIN + rng.uniform(0, 60, 2), rng.uniform(2, 15, 14)
        ring = center + np.stack([np.cos(angle), np.sin(angle)], 1) * radius[:, None]
        shapes.append([np.concatenate([ring, ring[:1]])])
    layer = build_layer(Polygons.build(shapes))
    cells, out = cell_edges(layer), np.empty(64, np.int64)
    assert (cells.band[:, 2] < cells.band[:, 3]).mean() > 0.2
    vertices = np.concatenate([s[0] for s in shapes])
    points = np.concatenate([ORIGIN + rng.uniform(-20, 80, (9000, 2)), vertices, 0.5 * (vertices[1:] + vertices[:-1])])
    held = containing(layer, points)
    for i, point in enumerate(points):
        assert np.array_equal(out[: rows_in_cell(cells, point[0], point[1], out, 0)], held[i])


def test_forecast_moves_along_the_heading():
    box = np.array([[0.0, 0.0, 0.5, 4.0, 2.0], [0.0, 0.0, 0.5, 4.0, 2.0], [1.0, 1.0, 2.0, 0.5, 0.5]])
    velocity = np.array([[3.0, 0.0], [-3.0, 0.0], [5.0, 5.0]])
    moved = drift(box, velocity, np.array([0, 1, 4], np.uint8))
    along = 3.0 * np.array([math.cos(0.5), math.sin(0.5)])
    np.testing.assert_allclose(moved, [along, -along, [0.0, 0.0]], atol=1e-12)


@pytest.mark.parametrize("count", [41, 31])
def test_comfort_equals_the_filters_it_stands_for(count):
    rng = np.random.default_rng(count)
    tables = comfort_tables(count, 0.1, NUPLAN_BOUNDS)
    states = np.zeros((200, count, 10))
    scale = rng.uniform(0, 1.6, 200)[:, None]
    states[..., 5] = np.cumsum(rng.normal(0, 0.25, (200, count)), 1) * scale
    states[:, 0, 6] = rng.normal(0, 1, 200)
    turn = np.cumsum(np.cumsum(rng.normal(0, 0.012, (200, count)), 1), 1) * scale
    states[..., 2] = np.arctan2(np.sin(turn + 3.1), np.cos(turn + 3.1))
    score_table = np.ones((200, scorer.SCORE_COLUMNS))
    score_comfort(states, tables, score_table)
    want = [_comfortable(s, count) for s in states]
    assert 10 < sum(want) < 190
    assert np.array_equal(score_table[:, scorer.COMFORT] > 0, want)


def _comfortable(state, count):
    def fit(y, deriv=0, window=count, order=2):
        return np.round(savgol_filter(y, window, order, deriv=deriv, delta=0.1), 8)

    ax, ay, heading = state[:, 5], state[:, 6], np.unwrap(state[:, 2])
    jerk = fit(np.round(savgol_filter(np.hypot(ax, ay), 8, 2), 8), 1)
    lon = fit(np.round(savgol_filter(ax, 8, 2), 8), 1)
    low, high, lat, most, lon_most, twist, rate = NUPLAN_BOUNDS
    return bool(
        ((fit(ax) > low) & (fit(ax) < high)).all()
        and (abs(fit(ay)) < lat).all()
        and (abs(jerk) < most).all()
        and (abs(lon) < lon_most).all()
        and (abs(fit(heading, 2, 5, 3)) < twist).all()
        and (abs(fit(heading, 1, 5)) < rate).all()
    )


def test_objects_seen_are_the_nearest_of_each_kind():
    rng = np.random.default_rng(3)
    count = 60
    box = np.stack([random_box(rng, ORIGIN, 25.0) for _ in range(count)])
    kind = rng.integers(0, 7, count).astype(np.uint8)
    velocity = rng.normal(0, 3, (count, 2)) * (kind < 3)[:, None]
    identity = np.arange(count).astype(np.uint64) + np.uint64(7)
    ego = np.array([*ORIGIN, 0.3, 5.0, 2.0])
    limits = np.array([5, 2, 1, 4])
    gone = identity[[3, 8]]
    traffic = observe(ego, 40.0, limits, identity, kind, box, velocity, gone)
    gap = np.hypot(*(box[:, :2] - ORIGIN).T)
    want = []
    for group, limit in ((3, 4), (0, 5), (1, 2), (2, 1)):
        rows = [i for i in np.argsort(gap) if min(kind[i], 3) == group and gap[i] <= 40 and identity[i] not in gone]
        want += rows[:limit]
    assert traffic.row.tolist() == want
    assert traffic.ignored.tolist() == [bool(polygon(ego).intersects(polygon(box[i]))) for i in want]


def test_trajectories_are_resampled():
    time_us = np.array([0, 500_000, 1_000_000, 2_000_000]) + 10**15
    states = np.zeros((4, 10))
    states[:, 0] = [0.0, 5.0, 10.0, 20.0]
    states[:, 2] = [3.1, -3.1, -3.1, -3.1]
    out = np.empty((41, 3))
    assert resample(time_us, states, 4, 10**15, 100_000, out)
    np.testing.assert_allclose(out[:, 0], np.arange(41.0), atol=1e-9)  # straight on beyond the end
    assert abs(math.remainder(out[2, 2] - (3.1 + 0.4 * (2 * math.pi - 6.2)), 2 * math.pi)) < 1e-9
    assert not resample(time_us, states, 1, 10**15, 100_000, out)
    states[2, 1] = math.nan
    assert not resample(time_us, states, 4, 10**15, 100_000, out)
