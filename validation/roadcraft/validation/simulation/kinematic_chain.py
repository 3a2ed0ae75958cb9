"""The vehicle model plugin ``kinematic_chain``: units that follow each other without side slip."""

from __future__ import annotations

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.motion.bicycle import motion_of, step
from roadcraft.core.driving.motion.chain import actuators_of, advance_rolling, chain_of
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.interfaces import VehicleModel
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.validation.config import KinematicChainConfig
from roadcraft.validation.simulation.joints import bounded, pulled_joints


class KinematicChain(VehicleModel):
    """Any number of units, forward and in reverse. With one unit ``euler_chord`` is ``kinematic_bicycle``, to the
    bit."""

    def __init__(self, config: KinematicChainConfig) -> None:
        self.config = config

    def step(self, ego: F64, joints: F64, controls: F64, dt_s: F64, vehicle: Vehicle) -> tuple[F64, F64]:
        if self.config.integrator == "rk4":
            model = (chain_of(vehicle), actuators_of(vehicle))
            after, bent = advance_rolling(
                np.ascontiguousarray(ego), np.ascontiguousarray(joints), controls, dt_s, model, self.config.steps
            )
        else:
            after = step(frozen(ego), frozen(controls), frozen(dt_s), *motion_of(vehicle).tolist())
            if not vehicle.joints:
                return after, joints
            bent = pulled_joints(ego, after, joints, vehicle, self.config.steps)
        return after, bounded(bent, vehicle)
