"""A pure-pursuit tracker: steers along the arc through a point ahead on the plan, and closes the gap in speed."""

import numpy as np
from numpy.typing import NDArray

from roadcraft.core import F64, I64, Ego, Tracker, Vehicle

from __PACKAGE__.plugin import __CLASS__Config


class __CLASS__(Tracker):
    def __init__(self, config: __CLASS__Config) -> None:
        self.config = config

    def track(
        self, ego: F64, time_us: I64, plan_time_us: I64, plan_states: F64, length: I64, vehicle: Vehicle
    ) -> NDArray[np.float64]:
        """Controls (B, 2) for egos (B, 10) and plans (B, T, 10) whose first ``length`` states count."""
        ahead_s = self.config.look_ahead_s
        row = (plan_time_us <= time_us[:, None] + round(ahead_s * 1e6)).sum(1) - 1
        target = plan_states[np.arange(len(ego)), np.clip(row, 0, length - 1)]
        dx, dy = (target[:, : Ego.HEADING] - ego[:, : Ego.HEADING]).T
        cos, sin = np.cos(ego[:, Ego.HEADING]), np.sin(ego[:, Ego.HEADING])
        left = cos * dy - sin * dx
        curvature = 2.0 * left / np.maximum(dx**2 + dy**2, 1.0)
        steering = np.arctan(curvature * vehicle.body.wheel_base_m)
        steering = np.clip(steering, -vehicle.max_steering_rad, vehicle.max_steering_rad)
        acceleration = (target[:, Ego.VX] - ego[:, Ego.VX]) / ahead_s
        return np.stack([acceleration, (steering - ego[:, Ego.STEERING]) / ahead_s], 1)
