"""A rollout as the arrays that metric kernels take."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.scenario import Ego
from roadcraft.core.driving.geometry.boxes import corners, ego_box
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.interfaces import MetricContext
from roadcraft.validation.metrics.common.once import once_per_rollout
from roadcraft.validation.metrics.kernels.contacts import ObjectRows


@dataclass(frozen=True)
class Frames:
    """n simulated steps. time_us (n,); ego (n, 10); box (n, 5) of unit 0; corners (n, 4, 2) front left, rear left, rear
    right, front right; speed (n,) m/s at the rear axle."""

    time_us: I64
    ego: F64
    box: F64
    corners: F64
    speed: F64
    objects: ObjectRows

    def __len__(self) -> int:
        return len(self.time_us)


@once_per_rollout
def frames(context: MetricContext) -> Frames:
    """The frames of the context's rollout."""
    rollout = context.rollout
    drive, objects = rollout.drive, rollout.drive.objects
    ego = frozen(drive.ego)
    box = ego_box(ego, rollout.vehicle.box)
    return Frames(
        frozen(drive.time_us, np.int64),
        ego,
        frozen(box),
        frozen(corners(frozen(box))),
        frozen(np.hypot(ego[:, Ego.VX], ego[:, Ego.VY])),
        ObjectRows(
            frozen(objects.offsets, np.int64),
            frozen(objects.track, np.int64),
            frozen(drive.tracks.kind[objects.track], np.uint8),
            frozen(objects.box),
            frozen(np.hypot(objects.velocity[:, 0], objects.velocity[:, 1])),
        ),
    )


@once_per_rollout
def expert_boxes(context: MetricContext) -> F64:
    """Boxes (N, 5) of the logged ego, placed with the simulated vehicle's dimensions, at all N iterations."""
    return frozen(ego_box(context.rollout.scenario.expert, context.rollout.vehicle.box))
