"""PDM's proposals: the intelligent driver model at several target speeds along several paths.

Source: tuplan_garage b51d5d0 (Apache-2.0), PDMGenerator and BatchIDMPolicy; reproduced with their quirks, each named
where it stands.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, Mask
from roadcraft.core.driving.geometry.angles import normalize
from roadcraft.core.driving.geometry.corridor import MAX_VERTICES
from roadcraft.core.driving.geometry.corridor_distance import bounds_of
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.planners.trajectory_scoring.corridor import Strip, ring_in_strip, strip_between, strip_gap
from roadcraft.planners.trajectory_scoring.paths import CHUNK, ArcPath, pose_on, project, segment_from
from roadcraft.planners.trajectory_scoring.traffic import Traffic, box_distance, box_ring_distance
from roadcraft.planners.trajectory_scoring.tree_order import tree_order
from roadcraft.planners.trajectory_scoring.units import STATION_M, Swept, first_touched

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
    """K red lights of a route of C: row (K,) in the route's; points, at (C + 1,): the rings of its connectors,
    ``points[at[c]:at[c + 1]]`` closed; marks (C, P) int64 of the strips along all paths one after the other (see
    ``corridor.strip_marks``); ignored (K,) bool."""

    row: I64
    points: F64
    at: I64
    marks: I64
    ignored: Mask


class PathAhead(NamedTuple):
    """A path, its first row in ``Reds.marks``, the arc lengths between which traffic is looked for, and what the ego's
    trailers sweep along it."""

    path: ArcPath
    begin: int
    reach: tuple[float, float]
    swept: Swept


class Proposals(NamedTuple):
    """N proposals: progress, speed (N, T), pose (N, T, 3), lead (N, 3)."""

    progress: F64
    speed: F64
    pose: F64
    lead: F64


class Found(NamedTuple):
    """What touches the strip: objects, red_rows their rows in ``Traffic`` and ``Reds``; object_arcs (M,), red_arcs (K,)
    arc lengths of the centers of all. clear_s (M,): an object does not touch it before then; stands (M,): it does
    whenever; near (M,): where on the path it was last found, which saves time. swept_arc (M,): where a trailer would
    touch it (see ``first_touched``), (0,) for an ego without."""

    objects: I64
    object_arcs: F64
    red_rows: I64
    red_arcs: F64
    clear_s: F64
    stands: Mask
    near: I64
    swept_arc: F64


@small_njit
def in_the_way(
    strip: Strip, path: ArcPath, traffic: Traffic, time_s: float, found: Found, scratch: tuple[F64, F64]
) -> int:
    """Finds the objects that touch the strip at ``time_s``, and their centers' arc lengths on ``path``. Returns how
    many. scratch: see ``strip_gap``."""
    if strip.tips[0] < 0:
        return 0
    n = 0
    for j in range(len(traffic.box)):
        if found.clear_s[j] > time_s:
            continue
        if not found.stands[j]:
            mx, my = traffic.moved[j, 0], traffic.moved[j, 1]
            x, y = traffic.box[j, 0] + time_s * mx, traffic.box[j, 1] + time_s * my
            still = mx == 0.0 and my == 0.0
            gap = strip_gap(strip, x, y, traffic.box[j], scratch)
            if gap >= 0.0:
                found.clear_s[j] = math.inf if still else time_s + gap / math.sqrt(mx * mx + my * my)
                continue
            found.object_arcs[j], found.near[j] = project(path, x, y, found.near[j])
            found.stands[j] = still
        found.objects[n] = j
        n += 1
    return n


@small_njit
def beside_the_way(strip: Strip, traffic: Traffic, until_s: float, clear_s: F64) -> None:
    """Sets clear_s (M,): to infinity for objects that are ignored, or that from now to ``until_s`` stay clear of the
    boxes around the strip's chunks; else to 0."""
    chunk, first, last, half_width = strip.path.chunk, strip.first, strip.last, strip.half_width
    for j in range(len(traffic.box)):
        x, y = traffic.box[j, 0], traffic.box[j, 1]
        reach = traffic.radius[j] + 1.5 * half_width
        dx, dy = until_s * traffic.moved[j, 0], until_s * traffic.moved[j, 1]
        left, right = min(x, x + dx) - reach, max(x, x + dx) + reach
        low, high = min(y, y + dy) - reach, max(y, y + dy) + reach
        clear_s[j] = math.inf
        if traffic.ignored[j]:
            continue
        for c in range(first // CHUNK, (last - 1) // CHUNK + 1):
            if chunk[c, 0] <= right and chunk[c, 2] >= left and chunk[c, 1] <= high and chunk[c, 3] >= low:
                clear_s[j] = 0.0
                break


@njit(cache=True, nogil=True)
def reds_in_the_way(strip: Strip, ahead: PathAhead, own: bool, reds: Reds, found: Found) -> int:
    """Finds the red lights whose connector touches the strip, as :func:`in_the_way`; they do not move. own: the strip
    is of the path itself, whose marks tell."""
    if strip.tips[0] < 0:
        return 0
    n, path, none = 0, ahead.path, np.zeros(1, np.int64)
    for k in range(len(reds.row)):
        if reds.ignored[k]:
            continue
        ring, marks = reds.points[reds.at[reds.row[k]] : reds.at[reds.row[k] + 1]], none
        if own:
            marks = reds.marks[reds.row[k], ahead.begin : ahead.begin + len(path.xy) - 1]
        if not ring_in_strip(strip, ring, marks):
            continue
        x, y = _centroid(ring)
        found.red_arcs[k] = project(path, x, y, strip.first if own else np.int64(0))[0]
        found.red_rows[n] = k
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
    box: F64, progress: float, time_s: float, traffic: Traffic, reds: Reds, found: Found, counts: tuple[int, int]
) -> tuple[int, bool]:
    """Of several objects and red lights that ``box`` touches, the one that the source's search tree hands out first,
    and whether it is a light."""
    count = len(traffic.box)
    bounds = np.empty((count + len(reds.row), 4))
    for j in range(count):
        b = traffic.box[j]
        x, y = b[0] + time_s * traffic.moved[j, 0], b[1] + time_s * traffic.moved[j, 1]
        hx, hy = 0.5 * (abs(b[2]) * b[4] + abs(b[3]) * b[5]), 0.5 * (abs(b[3]) * b[4] + abs(b[2]) * b[5])
        bounds[j, 0], bounds[j, 1], bounds[j, 2], bounds[j, 3] = x - hx, y - hy, x + hx, y + hy
    for k in range(len(reds.row)):
        ring = reds.points[reds.at[reds.row[k]] : reds.at[reds.row[k] + 1]]
        bounds_of(ring, len(ring), 0.0, bounds[count + k])
    for i in tree_order(bounds):
        if i < count:
            for j in found.objects[: counts[0]]:
                if j == i and found.object_arcs[j] > progress:
                    x, y = (
                        traffic.box[j, 0] + time_s * traffic.moved[j, 0],
                        traffic.box[j, 1] + time_s * traffic.moved[j, 1],
                    )
                    if box_distance(box, x, y, traffic.box[j]) == 0.0:
                        return j, False
        else:
            for k in found.red_rows[: counts[1]]:
                ring = reds.points[reds.at[reds.row[k]] : reds.at[reds.row[k] + 1]]
                if k == i - count and found.red_arcs[k] > progress and box_ring_distance(box, ring, 1e-9) == 0.0:
                    return k, True
    return -1, False


@small_njit
def _nearest_ahead(
    box: F64, progress: float, time_s: float, traffic: Traffic, reds: Reds, found: Found, counts: tuple[int, int]
) -> tuple[int, float, bool, bool]:
    """What is nearest to ``box`` by the distance of the shapes, ahead of ``progress`` by the arc length of the center:
    its row, -1 where nothing is, how far it is, whether it is a light, whether others are as near."""
    own = 0.5 * math.sqrt(box[4] * box[4] + box[5] * box[5])
    nearest, gap, red, tied = -1, math.inf, False, False
    for i in range(counts[0]):
        j = found.objects[i]
        if found.object_arcs[j] <= progress:
            continue
        x, y = traffic.box[j, 0] + time_s * traffic.moved[j, 0], traffic.box[j, 1] + time_s * traffic.moved[j, 1]
        if math.sqrt((x - box[0]) ** 2 + (y - box[1]) ** 2) - own - traffic.radius[j] > gap:
            continue
        d = box_distance(box, x, y, traffic.box[j])
        tied = d == gap or (tied and d > gap)
        if d < gap:
            nearest, gap = j, d
    for i in range(counts[1]):
        k = found.red_rows[i]
        if found.red_arcs[k] <= progress:
            continue
        ring = reds.points[reds.at[reds.row[k]] : reds.at[reds.row[k] + 1]]
        d = box_ring_distance(box, ring, gap + 1e-9)
        tied = d == gap or (tied and d > gap)
        if d < gap:
            nearest, gap, red = k, d, True
    return nearest, gap, red, tied


@njit(cache=True, nogil=True)
def _look_ahead(
    made: Proposals,
    t: int,
    time_s: float,
    vehicle_box: F64,
    traffic: Traffic,
    reds: Reds,
    found: Found,
    watch: tuple[int, int, float],
) -> None:
    """Writes arc length, speed and half length of each proposal's leader at step t to its ``lead``. watch: how many
    objects and lights were found, and the path's length, where the leader is that nothing is ahead of.

    A red light leaves the speed as it is (it may still be the previous proposal's: the source's array is shared, and so
    is ours).
    """
    counts, box = (watch[0], watch[1]), np.empty(6)
    arc = speed = half = 0.0
    for q in range(len(made.lead)):
        progress, heading = made.progress[q, t - 1], made.pose[q, t - 1, 2]
        nearest, gap, red, tied = -1, math.inf, False, False
        if counts[0] or counts[1]:
            c, s = math.cos(heading), math.sin(heading)
            box[0], box[1] = made.pose[q, t - 1, 0] + vehicle_box[0] * c, made.pose[q, t - 1, 1] + vehicle_box[0] * s
            box[2], box[3], box[4], box[5] = c, s, vehicle_box[1], vehicle_box[2]
            nearest, gap, red, tied = _nearest_ahead(box, progress, time_s, traffic, reds, found, counts)
        for j in range(len(found.swept_arc)):
            far = max(found.swept_arc[j] - STATION_M - progress, 0.0)  # it may be touched from the station before on
            if found.swept_arc[j] > progress and far < gap:
                nearest, gap, red, tied = j, far, False, False
        if nearest < 0:
            arc, half = watch[2], 0.5 * vehicle_box[1]
        else:
            arc = progress + gap
            if tied and gap == 0.0:
                nearest, red = _first_touched(box, progress, time_s, traffic, reds, found, counts)
            if not red:
                speed = traffic.speed[nearest] * math.cos(traffic.heading[nearest] - heading)
        made.lead[q, 0], made.lead[q, 1], made.lead[q, 2] = arc, speed, half


@small_njit
def _advance(progress: float, speed: float, lead: F64, target: float, driver: Driver) -> tuple[float, float]:
    """One step of the intelligent driver model: new arc length and speed (which may become negative)."""
    wanted = driver.min_gap + speed * driver.headway
    wanted += speed * (speed - lead[1]) / (2.0 * math.sqrt(driver.max_accel * driver.max_decel))
    gap = max(lead[0] - progress - lead[2], driver.min_gap)
    accel = driver.max_accel * (1.0 - (speed / target) ** _EXPONENT - (wanted / gap) ** 2)
    accel = min(max(accel, -driver.max_decel), driver.max_accel)
    return progress + driver.dt * speed, speed + driver.dt * accel


@small_njit
def _drive_on(path: ArcPath, targets: F64, driver: Driver, t: int, made: Proposals, segment: I64) -> None:
    """Step t of Q proposals: their new arc lengths, speeds and poses. segment (Q,): where on the path they are."""
    progress, speed, pose, lead = made
    for q in range(len(targets)):
        progress[q, t], speed[q, t] = _advance(progress[q, t - 1], speed[q, t - 1], lead[q], targets[q], driver)
        segment[q] = segment_from(path, progress[q, t], segment[q])
        x, y, heading = pose_on(path, segment[q], progress[q, t])
        pose[q, t, 0], pose[q, t, 1], pose[q, t, 2] = x, y, normalize(heading)


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
    path, count, lights = ahead.path, len(traffic.box), len(reds.row)
    strip, own = strip_between(path, ahead.reach[0], ahead.reach[1], 0.5 * vehicle_box[2])
    found = Found(
        np.empty(count, np.int64),
        np.empty(count),
        np.empty(lights, np.int64),
        np.empty(lights),
        np.empty(count),
        np.zeros(count, np.bool_),
        np.full(count, strip.first),
        np.empty(count if len(ahead.swept.arc) else 0),
    )
    beside_the_way(strip, traffic, steps[1] * driver.dt, found.clear_s)
    scratch, segment = (np.empty((MAX_VERTICES, 2)), np.empty((4, 2))), np.zeros(len(targets), np.int64)
    red_count = reds_in_the_way(strip, ahead, own, reds, found)
    for t in range(steps[0], steps[1] + 1):
        if t % REFRESH == 0:
            time_s = t // REFRESH * REFRESH * driver.dt
            seen = in_the_way(strip, path, traffic, time_s, found, scratch)
            first_touched(ahead.swept, traffic, time_s, found.swept_arc)
            watch = (seen, red_count, path.arc[-1])
            _look_ahead(made, t, time_s, vehicle_box, traffic, reds, found, watch)
        _drive_on(path, targets, driver, t, made, segment)
