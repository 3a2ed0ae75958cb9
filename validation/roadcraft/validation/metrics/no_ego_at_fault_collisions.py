"""Collisions that ego caused (reference: nuplan-devkit e924167, no_ego_at_fault_collisions.py)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.data.scenario import LAST_MOVING, ObjectKind
from roadcraft.core.driving.jit import small_njit
from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import MetricResult
from roadcraft.validation.metrics.common.collisions import CollisionType, collisions
from roadcraft.validation.metrics.common.configs import CollisionConfig
from roadcraft.validation.metrics.common.events import object_event

_SAID = {
    CollisionType.STOPPED_TRACK: "drove into a standing {kind}",
    CollisionType.ACTIVE_FRONT: "hit a {kind} with the front",
    CollisionType.ACTIVE_LATERAL: "touched a {kind} sideways while not within one lane",
}


class NoEgoAtFaultCollisions(Metric):
    """Multiplier. 1 without any collision at fault; else the product over vulnerable road users, vehicles and objects
    of max(0, 1 - number / (allowed + 1)). At fault: front contacts, contacts with standing tracks, and lateral ones
    while ego is not in one lane."""

    role: ClassVar[str] = "multiplier"

    def __init__(self, config: CollisionConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        found = collisions(context)
        fault = np.flatnonzero(found.at_fault)
        kind, delta_v = found.kind[fault], found.delta_v[fault]
        vru = np.concatenate([delta_v[kind == ObjectKind.PEDESTRIAN], delta_v[kind == ObjectKind.BICYCLE]])
        groups = {
            "VRUs": vru,
            "vehicles": delta_v[kind == ObjectKind.VEHICLE],
            "objects": delta_v[kind > LAST_MOVING],
        }
        stats: dict[str, float | int | bool | None] = {
            "no_ego_at_fault_collisions": len(fault) == 0,
            "number_of_all_at_fault_collisions": len(fault),
        }
        stats.update({f"number_of_at_fault_collisions_with_{k}": len(v) for k, v in groups.items()})
        for name, energy in groups.items():
            stats.update(_energy(name, energy))
        allowed = (self.config.allow_vru, self.config.allow_vehicle, self.config.allow_object)
        score = 1.0
        for energy, n in zip(groups.values(), allowed, strict=True):
            score *= share_left(len(energy), n)
        events = tuple(
            object_event(context, int(found.step[k]), _SAID[CollisionType(int(found.type[k]))], int(found.row[k]))
            for k in fault
        )
        return MetricResult("no_ego_at_fault_collisions", score, stats, events=events)


@small_njit
def share_left(collisions: int, allowed: int) -> float:
    """What of the score so many collisions at fault leave, where ``allowed`` leave a part."""
    return max(0.0, 1.0 - collisions / (allowed + 1))


def _energy(name: str, values: F64) -> dict[str, float]:
    if not len(values):
        return {}
    return {
        f"max_collision_energy_with_{name}": float(values.max()),
        f"min_collision_energy_with_{name}": float(values.min()),
        f"mean_collision_energy_with_{name}": float(np.mean(values)),
    }
