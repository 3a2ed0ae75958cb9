"""Roll and load transfer of units that roll together: a towing unit with the semitrailers on its fifth wheels, and the
units behind each drawbar.

The roll angle follows the lateral acceleration of the group's centers of gravity as a damped oscillator. The load
transfer ratio is 1 where the wheels of one side carry nothing, which a steady lateral acceleration of the static roll
threshold brings about.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.jit import small_njit
from roadcraft.core.vehicles.vehicle import GRAVITY_MPS2, Vehicle

ROLL_RAD_PER_G = 0.12
"""Roll angle at a lateral acceleration of 1 g; chosen within 0.10 .. 0.14."""
ROLL_HZ, ROLL_DAMPING = 0.6, 0.2
"""Frequency and damping ratio of roll; chosen for loaded vehicles."""
ROLL_CENTER_M, SPRUNG_SHARE = 0.6, 0.85
"""Height of the roll center, and share of the mass that is sprung; chosen, no source claims them."""
TRACK_M = 1.86
"""Distance between the centers of the outer tires where a file gives none: 102 in axles with dual tires."""


class RollGroups(NamedTuple):
    """The G groups of units that roll together, for kernels."""

    group: I64
    """(n,) group of each unit."""
    weight: F64
    """(n,) share of each unit's lateral acceleration in its group's, by mass and height."""
    threshold: F64
    """(G,) m/s2; steady lateral acceleration at which the group tips."""
    sprung: F64
    """(G,) share of the load transfer that comes with the roll angle."""


def roll_groups_of(vehicle: Vehicle) -> RollGroups:
    """The groups of a vehicle with masses. The threshold of a group is the least ``srt_g`` of its units; where none
    gives one, that of its track, height and roll."""
    group = np.cumsum([i > 0 and u.kind != "semitrailer" for i, u in enumerate(vehicle.units)]).astype(np.int64)
    moment = np.array([m.mass_kg * m.cog_height_m for m in vehicle.masses])
    mass = np.array([m.mass_kg for m in vehicle.masses])
    count = int(group[-1]) + 1
    sums = np.bincount(group, moment, count)
    heights = sums / np.bincount(group, mass, count)
    lever = SPRUNG_SHARE * np.maximum(heights - ROLL_CENTER_M, 0.0)
    threshold = np.empty(count)
    for g in range(count):
        members = np.flatnonzero(group == g)
        given = [s for i in members if (s := vehicle.masses[i].srt_g) is not None]
        track = vehicle.units[members[-1]].track_m or TRACK_M
        threshold[g] = min(given) if given else 0.5 * track / (heights[g] + lever[g] * ROLL_RAD_PER_G)
    sprung = lever * (1.0 + ROLL_RAD_PER_G) / (heights + lever * ROLL_RAD_PER_G)
    return RollGroups(group, moment / sums[group], GRAVITY_MPS2 * threshold, sprung)


@small_njit
def sway(state, before, after, dt):  # type: ignore[no-untyped-def]
    """Roll angle rad and roll rate rad/s after ``dt`` s, of the same before; before, after: lateral acceleration m/s2
    at both ends of the time, linear between."""
    wave, decay = 2.0 * math.pi * ROLL_HZ, 2.0 * math.pi * ROLL_HZ * ROLL_DAMPING
    swing = wave * math.sqrt(1.0 - ROLL_DAMPING * ROLL_DAMPING)
    steady, drift = ROLL_RAD_PER_G / GRAVITY_MPS2 * before, ROLL_RAD_PER_G / GRAVITY_MPS2 * (after - before) / dt
    steady -= 2.0 * ROLL_DAMPING / wave * drift
    a = state[0] - steady
    b = (state[1] - drift + decay * a) / swing
    c, s, left = math.cos(swing * dt), math.sin(swing * dt), math.exp(-decay * dt)
    roll = steady + drift * dt + left * (a * c + b * s)
    rate = drift + left * (swing * (b * c - a * s) - decay * (a * c + b * s))
    return roll, rate


@small_njit
def load_transfer(state, ay, threshold, sprung):  # type: ignore[no-untyped-def]
    """Load transfer ratio of a group, positive to the right, from its roll angle and roll rate, its lateral
    acceleration ay m/s2, and its entries of :class:`RollGroups`."""
    lag = 2.0 * ROLL_DAMPING / (2.0 * math.pi * ROLL_HZ)
    followed = GRAVITY_MPS2 / ROLL_RAD_PER_G * (state[0] + lag * state[1])
    return ((1.0 - sprung) * ay + sprung * followed) / threshold
