"""Ego keeps out of lanes that are closed to trucks."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roadcraft.core.driving.route_places import closed_to_trucks
from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import Event, MetricResult
from roadcraft.validation.metrics.common.events import runs, span_text
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.common.routes import ego_route
from roadcraft.validation.metrics.freight.common.place_thresholds import LaneRestrictionConfig
from roadcraft.validation.metrics.freight.common.units import unit_name, units
from roadcraft.validation.metrics.freight.places import over_rows


class LaneRestriction(Metric):
    """Weight 2. The share of time in which no unit is in a lane that the map closes to trucks of this mass, but for
    ``free_s`` (in California trucks keep to the right lane, or the second of four or more: CVC 21655). No score where
    neither a lane that unit 0 drives nor one beside it in its road block is closed to the vehicle."""

    role: ClassVar[str] = "weighted"
    weight: ClassVar[float] = 2.0

    def __init__(self, config: LaneRestrictionConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        name, world = "lane_restriction", context.rollout.scenario.map
        if not len(rows := np.flatnonzero(closed_to_trucks(world, context.rollout.vehicle))):
            return MetricResult(name, None)
        driven, block, closed = np.unique(ego_route(context).rows), world.lanes.block, world.places.lane[rows]
        driven = driven[driven >= 0]
        beside = np.isin(block[closed], block[driven]) & (block[closed] >= 0)
        rows = rows[beside | np.isin(closed, driven)]
        if not len(rows):
            return MetricResult(name, None)
        u, time_us = units(context), frames(context).time_us
        within = np.any([over for _, over in over_rows(context, rows)], axis=0)
        steps = within.any(axis=1)
        seconds = float(np.count_nonzero(steps)) * u.dt_s
        score = 1.0 - max(seconds - self.config.free_s, 0.0) / (len(steps) * u.dt_s) if seconds else 1.0
        events = tuple(
            Event(
                int(a),
                f"{unit_name(int(within[a].argmax()))} in a lane that is closed to trucks, "
                + span_text(time_us, int(a), int(b)),
            )
            for a, b in zip(*runs(steps), strict=True)
        )
        stats: dict[str, float | int | bool | None] = {"closed_lane_[s]": seconds, name: not seconds}
        return MetricResult(name, score, stats, events=events)
