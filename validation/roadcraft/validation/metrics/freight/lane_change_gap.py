"""Gaps that ego takes when it changes lanes."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.scenario import LAST_MOVING
from roadcraft.core.types import Event, MetricResult
from roadcraft.validation.metrics.common.events import object_event
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.freight.lane_changes import WholeLaneChange, lane_changes
from roadcraft.validation.metrics.freight.places import arcs_on
from roadcraft.validation.metrics.freight.thresholds import LaneChangeGapConfig
from roadcraft.validation.metrics.freight.units import units

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
        c, u, f, step = self.config, units(context), frames(context), change.crossing
        o = f.objects
        rows = np.arange(o.offsets[step], o.offsets[step + 1])
        rows = rows[o.kind[rows] <= LAST_MOVING]
        arc, off = arcs_on(change.line, o.box[rows, :2])
        own, _ = arcs_on(change.line, np.concatenate([u.corners[step, 0, [0, 3]], u.corners[step, -1, [1, 2]]]))
        front, rear, speed = float(own[:2].max()), float(own[2:].min()), float(u.speed[step, 0])
        half, there = 0.5 * o.box[rows, 3], off <= _LANE_M
        ahead, behind = there & (arc > front), there & (arc <= rear)
        abreast = there & ~ahead & ~behind
        lead = float((arc - half - front)[ahead].min()) if ahead.any() else None
        lag, imposed = None, 0.0
        worst = -1
        if behind.any():
            gaps = np.where(behind, rear - arc - half, np.inf)
            worst = int(gaps.argmin())
            lag = float(gaps[worst])
            closing = max(float(o.speed[rows[worst]]) - speed, 0.0)
            imposed = closing**2 / (2.0 * max(lag, 0.01))
        score = 1.0 - min(max((imposed - c.good_mps2) / (c.bad_mps2 - c.good_mps2), 0.0), 1.0)
        events: tuple[Event, ...] = ()
        if score < 1.0:
            events = (object_event(context, step, f"makes a {{kind}} brake by {imposed:.1f} m/s2", int(rows[worst])),)
        if abreast.any() or (lag is not None and lag <= 0.0) or (lead is not None and lead <= 0.0):
            score = 0.0
            events = (Event(step, "changes lanes without a gap"),)
        end = change.inside
        stats: dict[str, float | int | bool | None] = {
            "lead_gap_[meters]": lead,
            "lead_gap_[s]": None if lead is None else lead / max(speed, 0.1),
            "lag_gap_[meters]": lag,
            "lag_gap_[s]": None if lag is None else lag / max(float(o.speed[rows[worst]]), 0.1),
            "imposed_deceleration_[mps2]": imposed,
            "duration_[s]": float(u.seconds[end] - u.seconds[change.start]) if end >= 0 else None,
        }
        return score, stats, events
