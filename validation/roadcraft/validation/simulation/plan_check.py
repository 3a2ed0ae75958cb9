"""Whether a plan keeps its contract, per scenario, and which of its candidates is driven. The rules are those of
``Plan.validate``."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.plan import Plan, plan_arrays, plan_faults
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.errors import PluginError

_INT64 = np.dtype(np.int64)
_plan_faults = njit(cache=True, nogil=True)(plan_faults)


def contiguous(plan: Plan, count: int) -> Plan:
    """The plan with the dtypes and layout kernels want. Raises PluginError where shapes do not fit ``count``
    scenarios."""
    if not isinstance(plan, Plan):
        raise PluginError(f"a planner returns (Plan, state); the first is a {type(plan).__name__}")
    a = plan_arrays(plan, count)
    return Plan(
        frozen(a.time_us, _INT64),
        frozen(a.states),
        frozen(a.scores),
        frozen(a.length, _INT64),
        None if a.controls is None else frozen(a.controls),
        plan.debug,
        plan.forecast,
    )


def driven(plan: Plan) -> tuple[F64, F64]:
    """States (B, T, 10) of the best candidates, and their scores (B,)."""
    if plan.states.shape[1] == 1:
        return plan.states[:, 0], plan.scores[:, 0]
    best = np.argmax(plan.scores, axis=1)
    rows = np.arange(len(plan))
    return frozen(plan.states[rows, best]), frozen(plan.scores[rows, best])


@lru_cache(maxsize=16)
def _no_controls(count: int) -> F64:
    return frozen(np.zeros((count, 0)))


def check(plan: Plan, states: F64, score: F64, now_us: I64, until_us: I64, min_us: int) -> I64:
    """A code of ``FAULTS`` per scenario (B,), 0 where the plan is sound. ``until_us`` (B,): the time the plan must
    reach."""
    assert plan.length is not None
    controls = _no_controls(len(plan)) if plan.controls is None else plan.controls
    codes: I64 = _plan_faults(plan.time_us, states, plan.length, score, controls, now_us, until_us, min_us)
    return codes
