"""The tracker plugin ``lqr``: nuPlan's linear-quadratic tracker."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.motion.lqr import Gains, track
from roadcraft.core.interfaces import Tracker
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.validation.config import LqrConfig


class LqrTracker(Tracker):
    """First stage of nuPlan's two-stage controller (reference: nuplan-devkit e924167, LQRTracker)."""

    def __init__(self, config: LqrConfig) -> None:
        self.gains = Gains(*astuple(config))

    def track(self, ego: F64, time_us: I64, plan_time_us: I64, plan_states: F64, length: I64, vehicle: Vehicle) -> F64:
        return track(
            np.ascontiguousarray(ego), time_us, plan_time_us, plan_states, length, vehicle.body.wheel_base_m, self.gains
        )
