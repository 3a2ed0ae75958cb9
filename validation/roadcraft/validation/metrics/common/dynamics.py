"""Accelerations, jerks and yaw rates as nuPlan filters them (reference: nuplan-devkit e924167,
metrics/utils/state_extractors.py).

Each series is rounded to 8 decimals, the filtered acceleration also before it is differentiated to jerk.
"""

from __future__ import annotations

import numpy as np

from roadcraft.core.arrays import F64, I64, Mask
from roadcraft.core.driving.motion.savitzky_golay import savgol
from roadcraft.core.errors import DataError
from roadcraft.core.interfaces import MetricContext
from roadcraft.core.scenario import Ego
from roadcraft.validation.metrics.common.frames import frames

_DECIMALS = 8


def acceleration(context: MetricContext, axis: str) -> F64:
    """Acceleration (n,) m/s2 along ``axis``: 'x' and 'y' of the box centre, or 'magnitude' at the rear axle."""
    found: F64 = context.shared(f"acceleration {axis}", lambda: _acceleration(context, axis))
    return found


def _acceleration(context: MetricContext, axis: str) -> F64:
    ego = frames(context).ego
    ax, ay = ego[:, Ego.AX], ego[:, Ego.AY]
    if axis == "x":
        # get_acceleration_shifted adds the angular acceleration along the displacement, not across it, and so to x
        # alone
        reach = float(context.rollout.vehicle.box[0])
        raw = ax + reach * ego[:, Ego.YAW_RATE] ** 2 + reach * ego[:, Ego.YAW_ACCEL]
    else:
        raw = ay if axis == "y" else np.hypot(ax, ay)
    return _filter(context, raw, 8, 2, 0)


def jerk(context: MetricContext, axis: str) -> F64:
    """Jerk (n,) m/s3 of the filtered acceleration along ``axis``."""
    found: F64 = context.shared(f"jerk {axis}", lambda: _filter(context, acceleration(context, axis), 15, 2, 1))
    return found


def yaw_rate(context: MetricContext) -> F64:
    """Yaw rate (n,) rad/s. The reference's own window of 15 never reaches its filter: 5 is used."""
    found: F64 = context.shared("yaw rate", lambda: _filter(context, _heading(context), 5, 2, 1))
    return found


def yaw_acceleration(context: MetricContext) -> F64:
    """Yaw acceleration (n,) rad/s2, from the heading with a window of 5 and a cubic."""
    found: F64 = context.shared("yaw acceleration", lambda: _filter(context, _heading(context), 5, 3, 2))
    return found


def _heading(context: MetricContext) -> F64:
    heading = frames(context).ego[:, Ego.HEADING]
    turns = np.zeros(len(heading))
    turns[1:] = np.cumsum(np.round(np.diff(heading) / (2.0 * np.pi)))
    return np.asarray(heading - 2.0 * np.pi * turns)


def _filter(context: MetricContext, values: F64, window: int, order: int, derivative: int) -> F64:
    time_us: I64 = frames(context).time_us
    if min(window, len(values)) <= order:
        raise DataError(
            f"{len(values)} steps are too few for a polynomial of order {order}",
            where=f"scenario {context.rollout.scenario.token}",
            remedy=f"at least {order + 1} steps",
        )
    spacing = 1.0
    if derivative:
        steps = np.diff(time_us / 1e6)
        if not (steps > 0).all():
            raise DataError("time stamps do not increase", where=f"scenario {context.rollout.scenario.token}")
        spacing = float(steps.mean())
    return np.asarray(np.round(savgol(values, window, order, derivative, spacing), _DECIMALS))


def within(values: F64, low: float, high: float) -> Mask:
    """(n,) whether values lie strictly between the bounds."""
    return np.asarray((values > low) & (values < high))


def p90(values: F64) -> float:
    """The 90th percentile by numpy 1.23's 'closest_observation' (later versions break ties the other way)."""
    place = len(values) * 0.9 - 1.5
    below = int(np.floor(place))
    index = below if place == below and below % 2 == 0 else below + 1
    index = min(max(index, 0), len(values) - 1)
    return float(np.partition(values, index)[index])
