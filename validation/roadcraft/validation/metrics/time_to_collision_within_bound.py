"""Nobody is about to be hit (reference: nuplan-devkit e924167, time_to_collision_within_bound.py)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roadcraft.core.driving.readonly import frozen
from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import Event, MetricResult, Series
from roadcraft.validation.metrics.common.collisions import collisions
from roadcraft.validation.metrics.common.configs import TimeToCollisionConfig
from roadcraft.validation.metrics.common.events import object_event, runs, span_text
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.common.routes import corners
from roadcraft.validation.metrics.kernels.ttc import StepFlags, time_to_collision


class TimeToCollisionWithinBound(Metric):
    """Weight 5. 1 where the time to collision stays above ``min_ttc_s`` at every step (0 at the step of a collision at
    fault), else 0."""

    role: ClassVar[str] = "weighted"
    weight: ClassVar[float] = 5.0

    def __init__(self, config: TimeToCollisionConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        f, contacts, c = frames(context), collisions(context), self.config
        seconds, hit = time_to_collision(
            f.ego,
            f.box,
            f.speed,
            f.objects,
            StepFlags(
                frozen(contacts.first, np.int64),
                frozen(contacts.step_at_fault, np.bool_),
                frozen(corners(context).in_common, np.bool_),
            ),
            context.rollout.scenario.map.index.intersections.arrays,
            c.step_s,
            c.horizon_s,
        )
        good = bool((seconds > c.min_ttc_s).all())
        least = float(
            seconds.min()
        )  # infinite where nobody would be hit: the reference's table then says inf, ours that there is none
        stats = {
            "min_time_to_collision": least if np.isfinite(least) else None,
            "time_to_collision_within_bound": good,
        }
        events = []
        for first, last in zip(*runs(seconds <= c.min_ttc_s), strict=True):
            foreseen = np.flatnonzero(hit[first : last + 1] >= 0)
            step = int(first) + (int(foreseen[0]) if len(foreseen) else 0)
            if len(foreseen):
                what = (
                    f"would hit a {{kind}} within {seconds[step]:.1f} s, {span_text(f.time_us, int(first), int(last))}"
                )
                events.append(object_event(context, step, what, int(hit[step])))
            else:
                events.append(Event(step, "in a collision at fault"))
        unit = f"time_to_collision_under_{c.horizon_s}_seconds [s]"
        return MetricResult(
            "time_to_collision_within_bound",
            float(good),
            stats,
            Series(f.time_us, seconds, unit),
            tuple(events),
        )
