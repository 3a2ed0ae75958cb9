"""One step of PDM-Closed for one scenario, in one compiled kernel. Kernels get what is annotated as ``MapArrays``,
``RoutePlan`` or ``Setup`` as a ``Held`` of one, whose fields have the same names."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, U8, U64, Mask
from roadcraft.core.data.scenario import LightState
from roadcraft.core.driving.geometry.boxes import box_corners
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.motion.lqr import simulate_proposals
from roadcraft.planners.pdm.brake import emergency_plan
from roadcraft.planners.pdm.comfort import Comfort, score_comfort
from roadcraft.planners.pdm.proposals import Driver, PathAhead, Proposals, Reds, unroll
from roadcraft.planners.trajectory_scoring.area_checks import MapArrays, classify, patch_around
from roadcraft.planners.trajectory_scoring.contacts import score_traffic
from roadcraft.planners.trajectory_scoring.paths import ArcPath, interpolate, project
from roadcraft.planners.trajectory_scoring.scorer import (
    COLLISION_STEP,
    SCORE_COLUMNS,
    Rules,
    score_areas,
    score_progress,
    total,
)
from roadcraft.planners.trajectory_scoring.start_lane import aligned_lane
from roadcraft.planners.trajectory_scoring.traffic import box_within_ring, observe
from roadcraft.planners.trajectory_scoring.units import Swept, Trailers, ignore_touched, score_trailers, swept_ahead

_RED = int(LightState.RED)


class RoutePlan(NamedTuple):
    """What is known of a scenario's route: lanes (R,) rows in order; on_route (L,) bool; K paths one after the other,
    the center line first, path k's points ``path_at[k]:path_at[k + 1]`` and chunks ``chunk_at[k]:chunk_at[k + 1]``; of
    its C connectors light_ids (C,), rows (C,) in the map and rings, closed outlines ``ring_points[ring_at[c]:ring_at[c
    + 1]]``, and marks (C, P) where the paths' strips, one after the other, meet them."""

    lanes: I64
    on_route: Mask
    paths: ArcPath
    path_at: I64
    chunk_at: I64
    light_ids: I64
    rows: I64
    ring_points: F64
    ring_at: I64
    marks: I64


class Setup(NamedTuple):
    """The planner's constants for one vehicle: see ``PdmClosedConfig``."""

    driver: Driver
    rules: Rules
    comfort: Comfort
    gains: Any
    fractions: F64
    fallback_mps: float
    radius_m: float
    limits: I64
    vehicle_box: F64
    motion: F64
    proposal_steps: int
    plan_steps: int
    brake_within_s: float


class Observed(NamedTuple):
    """What a scenario's observation holds: ego (10,) and its box (5,); slow: so that the emergency brake may be used;
    identity, kind (R,), box (R, 5), velocity (R, 2) of objects; light_ids, light_state (Q,) of traffic lights; and of
    earlier steps collided (C,) identities and passed (P,) rows of connectors."""

    ego: F64
    body: F64
    slow: bool
    identity: U64
    kind: U8
    box: F64
    velocity: F64
    light_ids: I64
    light_state: U8
    collided: U64
    passed: I64


@njit(cache=True, nogil=True)
def step(
    seen: Observed, map_arrays: MapArrays, route: RoutePlan, setup: Setup, trailers: Trailers | None, out: F64
) -> tuple[int, float, U64, I64]:
    """Writes the plan's rear-axle states to out (plan_steps + 1, 10). Returns the proposal driven (-1: the emergency
    brake), its score, and what overlaps ego now: identities of objects, rows of connectors."""
    vb, ego, dt = setup.vehicle_box, seen.ego, setup.driver.dt
    traffic = observe(
        seen.body, setup.radius_m, setup.limits, seen.identity, seen.kind, seen.box, seen.velocity, seen.collided
    )
    if trailers is not None:
        ignore_touched(traffic, trailers)
    reds, passed = _reds(route, seen)
    hits, count = np.empty(len(traffic.row), np.uint64), 0
    for j in range(len(traffic.row)):
        if traffic.ignored[j]:
            hits[count] = seen.identity[traffic.row[j]]
            count += 1
    hits = hits[:count].copy()

    lane = aligned_lane(ego, vb, map_arrays, route.lanes, route.on_route)
    limit = setup.fallback_mps
    if lane >= 0 and map_arrays.has_speed_limit[lane] and map_arrays.speed_limit[lane] > 0.0:
        limit = map_arrays.speed_limit[lane]
    each, steps = len(setup.fractions), setup.plan_steps + 1
    targets, fastest = np.empty(each), -np.inf
    for q in range(each):
        targets[q] = setup.fractions[q] * limit
        fastest = max(fastest, targets[q])
    reach_m = abs(fastest) * setup.plan_steps * dt

    n = (len(route.path_at) - 1) * each
    made = Proposals(np.empty((n, steps)), np.empty((n, steps)), np.empty((n, steps, 3)), np.zeros((n, 3)))
    for k in range(len(route.path_at) - 1):
        path, own = _path(route, k), _rows(made, k * each, (k + 1) * each)
        start = project(path, ego[0], ego[1], np.int64(0))[0]
        x, y, heading = interpolate(path, start)
        for q in range(each):
            own.progress[q, 0], own.speed[q, 0] = start, ego[3]
            own.pose[q, 0, 0], own.pose[q, 0, 1], own.pose[q, 0, 2] = x, y, heading
        swept = Swept(np.empty(0), np.empty((0, 0, 6)))
        if trailers is not None:
            swept = swept_ahead(path, start, reach_m, trailers)
        ahead = PathAhead(path, route.path_at[k], (start, start + reach_m), swept)
        unroll(ahead, targets, setup.driver, vb, traffic, reds, (np.int64(1), setup.proposal_steps), own)

    driven, facing = simulate_proposals(ego, made.pose, setup.proposal_steps + 1, setup.motion, setup.gains)
    flags, score_table = np.empty((n, setup.proposal_steps + 1), np.int64), np.ones((n, SCORE_COLUMNS))
    patch = patch_around(driven[0, 0], vb, setup.radius_m)
    classify(driven, facing, vb, map_arrays, route.on_route, patch, flags)
    score_traffic(driven, flags, map_arrays, patch, vb, traffic, setup.rules, score_table)
    score_areas(driven, facing, flags, vb, setup.rules, score_table)
    score_progress(driven, facing, vb, _path(route, np.int64(0)), score_table)
    score_comfort(driven, setup.comfort, score_table)
    if trailers is not None:
        score_trailers(driven, map_arrays, patch, traffic, setup.rules, trailers, score_table)
    scores = total(score_table, setup.rules)
    best = np.int64(np.argmax(scores))
    if seen.slow and score_table[best, COLLISION_STEP] * dt <= setup.brake_within_s:
        emergency_plan(ego, vb[0], dt, out)
        return np.int64(-1), scores[best], hits, passed

    # the best proposal is driven on to the end of the plan
    k, q, start = best // each, best % each, made.progress[best, 0]
    path = _path(route, k)
    swept = Swept(np.empty(0), np.empty((0, 0, 6)))
    if trailers is not None:
        swept = swept_ahead(path, start, reach_m, trailers)
    ahead = PathAhead(path, route.path_at[k], (start, start + reach_m), swept)
    later = (setup.proposal_steps + 1, setup.plan_steps)
    unroll(ahead, targets[q : q + 1], setup.driver, vb, traffic, reds, later, _rows(made, best, best + 1))
    for i in range(steps):
        for column in range(len(out[i])):
            out[i, column] = made.pose[best, i, column] if column < 3 else 0.0
        out[i, 3] = made.speed[best, i]
    return best, scores[best], hits, passed


@njit(cache=True, nogil=True)
def _reds(route: RoutePlan, seen: Observed) -> tuple[Reds, I64]:
    """The red lights among the route's, in the observation's order, and those of them in whose connector ego stands for
    the first time."""
    count = 0
    for i in range(len(seen.light_ids)):
        for c in range(len(route.light_ids)):
            count += seen.light_state[i] == _RED and route.light_ids[c] == seen.light_ids[i]
    row, ignored, now = np.empty(count, np.int64), np.zeros(count, np.bool_), np.empty(count, np.int64)
    body, n, entered = seen.body, 0, 0
    for i in range(len(seen.light_ids) if count else 0):
        for c in range(len(route.light_ids)):
            if seen.light_state[i] != _RED or route.light_ids[c] != seen.light_ids[i]:
                continue
            row[n] = c
            for p in seen.passed:
                ignored[n] = ignored[n] or p == route.rows[c]
            corners = box_corners(body[0], body[1], body[2], body[3], body[4])
            ring = route.ring_points[route.ring_at[c] : route.ring_at[c + 1]]
            if not ignored[n] and box_within_ring(corners, ring):
                ignored[n], now[entered] = True, route.rows[c]
                entered += 1
            n += 1
    return Reds(row, route.ring_points, route.ring_at, route.marks, ignored), now[:entered].copy()


@njit(cache=True, nogil=True)
def _path(route: RoutePlan, k: int) -> ArcPath:
    """Path k of the route's."""
    a, b, p = route.path_at[k], route.path_at[k + 1], route.paths
    chunk = p.chunk[route.chunk_at[k] : route.chunk_at[k + 1]]
    return ArcPath(p.xy[a:b], p.heading[a:b], p.arc[a:b], chunk, p.segment[a:b])


@njit(cache=True, nogil=True)
def _rows(made: Proposals, first: int, last: int) -> Proposals:
    return Proposals(made.progress[first:last], made.speed[first:last], made.pose[first:last], made.lead[first:last])
