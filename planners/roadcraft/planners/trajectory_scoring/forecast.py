"""Constant-velocity forecasts of other traffic as oriented boxes.

A forecast moves a box along its own heading (forwards or backwards, whichever its velocity is nearer to) at its present
speed; its heading and size stay. Source: tuplan_garage b51d5d0 (Apache-2.0), PDMObjectManager.
"""

from __future__ import annotations

import math

import numpy as np

from roadcraft.core.arrays import F64, U8
from roadcraft.core.data.scenario import LAST_MOVING
from roadcraft.core.driving.geometry.angles import normalize
from roadcraft.core.driving.jit import njit


@njit(cache=True, nogil=True)
def drift(box: F64, velocity: F64, kind: U8) -> F64:
    """Velocities (M, 2) m/s along the boxes' headings: box (M, 5), velocity (M, 2) global frame, kind (M,) ObjectKind.
    Static kinds stand still, and so do objects of unknown (NaN) velocity."""
    out = np.zeros((len(box), 2))
    for i in range(len(box)):
        if kind[i] > LAST_MOVING:
            continue
        vx, vy, heading = velocity[i, 0], velocity[i, 1], box[i, 2]
        speed = math.sqrt(vx * vx + vy * vy)
        if math.isnan(speed):
            continue
        off = heading - math.atan2(vy, vx)
        off = abs(normalize(off))
        if off >= 0.5 * math.pi:
            heading = normalize(heading + math.pi)
        out[i, 0] = math.cos(heading) * speed
        out[i, 1] = math.sin(heading) * speed
    return out
