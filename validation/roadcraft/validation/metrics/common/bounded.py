"""What the metrics of one bounded quantity share (reference: nuplan-devkit e924167, within_bound_metric_base.py)."""

from __future__ import annotations

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.interfaces import MetricContext
from roadcraft.core.types import Event, MetricResult, Series
from roadcraft.validation.metrics.common.dynamics import p90, within
from roadcraft.validation.metrics.common.frames import frames


def bounded(
    context: MetricContext, name: str, values: F64, unit: str, low: float | None = None, high: float | None = None
) -> MetricResult:
    """A report of values (n,): largest, smallest, mean, 90th percentile, and whether all lie strictly between the
    bounds, if there are any."""
    stats: dict[str, float | int | bool | None] = {
        f"max_{name}": float(values.max()),
        f"min_{name}": float(values.min()),
        f"avg_{name}": float(np.mean(values)),
        f"p90_{name}": p90(values),
    }
    events: tuple[Event, ...] = ()
    if low is not None and high is not None:
        stats[f"abs_{name}_within_bounds"] = bool(within(values, low, high).all())
        events = tuple(excesses(name, values, unit, low, high))
    return MetricResult(name, None, stats, Series(frames(context).time_us, values, unit), events)


def excesses(name: str, values: F64, unit: str, low: float, high: float) -> list[Event]:
    """The worst step of a quantity that leaves its bounds, if it does."""
    beyond = np.maximum(values - high, low - values)
    step = int(beyond.argmax())
    if beyond[step] < 0.0:
        return []
    count = int((beyond >= 0.0).sum())
    bound = high if values[step] >= high else low
    return [Event(step, f"{name} {values[step]:.2f} beyond {bound:g} {unit.replace('_', ' ')}, at {count} steps")]
