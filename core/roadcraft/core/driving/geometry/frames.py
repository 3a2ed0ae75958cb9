"""Frames: directions turned into the frame of a pose, and back. Plain functions of numbers, arrays and tensors, which
kernels inline."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable


@register_jitable
def to_frame(x: Any, y: Any, cos: Any, sin: Any) -> tuple[Any, Any]:
    """A direction, or a place relative to the pose's, in the frame that is turned by (cos, sin): ahead and to the
    left."""
    return cos * x + sin * y, cos * y - sin * x


@register_jitable
def from_frame(x: Any, y: Any, cos: Any, sin: Any) -> tuple[Any, Any]:
    """What lies ``x`` ahead and ``y`` to the left in the frame that is turned by (cos, sin): the way back of
    ``to_frame``."""
    return cos * x - sin * y, sin * x + cos * y


@register_jitable
def pose_in_frame(x: float, y: float, heading: float, frame: Any, cos: float, sin: float) -> Any:
    """A pose in the frame of ``frame`` (>= 3,) x, y, heading, whose cosine and sine are given: x, y, cos, sin."""
    ahead, left = to_frame(x - frame[0], y - frame[1], cos, sin)
    return ahead, left, np.cos(heading - frame[2]), np.sin(heading - frame[2])
