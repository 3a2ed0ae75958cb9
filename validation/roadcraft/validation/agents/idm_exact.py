"""The lead of one reactive agent by GEOS: for the few decisions that the kernels leave open, and as their slow twin in
tests.

Reference: nuplan-devkit e924167, IDMAgentManager.propagate_agents and STRTreeOccupancyMap.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.geometry.arc_path import clamp_progress, rest_of_rail
from roadcraft.core.driving.geometry.capsules import CHUNK, corridor_capsules, near_corridor
from roadcraft.core.driving.geometry.corridor import exact_corridor
from roadcraft.core.scenario import LightState
from roadcraft.validation.agents.agent_batch import AgentBatch, Roads, Surroundings
from roadcraft.validation.agents.idm_lead import EGO, FREE, STILL


def exact_lead(agents: AgentBatch, size: F64, roads: Roads, surroundings: Surroundings, a: int) -> tuple[int, float]:
    """Lead (an agent's row, or FREE, EGO, STILL) of agent ``a`` and the gap to it, from buffers and a search tree as
    the reference builds them."""
    count = int(agents.rail_count[a])
    rest, heading = np.empty((count + 1, 2)), np.empty(count + 1)
    rail = agents.rail_progress[a], agents.rail_points[a], agents.rail_heading[a]
    n = rest_of_rail(*rail, count, clamp_progress(rail[0], count, agents.progress[a]), rest, heading)
    path = exact_corridor(rest[:n], 0.5 * size[a, 1])
    near = agents.alive & _overlapping(agents.extent, path.bounds)
    near[a] = False
    capsules = np.empty((n // CHUNK + 2, 5))
    corridor_capsules(rest, n, 0.5 * size[a, 1], capsules)
    close = [int(e) for e in np.flatnonzero(near) if near_corridor(capsules, n, agents.hull, int(e))]
    shapes = {e: _footprint(agents, size, e) for e in close}
    shapes[EGO] = shapely.Polygon(surroundings.ego_corners)
    for k in np.flatnonzero(_overlapping(surroundings.extents, path.bounds)):
        shapes[STILL - int(k)] = shapely.Polygon(surroundings.corners[k])
    for area in _red_stops(agents, roads, surroundings, a):
        shapes[STILL - len(surroundings.corners) - int(area)] = _area(roads, int(area))
    met = {e: s for e, s in shapes.items() if s.intersects(path)}
    if not met:
        return FREE, 0.0
    own = _footprint(agents, size, a)
    nearest = list(met)[int(shapely.STRtree(list(met.values())).nearest(own))]
    return max(nearest, STILL), float(own.distance(met[nearest]))


def _overlapping(extents: F64, bounds: tuple[float, float, float, float]) -> Any:
    """Which of the bounding boxes (K, 4) meet another one, with a millimetre to spare: (K,) bool."""
    x0, y0, x1, y1 = bounds
    low = (extents[:, 0] <= x1 + 1e-3) & (extents[:, 1] <= y1 + 1e-3)
    return low & (extents[:, 2] >= x0 - 1e-3) & (extents[:, 3] >= y0 - 1e-3)


def _footprint(agents: AgentBatch, size: F64, e: int) -> Any:
    box = shapely.Polygon(agents.box_corners[e])
    n = int(agents.foot_count[e])
    return shapely.union(exact_corridor(agents.foot_points[e, :n], 0.5 * size[e, 1]), box) if n > 1 else box


def _red_stops(agents: AgentBatch, roads: Roads, surroundings: Surroundings, a: int) -> I64:
    red = surroundings.light_lane[surroundings.light_state == LightState.RED]
    route = agents.route[a, : agents.route_length[a]]
    parts = [roads.stop_values[roads.stop_offsets[r] : roads.stop_offsets[r + 1]] for r in route[np.isin(route, red)]]
    return np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.int64)


def _area(roads: Roads, row: int) -> Any:
    cuts = roads.area_rings[roads.area_offsets[row] : roads.area_offsets[row + 1] + 1]
    rings = [roads.area_points[cuts[i] : cuts[i + 1]] for i in range(len(cuts) - 1)]
    return shapely.Polygon(rings[0], rings[1:])
