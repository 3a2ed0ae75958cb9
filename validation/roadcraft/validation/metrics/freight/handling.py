"""How the last unit answers to the first: amplification, damping, friction."""

from __future__ import annotations

import math

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.data.scenario import Ego
from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import Event, MetricResult, Series
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.freight.common.channels import channel, channels, roll_groups, threshold_g
from roadcraft.validation.metrics.freight.common.lane_changes import lane_changes
from roadcraft.validation.metrics.freight.common.thresholds import (
    FrictionUseConfig,
    RearwardAmplificationConfig,
    YawDampingConfig,
)
from roadcraft.validation.metrics.freight.common.units import units


class RearwardAmplification(Metric):
    """Reported only: in each lane change, from its first lateral motion to ``after_s`` after its last, the largest
    lateral acceleration of the last unit's center of gravity over that of the steered axle; the largest of all. The
    bound is ``per_threshold`` times the static roll threshold of the last units that roll together. None without a lane
    change or a vehicle model that slips."""

    def __init__(self, config: RearwardAmplificationConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        name, vehicle, groups = "rearward_amplification", context.rollout.vehicle, roll_groups(context)
        last = channel(context, f"ay_{vehicle.joints}")
        if last is None or groups is None or not vehicle.joints:
            return MetricResult(name, None)
        ego, u = frames(context).ego, units(context)
        steered = ego[:, Ego.AY] + vehicle.body.wheel_base_m * ego[:, Ego.YAW_ACCEL]
        bound = self.config.per_threshold * float(threshold_g(groups)[-1])
        values = []
        for change in lane_changes(context):
            end = int(np.searchsorted(u.seconds, u.seconds[change.settled] + self.config.after_s, side="right"))
            window = slice(change.start, end)
            first = float(np.abs(steered[window]).max())
            if first > self.config.least_mps2:
                values.append(float(np.abs(last[window]).max()) / first)
        most = max(values, default=None)
        stats: dict[str, float | int | bool | None] = {
            name: most,
            "number_of_lane_changes": len(values),
            "bound": bound,
            "within_bound": None if most is None else most <= bound,
        }
        return MetricResult(name, most, stats)


class YawDamping(Metric):
    """Reported only: the damping ratio of the joints once the steering rests, by the logarithmic decrement of the peaks
    of the joint rate that swings most. None where fewer than two peaks are seen, or without a vehicle model that
    slips."""

    def __init__(self, config: YawDampingConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        name, vehicle = "yaw_damping", context.rollout.vehicle
        rates = channels(context, "joint_rate", vehicle.joints, 1) if vehicle.joints else None
        if rates is None:
            return MetricResult(name, None)
        steering = frames(context).ego[:, Ego.STEERING]
        moving = np.flatnonzero(np.abs(steering - steering[-1]) > self.config.rest_rad)
        first = int(moving[-1]) + 1 if len(moving) else 0
        peaks = max((_peaks(r[first:], self.config.least_radps) for r in rates.T), key=lambda p: p[0] if p else 0.0)
        ratio = None
        if len(peaks) >= 2:
            decrement = math.log(peaks[0] / peaks[-1]) / (len(peaks) - 1)
            ratio = decrement / math.hypot(math.pi, decrement)
        stats: dict[str, float | int | bool | None] = {
            name: ratio,
            "number_of_peaks": len(peaks),
            "within_bound": None if ratio is None else ratio >= self.config.least_ratio,
        }
        names = tuple(f"joint {i}" for i in range(1, vehicle.joints + 1))
        return MetricResult(name, ratio, stats, Series(frames(context).time_us, rates, "rad/s", names))


def _peaks(rate: F64, least: float) -> list[float]:
    """Sizes of the peaks between changes of sign, as long as they are above ``least`` and a twentieth of the first."""
    if not len(rate):
        return []
    edges = np.flatnonzero(np.sign(rate[1:]) != np.sign(rate[:-1])) + 1
    # the first and the last stretch may have lost their peaks
    sizes, stretches = list[float](), np.split(np.abs(rate), edges)
    for k, stretch in enumerate(stretches):
        at = int(stretch.argmax())
        whole = (k > 0 or at > 0) and (k < len(stretches) - 1 or at < len(stretch) - 1)
        if not whole or stretch[at] < max(least, 0.05 * (sizes[0] if sizes else 0.0)):
            if sizes:
                break
            continue
        sizes.append(float(stretch[at]))
    return sizes


class FrictionUse(Metric):
    """Reported only: the largest share of the friction circle that any group of axles takes."""

    def __init__(self, config: FrictionUseConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        name = "friction_use"
        steered = channel(context, "friction_use_steered")
        others = channels(context, name, context.rollout.vehicle.joints + 1)
        if steered is None or others is None:
            return MetricResult(name, None)
        values = np.column_stack([steered, others])
        most = float(values.max())
        names = ("steered", *(f"unit {i}" for i in range(others.shape[1])))
        stats: dict[str, float | int | bool | None] = {
            "max_friction_use": most,
            "within_bound": most <= self.config.most,
        }
        for axle, value in zip(names, values.max(axis=0).tolist(), strict=True):
            stats[f"max_friction_use_{axle.replace(' ', '_')}"] = value
        step, worst = divmod(int(values.argmax()), values.shape[1])
        events = (Event(step, f"{most:.2f} of the friction of the axles of {names[worst]}"),)
        series = Series(frames(context).time_us, values, "share", names)
        return MetricResult(name, most, stats, series, events if most > self.config.most else ())
