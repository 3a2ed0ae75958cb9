"""Open loop: share of plans that miss the expert (reference: nuplan-devkit e924167,
planner_miss_rate_within_bound.py)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import Event, MetricResult
from roadcraft.validation.metrics.common.configs import MissRateConfig
from roadcraft.validation.metrics.common.open_loop import HORIZONS, errors


class PlannerMissRateWithinBound(Metric):
    """Multiplier. 1 where at each horizon at most ``max_rate`` of the plans stray further than ``max_m``, else 0."""

    role: ClassVar[str] = "multiplier"

    def __init__(self, config: MissRateConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        found, name = errors(context), "planner_miss_rate_within_bound"
        missed = found.largest > np.array(self.config.max_m)[:, None]
        rate = missed.mean(axis=1)
        score = float((rate <= self.config.max_rate).all())
        stats: dict[str, float | int | bool | None] = {
            f"planner_miss_rate_horizon_{h}": float(r) for h, r in zip(HORIZONS, rate, strict=True)
        }
        stats[name] = score
        events = tuple(
            Event(
                int(found.step[np.argmax(m)]),
                f"{100 * r:.0f} % of the plans stray over {most:g} m within {h} s, first here",
            )
            for h, m, r, most in zip(HORIZONS, missed, rate, self.config.max_m, strict=True)
            if r > self.config.max_rate
        )
        return MetricResult(name, score, stats, events=events)
