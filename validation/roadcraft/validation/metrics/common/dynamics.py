"""Accelerations, jerks and yaw rates as nuPlan filters them (reference: nuplan-devkit e924167,
metrics/utils/state_extractors.py).

Each series is rounded to 8 decimals, the filtered acceleration also before it is differentiated to jerk.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.scenario import Ego
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.motion.savitzky_golay import savgol
from roadcraft.core.errors import DataError
from roadcraft.core.interfaces import MetricContext
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.common.once import once_per_rollout

_DECIMALS = 8
_AXES = ("x", "y", "magnitude")
# window, order and derivative of the filters; the reference's own window of 15 never reaches that of the yaw rate
ACCELERATION, JERK, YAW_RATE, YAW_ACCELERATION = (8, 2, 0), (15, 2, 1), (5, 2, 1), (5, 3, 2)


def acceleration(context: MetricContext, axis: str) -> F64:
    """Acceleration (n,) m/s2 along ``axis``: 'x' and 'y' of the box center, or 'magnitude' at the rear axle."""
    return _accelerations(context)[_AXES.index(axis)]


@once_per_rollout
def _accelerations(context: MetricContext) -> F64:
    """All axes, (3, n)."""
    return smoothed(
        context, raw_accelerations(frames(context).ego, float(context.rollout.vehicle.box[0])), *ACCELERATION
    )


def raw_accelerations(ego: F64, reach: float) -> F64:
    """Accelerations (3, n) m/s2 of states (n, 10): along x and y at the box center, ``reach`` m before the rear axle,
    and the magnitude at the rear axle."""
    ax, ay = ego[:, Ego.AX], ego[:, Ego.AY]
    # get_acceleration_shifted adds the angular acceleration along the displacement, not across it, and so to x alone
    x = ax + reach * ego[:, Ego.YAW_RATE] ** 2 + reach * ego[:, Ego.YAW_ACCEL]
    return np.stack([x, ay, np.hypot(ax, ay)])


def jerk(context: MetricContext, axis: str) -> F64:
    """Jerk (n,) m/s3 of the filtered acceleration along ``axis``."""
    return _jerks(context)[_AXES.index(axis)]


@once_per_rollout
def _jerks(context: MetricContext) -> F64:
    """Along all axes, (3, n)."""
    return smoothed(context, _accelerations(context), *JERK)


@once_per_rollout
def yaw_rate(context: MetricContext) -> F64:
    """Yaw rate (n,) rad/s."""
    return smoothed(context, _heading(context), *YAW_RATE)


@once_per_rollout
def yaw_acceleration(context: MetricContext) -> F64:
    """Yaw acceleration (n,) rad/s2, from the heading with a window of 5 and a cubic."""
    return smoothed(context, _heading(context), *YAW_ACCELERATION)


def _heading(context: MetricContext) -> F64:
    heading = frames(context).ego[:, Ego.HEADING]
    turns = np.zeros(len(heading))
    turns[1:] = np.cumsum(np.round(np.diff(heading) / (2.0 * np.pi)))
    return np.asarray(heading - 2.0 * np.pi * turns)


def smoothed(context: MetricContext, values: F64, window: int, order: int, derivative: int) -> F64:
    """Values (..., n) smoothed or differentiated over time."""
    time_us: I64 = frames(context).time_us
    if min(window, len(time_us)) <= order:
        raise DataError(
            f"{len(time_us)} steps are too few for a polynomial of order {order}",
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


class Excess(NamedTuple):
    """How a quantity leaves its bounds: the step that is farthest beyond one, how far (negative: inside), at how many
    steps it reaches or passes one, and whether all values lie strictly between."""

    step: int
    beyond: float
    count: int
    within: bool


@njit(cache=True, nogil=True)
def excess(values: F64, low: float, high: float) -> Excess:
    """How values (n,) leave the bounds that they are to lie strictly between."""
    step, most, count, within = 0, -math.inf, 0, True
    for i in range(len(values)):
        beyond = max(values[i] - high, low - values[i])
        within = within and low < values[i] < high
        if beyond >= 0.0:
            count += 1
        if beyond > most:
            step, most = i, beyond
    return Excess(step, most, count, within)


def p90(values: F64) -> float:
    """The 90th percentile by numpy 1.23's 'closest_observation' (later versions break ties the other way)."""
    place = len(values) * 0.9 - 1.5
    below = math.floor(place)
    index = below if place == below and below % 2 == 0 else below + 1
    index = min(max(index, 0), len(values) - 1)
    return float(np.partition(values, index)[index])


def mean(values: F64) -> float:
    """``numpy.mean`` of values (n,), to the last bit."""
    return float(np.add.reduce(values)) / len(values)
