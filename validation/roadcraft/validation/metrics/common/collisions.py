"""First contacts of ego with every track, their type and fault (reference: nuplan-devkit e924167,
no_ego_at_fault_collisions.py, collision_utils.py)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64, U8, Mask
from roadcraft.core.data.scenario import LAST_MOVING
from roadcraft.core.driving.geometry.boxes import box_corners, segment_touches
from roadcraft.core.driving.geometry.facing import BEHIND_RAD, relative_angle
from roadcraft.core.driving.geometry.reference_trig import cosine, sine
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.motion.stopped import STOPPED_MPS
from roadcraft.core.interfaces import MetricContext
from roadcraft.validation.metrics.common.frames import Frames, frames
from roadcraft.validation.metrics.common.once import once_per_rollout
from roadcraft.validation.metrics.common.routes import corners
from roadcraft.validation.metrics.kernels.contacts import ObjectRows, in_collision


class CollisionType(IntEnum):
    STOPPED_EGO = 0
    STOPPED_TRACK = 1
    ACTIVE_FRONT = 2
    ACTIVE_REAR = 3
    ACTIVE_LATERAL = 4


_STOPPED_EGO, _STOPPED_TRACK, _ACTIVE_FRONT, _ACTIVE_REAR, _ACTIVE_LATERAL = (int(t) for t in CollisionType)


@dataclass(frozen=True)
class Collisions:
    """C contacts in order of step, then of row. step (C,); row (C,) of the objects; type (C,) CollisionType; kind (C,)
    ObjectKind; delta_v (C,) m/s; at_fault (C,) bool; first (T,) step of first contact of each track, n where there is
    none; step_at_fault (n,) bool."""

    step: I64
    row: I64
    type: NDArray[np.int8]
    kind: U8
    delta_v: F64
    at_fault: Mask
    first: I64
    step_at_fault: Mask


@once_per_rollout
def collisions(context: MetricContext) -> Collisions:
    """All collisions of the context's rollout. A track counts once, at its first contact."""
    f, in_common = frames(context), corners(context).in_common
    tracks = len(context.rollout.drive.tracks)
    step, row, kinds, first = first_contacts(f.ego, f.box, f.corners, f.speed, f.objects, tracks)
    at_fault = (
        (kinds == CollisionType.ACTIVE_FRONT)
        | (kinds == CollisionType.STOPPED_TRACK)
        | ((kinds == CollisionType.ACTIVE_LATERAL) & ~in_common[step])
    )
    hit = np.zeros(len(f), np.bool_)
    hit[step[at_fault]] = True
    return Collisions(step, row, kinds, f.objects.kind[row], _delta_v(f, step, row), at_fault, first, hit)


def _delta_v(f: Frames, step: I64, row: I64) -> F64:
    """Ego's loss of speed if both had one mass and stuck together (``ego_delta_v_collision``)."""
    ve = f.speed[step]
    vo = np.where(f.objects.kind[row] <= LAST_MOVING, f.objects.speed[row], 0.0)
    square = ve**2 + vo**2 - 2.0 * ve * vo * np.cos(f.ego[step, 2] - f.objects.box[row, 2])
    return 0.5 * np.sqrt(np.maximum(square, 0.0))


@njit(cache=True, nogil=True)
def first_contacts(
    ego: F64, box: F64, ego_corners: F64, speed: F64, objects: ObjectRows, tracks: int
) -> tuple[I64, I64, NDArray[np.int8], I64]:
    """Step, object row and CollisionType of every first contact, and the step of first contact of every track (n where
    there is none).

    ego (n, >= 2): place of the rear axle; box (n, 5); ego_corners (n, 4, 2); speed (n,) m/s, not negative.
    """
    offsets, track, kind, object_box, object_speed = objects
    n = len(ego)
    first = np.full(tracks, n, np.int64)
    steps, rows = np.empty(tracks, np.int64), np.empty(tracks, np.int64)
    types = np.empty(tracks, np.int8)
    count = 0
    for i in range(n):
        h = box[i, 2]
        own = (box[i, 0], box[i, 1], h, box[i, 3], box[i, 4])
        for r in range(offsets[i], offsets[i + 1]):
            if first[track[r]] < n:
                continue
            ox, oy, oh, ol, ow = (
                object_box[r, 0],
                object_box[r, 1],
                object_box[r, 2],
                object_box[r, 3],
                object_box[r, 4],
            )
            if not in_collision(own, (ox, oy, oh, ol, ow)):
                continue
            first[track[r]] = i
            c = ego_corners[i]
            angle = relative_angle(ego[i, 0], ego[i, 1], cosine(h), sine(h), ox, oy)
            if speed[i] <= STOPPED_MPS:
                what = _STOPPED_EGO
            elif kind[r] > LAST_MOVING or object_speed[r] <= STOPPED_MPS:
                what = _STOPPED_TRACK
            elif angle > BEHIND_RAD:
                what = _ACTIVE_REAR
            elif segment_touches(c[0, 0], c[0, 1], c[3, 0], c[3, 1], box_corners(ox, oy, oh, ol, ow)):
                what = _ACTIVE_FRONT
            else:
                what = _ACTIVE_LATERAL
            steps[count], rows[count], types[count] = i, r, what
            count += 1
    return steps[:count], rows[:count], types[:count], first
