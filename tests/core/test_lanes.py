"""The map's index against shapely, polygon by polygon."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings, strategies as st
from queries import distance_to_any

from roadcraft.core.arrays import Polygons, from_arrays, to_arrays
from roadcraft.core.driving.map_index import index as lanes
from roadcraft.core.driving.map_index.index import (
    MapIndex,
    PolygonLayer,
    build_layer,
    containing,
    distance,
    inside_any,
)
from roadcraft.core.testing import made_up_map

ORIGIN = np.array([664_000.0, 3_997_000.0])


def star(rng: np.random.Generator, radius: float, center: np.ndarray) -> np.ndarray:
    n = int(rng.integers(3, 60))  # several spans of edges, too
    angle = np.sort(rng.uniform(0, 2 * np.pi, n))
    r = rng.uniform(0.3, 1.0, n) * radius
    ring = np.stack([np.cos(angle) * r, np.sin(angle) * r], 1) + center
    return np.concatenate([ring, ring[:1]])


def square(low: float, high: float) -> np.ndarray:
    return np.array([[low, low], [high, low], [high, high], [low, high], [low, low]]) + ORIGIN


def world(seed: int) -> tuple[Polygons, np.ndarray, np.ndarray]:
    """Random stars, a square with a hole, two apart squares as one polygon; shapely's own; points near, far, on edges
    and on cell borders."""
    rng = np.random.default_rng(seed)
    rings = [[star(rng, rng.uniform(1, 40), ORIGIN + rng.uniform(-80, 80, 2))] for _ in range(20)]
    rings += [[square(0.0, 50.0), square(10.0, 30.0)], [square(-60.0, -40.0), square(60.0, 70.0)]]
    shapes = [shapely.Polygon(r[0]) for r in rings[:20]]
    shapes += [
        shapely.Polygon(rings[20][0], rings[20][1:]),
        shapely.MultiPolygon([shapely.Polygon(r) for r in rings[21]]),
    ]
    valid = [i for i, s in enumerate(shapes) if s.is_valid]
    points = np.concatenate(
        [
            rng.uniform(-120, 120, (400, 2)) + ORIGIN,
            np.concatenate([r for ring in rings for r in ring]),
            ORIGIN + rng.integers(-30, 30, (60, 2)) * 4.0,
            square(0.0, 50.0)[:1] + np.array([[25.0, 0.0]]),
        ]
    )
    return Polygons.build([rings[i] for i in valid]), np.array([shapes[i] for i in valid]), points


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_containment_and_distance_are_shapelys(seed: int) -> None:
    polygons, shapes, points = world(seed)
    layer = build_layer(polygons)
    held = shapely.contains(shapes[:, None], shapely.points(points)[None])
    rows = containing(layer, points)
    assert len(rows) == len(points)
    for m in range(len(points)):
        np.testing.assert_array_equal(rows[m], np.flatnonzero(held[:, m]))
    np.testing.assert_array_equal(inside_any(layer, points), held.any(axis=0))
    apart = shapely.distance(shapes[:, None], shapely.points(points)[None])
    np.testing.assert_array_equal(distance_to_any(layer, points), apart.min(axis=0))
    some = np.random.default_rng(seed).integers(0, len(shapes), len(points))
    np.testing.assert_array_equal(distance(layer, some, points), apart[some, np.arange(len(points))])


def test_points_far_beyond_the_grid() -> None:
    polygons, shapes, _ = world(3)
    far = np.array([[0.0, 0.0], [1e6, 1e7], ORIGIN + np.array([0.0, 500.0])])
    layer = build_layer(polygons)
    np.testing.assert_array_equal(
        distance_to_any(layer, far), shapely.distance(shapes[:, None], shapely.points(far)[None]).min(axis=0)
    )
    assert not inside_any(layer, far).any()


def test_empty_layer() -> None:
    layer = build_layer(Polygons.build([]))
    points = np.zeros((3, 2))
    assert [len(r) for r in containing(layer, points)] == [0, 0, 0]
    assert not inside_any(layer, points).any()
    assert (distance_to_any(layer, points) == math.inf).all()


def test_grid_stays_small_on_a_large_map(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "_MAX_CELLS", 100)
    polygons, shapes, points = world(5)
    layer = build_layer(polygons)
    assert layer.shape.prod() <= 200
    held = shapely.contains(shapes[:, None], shapely.points(points)[None])
    np.testing.assert_array_equal(inside_any(layer, points), held.any(axis=0))


def test_index_of_a_map_is_stored_as_arrays() -> None:
    index = made_up_map().index
    arrays, meta = to_arrays(index)
    for a in arrays.values():
        a.flags.writeable = False  # as a store hands them out
    again = from_arrays(MapIndex, arrays, meta)
    assert isinstance(again.lanes, PolygonLayer)
    points = np.array([[50.0, 1.0], [50.0, -1.0], [115.0, 1.0], [115.0, 30.0]]) + ORIGIN
    for layer in ("lanes", "blocks", "drivable", "intersections", "crosswalks", "stops"):
        a, b = containing(getattr(index, layer), points), containing(getattr(again, layer), points)
        np.testing.assert_array_equal(a.values, b.values)
        np.testing.assert_array_equal(a.offsets, b.offsets)
    assert [r.tolist() for r in containing(index.lanes, points)] == [[0], [1], [4], []]
    assert inside_any(index.intersections, points).tolist() == [False, False, True, False]
    assert index.drivable.rows.tolist() == made_up_map().drivable.tolist()


def test_grid_holds_only_polygons_that_are_near() -> None:
    layer = build_layer(Polygons.build([[square(0.0, 3.0)], [square(1000.0, 1003.0)]]))
    assert len(layer.entries) < 20
    assert [
        r.tolist() for r in containing(layer, ORIGIN + np.array([[1.0, 1.0], [1001.0, 1001.0], [500.0, 500.0]]))
    ] == [
        [0],
        [1],
        [],
    ]
