"""Traffic in steps of 50 ms: drivers as ``decisions`` has them, lane changes, pedestrians. One kernel per world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, Mask
from roadcraft.core.driving.jit import njit
from roadcraft.scenario_io.synthetic.roads.paths import PathTable
from roadcraft.scenario_io.synthetic.traffic import drivers as dr
from roadcraft.scenario_io.synthetic.traffic.decisions import desired_acceleration
from roadcraft.scenario_io.synthetic.traffic.drivers import (
    CHANGES,
    DT,
    FORCED_AFTER,
    FORCED_FAR,
    FORCED_NEAR,
    FORCED_SIDE,
    FRONT,
    JERK,
    LENGTH,
    REAR,
    SHIFT,
    SHIFT_L,
    SHIFT_S,
    SPAWN,
    STEP,
    WIDTH,
    A,
    S,
    V,
)  # fmt: skip
from roadcraft.scenario_io.synthetic.traffic.pedestrians import move_pedestrians


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
        move_pedestrians(now, people, drivers, gates)
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
                want[i], g, j = desired_acceleration(i, now, drivers, bodies, streets, people, zipper_range)
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
