"""When a driver is where along its course: the fastest motion that its manner, its engine and those ahead allow.

The driver knows all that will happen, unless its sight is short. At each step it takes the largest acceleration after
which gentle braking still keeps everything that its manner asks for; where nothing does, it brakes as hard as it will.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.motion.drivetrain import drivetrain_of
from roadcraft.core.vehicles.vehicle import GRAVITY_MPS2, Vehicle
from roadcraft.scenario_io.synthetic.freight.driving.course import POINT_M, Course

TICK_S = 0.1
"""Time between two steps of a pace."""
ENGINE_SHARE = 0.9
"""Share of the engine's power that a plan counts on."""
LEADER_BRAKE_MPS2 = 8.0
"""Deceleration that a moving vehicle ahead may brake with."""
_TRIES = 12


class Manner(NamedTuple):
    """How a driver goes about it."""

    accel: float = 1.0
    """Largest acceleration it asks for, m/s2."""
    decel: float = 1.0
    """Gentle deceleration, m/s2."""
    jerk: float = 0.7
    """Largest change of the acceleration while gentle, m/s3."""
    hard: float = 4.0
    """Largest deceleration, m/s2."""
    gap: float = 5.0
    """Distance kept from whoever stands ahead, m."""
    headway: float = 2.0
    """Time kept from whoever is ahead, s."""
    react: float = 0.3
    """Reaction counted in the stopping distance, s; infinite where the driver does not think of it."""
    sight: float = inf
    """How far it sees whoever is ahead, m."""
    foresight: bool = True
    """Whether it knows what those ahead will do; else it takes them to go on as they do."""
    engine: float = ENGINE_SHARE
    """Share of the engine's power that it counts on; infinite for a driver who forgets it."""


CAR_BRAKE_MPS2 = 2.0
"""Deceleration that a driver of cars finds comfortable."""
CAR_DRIVER = Manner(
    decel=CAR_BRAKE_MPS2, jerk=2.0, hard=CAR_BRAKE_MPS2, react=inf, headway=1.0, foresight=False, engine=inf
)
"""Whoever drives a truck as if it were a car, and takes others to go on as they do."""


class Ahead(NamedTuple):
    """Who is ahead, every ``TICK_S``: T steps."""

    s: F64
    """(T,) place of its rear along the course, m; infinite where nobody is."""
    speed: F64
    """(T,) m/s."""


class Pace(NamedTuple):
    """T steps of ``TICK_S``."""

    s: F64
    """(T,) m along the course, of unit 0's rear axle."""
    speed: F64
    """(T,) m/s."""
    accel: F64
    """(T,) m/s2."""


class _Limits(NamedTuple):
    cap: F64  # (P,) m/s by point of the course
    grade: F64  # (P,)
    front: float  # rear axle to front end, m
    power: float  # W/kg
    launch: float
    drag: float  # 1/m
    rolling: float
    turning: float  # factor of turning parts
    brake: float
    delay: float  # dead time and half the ramp, s
    lead_brake: float


def nobody(count: int) -> Ahead:
    """Free road for ``count`` steps."""
    return Ahead(np.full(count, np.inf), np.zeros(count))


def pace(start: tuple[float, float], course: Course, cap: F64, ahead: Ahead, manner: Manner, vehicle: Vehicle) -> Pace:
    """The motion from a place (m) and speed (m/s). cap (P,): largest speed m/s at the points of the course."""
    share = manner.engine if manner.engine < inf else 1e6
    brakes, drive = vehicle.brakes, drivetrain_of(vehicle)
    delay = 0.0 if brakes is None else brakes.dead_s + 0.5 * brakes.ramp_s
    even = np.arange(0.0, course.s[-1], POINT_M)
    limits = _Limits(
        cap=np.interp(even, course.s, cap),
        grade=np.interp(even, course.s, course.grade),
        front=vehicle.body.front_m,
        power=share * drive.power / drive.mass,
        launch=min(drive.launch, manner.accel),
        drag=drive.drag / drive.mass,
        rolling=drive.rolling,
        turning=drive.inertia / drive.mass,
        brake=drive.brake,
        delay=delay,
        lead_brake=LEADER_BRAKE_MPS2,
    )
    return Pace(*_pace(start[0], start[1], ahead, manner, limits))


@njit(cache=True, nogil=True)
def _at(values, s):  # type: ignore[no-untyped-def]
    return values[min(max(int(s / POINT_M), 0), len(values) - 1)]


@njit(cache=True, nogil=True)
def _most(s, v, limits):  # type: ignore[no-untyped-def]
    """Largest acceleration that the engine gives."""
    force = min(limits.power / max(v, 1.0), (limits.launch + 0.05) * limits.turning + GRAVITY_MPS2 * limits.rolling)
    force = max(force, min(limits.power / max(v, 1.0), GRAVITY_MPS2 * (limits.rolling + _at(limits.grade, s)) + 0.3))
    resisted = GRAVITY_MPS2 * (limits.rolling + _at(limits.grade, s)) + limits.drag * v * v
    return min((force - resisted) / limits.turning, limits.launch)


@njit(cache=True, nogil=True)
def _allowed(t, s, v, view, ahead, manner, limits):  # type: ignore[no-untyped-def]
    """Whether the manner allows to be there at that speed. view: whether it sees who is ahead, and the step whose
    motion it takes to go on, -1 for none."""
    seen, now = view
    if v > _at(limits.cap, s) + 0.02:
        return False
    rear, lead = (ahead.s[t], ahead.speed[t]) if now < 0 else (ahead.s[now], ahead.speed[now])
    if not seen or rear == inf:
        return True
    lead = max(lead, 0.0)
    gap = rear - s - limits.front + (lead * (t - now) * TICK_S if now >= 0 else 0.0)
    if gap < manner.gap + manner.headway * v:
        return False
    if manner.react == inf:
        return True
    brake = max(limits.brake + GRAVITY_MPS2 * _at(limits.grade, s), 0.5)
    need = v * (manner.react + limits.delay) + 0.5 * v * v / brake
    return gap + 0.5 * lead * lead / limits.lead_brake > need + 0.5 * manner.gap


@njit(cache=True, nogil=True)
def _holds(t, s, v, a, view, ahead, manner, limits):  # type: ignore[no-untyped-def]
    """Whether gentle braking from there on keeps all that the manner asks for."""
    steps = len(ahead.s)
    while True:
        if not _allowed(min(t, steps - 1), s, v, view, ahead, manner, limits):
            return False
        if t >= steps + 100 or (v <= 0.0 and t >= steps - 1):
            return True
        a = max(a - manner.jerk * TICK_S, -manner.decel)
        after = max(v + a * TICK_S, 0.0)
        s += 0.5 * (v + after) * TICK_S
        v = after
        if v <= 0.0 and a < 0.0:
            a = 0.0 if not view[0] or t >= steps else a
        t += 1


@njit(cache=True, nogil=True)
def _pace(s, v, ahead, manner, limits):  # type: ignore[no-untyped-def]
    steps, a = len(ahead.s), 0.0
    out = np.empty((3, steps))
    for t in range(steps):
        out[0, t], out[1, t], out[2, t] = s, v, a
        view = ahead.s[t] - s - limits.front <= manner.sight, -1 if manner.foresight else t
        top = min(a + manner.jerk * TICK_S, _most(s, v, limits))
        low = max(a - manner.jerk * TICK_S, -manner.decel)
        chosen, found = min(low, top), False
        for k in range(_TRIES + 1):
            trial = top + (low - top) * k / _TRIES if top > low else top
            after = max(v + trial * TICK_S, 0.0)
            if _holds(t + 1, s + 0.5 * (v + after) * TICK_S, after, trial, view, ahead, manner, limits):
                chosen, found = trial, True
                break
        if not found:  # brake as hard as need be
            chosen = max(a - 5.0 * TICK_S, -manner.hard) if _urgent(t, s, v, view[0], ahead, limits) else min(low, top)
        after = max(v + chosen * TICK_S, 0.0)
        if after <= 0.0:
            chosen = -v / TICK_S
        s += 0.5 * (v + after) * TICK_S
        v, a = after, chosen if after > 0.0 else 0.0
    return out[0], out[1], out[2]


@njit(cache=True, nogil=True)
def _urgent(t, s, v, seen, ahead, limits):  # type: ignore[no-untyped-def]
    """Whether gentle braking would end in a collision or far too fast."""
    if v > 1.1 * _at(limits.cap, s) + 0.5:
        return True
    if not seen or ahead.s[t] == inf:
        return False
    gap, lead = ahead.s[t] - s - limits.front - 2.0, max(ahead.speed[t], 0.0)
    return v > lead and (v - lead) ** 2 > 2.0 * 1.0 * max(gap, 0.1)
