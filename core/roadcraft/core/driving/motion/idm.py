"""The intelligent driver model (Treiber, Hennecke, Helbing 2000) in the form nuPlan uses it."""

from __future__ import annotations

import numpy as np

from roadcraft.core.driving.jit import small_njit


@small_njit
def idm_acceleration(
    speed: float,
    target: float,
    gap: float,
    lead_speed: float,
    min_gap: float,
    headway: float,
    max_accel: float,
    max_decel: float,
) -> float:
    """Acceleration m/s2 in [-max_decel, max_accel] of a vehicle behind a lead (or the end of its path).

    speed, target, lead_speed m/s; gap m to the lead's rear; min_gap m; headway s; max_accel and max_decel m/s2,
    positive. A lead of unknown speed (NaN) brings full braking, as the reference's order of comparisons does.
    Reference: nuplan-devkit e924167, IDMPolicy.solve_forward_euler_idm_policy.
    """
    wanted = min_gap + speed * headway + (speed * (speed - lead_speed)) / (2.0 * np.sqrt(max_accel * max_decel))
    accel = max_accel * (1.0 - (speed / target) ** 4 - (wanted / max(gap, min_gap)) ** 2)
    if not accel > -max_decel:
        return -max_decel
    return min(accel, max_accel)


@small_njit
def idm_advance(speed: float, accel: float, dt: float) -> tuple[float, float]:
    """Distance driven with the old speed, and the new speed (never negative) after ``dt`` seconds: forward Euler."""
    return dt * speed, max(speed + dt * accel, 0.0)
