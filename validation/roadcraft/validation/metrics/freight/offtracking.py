"""How far the units stray from the path of the steered axle."""

from __future__ import annotations

import numpy as np

from roadcraft.core.data.scenario import Ego
from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import MetricResult, Series
from roadcraft.validation.metrics.common.configs import NoSettings
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.freight.common.lane_changes import lane_changes
from roadcraft.validation.metrics.freight.common.paths import beside_path
from roadcraft.validation.metrics.freight.common.thresholds import HighSpeedOfftrackingConfig, LowSpeedOfftrackingConfig
from roadcraft.validation.metrics.freight.common.units import units


class LowSpeedOfftracking(Metric):
    """Reported only: distance of each unit's axle inward of the path of the steered axle, below ``below_mps``: the
    largest, and the 95th percentile of the last unit's. None where ego does not drive so slowly, forward, along a path
    longer than itself."""

    def __init__(self, config: LowSpeedOfftrackingConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        name, u, beside = "low_speed_offtracking", units(context), beside_path(context)
        if beside is None:
            return MetricResult(name, None)
        inward = beside.left * np.sign(u.yaw_rate)
        slow = (u.speed[:, 0] < self.config.below_mps)[:, None] & np.isfinite(inward)
        values = np.where(slow, inward, -np.inf)
        if not slow[:, -1].any():
            return MetricResult(name, None)
        most = values.max(axis=0)
        stats: dict[str, float | int | bool | None] = {
            f"max_of_unit_{i}_[meters]": float(v) if np.isfinite(v) else None for i, v in enumerate(most)
        }
        last = inward[slow[:, -1], -1]
        stats["p95_of_last_unit_[meters]"] = float(np.sort(last)[int(0.95 * (len(last) - 1))])
        return MetricResult(
            name, float(most[-1]), stats, Series(frames(context).time_us, np.nan_to_num(inward), "meters")
        )


class HighSpeedOfftracking(Metric):
    """Reported only: distance of the last axle outward of the path of the steered axle above ``above_mps``. Steady: the
    largest where the curve and the speed hardly change; transient: the largest in lane changes, to either side. None
    where there is neither."""

    def __init__(self, config: HighSpeedOfftrackingConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        c, name, u, beside = self.config, "high_speed_offtracking", units(context), beside_path(context)
        if beside is None:
            return MetricResult(name, None)
        ego = frames(context).ego
        left, fast = beside.left[:, -1], u.speed[:, 0] > c.above_mps
        known = fast & np.isfinite(left)
        outward = -left * np.sign(u.yaw_rate[:, -1])
        curved = np.abs(ego[:, Ego.YAW_RATE]) * u.speed[:, 0] > c.curved_mps2
        even = known & curved & (np.abs(ego[:, Ego.YAW_ACCEL]) < c.even_radps2)
        even &= np.abs(u.yaw_rate[:, -1] - u.yaw_rate[:, 0]) < c.even_radps
        changing = np.zeros(len(u.seconds), np.bool_)
        for change in lane_changes(context):
            changing[change.start : change.settled + 1] = True
        steady = float(outward[even].max()) if even.any() else None
        swung = known & changing
        transient = float(np.abs(left[swung]).max()) if swung.any() else None
        stats: dict[str, float | int | bool | None] = {
            "steady_[meters]": steady,
            "transient_[meters]": transient,
            "steady_within_bound": None if steady is None else steady <= c.steady_m,
            "transient_within_bound": None if transient is None else transient <= c.transient_m,
        }
        found = [v for v in (steady, transient) if v is not None]
        return MetricResult(name, max(found) if found else None, stats)


class SweptWidth(Metric):
    """Reported only: the largest extent, across the path of the steered axle, of what all units cover while they pass.
    None where ego drives in reverse or less than its own length."""

    def __init__(self, config: NoSettings) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        name, beside = "swept_width", beside_path(context)
        if beside is None or beside.passed < 1:
            return MetricResult(name, None)
        width = (beside.high - beside.low)[: beside.passed]
        at = int(width.argmax())
        stats: dict[str, float | int | bool | None] = {
            "swept_width_[meters]": float(width[at]),
            "at_[meters]": float(at),
            "left_[meters]": float(beside.high[at]),
            "right_[meters]": float(-beside.low[at]),
        }
        return MetricResult(name, float(width[at]), stats)
