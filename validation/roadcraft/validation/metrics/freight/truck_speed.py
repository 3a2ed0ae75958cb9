"""Ego keeps the limits of speed that hold for it as a truck."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.route_places import truck_limits
from roadcraft.core.interfaces import MetricContext
from roadcraft.validation.metrics.common.speed_limits import speed_limits
from roadcraft.validation.metrics.freight.common.thresholds import TruckSpeedConfig
from roadcraft.validation.metrics.freight.places import over_rows
from roadcraft.validation.metrics.speed_limit_compliance import SpeedLimitCompliance


class TruckSpeed(SpeedLimitCompliance):
    """Weight 2. As ``speed_limit_compliance``, against the least of the posted limit, those of the map for trucks of
    this mass, ``truck_limit_mps``, and the vehicle's limiter."""

    weight: ClassVar[float] = 2.0
    name: ClassVar[str] = "truck_speed"
    config: TruckSpeedConfig

    def limits(self, context: MetricContext) -> F64:
        vehicle, limit = context.rollout.vehicle, speed_limits(context)
        engine = vehicle.powertrain
        own = [self.config.truck_limit_mps, engine.speed_limiter_mps if engine is not None else None]
        limit = np.minimum(limit, min((v for v in own if v is not None), default=math.inf))
        world = context.rollout.scenario.map
        if len(world.places):
            for row, under in over_rows(context, truck_limits(world, vehicle)):
                limit = np.where(under[:, 0], np.minimum(limit, world.places.value[row]), limit)
        return np.asarray(limit)
