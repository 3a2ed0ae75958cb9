"""The intelligent driver model along the lanes of the route: keeps its lane, its speed limit and its distance (nuPlan's
IDM planner)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.geometry.arc_path import build_rail
from roadcraft.core.driving.geometry.boxes import corners, ego_box
from roadcraft.core.driving.geometry.polyline import arc_lengths
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.errors import DataError
from roadcraft.core.interfaces import Planner
from roadcraft.core.map import MapData
from roadcraft.core.rollout import ObservationBatch, Plan
from roadcraft.core.scenario import EGO_SIZE, Ego, LightState, ObjectKind
from roadcraft.core.types import Keys
from roadcraft.planners.idm.config import IdmConfig
from roadcraft.planners.idm.exact import exact_plan
from roadcraft.planners.idm.kernel import IdmObservation, IdmParams, IdmPath, map_red_lanes, plan_along, rail_capsules
from roadcraft.planners.idm.route import join_centerlines, lanes_of_blocks, route_blocks, search_lanes
from roadcraft.planners.trajectory_scoring.start_lane import lane_under


@dataclass(frozen=True)
class IdmState:
    """State of one scenario. path: the path and what lies on it, made at the start and never changed; lanes (C,) int64
    rows of the route's lanes, ids (C,) int64 of the same; exact: how many plans were left to exact geometry so far."""

    path: IdmPath
    lanes: I64
    ids: I64
    exact: int = 0


class Idm(Planner):
    """Plans ``poses`` states along the path that was chosen at the start; an object ahead that meets the path, or a red
    light, is the lead.

    Where ego starts off the route, the nearest of its first lanes is taken; where no chain of lanes reaches the route's
    end, the longest found. Source: nuplan-devkit e924167, IDMPlanner; Treiber, Hennecke, Helbing (2000).
    """

    def __init__(self, config: IdmConfig) -> None:
        self.config = config
        self._params = IdmParams(
            config.min_gap_m,
            config.headway_s,
            config.max_accel_mps2,
            config.max_decel_mps2,
            config.interval_s,
            config.poses * config.interval_s,
            config.radius_m,
        )

    def start(self, obs: ObservationBatch, keys: Keys) -> list[Any]:
        """Finds each scenario's path. Raises DataError for one without a usable route."""
        boxes = ego_box(obs.ego, obs.vehicle.box)
        return [self._start(obs, b, boxes[b]) for b in range(len(obs))]

    def plan(self, obs: ObservationBatch, state: list[Any], keys: Keys) -> tuple[Plan, list[Any]]:
        """Plans with K = 1 and ``poses`` + 1 states, the first ego's projection on the path."""
        c, n = self.config, len(obs)
        steps = int(c.interval_s * 1e6) * np.arange(c.poses + 1, dtype=np.int64)
        states = np.zeros((n, 1, c.poses + 1, EGO_SIZE))
        box, ego = obs.vehicle.box, np.ascontiguousarray(obs.ego)
        ego_boxes = ego_box(ego, box)
        edges, still = corners(obs.objects.box), obs.objects.kind > ObjectKind.BICYCLE
        after = []
        for b, s in enumerate(state):
            r, lit = obs.objects.rows(b), obs.lights.rows(b)
            red = np.isin(s.ids, obs.lights.lane[lit][obs.lights.state[lit] == LightState.RED])
            seen = IdmObservation(obs.objects.box[r], edges[r], obs.objects.velocity[r], still[r], red)
            out = states[b, 0]
            if plan_along(s.path, seen, self._params, ego[b], ego_boxes[b], box, out):
                after.append(s)
                continue
            lanes = s.lanes[red]
            surfaces = [obs.maps[b].lanes.polygons[int(lane)] for lane in lanes]
            exact_plan(s.path, seen, surfaces, self._params, ego[b], ego_boxes[b], box, out)
            after.append(IdmState(s.path, s.lanes, s.ids, s.exact + 1))
        return Plan(obs.time_us[:, None] + steps, states, np.zeros((n, 1))), after

    def _start(self, obs: ObservationBatch, b: int, box: F64) -> IdmState:
        m, where = obs.maps[b], f"scenario {obs.token[b]}"
        blocks = route_blocks(m, obs.route[b])
        if len(blocks) == 0:
            raise DataError(
                "the idm planner needs a route", where=where, remedy="none of its road blocks is on the map"
            )
        lanes = lanes_of_blocks(m, blocks)
        around = np.array([*box[:2], np.cos(box[2]), np.sin(box[2]), *box[3:]])
        first = lane_under(*_areas(m), lanes_of_blocks(m, blocks[:2]), around)
        if first < 0:
            raise DataError("the route's first road blocks hold no lanes", where=where)
        late = len(blocks) > 1 and int(m.lanes.block[first]) == int(blocks[1])
        chain, _ = search_lanes(m, first, lanes, int(blocks[-1]), len(blocks) - late)
        ego = obs.ego[b]
        speed = float(np.hypot(ego[Ego.VX], ego[Ego.VY]))
        limit = float(m.lanes.speed_limit_mps[chain[0]]) if m.lanes.has_speed_limit[chain[0]] else 0.0
        path = make_idm_path(
            m, chain, lanes, max(limit or self.config.target_speed_mps, speed), float(obs.vehicle.box[2])
        )
        if len(path.progress) < 2:
            raise DataError("the route's lanes have no centre lines", where=where)
        return IdmState(path, lanes, m.lanes.id[lanes])


def _areas(map_data: MapData) -> tuple[F64, I64, I64]:
    """The surfaces of a map's lanes as kernels take them."""
    polygons = map_data.lanes.polygons
    return frozen(polygons.points), frozen(polygons.rings, np.int64), frozen(polygons.offsets, np.int64)


def make_idm_path(map_data: MapData, chain: list[int], lanes: I64, target: float, width: float) -> IdmPath:
    """The path along a chain of lanes for a vehicle of the given width, and where the surfaces of ``lanes`` (C,) meet
    it."""
    points, heading = join_centerlines(map_data, chain)
    line = points.copy()
    progress = np.zeros(len(points))
    n = build_rail(points, heading, len(points), progress) if len(points) > 1 else 0
    points, heading, progress = points[:n].copy(), heading[:n].copy(), progress[:n].copy()
    half = 0.5 * width
    capsules = rail_capsules(points, half)
    areas = _areas(map_data)
    red = map_red_lanes(points, half, capsules, *areas, lanes)
    return IdmPath(
        line,
        arc_lengths(line),
        progress,
        points,
        heading,
        capsules,
        target,
        half,
        lanes,
        *areas,
        *red,
    )
