"""Who is ahead of unit 0 on its own path, and how soon ego could stop."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.map import MapData
from roadcraft.core.data.scenario import LAST_MOVING
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.motion.drivetrain import FADE_DEGC, FADE_FLOOR, FADE_PER_K, LATERAL_SHARE
from roadcraft.core.driving.motion.stopped import STOPPED_MPS
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.interfaces import MetricContext
from roadcraft.core.memo import memo
from roadcraft.core.vehicles.state import DRY_FRICTION
from roadcraft.core.vehicles.vehicle import GRAVITY_MPS2
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.common.once import once_per_rollout
from roadcraft.validation.metrics.common.routes import ego_route
from roadcraft.validation.metrics.freight.common.channels import channel, road_channel
from roadcraft.validation.metrics.freight.common.units import units
from roadcraft.validation.metrics.kernels.contacts import ObjectRows

REACH_M = 300.0
"""How far ahead leaders are looked for."""
LONG_M = 7.0
"""Length from which on a leader brakes as a truck."""
_STEP_M, _SPAN = 2.0, 16
_AHEAD_M = REACH_M + 150.0  # of the lane, from the last place of unit 0's center: more than is looked at


class Leaders(NamedTuple):
    """The nearest object that stands in the band of unit 0's path, or moves along it, at each of n steps. Who moves
    across it, nearer a right angle than the path, leads nobody."""

    row: I64
    """(n,) row of the object, -1 where there is none."""
    gap: F64
    """(n,) m from the front of unit 0 along its path to the object; infinite where there is none."""
    speed: F64
    """(n,) m/s of the object along the path, not negative."""


@once_per_rollout
def leaders(context: MetricContext) -> Leaders:
    """Leaders on the path that unit 0 drives and, beyond its end, on along the lane."""
    f, u = frames(context), units(context)
    center = frozen(f.box[:, :2])
    line, arc = _way(center, frozen(_ahead(context, f.box[-1])))
    velocity = context.rollout.drive.objects.velocity
    own = (arc, arc + 0.5 * f.box[:, 3], frozen(u.speed[:, 0]), center)
    row, gap, speed = _nearest(line, own, f.objects, frozen(velocity), 0.5 * float(u.chain.width[0]))
    return Leaders(row, gap, speed)


def _ahead(context: MetricContext, box: F64) -> F64:
    """Places (Q, 2) beyond the last one along its lane and what follows it, straight on where there is none."""
    route, world = ego_route(context), context.rollout.scenario.map
    lanes = world.lanes
    c, s = math.cos(box[2]), math.sin(box[2])
    rows = route.at(len(route.count) - 1).tolist()
    out, length = [np.zeros((0, 2))], 0.0
    lane = rows[0] if rows else -1
    seen = set[int]()
    while lane >= 0 and lane not in seen and length < REACH_M:
        seen.add(lane)
        line, arcs = lanes.centerlines[lane], memo(world, ("arc lengths", lane), lambda k=lane: _arcs(world, k))  # type: ignore[misc]
        first = 0
        if not length:
            first = _first_ahead(frozen(line), (float(box[0]), float(box[1]), c, s))
        last = int(np.searchsorted(arcs, arcs[min(first, len(arcs) - 1)] + _AHEAD_M - length)) + 1
        out.append(line[first:last])
        length += float(arcs[min(last, len(arcs)) - 1] - arcs[min(first, len(arcs) - 1)]) + 1e-3
        lane = next(iter(lanes.successors[lane].tolist()), -1)
    places = np.concatenate(out)
    if not len(places):
        return box[:2] + REACH_M * np.array([[c, s]])
    steps = np.hypot(*np.diff(places, axis=0).T) > 1e-6
    return np.asarray(places[np.concatenate([[True], steps])])


def _arcs(world: MapData, lane: int) -> F64:
    """Arc lengths of a lane's vertices."""
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(world.lanes.centerlines[lane], axis=0).T))])


@njit(cache=True, nogil=True)
def _first_ahead(line: F64, pose: tuple[float, float, float, float]) -> int:
    """The first vertex ahead of a place with a cosine and sine of a heading, from the nearest one on; their number
    where there is none."""
    (x, y, c, s), best, first = pose, math.inf, 0
    for i in range(len(line)):
        away = math.hypot(line[i, 0] - x, line[i, 1] - y)
        if away < best:
            best, first = away, i
    while first < len(line) and (line[first, 0] - x) * c + (line[first, 1] - y) * s <= 0.0:
        first += 1
    return first


@njit(cache=True, nogil=True)
def _way(center: F64, further: F64) -> tuple[tuple[F64, F64, F64, F64], F64]:
    """The path over unit 0's centers (n, 2) and the places beyond them (Q, 2), a point each ``_STEP_M``: places (P, 2),
    directions of its segments (P - 1, 2), arc lengths (P,) and bounds of each 16 segments (S, 4); and arc lengths of
    the centers (n,)."""
    n, q = len(center), len(further)
    path, last, arc = np.empty((n + q, 2)), np.zeros(n, np.int64), np.empty(n)
    path[0], count, moved = center[0], 1, 0.0
    for i in range(1, n):
        before = moved
        moved += math.hypot(center[i, 0] - center[i - 1, 0], center[i, 1] - center[i - 1, 1])
        if math.floor(moved / _STEP_M) > math.floor(before / _STEP_M):
            path[count] = center[i]
            count += 1
        last[i] = count - 1
    x, y, moved = center[n - 1, 0], center[n - 1, 1], 0.0
    for i in range(q):
        before = moved
        moved += math.hypot(further[i, 0] - x, further[i, 1] - y)
        x, y = further[i, 0], further[i, 1]
        if i == q - 1 or math.floor(moved / _STEP_M) > math.floor(before / _STEP_M):
            path[count] = further[i]
            count += 1
    s, along, spans = np.zeros(count), np.empty((count - 1, 2)), np.empty(((count + _SPAN - 2) // _SPAN, 4))
    for i in range(count - 1):
        b, dx, dy = i // _SPAN, path[i + 1, 0] - path[i, 0], path[i + 1, 1] - path[i, 1]
        s[i + 1] = s[i] + math.hypot(dx, dy)
        along[i, 0], along[i, 1] = dx / (s[i + 1] - s[i]), dy / (s[i + 1] - s[i])
        if i % _SPAN == 0:
            spans[b, :2], spans[b, 2:] = path[i], path[i]
        for k in range(2):
            spans[b, k] = min(spans[b, k], path[i + 1, k])
            spans[b, 2 + k] = max(spans[b, 2 + k], path[i + 1, k])
    for i in range(n):
        arc[i] = s[last[i]] + math.hypot(center[i, 0] - path[last[i], 0], center[i, 1] - path[last[i], 1])
    return (path[:count].copy(), along, s, spans), arc


@njit(cache=True, nogil=True)
def _nearest(
    line: tuple[F64, F64, F64, F64], own: tuple[F64, F64, F64, F64], objects: ObjectRows, velocity: F64, half: float
) -> tuple[I64, F64, F64]:
    """Row, gap and speed (n,) of the nearest object ahead whose box reaches into the band of ``half`` m to both sides
    of the path, and that does not cross it. line: places (P, 2), directions of its segments (P - 1, 2), arc lengths
    (P,), bounds of each 16 segments (S, 4); own: arc length of unit 0's center and of its front, its speed
    (n,), and its center (n, 2)."""
    offsets, _, _, box, _ = objects
    (path, along, s, spans), (arc, front, speed, own_place) = line, own
    n, begin = len(arc), 0
    rows, gaps, speeds = np.full(n, -1, np.int64), np.full(n, math.inf), np.zeros(n)
    for i in range(n):
        while begin < len(spans) - 1 and s[(begin + 1) * 16] <= arc[i]:
            begin += 1
        if speed[i] < -0.05:
            continue
        for r in range(offsets[i], offsets[i + 1]):
            x, y, reach = box[r, 0], box[r, 1], half + 0.5 * (box[r, 3] + box[r, 4])
            # the way to an object in the band is no shorter than the straight one
            dx, dy, most = x - own_place[i, 0], y - own_place[i, 1], gaps[i] + front[i] - arc[i] + 2.0 * reach
            if dx * dx + dy * dy > most * most:
                continue
            best, segment, place = math.inf, -1, 0.0
            for k in range(begin, len(spans)):
                end = min((k + 1) * 16, len(path) - 1)
                if s[end] <= arc[i]:
                    continue
                if s[k * 16] - front[i] > REACH_M:
                    break
                if max(spans[k, 0] - x, x - spans[k, 2]) > reach or max(spans[k, 1] - y, y - spans[k, 3]) > reach:
                    continue
                for j in range(k * 16, end):
                    ax, ay = x - path[j, 0], y - path[j, 1]
                    t = min(max(ax * along[j, 0] + ay * along[j, 1], 0.0), s[j + 1] - s[j])
                    ox, oy = ax - t * along[j, 0], ay - t * along[j, 1]
                    away = ox * ox + oy * oy
                    if away < best:
                        best, segment, place = away, j, s[j] + t
            if segment < 0 or place <= arc[i]:
                continue
            c, d = along[segment, 0], along[segment, 1]
            turn = box[r, 2] - math.atan2(d, c)
            cosine, sine = abs(math.cos(turn)), abs(math.sin(turn))
            if math.sqrt(best) - 0.5 * (sine * box[r, 3] + cosine * box[r, 4]) >= half:
                continue
            ahead, across = velocity[r, 0] * c + velocity[r, 1] * d, velocity[r, 1] * c - velocity[r, 0] * d
            if abs(across) > max(abs(ahead), STOPPED_MPS):
                continue
            gap = place - 0.5 * (cosine * box[r, 3] + sine * box[r, 4]) - front[i]
            if gap < gaps[i]:
                rows[i], gaps[i], speeds[i] = r, gap, max(ahead, 0.0)
    return rows, gaps, speeds


def leader_brakes(context: MetricContext, car_mps2: float, truck_mps2: float) -> F64:
    """(n,) m/s2 with which each leader can brake."""
    objects, row = frames(context).objects, leaders(context).row
    long = (objects.box[row, 3] > LONG_M) & (objects.kind[row] <= LAST_MOVING) if len(objects.box) else row > 0
    return np.where(long, truck_mps2, car_mps2)


def brakes_available(context: MetricContext) -> F64 | None:
    """(n,) m/s2 of full braking in the driven load, on the road's friction, with brakes as hot as they are; None
    without masses."""
    vehicle = context.rollout.vehicle
    if not vehicle.has_masses:
        return None
    grip = math.sqrt(1.0 - LATERAL_SHARE**2) * GRAVITY_MPS2
    friction, hot = road_channel(context, "friction", DRY_FRICTION), channel(context, "brake_temperature")
    full = vehicle.loads[vehicle.load].brake_mps2
    faded = 1.0 if hot is None else np.maximum(FADE_FLOOR, 1.0 - FADE_PER_K * np.maximum(hot - FADE_DEGC, 0.0))
    return np.asarray(np.minimum(full * faded, grip * friction))


def stopping_distances(context: MetricContext, brake: F64, reaction_s: float) -> F64:
    """(n,) m in which unit 0 stops from each step's speed, after a reaction, the dead time and the ramp of its brakes,
    on the road's grade; infinite where that is too steep. The same as ``closed_forms.stopping``, for all steps."""
    brakes, v = context.rollout.vehicle.brakes, np.maximum(units(context).speed[:, 0], 0.0)
    assert brakes is not None
    dead, ramp = brakes.dead_s + reaction_s, max(brakes.ramp_s, 1e-6)
    pull = GRAVITY_MPS2 * road_channel(context, "grade", 0.0)
    after = v - pull * ramp - 0.5 * brake * ramp
    held, rest = v * (dead + ramp) - ramp * ramp * (0.5 * pull + brake / 6.0), brake + pull
    long = held + np.where(rest > 0.0, 0.5 * after * after / np.maximum(rest, 1e-9), np.inf)
    root = pull + np.sqrt(pull * pull + 2.0 * brake * v / ramp)
    t = 2.0 * v / np.maximum(root, 1e-9)
    short = v * dead + t * (v - t * (0.5 * pull + brake * t / (6.0 * ramp)))
    return np.where(v <= 0.0, 0.0, np.where(after <= 0.0, short, long))
