"""Drives on as it is, straight ahead and not faster than a limit: the simplest planner that moves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from roadcraft.core.arrays import F64
from roadcraft.core.driving.geometry.angles import wrap
from roadcraft.core.interfaces import Planner
from roadcraft.core.rollout import ObservationBatch, Plan
from roadcraft.core.scenario import EGO_SIZE
from roadcraft.core.types import Keys
from roadcraft.planners.basic_configs import ConstantVelocityConfig


class ConstantVelocity(Planner):
    """A kinematic bicycle with constant acceleration and steering; above the speed limit it loses (speed - limit) m/s
    per second.

    Source: nuplan-devkit e924167, SimplePlanner.
    """

    def __init__(self, config: ConstantVelocityConfig) -> None:
        self.config = config

    def plan(self, obs: ObservationBatch, state: list[Any], keys: Keys) -> tuple[Plan, list[Any]]:
        """Plans with K = 1 and horizon_s / interval_s + 1 states."""
        c = self.config
        step_us, horizon_us = int(c.interval_s * 1e6), int(c.horizon_s * 1e6)
        steps = horizon_us // step_us
        time_us = obs.time_us[:, None] + step_us * np.arange(steps + 1, dtype=np.int64)
        states = np.zeros((len(obs), steps + 1, EGO_SIZE))
        _roll(
            np.ascontiguousarray(obs.ego),
            step_us * 1e-6,
            c.acceleration_mps2,
            c.max_speed_mps,
            c.steering_rad,
            obs.vehicle.body.wheel_base_m,
            obs.vehicle.max_steering_rad,
            states,
        )
        return Plan(time_us, states[:, None], np.zeros((len(obs), 1))), state


@njit(cache=True, nogil=True)
def _roll(
    ego: F64, dt: float, accel: float, limit: float, steering: float, wheel_base: float, max_steering: float, out: F64
) -> None:
    """Fill out (B, T, 10) from ego (B, 10): forward Euler with the old heading, speed and steering."""
    for b in range(ego.shape[0]):
        x, y, heading, vx, vy = ego[b, 0], ego[b, 1], ego[b, 2], ego[b, 3], ego[b, 4]
        ax, angle, yaw_rate, yaw_accel = accel, steering, 0.0, 0.0
        for k in range(out.shape[1]):
            row = out[b, k]
            row[0], row[1], row[2], row[3], row[4], row[5] = x, y, heading, vx, vy, ax
            row[7], row[8], row[9] = angle, yaw_rate, yaw_accel
            speed = np.hypot(vx, vy)
            if speed > limit:
                ax = limit - speed
            x += vx * np.cos(heading) * dt
            y += vx * np.sin(heading) * dt
            heading += vx * np.tan(angle) / wheel_base * dt
            heading = wrap(heading)
            vx += ax * dt
            vy = 0.0
            angle = min(max(angle, -max_steering), max_steering)
            turned = vx * np.tan(angle) / wheel_base
            yaw_accel = (turned - yaw_rate) / dt
            yaw_rate = turned
