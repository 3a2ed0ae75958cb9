"""The vehicle model plugin ``dynamic_chain``: heavy vehicles with masses, whose tires slip and whose trailers swing."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.motion.dynamic_chain import (
    DynamicChain,
    advance_dynamic,
    dynamic_chain_of,
    motion_columns,
    road_rows,
    start_motion,
)
from roadcraft.core.interfaces import VehicleModel
from roadcraft.core.vehicles.state import RoadState, VehicleState, level_road
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.validation.config import DynamicChainConfig
from roadcraft.validation.simulation.joints import bounded

LEAST_FRICTION = 0.01
"""Friction below which no road is taken to be: forces over it must stay finite."""


class DynamicChainModel(VehicleModel):
    """Steering, engine and brakes that lag, tires that slip on a friction circle, trailers, roll and hot brakes. It
    feels the road's grade, bank and friction, and the wind. Raises ConfigError for a vehicle without masses."""

    def __init__(self, config: DynamicChainConfig) -> None:
        self.config = config

    def columns(self, vehicle: Vehicle) -> tuple[str, ...]:
        _chain(vehicle)
        return motion_columns(vehicle)

    def start(self, ego: F64, joints: F64, vehicle: Vehicle) -> F64:
        return np.asarray(start_motion(vehicle, ego, joints), np.float64)

    def step(self, ego: F64, joints: F64, controls: F64, dt_s: F64, vehicle: Vehicle) -> tuple[F64, F64]:
        """One step from rest of all that lags, on a level dry road."""
        now = VehicleState(ego, joints, self.start(ego, joints, vehicle))
        after = self.advance(now, controls, dt_s, level_road(len(ego)), vehicle)
        return after.ego, after.joints

    def advance(self, now: VehicleState, controls: F64, dt_s: F64, road: RoadState, vehicle: Vehicle) -> VehicleState:
        under = road_rows(road._replace(friction=np.maximum(road.friction, LEAST_FRICTION)), vehicle)
        ego, joints, motion = map(np.ascontiguousarray, now)
        after = advance_dynamic(ego, joints, motion, np.ascontiguousarray(controls), dt_s, under, _chain(vehicle))
        return VehicleState(after[0], bounded(after[1], vehicle), after[2])


@lru_cache(maxsize=64)
def _chain(vehicle: Vehicle) -> DynamicChain:
    return dynamic_chain_of(vehicle)
