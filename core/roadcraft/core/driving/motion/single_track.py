"""The nonlinear single track of a vehicle with trailers: lateral velocity, yaw and articulation with tires that slip.

One point per axle group. Unknowns are the lateral velocity of unit 0's rear axle and every unit's yaw rate; the
longitudinal acceleration of unit 0 is given. A lever is measured along a unit from its reference, which is the rear
axle of unit 0 and the front hitch of the others. In these coordinates the mass matrix is constant but for the cosines
of the angles between units.
"""

from __future__ import annotations

from math import atan2, cos, sin, tanh
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.motion.linear_single_track import cornering_stiffness, static_loads
from roadcraft.core.vehicles.vehicle import Vehicle

AIR_DENSITY_KGPM3 = 1.2
"""Density of air."""
SIDE_DRAG = 1.1
"""Drag coefficient of a unit's side."""


class SingleTrack(NamedTuple):
    """Masses, levers and tires of a vehicle with n units for kernels."""

    mass: F64
    """(n,) kg."""
    coupling: F64
    """(n, n) kg m2: mass matrix of the yaw rates, where all units are in line."""
    first_moment: F64
    """(n,) kg m: mass matrix of lateral velocity and yaw rates, where all units are in line."""
    cog: F64
    """(n,) m; lever of the center of gravity."""
    hitch: F64
    """(n,) m; lever of the next unit's hitch."""
    axle: F64
    """(n,) m; lever of the axle group."""
    side: F64
    """(n,) m; lever of the middle of the side."""
    wind: F64
    """(n,) kg/m; side force over the square of the wind across."""
    load: F64
    """(1 + n,) N; static load of the steered axle and of each unit's axle group."""
    stiffness: F64
    """(1 + n,) N/rad; cornering stiffness of the same."""
    saturates: bool
    """Whether lateral force is limited by friction."""


def single_track_of(vehicle: Vehicle, saturates: bool = True) -> SingleTrack:
    """A vehicle's masses, levers and tires in the driven state of load. Raises ConfigError for a vehicle without
    masses."""
    n = len(vehicle.units)
    load = static_loads(vehicle)
    mass = np.array([m.mass_kg for m in vehicle.masses])
    behind = np.array([0.0 if i == 0 else u.wheel_base_m for i, u in enumerate(vehicle.units)])
    cog = np.array([m.cog_m for m in vehicle.masses]) - behind
    hitch = np.array([u.hitch_m for u in vehicle.units]) - behind
    towed = mass.sum() - np.cumsum(mass)  # mass behind each unit
    first = mass * cog + hitch * towed
    coupling = np.empty((n, n))
    for i in range(n):
        coupling[i, i:] = coupling[i:, i] = hitch[i] * first[i:]
        coupling[i, i] = vehicle.masses[i].yaw_inertia_kgm2 + mass[i] * cog[i] ** 2 + hitch[i] ** 2 * towed[i]
    area = np.array([u.length_m * u.height_m for u in vehicle.units])
    middle = np.array([u.axle_to_center_m for u in vehicle.units]) - behind
    wind = 0.5 * AIR_DENSITY_KGPM3 * SIDE_DRAG * area
    stiffness = cornering_stiffness(vehicle)
    return SingleTrack(mass, coupling, first, cog, hitch, -behind, middle, wind, load, stiffness, saturates)


class Forces(NamedTuple):
    """What acts on a vehicle beside the lateral forces of its tires, for one step."""

    along: F64
    """(1 + n,) N; drive and brakes of the steered axle and of each unit's axle group, forward."""
    grip: F64
    """(1 + n,) N; what friction leaves of the same axles' lateral force."""
    pull: F64
    """(4,): gravity forward and to the left of the vehicle, m/s2; wind x and y, global frame, m/s."""


class Work(NamedTuple):
    """Results and scratch of one vehicle."""

    slip: F64
    """(1 + n,) rad; slip angle of the steered axle and of each unit's axle group, positive where the tire moves to the
    left of where it points."""
    side: F64
    """(1 + n,) N; lateral force of the same, positive to the left."""
    turned: F64
    """(n, 4): cosine and sine of each unit's heading from unit 0's, and the force on it in unit 0's frame."""
    matrix: F64
    """(1 + n, 2 + n): equations of motion."""
    stages: F64
    """(5, 3 + 2 n): rates of the Runge-Kutta stages and the state between."""


@njit(cache=True, nogil=True)
def work_of(n):  # type: ignore[no-untyped-def]
    """Scratch for a vehicle with n units."""
    return Work(np.zeros(1 + n), np.zeros(1 + n), np.zeros((n, 4)), np.zeros((1 + n, 2 + n)), np.zeros((5, 3 + 2 * n)))


@small_njit
def _tire(slip, k, track, forces):  # type: ignore[no-untyped-def]
    """Lateral force of axle group k."""
    free = -track.stiffness[k] * slip
    return forces.grip[k] * tanh(free / forces.grip[k]) if track.saturates else free


@small_njit
def _load_units(state, motion, front, track, forces, work):  # type: ignore[no-untyped-def]
    """Forces on every unit into ``work.turned``, their moments about the units' references into the right side of the
    equations."""
    n, m = len(track.mass), work.matrix
    speed, steering = motion[0], motion[2]
    pull_x, pull_y, wind_x, wind_y = forces.pull
    x, y, angle = speed, state[2 + n], 0.0  # velocity of the unit's reference in unit 0's frame
    heading_c, heading_s = cos(state[2]), sin(state[2])
    blown_x, blown_y = heading_c * wind_x + heading_s * wind_y, heading_c * wind_y - heading_s * wind_x
    for i in range(n):
        if i > 0:
            angle += state[2 + i]
        c, s, rate = cos(angle), sin(angle), state[3 + n + i]
        along, across = c * x + s * y, c * y - s * x
        slip = atan2(across + track.axle[i] * rate, along)
        side = _tire(slip, 1 + i, track, forces)
        work.slip[1 + i], work.side[1 + i] = slip, side
        blown = c * blown_y - s * blown_x
        wind = track.wind[i] * blown * abs(blown)
        ahead, left = forces.along[1 + i] + track.mass[i] * pull_x, side + track.mass[i] * pull_y + wind
        moment = track.axle[i] * side + track.cog[i] * track.mass[i] * pull_y + track.side[i] * wind
        if i == 0:
            slip = atan2(across + front * rate, along) - steering
            side = _tire(slip, 0, track, forces)
            work.slip[0], work.side[0] = slip, side
            steered = side * cos(steering) + forces.along[0] * sin(steering)
            left += steered
            moment += front * steered
        work.turned[i, 0], work.turned[i, 1] = c, s
        work.turned[i, 2], work.turned[i, 3] = c * ahead - s * left, s * ahead + c * left
        m[1 + i, 1 + n] = moment
        x, y = x - track.hitch[i] * rate * s, y + track.hitch[i] * rate * c


@small_njit
def sliding_rates(state, motion, front, track, forces, work, out):  # type: ignore[no-untyped-def]
    """Time derivatives of x, y, heading and joints, of the lateral velocity of unit 0's rear axle and of the yaw rates,
    out (3 + 2 n,).

    state (3 + 2 n,): the same before derivation; motion: speed m/s > 0 of unit 0, its rate and the steering angle;
    front: wheel base m of unit 0; track: :class:`SingleTrack`; forces: :class:`Forces`; work: :class:`Work`.
    """
    n, m, turned = len(track.mass), work.matrix, work.turned
    speed, accel = motion[0], motion[1]
    vy, yaw_rate = state[2 + n], state[3 + n]
    _load_units(state, motion, front, track, forces, work)
    x = y = m[0, 0] = right = 0.0
    for i in range(n - 1, -1, -1):  # x, y: the force on all units behind
        c, s, rate, first = turned[i, 0], turned[i, 1], state[3 + n + i], track.first_moment[i]
        lever = track.hitch[i] * (c * y - s * x)
        m[1 + i, 1 + n] += lever - first * (c * speed * yaw_rate - s * (accel - vy * yaw_rate))
        x += turned[i, 2]
        y += turned[i, 3]
        m[0, 0] += track.mass[i]
        m[0, 1 + i] = m[1 + i, 0] = first * c
        right += first * rate * rate * s
        for j in range(i, n):
            near = turned[j, 0] * c + turned[j, 1] * s
            far = turned[j, 1] * c - turned[j, 0] * s  # sine of heading j less heading i
            m[1 + i, 1 + j] = m[1 + j, 1 + i] = track.coupling[i, j] * near
            m[1 + i, 1 + n] += track.coupling[i, j] * state[3 + n + j] * state[3 + n + j] * far
            if j > i:
                m[1 + j, 1 + n] -= track.coupling[i, j] * rate * rate * far
    m[0, 1 + n] = right + y - m[0, 0] * speed * yaw_rate
    for i in range(n + 1):  # symmetric and positive definite: no pivot is sought
        for j in range(i + 1, n + 1):
            f = m[j, i] / m[i, i]
            for k in range(i + 1, n + 2):
                m[j, k] -= f * m[i, k]
    for i in range(n, -1, -1):
        value = m[i, n + 1]
        for j in range(i + 1, n + 1):
            value -= m[i, j] * out[2 + n + j]
        out[2 + n + i] = value / m[i, i]
    c, s = cos(state[2]), sin(state[2])
    out[0], out[1], out[2] = speed * c - vy * s, speed * s + vy * c, yaw_rate
    for i in range(1, n):
        out[2 + i] = state[3 + n + i] - state[2 + n + i]


@small_njit
def slide_on(state, speeds, angles, dt, front, body, work):  # type: ignore[no-untyped-def]
    """One Runge-Kutta step of fourth order, in place, of the state of :func:`sliding_rates`. speeds, angles: speed and
    steering angle at the start and the end of the step, linear between; body: its ``track`` and ``forces``."""
    stages, accel = work.stages, (speeds[1] - speeds[0]) / dt
    for k in range(4):
        f = 0.0 if k == 0 else 1.0 if k == 3 else 0.5
        motion = (speeds[0] + f * (speeds[1] - speeds[0]), accel, angles[0] + f * (angles[1] - angles[0]))
        for j in range(len(state)):
            stages[4, j] = state[j] if k == 0 else state[j] + f * dt * stages[k - 1, j]
        sliding_rates(stages[4], motion, front, body[0], body[1], work, stages[k])
    for j in range(len(state)):
        state[j] += dt / 6.0 * (stages[0, j] + 2.0 * (stages[1, j] + stages[2, j]) + stages[3, j])


@small_njit
def cog_accelerations(state, speed, accel, rates, track, out):  # type: ignore[no-untyped-def]
    """Lateral acceleration of each unit's center of gravity in its own frame, out (n,) m/s2. state as of
    :func:`sliding_rates`; speed m/s and accel m/s2 of unit 0; rates (1 + n,): of the state's lateral velocity and yaw
    rates."""
    n, angle = len(track.mass), 0.0
    yaw_rate = state[3 + n]
    x, y = accel - state[2 + n] * yaw_rate, rates[0] + speed * yaw_rate  # of the unit's reference, unit 0's frame
    for i in range(n):
        if i > 0:
            angle += state[2 + i]
        c, s, rate, lever = cos(angle), sin(angle), state[3 + n + i], track.hitch[i]
        out[i] = c * y - s * x + track.cog[i] * rates[1 + i]
        x -= lever * (rates[1 + i] * s + rate * rate * c)
        y += lever * (rates[1 + i] * c - rate * rate * s)
