"""Somebody at the wheel: a course and a pace are driven by the tracker of trucks and the dynamic chain."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.motion.dynamic_chain import (
    DynamicChain,
    advance_dynamic,
    dynamic_chain_of,
    level_road,
    motion_columns,
    start_motion,
)
from roadcraft.core.driving.motion.truck_lqr import track_trucks, truck_gains
from roadcraft.core.driving.motion.truck_lqr_config import TruckLqrConfig
from roadcraft.core.scenario import EGO_SIZE, Ego
from roadcraft.core.vehicle import Vehicle
from roadcraft.scenario_io.synthetic.freight.course import Course, joints_on, poses_on
from roadcraft.scenario_io.synthetic.freight.pace import TICK_S, Pace

WRECKED = 2.0
"""Load transfer ratio at which a drive ends."""
FRAME_S = 0.05
"""Time between two frames of a drive."""
_AHEAD, _BACK_S, _MOST_M = 30, 4.0, 8.0  # knots of a plan; time in which it comes back to its pace, and from how far


class TruckDrive(NamedTuple):
    """F frames of ``FRAME_S``."""

    ego: F64
    """(F, 10), columns ``Ego``, local frame."""
    joints: F64
    """(F, J) rad."""
    motion: F64
    """(F, M), columns of ``motion_columns``."""
    s: F64
    """(F,) m along the course."""


@lru_cache(maxsize=64)
def chain_model(vehicle: Vehicle) -> DynamicChain:
    """The vehicle for the dynamic chain."""
    return dynamic_chain_of(vehicle)


def start_on(course: Course, s: float, speed: float, vehicle: Vehicle) -> tuple[F64, F64]:
    """Ego state (1, 10) and joints (1, J) of a truck that has come along a course so far."""
    ego, curvature = np.zeros((1, EGO_SIZE)), float(np.interp(s, course.s, course.curvature))
    ego[0, :3] = poses_on(course, np.array([s]))[0]
    ego[0, Ego.VX], ego[0, Ego.YAW_RATE] = speed, speed * curvature
    ego[0, Ego.STEERING] = np.arctan(vehicle.body.wheel_base_m * curvature)
    return ego, joints_on(course, s, vehicle)[None]


def drive_along(course: Course, plan: Pace, vehicle: Vehicle) -> TruckDrive:
    """Drives a pace along a course."""
    ego, joints = start_on(course, float(plan.s[0]), float(plan.speed[0]), vehicle)
    motion, model = start_motion(vehicle, ego, joints), chain_model(vehicle)
    gains, links = truck_gains(vehicle, TruckLqrConfig()), vehicle.joints
    steps = len(plan.s)
    out = [np.empty((2 * steps - 1, a.shape[1])) for a in (ego, joints, motion)]
    arcs, s, road, half = np.empty(2 * steps - 1), float(plan.s[0]), level_road(vehicle, 1), np.full(1, FRAME_S)
    transfers = [k for k, name in enumerate(motion_columns(vehicle)) if name.startswith("load_transfer")]
    knots, length, now = np.arange(_AHEAD + 1) * TICK_S, np.array([_AHEAD + 1], np.int64), np.zeros(1, np.int64)
    times: I64 = np.round(knots * 1e6).astype(np.int64)[None]
    back, count = np.exp(-knots / _BACK_S), np.arange(steps)
    for k in range(steps):
        s = _along(course, ego[0], s)
        for column, value in zip(out, (ego, joints, motion), strict=True):
            column[2 * k] = value[0]
        arcs[2 * k] = s
        if k == steps - 1:
            break
        if np.abs(motion[0, transfers]).max() > WRECKED or not np.isfinite(ego).all():
            return _wrecked(out, arcs, 2 * k)
        wanted = np.interp(k + np.arange(_AHEAD + 1), count, plan.s)
        wanted[k + np.arange(_AHEAD + 1) > steps - 1] += plan.speed[-1] * (
            knots[k + np.arange(_AHEAD + 1) > steps - 1] - (steps - 1 - k) * TICK_S
        )
        late = s - wanted[0]
        wanted += late - np.clip(late, -_MOST_M, _MOST_M) * (1.0 - back)
        states = np.zeros((1, _AHEAD + 1, EGO_SIZE))
        states[0, :, :3] = poses_on(course, np.maximum.accumulate(wanted))
        states[0, 0] = ego[0]
        rates = np.ascontiguousarray(motion[:, : links + 1])
        controls = track_trucks(ego, joints, rates, now, (times, states, length), gains)
        road[0, 0], road[0, 1] = np.interp(s, course.s, course.grade), np.interp(s, course.s, course.bank)
        road[0, 4:] = np.interp(s, course.s, course.friction)
        for j in range(2):
            ego, joints, motion = advance_dynamic(ego, joints, motion, controls, half, road, model)
            if j == 0:
                for column, value in zip(out, (ego, joints, motion), strict=True):
                    column[2 * k + 1] = value[0]
                arcs[2 * k + 1] = s + FRAME_S * ego[0, Ego.VX]
    return TruckDrive(out[0], out[1], out[2], arcs)


def _wrecked(out: list[F64], arcs: F64, k: int) -> TruckDrive:
    """The drive of a truck that lies on its side from frame ``k`` on."""
    for column in out:
        column[k + 1 :] = column[k]
    out[0][k + 1 :, Ego.VX :] = 0.0
    arcs[k + 1 :] = arcs[k]
    return TruckDrive(out[0], out[1], out[2], arcs)


def _along(course: Course, ego: F64, s: float) -> float:
    """Place along the course of the rear axle, which was last at ``s``."""
    low = min(int(np.searchsorted(course.s, s - 2.0)), len(course.s) - 2)
    near = slice(low, low + 20)
    gap = course.xy[near] - ego[:2]
    i = near.start + int(np.argmin((gap * gap).sum(1)))
    h = course.heading[i]
    along = (ego[0] - course.xy[i, 0]) * np.cos(h) + (ego[1] - course.xy[i, 1]) * np.sin(h)
    return float(course.s[i] + along)
