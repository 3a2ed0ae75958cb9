"""Kernels of the house's own decorator: what other kernels call of them, and how they fail."""

from __future__ import annotations

import operator

import numba
import numpy as np
import pytest

from roadcraft.core.driving.call_types import _answers
from roadcraft.core.driving.jit import njit, small_njit


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


@small_njit
def _mixed(a: int, b: float) -> float:
    return a * b + a // 2 + max(a, 3)


@njit(cache=False, nogil=True)
def _mixed_again(a: int, b: float) -> float:
    return a * b - np.zeros(3)[a // 2] + max(a, 3)


def test_an_operator_is_asked_once_for_the_same_types() -> None:
    """And answers as numba alone does, for other types too; what is kept are no kernels, whose flags differ."""
    assert _mixed(5, 2.0) == 15.0 + 2.0
    asked = [(function.typing_key, args) for function, answers in _answers.values() for args in answers]
    product = (operator.mul, (numba.int64, numba.float64))
    assert asked.count(product) == 1
    assert _mixed_again(5, 2.0) == 15.0
    assert not any(key is max for key, _ in asked)
    assert _mixed(7, np.float32(0.5)) == 3.5 + 3 + 7
    assert _mixed(7, 2) == 14 + 3 + 7
    _, answers = next(v for v in _answers.values() if v[0].typing_key is operator.mul)
    assert answers[product[1]] == numba.float64(numba.float64, numba.float64)
