"""The vehicle model plugin ``kinematic_bicycle``: nuPlan's motion model for vehicles of one rigid unit."""

from __future__ import annotations

from roadcraft.core.arrays import F64
from roadcraft.core.driving.motion.bicycle import motion_of, step
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.errors import ConfigError
from roadcraft.core.interfaces import VehicleModel
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.validation.config import KinematicBicycleConfig


class KinematicBicycle(VehicleModel):
    """Second stage of nuPlan's two-stage controller (reference: nuplan-devkit e924167, KinematicBicycleModel)."""

    def __init__(self, config: KinematicBicycleConfig) -> None:
        self.config = config

    def step(self, ego: F64, joints: F64, controls: F64, dt_s: F64, vehicle: Vehicle) -> tuple[F64, F64]:
        """Raises ConfigError for a vehicle with trailers, which this model cannot pull."""
        if len(vehicle.units) > 1:
            raise ConfigError(
                f"vehicle {vehicle.name!r} has {len(vehicle.units)} units; kinematic_bicycle drives one. Choose "
                "another simulation.vehicle_model, as dynamic_chain"
            )
        return step(frozen(ego), frozen(controls), frozen(dt_s), *motion_of(vehicle).tolist()), joints
