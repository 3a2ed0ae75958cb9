"""Nobody is about to be hit by any unit."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, Mask
from roadcraft.core.data.scenario import LAST_MOVING
from roadcraft.core.driving.geometry.boxes import separation
from roadcraft.core.driving.geometry.facing import AHEAD_RAD, BEHIND_RAD, relative_angle
from roadcraft.core.driving.geometry.reference_trig import cosine, sine
from roadcraft.core.driving.geometry.tolerances import CLEAR_M
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.map_index.index import LayerArrays, in_any
from roadcraft.core.driving.motion.stopped import PROJECTED_MPS
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import Event, MetricResult, Series
from roadcraft.validation.metrics.common.events import object_event, runs, span_text
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.common.routes import corners, route_of_corners
from roadcraft.validation.metrics.freight.all_unit_collisions import unit_contacts
from roadcraft.validation.metrics.freight.common.thresholds import AllUnitTtcConfig
from roadcraft.validation.metrics.freight.common.units import unit_name, units
from roadcraft.validation.metrics.kernels.contacts import ObjectRows, in_collision


class _Moving(NamedTuple):
    """The m units over n steps: poses (n, m, 3) of their axles, boxes (n, m, 5), speeds along their headings, negative
    in reverse, and yaw rates (n, m)."""

    pose: F64
    box: F64
    speed: F64
    yaw_rate: F64


class AllUnitTtc(Metric):
    """Reported only, beside nuPlan's own: whether the time to collision of every unit stays above ``min_ttc_s``, and
    its least. Each unit goes on with its own speed and yaw rate, others with their speed and heading. As for unit 0 in
    ``time_to_collision_within_bound``, objects count until the unit touches them where they are ahead of it (in
    reverse, behind it), or not behind it while its corners are not in one lane or in connected ones, or it is in an
    intersection; the step of a contact at fault has the time 0."""

    def __init__(self, config: AllUnitTtcConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        c, name, time_us = self.config, "all_unit_ttc", frames(context).time_us
        seconds, hit = unit_times(context, c.step_s, c.horizon_s)
        good = bool((seconds > c.min_ttc_s).all())
        stats: dict[str, float | int | bool | None] = {name: good}
        events = list[Event]()
        for i in range(seconds.shape[1]):
            least = float(seconds[:, i].min())
            stats[f"min_time_to_collision_of_unit_{i}"] = least if math.isfinite(least) else None
            for a, b in zip(*runs(np.asarray(seconds[:, i] <= c.min_ttc_s)), strict=True):
                foreseen = np.flatnonzero(hit[a : b + 1, i] >= 0)
                step = int(a) + (int(foreseen[0]) if len(foreseen) else 0)
                if len(foreseen):
                    what = f"{unit_name(i)} would hit a {{kind}} within {seconds[step, i]:.1f} s, "
                    what += span_text(time_us, int(a), int(b))
                    events.append(object_event(context, step, what, int(hit[step, i])))
                else:
                    events.append(Event(step, f"{unit_name(i)} in a collision at fault"))
        names = tuple(unit_name(i) for i in range(seconds.shape[1]))
        return MetricResult(name, float(good), stats, Series(time_us, seconds, "s", names), tuple(events))


def unit_times(context: MetricContext, step_s: float, horizon_s: float) -> tuple[F64, I64]:
    """Seconds (n, m) until each unit would hit something, infinite where nothing is foreseen, 0 at a contact at fault;
    and the row of the object, else -1."""
    u, f, tracks = units(context), frames(context), context.rollout.drive.tracks
    n, count = u.speed.shape
    first, fault = np.full((count, len(tracks)), n, np.int64), np.zeros((n, count), np.bool_)
    for contact in unit_contacts(context):
        own = tracks.vehicle == tracks.vehicle[f.objects.track[contact.row]]
        first[contact.unit, own] = np.minimum(first[contact.unit, own], contact.step)
        fault[contact.step, contact.unit] |= contact.at_fault
    speed = u.speed.copy()
    speed[:, 0] = np.where(speed[:, 0] < 0.0, speed[:, 0], f.speed)
    moving = _Moving(frozen(u.poses), frozen(u.boxes), frozen(speed), frozen(u.yaw_rate))
    crossings, time = context.rollout.scenario.map.index.intersections.arrays, (step_s, horizon_s)
    within, asked = np.zeros((n, count), np.bool_), np.ones((n, count), np.bool_)
    within[:, 0] = corners(context).in_common
    seconds, hit, beside = _times(moving, f.objects, (first, fault, within, asked), crossings, time)
    lost = np.flatnonzero(beside[:, 1:].any(axis=0)) + 1
    if len(lost):  # only who would be hit beside a unit asks for its lanes
        for i in lost.tolist():
            within[:, i] = route_of_corners(context, u.corners[:, i], f"a corner of unit {i}").in_common
        narrow, row, _ = _times(moving, f.objects, (first, fault, within, beside), crossings, time)
        seconds, hit = np.where(beside, narrow, seconds), np.where(beside, row, hit)
    return seconds, hit


@njit(cache=True, nogil=True)
def _times(
    units: _Moving,
    objects: ObjectRows,
    flags: tuple[I64, Mask, Mask, Mask],
    intersections: LayerArrays,
    time: tuple[float, float],
) -> tuple[F64, I64, Mask]:
    """Seconds and rows (n, m), at the steps that are asked for, and whether the object is beside the unit and counts
    for the lanes alone. flags: steps of first contact of each unit and track (m, T), whether units are at fault in a
    contact, have their corners in common lanes, and are asked for (n, m); time: between projected boxes, and
    horizon."""
    (first, fault, within, asked), (offsets, track, kind, object_box, object_speed) = flags, objects
    (n, m), (dt, horizon) = units.speed.shape, time
    steps = math.ceil((horizon - dt) / dt)
    out, hit, beside = np.full((n, m), math.inf), np.full((n, m), -1, np.int64), np.zeros((n, m), np.bool_)
    most = 1
    for i in range(n):
        most = max(most, offsets[i + 1] - offsets[i])
    rows, begin, near = np.empty((m, most), np.int64), np.empty((m, most), np.int64), np.empty((m, most, 8))
    count, of = np.empty(m, np.int64), np.empty((m, 6))  # cosine, sine, arm, bend, stray, ahead
    for i in range(n):
        some, reach, fast = False, 0.0, 0.0
        for j in range(m):
            count[j] = -1
            if fault[i, j]:
                out[i, j] = 0.0
                continue
            speed, yaw = units.speed[i, j], units.yaw_rate[i, j]
            if abs(speed) <= PROJECTED_MPS or not asked[i, j]:
                continue
            x, y, h, length, width = units.box[i, j]
            c, s = cosine(h), sine(h)
            ahead = (x - units.pose[i, j, 0]) * c + (y - units.pose[i, j, 1]) * s
            # a point of the unit strays from where it would be without a turn by less than this
            arm, bend = math.hypot(abs(ahead) + 0.5 * length, 0.5 * width) * abs(yaw), 0.5 * abs(speed * yaw)
            stray = (arm + bend * horizon) * horizon + CLEAR_M
            of[j, 0], of[j, 1], of[j, 2], of[j, 3], of[j, 4], of[j, 5] = c, s, arm, bend, stray, ahead
            count[j], some = 0, True
            apart = abs(x - units.box[i, 0, 0]) + abs(y - units.box[i, 0, 1])
            reach, fast = max(reach, apart + 0.5 * (length + width) + stray), max(fast, abs(speed))
        if not some:
            continue
        for r in range(offsets[i], offsets[i + 1]):
            v = object_speed[r] if kind[r] <= LAST_MOVING else 0.0
            ox, oy, oh, long, broad = object_box[r]
            far = reach + (fast + v) * horizon + 0.5 * (long + broad)
            if abs(ox - units.box[i, 0, 0]) > far or abs(oy - units.box[i, 0, 1]) > far:
                continue
            oc, os = math.cos(oh), math.sin(oh)
            vx, vy = oc * v, os * v
            for j in range(m):
                if count[j] < 0:
                    continue
                c, s, arm, bend, stray = of[j, 0], of[j, 1], of[j, 2], of[j, 3], of[j, 4]
                speed, length, width = units.speed[i, j], units.box[i, j, 3], units.box[i, j, 4]
                dx, dy = ox - units.box[i, j, 0], oy - units.box[i, j, 1]
                # in the unit's frame: the object's place, its way to the horizon, and half of what it takes
                lat, to_lat = dy * c - dx * s, (vy * c - vx * s) * horizon
                cosine_of, sine_of = abs(oc * c + os * s), abs(os * c - oc * s)
                over = 0.5 * (width + sine_of * long + cosine_of * broad) + stray
                if min(lat, lat + to_lat) > over or max(lat, lat + to_lat) < -over:
                    continue
                lon, to_lon = dx * c + dy * s, (vx * c + vy * s - speed) * horizon
                over = 0.5 * (length + cosine_of * long + sine_of * broad) + stray
                if min(lon, lon + to_lon) > over or max(lon, lon + to_lon) < -over:
                    continue
                if first[j, track[r]] <= i:
                    continue
                way, px, py = 1.0 if speed > 0.0 else -1.0, units.pose[i, j, 0], units.pose[i, j, 1]
                angle, aside = relative_angle(px, py, way * c, way * s, ox, oy), 0.0
                if not angle < AHEAD_RAD:
                    if angle > BEHIND_RAD:
                        continue
                    if not in_any(intersections, px, py):
                        if within[i, j]:
                            continue
                        aside = 1.0
                gap = separation(dx, dy, (c, s, length, width), (oc, os, long, broad))
                closing = math.hypot(to_lon, to_lat) / horizon + arm
                if gap > (closing + bend * horizon) * horizon + CLEAR_M:
                    continue
                k = count[j]
                rows[j, k], begin[j, k] = r, _free_steps(gap, closing, bend, dt, steps)
                near[j, k, 0], near[j, k, 1], near[j, k, 2], near[j, k, 3] = ox, oy, vx * dt, vy * dt
                near[j, k, 4], near[j, k, 5], near[j, k, 6], near[j, k, 7] = oc, os, closing, aside
                count[j] = k + 1
        for j in range(m):
            if count[j] > 0:
                speed, turn = units.speed[i, j], units.yaw_rate[i, j] * dt
                half = 0.5 * turn
                chord = math.sin(half) / half if half != 0.0 else 1.0
                a, b = math.cos(half) * chord, math.sin(half) * chord
                dx, dy = of[j, 0] * speed * dt, of[j, 1] * speed * dt
                step = (a * dx - b * dy, b * dx + a * dy, turn, of[j, 5], of[j, 3])
                size = (count[j], steps, dt)
                out[i, j], k = _sweep(units.box[i, j], step, object_box, rows[j], (near[j], begin[j]), size)
                if k >= 0:
                    hit[i, j], beside[i, j] = rows[j, k], near[j, k, 7] > 0.0
    return out, hit, beside


@small_njit
def _free_steps(gap: float, closing: float, bend: float, dt: float, steps: int) -> int:
    """Intervals in which boxes that are ``gap`` m apart cannot touch, at most ``steps``, if what closes it begins with
    a speed and grows by twice ``bend`` m/s2."""
    free = max(gap - CLEAR_M, 0.0)
    root = closing + math.sqrt(closing * closing + 4.0 * bend * free)
    return min(int(2.0 * free / root / dt), steps) if root > 2.0 * free / (dt * steps) else steps


@njit(cache=True, nogil=True)
def _sweep(
    box: F64,
    step: tuple[float, float, float, float, float],
    object_box: F64,
    rows: I64,
    near: tuple[F64, I64],
    size: tuple[int, int, float],
) -> tuple[float, int]:
    """Time at which a box first touches one of the objects, and which; (infinite, -1) where it never does.
    step: way of the axle in the first interval, turn in each, how far the center is ahead of the axle, and half of how
    the closing speed grows; near: place, way, cosine and sine of the heading, and closing speed of the objects, and the
    interval before which they are not touched; size: how many, of how many intervals, and s of each.

    Without a turn everything moves by repeated addition, as in ``ttc.time_to_collision``."""
    (dx, dy, turn, ahead, bend), (where, begin), (count, steps, dt) = step, near, size
    x, y, h, length, width = box
    c, s = math.cos(turn), math.sin(turn)
    ec, es = math.cos(h), math.sin(h)
    for k in range(steps):
        x, y = x + dx, y + dy
        if turn != 0.0:
            dx, dy = c * dx - s * dy, s * dx + c * dy
            h += turn
            nc, ns = math.cos(h), math.sin(h)
            x, y = x + ahead * (nc - ec), y + ahead * (ns - es)
            ec, es = nc, ns
        hit = -1
        for j in range(count):
            where[j, 0] += where[j, 2]
            where[j, 1] += where[j, 3]
            if hit < 0 and k + 1 >= begin[j]:
                r = rows[j]
                facing = (where[j, 4], where[j, 5], object_box[r, 3], object_box[r, 4])
                gap = separation(where[j, 0] - x, where[j, 1] - y, (ec, es, length, width), facing)
                if gap > CLEAR_M:
                    fast = where[j, 6] + 2.0 * bend * (k + 1) * dt
                    begin[j] = k + 1 + max(_free_steps(gap, fast, bend, dt, steps), 1)
                    continue
                other = (where[j, 0], where[j, 1], object_box[r, 2], object_box[r, 3], object_box[r, 4])
                if in_collision((x, y, h, length, width), other):
                    hit = j
        if hit >= 0:
            return dt + k * (dt + dt - dt), hit
    return math.inf, -1
