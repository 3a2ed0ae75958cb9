"""Rolls the intelligent driver model forward along a fixed path among objects that stand where they are seen.

Reference: nuplan-devkit e924167, AbstractIDMPlanner. The path to go is a corridor with square caps united with ego's footprint; the lead is the object
nearest to ego's footprint among those that meet it. The path never changes, so what meets its interior is found once per plan (once
per scenario for the surfaces of lanes); only what touches the corridor near its moving ends is examined anew for each pose. Decisions too close to call
(``corridor.MARGIN``) make ``plan_along`` answer False: the caller then plans with GEOS.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.boxes import box_corners
from roadcraft.core.driving.corridor import (
    CHUNK,
    MARGIN,
    box_capsule,
    capsule_gap,
    convex_separation,
    corridor_capsules,
    piece,
    polygon_distance,
    separation_from_polygon,
    square_ends,
)
from roadcraft.core.driving.idm import idm_acceleration, idm_advance
from roadcraft.core.driving.lane_route import inside_polygon
from roadcraft.core.driving.polyline import project_point
from roadcraft.core.driving.rail import clamp_progress, cut_rail, pose_at, segment_of

_FAR = 1e30
_TIE = 1e-7
_LEAF = 10
_CAP_ROOM = 0.6  # m by which a square cap may reach beyond the corridor it closes
_NONE, _OUT = -1, -2


class Way(NamedTuple):
    """A path for kernels. line (Q, 2) and arcs (Q,): all vertices of the lanes, for projection; progress (P,), points (P, 2), heading (P,): the rail;
    capsules: of its chunks; target: m/s; half_width: m; lanes (C,): rows of the lanes that may turn red, whose surfaces are polygons
    area_points, area_rings, area_offsets; red_count (C, 2, P + 1): how many segments (vertices, for their joins) before each meet the surface;
    red_near (C,) bool: it comes so near the path that a cap may meet it; red_bound (C, 5): capsule around the surface."""

    line: F64
    arcs: F64
    progress: F64
    points: F64
    heading: F64
    capsules: F64
    target: float
    half_width: float
    lanes: I64
    area_points: F64
    area_rings: I64
    area_offsets: I64
    red_count: I64
    red_near: NDArray[np.bool_]
    red_bound: F64


class Seen(NamedTuple):
    """What is around. box (K, 5), corners (K, 4, 2), velocity (K, 2), still (K,) bool: static kinds; red (C,) bool: lanes that are red now."""

    box: F64
    corners: F64
    velocity: F64
    still: NDArray[np.bool_]
    red: NDArray[np.bool_]


class Law(NamedTuple):
    """Parameters of the driver model (see ``IdmConfig``); horizon = poses * interval, s."""

    min_gap: float
    headway: float
    max_accel: float
    max_decel: float
    interval: float
    horizon: float
    radius: float


@njit(cache=True, nogil=True)
def rail_capsules(points: F64, half_width: float) -> F64:
    """Capsules of the rail's chunks."""
    out = np.zeros((len(points) // CHUNK + 1, 5))
    corridor_capsules(points, len(points), half_width, out)
    return out


@njit(cache=True, nogil=True)
def _last_met(
    points: F64, half_width: float, capsules: F64, first: int, polygon: F64, vertices: int, bound: F64, met: I64
) -> bool:
    """Where a convex polygon meets the corridor of the rail from segment ``first`` on; False where a decision is too close to call.

    met (3,) int64, raised, never lowered: last segment whose rectangle it meets, last vertex whose join it meets, and 1 where it comes so near that
    a square cap might meet it.
    """
    scratch, own = np.empty((40, 2)), np.empty(5)
    own[4] = half_width
    segments = len(points) - 1
    for c in range((segments + CHUNK - 1) // CHUNK - 1, first // CHUNK - 1, -1):
        if capsule_gap(capsules[c], bound) > _CAP_ROOM + (half_width if c == 0 or (c + 1) * CHUNK >= segments else 0.0):
            continue
        for i in range(min(c * CHUNK + CHUNK, segments) - 1, max(c * CHUNK, first) - 1, -1):
            own[0], own[1], own[2], own[3] = points[i, 0], points[i, 1], points[i + 1, 0], points[i + 1, 1]
            gap = capsule_gap(own, bound)
            # A square cap also reaches half a width beyond the rail's ends.
            if gap <= _CAP_ROOM + (half_width if i == 0 or i == segments - 1 else 0.0):
                met[2] = 1
            if gap > MARGIN or met[0] > i:
                continue
            for k in (2 * i + 1, 2 * i):
                n = piece(points, len(points), half_width, k, scratch)
                if n == 0:
                    continue
                apart = convex_separation(scratch, n, polygon, vertices)
                if abs(apart) <= MARGIN:
                    return False
                if apart < 0.0:
                    met[k % 2] = max(met[k % 2], i + k % 2)
        if met[0] != _NONE:
            return True
    return True


@njit(cache=True, nogil=True)
def map_red_lanes(
    points: F64, half_width: float, capsules: F64, area_points: F64, rings: I64, offsets: I64, lanes: I64
) -> tuple[I64, NDArray[np.bool_], F64]:
    """``Way.red_count``, ``Way.red_near`` and ``Way.red_bound`` of lanes (C,)."""
    count = np.zeros((len(lanes), 2, len(points) + 1), np.int64)
    near, bounds = np.zeros(len(lanes), np.bool_), np.zeros((len(lanes), 5))
    for k in range(len(lanes)):
        lane = lanes[k]
        if len(points) < 2 or offsets[lane + 1] == offsets[lane]:
            continue
        lo, hi = rings[offsets[lane]], rings[offsets[lane + 1]]
        x, y = area_points[lo:hi, 0], area_points[lo:hi, 1]
        cx, cy = 0.5 * (x.min() + x.max()), 0.5 * (y.min() + y.max())
        bounds[k, 0], bounds[k, 1], bounds[k, 2], bounds[k, 3] = cx, cy, cx, cy
        for i in range(lo, hi):
            bounds[k, 4] = max(bounds[k, 4], math.hypot(area_points[i, 0] - cx, area_points[i, 1] - cy))
        for r in range(offsets[lane], offsets[lane + 1]):
            for i in range(rings[r], rings[r + 1] - 1):
                close = _mark_edge(points, half_width, capsules, area_points[i : i + 2], count[k])
                near[k] = near[k] or close
        for i in range(len(points) - 1):
            if near[k] and inside_polygon(area_points, rings, offsets, lane, points[i, 0], points[i, 1]):
                count[k, 0, i + 1] = 1
        for j in range(2):
            for i in range(len(points)):
                count[k, j, i + 1] += count[k, j, i]
    return count, near, bounds


@njit(cache=True, nogil=True)
def _mark_edge(points: F64, half_width: float, capsules: F64, edge: F64, marks: I64) -> bool:
    """Mark (2, P + 1), shifted by one, the segments and vertices (joins) that an edge surely meets; whether it comes near the corridor at all."""
    scratch, own = np.empty((40, 2)), np.empty(5)
    bound = np.array([edge[0, 0], edge[0, 1], edge[1, 0], edge[1, 1], 0.0])
    own[4] = half_width
    near, segments = False, len(points) - 1
    for c in range((segments + CHUNK - 1) // CHUNK):
        if capsule_gap(capsules[c], bound) > _CAP_ROOM + half_width:
            continue
        for i in range(c * CHUNK, min(c * CHUNK + CHUNK, segments)):
            own[0], own[1], own[2], own[3] = points[i, 0], points[i, 1], points[i + 1, 0], points[i + 1, 1]
            gap = capsule_gap(own, bound)
            near = near or gap <= _CAP_ROOM + half_width
            for k in (2 * i, 2 * i + 1):
                n = piece(points, len(points), half_width, k, scratch) if gap <= MARGIN else 0
                if n > 0 and convex_separation(scratch, n, edge, 2) < -MARGIN:
                    marks[k % 2, i + k % 2 + 1] = 1
    return near


@njit(cache=True, nogil=True)
def plan_along(way: Way, seen: Seen, law: Law, ego: F64, ego_box: F64, vehicle_box: F64, out: F64) -> bool:
    """Fill out (T, 10) with ego's projection on the way and its next T - 1 states, ``law.interval`` apart; False where a decision is too close to call.

    ego (10,) rear-axle state; ego_box (5,); vehicle_box (3,): rear axle to box centre, length, width.
    """
    count = len(way.progress)
    x, y, heading = ego_box[0], ego_box[1], ego_box[2]
    s, _, _ = project_point(way.line, way.arcs, x, y)
    speed = ego[3]
    met, bounds, clear = _survey(way, seen, x, y, law.radius, s)
    if not clear:
        return False
    ends, own = np.empty((2, 4, 2)), np.empty(5)
    for k in range(len(out)):
        if k > 0:
            edges = box_corners(x, y, heading, vehicle_box[1], vehicle_box[2])
            box_capsule(x, y, heading, vehicle_box[1], vehicle_box[2], own)
            clear, lead, gap = _find_lead(way, seen, law, s, edges, own, met, bounds, ends)
            if not clear:
                return False
            lead_speed = 0.0
            if lead == _NONE:
                gap = way.progress[count - 1] - s - 0.5 * vehicle_box[1]
            elif lead < len(seen.box) and not seen.still[lead]:
                lead_speed = math.hypot(seen.velocity[lead, 0], seen.velocity[lead, 1])
                lead_speed *= math.cos(seen.box[lead, 2] - heading)
            accel = idm_acceleration(
                speed, way.target, gap, lead_speed, law.min_gap, law.headway, law.max_accel, law.max_decel
            )
            moved, speed = idm_advance(speed, accel, law.interval)
            s += moved
        x, y, heading = pose_at(way.progress, way.points, way.heading, count, clamp_progress(way.progress, count, s))
        out[k, 0] = x - vehicle_box[0] * math.cos(heading)
        out[k, 1] = y - vehicle_box[0] * math.sin(heading)
        out[k, 2], out[k, 3] = heading, speed
        if k == 0:
            x, y, heading = ego_box[0], ego_box[1], ego_box[2]
    return True


@njit(cache=True, nogil=True)
def _survey(way: Way, seen: Seen, x: float, y: float, radius: float, s: float) -> tuple[I64, F64, bool]:
    """Of each object: where it meets the rail ahead (see ``_last_met``; -2: out of the radius) and its capsule; and whether all is clear."""
    objects, count = len(seen.box), len(way.progress)
    met, bounds = np.full((objects, 3), _NONE), np.empty((objects, 5))
    first = segment_of(way.progress, count, clamp_progress(way.progress, count, s))
    for o in range(objects):
        b = seen.box[o]
        if not math.sqrt((b[0] - x) * (b[0] - x) + (b[1] - y) * (b[1] - y)) < radius:
            met[o, 0] = _OUT
            continue
        box_capsule(b[0], b[1], b[2], b[3], b[4], bounds[o])
        if not _last_met(
            way.points, way.half_width, way.capsules, max(first - 2, 0), seen.corners[o], 4, bounds[o], met[o]
        ):
            return met, bounds, False
    return met, bounds, True


@njit(cache=True, nogil=True)
def _open_ends(way: Way, start: float, end: float, out: F64) -> tuple[int, int]:
    """Rail segments that hold the start and the end of a corridor with square caps, and its pieces on them: out (2, 4, 2), twice the same
    where both lie on one segment."""
    count = len(way.progress)
    if start >= way.progress[count - 1]:
        start = way.progress[count - 2]
    if end <= way.progress[0]:
        end = way.progress[1]
    first = min(np.searchsorted(way.progress, start, side="right") - 1, count - 2)
    final = max(min(np.searchsorted(way.progress, end) - 1, count - 2), first)
    cut, scratch = np.empty((2, 2)), np.empty((40, 2))
    for k in range(2):
        i = first if k == 0 else final
        dx, dy = way.points[i + 1, 0] - way.points[i, 0], way.points[i + 1, 1] - way.points[i, 1]
        length = way.progress[i + 1] - way.progress[i]
        dx, dy = dx / length, dy / length
        low = start - way.progress[i] - way.half_width if i == first else 0.0
        high = end - way.progress[i] + way.half_width if i == final else length
        cut[0, 0], cut[0, 1] = way.points[i, 0] + dx * low, way.points[i, 1] + dy * low
        cut[1, 0], cut[1, 1] = way.points[i, 0] + dx * high, way.points[i, 1] + dy * high
        piece(cut, 2, way.half_width, 0, scratch)
        out[k] = scratch[:4]
    return first, final


@njit(cache=True, nogil=True)
def _find_lead(
    way: Way, seen: Seen, law: Law, s: float, edges: F64, own: F64, met: I64, bounds: F64, ends: F64
) -> tuple[bool, int, float]:
    """Whether all is clear, the lead (object, or K + lane, or -1) and its distance from ego's footprint ``edges`` (4, 2)."""
    count, objects = len(way.progress), len(seen.box)
    start = clamp_progress(way.progress, count, s)
    end = clamp_progress(way.progress, count, s + abs(way.target) * law.horizon)
    first, final = _open_ends(way, start, end, ends)
    best, chosen, middle, zeros, hits = _FAR, _NONE, 0.0, 0, 0
    for e in range(objects + len(seen.red)):
        if e < objects:
            if met[e, 0] == _OUT:
                continue
            bound = bounds[e]
            inner = first < met[e, 0] < final or first < met[e, 1] <= final
            near, beyond = met[e, 2] == 1, met[e, 0] >= final or met[e, 1] > final
        else:
            k = e - objects
            if not seen.red[k]:
                continue
            bound, near, beyond = way.red_bound[k], way.red_near[k], False
            inner = way.red_count[k, 0, max(final, first + 1)] > way.red_count[k, 0, first + 1]
            inner = inner or way.red_count[k, 1, final + 1] > way.red_count[k, 1, first + 1]
        gap = -1.0
        if not inner:
            gap = _meets_ends(way, seen, edges, own, e, bound, ends, final > first, near and not beyond)
            if gap >= -MARGIN and near and beyond:
                # What it meets beyond the end says nothing about what it meets before.
                gap = min(gap, _meets_whole(way, seen, start, end, e, bound))
        if abs(gap) <= MARGIN:
            return False, _NONE, 0.0
        if gap > 0.0:
            continue
        hits += 1
        far = _distance(way, seen, edges, own, e, bound, best + 2.0 * _TIE)
        if far == 0.0:
            # The reference's search tree answers the first of all touching ones, in the order of the middles of their extents in y.
            y = _middle(way, seen, e)
            zeros += 1
            if zeros > 1 and abs(y - middle) <= _TIE:
                return False, _NONE, 0.0
            if zeros == 1 or y < middle:
                best, chosen, middle = 0.0, e, y
        elif zeros == 0 and far < best + _TIE:
            if far > best - _TIE:
                return False, _NONE, 0.0
            best, chosen = far, e
    return not (zeros > 1 and hits > _LEAF), chosen, best


@njit(cache=True, nogil=True)
def _meets_ends(
    way: Way, seen: Seen, edges: F64, own: F64, e: int, bound: F64, ends: F64, two: bool, near: bool
) -> float:
    """Separation of ego's footprint and, where it comes ``near``, of the corridor's open ends, and object ``e``, roughly."""
    touch = 2.0 * MARGIN
    if capsule_gap(own, bound) <= MARGIN:
        touch = min(touch, _separation(way, seen, edges, e))
    for k in range(2 if two else 1):
        if near and touch >= -MARGIN:
            touch = min(touch, _separation(way, seen, ends[k], e))
    return touch


@njit(cache=True, nogil=True)
def _meets_whole(way: Way, seen: Seen, start: float, end: float, o: int, bound: F64) -> float:
    """Separation of the whole corridor from start to end and object ``o``, not a lane."""
    scratch = np.empty((len(way.progress) + 2, 2))
    n = cut_rail(way.progress, way.points, way.heading, len(way.progress), start, end, scratch)
    square_ends(scratch, n, way.half_width)
    capsules = np.empty((n // CHUNK + 1, 5))
    corridor_capsules(scratch, n, way.half_width, capsules)
    return separation_from_polygon(scratch, n, way.half_width, capsules, seen.corners[o], 4, bound)


@njit(cache=True, nogil=True)
def _separation(way: Way, seen: Seen, edges: F64, e: int) -> float:
    """Separation of a convex polygon ``edges`` (4, 2) and object ``e``."""
    objects = len(seen.box)
    if e < objects:
        return convex_separation(edges, 4, seen.corners[e], 4)
    lane, gap = way.lanes[e - objects], 2.0 * MARGIN
    low_x, high_x = edges[:, 0].min() - MARGIN, edges[:, 0].max() + MARGIN
    low_y, high_y = edges[:, 1].min() - MARGIN, edges[:, 1].max() + MARGIN
    points = way.area_points
    for r in range(way.area_offsets[lane], way.area_offsets[lane + 1]):
        for i in range(way.area_rings[r], way.area_rings[r + 1] - 1):
            ax, ay, bx, by = points[i, 0], points[i, 1], points[i + 1, 0], points[i + 1, 1]
            if max(ax, bx) < low_x or min(ax, bx) > high_x or max(ay, by) < low_y or min(ay, by) > high_y:
                continue
            gap = min(gap, convex_separation(edges, 4, points[i : i + 2], 2))
    if gap > MARGIN and inside_polygon(points, way.area_rings, way.area_offsets, lane, edges[0, 0], edges[0, 1]):
        return -1.0
    return gap


@njit(cache=True, nogil=True)
def _distance(way: Way, seen: Seen, edges: F64, own: F64, e: int, bound: F64, best: float) -> float:
    """min(best, distance of ego's footprint and object ``e``)."""
    objects = len(seen.box)
    if e < objects:
        if capsule_gap(own, bound) >= best:
            return best
        return min(best, polygon_distance(edges, 4, seen.corners[e], 4))
    if capsule_gap(own, bound) >= best:
        return best
    lane = way.lanes[e - objects]
    if inside_polygon(way.area_points, way.area_rings, way.area_offsets, lane, edges[0, 0], edges[0, 1]):
        return 0.0
    low_x, high_x, low_y, high_y = edges[:, 0].min(), edges[:, 0].max(), edges[:, 1].min(), edges[:, 1].max()
    points = way.area_points
    for r in range(way.area_offsets[lane], way.area_offsets[lane + 1]):
        for i in range(way.area_rings[r], way.area_rings[r + 1] - 1):
            ax, ay, bx, by = points[i, 0], points[i, 1], points[i + 1, 0], points[i + 1, 1]
            off_x = max(min(ax, bx) - high_x, low_x - max(ax, bx))
            off_y = max(min(ay, by) - high_y, low_y - max(ay, by))
            if max(off_x, off_y) < best:
                best = min(best, polygon_distance(edges, 4, points[i : i + 2], 2))
                if best == 0.0:
                    return 0.0
    return best


@njit(cache=True, nogil=True)
def _middle(way: Way, seen: Seen, e: int) -> float:
    """Middle of object e's extent in y, m."""
    objects = len(seen.box)
    if e < objects:
        y = seen.corners[e, :, 1]
        return 0.5 * (y.min() + y.max())
    outer = way.area_offsets[way.lanes[e - objects]]
    ring = way.area_points[way.area_rings[outer] : way.area_rings[outer + 1], 1]
    return 0.5 * (ring.min() + ring.max())
