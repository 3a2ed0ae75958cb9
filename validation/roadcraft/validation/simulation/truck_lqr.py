"""The tracker plugin ``truck_lqr``: for articulated and heavy vehicles, forward and in reverse."""

from __future__ import annotations

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.motion.truck_lqr import track_trucks, truck_gains
from roadcraft.core.interfaces import Tracker
from roadcraft.core.vehicles.state import VehicleState
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.validation.config import TruckLqrConfig
from roadcraft.validation.simulation.joints import rolling_joint_rates


class TruckLqr(Tracker):
    """Holds unit 0 on the plan, in reverse the last unit on the path that the plan gives it."""

    def __init__(self, config: TruckLqrConfig) -> None:
        self.config = config

    def track(self, ego: F64, time_us: I64, plan_time_us: I64, plan_states: F64, length: I64, vehicle: Vehicle) -> F64:
        """Controls of vehicles whose trailers are straight behind them."""
        now = VehicleState(ego, np.zeros((len(ego), vehicle.joints)), np.zeros((len(ego), 0)))
        return self.follow(now, time_us, plan_time_us, plan_states, length, vehicle)

    def follow(
        self, now: VehicleState, time_us: I64, plan_time_us: I64, plan_states: F64, length: I64, vehicle: Vehicle
    ) -> F64:
        """Where the vehicle model keeps no rates, those of axles that do not slip are taken."""
        links = vehicle.joints
        if now.motion.shape[1] > links:
            rates = np.ascontiguousarray(now.motion[:, : links + 1])
        else:
            rates = np.zeros((len(now.ego), links + 1))
            rates[:, :links] = rolling_joint_rates(now.ego, now.joints, vehicle)
        ego, joints = np.ascontiguousarray(now.ego), np.ascontiguousarray(now.joints)
        plan = (plan_time_us, np.ascontiguousarray(plan_states), length)
        controls: F64 = track_trucks(ego, joints, rates, time_us, plan, truck_gains(vehicle, self.config))
        return controls
