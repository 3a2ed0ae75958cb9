"""On or off the road: the baked field against every segment asked, against GEOS on closed rings, against the drivable
area, and on the edges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings, strategies as st
from queries import off_road_slow

from roadcraft.core.arrays import Polygons, Polylines
from roadcraft.core.data.map import LineKind, MapData
from roadcraft.core.driving.map_index.index import build_layer, inside_any
from roadcraft.core.driving.multi_agent.road_edges import RoadEdges, road_edges
from roadcraft.core.driving.multi_agent.road_grid import (
    CELL_M,
    RoadField,
    field_of_edges,
    field_of_layer,
    off_road,
    road_field,
)
from roadcraft.core.errors import DataError
from roadcraft.core.testing import made_up_map

SEEDS = st.integers(0, 2**32 - 1)


def _ring(rng: np.random.Generator, low: float, high: float, n: int) -> np.ndarray:
    turn = 2.0 * np.pi * (np.arange(n) + rng.uniform(0.1, 0.9, n)) / n
    ring = np.stack([np.cos(turn), np.sin(turn)], 1) * rng.uniform(low, high, n)[:, None]
    ring = np.concatenate([ring, ring[:1]])
    return ring if shapely.is_ccw(shapely.LinearRing(ring)) else ring[::-1]  # three vertices may leave out the middle


def _lines(rng: np.random.Generator) -> RoadEdges:
    """Bent lines of any kind: crossing, pointing anywhere, some closed, some with a vertex twice."""
    lines = []
    for _ in range(int(rng.integers(1, 6))):
        p = rng.uniform(-40, 40, (int(rng.integers(1, 12)), 2))
        if rng.random() < 0.3:
            p = np.round(p)
        if rng.random() < 0.3:
            p = np.concatenate([p, p[:1]])
        if rng.random() < 0.3:
            p = np.repeat(p, 2, axis=0)
        lines.append(p)
    lines.append(rng.uniform(-40, 40, (2, 2)))
    return road_edges(Polylines.build(lines))


def _probes(rng: np.random.Generator, edges: RoadEdges) -> np.ndarray:
    """Points anywhere, on the whole-metre lines that part cells, at vertices, on edges up to rounding, and a hair
    beside them."""
    ends = edges.ends
    along = ends[:, :2] + rng.random((len(ends), 1)) * (ends[:, 2:] - ends[:, :2])
    beside = along + rng.normal(0, 1, along.shape) * 10.0 ** rng.uniform(-14, 0, (len(along), 1))
    anywhere = rng.uniform(-150, 150, (200, 2))
    return np.concatenate([anywhere, np.round(rng.uniform(-60, 60, (200, 2))), ends[:, :2], ends[:, 2:], along, beside])


@given(SEEDS)
@settings(max_examples=150, deadline=None)
def test_the_field_answers_as_every_segment_asked(seed: int) -> None:
    rng = np.random.default_rng(seed)
    edges = _lines(rng)
    field = field_of_edges(edges, float(rng.uniform(0.3, 6.0)))
    points = _probes(rng, edges)
    np.testing.assert_array_equal(off_road(field, 0, points), off_road_slow(edges, points))


@given(SEEDS)
@settings(max_examples=150, deadline=None)
def test_closed_rings_are_what_geos_says(seed: int) -> None:
    """An outer edge counter-clockwise, an island clockwise: off the road is what the polygon with a hole does not
    cover."""
    rng = np.random.default_rng(seed)
    outer, island = _ring(rng, 25, 50, int(rng.integers(3, 40))), _ring(rng, 2, 10, int(rng.integers(3, 20)))
    if not (shape := shapely.Polygon(outer, [island])).is_valid:
        return
    edges = road_edges(Polylines.build([outer, island[::-1]]))
    points = _probes(rng, edges)
    want = ~shapely.covers(shape, shapely.points(points))
    np.testing.assert_array_equal(off_road(field_of_edges(edges, 2.0), 0, points), want)


@given(SEEDS)
@settings(max_examples=100, deadline=None)
def test_the_slow_twin_is_the_definition(seed: int) -> None:
    """Against the definition in numpy, where no two candidates are nearly as near."""
    rng = np.random.default_rng(seed)
    lines = [rng.uniform(-40, 40, (int(rng.integers(2, 9)), 2)) for _ in range(3)]
    if min(np.linalg.norm(p[0] - p[-1]) for p in lines) < 1.0:
        return  # closed, by definition
    points = rng.uniform(-60, 60, (100, 2))
    got = off_road_slow(road_edges(Polylines.build(lines)), points)
    for p, answer in zip(points, got, strict=True):
        signed = []
        for line in lines:
            d = np.diff(line, axis=0)
            t = ((p - line[:-1]) * d).sum(1) / (d * d).sum(1)
            gap = np.linalg.norm(p - line[:-1] - np.clip(t, 0, 1)[:, None] * d, axis=1)
            side = np.sign((p - line[:-1])[:, 0] * d[:, 1] - (p - line[:-1])[:, 1] * d[:, 0])
            bend = d[:-1, 0] * d[1:, 1] - d[:-1, 1] * d[1:, 0]
            k = int(gap.argmin())
            joint = k - 1 if t[k] < 0 else k
            sign = side[k]
            if not 0 <= t[k] <= 1 and 0 <= joint < len(bend):
                pair = side[joint : joint + 2]
                sign = pair.max() if bend[joint] > 0 else pair.min()
            signed.append((gap[k], sign))
        signed.sort()
        if signed[1][0] - signed[0][0] > 1e-9:
            assert answer == (signed[0][1] > 0)


def test_on_the_edge_is_on_the_road() -> None:
    edges = road_edges(Polylines.build([np.array([[0.0, 0], [10, 0], [10, 10]])]))
    points = np.array([[5.0, 0], [0, 0], [10, 0], [10, 5], [10, 10], [5, 1e-300], [5, -1e-300], [10 + 1e-14, 5]])
    want = [False, False, False, False, False, False, True, True]
    assert off_road(field_of_edges(edges), 0, points).tolist() == want
    assert off_road_slow(edges, points).tolist() == want


def test_beyond_the_grid_all_segments_are_asked() -> None:
    edges = road_edges(Polylines.build([np.array([[0.0, 0], [10, 0]])]))
    points = np.array([[5.0, 1e4], [5.0, -1e4], [1e6, 1.0], [1e6, -1.0], [np.nan, 0.0], [np.inf, 1.0]])
    assert off_road(field_of_edges(edges), 0, points).tolist() == [False, True, False, True, True, True]


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_the_drivable_area_is_strict_containment(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shapes = [
        [np.round(_ring(rng, 5, 30, int(rng.integers(3, 12)))) + rng.integers(-20, 20, 2)]
        for _ in range(int(rng.integers(1, 5)))
    ]
    layer = build_layer(Polygons.build(shapes))
    points = np.concatenate([rng.uniform(-70, 70, (300, 2)), np.round(rng.uniform(-40, 40, (300, 2)))])
    np.testing.assert_array_equal(off_road(field_of_layer(layer), 0, points), ~inside_any(layer, points))


def _map_with(lines: Polylines) -> MapData:
    m, kinds = made_up_map(), np.full(len(lines), int(LineKind.ROAD_EDGE), np.uint8)
    ids = np.arange(len(lines))
    return replace(m, lines=replace(m.lines, id=ids, kind=kinds, subtype=ids, lines=lines))


def test_a_map_answers_by_its_edges_first() -> None:
    m = made_up_map()
    by_area = road_field([m])
    assert not by_area.by_edges[0]
    low = m.lanes.centerlines.points.min(axis=0)
    by_edges = road_field([_map_with(Polylines.build([np.array([[0.0, 0], [50, 0]]) + low]))])
    assert by_edges.by_edges[0]
    assert off_road(by_edges, 0, low + np.array([[5.0, 100], [5, -1]])).tolist() == [False, True]
    assert off_road(by_area, 0, low + np.array([[5.0, 100], [5, -100]])).all()


def test_a_map_without_either() -> None:
    m = made_up_map()
    with pytest.raises(DataError, match="neither road edges nor a drivable area"):
        road_field([replace(m, areas=replace(m.areas, kind=np.full(len(m.areas), 4, np.uint8)))])


def test_edges_without_length_or_finite_place() -> None:
    with pytest.raises(ValueError, match="length"):
        field_of_edges(road_edges(Polylines.build([np.zeros((3, 2))])))
    with pytest.raises(ValueError, match="finite"):
        road_edges(Polylines.build([np.array([[0.0, 0], [np.nan, 1]])]))


def test_a_field_costs_what_its_edges_need() -> None:
    """Where edges are as smooth as real ones, lists are short and most cells know."""
    rng = np.random.default_rng(2)
    field: RoadField = field_of_edges(road_edges(Polylines.build([_ring(rng, 99.99, 100.01, 1000)])), CELL_M)
    assert (field.head >= 0).mean() < 0.05
    assert np.diff(field.first).mean() < 12
