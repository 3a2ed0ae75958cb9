"""Whether two boxes are in contact (reference: nuplan-devkit e924167, collision_utils.py)."""

from __future__ import annotations

import math
from typing import NamedTuple

from numba import njit

from roadcraft.core.arrays import F64, I64, U8
from roadcraft.core.driving.geometry.boxes import boxes_touch


class ObjectRows(NamedTuple):
    """The objects of n steps, ragged rows ``offsets[i]:offsets[i + 1]``: track (R,) row of Tracks, kind (R,), box (R,
    5), speed (R,) m/s, not a number where the log has none."""

    offsets: I64
    track: I64
    kind: U8
    box: F64
    speed: F64


@njit(cache=True, nogil=True)
def in_collision(
    ax: float, ay: float, ah: float, al: float, aw: float, bx: float, by: float, bh: float, bl: float, bw: float
) -> bool:
    """Whether two boxes touch and their centres are closer than their half diagonals together (strictly, as the
    reference's quick check)."""
    if not math.hypot(bx - ax, by - ay) < (math.hypot(aw, al) + math.hypot(bw, bl)) / 2.0:
        return False
    return boxes_touch(ax, ay, ah, al, aw, bx, by, bh, bl, bw)
