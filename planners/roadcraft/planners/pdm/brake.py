"""The emergency brake of PDM-Closed: straight on, at a speed that the tracker turns into a full stop.

Source: tuplan_garage b51d5d0 (Apache-2.0), PDMEmergencyBrake.
"""

from __future__ import annotations

import math

from roadcraft.core.arrays import F64
from roadcraft.core.driving.jit import njit

MAX_ACCEL, MIN_ACCEL = 2.40, -4.05
_SLOW_MPS = 0.2


@njit(cache=True, nogil=True)
def emergency_plan(ego: F64, axle_to_center: float, dt: float, out: F64) -> None:
    """Rear-axle states out (T, 10) every ``dt`` s: poses along ego's heading, everything else 0.

    Above 0.2 m/s the poses run backwards at 1.1 (v - 4.05) m/s or so: not a motion to be had, but the reference speed
    that makes nuPlan's tracker brake.
    """
    speed = ego[3]
    if speed > _SLOW_MPS:
        change = max(min(-10.0 * speed, MAX_ACCEL), MIN_ACCEL)
        reference = 1.1 * (speed + change)
    else:
        accel = ego[5] + axle_to_center * (ego[8] * ego[8] + ego[9])
        reference = max(min(-4.0 * speed - accel, MAX_ACCEL), MIN_ACCEL)
    c, s = math.cos(ego[2]), math.sin(ego[2])
    for t in range(len(out)):
        out[t] = 0.0
        out[t, 0], out[t, 1], out[t, 2] = ego[0] + reference * dt * t * c, ego[1] + reference * dt * t * s, ego[2]
