"""Actions of a policy that drives by pedals and steering wheel, as controls of the vehicle."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.data.scenario import Ego
from roadcraft.core.vehicles.vehicle import Vehicle


class PedalBounds(NamedTuple):
    """What the actions 1 and -1 stand for."""

    max_acceleration_mps2: float
    """Acceleration of the action 1."""
    max_braking_mps2: float
    """Deceleration of the action -1."""
    max_steering_rate_radps: float
    """Steering rate of the action 1, to the left; the opposite of the action -1."""


def pedal_controls(actions: F64, ego: F64, dt_s: F64, vehicle: Vehicle, bounds: PedalBounds) -> F64:
    """Controls (B, 2), acceleration m/s2 and steering rate rad/s, as ``Plan.controls`` takes them.

    Args:
        actions: (B, 2) float64, acceleration and steering rate, in [-1, 1]; what lies beyond is clipped. Acceleration
            and braking have scales of their own, so that 0 is neither.
        ego: (B, 10) present states, columns ``Ego``.
        dt_s: (B,) time to the next step, s.
        vehicle: the ego's, whose lag tells how much of a command comes through within the step.
        bounds: scales.

    Nobody drives backwards: an acceleration that would bring the speed below 0 within the step is cut to that which
    brings it to 0. A vehicle that rolls backwards already is not accelerated by that.

    Raises:
        ValueError: an action is not finite; the rows are named.
    """
    bad = np.flatnonzero(~np.isfinite(actions).all(axis=1))
    if len(bad):
        raise ValueError(f"actions of rows {bad[:8].tolist()} are not finite")
    push, turn = np.clip(actions, -1.0, 1.0).T
    accel = np.where(push > 0.0, push * bounds.max_acceleration_mps2, push * bounds.max_braking_mps2)
    # the first-order lag of ``bicycle``: a = share * (command - present) + present
    share = dt_s / (dt_s + vehicle.accel_lag_s)
    present, stop = ego[:, Ego.AX], -np.maximum(ego[:, Ego.VX], 0.0) / dt_s
    least = (stop - present) / share + present
    return np.stack([np.maximum(accel, least), turn * bounds.max_steering_rate_radps], axis=1)
