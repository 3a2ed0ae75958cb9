"""The ego's target of one sample, and perturb and recover: samples in which the ego is off its path and finds back
(PlanTF, Diffusion Planner).

Source of the idea: an imitator that only ever saw perfect driving does not know what to do after its own first error.
All of it is one kernel per sample.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.scenario import Ego
from roadcraft.core.driving.geometry.boxes import overlap
from roadcraft.core.driving.geometry.frames import pose_in_frame
from roadcraft.core.driving.jit import njit
from roadcraft.plugins.training.config import AugmentConfig

F32 = NDArray[np.float32]
# Random numbers of a sample, uniform in [0, 1): whether it is displaced, by how much in x, y, heading and speed,
# whether it is mirrored, which agents go,
# what it is told (``maneuvers``), whether it starts late (``late_start``).
DISPLACED, DX, DY, TURN, FASTER, MIRRORED, DROPPED, CONDITION, LATE = range(9)
RANDOM_COUNT = 9
NEAR_M = 30.0  # objects further off than this cannot be touched
MOVING_MPS = 0.5  # below it a velocity has no heading
X, Y, HEADING, SPEED, ACCEL, SIDE = range(6)  # columns of a future; SIDE: the rear axle's speed to the left
_X, _Y, _HEADING, _VX, _VY, _AX = (int(c) for c in (Ego.X, Ego.Y, Ego.HEADING, Ego.VX, Ego.VY, Ego.AX))


def random_numbers(seed: int, step: int, count: int) -> F64:
    """The random numbers (count, RANDOM_COUNT) of the samples of a step: a pure function of seed and step."""
    return np.random.default_rng([seed, step, 1]).random((count, RANDOM_COUNT))


def limits(config: AugmentConfig | None) -> F64:
    """The settings of perturb and recover as the kernel takes them; None displaces nothing."""
    c = config or AugmentConfig(perturbation=0.0)
    return np.array([c.perturbation, c.x_m, c.y_m, c.heading_rad, c.speed_mps, c.min_speed_mps, c.lateral_mps])


class FutureSteps(NamedTuple):
    """When a sample begins and how its future is read: drive frames per pose, seconds per pose, and the poses by which
    a displaced ego is back on the log."""

    frame: int
    stride: int
    interval_s: float
    recovered: int


@njit(cache=True, nogil=True)
def write_ego_future(
    out: F32, valid: NDArray[np.bool_], states: F64, steps: FutureSteps, limit: F64, draw: F64, body: F64,
    objects: tuple[F64, I64],
) -> F64:  # fmt: skip
    """Fill the target of one sample and return the ego state (10,) that it starts from: the logged one, or a displaced
    one.

    out (T, 5) x, y, cos, sin, speed in the frame of the returned ego; valid (T,); states (F, 10) the logged drive;
    limit: ``limits``; draw (RANDOM_COUNT,); body (3,): the vehicle's; objects: box (R, 5), offsets (F + 1,) of all of
    the drive. A displacement that touches another object, or whose way back is not logged, is not made.
    """
    (frame, stride, interval_s, count), (box, offsets) = steps, objects
    future = np.empty((len(out), 6))
    for t in range(len(out)):
        f = frame + stride * (t + 1)
        valid[t] = f < len(states)
        now = states[min(f, len(states) - 1)]
        future[t, X], future[t, Y], future[t, HEADING] = now[_X], now[_Y], now[_HEADING]
        future[t, SPEED], future[t, ACCEL], future[t, SIDE] = now[_VX], now[_AX], now[_VY]
    ego = states[frame].copy()
    if draw[DISPLACED] < limit[0] and 0 < count <= len(out) and valid[count - 1]:
        moved = displace(ego, limit, draw)
        if not touches(moved, body, box[offsets[frame] : offsets[frame + 1]]):
            future = recover(future, moved, ego, count, interval_s)
            ego = moved
    c, s = np.cos(ego[_HEADING]), np.sin(ego[_HEADING])
    for t in range(len(out)):
        out[t, :4] = pose_in_frame(future[t, X], future[t, Y], future[t, HEADING], ego, c, s)
        out[t, 4] = future[t, SPEED]
    return ego


@njit(cache=True, nogil=True)
def displace(logged: F64, limit: F64, draw: F64) -> F64:
    """The ego state (10,) moved by what was drawn, in its own frame; a standing car is not moved sideways."""
    dx, dy = (2.0 * draw[DX] - 1.0) * limit[1], (2.0 * draw[DY] - 1.0) * limit[2]
    turn, faster = (2.0 * draw[TURN] - 1.0) * limit[3], (2.0 * draw[FASTER] - 1.0) * limit[4]
    speed = max(logged[_VX] + faster, 0.0)
    if logged[_VX] < limit[5]:
        dy, turn = 0.0, 0.0
    elif 0.0 < limit[6] < limit[3] * speed:
        turn *= limit[6] / (limit[3] * speed)
    ego = logged.copy()
    c, s = np.cos(logged[_HEADING]), np.sin(logged[_HEADING])
    ego[_X] += c * dx - s * dy
    ego[_Y] += s * dx + c * dy
    ego[_HEADING] += turn
    ego[_VX] = speed
    return ego


@njit(cache=True, nogil=True)
def touches(ego: F64, body: F64, box: F64) -> bool:
    """Whether the vehicle (body: rear axle to box center, length, width) touches one of the boxes (N, 5)."""
    x = ego[_X] + body[0] * np.cos(ego[_HEADING])
    y = ego[_Y] + body[0] * np.sin(ego[_HEADING])
    own = (x, y, ego[_HEADING], body[1], body[2])
    for i in range(len(box)):
        if (box[i, 0] - ego[_X]) ** 2 + (box[i, 1] - ego[_Y]) ** 2 < NEAR_M**2 and overlap(own, box[i]):
            return True
    return False


@njit(cache=True, nogil=True)
def recover(future: F64, ego: F64, logged: F64, count: int, interval_s: float) -> F64:
    """The logged future (T, 6) x, y, heading, speed, acceleration, speed to the left (global frame) with its first
    ``count`` poses replaced by a quintic that starts at the displaced ``ego`` (10,) and joins the log at pose
    ``count``. A vehicle that slips sideways, such as one that holds against wind, goes on slipping: its heading differs
    from its course by what lies between the slip at both ends. A car put ahead of where the log stands waits until the
    log has caught up."""
    out = future.copy()
    goal, end_s = future[count - 1], count * interval_s
    start_c, start_s = np.cos(ego[_HEADING]), np.sin(ego[_HEADING])
    goal_c, goal_s = np.cos(goal[HEADING]), np.sin(goal[HEADING])
    x = _quintic(
        ego[_X], ego[_VX] * start_c - ego[_VY] * start_s, logged[_AX] * start_c,
        goal[X], goal[SPEED] * goal_c - goal[SIDE] * goal_s, goal[ACCEL] * goal_c, end_s,
    )  # fmt: skip
    y = _quintic(
        ego[_Y], ego[_VX] * start_s + ego[_VY] * start_c, logged[_AX] * start_s,
        goal[Y], goal[SPEED] * goal_s + goal[SIDE] * goal_c, goal[ACCEL] * goal_s, end_s,
    )  # fmt: skip
    slip, goal_slip = _slip(ego[_VX], ego[_VY]), _slip(goal[SPEED], goal[SIDE])
    for k in range(count - 1):
        t = interval_s * (k + 1)
        vx, vy = _slope(x, t), _slope(y, t)
        speed, part = np.hypot(vx, vy), (k + 1) / count
        now = slip + part * (goal_slip - slip)
        out[k, X], out[k, Y], out[k, SPEED] = _value(x, t), _value(y, t), speed * np.cos(now)
        out[k, HEADING] = np.arctan2(vy, vx) - now if speed > MOVING_MPS else goal[HEADING]
    for k in range(len(out)):
        if (out[k, X] - ego[_X]) * start_c + (out[k, Y] - ego[_Y]) * start_s >= 0.0:
            break  # it never backs up
        out[k, X], out[k, Y], out[k, HEADING], out[k, SPEED] = ego[_X], ego[_Y], ego[_HEADING], 0.0
    return out


@njit(cache=True, nogil=True)
def _slip(forward: float, left: float) -> float:
    """Angle of the course to the left of the heading; none below MOVING_MPS."""
    return float(np.arctan2(left, forward)) if forward > MOVING_MPS else 0.0


@njit(cache=True, nogil=True)
def _quintic(x0: float, v0: float, a0: float, x1: float, v1: float, a1: float, end: float) -> F64:
    """Coefficients (6,), lowest first, of the quintic from place, speed and acceleration at 0 to those at ``end``."""
    d = x1 - x0 - v0 * end - 0.5 * a0 * end**2
    dv, da = (v1 - v0 - a0 * end) * end, (a1 - a0) * end**2
    a3, a4, a5 = 10 * d - 4 * dv + 0.5 * da, -15 * d + 7 * dv - da, 6 * d - 3 * dv + 0.5 * da
    return np.array([x0, v0, 0.5 * a0, a3 / end**3, a4 / end**4, a5 / end**5])


@njit(cache=True, nogil=True)
def _value(c: F64, t: float) -> float:
    return float(c[0] + t * (c[1] + t * (c[2] + t * (c[3] + t * (c[4] + t * c[5])))))


@njit(cache=True, nogil=True)
def _slope(c: F64, t: float) -> float:
    return float(c[1] + t * (2 * c[2] + t * (3 * c[3] + t * (4 * c[4] + t * 5 * c[5]))))
