"""PDM's proposals: the intelligent driver model at several target speeds along several paths.

Source: tuplan_garage b51d5d0 (Apache-2.0), PDMGenerator and BatchIDMPolicy; reproduced with their quirks, each named
where it stands.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.jit import small_njit
from roadcraft.planners.trajectory_scoring.corridor import box_in_strip, chord, ends, ring_in_strip, span
from roadcraft.planners.trajectory_scoring.paths import CHUNK, ArcPath, interpolate, project
from roadcraft.planners.trajectory_scoring.traffic import Traffic, box_distance, box_ring_distance
from roadcraft.planners.trajectory_scoring.tree_order import tree_order

REFRESH = 2  # steps between two looks at what is ahead, and between two states of the forecast
_EXPONENT = 10


class Driver(NamedTuple):
    """The intelligent driver model: min_gap m, headway s, max_accel, max_decel m/s2 (both positive), dt s."""

    min_gap: float
    headway: float
    max_accel: float
    max_decel: float
    dt: float


class Reds(NamedTuple):
    """C red lights on the route: the rings of their connectors, ``points[at[c]:at[c + 1]]`` closed; marks (C, P) int64
    of the strips along all paths one after the other (see ``corridor.strip_marks``); ignored (C,) bool."""

    points: F64
    at: I64
    marks: I64
    ignored: np.ndarray


class PathAhead(NamedTuple):
    """A path, its first row in ``Reds.marks``, and the arc lengths between which traffic is looked for."""

    path: ArcPath
    begin: int
    reach: tuple[float, float]


class Proposals(NamedTuple):
    """N proposals: progress, speed (N, T), pose (N, T, 3), lead (N, 3)."""

    progress: F64
    speed: F64
    pose: F64
    lead: F64


class Strip(NamedTuple):
    """What a vehicle sweeps from point ``first`` to point ``last`` of a path, half_width m to either side."""

    path: ArcPath
    first: int
    last: int
    half_width: float


class Found(NamedTuple):
    """What touches the strip: objects, red_rows their rows in ``Traffic`` and ``Reds``; object_arcs (M,), red_arcs (C,)
    arc lengths of the centers of all."""

    objects: I64
    object_arcs: F64
    red_rows: I64
    red_arcs: F64


@njit(cache=True, nogil=True)
def in_the_way(strip: Strip, traffic: Traffic, time_s: float, fixed: I64, near: I64, arcs: F64, out: I64) -> int:
    """Objects that touch the strip at ``time_s``: their indices in ``out``, their centers' arc lengths in ``arcs``
    (M,). Returns how many.

    fixed (M,): 0 unknown, 1 stands in the strip, -1 never comes near it; remembered for objects that do not move. near
    (M,): where on the path each was last found, which saves time.
    """
    path, first, last, half_width = strip
    tips = ends(path, first, last)
    if tips[0] < 0:
        return 0
    n = 0
    box, boxes, moved, ignored = np.empty(6), traffic.box, traffic.moved, traffic.ignored
    for j in range(len(boxes)):
        if ignored[j] or fixed[j] < 0:
            continue
        if fixed[j] == 0:
            for k in range(6):
                box[k] = boxes[j, k]
            box[0] += time_s * moved[j, 0]
            box[1] += time_s * moved[j, 1]
            still = moved[j, 0] == 0.0 and moved[j, 1] == 0.0
            if not box_in_strip(path, first, last, tips, half_width, box):
                if still:
                    fixed[j] = -1
                continue
            arcs[j], near[j] = project(path, box[0], box[1], near[j])
            if still:
                fixed[j] = 1
        out[n] = j
        n += 1
    return n


@small_njit
def beside_the_way(strip: Strip, traffic: Traffic, until_s: float, fixed: I64) -> None:
    """Marks with -1 in ``fixed`` (M,) the objects that from now to ``until_s`` stay clear of the boxes around the
    strip's chunks."""
    chunk, first, last, half_width = strip.path.chunk, strip.first, strip.last, strip.half_width
    for j in range(len(traffic.box)):
        x, y = traffic.box[j, 0], traffic.box[j, 1]
        reach = 0.5 * math.sqrt(traffic.box[j, 4] ** 2 + traffic.box[j, 5] ** 2) + 1.5 * half_width
        dx, dy = until_s * traffic.moved[j, 0], until_s * traffic.moved[j, 1]
        left, right = min(x, x + dx) - reach, max(x, x + dx) + reach
        low, high = min(y, y + dy) - reach, max(y, y + dy) + reach
        clear = True
        for c in range(first // CHUNK, (last - 1) // CHUNK + 1):
            if chunk[c, 0] <= right and chunk[c, 2] >= left and chunk[c, 1] <= high and chunk[c, 3] >= low:
                clear = False
                break
        if clear:
            fixed[j] = -1


@njit(cache=True, nogil=True)
def reds_in_the_way(strip: Strip, begin: int, reds: Reds, arcs: F64, out: I64) -> int:
    """Red lights whose connector touches the strip, as :func:`in_the_way`; they do not move. begin: the path's first
    row in ``reds.marks``."""
    path, first, last, half_width = strip
    tips = ends(path, first, last)
    if tips[0] < 0:
        return 0
    n = 0
    for c in range(len(reds.ignored)):
        ring = reds.points[reds.at[c] : reds.at[c + 1]]
        marks = reds.marks[c, begin : begin + len(path.xy) - 1] if begin >= 0 else np.zeros(1, np.int64)
        if reds.ignored[c] or not ring_in_strip(path, first, last, tips, half_width, ring, marks):
            continue
        x, y = _centroid(ring)
        arcs[c] = project(path, x, y, first)[0]
        out[n] = c
        n += 1
    return n


@small_njit
def _centroid(ring: F64) -> tuple[float, float]:
    """Centroid of the area inside a closed ring."""
    ox, oy = ring[0, 0], ring[0, 1]
    area = sx = sy = 0.0
    for e in range(len(ring) - 1):
        ax, ay, bx, by = ring[e, 0] - ox, ring[e, 1] - oy, ring[e + 1, 0] - ox, ring[e + 1, 1] - oy
        cross = ax * by - bx * ay
        area += cross
        sx += (ax + bx) * cross
        sy += (ay + by) * cross
    if area == 0.0:
        return ox, oy
    return ox + sx / (3.0 * area), oy + sy / (3.0 * area)


@njit(cache=True, nogil=True)
def _first_touched(
    box: F64, progress: float, time_s: float, traffic: Traffic, reds: Reds, found: Found
) -> tuple[int, bool]:
    """Of several objects and red lights that ``box`` touches, the one that the source's search tree hands out first,
    and whether it is a light."""
    count = len(traffic.box)
    bounds = np.empty((count + len(reds.ignored), 4))
    for j in range(count):
        b = traffic.box[j]
        x, y = b[0] + time_s * traffic.moved[j, 0], b[1] + time_s * traffic.moved[j, 1]
        hx, hy = 0.5 * (abs(b[2]) * b[4] + abs(b[3]) * b[5]), 0.5 * (abs(b[3]) * b[4] + abs(b[2]) * b[5])
        bounds[j, 0], bounds[j, 1], bounds[j, 2], bounds[j, 3] = x - hx, y - hy, x + hx, y + hy
    for k in range(len(reds.ignored)):
        ring = reds.points[reds.at[k] : reds.at[k + 1]]
        b0, b1, b2, b3 = math.inf, math.inf, -math.inf, -math.inf
        for e in range(len(ring)):
            b0, b1 = min(b0, ring[e, 0]), min(b1, ring[e, 1])
            b2, b3 = max(b2, ring[e, 0]), max(b3, ring[e, 1])
        bounds[count + k, 0], bounds[count + k, 1], bounds[count + k, 2], bounds[count + k, 3] = b0, b1, b2, b3
    for i in tree_order(bounds):
        if i < count:
            for j in found.objects:
                if j == i and found.object_arcs[j] > progress:
                    x, y = (
                        traffic.box[j, 0] + time_s * traffic.moved[j, 0],
                        traffic.box[j, 1] + time_s * traffic.moved[j, 1],
                    )
                    if box_distance(box, x, y, traffic.box[j]) == 0.0:
                        return j, False
        else:
            for k in found.red_rows:
                ring = reds.points[reds.at[k] : reds.at[k + 1]]
                if k == i - count and found.red_arcs[k] > progress and box_ring_distance(box, ring, 1e-9) == 0.0:
                    return k, True
    return -1, False


@njit(cache=True, nogil=True)
def _look_ahead(
    pose: F64, progress: float, time_s: float, vehicle_box: F64, traffic: Traffic, reds: Reds, found: Found, lead: F64
) -> bool:
    """Writes the leader's arc length and speed to ``lead`` (3,); False where nothing is ahead of ``progress``.

    Nearest by the distance of the shapes, ahead by the arc length of the centre; a red light leaves the speed as it is
    (it may still be the previous proposal's: the source's array is shared, and so is ours).
    """
    box = np.empty(6)
    c, s = math.cos(pose[2]), math.sin(pose[2])
    box[0], box[1], box[2], box[3] = pose[0] + vehicle_box[0] * c, pose[1] + vehicle_box[0] * s, c, s
    box[4], box[5] = vehicle_box[1], vehicle_box[2]
    own = 0.5 * math.sqrt(box[4] * box[4] + box[5] * box[5])
    nearest, gap, red, tied = -1, math.inf, False, False
    for j in found.objects:
        if found.object_arcs[j] <= progress:
            continue
        x, y = traffic.box[j, 0] + time_s * traffic.moved[j, 0], traffic.box[j, 1] + time_s * traffic.moved[j, 1]
        least = math.sqrt((x - box[0]) ** 2 + (y - box[1]) ** 2) - own
        least -= 0.5 * math.sqrt(traffic.box[j, 4] ** 2 + traffic.box[j, 5] ** 2)
        if least > gap:
            continue
        d = box_distance(box, x, y, traffic.box[j])
        tied = d == gap or (tied and d > gap)
        if d < gap:
            nearest, gap = j, d
    for k in found.red_rows:
        if found.red_arcs[k] <= progress:
            continue
        d = box_ring_distance(box, reds.points[reds.at[k] : reds.at[k + 1]], gap + 1e-9)
        tied = d == gap or (tied and d > gap)
        if d < gap:
            nearest, gap, red = k, d, True
    if nearest < 0:
        return False
    lead[0] = progress + gap
    if tied and gap == 0.0:
        nearest, red = _first_touched(box, progress, time_s, traffic, reds, found)
    if not red:
        lead[1] = traffic.speed[nearest] * math.cos(traffic.heading[nearest] - pose[2])
    return True


@small_njit
def _advance(progress: float, speed: float, lead: F64, target: float, driver: Driver) -> tuple[float, float]:
    """One step of the intelligent driver model: new arc length and speed (which may become negative)."""
    wanted = driver.min_gap + speed * driver.headway
    wanted += speed * (speed - lead[1]) / (2.0 * math.sqrt(driver.max_accel * driver.max_decel))
    gap = max(lead[0] - progress - lead[2], driver.min_gap)
    accel = driver.max_accel * (1.0 - (speed / target) ** _EXPONENT - (wanted / gap) ** 2)
    accel = min(max(accel, -driver.max_decel), driver.max_accel)
    return progress + driver.dt * speed, speed + driver.dt * accel


@njit(cache=True, nogil=True)
def unroll(
    ahead: PathAhead,
    targets: F64,
    driver: Driver,
    vehicle_box: F64,
    traffic: Traffic,
    reds: Reds,
    steps: tuple[int, int],
    made: Proposals,
) -> None:
    """Drive Q proposals along one path from step ``steps[0]`` to ``steps[1]`` inclusive.

    targets (Q,) m/s; made: Q proposals that hold the state at ``steps[0] - 1`` and are filled on. At step 1 nothing has
    been looked for yet and the leader is the zeros ``lead`` starts with, so that every proposal brakes in its first
    step, as the source's does.
    """
    whole, begin, reach = ahead
    progress, speed, pose, lead = made
    first, last = span(whole, reach[0], reach[1])
    path = whole
    if last - first < 1:
        path, begin = chord(whole, reach[0], reach[1]), -1
        first, last = 0, 1
    strip = Strip(path, first, last, 0.5 * vehicle_box[2])
    fixed, near = np.zeros(len(traffic.box), np.int64), np.full(len(traffic.box), first)
    beside_the_way(strip, traffic, steps[1] * driver.dt, fixed)
    object_arcs, objects = np.empty(len(traffic.box)), np.empty(len(traffic.box), np.int64)
    red_arcs, red_rows = np.empty(len(reds.ignored)), np.empty(len(reds.ignored), np.int64)
    red_count = reds_in_the_way(strip, begin, reds, red_arcs, red_rows)
    if begin < 0:
        for k in range(red_count):
            ring = reds.points[reds.at[red_rows[k]] : reds.at[red_rows[k] + 1]]
            x, y = _centroid(ring)
            red_arcs[red_rows[k]] = project(whole, x, y, np.int64(0))[0]
    shared = np.zeros(3)
    for t in range(steps[0], steps[1] + 1):
        if t % REFRESH == 0:
            time_s = t // REFRESH * REFRESH * driver.dt
            count = in_the_way(strip, traffic, time_s, fixed, near, object_arcs, objects)
            if begin < 0:
                for k in range(count):
                    j = objects[k]
                    x, y = (
                        traffic.box[j, 0] + time_s * traffic.moved[j, 0],
                        traffic.box[j, 1] + time_s * traffic.moved[j, 1],
                    )
                    object_arcs[j] = project(whole, x, y, np.int64(0))[0]
            shared[0] = shared[1] = shared[2] = 0.0
            found = Found(objects[:count], object_arcs, red_rows[:red_count], red_arcs)
            for q in range(len(targets)):
                if not _look_ahead(
                    pose[q, t - 1], progress[q, t - 1], time_s, vehicle_box, traffic, reds, found, shared
                ):
                    shared[0], shared[2] = whole.arc[-1], 0.5 * vehicle_box[1]
                lead[q, 0], lead[q, 1], lead[q, 2] = shared[0], shared[1], shared[2]
        for q in range(len(targets)):
            progress[q, t], speed[q, t] = _advance(progress[q, t - 1], speed[q, t - 1], lead[q], targets[q], driver)
            pose[q, t, 0], pose[q, t, 1], pose[q, t, 2] = interpolate(whole, progress[q, t])
