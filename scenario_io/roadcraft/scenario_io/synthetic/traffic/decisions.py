"""What a driver of the traffic wants: the intelligent driver model along its path, stops at gates, zipper merges."""

from __future__ import annotations

import numpy as np

from roadcraft.core.driving.jit import njit
from roadcraft.scenario_io.synthetic.traffic import drivers as dr
from roadcraft.scenario_io.synthetic.traffic.drivers import (
    ACCEL,
    ARRIVED,
    CONTROL_ALL_WAY,
    CONTROL_LIGHT,
    CONTROL_STOP,
    DECEL,
    FRONT,
    GAP,
    GATE_WALK,
    HEADWAY,
    HELD,
    NOISE,
    NOISE_PHASE,
    REAR,
    RED,
    SCRIPT,
    SPEED_FACTOR,
    STEP,
    TOP_SPEED,
    YELLOW,
    S,
    V,
)  # fmt: skip


@njit(cache=True, nogil=True)
def desired_acceleration(i, now, drivers, bodies, streets, people, zipper_range):
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
