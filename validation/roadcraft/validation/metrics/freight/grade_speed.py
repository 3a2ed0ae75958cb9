"""Ego keeps the speed that its weight allows on downgrades."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.downgrades import advised_speeds, downgrades
from roadcraft.core.interfaces import MetricContext
from roadcraft.core.types import MetricResult
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.common.once import once_per_rollout
from roadcraft.validation.metrics.common.routes import ego_route
from roadcraft.validation.metrics.freight.common.lines import arcs_on, lane_line
from roadcraft.validation.metrics.freight.common.place_thresholds import GradeSpeedConfig
from roadcraft.validation.metrics.speed_limit_compliance import SpeedLimitCompliance


class GradeSpeed(SpeedLimitCompliance):
    """Weight 2. As ``speed_limit_compliance``, against the weight-specific advisory of the downgrade that unit 0 is on,
    after FHWA's grade severity rating system (as recalled and unverified). A downgrade is that of the map, from its top
    to its end. No score without masses, or where no downgrade is driven that needs an advisory."""

    weight: ClassVar[float] = 2.0
    name: ClassVar[str] = "grade_speed"
    config: GradeSpeedConfig

    def compute(self, context: MetricContext) -> MetricResult:
        if np.isinf(self.limits(context)).all():
            return MetricResult(self.name, None)
        return super().compute(context)

    def limits(self, context: MetricContext) -> F64:
        return _advised(context)


@once_per_rollout
def _advised(context: MetricContext) -> F64:
    """(n,) m/s, infinite where nothing is advised."""
    world, vehicle = context.rollout.scenario.map, context.rollout.vehicle
    out = np.full(len(context.rollout), math.inf)
    if not vehicle.masses or not len(world.places):
        return out
    hills, speeds = downgrades(world), advised_speeds(world, vehicle)
    if np.isinf(speeds).all():
        return out
    route = ego_route(context)
    lanes, center = np.where(route.count > 0, route.rows[:, 0], -1), frames(context).box[:, :2]
    for lane in np.unique(lanes[lanes >= 0]).tolist():
        at = np.flatnonzero(lanes == lane)
        stretches = [k for k in range(hills.first[lane], hills.first[lane + 1]) if hills.downgrade[k] >= 0]
        if stretches:
            arc, _, _ = arcs_on(lane_line(world, lane), center[at])
            for k in stretches:
                on = at[(arc >= hills.span_m[k, 0]) & (arc <= hills.span_m[k, 1])]
                out[on] = np.minimum(out[on], speeds[hills.downgrade[k]])
    return out
