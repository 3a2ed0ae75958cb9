"""The objects that reactive agents show: the columns of a batch, written by one kernel."""

from __future__ import annotations

import math

import numpy as np

from roadcraft.core.arrays import I64
from roadcraft.core.driving.jit import njit
from roadcraft.core.rollout import Objects
from roadcraft.core.scenario import ObjectKind
from roadcraft.validation.agents.agent_batch import AgentBatch, Constants
from roadcraft.validation.agents.logged import room_for_objects


def shown(agents: AgentBatch, constants: Constants, iteration: I64) -> Objects:
    """Of every scenario its agents in the order of their placement, then the replayed objects of ``iteration`` (B,)."""
    frame = constants.frame_low[:-1] + iteration
    room = len(agents.alive) + int((constants.object_low[frame + 1] - constants.object_low[frame]).sum())
    out = room_for_objects(np.zeros(len(iteration) + 1, np.int64), room)
    columns = out.offsets, out.id, out.kind, out.vehicle, out.unit, out.box, out.velocity
    n = _write((agents.alive, agents.pose, agents.speed), constants, frame, columns)
    return out if n == room else Objects(columns[0], *(c[:n] for c in columns[1:]))


@njit(cache=True, nogil=True)
def _write(driven, constants, frame, columns):  # type: ignore[no-untyped-def]
    alive, pose, speeds = driven
    offsets, id, kind, vehicle, unit, box, velocity = columns
    n = 0
    for b in range(len(frame)):
        for a in range(constants.agent_low[b], constants.agent_low[b + 1]):
            if not alive[a]:
                continue
            id[n], kind[n], vehicle[n], unit[n] = (
                constants.id[a],
                ObjectKind.VEHICLE,
                constants.vehicle[a],
                constants.unit[a],
            )
            heading, speed = pose[a, 2], speeds[a]
            box[n, 0], box[n, 1], box[n, 2] = pose[a, 0], pose[a, 1], heading
            box[n, 3], box[n, 4] = constants.size[a, 0], constants.size[a, 1]
            velocity[n, 0], velocity[n, 1] = speed * math.cos(heading), speed * math.sin(heading)
            n += 1
        for k in range(constants.object_low[frame[b]], constants.object_low[frame[b] + 1]):
            id[n], kind[n], vehicle[n] = constants.object_id[k], constants.object_kind[k], constants.object_vehicle[k]
            unit[n] = constants.object_unit[k]
            for j in range(5):
                box[n, j] = constants.object_box[k, j]
            velocity[n, 0], velocity[n, 1] = constants.object_velocity[k, 0], constants.object_velocity[k, 1]
            n += 1
        offsets[b + 1] = n
    return n
