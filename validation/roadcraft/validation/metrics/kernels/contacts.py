"""Whether two boxes are in contact (reference: nuplan-devkit e924167, collision_utils.py)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from roadcraft.core.arrays import F64, I64, U8
from roadcraft.core.driving.geometry.boxes import overlap
from roadcraft.core.driving.geometry.tolerances import CLEAR_M
from roadcraft.core.driving.jit import njit


class ObjectRows(NamedTuple):
    """The objects of n steps, ragged rows ``offsets[i]:offsets[i + 1]``: track (R,) row of Tracks, kind (R,), box (R,
    5), speed (R,) m/s, not a number where the log has none."""

    offsets: I64
    track: I64
    kind: U8
    box: F64
    speed: F64


@njit(cache=True, nogil=True)
def in_collision(a: Any, b: Any) -> bool:
    """Whether two boxes, each (5,), an array or a tuple, touch and their centers are closer than their half diagonals
    together (strictly, as the reference's quick check)."""
    reach = 0.5 * (a[3] + a[4] + b[3] + b[4]) + CLEAR_M  # no half diagonal is longer than half the sides together
    if abs(b[0] - a[0]) > reach or abs(b[1] - a[1]) > reach:
        return False
    if not math.hypot(b[0] - a[0], b[1] - a[1]) < (math.hypot(a[4], a[3]) + math.hypot(b[4], b[3])) / 2.0:
        return False
    return overlap(a, b)
