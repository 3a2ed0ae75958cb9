"""Ego does not drive against the traffic (reference: nuplan-devkit e924167, driving_direction_compliance.py)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.geometry.polyline import project_row
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import Event, MetricResult, Series
from roadcraft.validation.metrics.common.configs import DrivingDirectionConfig
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.common.routes import ego_route


class DrivingDirectionCompliance(Metric):
    """Multiplier. The way driven along the lanes' direction within each last ``horizon_s``; at worst below compliance_m
    backwards 1, below violation_m 0.5, else 0. As in the reference the worst is the absolute value of the minimum, even
    of a positive one."""

    role: ClassVar[str] = "multiplier"

    def __init__(self, config: DrivingDirectionConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        f, route = frames(context), ego_route(context)
        lines = context.rollout.scenario.map.lanes.centerlines
        horizon = horizon_steps(f.time_us, self.config)
        progress = _progress(
            f.box,
            frozen(route.rows, np.int64),
            frozen(route.count, np.int64),
            frozen(lines.points),
            frozen(lines.offsets, np.int64),
            horizon,
        )
        step = int(progress.argmin())
        worst = abs(float(progress[step]))
        c = self.config
        score = direction_score(worst, c.compliance_m, c.violation_m)
        stats = {
            "driving_direction_compliance_score": score,
            f"min_progress_along_driving_direction_in_{c.horizon_s}_second_interval": -worst,
        }
        unit = f"progress_along_driving_direction_in_last_{c.horizon_s}_seconds_[m]"
        events = ()
        if score < 1.0:
            events = (Event(step, f"drove {worst:.2f} m against the driving direction within {c.horizon_s} s"),)
        return MetricResult(
            "driving_direction_compliance", score, stats, Series(f.time_us, progress, unit), events=events
        )


def horizon_steps(time_us: I64, config: DrivingDirectionConfig) -> int:
    """Steps over which the way is taken: 9 or 10 at 10 Hz, the jitter of the time stamps (n,) decides."""
    return int(config.horizon_s * 1e6 / np.mean(np.diff(time_us)))


@small_njit
def direction_score(worst: float, compliance_m: float, violation_m: float) -> float:
    """The score where at worst ``worst`` m were driven backwards."""
    return 1.0 if worst < compliance_m else (0.5 if worst < violation_m else 0.0)


@njit(cache=True, nogil=True)
def _progress(box: F64, rows: I64, count: I64, points: F64, offsets: I64, horizon: int) -> F64:
    """Way along the first route object's baseline, summed over the last ``horizon`` + 1 samples.

    ``_extract_metric``'s quirks: entering an object forgets the last arc length and the next sample only sets it, so
    two samples count 0 (in the very first object one); without an object the state stays; an arc length of exactly 0
    counts as missing.
    """
    n = len(box)
    way, out = np.zeros(n), np.zeros(n)
    current, known, before = rows[0, 0] if count[0] > 0 else np.int64(-1), False, 0.0
    for i in range(n):
        row = rows[i, 0] if count[i] > 0 else np.int64(-1)
        way[i], current, known, before = step_way(box[i], row, (current, known, before), points, offsets)
    for i in range(n):
        out[i] = way_since(way, i, horizon)
    return out


@njit(cache=True, nogil=True)
def step_way(
    box: F64, row: int, state: tuple[int, bool, float], points: F64, offsets: I64
) -> tuple[float, int, bool, float]:
    """Way of one sample on the route object ``row`` (-1: none), and the state after it: the route object, whether an
    arc length on it is known, and which."""
    current, known, before = state
    if row < 0:
        return 0.0, current, known, before
    if row != current:
        return 0.0, row, False, before
    arc = project_row(points, offsets[row], offsets[row + 1], box[0], box[1])
    return arc - before if known and arc != 0.0 else 0.0, current, True, arc


@njit(cache=True, nogil=True)
def way_since(way: F64, step: int, horizon: int) -> float:
    """The way of the last ``horizon`` + 1 samples up to ``step``."""
    total = 0.0
    for k in range(max(0, step - horizon), step + 1):
        total += way[k]
    return total
