"""Time to collision of every step (reference: nuplan-devkit e924167, time_to_collision_within_bound.py)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, Mask
from roadcraft.core.data.scenario import LAST_MOVING
from roadcraft.core.driving.geometry.facing import AHEAD_RAD, BEHIND_RAD, relative_angle
from roadcraft.core.driving.geometry.reference_trig import cosine, sine
from roadcraft.core.driving.geometry.tolerances import CLEAR_M
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.map_index.index import LayerArrays, in_any
from roadcraft.core.driving.motion.stopped import PROJECTED_MPS
from roadcraft.validation.metrics.kernels.contacts import ObjectRows, in_collision


class StepFlags(NamedTuple):
    """What the other metrics found: first_contact (T,) step of each track, step_at_fault (n,) collisions at fault,
    in_common (n,) ego within one lane or connected ones."""

    first_contact: I64
    step_at_fault: Mask
    in_common: Mask


class _Near(NamedTuple):
    """Objects that may be hit: rows (K,), where (K, 2), move (K, 2) per dt."""

    rows: I64
    where: F64
    move: F64


@njit(cache=True, nogil=True)
def time_to_collision(
    ego: F64,
    box: F64,
    speed: F64,
    objects: ObjectRows,
    flags: StepFlags,
    intersections: LayerArrays,
    dt: float,
    horizon: float,
) -> tuple[F64, I64]:
    """Seconds (n,), infinite where nothing is foreseen, and the row of the object that would be hit, else -1.

    Everybody keeps speed and heading. Tracks count until their first contact, if they are ahead; or, while ego is not
    within one lane or is in an intersection, if they are not behind.
    """
    offsets, track, kind, object_box, object_speed = objects
    first_contact, step_at_fault, in_common = flags
    n = len(ego)
    out, hit = np.full(n, math.inf), np.full(n, -1, np.int64)
    most = 1
    for i in range(n):
        most = max(most, offsets[i + 1] - offsets[i])
    rows, where, move = np.empty(most, np.int64), np.empty((most, 2)), np.empty((most, 2))
    for i in range(n):
        if step_at_fault[i]:
            out[i] = 0.0
            continue
        if speed[i] <= PROJECTED_MPS:
            continue
        x, y, h, length, width = box[i, 0], box[i, 1], box[i, 2], box[i, 3], box[i, 4]
        c, s = cosine(h), sine(h)
        dx, dy = c * speed[i] * dt, s * speed[i] * dt
        wide = (not in_common[i]) or in_any(intersections, ego[i, 0], ego[i, 1])
        # the elongated boxes need only be clear of those of the objects: half the horizon ahead, and longer by all of
        # it
        ex, ey, longer = _elongated(x, y, length, dx, dy, dt, horizon)
        count = 0
        for r in range(offsets[i], offsets[i + 1]):
            ox, oy, oh = object_box[r, 0], object_box[r, 1], object_box[r, 2]
            if first_contact[track[r]] <= i:
                continue
            v = object_speed[r] if kind[r] <= LAST_MOVING else 0.0
            # no point of the object's way is farther from (ox, oy), nor one of ego's from (ex, ey)
            reach = 0.5 * (longer + width + object_box[r, 3] + object_box[r, 4]) + v * horizon + CLEAR_M
            if abs(ox - ex) > reach or abs(oy - ey) > reach:
                continue
            angle = relative_angle(ego[i, 0], ego[i, 1], c, s, ox, oy)
            if not (angle < AHEAD_RAD or (wide and not angle > BEHIND_RAD)):
                continue
            odx, ody = math.cos(oh) * v * dt, math.sin(oh) * v * dt
            fx, fy, fl = _elongated(ox, oy, object_box[r, 3], odx, ody, dt, horizon)
            if in_collision((ex, ey, h, longer, width), (fx, fy, oh, fl, object_box[r, 4])):
                rows[count], where[count, 0], where[count, 1] = r, ox, oy
                move[count, 0], move[count, 1] = odx, ody
                count += 1
        if count > 0:
            out[i], hit[i] = _sweep(box[i], (dx, dy), object_box, _Near(rows, where, move), count, dt, horizon)
    return out, hit


@njit(cache=True, nogil=True)
def _sweep(
    box: F64, way: tuple[float, float], object_box: F64, near: _Near, count: int, dt: float, horizon: float
) -> tuple[float, int]:
    """Time at which ego's box, which goes ``way`` per dt, first touches one of ``count`` objects, and that object's
    row; (infinite, -1) where it never does. ``near.where`` is moved.

    Everything moves by repeated addition: at UTM magnitude that differs from a product in the last digits.
    """
    (dx, dy), (rows, where, move) = way, near
    x, y = box[0], box[1]
    for step in range(math.ceil((horizon - dt) / dt)):
        x, y = x + dx, y + dy
        hit = -1
        for k in range(count):
            where[k, 0] += move[k, 0]
            where[k, 1] += move[k, 1]
            if hit < 0:
                r = rows[k]
                ox, oy, oh, ol, ow = where[k, 0], where[k, 1], object_box[r, 2], object_box[r, 3], object_box[r, 4]
                if in_collision((x, y, box[2], box[3], box[4]), (ox, oy, oh, ol, ow)):
                    hit = r
        if hit >= 0:
            # np.arange(dt, horizon, dt): from dt in steps of (dt + dt) - dt
            return dt + step * (dt + dt - dt), hit
    return math.inf, -1


@njit(cache=True, nogil=True)
def _elongated(
    x: float, y: float, length: float, dx: float, dy: float, dt: float, horizon: float
) -> tuple[float, float, float]:
    """Center and length of a box that covers the way of the whole horizon (``_get_relevant_tracks``)."""
    half = horizon / dt / 2.0
    return half * dx + x, half * dy + y, length + math.hypot(dx * horizon / dt, dy * horizon / dt)
