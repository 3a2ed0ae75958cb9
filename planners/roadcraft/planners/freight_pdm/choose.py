"""One step of the planner for one scenario, in one compiled kernel: ways, paces along them, scores, the best."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, U8, U64, Mask
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.motion.chain import ChainArrays
from roadcraft.planners.freight_pdm.candidates import Candidates, faults_of_candidate, way_of_candidate
from roadcraft.planners.freight_pdm.factors import kept_behind, kept_room, kept_upright, oncoming
from roadcraft.planners.freight_pdm.line import Line, LineEdges, TruckWay, eased, pose_along, station_of, sweep
from roadcraft.planners.freight_pdm.others import Successors, UsersAhead, along_lanes, beside, in_the_way
from roadcraft.planners.freight_pdm.pace import RoadAhead, Truck, TruckManner, drive_on, speed_to_stop
from roadcraft.planners.pdm.comfort import Comfort, score_comfort
from roadcraft.planners.trajectory_scoring.area_checks import MapArrays, patch_around
from roadcraft.planners.trajectory_scoring.scorer import (
    COLLISION_STEP,
    PROGRESS_M,
    SCORE_COLUMNS,
    Rules,
    score_traffic,
    total,
)
from roadcraft.planners.trajectory_scoring.traffic import Traffic, observe
from roadcraft.planners.trajectory_scoring.units import Trailers, ignore_touched, pulled, score_contacts

_EASE = 5.77  # peak of the second derivative of a change of way over its width and the square of its length
_LEAST_S, _LEAST_M = 5.0, 20.0  # which takes so long, and so far, at least
_SAME_M = 0.03
_LANE_M = 1.8  # beside the centered way, from which on another lane is driven
_STANDS_MPS, _NEAR_M, _AHEAD_M, _SOON_S = (
    3.0,
    4.5,
    260.0,
    3.5,
)  # who stands in or beside the way asks for another lane, in time
_FAST_MPS = 17.0  # roads on which vehicles at the side are not parked
_LEAVE, _OTHER, _CHANGE = 0.04, 0.005, 0.01  # of the score: a m beside the centered way, another lane, a change
_SLOWS_MPS2 = 0.5  # less is noise
_SOUND = 0.3  # of the score: a candidate with less is worth nothing more
_FOLLOWS = 2.0  # lengths of the vehicle on which what unit 0 does now moves the units behind it


class FreightSetup(NamedTuple):
    """The planner's constants for one vehicle: see ``FreightPdmConfig``."""

    truck: Truck
    manner: TruckManner
    rules: Rules
    comfort: Comfort
    chain: ChainArrays
    vehicle_box: F64
    shares: F64
    sides: F64
    radius_m: float
    limits: I64
    room: tuple[float, float]
    change_mps2: float
    long_m: float
    scored: int
    brake_within_s: float


class TruckScene(NamedTuple):
    """What a scenario's observation holds: ego (10,), its box (5,), joints (J,); identity, kind (R,), box (R, 5),
    velocity (R, 2), slowing (R,) m/s2 of objects; collided (C,) identities of those that overlapped ego before; halts
    (H,): stations at which to stand; sight_m: how far it sees."""

    ego: F64
    body: F64
    joints: F64
    identity: U64
    kind: U8
    box: F64
    velocity: F64
    slowing: F64
    collided: U64
    halts: F64
    sight_m: float


class Roadside(NamedTuple):
    """A scenario's way: see ``route.Route``."""

    line: Line
    edges: LineEdges
    road: RoadAhead
    centered: F64
    beside: F64


@njit(cache=True, nogil=True)
def step(
    seen: TruckScene,
    maps: tuple[MapArrays, Successors],
    side: Roadside,
    offset: F64,
    setup: FreightSetup,
    trailers: Trailers | None,
    candidates: Candidates,
    out: F64,
) -> tuple[int, float, U64, F64, float]:
    """Writes the plan's states to out (T, 10). offset (S,): of the way that is driven; candidates: those of
    another planner. Returns the proposal driven (way by way; -1: full braking; -2 - k: candidate k), its score, the
    identities of what overlaps ego now, the offsets (S,) from now on, and the station."""
    line, road, truck, manner, ego = side.line, side.road, setup.truck, setup.manner, seen.ego
    traffic = observe(
        seen.body, setup.radius_m, setup.limits, seen.identity, seen.kind, seen.box, seen.velocity, seen.collided
    )
    if trailers is not None:
        ignore_touched(traffic, trailers)
    hits, count = np.empty(len(traffic.row), np.uint64), 0
    for j in range(len(traffic.row)):
        if traffic.ignored[j]:
            hits[count] = seen.identity[traffic.row[j]]
            count += 1
    hits = hits[:count].copy()

    steps, every = len(out), setup.rules.refresh
    at = station_of(line, ego[0], ego[1], _nearest(line, ego))[0]
    speed = max(ego[3], 0.0)
    first = min(max(int(at), 0), len(line.xy) - 3)
    reach = int((speed + 4.0) * steps * manner.dt + truck.front + 30.0)
    last = min(first + max(reach, 60), len(line.xy))
    slowing = np.empty(len(traffic.row))
    for j in range(len(slowing)):
        slowing[j] = seen.slowing[traffic.row[j]] if seen.slowing[traffic.row[j]] > _SLOWS_MPS2 else 0.0
    foreseen = along_lanes(traffic, slowing, maps[0], maps[1], every * manner.dt, (steps - 1) // every + 2)
    t = traffic
    traffic = Traffic(t.row, t.box, t.radius, t.moved, t.heading, t.speed, t.moving, t.ignored, foreseen[0])
    window = (max(first - 200, 0), min(first + int(setup.radius_m) + 60, len(line.xy) - 1))
    others = beside(line, traffic, foreseen, slowing, window, setup.long_m)

    lanes = _lanes_beside(others, traffic, side, (first, last), (at, speed))
    offsets = _ways(offset, side, (first, last), lanes, speed, setup)
    window, own, n = last - first, len(offsets), len(setup.shares)
    size, ways = setup.scored + 1, own + len(candidates.states)
    tried = own * n + len(candidates.states)
    station, pace, accel = np.empty((tried, steps)), np.empty((tried, steps)), np.empty((tried, steps))
    states, extra, worth = np.zeros((tried, size, 10)), np.ones(tried), np.zeros(tried)
    table = np.ones((tried, SCORE_COLUMNS))
    if ways > own:
        rows = (station[own * n :], pace[own * n :], accel[own * n :])
        offsets = _with_candidates(offsets, candidates, side, first, at, manner.dt, rows, extra[own * n :])
    start = (at, speed, ego[5])
    met, length = oncoming(others, at, speed), _FOLLOWS * (truck.front + truck.behind)
    befits = _befitting(seen.sight_m, others, traffic.moving, side, (first, last), at, (truck, manner))
    for w in range(ways):
        way = sweep(line, side.edges, offsets[w, :window], first, seen.joints, setup.chain)
        blocks, off_m = (
            in_the_way(others, traffic, way, setup.room),
            abs(offsets[w, window - 1] - side.centered[last - 1]),
        )
        halts, room = _halts(seen.halts, road, others, blocks, at, truck, manner), 1.0
        for q in range(n if w < own else 1):
            m = w * n + q if w < own else own * n + w - own
            row = (station[m], pace[m], accel[m])
            leaders = (others, blocks, halts, befits[1 if off_m > _LANE_M else 0])
            over = False
            if w < own:
                short = drive_on(
                    start, setup.shares[q], way, road, (truck, manner), leaders, (every, setup.scored), row
                )
            else:
                short, over = faults_of_candidate(way, road, (truck, manner), leaders, (every, setup.scored), row)
                worth[m] = candidates.worth[w - own] if short == 0.0 and not over else 0.0
            _pose_states(way, row, ego, setup.chain.wheel_base[0], setup.manner.dt, states[m])
            table[m, PROGRESS_M] = max(station[m, size - 1] - at, 0.0)
            if q == 0:  # what a way leads to is the same at all speeds
                end = station[m, size - 1]
                room = kept_room(way, min(end + length, max(end, road.halt - truck.front)), off_m > _LANE_M, met)
            if w < own:
                extra[m] = (1.0 - 0.4 * short) * room
            else:  # which may be as fast as it likes
                extra[m] *= (1.0 - short) * room * (0.05 if over else 1.0)
            extra[m] *= kept_upright(road, station[m], pace[m], size)
            # who changes ways must gain by it, and comes back
            extra[m] *= 1.0 - (_OTHER if off_m > _LANE_M else _LEAVE * min(off_m, 1.0))
            if w > 0:
                drive = (station[m], pace[m])
                extra[m] *= 1.0 - _CHANGE
                extra[m] *= kept_behind(
                    others, traffic, offsets[w, :window], first, drive, truck, (every, setup.scored)
                )
    flags, patch = np.zeros((tried, size), np.int64), patch_around(ego, setup.vehicle_box, setup.radius_m)
    score_traffic(states, flags, maps[0], patch, setup.vehicle_box, traffic, setup.rules, table)
    score_comfort(states, setup.comfort, table)
    if trailers is not None:
        behind = pulled(states, trailers)
        nothing = np.zeros(behind.shape[:3], np.int64)
        score_contacts(behind, nothing, maps[0], patch, traffic, setup.rules, trailers, table)
    most = np.max(table[: own * n, PROGRESS_M])
    for m in range(own * n, tried):
        table[m, PROGRESS_M] = min(table[m, PROGRESS_M], most)
    scores = total(table, setup.rules) * extra
    scores += worth * (scores > _SOUND)
    best = np.int64(np.argmax(scores))
    chosen = best
    if table[best, COLLISION_STEP] * manner.dt <= setup.brake_within_s:
        chosen = np.int64(-1)
    w = best // n if best < own * n else best - own * n + own
    way = sweep(line, side.edges, offsets[w, :window], first, seen.joints, setup.chain)
    if chosen < 0:
        blocks = np.zeros((0, 1), np.bool_)
        leaders = (others, blocks, np.empty(0), befits[0])
        full = (station[best], pace[best], accel[best])
        drive_on(start, -2.0 * truck.brake, way, road, (truck, manner), leaders, (every, setup.scored), full)
    for t in range(steps):
        out[t] = 0.0
        if chosen >= own * n:
            out[t, :4] = candidates.states[chosen - own * n, t]
            continue
        out[t, 0], out[t, 1], out[t, 2], _ = pose_along(way, station[best, t])
        out[t, 3] = pace[best, t]
    after = offset
    if w > 0:
        after = offset.copy()
        after[first:] = offsets[w]
    if chosen >= own * n:
        chosen = own * n - chosen - 2
    return chosen, scores[best], hits, after, at


@njit(cache=True, nogil=True)
def _lanes_beside(
    others: UsersAhead, traffic: Traffic, side: Roadside, span: tuple[int, int], now: tuple[float, float]
) -> F64:
    """Distances (0 to 2) to lanes of the same direction beside the own one that run as far as is looked, where somebody
    stands ahead in the own one or beside it."""
    (first, last), (at, speed), asked = span, now, False
    for j in range(len(others.speed)):
        if traffic.ignored[j] or not traffic.moving[j] or traffic.speed[j] > _STANDS_MPS:
            continue
        away = others.span[j, 0, 0] - at
        left = 0.5 * (others.side[j, 0, 0] + others.side[j, 0, 1])
        asked = asked or (abs(left) < _NEAR_M and away < _AHEAD_M and away > _SOON_S * speed)
    out, count = np.empty(2), 0
    own, same = side.edges.own[first:last], side.edges.same[first:last]
    width = own[0, 1] - own[0, 0]
    if asked and np.min(same[:, 1] - own[:, 1]) > 0.85 * width:
        out[count] = width
        count += 1
    if asked and np.min(own[:, 0] - same[:, 0]) > 0.85 * width:
        out[count] = -width
        count += 1
    return out[:count]


@njit(cache=True, nogil=True)
def _ways(driven: F64, side: Roadside, span: tuple[int, int], lanes: F64, speed: float, setup: FreightSetup) -> F64:
    """Offsets (K, S - first) of the ways that are tried: that which is driven (S,), and those that leave it for the
    centered one, the center line, the ways beside the centered one, and lanes so far beside it, where it may be left.
    span: first station, and that to which is looked."""
    (first, last), goals, ways = span, 2 + len(setup.sides) + len(lanes), 1
    now, centered, kept = driven[first:], side.centered[first:], side.beside[first:]
    out = np.empty((1 + goals, len(now)))
    out[0] = now
    for g in range(goals):
        aside = np.zeros(len(now)) if g != 1 else -centered
        if g > 1:
            beside = g - 2 - len(setup.sides)
            aside += lanes[beside] if beside >= 0 else setup.sides[g - 2]
        goal = centered + kept * aside
        apart = np.max(np.abs(goal - now)[: last - first])
        if apart > _SAME_M:
            over = int(max(speed * max(math.sqrt(_EASE * apart / setup.change_mps2), _LEAST_S), _LEAST_M))
            out[ways] = eased(now, goal, over)
            ways += 1
    return out[:ways].copy()


@njit(cache=True, nogil=True)
def _with_candidates(
    offsets: F64,
    candidates: Candidates,
    side: Roadside,
    first: int,
    at: float,
    dt: float,
    rows: tuple[F64, F64, F64],
    along: F64,
) -> F64:
    """Offsets (K + P, S - first): those of K ways, and of candidates; fills their rows: station, speed, acceleration
    (P, T), and along (P,): 0 for what goes back along the line."""
    own, near = len(offsets), min(max(int(at), 0), len(side.line.xy) - 1)
    out = np.empty((own + len(candidates.states), offsets.shape[1]))
    out[:own] = offsets
    for p in range(len(candidates.states)):
        row = (rows[0][p], rows[1][p], rows[2][p])
        goes = way_of_candidate(side.line, candidates.states[p], near, side.centered, first, dt, out[own + p], row)
        along[p] = 1.0 if goes else 0.0
    return out


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
            if not stands or left < own[0] - _NEAR_M or left > own[1] + _NEAR_M:
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
