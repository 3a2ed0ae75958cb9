"""What the metrics of one bounded quantity share (reference: nuplan-devkit e924167, within_bound_metric_base.py)."""

from __future__ import annotations

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.interfaces import MetricContext
from roadcraft.core.types import Event, MetricResult, Series
from roadcraft.validation.metrics.common.dynamics import Excess, excess, mean, p90
from roadcraft.validation.metrics.common.frames import frames


def bounded(
    context: MetricContext, name: str, values: F64, unit: str, low: float | None = None, high: float | None = None
) -> MetricResult:
    """A report of values (n,): largest, smallest, mean, 90th percentile, and whether all lie strictly between the
    bounds, if there are any."""
    stats: dict[str, float | int | bool | None] = {
        f"max_{name}": float(np.maximum.reduce(values)),
        f"min_{name}": float(np.minimum.reduce(values)),
        f"avg_{name}": mean(values),
        f"p90_{name}": p90(values),
    }
    events: tuple[Event, ...] = ()
    if low is not None and high is not None:
        found = excess(values, low, high)
        stats[f"abs_{name}_within_bounds"] = found.within
        events = excess_events(name, values, unit, low, high, found)
    return MetricResult(name, None, stats, Series(frames(context).time_us, values, unit), events)


def excess_events(name: str, values: F64, unit: str, low: float, high: float, found: Excess) -> tuple[Event, ...]:
    """The worst step of a quantity that leaves its bounds, if it does."""
    if found.beyond < 0.0:
        return ()
    value = values[found.step]
    bound = high if value >= high else low
    what = f"{name} {value:.2f} beyond {bound:g} {unit.replace('_', ' ')}, at {found.count} steps"
    return (Event(found.step, what),)
