"""What a reactive agent drives behind: the nearest object that meets the way ahead of it.

Reference: nuplan-devkit e924167, IDMAgentManager.propagate_agents and STRTreeOccupancyMap. Where a decision lies too
close to call (``capsules.MARGIN``), or hangs on an end of a corridor that GEOS cuts in its own way, the answer is
UNCLEAR and ``idm_exact`` decides.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.geometry.arc_path import clamp_progress, rest_of_rail
from roadcraft.core.driving.geometry.capsules import MARGIN, capsule_gap, corridor_capsules, near_corridor
from roadcraft.core.driving.geometry.corridor import folded_ends, unfolded_span
from roadcraft.core.driving.geometry.corridor_distance import (
    BOX,
    EDGE,
    TIE,
    Corridor,
    bounds_of,
    choose_nearest,
    distance_of_corridors,
    distance_to_polygon,
    polygon_distance,
    separation_from_polygon,
    separation_of_corridors,
)
from roadcraft.core.driving.geometry.polygons import inside
from roadcraft.core.driving.geometry.tolerances import FAR
from roadcraft.core.driving.jit import small_njit
from roadcraft.core.scenario import LightState
from roadcraft.validation.agents.agent_batch import AgentBatch, Roads, Surroundings

DONE, UNCLEAR = 0, 2
FREE, EGO, STILL = -1, -2, -3  # leads that are no agent: none (the path's end), ego, anything that counts as standing


@njit(cache=True, nogil=True)
def find_lead(
    agents: AgentBatch,
    size: F64,
    roads: Roads,
    surroundings: Surroundings,
    a: int,
    rest: F64,
    heading: F64,
    capsules: F64,
) -> tuple[int, int, float]:
    """The nearest object that meets the path to go: status, lead, distance from the agent's footprint."""
    count = agents.rail_count[a]
    now = clamp_progress(agents.rail_progress[a], count, agents.progress[a])
    n = rest_of_rail(agents.rail_progress[a], agents.rail_points[a], agents.rail_heading[a], count, now, rest, heading)
    half, reach = 0.5 * size[a, 1], np.empty(4)
    corridor_capsules(rest, n, half, capsules)
    bounds_of(rest, n, half + MARGIN, reach)
    driven, others = len(agents.alive), len(surroundings.corners)
    stops = _red_stops(agents, roads, surroundings, a)
    room = driven + 1 + others + len(stops)
    hit, which = np.empty(room, np.int64), np.full(room, -1)
    far, middle = np.empty(room), np.empty(room)
    # Arrays out of the tuples: handing whole tuples to the small kernels below costs more than the kernels do.
    alive, extents, box, box_capsules = agents.alive, agents.extent, agents.box_corners, agents.box_capsule
    feet, foot_count, foot_capsules = agents.foot_points, agents.foot_count, agents.foot_capsules
    hulls, way = agents.hull, Corridor(rest, n, half, capsules)
    corners, other_extents, other_capsules = surroundings.corners, surroundings.extents, surroundings.capsules
    foot = Corridor(feet[a], foot_count[a], half, foot_capsules[a])
    hits, best = np.int64(0), FAR
    for e in range(driven):
        if e == a or not alive[e] or _beyond(extents, e, reach) or not near_corridor(capsules, n, hulls, e):
            continue
        other = Corridor(feet[e], foot_count[e], 0.5 * size[e, 1], foot_capsules[e])
        gap = separation_from_polygon(way, box[e], BOX, box_capsules[e])
        if gap >= -MARGIN and other.n > 1:
            gap = min(gap, separation_of_corridors(way, other))
        if abs(gap) <= MARGIN:
            return UNCLEAR, FREE, 0.0
        if gap < 0.0:
            d = _footprint_distance(foot, box[a], box_capsules[a], box[e], box_capsules[e], best + 2.0 * TIE)
            if other.n > 1 and d > 0.0:
                d = distance_to_polygon(other, box[a], BOX, box_capsules[a], d)
            if other.n > 1 and foot.n > 1 and d > 0.0:
                d = distance_of_corridors(foot, other, d)
            hit[hits], which[hits], far[hits] = e, e, d
            middle[hits] = 0.5 * (extents[e, 1] + extents[e, 3])
            best, hits = min(best, d), hits + 1
    for k in range(-1, others):
        if k >= 0 and _beyond(other_extents, k, reach):
            continue
        polygon = surroundings.ego_corners if k < 0 else corners[k]
        bound = surroundings.ego_capsule if k < 0 else other_capsules[k]
        gap = separation_from_polygon(way, polygon, BOX, bound)
        if abs(gap) <= MARGIN:
            return UNCLEAR, FREE, 0.0
        if gap < 0.0:
            d = _footprint_distance(foot, box[a], box_capsules[a], polygon, bound, best + 2.0 * TIE)
            hit[hits], which[hits], far[hits] = EGO if k < 0 else STILL, driven + 1 + k, d
            middle[hits] = 0.5 * (polygon[:, 1].min() + polygon[:, 1].max())
            best, hits = min(best, d), hits + 1
    for i in range(len(stops)):
        gap, d, y = _stop_ahead(roads, stops[i], way, foot, box[a], box_capsules[a], best + 2.0 * TIE)
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
    if _folds_matter(agents, size, surroundings, a, which[chosen], far[chosen], way):
        return UNCLEAR, FREE, 0.0
    return DONE, hit[chosen], far[chosen]


@njit(cache=True, nogil=True)
def _folds_matter(
    agents: AgentBatch, size: F64, surroundings: Surroundings, a: int, e: int, far: float, way: Corridor
) -> bool:
    """Whether the lead, object ``e`` at distance ``far``, might be another by exact geometry because an end of a
    footprint is folded.

    Without the folded ends the footprints are surely what GEOS makes of them: if the lead is as near without them, they
    do not matter. e: an agent, A for ego, A + 1 + k for replayed object k, -1 for a stop area.
    """
    driven = len(agents.alive)
    low, high = unfolded_span(agents.foot_points[a], agents.foot_count[a], 0.5 * size[a, 1])
    own_folded = low > 0 or high < agents.foot_count[a] - 1
    lead_folded = 0 <= e < driven and folded_ends(agents.foot_points[e], agents.foot_count[e], 0.5 * size[e, 1])
    if not own_folded and not lead_folded:
        return False
    if e < 0:
        return True
    half, count = 0.5 * size[a, 1], max(high - low + 1, 0)
    foot = Corridor(agents.foot_points[a][low : high + 1], count, half, np.empty((count // 8 + 2, 5)))
    corridor_capsules(foot.points, count, half, foot.capsules)
    box, box_bound, reach = agents.box_corners[a], agents.box_capsule[a], far + 1.0
    if e >= driven:
        polygon = surroundings.ego_corners if e == driven else surroundings.corners[e - driven - 1]
        bound = surroundings.ego_capsule if e == driven else surroundings.capsules[e - driven - 1]
        return _footprint_distance(foot, box, box_bound, polygon, bound, reach) > far + 1e-9
    low, high = unfolded_span(agents.foot_points[e], agents.foot_count[e], 0.5 * size[e, 1])
    other_half, others = 0.5 * size[e, 1], max(high - low + 1, 0)
    other = Corridor(agents.foot_points[e][low : high + 1], others, other_half, np.empty((others // 8 + 2, 5)))
    corridor_capsules(other.points, others, other_half, other.capsules)
    other_box, other_bound = agents.box_corners[e], agents.box_capsule[e]
    met = separation_from_polygon(way, other_box, BOX, other_bound) < -MARGIN
    if not met and others > 1:
        met = separation_of_corridors(way, other) < -MARGIN
    d = _footprint_distance(foot, box, box_bound, other_box, other_bound, reach)
    if others > 1 and d > 0.0:
        d = distance_to_polygon(other, box, BOX, box_bound, d)
    if others > 1 and count > 1 and d > 0.0:
        d = distance_of_corridors(foot, other, d)
    return not met or d > far + 1e-9


@small_njit
def _beyond(extents: F64, e: int, reach: F64) -> bool:
    """Whether bounding box e lies clear of another one."""
    return bool(
        extents[e, 0] > reach[2] or extents[e, 2] < reach[0] or extents[e, 1] > reach[3] or extents[e, 3] < reach[1]
    )


@njit(cache=True, nogil=True)
def _red_stops(agents: AgentBatch, roads: Roads, surroundings: Surroundings, a: int) -> I64:
    """Rows of the stop areas of red lanes on the agent's route, each once."""
    found = np.empty(16, np.int64)
    n = 0
    for r in range(agents.route_length[a]):
        lane = agents.route[a, r]
        for t in range(len(surroundings.light_lane)):
            if surroundings.light_lane[t] != lane or surroundings.light_state[t] != LightState.RED:
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
def _footprint_distance(foot: Corridor, box: F64, box_bound: F64, polygon: F64, bound: F64, best: float) -> float:
    """min(best, distance from a footprint, swept corridor and box (4, 2), to another box)."""
    if capsule_gap(box_bound, bound) < best:
        best = polygon_distance(box, BOX, polygon, BOX, best)
    if foot.n > 1 and best > 0.0:
        best = distance_to_polygon(foot, polygon, BOX, bound, best)
    return best


@njit(cache=True, nogil=True)
def _stop_ahead(
    roads: Roads, area: int, way: Corridor, foot: Corridor, box: F64, box_bound: F64, best: float
) -> tuple[float, float, float]:
    """Of a stop area: its separation from the path's corridor, min(best, distance from the footprint), the middle of
    its extent in y."""
    points, rings, offsets = roads.area_points, roads.area_rings, roads.area_offsets
    gap, low, high, bound = 2.0 * MARGIN, FAR, -FAR, np.zeros(5)
    for r in range(offsets[area], offsets[area + 1]):
        for i in range(rings[r], rings[r + 1] - 1):
            edge = points[i : i + 2]
            low, high = min(low, edge[0, 1]), max(high, edge[0, 1])
            bound[0], bound[1], bound[2], bound[3] = edge[0, 0], edge[0, 1], edge[1, 0], edge[1, 1]
            gap = min(gap, separation_from_polygon(way, edge, EDGE, bound))
    if gap > MARGIN and inside(points, rings, offsets[area], offsets[area + 1], way.points[0, 0], way.points[0, 1]):
        gap = -1.0
    if gap >= 0.0:
        return gap, best, 0.0
    if inside(points, rings, offsets[area], offsets[area + 1], box[0, 0], box[0, 1]):
        best = 0.0
    for r in range(offsets[area], offsets[area + 1]):
        for i in range(rings[r], rings[r + 1] - 1):
            edge = points[i : i + 2]
            bound[0], bound[1], bound[2], bound[3] = edge[0, 0], edge[0, 1], edge[1, 0], edge[1, 1]
            if best > 0.0 and capsule_gap(box_bound, bound) < best:
                best = polygon_distance(box, BOX, edge, EDGE, best)
            if best > 0.0 and foot.n > 1:
                best = distance_to_polygon(foot, edge, EDGE, bound, best)
    return gap, best, 0.5 * (low + high)
