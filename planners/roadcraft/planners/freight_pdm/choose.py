"""One step of the planner for one scenario, in one compiled kernel: ways, paces along them, scores, the best."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, U64, Mask
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.planners.freight_pdm.candidates import Candidates, faults_of_candidate
from roadcraft.planners.freight_pdm.factors import kept_behind, kept_room, kept_upright, oncoming
from roadcraft.planners.freight_pdm.line import Line, TruckWay, pose_along, station_of, sweep
from roadcraft.planners.freight_pdm.merging import let_pass
from roadcraft.planners.freight_pdm.others import Successors, UsersAhead, along_lanes, beside, in_the_way
from roadcraft.planners.freight_pdm.pace import RoadAhead, Truck, TruckManner, drive_on, speed_to_stop
from roadcraft.planners.freight_pdm.scene import FreightSetup, Roadside, TruckScene
from roadcraft.planners.freight_pdm.ways import NEAR_M, lanes_beside, ways_tried, with_candidates
from roadcraft.planners.pdm.comfort import score_comfort
from roadcraft.planners.trajectory_scoring.area_checks import MapArrays, patch_around
from roadcraft.planners.trajectory_scoring.contacts import score_traffic
from roadcraft.planners.trajectory_scoring.scorer import COLLISION_STEP, PROGRESS_M, SCORE_COLUMNS, total
from roadcraft.planners.trajectory_scoring.traffic import Traffic, observe
from roadcraft.planners.trajectory_scoring.units import Trailers, ignore_touched, pulled, score_contacts

_LANE_M = 1.8  # beside the centered way, from which on another lane is driven
_FAST_MPS = 17.0  # roads on which vehicles at the side are not parked
_LEAVE, _OTHER, _CHANGE = 0.04, 0.005, 0.01  # of the score: a m beside the centered way, another lane, a change
_SLOWS_MPS2 = 0.5  # less is noise
_SOUND = 0.3  # of the score: a candidate with less is worth nothing more
_FOLLOWS = 2.0  # lengths of the vehicle on which what unit 0 does now moves the units behind it


class _Proposals(NamedTuple):
    """M proposals: their stations, speeds and accelerations (M, T), states (M, S, 10) that are scored, factors of the
    scores and what is added (M,), and the table (M, SCORE_COLUMNS)."""

    station: F64
    pace: F64
    accel: F64
    states: F64
    extra: F64
    worth: F64
    table: F64


class _Surroundings(NamedTuple):
    """What surrounds the ways of one step: the stations looked at, where ego is, its speed and acceleration, others,
    speeds that befit them (2, W), whether somebody comes along, how many ways are the planner's own, what the
    candidates after them are worth (P,), and who is let pass before which station."""

    span: tuple[int, int]
    start: tuple[float, float, float]
    traffic: Traffic
    others: UsersAhead
    befits: F64
    met: bool
    own: int
    worth: F64
    passes: tuple[int, float]


@njit(cache=True, nogil=True)
def step(
    seen: TruckScene,
    maps: tuple[MapArrays, Successors],
    side: Roadside,
    offset: F64,
    setup: FreightSetup,
    trailers: Trailers,
    candidates: Candidates,
    out: F64,
) -> tuple[int, float, U64, F64, float]:
    """Writes the plan's states to out (T, 10). offset (S,): of the way that is driven; candidates: those of
    another planner. Returns the proposal driven (way by way; -1: full braking; -2 - k: candidate k), its score, the
    identities of what overlaps ego now, the offsets (S,) from now on, and the station."""
    line, manner, ego, steps = side.line, setup.manner, seen.ego, len(out)
    at = station_of(line, ego[0], ego[1], _nearest(line, ego))[0]
    speed = max(ego[3], 0.0)
    first = min(max(int(at), 0), len(line.xy) - 3)
    reach = int((speed + 4.0) * steps * manner.dt + setup.truck.front + 30.0)
    last = min(first + max(reach, 60), len(line.xy))
    traffic, others, hits = _predicted(seen, maps, side, setup, trailers, first, steps)
    lanes = lanes_beside(others, traffic, side, (first, last), (at, speed))
    offsets = ways_tried(offset, side, (first, last), lanes, speed, setup)
    own, n = len(offsets), len(setup.shares)
    tried, size = own * n + len(candidates.states), setup.scored + 1
    p = _Proposals(
        np.empty((tried, steps)), np.empty((tried, steps)), np.empty((tried, steps)),
        np.zeros((tried, size, 10)), np.ones(tried), np.zeros(tried), np.ones((tried, SCORE_COLUMNS)),
    )  # fmt: skip
    if tried > own * n:
        rows = (p.station[own * n :], p.pace[own * n :], p.accel[own * n :])
        offsets = with_candidates(offsets, candidates, side, first, at, manner.dt, rows, p.extra[own * n :])
    befits = _befitting(seen.sight_m, others, traffic.moving, side, (first, last), at, (setup.truck, manner))
    met = oncoming(others, at, speed)
    passes = let_pass(others, traffic, maps[0], side.joins, (at, speed), (setup.truck, manner))
    around = _Surroundings(
        (first, last), (at, speed, ego[5]), traffic, others, befits, met, own, candidates.worth, passes
    )
    for w in range(len(offsets)):
        _rate(w, offsets[w], seen, side, setup, around, p)
    scores = _scores(seen, maps[0], setup, trailers, traffic, own * n, p)
    best = np.int64(np.argmax(scores))
    brakes = p.table[best, COLLISION_STEP] * manner.dt <= setup.brake_within_s
    w = best // n if best < own * n else best - own * n + own
    if brakes or best < own * n:
        way = sweep(line, side.edges, offsets[w, : last - first], first, seen.joints, setup.chain)
        row = (p.station[best], p.pace[best], p.accel[best])
        if brakes:
            leaders = (others, np.zeros((0, 1), np.bool_), np.empty(0), befits[0], (np.int64(-1), 0.0))
            driver, every = (setup.truck, manner), (setup.rules.refresh, setup.scored)
            drive_on(around.start, -2.0 * setup.truck.brake, way, side.road, driver, leaders, every, row)
        for t in range(steps):
            out[t] = 0.0
            out[t, 0], out[t, 1], out[t, 2], _ = pose_along(way, row[0][t])
            out[t, 3] = row[1][t]
    else:
        for t in range(steps):
            out[t] = 0.0
            out[t, :4] = candidates.states[best - own * n, t]
    after = offset
    if w > 0:
        after = offset.copy()
        after[first:] = offsets[w]
    chosen = np.int64(-1) if brakes else best if best < own * n else own * n - best - 2
    return chosen, scores[best], hits, after, at


@njit(cache=True, nogil=True)
def _predicted(
    seen: TruckScene,
    maps: tuple[MapArrays, Successors],
    side: Roadside,
    setup: FreightSetup,
    trailers: Trailers,
    first: int,
    steps: int,
) -> tuple[Traffic, UsersAhead, U64]:
    """The objects with where they will be, the same beside the line, and the identities of those that overlap ego."""
    t = observe(
        seen.body, setup.radius_m, setup.limits, seen.identity, seen.kind, seen.box, seen.velocity, seen.collided
    )
    ignore_touched(t, trailers)
    hits, count, slowing = np.empty(len(t.row), np.uint64), 0, np.zeros(len(t.row))
    for j in range(len(t.row)):
        if t.ignored[j]:
            hits[count] = seen.identity[t.row[j]]
            count += 1
        if seen.slowing[t.row[j]] > _SLOWS_MPS2:
            slowing[j] = seen.slowing[t.row[j]]
    every = setup.rules.refresh
    predicted = along_lanes(t, slowing, maps[0], maps[1], every * setup.manner.dt, (steps - 1) // every + 2)
    traffic = Traffic(t.row, t.box, t.radius, t.moved, t.heading, t.speed, t.moving, t.ignored, predicted[0])
    window = (max(first - 200, 0), min(first + int(setup.radius_m) + 60, len(side.line.xy) - 1))
    return traffic, beside(side.line, traffic, predicted, slowing, window, setup.long_m), hits[:count].copy()


@njit(cache=True, nogil=True)
def _rate(
    w: int,
    offset: F64,
    seen: TruckScene,
    side: Roadside,
    setup: FreightSetup,
    around: _Surroundings,
    p: _Proposals,
) -> None:
    """Drives way ``w`` at all speeds and fills their rows of the proposals. offset (S - first,): its offsets."""
    (first, last), (at, _, _), others, own = around.span, around.start, around.others, around.own
    road, truck, manner, n, size = side.road, setup.truck, setup.manner, len(setup.shares), setup.scored + 1
    way = sweep(side.line, side.edges, offset[: last - first], first, seen.joints, setup.chain)
    blocks = in_the_way(others, around.traffic, way, setup.room)
    off_m = abs(offset[last - first - 1] - side.centered[last - 1])
    elsewhere = off_m > _LANE_M
    halts, room = _halts(seen.halts, road, others, blocks, at, truck, manner), 1.0
    befits, every = around.befits[1 if elsewhere else 0], (setup.rules.refresh, setup.scored)
    leaders = (others, blocks, halts, befits, (np.int64(-1), 0.0) if elsewhere else around.passes)
    for q in range(n if w < own else 1):
        m = w * n + q if w < own else own * n + w - own
        row, over = (p.station[m], p.pace[m], p.accel[m]), False
        if w < own:
            short = drive_on(around.start, setup.shares[q], way, road, (truck, manner), leaders, every, row)
        else:
            short, over = faults_of_candidate(way, road, (truck, manner), (others, blocks, halts, befits), every, row)
            p.worth[m] = around.worth[w - own] if short == 0.0 and not over else 0.0
        _pose_states(way, row, seen.ego, setup.chain.wheel_base[0], manner.dt, p.states[m])
        p.table[m, PROGRESS_M] = max(row[0][size - 1] - at, 0.0)
        if q == 0:  # what a way leads to is the same at all speeds
            end, length = row[0][size - 1], _FOLLOWS * (truck.front + truck.behind)
            reach = min(end + length, max(end, road.halt - truck.front))
            room = kept_room(way, reach, elsewhere, around.met)
        if w < own:
            p.extra[m] = (1.0 - 0.4 * short) * room
        else:  # which may be as fast as it likes
            p.extra[m] *= (1.0 - short) * room * (0.05 if over else 1.0)
        p.extra[m] *= kept_upright(road, row[0], row[1], size)
        # who changes ways must gain by it, and comes back
        p.extra[m] *= 1.0 - (_OTHER if elsewhere else _LEAVE * min(off_m, 1.0))
        if w > 0:
            p.extra[m] *= 1.0 - _CHANGE
            p.extra[m] *= kept_behind(others, around.traffic, offset[: last - first], first, row[:2], truck, every)


@njit(cache=True, nogil=True)
def _scores(
    seen: TruckScene,
    map_arrays: MapArrays,
    setup: FreightSetup,
    trailers: Trailers,
    traffic: Traffic,
    own: int,
    p: _Proposals,
) -> F64:
    """Scores (M,) of the proposals, the first ``own`` of which are the planner's."""
    flags, patch = np.zeros(p.states.shape[:2], np.int64), patch_around(seen.ego, setup.vehicle_box, setup.radius_m)
    score_traffic(p.states, flags, map_arrays, patch, setup.vehicle_box, traffic, setup.rules, p.table)
    score_comfort(p.states, setup.comfort, p.table)
    behind = pulled(p.states, trailers)
    nothing = np.zeros(behind.shape[:3], np.int64)
    score_contacts(behind, nothing, map_arrays, patch, traffic, setup.rules, trailers, p.table)
    most = np.max(p.table[:own, PROGRESS_M])
    for m in range(own, len(p.table)):
        p.table[m, PROGRESS_M] = min(p.table[m, PROGRESS_M], most)
    scores = total(p.table, setup.rules) * p.extra
    return scores + p.worth * (scores > _SOUND)


@small_njit
def _nearest(line: Line, ego: F64) -> int:
    """The station nearest to ego that leads where it looks."""
    best, least, c, s = 0, math.inf, math.cos(ego[2]), math.sin(ego[2])
    for k in range(len(line.xy)):
        dx, dy = ego[0] - line.xy[k, 0], ego[1] - line.xy[k, 1]
        d = dx * dx + dy * dy
        if d < least and (line.facing[k, 0] * c + line.facing[k, 1] * s > 0.0 or d < 0.25 * least):
            best, least = k, d
    return best


@small_njit
def _pose_states(way: TruckWay, row: tuple[F64, F64, F64], ego: F64, wheel_base: float, dt: float, out: F64) -> None:
    """States (T, 10) of unit 0 that keeps to a way and a pace, every ``dt`` s."""
    station, pace, accel = row
    for t in range(len(out)):
        x, y, heading, bend = pose_along(way, station[t])
        out[t, 0], out[t, 1], out[t, 2], out[t, 3] = x, y, heading, pace[t]
        out[t, 5], out[t, 6] = accel[t], pace[t] * pace[t] * bend
        out[t, 7], out[t, 8] = math.atan(wheel_base * bend), pace[t] * bend
    for t in range(len(out)):
        a, b = max(t - 1, 0), min(t + 1, len(out) - 1)
        out[t, 9] = (out[b, 8] - out[a, 8]) / (dt * (b - a))


@njit(cache=True, nogil=True)
def _befitting(
    sight_m: float,
    others: UsersAhead,
    moving: Mask,
    side: Roadside,
    span: tuple[int, int],
    at: float,
    driver: tuple[Truck, TruckManner],
) -> F64:
    """Speeds (2, W) at the stations of a span, in the own lane and in others, from which it could stop within what it
    sees, and that befit whom it passes: slow traffic in lanes beside its own, and, where the next lane is not taken,
    vehicles that stand beside the lanes of a fast road."""
    (first, last), (truck, manner) = span, driver
    out = np.empty((2, last - first))
    for k in range(last - first):
        brake = 0.9 * side.road.brake[first + k]
        out[:, k] = speed_to_stop(sight_m - truck.front - manner.gap, manner.react + truck.delay, brake)
    for j in range(len(others.speed)):
        rear, front, pace = others.span[j, 0, 0], others.span[j, 0, 1], others.speed[j, 0]
        i = min(max(int(0.5 * (rear + front)), 0), len(side.line.xy) - 1)
        left = 0.5 * (others.side[j, 0, 0] + others.side[j, 0, 1])
        lanes, own = side.edges.same[i], side.edges.own[i]
        if front < at - truck.behind or pace < -0.5 or own[0] < left < own[1]:
            continue
        passing, which = max(pace, 0.0) + manner.passing, 0
        if left < lanes[0] or left > lanes[1]:
            stands = moving[j] and pace < 0.5 and side.road.cap[i] > _FAST_MPS
            if not stands or left < own[0] - NEAR_M or left > own[1] + NEAR_M:
                continue
            passing, which = side.road.cap[i] - manner.slower, 1
        for k in range(last - first):
            gap = max(rear - truck.front - (first + k), 0.0)
            if first + k < front + truck.behind:
                held = math.sqrt(passing * passing + 2.0 * manner.gentle * gap)
                out[0, k] = min(out[0, k], held)
                if which == 0:
                    out[1, k] = min(out[1, k], held)
    return out


@njit(cache=True, nogil=True)
def _halts(
    given: F64, road: RoadAhead, others: UsersAhead, blocks: np.ndarray, at: float, truck: Truck, manner: TruckManner
) -> F64:
    """Stations at which to stand: the given ones, and before what must be kept clear unless all units get across."""
    out, count = np.empty(len(given) + len(road.keep_clear)), len(given)
    out[:count] = given
    for k in range(len(road.keep_clear)):
        begin, end = road.keep_clear[k, 0], road.keep_clear[k, 1]
        if at + truck.front > begin:
            continue
        stands = False  # before something just beyond
        for h in given:
            stands = stands or (h > begin and h - truck.front - truck.behind < end + 1.0)
        if stands:
            out[count] = begin - 3.0
            count += 1
            continue
        for j in range(len(blocks)):
            moment = blocks.shape[1] - 1
            if not blocks[j, 0] and not blocks[j, moment]:
                continue
            rear = others.span[j, moment, 0]
            if rear > begin and rear - manner.gap - truck.front - truck.behind < end + 1.0:
                out[count] = begin - 3.0
                count += 1
                break
    return out[:count]
