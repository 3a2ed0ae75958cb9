"""Distance of ego to the expert at the same iteration (reference: nuplan-devkit e924167, metrics/utils/expert_comparisons.py)."""

from __future__ import annotations

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.interfaces import MetricContext
from roadcraft.core.types import MetricResult, Series
from roadcraft.validation.metrics.common.dynamics import p90
from roadcraft.validation.metrics.common.frames import expert_boxes, frames


def expert_errors(context: MetricContext, heading_weight: float) -> F64:
    """Distance (n,) m of the box centres, plus ``heading_weight`` m per radian of heading error."""
    ego = frames(context).box
    off = ego[:, :3] - expert_boxes(context)[: len(ego), :3]
    turn = np.abs((off[:, 2] + np.pi) % (2.0 * np.pi) - np.pi)
    return np.asarray(np.hypot(off[:, 0], off[:, 1]) + heading_weight * turn)


def error_result(context: MetricContext, name: str, values: F64, unit: str) -> MetricResult:
    """A report of the errors: largest, mean, 90th percentile."""
    stats = {f"max_{name}": float(values.max()), f"avg_{name}": float(np.mean(values)), f"p90_{name}": p90(values)}
    return MetricResult(name, None, stats, Series(frames(context).time_us, values, unit))
