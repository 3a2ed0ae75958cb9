"""Box kernels against shapely on random boxes, and exact contacts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings, strategies as st
from queries import overlap_matrix

from roadcraft.core.driving.geometry.angles import wrap
from roadcraft.core.driving.geometry.boxes import corners, ego_box, overlap, segment_touches
from roadcraft.core.driving.geometry.exact import fma, orientation
from roadcraft.core.vehicles.vehicle import load_vehicle

UTM = np.array([664_000.0, 3_997_000.0, 0.0, 0.0, 0.0])


def random_boxes(seed: int, count: int, spread_m: float = 6.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    low, high = [-spread_m, -spread_m, -4.0, 0.1, 0.1], [spread_m, spread_m, 4.0, 7.0, 3.0]
    return rng.uniform(low, high, (count, 5)) + UTM


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_overlap_is_shapelys(seed: int) -> None:
    a, b = random_boxes(seed, 30), random_boxes(seed + 1, 30)
    ours = overlap_matrix(a, b)
    left, right = shapely.polygons(corners(a)), shapely.polygons(corners(b))
    np.testing.assert_array_equal(ours, shapely.intersects(left[:, None], right[None]))


def test_touching_boxes_overlap_and_a_gap_of_a_nanometre_does_not() -> None:
    a = np.array([100.0, 200.0, 0.0, 4.0, 2.0])
    for dx, dy, touches in [
        (4.0, 0.0, True),
        (4.0, 2.0, True),
        (0.0, 2.0, True),
        (4.0 + 1e-9, 0.0, False),
        (4.0 - 1e-9, 2.0, True),
    ]:
        assert overlap(a, a + np.array([dx, dy, 0.0, 0.0, 0.0])) is touches
    assert not overlap(a, a + np.array([1e9, 0.0, 0.0, 0.0, 0.0]))


def test_corners_are_in_nuplans_order() -> None:
    box = np.array([[10.0, 20.0, math.pi / 2, 4.0, 2.0]])
    front_left, rear_left, rear_right, front_right = corners(box)[0]
    np.testing.assert_allclose(front_left, [9.0, 22.0], atol=1e-12)
    np.testing.assert_allclose(rear_left, [9.0, 18.0], atol=1e-12)
    np.testing.assert_allclose(rear_right, [11.0, 18.0], atol=1e-12)
    np.testing.assert_allclose(front_right, [11.0, 22.0], atol=1e-12)


def test_ego_box_is_ahead_of_the_rear_axle() -> None:
    vehicle = load_vehicle("pacifica")
    ego = np.zeros((2, 3, 10))
    ego[..., 2] = math.pi / 2
    box = ego_box(ego, vehicle.box)
    assert box.shape == (2, 3, 5)
    np.testing.assert_allclose(box[0, 0], [0.0, vehicle.body.axle_to_center_m, math.pi / 2, vehicle.body.length_m,
    vehicle.body.width_m], atol=1e-12)  # fmt: skip


@pytest.mark.parametrize(
    ("angle", "wrapped"), [(math.pi, -math.pi), (-math.pi, -math.pi), (0.0, 0.0), (7.0, 7.0 - 2 * math.pi)]
)
def test_wrap(angle: float, wrapped: float) -> None:
    assert wrap(angle) == pytest.approx(wrapped, abs=1e-12)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_segment_touches_is_shapelys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    polygon = corners(random_boxes(seed, 1, 1.0))[0]
    for a, b in rng.uniform(-6, 6, (20, 2, 2)) + UTM[:2]:
        expected = shapely.LineString([a, b]).intersects(shapely.Polygon(polygon))
        assert segment_touches(a[0], a[1], b[0], b[1], polygon) == expected


@given(st.integers(-1000, 1000), st.integers(-1000, 1000), st.integers(-9, 9), st.integers(0, 2))
@settings(deadline=None)
def test_orientation_is_exact_on_collinear_points(x: int, y: int, k: int, off: int) -> None:
    # b - a = (x, y) / 1024; c = a + k (b - a), moved by the smallest step that doubles have there
    ax, ay = 664_000.25, 3_997_000.5
    bx, by = ax + x / 1024, ay + y / 1024
    cx, cy = ax + k * x / 1024, ay + k * y / 1024 + off * math.ulp(ay)
    exact = (bx - ax) * off  # in units of the step; the rest cancels
    assert orientation(ax, ay, bx, by, cx, cy) == (exact > 0) - (exact < 0)


def test_fma_rounds_once() -> None:
    a = 1.0 + 2.0**-30
    assert fma_of(a, a, -(1.0 + 2.0**-29)) == 2.0**-60
    assert a * a - (1.0 + 2.0**-29) == 0.0


def fma_of(a: float, b: float, c: float) -> float:
    from numba import njit

    return float(njit(lambda x, y, z: fma(x, y, z))(a, b, c))
