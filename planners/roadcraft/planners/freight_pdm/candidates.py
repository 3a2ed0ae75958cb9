"""Candidates of another planner, as ways and paces along the line."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, Mask
from roadcraft.core.data.plan import Plan
from roadcraft.core.driving.jit import njit
from roadcraft.core.errors import PluginError
from roadcraft.planners.freight_pdm.config import FreightPdmConfig
from roadcraft.planners.freight_pdm.line import Line, TruckWay, eased, station_of
from roadcraft.planners.freight_pdm.others import UsersAhead
from roadcraft.planners.freight_pdm.pace import OVERRUN_M, RoadAhead, Truck, TruckManner, stopping_room

_BACK_M = 40.0  # beyond the end of a candidate, its way comes back to the centered one within so far
_FASTER = 1.05  # than is right, as a share, from which on a candidate is too fast
_SLOWS = 0.5  # of gentle braking, with which it is on the way to what is right
_CREEPS_MPS, _FALLS_M = 0.1, 0.5  # backward, within which it is taken to stand


class Candidates(NamedTuple):
    """P candidates of another planner: where unit 0's rear axle goes, every ``interval_s``."""

    states: F64
    """(P, T, 4): x, y, heading, speed, from now on."""
    worth: F64
    """(P,): what is added to the score of each where it has no fault."""
    rank: I64
    """(P,): its place among all candidates of its plan, 0 for the likeliest."""


def candidates_of(plan: Plan, b: int, now_us: int, c: FreightPdmConfig) -> Candidates:
    """The likeliest candidates of scenario ``b`` of a plan, without those that are not finite or go backward. The first
    of them is worth ``planner_score_weight``, others less, as exp(score - its score). Raises PluginError for plans that
    are shorter than ``plan_steps``."""
    length = plan.states.shape[2] if plan.length is None else int(plan.length[b])
    at = (plan.time_us[b, :length] - now_us) * 1e-6
    wanted = c.interval_s * np.arange(c.plan_steps + 1)
    if length < 2 or at[0] > 1e-6 or at[-1] < wanted[-1] - 1e-6:
        reach = f"from {at[0]:g} to {at[-1]:g} s" if length else "over nothing"
        raise PluginError(
            f"planner {c.planner.name if c.planner else ''}: its plan reaches {reach}, freight_pdm judges from 0 to "
            f"{wanted[-1]:g} s (plan_steps, interval_s)"
        )
    scores = np.asarray(plan.scores[b], np.float64)
    order: I64 = np.argsort(-np.where(np.isfinite(scores), scores, -np.inf), kind="stable")[: c.max_proposals]
    columns = plan.states[b, order, :length, :4].astype(np.float64)
    sound = np.isfinite(scores[order]) & np.isfinite(columns).all(axis=(1, 2)) & (columns[..., 3] > -_CREEPS_MPS).all(1)
    rank, columns = np.flatnonzero(sound), columns[sound]
    columns[..., 2] = np.unwrap(columns[..., 2], axis=-1)
    out = np.empty((len(rank), len(wanted), 4))
    for p in range(len(rank)):
        for column in range(4):
            out[p, :, column] = np.interp(wanted, at, columns[p, :, column])
    score = scores[order[rank]]
    return Candidates(out, c.planner_score_weight * np.exp(score - score[:1]), rank)


@njit(cache=True, nogil=True)
def way_of_candidate(
    line: Line, states: F64, near: int, centered: F64, first: int, dt: float, offset: F64, row: tuple[F64, F64, F64]
) -> bool:
    """Fills offset (W,): the way of a candidate (T, 4) from station ``first`` on, and row: its station, speed and
    acceleration (T,). Before its begin the way keeps its first offset, beyond its end it comes back to ``centered``
    (S,). Answers whether it goes along the line, never back."""
    station, speed, accel = row
    count, k, filled = len(states), near, 0
    left, along = np.empty(count), True
    for t in range(count):
        station[t], left[t] = station_of(line, states[t, 0], states[t, 1], k)
        if t > 0:
            along = along and station[t] > station[t - 1] - _FALLS_M
            station[t] = max(station[t], station[t - 1])
        k = min(max(int(station[t] + 0.5), 0), len(line.xy) - 1)
        speed[t] = max(states[t, 3], 0.0)
    for t in range(count):
        a, b = max(t - 1, 0), min(t + 1, count - 1)
        accel[t] = (speed[b] - speed[a]) / (dt * (b - a))
    t = 0
    for i in range(len(offset)):
        s = float(first + i)
        while t + 1 < count and station[t + 1] <= s:
            t += 1
        if s <= station[0]:
            offset[i] = left[0]
        elif t + 1 < count:
            f = (s - station[t]) / max(station[t + 1] - station[t], 1e-9)
            offset[i] = left[t] + f * (left[t + 1] - left[t])
        else:
            offset[i] = left[count - 1]
            if filled == 0:
                filled = i
    if filled > 0:
        rest = np.full(len(offset) - filled, left[count - 1])
        offset[filled:] = eased(
            rest, centered[first + filled : first + len(offset)], int(max(_BACK_M, 3.0 * speed[count - 1]))
        )
    return along


@njit(cache=True, nogil=True)
def faults_of_candidate(
    way: TruckWay,
    road: RoadAhead,
    driver: tuple[Truck, TruckManner],
    leaders: tuple[UsersAhead, Mask, F64, F64],
    steps: tuple[int, int],
    row: tuple[F64, F64, F64],
) -> tuple[float, bool]:
    """What ``drive_on`` would not do, of a candidate: the share of its steps at which it is faster than is right or
    could not stop behind a leader, and whether it runs over a place at which to stand, firm braking included. row:
    station, speed, acceleration (T,); all else as there."""
    (station, speed, accel), (truck, manner), (others, blocks, halts, befits) = row, driver, leaders
    every, counted = steps
    wrong, over = 0, False
    for t in range(1, counted + 1):
        s, v, moment = station[t], speed[t], t // every
        i = min(max(int(s), 0), len(road.cap) - 1)
        right = min(road.cap[i], befits[min(max(i - way.first, 0), len(befits) - 1)])
        lacking = v > _FASTER * right + 0.3 and accel[t] > -_SLOWS * manner.gentle
        for j in range(len(blocks)):
            rear, front = others.span[j, moment, 0], others.span[j, moment, 1]
            if not blocks[j, moment] or 0.5 * (rear + front) < s + 0.5 * truck.front:
                continue
            brake = manner.truck_brake if others.long[j] else manner.car_brake
            brakes = (manner.react + truck.delay, road.brake[i], brake)
            lacking = lacking or stopping_room(rear - s - truck.front, v, others.speed[j, moment], brakes) < 0.0
        for k in range(len(halts)):
            before, now = halts[k] - station[0] - truck.front, halts[k] - s - truck.front
            if before > -OVERRUN_M:
                over = over or now < v * truck.delay + 0.5 * v * v / min(manner.firm, road.brake[i]) - 0.5
        wrong += lacking
    return wrong / counted, over
