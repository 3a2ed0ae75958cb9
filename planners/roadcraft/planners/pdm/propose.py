"""One step of PDM-Closed for one scenario: a few compiled kernels in a row."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, U8, U64
from roadcraft.core.driving.geometry.boxes import box_corners, ego_box
from roadcraft.core.driving.motion.lqr import rollout_proposals
from roadcraft.planners.pdm.brake import emergency_plan
from roadcraft.planners.pdm.comfort import Comfort, score_comfort
from roadcraft.planners.pdm.proposals import Driver, PathAhead, Proposals, Reds, unroll
from roadcraft.planners.trajectory_scoring.area_checks import MapArrays, classify, patch_around
from roadcraft.planners.trajectory_scoring.paths import ArcPath, interpolate, project
from roadcraft.planners.trajectory_scoring.scorer import (
    COLLISION_STEP,
    SCORE_COLUMNS,
    Rules,
    score_areas,
    score_progress,
    score_traffic,
    total,
)
from roadcraft.planners.trajectory_scoring.start_lane import aligned_lane
from roadcraft.planners.trajectory_scoring.traffic import Traffic, box_within_ring, observe


class RoutePlan(NamedTuple):
    """What is known of a scenario's route: lanes (R,) rows in order; on_route (L,) bool; paths, the centre line first;
    lights (C,) rows of the route's connectors with rings (C) closed outlines (V, 2), and marks (C, P) where the paths'
    strips, one after the other, meet them."""

    lanes: I64
    on_route: Any
    paths: tuple[ArcPath, ...]
    lights: I64
    rings: tuple[F64, ...]
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
    brake_below_mps: float


class TrafficObservation(NamedTuple):
    """What one scenario's observation holds: identity, kind (R,), box (R, 5), velocity (R, 2) of objects; red_lanes
    (Q,) rows of connectors whose light is red; and of earlier steps collided (C,) identities and passed (P,) rows of
    connectors."""

    identity: U64
    kind: U8
    box: F64
    velocity: F64
    red_lanes: I64
    collided: U64
    passed: I64


class Outcome(NamedTuple):
    """hits: identities, and passed: connector rows that overlap ego now; proposal driven (-1: the emergency brake);
    scores (N,); score_table (N, SHEET)."""

    hits: U64
    passed: I64
    proposal: int
    scores: F64
    score_table: F64


def step(
    ego: F64, observation: TrafficObservation, map_arrays: MapArrays, route: RoutePlan, setup: Setup, out: F64
) -> Outcome:
    """Writes the plan's rear-axle states to out (plan_steps + 1, 10). ego (10,)."""
    vb = setup.vehicle_box
    body = ego_box(ego, vb)
    traffic = observe(
        body,
        setup.radius_m,
        setup.limits,
        observation.identity,
        observation.kind,
        observation.box,
        observation.velocity,
        observation.collided,
    )
    reds, passed = _reds(route, observation, body)
    targets = setup.fractions * _limit(ego, map_arrays, route, setup)
    made, ahead = _propose(ego, targets, traffic, reds, route, setup)
    driven = rollout_proposals(
        ego, made.pose[:, : setup.proposal_steps + 1], setup.driver.dt, setup.motion, setup.gains
    )
    score_table = _scored(driven, traffic, map_arrays, route, setup)
    scores = total(score_table, setup.rules)
    best = int(np.argmax(scores))
    hits = observation.identity[traffic.row[traffic.ignored]]
    soon = score_table[best, COLLISION_STEP] * setup.driver.dt <= setup.brake_within_s
    if soon and np.hypot(ego[3], ego[4]) <= setup.brake_below_mps:
        emergency_plan(ego, vb[0], setup.driver.dt, out)
        return Outcome(hits, passed, -1, scores, score_table)
    # the best proposal is driven on to the end of the plan
    q = len(targets)
    steps = (setup.proposal_steps + 1, setup.plan_steps)
    own = _rows(made, slice(best, best + 1))
    unroll(ahead[best // q], targets[best % q : best % q + 1], setup.driver, vb, traffic, reds, steps, own)
    out[:] = 0.0
    out[:, :3], out[:, 3] = made.pose[best], made.speed[best]
    return Outcome(hits, passed, best, scores, score_table)


def _limit(ego: F64, map_arrays: MapArrays, route: RoutePlan, setup: Setup) -> float:
    lane = aligned_lane(ego, setup.vehicle_box, map_arrays, route.lanes, route.on_route)
    known = lane >= 0 and map_arrays.has_speed_limit[lane] and map_arrays.speed_limit[lane] > 0.0
    return float(map_arrays.speed_limit[lane]) if known else setup.fallback_mps


def _reds(route: RoutePlan, observation: TrafficObservation, body: F64) -> tuple[Reds, I64]:
    """The red lights among the route's, in the observation's order, and those of them in whose connector ego stands for
    the first time."""
    found = [int(c) for row in observation.red_lanes for c in np.flatnonzero(route.lights == row)]
    rows = route.lights[found] if found else np.zeros(0, np.int64)
    rings = [route.rings[c] for c in found]
    points = np.concatenate(rings) if rings else np.zeros((0, 2))
    at = np.cumsum([0] + [len(r) for r in rings])
    marks = route.marks[found] if found else np.zeros((0, route.marks.shape[1]), np.int64)
    ignored = np.isin(rows, observation.passed)
    now: list[int] = []
    if found:
        corners = box_corners(*body)
        for k in np.flatnonzero(~ignored):
            if box_within_ring(corners, rings[k]):
                ignored[k] = True
                now.append(int(rows[k]))
    return Reds(points, at, marks, ignored), np.array(now, np.int64)


def _propose(
    ego: F64, targets: F64, traffic: Traffic, reds: Reds, route: RoutePlan, setup: Setup
) -> tuple[Proposals, list[PathAhead]]:
    """The proposals, path by path, and what is ahead on each path."""
    n, steps = len(targets) * len(route.paths), setup.plan_steps + 1
    made = Proposals(np.zeros((n, steps)), np.zeros((n, steps)), np.zeros((n, steps, 3)), np.zeros((n, 3)))
    reach = abs(float(targets.max())) * setup.plan_steps * setup.driver.dt
    ahead: list[PathAhead] = []
    begin = 0
    for k, path in enumerate(route.paths):
        own = _rows(made, slice(k * len(targets), (k + 1) * len(targets)))
        start = project(path, ego[0], ego[1], 0)[0]
        ahead.append(PathAhead(path, begin, (start, start + reach)))
        own.progress[:, 0], own.speed[:, 0] = start, ego[3]
        own.pose[:, 0] = interpolate(path, start)
        unroll(ahead[k], targets, setup.driver, setup.vehicle_box, traffic, reds, (1, setup.proposal_steps), own)
        begin += len(path.xy)
    return made, ahead


def _rows(made: Proposals, rows: slice) -> Proposals:
    return Proposals(*(a[rows] for a in made))


def _scored(driven: F64, traffic: Traffic, map_arrays: MapArrays, route: RoutePlan, setup: Setup) -> F64:
    vb, rules = setup.vehicle_box, setup.rules
    flags, score_table = np.empty(driven.shape[:2], np.int64), np.ones((len(driven), SCORE_COLUMNS))
    patch = patch_around(driven[0, 0], vb, setup.radius_m)
    classify(driven, vb, map_arrays, route.on_route, patch, flags)
    score_traffic(driven, flags, map_arrays, patch, vb, traffic, rules, score_table)
    score_areas(driven, flags, vb, rules, score_table)
    score_progress(driven, vb, route.paths[0], score_table)
    score_comfort(driven, setup.comfort, score_table)
    return score_table
