"""One step of the reactive agents of a batch: in each scenario each agent in turn extends its route, looks for what is
ahead, and moves; later ones see where earlier ones went.

Reference: nuplan-devkit e924167, IDMAgentManager.propagate_agents and IDMAgent. Where a lead is too close to call (see
``idm_lead``) a scenario stops at that agent and the caller decides with GEOS. Kernels get what is annotated as
``AgentBatch`` or ``Fixed`` as a ``Held`` of one, whose fields have the same names.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.scenario import Ego, LightState
from roadcraft.core.driving.geometry.arc_path import (
    build_rail,
    clamp_progress,
    cut_rail,
    pose_at,
    rest_of_rail,
    vertex_headings,
)
from roadcraft.core.driving.geometry.boxes import place_corners
from roadcraft.core.driving.geometry.capsules import box_capsule, corridor_capsules, footprint_capsule
from roadcraft.core.driving.geometry.corridor_distance import new_pieces
from roadcraft.core.driving.geometry.tolerances import FAR
from roadcraft.core.driving.jit import inlined_njit, small_njit
from roadcraft.core.driving.motion.chain import ChainArrays
from roadcraft.core.driving.motion.idm import idm_acceleration, idm_advance
from roadcraft.validation.agents.agent_batch import (
    BEGINS,
    DONE,
    EGO,
    FREE,
    MAX_ROUTE,
    UNCLEAR,
    WANTS_ROOM,
    WANTS_SWEEP,
    AgentBatch,
    Constants,
    IdmAgentParams,
)
from roadcraft.validation.agents.ego_units import EgoUnits, place_ego
from roadcraft.validation.agents.idm_lead import LeadCandidates, Scene, World, extent_around, find_lead
from roadcraft.validation.agents.idm_roads import Roads
from roadcraft.validation.agents.objects import ShownObjects, show
from roadcraft.validation.agents.rails import Rails, add_rail, room_of
from roadcraft.validation.agents.towing import TowScratch, pull_trailers, tow_scratch
from roadcraft.validation.agents.way import WayScratch


class StepInput(NamedTuple):
    """Memory for when B scenarios move: iteration (B,) int64; ego (B, 10), joints (B, n - 1): the ego's state; shown:
    what is seen then."""

    iteration: I64
    ego: F64
    joints: F64
    shown: ShownObjects


class StepMemory(NamedTuple):
    """Memory of the kernels."""

    found: LeadCandidates
    way: WayScratch
    towing: TowScratch


class Turns(NamedTuple):
    """How far the scenarios of a batch have come in one step, (B,) each: status, and the agent it is about, a row of
    the batch. BEGINS: nobody has moved. DONE: all have. WANTS_ROOM: its rail needs a larger store. UNCLEAR: its lead is
    to be found by exact geometry and written into ``lead``, a row of the batch or FREE, STILL, EGO - u, and ``gap``,
    the distance to it; ``candidates`` (B, N) and ``count``: which objects come into question, with lower bounds of
    their distance ``bounds``; ``gap`` holds the distance of the nearest that is found to be met. WANTS_SWEEP: it has
    moved, but its footprint needs wider arrays."""

    status: I64
    agent: I64
    lead: I64
    gap: F64
    candidates: I64
    bounds: F64
    count: I64
    memory: StepMemory


class Fixed(NamedTuple):
    """What the agents of a batch are moved by from step to step. chain: lengths of the ego's units; ego: memory for
    where they are; moment: memory for what a step is given and gives."""

    rails: Rails
    constants: Constants
    roads: Roads
    turns: Turns
    chain: ChainArrays
    ego: EgoUnits
    moment: StepInput
    params: IdmAgentParams


def new_moment(scenarios: int, joints: int, shown: ShownObjects) -> StepInput:
    """All at the first iteration, the ego nowhere yet."""
    ego = np.zeros((scenarios, len(Ego)))
    return StepInput(np.zeros(scenarios, np.int64), ego, np.zeros((scenarios, joints)), shown)


def new_turns(world: World, scenarios: int, most: int) -> Turns:
    """Turns of B ``scenarios`` where an agent may meet ``most`` objects; its ``status`` is yet to be set."""
    counts = [np.zeros(scenarios, np.int64) for _ in range(4)]
    candidates, bounds = np.zeros((scenarios, most), np.int64), np.zeros((scenarios, most))
    return Turns(*counts[:3], np.zeros(scenarios), candidates, bounds, counts[3], memory_of(world, most))


def memory_of(world: World, most: int) -> StepMemory:
    """The memory that a step needs where an agent may meet ``most`` objects."""
    found = LeadCandidates(
        np.empty(most, np.int64), np.empty(most), np.empty(most, np.int64), np.empty(most), np.empty(most)
    )
    feet = world.agents.foot_capsules.shape[1]
    way = WayScratch(
        np.empty((3, 2)),
        np.empty(len(world.rails.capsules), np.int64),
        new_pieces(),
        np.empty((2, 2)),
        np.empty(5),
        np.empty(4),
        np.empty((len(world.rails.progress), 2)),
        np.empty((3, 2)),
        np.empty((feet, 5)),
        np.empty((feet, 5)),
    )
    return StepMemory(found, way, tow_scratch(len(world.agents.alive)))


@small_njit
def step_agents(agents: AgentBatch, before: AgentBatch, fixed: Fixed, ahead: int) -> int:
    """Move the agents of all scenarios, in place, from where ``fixed.turns`` says that they are; those farther from ego
    than ``params.radius`` leave for good. before: the agents before they move; ahead: by how many steps: 1, or 0 where
    all is to be shown as it is. Returns how many scenarios are not done; once all are, trailers have followed and
    ``fixed.moment.shown`` is written."""
    turns, constants, found, scratch = fixed.turns, fixed.constants, fixed.turns.memory.found, fixed.turns.memory.way
    moment, p = fixed.moment, fixed.params
    params = IdmAgentParams(p.min_gap, p.headway, p.max_accel, p.max_decel, p.min_path, p.radius)
    if ahead == 0:
        show(agents, constants, moment.iteration, ahead, moment.shown)
        return 0
    world, ego, c, left = World(agents, fixed.rails, constants, fixed.roads), fixed.ego, fixed.chain, 0
    place_ego(moment.ego, moment.joints, ChainArrays(c.wheel_base, c.hitch, c.front, c.rear, c.width), ego)
    for b in range(len(turns.status)):
        if turns.status[b] == DONE:
            continue
        frame = constants.frame_low[b] + moment.iteration[b]
        scene = Scene(
            constants.agent_low[b],
            constants.agent_low[b + 1],
            ego.motion[b],
            ego.corners[b],
            ego.capsules[b],
            ego.extents[b],
            (constants.object_low[frame + 1], constants.object_low[frame + 2]),
            (constants.light_low[frame + 1], constants.light_low[frame + 2]),
            world.roads.lane_low[b],
            world.roads.area_low[b],
            constants.time_s[frame + 1] - constants.time_s[frame],
        )
        _step_scenario(world, scene, params, turns, b, found, scratch)
        left += turns.status[b] != DONE
    if left == 0:
        pull_trailers(agents, constants, before.pose, turns.memory.towing)
        show(agents, constants, moment.iteration, ahead, moment.shown)
    return left


@inlined_njit
def _step_scenario(
    world: World,
    scene: Scene,
    params: IdmAgentParams,
    turns: Turns,
    b: int,
    found: LeadCandidates,
    scratch: WayScratch,
) -> None:
    agents = world.agents
    status, first = turns.status[b], turns.agent[b]
    if status == BEGINS:
        first = scene.low
        for a in range(scene.low, scene.high):
            dx, dy = agents.pose[a, 0] - scene.ego[0, 0], agents.pose[a, 1] - scene.ego[0, 1]
            if world.constants.unit[a] > 0:
                agents.alive[a] = agents.alive[a - 1]
            elif math.sqrt(dx * dx + dy * dy) > params.radius:
                agents.alive[a] = False
    if status == WANTS_SWEEP:
        if not sweep(world, params.headway, first):
            return  # still too narrow
        first += 1
    for a in range(first, scene.high):
        if not agents.alive[a] or world.constants.unit[a] > 0:
            continue
        resumed = a == first and status != BEGINS
        longer, lead, gap = 0, turns.lead[b], turns.gap[b]
        if not (resumed and status == UNCLEAR):
            longer = _plan_route(world, scene, params, a)
            if longer < 0:
                turns.status[b], turns.agent[b] = WANTS_ROOM, a
                return
            unclear, lead, gap, count = find_lead(world, scene, a, found, scratch)
            if unclear != DONE:
                turns.status[b], turns.agent[b], turns.gap[b], turns.count[b] = UNCLEAR, a, gap, count
                for i in range(count):
                    turns.candidates[b, i], turns.bounds[b, i] = found.which[i], found.bound[i]
                return
        stood = agents.speed[a] == 0.0 and agents.foot_count[a] > 0 and longer == 0 and not resumed
        _follow(world, scene, params, a, lead, gap)
        if stood and agents.speed[a] == 0.0:
            continue  # nothing about it has changed
        if not sweep(world, params.headway, a):
            turns.status[b], turns.agent[b] = WANTS_SWEEP, a
            return
    turns.status[b] = DONE


@inlined_njit
def _next_lane(world: World, scene: Scene, a: int) -> int:
    """The straightest lane that leads on and whose light lets the agent pass; -1 where there is none."""
    constants, roads, low = world.constants, world.roads, scene.lane_low
    end = low + world.agents.route[a, world.agents.route_length[a] - 1]
    best, chosen = FAR, -1
    for i in range(roads.next_offsets[end], roads.next_offsets[end + 1]):
        lane = roads.next_values[i]
        green, red = False, False
        for t in range(scene.lights[0], scene.lights[1]):
            if constants.light_lane[t] == lane:
                green |= constants.light_state[t] == LightState.GREEN
                red |= constants.light_state[t] == LightState.RED
        has_light = roads.has_light[low + lane]
        if (has_light and not green) or (not has_light and red):
            continue
        bend = _bend(roads.line_points[roads.line_offsets[low + lane] : roads.line_offsets[low + lane + 1]])
        if bend < best:
            best, chosen = bend, lane
    return chosen


@small_njit
def _bend(line: F64) -> float:
    """Absolute curvature 1/m at the start of a line, through three points 2 m apart (less on short lines)."""
    if len(line) < 2:
        return 0.5 * FAR
    length, i = 0.0, 1
    while i < len(line) and length < 4.0:
        dx, dy = line[i, 0] - line[i - 1, 0], line[i, 1] - line[i - 1, 1]
        length += math.sqrt(dx * dx + dy * dy)
        i += 1
    end = min(length, 4.0)
    x0, y0 = line[0, 0], line[0, 1]
    x1, y1 = _place_at(line, 0.5 * end)
    x2, y2 = _place_at(line, end)
    a, b, c = math.hypot(x1 - x0, y1 - y0), math.hypot(x2 - x1, y2 - y1), math.hypot(x0 - x2, y0 - y2)
    area = (a + (b + c)) * (c - (a - b)) * (c + (a - b)) * (a + (b - c))
    if area < 1e-6 or abs(a * b * c) <= 1e-8:
        return 0.0
    return math.sqrt(area) / (a * b * c)


@small_njit
def _place_at(line: F64, arc: float) -> tuple[float, float]:
    """The place at an arc length near the beginning of a line, as ``interpolate`` has it."""
    i, begin = 0, 0.0
    while True:
        dx, dy = line[i + 1, 0] - line[i, 0], line[i + 1, 1] - line[i, 1]
        length = math.sqrt(dx * dx + dy * dy)
        if begin + length > arc or i + 2 == len(line):
            break
        begin += length
        i += 1
    share = (arc - begin) / length if length > 0.0 else 0.0
    if share <= 0.0:
        return line[i, 0], line[i, 1]
    if share >= 1.0:
        return line[i + 1, 0], line[i + 1, 1]
    return dx * share + line[i, 0], dy * share + line[i, 1]


@inlined_njit
def _plan_route(world: World, scene: Scene, params: IdmAgentParams, a: int) -> int:
    """Extend the rail while it is short and a lane leads on: how many were added, -1 where the store of rails is too
    small for it."""
    agents, rails, roads = world.agents, world.rails, world.roads
    added = 0
    wanted = params.min_path + agents.target[a] * params.headway
    while rails.progress[agents.rail_low[a] + agents.rail_count[a] - 1] - agents.progress[a] < wanted:
        lane = _next_lane(world, scene, a)
        if lane < 0:
            return added
        row = scene.lane_low + lane
        line = roads.line_points[roads.line_offsets[row] : roads.line_offsets[row + 1]]
        count, low, free = agents.rail_count[a], agents.rail_low[a], rails.used[0]
        if free + room_of(count + 1 + len(line)) > len(rails.progress):
            return -1
        points, heading = rails.points[free:], rails.heading[free:]
        progress, before = rails.progress[low : low + count], rails.points[low : low + count]
        now = clamp_progress(progress, count, agents.progress[a])
        n = rest_of_rail(progress, before, rails.heading[low : low + count], count, now, points, heading)
        for i in range(len(line)):
            points[n + i, 0], points[n + i, 1] = line[i, 0], line[i, 1]
        vertex_headings(line, len(line), heading[n : n + len(line)])
        n = build_rail(points, heading, n + len(line), rails.progress[free:])
        agents.rail_count[a] = n
        agents.rail_low[a] = add_rail(rails, n, 0.5 * world.constants.size[a, 1])
        agents.progress[a] = 0.0
        if agents.route_length[a] == MAX_ROUTE:
            for i in range(MAX_ROUTE - 1):
                agents.route[a, i] = agents.route[a, i + 1]
            agents.route_length[a] = MAX_ROUTE - 1
        agents.route[a, agents.route_length[a]] = lane
        agents.route_length[a] += 1
        added += 1
    return added


@inlined_njit
def _follow(world: World, scene: Scene, params: IdmAgentParams, a: int, lead: int, gap: float) -> None:
    """Accelerate behind the lead and move along the rail."""
    agents, rails, roads = world.agents, world.rails, world.roads
    low, count = agents.rail_low[a], agents.rail_count[a]
    progress = rails.progress[low : low + count]
    lead_speed, lead_heading = 0.0, agents.pose[a, 2]
    if lead <= EGO:
        lead_speed, lead_heading = scene.ego[EGO - lead, 3], scene.ego[EGO - lead, 2]
    elif lead >= 0:
        lead_speed, lead_heading = agents.speed[lead], agents.pose[lead, 2]
    elif lead == FREE:
        gap = progress[count - 1] - agents.progress[a] - 0.5 * world.constants.size[a, 0]
    projected = lead_speed * math.cos(lead_heading - agents.pose[a, 2])
    limit = roads.limit[scene.lane_low + agents.route[a, agents.route_length[a] - 1]]
    if limit > 0.0:
        agents.target[a] = limit
    accel = idm_acceleration(
        agents.speed[a],
        agents.target[a],
        gap,
        projected,
        params.min_gap,
        params.headway,
        params.max_accel,
        params.max_decel,
    )
    moved, agents.speed[a] = idm_advance(agents.speed[a], accel, scene.dt)
    agents.progress[a] += moved
    s = clamp_progress(progress, count, agents.progress[a])
    points, heading = rails.points[low : low + count], rails.heading[low : low + count]
    agents.pose[a, 0], agents.pose[a, 1], agents.pose[a, 2] = pose_at(progress, points, heading, count, s)


@inlined_njit
def sweep(world: World, headway: float, a: int) -> bool:
    """Renew what others see of agent ``a``: its box, and the corridor from its rear to its front plus a headway's way;
    False: too little room."""
    agents, rails, low, count = world.agents, world.rails, world.agents.rail_low[a], world.agents.rail_count[a]
    progress, points, heading = (
        rails.progress[low : low + count],
        rails.points[low : low + count],
        rails.heading[low : low + count],
    )
    length, width = world.constants.size[a, 0], world.constants.size[a, 1]
    half = 0.5 * length
    start = clamp_progress(progress, count, agents.progress[a] - half)
    end = clamp_progress(progress, count, agents.progress[a] + half + agents.speed[a] * headway)
    n = cut_rail(progress, points, heading, count, start, end, agents.foot_points[a])
    if n == 0:
        return False
    agents.foot_count[a] = n
    corridor_capsules(agents.foot_points[a], n, 0.5 * width, agents.foot_capsules[a])
    x, y, h = agents.pose[a, 0], agents.pose[a, 1], agents.pose[a, 2]
    place_corners((x, y, h, length, width), agents.box_corners[a])
    box_capsule(x, y, h, length, width, agents.box_capsule[a])
    extent_around(agents.foot_points[a], n, 0.5 * width, agents.box_corners[a], agents.extent[a])
    footprint_capsule(agents.foot_points[a], n, 0.5 * width, agents.box_corners[a], agents.hull[a])
    return True
