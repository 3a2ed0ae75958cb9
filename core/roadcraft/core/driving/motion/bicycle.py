"""The kinematic bicycle with lagging actuators: nuPlan's motion model, as a batch kernel (reference: nuplan-devkit
e924167, KinematicBicycleModel)."""

from __future__ import annotations

from math import cos, sin, tan

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.geometry.angles import wrap
from roadcraft.core.driving.jit import njit
from roadcraft.core.vehicles.vehicle import Vehicle


def motion_of(vehicle: Vehicle) -> F64:
    """The vehicle's constants of motion for kernels: (4,) wheel base m, largest tire angle rad, acceleration and
    steering time constants s."""
    return np.array(
        [vehicle.body.wheel_base_m, vehicle.max_steering_rad, vehicle.accel_lag_s, vehicle.steering_lag_s], np.float64
    )


@njit(cache=True, nogil=True)
def advance(state, accel_cmd, steering_rate_cmd, dt, motion, out):  # type: ignore[no-untyped-def]
    """One ego state (10,) after ``dt`` seconds, written to ``out`` (10,), which may be ``state`` itself. motion (4,):
    of :func:`motion_of`.

    First-order lags on acceleration and steering, then forward Euler with the old heading, speed and steering angle.
    Velocity is not clipped at 0.
    """
    turned = (cos(state[2]), sin(state[2]), tan(state[7]))
    advance_turned(state, turned, (accel_cmd, steering_rate_cmd), dt, motion, out)


@njit(cache=True, nogil=True)
def advance_turned(state, turned, controls, dt, motion, out):  # type: ignore[no-untyped-def]
    """As :func:`advance`, where the cosine and sine of the heading and the tangent of the steering angle are known:
    ``turned``. Returns the tangent of the new steering angle."""
    wheel_base, max_steer, accel_lag, steer_lag = motion[0], motion[1], motion[2], motion[3]
    heading, speed, steering, yaw_rate = state[2], state[3], state[7], state[8]
    cosine, sine, tangent = turned
    accel_cmd, steering_rate_cmd = controls
    accel = dt / (dt + accel_lag) * (accel_cmd - state[5]) + state[5]
    ideal = dt * steering_rate_cmd + steering
    lagged = dt / (dt + steer_lag) * (ideal - steering) + steering
    rate = (lagged - steering) / dt
    new_steering = min(max(steering + rate * dt, -max_steer), max_steer)
    new_speed = speed + accel * dt
    new_tangent = tan(new_steering)
    new_yaw_rate = new_speed * new_tangent / wheel_base
    out[0] = state[0] + speed * cosine * dt
    out[1] = state[1] + speed * sine * dt
    out[2] = wrap(heading + speed * tangent / wheel_base * dt)
    out[3] = new_speed
    out[4] = 0.0
    out[5] = accel
    out[6] = 0.0
    out[7] = new_steering
    out[8] = new_yaw_rate
    out[9] = (new_yaw_rate - yaw_rate) / dt
    return new_tangent


@njit(cache=True, nogil=True)
def step(ego, controls, dt, wheel_base, max_steer, accel_lag, steer_lag):  # type: ignore[no-untyped-def]
    """Ego states after one step.

    ego (B, 10) float64, columns ``Ego``; controls (B, 2) acceleration m/s2 and steering rate rad/s; dt (B,) s > 0
    (microseconds * 1e-6 where equality with nuPlan matters); wheel_base m; max_steer rad; accel_lag, steer_lag s.
    Returns (B, 10). The lateral velocity and acceleration of the result are 0.
    """
    out, motion = np.empty_like(ego), (wheel_base, max_steer, accel_lag, steer_lag)
    for b in range(len(ego)):
        advance(ego[b], controls[b, 0], controls[b, 1], dt[b], motion, out[b])
    return out
