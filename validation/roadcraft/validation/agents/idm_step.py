"""One step of the reactive agents: each in turn extends its route, looks for what is ahead, and moves; later ones see where earlier ones went.

Reference: nuplan-devkit e924167, IDMAgentManager.propagate_agents, IDMAgent and STRTreeOccupancyMap. Where a decision lies too close to call
(``corridor.MARGIN``) the kernel stops at that agent and the caller decides with GEOS.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.boxes import box_corners
from roadcraft.core.driving.corridor import (
    MARGIN,
    TIE,
    bounds_of,
    box_capsule,
    capsule_gap,
    choose_nearest,
    corridor_capsules,
    distance_of_corridors,
    distance_to_polygon,
    folded_ends,
    inside_polygon,
    piece,
    polygon_distance,
    separation_from_polygon,
    separation_of_corridors,
    unfolded_span,
)
from roadcraft.core.driving.idm import idm_acceleration, idm_advance
from roadcraft.core.driving.polyline import arc_lengths, interpolate
from roadcraft.core.driving.rail import build_rail, clamp_progress, cut_rail, pose_at, rest_of_rail, vertex_headings
from roadcraft.validation.agents.fleet import MAX_ROUTE, Around, Fleet, Law, Roads

DONE, WANTS_ROOM, UNCLEAR, WANTS_SWEEP = 0, 1, 2, 3
FREE, EGO, STILL = -1, -2, -3  # leads that are no agent: none (the path's end), ego, anything that counts as standing
_GREEN, _RED = 0, 2
_FAR = 1e30


@njit(cache=True, nogil=True)
def remove_far(fleet: Fleet, x: float, y: float, radius: float) -> None:
    """Agents farther than ``radius`` from (x, y) leave for good."""
    for a in range(len(fleet.alive)):
        dx, dy = fleet.pose[a, 0] - x, fleet.pose[a, 1] - y
        if math.sqrt(dx * dx + dy * dy) > radius:
            fleet.alive[a] = False


@njit(cache=True, nogil=True)
def wants_rails(fleet: Fleet, roads: Roads, around: Around, law: Law) -> bool:
    """Whether any agent is about to extend its route."""
    for a in range(len(fleet.alive)):
        if fleet.alive[a] and _short(fleet, law, a) and _next_lane(fleet, roads, around, a) >= 0:
            return True
    return False


@njit(cache=True, nogil=True)
def step_agents(
    fleet: Fleet, size: F64, roads: Roads, around: Around, law: Law, first: int, lead: int, gap: float
) -> tuple[int, int]:
    """Move the agents first .. A - 1, in place. size (A, 2) length, width. A ``gap`` >= 0 settles the first agent's lead: ``lead`` is an agent's
    row or FREE, EGO, STILL. Returns a status and the agent it is about. WANTS_ROOM (its rail needs wider arrays) and UNCLEAR (its lead must be
    found by exact geometry): call again from that agent. WANTS_SWEEP (it has moved, but its footprint needs wider arrays): ``sweep`` it, go on after it."""
    room = fleet.rail_points.shape[1]
    rest, heading = np.empty((room + 2, 2)), np.empty(room + 2)
    capsules = np.empty((room // 8 + 2, 5))
    for a in range(first, len(fleet.alive)):
        if not fleet.alive[a]:
            continue
        if a > first or gap < 0.0:
            if not _plan_route(fleet, roads, around, law, a):
                return WANTS_ROOM, a
            status, lead, gap = _find_lead(fleet, size, roads, around, a, rest, heading, capsules)
            if status != DONE:
                return status, a
        _follow(fleet, size, roads, around, law, a, lead, gap)
        if not sweep(fleet, size, law.headway, a):
            return WANTS_SWEEP, a
    return DONE, len(fleet.alive)


@njit(cache=True, nogil=True)
def _short(fleet: Fleet, law: Law, a: int) -> bool:
    left = fleet.rail_progress[a, fleet.rail_count[a] - 1] - fleet.progress[a]
    return bool(left < law.min_path + fleet.target[a] * law.headway)


@njit(cache=True, nogil=True)
def _next_lane(fleet: Fleet, roads: Roads, around: Around, a: int) -> int:
    """The straightest lane that leads on and whose light lets the agent pass; -1 where there is none."""
    end = fleet.route[a, fleet.route_length[a] - 1]
    best, chosen = _FAR, -1
    for i in range(roads.next_offsets[end], roads.next_offsets[end + 1]):
        lane = roads.next_values[i]
        green, red = False, False
        for t in range(len(around.light_lane)):
            if around.light_lane[t] == lane:
                green |= around.light_state[t] == _GREEN
                red |= around.light_state[t] == _RED
        if (roads.has_light[lane] and not green) or (not roads.has_light[lane] and red):
            continue
        bend = _bend(roads.line_points[roads.line_offsets[lane] : roads.line_offsets[lane + 1]])
        if bend < best:
            best, chosen = bend, lane
    return chosen


@njit(cache=True, nogil=True)
def _bend(line: F64) -> float:
    """Absolute curvature 1/m at the start of a line, through three points 2 m apart (less on short lines)."""
    if len(line) < 2:
        return 0.5 * _FAR
    s = arc_lengths(line)
    reach = 2.0 if s[-1] >= 4.0 else s[-1] / 2.0
    x0, y0, _ = interpolate(line, s, 0.0)
    x1, y1, _ = interpolate(line, s, reach)
    x2, y2, _ = interpolate(line, s, s[-1] if reach < 2.0 else 4.0)
    a, b, c = math.hypot(x1 - x0, y1 - y0), math.hypot(x2 - x1, y2 - y1), math.hypot(x0 - x2, y0 - y2)
    area = (a + (b + c)) * (c - (a - b)) * (c + (a - b)) * (a + (b - c))
    if area < 1e-6 or abs(a * b * c) <= 1e-8:
        return 0.0
    return math.sqrt(area) / (a * b * c)


@njit(cache=True, nogil=True)
def _plan_route(fleet: Fleet, roads: Roads, around: Around, law: Law, a: int) -> bool:
    """Extend the rail while it is short and a lane leads on; False where the arrays are too narrow for it."""
    while _short(fleet, law, a):
        lane = _next_lane(fleet, roads, around, a)
        if lane < 0:
            return True
        line = roads.line_points[roads.line_offsets[lane] : roads.line_offsets[lane + 1]]
        count = fleet.rail_count[a]
        if count + 1 + len(line) > fleet.rail_points.shape[1]:
            return False
        progress, points, heading = fleet.rail_progress[a], fleet.rail_points[a], fleet.rail_heading[a]
        joined, joined_heading = np.empty((count + 1 + len(line), 2)), np.empty(count + 1 + len(line))
        now = clamp_progress(progress, count, fleet.progress[a])
        n = rest_of_rail(progress, points, heading, count, now, joined, joined_heading)
        joined[n : n + len(line)] = line
        vertex_headings(line, len(line), joined_heading[n : n + len(line)])
        n += len(line)
        points[:n], heading[:n] = joined[:n], joined_heading[:n]
        fleet.rail_count[a] = build_rail(points, heading, n, progress)
        fleet.progress[a] = 0.0
        if fleet.route_length[a] == MAX_ROUTE:
            for i in range(MAX_ROUTE - 1):
                fleet.route[a, i] = fleet.route[a, i + 1]
            fleet.route_length[a] = MAX_ROUTE - 1
        fleet.route[a, fleet.route_length[a]] = lane
        fleet.route_length[a] += 1
    return True


@njit(cache=True, nogil=True)
def _follow(fleet: Fleet, size: F64, roads: Roads, around: Around, law: Law, a: int, lead: int, gap: float) -> None:
    """Accelerate behind the lead and move along the rail."""
    count = fleet.rail_count[a]
    lead_speed, lead_heading = 0.0, fleet.pose[a, 2]
    if lead == EGO:
        lead_speed, lead_heading = around.ego[3], around.ego[2]
    elif lead >= 0:
        lead_speed, lead_heading = fleet.speed[lead], fleet.pose[lead, 2]
    elif lead == FREE:
        gap = fleet.rail_progress[a, count - 1] - fleet.progress[a] - 0.5 * size[a, 0]
    projected = lead_speed * math.cos(lead_heading - fleet.pose[a, 2])
    limit = roads.limit[fleet.route[a, fleet.route_length[a] - 1]]
    if limit > 0.0:
        fleet.target[a] = limit
    accel = idm_acceleration(
        fleet.speed[a], fleet.target[a], gap, projected, law.min_gap, law.headway, law.max_accel, law.max_decel
    )
    moved, fleet.speed[a] = idm_advance(fleet.speed[a], accel, around.dt)
    fleet.progress[a] += moved
    s = clamp_progress(fleet.rail_progress[a], count, fleet.progress[a])
    x, y, h = pose_at(fleet.rail_progress[a], fleet.rail_points[a], fleet.rail_heading[a], count, s)
    fleet.pose[a, 0], fleet.pose[a, 1], fleet.pose[a, 2] = x, y, h


@njit(cache=True, nogil=True)
def sweep(fleet: Fleet, size: F64, headway: float, a: int) -> bool:
    """Renew what others see of agent ``a``: its box, and the corridor from its rear to its front plus a headway's way; False: too little room."""
    progress, points, heading, count = (
        fleet.rail_progress[a],
        fleet.rail_points[a],
        fleet.rail_heading[a],
        fleet.rail_count[a],
    )
    half = 0.5 * size[a, 0]
    start = clamp_progress(progress, count, fleet.progress[a] - half)
    end = clamp_progress(progress, count, fleet.progress[a] + half + fleet.speed[a] * headway)
    between = np.searchsorted(progress[:count], end) - np.searchsorted(progress[:count], start) + 4
    if between > fleet.foot_points.shape[1]:
        return False
    n = cut_rail(progress, points, heading, count, start, end, fleet.foot_points[a])
    fleet.foot_count[a] = n
    corridor_capsules(fleet.foot_points[a], n, 0.5 * size[a, 1], fleet.foot_capsules[a])
    x, y, h = fleet.pose[a, 0], fleet.pose[a, 1], fleet.pose[a, 2]
    fleet.box_corners[a] = box_corners(x, y, h, size[a, 0], size[a, 1])
    box_capsule(x, y, h, size[a, 0], size[a, 1], fleet.box_capsule[a])
    extent_of(fleet.foot_points[a], n, 0.5 * size[a, 1], fleet.box_corners[a], fleet.extent[a])
    return True


@njit(cache=True, nogil=True)
def extent_of(foot: F64, count: int, half_width: float, box: F64, out: F64) -> None:
    """Bounding box (4,) of a footprint: the pieces of its swept corridor, and its box (4, 2)."""
    bounds_of(box, 4, 0.0, out)
    scratch, part = np.empty((40, 2)), np.empty(4)
    for k in range(2 * (count - 1)):
        bounds_of(scratch, piece(foot, count, half_width, k, scratch), 0.0, part)
        out[0], out[1] = min(out[0], part[0]), min(out[1], part[1])
        out[2], out[3] = max(out[2], part[2]), max(out[3], part[3])


@njit(cache=True, nogil=True)
def _find_lead(
    fleet: Fleet, size: F64, roads: Roads, around: Around, a: int, rest: F64, heading: F64, capsules: F64
) -> tuple[int, int, float]:
    """The nearest object that meets the path to go: status, lead, distance from the agent's footprint."""
    count = fleet.rail_count[a]
    now = clamp_progress(fleet.rail_progress[a], count, fleet.progress[a])
    n = rest_of_rail(fleet.rail_progress[a], fleet.rail_points[a], fleet.rail_heading[a], count, now, rest, heading)
    half, reach = 0.5 * size[a, 1], np.empty(4)
    corridor_capsules(rest, n, half, capsules)
    bounds_of(rest, n, half + MARGIN, reach)
    agents, others = len(fleet.alive), len(around.corners)
    stops = _red_stops(fleet, roads, around, a)
    room = agents + 1 + others + len(stops)
    hit, which = np.empty(room, np.int64), np.full(room, -1)
    far, middle = np.empty(room), np.empty(room)
    # Arrays out of the tuples: handing whole tuples to the small kernels below costs more than the kernels do.
    alive, extents, box, box_capsules = fleet.alive, fleet.extent, fleet.box_corners, fleet.box_capsule
    feet, foot_count, foot_capsules = fleet.foot_points, fleet.foot_count, fleet.foot_capsules
    corners, other_extents, other_capsules = around.corners, around.extents, around.capsules
    foot, foot_n, foot_bound = feet[a], foot_count[a], foot_capsules[a]
    hits, best = 0, _FAR
    for e in range(agents):
        if e == a or not alive[e] or _beyond(extents, e, reach):
            continue
        other_half = 0.5 * size[e, 1]
        gap = separation_from_polygon(rest, n, half, capsules, box[e], 4, box_capsules[e])
        if gap >= -MARGIN and foot_count[e] > 1:
            swept = separation_of_corridors(
                rest, n, half, capsules, feet[e], foot_count[e], other_half, foot_capsules[e]
            )
            gap = min(gap, swept)
        if abs(gap) <= MARGIN:
            return UNCLEAR, FREE, 0.0
        if gap < 0.0:
            d = _footprint_distance(
                foot, foot_n, half, foot_bound, box[a], box_capsules[a], box[e], box_capsules[e], best + 2.0 * TIE
            )
            if foot_count[e] > 1 and d > 0.0:
                d = distance_to_polygon(
                    feet[e], foot_count[e], other_half, foot_capsules[e], box[a], 4, box_capsules[a], d
                )
            if foot_count[e] > 1 and foot_n > 1 and d > 0.0:
                d = distance_of_corridors(
                    foot, foot_n, half, foot_bound, feet[e], foot_count[e], other_half, foot_capsules[e], d
                )
            hit[hits], which[hits], far[hits] = e, e, d
            middle[hits] = 0.5 * (extents[e, 1] + extents[e, 3])
            best, hits = min(best, d), hits + 1
    for k in range(-1, others):
        if k >= 0 and _beyond(other_extents, k, reach):
            continue
        polygon = around.ego_corners if k < 0 else corners[k]
        bound = around.ego_capsule if k < 0 else other_capsules[k]
        gap = separation_from_polygon(rest, n, half, capsules, polygon, 4, bound)
        if abs(gap) <= MARGIN:
            return UNCLEAR, FREE, 0.0
        if gap < 0.0:
            d = _footprint_distance(
                foot, foot_n, half, foot_bound, box[a], box_capsules[a], polygon, bound, best + 2.0 * TIE
            )
            hit[hits], which[hits], far[hits] = EGO if k < 0 else STILL, agents + 1 + k, d
            middle[hits] = 0.5 * (polygon[:, 1].min() + polygon[:, 1].max())
            best, hits = min(best, d), hits + 1
    for i in range(len(stops)):
        gap, d, y = _stop_ahead(
            roads,
            stops[i],
            rest,
            n,
            half,
            capsules,
            foot,
            foot_n,
            foot_bound,
            box[a],
            box_capsules[a],
            best + 2.0 * TIE,
        )
        if abs(gap) <= MARGIN:
            return UNCLEAR, FREE, 0.0
        if gap < 0.0:
            hit[hits], far[hits], middle[hits] = STILL, d, y
            best, hits = min(best, d), hits + 1
    if hits == 0:
        return DONE, FREE, 0.0
    chosen = choose_nearest(far, middle, hits)
    if chosen < 0 or folded_ends(rest, n, half):
        return UNCLEAR, FREE, 0.0
    if _folds_matter(fleet, size, around, a, which[chosen], far[chosen], rest, n, capsules):
        return UNCLEAR, FREE, 0.0
    return DONE, hit[chosen], far[chosen]


@njit(cache=True, nogil=True)
def _folds_matter(
    fleet: Fleet, size: F64, around: Around, a: int, e: int, far: float, rest: F64, n: int, capsules: F64
) -> bool:
    """Whether the lead, object ``e`` at distance ``far``, might be another by exact geometry because an end of a footprint is folded.

    Without the folded ends the footprints are surely what GEOS makes of them: if the lead is as near without them, they do not matter. e: an
    agent, A for ego, A + 1 + k for replayed object k, -1 for a stop area.
    """
    agents = len(fleet.alive)
    low, high = unfolded_span(fleet.foot_points[a], fleet.foot_count[a], 0.5 * size[a, 1])
    own_folded = low > 0 or high < fleet.foot_count[a] - 1
    lead_folded = 0 <= e < agents and folded_ends(fleet.foot_points[e], fleet.foot_count[e], 0.5 * size[e, 1])
    if not own_folded and not lead_folded:
        return False
    if e < 0:
        return True
    half, count = 0.5 * size[a, 1], max(high - low + 1, 0)
    foot, bounds = fleet.foot_points[a][low : high + 1], np.empty((count // 8 + 2, 5))
    corridor_capsules(foot, count, half, bounds)
    box, box_bound, reach = fleet.box_corners[a], fleet.box_capsule[a], far + 1.0
    if e >= agents:
        polygon = around.ego_corners if e == agents else around.corners[e - agents - 1]
        bound = around.ego_capsule if e == agents else around.capsules[e - agents - 1]
        return _footprint_distance(foot, count, half, bounds, box, box_bound, polygon, bound, reach) > far + 1e-9
    low, high = unfolded_span(fleet.foot_points[e], fleet.foot_count[e], 0.5 * size[e, 1])
    other_half, others = 0.5 * size[e, 1], max(high - low + 1, 0)
    other, other_bounds = fleet.foot_points[e][low : high + 1], np.empty((others // 8 + 2, 5))
    corridor_capsules(other, others, other_half, other_bounds)
    other_box, other_bound = fleet.box_corners[e], fleet.box_capsule[e]
    met = separation_from_polygon(rest, n, half, capsules, other_box, 4, other_bound) < -MARGIN
    if not met and others > 1:
        met = separation_of_corridors(rest, n, half, capsules, other, others, other_half, other_bounds) < -MARGIN
    d = _footprint_distance(foot, count, half, bounds, box, box_bound, other_box, other_bound, reach)
    if others > 1 and d > 0.0:
        d = distance_to_polygon(other, others, other_half, other_bounds, box, 4, box_bound, d)
    if others > 1 and count > 1 and d > 0.0:
        d = distance_of_corridors(foot, count, half, bounds, other, others, other_half, other_bounds, d)
    return not met or d > far + 1e-9


@njit(cache=True, nogil=True)
def _beyond(extents: F64, e: int, reach: F64) -> bool:
    """Whether bounding box e lies clear of another one."""
    return bool(
        extents[e, 0] > reach[2] or extents[e, 2] < reach[0] or extents[e, 1] > reach[3] or extents[e, 3] < reach[1]
    )


@njit(cache=True, nogil=True)
def _red_stops(fleet: Fleet, roads: Roads, around: Around, a: int) -> I64:
    """Rows of the stop areas of red lanes on the agent's route, each once."""
    found = np.empty(16, np.int64)
    n = 0
    for r in range(fleet.route_length[a]):
        lane = fleet.route[a, r]
        for t in range(len(around.light_lane)):
            if around.light_lane[t] != lane or around.light_state[t] != _RED:
                continue
            for i in range(roads.stop_offsets[lane], roads.stop_offsets[lane + 1]):
                known = n == len(found)
                for k in range(n):
                    known |= found[k] == roads.stop_values[i]
                if not known:
                    found[n] = roads.stop_values[i]
                    n += 1
    return found[:n]


@njit(cache=True, nogil=True)
def _footprint_distance(
    foot: F64,
    foot_n: int,
    half: float,
    foot_bound: F64,
    box: F64,
    box_bound: F64,
    polygon: F64,
    bound: F64,
    best: float,
) -> float:
    """min(best, distance from a footprint, swept corridor and box (4, 2), to another box)."""
    if capsule_gap(box_bound, bound) < best:
        best = polygon_distance(box, 4, polygon, 4, best)
    if foot_n > 1 and best > 0.0:
        best = distance_to_polygon(foot, foot_n, half, foot_bound, polygon, 4, bound, best)
    return best


@njit(cache=True, nogil=True)
def _stop_ahead(
    roads: Roads,
    area: int,
    path: F64,
    count: int,
    half: float,
    capsules: F64,
    foot: F64,
    foot_n: int,
    foot_bound: F64,
    box: F64,
    box_bound: F64,
    best: float,
) -> tuple[float, float, float]:
    """Of a stop area: its separation from the path's corridor, min(best, distance from the footprint), the middle of its extent in y."""
    points, rings, offsets = roads.area_points, roads.area_rings, roads.area_offsets
    gap, low, high, bound = 2.0 * MARGIN, _FAR, -_FAR, np.zeros(5)
    for r in range(offsets[area], offsets[area + 1]):
        for i in range(rings[r], rings[r + 1] - 1):
            edge = points[i : i + 2]
            low, high = min(low, edge[0, 1]), max(high, edge[0, 1])
            bound[0], bound[1], bound[2], bound[3] = edge[0, 0], edge[0, 1], edge[1, 0], edge[1, 1]
            gap = min(gap, separation_from_polygon(path, count, half, capsules, edge, 2, bound))
    if gap > MARGIN and inside_polygon(points, rings, offsets, area, path[0, 0], path[0, 1]):
        gap = -1.0
    if gap >= 0.0:
        return gap, best, 0.0
    if inside_polygon(points, rings, offsets, area, box[0, 0], box[0, 1]):
        best = 0.0
    for r in range(offsets[area], offsets[area + 1]):
        for i in range(rings[r], rings[r + 1] - 1):
            edge = points[i : i + 2]
            bound[0], bound[1], bound[2], bound[3] = edge[0, 0], edge[0, 1], edge[1, 0], edge[1, 1]
            if best > 0.0 and capsule_gap(box_bound, bound) < best:
                best = polygon_distance(box, 4, edge, 2, best)
            if best > 0.0 and foot_n > 1:
                best = distance_to_polygon(foot, foot_n, half, foot_bound, edge, 2, bound, best)
    return gap, best, 0.5 * (low + high)
