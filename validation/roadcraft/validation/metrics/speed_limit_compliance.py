"""Ego keeps the speed limit (reference: nuplan-devkit e924167, speed_limit_compliance.py, violation_metric_base.py)."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.jit import small_njit
from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import Event, MetricResult, Series
from roadcraft.validation.metrics.common.configs import SpeedLimitConfig
from roadcraft.validation.metrics.common.events import runs, span_text
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.common.speed_limits import speed_limits


class SpeedLimitCompliance(Metric):
    """Weight 4. 1 without any excess; else max(0, 1 - mean excess / max_overspeed_mps), the mean weighted as the
    reference does."""

    role: ClassVar[str] = "weighted"
    weight: ClassVar[float] = 4.0
    name: ClassVar[str] = "speed_limit_compliance"

    def __init__(self, config: SpeedLimitConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        f, limit, name = frames(context), self.limits(context), self.name
        over = np.maximum(f.speed - limit, 0.0)
        series = Series(f.time_us, over, "over_speeding[meters_per_second]")
        first, last = runs(over > 0.0)
        if not len(first):
            return MetricResult(name, 1.0, {name: True}, series)
        events = tuple(
            Event(
                int(a),
                f"up to {over[a : b + 1].max():.2f} m/s above the limit of {limit[a]:.2f} m/s, "
                f"{span_text(f.time_us, int(a), int(b))}",
            )
            for a, b in zip(first, last, strict=True)
        )
        return MetricResult(
            name, self._score(f.time_us, over), _stats(name, f.time_us, over, first, last), series, events
        )

    def limits(self, context: MetricContext) -> F64:
        """Limit m/s at each of n steps, infinite where none holds."""
        return speed_limits(context)

    def _score(self, time_us: I64, over: F64) -> float:
        interval, duration = interval_and_duration_s(time_us)
        return overspeed_score(float(np.sum(over)), interval, duration, self.config.max_overspeed_mps)


def interval_and_duration_s(time_us: I64) -> tuple[float, float]:
    """Mean interval and whole duration of time stamps (n,)."""
    return float(np.mean(np.diff(time_us)) * 1e-6), float((time_us[-1] - time_us[0]) * 1e-6)


@small_njit
def overspeed_score(total: float, interval_s: float, duration_s: float, max_overspeed_mps: float) -> float:
    """The score for speeds above the limit that sum up to ``total`` m/s over all steps."""
    if duration_s <= 0.0:
        return 1.0
    return max(0.0, 1.0 - total * interval_s / (max(max_overspeed_mps, 1e-3) * duration_s))


def _stats(name: str, time_us: I64, over: F64, first: I64, last: I64) -> dict[str, float | int | bool | None]:
    # a violation ends at the first step without one (or at the last step of all, then with one step less)
    end = np.minimum(last + 1, len(over) - 1)
    duration = (time_us[end] - time_us[first]).astype(np.float64)
    peak = np.array([over[a : b + 1].max() for a, b in zip(first, last, strict=True)])
    mean = np.array([math.fsum(over[a : b + 1]) / (b + 1 - a) for a, b in zip(first, last, strict=True)])
    total = duration.sum()
    return {
        f"number_of_violations_of_{name}": len(first),
        f"max_violation_of_{name}": float(peak.max()),
        f"min_violation_of_{name}": float(peak.min()),
        # a single violation at the very last step has no duration, and the reference divides by it: not a number there,
        # none here
        f"mean_violation_of_{name}": float((mean * duration).sum() / total) if total > 0 else None,
        name: False,
    }
