"""Gaps that ego takes when it changes lanes."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.data.scenario import LAST_MOVING
from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import Event, MetricResult
from roadcraft.validation.metrics.common.events import object_event
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.freight.common.lane_changes import WholeLaneChange, lane_changes
from roadcraft.validation.metrics.freight.common.lines import arcs_on, center_line
from roadcraft.validation.metrics.freight.common.thresholds import LaneChangeGapConfig
from roadcraft.validation.metrics.freight.common.units import units

_LANE_M = 1.8  # farthest that the center of who drives in a lane is from its centerline


class LaneChangeGap(Metric):
    """Weight 3. At the first crossing of the marking: the gap to who drives ahead in the new lane, that from the last
    unit's rear to who follows there, and the deceleration that ego imposes on the follower, (v - v_ego)^2 / (2 gap). 1
    up to ``good_mps2``, 0 from ``bad_mps2`` on or without a gap, linear between; the worst lane change. No score
    without one."""

    role: ClassVar[str] = "weighted"
    weight: ClassVar[float] = 3.0

    def __init__(self, config: LaneChangeGapConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        changes, name = lane_changes(context), "lane_change_gap"
        if not changes:
            return MetricResult(name, None)
        found = [self._judged(context, change) for change in changes]
        score, worst, events = min(found, key=lambda f: f[0])
        return MetricResult(name, score, {"number_of_lane_changes": len(changes), **worst}, events=events)

    def _judged(
        self, context: MetricContext, change: WholeLaneChange
    ) -> tuple[float, dict[str, float | int | bool | None], tuple[Event, ...]]:
        c, u, step, end = self.config, units(context), change.crossing, change.inside
        gaps = gaps_at(context, step, change.line)
        score, events = judged_gaps(context, step, gaps, c, "changes lanes")
        duration = float(u.seconds[end] - u.seconds[change.start]) if end >= 0 else None
        return score, {**gaps.stats(float(u.speed[step, 0])), "duration_[s]": duration}, events


class Gaps(NamedTuple):
    """Who drives ahead of ego, behind its last unit, and beside it, along a line."""

    lead: float | None
    """m to the nearest one ahead, or none."""
    lag: float | None
    """m to the nearest one behind, or none."""
    follower: int
    """Row of the one behind, or -1."""
    closing: float
    """m/s by which that is faster, not negative."""
    follower_speed: float
    """m/s."""
    abreast: bool
    """Whether somebody is beside a unit."""

    @property
    def imposed(self) -> float:
        """m/s2 by which the one behind has to brake."""
        return self.closing**2 / (2.0 * max(self.lag or 0.0, 0.01)) if self.lag is not None else 0.0

    @property
    def none(self) -> bool:
        """Whether there is no gap at all."""
        return self.abreast or min(g for g in (self.lead, self.lag, 1.0) if g is not None) <= 0.0

    def stats(self, speed: float) -> dict[str, float | int | bool | None]:
        """For the table of a metric; speed of ego, m/s."""
        return {
            "lead_gap_[meters]": self.lead,
            "lead_gap_[s]": None if self.lead is None else self.lead / max(speed, 0.1),
            "lag_gap_[meters]": self.lag,
            "lag_gap_[s]": None if self.lag is None else self.lag / max(self.follower_speed, 0.1),
            "imposed_deceleration_[mps2]": self.imposed,
        }


def gaps_at(context: MetricContext, step: int, line: F64) -> Gaps:
    """The gaps at a step along a center line (P, 2) that ego comes to."""
    u, o = units(context), frames(context).objects
    rows = np.arange(o.offsets[step], o.offsets[step + 1])
    rows = rows[o.kind[rows] <= LAST_MOVING]
    measured = center_line(line)
    arc, off, _ = arcs_on(measured, o.box[rows, :2])
    own, _, _ = arcs_on(measured, np.concatenate([u.corners[step, 0, [0, 3]], u.corners[step, -1, [1, 2]]]))
    front, rear, speed = float(own[:2].max()), float(own[2:].min()), float(u.speed[step, 0])
    half, there = 0.5 * o.box[rows, 3], off <= _LANE_M
    ahead, behind = there & (arc > front), there & (arc <= rear)
    abreast = bool((there & ~ahead & ~behind).any())
    lead = float((arc - half - front)[ahead].min()) if ahead.any() else None
    if not behind.any():
        return Gaps(lead, None, -1, 0.0, 0.0, abreast)
    gaps = np.where(behind, rear - arc - half, np.inf)
    worst = int(gaps.argmin())
    fast = float(o.speed[rows[worst]])
    return Gaps(lead, float(gaps[worst]), int(rows[worst]), max(fast - speed, 0.0), fast, abreast)


def judged_gaps(
    context: MetricContext, step: int, gaps: Gaps, config: LaneChangeGapConfig, what: str
) -> tuple[float, tuple[Event, ...]]:
    """Score of gaps by the deceleration that they impose, and what is to say of them; what: that ego does."""
    span = config.bad_mps2 - config.good_mps2
    score = 1.0 - min(max((gaps.imposed - config.good_mps2) / span, 0.0), 1.0)
    if gaps.none:
        return 0.0, (Event(step, f"{what} without a gap"),)
    if score < 1.0:
        said = f"makes a {{kind}} brake by {gaps.imposed:.1f} m/s2"
        return score, (object_event(context, step, said, gaps.follower),)
    return score, ()
