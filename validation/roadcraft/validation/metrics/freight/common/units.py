"""Where all units of ego are in a rollout, and how they move."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.data.scenario import Ego
from roadcraft.core.driving.geometry.boxes import corners
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.motion.chain import ChainArrays, chain_of, unit_poses
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.errors import DataError
from roadcraft.core.interfaces import MetricContext
from roadcraft.core.memo import memo
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.common.once import once_per_rollout

SPACING_M = 1.0
"""Distance between outline points along the sides."""


class Units(NamedTuple):
    """The m units of ego over n steps, unit 0 first."""

    chain: ChainArrays
    """Their lengths."""
    seconds: F64
    """(n,) s from the first step."""
    poses: F64
    """(n, m, 3) x, y, heading of the axles, global frame."""
    boxes: F64
    """(n, m, 5) center x, y, heading, length, width; unit 0's is that of nuPlan's metrics."""
    corners: F64
    """(n, m, 4, 2) front left, rear left, rear right, front right."""
    speed: F64
    """(n, m) m/s along each unit's heading, negative in reverse."""
    yaw_rate: F64
    """(n, m) rad/s."""
    steered: F64
    """(n, 2) place of the steered axle."""

    @property
    def dt_s(self) -> float:
        """Mean time between steps."""
        return float(self.seconds[-1]) / max(len(self.seconds) - 1, 1)


@once_per_rollout
def units(context: MetricContext) -> Units:
    """The units of the context's rollout. Raises DataError where its joints are not those of its vehicle, or not
    finite."""
    rollout, f = context.rollout, frames(context)
    joints, count = rollout.drive.joints, rollout.vehicle.joints
    where = f"scenario {rollout.scenario.token}"
    if joints.shape != (len(f), count):
        raise DataError(
            f"the drive has {joints.shape[-1]} joints, its vehicle {rollout.vehicle.name!r} has {count}", where=where
        )
    if not np.isfinite(joints).all():
        raise DataError("joint angles are not finite", where=where)
    chain = memo(rollout.vehicle, "chain", lambda: chain_of(rollout.vehicle))
    poses = unit_poses(np.ascontiguousarray(f.ego), np.ascontiguousarray(joints), chain)
    boxes = np.empty((len(f), count + 1, 5))
    ahead = 0.5 * (chain.front - chain.rear)
    boxes[..., 0] = poses[..., 0] + ahead * np.cos(poses[..., 2])
    boxes[..., 1] = poses[..., 1] + ahead * np.sin(poses[..., 2])
    boxes[..., 2], boxes[..., 3], boxes[..., 4] = poses[..., 2], chain.front + chain.rear, chain.width
    boxes[:, 0] = f.box
    outer = corners(frozen(boxes.reshape(-1, 5))).reshape(len(f), count + 1, 4, 2)
    seconds = (f.time_us - f.time_us[0]) * 1e-6
    speed, yaw_rate = np.empty((len(f), count + 1)), np.empty((len(f), count + 1))
    speed[:, 0], yaw_rate[:, 0] = f.ego[:, Ego.VX], f.ego[:, Ego.YAW_RATE]
    if count:
        turning = _rates(np.unwrap(joints, axis=0), seconds)
        for i in range(1, count + 1):
            across = chain.hitch[i - 1] * yaw_rate[:, i - 1]
            yaw_rate[:, i] = yaw_rate[:, i - 1] + turning[:, i - 1]
            speed[:, i] = speed[:, i - 1] * np.cos(joints[:, i - 1]) + across * np.sin(joints[:, i - 1])
    base, heading = chain.wheel_base[0], poses[:, 0, 2]
    steered = poses[:, 0, :2] + base * np.stack([np.cos(heading), np.sin(heading)], 1)
    return Units(chain, seconds, poses, boxes, outer, speed, yaw_rate, steered)


def _rates(values: F64, seconds: F64) -> F64:
    """Time derivative of values (n, C), centered."""
    return np.gradient(values, seconds, axis=0) if len(seconds) > 1 else np.zeros_like(values)


def outline(chain: ChainArrays, unit: int) -> F64:
    """Points (K, 2) of a unit's outline in its frame, x forward from the axle: the four corners, then along both sides
    every ``SPACING_M``."""
    front, rear, half = chain.front[unit], chain.rear[unit], 0.5 * chain.width[unit]
    along = np.arange(-rear + SPACING_M, front - 1e-9, SPACING_M)
    x = np.concatenate([[front, -rear, -rear, front], along, along])
    y = np.concatenate([[half, half, -half, -half], np.full(len(along), half), np.full(len(along), -half)])
    return np.stack([x, y], 1)


def placed(points: F64, poses: F64) -> F64:
    """Points (K, 2) of a unit's frame at poses (n, 3): (n, K, 2), global frame."""
    out: F64 = _placed(frozen(points), np.column_stack([poses[:, :2], np.cos(poses[:, 2]), np.sin(poses[:, 2])]))
    return out


@njit(cache=True, nogil=True)
def _placed(points: F64, at: F64) -> F64:
    """At x, y, cosine and sine of the heading (n, 4)."""
    out = np.empty((len(at), len(points), 2))
    for i in range(len(at)):
        x, y, c, s = at[i]
        for k in range(len(points)):
            out[i, k, 0] = c * points[k, 0] - s * points[k, 1] + x
            out[i, k, 1] = s * points[k, 0] + c * points[k, 1] + y
    return out


def unit_name(unit: int) -> str:
    """What a unit is called in events."""
    return f"unit {unit}"
