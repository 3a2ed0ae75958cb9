"""Factors of a proposal's score that PDM-Closed does not know: room of all units, load, who is behind."""

from __future__ import annotations

from roadcraft.core.arrays import F64
from roadcraft.core.driving.jit import small_njit
from roadcraft.planners.freight_pdm.line import TruckWay
from roadcraft.planners.freight_pdm.others import UsersAhead
from roadcraft.planners.freight_pdm.pace import RoadAhead, Truck
from roadcraft.planners.trajectory_scoring.traffic import Traffic

_ONCOMING_S = 6.0
_ROLLS, _TIPS = 0.7, 1.0
_IMPOSED_MPS2, _LAG_S = 1.5, 0.8  # braking that a follower may be asked for; least time gap to it
_BESIDE_M = 1.5


@small_njit
def oncoming(others: UsersAhead, at: float, speed: float) -> bool:
    """Whether somebody comes along against the line's direction soon."""
    for j in range(len(others.speed)):
        lead = others.speed[j, 0]
        away = others.span[j, 0, 0] - at
        if lead < -0.5 and 0.0 < away < (speed - lead) * _ONCOMING_S and abs(others.side[j, 0, 0]) < 12.0:
            return True
    return False


@small_njit
def kept_room(way: TruckWay, station: float, changes: bool, met: bool) -> float:
    """For how far the units stand beyond lane and road on the way to a station; changes: whether another lane of the
    same direction is gone to; met: whether somebody comes along."""
    k = min(max(int(station) - way.first, 0), len(way.excess) - 1)
    lane, same, road = way.excess[k, 1 if changes else 0], way.excess[k, 1], way.excess[k, 2]
    kept = 1.0 - 0.3 * min(lane / 0.5, 1.0)
    if same > 0.1:
        kept *= 0.3 if met else 0.9
    if road > 0.05:
        kept *= max(0.6 - road, 0.05)
    return kept


@small_njit
def kept_upright(road: RoadAhead, station: F64, pace: F64, count: int) -> float:
    """For how near the vehicle comes to tipping."""
    most = 0.0
    for t in range(count):
        k = min(max(int(station[t]), 0), len(road.tips) - 1)
        most = max(most, (pace[t] / road.tips[k]) ** 2)
    return min(max((_TIPS - most) / (_TIPS - _ROLLS), 0.05), 1.0)


@small_njit
def kept_behind(
    others: UsersAhead,
    traffic: Traffic,
    offset: F64,
    first: int,
    drive: tuple[F64, F64],
    truck: Truck,
    steps: tuple[int, int],
) -> float:
    """For whom a change of way would make brake, by the rear of the last unit. offset (W,) from station ``first`` on;
    drive: stations and speeds (T,); steps: between two states of the others, and how many are looked at."""
    (station, pace), (every, counted), last = drive, steps, len(offset) - 1
    for j in range(len(others.speed)):
        if traffic.ignored[j] or not traffic.moving[j] or traffic.speed[j] < 1.0:
            continue
        if others.side[j, 0, 0] < offset[0] + _BESIDE_M and others.side[j, 0, 1] > offset[0] - _BESIDE_M:
            continue  # in its way already
        for moment in range(counted // every + 1):
            t = moment * every
            tail = station[t] - truck.behind
            head = offset[min(max(int(station[t]) - first, 0), last)]
            rear = offset[min(max(int(tail) - first, 0), last)]
            low, high = min(head, rear) - _BESIDE_M, max(head, rear) + _BESIDE_M
            if others.side[j, moment, 0] >= high or others.side[j, moment, 1] <= low:
                continue
            if others.span[j, moment, 0] > station[t] + truck.front:
                break
            gap, fast = tail - others.span[j, moment, 1], others.speed[j, moment]
            closing = max(fast - pace[t], 0.0)
            if gap < _LAG_S * fast or closing * closing > 2.0 * _IMPOSED_MPS2 * gap:
                return 0.3
    return 1.0
