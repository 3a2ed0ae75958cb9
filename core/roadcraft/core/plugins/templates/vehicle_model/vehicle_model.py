"""A kinematic bicycle whose actuators answer at once."""

import numpy as np

from roadcraft.core import F64, Ego, Vehicle, VehicleModel

from __PACKAGE__.plugin import __CLASS__Config


class __CLASS__(VehicleModel):
    def __init__(self, config: __CLASS__Config) -> None:
        self.config = config

    def step(self, ego: F64, joints: F64, controls: F64, dt_s: F64, vehicle: Vehicle) -> tuple[F64, F64]:
        """Egos (B, 10) after ``dt_s`` (B,) of acceleration and steering rate, ``controls`` (B, 2)."""
        bound = self.config.max_acceleration_mps2
        acceleration = np.clip(controls[:, 0], -bound, bound)
        steering = ego[:, Ego.STEERING] + controls[:, 1] * dt_s
        steering = np.clip(steering, -vehicle.max_steering_rad, vehicle.max_steering_rad)
        speed = ego[:, Ego.VX] + acceleration * dt_s
        mean = 0.5 * (ego[:, Ego.VX] + speed)
        turned = mean * np.tan(steering) / vehicle.body.wheel_base_m * dt_s
        direction = ego[:, Ego.HEADING] + 0.5 * turned
        after = ego.copy()
        after[:, Ego.X] += mean * dt_s * np.cos(direction)
        after[:, Ego.Y] += mean * dt_s * np.sin(direction)
        after[:, Ego.HEADING] += turned
        after[:, Ego.VX], after[:, Ego.VY] = speed, 0.0
        after[:, Ego.AX], after[:, Ego.AY] = acceleration, speed * turned / dt_s
        after[:, Ego.STEERING] = steering
        after[:, Ego.YAW_RATE] = turned / dt_s
        after[:, Ego.YAW_ACCEL] = (after[:, Ego.YAW_RATE] - ego[:, Ego.YAW_RATE]) / dt_s
        return after, joints
