"""How the ego moves, and on what: what passes between the simulator, a tracker and a vehicle model."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, read_only


class VehicleState(NamedTuple):
    """The ego's motion in B scenarios."""

    ego: F64
    """(B, 10) float64, columns ``Ego``: unit 0."""
    joints: F64
    """(B, J) float64 articulation angles, rad: heading of a unit less that of the unit that pulls it."""
    motion: F64
    """(B, M) float64: further state of the vehicle model, columns ``VehicleModel.columns``; M = 0 where it keeps
    none."""

    def select(self, rows: I64) -> VehicleState:
        """The given scenarios alone, in the given order."""
        return VehicleState(self.ego[rows], self.joints[rows], self.motion[rows])


class RoadState(NamedTuple):
    """The road under the ego and the wind around it in B scenarios."""

    grade: F64
    """(B,) float64: rise over run in the ego's direction, uphill positive."""
    bank: F64
    """(B,) float64: slope across the road, positive where its left side is the lower one."""
    friction: F64
    """(B,) float64: coefficient between tire and road."""
    wind_mps: F64
    """(B, 2) float64: velocity of the air, global frame."""

    def select(self, rows: I64) -> RoadState:
        """The given scenarios alone, in the given order."""
        return RoadState(self.grade[rows], self.bank[rows], self.friction[rows], self.wind_mps[rows])


DRY_FRICTION = 0.8
"""Coefficient between tire and road where nothing is known of it."""


@lru_cache(maxsize=64)
def level_road(count: int) -> RoadState:
    """Level dry roads without wind under ``count`` egos; arrays are read-only, and the same whenever it is asked."""
    road = RoadState(np.zeros(count), np.zeros(count), np.full(count, DRY_FRICTION), np.zeros((count, 2)))
    return read_only(road)
