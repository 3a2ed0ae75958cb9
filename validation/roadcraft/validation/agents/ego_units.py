"""The ego's units as the other agents meet them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.data.scenario import Ego, Scenario
from roadcraft.core.driving.geometry.boxes import place_corners
from roadcraft.core.driving.geometry.capsules import box_capsule
from roadcraft.core.driving.geometry.corridor_distance import BOX, bounds_of
from roadcraft.core.driving.jit import small_njit
from roadcraft.core.driving.motion.chain import ChainArrays, chain_of, place_units, unit_boxes
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.validation.simulation.joints import first_joints

_VX, _VY, _YAW_RATE = int(Ego.VX), int(Ego.VY), int(Ego.YAW_RATE)


class EgoUnits(NamedTuple):
    """The n units of the ego of B scenarios: motion (B, n, 4) center x, y, heading and speed along it; corners (B, n,
    4, 2), capsules (B, n, 5) and extents (B, n, 4), the bounding boxes, of their boxes."""

    motion: F64
    corners: F64
    capsules: F64
    extents: F64


def room_for_ego(scenarios: int, units: int) -> EgoUnits:
    """Places yet to be written."""
    shape = (scenarios, units)
    return EgoUnits(np.empty((*shape, 4)), np.empty((*shape, 4, 2)), np.empty((*shape, 5)), np.empty((*shape, 4)))


def first_ego_boxes(scenario: Scenario, vehicle: Vehicle) -> F64:
    """Boxes (n, 5) of the ego's units at a scenario's first iteration."""
    joints = np.ascontiguousarray(first_joints(scenario, vehicle)[None])
    return np.asarray(unit_boxes(np.ascontiguousarray(scenario.expert[:1]), joints, chain_of(vehicle))[0])


@small_njit
def place_ego(ego: F64, joints: F64, chain: ChainArrays, out: EgoUnits) -> None:
    """Where the units of B vehicles are, by their states (B, 10), joints (B, n - 1) and lengths."""
    for b in range(len(ego)):
        motion = out.motion[b]
        place_units(ego[b], joints[b], chain, motion)
        speed, yaw_rate = math.hypot(ego[b, _VX], ego[b, _VY]), ego[b, _YAW_RATE]
        for i in range(len(motion)):
            if i > 0:
                c, s, across = math.cos(joints[b, i - 1]), math.sin(joints[b, i - 1]), chain.hitch[i - 1] * yaw_rate
                speed, yaw_rate = speed * c + across * s, (across * c - speed * s) / chain.wheel_base[i]
            ahead, heading = 0.5 * (chain.front[i] - chain.rear[i]), motion[i, 2]
            x, y = motion[i, 0] + ahead * math.cos(heading), motion[i, 1] + ahead * math.sin(heading)
            motion[i, 0], motion[i, 1], motion[i, 3] = x, y, speed
            length, width = chain.front[i] + chain.rear[i], chain.width[i]
            place_corners((x, y, heading, length, width), out.corners[b, i])
            box_capsule(x, y, heading, length, width, out.capsules[b, i])
            bounds_of(out.corners[b, i], BOX, 0.0, out.extents[b, i])
