"""Savitzky-Golay filters against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import savgol_filter

from roadcraft.core.driving.motion.savitzky_golay import savgol


@pytest.mark.parametrize(
    ("window", "order", "derivative"), [(8, 2, 0), (15, 2, 1), (5, 2, 1), (5, 3, 2), (7, 3, 1), (4, 1, 0)]
)
@pytest.mark.parametrize("n", [4, 5, 8, 9, 15, 16, 41, 149])
def test_filter_is_scipys(n: int, window: int, order: int, derivative: int) -> None:
    values = np.random.default_rng(n).normal(size=(2, 3, n))
    if min(window, n) <= order:
        with pytest.raises(ValueError, match="too few"):
            savgol(values, window, order, derivative)
        return
    expected = savgol_filter(values, min(window, n), order, deriv=derivative, delta=0.1)
    np.testing.assert_allclose(savgol(values, window, order, derivative, 0.1), expected, rtol=1e-10, atol=1e-9)


def test_even_window_lies_half_a_sample_ahead() -> None:
    t = np.arange(30.0)
    out = savgol(t**2, 8, 2)
    np.testing.assert_allclose(out[4:-4], (t[4:-4] + 0.5) ** 2, rtol=1e-12)
    np.testing.assert_allclose(out[:4], t[:4] ** 2, atol=1e-10)
    np.testing.assert_allclose(out[-4:], t[-4:] ** 2, rtol=1e-10)


def test_too_few_samples() -> None:
    with pytest.raises(ValueError, match="2 samples are too few for a polynomial of order 2"):
        savgol(np.zeros(2), 8, 2)
