"""Whether what agents answer keeps their contract."""

from __future__ import annotations

from typing import Any

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.rollout import Objects
from roadcraft.core.driving.jit import small_njit
from roadcraft.core.errors import PluginError

# Columns of Objects: kinds of dtypes that are taken, and the shape of one row.
_COLUMNS: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    *((name, "iu", ()) for name in ("id", "kind", "vehicle", "unit")),
    *(("box", "f", (5,)), ("velocity", "f", (2,))),
)

_FAULTS = (
    "Objects.offsets begin with 0 and do not fall",
    "the box of object {:016x} is not finite: {}",
    "the box of object {:016x} has no size: {}",
    "the velocity of object {:016x} is infinite",
)


def checked(answer: Any, count: int) -> tuple[list[Any], Objects]:
    """States and objects of ``count`` scenarios as agents answered them. Raises PluginError that says what breaks the
    contract."""
    if not isinstance(answer, tuple) or len(answer) != 2 or not isinstance(answer[1], Objects):
        raise PluginError(f"agents return (states, Objects), got {_said(answer)}")
    states, objects = answer
    if not isinstance(states, list) or len(states) != count:
        raise PluginError(f"agents' states are a list with one entry per scenario ({count}), got {_said(states)}")
    offsets = objects.offsets
    if not isinstance(offsets, np.ndarray) or offsets.shape != (count + 1,) or offsets.dtype.kind not in "iu":
        raise PluginError(f"Objects.offsets are ({count + 1},) int64, got {_said(offsets)}")
    rows = int(offsets[-1])
    for name, kinds, row in _COLUMNS:
        column = getattr(objects, name)
        if not isinstance(column, np.ndarray) or column.shape != (rows, *row) or column.dtype.kind not in kinds:
            raise PluginError(f"Objects.{name} has shape {(rows, *row)} by Objects.offsets, got {_said(column)}")
    bad, code = _first_fault(offsets, objects.box, objects.velocity)
    if code:
        about = (int(objects.id[bad]), objects.box[bad].tolist()) if bad >= 0 else ()
        raise PluginError(_FAULTS[code - 1].format(*about))
    return list(states), objects


@small_njit
def _first_fault(offsets: I64, box: F64, velocity: F64) -> tuple[int, int]:
    """Row of the first object of box (R, 5) and velocity (R, 2) that is impossible, -1 where it is none of these, and
    what is (1, 2, ... of ``_FAULTS``; 0 where nothing is wrong). A velocity that is not a number is allowed: a log may
    not know it."""
    for k in range(len(offsets)):
        if offsets[k] < (offsets[k - 1] if k > 0 else 0) or offsets[0] > 0:
            return -1, 1
    for r in range(len(box)):
        for c in range(5):
            if not np.isfinite(box[r, c]):
                return r, 2
        if box[r, 3] <= 0.0 or box[r, 4] <= 0.0:
            return r, 3
        if np.isinf(velocity[r, 0]) or np.isinf(velocity[r, 1]):
            return r, 4
    return -1, 0


def _said(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    return f"{type(value).__name__} of {len(value)}" if isinstance(value, (list, tuple)) else type(value).__name__
