"""One step of PDM-Closed for one scenario, compiled."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.boxes import box_corners
from roadcraft.core.driving.tracker import _rollout
from roadcraft.core.scenario import U8, U64
from roadcraft.planners.pdm.areas import Ground, classify, patch_around
from roadcraft.planners.pdm.brake import emergency_plan
from roadcraft.planners.pdm.comfort import Comfort, score_comfort
from roadcraft.planners.pdm.paths import interpolate, project
from roadcraft.planners.pdm.proposals import Driver, Paths, Reds, path_of, unroll
from roadcraft.planners.pdm.scorer import (
    COLLISION_STEP,
    SHEET,
    Rules,
    score_areas,
    score_progress,
    score_traffic,
    total,
)
from roadcraft.planners.pdm.start_lane import starting_lane
from roadcraft.planners.pdm.world import World, box_within_ring, observe


class Way(NamedTuple):
    """What is known of a scenario's route: lanes (R,) rows in order; on_route (L,) bool; paths, the centre line first; lights (C,) rows of the
    connectors whose red light counts; red_points, red_at their rings; marks (C, P) where the paths' strips meet them."""

    lanes: I64
    on_route: np.ndarray
    paths: Paths
    lights: I64
    red_points: F64
    red_at: I64
    marks: I64


class Setup(NamedTuple):
    """The planner's constants for one vehicle: see ``PdmClosedConfig``."""

    driver: Driver
    rules: Rules
    comfort: Comfort
    gains: NamedTuple
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


@njit(cache=True, nogil=True)
def reds_of(way: Way, red_lanes: I64, passed: I64) -> Reds:
    """The red lights among the route's, in the observation's order. red_lanes (Q,) lane rows; passed: rows of lights met before."""
    found = np.empty(len(red_lanes), np.int64)
    n = 0
    for row in red_lanes:
        for c in range(len(way.lights)):
            if way.lights[c] == row:
                found[n] = c
                n += 1
    at = np.zeros(n + 1, np.int64)
    for k in range(n):
        at[k + 1] = at[k] + way.red_at[found[k] + 1] - way.red_at[found[k]]
    points, ignored = np.empty((at[-1], 2)), np.zeros(n, np.bool_)
    for k in range(n):
        points[at[k] : at[k + 1]] = way.red_points[way.red_at[found[k]] : way.red_at[found[k] + 1]]
        for p in passed:
            ignored[k] = ignored[k] or way.lights[found[k]] == p
    return Reds(way.lights[found[:n]], points, at, way.marks[found[:n]], ignored)


@njit(cache=True, nogil=True)
def step(
    ego: F64,
    identity: U64,
    kind: U8,
    box: F64,
    velocity: F64,
    red_lanes: I64,
    collided: U64,
    passed: I64,
    ground: Ground,
    way: Way,
    setup: Setup,
    out: F64,
) -> tuple[U64, I64, int, F64, F64]:
    """Writes the plan's rear-axle states to out (plan_steps + 1, 10).

    Returns the objects and lights that overlap ego now, the proposal driven (-1: the emergency brake), the scores and the sheet.
    """
    vb = setup.vehicle_box
    c, s = math.cos(ego[2]), math.sin(ego[2])
    body = np.array([ego[0] + vb[0] * c, ego[1] + vb[0] * s, ego[2], vb[1], vb[2]])
    world = observe(body, setup.radius_m, setup.limits, identity, kind, box, velocity, collided)
    reds = reds_of(way, red_lanes, passed)
    corners = box_corners(body[0], body[1], body[2], body[3], body[4])
    new_passed = np.empty(len(reds.ignored), np.int64)
    count = 0
    for k in range(len(reds.ignored)):
        if not reds.ignored[k] and box_within_ring(corners, reds.points[reds.at[k] : reds.at[k + 1]]):
            reds.ignored[k] = True
            new_passed[count] = reds.row[k]
            count += 1
    lane = starting_lane(ego, vb, ground, way.lanes, way.on_route)
    limit = setup.fallback_mps
    if lane >= 0 and ground.has_speed_limit[lane] and ground.speed_limit[lane] > 0.0:
        limit = ground.speed_limit[lane]
    targets = setup.fractions * limit

    q, l = len(targets), len(way.paths.at) - 1
    steps, more = setup.proposal_steps, setup.plan_steps
    progress, speed, pose = np.zeros((q * l, more + 1)), np.zeros((q * l, more + 1)), np.zeros((q * l, more + 1, 3))
    lead = np.zeros((q * l, 3))
    strips = np.empty((l, 2))
    for k in range(l):
        path = path_of(way.paths, k)
        rows = slice(k * q, (k + 1) * q)
        start = project(path, ego[0], ego[1], 0)[0]
        strips[k, 0], strips[k, 1] = start, start + abs(targets.max()) * more * setup.driver.dt
        x, y, h = interpolate(path, start)
        progress[rows, 0], speed[rows, 0] = start, ego[3]
        pose[rows, 0, 0], pose[rows, 0, 1], pose[rows, 0, 2] = x, y, h
        unroll(
            path,
            way.paths.at[k],
            (strips[k, 0], strips[k, 1]),
            targets,
            setup.driver,
            vb,
            world,
            reds,
            (1, steps),
            progress[rows],
            speed[rows],
            pose[rows],
            lead[rows],
        )
    driven = _rollout(ego, pose[:, : steps + 1], setup.driver.dt, setup.motion, setup.gains)
    flags = np.empty((q * l, steps + 1), np.int64)
    patch = patch_around(ego, vb, setup.radius_m)
    classify(driven, vb, ground, way.on_route, patch, flags)
    sheet = np.ones((q * l, SHEET))
    score_traffic(driven, flags, ground, patch, vb, world, setup.rules, sheet)
    score_areas(driven, flags, vb, setup.rules, sheet)
    score_progress(driven, vb, path_of(way.paths, 0), sheet)
    score_comfort(driven, setup.comfort, sheet)
    scores = total(sheet, setup.rules)
    best = int(np.argmax(scores))
    hits = identity[world.row[world.ignored]]
    if (
        sheet[best, COLLISION_STEP] * setup.driver.dt <= setup.brake_within_s
        and math.sqrt(ego[3] * ego[3] + ego[4] * ego[4]) <= setup.brake_below_mps
    ):
        emergency_plan(ego, vb[0], setup.driver.dt, out)
        return hits, new_passed[:count], -1, scores, sheet
    k = best // q
    one = slice(best, best + 1)
    unroll(
        path_of(way.paths, k),
        way.paths.at[k],
        (strips[k, 0], strips[k, 1]),
        targets[best % q : best % q + 1],
        setup.driver,
        vb,
        world,
        reds,
        (steps + 1, more),
        progress[one],
        speed[one],
        pose[one],
        lead[one],
    )
    out[:] = 0.0
    for t in range(more + 1):
        out[t, 0], out[t, 1], out[t, 2], out[t, 3] = (
            pose[best, t, 0],
            pose[best, t, 1],
            pose[best, t, 2],
            speed[best, t],
        )
    return hits, new_passed[:count], best, scores, sheet
