"""Whether the units of a truck keep clear along a way: of things that stand, and of the edge of the drivable area."""

from __future__ import annotations

from math import cos, sin, tan
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.geometry.boxes import separation
from roadcraft.core.driving.jit import small_njit
from roadcraft.core.driving.map_index.index import LayerArrays, in_any
from roadcraft.core.errors import ConfigError
from roadcraft.core.vehicles.vehicle import Vehicle

EASY_M = 1.0
"""Room beyond which more is not better."""
_SIDE_POINTS = 5


class Shape(NamedTuple):
    """A vehicle of one or two units for kernels; lengths in m."""

    base: float
    """Wheel base of unit 0."""
    hitch: float
    """Hitch ahead of unit 0's axle."""
    length: float
    """Hitch to the last unit's axle, 0 for a vehicle of one unit."""
    front: F64
    """(n,) axle to front end, unit 0 first."""
    rear: F64
    """(n,) axle to rear end."""
    width: F64
    """(n,)."""
    sharpest: float
    """Largest curvature of unit 0's path that a plan uses, 1/m."""
    most: float
    """Largest curvature of the last unit's path, 1/m."""
    rate: float
    """Largest mean change of that curvature, 1/m2."""
    no_return: float
    """Joint that can no longer be straightened in reverse, or the joint's limit, rad; infinite for one unit."""


class Room(NamedTuple):
    """What there is to keep clear of."""

    boxes: F64
    """(M, 5) things that stand."""
    drivable: LayerArrays
    """The drivable area."""
    clearance: float
    """Room kept beside units, m."""
    dock: F64
    """(3,) pose of the dock."""


def shape_of(vehicle: Vehicle, steering_share: float, joint_share: float) -> Shape:
    """The vehicle for kernels. Raises ConfigError for one with more than one trailer, or whose hitch lies behind the
    axle."""
    lead, last = vehicle.body, vehicle.units[-1]
    if vehicle.joints > 1 or (vehicle.joints and lead.hitch_m < 0.0):
        raise ConfigError(
            f"the planner docking cannot reverse {vehicle.name!r}: it knows single vehicles, and tractors with one "
            "trailer whose hitch does not lie behind the rear axle"
        )
    base, hitch, length = lead.wheel_base_m, lead.hitch_m, last.wheel_base_m
    sharpest = tan(steering_share * vehicle.max_steering_rad) / base
    front, rear, width = (np.array([getattr(u, k) for u in vehicle.units]) for k in ("front_m", "rear_m", "width_m"))
    if not vehicle.joints:
        per_m = (vehicle.max_steering_rate_radps or 0.5) / base
        return Shape(base, 0.0, 0.0, front, rear, width, sharpest, sharpest, 0.45 * per_m, np.inf)
    full = tan(vehicle.max_steering_rad) / base
    sine = length * full / np.hypot(1.0, hitch * full)
    fold = np.pi if sine >= 1.0 else float(np.arcsin(sine) - np.arctan(hitch * full))
    no_return = min(fold, last.joint_limit_rad)
    most = float(np.tan(min(joint_share * no_return, 1.2))) / length
    return Shape(base, hitch, length, front, rear, width, sharpest, most, 0.42 * sharpest / length, no_return)


@small_njit
def _room_of(pose, unit, shape, room, clearance):  # type: ignore[no-untyped-def]
    """Least distance from a unit to things that stand, at most ``EASY_M``; negative where there is less than
    ``clearance`` to one of them or to the edge of the drivable area."""
    c, s = cos(pose[2]), sin(pose[2])
    front, rear, half = shape.front[unit], shape.rear[unit], 0.5 * shape.width[unit]
    ahead = 0.5 * (front - rear)
    x, y, best = pose[0] + ahead * c, pose[1] + ahead * s, EASY_M
    own = (c, s, front + rear, 2.0 * half)
    for k in range(len(room.boxes)):
        b = room.boxes[k]
        reach = 0.5 * (front + rear + b[3] + b[4]) + half + EASY_M
        dx, dy = b[0] - x, b[1] - y
        if dx * dx + dy * dy < reach * reach:
            gap = separation(dx, dy, own, (cos(b[2]), sin(b[2]), b[3], b[4]))
            if gap < clearance:
                return -1.0
            best = min(best, gap)
    for k in range(_SIDE_POINTS):
        along = -rear - clearance + (front + rear + 2.0 * clearance) * k / (_SIDE_POINTS - 1.0)
        for side in (-half - clearance, half + clearance):
            if not in_any(room.drivable, pose[0] + along * c - side * s, pose[1] + along * s + side * c):
                return -1.0
    return best


@small_njit
def room_at(lead, last, shape, room):  # type: ignore[no-untyped-def]
    """Least room of all units, as of one; lead, last (>= 3,): poses of unit 0 and of the last one. Near the dock, less
    room is kept."""
    dx, dy = last[0] - room.dock[0], last[1] - room.dock[1]
    c, s = cos(room.dock[2]), sin(room.dock[2])
    gap, beside = dx * c + dy * s - shape.rear[len(shape.rear) - 1], abs(dy * c - dx * s)
    clearance = room.clearance
    if beside < 1.0 and gap < 2.0:
        clearance = min(clearance, max(0.5 * gap - 0.02, 0.0))
    best = EASY_M
    if len(shape.front) > 1:
        best = _room_of(lead, 0, shape, room, room.clearance)
        if best < 0.0:
            return best
    return min(best, _room_of(last, len(shape.front) - 1, shape, room, clearance))


@small_njit
def room_along(lead, last, shape, room):  # type: ignore[no-untyped-def]
    """Least room along a way: lead (n, 3), last (n, >= 3); negative where a unit does not keep clear, or where unit 0
    cannot steer so sharply. Every eighth place is looked at first."""
    n, best = len(lead), EASY_M
    for k in range(1, n):
        dx, dy = lead[k, 0] - lead[k - 1, 0], lead[k, 1] - lead[k - 1, 1]
        turned = lead[k, 2] - lead[k - 1, 2]
        if turned * turned > shape.sharpest * shape.sharpest * (dx * dx + dy * dy) + 1e-12:
            return -1.0
    for shift in range(8):
        for k in range(n - 1 - shift, -1, -8):
            best = min(best, room_at(lead[k], last[k], shape, room))
            if best < 0.0:
                return best
    return best
