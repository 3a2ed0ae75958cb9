"""Drives on as it is, straight ahead and not faster than a limit: the simplest planner that moves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from roadcraft.core.data.plan import Plan
from roadcraft.core.data.rollout import ObservationBatch
from roadcraft.core.data.scenario import EGO_SIZE
from roadcraft.core.driving.geometry.angles import wrap
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.interfaces import Planner
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
        time_us = np.empty((len(obs), steps + 1), np.int64)
        states = np.zeros((len(obs), 1, steps + 1, EGO_SIZE))
        _roll(
            frozen(obs.ego),
            frozen(obs.time_us, np.int64),
            step_us,
            (
                c.acceleration_mps2,
                c.max_speed_mps,
                c.steering_rad,
                obs.vehicle.body.wheel_base_m,
                obs.vehicle.max_steering_rad,
            ),
            (time_us, states),
        )
        return Plan(time_us, states, np.zeros((len(obs), 1))), state


@njit(cache=True, nogil=True)
def _roll(ego, now_us, step_us, motion, out):  # type: ignore[no-untyped-def]
    """Fill the times (B, T) and states (B, 1, T, 10) of ``out`` from ego (B, 10) at now_us (B,): forward Euler with the
    old heading, speed and steering. motion: acceleration, speed limit, steering, wheel base, largest steering."""
    (accel, limit, steering, wheel_base, max_steering), (time_us, states) = motion, out
    dt = step_us * 1e-6
    for b in range(ego.shape[0]):
        x, y, heading, vx, vy = ego[b, 0], ego[b, 1], ego[b, 2], ego[b, 3], ego[b, 4]
        ax, angle, yaw_rate, yaw_accel = accel, steering, 0.0, 0.0
        c, s, slope = math.cos(heading), math.sin(heading), math.tan(angle)
        for k in range(states.shape[2]):
            time_us[b, k] = now_us[b] + k * step_us
            row = states[b, 0, k]
            row[0], row[1], row[2], row[3], row[4], row[5] = x, y, heading, vx, vy, ax
            row[7], row[8], row[9] = angle, yaw_rate, yaw_accel
            speed = np.hypot(vx, vy)
            if speed > limit:
                ax = limit - speed
            x += vx * c * dt
            y += vx * s * dt
            turned = wrap(heading + vx * slope / wheel_base * dt)
            if turned != heading:
                heading, c, s = turned, math.cos(turned), math.sin(turned)
            vx += ax * dt
            vy = 0.0
            if abs(angle) > max_steering:
                angle = min(max(angle, -max_steering), max_steering)
                slope = math.tan(angle)
            turned = vx * slope / wheel_base
            yaw_accel = (turned - yaw_rate) / dt
            yaw_rate = turned
