"""NamedTuples that kernels take by one address."""

from __future__ import annotations

import copy
import pickle
from collections import namedtuple
from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
import pytest

from roadcraft.core.driving.held import Held
from roadcraft.core.driving.jit import njit, small_njit


class Inner(NamedTuple):
    """A part of ``Outer``."""

    factor: float
    table: Any


class Outer(NamedTuple):
    """Arrays of several types and dimensions, a tuple and a number between them."""

    alive: Any
    count: int
    inner: Inner
    boxes: Any
    rows: Any


class Arrays(NamedTuple):
    """Nothing but arrays, of sizes that are no whole words."""

    alive: Any
    values: Any
    none: Any


@small_njit
def _scaled(inner: Any, k: int) -> float:
    return inner.factor * inner.table[k, 1]


@small_njit
def _sum(held: Any, at: int) -> float:
    total, boxes = 0.0, held.boxes[at]
    for i in range(len(boxes)):
        for j in range(boxes.shape[1]):
            total += boxes[i, j]
    held.rows[at] += held.count
    held.alive[at] = not held.alive[at]
    return total + _scaled(held.inner, at) + len(held.rows) + held.inner.table.size


@njit(cache=True, nogil=True)
def _fill(held: Any, value: float) -> None:
    held.values[:] = value
    held.alive[0] = value > 0.0


def outer() -> Outer:
    table = np.arange(6.0).reshape(3, 2)
    table.setflags(write=False)
    boxes = np.arange(24.0).reshape(3, 4, 2)
    return Outer(np.array([True, False, True]), 7, Inner(0.5, table), boxes, np.arange(3, dtype=np.int32))


def test_kernels_read_and_write_what_is_held() -> None:
    fields = outer()
    held = Held(fields)
    for at in range(3):
        assert _sum(held, at) == fields.boxes[at].sum() + 0.5 * fields.inner.table[at, 1] + 3 + 6
    assert fields.rows.tolist() == [7, 8, 9]
    assert fields.alive.tolist() == [False, True, False]
    assert held.inner is fields.inner


def test_a_copy_has_its_own_values_and_the_same_shapes() -> None:
    first = Held.copied(Arrays(np.array([True, False, True]), np.arange(5.0), np.zeros((0, 2))))
    second = first.copy()
    third = second.copy()
    _fill(second, 3.0)
    _fill(third, -1.0)
    assert first.values.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert second.values.tolist() == [3.0] * 5
    assert third.values.tolist() == [-1.0] * 5
    assert [h.alive.tolist() for h in (first, second, third)] == [[k, False, True] for k in (True, True, False)]
    assert third.none.shape == (0, 2)
    assert isinstance(third.fields, Arrays)


class Pair(NamedTuple):
    """Plain tuples of numbers, in a part and beside it."""

    inner: Any
    weights: tuple[float, int, float]


class Weighted(NamedTuple):
    """A part with a tuple of equal types."""

    bounds: tuple[float, float]
    scale: float


@njit(cache=False, nogil=True)
def _weighed(pair: Any) -> float:
    low, high = pair.inner.bounds
    return low + 10.0 * high + 100.0 * pair.inner.scale + 1000.0 * pair.weights[1] + 1e4 * pair.weights[2]


def test_kernels_read_plain_tuples_of_numbers() -> None:
    assert _weighed(Held(Pair(Weighted((1.0, 2.0), 3.0), (0.0, 4, 5.0)))) == 54321.0


@pytest.mark.parametrize("wrong", [np.zeros((2, 3)).T, "text", None, True])
def test_other_fields_are_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="cannot read a"):
        Held(Inner(1.0, wrong))


class Empty(NamedTuple):
    """Nothing to read."""


@pytest.mark.parametrize(
    "wrong", [Inner(1.0, np.zeros(3, np.dtype(float).newbyteorder())), Inner(1.0, np.ma.zeros(3)), Empty()]
)
def test_what_looks_like_an_array_of_numbers_is_refused(wrong: Any) -> None:
    """Also after plain arrays of that type were held."""
    Held(Inner(1.0, np.zeros(3)))
    with pytest.raises(TypeError, match="cannot read a"):
        Held(wrong)


@njit(cache=False, nogil=True)
def _low(held: Any) -> float:
    return held.low[0]


def test_classes_of_one_name_and_equal_types_have_layouts_of_their_own() -> None:
    for names in ("low high", "high low"):
        pair = namedtuple("Pair", names)(low=np.zeros(1), high=np.ones(1))
        assert _low(Held(pair)) == 0.0


def test_kernels_do_not_write_to_read_only_arrays() -> None:
    values = np.arange(5.0)
    values.setflags(write=False)
    with pytest.raises(numba.TypingError, match="Cannot modify readonly array"):
        _fill(Held(Arrays(np.zeros(1, np.bool_), values, np.zeros(0))), 3.0)


def test_only_what_is_copied_can_be_copied() -> None:
    with pytest.raises(TypeError, match="only what is made by Held"):
        Held(outer()).copy()


@pytest.mark.parametrize("other", [7, 0.5, np.float64(0.5), Inner(0.5, np.zeros(2))])
def test_only_arrays_are_copied(other: Any) -> None:
    with pytest.raises(TypeError, match="only arrays are copied"):
        Held.copied(Inner(other, np.zeros(2)))


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda held: pickle.loads(pickle.dumps(held))])
def test_what_is_duplicated_is_held_anew(duplicate: Callable[[Held], Held]) -> None:
    held = Held(outer())
    again = duplicate(held)
    assert again.address != held.address
    assert again._numba_type_ == held._numba_type_  # read-only arrays still are
    assert [_sum(h, 1) for h in (held, again)] == [92.0 + 1.5 + 9.0] * 2


def test_a_copied_one_has_a_block_wherever_it_is_duplicated() -> None:
    first = Held.copied(Arrays(np.array([True]), np.arange(5.0), np.zeros((0, 2))))
    second = pickle.loads(pickle.dumps(first))
    assert second._numba_type_ == first._numba_type_
    _fill(second, 2.0)
    _fill(second.copy(), 7.0)
    assert (first.values.tolist(), second.values.tolist()) == ([0.0, 1.0, 2.0, 3.0, 4.0], [2.0] * 5)


@pytest.mark.parametrize("name", ["_fields", "fields", "address", "alive", "_missing"])
def test_what_is_yet_to_be_set_is_missing(name: str) -> None:
    with pytest.raises(AttributeError):
        getattr(object.__new__(Held), name)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda held: pickle.loads(pickle.dumps(held))])
def test_copies_of_read_only_arrays_are_read_only_wherever_they_are_duplicated(
    duplicate: Callable[[Held], Held],
) -> None:
    values = np.arange(5.0)
    values.setflags(write=False)
    first = Held.copied(Arrays(np.array([True]), values, np.zeros(2)))
    second = duplicate(first)
    assert second._numba_type_ == first._numba_type_
    for held in (first, first.copy(), second):
        assert held.values.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
        assert [array.flags.writeable for array in held.fields] == [True, False, True]
