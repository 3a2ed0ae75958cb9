"""The intelligent driver model along the lanes of the route: keeps its lane, its speed limit and its distance (nuPlan's
IDM planner)."""

from __future__ import annotations

from dataclasses import dataclass
from operator import is_not
from typing import Any

import numpy as np

from roadcraft.core.arrays import F64, I64, Polygons
from roadcraft.core.data.map import MapData
from roadcraft.core.data.plan import Plan
from roadcraft.core.data.rollout import ObservationBatch
from roadcraft.core.data.scenario import EGO_SIZE, LAST_MOVING, Ego
from roadcraft.core.driving.geometry.arc_path import build_rail
from roadcraft.core.driving.geometry.boxes import corners, ego_box
from roadcraft.core.driving.geometry.polyline import arc_lengths
from roadcraft.core.driving.motion.chain import chain_of
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.errors import DataError
from roadcraft.core.interfaces import Planner
from roadcraft.core.types import Keys
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.planners.idm.batch import IdmPaths, IdmScenes, pack_paths, plan_batch
from roadcraft.planners.idm.config import IdmConfig
from roadcraft.planners.idm.exact import exact_plan
from roadcraft.planners.idm.kernel import IdmObservation, IdmParams, IdmPath, map_red_lanes, path_capsules
from roadcraft.planners.idm.route import join_centerlines, lanes_of_blocks, route_blocks, search_lanes
from roadcraft.planners.idm.units import NO_TRAILERS, Towed, params_of, touched_by_trailers
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
    """Plans ``poses`` states along the path that was chosen at the start; an object ahead that meets the path, or one
    that a trailer would touch, or a red light, is the lead.

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
        self._steps = int(config.interval_s * 1e6) * np.arange(config.poses + 1, dtype=np.int64)
        self._last: tuple[list[IdmPath], IdmPaths] | None = None
        self._own: tuple[Vehicle, IdmParams] | None = None

    def start(self, obs: ObservationBatch, keys: Keys) -> list[Any]:
        """Finds each scenario's path. Raises DataError for one without a usable route."""
        boxes = ego_box(obs.ego, obs.vehicle.box)
        return [self._start(obs, b, boxes[b]) for b in range(len(obs))]

    def plan(self, obs: ObservationBatch, state: list[Any], keys: Keys) -> tuple[Plan, list[Any]]:
        """Plans with K = 1 and ``poses`` + 1 states, the first ego's projection on the path."""
        n, o, li, box = len(obs), obs.objects, obs.lights, obs.vehicle.box
        states = np.zeros((n, 1, len(self._steps), EGO_SIZE))
        if n == 0:
            return Plan(obs.time_us[:, None] + self._steps, states, np.zeros((0, 1))), []
        ego, boxes, velocity = frozen(obs.ego), frozen(o.box), frozen(o.velocity)
        ego_boxes, edges, still = ego_box(ego, box), corners(boxes), o.kind > LAST_MOVING
        paths, params = self._packed(state), self._params_for(obs.vehicle)
        red = np.empty(len(paths.ids), np.bool_)
        lights = frozen(li.offsets, np.int64), frozen(li.lane, np.int64), frozen(li.state, np.uint8)
        scenes = IdmScenes(frozen(o.offsets, np.int64), boxes, edges, velocity, still, NO_TRAILERS, *lights)
        if obs.vehicle.joints:
            towed = Towed(frozen(obs.joints), chain_of(obs.vehicle))
            scenes = scenes._replace(touched=touched_by_trailers(paths, scenes, params, ego, ego_boxes, box, towed))
        clear = plan_batch(paths, scenes, params, ego, ego_boxes, box, states, red)
        after = list(state)
        for b in np.flatnonzero(~clear):
            s, r = state[b], o.rows(b)
            is_red = red[paths.lane_at[b] : paths.lane_at[b + 1]]
            seen = IdmObservation(boxes[r], edges[r], velocity[r], still[r], scenes.touched[r], is_red)
            surfaces = [obs.maps[b].lanes.polygons[int(lane)] for lane in s.lanes[is_red]]
            exact_plan(s.path, seen, surfaces, params, ego[b], ego_boxes[b], box, states[b, 0])
            after[b] = IdmState(s.path, s.lanes, s.ids, s.exact + 1)
        return Plan(obs.time_us[:, None] + self._steps, states, np.zeros((n, 1))), after

    def _params_for(self, vehicle: Vehicle) -> IdmParams:
        """The driver model of the vehicle, kept while the same is asked for."""
        own = self._own
        if own is None or own[0] is not vehicle:
            self._own = own = vehicle, params_of(self._params, vehicle, self.config.brake_share)
        return own[1]

    def _packed(self, state: list[Any]) -> IdmPaths:
        """The paths of all scenarios as one, packed anew when others than in the last call are asked for."""
        paths = [s.path for s in state]
        last = self._last  # read once: another thread may replace it
        if last is None or len(last[0]) != len(paths) or any(map(is_not, last[0], paths)):
            self._last = last = paths, pack_paths(paths, [s.ids for s in state])
        return last[1]

    def _start(self, obs: ObservationBatch, b: int, box: F64) -> IdmState:
        m, where = obs.maps[b], f"scenario {obs.token[b]}"
        blocks = route_blocks(m, obs.route[b])
        if len(blocks) == 0:
            raise DataError(
                "the idm planner needs a route", where=where, remedy="none of its road blocks is on the map"
            )
        lanes = lanes_of_blocks(m, blocks)
        around = np.array([*box[:2], np.cos(box[2]), np.sin(box[2]), *box[3:]])
        first = lane_under(m.index.lanes.arrays, lanes_of_blocks(m, blocks[:2]), around)
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
            raise DataError("the route's lanes have no center lines", where=where)
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
    capsules = path_capsules(points, half)
    polygons = map_data.lanes.polygons
    surfaces = Polygons.build([polygons[int(lane)] for lane in lanes])
    areas = frozen(surfaces.points), frozen(surfaces.rings, np.int64), frozen(surfaces.offsets, np.int64)
    red = map_red_lanes(points, half, capsules, *areas)
    return IdmPath(
        line,
        arc_lengths(line),
        progress,
        points,
        heading,
        capsules,
        target,
        half,
        *areas,
        *red,
    )
