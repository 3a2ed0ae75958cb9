"""Puts the logged cars of the first frame on lanes, where the intelligent driver model takes them over.

Reference: nuplan-devkit e924167, build_idm_agents_on_map_rails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, U8, Ragged, offsets_of
from roadcraft.core.data.map import LaneKind, MapData
from roadcraft.core.driving.geometry.arc_path import build_rail, clamp_progress, pose_at, vertex_headings
from roadcraft.core.driving.geometry.boxes import overlap, place_corners
from roadcraft.core.driving.geometry.capsules import box_capsule
from roadcraft.core.driving.geometry.corridor_distance import BOX, bounds_of
from roadcraft.core.driving.geometry.polyline import arc_lengths, nearest_pose, project_point
from roadcraft.core.driving.held import Held
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.map_index.index import containing, inside_any
from roadcraft.core.driving.motion.chain import ChainArrays
from roadcraft.validation.agents.agent_batch import MAX_ROUTE, AgentBatch, new_feet
from roadcraft.validation.agents.idm_roads import Roads
from roadcraft.validation.agents.rails import Rails, add_rail, new_rails, room_of
from roadcraft.validation.agents.towing import hang

FOOT_ROOM = 48  # vertices that the footprint of an agent has room for at first


@dataclass(frozen=True)
class Placed:
    """Agents on their rails. row (A,) int64 of the vehicles they were made from; size (A, 2) length, width; agents:
    their state; rails: the store of their rails."""

    row: I64
    size: F64
    agents: AgentBatch
    rails: Rails


class Cars(NamedTuple):
    """What agents are made from: boxes (V, 5), velocity (V, 2), unit (V,) of ``vehicles_of``, and their lengths."""

    boxes: F64
    velocity: F64
    unit: U8
    chain: ChainArrays


def lanes_under(map_data: MapData, centers: F64) -> Ragged:
    """Lanes (else, in junctions, connectors) whose surface holds each of the points (V, 2): ragged rows of
    ``map.lanes``, ascending.

    A map without junction areas offers its connectors everywhere.
    """
    index, kinds = map_data.index, map_data.lanes.kind
    found = containing(index.lanes, centers)
    in_junction = inside_any(index.intersections, centers) | (len(index.intersections) == 0)
    kind = kinds[found.values]
    point = np.repeat(np.arange(len(centers)), np.diff(found.offsets))
    on_lane = np.bincount(point[kind == LaneKind.LANE], minlength=len(centers)) > 0
    wanted = np.where(on_lane[point], kind == LaneKind.LANE, in_junction[point])
    return Ragged(found.values[wanted], offsets_of(np.bincount(point[wanted], minlength=len(centers))))


def place(
    roads: Held,
    candidates: Ragged,
    cars: Cars,
    obstacles: F64,
    ego_speed: float,
    target: float,
) -> Placed:
    """Agents from the boxes of V units, in their order.

    Each towing unit is snapped to the candidate lane whose heading differs least from its own (angles are not wrapped),
    with the units behind it at the joints that the boxes had; a vehicle is dropped whole where a snapped box would
    touch an obstacle (K, 5) or an agent placed before it. A vehicle of unknown velocity
    (NaN) drives as fast as ego. A lane without limit leaves the target speed of the agent placed before (``target`` at
    first). roads: the ``Roads`` of a single map.
    """
    boxes = cars.boxes
    n = len(boxes)
    longest = int(np.diff(roads.line_offsets)[candidates.values].max(initial=2))
    rails = new_rails(n * int(room_of(longest)))
    foot_points, foot_capsules = new_feet(n, FOOT_ROOM)
    agents = AgentBatch(
        alive=np.zeros(n, np.bool_),
        progress=np.zeros(n),
        speed=np.zeros(n),
        target=np.zeros(n),
        pose=np.zeros((n, 3)),
        route=np.full((n, MAX_ROUTE), -1, np.int64),
        route_length=np.ones(n, np.int64),
        rail_low=np.zeros(n, np.int64),
        rail_count=np.zeros(n, np.int64),
        box_corners=np.zeros((n, 4, 2)),
        box_capsule=np.zeros((n, 5)),
        foot_count=np.zeros(n, np.int64),
        foot_points=foot_points,
        foot_capsules=foot_capsules,
        extent=np.zeros((n, 4)),
        hull=np.zeros((n, 5)),
    )
    found = candidates.values, candidates.offsets
    _place(Held(agents), Held(rails), roads, found, Held(cars), obstacles, ego_speed, target)
    row = np.flatnonzero(agents.alive).astype(np.int64)
    kept = AgentBatch(*(np.ascontiguousarray(v[row]) for v in agents))
    return Placed(row, np.ascontiguousarray(boxes[row, 3:5]), kept, rails)


@njit(cache=True, nogil=True)
def _place(
    agents: AgentBatch,
    rails: Rails,
    roads: Roads,
    candidates: tuple[I64, I64],
    cars: Cars,
    obstacles: F64,
    ego_speed: float,
    target: float,
) -> None:
    lanes, offsets = candidates
    boxes, velocity, unit = cars.boxes, cars.velocity, cars.unit
    snapped = np.empty((len(boxes), 5))
    for v in range(len(boxes)):
        if unit[v] > 0:
            continue
        lane, off, end = -1, np.inf, v + 1
        for i in range(offsets[v], offsets[v + 1]):
            line = roads.line_points[roads.line_offsets[lanes[i]] : roads.line_offsets[lanes[i] + 1]]
            if len(line) < 2:
                continue
            x, y, h = nearest_pose(line, arc_lengths(line), boxes[v, 0], boxes[v, 1])
            if abs(h - boxes[v, 2]) < off:
                lane, off = lanes[i], abs(h - boxes[v, 2])
                snapped[v, 0], snapped[v, 1], snapped[v, 2] = x, y, h
        if lane < 0:
            continue
        snapped[v, 3], snapped[v, 4] = boxes[v, 3], boxes[v, 4]
        while end < len(boxes) and unit[end] > 0:
            end += 1
        if end > v + 1:
            _hang(agents, cars, snapped, v, end)
        free = True
        for u in range(v, end):
            for k in range(len(obstacles)):
                free = free and not overlap(snapped[u], obstacles[k])
            for k in range(v):
                free = free and not (agents.alive[k] and overlap(snapped[u], snapped[k]))
        if not free:
            continue
        line = roads.line_points[roads.line_offsets[lane] : roads.line_offsets[lane + 1]]
        n = len(line)
        low = rails.used[0]
        progress, points, heading = rails.progress[low:], rails.points[low:], rails.heading[low:]
        for i in range(n):
            points[i, 0], points[i, 1] = line[i, 0], line[i, 1]
        vertex_headings(line, n, heading)
        count = build_rail(points, heading, n, progress)
        if count < 2:
            continue
        agents.rail_low[v] = add_rail(rails, count, 0.5 * boxes[v, 4])
        speed = np.hypot(velocity[v, 0], velocity[v, 1])
        if roads.limit[lane] > 0.0:
            target = roads.limit[lane]
        agents.alive[v], agents.route[v, 0], agents.rail_count[v], agents.target[v] = True, lane, count, target
        agents.speed[v] = ego_speed if np.isnan(speed) else speed
        agents.progress[v], _, _ = project_point(line, arc_lengths(line), boxes[v, 0], boxes[v, 1])
        s = clamp_progress(progress, count, agents.progress[v])
        agents.pose[v, 0], agents.pose[v, 1], agents.pose[v, 2] = pose_at(progress, points, heading, count, s)
        x, y, h, length, width = snapped[v, 0], snapped[v, 1], snapped[v, 2], snapped[v, 3], snapped[v, 4]
        place_corners((x, y, h, length, width), agents.box_corners[v])
        box_capsule(x, y, h, length, width, agents.box_capsule[v])
        box_capsule(x, y, h, length, width, agents.hull[v])
        bounds_of(agents.box_corners[v], BOX, 0.0, agents.extent[v])
        for u in range(v + 1, end):
            agents.alive[u], agents.speed[u] = True, agents.speed[v]


@njit(cache=True, nogil=True)
def _hang(agents: AgentBatch, cars: Cars, snapped: F64, v: int, end: int) -> None:
    """The units behind the snapped box ``v`` up to row ``end``."""
    boxes, size, joints = cars.boxes, np.empty((end, 2)), np.empty(end - v - 1)
    for i in range(len(joints)):
        joints[i] = boxes[v + i + 1, 2] - boxes[v + i, 2]
    for u in range(v, end):
        size[u, 0], size[u, 1] = boxes[u, 3], boxes[u, 4]
    for k in range(3):
        agents.pose[v, k] = snapped[v, k]
    c = cars.chain
    chain = ChainArrays(c.wheel_base[v:end], c.hitch[v:end], c.front[v:end], c.rear[v:end], c.width[v:end])
    hang(agents, size, chain, joints, v, np.empty((end - v, 3)))
    for u in range(v + 1, end):
        for k in range(5):
            snapped[u, k] = agents.pose[u, k] if k < 3 else boxes[u, k]
