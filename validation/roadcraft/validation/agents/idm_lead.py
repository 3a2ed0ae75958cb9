"""What a reactive agent drives behind: the nearest object that meets the way ahead of it.

Objects are asked in the order of a lower bound of their distance, the gap of the capsules around the footprints: most
are never looked at, since the lead is nearer. Reference: nuplan-devkit e924167, IDMAgentManager.propagate_agents and
STRTreeOccupancyMap. Where a decision lies too close to call (``capsules.MARGIN``), or hangs on an end of a corridor
that GEOS cuts in its own way, the answer is UNCLEAR and ``idm_exact`` decides.
"""

from __future__ import annotations

from typing import NamedTuple

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.geometry.capsules import MARGIN, capsule_gap, corridor_capsules
from roadcraft.core.driving.geometry.corridor import folded_ends, unfolded_span
from roadcraft.core.driving.geometry.corridor_distance import (
    BOX,
    EDGE,
    LEAF,
    TIE,
    Corridor,
    choose_nearest,
    polygon_distance,
)
from roadcraft.core.driving.geometry.polygons import inside
from roadcraft.core.driving.geometry.tolerances import FAR
from roadcraft.core.driving.jit import inlined_njit, small_njit
from roadcraft.core.scenario import LightState
from roadcraft.validation.agents.agent_batch import AgentBatch, Constants
from roadcraft.validation.agents.footprints import to_box, to_corridor, to_polygon
from roadcraft.validation.agents.idm_roads import Roads
from roadcraft.validation.agents.rails import Rails
from roadcraft.validation.agents.way import Way, WayScratch, corridor_on_way, near_chunks, polygon_on_way, way_ahead

DONE, UNCLEAR = 0, 2
FREE, EGO, STILL = -1, -2, -3  # leads that are no agent: none (the path's end), ego, anything that counts as standing
NEVER = 2.0 * FAR  # bound of an object that surely does not meet the way
MAX_STOPS = 16  # stop areas of red lanes that an agent looks at


class Scene(NamedTuple):
    """What surrounds the agents of one scenario in one step. low, high: its agents; ego (4,): center x, y, heading,
    speed; ego_corners (4, 2), ego_capsule (5,), ego_extent (4,): before its own step; objects, lights: rows of the next
    iteration; lane_low, area_low: the first rows of its map; dt: seconds."""

    low: int
    high: int
    ego: F64
    ego_corners: F64
    ego_capsule: F64
    objects: tuple[int, int]
    lights: tuple[int, int]
    lane_low: int
    area_low: int
    dt: float


class World(NamedTuple):
    """All that the agents of a batch are moved by."""

    agents: AgentBatch
    rails: Rails
    constants: Constants
    roads: Roads


class Candidates(NamedTuple):
    """Objects that may meet the way of one agent: which (N,), as ``find_lead`` numbers them, and a lower bound of their
    distance from its footprint (N,), NEVER once they are known not to meet it; hit, far, middle (N,): of those that do
    meet it."""

    which: I64
    bound: F64
    hit: I64
    far: F64
    middle: F64


@small_njit
def find_lead(
    world: World, scene: Scene, a: int, found: Candidates, scratch: WayScratch
) -> tuple[int, int, float, int]:
    """The nearest object that meets the path to go: status, lead, distance from the agent's footprint, and how many
    candidates there are. Where the status is UNCLEAR the distance is that of the nearest object found so far.

    Objects are numbered 0 .. A - 1: agents of the scenario, A: ego, A + 1 + k: replayed object k, A + 1 + K + i: stop
    area i of its map.
    """
    agents, constants = world.agents, world.constants
    low, driven = scene.low, scene.high - scene.low
    others = scene.objects[1] - scene.objects[0]
    half = 0.5 * constants.size[a, 1]
    way = way_ahead(world.rails, agents.rail_low[a], agents.rail_count[a], agents.progress[a], half, scratch.head)
    count = _candidates(world, scene, a, way, found)
    # Arrays out of the tuples: handing whole tuples to the small kernels below costs more than the kernels do.
    box, box_capsules = agents.box_corners, agents.box_capsule
    feet, foot_count, foot_capsules = agents.foot_points, agents.foot_count, agents.foot_capsules
    foot = Corridor(feet[a], foot_count[a], half, foot_capsules[a])
    hits, zeros, best, asked = 0, 0, FAR, 0
    while asked < count:
        nearest = asked
        for i in range(asked + 1, count):
            if found.bound[i] < found.bound[nearest]:
                nearest = i
        if found.bound[nearest] > best + 2.0 * TIE and (zeros < 2 or hits + count - asked <= LEAF):
            break
        found.which[asked], found.which[nearest] = found.which[nearest], found.which[asked]
        found.bound[asked], found.bound[nearest] = found.bound[nearest], found.bound[asked]
        w = found.which[asked]
        asked += 1
        limit = best + 2.0 * TIE
        if w < driven:
            e = low + w
            near = near_chunks(way, agents.hull[e], agents.extent[e], scratch.near)
            if near == 0:
                found.bound[asked - 1] = NEVER
                continue
            gap = polygon_on_way(way, near, box[e], BOX, box_capsules[e], scratch)
            if gap >= -MARGIN and foot_count[e] > 1:
                gap = min(gap, corridor_on_way(way, near, feet[e], foot_count[e], 0.5 * constants.size[e, 1], scratch))
            if abs(gap) <= MARGIN:
                return UNCLEAR, FREE, FAR, count
            if gap > 0.0:
                found.bound[asked - 1] = NEVER
                continue
            d = to_box(foot, box[a], box_capsules[a], box[e], box_capsules[e], limit, scratch)
            if foot_count[e] > 1 and d > 0.0:
                other = Corridor(feet[e], foot_count[e], 0.5 * constants.size[e, 1], foot_capsules[e])
                d = to_polygon(other, box[a], BOX, box_capsules[a], d, scratch)
                if foot.n > 1 and d > 0.0:
                    d = to_corridor(foot, other, d, scratch)
            middle = 0.5 * (agents.extent[e, 1] + agents.extent[e, 3])
        elif w <= driven + others:
            k = scene.objects[0] + w - driven - 1
            polygon = scene.ego_corners if w == driven else constants.corners[k]
            bound = scene.ego_capsule if w == driven else constants.capsules[k]
            extent = scratch.around if w == driven else constants.extents[k]
            near = near_chunks(way, bound, extent, scratch.near)
            gap = polygon_on_way(way, near, polygon, BOX, bound, scratch)
            if abs(gap) <= MARGIN:
                return UNCLEAR, FREE, FAR, count
            if gap > 0.0:
                found.bound[asked - 1] = NEVER
                continue
            d = to_box(foot, box[a], box_capsules[a], polygon, bound, limit, scratch)
            middle = 0.5 * (extent[1] + extent[3])
        else:
            area = scene.area_low + w - driven - 1 - others
            gap, d, middle = _stop_ahead(world.roads, area, way, foot, box[a], box_capsules[a], limit, scratch)
            if abs(gap) <= MARGIN:
                return UNCLEAR, FREE, FAR, count
            if gap > 0.0:
                found.bound[asked - 1] = NEVER
                continue
        found.hit[hits], found.far[hits], found.middle[hits] = w, d, middle
        best, hits, zeros = min(best, d), hits + 1, zeros + (d == 0.0)
    if hits == 0:
        return DONE, FREE, 0.0, count
    chosen = choose_nearest(found.far, found.middle, hits)
    if chosen < 0:
        return UNCLEAR, FREE, best, count
    w, far = found.hit[chosen], found.far[chosen]
    if _way_folded(way, scratch.rest) or _folds_matter(world, scene, a, w, far, way, scratch):
        return UNCLEAR, FREE, best, count
    return DONE, (low + w if w < driven else EGO if w == driven else STILL), far, count


@inlined_njit
def _candidates(world: World, scene: Scene, a: int, way: Way, found: Candidates) -> int:
    """Objects whose bounding boxes come near the way ahead, with lower bounds of their distance; their number."""
    agents, constants = world.agents, world.constants
    x0, y0, x1, y1 = way.reach[0], way.reach[1], way.reach[2], way.reach[3]
    hull, extent, which, bound = agents.hull, agents.extent, found.which, found.bound
    n = 0
    for e in range(scene.low, scene.high):
        if extent[e, 0] > x1 or extent[e, 2] < x0 or extent[e, 1] > y1 or extent[e, 3] < y0:
            continue
        if e != a and agents.alive[e]:
            which[n], bound[n] = e - scene.low, capsule_gap(hull[a], hull[e])
            n += 1
    driven = scene.high - scene.low
    which[n], bound[n] = driven, capsule_gap(hull[a], scene.ego_capsule)
    n += 1
    begin, end = scene.objects
    other, capsules = constants.extents, constants.capsules
    for k in range(begin, end):
        if other[k, 0] > x1 or other[k, 2] < x0 or other[k, 1] > y1 or other[k, 3] < y0:
            continue
        which[n], bound[n] = driven + 1 + k - begin, capsule_gap(hull[a], capsules[k])
        n += 1
    return _red_stops(world, scene, a, found, n)


@inlined_njit
def _red_stops(world: World, scene: Scene, a: int, found: Candidates, n: int) -> int:
    """Add the stop areas of red lanes on the agent's route, each once."""
    constants, roads, first = world.constants, world.roads, n
    begin = scene.high - scene.low + 1 + scene.objects[1] - scene.objects[0]
    for t in range(scene.lights[0], scene.lights[1]):
        if constants.light_state[t] != LightState.RED:
            continue
        for r in range(world.agents.route_length[a]):
            if world.agents.route[a, r] != constants.light_lane[t]:
                continue
            lane = scene.lane_low + constants.light_lane[t]
            for i in range(roads.stop_offsets[lane], roads.stop_offsets[lane + 1]):
                known = n == len(found.which)
                for k in range(first, n):
                    known |= found.which[k] == begin + roads.stop_values[i]
                if not known:
                    found.which[n], found.bound[n] = begin + roads.stop_values[i], 0.0
                    n += 1
    return n


@small_njit
def _way_folded(way: Way, rest: F64) -> bool:
    count = way.count - way.segment
    for i in range(count):
        rest[i, 0], rest[i, 1] = way.points[way.segment + i, 0], way.points[way.segment + i, 1]
    rest[0, 0], rest[0, 1] = way.head[0, 0], way.head[0, 1]
    return folded_ends(rest, count, way.half_width)


@inlined_njit
def _folds_matter(world: World, scene: Scene, a: int, w: int, far: float, way: Way, scratch: WayScratch) -> bool:
    """Whether the lead, object ``w`` at distance ``far``, might be another by exact geometry because an end of a
    footprint is folded.

    Without the folded ends the footprints are surely what GEOS makes of them: if the lead is as near without them, they
    do not matter.
    """
    agents, constants, driven = world.agents, world.constants, scene.high - scene.low
    half, e = 0.5 * constants.size[a, 1], scene.low + w
    low, high = unfolded_span(agents.foot_points[a], agents.foot_count[a], half)
    own_folded = low > 0 or high < agents.foot_count[a] - 1
    lead_folded = w < driven and folded_ends(agents.foot_points[e], agents.foot_count[e], 0.5 * constants.size[e, 1])
    if not own_folded and not lead_folded:
        return False
    others = scene.objects[1] - scene.objects[0]
    if w > driven + others:
        return True
    count = max(high - low + 1, 0)
    foot = Corridor(agents.foot_points[a][low : high + 1], count, half, scratch.own_capsules)
    corridor_capsules(foot.points, count, half, foot.capsules)
    box, box_bound, reach = agents.box_corners[a], agents.box_capsule[a], far + 1.0
    if w >= driven:
        k = scene.objects[0] + w - driven - 1
        polygon = scene.ego_corners if w == driven else constants.corners[k]
        bound = scene.ego_capsule if w == driven else constants.capsules[k]
        return to_box(foot, box, box_bound, polygon, bound, reach, scratch) > far + 1e-9
    low, high = unfolded_span(agents.foot_points[e], agents.foot_count[e], 0.5 * constants.size[e, 1])
    other_half, rest = 0.5 * constants.size[e, 1], max(high - low + 1, 0)
    other = Corridor(agents.foot_points[e][low : high + 1], rest, other_half, scratch.other_capsules)
    corridor_capsules(other.points, rest, other_half, other.capsules)
    other_box, other_bound = agents.box_corners[e], agents.box_capsule[e]
    near = near_chunks(way, agents.hull[e], agents.extent[e], scratch.near)
    met = polygon_on_way(way, near, other_box, BOX, other_bound, scratch) < -MARGIN
    if not met and rest > 1:
        met = corridor_on_way(way, near, other.points, rest, other_half, scratch) < -MARGIN
    d = to_box(foot, box, box_bound, other_box, other_bound, reach, scratch)
    if rest > 1 and d > 0.0:
        d = to_polygon(other, box, BOX, box_bound, d, scratch)
    if rest > 1 and count > 1 and d > 0.0:
        d = to_corridor(foot, other, d, scratch)
    return not met or d > far + 1e-9


@inlined_njit
def _stop_ahead(
    roads: Roads, area: int, way: Way, foot: Corridor, box: F64, box_bound: F64, best: float, scratch: WayScratch
) -> tuple[float, float, float]:
    """Of a stop area: its separation from the path's corridor, min(best, distance from the footprint), the middle of
    its extent in y."""
    points, rings, offsets = roads.area_points, roads.area_rings, roads.area_offsets
    gap, low, high, bound, extent = 2.0 * MARGIN, FAR, -FAR, scratch.other_bound, scratch.area
    bound[4] = 0.0
    for r in range(offsets[area], offsets[area + 1]):
        for i in range(rings[r], rings[r + 1] - 1):
            edge = points[i : i + 2]
            low, high = min(low, edge[0, 1]), max(high, edge[0, 1])
            bound[0], bound[1], bound[2], bound[3] = edge[0, 0], edge[0, 1], edge[1, 0], edge[1, 1]
            extent[0], extent[2] = min(edge[0, 0], edge[1, 0]), max(edge[0, 0], edge[1, 0])
            extent[1], extent[3] = min(edge[0, 1], edge[1, 1]), max(edge[0, 1], edge[1, 1])
            near = near_chunks(way, bound, extent, scratch.near)
            gap = min(gap, polygon_on_way(way, near, edge, EDGE, bound, scratch))
    if gap > MARGIN and inside(points, rings, offsets[area], offsets[area + 1], way.head[0, 0], way.head[0, 1]):
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
                best = to_polygon(foot, edge, EDGE, bound, best, scratch)
    return gap, best, 0.5 * (low + high)
