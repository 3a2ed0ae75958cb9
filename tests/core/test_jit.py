"""Kernels of the house's own decorator: what other kernels call of them, and how they fail."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from roadcraft.core.driving.jit import njit


@njit(cache=True, nogil=True)
def _root(x: float) -> float:
    if x < 0.0:
        raise ValueError("below zero")
    return np.sqrt(x)


@njit(cache=True, nogil=True)
def _sum_of_roots(values: np.ndarray) -> float:
    total = 0.0
    for v in values:
        total += _root(v)
    return total


@numba.njit
def _plain(values: np.ndarray) -> float:
    return _sum_of_roots(values) + _root(1.0)


@pytest.mark.parametrize("kernel", [_sum_of_roots, lambda v: _plain(v) - 1.0])
def test_kernels_call_one_another(kernel) -> None:
    assert kernel(np.array([4.0, 9.0])) == 5.0


@pytest.mark.parametrize("kernel", [_sum_of_roots, _plain])
def test_what_an_inner_kernel_raises_reaches_the_caller(kernel) -> None:
    with pytest.raises(ValueError, match="below zero"):
        kernel(np.array([4.0, -1.0]))


def test_a_kernel_called_by_python_and_by_kernels_answers_the_same() -> None:
    assert _sum_of_roots(np.array([2.0])) == _root(2.0) == np.sqrt(2.0)
