"""The ego's units as the other agents meet them."""

from __future__ import annotations

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.geometry.boxes import ego_box
from roadcraft.core.driving.motion.chain import chain_of, unit_boxes
from roadcraft.core.rollout import ObservationBatch
from roadcraft.core.scenario import Ego, Scenario
from roadcraft.core.vehicle import Vehicle
from roadcraft.validation.simulation.joints import first_joints


def ego_units(obs: ObservationBatch) -> tuple[F64, F64]:
    """Boxes (B, n, 5) of the ego's n units, and (B, n, 4) center x, y, heading and speed along it of each."""
    boxes = _boxes(obs.ego, obs.joints if obs.vehicle.joints else np.zeros((len(obs.ego), 0)), obs.vehicle)
    motion = boxes[:, :, :4].copy()
    speed, yaw_rate = np.hypot(obs.ego[:, Ego.VX], obs.ego[:, Ego.VY]), obs.ego[:, Ego.YAW_RATE]
    motion[:, 0, 3] = speed
    for i, (front, unit) in enumerate(zip(obs.vehicle.units[:-1], obs.vehicle.units[1:], strict=True)):
        c, s, across = np.cos(obs.joints[:, i]), np.sin(obs.joints[:, i]), front.hitch_m * yaw_rate
        speed, yaw_rate = speed * c + across * s, (across * c - speed * s) / unit.wheel_base_m
        motion[:, i + 1, 3] = speed
    return boxes, motion


def first_ego_boxes(scenario: Scenario, vehicle: Vehicle) -> F64:
    """Boxes (n, 5) of the ego's units at a scenario's first iteration."""
    return np.asarray(_boxes(scenario.expert[:1], first_joints(scenario, vehicle)[None], vehicle)[0])


def _boxes(ego: F64, joints: F64, vehicle: Vehicle) -> F64:
    if not vehicle.joints:
        return ego_box(ego, vehicle.box)[:, None]
    return np.asarray(unit_boxes(np.ascontiguousarray(ego), np.ascontiguousarray(joints), chain_of(vehicle)))
