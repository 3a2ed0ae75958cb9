"""Rolls the intelligent driver model forward along a fixed path among objects that stand where they are seen.

Reference: nuplan-devkit e924167, AbstractIDMPlanner. The path to go is a corridor with square caps united with ego's
footprint; the lead is the object nearest to ego's footprint among those that meet it. The path never changes, so what
meets its interior is found once per plan (once per scenario for the surfaces of lanes); only what touches the corridor
near its moving ends is examined anew for each pose. Decisions too close to call (``capsules.MARGIN``) make
``plan_along`` answer False: the caller then plans with GEOS.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, Mask
from roadcraft.core.driving.geometry.arc_path import (
    clamp_progress,
    cut_rail,
    first_beyond,
    first_from,
    pose_at,
    segment_of,
)
from roadcraft.core.driving.geometry.boxes import box_corners
from roadcraft.core.driving.geometry.capsules import (
    CHUNK,
    MARGIN,
    box_capsule,
    capsule_gap,
    corridor_capsules,
    polygon_capsule,
)
from roadcraft.core.driving.geometry.corridor import piece, segment_strip, square_ends
from roadcraft.core.driving.geometry.corridor_distance import (
    BOX,
    EDGE,
    TIE,
    Corridor,
    bounds_of,
    choose_nearest,
    convex_separation,
    polygon_distance,
    ring_distance,
    ring_separation,
    separation_from_polygon,
)
from roadcraft.core.driving.geometry.polygons import inside
from roadcraft.core.driving.geometry.polyline import project_point
from roadcraft.core.driving.geometry.tolerances import FAR
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.motion.idm import idm_acceleration, idm_advance

_CAP_ROOM = 0.6  # m by which a square cap may reach beyond the corridor it closes
_NONE, _OUT = -1, -2


class IdmPath(NamedTuple):
    """A path for kernels. line (Q, 2) and arcs (Q,): all vertices of the lanes, for projection; progress (P,), points
    (P, 2), heading (P,): the rail; capsules: of its chunks; target: m/s; half_width: m; area_points, area_rings,
    area_offsets (C + 1,): surfaces of the lanes that may turn red; red_count (C, 2, P + 1): how
    many segments (vertices, for their joins) before each meet the surface; red_near (C,) bool: it comes so near the
    path that a cap may meet it."""

    line: F64
    arcs: F64
    progress: F64
    points: F64
    heading: F64
    capsules: F64
    target: float
    half_width: float
    area_points: F64
    area_rings: I64
    area_offsets: I64
    red_count: I64
    red_near: Mask


class IdmObservation(NamedTuple):
    """What is around. box (K, 5), corners (K, 4, 2), velocity (K, 2), still (K,) bool: static kinds; touched (K,):
    where on the path ego's center is before a trailer first touches the object, infinite for never, empty for an ego
    without trailers; red (C,) bool: lanes that are red now."""

    box: F64
    corners: F64
    velocity: F64
    still: Mask
    touched: F64
    red: Mask


class IdmParams(NamedTuple):
    """Parameters of the driver model (see ``IdmConfig``); horizon = poses * interval, s."""

    min_gap: float
    headway: float
    max_accel: float
    max_decel: float
    interval: float
    horizon: float
    radius: float


@njit(cache=True, nogil=True)
def path_capsules(points: F64, half_width: float) -> F64:
    """Capsules of the rail's chunks."""
    out = np.zeros((len(points) // CHUNK + 1, 5))
    corridor_capsules(points, len(points), half_width, out)
    return out


@njit(cache=True, nogil=True)
def _last_met(
    points: F64, half_width: float, capsules: F64, first: int, polygon: F64, vertices: int, bound: F64, met: I64
) -> bool:
    """Where a convex polygon meets the corridor of the rail from segment ``first`` on; False where a decision is too
    close to call.

    met (3,) int64, raised, never lowered: last segment whose rectangle it meets, last vertex whose join it meets, and 1
    where it comes so near that a square cap might meet it.
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
                apart = convex_separation(scratch, n, polygon, vertices, MARGIN)
                if abs(apart) <= MARGIN:
                    return False
                if apart < 0.0:
                    met[k % 2] = max(met[k % 2], i + k % 2)
        if met[0] != _NONE:
            return True
    return True


@njit(cache=True, nogil=True)
def map_red_lanes(
    points: F64, half_width: float, capsules: F64, area_points: F64, rings: I64, offsets: I64
) -> tuple[I64, Mask]:
    """``IdmPath.red_count`` and ``IdmPath.red_near`` of C surfaces."""
    lanes = len(offsets) - 1
    count = np.zeros((lanes, 2, len(points) + 1), np.int64)
    near = np.zeros(lanes, np.bool_)
    for k in range(lanes):
        if len(points) < 2 or offsets[k + 1] == offsets[k]:
            continue
        for r in range(offsets[k], offsets[k + 1]):
            for i in range(rings[r], rings[r + 1] - 1):
                close = _mark_edge(points, half_width, capsules, area_points[i : i + 2], count[k])
                near[k] = near[k] or close
        for i in range(len(points) - 1):
            if near[k] and inside(area_points, rings, offsets[k], offsets[k + 1], points[i, 0], points[i, 1]):
                count[k, 0, i + 1] = 1
        for j in range(2):
            for i in range(len(points)):
                count[k, j, i + 1] += count[k, j, i]
    return count, near


@njit(cache=True, nogil=True)
def _mark_edge(points: F64, half_width: float, capsules: F64, edge: F64, marks: I64) -> bool:
    """Mark (2, P + 1), shifted by one, the segments and vertices (joins) that an edge surely meets; whether it comes
    near the corridor at all."""
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
                if n > 0 and convex_separation(scratch, n, edge, EDGE, 0.0) < -MARGIN:
                    marks[k % 2, i + k % 2 + 1] = 1
    return near


@njit(cache=True, nogil=True)
def plan_along(
    path: IdmPath, seen: IdmObservation, params: IdmParams, ego: F64, ego_box: F64, vehicle_box: F64, out: F64
) -> bool:
    """Fill out (T, 10) with ego's projection on the way and its next T - 1 states, ``params.interval`` apart; False
    where a decision is too close to call.

    ego (10,) rear-axle state; ego_box (5,); vehicle_box (3,): rear axle to box center, length, width.
    """
    count = len(path.progress)
    x, y, heading = ego_box[0], ego_box[1], ego_box[2]
    s, _, _ = project_point(path.line, path.arcs, x, y)
    speed = ego[3]
    met, extents, clear = _objects_on_path(path, seen, x, y, params.radius, s)
    if not clear:
        return False
    ends, before, lead, gap = np.empty((3, 4, 2)), s, np.int64(_NONE), 0.0
    for k in range(len(out)):
        if k > 0:
            if k < 3 or s != before:  # else it stands where it stood, and so do all others
                edges = box_corners(x, y, heading, vehicle_box[1], vehicle_box[2])
                clear, lead, gap = _find_lead(path, seen, params, s, edges, met, extents, ends)
                if not clear:
                    return False
            before, lead_speed = s, 0.0
            if lead == _NONE:
                gap = path.progress[count - 1] - s - 0.5 * vehicle_box[1]
            lead, gap = nearer_touched(seen.touched, s, lead, gap)
            if _NONE < lead < len(seen.box) and not seen.still[lead]:
                lead_speed = math.hypot(seen.velocity[lead, 0], seen.velocity[lead, 1])
                lead_speed *= math.cos(seen.box[lead, 2] - heading)
            accel = idm_acceleration(
                speed, path.target, gap, lead_speed, params.min_gap, params.headway, params.max_accel, params.max_decel
            )
            moved, speed = idm_advance(speed, accel, params.interval)
            s += moved
        x, y, heading = pose_at(
            path.progress, path.points, path.heading, count, clamp_progress(path.progress, count, s)
        )
        out[k, 0] = x - vehicle_box[0] * math.cos(heading)
        out[k, 1] = y - vehicle_box[0] * math.sin(heading)
        out[k, 2], out[k, 3] = heading, speed
        if k == 0:
            x, y, heading = ego_box[0], ego_box[1], ego_box[2]
    return True


@small_njit
def nearer_touched(touched: F64, s: float, lead: int, gap: float) -> tuple[int, float]:
    """The lead and the gap to it, or the object that a trailer touches after a shorter way. touched (K,): where on the
    path that is, for an ego at ``s``."""
    for o in range(len(touched)):
        if touched[o] - s < gap:
            lead, gap = o, max(touched[o] - s, 0.0)
    return lead, gap


@njit(cache=True, nogil=True)
def _objects_on_path(
    path: IdmPath, seen: IdmObservation, x: float, y: float, radius: float, s: float
) -> tuple[I64, F64, bool]:
    """Of each object: where it meets the rail ahead (see ``_last_met``; -2: out of the radius) and its bounding box;
    and whether all is clear."""
    objects, count = len(seen.box), len(path.progress)
    met, extents, bound = np.full((objects, 3), _NONE), np.empty((objects, 4)), np.empty(5)
    first = max(segment_of(path.progress, count, clamp_progress(path.progress, count, s)) - 2, 0)
    points, half_width, capsules, boxes, corners = path.points, path.half_width, path.capsules, seen.box, seen.corners
    for o in range(objects):
        dx, dy = boxes[o, 0] - x, boxes[o, 1] - y
        if not math.sqrt(dx * dx + dy * dy) < radius:
            met[o, 0] = _OUT
            continue
        bounds_of(corners[o], BOX, 0.0, extents[o])
        box_capsule(boxes[o, 0], boxes[o, 1], boxes[o, 2], boxes[o, 3], boxes[o, 4], bound)
        if not _last_met(points, half_width, capsules, first, corners[o], 4, bound, met[o]):
            return met, extents, False
    return met, extents, True


@njit(cache=True, nogil=True)
def _open_ends(progress: F64, points: F64, half_width: float, start: float, end: float, out: F64) -> tuple[int, int]:
    """Rail segments that hold the start and the end of a corridor with square caps, and its pieces on them: out[1] and
    out[2] (4, 2), the same where both lie on one segment."""
    count = len(progress)
    if start >= progress[count - 1]:
        start = progress[count - 2]
    if end <= progress[0]:
        end = progress[1]
    first = min(first_beyond(progress, count, start) - 1, count - 2)
    final = max(min(first_from(progress, count, end) - 1, count - 2), first)
    for k, i in enumerate((first, final)):
        before = half_width - (start - progress[i]) if i == first else 0.0
        after = half_width - (progress[i + 1] - end) if i == final else 0.0
        segment_strip(points, i, half_width, before, after, out[k + 1])
    return first, final


@njit(cache=True, nogil=True)
def _find_lead(
    path: IdmPath, seen: IdmObservation, params: IdmParams, s: float, edges: F64, met: I64, extents: F64, ends: F64
) -> tuple[bool, int, float]:
    """Whether all is clear, the lead (object, or K + lane, or -1) and its distance from ego's footprint ``edges`` (4,
    2)."""
    count, objects = len(path.progress), len(seen.box)
    corners, red, red_count, red_near = seen.corners, seen.red, path.red_count, path.red_near
    points, rings, offsets = path.area_points, path.area_rings, path.area_offsets
    start = clamp_progress(path.progress, count, s)
    end = clamp_progress(path.progress, count, s + abs(path.target) * params.horizon)
    first, final = _open_ends(path.progress, path.points, path.half_width, start, end, ends)
    parts, reach = 3 if final > first else 2, np.empty((3, 4))
    for k in range(BOX):
        ends[0, k, 0], ends[0, k, 1] = edges[k, 0], edges[k, 1]
    for k in range(parts):
        bounds_of(ends[k], BOX, MARGIN, reach[k])
    hit, far, middle = (
        np.empty(objects + len(red), np.int64),
        np.empty(objects + len(red)),
        np.empty(objects + len(red)),
    )
    hits, best = np.int64(0), FAR
    for e in range(objects):
        if met[e, 0] == _OUT:
            continue
        gap = 2.0 * MARGIN
        if first < met[e, 0] < final or first < met[e, 1] <= final:
            gap = -1.0
        for k in range(parts if met[e, 2] == 1 else 1):
            if gap >= -MARGIN and (
                extents[e, 0] <= reach[k, 2]
                and extents[e, 2] >= reach[k, 0]
                and extents[e, 1] <= reach[k, 3]
                and extents[e, 3] >= reach[k, 1]
            ):
                gap = min(gap, convex_separation(ends[k], BOX, corners[e], BOX, gap))
        if gap >= -MARGIN and met[e, 2] == 1 and (met[e, 0] >= final or met[e, 1] > final):
            # What it meets beyond the end says nothing about what it meets before.
            gap = min(gap, _meets_whole(path, corners[e], start, end))
        if abs(gap) <= MARGIN:
            return False, _NONE, 0.0
        if gap < 0.0:
            hit[hits], far[hits] = e, polygon_distance(edges, BOX, corners[e], BOX, FAR)
            middle[hits] = 0.5 * (extents[e, 1] + extents[e, 3])
            best, hits = min(best, far[hits]), hits + 1
    for c in range(len(red)):
        if not red[c]:
            continue
        r0, r1, gap = offsets[c], offsets[c + 1], 2.0 * MARGIN
        if red_count[c, 0, max(final, first + 1)] > red_count[c, 0, first + 1]:
            gap = -1.0
        if red_count[c, 1, final + 1] > red_count[c, 1, first + 1]:
            gap = -1.0
        for k in range(parts if red_near[c] else 1):
            if gap >= -MARGIN:
                gap = min(gap, ring_separation(points, rings, r0, r1, ends[k], BOX, reach[k]))
        if abs(gap) <= MARGIN:
            return False, _NONE, 0.0
        if gap < 0.0:
            hit[hits] = objects + c
            far[hits] = ring_distance(points, rings, r0, r1, edges, BOX, reach[0], best + 2.0 * TIE)
            low, high = FAR, -FAR
            for i in range(rings[r0], rings[r0 + 1]):
                low, high = min(low, points[i, 1]), max(high, points[i, 1])
            middle[hits] = 0.5 * (low + high)
            best, hits = min(best, far[hits]), hits + 1
    if hits == 0:
        return True, _NONE, 0.0
    chosen = choose_nearest(far, middle, hits)
    return chosen >= 0, hit[max(chosen, 0)], best


@njit(cache=True, nogil=True)
def _meets_whole(path: IdmPath, polygon: F64, start: float, end: float) -> float:
    """Separation of the whole corridor from start to end and a box (4, 2)."""
    scratch = np.empty((len(path.progress) + 2, 2))
    n = cut_rail(path.progress, path.points, path.heading, len(path.progress), start, end, scratch)
    square_ends(scratch, n, path.half_width)
    capsules, bound = np.empty((n // CHUNK + 1, 5)), np.empty(5)
    corridor_capsules(scratch, n, path.half_width, capsules)
    polygon_capsule(polygon, 4, bound)
    return separation_from_polygon(Corridor(scratch, n, path.half_width, capsules), polygon, BOX, bound)
