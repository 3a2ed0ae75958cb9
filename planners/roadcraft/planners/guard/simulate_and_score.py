"""The guard's judgment of trajectories: simulated, then scored by the engine that pdm_closed uses, with areas read as
nuPlan's metrics read them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.map_index.cell_edges import rows_in_cell
from roadcraft.core.driving.map_index.index import LayerArrays, in_any
from roadcraft.core.driving.motion.lqr import simulate_proposals
from roadcraft.planners.guard.comfort import ComfortFilters, score_comfort
from roadcraft.planners.trajectory_scoring.area_checks import OFF_ROAD, ONCOMING, MapArrays, patch_around
from roadcraft.planners.trajectory_scoring.contacts import score_traffic
from roadcraft.planners.trajectory_scoring.paths import ArcPath
from roadcraft.planners.trajectory_scoring.scorer import (
    PROGRESS_M,
    SCORE_COLUMNS,
    SPEED_LIMIT,
    Rules,
    score_areas,
    score_progress,
)
from roadcraft.planners.trajectory_scoring.start_lane import lane_direction
from roadcraft.planners.trajectory_scoring.traffic import Traffic
from roadcraft.planners.trajectory_scoring.units import Trailers, score_trailers

_MOST = 32
_OVERSPEED_MPS = 2.23  # nuPlan's: this much too fast all the time scores 0


class ScoringSetup(NamedTuple):
    """The judge's constants for one vehicle: rules, comfort filters, tracker gains, vehicle_box (3,) and motion (4,) of
    the vehicle; slack_m: corners this far over the edge are let pass; radius_m: of where road blocks and objects count.
    """

    rules: Rules
    comfort: ComfortFilters
    gains: Any
    vehicle_box: F64
    motion: F64
    slack_m: float
    radius_m: float


class GuardRoads(NamedTuple):
    """What of a map is asked: ``MapArrays`` and its drivable area."""

    map_arrays: MapArrays
    drivable: LayerArrays


@njit(cache=True, nogil=True)
def check_areas(
    states: F64,
    facing: F64,
    setup: ScoringSetup,
    map_arrays: MapArrays,
    drivable: LayerArrays,
    flags: I64,
    score_table: F64,
) -> None:
    """Flags (N, T) of the poses of states (N, T, 10), and the speed-limit score. facing (N, T, 2): cosine and sine of
    the headings.

    OFF_ROAD: a corner of the footprint, ``slack_m`` less on all sides, lies in no lane and no drivable area; it is not
    held against a trajectory until it has been on the road once. ONCOMING: the center lies in lanes, all of which run
    the other way.
    """
    box = setup.vehicle_box
    hl, hw = max(0.5 * box[1] - setup.slack_m, 0.0), max(0.5 * box[2] - setup.slack_m, 0.0)
    rows = np.empty(_MOST, np.int64)
    lanes = map_arrays.lanes
    for n in range(states.shape[0]):
        entered, over = False, 0.0
        for t in range(states.shape[1]):
            s = states[n, t]
            c, q = facing[n, t, 0], facing[n, t, 1]
            x, y = s[0] + box[0] * c, s[1] + box[0] * q
            outside = False
            for i in range(4):
                u, v = (hl if i == 0 or i == 3 else -hl), (hw if i < 2 else -hw)
                px, py = x + (u * c - v * q), y + (u * q + v * c)
                if not in_any(drivable, px, py) and rows_in_cell(lanes, px, py, rows, 0) == 0:
                    outside = True
                    break
            entered = entered or not outside
            flag = OFF_ROAD if outside and entered else 0
            count = rows_in_cell(lanes, x, y, rows, 0)
            against, limit = count > 0, 0.0
            for i in range(count):
                row = rows[i]
                if against:
                    against = math.cos(lane_direction(map_arrays, row, x, y) - s[2]) < 0.0
                limit = max(limit, map_arrays.speed_limit[row] if map_arrays.has_speed_limit[row] else math.inf)
            if limit > 0.0 and limit < math.inf:
                over += max(math.sqrt(s[3] * s[3] + s[4] * s[4]) - limit, 0.0)
            flags[n, t] = flag | (ONCOMING if against else 0)
        score_table[n, SPEED_LIMIT] = max(0.0, 1.0 - over / (_OVERSPEED_MPS * states.shape[1]))


@njit(cache=True, nogil=True)
def _distance_driven(states: F64, score_table: F64) -> None:
    for n in range(states.shape[0]):
        total = 0.0
        for t in range(1, states.shape[1]):
            dx, dy = states[n, t, 0] - states[n, t - 1, 0], states[n, t, 1] - states[n, t - 1, 1]
            total += math.sqrt(dx * dx + dy * dy)
        score_table[n, PROGRESS_M] = total


@njit(cache=True, nogil=True)
def simulate_and_score(
    driven: tuple[F64, bool],
    ego: F64,
    poses: F64,
    traffic: Traffic,
    roads: GuardRoads,
    route_path: ArcPath,
    setup: ScoringSetup,
    trailers: Trailers | None,
) -> F64:
    """Score tables (N, SCORE_COLUMNS) of N trajectories, poses (N, T, 3), as a vehicle in state ego (10,) would follow
    them. driven: the states (P, 10) behind it, and whether these are all that it drove; roads: a ``Held`` of them.

    route_path: the path along which progress counts; the distance driven does where it has fewer than two points.
    """
    map_arrays, drivable = roads.map_arrays, roads.drivable
    states, facing = simulate_proposals(ego, poses, poses.shape[1], setup.motion, setup.gains)
    score_table = np.ones((len(states), SCORE_COLUMNS))
    flags = np.zeros(states.shape[:2], np.int64)
    check_areas(states, facing, setup, map_arrays, drivable, flags, score_table)
    patch = patch_around(states[0, 0], setup.vehicle_box, setup.radius_m)
    score_traffic(states, flags, map_arrays, patch, setup.vehicle_box, traffic, setup.rules, score_table)
    score_areas(states, facing, flags, setup.vehicle_box, setup.rules, score_table)
    if len(route_path.xy) >= 2:
        score_progress(states, facing, setup.vehicle_box, route_path, score_table)
    else:
        _distance_driven(states, score_table)
    score_comfort(driven[0], driven[1], states, setup.comfort, score_table)
    if trailers is not None:
        score_trailers(states, map_arrays, patch, traffic, setup.rules, trailers, score_table)
    return score_table
