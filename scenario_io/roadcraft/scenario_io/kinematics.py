"""Motion of logged vehicles from where they were: velocities, accelerations and rates by Savitzky-Golay filters."""

from __future__ import annotations

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.scenario import EGO_SIZE, Ego
from roadcraft.core.driving.geometry.angles import wrap_array
from roadcraft.core.driving.motion.savitzky_golay import savgol
from roadcraft.core.vehicles.vehicle import Vehicle

ORDER = 2
STEERS_MPS = 1.0  # below it a yaw rate says nothing of the steering angle


def rates(values: F64, time_s: F64, window: int) -> F64:
    """Time derivative of values (..., n) at times (n,) that need not be evenly apart, by parabolas over ``window``
    samples; zeros for one sample, the difference for two."""
    n = values.shape[-1]
    if n == 1:
        return np.zeros_like(values)
    if n == 2:
        slope = np.diff(values, axis=-1) / np.diff(time_s)
        return np.repeat(slope, 2, axis=-1)
    return savgol(values, window, ORDER, 1) / savgol(time_s, window, ORDER, 1)


def ego_from_poses(time_s: F64, pose: F64, vehicle: Vehicle, window: int, wide: int) -> F64:
    """Ego states (n, 10) of poses (n, 3) x, y, heading of the rear axle at evenly spaced times (n,). Velocities are
    parabolas' over ``window`` samples, accelerations over ``wide`` ones. The steering angle is that of a bicycle with
    this yaw rate."""
    x, y, heading = pose[:, 0], pose[:, 1], np.unwrap(pose[:, 2])
    velocity = rates(np.stack([x, y]), time_s, window)
    acceleration = rates(velocity, time_s, wide)
    yaw_rate = rates(heading, time_s, window)
    c, s = np.cos(heading), np.sin(heading)
    ego = np.zeros((len(time_s), EGO_SIZE))
    ego[:, Ego.X], ego[:, Ego.Y], ego[:, Ego.HEADING] = x, y, wrap_array(heading)
    ego[:, Ego.VX], ego[:, Ego.VY] = c * velocity[0] + s * velocity[1], c * velocity[1] - s * velocity[0]
    ego[:, Ego.AX], ego[:, Ego.AY] = (
        c * acceleration[0] + s * acceleration[1], c * acceleration[1] - s * acceleration[0]
    )  # fmt: skip
    ego[:, Ego.YAW_RATE], ego[:, Ego.YAW_ACCEL] = yaw_rate, rates(yaw_rate, time_s, wide)
    turns = np.arctan2(vehicle.body.wheel_base_m * yaw_rate, np.maximum(ego[:, Ego.VX], STEERS_MPS))
    most = vehicle.max_steering_rad
    ego[:, Ego.STEERING] = np.where(ego[:, Ego.VX] > STEERS_MPS, np.clip(turns, -most, most), 0.0)
    return ego


def resampled(time_s: F64, pose: F64, at_s: F64) -> F64:
    """Poses (m, 3) at times (m,), linear between those (n, 3) at (n,); headings the short way round."""
    heading = np.unwrap(pose[:, 2])
    return np.stack([np.interp(at_s, time_s, v) for v in (pose[:, 0], pose[:, 1], heading)], 1)


def track_velocities(track: I64, frame: I64, xy: F64, time_s: F64, window: int) -> F64:
    """Velocities (R, 2) of boxes at xy (R, 2), each of a track (R,) in a frame (R,) of those at times (F,): by
    parabolas over the stretches in which a track has a box in each frame."""
    order = np.lexsort((frame, track))
    new = (np.diff(track[order]) != 0) | (np.diff(frame[order]) != 1)
    starts = np.concatenate([[0], np.flatnonzero(new) + 1, [len(order)]])
    out = np.zeros((len(track), 2))
    for a, b in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        rows = order[a:b]
        if len(rows):
            out[rows] = rates(np.ascontiguousarray(xy[rows].T), time_s[frame[rows]], window).T
    return out
