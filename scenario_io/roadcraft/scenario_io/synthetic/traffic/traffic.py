"""Traffic in steps of 50 ms: IDM along the paths, gates, zipper merges, lane changes, pedestrians. One numba kernel per
world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, Mask
from roadcraft.core.driving.jit import njit
from roadcraft.scenario_io.synthetic.roads.paths import PathTable
from roadcraft.scenario_io.synthetic.traffic import drivers as dr
from roadcraft.scenario_io.synthetic.traffic.drivers import (
    ACCEL,
    ARRIVED,
    CHANGES,
    CONTROL_ALL_WAY,
    CONTROL_LIGHT,
    CONTROL_STOP,
    DECEL,
    FORCED_AFTER,
    FORCED_FAR,
    FORCED_NEAR,
    FORCED_SIDE,
    FRONT,
    GAP,
    GATE_WALK,
    GREEN,
    HEADWAY,
    HELD,
    JERK,
    LENGTH,
    NOISE,
    NOISE_PHASE,
    REAR,
    RED,
    SCRIPT,
    SHIFT,
    SHIFT_L,
    SHIFT_S,
    SPAWN,
    SPEED_FACTOR,
    STEP,
    TOP_SPEED,
    WIDTH,
    YELLOW,
    A,
    S,
    V,
)  # fmt: skip

DT = 0.05


class Streets(NamedTuple):
    """What the drivers drive on."""

    roads: dr.PathArrays
    gates: dr.Gates
    conflicts: dr.Conflicts


@dataclass(frozen=True)
class Walkers:
    """Q pedestrians: waypoints (Q, 4, 2) of their walk; curb (Q, 2) arcs at which they step on and off the road (inf:
    never); walk (Q,) crosswalk or -1; group (Q,) light group they obey or -1; speed (Q,); go (Q,) time from which
    they want to cross; start (Q,) arc."""

    waypoints: F64
    curb: F64
    walk: NDArray[np.int64]
    group: NDArray[np.int64]
    speed: F64
    go: F64
    start: F64


class Told(NamedTuple):
    """Bodies that move as told, whatever the traffic does, T steps: box (T, G, 5), speed (T, G). The first of them is
    the ego's towing unit; drivers see all of them."""

    box: F64
    speed: F64


class Program(NamedTuple):
    """What is laid down for T steps: lights (T, groups) LightState; script (R, T) speed caps of the drivers whose
    SCRIPT column names the row; bodies that move as told."""

    lights: NDArray[np.uint8]
    script: F64
    told: Told | None = None


@dataclass(frozen=True)
class Motion:
    """What happened, T steps: box (T, N, 5) of drivers (reference point for driver 0, the ego), speed and accel (T, N),
    active (T, N), path (T, N), s (T, N), gap and lead (T,) of the ego, walkers (T, Q, 3) and their speed (T, Q)."""

    box: F64
    speed: F64
    accel: F64
    active: Mask
    path: NDArray[np.int64]
    s: F64
    gap: F64
    lead: NDArray[np.int64]
    walker: F64
    walker_speed: F64


def drive(
    table: PathTable,
    path: NDArray[np.int64],
    state: F64,
    const: F64,
    program: Program,
    walkers: Walkers,
    zipper_range: float = 70.0,
) -> Motion:
    """Runs the traffic as long as the program lasts. path (N,), state (N, STATES), const (N, CONSTANTS): driver 0 is
    the ego, unless the program tells the ego how to move."""
    t, (lights, script, told) = table, program
    conflicts = dr.Conflicts(t.conn_s, t.conf_in, t.conf_out, t.priority, t.conn_light, t.conn_control)
    gates = dr.Gates(t.gate_off, t.gate_s, t.gate_kind, t.gate_light, t.gate_conn, t.gate_walk, t.gate_xy)
    direction = np.stack([np.cos(t.heading), np.sin(t.heading)], 1)
    roads = dr.PathArrays(t.off, t.xy, t.heading, t.cap, t.left, t.right, t.merge_s, direction)
    n, q = len(path), len(walkers.walk)
    drivers = dr.Drivers(
        np.zeros(n, np.bool_), np.zeros(n, np.bool_), path.copy(), np.zeros(n, np.int64), state.copy(), const.copy()
    )
    led = told or Told(np.zeros((len(lights), 0, 5)), np.zeros((len(lights), 0)))
    g = led.speed.shape[1]
    box, speed, active = np.zeros((n + q + g, 5)), np.zeros(n + q + g), np.zeros(n + q + g, np.bool_)
    active[n:] = True
    w = walkers
    people = dr.People(
        w.waypoints, w.curb, w.walk, w.group, w.speed, w.go, w.start.copy(), np.zeros(q, np.int64), box[n : n + q],
        speed[n : n + q],
    )  # fmt: skip
    bodies = dr.Bodies(box, speed, active, n + q if g else 0)
    return Motion(*_run(Streets(roads, gates, conflicts), drivers, bodies, people, lights, script, zipper_range, led))


@njit(cache=True, nogil=True)
def _run(streets, drivers, bodies, people, lights, script, zipper_range, told):
    steps, n, q = len(lights), len(drivers.path), len(people.walk)
    roads, gates = streets.roads, streets.gates
    on, gone, path, _, state, const = drivers
    box, speed, accel = np.zeros((steps, n, 5)), np.zeros((steps, n)), np.zeros((steps, n))
    active, paths, arcs = np.zeros((steps, n), np.bool_), np.zeros((steps, n), np.int64), np.zeros((steps, n))
    gap, lead = np.full(steps, np.inf), np.full(steps, -1, np.int64)
    walker, walker_speed = np.zeros((steps, q, 3)), np.zeros((steps, q))
    want = np.zeros(n)
    for k in range(steps):
        now = dr.Moment(k, k * DT, lights[k], script)
        bodies.box[n + q :], bodies.speed[n + q :] = told.box[k], told.speed[k]
        _walk(now, people, drivers, gates)
        for i in range(n):
            if not on[i] and not gone[i] and const[i, SPAWN] <= now.time:
                _enter(i, drivers, bodies, roads, gates)
            if on[i]:
                _place(bodies.box[i], path[i], state[i], const[i], roads)
                bodies.speed[i], bodies.active[i] = state[i, V], True
            else:
                bodies.active[i] = False
        for i in range(n):
            if on[i] and k % 2 == 0:  # drivers think ten times a second
                if k % 10 == 2 * (i % 5) and i > 0:
                    _change_lane(i, now.time, drivers, bodies, roads, gates)
                want[i], g, j = _desire(i, now, drivers, bodies, streets, people, zipper_range)
                if i == 0:
                    gap[k : k + 2], lead[k : k + 2] = g, j
        box[k], speed[k], accel[k], active[k] = bodies.box[:n], bodies.speed[:n], state[:, A], on
        paths[k], arcs[k] = path, state[:, S]
        walker[k], walker_speed[k] = people.box[:, :3], people.speed
        for i in range(n):
            if on[i]:
                _advance(state[i], const[i], want[i])
                end = (roads.off[path[i] + 1] - roads.off[path[i]] - 1) * STEP
                if state[i, S] + const[i, FRONT] > end - 1.0:
                    on[i], gone[i] = False, True
    return box, speed, accel, active, paths, arcs, gap, lead, walker, walker_speed


@njit(cache=True, nogil=True)
def _place(body, p, state, const, roads):
    x, y, h = dr.pose(p, state, const, roads.off, roads.xy, roads.heading)
    shift = 0.5 * (const[FRONT] - const[REAR])
    body[0], body[1], body[2] = x + np.cos(h) * shift, y + np.sin(h) * shift, h
    body[3], body[4] = const[LENGTH], const[WIDTH]


@njit(cache=True, nogil=True)
def _enter(i, drivers, bodies, roads, gates):
    """Lets a waiting driver in where there is room, or at once where it was to be there before the start; its gates
    start behind its front."""
    on, path, state, const = drivers.on, drivers.path, drivers.state, drivers.const
    box = bodies.box
    _place(box[i], path[i], state[i], const[i], roads)
    for j in range(len(on)):
        if j != i and on[j] and const[i, SPAWN] >= 0.0:
            room = (
                8.0 + 0.5 * (box[i, 3] + box[j, 3]) + max(state[i, V] - bodies.speed[j], 0.0) * 2.0 + 0.6 * state[i, V]
            )
            dx, dy = box[j, 0] - box[i, 0], box[j, 1] - box[i, 1]
            across = abs(-np.sin(box[i, 2]) * dx + np.cos(box[i, 2]) * dy)
            if dx * dx + dy * dy < room * room and across < 2.4:
                return
    on[i] = True
    g = gates.off[path[i]]
    while g < gates.off[path[i] + 1] and gates.s[g] < state[i, S] + const[i, FRONT] - 1.0:
        g += 1
    drivers.next_gate[i] = g


@njit(cache=True, nogil=True)
def _walk(now, people, drivers, gates):
    """Moves the pedestrians."""
    waypoints, curb, walk, group, pace, go, u, phase, bodies, velocity = people
    for q in range(len(walk)):
        v = pace[q]
        if phase[q] == 0 and walk[q] >= 0 and u[q] >= curb[q, 0] - 0.6:
            phase[q] = 1
        if phase[q] == 1 or phase[q] == 5:
            v = 0.0
            free = now.time >= go[q] and (group[q] < 0 or now.light[group[q]] == GREEN)
            phase[q] = 5 if free else 1
            if free and _stoppable(walk[q], drivers, gates):
                phase[q], v = 2, pace[q]
        if phase[q] == 2 and u[q] > curb[q, 1] + 0.5:
            phase[q] = 3
        u[q] += v * DT
        rest = u[q]
        for leg in range(3):
            dx, dy = waypoints[q, leg + 1, 0] - waypoints[q, leg, 0], waypoints[q, leg + 1, 1] - waypoints[q, leg, 1]
            length = np.sqrt(dx * dx + dy * dy)
            if rest <= length or leg == 2:
                f = rest / max(length, 1e-9)
                bodies[q, 0], bodies[q, 1] = waypoints[q, leg, 0] + f * dx, waypoints[q, leg, 1] + f * dy
                target = np.arctan2(dy, dx)
                bodies[q, 2] = target if now.k == 0 else bodies[q, 2] + 0.15 * np.sin(target - bodies[q, 2])
                break
            rest -= length
        bodies[q, 3], bodies[q, 4], velocity[q] = 0.6, 0.7, v


@njit(cache=True, nogil=True)
def _stoppable(walk, drivers, gates):
    """Whether every driver before a crosswalk can stop for somebody who steps on it now."""
    on, path, state, const = drivers.on, drivers.path, drivers.state, drivers.const
    for i in range(len(on)):
        if on[i]:
            for g in range(gates.off[path[i]], gates.off[path[i] + 1]):
                if gates.kind[g] == GATE_WALK and gates.walk[g] == walk:
                    d = gates.s[g] - state[i, S] - const[i, FRONT]
                    if -6.0 - const[i, LENGTH] < d < 60.0 and state[i, V] * state[i, V] > 2.0 * 1.4 * max(
                        d - 1.0, 0.01
                    ):
                        return False
    return True


@njit(cache=True, nogil=True)
def _change_lane(i, time, drivers, bodies, roads, gates):
    """Moves a driver over when it was told to, or when the next lane is clearly better and safe (a simple MOBIL)."""
    path, next_gate, const = drivers.path, drivers.next_gate, drivers.const
    st, co = drivers.state[i], const[i]
    if st[SHIFT] != 0.0 and st[S] < st[SHIFT_S] + st[SHIFT_L] + 10.0:
        return
    forced = co[FORCED_SIDE] != 0.0 and time > co[FORCED_AFTER]
    if not forced and (co[CHANGES] == 0.0 or st[V] < 3.0 or co[FORCED_SIDE] != 0.0):
        return
    g = next_gate[i]
    if g < gates.off[path[i] + 1] and gates.s[g] - st[S] < 60.0 and not forced:
        return
    gap, _, _ = dr.leader(i, path[i], st, co, bodies, roads, 60.0)
    for side in range(2):
        q = roads.left[path[i]] if side == 0 else roads.right[path[i]]
        if q < 0 or (forced and (side == 0) != (co[FORCED_SIDE] > 0.0)):
            continue
        arc, shift, ahead, behind, behind_v, trail = dr.lane_gaps(i, q, bodies, const, roads, st[S])
        if forced:
            ok = trail == bodies.ego and co[FORCED_NEAR] < behind < co[FORCED_FAR] and ahead > 8.0
        else:
            closing = max(behind_v - st[V], 0.0)
            ok = (
                gap < 35.0 and ahead > gap + 12.0 and ahead > 8.0 + st[V]
                and behind > 8.0 + 0.6 * behind_v + 3.0 * closing + (12.0 if trail == bodies.ego else 0.0)
            )  # fmt: skip
        if ok:
            path[i] = q
            st[S], st[SHIFT], st[SHIFT_S], st[SHIFT_L] = arc, shift - co[dr.LATERAL], arc, max(25.0, 4.2 * st[V])
            co[FORCED_SIDE] = 0.0
            h = gates.off[q]
            while h < gates.off[q + 1] and gates.s[h] < arc + co[FRONT]:
                h += 1
            next_gate[i] = h
            return


@njit(cache=True, nogil=True)
def _desire(i, now, drivers, bodies, streets, people, zipper_range):
    """Wanted acceleration of a driver; its gap ahead and who that is."""
    st, co, p, roads = drivers.state[i], drivers.const[i], drivers.path[i], streets.roads
    v = st[V]
    cap = _cap(p, st[S] + co[FRONT] * 0.3 + 0.3 * v, roads) * co[SPEED_FACTOR]
    cap = min(cap, co[TOP_SPEED])
    if co[SCRIPT] >= 0.0:
        cap = min(cap, now.script[int(co[SCRIPT]), now.k])
    cap = max(cap, 0.05)
    horizon = min(90.0, 22.0 + 3.6 * v)
    gap, lead_v, j = dr.leader(i, p, st, co, bodies, roads, horizon)
    free = co[ACCEL] * (1.0 - (v / cap) ** 4) if v <= cap else max(-co[DECEL], (cap - v) / 0.8)
    a = free - _idm(v, gap, lead_v, co)
    gate = _gate(i, now, drivers, streets, people)
    if gate < np.inf:
        a = min(a, _halt(v, gate, free, co))
    if roads.merge_s[p] < np.inf:
        a = min(a, _zip(i, drivers, roads, zipper_range, free))
    if co[NOISE] > 0.0 and v > 1.0:
        a += co[NOISE] * (np.sin(0.9 * now.time + co[NOISE_PHASE]) + np.sin(0.37 * now.time + 2.0 * co[NOISE_PHASE]))
    return max(a, -6.0), gap, j


@njit(cache=True, nogil=True)
def _cap(p, s, roads):
    a = roads.off[p] + min(max(int(s / STEP), 0), roads.off[p + 1] - roads.off[p] - 1)
    return roads.cap[a]


@njit(cache=True, nogil=True)
def _idm(v, gap, lead_v, co):
    """The interaction term of the intelligent driver model."""
    if gap == np.inf:
        return 0.0
    s = max(gap, 0.3)
    star = co[GAP] + max(0.0, v * co[HEADWAY] + v * (v - lead_v) / (2.0 * np.sqrt(co[ACCEL] * co[DECEL])))
    return min(co[ACCEL] * (star / s) ** 2, 12.0)


@njit(cache=True, nogil=True)
def _halt(v, d, free, co):
    """Acceleration that brings a driver to rest at distance d: constant braking, begun when the comfortable rate is
    reached."""
    if d <= 0.3:
        return -max(co[DECEL], v * v / 0.6) if v > 0.3 else -1.0
    need = v * v / (2.0 * d)
    if need < 0.75 * co[DECEL]:
        return free if need < 0.55 * co[DECEL] else min(free, -need * (need / co[DECEL] - 0.55) / 0.2)
    return -need * 1.05


@njit(cache=True, nogil=True)
def _zip(i, drivers, roads, zipper_range, free):
    """Follows, as if it were ahead in the same lane, whoever reaches the merge just before."""
    on, path, state, const = drivers.on, drivers.path, drivers.state, drivers.const
    st, co = state[i], const[i]
    mine = roads.merge_s[path[i]] - st[S]
    best = free
    if mine < 0.0 or mine > zipper_range:
        return best
    for j in range(len(path)):
        if j == i or not on[j] or path[j] == path[i] or roads.merge_s[path[j]] == np.inf:
            continue
        theirs = roads.merge_s[path[j]] - state[j, S]
        if -10.0 < theirs < mine or (theirs == mine and j < i):
            gap = mine - theirs - co[FRONT] - const[j, REAR]
            soft = max(gap, 0.25 * (co[GAP] + co[HEADWAY] * st[V]) + 1.0)
            best = min(best, max(free - _idm(st[V], soft, state[j, V], co), -2.0))
    return best


@njit(cache=True, nogil=True)
def _gate(i, now, drivers, streets, people):
    """Distance to the next gate that is closed for a driver, inf if it may go on; keeps its place in the queue of
    gates."""
    gates, conflicts, light = streets.gates, streets.conflicts, now.light
    off, gate_s, kind, gate_light, conn, _, _ = gates
    path, next_gate, st, co = drivers.path, drivers.next_gate, drivers.state[i], drivers.const[i]
    front = st[S] + co[FRONT]
    while next_gate[i] < off[path[i] + 1] and front > gate_s[next_gate[i]] + 0.8:
        if kind[next_gate[i]] != GATE_WALK:
            st[ARRIVED], st[HELD] = 0.0, 0.0
        next_gate[i] += 1
    for g in range(next_gate[i], off[path[i] + 1]):
        d = gate_s[g] - front
        if d > 70.0:
            break
        open_ = True
        brake = st[V] * st[V] / (2.0 * max(d, 0.05))
        if kind[g] == GATE_WALK:
            open_ = dr.walk_free(g, st, co, gates, people)
            open_ = open_ or (brake > 3.0 and st[V] > 1.0)
        elif kind[g] == CONTROL_LIGHT:
            color = light[gate_light[g]]
            stop = color == RED or (color == YELLOW and brake < 2.6)
            open_ = not stop or (brake > 5.0 and st[V] > 2.0)
            if open_ and d < 35.0 and brake < 3.5:
                open_ = not dr.gives_way(i, conn[g], drivers, light, conflicts, 1.0)
        elif kind[g] == CONTROL_STOP or kind[g] == CONTROL_ALL_WAY:
            if st[ARRIVED] == 0.0 and st[V] < 0.15 and d < 3.0:
                st[ARRIVED] = now.time + 1e-3
            rested = st[ARRIVED] > 0.0 and now.time - st[ARRIVED] > 1.2
            open_ = rested and not dr.gives_way(i, conn[g], drivers, light, conflicts, 1.5)
            if st[HELD] > 0.0:
                open_ = True
            elif open_:
                st[HELD] = 1.0
        elif d < 30.0 and brake < 3.0:
            open_ = not dr.gives_way(i, conn[g], drivers, light, conflicts, 1.0)
        if not open_:
            return max(d, 0.0)
    return np.inf


@njit(cache=True, nogil=True)
def _advance(st, co, want):
    """One step with bounded jerk (more of it when braking hard)."""
    jerk = co[JERK] if want > -3.2 else 9.0
    a = st[A] + min(max(want - st[A], -jerk * DT), jerk * DT)
    v = st[V] + a * DT
    if v <= 0.0:
        v, a = 0.0, max(a, 0.0) if want > 0.0 else 0.0
    if v < 0.4 and want <= 0.0:
        v = max(0.0, v - 0.15 * DT)
    st[S] += 0.5 * (st[V] + v) * DT
    st[V], st[A] = v, a
