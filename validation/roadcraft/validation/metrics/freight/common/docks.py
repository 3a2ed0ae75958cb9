"""The dock to which the expert reverses, and how near ego's last unit comes to it."""

from __future__ import annotations

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.data.places import PlaceKind
from roadcraft.core.data.scenario import Ego
from roadcraft.core.driving.motion.stopped import STOPPED_MPS
from roadcraft.core.interfaces import MetricContext
from roadcraft.core.vehicles.geometry import length_of
from roadcraft.validation.metrics.freight.common.units import units

_NEAR_M = 5.0  # of the expert's rear from the dock that it was to reach


def dock_asked_for(context: MetricContext) -> F64 | None:
    """Pose (3,) of the dock at which the expert stands at the end after it has reversed, or None."""
    scenario, vehicle = context.rollout.scenario, context.rollout.vehicle
    places, expert = scenario.map.places, scenario.expert
    docks = places.pose[places.of(PlaceKind.DOCK)] if len(places) else np.zeros((0, 3))
    speed = expert[:, Ego.VX]
    if not len(docks) or speed.min() > -STOPPED_MPS or abs(speed[-1]) > STOPPED_MPS:
        return None
    x, y, heading = expert[-1, :3]
    back = length_of(vehicle) - vehicle.body.front_m
    away = np.hypot(docks[:, 0] - x + back * np.cos(heading), docks[:, 1] - y + back * np.sin(heading))
    return docks[int(away.argmin())] if away.min() <= _NEAR_M else None


def rear_at(context: MetricContext, step: int) -> F64:
    """Middle of the last unit's rear edge (2,) at a step, m."""
    rear: F64 = units(context).corners[step, -1, 1:3].mean(axis=0)
    return rear
