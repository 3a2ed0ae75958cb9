"""How fast a heavy vehicle may be, by the road, and how it drives behind others."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, Mask
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.motion.closed_forms import Slope, brake_temperature
from roadcraft.core.driving.motion.drivetrain import AMBIENT_DEGC, LATERAL_SHARE, START_DEGC, drivetrain_of
from roadcraft.core.driving.motion.linear_single_track import static_loads
from roadcraft.core.driving.motion.roll import roll_groups_of
from roadcraft.core.vehicles.geometry import length_of
from roadcraft.core.vehicles.vehicle import GRAVITY_MPS2, Vehicle
from roadcraft.planners.freight_pdm.line import TruckWay
from roadcraft.planners.freight_pdm.others import UsersAhead

_STEEP, _LEVEL_M = 0.02, 50  # fall from which brakes are thought of; shorter level stretches belong to it
OVERRUN_M = 4.0  # by which a place to stand at may be passed and still be stood at
GAP_S = 0.8
"""Time gap at a joint of lanes to who is let pass, and to who follows."""
_SETTLES_S = 4.0  # least time in which a gap to who is let pass opens
_SETS_OFF_MPS2 = 0.3  # with which a truck sets off uphill
_SLOWS_MPS2 = 0.5  # from which on a leader is taken to brake
_SPEEDS = np.arange(5.0, 40.5, 0.5)


class Truck(NamedTuple):
    """What a vehicle can do in its state of load."""

    power: float
    """Power at the wheels, W; infinite where it is not known."""
    force: float
    """Largest drive force, N."""
    rolling: float
    """Rolling resistance, N."""
    drag: float
    """kg/m."""
    inertia: float
    """Mass with what turning parts add, kg."""
    weight: float
    """N."""
    driven: float
    """That on the driven axles, N."""
    brake: float
    """Deceleration of full braking on a dry level road, m/s2."""
    delay: float
    """Dead time of the brakes and half their ramp, s."""
    threshold: float
    """Lateral acceleration at which the first of its units tip, m/s2."""
    front: float
    """Rear axle of unit 0 to its front end, m."""
    behind: float
    """Rear axle of unit 0 to the rear end of the straight vehicle, m."""


class RoadAhead(NamedTuple):
    """The line's S stations, as they concern one vehicle."""

    cap: F64
    """(S,) m/s that are right there."""
    tips: F64
    """(S,) m/s at which the first of the units tip."""
    grade: F64
    """(S,) rise over run."""
    brake: F64
    """(S,) m/s2 of full braking there, grade included."""
    traction: F64
    """(S,) N that the driven axles are to take there."""
    halt: float
    """Station that may not be passed; infinite for none."""
    keep_clear: F64
    """(K, 2) stations between which no unit may stand."""


class TruckManner(NamedTuple):
    """How it is driven: see ``FreightPdmConfig``."""

    accel: float
    gentle: float
    firm: float
    jerk: float
    gap: float
    headway: float
    react: float
    car_brake: float
    truck_brake: float
    passing: float
    slower: float
    dt: float


def truck_of(vehicle: Vehicle, accel_mps2: float, brake_mps2: float) -> Truck:
    """A vehicle's limits; one without masses has the given ones."""
    front, behind = vehicle.body.front_m, length_of(vehicle) - vehicle.body.front_m
    if not vehicle.has_masses:
        mass = 1.0
        return Truck(math.inf, accel_mps2, 0.0, 0.0, mass, 0.0, math.inf, brake_mps2, 0.0, math.inf, front, behind)
    d, brakes = drivetrain_of(vehicle), vehicle.brakes
    assert brakes is not None
    weight, driven = d.mass * GRAVITY_MPS2, float(static_loads(vehicle)[1])
    return Truck(
        d.power, d.launch * d.inertia, d.rolling * weight, d.drag, d.inertia, weight, driven, d.brake,
        brakes.dead_s + 0.5 * brakes.ramp_s, float(roll_groups_of(vehicle).threshold.min()), front, behind,
    )  # fmt: skip


def curve_caps(curvature: F64, bank: F64, friction: F64, truck: Truck, shares: tuple[float, float, float]) -> F64:
    """Speeds (S,) m/s at which a way takes no more than a share of the roll threshold, with the bank, a share of the
    friction, and a lateral acceleration. curvature, bank, friction (S,); shares: of the threshold, of the friction, and
    m/s2."""
    bend = np.maximum(np.abs(curvature), 1e-6)
    inward = np.arctan(np.sign(curvature) * bank)
    tips = GRAVITY_MPS2 * np.tan(np.clip(np.arctan(shares[0] * truck.threshold / GRAVITY_MPS2) + inward, 0.02, 1.4))
    held: F64 = np.sqrt(np.minimum(np.minimum(tips, shares[1] * friction * GRAVITY_MPS2), shares[2]) / bend)
    return held


def brake_caps(vehicle: Vehicle, grade: F64, warm_degC: float, unseen_m: float) -> F64:
    """Speeds (S,) m/s at which the brakes, cold at the top of each downgrade, come to no more than a temperature at its
    bottom. A downgrade that goes on beyond the last station is taken to go on for ``unseen_m``."""
    out = np.full(len(grade), math.inf)
    engine, brakes, mass = vehicle.powertrain, vehicle.brakes, sum(m.mass_kg for m in vehicle.masses)
    if engine is None or brakes is None or not vehicle.has_masses:
        return out
    falls = np.flatnonzero(grade < -_STEEP)
    for part in np.split(falls, np.flatnonzero(np.diff(falls) > _LEVEL_M) + 1) if len(falls) else ():
        a, b = int(part[0]), int(part[-1]) + 1
        reach = b - a + (unseen_m if b > len(grade) - _LEVEL_M else 0.0)
        fall = -float(grade[a:b].mean())
        ends = np.array(
            [
                brake_temperature(mass, START_DEGC, Slope(fall, reach, v, AMBIENT_DEGC), engine, brakes).temperature
                for v in _SPEEDS.tolist()
            ]
        )
        cool = np.flatnonzero(ends <= warm_degC)
        out[a:b] = _SPEEDS[cool[-1]] if len(cool) else _SPEEDS[0]
    return out


def slowed_before(cap: F64, slowing: float) -> F64:
    """Speeds (S,) from which ``slowing`` m/s2 is enough to keep those ahead."""
    s = 2.0 * slowing * np.arange(len(cap))
    square = np.minimum.accumulate((cap * cap + s)[::-1])[::-1]
    return np.asarray(np.sqrt(np.maximum(square - s, 0.0)))


def climbed_after(cap: F64, accel: F64) -> F64:
    """Speeds (S,) that are reached with accelerations (S,) m/s2, none above ``cap``."""
    s = 2.0 * np.cumsum(accel)
    return np.asarray(np.sqrt(np.maximum(np.minimum.accumulate(cap * cap - s) + s, 0.0)))


def braking(truck: Truck, grade: F64, friction: F64) -> F64:
    """Decelerations (S,) of full braking, m/s2, on a road of that grade and friction."""
    grip = math.sqrt(1.0 - LATERAL_SHARE**2) * GRAVITY_MPS2
    return np.maximum(np.minimum(truck.brake, grip * friction) + GRAVITY_MPS2 * grade, 0.5)


def traction_asked(truck: Truck, grade: F64, friction: F64, share: float) -> F64:
    """Force (S,) N that the driven axles are to take: a share of their grip, and as much of it as the truck needs to
    set off uphill."""
    grip = friction * truck.driven
    needed = truck.rolling + truck.weight * grade / np.sqrt(1.0 + grade * grade) + _SETS_OFF_MPS2 * truck.inertia
    return np.asarray(np.maximum(share * grip, np.minimum(grip, needed)))


@small_njit
def pull(truck: Truck, speed: float, grade: float, traction: float, most: float) -> float:
    """Largest acceleration that engine, driven axles (N) and grade give, m/s2, no more than ``most``."""
    force = min(truck.power / max(speed, 1.0), truck.force, traction)
    resisted = truck.rolling + truck.drag * speed * speed + truck.weight * grade / math.sqrt(1.0 + grade * grade)
    return min((force - resisted) / truck.inertia, most)


@small_njit
def stopping_room(gap: float, speed: float, lead: float, brakes: tuple[float, float, float]) -> float:
    """Room left, m, were a leader ``gap`` m ahead to brake fully and the vehicle after a delay: negative where they
    meet. brakes: delay s, the vehicle's m/s2, the leader's."""
    ahead = max(lead, 0.0)
    return gap + 0.5 * ahead * ahead / brakes[2] - speed * brakes[0] - 0.5 * speed * speed / brakes[1]


@small_njit
def behind_a_leader(
    gap: float, speed: float, lead: float, slowing: float, brakes: tuple[float, float, float], manner: TruckManner
) -> float:
    """Acceleration, m/s2, of who has a leader ``gap`` m ahead, which slows down by ``slowing`` m/s2: it comes to its
    time gap gently; stops with the leader if that goes on; firmly where it could not stop; as hard as need be where it
    would touch."""
    over, closing = gap - manner.gap - manner.headway * max(lead, 0.0), max(speed - lead, 0.0)
    allowed = lead + (math.sqrt(2.0 * manner.gentle * over) if over >= 0.0 else over / 8.0)
    need = closing * closing / (2.0 * max(gap - manner.gap, 1.0))
    accel = max(allowed - speed, -max(manner.gentle, 1.3 * min(need, manner.firm / 1.3)))
    room = stopping_room(gap - 1.0, speed, lead, brakes)
    if room < 0.0:
        accel = min(accel, -min(manner.firm, 0.6 - 0.15 * room))
    if slowing > _SLOWS_MPS2:
        room = gap - 0.6 * manner.gap + 0.5 * lead * lead / slowing - manner.react * speed
        need = 0.5 * speed * speed / max(room, 1.0)
        if need > 0.6 * manner.gentle:
            accel = min(accel, -1.05 * need)
    least = closing * closing / (2.0 * max(gap - 1.5, 0.2))
    return min(accel, -1.25 * least) if least > 0.8 * manner.firm else accel


@small_njit
def gap_at_joint(lead: float, manner: TruckManner) -> float:
    """Gap, m, with which it comes to a joint of lanes behind who drives with a speed."""
    return manner.gap + GAP_S * max(lead, 0.0)


@small_njit
def speed_to_let_pass(rear: float, lead: float, front: float, left_m: float, now: tuple[float, TruckManner]) -> float:
    """Speed, m/s, with which the gap behind who is let pass has opened ``left_m`` m farther on, at the joint. rear,
    front: stations of its rear and of the vehicle's front; now: the vehicle's speed, and its manner."""
    speed, manner = now
    over = rear - front - gap_at_joint(lead, manner)
    if over >= 0.0:
        return lead + math.sqrt(2.0 * manner.gentle * over)
    return lead + over / max(left_m / max(speed, 1.0), _SETTLES_S)


@small_njit
def speed_to_stop(room: float, delay: float, brake: float) -> float:
    """Speed, m/s, from which it stops within ``room`` m, after a delay."""
    return brake * (math.sqrt(delay * delay + 2.0 * max(room, 0.0) / brake) - delay)


@njit(cache=True, nogil=True)
def drive_on(
    start: tuple[float, float, float],
    share: float,
    way: TruckWay,
    road: RoadAhead,
    driver: tuple[Truck, TruckManner],
    leaders: tuple[UsersAhead, Mask, F64, F64, tuple[int, float]],
    steps: tuple[int, int],
    out: tuple[F64, F64, F64],
) -> float:
    """Drives along a way. start: station, speed, acceleration; share: of the speed that is right, negative: stops as
    hard as that many m/s2; leaders: others, who of them is in the way (M, S), stations (H,) at which to stand,
    speeds (S,) at which it could stop within what it sees, or that befit the traffic beside it, and who of the others
    is let pass before which station, -1 for nobody;
    steps: between two states of the others, and how many count for the answer: the share of these at which it could not
    stop behind a leader. Fills out: station, speed, acceleration (T,)."""
    station, speed, accel = out
    truck, manner = driver
    others, blocks, halts, befits, (passer, joint) = leaders
    every, counted = steps
    s, v, a = start
    station[0], speed[0], accel[0] = s, v, a
    short, last = 0, len(road.cap) - 1
    for t in range(1, len(station)):
        i = min(max(int(s), 0), last)
        full = road.brake[i]
        brakes = (manner.react + truck.delay, full, manner.car_brake)
        if share < 0.0:
            want = share
        else:
            ahead = min(max(int(s + 0.7 * v), 0), last)
            cap = share * min(road.cap[ahead], befits[min(max(ahead - way.first, 0), len(befits) - 1)])
            want = max(cap - v, -manner.gentle if cap > v - 4.0 else -0.5 * (manner.gentle + manner.firm))
            want = min(want, pull(truck, v, road.grade[i], road.traction[i], manner.accel))
        lacking, moment = False, t // every
        for j in range(len(blocks)):
            if not blocks[j, moment]:
                continue
            rear, front = others.span[j, moment, 0], others.span[j, moment, 1]
            if 0.5 * (rear + front) < s + 0.5 * truck.front:
                continue
            lead = others.speed[j, moment]
            slows = others.slowing[j] if lead > 0.0 and others.speed[j, 0] > lead - 0.01 else 0.0
            gap = max(rear - s - truck.front, 0.0)
            felt = (brakes[0], full, manner.truck_brake if others.long[j] else manner.car_brake)
            lacking = lacking or stopping_room(gap, v, lead, felt) < 0.0
            want = min(want, behind_a_leader(gap, v, lead, slows, felt, manner))
        if passer >= 0 and s < joint and share >= 0.0:
            rear, lead, front = others.span[passer, moment, 0], others.speed[passer, moment], s + truck.front
            right = speed_to_let_pass(rear, lead, front, joint - front, (v, manner))
            want = min(want, max(right - v, -manner.gentle))
        for k in range(len(halts)):
            far = halts[k] - s - truck.front
            if far > -OVERRUN_M:
                gap = max(far + manner.gap - 0.5, 0.0)
                want = min(want, behind_a_leader(gap, v, 0.0, 0.0, brakes, manner))
        jerk = manner.jerk if want >= -manner.firm and share >= 0.0 else 4.0 * manner.jerk
        a = min(max(want, a - jerk * manner.dt), a + jerk * manner.dt)
        a = max(a, -full)
        after = max(v + a * manner.dt, 0.0)
        k = min(max(int(s) - way.first, 0), len(way.stretch) - 1)
        s += 0.5 * (v + after) * manner.dt / way.stretch[k]
        if after == 0.0 and a < 0.0:
            a = 0.0
        v = after
        station[t], speed[t], accel[t] = s, v, a
        short += lacking and t <= counted
    return short / counted
