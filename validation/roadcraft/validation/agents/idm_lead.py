"""What a reactive agent drives behind: the nearest object that meets the way ahead of it.

Objects are asked in the order of a lower bound of their distance, the gap of the capsules around the footprints: most
are never looked at, since the lead is nearer. Reference: nuplan-devkit e924167, IDMAgentManager.propagate_agents and
STRTreeOccupancyMap. Where a decision lies too close to call (``capsules.MARGIN``), or hangs on an end of a corridor
that GEOS cuts in its own way, the answer is UNCLEAR and ``idm_exact`` decides.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.scenario import LightState
from roadcraft.core.driving.geometry.capsules import MARGIN, capsule_gap, corridor_capsules
from roadcraft.core.driving.geometry.corridor import one_chord, piece, unfolded_span
from roadcraft.core.driving.geometry.corridor_distance import (
    BOX,
    EDGE,
    LEAF,
    TIE,
    Corridor,
    bounds_of,
    choose_nearest,
    distance_to_polygon,
    footprint_distance,
    polygon_distance,
)
from roadcraft.core.driving.geometry.polygons import inside
from roadcraft.core.driving.geometry.tolerances import FAR
from roadcraft.core.driving.jit import inlined_njit, small_njit
from roadcraft.validation.agents.agent_batch import DONE, EGO, FREE, STILL, UNCLEAR, AgentBatch, Constants
from roadcraft.validation.agents.idm_roads import Roads
from roadcraft.validation.agents.rails import Rails
from roadcraft.validation.agents.way import Way, WayScratch, corridor_on_way, near_chunks, polygon_on_way, way_ahead

NEVER = 2.0 * FAR  # bound of an object that surely does not meet the way
MAX_STOPS = 16  # stop areas of red lanes that an agent looks at


class Scene(NamedTuple):
    """What surrounds the agents of one scenario in one step. low, high: its agents; of the ego's n units ego (n, 4)
    center x, y, heading, speed, and ego_corners (n, 4, 2), ego_capsules (n, 5), ego_extents (n, 4): before its own
    step; objects, lights: rows of the next iteration; lane_low, area_low: the first rows of its map; dt: seconds."""

    low: int
    high: int
    ego: F64
    ego_corners: F64
    ego_capsules: F64
    ego_extents: F64
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


class LeadCandidates(NamedTuple):
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
    world: World, scene: Scene, a: int, found: LeadCandidates, scratch: WayScratch
) -> tuple[int, int, float, int]:
    """The nearest object that meets the path to go: status, lead, distance from the agent's footprint, and how many
    candidates there are. Where the status is UNCLEAR the distance is that of the nearest object found so far.

    Objects are numbered 0 .. A - 1: agents of the scenario, A + u: unit u of the ego's n, A + n + k: replayed object k,
    A + n + K + i: stop area i of its map.
    """
    agents, constants = world.agents, world.constants
    driven = scene.high - scene.low
    areas = driven + len(scene.ego) + scene.objects[1] - scene.objects[0]
    half = 0.5 * constants.size[a, 1]
    way = way_ahead(world.rails, agents.rail_low[a], agents.rail_count[a], agents.progress[a], half, scratch.head)
    count = _candidates(world, scene, a, way, found)
    pieces, box, bound = scratch.pieces, agents.box_corners[a], agents.box_capsule[a]
    swept = Corridor(agents.foot_points[a], agents.foot_count[a], half, agents.foot_capsules[a])
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
        if w < areas:
            e, feet, other_box, other_bound, hull, extent = _object(world, scene, a, w)
            near = scratch.near[: near_chunks(way, hull, extent, scratch.near)]
            if len(near) == 0:
                found.bound[asked - 1] = NEVER
                continue
            other = Corridor(agents.foot_points[e], feet, 0.5 * constants.size[e, 1], agents.foot_capsules[e])
            gap = polygon_on_way(way, near, other_box, BOX, other_bound, pieces)
            if gap >= -MARGIN and feet > 1:
                gap = min(gap, corridor_on_way(way, near, other, pieces))
            d, middle = limit, 0.0
            if gap < -MARGIN:
                d = footprint_distance(swept, box, bound, other, other_box, other_bound, limit, pieces)
                if d == 0.0:  # only then it counts
                    extent_of(other.points, feet, other.half_width, other_box, scratch, scratch.edge_bound)
                    middle = 0.5 * (scratch.edge_bound[1] + scratch.edge_bound[3])
        else:
            area = scene.area_low + w - areas
            gap, d, middle = _stop_ahead(world.roads, area, way, swept, box, bound, limit, scratch)
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
    if _folds_matter(world, scene, a, w, far, way, scratch):
        return UNCLEAR, FREE, best, count
    return DONE, lead_of(w, scene), far, count


@small_njit
def lead_of(w: int, scene: Scene) -> int:
    """Object ``w`` as a lead: an agent's row, EGO - u for unit u of the ego, STILL for all else."""
    driven = scene.high - scene.low
    if w < driven:
        return scene.low + w
    return EGO - (w - driven) if w < driven + len(scene.ego) else STILL


@inlined_njit
def _object(world, scene, a, w):  # type: ignore[no-untyped-def]
    """Of object ``w``, no stop area: its row as an agent (for others ``a``) and how many points its corridor has (for
    others 0), its box and the box's capsule, capsule and extent of its footprint."""
    agents, constants, e, feet = world.agents, world.constants, a, 0
    u = w - (scene.high - scene.low)
    k = scene.objects[0] + u - len(scene.ego)
    if u < 0:
        e = scene.low + w
        feet = agents.foot_count[e]
        polygon, bound, hull, extent = agents.box_corners[e], agents.box_capsule[e], agents.hull[e], agents.extent[e]
    elif u < len(scene.ego):
        polygon, bound, hull, extent = (
            scene.ego_corners[u],
            scene.ego_capsules[u],
            scene.ego_capsules[u],
            scene.ego_extents[u],
        )
    else:
        polygon, bound, hull, extent = (
            constants.corners[k],
            constants.capsules[k],
            constants.capsules[k],
            constants.extents[k],
        )
    return e, feet, polygon, bound, hull, extent


@inlined_njit
def _candidates(world: World, scene: Scene, a: int, way: Way, found: LeadCandidates) -> int:
    """Objects whose bounding boxes come near the way ahead, with lower bounds of their distance; their number."""
    agents, constants = world.agents, world.constants
    x0, y0, x1, y1 = way.reach[0], way.reach[1], way.reach[2], way.reach[3]
    hull, extent, which, bound = agents.hull, agents.extent, found.which, found.bound
    n = 0
    for e in range(scene.low, scene.high):
        if extent[e, 0] > x1 or extent[e, 2] < x0 or extent[e, 1] > y1 or extent[e, 3] < y0:
            continue
        if constants.vehicle[e] != constants.vehicle[a] and agents.alive[e]:
            which[n], bound[n] = e - scene.low, capsule_gap(hull[a], hull[e])
            n += 1
    driven = scene.high - scene.low
    for u in range(len(scene.ego)):
        which[n], bound[n] = driven + u, capsule_gap(hull[a], scene.ego_capsules[u])
        n += 1
    begin, end = scene.objects
    other, capsules = constants.extents, constants.capsules
    for k in range(begin, end):
        if other[k, 0] > x1 or other[k, 2] < x0 or other[k, 1] > y1 or other[k, 3] < y0:
            continue
        which[n], bound[n] = driven + len(scene.ego) + k - begin, capsule_gap(hull[a], capsules[k])
        n += 1
    return _red_stops(world, scene, a, found, n)


@inlined_njit
def _red_stops(world: World, scene: Scene, a: int, found: LeadCandidates, n: int) -> int:
    """Add the stop areas of red lanes on the agent's route, each once."""
    constants, roads, first = world.constants, world.roads, n
    begin = scene.high - scene.low + len(scene.ego) + scene.objects[1] - scene.objects[0]
    for t in range(scene.lights[0], scene.lights[1]):
        if constants.light_state[t] != LightState.RED:
            continue
        for r in range(world.agents.route_length[a]):
            if world.agents.route[a, r] != constants.light_lane[t]:
                continue
            lane = scene.lane_low + constants.light_lane[t]
            for i in range(roads.stop_offsets[lane], roads.stop_offsets[lane + 1]):
                known = n - first == MAX_STOPS
                for k in range(first, n):
                    known |= found.which[k] == begin + roads.stop_values[i]
                if not known:
                    found.which[n], found.bound[n] = begin + roads.stop_values[i], 0.0
                    n += 1
    return n


@small_njit
def unfolded_way(way: Way, rest: F64, head: F64) -> Way:
    """The part of the way that no folded end touches: ``rest`` takes as much of both ends as ``unfolded_span`` looks
    at, ``head`` (3, 2) where the part begins."""
    points, enough, n, along, i = way.points, 4.0 * way.half_width, 1, 0.0, way.segment + 1
    rest[0, 0], rest[0, 1] = way.head[0, 0], way.head[0, 1]
    while i < way.count and (along <= enough or n < 3):
        rest[n, 0], rest[n, 1] = points[i, 0], points[i, 1]
        dx, dy = rest[n, 0] - rest[n - 1, 0], rest[n, 1] - rest[n - 1, 1]
        along += math.sqrt(dx * dx + dy * dy)
        n, i = n + 1, i + 1
    along, first = 0.0, way.count - 1
    while first > i and (along <= enough or way.count - first < 3):
        dx, dy = points[first - 1, 0] - points[first, 0], points[first - 1, 1] - points[first, 1]
        along += math.sqrt(dx * dx + dy * dy)
        first -= 1
    for k in range(max(first, i), way.count):
        rest[n, 0], rest[n, 1] = points[k, 0], points[k, 1]
        n += 1
    low, high = unfolded_span(rest, n, way.half_width)
    begin, count = way.segment + low, way.count - (n - 1 - high)
    for k in range(min(3, way.count - begin)):
        head[k, 0], head[k, 1] = points[begin + k, 0], points[begin + k, 1]
    if low == 0:
        head[0, 0], head[0, 1] = way.head[0, 0], way.head[0, 1]
    return Way(points, count, begin, way.half_width, head, way.capsules, way.boxes, way.ahead, way.reach)


@inlined_njit
def _folds_matter(world: World, scene: Scene, a: int, w: int, far: float, way: Way, scratch: WayScratch) -> bool:
    """Whether the lead, object ``w`` at distance ``far``, might be another by exact geometry because an end of the way
    or of a footprint is folded.

    Without the folded ends they are surely what GEOS makes of them: if the lead meets the way and is as near without
    them, they do not matter.
    """
    agents, constants, driven = world.agents, world.constants, scene.high - scene.low
    half, areas = 0.5 * constants.size[a, 1], driven + len(scene.ego) + scene.objects[1] - scene.objects[0]
    low, high = unfolded_span(agents.foot_points[a], agents.foot_count[a], half)
    sure = unfolded_way(way, scratch.rest, scratch.sure_head)
    folded = low > 0 or high < agents.foot_count[a] - 1 or sure.segment > way.segment or sure.count < way.count
    if w >= areas:
        return folded
    e, feet, other_box, other_bound, hull, extent = _object(world, scene, a, w)
    other_half = 0.5 * constants.size[e, 1]
    other_low, other_high = unfolded_span(agents.foot_points[e], feet, other_half)
    if not folded and other_low == 0 and other_high >= feet - 1:
        return False
    if sure.count - sure.segment < 2:
        return True
    count, rest = max(high - low + 1, 0), max(other_high - other_low + 1, 0)
    swept = Corridor(agents.foot_points[a][low : high + 1], count, half, scratch.own_capsules)
    other = Corridor(agents.foot_points[e][other_low : other_high + 1], rest, other_half, scratch.other_capsules)
    corridor_capsules(swept.points, count, half, swept.capsules)
    corridor_capsules(other.points, rest, other_half, other.capsules)
    near, pieces = scratch.near[: near_chunks(sure, hull, extent, scratch.near)], scratch.pieces
    met = polygon_on_way(sure, near, other_box, BOX, other_bound, pieces) < -MARGIN
    if not met and rest > 1:
        met = corridor_on_way(sure, near, other, pieces) < -MARGIN
    box, bound = agents.box_corners[a], agents.box_capsule[a]
    d = footprint_distance(swept, box, bound, other, other_box, other_bound, far + 1.0, pieces)
    return not met or d > far + 1e-9


@inlined_njit
def _stop_ahead(
    roads: Roads, area: int, way: Way, swept: Corridor, box: F64, box_bound: F64, best: float, scratch: WayScratch
) -> tuple[float, float, float]:
    """Of a stop area: its separation from the path's corridor, min(best, distance from the footprint), the middle of
    its extent in y."""
    points, rings, offsets = roads.area_points, roads.area_rings, roads.area_offsets
    gap, low, high, pieces = 2.0 * MARGIN, FAR, -FAR, scratch.pieces
    edge, bound, extent = scratch.edge, scratch.edge_bound, scratch.area
    for r in range(offsets[area], offsets[area + 1]):
        for i in range(rings[r], rings[r + 1] - 1):
            _edge(points, i, edge, bound)
            low, high = min(low, edge[0, 1]), max(high, edge[0, 1])
            extent[0], extent[2] = min(edge[0, 0], edge[1, 0]), max(edge[0, 0], edge[1, 0])
            extent[1], extent[3] = min(edge[0, 1], edge[1, 1]), max(edge[0, 1], edge[1, 1])
            near = scratch.near[: near_chunks(way, bound, extent, scratch.near)]
            gap = min(gap, polygon_on_way(way, near, edge, EDGE, bound, pieces))
    if gap > MARGIN and inside(points, rings, offsets[area], offsets[area + 1], way.head[0, 0], way.head[0, 1]):
        gap = -1.0
    if gap >= 0.0:
        return gap, best, 0.0
    if inside(points, rings, offsets[area], offsets[area + 1], box[0, 0], box[0, 1]):
        best = 0.0
    for r in range(offsets[area], offsets[area + 1]):
        for i in range(rings[r], rings[r + 1] - 1):
            _edge(points, i, edge, bound)
            if best > 0.0 and capsule_gap(box_bound, bound) < best:
                best = polygon_distance(box, BOX, edge, EDGE, best)
            if best > 0.0 and swept.n > 1:
                best = distance_to_polygon(swept, edge, EDGE, bound, best, pieces)
    return gap, best, 0.5 * (low + high)


@inlined_njit
def _edge(points: F64, i: int, edge: F64, bound: F64) -> None:
    """Edge i of an area as a polygon of two vertices (2, 2) and its capsule (5,)."""
    edge[0, 0], edge[0, 1], edge[1, 0], edge[1, 1] = points[i, 0], points[i, 1], points[i + 1, 0], points[i + 1, 1]
    bound[0], bound[1], bound[2], bound[3], bound[4] = edge[0, 0], edge[0, 1], edge[1, 0], edge[1, 1], 0.0


@small_njit
def extent_around(foot: F64, count: int, half_width: float, box: F64, out: F64) -> None:
    """A bounding box (4,) that holds a footprint: its swept corridor of ``count`` points, and its box (4, 2)."""
    x0, y0, x1, y1 = foot[0, 0], foot[0, 1], foot[0, 0], foot[0, 1]
    for i in range(1, count):
        x0, x1 = min(x0, foot[i, 0]), max(x1, foot[i, 0])
        y0, y1 = min(y0, foot[i, 1]), max(y1, foot[i, 1])
    bounds_of(box, BOX, 0.0, out)
    out[0], out[1] = min(out[0], x0 - half_width), min(out[1], y0 - half_width)
    out[2], out[3] = max(out[2], x1 + half_width), max(out[3], y1 + half_width)


@small_njit
def extent_of(foot: F64, count: int, half_width: float, box: F64, scratch: WayScratch, out: F64) -> None:
    """Bounding box (4,) of a footprint: the pieces of its swept corridor, and its box (4, 2)."""
    bounds_of(box, BOX, 0.0, out)
    for i in range(count - 1):
        ax, ay, bx, by = foot[i, 0], foot[i, 1], foot[i + 1, 0], foot[i + 1, 1]
        ux, uy = bx - ax, by - ay
        length = math.sqrt(ux * ux + uy * uy)
        if length == 0.0:
            continue
        nx, ny = -uy / length * half_width, ux / length * half_width
        out[0], out[2] = (
            min(out[0], ax - nx, ax + nx, bx - nx, bx + nx),
            max(out[2], ax - nx, ax + nx, bx - nx, bx + nx),
        )
        out[1], out[3] = (
            min(out[1], ay - ny, ay + ny, by - ny, by + ny),
            max(out[3], ay - ny, ay + ny, by - ny, by + ny),
        )
        if i + 2 < count:
            vx, vy = foot[i + 2, 0] - bx, foot[i + 2, 1] - by
            # otherwise the join has the corners of the rectangles beside it
            if not one_chord(ux * vy - uy * vx, ux * vx + uy * vy):
                n = piece(foot, count, half_width, 2 * i + 1, scratch.pieces.own)
                bounds_of(scratch.pieces.own, n, 0.0, scratch.area)
                out[0], out[1] = min(out[0], scratch.area[0]), min(out[1], scratch.area[1])
                out[2], out[3] = max(out[2], scratch.area[2]), max(out[3], scratch.area[3])
