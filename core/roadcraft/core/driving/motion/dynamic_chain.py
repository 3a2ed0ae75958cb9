"""Motion of heavy vehicles with masses: engine, brakes and steering that lag, tires that slip, trailers that swing,
loads that shift.

Above 7 m/s the tires slip (:mod:`~roadcraft.core.driving.motion.single_track`), below 5 m/s, and in reverse, no axle
does (:mod:`~roadcraft.core.driving.motion.chain`); between, both are blended by speed.
"""

from __future__ import annotations

from math import ceil, exp, hypot, inf, sqrt, tan
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.geometry.angles import wrap
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.motion.chain import ChainArrays, chain_of, roll_on, rolling_rates
from roadcraft.core.driving.motion.drivetrain import (
    RELEASED_MPS2,
    START_DEGC,
    Drivetrain,
    Wheels,
    actuate,
    demand,
    drivetrain_of,
    remembered_demands,
)
from roadcraft.core.driving.motion.roll import RollGroups, load_transfer, roll_groups_of, sway
from roadcraft.core.driving.motion.single_track import (
    Forces,
    SingleTrack,
    cog_accelerations,
    single_track_of,
    slide_on,
    sliding_rates,
    work_of,
)
from roadcraft.core.vehicles.state import RoadState
from roadcraft.core.vehicles.vehicle import GRAVITY_MPS2, Vehicle

STEP_S = 0.02
"""Longest step of integration."""
ROLLING_MPS, SLIDING_MPS = 5.0, 7.0
"""Below the first no axle slips; above the second tires do."""
BLEND_S = 0.1
"""Time in which tires stop slipping between the two speeds; chosen."""
_WHIRLING, _FLUNG_MPS = 20.0, 100.0  # rad/s and lateral m/s that no heavy vehicle reaches
_LEAST_GRIP = 0.05  # share of lateral grip left under the largest drive force, so that no force is divided by 0


class MotionLayout(NamedTuple):
    """Where things begin among the columns of motion, after the joint rates."""

    steering_rate: int
    """The steering rate."""
    drive: int
    """Drive force."""
    brake: int
    """Brake force."""
    temperature: int
    """Temperature of the brakes."""
    demand: int
    """Brake demands, the present one first."""
    roll: int
    """Roll angles of the groups, then their roll rates."""
    ay: int
    """Lateral accelerations of the units."""
    transfer: int
    """Load transfer ratios of the groups."""
    friction_use: int
    """Shares of the friction circle, the steered axle first."""
    slip: int
    """Slip angles, the steered axle first."""


class DynamicChain(NamedTuple):
    """A vehicle for :func:`advance_dynamic`."""

    chain: ChainArrays
    """Lengths."""
    track: SingleTrack
    """Masses and tires."""
    drive: Drivetrain
    """Engine, brakes, steering."""
    roll: RollGroups
    """Units that roll together."""
    layout: MotionLayout
    """Columns of motion."""


def dynamic_chain_of(vehicle: Vehicle, ideal: bool = False) -> DynamicChain:
    """A vehicle in the driven state of load. ideal: tires are linear, commands come true at once, nothing resists.
    Raises ConfigError for a vehicle whose file lacks masses, powertrain, brakes or the rate of steering; an ideal one
    needs masses alone."""
    track = single_track_of(vehicle, not ideal)
    return DynamicChain(
        chain_of(vehicle),
        track,
        drivetrain_of(vehicle, ideal),
        roll_groups_of(vehicle),
        motion_layout(vehicle),
    )


def motion_layout(vehicle: Vehicle) -> MotionLayout:
    """Places of the columns that :func:`motion_columns` names."""
    names = ("steering_rate", "drive", "brake", "brake_temperature", "brake_demand_0", "roll_0")
    more = ("ay_0", "load_transfer_0", "friction_use_steered", "slip_steered")
    columns = motion_columns(vehicle)
    return MotionLayout(*(columns.index(name) for name in (*names, *more)))


def motion_columns(vehicle: Vehicle) -> tuple[str, ...]:
    """Names of the columns of ``motion``, in order: state first, then what metrics ask of the same moment.

    ``joint_rate_i`` rad/s (joint i = 1 .. n - 1); ``steering_rate`` rad/s; ``drive`` and ``brake`` m/s2, force over
    mass; ``brake_temperature`` degrees C; ``brake_demand_k`` m/s2, k steps ago; ``roll_g`` rad and ``roll_rate_g``
    rad/s of group g; ``ay_i`` m/s2, lateral acceleration of the center of gravity of unit i; ``load_transfer_g``;
    ``friction_use_steered``, ``friction_use_i``: share of the friction circle by the steered axle and by the axle group
    of unit i; ``slip_steered``, ``slip_i`` rad.
    """
    n = len(vehicle.units)
    groups = int(roll_groups_of(vehicle).group[-1]) + 1
    return (
        *(f"joint_rate_{i}" for i in range(1, n)),
        *("steering_rate", "drive", "brake", "brake_temperature"),
        *(f"brake_demand_{k}" for k in range(remembered_demands(vehicle))),
        *(f"roll_{g}" for g in range(groups)),
        *(f"roll_rate_{g}" for g in range(groups)),
        *(f"ay_{i}" for i in range(n)),
        *(f"load_transfer_{g}" for g in range(groups)),
        *("friction_use_steered", *(f"friction_use_{i}" for i in range(n))),
        *("slip_steered", *(f"slip_{i}" for i in range(n))),
    )


def road_columns(vehicle: Vehicle) -> tuple[str, ...]:
    """Names of the columns of ``road``, in order: ``grade``, rise over run, uphill positive; ``bank``, slope across the
    vehicle, positive where the left side is the lower; ``wind_x`` and ``wind_y`` m/s, where the air moves to, global
    frame; ``friction_steered``, ``friction_i`` under the axle group of unit i."""
    under = ("steered", *range(len(vehicle.units)))
    return ("grade", "bank", "wind_x", "wind_y", *(f"friction_{k}" for k in under))


def road_rows(road: RoadState, vehicle: Vehicle) -> F64:
    """The roads under B vehicles, (B, R) with R columns as :func:`road_columns` names them."""
    out = np.empty((len(road.grade), 5 + len(vehicle.units)))
    out[:, 0], out[:, 1], out[:, 2:4], out[:, 4:] = road.grade, road.bank, road.wind_mps, road.friction[:, None]
    return out


def start_motion(vehicle: Vehicle, ego: F64, joints: F64) -> F64:
    """``motion`` (B, M) at the start of a drive: no axle slips, nobody brakes, brakes are warm. ego (B, 10), joints (B,
    n - 1)."""
    columns, chain = motion_columns(vehicle), chain_of(vehicle)
    out, rates = np.zeros((len(ego), len(columns))), np.empty(2 + len(vehicle.units))
    out[:, columns.index("brake_temperature")] = START_DEGC
    for b in range(len(ego)):
        rolling_rates(np.concatenate([ego[b, :3], joints[b]]), ego[b, 3], ego[b, 8], chain, rates)
        out[b, : joints.shape[1]] = rates[3:]
    return out


@small_njit
def _act(road, load, forces):  # type: ignore[no-untyped-def]
    """Gravity, wind and the lateral grip that drive and brakes leave, into ``forces``."""
    for k in range(len(load)):
        free = road[4 + k] * load[k]
        forces.grip[k] = sqrt(max(free * free - forces.along[k] * forces.along[k], (_LEAST_GRIP * free) ** 2))
    forces.pull[0] = -GRAVITY_MPS2 * road[0] / sqrt(1.0 + road[0] * road[0])
    forces.pull[1] = GRAVITY_MPS2 * road[1] / sqrt(1.0 + road[1] * road[1])
    forces.pull[2], forces.pull[3] = road[2], road[3]


@small_njit
def _share(speed):  # type: ignore[no-untyped-def]
    """Share of slipping tires in the motion at a speed."""
    return min(max((speed - ROLLING_MPS) / (SLIDING_MPS - ROLLING_MPS), 0.0), 1.0)


@small_njit
def _integrate(state, ends, dt, chain, body, work, slid):  # type: ignore[no-untyped-def]
    """One step of length dt, in place, of the state of ``sliding_rates``. ends: speeds and steering angles at start and
    end; body: track and forces; slid (3 + 2 n,): scratch.

    Where the two motions are blended, the pose and the joints are their weighted mean, and velocities go to those of
    tires that do not slip in the time ``BLEND_S``.
    """
    n, (speeds, angles) = len(chain.wheel_base), ends
    slides = _share(speeds[0])
    if slides == 1.0:
        slide_on(state, speeds, angles, dt, chain.wheel_base[0], body, work)
        return
    for j in range(len(state)):
        slid[j] = state[j]
    if slides > 0.0:
        slide_on(slid, speeds, angles, dt, chain.wheel_base[0], body, work)
    roll_on(state[: 2 + n], speeds, angles, dt, chain, work.stages[:, : 2 + n])
    rates, yaw_rate = work.stages[0], speeds[1] * tan(angles[1]) / chain.wheel_base[0]
    rolling_rates(state[: 2 + n], speeds[1], yaw_rate, chain, rates)
    gain = (1.0 - slides) * (1.0 - exp(-dt / BLEND_S)) if slides > 0.0 else 1.0
    for j in range(2 + n):
        state[j] += slides * (slid[j] - state[j])
    state[2 + n] += slides * (slid[2 + n] - state[2 + n]) - gain * state[2 + n]
    for i in range(n):
        if i > 0:
            yaw_rate += rates[2 + i]
        old = state[3 + n + i]
        state[3 + n + i] += slides * (slid[3 + n + i] - old) + gain * (yaw_rate - old)


@small_njit
def _drive_on(start, demands, controls, dt, road, model, scratch):  # type: ignore[no-untyped-def]
    """One interval of one vehicle in short steps: state and forces of ``scratch``, and ``demands``, in place; the
    :class:`Wheels` after it, and the acceleration of the last step."""
    drive, (state, slid, forces, work, _) = model.drive, scratch
    slope, wheels, accel = road[0] / sqrt(1.0 + road[0] * road[0]), start, 0.0
    released = wheels.brake < RELEASED_MPS2
    for k in range(len(demands)):
        released = released and demands[k] == 0.0
    way, engine, brake, stands = demand(controls[0], wheels.speed, slope, released, drive)
    for k in range(len(demands) - 1, 0, -1):
        demands[k] = demands[k - 1]
    demands[0] = brake
    count = max(1, ceil(dt / STEP_S - 1e-6))
    h = dt / count
    for k in range(count):
        before = wheels
        if drive.ideal:
            speed, steering = before.speed + controls[0] * h, before.steering + controls[1] * h
            wheels = Wheels(speed, steering, controls[1], before.drive, before.brake, before.temperature)
        else:
            ago = ceil((drive.dead - (k + 0.5) * h) / dt - 1e-9)
            asked = (way, engine, demands[min(max(ago, 0), len(demands) - 1)], stands, h)
            wheels = actuate(before, asked, controls[1], (slope, road[4:]), model.track.load, drive, forces.along)
        _act(road, model.track.load, forces)
        ends = ((before.speed, wheels.speed), (before.steering, wheels.steering))
        _integrate(state, ends, h, model.chain, (model.track, forces), work, slid)
        accel = (wheels.speed - before.speed) / h
    return wheels, accel


@small_njit
def _report(motion, wheels, accel, dt, road, model, scratch, then):  # type: ignore[no-untyped-def]
    """The columns of motion after one interval, then (M,), from those before; returns the rate of the lateral velocity
    of unit 0's rear axle and its yaw acceleration."""
    state, slid, forces, work, rates = scratch
    at, track, n = model.layout, model.track, len(model.track.mass)
    now, slides = (wheels.speed, accel, wheels.steering), _share(wheels.speed)
    for j in range(1 + n):
        rates[j] = (state[2 + n + j] - rates[j]) / dt
    if slides > 0.0:
        sliding_rates(state, now, model.chain.wheel_base[0], track, forces, work, slid)
    if slides == 1.0:
        for j in range(1 + n):
            rates[j] = slid[2 + n + j]
    for i in range(1, n):
        then[i - 1] = state[3 + n + i] - state[2 + n + i]
    then[at.steering_rate], then[at.drive] = wheels.steering_rate, wheels.drive
    then[at.brake], then[at.temperature] = wheels.brake, wheels.temperature
    ay, groups = then[at.ay : at.transfer], len(model.roll.threshold)
    cog_accelerations(state, wheels.speed, accel, rates, track, ay)
    for g in range(groups):
        before = after = -forces.pull[1]
        for i in range(n):
            if model.roll.group[i] == g:
                before += model.roll.weight[i] * motion[at.ay + i]
                after += model.roll.weight[i] * ay[i]
        roll = sway((motion[at.roll + g], motion[at.roll + groups + g]), before, after, dt)
        then[at.roll + g], then[at.roll + groups + g] = roll
        then[at.transfer + g] = load_transfer(roll, after, model.roll.threshold[g], model.roll.sprung[g])
    for k in range(1 + n):
        load = track.load[k]
        side = load / GRAVITY_MPS2 * (ay[max(k - 1, 0)] - forces.pull[1])
        then[at.slip + k] = 0.0
        if slides > 0.0:
            side += slides * (work.side[k] - side)
            then[at.slip + k] = slides * work.slip[k]
        then[at.friction_use + k] = hypot(side, forces.along[k]) / (road[4 + k] * load)
    return rates[0], rates[1]


@njit(cache=True, nogil=True)
def advance_dynamic(ego, joints, motion, controls, dt, road, model):  # type: ignore[no-untyped-def]
    """Ego states (B, 10), joints (B, n - 1) and motion (B, M) after one step.

    ego (B, 10) float64, columns ``Ego``; joints (B, n - 1) rad; motion (B, M), columns of :func:`motion_columns`, at
    the start of a drive that of :func:`start_motion`; controls (B, 2): acceleration m/s2 and steering rate rad/s; dt
    (B,) s, at least 0.05 where the dead time of the brakes is to be whole; road (B, R), columns of
    :func:`road_columns`; model: of :func:`dynamic_chain_of`.

    A standing vehicle stays where the command is 0 or the grade is too steep for it, and drives backward on a negative
    command once its brakes are released. The longitudinal acceleration of unit 0 is that of drive, brakes and
    resistances over the whole mass; trailers brake their share of it by load. Nothing ends a rollover or a jackknife:
    metrics read them off the result. A vehicle that whirls faster than any can stands from then on where it did: its
    tires' forces no longer say where it goes.
    """
    n, at = len(model.track.mass), model.layout
    out, bent, moved = np.empty_like(ego), np.empty_like(joints), motion.copy()
    forces, state = Forces(np.zeros(1 + n), np.ones(1 + n), np.zeros(4)), np.empty(3 + 2 * n)
    scratch = (state, np.empty(3 + 2 * n), forces, work_of(n), np.empty(1 + n))
    for b in range(len(ego)):
        old, then, velocities = ego[b], moved[b], scratch[4]
        velocities[0], velocities[1] = old[4], old[8]
        for i in range(n - 1):
            velocities[2 + i] = velocities[1 + i] + then[i]
        for j in range(2 + n):
            state[j] = old[j] if j < 3 else joints[b, j - 3]
        for j in range(1 + n):
            state[2 + n + j] = velocities[j]
        wheels = Wheels(old[3], old[7], then[at.steering_rate], then[at.drive], then[at.brake], then[at.temperature])
        demands = then[at.demand : at.roll]
        wheels, accel = _drive_on(wheels, demands, controls[b], dt[b], road[b], model, scratch)
        vy_rate, yaw_accel = _report(motion[b], wheels, accel, dt[b], road[b], model, scratch, then)
        vy, yaw_rate = state[2 + n], state[3 + n]
        new = out[b]
        new[0], new[1], new[2], new[3], new[4] = state[0], state[1], wrap(state[2]), wheels.speed, vy
        new[5], new[6] = accel - vy * yaw_rate, vy_rate + wheels.speed * yaw_rate
        new[7], new[8], new[9] = wheels.steering, yaw_rate, yaw_accel
        whirls = not (abs(yaw_rate) < _WHIRLING and abs(vy) < _FLUNG_MPS and abs(yaw_accel) < inf)
        for i in range(n - 1):
            bent[b, i] = wrap(state[3 + i])
            whirls = whirls or not abs(then[i]) < _WHIRLING
        if whirls:
            new[:3], new[3:7], new[8:10], bent[b], moved[b] = old[:3], 0.0, 0.0, joints[b], motion[b]
            new[7], moved[b, : n - 1] = old[7], 0.0
    return out, bent, moved
