"""One step of the reactive agents: each in turn extends its route, looks for what is ahead, and moves; later ones see
where earlier ones went.

Reference: nuplan-devkit e924167, IDMAgentManager.propagate_agents and IDMAgent. Where a lead is too close to call (see
``idm_lead``) the kernel stops at that agent and the caller decides with GEOS.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from roadcraft.core.arrays import F64
from roadcraft.core.driving.geometry.arc_path import (
    build_rail,
    clamp_progress,
    cut_rail,
    pose_at,
    rest_of_rail,
    vertex_headings,
)
from roadcraft.core.driving.geometry.boxes import box_corners
from roadcraft.core.driving.geometry.capsules import box_capsule, corridor_capsules, footprint_capsule
from roadcraft.core.driving.geometry.corridor import one_chord, piece
from roadcraft.core.driving.geometry.corridor_distance import BOX, bounds_of
from roadcraft.core.driving.geometry.polyline import arc_lengths, interpolate
from roadcraft.core.driving.geometry.tolerances import FAR
from roadcraft.core.driving.jit import small_njit
from roadcraft.core.driving.motion.idm import idm_acceleration, idm_advance
from roadcraft.core.scenario import LightState
from roadcraft.validation.agents.agent_batch import MAX_ROUTE, AgentBatch, IdmAgentParams, Roads, Surroundings
from roadcraft.validation.agents.idm_lead import DONE, EGO, FREE, find_lead

WANTS_ROOM, WANTS_SWEEP, WANTS_RAILS = 1, 3, 4


@small_njit
def _remove_far(agents: AgentBatch, x: float, y: float, radius: float) -> None:
    """Agents farther than ``radius`` from (x, y) leave for good."""
    for a in range(len(agents.alive)):
        dx, dy = agents.pose[a, 0] - x, agents.pose[a, 1] - y
        if math.sqrt(dx * dx + dy * dy) > radius:
            agents.alive[a] = False


@njit(cache=True, nogil=True)
def step_agents(
    agents: AgentBatch,
    size: F64,
    roads: Roads,
    surroundings: Surroundings,
    params: IdmAgentParams,
    first: int,
    settled: tuple[int, float],
    own_rails: bool,
) -> tuple[int, int]:
    """Move the agents first .. A - 1, in place; at first = 0, those farther from ego than ``params.radius`` leave for
    good. size (A, 2) length, width. settled: the first agent's lead, an agent's row or FREE, EGO, STILL, and the gap to
    it, < 0 where it is to be found. Returns a status and the agent it is about. WANTS_RAILS (its rail changes, and
    rails may not: ``own_rails``), WANTS_ROOM (it needs wider arrays) and UNCLEAR (its lead must be found by exact
    geometry): call again from that agent. WANTS_SWEEP (it has moved, but its footprint needs wider arrays): ``sweep``
    it, go on after it."""
    room = agents.rail_points.shape[1]
    lead, gap = settled
    rest, heading = np.empty((room + 2, 2)), np.empty(room + 2)
    capsules = np.empty((room // 8 + 2, 5))
    if first == 0:
        _remove_far(agents, surroundings.ego[0], surroundings.ego[1], params.radius)
    for a in range(first, len(agents.alive)):
        if not agents.alive[a]:
            continue
        longer = 1  # unknown, where the caller settled the lead
        if a > first or gap < 0.0:
            longer = _plan_route(agents, roads, surroundings, params, a, own_rails)
            if longer < 0:
                return (WANTS_ROOM if own_rails else WANTS_RAILS), a
            status, lead, gap = find_lead(agents, size, roads, surroundings, a, rest, heading, capsules)
            if status != DONE:
                return status, a
        stood = agents.speed[a] == 0.0 and agents.foot_count[a] > 0 and longer == 0
        _follow(agents, size, roads, surroundings, params, a, lead, gap)
        if stood and agents.speed[a] == 0.0:
            continue  # nothing about it has changed
        if not sweep(agents, size, params.headway, a):
            return WANTS_SWEEP, a
    return DONE, len(agents.alive)


@small_njit
def _short(agents: AgentBatch, params: IdmAgentParams, a: int) -> bool:
    left = agents.rail_progress[a, agents.rail_count[a] - 1] - agents.progress[a]
    return bool(left < params.min_path + agents.target[a] * params.headway)


@njit(cache=True, nogil=True)
def _next_lane(agents: AgentBatch, roads: Roads, surroundings: Surroundings, a: int) -> int:
    """The straightest lane that leads on and whose light lets the agent pass; -1 where there is none."""
    end = agents.route[a, agents.route_length[a] - 1]
    best, chosen = FAR, -1
    for i in range(roads.next_offsets[end], roads.next_offsets[end + 1]):
        lane = roads.next_values[i]
        green, red = False, False
        for t in range(len(surroundings.light_lane)):
            if surroundings.light_lane[t] == lane:
                green |= surroundings.light_state[t] == LightState.GREEN
                red |= surroundings.light_state[t] == LightState.RED
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
        return 0.5 * FAR
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
def _plan_route(
    agents: AgentBatch, roads: Roads, surroundings: Surroundings, params: IdmAgentParams, a: int, own_rails: bool
) -> int:
    """Extend the rail while it is short and a lane leads on: how many were added, -1 where the rails may not be changed
    or are too narrow for it."""
    added = 0
    while _short(agents, params, a):
        lane = _next_lane(agents, roads, surroundings, a)
        if lane < 0:
            return added
        line = roads.line_points[roads.line_offsets[lane] : roads.line_offsets[lane + 1]]
        count = agents.rail_count[a]
        if not own_rails or count + 1 + len(line) > agents.rail_points.shape[1]:
            return -1
        progress, points, heading = agents.rail_progress[a], agents.rail_points[a], agents.rail_heading[a]
        joined, joined_heading = np.empty((count + 1 + len(line), 2)), np.empty(count + 1 + len(line))
        now = clamp_progress(progress, count, agents.progress[a])
        n = rest_of_rail(progress, points, heading, count, now, joined, joined_heading)
        joined[n : n + len(line)] = line
        vertex_headings(line, len(line), joined_heading[n : n + len(line)])
        n += len(line)
        points[:n], heading[:n] = joined[:n], joined_heading[:n]
        agents.rail_count[a] = build_rail(points, heading, n, progress)
        agents.progress[a] = 0.0
        if agents.route_length[a] == MAX_ROUTE:
            for i in range(MAX_ROUTE - 1):
                agents.route[a, i] = agents.route[a, i + 1]
            agents.route_length[a] = MAX_ROUTE - 1
        agents.route[a, agents.route_length[a]] = lane
        agents.route_length[a] += 1
        added += 1
    return added


@small_njit
def _follow(
    agents: AgentBatch,
    size: F64,
    roads: Roads,
    surroundings: Surroundings,
    params: IdmAgentParams,
    a: int,
    lead: int,
    gap: float,
) -> None:
    """Accelerate behind the lead and move along the rail."""
    count = agents.rail_count[a]
    lead_speed, lead_heading = 0.0, agents.pose[a, 2]
    if lead == EGO:
        lead_speed, lead_heading = surroundings.ego[3], surroundings.ego[2]
    elif lead >= 0:
        lead_speed, lead_heading = agents.speed[lead], agents.pose[lead, 2]
    elif lead == FREE:
        gap = agents.rail_progress[a, count - 1] - agents.progress[a] - 0.5 * size[a, 0]
    projected = lead_speed * math.cos(lead_heading - agents.pose[a, 2])
    limit = roads.limit[agents.route[a, agents.route_length[a] - 1]]
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
    moved, agents.speed[a] = idm_advance(agents.speed[a], accel, surroundings.dt)
    agents.progress[a] += moved
    s = clamp_progress(agents.rail_progress[a], count, agents.progress[a])
    x, y, h = pose_at(agents.rail_progress[a], agents.rail_points[a], agents.rail_heading[a], count, s)
    agents.pose[a, 0], agents.pose[a, 1], agents.pose[a, 2] = x, y, h


@njit(cache=True, nogil=True)
def sweep(agents: AgentBatch, size: F64, headway: float, a: int) -> bool:
    """Renew what others see of agent ``a``: its box, and the corridor from its rear to its front plus a headway's way;
    False: too little room."""
    progress, points, heading, count = (
        agents.rail_progress[a],
        agents.rail_points[a],
        agents.rail_heading[a],
        agents.rail_count[a],
    )
    half = 0.5 * size[a, 0]
    start = clamp_progress(progress, count, agents.progress[a] - half)
    end = clamp_progress(progress, count, agents.progress[a] + half + agents.speed[a] * headway)
    between = np.searchsorted(progress[:count], end) - np.searchsorted(progress[:count], start) + 4
    if between > agents.foot_points.shape[1]:
        return False
    n = cut_rail(progress, points, heading, count, start, end, agents.foot_points[a])
    agents.foot_count[a] = n
    corridor_capsules(agents.foot_points[a], n, 0.5 * size[a, 1], agents.foot_capsules[a])
    x, y, h = agents.pose[a, 0], agents.pose[a, 1], agents.pose[a, 2]
    agents.box_corners[a] = box_corners(x, y, h, size[a, 0], size[a, 1])
    box_capsule(x, y, h, size[a, 0], size[a, 1], agents.box_capsule[a])
    extent_of(agents.foot_points[a], n, 0.5 * size[a, 1], agents.box_corners[a], agents.extent[a])
    footprint_capsule(agents.foot_points[a], n, 0.5 * size[a, 1], agents.box_corners[a], agents.hull[a])
    return True


@njit(cache=True, nogil=True)
def extent_of(foot: F64, count: int, half_width: float, box: F64, out: F64) -> None:
    """Bounding box (4,) of a footprint: the pieces of its swept corridor, and its box (4, 2)."""
    bounds_of(box, BOX, 0.0, out)
    scratch, part = np.empty((40, 2)), np.empty(4)
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
                bounds_of(scratch, piece(foot, count, half_width, 2 * i + 1, scratch), 0.0, part)
                out[0], out[1] = min(out[0], part[0]), min(out[1], part[1])
                out[2], out[3] = max(out[2], part[2]), max(out[3], part[3])
