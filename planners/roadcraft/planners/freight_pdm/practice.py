"""The way driven in mind: by the tracker of trucks and the dynamic chain, at several speeds, for those at which its
trailers stay where they are to be."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.motion.chain import ChainArrays, chain_of, place_units
from roadcraft.core.driving.motion.dynamic_chain import (
    advance_dynamic,
    dynamic_chain_of,
    motion_columns,
    road_rows,
    start_motion,
)
from roadcraft.core.driving.motion.truck_lqr import track_trucks, truck_gains
from roadcraft.core.driving.motion.truck_lqr_config import TruckLqrConfig
from roadcraft.core.scenario import EGO_SIZE, Ego
from roadcraft.core.vehicle import Vehicle
from roadcraft.core.vehicle_state import level_road
from roadcraft.planners.freight_pdm.line import Line, LineEdges, TruckWay, reach_out

SCALES = np.array([1.0, 0.92, 0.84, 0.76, 0.68, 0.6, 0.5])
"""Shares of the speed that are tried."""
_TICK_S, _AHEAD = 0.1, 30
_BUSY_MPS2, _WINDY_MPS = 0.5, 10.0  # lateral acceleration and wind from which on a stretch is driven
_BEFORE, _AFTER, _BACK_S = 60, 90, 2.5  # stations around it; time before a swing from which on it is to be slower


class Swings(NamedTuple):
    """What may come of a drive."""

    transfer: float
    """Largest load transfer ratio."""
    excess: float
    """How much farther beyond the lane the units may come than at the lowest speed, m."""
    lateral: float
    """Largest lateral acceleration of a unit, m/s2."""


def practiced(
    line: Line,
    edges: LineEdges,
    way: TruckWay,
    cap: F64,
    surface: tuple[F64, F64, F64, F64],
    vehicle: Vehicle,
    most: Swings,
) -> F64:
    """Speeds (S,), of ``cap`` (S,), at which nothing swings farther than it may. surface: grade, bank, friction (S,)
    and wind (S, 2). At the lowest share of ``SCALES`` whatever comes is taken."""
    windy = np.hypot(surface[3][:, 0], surface[3][:, 1]) > _WINDY_MPS
    busy = np.flatnonzero((np.abs(way.curvature) * cap * cap > _BUSY_MPS2) | windy)
    out = cap.copy()
    for part in np.split(busy, np.flatnonzero(np.diff(busy) > _BEFORE + _AFTER) + 1) if len(busy) else ():
        a, b = max(int(part[0]) - _BEFORE, 0), min(int(part[-1]) + _AFTER, len(cap) - 1)
        if b - a > 10:
            out[a:b] *= _scales(line, edges, way, (a, b), cap, surface, vehicle, most)
    return out


def _scales(
    line: Line,
    edges: LineEdges,
    way: TruckWay,
    span: tuple[int, int],
    cap: F64,
    surface: tuple[F64, F64, F64, F64],
    vehicle: Vehicle,
    most: Swings,
) -> F64:
    """The share of the speed at each station of a span (b - a,)."""
    a, b = span
    count, pose = len(SCALES), np.ascontiguousarray(way.pose[a : b + 1])
    speed = np.maximum(SCALES[:, None] * cap[a : b + 1], 1.0)
    step = way.stretch[a : b + 1]
    time = np.concatenate([np.zeros((count, 1)), np.cumsum(step[:-1] / speed[:, :-1], axis=1)], 1)
    model, gains, chain = dynamic_chain_of(vehicle), truck_gains(vehicle, TruckLqrConfig()), chain_of(vehicle)
    names = motion_columns(vehicle)
    felt = [k for k, name in enumerate(names) if name.startswith("ay_")]
    transfer = [k for k, name in enumerate(names) if name.startswith("load_transfer_")]
    ego, joints = np.zeros((count, EGO_SIZE)), np.zeros((count, vehicle.joints))
    ego[:, :3], ego[:, Ego.VX] = pose[0], speed[:, 0]
    ego[:, Ego.YAW_RATE] = speed[:, 0] * way.curvature[a]
    ego[:, Ego.STEERING] = math.atan(vehicle.body.wheel_base_m * way.curvature[a])
    motion, road = start_motion(vehicle, ego, joints), road_rows(level_road(count), vehicle)
    times = np.tile(np.round(np.arange(_AHEAD + 1) * _TICK_S * 1e6).astype(np.int64), (count, 1))
    length, now, half = np.full(count, _AHEAD + 1), np.zeros(count, np.int64), np.full(count, 0.5 * _TICK_S)
    at, worst = np.zeros(count, np.int64), np.full((3, count, b - a), -np.inf)
    links = vehicle.joints
    for _ in range(int(time.max() / _TICK_S) + 1):
        states, excess = _look(line, edges, pose, time, (ego, joints), at, (a, chain))
        going = at < b - a - 2
        if not going.any():
            break
        rows, where = np.flatnonzero(going), at[going]
        for m, value in enumerate(
            (np.abs(motion[:, transfer]).max(axis=1), excess, np.abs(motion[:, felt]).max(axis=1))
        ):
            worst[m, rows, where] = np.maximum(worst[m, rows, where], value[rows])
        rates = np.ascontiguousarray(motion[:, : links + 1])
        controls = track_trucks(ego, joints, rates, now, (times, states, length), gains)
        road[:, 0], road[:, 1] = surface[0][a + at], surface[1][a + at]
        road[:, 2:4], road[:, 4:] = surface[3][a + at], surface[2][a + at][:, None]
        for _ in range(2):
            ego, joints, motion = advance_dynamic(ego, joints, motion, controls, half, road, model)
    limit = np.array([most.transfer, most.excess, most.lateral])[:, None, None]
    slowest = np.maximum(worst[:, -1:], 0.0)
    floor = limit + np.array([0.0, 1.0, 0.0])[:, None, None] * slowest
    bad = np.any((worst > floor) | np.isnan(worst), axis=0)
    out = np.ones(b - a)
    for k in range(b - a):
        back = int(_BACK_S * cap[a + k])
        for r in range(count - 1):
            if bad[r, k]:
                low = max(k - back, 0)
                out[low : k + 10] = np.minimum(out[low : k + 10], SCALES[r + 1])
    return out


@njit(cache=True, nogil=True)
def _look(
    line: Line,
    edges: LineEdges,
    pose: F64,
    time: F64,
    vehicle: tuple[F64, F64],
    at: I64,
    begin: tuple[int, ChainArrays],
) -> tuple[F64, F64]:
    """Plans (B, 31, 10) of the next 3 s, and how far the units stand beyond the lane (B,). pose (N, 3): of the way;
    time (B, N) at which to be there; at (B,): where unit 0 was last, and then where it is."""
    (ego, joints), (first, chain) = vehicle, begin
    states, out, nothing = np.zeros((len(ego), _AHEAD + 1, 10)), np.empty(len(ego)), np.empty((0, 2))
    units, excess = np.empty((len(chain.wheel_base), 3)), np.empty(3)
    for b in range(len(ego)):
        k, along = at[b], 0.0
        while k < len(pose) - 2:
            c, s = math.cos(pose[k, 2]), math.sin(pose[k, 2])
            along = (ego[b, 0] - pose[k, 0]) * c + (ego[b, 1] - pose[k, 1]) * s
            if along < 1.0:
                break
            k += 1
        at[b] = k
        gap = math.hypot(pose[k + 1, 0] - pose[k, 0], pose[k + 1, 1] - pose[k, 1])
        share = min(max(along / max(gap, 1e-6), 0.0), 1.0)
        start = time[b, k] + share * (time[b, k + 1] - time[b, k])
        j = k
        for t in range(_AHEAD + 1):
            wanted = start + t * _TICK_S
            while j < len(pose) - 2 and time[b, j + 1] < wanted:
                j += 1
            f = (wanted - time[b, j]) / (time[b, j + 1] - time[b, j])
            for column in range(3):
                states[b, t, column] = pose[j, column] + f * (pose[j + 1, column] - pose[j, column])
        place_units(ego[b], joints[b], chain, units)
        excess[:] = -10.0
        reach_out(line, edges, units, chain, (first + k, first), nothing, excess)
        out[b] = excess[0]
    return states, out
