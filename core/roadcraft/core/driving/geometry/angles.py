"""Angles: two ways to bring one into a turn around 0. They round differently, and each reference has its own, so both
stand here.

``wrap`` is nuplan-devkit's ``principal_value`` (a remainder); ``normalize`` is tuplan_garage's and the tracker's of
proposals (an arctangent).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from roadcraft.core.driving.jit import njit


@njit(cache=True, nogil=True)
def wrap(angle):  # type: ignore[no-untyped-def]
    """The angle in [-pi, pi), for kernels."""
    turned = angle + math.pi
    if not 0.0 <= turned < 2.0 * math.pi:  # within, the remainder is the number itself, and costs more than the rest
        turned %= 2.0 * math.pi
    return turned - math.pi


def wrap_array(angle: Any) -> Any:
    """``wrap`` outside kernels: of a number or of an array of any shape."""
    return (angle + np.pi) % (2.0 * np.pi) - np.pi


@njit(cache=True, nogil=True)
def normalize(angle):  # type: ignore[no-untyped-def]
    """The angle in [-pi, pi], for kernels; other bits than ``wrap``."""
    if angle == 0.0:
        return angle
    return math.atan2(math.sin(angle), math.cos(angle))


@njit(cache=True, nogil=True)
def unwrap(angles, count, out):  # type: ignore[no-untyped-def]
    """``numpy.unwrap`` of the first ``count`` angles, into ``out``."""
    out[0] = angles[0]
    shift = 0.0
    for k in range(1, count):
        turn = angles[k] - angles[k - 1]
        if abs(turn) >= math.pi:
            wrapped = wrap(turn)
            if wrapped == -math.pi and turn > 0.0:
                wrapped = math.pi
            shift += wrapped - turn
        out[k] = angles[k] + shift


@njit(cache=True, nogil=True)
def nearest_turn(angle, before):  # type: ignore[no-untyped-def]
    """The angle, whole turns added, that is nearest to the one before, for kernels."""
    return angle - 2.0 * math.pi * np.rint((angle - before) / (2.0 * math.pi))
