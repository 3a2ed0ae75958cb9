"""Whether an object is ahead of or behind ego (reference: nuplan-devkit e924167, observation/idm/utils.py,
``get_agent_relative_angle``)."""

from __future__ import annotations

import math

from roadcraft.core.driving.geometry.exact import fma
from roadcraft.core.driving.jit import njit

AHEAD_RAD = math.radians(30.0)
BEHIND_RAD = math.radians(150.0)


@njit(cache=True, nogil=True)
def relative_angle(x: float, y: float, cosine: float, sine: float, ox: float, oy: float) -> float:
    """Angle rad in [0, pi] between ego's heading and the direction from (x, y) to (ox, oy).

    Not a number where rounding lifts the cosine above 1: the reference does not clip it, and an object on ego's very
    axis then is neither ahead nor behind. Which objects that hits is decided by the last bit, so norm and dot product
    are fused as the reference's BLAS fuses them, and cosine and sine of the heading are to come from
    ``reference_trig``.
    """
    dx, dy = ox - x, oy - y
    norm = math.sqrt(fma(dy, dy, dx * dx))
    if norm == 0.0:
        return math.nan
    dot = fma(sine, dy / norm, cosine * (dx / norm))
    return math.acos(dot) if abs(dot) <= 1.0 else math.nan
