"""Collisions that any unit of ego caused."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np

from roadcraft.core.arrays import I64
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import MetricResult
from roadcraft.validation.metrics.common.collisions import CollisionType, collisions, first_contacts
from roadcraft.validation.metrics.common.configs import NoSettings
from roadcraft.validation.metrics.common.events import object_event
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.common.once import once_per_rollout
from roadcraft.validation.metrics.common.routes import corners, route_of_corners
from roadcraft.validation.metrics.freight.common.units import Units, unit_name, units
from roadcraft.validation.metrics.kernels.contacts import ObjectRows


class Contact(NamedTuple):
    """First contact of a unit of ego with another road user or thing."""

    unit: int
    """Unit of ego."""
    step: int
    """When."""
    row: int
    """Row of the object."""
    type: CollisionType
    """Front and rear are those of the way that the unit moves."""
    at_fault: bool
    """Whether ego caused it."""


class AllUnitCollisions(Metric):
    """Multiplier. 0 where a unit is at fault, else 1. The first contact of each unit with each vehicle counts, whatever
    unit of that vehicle it touches. Unit 0 is at fault as in ``no_ego_at_fault_collisions``. A unit behind is at fault
    where it moves forward against something beside or ahead of it, unless all its corners are in one lane or in
    connected ones and it did not move to where the other had just been; and, in reverse, for whatever its rear end
    touches."""

    role: ClassVar[str] = "multiplier"

    def __init__(self, config: NoSettings) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        found = unit_contacts(context)
        faults = [c for c in found if c.at_fault]
        count = context.rollout.vehicle.joints + 1
        stats: dict[str, float | int | bool | None] = {
            "number_of_all_unit_collisions": len(found),
            "number_of_at_fault_all_unit_collisions": len(faults),
        }
        for i in range(count):
            stats[f"number_of_at_fault_collisions_of_unit_{i}"] = sum(c.unit == i for c in faults)
        events = tuple(
            object_event(context, c.step, f"{unit_name(c.unit)} {_SAID[c.type]} a {{kind}}", c.row) for c in faults
        )
        return MetricResult("all_unit_collisions", 0.0 if faults else 1.0, stats, events=events)


_SAID = {
    CollisionType.STOPPED_TRACK: "drove into",
    CollisionType.ACTIVE_FRONT: "hit",
    CollisionType.ACTIVE_LATERAL: "touched",
}


@once_per_rollout
def unit_contacts(context: MetricContext) -> tuple[Contact, ...]:
    """First contacts of all units, unit by unit, in order of step, then of row."""
    u, f, tracks = units(context), frames(context), context.rollout.drive.tracks
    vehicles, group = np.unique(tracks.vehicle, return_inverse=True)
    objects = f.objects
    if len(vehicles) < len(tracks):
        objects = objects._replace(track=frozen(group[objects.track], np.int64))
    out = []
    for i in range(u.boxes.shape[1]):
        speed = f.speed if i == 0 else u.speed[:, i]
        back = speed < 0.0
        box, outer = _as_it_moves(u, i, back)
        arguments = (frozen(u.poses[:, i]), box, outer, frozen(np.abs(speed)))
        if i == 0 and objects is f.objects:
            known = collisions(context)
            steps, rows, types = known.step, known.row, known.type
        else:
            steps, rows, types, _ = first_contacts(*arguments, objects, len(vehicles))
        if not len(steps):
            continue
        route = corners(context) if i == 0 else route_of_corners(context, u.corners[:, i], f"a corner of unit {i}")
        for step, row, kind in zip(steps.tolist(), rows.tolist(), types.tolist(), strict=True):
            what = CollisionType(kind)
            fault = _at_fault(what, i, bool(back[step]), bool(route.in_common[step]))
            if not fault and i > 0 and what in (CollisionType.ACTIVE_LATERAL, CollisionType.ACTIVE_FRONT):
                fault = _swept(tuple(a[step : step + 1] for a in arguments), f.objects, step, row)
            out.append(Contact(i, step, row, what, fault))
    return tuple(out)


def _as_it_moves(u: Units, unit: int, back: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (n, 5) and corners (n, 4, 2) of a unit whose front is the end that leads: turned about in reverse."""
    box, outer = u.boxes[:, unit], u.corners[:, unit]
    if back.any():
        box, outer = box.copy(), outer.copy()
        box[back, 2] += np.pi
        outer[back] = outer[back][:, [2, 3, 0, 1]]
    return frozen(box), frozen(outer)


def _at_fault(what: CollisionType, unit: int, back: bool, in_common: bool) -> bool:
    if what in (CollisionType.STOPPED_EGO, CollisionType.ACTIVE_REAR):
        return False
    if what == CollisionType.STOPPED_TRACK:
        return True  # who moves has moved to where the other stands
    if what == CollisionType.ACTIVE_FRONT and (unit == 0 or back):
        return True
    return not in_common


def _swept(at: tuple[np.ndarray, ...], objects: ObjectRows, step: int, row: int) -> bool:
    """Whether the unit now touches the place where the object was a step before."""
    if step == 0:
        return False
    first, last = objects.offsets[step - 1], objects.offsets[step]
    before = first + np.flatnonzero(objects.track[first:last] == objects.track[row])
    if not len(before):
        return False
    r = int(before[0])
    zero: I64 = np.zeros(1, np.int64)
    there = ObjectRows(
        frozen(np.array([0, 1]), np.int64),
        frozen(zero, np.int64),
        frozen(objects.kind[r : r + 1], np.uint8),
        frozen(objects.box[r : r + 1]),
        frozen(objects.speed[r : r + 1]),
    )
    pose, box, outer, speed = (frozen(a) for a in at)
    return len(first_contacts(pose, box, outer, speed, there, 1)[0]) > 0
