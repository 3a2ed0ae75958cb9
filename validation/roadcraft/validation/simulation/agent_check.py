"""Whether what agents answer keeps their contract."""

from __future__ import annotations

from typing import Any

import numpy as np

from roadcraft.core.errors import PluginError
from roadcraft.core.rollout import Objects

# Columns of Objects: kinds of dtypes that are taken, and the shape of one row.
_COLUMNS: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    *((name, "iu", ()) for name in ("id", "kind", "vehicle", "unit")),
    *(("box", "f", (5,)), ("velocity", "f", (2,))),
)


def checked(answer: Any, count: int) -> tuple[list[Any], Objects]:
    """States and objects of ``count`` scenarios as agents answered them. Raises PluginError that says what breaks the contract."""
    if not isinstance(answer, tuple) or len(answer) != 2 or not isinstance(answer[1], Objects):
        raise PluginError(f"agents return (states, Objects), got {_said(answer)}")
    states, objects = answer
    if not isinstance(states, list) or len(states) != count:
        raise PluginError(f"agents' states are a list with one entry per scenario ({count}), got {_said(states)}")
    offsets = objects.offsets
    if not isinstance(offsets, np.ndarray) or offsets.shape != (count + 1,) or offsets.dtype.kind not in "iu":
        raise PluginError(f"Objects.offsets are ({count + 1},) int64, got {_said(offsets)}")
    rows = int(offsets[-1])
    if offsets[0] != 0 or np.count_nonzero(offsets[1:] < offsets[:-1]):
        raise PluginError("Objects.offsets begin with 0 and do not fall")
    for name, kinds, row in _COLUMNS:
        column = getattr(objects, name)
        if not isinstance(column, np.ndarray) or column.shape != (rows, *row) or column.dtype.kind not in kinds:
            raise PluginError(f"Objects.{name} has shape {(rows, *row)} by Objects.offsets, got {_said(column)}")
    if np.count_nonzero(np.isfinite(objects.box)) < 5 * rows:
        bad = int(np.flatnonzero(~np.isfinite(objects.box).all(axis=1))[0])
        raise PluginError(f"the box of object {int(objects.id[bad]):016x} is not finite: {objects.box[bad].tolist()}")
    if np.count_nonzero(objects.box[:, 3:] > 0.0) < 2 * rows:
        bad = int(np.flatnonzero((objects.box[:, 3:] <= 0.0).any(axis=1))[0])
        raise PluginError(f"the box of object {int(objects.id[bad]):016x} has no size: {objects.box[bad].tolist()}")
    if np.count_nonzero(np.isinf(objects.velocity)):  # not a number is allowed: a log may not know
        bad = int(np.flatnonzero(np.isinf(objects.velocity).any(axis=1))[0])
        raise PluginError(f"the velocity of object {int(objects.id[bad]):016x} is infinite")
    return list(states), objects


def _said(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    return f"{type(value).__name__} of {len(value)}" if isinstance(value, (list, tuple)) else type(value).__name__
