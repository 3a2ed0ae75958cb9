"""Whether two boxes are in contact (reference: nuplan-devkit e924167, collision_utils.py)."""

from __future__ import annotations

import math

from numba import njit

from roadcraft.core.driving.geometry.boxes import boxes_touch


@njit(cache=True, nogil=True)
def in_collision(
    ax: float, ay: float, ah: float, al: float, aw: float, bx: float, by: float, bh: float, bl: float, bw: float
) -> bool:
    """Whether two boxes touch and their centres are closer than their half diagonals together (strictly, as the
    reference's quick check)."""
    if not math.hypot(bx - ax, by - ay) < (math.hypot(aw, al) + math.hypot(bw, bl)) / 2.0:
        return False
    return boxes_touch(ax, ay, ah, al, aw, bx, by, bh, bl, bw)
