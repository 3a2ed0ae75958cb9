"""The linear single track of a vehicle with trailers: lateral velocity, yaw and articulation at constant speed, and
what follows from it: damping, gains, the steady turn and the single lane change.

Each axle group is one point with lateral force proportional to its slip angle; its stiffness is the cornering
coefficient times its static load.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.errors import ConfigError
from roadcraft.core.vehicles.vehicle import GRAVITY_MPS2, Vehicle


class LinearSingleTrack(NamedTuple):
    """``x' = A x + B steering`` of a vehicle with n units and J = n - 1 joints at constant speed.

    State x (2 + 2 J,): lateral velocity m/s and yaw rate rad/s of unit 0 at its center of gravity, joint rates, joints.
    """

    A: F64
    """(2 + 2 J, 2 + 2 J)."""
    B: F64
    """(2 + 2 J,)."""
    speed: float
    """m/s."""
    axles: F64
    """(1 + n, 1 + n): lateral velocity over ground of the steered axle and of each unit's axle, relative to unit 0's
    heading, by the first 1 + n states; ``axles @ x[:1 + n]``."""
    cogs: F64
    """(n, 1 + n): the same of each unit's center of gravity."""

    def lateral_acceleration(self, rows: F64) -> tuple[F64, F64]:
        """Lateral acceleration of points, ``C x + D steering``, by their ``rows`` of :attr:`axles` or :attr:`cogs`."""
        moving = rows.shape[1]
        c = rows @ self.A[:moving]
        c[:, 1] += self.speed
        return c, rows @ self.B[:moving]


class LinearLaneChange(NamedTuple):
    """A lane change in which the lateral acceleration of the steered axle is one sine."""

    rearward_amplification: float
    """Largest lateral acceleration of the last unit's center of gravity over that of the steered axle."""
    yaw_amplification: float
    """Largest yaw rate of the last unit over that of the first."""
    offtracking_m: float
    """How far the last axle overshoots the final lateral position of the steered axle."""
    max_steering_rad: float
    """Largest steering angle."""


class LinearTurn(NamedTuple):
    """A steady left turn."""

    radius_m: float
    """Speed over yaw rate."""
    steering_rad: float
    """Steering angle."""
    joints: F64
    """(J,) rad."""
    outward_m: F64
    """(n,) m; how far each unit's axle runs outside the circle of the steered axle."""


def static_loads(vehicle: Vehicle) -> F64:
    """Static loads (1 + n,) in N of the steered axle and of each unit's axle group. Raises ConfigError for a vehicle
    without masses, and where the steered axle or a group would lift off."""
    if not vehicle.masses:
        raise ConfigError(f"vehicle {vehicle.name!r} gives no loads; its motion with slip needs the mass of every unit")
    out = np.zeros(1 + len(vehicle.units))
    carried = 0.0
    for i in range(len(vehicle.units) - 1, -1, -1):
        unit, mass = vehicle.units[i], vehicle.masses[i]
        front = (mass.mass_kg * GRAVITY_MPS2 * mass.cog_m + carried * unit.hitch_m) / unit.wheel_base_m
        out[1 + i] = mass.mass_kg * GRAVITY_MPS2 + carried - front
        carried = front
    out[0] = carried
    if not (out > 0.0).all():
        place = "the steered axle" if out[0] <= 0.0 else f"the axle group of unit {int(np.argmax(out[1:] <= 0.0))}"
        raise ConfigError(f"vehicle {vehicle.name!r}: {place} would lift off; check cog_m, hitch_m and mass_kg")
    return out


def cornering_stiffness(vehicle: Vehicle) -> F64:
    """Cornering stiffnesses (1 + n,) in N/rad of the axle groups of :func:`static_loads`. Raises as it does."""
    units = (vehicle.units[0], *vehicle.units)
    return static_loads(vehicle) * np.array([u.cornering_per_rad for u in units])


def linear_single_track(vehicle: Vehicle, speed: float) -> LinearSingleTrack:
    """The linear model at a speed in m/s. Raises ConfigError for a vehicle without masses, and for a speed that is not
    positive."""
    if not speed > 0.0:
        raise ConfigError(f"the linear single track needs a speed above 0 m/s, not {speed}")
    stiffness, n = cornering_stiffness(vehicle), len(vehicle.units)
    mass = np.array([m.mass_kg for m in vehicle.masses])
    inertia = np.array([m.yaw_inertia_kgm2 for m in vehicle.masses])
    turned = np.zeros((n, 1 + n))  # heading of each unit by lateral position, heading of unit 0, joints
    axles, cogs = np.zeros((1 + n, 1 + n)), np.zeros((n, 1 + n))
    hitch = np.zeros(1 + n)
    hitch[0] = 1.0
    for i, (unit, load) in enumerate(zip(vehicle.units, vehicle.masses, strict=True)):
        turned[i, 1 : 2 + i] = 1.0
        front = 0.0 if i == 0 else unit.wheel_base_m - load.cog_m
        cogs[i] = hitch - front * turned[i]
        axles[1 + i] = cogs[i] - load.cog_m * turned[i]
        hitch = cogs[i] + (unit.hitch_m - load.cog_m) * turned[i]
    axles[0] = cogs[0] + (vehicle.units[0].wheel_base_m - vehicle.masses[0].cog_m) * turned[0]
    heading = np.concatenate([turned[:1], turned])
    heading[:, 1] = 0.0
    inverse = np.linalg.inv((cogs.T * mass) @ cogs + (turned.T * inertia) @ turned)
    damping = (axles.T * (stiffness / speed)) @ axles
    damping[:, 1] += speed * cogs.T @ mass
    joints = n - 1
    a, b = np.zeros((2 + 2 * joints,) * 2), np.zeros(2 + 2 * joints)
    a[: 1 + n, : 1 + n] = -inverse @ damping
    a[: 1 + n, 1 + n :] = inverse @ ((axles.T * stiffness) @ heading)[:, 2:]
    a[1 + n :, 2 : 1 + n] = np.eye(joints)
    b[: 1 + n] = inverse @ (stiffness[0] * axles[0])
    return LinearSingleTrack(a, b, float(speed), axles, cogs)


def least_damping(model: LinearSingleTrack) -> float:
    """The least damping ratio of the model's eigenvalues."""
    poles = np.linalg.eigvals(model.A)
    return float((-poles.real / np.abs(poles)).min())


def gains(model: LinearSingleTrack, frequency_hz: F64) -> tuple[F64, F64]:
    """Gains at frequencies (F,) Hz: lateral acceleration of the last center of gravity over that of the steered axle,
    and yaw rate of the last unit over that of the first; both (F,)."""
    size, joints = len(model.A), (len(model.A) - 2) // 2
    s = 2j * np.pi * np.asarray(frequency_hz, np.float64)
    x = np.linalg.solve(s[:, None, None] * np.eye(size) - model.A, model.B[None, :, None])
    c, d = model.lateral_acceleration(np.stack([model.axles[0], model.cogs[-1]]))
    ay = x[..., 0] @ c.T + d
    yaw = x[:, 1 : 2 + joints, 0].sum(1) / x[:, 1, 0]
    return np.abs(ay[:, 1] / ay[:, 0]), np.abs(yaw)


def steady_turn(vehicle: Vehicle, speed: float, lateral_g: float) -> LinearTurn:
    """The steady left turn at a speed in m/s with a lateral acceleration in g > 0. Raises as
    :func:`linear_single_track` does."""
    model, joints = linear_single_track(vehicle, speed), vehicle.joints
    yaw_rate = lateral_g * GRAVITY_MPS2 / speed
    moving = model.A[: 2 + joints]
    unknown = np.column_stack([moving[:, 0], moving[:, 2 + joints :], model.B[: 2 + joints]])
    found = np.linalg.solve(unknown, -yaw_rate * moving[:, 1])
    bent = np.asarray(found[1:-1], np.float64)
    first = vehicle.masses[0].cog_m
    center = np.array([-found[0] / yaw_rate, speed / yaw_rate])
    steered = np.array([vehicle.units[0].wheel_base_m - first, 0.0])
    place, heading, places = np.array([-first, 0.0]), 0.0, []
    for i, unit in enumerate(vehicle.units):
        if i > 0:
            place = place + vehicle.units[i - 1].hitch_m * np.array([np.cos(heading), np.sin(heading)])
            heading += bent[i - 1]
            place = place - unit.wheel_base_m * np.array([np.cos(heading), np.sin(heading)])
        places.append(place)
    radii = np.linalg.norm(np.array(places) - center, axis=1)
    return LinearTurn(speed / yaw_rate, float(found[-1]), bent, radii - np.linalg.norm(steered - center))


def lane_change(
    model: LinearSingleTrack, frequency_hz: float, width_m: float, settle_s: float = 8.0
) -> LinearLaneChange:
    """The lane change of that width in which the steered axle's lateral acceleration is one sine and zero after,
    watched for ``settle_s`` more; peaks are sampled every 0.005 s."""
    from scipy.linalg import expm

    size, n = len(model.A), len(model.cogs)
    c, d = model.lateral_acceleration(model.axles[:1])
    wave = 2.0 * np.pi * frequency_hz
    amplitude = wave * frequency_hz * width_m
    # states: x, lateral position and heading of unit 0, then the sine and its cosine
    a = np.zeros((size + 4, size + 4))
    a[:size, :size] = model.A - np.outer(model.B, c[0]) / d[0]
    a[:size, size + 2] = model.B / d[0]
    a[size, [0, size + 1]] = 1.0, model.speed
    a[size + 1, 1] = 1.0
    a[size + 2, size + 3], a[size + 3, size + 2] = wave, -wave
    step = 0.005
    count = round(1.0 / frequency_hz / step)
    once = expm(a * (1.0 / frequency_hz / count))
    after = a.copy()
    after[:, size + 2 :] = 0.0
    then = expm(after * step)
    states = np.zeros((1 + count + round(settle_s / step), size + 4))
    states[0, size + 3] = amplitude
    for k in range(1, len(states)):
        states[k] = (once if k <= count else then) @ states[k - 1]
        if k == count:
            states[k, size + 2 :] = 0.0
    x, sine = states[:, :size], states[:, size + 2]
    steering = (sine - x @ c[0]) / d[0]
    last_c, last_d = model.lateral_acceleration(model.cogs[-1:])
    ay = x @ last_c[0] + last_d[0] * steering
    yaw = np.abs(x[:, 1 : 1 + n].sum(1)).max() / np.abs(x[:, 1]).max()
    last = states[:, size] + states[:, size + 1] * model.axles[-1, 1] + x[:, 1 + n :] @ model.axles[-1, 2:]
    return LinearLaneChange(
        float(np.abs(ay).max() / amplitude), float(yaw), float(last.max() - width_m), float(np.abs(steering).max())
    )
