"""Kernels of the house's own decorator: what other kernels call of them, and how they fail."""

from __future__ import annotations

import operator
import subprocess
import sys

import numba
import numpy as np
import pytest
from numba.core.registry import cpu_target
from numba.core.types.functions import BaseFunction

from roadcraft.core.driving.call_types import _answers, remember_call_types
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


@njit(cache=False, nogil=True, _nrt=False)
def _mixed(a: int, b: float) -> float:
    return a * b + a // 2 + max(a, 3)


@njit(cache=False, nogil=True)
def _mixed_again(a: int, b: float) -> float:
    return a * b - np.zeros(3)[a // 2] + max(a, 3)


def test_an_operator_is_asked_once_for_the_same_types(monkeypatch: pytest.MonkeyPatch) -> None:
    """And answers as numba alone does, for other types too; what is kept are no kernels, whose flags differ."""
    assert _mixed(5, 2.0) == 15.0 + 2.0
    args = numba.int64, numba.float64
    asked = [(function, *key) for function, answers in _answers.values() for key in answers]
    (product,) = (function for function, _, of in asked if (function.typing_key, of) == (operator.mul, args))
    with monkeypatch.context() as patch:
        patch.setattr(product, "templates", ())
        for same in (args, list(args)):
            answer = product.get_call_type(cpu_target.typing_context, same, {})
            assert answer == numba.float64(numba.float64, numba.float64)
    assert _mixed_again(5, 2.0) == 15.0
    assert not any(function.typing_key is max for function, *_ in asked)
    assert _mixed(7, np.float32(0.5)) == 3.5 + 3 + 7
    assert _mixed(7, 2) == 14 + 3 + 7


def test_an_answer_is_remembered_for_its_target_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    _mixed(5, 2.0)
    args = numba.int64, numba.float64
    product = next(f for f, answers in _answers.values() if f.typing_key is operator.mul and answers)
    monkeypatch.setattr("roadcraft.core.driving.call_types.get_local_target", lambda context: "another")
    product.get_call_type(cpu_target.typing_context, args, {})
    assert ("another", args) in _answers[id(product)][1]


def test_numba_is_changed_once_and_only_one_that_keeps_its_choices_where_they_are_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ask = BaseFunction.get_call_type
    remember_call_types()
    assert BaseFunction.get_call_type is ask
    monkeypatch.setattr(BaseFunction, "get_call_type", ask.__wrapped__)
    monkeypatch.setattr(BaseFunction, "__init__", lambda self, template: None)
    remember_call_types.__wrapped__()
    assert BaseFunction.get_call_type is ask.__wrapped__


def test_what_two_processes_compile_has_no_name_in_common() -> None:
    """A kernel that is loaded from the cache calls its own functions by name: those of another process, which numba
    would number alike, must not be taken for them."""
    code = (
        "import os, numpy as np\n"
        "from roadcraft.core.driving.jit import njit\n"
        "def name():\n"
        "    kernel = njit(cache=False, nogil=True)(lambda x: x[0] + 1.0)\n"
        "    kernel(np.arange(3.0))\n"
        "    return kernel.overloads[kernel.signatures[0]].fndesc.mangled_name\n"
        "print(name(), flush=True)\n"
        "if os.fork() == 0:\n"
        "    print(name(), flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "print(name())\n"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(2)]
    names = [line for run in runs for line in run.stdout.split()]
    assert len(names) == len(set(names)) == 6
