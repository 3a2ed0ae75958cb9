"""Nobody is about to be hit by any unit."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np

from roadcraft.core.arrays import F64, I64, Mask
from roadcraft.core.driving.geometry.boxes import separation
from roadcraft.core.driving.geometry.facing import AHEAD_RAD, BEHIND_RAD, relative_angle
from roadcraft.core.driving.geometry.reference_trig import cosine, sine
from roadcraft.core.driving.geometry.tolerances import CLEAR_M
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.map_index.index import LayerArrays, in_any
from roadcraft.core.driving.motion.stopped import PROJECTED_MPS
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.scenario import LAST_MOVING
from roadcraft.core.types import Event, MetricResult, Series
from roadcraft.validation.metrics.common.events import object_event, runs, span_text
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.common.routes import corners, route_of_corners
from roadcraft.validation.metrics.freight.all_unit_collisions import unit_contacts
from roadcraft.validation.metrics.freight.thresholds import AllUnitTtcConfig
from roadcraft.validation.metrics.freight.units import unit_name, units
from roadcraft.validation.metrics.kernels.contacts import ObjectRows, in_collision
from roadcraft.validation.metrics.kernels.ttc import StepFlags

_Given: TypeAlias = tuple[tuple[F64, F64, F64], ObjectRows, F64]


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
    first, fault = np.full((count, len(tracks)), n, np.int64), np.zeros((count, n), np.bool_)
    for contact in unit_contacts(context):
        own = tracks.vehicle == tracks.vehicle[f.objects.track[contact.row]]
        first[contact.unit, own] = np.minimum(first[contact.unit, own], contact.step)
        fault[contact.unit, contact.step] |= contact.at_fault
    seconds, hit = np.empty((n, count)), np.empty((n, count), np.int64)
    crossings, moved = context.rollout.scenario.map.index.intersections.arrays, _moved(f.objects)
    all_steps, nowhere = np.ones(n, np.bool_), np.zeros(n, np.bool_)
    for i in range(count):
        speed = np.where(u.speed[:, 0] < 0.0, u.speed[:, 0], f.speed) if i == 0 else u.speed[:, i]
        moves = np.column_stack([speed, u.yaw_rate[:, i]])
        given = (frozen(u.poses[:, i]), frozen(u.boxes[:, i]), frozen(moves)), f.objects, moved

        def foreseen(within: Mask, asked: Mask, i: int = i, given: _Given = given) -> tuple[F64, I64]:
            flags = StepFlags(frozen(first[i], np.int64), frozen(fault[i], np.bool_), frozen(within, np.bool_))
            return _times(*given, flags, frozen(asked, np.bool_), crossings, (step_s, horizon_s))

        if i == 0:
            seconds[:, 0], hit[:, 0] = foreseen(corners(context).in_common, all_steps)
            continue
        seconds[:, i], hit[:, i] = foreseen(nowhere, all_steps)
        some = hit[:, i] >= 0
        if some.any():  # only then lanes matter: who is beside counts where the unit is not in one
            within = route_of_corners(context, u.corners[:, i], f"a corner of unit {i}").in_common
            narrow, row = foreseen(within, some)
            seconds[some, i], hit[some, i] = narrow[some], row[some]
    return seconds, hit


@njit(cache=True, nogil=True)
def _moved(objects: ObjectRows) -> F64:
    """Velocity m/s, and cosine and sine of the heading, of objects that keep both: (R, 4)."""
    out = np.empty((len(objects.kind), 4))
    for r in range(len(out)):
        v = objects.speed[r] if objects.kind[r] <= LAST_MOVING else 0.0
        c, s = math.cos(objects.box[r, 2]), math.sin(objects.box[r, 2])
        out[r, 0], out[r, 1], out[r, 2], out[r, 3] = c * v, s * v, c, s
    return out


@njit(cache=True, nogil=True)
def _times(
    unit: tuple[F64, F64, F64],
    objects: ObjectRows,
    moved: F64,
    flags: StepFlags,
    asked: Mask,
    intersections: LayerArrays,
    time: tuple[float, float],
) -> tuple[F64, I64]:
    """Of one unit: seconds (n,) and rows (n,), at the steps that are asked for. unit: poses (n, 3) of its axle, boxes
    (n, 5), speeds along its heading, negative in reverse, and yaw rates (n, 2); moved: of :func:`_moved`; time: between
    projected boxes, and horizon."""
    (pose, box, moves), (offsets, track, _, object_box, _), (dt, horizon) = unit, objects, time
    n, steps = len(box), math.ceil((time[1] - time[0]) / time[0])
    out, hit = np.full(n, math.inf), np.full(n, -1, np.int64)
    most = 1
    for i in range(n):
        most = max(most, offsets[i + 1] - offsets[i])
    rows, begin, near = np.empty(most, np.int64), np.empty(most, np.int64), np.empty((most, 7))
    for i in range(n):
        speed, yaw = moves[i]
        if flags.step_at_fault[i]:
            out[i] = 0.0
            continue
        if abs(speed) <= PROJECTED_MPS or not asked[i]:
            continue
        x, y, h, length, width = box[i]
        c, s = cosine(h), sine(h)
        ahead = (x - pose[i, 0]) * c + (y - pose[i, 1]) * s
        # a point of the unit strays from where it would be without a turn by less than this
        arm, bend = math.hypot(abs(ahead) + 0.5 * length, 0.5 * width) * abs(yaw), 0.5 * abs(speed * yaw)
        stray = (arm + bend * horizon) * horizon + CLEAR_M
        count, wide, known = 0, False, False
        for r in range(offsets[i], offsets[i + 1]):
            dx, dy = object_box[r, 0] - x, object_box[r, 1] - y
            vx, vy, oc, os = moved[r]
            # in the unit's frame: the object's place, its way to the horizon, and half of what it takes
            lon, lat, to_lon, to_lat = dx * c + dy * s, dy * c - dx * s, vx * c + vy * s - speed, vy * c - vx * s
            cosine_of, sine_of = abs(oc * c + os * s), abs(os * c - oc * s)
            long, broad = object_box[r, 3], object_box[r, 4]
            over = 0.5 * (width + sine_of * long + cosine_of * broad) + stray
            if min(lat, lat + to_lat * horizon) > over or max(lat, lat + to_lat * horizon) < -over:
                continue
            over = 0.5 * (length + cosine_of * long + sine_of * broad) + stray
            if min(lon, lon + to_lon * horizon) > over or max(lon, lon + to_lon * horizon) < -over:
                continue
            if flags.first_contact[track[r]] <= i:
                continue
            way = 1.0 if speed > 0.0 else -1.0
            angle = relative_angle(pose[i, 0], pose[i, 1], way * c, way * s, object_box[r, 0], object_box[r, 1])
            if not angle < AHEAD_RAD:
                if angle > BEHIND_RAD:
                    continue
                if not known:
                    wide, known = (not flags.in_common[i]) or in_any(intersections, pose[i, 0], pose[i, 1]), True
                if not wide:
                    continue
            gap = separation(dx, dy, (c, s, length, width), (oc, os, long, broad))
            closing = math.hypot(to_lon, to_lat) + arm
            if gap > (closing + bend * horizon) * horizon + CLEAR_M:
                continue
            rows[count], near[count, 0], near[count, 1] = r, object_box[r, 0], object_box[r, 1]
            near[count, 2], near[count, 3], near[count, 4], near[count, 5] = vx * dt, vy * dt, oc, os
            near[count, 6] = closing
            begin[count] = _free_steps(gap, closing, bend, dt, steps)
            count += 1
        if count > 0:
            turn = yaw * dt
            half = 0.5 * turn
            chord = math.sin(half) / half if half != 0.0 else 1.0
            a, b = math.cos(half) * chord, math.sin(half) * chord
            dx, dy = c * speed * dt, s * speed * dt
            step = (a * dx - b * dy, b * dx + a * dy, turn, ahead, bend)
            out[i], hit[i] = _sweep(box[i], step, object_box, rows, (near, begin), (count, steps, dt))
    return out, hit


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
    """Time at which a box first touches one of the objects, and that object's row; (infinite, -1) where it never does.
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
                    hit = r
        if hit >= 0:
            return dt + k * (dt + dt - dt), hit
    return math.inf, -1
