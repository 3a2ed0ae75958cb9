"""The rows of a crowd: what stands in the world, unit by unit, in arrays that are allocated once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, Mask
from roadcraft.core.driving.motion.bicycle import motion_of
from roadcraft.core.vehicles.vehicle import Vehicle

LOWEST_ACCELERATION, LARGEST_ACCELERATION, LARGEST_STEERING_RATE = -8.0, 4.0, 2.0
"""What a row is asked for at most where its vehicle says nothing of it: m/s2, m/s2, rad/s."""


class CrowdRows(NamedTuple):
    """B scenarios of N rows, a row for each rigid unit; the units of a vehicle follow each other, the towing one first.
    All may be written between two steps."""

    state: F64
    """(B, N, 10) float64, columns ``Ego``, of the rear axle (of a trailer: of its axle)."""
    body: F64
    """(B, N, 3): rear axle to box center, length, width, m (``Vehicle.box``)."""
    motion: F64
    """(B, N, 4): as ``bicycle.motion_of``."""
    bounds: F64
    """(B, N, 3): lowest and largest acceleration m/s2 and largest steering rate rad/s; actions beyond are clipped."""
    towed: F64
    """(B, N, 2): of a unit that the row before tows, the distance m of its axle behind the hitch, and how far ahead of
    that row's axle the hitch is; 0, 0 of a row that nobody tows."""
    vehicle: I64
    """(B, N): the row of its vehicle's first unit."""
    there: Mask
    """(B, N): rows that are in the world; the others touch nothing and are not moved."""
    driven: Mask
    """(B, N): rows that actions move, with their trailers; the others stay where ``state`` says that they are, so that
    who writes it between steps replays a log."""
    place: I64
    """(B,): the map that each scenario is on."""

    @classmethod
    def empty(cls, scenarios: int, rows: int) -> CrowdRows:
        """Rows of which none is there, all on the first map."""
        shape = (scenarios, rows)
        f64 = [np.zeros((*shape, k)) for k in (10, 3, 4, 3, 2)]
        vehicle, place = np.zeros(shape, np.int64), np.zeros(scenarios, np.int64)
        return cls._make([*f64, vehicle, np.zeros(shape, np.bool_), np.zeros(shape, np.bool_), place])


class UnitRows(NamedTuple):
    """What :class:`CrowdRows` holds of a vehicle's n units whatever it does."""

    body: F64
    """(n, 3)."""
    motion: F64
    """(n, 4)."""
    bounds: F64
    """(n, 3)."""
    towed: F64
    """(n, 2)."""


def unit_rows(vehicle: Vehicle) -> UnitRows:
    """The rows of a vehicle: the towing unit, then its trailers. Actions are bounded by its own steering rate and
    braking where it gives them."""
    units, ahead = vehicle.units, vehicle.units[:-1]
    towed = np.array([[0.0, 0.0], *([u.wheel_base_m, a.hitch_m] for u, a in zip(units[1:], ahead, strict=True))])
    body = np.array([[u.axle_to_center_m, u.length_m, u.width_m] for u in units])
    load = vehicle.loads.get(vehicle.load)
    bounds = np.array([
        -load.brake_mps2 if load else LOWEST_ACCELERATION,
        min(load.launch_mps2, LARGEST_ACCELERATION) if load else LARGEST_ACCELERATION,
        vehicle.max_steering_rate_radps or LARGEST_STEERING_RATE,
    ])  # fmt: skip
    motion, bounds = (np.tile(part, (len(units), 1)) for part in (motion_of(vehicle), bounds))
    return UnitRows(body, motion, bounds, towed)
