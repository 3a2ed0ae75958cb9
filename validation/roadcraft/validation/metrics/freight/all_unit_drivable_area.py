"""All units of ego stay on the drivable area."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import Event, MetricResult, Series
from roadcraft.validation.metrics.common.events import runs, span_text
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.freight.common.outlines import outline_departures
from roadcraft.validation.metrics.freight.common.thresholds import AllUnitDrivableAreaConfig
from roadcraft.validation.metrics.freight.common.units import unit_name


class AllUnitDrivableArea(Metric):
    """Multiplier. 0 where a corner of a unit, or a point of its sides (one each meter: a trailer's side cuts a curb
    while its corners are on the road), ever stands ``tolerance_m`` or more beyond the drivable area and unit 0's own
    lanes, else 1. ``wheel_off_road`` tells whether a tire was off the road."""

    role: ClassVar[str] = "multiplier"

    def __init__(self, config: AllUnitDrivableAreaConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        name, time_us = "all_unit_drivable_area", frames(context).time_us
        found = outline_departures(context)
        values = np.stack([d.most[:, 0] for d in found], 1)
        score = 0.0 if (values >= self.config.tolerance_m).any() else 1.0
        stats: dict[str, float | int | bool | None] = {name: bool(score), f"max_{name}_[meters]": float(values.max())}
        for i, d in enumerate(found):
            stats[f"max_distance_of_unit_{i}_[meters]"] = float(values[:, i].max())
            stats[f"wheel_off_road_of_unit_{i}"] = bool((d.most[:, 1] > 0.0).any())
        events = []
        for i in np.flatnonzero((values >= self.config.tolerance_m).any(axis=0)).tolist():
            for a, b in zip(*runs(np.asarray(values[:, i] >= self.config.tolerance_m)), strict=True):
                step = int(a) + int(values[a : b + 1, i].argmax())
                what = f"{unit_name(i)} {values[step, i]:.2f} m beyond the drivable area, "
                events.append(Event(step, what + span_text(time_us, int(a), int(b))))
        names = tuple(unit_name(i) for i in range(len(found)))
        return MetricResult(name, score, stats, Series(time_us, values, "meters", names), tuple(events))
