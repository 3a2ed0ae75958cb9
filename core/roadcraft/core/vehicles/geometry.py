"""Where the units of a vehicle stand and what their axles bear: poses and outlines, the steady circle, static loads,
and the area that a turn at crawl sweeps. Plain numpy, for tables and pictures; kernels are in ``driving.motion``.

Unit 0's pose is that of its rear axle, a trailer's that of its axle. Joint i is the heading of unit i minus that of
unit i - 1.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.errors import ConfigError
from roadcraft.core.vehicles.vehicle import GRAVITY_MPS2, Vehicle

STEP_M = 0.05
"""Step of the steered axle in a turn at crawl; its swept width is that of every fourth pose."""


class TurningCircle(NamedTuple):
    """A circle that all units drive without moving against each other; n units."""

    radii_m: F64
    """(n,) radius of each unit's axle."""
    joints_rad: F64
    """(n - 1,) joints."""
    steered_m: float
    """Radius of the steered axle."""
    outer_m: float
    """Largest radius of any corner."""
    inner_m: float
    """Smallest radius of any side; negative where the circle's center lies within a unit."""

    @property
    def swept_m(self) -> float:
        """Width of the ring that the units sweep."""
        return self.outer_m - self.inner_m

    @property
    def offtracking_m(self) -> float:
        """How far the last axle runs inside the steered one."""
        return self.steered_m - float(self.radii_m[-1])


class AxleLoads(NamedTuple):
    """Vertical loads of the standing vehicle, in N; n units."""

    steered_N: float
    """Load of the steered axle."""
    axles_N: F64
    """(n,) load of the axles of each unit that do not steer."""
    hitches_N: F64
    """(n - 1,) load that each trailer lays on the hitch ahead of it."""


class SweptPath(NamedTuple):
    """A left turn at crawl whose steered axle follows straight, arc, straight; T poses, n units. The arc begins at the
    origin, towards +x."""

    radius_m: float
    """Radius of the arc."""
    steered_m: F64
    """(T, 2) places of the steered axle."""
    poses: F64
    """(T, n, 3) x, y, heading of each unit's axle."""
    swept_width_m: float
    """Largest length, along a normal of the steered axle's path, of the area that the units sweep, as far as the arc's
    center."""
    at_m: float
    """Where that is, from the arc's start along the path."""
    widest: F64
    """(2, 2) the ends of that length, the outer one first."""
    stations_m: F64
    """(S,) places along the path, from the arc's start."""
    widths_m: F64
    """(S,) that length at each."""
    offtracking_m: float
    """Largest distance of the last axle from the path."""
    tail_swing_m: F64
    """(n,) how far the rear right corner of each unit passes beyond the line of its right side before the turn."""
    max_joint_rad: F64
    """(n - 1,) largest angle of each joint."""


def length_of(vehicle: Vehicle) -> float:
    """Length of the straight vehicle, in m."""
    x = unit_poses(vehicle, np.zeros(3), np.zeros(vehicle.joints))[:, 0]
    ends = [(at + u.front_m, at - u.rear_m) for at, u in zip(x, vehicle.units, strict=True)]
    return float(max(front for front, _ in ends) - min(rear for _, rear in ends))


def unit_poses(vehicle: Vehicle, pose: F64, joints: F64) -> F64:
    """Poses (..., n, 3) of all units from unit 0's (..., 3) and the joints (..., n - 1)."""
    out = np.empty((*pose.shape[:-1], len(vehicle.units), 3))
    out[..., 0, :] = pose
    for i, (ahead, unit) in enumerate(zip(vehicle.units, vehicle.units[1:], strict=False)):
        before, heading = out[..., i, 2], out[..., i, 2] + joints[..., i]
        out[..., i + 1, 0] = out[..., i, 0] + ahead.hitch_m * np.cos(before) - unit.wheel_base_m * np.cos(heading)
        out[..., i + 1, 1] = out[..., i, 1] + ahead.hitch_m * np.sin(before) - unit.wheel_base_m * np.sin(heading)
        out[..., i + 1, 2] = heading
    return out


def outlines(vehicle: Vehicle, poses: F64) -> F64:
    """Corners (..., n, 4, 2) of the units at poses (..., n, 3): front left, rear left, rear right, front right."""
    local = np.array(
        [
            [(x, y) for x, y in ((u.front_m, w), (-u.rear_m, w), (-u.rear_m, -w), (u.front_m, -w))]
            for u, w in ((u, 0.5 * u.width_m) for u in vehicle.units)
        ]
    )
    c, s = np.cos(poses[..., 2])[..., None], np.sin(poses[..., 2])[..., None]
    x, y = local[..., 0], local[..., 1]
    return np.stack((poses[..., 0, None] + c * x - s * y, poses[..., 1, None] + s * x + c * y), -1)


def circle_of(wheel_base: F64, hitch: F64, radius_m: float) -> tuple[F64, F64] | None:
    """Radii (n,) of the axles and joints (n - 1,) on the steady circle, to the left, on which unit 0's has that radius;
    None where a trailer folds instead. wheel_base, hitch: (n,) m, as of the units."""
    squares = radius_m**2 + np.concatenate([[0.0], np.cumsum(hitch[:-1] ** 2 - wheel_base[1:] ** 2)])
    if squares.min() <= 0.0:
        return None
    radii = np.sqrt(squares)
    return radii, np.arctan(hitch[:-1] / radii[:-1]) - np.arctan(wheel_base[1:] / radii[1:])


def turning_circle(vehicle: Vehicle, radius_m: float) -> TurningCircle | None:
    """The steady circle, to the left, on which unit 0's rear axle has that radius; None where a trailer folds
    instead."""
    base, hitch = (np.array([getattr(u, k) for u in vehicle.units]) for k in ("wheel_base_m", "hitch_m"))
    found = circle_of(base, hitch, radius_m)
    if found is None:
        return None
    radii, joints = found
    width = 0.5 * np.array([u.width_m for u in vehicle.units])
    reach = np.array([max(u.front_m, u.rear_m) for u in vehicle.units])
    return TurningCircle(
        radii,
        joints,
        math.hypot(radius_m, vehicle.body.wheel_base_m),
        float(np.hypot(radii + width, reach).max()),
        float((radii - width).min()),
    )


def full_lock_m(vehicle: Vehicle) -> float:
    """Radius of unit 0's rear axle at the largest steering angle, in m."""
    return vehicle.body.wheel_base_m / math.tan(vehicle.max_steering_rad)


def least_circle(vehicle: Vehicle) -> TurningCircle | None:
    """The steady circle at full lock or, where a trailer folds or passes the limit of its joint there, the tightest one
    among whole meters of unit 0's radius; None where that is above 200 m."""
    limits = np.array([u.joint_limit_rad for u in vehicle.units[1:]])
    for radius in (full_lock_m(vehicle), *range(math.ceil(full_lock_m(vehicle)), 201)):
        circle = turning_circle(vehicle, radius)
        if circle is not None and np.all(np.abs(circle.joints_rad) < limits):
            return circle
    return None


def static_loads(vehicle: Vehicle) -> AxleLoads:
    """Loads of the axles and hitches of the standing vehicle in its state of load. Raises ConfigError where the vehicle
    gives no masses."""
    if not vehicle.masses:
        raise ConfigError(f"the vehicle {vehicle.name!r} gives no masses: its units need 'loads'")
    n = len(vehicle.units)
    axles, hitches = np.empty(n), np.zeros(n + 1)  # hitches[i]: ahead of unit i; of unit 0 its steered axle
    for i in range(n - 1, -1, -1):
        unit, mass = vehicle.units[i], vehicle.masses[i]
        weight = mass.mass_kg * GRAVITY_MPS2
        hitches[i] = (weight * mass.cog_m + hitches[i + 1] * unit.hitch_m) / unit.wheel_base_m
        axles[i] = weight + hitches[i + 1] - hitches[i]
    return AxleLoads(float(hitches[0]), axles, hitches[1:n])


def swept_path(vehicle: Vehicle, radius_m: float = 12.5, angle_rad: float = 0.5 * math.pi) -> SweptPath:
    """A left turn at crawl, driven forward: the steered axle pulls the units along an arc. Each unit turns by the chord
    of what pulls it, exact for a straight pull. Raises ConfigError for an arc that the steered axle cannot follow."""
    base = vehicle.body.wheel_base_m
    if not radius_m > base or not 0.0 < angle_rad < math.tau:
        raise ConfigError(
            f"the steered axle cannot follow an arc of {radius_m} m through {angle_rad} rad: the radius must exceed "
            f"the wheel base of {base} m, and the angle must lie within 0 .. 2 pi"
        )
    arc = radius_m * angle_rad
    stations = np.arange(0.0, arc + length_of(vehicle) + 15.0, STEP_M)
    steered, heading = _turn(stations, radius_m, arc)
    poses = _pulled(vehicle, steered)
    corners = outlines(vehicle, poses)
    every = slice(0, int((arc + 10.0) / STEP_M), 2)
    coarse = np.ascontiguousarray(corners[::4].transpose(3, 2, 0, 1))
    extents = np.array([_extent(coarse, *at, radius_m) for at in zip(steered[every], heading[every], strict=True)])
    widths = extents[:, 1] - extents[:, 0]
    widest = int(np.argmax(widths))
    normal = np.array([-math.sin(heading[every][widest]), math.cos(heading[every][widest])])
    half = 0.5 * np.array([u.width_m for u in vehicle.units])
    return SweptPath(
        radius_m,
        steered,
        poses,
        float(widths[widest]),
        float(stations[every][widest]),
        steered[every][widest] + extents[widest, :, None] * normal,
        stations[every],
        widths,
        float(_distance(poses[:, -1, :2], radius_m, angle_rad).max()),
        -half - corners[:, :, 2, 1].min(0),
        np.abs(np.diff(poses[:, :, 2], axis=1)).max(0, initial=0.0),
    )


def _turn(s: F64, radius: float, arc: float) -> tuple[F64, F64]:
    """Places (N, 2) and headings (N,) of straight, left arc, straight at the arc lengths s (N,)."""
    heading = np.clip(s, 0.0, arc) / radius
    past = s - np.clip(s, 0.0, arc)
    x, y = radius * np.sin(heading) + past * np.cos(heading), radius * (1.0 - np.cos(heading)) + past * np.sin(heading)
    return np.stack((x, y), -1), heading


def _distance(points: F64, radius: float, angle: float) -> F64:
    """Distances (N,) of points (N, 2) from the path of ``_turn``."""
    end, c, s = _turn(np.array([radius * angle]), radius, radius * angle)[0][0], math.cos(angle), math.sin(angle)
    x, y = points[:, 0], points[:, 1]
    around = np.arctan2(x, radius - y) % math.tau
    on_arc = np.where(around <= angle, np.abs(np.hypot(x, y - radius) - radius), np.inf)
    before = np.hypot(np.maximum(x, 0.0), y)
    along, across = (x - end[0]) * c + (y - end[1]) * s, (y - end[1]) * c - (x - end[0]) * s
    nearest: F64 = np.minimum(on_arc, np.minimum(before, np.hypot(np.minimum(along, 0.0), across)))
    return nearest


def _pulled(vehicle: Vehicle, steered: F64) -> F64:
    """Poses (T, n, 3) of the units pulled by the steered axle along places (T, 2), straight at first."""
    base = [u.wheel_base_m for u in vehicle.units]
    ahead = [base[0], *(u.hitch_m for u in vehicle.units[:-1])]
    out = np.empty((len(steered), len(base), 3))
    now = unit_poses(
        vehicle, np.array([steered[0, 0] - base[0], steered[0, 1], 0.0]), np.zeros(vehicle.joints)
    ).tolist()
    out[0] = now
    for t, (px, py) in enumerate(steered[1:].tolist(), 1):
        ox, oy = steered[t - 1].tolist()
        for i, (x, y, psi) in enumerate(now):
            dx, dy = px - ox, py - oy
            chord = math.atan2(dy, dx)
            b = math.remainder(psi - chord, math.tau)
            decay = math.exp(-math.hypot(dx, dy) / base[i])
            new = psi + math.remainder(2.0 * math.atan2(math.sin(0.5 * b) * decay, math.cos(0.5 * b)) - b, math.tau)
            c, s = math.cos(new), math.sin(new)
            nx, ny = px - base[i] * c, py - base[i] * s
            if i + 1 < len(base):
                h = ahead[i + 1]
                ox, oy, px, py = x + h * math.cos(psi), y + h * math.sin(psi), nx + h * c, ny + h * s
            now[i] = (nx, ny, new)
        out[t] = now
    return out


def _extent(corners: F64, place: F64, heading: float, radius: float) -> tuple[float, float]:
    """Ends of the area of boxes, corners (2, 4, T, n), along the normal of the path at a place, positive left and no
    farther than the arc's center."""
    c, s = math.cos(heading), math.sin(heading)
    dx, dy = corners[0] - place[0], corners[1] - place[1]
    along, left = dx * c + dy * s, dy * c - dx * s
    near = (along.min(0) <= 0.0) & (along.max(0) >= 0.0)
    edges = along[:, near], left[:, near], np.roll(along[:, near], -1, 0), np.roll(left[:, near], -1, 0)
    moves = along[:, :-1], left[:, :-1], along[:, 1:], left[:, 1:]
    found = []
    for a, b, a2, b2 in (edges, moves):  # of the boxes, and of the corners from pose to pose
        crosses = (a * a2 <= 0.0) & (a != a2)
        at = b[crosses] + (a[crosses] / (a - a2)[crosses]) * (b2 - b)[crosses]
        found.append(at[np.abs(at) <= radius])
    return float(min(f.min() for f in found)), float(max(f.max() for f in found))
