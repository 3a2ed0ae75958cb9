"""Perturb and recover: samples in which the ego is off its path and finds back (PlanTF, Diffusion Planner).

Source of the idea: an imitator that only ever saw perfect driving does not know what to do after its own first error.
"""

from __future__ import annotations

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.boxes import ego_box, overlap_matrix
from roadcraft.core.driving.features import LogScenes
from roadcraft.core.scenario import Ego
from roadcraft.plugins.training.config import AugmentConfig

NEAR_M = 30.0


def perturb(scenes: LogScenes, frame: int, config: AugmentConfig, box: F64, rng: np.random.Generator) -> F64 | None:
    """A displaced ego state (10,), or None where it would touch an object. box (3,): the vehicle's."""
    logged = scenes.drive.ego[frame]
    dx, dy, turn, faster = rng.uniform(-1.0, 1.0, 4) * (config.x_m, config.y_m, config.heading_rad, config.speed_mps)
    if logged[Ego.VX] < config.min_speed_mps:
        dy = turn = 0.0
    ego = logged.copy()
    c, s = np.cos(logged[Ego.HEADING]), np.sin(logged[Ego.HEADING])
    ego[Ego.X] += c * dx - s * dy
    ego[Ego.Y] += s * dx + c * dy
    ego[Ego.HEADING] += turn
    ego[Ego.VX] = max(logged[Ego.VX] + faster, 0.0)
    rows = scenes.drive.objects.rows(frame)
    boxes = scenes.drive.objects.box[rows]
    boxes = boxes[np.hypot(boxes[:, 0] - ego[0], boxes[:, 1] - ego[1]) < NEAR_M]
    return None if overlap_matrix(ego_box(ego, box)[None], boxes).any() else ego


def recover(future: F64, ego: F64, logged: F64, count: int, interval_s: float) -> F64:
    """The logged future (T, 5) x, y, heading, speed, acceleration (global frame) with its first ``count`` poses replaced by a quintic that starts at
    the displaced ``ego`` (10,) and joins the log at pose ``count``."""
    t_end = count * interval_s
    goal = future[count - 1]
    t = interval_s * np.arange(1, count, dtype=np.float64)
    start = _motion(ego[Ego.X], ego[Ego.Y], ego[Ego.HEADING], ego[Ego.VX], logged[Ego.AX])
    end = _motion(goal[0], goal[1], goal[2], goal[3], goal[4])
    place, velocity = _quintic(start, end, t_end, t)
    out = future.copy()
    speed = np.hypot(velocity[:, 0], velocity[:, 1])
    heading = np.where(speed > 0.5, np.arctan2(velocity[:, 1], velocity[:, 0]), goal[2])
    out[: count - 1, :2], out[: count - 1, 2], out[: count - 1, 3] = place, heading, speed
    return _forward_only(out, ego)


def _forward_only(future: F64, ego: F64) -> F64:
    """A car put ahead of where the log stands waits until the log has caught up; it never backs up."""
    along = (future[:, 0] - ego[Ego.X]) * np.cos(ego[Ego.HEADING]) + (future[:, 1] - ego[Ego.Y]) * np.sin(
        ego[Ego.HEADING]
    )
    ahead = np.flatnonzero(along >= 0.0)
    waits = int(ahead[0]) if len(ahead) else len(along)
    future[:waits, :2], future[:waits, 2], future[:waits, 3] = ego[:2], ego[Ego.HEADING], 0.0
    return future


def _motion(x: float, y: float, heading: float, speed: float, acceleration: float) -> F64:
    """Position, velocity, acceleration as rows (3, 2)."""
    ahead = np.array([np.cos(heading), np.sin(heading)])
    return np.stack([np.array([x, y]), speed * ahead, acceleration * ahead])


def _quintic(start: F64, end: F64, t_end: float, t: F64) -> tuple[F64, F64]:
    """Positions and velocities (N, 2) of the quintic between two motions (3, 2)."""
    d = end[0] - start[0] - start[1] * t_end - 0.5 * start[2] * t_end**2
    dv = (end[1] - start[1] - start[2] * t_end) * t_end
    da = (end[2] - start[2]) * t_end**2
    a3, a4, a5 = 10 * d - 4 * dv + 0.5 * da, -15 * d + 7 * dv - da, 6 * d - 3 * dv + 0.5 * da
    u = (t / t_end)[:, None]
    place = start[0] + start[1] * t[:, None] + 0.5 * start[2] * t[:, None] ** 2 + a3 * u**3 + a4 * u**4 + a5 * u**5
    velocity = start[1] + start[2] * t[:, None] + (3 * a3 * u**2 + 4 * a4 * u**3 + 5 * a5 * u**4) / t_end
    return place, velocity
