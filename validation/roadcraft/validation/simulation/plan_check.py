"""Whether a plan keeps its contract, per scenario, and which of its candidates is driven."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numba import njit

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.errors import PluginError
from roadcraft.core.rollout import Forecast, Plan
from roadcraft.core.scenario import EGO_SIZE

_INT64 = np.dtype(np.int64)
FAULTS = {
    1: "it needs at least two states, and no more than it has rows",
    2: "its first time is not the observation's",
    3: "its times do not increase",
    4: "it ends before the next iteration",
    5: "its states are not finite",
    6: "its best score is not a number",
    7: "it is too short for the controller",
    8: "its controls are not finite",
}


def contiguous(plan: Plan, count: int) -> Plan:
    """The plan with the dtypes and layout kernels want. Raises PluginError where shapes do not fit ``count``
    scenarios."""
    if not isinstance(plan, Plan):
        raise PluginError(f"a planner returns (Plan, state); the first is a {type(plan).__name__}")
    states, time_us, scores = np.asarray(plan.states), np.asarray(plan.time_us), np.asarray(plan.scores)
    k, t = states.shape[1:3] if states.ndim == 4 else (0, 0)
    for name, got, want in (
        ("states", states.shape, (count, k, t, EGO_SIZE)),
        ("time_us", time_us.shape, (count, t)),
        ("scores", scores.shape, (count, k)),
    ):
        if got != want or k < 1:
            raise PluginError(f"Plan.{name} has shape {got}, expected {want} (B, K, T with K >= 1)")
    if time_us.dtype.kind not in "iu":
        raise PluginError(f"Plan.time_us is {time_us.dtype}, expected int64 microseconds")
    length = np.full(count, t, np.int64) if plan.length is None else np.asarray(plan.length)
    controls = None if plan.controls is None else np.asarray(plan.controls)
    if length.shape != (count,) or length.dtype.kind not in "iu":
        raise PluginError(f"Plan.length is {length.dtype} {length.shape}, expected int64 ({count},)")
    if controls is not None and controls.shape != (count, 2):
        raise PluginError(f"Plan.controls has shape {controls.shape}, expected {(count, 2)}")
    for name, numbers in (("states", states), ("scores", scores), ("controls", controls)):
        if (
            numbers is not None and numbers.dtype.kind not in "fiu"
        ):  # a conversion would guess, or drop an imaginary part
            raise PluginError(f"Plan.{name} is {numbers.dtype}, expected float64")
    _check_extras(plan, count)
    return replace(
        plan,
        time_us=frozen(time_us, _INT64),
        states=frozen(states),
        scores=frozen(scores),
        length=frozen(length, _INT64),
        controls=None if controls is None else frozen(controls),
    )


def _check_extras(plan: Plan, count: int) -> None:
    if not isinstance(plan.debug, Mapping):
        raise PluginError(f"Plan.debug is a {type(plan.debug).__name__}, expected a map of named values")
    for name, value in plan.debug.items():
        if not isinstance(name, str):
            raise PluginError(f"Plan.debug has the key {name!r}, expected text")
        if np.shape(value)[:1] != (count,):
            raise PluginError(f"Plan.debug[{name!r}] has shape {np.shape(value)}, expected ({count}, ...)")
    f = plan.forecast
    if f is None:
        return
    if not isinstance(f, Forecast):
        raise PluginError(f"Plan.forecast is a {type(f).__name__}, expected a Forecast")
    a, t = np.shape(f.pose)[1:3] if np.ndim(f.pose) == 4 else (0, 0)
    wanted: dict[str, tuple[int, ...]] = {
        "id": (count, a),
        "known": (count, a),
        "time_us": (count, t),
        "pose": (count, a, t, 3),
    }
    if f.length is not None:
        wanted["length"] = (count,)
    for name, shape in wanted.items():
        if np.shape(getattr(f, name)) != shape:
            raise PluginError(f"Plan.forecast.{name} has shape {np.shape(getattr(f, name))}, expected {shape}")


def driven(plan: Plan) -> tuple[F64, F64]:
    """States (B, T, 10) of the best candidates, and their scores (B,)."""
    if plan.states.shape[1] == 1:
        return plan.states[:, 0], plan.scores[:, 0]
    best = np.argmax(plan.scores, axis=1)
    rows = np.arange(len(plan))
    return frozen(plan.states[rows, best]), plan.scores[rows, best]


def check(plan: Plan, states: F64, score: F64, now_us: I64, until_us: I64, min_us: int) -> I64:
    """A code of ``FAULTS`` per scenario (B,), 0 where the plan is sound. ``until_us`` (B,): the time the plan must
    reach."""
    assert plan.length is not None
    codes: I64 = _check(plan.time_us, states, plan.length, score, now_us, until_us, min_us)
    if plan.controls is not None:
        codes[(codes == 0) & ~np.isfinite(plan.controls).all(axis=1)] = 8
    return codes


@njit(cache=True, nogil=True)
def _check(time_us, states, length, score, now_us, until_us, min_us):  # type: ignore[no-untyped-def]
    codes = np.zeros(len(time_us), np.int64)
    for b in range(len(time_us)):
        n = length[b]
        if n < 2 or n > time_us.shape[1]:
            codes[b] = 1
            continue
        if time_us[b, 0] != now_us[b]:
            codes[b] = 2
            continue
        for k in range(1, n):
            if time_us[b, k] <= time_us[b, k - 1]:
                codes[b] = 3
        if codes[b] == 0 and time_us[b, n - 1] < until_us[b]:
            codes[b] = 4
        if codes[b] == 0 and time_us[b, n - 1] - time_us[b, 0] < min_us:
            codes[b] = 7
        if codes[b] == 0:
            for k in range(n):
                for c in range(states.shape[2]):
                    if not np.isfinite(states[b, k, c]):
                        codes[b] = 5
        if codes[b] == 0 and np.isnan(score[b]):
            codes[b] = 6
    return codes
