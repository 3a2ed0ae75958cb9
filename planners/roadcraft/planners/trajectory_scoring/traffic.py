"""What PDM sees of one scenario at one step: the nearest objects as drifting boxes, and red lights on the route as
areas."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, U8, U64
from roadcraft.core.data.scenario import ObjectKind
from roadcraft.core.driving.geometry.boxes import overlap, separation
from roadcraft.core.driving.geometry.polygons import inside_ring
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.planners.trajectory_scoring.forecast import drift

VEHICLE, PEDESTRIAN, BICYCLE = int(ObjectKind.VEHICLE), int(ObjectKind.PEDESTRIAN), int(ObjectKind.BICYCLE)
STATIC = BICYCLE + 1  # and all kinds beyond


class Traffic(NamedTuple):
    """M objects, static ones first, then vehicles, pedestrians and bicycles, nearest first.

    row (M,) int64 in the observation; box (M, 6): x, y, cos, sin, length, width; radius (M,) m from the center to a
    corner; moved (M, 2) m/s along the heading; heading (M,); speed (M,); moving (M,) bool: of a kind that has a
    velocity; ignored (M,) bool: overlapped ego at some step up to now; path (M, S, 4) x, y, cos, sin at the steps of a
    forecast, the first now; S = 0 where nothing is predicted but drifting.
    """

    row: I64
    box: F64
    radius: F64
    moved: F64
    heading: F64
    speed: F64
    moving: np.ndarray
    ignored: np.ndarray
    path: F64


class ForecastRows(NamedTuple):
    """A planner's forecast of A objects: who, known (A,), time_s (T,) from now, pose (A, T, 3)."""

    who: U64
    known: np.ndarray
    time_s: F64
    pose: F64


@small_njit
def _contains(values: U64, wanted: np.uint64) -> bool:
    for v in values:  # noqa: SIM110 (numba compiles no generators)
        if v == wanted:
            return True
    return False


@njit(cache=True, nogil=True)
def observe(
    ego_box: F64, radius: float, limits: I64, identity: U64, kind: U8, box: F64, velocity: F64, collided: U64
) -> Traffic:
    """The objects within ``radius`` of ego's center, by kind and distance, at most ``limits`` (4,) vehicles,
    pedestrians, bicycles, static.

    ego_box (5,); identity, kind (R,), box (R, 5), velocity (R, 2) as observed; collided (C,) identities of objects that
    overlapped ego at earlier steps, which are left out. Objects that overlap ego now are kept but marked ``ignored``
    (source: tuplan_garage b51d5d0, PDMObservation).
    """
    count = len(kind)
    gap, order = np.empty(count), np.empty(count, np.int64)
    for i in range(count):
        dx, dy = ego_box[0] - box[i, 0], ego_box[1] - box[i, 1]
        d = math.sqrt(dx * dx + dy * dy)
        gap[i] = math.inf if d > radius or _contains(collided, identity[i]) else d
        k = i
        while k > 0 and gap[order[k - 1]] > gap[i]:
            order[k] = order[k - 1]
            k -= 1
        order[k] = i
    row = np.empty(count, np.int64)
    n = 0
    for group in (STATIC, VEHICLE, PEDESTRIAN, BICYCLE):
        taken = 0
        for k in range(count):
            i = order[k]
            if gap[i] == math.inf or taken == limits[group]:
                break
            if min(kind[i], STATIC) == group:
                row[n] = i
                n += 1
                taken += 1
    row = row[:n].copy()
    drifting = drift(box, velocity, kind)
    out, to_corner, moved, heading, speed = np.empty((n, 6)), np.empty(n), np.empty((n, 2)), np.empty(n), np.zeros(n)
    moving, ignored = np.empty(n, np.bool_), np.empty(n, np.bool_)
    for j in range(n):
        b = box[row[j]]
        heading[j], moving[j] = b[2], kind[row[j]] < STATIC
        moved[j, 0], moved[j, 1] = drifting[row[j], 0], drifting[row[j], 1]
        out[j, 0], out[j, 1], out[j, 2], out[j, 3] = b[0], b[1], math.cos(b[2]), math.sin(b[2])
        out[j, 4], out[j, 5] = b[3], b[4]
        to_corner[j] = 0.5 * math.sqrt(b[3] * b[3] + b[4] * b[4])
        v = velocity[row[j]]
        if moving[j] and not math.isnan(v[0] + v[1]):
            speed[j] = math.sqrt(v[0] * v[0] + v[1] * v[1])
        ignored[j] = overlap(ego_box, b)
    return Traffic(row, out, to_corner, moved, heading, speed, moving, ignored, np.empty((n, 0, 4)))


@njit(cache=True, nogil=True)
def forecast_paths(
    traffic: Traffic, identity: U64, kind: U8, predicted: ForecastRows, step_s: float, count: int
) -> F64:
    """Paths (M, S, 4) of the world's objects at ``count`` = S moments, every ``step_s`` s from now on; beyond its end a
    forecast goes straight on.

    identity, kind (R,) as observed. Objects that have no forecast or one that is not finite, and all that are neither
    vehicle nor bicycle, drift: a pedestrian at the kerb stands until she does not, and is then best taken at her word.
    A box looks along its way where it moves by more than 0.5 m/s, so that one that turns is not taken to slide.
    """
    who, known, time_s, pose = predicted
    out = np.empty((len(traffic.row), count, 4))
    for j in range(len(traffic.row)):
        found = -1
        for a in range(len(who)):
            if (
                known[a]
                and np.isfinite(pose[a, :, :2]).all()
                and (kind[traffic.row[j]] == VEHICLE or kind[traffic.row[j]] == BICYCLE)
                and who[a] == identity[traffic.row[j]]
            ):
                found = a
        b = traffic.box[j]
        out[j, 0] = b[:4]
        k, px, py, pt = 0, b[0], b[1], 0.0
        for s in range(1, count):
            t = s * step_s
            out[j, s, 2], out[j, s, 3] = out[j, s - 1, 2], out[j, s - 1, 3]
            if found < 0:
                out[j, s, 0], out[j, s, 1] = b[0] + t * traffic.moved[j, 0], b[1] + t * traffic.moved[j, 1]
                continue
            while k < len(time_s) - 1 and time_s[k] < t:
                px, py, pt = pose[found, k, 0], pose[found, k, 1], time_s[k]
                k += 1
            share = (t - pt) / (time_s[k] - pt)
            out[j, s, 0] = px + share * (pose[found, k, 0] - px)
            out[j, s, 1] = py + share * (pose[found, k, 1] - py)
            dx, dy = out[j, s, 0] - out[j, s - 1, 0], out[j, s, 1] - out[j, s - 1, 1]
            way = math.sqrt(dx * dx + dy * dy)
            if way > 0.5 * step_s:
                sign = 1.0 if dx * out[j, s, 2] + dy * out[j, s, 3] >= 0.0 else -1.0
                out[j, s, 2], out[j, s, 3] = sign * dx / way, sign * dy / way
    return out


@small_njit
def box_within_ring(corners: F64, ring: F64) -> bool:
    """Whether a convex shape (N, 2) lies inside a closed ring (V, 2): all corners inside and no edge of the ring
    through it."""
    for k in range(len(corners)):
        if not inside_ring(ring, 0, len(ring), corners[k, 0], corners[k, 1]):
            return False
    for e in range(len(ring) - 1):
        inside = True
        for k in range(len(corners)):
            m = (k + 1) % len(corners)
            cross = (corners[m, 0] - corners[k, 0]) * (ring[e, 1] - corners[k, 1])
            cross -= (corners[m, 1] - corners[k, 1]) * (ring[e, 0] - corners[k, 0])
            inside = inside and cross > 0.0
        if inside:
            return False
    return True


@small_njit
def box_ring_distance(box: F64, ring: F64, limit: float) -> float:
    """Distance of an oriented box (6,) x, y, cos, sin, length, width to the area inside a closed ring; 0 where they
    touch, inf beyond ``limit``."""
    hl, hw = 0.5 * box[4], 0.5 * box[5]
    best = limit
    inside = False
    for e in range(len(ring) - 1):
        # in the box's own frame the box is an axis-parallel rectangle
        ax = (ring[e, 0] - box[0]) * box[2] + (ring[e, 1] - box[1]) * box[3]
        ay = (ring[e, 1] - box[1]) * box[2] - (ring[e, 0] - box[0]) * box[3]
        bx = (ring[e + 1, 0] - box[0]) * box[2] + (ring[e + 1, 1] - box[1]) * box[3]
        by = (ring[e + 1, 1] - box[1]) * box[2] - (ring[e + 1, 0] - box[0]) * box[3]
        if (ay > 0.0) != (by > 0.0) and (bx - ax) * (0.0 - ay) / (by - ay) + ax > 0.0:
            inside = not inside
        dx = max(min(ax, bx) - hl, -hl - max(ax, bx), 0.0)
        dy = max(min(ay, by) - hw, -hw - max(ay, by), 0.0)
        if dx * dx + dy * dy >= best * best:
            continue
        best = min(best, _segment_rectangle(ax, ay, bx, by, hl, hw))
        if best == 0.0:
            return 0.0
    if inside:
        return 0.0
    return best if best < limit else math.inf


@small_njit
def _segment_rectangle(ax: float, ay: float, bx: float, by: float, hl: float, hw: float) -> float:
    """Distance of a segment to the rectangle [-hl, hl] x [-hw, hw]."""
    lo, hi = 0.0, 1.0
    cut = True
    for start, step, half in ((ax, bx - ax, hl), (ay, by - ay, hw)):
        if step == 0.0:
            cut = cut and abs(start) <= half
        else:
            t0, t1 = (-half - start) / step, (half - start) / step
            lo, hi = max(lo, min(t0, t1)), min(hi, max(t0, t1))
    if cut and lo <= hi:
        return 0.0
    best = min(_point_rectangle(ax, ay, hl, hw), _point_rectangle(bx, by, hl, hw))
    dx, dy = bx - ax, by - ay
    length2 = dx * dx + dy * dy
    for x, y in ((hl, hw), (-hl, hw), (-hl, -hw), (hl, -hw)):
        t = min(max(((x - ax) * dx + (y - ay) * dy) / length2, 0.0), 1.0) if length2 > 0.0 else 0.0
        px, py = ax + t * dx - x, ay + t * dy - y
        best = min(best, px * px + py * py)
    return math.sqrt(best)


@small_njit
def _point_rectangle(x: float, y: float, hl: float, hw: float) -> float:
    """Squared distance of a point to the rectangle."""
    dx, dy = max(abs(x) - hl, 0.0), max(abs(y) - hw, 0.0)
    return dx * dx + dy * dy


@small_njit
def box_distance(a: F64, bx: float, by: float, b: F64) -> float:
    """Distance of two oriented boxes (6,) x, y, cos, sin, length, width, the second moved to (bx, by); 0 where they
    touch."""
    dx, dy = bx - a[0], by - a[1]
    if separation(dx, dy, (a[2], a[3], a[4], a[5]), (b[2], b[3], b[4], b[5])) <= 0.0:
        return 0.0
    return math.sqrt(min(_corners_to_box(dx, dy, a, b), _corners_to_box(-dx, -dy, b, a)))


@small_njit
def _corners_to_box(dx: float, dy: float, a: F64, b: F64) -> float:
    """Least squared distance of b's corners to a, b's center being (dx, dy) from a's. Apart, two boxes are nearest at a
    corner of either."""
    best = math.inf
    for k in range(4):
        u = 0.5 * b[4] if k == 0 or k == 3 else -0.5 * b[4]
        v = 0.5 * b[5] if k < 2 else -0.5 * b[5]
        x, y = dx + u * b[2] - v * b[3], dy + u * b[3] + v * b[2]
        best = min(best, _point_rectangle(x * a[2] + y * a[3], y * a[2] - x * a[3], 0.5 * a[4], 0.5 * a[5]))
    return best
