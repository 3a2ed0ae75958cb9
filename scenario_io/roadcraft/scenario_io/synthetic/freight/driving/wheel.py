"""Somebody at the wheel: a course and a pace are driven by the tracker of trucks and the dynamic chain."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.scenario import EGO_SIZE, Ego
from roadcraft.core.driving.motion.dynamic_chain import (
    DynamicChain,
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
from roadcraft.scenario_io.synthetic.freight.driving.course import Course, joints_on, poses_on
from roadcraft.scenario_io.synthetic.freight.driving.pace import TICK_S, Pace

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
    course: Course
    """The course that was meant."""
    plan: Pace
    """The pace that was meant."""

    def until(self, step: int) -> TruckDrive:
        """The drive up to a step of ``TICK_S``."""
        k = 2 * step + 1
        return self._replace(ego=self.ego[:k], joints=self.joints[:k], motion=self.motion[:k], s=self.s[:k])


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


def plan_ahead(course: Course, plan: Pace, ego: F64, s: float, k: int) -> F64:
    """States (31, 10) of the next 3 s, every ``TICK_S``, of who is at ``s`` along a course at step k of a pace: back to
    the pace within some seconds. ego (10,): the first of them."""
    at = k + np.arange(_AHEAD + 1)
    beyond = np.maximum(at - (len(plan.s) - 1), 0) * TICK_S
    wanted = np.interp(at, np.arange(len(plan.s)), plan.s) + plan.speed[-1] * beyond
    late = s - wanted[0]
    wanted += late - np.clip(late, -_MOST_M, _MOST_M) * (1.0 - np.exp(-np.arange(_AHEAD + 1) * TICK_S / _BACK_S))
    states = np.zeros((_AHEAD + 1, EGO_SIZE))
    states[:, :3] = poses_on(course, np.maximum.accumulate(wanted))
    states[0] = ego
    return states


def drive_along(course: Course, plan: Pace, vehicle: Vehicle, before: TruckDrive | None = None) -> TruckDrive:
    """Drives a pace along a course. before: a drive that it continues, step by step, from its last one."""
    steps, model, gains = len(plan.s), chain_model(vehicle), truck_gains(vehicle, TruckLqrConfig())
    if before is None:
        first, (ego, joints) = 0, start_on(course, float(plan.s[0]), float(plan.speed[0]), vehicle)
        motion = start_motion(vehicle, ego, joints)
    else:
        first = (len(before.s) - 1) // 2
        ego, joints, motion = (np.ascontiguousarray(x[-1:]) for x in (before.ego, before.joints, before.motion))
    out = [np.empty((2 * steps - 1, a.shape[1])) for a in (ego, joints, motion)]
    arcs, s, road, half = (
        np.empty(2 * steps - 1),
        float(plan.s[first]),
        road_rows(level_road(1), vehicle),
        np.full(1, FRAME_S),
    )
    if before is not None:
        for column, old in zip(out, (before.ego, before.joints, before.motion), strict=True):
            column[: 2 * first] = old[:-1]
        arcs[: 2 * first] = before.s[:-1]
    transfers = [k for k, name in enumerate(motion_columns(vehicle)) if name.startswith("load_transfer")]
    length, now, links = np.array([_AHEAD + 1], np.int64), np.zeros(1, np.int64), vehicle.joints
    times: I64 = np.round(np.arange(_AHEAD + 1) * TICK_S * 1e6).astype(np.int64)[None]
    for k in range(first, steps):
        s = along(course, ego[0], s)
        for column, value in zip(out, (ego, joints, motion), strict=True):
            column[2 * k] = value[0]
        arcs[2 * k] = s
        if k == steps - 1:
            break
        if np.abs(motion[0, transfers]).max() > WRECKED or not np.isfinite(ego).all():
            _wreck(out, arcs, 2 * k)
            break
        states = plan_ahead(course, plan, ego[0], s, k)[None]
        rates = np.ascontiguousarray(motion[:, : links + 1])
        controls = track_trucks(ego, joints, rates, now, (times, states, length), gains)
        road[0, 0], road[0, 1] = np.interp(s, course.s, course.grade), np.interp(s, course.s, course.bank)
        road[0, 2:4] = course.wind[min(int(np.searchsorted(course.s, s)), len(course.s) - 1)]
        road[0, 4:] = np.interp(s, course.s, course.friction)
        for j in range(2):
            ego, joints, motion = advance_dynamic(ego, joints, motion, controls, half, road, model)
            if j == 0:
                for column, value in zip(out, (ego, joints, motion), strict=True):
                    column[2 * k + 1] = value[0]
                arcs[2 * k + 1] = s + FRAME_S * ego[0, Ego.VX]
    return TruckDrive(out[0], out[1], out[2], arcs, course, plan)


def _wreck(out: list[F64], arcs: F64, k: int) -> None:
    """Lets a truck lie on its side from frame ``k`` on."""
    for column in out:
        column[k + 1 :] = column[k]
    out[0][k + 1 :, Ego.VX :] = 0.0
    arcs[k + 1 :] = arcs[k]


def along(course: Course, ego: F64, s: float) -> float:
    """Place along the course of the rear axle, which was last at ``s``."""
    low = min(int(np.searchsorted(course.s, s - 2.0)), len(course.s) - 2)
    near = slice(low, low + 20)
    gap = course.xy[near] - ego[:2]
    i = near.start + int(np.argmin((gap * gap).sum(1)))
    h = course.heading[i]
    along = (ego[0] - course.xy[i, 0]) * np.cos(h) + (ego[1] - course.xy[i, 1]) * np.sin(h)
    return float(course.s[i] + along)


def nearest(course: Course, ego: F64) -> float:
    """Place along a course of a rear axle anywhere beside it."""
    gap = course.xy - ego[:2]
    return along(course, ego, float(course.s[int(np.argmin((gap * gap).sum(1)))]))
