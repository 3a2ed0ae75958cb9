"""Chains of units: where trailers are, how they follow without side slip, and what follows poses of unit 0 alone.

Joint i is heading i less heading i - 1, so a left turn makes joints negative. A unit's pose is that of its axle; the
hitch of the next unit lies ``hitch`` ahead of it. The same equations hold forward and in reverse.
"""

from __future__ import annotations

import math
from math import atan2, cos, exp, expm1, sin, tan
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.geometry.angles import wrap
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.vehicles.vehicle import Vehicle


class ChainArrays(NamedTuple):
    """Lengths of a vehicle's n units for kernels."""

    wheel_base: F64
    """(n,) m; of unit 0 rear to steered axle, of the others hitch to axle."""
    hitch: F64
    """(n,) m; the next unit's hitch ahead of the unit's axle."""
    front: F64
    """(n,) m; axle to front end."""
    rear: F64
    """(n,) m; axle to rear end."""
    width: F64
    """(n,) m."""


class Actuators(NamedTuple):
    """Limits and lags of the kinematic chain."""

    max_steering: float
    """Largest tire angle, rad."""
    max_steering_rate: float
    """Largest rate of the tire angle, rad/s; infinite for none."""
    accel_lag: float
    """Time constant of the acceleration, s."""
    steering_lag: float
    """Time constant of the steering, s."""


FREE = Actuators(math.inf, math.inf, 0.0, 0.0)
"""No limit and no lag."""


def chain_of(vehicle: Vehicle) -> ChainArrays:
    """The lengths of a vehicle's units."""
    rows = [(u.wheel_base_m, u.hitch_m, u.front_m, u.rear_m, u.width_m) for u in vehicle.units]
    return ChainArrays(*np.array(rows, np.float64).T.copy())


def actuators_of(vehicle: Vehicle) -> Actuators:
    """The limits and lags of a vehicle."""
    rate = vehicle.max_steering_rate_radps
    return Actuators(
        float(vehicle.max_steering_rad),
        math.inf if rate is None else float(rate),
        float(vehicle.accel_lag_s),
        float(vehicle.steering_lag_s),
    )


@small_njit
def place_units(pose, joints, chain, out):  # type: ignore[no-untyped-def]
    """Poses of all units of one vehicle, out (n, 3), from unit 0's pose (>= 3,) and the joints (n - 1,)."""
    heading = pose[2]
    c, s = cos(heading), sin(heading)
    out[0, 0], out[0, 1], out[0, 2] = pose[0], pose[1], heading
    for i in range(1, len(chain.wheel_base)):
        ahead = chain.hitch[i - 1]
        x, y = out[i - 1, 0] + ahead * c, out[i - 1, 1] + ahead * s
        heading = wrap(heading + joints[i - 1])
        c, s = cos(heading), sin(heading)
        out[i, 0], out[i, 1], out[i, 2] = x - chain.wheel_base[i] * c, y - chain.wheel_base[i] * s, heading


@njit(cache=True, nogil=True)
def unit_poses(states, joints, chain):  # type: ignore[no-untyped-def]
    """Poses (B, n, 3) of the axles of all units: x, y m, heading rad, global frame.

    states (B, >= 3): x, y, heading of unit 0; joints (B, n - 1) rad; chain: of :func:`chain_of`. Headings of trailers
    are in [-pi, pi).
    """
    out = np.empty((len(states), len(chain.wheel_base), 3))
    for b in range(len(states)):
        place_units(states[b], joints[b], chain, out[b])
    return out


@njit(cache=True, nogil=True)
def unit_boxes(states, joints, chain):  # type: ignore[no-untyped-def]
    """Boxes (B, n, 5) of all units: center x, y, heading, length, width. Arguments as of :func:`unit_poses`."""
    n = len(chain.wheel_base)
    out = np.empty((len(states), n, 5))
    for b in range(len(states)):
        place_units(states[b], joints[b], chain, out[b])
        for i in range(n):
            ahead, heading = 0.5 * (chain.front[i] - chain.rear[i]), out[b, i, 2]
            out[b, i, 0] += ahead * cos(heading)
            out[b, i, 1] += ahead * sin(heading)
            out[b, i, 3] = chain.front[i] + chain.rear[i]
            out[b, i, 4] = chain.width[i]
    return out


@small_njit
def rolling_rates(state, speed, yaw_rate, chain, out):  # type: ignore[no-untyped-def]
    """Time derivatives of x, y, heading and joints, out (2 + n,), of one vehicle whose axles do not slip sideways.

    state (2 + n,): x, y, heading of unit 0, joints; speed m/s, signed, and yaw_rate rad/s of unit 0.
    """
    out[0], out[1], out[2] = speed * cos(state[2]), speed * sin(state[2]), yaw_rate
    for i in range(1, len(chain.wheel_base)):
        c, s, across = cos(state[2 + i]), sin(state[2 + i]), chain.hitch[i - 1] * yaw_rate
        turning = (across * c - speed * s) / chain.wheel_base[i]
        out[2 + i] = turning - yaw_rate
        speed, yaw_rate = speed * c + across * s, turning


@small_njit
def roll_on(state, speeds, angles, dt, chain, work):  # type: ignore[no-untyped-def]
    """One Runge-Kutta step of fourth order, in place.

    state (2 + n,) as of :func:`rolling_rates`; speeds, angles: speed and steering angle at the start and the end of the
    step, linear between; work (5, 2 + n): scratch.
    """
    trial, m = work[4], len(state)
    for k in range(4):
        f = 0.0 if k == 0 else 1.0 if k == 3 else 0.5
        speed = speeds[0] + f * (speeds[1] - speeds[0])
        steering = angles[0] + f * (angles[1] - angles[0])
        for j in range(m):
            trial[j] = state[j] if k == 0 else state[j] + f * dt * work[k - 1, j]
        rolling_rates(trial, speed, speed * tan(steering) / chain.wheel_base[0], chain, work[k])
    for j in range(m):
        state[j] += dt / 6.0 * (work[0, j] + 2.0 * (work[1, j] + work[2, j]) + work[3, j])


@njit(cache=True, nogil=True)
def advance_rolling(ego, joints, controls, dt, model, steps=2):  # type: ignore[no-untyped-def]
    """Ego states (B, 10) and joints (B, n - 1) after one interval in which no axle slips sideways.

    ego (B, 10) float64, columns ``Ego``; joints (B, n - 1) rad; controls (B, 2): acceleration m/s2 and steering rate
    rad/s; dt (B,) s > 0; model: :class:`ChainArrays` and :class:`Actuators`; steps: Runge-Kutta steps of fourth order
    in the interval. Limits and lags are those of the kinematic bicycle, and the rate of steering is limited first;
    speed and steering angle are linear in the interval. Lateral velocity and acceleration of the result are 0.
    """
    chain, actuators = model
    size = 2 + len(chain.wheel_base)
    out, bent = np.empty_like(ego), np.empty_like(joints)
    state, work = np.empty(size), np.empty((5, size))
    for b in range(len(ego)):
        old, t = ego[b], dt[b]
        rate = min(max(controls[b, 1], -actuators.max_steering_rate), actuators.max_steering_rate)
        accel = old[5] + t / (t + actuators.accel_lag) * (controls[b, 0] - old[5])
        angle = old[7] + t / (t + actuators.steering_lag) * rate * t
        angle = min(max(angle, -actuators.max_steering), actuators.max_steering)
        for j in range(size):
            state[j] = old[j] if j < 3 else joints[b, j - 3]
        for k in range(steps):
            a, z = k / steps, (k + 1) / steps
            speeds = (old[3] + a * accel * t, old[3] + z * accel * t)
            angles = (old[7] + a * (angle - old[7]), old[7] + z * (angle - old[7]))
            roll_on(state, speeds, angles, t / steps, chain, work)
        speed = old[3] + accel * t
        yaw_rate = speed * tan(angle) / chain.wheel_base[0]
        new = out[b]
        new[0], new[1], new[2], new[3], new[4] = state[0], state[1], wrap(state[2]), speed, 0.0
        new[5], new[6], new[7], new[8], new[9] = accel, 0.0, angle, yaw_rate, (yaw_rate - old[8]) / t
        for j in range(3, size):
            bent[b, j - 3] = wrap(state[j])
    return out, bent


@small_njit
def chord_turn(dx, dy, c, s, length):  # type: ignore[no-untyped-def]
    """How far a unit turns, rad, as its hitch, ``length`` m ahead of its axle, goes by (dx, dy) in a straight line; c,
    s: cosine and sine of its heading before."""
    far = math.hypot(dx, dy)
    if not far > 0.0:
        return 0.0
    along, across = (dx * c + dy * s) / far, (dx * s - dy * c) / far
    return 2.0 * atan2(expm1(-far / length) * across, 1.0 + along + exp(-far / length) * (1.0 - along))


@small_njit
def pull_on(old, new, joints, chain):  # type: ignore[no-untyped-def]
    """The joints of one vehicle, in place, as unit 0 goes straight from one pose (3,) to another."""
    ahead = chain.hitch[0]
    before, after = old[2], new[2]
    dx = new[0] - old[0] + ahead * (cos(after) - cos(before))
    dy = new[1] - old[1] + ahead * (sin(after) - sin(before))
    for i in range(1, len(chain.wheel_base)):
        heading, length, ahead = before + joints[i - 1], chain.wheel_base[i], chain.hitch[i]
        c, s = cos(heading), sin(heading)
        turn = chord_turn(dx, dy, c, s, length)
        joints[i - 1] = wrap(joints[i - 1] + turn - (after - before))
        before, after = heading, heading + turn
        # the next hitch lies ahead - length ahead of this one
        dx += (ahead - length) * (cos(after) - c)
        dy += (ahead - length) * (sin(after) - s)


@small_njit
def pull_between(a, z, joints, chain, steps, arc):  # type: ignore[no-untyped-def]
    """The joints of one vehicle, in place, as unit 0 goes from pose ``a`` to ``z`` (>= 3,) on a circular arc, in
    ``steps`` parts. arc (2, 3): scratch."""
    old, new = arc[0], arc[1]
    old[0], old[1], old[2] = a[0], a[1], a[2]
    turn = wrap(z[2] - a[2])
    for k in range(1, steps + 1):
        f = k / steps
        share = f if abs(turn) < 1e-6 else sin(0.5 * f * turn) / sin(0.5 * turn)
        c, s = share * cos(0.5 * (f - 1.0) * turn), share * sin(0.5 * (f - 1.0) * turn)
        new[0] = a[0] + c * (z[0] - a[0]) - s * (z[1] - a[1])
        new[1] = a[1] + s * (z[0] - a[0]) + c * (z[1] - a[1])
        new[2] = a[2] + f * turn
        pull_on(old, new, joints, chain)
        old[0], old[1], old[2] = new[0], new[1], new[2]


@njit(cache=True, nogil=True)
def pull_joints(poses, joints, chain, steps=1):  # type: ignore[no-untyped-def]
    """Joints (B, T, n - 1) behind given poses of unit 0: each hitch is pulled, or pushed, along its chord.

    poses (B, T, >= 3): x, y, heading of unit 0, no more than half a turn between two of them; joints (B, n - 1) at the
    first; chain: of :func:`chain_of`; steps: parts of each interval, unit 0 on a circular arc between its poses. Exact
    where hitches move straight, and stable at any distance.
    """
    count, times, _ = poses.shape
    out, arc = np.empty((count, times, joints.shape[1])), np.empty((2, 3))
    for b in range(count):
        for j in range(joints.shape[1]):
            out[b, 0, j] = joints[b, j]
        for t in range(1, times):
            for j in range(joints.shape[1]):
                out[b, t, j] = out[b, t - 1, j]
            pull_between(poses[b, t - 1], poses[b, t], out[b, t], chain, steps, arc)
    return out
