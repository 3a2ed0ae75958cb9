"""What a driver looks at, as numba kernels: where it is, who is ahead, whether its next gate is open, whether a lane
change pays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, U8, Mask
from roadcraft.core.driving.jit import njit

# Columns of the drivers' constants (N, CONSTANTS).
LENGTH, WIDTH, FRONT, REAR, SPEED_FACTOR, HEADWAY, GAP, ACCEL, DECEL, JERK, LATERAL, NOISE, NOISE_PHASE = range(13)
WANDER, WANDER_PHASE, SPAWN, FORCED_SIDE, FORCED_NEAR, FORCED_FAR, FORCED_AFTER, CHANGES, SCRIPT, TOP_SPEED = range(
    13, 23
)
CONSTANTS = 23
# Columns of their state (N, STATES).
S, V, A, SHIFT, SHIFT_S, SHIFT_L, ARRIVED, HELD = range(8)
STATES = 8
STEP = 0.5
DT = 0.05
CONTROL_LIGHT, CONTROL_STOP, CONTROL_ALL_WAY, GATE_WALK = 2, 3, 4, 9
GREEN, YELLOW, RED = 0, 1, 2


class PathArrays(NamedTuple):
    """Of a ``PathTable``: off (P + 1,), xy (Q, 2), heading, cap (Q,), left, right, merge_s (P,); direction (Q, 2): unit
    vectors of the headings."""

    off: I64
    xy: F64
    heading: F64
    cap: F64
    left: I64
    right: I64
    merge_s: F64
    direction: F64


class Gates(NamedTuple):
    """Of a ``PathTable``: off (P + 1,) rows of s, kind, light, conn, walk, xy."""

    off: I64
    s: F64
    kind: I64
    light: I64
    conn: I64
    walk: I64
    xy: F64


class Conflicts(NamedTuple):
    """Of a ``PathTable``: where paths enter connectors (P, C), which stretches conflict (C, C), and who goes first."""

    conn_s: F64
    conf_in: F64
    conf_out: F64
    priority: I64
    conn_light: I64
    conn_control: I64


class Drivers(NamedTuple):
    """N drivers: on the road or not, and for good, path and next gate (N,), state (N, STATES), const (N, CONSTANTS)."""

    on: Mask
    gone: Mask
    path: I64
    next_gate: I64
    state: F64
    const: F64


class Bodies(NamedTuple):
    """What may be hit, drivers first, then pedestrians, then what moves as told: box (B, 5), speed (B,), active (B,);
    ego: the ego's number (its towing unit's)."""

    box: F64
    speed: F64
    active: Mask
    ego: int = 0


class People(NamedTuple):
    """Q pedestrians, see ``Walkers``: along (Q,) m walked; phase (Q,): 0 on the way to the curb, 1 waiting there,
    5 waiting there for drivers to stop, 2 crossing, 3 beyond; box (Q, 5) and speed (Q,) of their bodies."""

    waypoints: F64
    curb: F64
    walk: I64
    group: I64
    pace: F64
    go: F64
    along: F64
    phase: I64
    box: F64
    speed: F64


class Moment(NamedTuple):
    """Step k at ``time`` s; light (groups,) LightState; script (R, T) speed caps."""

    k: int
    time: float
    light: U8
    script: F64


@njit(cache=True, nogil=True)
def sideways(s, state, const):
    """Offset to the left of its path and its slope, at arc s."""
    d, slope = const[LATERAL], 0.0
    w = 2.0 * np.pi / 90.0
    d += const[WANDER] * np.sin(w * s + const[WANDER_PHASE])
    slope += const[WANDER] * w * np.cos(w * s + const[WANDER_PHASE])
    if state[SHIFT] != 0.0:
        u = (s - state[SHIFT_S]) / state[SHIFT_L]
        if u < 1.0:
            u = max(u, 0.0)
            d += state[SHIFT] * (1.0 - u * u * u * (10.0 + u * (6.0 * u - 15.0)))
            slope -= state[SHIFT] * 30.0 * u * u * (1.0 - u) * (1.0 - u) / state[SHIFT_L]
    return d, slope


@njit(cache=True, nogil=True)
def point(p, s, off, xy, heading):
    """x, y, heading of path p at arc s (straight on beyond its ends)."""
    n = off[p + 1] - off[p]
    u = s / STEP
    k = min(max(int(np.floor(u)), 0), n - 2)
    f = u - k
    a = off[p] + k
    h = heading[a] + min(max(f, 0.0), 1.0) * (heading[a + 1] - heading[a])
    return xy[a, 0] + f * (xy[a + 1, 0] - xy[a, 0]), xy[a, 1] + f * (xy[a + 1, 1] - xy[a, 1]), h


@njit(cache=True, nogil=True)
def pose(p, state, const, off, xy, heading):
    """x, y, heading of a driver's reference point."""
    x, y, h = point(p, state[S], off, xy, heading)
    d, slope = sideways(state[S], state, const)
    return x - np.sin(h) * d, y + np.cos(h) * d, h + np.arctan(slope)


@njit(cache=True, nogil=True)
def leader(i, p, state, const, bodies, roads, horizon):
    """Gap (m), speed along the path and number of the nearest body in the driver's way within ``horizon``; (inf, 0, -1)
    if none."""
    box, speed, active = bodies.box, bodies.speed, bodies.active
    off, xy, direction = roads.off, roads.xy, roads.direction
    best, best_v, best_j = np.inf, 0.0, -1
    first = state[S] + const[FRONT] - 1.0
    xi, yi, half = box[i, 0], box[i, 1], 0.5 * const[WIDTH] + 0.18
    reach = horizon + 12.0
    last = off[p + 1] - off[p] - 1
    count = -1
    at, px, py, pc, ps = np.empty(0), np.empty(0), np.empty(0), np.empty(0), np.empty(0)
    for j in range(len(active)):
        if j == i or not active[j] or (box[j, 0] - xi) ** 2 + (box[j, 1] - yi) ** 2 > reach * reach:
            continue
        if count < 0:
            count = int((horizon + 1.0) / 2.0) + 1
            at, px, py, pc, ps = np.empty(count), np.empty(count), np.empty(count), np.empty(count), np.empty(count)
            here, _ = sideways(state[S], state, const)
            for k in range(count):
                s = first + 2.0 * k
                point_of = min(max(int(s / STEP + 0.5), 0), last)
                a = off[p] + point_of
                at[k] = point_of * STEP
                d = here if state[SHIFT] == 0.0 else sideways(s, state, const)[0]
                px[k], py[k] = xy[a, 0] - direction[a, 1] * d, xy[a, 1] + direction[a, 0] * d
                pc[k], ps[k] = direction[a, 0], direction[a, 1]
        c, sn = np.cos(box[j, 2]), np.sin(box[j, 2])
        hl, hw = 0.5 * box[j, 3], 0.5 * box[j, 4]
        far = (hl + hw + half + 1.0) ** 2
        for k in range(count):
            dx, dy = px[k] - box[j, 0], py[k] - box[j, 1]
            if dx * dx + dy * dy > far:
                continue
            ct, st = abs(pc[k] * c + ps[k] * sn), abs(ps[k] * c - pc[k] * sn)
            if abs(c * dx + sn * dy) < hl + half * st + 1.0 * ct and abs(-sn * dx + c * dy) < hw + half * ct + 1.0 * st:
                s_j = at[k] - (pc[k] * dx + ps[k] * dy)
                gap = s_j - (ct * hl + st * hw) - (state[S] + const[FRONT])
                if (s_j > state[S] or gap > -2.0) and gap < best:
                    best, best_v, best_j = gap, speed[j] * (pc[k] * c + ps[k] * sn), j
                break
    return best, best_v, best_j


@njit(cache=True, nogil=True)
def walk_free(g, state, const, gates, people):
    """Whether a driver may pass a crosswalk: nobody on it near the driver's lane or about to
    be there."""
    d = gates.s[g] - (state[S] + const[FRONT])
    if d > 60.0:
        return True
    for q in range(len(people.walk)):
        if people.walk[q] != gates.walk[g] or (people.phase[q] != 2 and people.phase[q] != 5):
            continue
        dx, dy = gates.xy[g, 0] - people.box[q, 0], gates.xy[g, 1] - people.box[q, 1]
        ahead = dx * np.cos(people.box[q, 2]) + dy * np.sin(people.box[q, 2])
        if -2.4 < ahead < 3.0 + 4.5 * max(people.speed[q], 1.0):
            return False
    return True


@njit(cache=True, nogil=True)
def gives_way(i, c, drivers, light, conflicts, patience):
    """Whether a driver at the entrance of connector c must wait for somebody on, or on the way to, a conflicting
    connector."""
    conn_s, conf_in, conf_out, priority, conn_light, conn_control = conflicts
    active, path, state, const = drivers.on, drivers.path, drivers.state, drivers.const
    start = conn_s[path[i], c]
    to_in = start - state[i, S] - const[i, FRONT]
    for d in range(conf_in.shape[0]):
        if conf_in[c, d] == np.inf:
            continue
        v = max(state[i, V], 1.0)
        run = max(0.0, to_in) + conf_out[c, d] + const[i, LENGTH]
        need = (-v + np.sqrt(v * v + 2.0 * 1.2 * run)) / 1.2
        for j in range(len(path)):
            if j == i or not active[j] or conn_s[path[j], d] < 0.0:
                continue
            u = state[j, S] - conn_s[path[j], d]
            if u - const[j, REAR] > conf_out[d, c] + 0.5:
                continue
            front = u + const[j, FRONT]
            if front > -0.3 or (state[j, HELD] > 0.0 and front > -5.0):
                return True
            mine, other = state[i, ARRIVED], state[j, ARRIVED]
            if conn_control[c] == 3 and other > 0.0 and (other < mine or (other == mine and j < i)):
                return True
            if priority[d] > priority[c]:
                if conn_light[d] >= 0 and light[conn_light[d]] == RED:
                    continue
                t = (conf_in[d, c] - front) / max(state[j, V], 3.5)
                if t < need + patience:
                    return True
    return False


@njit(cache=True, nogil=True)
def lane_gaps(i, q, bodies, const, roads, s_near):
    """Where the driver would be on path q (arc, offset) the gaps ahead and behind, and the speed and number of who is
    behind."""
    box, speed, active = bodies.box, bodies.speed, bodies.active
    off, xy, heading = roads.off, roads.xy, roads.heading
    best, arc = np.inf, 0.0
    n = off[q + 1] - off[q]
    lo, hi = max(0, int(s_near / STEP) - 60), min(n - 1, int(s_near / STEP) + 60)
    for k in range(lo, hi):
        dx, dy = xy[off[q] + k, 0] - box[i, 0], xy[off[q] + k, 1] - box[i, 1]
        if dx * dx + dy * dy < best:
            best, arc = dx * dx + dy * dy, k * STEP
    x, y, h = point(q, arc, off, xy, heading)
    c, sn = np.cos(h), np.sin(h)
    arc += c * (box[i, 0] - x) + sn * (box[i, 1] - y)
    x, y, h = point(q, arc, off, xy, heading)
    shift = -np.sin(h) * (box[i, 0] - x) + np.cos(h) * (box[i, 1] - y)
    ahead, behind, behind_v, trail = np.inf, np.inf, 0.0, -1
    for j in range(len(active)):
        if j == i or not active[j]:
            continue
        dx, dy = box[j, 0] - x, box[j, 1] - y
        if dx * dx + dy * dy > 6400.0:
            continue
        along = np.cos(h) * dx + np.sin(h) * dy
        x2, y2, h2 = point(q, arc + along, off, xy, heading)
        across = -np.sin(h2) * (box[j, 0] - x2) + np.cos(h2) * (box[j, 1] - y2)
        if abs(across) > 0.5 * (box[j, 4] + const[i, WIDTH]) + 0.6:
            continue
        gap = abs(along) - 0.5 * (box[j, 3] + const[i, LENGTH])
        if along >= 0.0 and gap < ahead:
            ahead = gap
        if along < 0.0 and gap < behind:
            behind, behind_v, trail = gap, speed[j], j
    return arc, shift, ahead, behind, behind_v, trail
