"""Who is ahead, to the last bit as the reference decides it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from roadcraft.core.driving.geometry.facing import relative_angle
from roadcraft.core.driving.geometry.reference_trig import cosine, sine


@given(st.floats(-20.0, 20.0))
@settings(deadline=None)
def test_reference_trigonometry_is_close(x: float) -> None:
    assert abs(cosine(x) - math.cos(x)) <= 4.5e-16
    assert abs(sine(x) - math.sin(x)) <= 4.5e-16


@pytest.mark.parametrize(
    ("x", "cos", "sin"),
    [
        # answers of numpy 1.23.4 on a processor with AVX-512
        (0.5, "0x1.c1528065b7d4ep-1", "0x1.eaee8744b05efp-2"),
        (2.5, "-0x1.9a2f7ef858b7ep-1", "0x1.326af0dcfcab0p-1"),
        (-0.7822158120557257, "0x1.6b306067c9381p-1", "-0x1.68e27c1e93307p-1"),
        (0.0, "0x1.0000000000000p+0", "0x0.0p+0"),
    ],
)
def test_reference_trigonometry_to_the_last_bit(x: float, cos: str, sin: str) -> None:
    assert (cosine(x).hex(), sine(x).hex()) == (cos, sin)


def test_relative_angle() -> None:
    assert relative_angle(0.0, 0.0, 1.0, 0.0, 0.0, 2.0) == math.pi / 2
    assert relative_angle(0.0, 0.0, 1.0, 0.0, -2.0, 0.0) == math.pi
    assert math.isnan(relative_angle(1.0, 1.0, 1.0, 0.0, 1.0, 1.0))
    # straight ahead, yet the cosine is rounded above 1: the reference's arccos answers not-a-number
    h = 0.7
    angles = [
        relative_angle(0.0, 0.0, cosine(h), sine(h), d * cosine(h), d * sine(h)) for d in np.arange(1.0, 60.0, 0.37)
    ]
    assert any(math.isnan(a) for a in angles)
    assert all(math.isnan(a) or a < 1e-7 for a in angles)


def test_a_heading_whose_vector_is_longer_than_one_loses_what_is_straight_ahead() -> None:
    h = 1.8368477891243318
    assert (cosine(h), sine(h)) == (-0.26292388159174174, 0.9648165797128138)
    at = np.array([365_035.0, 143_600.0]) + np.arange(7.0, 60.0, 0.13)[:, None] * [math.cos(h), math.sin(h)]
    reference = [relative_angle(365_035.0, 143_600.0, cosine(h), sine(h), x, y) for x, y in at]
    library = [relative_angle(365_035.0, 143_600.0, math.cos(h), math.sin(h), x, y) for x, y in at]
    assert np.isnan(reference).mean() > 0.5
    assert np.isnan(library).mean() < 0.2
