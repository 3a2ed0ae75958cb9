"""A tracker for heavy and articulated vehicles: linear-quadratic about the steady turn of the plan's curvature.

Forward it holds unit 0's rear axle on the plan. At low speed its model is the bicycle without slip, above that the
linear single track of the whole chain; both with the lag of the steering, so that nothing swings up. In reverse, where
joints are unstable, it holds the last unit on the path that the plan gives it.
"""

from __future__ import annotations

from functools import lru_cache
from math import atan, cos, hypot, sin, sqrt
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.geometry.angles import unwrap, wrap
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.motion.chain import ChainArrays, chain_of, place_units, pull_on
from roadcraft.core.driving.motion.drivetrain import REVERSING_MPS2
from roadcraft.core.driving.motion.linear_single_track import linear_single_track
from roadcraft.core.driving.motion.lqr import (
    NUPLAN,
    accelerate,
    fit_curvature,
    fit_speed,
    interpolated,
    sample_plan,
    speed_factors,
)
from roadcraft.core.driving.motion.truck_lqr_config import TruckLqrConfig
from roadcraft.core.vehicles.vehicle import Vehicle

SLOW_MPS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0)
"""Speeds whose gains are those of the bicycle without slip."""
FAST_MPS = tuple(range(7, 42, 2))
"""Speeds whose gains are those of the linear single track."""
_STEP_S = 0.1
_LEAST_LAG_S = 0.01
_END_M = 0.5


class TruckGains(NamedTuple):
    """Gains of one vehicle by speed for kernels, and what they need to know of it.

    State: lateral velocity m/s and yaw rate rad/s of unit 0's center of gravity, joint rates (J), joints (J), steering
    angle and its rate, lateral and heading error of unit 0's rear axle; n = 6 + 2 J.
    """

    speeds: F64
    """(V,) m/s, ascending."""
    gains: F64
    """(V, n): steering rate per state, forward."""
    steady: F64
    """(V, n): the state in a steady turn, per curvature of the rear axle's path."""
    reverse: F64
    """(3 + J,): steering per meter by lateral and heading error of the last unit, joints, steering angle."""
    chain: ChainArrays
    """Lengths of the units."""
    cog: float
    """Center of gravity of unit 0 ahead of its rear axle, m."""
    lag: float
    """Time constant of the steering, s."""
    max_rate: float
    """Largest steering rate, rad/s; infinite for none."""
    max_steering: float
    """Largest steering angle, rad."""
    brake: float
    """Deceleration of full braking, m/s2; infinite where it is not known."""
    lags: tuple[float, float]
    """How long the acceleration comes after what is asked of brakes and of the engine, s."""
    limits: tuple[float, float, float, float]
    """``most_lateral_reverse``, ``gentle_jerk``, ``gentle_accel``, ``most_jerk``."""


@lru_cache(maxsize=64)
def truck_gains(vehicle: Vehicle, config: TruckLqrConfig) -> TruckGains:
    """The gains for a vehicle in its state of load. One without masses has those of low speed at all speeds. Raises
    ConfigError where an axle would lift off."""
    speeds = (*SLOW_MPS, *(FAST_MPS if vehicle.masses else ()))
    rows = [_slow(vehicle, v, config) if v in SLOW_MPS else _fast(vehicle, v, config) for v in speeds]
    rate, load = vehicle.max_steering_rate_radps, vehicle.loads.get(vehicle.load)
    return TruckGains(
        np.array(speeds, np.float64),
        np.array([gain for gain, _ in rows]),
        np.array([steady for _, steady in rows]),
        _reverse(vehicle, config),
        chain_of(vehicle),
        _cog(vehicle),
        max(float(vehicle.steering_lag_s), _LEAST_LAG_S),
        np.inf if rate is None else float(rate),
        float(vehicle.max_steering_rad),
        np.inf if load is None else float(load.brake_mps2),
        (
            vehicle.accel_lag_s if vehicle.brakes is None else vehicle.brakes.dead_s + vehicle.brakes.lag_s,
            vehicle.accel_lag_s if vehicle.powertrain is None else vehicle.powertrain.drive_lag_s,
        ),
        (config.most_lateral_reverse, config.gentle_jerk, config.gentle_accel, config.most_jerk),
    )


def _regulator(a: F64, b: F64, q: F64, r: float, step: float = _STEP_S) -> F64:
    """Gains (n,) of the discrete regulator of ``x' = a x + b u`` with weights q (n,) and r, held for ``step``."""
    from scipy.linalg import expm, solve_discrete_are

    n = len(a)
    block = np.zeros((n + 1, n + 1))
    block[:n, :n], block[:n, n] = a, b
    held = expm(block * step)
    ad, bd = held[:n, :n], held[:n, n:]
    p = solve_discrete_are(ad, bd, np.diag(q), np.array([[r]]))
    return np.asarray((np.linalg.solve(r + bd.T @ p @ bd, bd.T @ p @ ad))[0])


def _with_actuator(a: F64, b: F64, lag: float) -> tuple[F64, F64]:
    """The model driven by a steering angle (its last state but one) whose rate lags the command (its last)."""
    n = len(a)
    out = np.zeros((n + 2, n + 2))
    out[:n, :n], out[:n, n], out[n, n + 1], out[n + 1, n + 1] = a, b, 1.0, -1.0 / lag
    drive = np.zeros(n + 2)
    drive[n + 1] = 1.0 / lag
    return out, drive


def _slow(vehicle: Vehicle, speed: float, config: TruckLqrConfig) -> tuple[F64, F64]:
    """Gains and steady state at a speed at which no axle slips."""
    base, joints = vehicle.body.wheel_base_m, vehicle.joints
    a, b = _with_actuator(
        np.array([[0.0, speed], [0.0, 0.0]]),
        np.array([0.0, speed / base]),
        max(vehicle.steering_lag_s, _LEAST_LAG_S),
    )
    q = np.array([config.q_lateral, config.q_heading_slow, 0.0, 0.0])
    lateral, heading, angle, rate = _regulator(a, b, q, config.r_steering_slow)
    gain, steady = np.zeros(6 + 2 * joints), np.zeros(6 + 2 * joints)
    gain[-4:] = angle, rate, lateral, heading
    steady[0], steady[1], steady[-4] = speed * _cog(vehicle), speed, base
    for i in range(joints):
        steady[2 + joints + i] = vehicle.units[i].hitch_m - vehicle.units[i + 1].wheel_base_m
    return gain, steady


def _cog(vehicle: Vehicle) -> float:
    return float(vehicle.masses[0].cog_m) if vehicle.masses else 0.0


def _fast(vehicle: Vehicle, speed: float, config: TruckLqrConfig) -> tuple[F64, F64]:
    """Gains and steady state at a speed at which tires slip."""
    model, joints, cog = linear_single_track(vehicle, speed), vehicle.joints, _cog(vehicle)
    m = 2 + 2 * joints
    a, b = np.zeros((m + 2, m + 2)), np.zeros(m + 2)
    a[:m, :m], b[:m] = model.A, model.B
    a[m, 0], a[m, 1], a[m, m + 1] = 1.0, -cog, speed  # lateral error of the rear axle
    a[m + 1, 1] = 1.0
    full, drive = _with_actuator(a, b, max(vehicle.steering_lag_s, _LEAST_LAG_S))
    order = [*range(m), m + 2, m + 3, m, m + 1]  # errors last
    full, drive = full[np.ix_(order, order)], drive[order]
    q = np.zeros(m + 4)
    q[2 : 2 + joints] = config.q_joint_rate
    q[-2:] = config.q_lateral, config.q_heading
    # the steady turn of curvature 1: yaw rate = speed, no rates; unknown lateral velocity, joints, steering
    moving = model.A[: 2 + joints]
    unknown = np.column_stack([moving[:, 0], moving[:, 2 + joints :], model.B[: 2 + joints]])
    found = np.linalg.solve(unknown, -speed * moving[:, 1])
    steady = np.zeros(m + 4)
    steady[0], steady[1], steady[2 + joints : m], steady[m] = found[0], speed, found[1:-1], found[-1]
    steady[-1] = -(found[0] - cog * speed) / speed
    return _regulator(full, drive, q, config.r_steering), steady


def _reverse(vehicle: Vehicle, config: TruckLqrConfig) -> F64:
    """Gains of steering per meter driven backward: by lateral and heading error of the last unit, joints (J), steering
    angle. The chain without slip, about the straight."""
    from scipy.linalg import solve_continuous_are

    n, units = len(vehicle.units), vehicle.units
    # turning of each unit per meter, by joints (J) and steering angle, unit 0 moving backward
    turning = np.zeros((n, n))
    turning[0, n - 1] = -1.0 / units[0].wheel_base_m
    for i in range(1, n):
        turning[i] = units[i - 1].hitch_m * turning[i - 1] / units[i].wheel_base_m
        turning[i, i - 1] += 1.0 / units[i].wheel_base_m
    size = n + 2
    a, b = np.zeros((size, size)), np.zeros((size, 1))
    a[0, 1] = -1.0
    a[1, 2:] = turning[-1]
    for i in range(1, n):
        a[1 + i, 2:] = turning[i] - turning[i - 1]
    b[-1] = 1.0
    q = [config.q_lateral_reverse, config.q_heading_reverse]
    q += [config.q_joint_reverse] * (n - 1) + [config.q_steering_reverse]
    p = solve_continuous_are(a, b, np.diag(q), np.array([[config.r_steering_reverse]]))
    return np.asarray((b.T @ p)[0] / config.r_steering_reverse)


@njit(cache=True, nogil=True)
def _fitted(times, states, count, first, work):  # type: ignore[no-untyped-def]
    """Speeds and curvatures of a plan from its knot ``first`` on, every 0.1 s, into rows 3 and 5 of work (6, M);
    returns how many."""
    tick, dt = np.int64(_STEP_S * 1e6), _STEP_S
    headings, along, turn, v, s, profile = work[0], work[1], work[2], work[3], work[4], work[5]
    unwrap(states[:count, 2], count, headings)
    m = np.int64((times[count - 1] - times[first]) // tick)
    x0, y0, h0 = sample_plan(times, states, headings, first, times[first])
    j = first + 1
    for k in range(m):
        t = times[first] + (k + 1) * tick
        while times[j] < t:
            j += 1
        x, y, h = sample_plan(times, states, headings, j - 1, t)
        mean = h0 + 0.5 * wrap(h - h0)
        along[k] = cos(mean) * (x - x0) + sin(mean) * (y - y0)
        turn[k] = wrap(h - h0)
        x0, y0, h0 = x, y, h
    fit_speed(along, speed_factors(m, dt, NUPLAN.jerk_penalty, np.bool_(False)), dt, m, v)
    fit_curvature(turn, v, dt, NUPLAN.curvature_rate_penalty, m, s, profile)
    return m


@njit(cache=True, nogil=True)
def _curvature(ahead_s, profile, m):  # type: ignore[no-untyped-def]
    """Curvature of the fitted plan so many seconds after its first pose; each value stands for the middle of its
    0.1 s."""
    at = ahead_s / _STEP_S - 0.5
    k = min(max(int(np.floor(at)), 0), max(m - 2, 0))
    f = min(max(at - k, 0.0), 1.0)
    return profile[k] + f * (profile[min(k + 1, m - 1)] - profile[k])


@njit(cache=True, nogil=True)
def _steering_of(curvature, steady, base):  # type: ignore[no-untyped-def]
    """Steering angle in a steady turn of that curvature, where it is ``steady`` per curvature at small ones."""
    return atan(base * curvature) + (steady - base) * curvature


@njit(cache=True, nogil=True)
def _steer_forward(ego, joints, rates, reference, asked, g):  # type: ignore[no-untyped-def]
    """Steering rate. reference (3,): the plan's pose now; asked (4,): its curvatures now, one step and one lag of the
    steering later, and both."""
    links, speed = len(joints), max(ego[3], g.speeds[0])
    at = min(max(np.searchsorted(g.speeds, speed) - 1, 0), len(g.speeds) - 2)
    f = min(max((speed - g.speeds[at]) / (g.speeds[at + 1] - g.speeds[at]), 0.0), 1.0)
    base, n = g.chain.wheel_base[0], 6 + 2 * links
    angle = n - 4
    steady = g.steady[at, angle] + f * (g.steady[at + 1, angle] - g.steady[at, angle])
    now, soon = _steering_of(asked[0], steady, base), _steering_of(asked[1], steady, base)
    later, last = _steering_of(asked[2], steady, base), _steering_of(asked[3], steady, base)
    rate = (last - later) / _STEP_S
    for k in range(n):
        gain = g.gains[at, k] + f * (g.gains[at + 1, k] - g.gains[at, k])
        want = (g.steady[at, k] + f * (g.steady[at + 1, k] - g.steady[at, k])) * asked[0]
        if k == 0:
            have = ego[4] + g.cog * ego[8]
        elif k == 1:
            have = ego[8]
        elif k < 2 + links:
            have = rates[k - 2]
        elif k < 2 + 2 * links:
            have = joints[k - 2 - links]
        elif k == angle:
            have, want = ego[7], now
        elif k == angle + 1:
            have, want = rates[links], (soon - now) / _STEP_S
        elif k == angle + 2:
            have = -(ego[0] - reference[0]) * sin(reference[2]) + (ego[1] - reference[1]) * cos(reference[2])
        else:
            have = wrap(ego[2] - reference[2])
        rate -= gain * (have - want)
    return rate


@njit(cache=True, nogil=True)
def _steer_backward(ego, joints, reference, bent, asked, g):  # type: ignore[no-untyped-def]
    """Steering rate in reverse. reference (3,): the plan's pose of unit 0 now; bent (J,): the joints with which the
    plan can go on."""
    links, base = len(joints), g.chain.wheel_base[0]
    placed, wanted = np.empty((links + 1, 3)), np.empty((links + 1, 3))
    place_units(ego, joints, g.chain, placed)
    place_units(reference, bent, g.chain, wanted)
    have, want = placed[links], wanted[links]
    lateral = -(have[0] - want[0]) * sin(want[2]) + (have[1] - want[1]) * cos(want[2])
    lateral = min(max(lateral, -g.limits[0]), g.limits[0])
    pull = g.reverse[0] * lateral + g.reverse[1] * wrap(have[2] - want[2])
    for i in range(links):
        pull += g.reverse[2 + i] * wrap(joints[i] - bent[i])
    pull += g.reverse[2 + links] * (ego[7] - atan(base * asked[0]))
    return (atan(base * asked[3]) - atan(base * asked[2])) / _STEP_S - abs(ego[3]) * pull


@njit(cache=True, nogil=True)
def _last_curvature(states, count, first):  # type: ignore[no-untyped-def]
    """Curvature at the end of a plan that is driven backward, over its last ``_END_M``: where it comes to stand, the
    fitted one is smoothed over all that it turns before."""
    gone, turned, k = 0.0, 0.0, count - 1
    while k > first and gone < _END_M:
        gone += hypot(states[k, 0] - states[k - 1, 0], states[k, 1] - states[k - 1, 1])
        turned += wrap(states[k, 2] - states[k - 1, 2])
        k -= 1
    return -turned / gone if gone > 1e-3 else 0.0


@njit(cache=True, nogil=True)
def _bent_joints(times, states, count, first, last, g, out):  # type: ignore[no-untyped-def]
    """Joints (J,) at knot ``first`` with which unit 0 can drive the plan backward: those that it leaves when it is
    driven the other way, from the steady turn of curvature ``last`` at its end."""
    out[:] = 0.0
    radius, side = (0.0, 0.0) if abs(last) < 1e-9 else (abs(1.0 / last), 1.0 if last > 0.0 else -1.0)
    for i in range(len(out)):
        ahead, length = g.chain.hitch[i], g.chain.wheel_base[i + 1]
        inner = radius * radius + ahead * ahead - length * length
        if side == 0.0 or inner <= 0.0:  # straight on, or no steady turn
            break
        out[i] = side * (atan(ahead / radius) - atan(length / sqrt(inner)))
        radius = sqrt(inner)
    for k in range(count - 1, first, -1):
        pull_on(states[k], states[k - 1], out, g.chain)


@njit(cache=True, nogil=True)
def _limited(asked, present, dt, g):  # type: ignore[no-untyped-def]
    """The acceleration within what jerk and brakes allow. What is asked runs ahead of the present acceleration by the
    lags of brakes and engine."""
    jerk = g.limits[1] if abs(asked) <= g.limits[2] else g.limits[3]
    low, high = present - jerk * (dt + g.lags[0]), present + jerk * (dt + g.lags[1])
    return max(min(max(asked, low), high), -g.brake)


@njit(cache=True, nogil=True)
def track_trucks(ego, joints, rates, now_us, plan, g):  # type: ignore[no-untyped-def]
    """Controls (B, 2) that follow plans: acceleration m/s2 and steering rate rad/s.

    ego (B, 10) float64, columns ``Ego``; joints (B, J) rad; rates (B, J + 1): joint rates and steering rate, rad/s;
    now_us (B,) int64; plan: times (B, T) int64, states (B, T, >= 3) x, y, heading of unit 0's rear axle, and length
    (B,) >= 2; g: :class:`TruckGains`. The first pose of a plan, which is where the ego is, may lie beside the rest. A
    plan driven backward is one for unit 0, too; what is held is the last unit.
    """
    plan_us, poses, length = plan
    out = np.empty((len(ego), 2))
    work, clock = np.empty((6, 0)), np.empty(0)
    bent, reference, asked = np.empty(joints.shape[1]), np.empty(3), np.empty(4)
    for b in range(len(ego)):
        times, states, count = plan_us[b], poses[b], length[b]
        first = 1 if count > 2 and times[count - 1] - times[1] >= 200_000 else 0
        size = max(np.int64((times[count - 1] - times[first]) // 100_000), count)
        if size > work.shape[1]:
            work, clock = np.empty((6, size)), np.empty(size)
        m = _fitted(times, states, count, first, work)
        if m < 1:
            out[b] = np.nan
            continue
        v, profile = work[3], work[5]
        ahead = (now_us[b] - times[first]) * 1e-6
        for k in range(m):
            clock[k] = k * _STEP_S
        speed = interpolated(ahead + NUPLAN.horizon * NUPLAN.interval_s, clock, v, m)
        if abs(speed) <= NUPLAN.stop_speed and abs(ego[b, 3]) <= NUPLAN.stop_speed:
            out[b, 0], out[b, 1] = -NUPLAN.stop_gain * (ego[b, 3] - speed), 0.0
            continue
        wanted = accelerate(ego[b, 3], speed, NUPLAN)
        if speed < 0.0 and abs(ego[b, 3]) <= NUPLAN.stop_speed:  # gently, so that brakes are released
            wanted = max(wanted, -REVERSING_MPS2)
        out[b, 0] = _limited(wanted, ego[b, 5], _STEP_S, g)
        for k, shift in enumerate((0.0, _STEP_S, g.lag, g.lag + _STEP_S)):
            asked[k] = _curvature(ahead + shift, profile, m)
        gone, h = v[0] * ahead, states[first, 2]  # the plan's pose now, back along its first arc
        mean = h + 0.5 * gone * profile[0]
        reference[0] = states[first, 0] + gone * cos(mean)
        reference[1] = states[first, 1] + gone * sin(mean)
        reference[2] = h + gone * profile[0]
        if v[0] < 0.0:
            _bent_joints(times, states, count, first, _last_curvature(states, count, first), g, bent)
            rate = _steer_backward(ego[b], joints[b], reference, bent, asked, g)
        else:
            rate = _steer_forward(ego[b], joints[b], rates[b], reference, asked, g)
        out[b, 1] = min(max(rate, -g.max_rate), g.max_rate)
    return out
