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
_NONE = -1


class Way(NamedTuple):
    """A path for kernels. line (Q, 2) and arcs (Q,): all vertices of the lanes, for projection; progress (P,), points (P, 2), heading (P,): the rail;
    capsules: of its chunks; target: m/s; half_width: m; lanes (C,): rows of the lanes that may turn red, whose surfaces are polygons
    area_points, area_rings, area_offsets; red_last (C,): last rail segment that meets the surface, -1 none; red_near (C,) bool: the surface
    comes so near the path that a cap may meet it; red_bound (C, 5): capsule around the surface."""

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
    red_last: I64
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
    points: F64, half_width: float, capsules: F64, first: int, polygon: F64, vertices: int, bound: F64
) -> tuple[int, bool, bool]:
    """Last rail segment from ``first`` on whose rectangle meets a convex polygon (-1: none), whether the polygon comes near the corridor at all,
    and whether some decision was too close to call."""
    scratch, own = np.empty((40, 2)), np.empty(5)
    last, near, unclear = _NONE, False, False
    segments = len(points) - 1
    for c in range((segments + CHUNK - 1) // CHUNK - 1, first // CHUNK - 1, -1):
        if capsule_gap(capsules[c], bound) > _CAP_ROOM:
            continue
        for i in range(min(c * CHUNK + CHUNK, segments) - 1, max(c * CHUNK, first) - 1, -1):
            own[0], own[1], own[2], own[3] = points[i, 0], points[i, 1], points[i + 1, 0], points[i + 1, 1]
            own[4] = half_width
            gap = capsule_gap(own, bound)
            # A square cap also reaches half a width beyond the rail's ends.
            reach = _CAP_ROOM + (half_width if i == 0 or i == segments - 1 else 0.0)
            near = near or gap <= reach
            if gap > MARGIN or last != _NONE:
                continue
            n = piece(points, len(points), half_width, 2 * i, scratch)
            if n > 0:
                apart = convex_separation(scratch, n, polygon, vertices)
                if apart < -MARGIN:
                    last = i
                elif apart <= MARGIN:
                    unclear = True
        if last != _NONE:
            return last, True, unclear
    return last, near, unclear


@njit(cache=True, nogil=True)
def map_red_lanes(
    points: F64, half_width: float, capsules: F64, area_points: F64, rings: I64, offsets: I64, lanes: I64
) -> tuple[I64, NDArray[np.bool_], F64]:
    """``Way.red_last``, ``Way.red_near`` and ``Way.red_bound`` of lanes (C,)."""
    last, near, bounds = np.full(len(lanes), _NONE), np.zeros(len(lanes), np.bool_), np.zeros((len(lanes), 5))
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
                edge = area_points[i : i + 2]
                m, close, _ = _last_met(points, half_width, capsules, 0, edge, 2, _edge_bound(edge))
                last[k], near[k] = max(last[k], m), near[k] or close
        for i in range(len(points) - 2, last[k], -1):
            if inside_polygon(area_points, rings, offsets, lane, points[i, 0], points[i, 1]):
                last[k], near[k] = i, True
                break
    return last, near, bounds


@njit(cache=True, nogil=True)
def _edge_bound(edge: F64) -> F64:
    return np.array([edge[0, 0], edge[0, 1], edge[1, 0], edge[1, 1], 0.0])


@njit(cache=True, nogil=True)
def plan_along(way: Way, seen: Seen, law: Law, ego: F64, ego_box: F64, vehicle_box: F64, out: F64) -> bool:
    """Fill out (T, 10) with ego's projection on the way and its next T - 1 states, ``law.interval`` apart; False where a decision is too close to call.

    ego (10,) rear-axle state; ego_box (5,); vehicle_box (3,): rear axle to box centre, length, width.
    """
    count = len(way.progress)
    x, y, heading = ego_box[0], ego_box[1], ego_box[2]
    s, _, _ = project_point(way.line, way.arcs, x, y)
    speed = ego[3]
    last, near, bounds, clear = _survey(way, seen, x, y, law.radius, s)
    if not clear:
        return False
    scratch = np.empty((count + 2, 2))
    own = np.empty(5)
    for k in range(len(out)):
        if k > 0:
            edges = box_corners(x, y, heading, vehicle_box[1], vehicle_box[2])
            box_capsule(x, y, heading, vehicle_box[1], vehicle_box[2], own)
            clear, lead, gap = _find_lead(way, seen, law, s, edges, own, last, near, bounds, scratch)
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
def _survey(
    way: Way, seen: Seen, x: float, y: float, radius: float, s: float
) -> tuple[I64, NDArray[np.bool_], F64, bool]:
    """Of each object: the last rail segment that meets it (-2: out of the radius), whether it is near the path, its capsule; and whether all is clear."""
    objects = len(seen.box)
    last, near, bounds = np.full(objects, -2), np.zeros(objects, np.bool_), np.empty((objects, 5))
    first = segment_of(way.progress, len(way.progress), clamp_progress(way.progress, len(way.progress), s))
    for o in range(objects):
        dx, dy = seen.box[o, 0] - x, seen.box[o, 1] - y
        if not math.sqrt(dx * dx + dy * dy) < radius:
            continue
        b = seen.box[o]
        box_capsule(b[0], b[1], b[2], b[3], b[4], bounds[o])
        last[o], near[o], unclear = _last_met(
            way.points, way.half_width, way.capsules, max(first - 2, 0), seen.corners[o], 4, bounds[o]
        )
        if unclear:
            return last, near, bounds, False
    return last, near, bounds, True


@njit(cache=True, nogil=True)
def _find_lead(
    way: Way,
    seen: Seen,
    law: Law,
    s: float,
    edges: F64,
    own: F64,
    last: I64,
    near: NDArray[np.bool_],
    bounds: F64,
    scratch: F64,
) -> tuple[bool, int, float]:
    """Whether all is clear, the lead (object, or K + lane, or -1) and its distance from ego's footprint ``edges`` (4, 2)."""
    count, objects = len(way.progress), len(seen.box)
    start = clamp_progress(way.progress, count, s)
    end = clamp_progress(way.progress, count, s + abs(way.target) * law.horizon)
    first, final = segment_of(way.progress, count, start), segment_of(way.progress, count, end)
    best, chosen, middle, zeros, hits = _FAR, _NONE, 0.0, 0, 0
    for e in range(objects + len(seen.red)):
        if (e < objects and last[e] == -2) or (e >= objects and not seen.red[e - objects]):
            continue
        gap = _meets(way, seen, start, end, first, final, edges, own, e, last, near, bounds, scratch)
        if abs(gap) <= MARGIN:
            return False, _NONE, 0.0
        if gap > 0.0:
            continue
        hits += 1
        far = _distance(way, seen, edges, own, e, bounds, best + 2.0 * _TIE)
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
def _meets(
    way: Way,
    seen: Seen,
    start: float,
    end: float,
    first: int,
    final: int,
    edges: F64,
    own: F64,
    e: int,
    last: I64,
    near: NDArray[np.bool_],
    bounds: F64,
    scratch: F64,
) -> float:
    """Separation of the expanded path (corridor from start to end with square caps, and ego's footprint) and object ``e``, roughly."""
    objects = len(seen.box)
    at = last[e] if e < objects else way.red_last[e - objects]
    if first < at < final:
        return -1.0
    bound = bounds[e] if e < objects else way.red_bound[e - objects]
    touch = 2.0 * MARGIN
    if capsule_gap(own, bound) <= MARGIN:
        touch = min(touch, _separation(way, seen, edges, e))
        if touch < -MARGIN:
            return touch
    if not (near[e] if e < objects else way.red_near[e - objects]):
        return touch
    n = cut_rail(way.progress, way.points, way.heading, len(way.progress), start, end, scratch)
    square_ends(scratch, n, way.half_width)
    capsules = np.empty((n // CHUNK + 1, 5))
    corridor_capsules(scratch, n, way.half_width, capsules)
    if e < objects:
        gap = separation_from_polygon(scratch, n, way.half_width, capsules, seen.corners[e], 4, bounds[e])
        return min(touch, gap)
    lane = way.lanes[e - objects]
    for r in range(way.area_offsets[lane], way.area_offsets[lane + 1]):
        for i in range(way.area_rings[r], way.area_rings[r + 1] - 1):
            edge = way.area_points[i : i + 2]
            gap = separation_from_polygon(scratch, n, way.half_width, capsules, edge, 2, _edge_bound(edge))
            touch = min(touch, gap)
            if touch < -MARGIN:
                return touch
    if touch > MARGIN and inside_polygon(
        way.area_points, way.area_rings, way.area_offsets, lane, scratch[0, 0], scratch[0, 1]
    ):
        return -1.0
    return touch


@njit(cache=True, nogil=True)
def _separation(way: Way, seen: Seen, edges: F64, e: int) -> float:
    """Separation of ego's footprint and object ``e``."""
    objects = len(seen.box)
    if e < objects:
        return convex_separation(edges, 4, seen.corners[e], 4)
    lane, gap = way.lanes[e - objects], _FAR
    for r in range(way.area_offsets[lane], way.area_offsets[lane + 1]):
        for i in range(way.area_rings[r], way.area_rings[r + 1] - 1):
            gap = min(gap, convex_separation(edges, 4, way.area_points[i : i + 2], 2))
    if gap > MARGIN and inside_polygon(
        way.area_points, way.area_rings, way.area_offsets, lane, edges[0, 0], edges[0, 1]
    ):
        return -1.0
    return gap


@njit(cache=True, nogil=True)
def _distance(way: Way, seen: Seen, edges: F64, own: F64, e: int, bounds: F64, best: float) -> float:
    """min(best, distance of ego's footprint and object ``e``)."""
    objects = len(seen.box)
    if e < objects:
        if capsule_gap(own, bounds[e]) >= best:
            return best
        return min(best, polygon_distance(edges, 4, seen.corners[e], 4))
    if capsule_gap(own, way.red_bound[e - objects]) >= best:
        return best
    lane = way.lanes[e - objects]
    if inside_polygon(way.area_points, way.area_rings, way.area_offsets, lane, edges[0, 0], edges[0, 1]):
        return 0.0
    for r in range(way.area_offsets[lane], way.area_offsets[lane + 1]):
        for i in range(way.area_rings[r], way.area_rings[r + 1] - 1):
            edge = way.area_points[i : i + 2]
            if capsule_gap(own, _edge_bound(edge)) < best:
                best = min(best, polygon_distance(edges, 4, edge, 2))
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
