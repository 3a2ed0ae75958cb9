"""Trajectories of maneuvers: which of the lines ahead is driven, and how fast."""

from __future__ import annotations

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.rollout import ObservationBatch
from roadcraft.core.data.scenario import Ego
from roadcraft.core.driving.features.build import allocate
from roadcraft.core.driving.features.columns import ReferenceColumn, ReferenceInfoColumn
from roadcraft.core.driving.features.spec import FeatureSpec
from roadcraft.validation.environments.config import ActionConfig
from roadcraft.validation.environments.observation import FeatureObservation

LINES = 3
"""The ego's lane, and those to its left and right."""
_UNKNOWN_LIMIT_MPS, _POINT_M, _SETTLE_S = 13.0, 2.0, 1.0
_SPEC = FeatureSpec(
    agents=1, past_steps=1, lanes=0, route_lanes=0, crosswalks=0, static=0,
    reference_lines=LINES, reference_points=50, reference_interval_m=_POINT_M,
)  # fmt: skip


def maneuver_poses(chosen: I64, obs: ObservationBatch, config: ActionConfig, interval_s: float) -> F64:
    """Poses (B, T, 3), x, y (m), heading (rad) in the ego frame, ``interval_s`` apart, of the maneuvers (B,): choice
    ``line * S + speed`` takes the ego onto line 0 (its own), 1 (left) or 2 (right) within ``line_change_s`` and to
    share ``speeds[speed]`` of the limit. Where there is no such line it is the own one; where no lane fits, straight
    on."""
    writer, b = FeatureObservation(_SPEC), len(obs)
    seen, rows = allocate(_SPEC, b), np.arange(b)
    writer.write(obs, rows, seen)
    line = chosen // len(config.speeds)
    line = np.where(seen["reference_valid"][rows, line], line, 0)
    points = seen["reference"][rows, line].astype(np.float64)
    info = seen["reference_info"][rows, line].astype(np.float64)
    limit = info[:, ReferenceInfoColumn.LIMIT_HERE]
    limit = np.where(limit > 0.0, limit, _UNKNOWN_LIMIT_MPS)
    target = np.array(config.speeds)[chosen % len(config.speeds)] * limit
    steps = max(round(config.maneuver_s / interval_s), 1)
    way = _ways(obs.ego, target, config, interval_s, steps)
    along = np.minimum(way / _POINT_M, points.shape[1] - 1.001)
    at = along.astype(np.int64)
    part, row = (along - at)[..., None], rows[:, None]
    xy = points[..., [ReferenceColumn.X, ReferenceColumn.Y]]
    cosine, sine = points[row, at, ReferenceColumn.COS], points[row, at, ReferenceColumn.SIN]
    place = xy[row, at] + part * (xy[row, at + 1] - xy[row, at])
    now = info[:, ReferenceInfoColumn.LATERAL], obs.ego[:, Ego.VX] * info[:, ReferenceInfoColumn.HEADING_SIN]
    offset = _offsets(*now, interval_s * np.arange(1, steps + 1), config.line_change_s)
    x, y = place[..., 0] - sine * offset, place[..., 1] + cosine * offset
    step = np.diff(np.stack([x, y], -1), axis=1, prepend=np.zeros((b, 1, 2)))
    moves = np.hypot(step[..., 0], step[..., 1]) > 0.02
    heading = np.where(moves, np.arctan2(step[..., 1], step[..., 0]), 0.0)
    last = np.maximum.accumulate(np.where(moves, np.arange(1, steps + 1), 0), axis=1)  # who stands is not turned
    heading = np.concatenate([np.zeros((b, 1)), heading], axis=1)[row, last]
    return np.stack([x, y, heading], axis=-1)


def _ways(ego: F64, target: F64, config: ActionConfig, dt: float, steps: int) -> F64:
    """How far each ego (B, 10) has come at each step (B, T), m, on the way to its target speed (B,)."""
    speed, accel = np.maximum(ego[:, Ego.VX], 0.0), ego[:, Ego.AX]
    way, out = np.zeros(len(ego)), np.empty((len(ego), steps))
    for k in range(steps):
        wanted = ((target - speed) / _SETTLE_S).clip(-config.max_braking_mps2, config.max_acceleration_mps2)
        accel = accel + (wanted - accel).clip(-config.max_jerk_mps3 * dt, config.max_jerk_mps3 * dt)
        after = np.maximum(speed + accel * dt, 0.0)
        way, speed = way + 0.5 * (speed + after) * dt, after
        out[:, k] = way
    return out


def _offsets(left: F64, rate: F64, time_s: F64, duration_s: float) -> F64:
    """Offsets (B, T), m, at times (T,) of who is ``left`` (B,) m of a line, comes away from it at ``rate`` (B,) m/s,
    and is on it for good after ``duration_s``, or sooner where it comes near so fast that it would go beyond the line:
    polynomials of degree 5 without jumps of speed and acceleration."""
    p, v = left[:, None], rate[:, None]
    soon = 2.0 * np.abs(p) / np.maximum(np.abs(v), 1e-6)
    d = np.where(p * v < 0.0, soon.clip(min(1.0, duration_s), duration_s), duration_s)
    third, fourth, fifth = -10.0 * p - 6.0 * v * d, 15.0 * p + 8.0 * v * d, -6.0 * p - 3.0 * v * d
    t = np.minimum(time_s, d)
    share = t / d
    offsets: F64 = p + v * t + share**3 * (third + share * (fourth + share * fifth))
    return offsets
