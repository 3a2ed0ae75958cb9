"""The leads of reactive agents by GEOS: for the few decisions that the kernels leave open, those of all scenarios of a
batch together.

Reference: nuplan-devkit e924167, IDMAgentManager.propagate_agents and STRTreeOccupancyMap.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import shapely

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.geometry.arc_path import clamp_progress, rest_of_rail
from roadcraft.core.driving.geometry.tolerances import FAR
from roadcraft.validation.agents.agent_batch import EGO, FREE, STILL
from roadcraft.validation.agents.ego_units import EgoUnits
from roadcraft.validation.agents.idm_lead import World
from roadcraft.validation.agents.idm_roads import Roads
from roadcraft.validation.agents.idm_step import Turns

_REACH = 1.0  # m; how much farther than the nearest object of the kernels the lead may be before all are asked
_SAME = 1e-9  # m; distances that differ by less are told apart as the reference's search tree does


class ExactInput(NamedTuple):
    """When B scenarios move, iteration (B,) int64, and where their ego is."""

    iteration: I64
    ego: EgoUnits


def exact_leads(world: World, moment: ExactInput, turns: Turns, stopped: I64) -> None:
    """Find the leads of the agents at which the scenarios ``stopped`` (Q,) have stopped: first among the candidates
    nearby, then, where those do not decide, among all."""
    far = _decide(world, moment, turns, stopped, np.minimum(turns.gap[stopped] + _REACH, FAR))
    if len(far):
        _decide(world, moment, turns, far, np.full(len(far), FAR))


def _decide(world: World, moment: ExactInput, turns: Turns, stopped: I64, limit: F64) -> I64:
    """Ask the candidates whose distance may be up to ``limit`` (Q,); returns the scenarios that they do not decide."""
    agent = turns.agent[stopped]
    asked = [
        np.sort(turns.candidates[b, : turns.count[b]][turns.bounds[b, : turns.count[b]] <= far])
        for b, far in zip(stopped, limit, strict=True)
    ]
    owner = np.repeat(np.arange(len(stopped)), [len(w) for w in asked])
    shapes = np.concatenate([_shapes(world, moment, int(b), w) for b, w in zip(stopped, asked, strict=True)])
    own, paths = _footprints(world, agent), _paths(world, agent)
    met = shapely.intersects(shapes, paths[owner])
    distance = np.full(len(shapes), np.inf)
    distance[met] = shapely.distance(shapes[met], own[owner[met]])
    undecided = []
    for q, b in enumerate(stopped):
        mine = np.flatnonzero(owner == q)
        far = np.sort(distance[mine])
        alone = len(far) > 0 and far[0] <= limit[q] and (far[1:2] > far[0] + _SAME).all()
        if limit[q] < FAR and not alone:
            undecided.append(b)
            continue
        turns.lead[b], turns.gap[b] = FREE, 0.0
        hits = mine[met[mine]]
        if len(hits):
            nearest = np.argmin(distance[hits]) if alone else shapely.STRtree(shapes[hits]).nearest(own[q])
            i = hits[int(nearest)]
            low, high = world.constants.agent_low[b : b + 2]
            w = asked[q][i - mine[0]]
            u = w - (high - low)
            turns.lead[b] = low + w if u < 0 else EGO - u if u < moment.ego.motion.shape[1] else STILL
            turns.gap[b] = distance[i]
    return np.array(undecided, np.int64)


def _shapes(world: World, moment: ExactInput, b: int, which: I64) -> Any:
    """Polygons of objects of scenario ``b``, numbered as in ``find_lead``."""
    c = world.constants
    low, high = c.agent_low[b : b + 2]
    begin, end = c.object_low[c.frame_low[b] + moment.iteration[b] + 1 :][:2]
    ends = np.cumsum([high - low, moment.ego.motion.shape[1], end - begin])  # agents, the ego's units, objects
    agents, units, objects, areas = np.split(which, np.searchsorted(which, ends))
    boxes = [moment.ego.corners[b, units - ends[0]], c.corners[begin + objects - ends[1]]]
    areas = world.roads.area_low[b] + areas - ends[2]
    parts = [_footprints(world, low + agents), shapely.polygons(np.concatenate(boxes))]
    return np.concatenate([*parts, np.array([_area(world.roads, int(a)) for a in areas], object)])


def _footprints(world: World, rows: I64) -> Any:
    """Footprints of agents: their boxes, and what they sweep in a headway."""
    agents = world.agents
    out: Any = shapely.polygons(agents.box_corners[rows])
    wide = np.flatnonzero(agents.foot_count[rows] > 1)
    lines = [agents.foot_points[a, : agents.foot_count[a]] for a in rows[wide]]
    if lines:
        out[wide] = shapely.union(_corridors(lines, 0.5 * world.constants.size[rows[wide], 1]), out[wide])
    return out


def _paths(world: World, rows: I64) -> Any:
    """The ways ahead of agents."""
    lines = []
    for a in rows:
        low, count = world.agents.rail_low[a], int(world.agents.rail_count[a])
        progress, points, heading = (v[low : low + count] for v in world.rails[1:4])
        rest, unused = np.empty((count + 1, 2)), np.empty(count + 1)
        now = clamp_progress(progress, count, world.agents.progress[a])
        lines.append(rest[: rest_of_rail(progress, points, heading, count, now, rest, unused)])
    return _corridors(lines, 0.5 * world.constants.size[rows, 1])


def _corridors(lines: list[F64], half_width: F64) -> Any:
    """The corridors along some paths as GEOS makes them (see ``exact_corridor``)."""
    index = np.repeat(np.arange(len(lines)), [len(line) for line in lines])
    paths = shapely.linestrings(np.concatenate(lines), indices=index)
    return shapely.buffer(paths, half_width, quad_segs=16, cap_style="flat")


def _area(roads: Roads, row: int) -> Any:
    cuts = roads.area_rings[roads.area_offsets[row] : roads.area_offsets[row + 1] + 1]
    rings = [roads.area_points[cuts[i] : cuts[i + 1]] for i in range(len(cuts) - 1)]
    return shapely.Polygon(rings[0], rings[1:])
