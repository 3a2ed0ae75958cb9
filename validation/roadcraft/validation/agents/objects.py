"""The objects that reactive agents show: the columns of a batch, written by a kernel."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, U8, U64
from roadcraft.core.data.rollout import Objects
from roadcraft.core.data.scenario import ObjectKind
from roadcraft.core.driving.geometry.boxes import place_corners
from roadcraft.core.driving.geometry.capsules import box_capsule
from roadcraft.core.driving.geometry.corridor_distance import BOX, bounds_of
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.validation.agents.agent_batch import AgentBatch, Constants
from roadcraft.validation.agents.logged import empty_columns


@njit(cache=True, nogil=True)
def outlines(boxes: F64) -> tuple[F64, F64, F64]:
    """Of boxes (N, 5) their corners (N, 4, 2), capsules (N, 5) and bounding boxes (N, 4)."""
    n = len(boxes)
    corners, capsules, extents = np.empty((n, 4, 2)), np.empty((n, 5)), np.empty((n, 4))
    for i in range(n):
        place_corners(boxes[i], corners[i])
        box_capsule(boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 3], boxes[i, 4], capsules[i])
        bounds_of(corners[i], BOX, 0.0, extents[i])
    return corners, capsules, extents


class ShownObjects(NamedTuple):
    """Columns as of ``Objects``, with room for more rows than ``offsets`` (B + 1,) tell."""

    offsets: I64
    id: U64
    kind: U8
    vehicle: I64
    unit: U8
    box: F64
    velocity: F64

    def objects(self) -> Objects:
        """A copy of the rows that were written."""
        offsets, id, kind, vehicle, unit, box, velocity = self
        n = int(offsets[-1])
        return Objects(
            offsets.copy(),
            id[:n].copy(),
            kind[:n].copy(),
            vehicle[:n].copy(),
            unit[:n].copy(),
            box[:n].copy(),
            velocity[:n].copy(),
        )


def room_for_shown(scenarios: int, rows: int) -> ShownObjects:
    """Columns yet to be written, of up to ``rows`` objects."""
    return ShownObjects(np.zeros(scenarios + 1, np.int64), *empty_columns(rows))


@small_njit
def show(agents: AgentBatch, constants: Constants, iteration: I64, ahead: int, out: ShownObjects) -> None:
    """Of every scenario its agents in the order of their placement, then the replayed objects ``ahead`` steps after
    ``iteration`` (B,)."""
    n = 0
    for b in range(len(iteration)):
        for a in range(constants.agent_low[b], constants.agent_low[b + 1]):
            if not agents.alive[a]:
                continue
            out.id[n], out.kind[n] = constants.id[a], ObjectKind.VEHICLE
            out.vehicle[n], out.unit[n] = constants.vehicle[a], constants.unit[a]
            heading, speed = agents.pose[a, 2], agents.speed[a]
            out.box[n, 0], out.box[n, 1], out.box[n, 2] = agents.pose[a, 0], agents.pose[a, 1], heading
            out.box[n, 3], out.box[n, 4] = constants.size[a, 0], constants.size[a, 1]
            out.velocity[n, 0], out.velocity[n, 1] = speed * math.cos(heading), speed * math.sin(heading)
            n += 1
        frame = constants.frame_low[b] + iteration[b] + ahead
        for k in range(constants.object_low[frame], constants.object_low[frame + 1]):
            out.id[n], out.kind[n] = constants.object_id[k], constants.object_kind[k]
            out.vehicle[n], out.unit[n] = constants.object_vehicle[k], constants.object_unit[k]
            for j in range(5):
                out.box[n, j] = constants.object_box[k, j]
            out.velocity[n, 0], out.velocity[n, 1] = constants.object_velocity[k, 0], constants.object_velocity[k, 1]
            n += 1
        out.offsets[b + 1] = n
