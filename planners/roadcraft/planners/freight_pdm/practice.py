"""The way driven in mind: by the tracker of trucks and the dynamic chain, at several speeds, for those at which its
trailers stay where they are to be, and, in wind, for the way on which it leaves them there."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.scenario import EGO_SIZE, Ego
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
from roadcraft.core.vehicles.state import level_road
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.planners.freight_pdm.line import Line, LineEdges, TruckWay, reach_out, sweep

SCALES = np.array([1.0, 0.92, 0.84, 0.76, 0.68, 0.6, 0.5])
"""Shares of the speed that are tried."""
_TICK_S, _AHEAD = 0.1, 30
_BUSY_MPS2, _WINDY_MPS = 0.5, 10.0  # lateral acceleration and wind from which on a stretch is driven
_BEFORE, _AFTER, _BACK_S = 60, 90, 2.5  # stations around it; time before a swing from which on it is to be slower
_ROUNDS, _SHARE = 4, 0.8  # drives, and by how much of what was seen the way is moved after each
_SMOOTH_M, _GAPS_M, _ENDS_M = 7.0, 7, 40.0  # of that; between points that are looked at; where nothing is moved
_MOST_OFF_M = 1.0


class Swings(NamedTuple):
    """What may come of a drive."""

    transfer: float
    """Largest load transfer ratio."""
    excess: float
    """How much farther beyond the lane the units may come than at the lowest speed, m."""
    lateral: float
    """Largest lateral acceleration of a unit, m/s2."""


class Practice(NamedTuple):
    """What a drive in mind tells of a line's S stations."""

    share: F64
    """(S,) of the speed, at which nothing swings farther than it may."""
    offset: F64
    """(S,) of unit 0's rear axle, with which the middle of what all units sweep in the wind lies where it would if they
    rolled along the way that was asked for."""
    lee: F64
    """(S, 2): see :class:`LineEdges`."""


def practiced(
    line: Line,
    edges: LineEdges,
    offset: F64,
    cap: F64,
    surface: tuple[F64, F64, F64, F64],
    vehicle: Vehicle,
    most: Swings,
) -> Practice:
    """A way with offsets (S,) driven at shares of the speeds ``cap`` (S,). surface: grade, bank, friction (S,) and wind
    (S, 2). At the lowest share of ``SCALES`` whatever comes is taken."""
    chain, straight = chain_of(vehicle), np.zeros(vehicle.joints)
    way = sweep(line, edges, offset, 0, straight, chain)
    goal = way.band.mean(axis=1)
    right, left = np.minimum(way.band[:, 0], edges.own[:, 0]), np.maximum(way.band[:, 1], edges.own[:, 1])
    windy = np.hypot(surface[3][:, 0], surface[3][:, 1]) > _WINDY_MPS
    busy = np.flatnonzero((np.abs(way.curvature) * cap * cap > _BUSY_MPS2) | windy)
    out, moved, lee = np.ones(len(cap)), offset.copy(), np.zeros((len(cap), 2))
    for part in np.split(busy, np.flatnonzero(np.diff(busy) > _BEFORE + _AFTER) + 1) if len(busy) else ():
        a, b = max(int(part[0]) - _BEFORE, 0), min(int(part[-1]) + _AFTER, len(cap) - 1)
        if b - a <= 10:
            continue
        share, seen = _driven(line, edges, way, (a, b), cap, surface, vehicle, most)
        for k in range(_ROUNDS if windy[a:b].any() else 0):
            farther = np.where(np.isfinite(seen), seen, 0.0) - _reach(way.band[a:b])
            known = np.isfinite(seen).all(axis=1, keepdims=True)
            lee[a:b] = _smoothed(np.where(known, np.clip(farther, -_MOST_OFF_M, _MOST_OFF_M), 0.0))
            if k == _ROUNDS - 1:
                break
            moved[a:b] -= _SHARE * (way.band[a:b].mean(axis=1) + lee[a:b].mean(axis=1) - goal[a:b])
            way = sweep(line, edges, moved, 0, straight, chain)
            share, seen = _driven(line, edges, way, (a, b), cap, surface, vehicle, most)
        out[a:b] = share
    # what cannot be helped is not held against who keeps to this way
    lee[:, 0], lee[:, 1] = np.maximum(lee[:, 0], right - way.band[:, 0]), np.minimum(lee[:, 1], left - way.band[:, 1])
    return Practice(out, moved, lee)


def _smoothed(lee: F64) -> F64:
    """How much farther units reach (W, 2), smooth, and nowhere at the ends of a stretch, where not all of them were."""
    from scipy.ndimage import gaussian_filter1d

    k = np.arange(len(lee))
    ends = np.clip(np.minimum(k, k[::-1]) / _ENDS_M, 0.0, 1.0)
    return np.asarray(gaussian_filter1d(ends[:, None] * lee, _SMOOTH_M, axis=0, mode="nearest"))


def _driven(
    line: Line,
    edges: LineEdges,
    way: TruckWay,
    span: tuple[int, int],
    cap: F64,
    surface: tuple[F64, F64, F64, F64],
    vehicle: Vehicle,
    most: Swings,
) -> tuple[F64, F64]:
    """The share of the speed at each station of a span (b - a,), and the band (b - a, 2) that all units sweep there at
    that share, not finite where none was seen."""
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
    band, links = np.tile([np.inf, -np.inf], (count, b - a, 1)), vehicle.joints
    for _ in range(int(time.max() / _TICK_S) + 1):
        states, excess = _look(line, edges, pose, time, (ego, joints), at, (a, chain), band)
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
    bad |= np.arange(b - a) > np.where(at < b - a - 2, at, b - a)[:, None]  # where it never got to
    row = np.zeros(b - a, np.int64)
    for k in range(b - a):
        back = int(_BACK_S * cap[a + k])
        for r in range(count - 1):
            if bad[r, k]:
                low = max(k - back, 0)
                row[low : k + 10] = np.maximum(row[low : k + 10], r + 1)
    return SCALES[row], _reach(band[row, np.arange(b - a)])


def _reach(band: F64) -> F64:
    """A band (W, 2) of which only points were seen, as it reaches on both sides of each."""
    from scipy.ndimage import maximum_filter1d, minimum_filter1d

    low, high = (f(band[:, k], _GAPS_M, mode="nearest") for k, f in enumerate((minimum_filter1d, maximum_filter1d)))
    return np.stack([low, high], 1)


@njit(cache=True, nogil=True)
def _look(
    line: Line,
    edges: LineEdges,
    pose: F64,
    time: F64,
    vehicle: tuple[F64, F64],
    at: I64,
    begin: tuple[int, ChainArrays],
    band: F64,
) -> tuple[F64, F64]:
    """Plans (B, 31, 10) of the next 3 s, and how far the units stand beyond the lane (B,). pose (N, 3): of the way;
    time (B, N) at which to be there; at (B,): where unit 0 was last, and then where it is; band (B, W, 2): what was
    swept at each station of the way, and then what is."""
    (ego, joints), (first, chain) = vehicle, begin
    states, out = np.zeros((len(ego), _AHEAD + 1, 10)), np.empty(len(ego))
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
        reach_out(line, edges, units, chain, (first + k, first), band[b], excess)
        out[b] = excess[0]
    return states, out
