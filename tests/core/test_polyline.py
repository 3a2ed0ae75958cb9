"""Polyline kernels against shapely, to the last bit."""

from __future__ import annotations

import math

import numpy as np
import shapely
from hypothesis import given, settings, strategies as st

from roadcraft.core.driving.geometry.polyline import (
    arc_lengths,
    interpolate,
    length_row,
    nearest_pose,
    project_point,
    project_row,
)


def random_line(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    points = np.cumsum(rng.normal(size=(rng.integers(2, 40), 2)), axis=0) + np.array([664_000.0, 3_997_000.0])
    where = points[rng.integers(0, len(points), 50)] + rng.normal(size=(50, 2)) * rng.integers(0, 2, (50, 1))
    return points, where


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_projection_is_shapelys(seed: int) -> None:
    points, where = random_line(seed)
    s, line = arc_lengths(points), shapely.LineString(points)
    arc, lateral, segment = (np.array(v) for v in zip(*(project_point(points, s, x, y) for x, y in where), strict=True))
    np.testing.assert_array_equal(arc, shapely.line_locate_point(line, shapely.points(where)))
    np.testing.assert_array_equal(np.abs(lateral), shapely.distance(line, shapely.points(where)))
    assert ((s[segment] <= arc) & (arc <= s[segment + 1])).all()
    assert [project_row(points, 0, len(points), x, y) for x, y in where] == arc.tolist()
    assert length_row(points, 0, len(points)) == line.length


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_interpolation_is_shapelys(seed: int) -> None:
    points, _ = random_line(seed)
    s = arc_lengths(points)
    arc = np.random.default_rng(seed).uniform(0, s[-1] + 1, 50)
    poses = np.array([interpolate(points, s, a) for a in arc])
    expected = shapely.get_coordinates(shapely.line_interpolate_point(shapely.LineString(points), arc))
    np.testing.assert_array_equal(poses[:, :2], expected)
    assert interpolate(points, s, -1.0)[:2] == tuple(points[0])


def test_sides_and_headings() -> None:
    points = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0]])
    s = arc_lengths(points)
    assert project_point(points, s, 5.0, 2.0) == (5.0, 2.0, 0)
    assert project_point(points, s, 5.0, -2.0) == (5.0, -2.0, 0)
    assert interpolate(points, s, 10.0) == (10.0, 0.0, math.pi / 2)
    # half a metre further on, round the corner
    assert nearest_pose(points, s, 9.75, -1.0)[2] == math.atan2(0.25, 0.25)
    assert nearest_pose(points, s, 10.0, 12.0) == (10.0, 10.0, math.pi / 2)
