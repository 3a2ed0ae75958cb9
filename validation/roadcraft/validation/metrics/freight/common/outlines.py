"""How far the outline of each unit leaves the drivable area, and the lanes that unit 0 uses."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, Mask
from roadcraft.core.data.map import Lanes, MapData
from roadcraft.core.data.places import PlaceKind
from roadcraft.core.driving.geometry.polygons import crossings
from roadcraft.core.driving.geometry.tolerances import CLEAR_M
from roadcraft.core.driving.jit import inlined_njit, njit, small_njit
from roadcraft.core.driving.map_index.index import (
    SPAN,
    LayerArrays,
    PolygonLayer,
    build_layer,
    cell_of,
    distance,
    edge_distance,
    in_any,
)
from roadcraft.core.driving.motion.chain import ChainArrays
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.driving.route_places import lane_lengths
from roadcraft.core.interfaces import MetricContext
from roadcraft.core.memo import memo
from roadcraft.core.vehicles.vehicle import RigidUnit
from roadcraft.validation.metrics.common.drivable import beyond
from roadcraft.validation.metrics.common.once import once_per_rollout
from roadcraft.validation.metrics.common.routes import ego_route
from roadcraft.validation.metrics.freight.common.units import outline, placed, units
from roadcraft.validation.metrics.kernels.routes import among

CHANGE_S = 5.0
"""Half of the time that a tractor with a semitrailer takes for a lane change (8.7 s among human drivers), after and
before which its lanes are those that unit 0 uses; engine choice."""


class LanesInUse(NamedTuple):
    """Rows of Lanes that the units may use at each of n steps: ``rows[offsets[i]:offsets[i + 1]]``."""

    rows: I64
    offsets: I64


class OutlineDepartures(NamedTuple):
    """Of the outline points of one unit, the corners first, the tires last; n steps, K points."""

    points: F64
    """(n, K, 2) m, global frame."""
    tires: int
    """Number of the first tire among the points."""
    off_road: F64
    """(n, K) m beyond the drivable area and the lanes of unit 0's route, and, behind unit 0, aprons; 0 on them or on
    any lane."""
    excess: F64
    """(n, K) m beyond the lanes in use and, behind unit 0, aprons; not a number where none is in use."""
    other: I64
    """(n, K) row of a lane under a point that is not in use, or -1."""
    most: F64
    """(n, 3) m: the largest ``off_road`` of the outline points, that of the tires, and the largest ``excess`` of the
    outline points."""


@once_per_rollout
def outline_departures(context: MetricContext) -> tuple[OutlineDepartures, ...]:
    """Of each unit."""
    u, route, used = units(context), ego_route(context), lanes_in_use(context)
    index, vehicle = context.rollout.scenario.map.index, context.rollout.vehicle
    driven = frozen(route.rows, np.int64), frozen(route.count, np.int64)
    lanes = frozen(used.rows, np.int64), frozen(used.offsets, np.int64)
    layers, out = (index.lanes.arrays, index.drivable.arrays), list[OutlineDepartures]()
    places = context.rollout.scenario.map.places
    rows = places.of(PlaceKind.APRON) if len(places) else np.zeros(0, np.int64)
    for i, unit in enumerate(vehicle.units):
        edges, local = memo(vehicle, ("outline", i), lambda i=i, unit=unit: _with_tires(u.chain, i, unit))  # type: ignore[misc]
        points = frozen(placed(local, u.poses[:, i]))
        found = _outline(frozen(u.boxes[:, i]), (points, edges), driven, lanes, layers)
        out.append(OutlineDepartures(points, edges, *found))
    if len(rows):
        aprons = build_layer(places.polygons, rows)
        out[1:] = [_beyond_aprons(d, aprons) for d in out[1:]]
    return tuple(out)


@once_per_rollout
def lanes_in_use(context: MetricContext) -> LanesInUse:
    """The lanes under unit 0's center from ``CHANGE_S`` before (or as long as the last unit has not passed) to
    ``CHANGE_S`` after each step, and what joins them in the same road blocks; at the ends of the drive also those
    before and behind them."""
    u, route, world = units(context), ego_route(context), context.rollout.scenario.map
    lanes = world.lanes
    box, n = u.boxes[:, 0], len(u.seconds)
    way = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(box[:, :2], axis=0).T))])
    length = float((u.chain.wheel_base + np.abs(u.chain.hitch)).sum() + u.chain.rear[-1] + 2.0)
    first = np.minimum(np.searchsorted(way, way - length), np.searchsorted(u.seconds, u.seconds - CHANGE_S))
    last = np.maximum(
        np.searchsorted(way, way + u.chain.front[0] + 1.0, side="right"),
        np.searchsorted(u.seconds, u.seconds + CHANGE_S, side="right"),
    )
    changes = np.ones(n, np.bool_)
    changes[1:] = (route.rows[1:] != route.rows[:-1]).any(axis=1)
    starts = np.flatnonzero(changes)  # stretches of one set of lanes
    sets = [route.at(int(k)).tolist() for k in starts]
    a, b = np.searchsorted(starts, first, side="right") - 1, np.searchsorted(starts, last - 1, side="right")
    before = _reach(sets, world, length, -1)
    ahead = _reach(sets[::-1], world, float(u.chain.front[0]) + 1.0, 1)
    begins, ends = way - length <= way[0], way + u.chain.front[0] + 1.0 >= way[-1]
    keys = np.stack([a, b, begins, ends])
    first = np.flatnonzero(np.concatenate([[True], (keys[:, 1:] != keys[:, :-1]).any(axis=0)]))
    values, count = list[I64](), np.diff(np.append(first, n))
    for low, high, begin, end in keys[:, first].T.tolist():
        rows = {r for k in range(low, high) for r in sets[k]}
        found = sorted(_abreast(rows, lanes) | (before if begin else set()) | (ahead if end else set()))
        values.append(np.array(found, np.int64))
    sizes = np.array([len(v) for v in values])
    offsets = np.concatenate([[0], np.cumsum(np.repeat(sizes, count))])
    begin = np.repeat(np.cumsum(sizes) - sizes, count) - offsets[:-1]
    at = np.repeat(begin, np.diff(offsets)) + np.arange(offsets[-1])
    return LanesInUse(np.concatenate(values)[at], offsets.astype(np.int64))


def _beyond_aprons(d: OutlineDepartures, aprons: PolygonLayer) -> OutlineDepartures:
    """The departures of a unit that may roll on aprons."""
    beyond = [d.off_road.copy(), d.excess.copy()]
    for far in beyond:
        at = np.nonzero(far > 0.0)
        for row in range(len(aprons) if len(at[0]) else 0):
            far[at] = np.minimum(far[at], distance(aprons, np.full(len(at[0]), row, np.int64), d.points[at]))
    off_road, excess = beyond
    most = [off_road[:, : d.tires].max(1), off_road[:, d.tires :].max(1), excess[:, : d.tires].max(1)]
    return d._replace(off_road=off_road, excess=excess, most=np.stack(most, 1))


def _with_tires(chain: ChainArrays, i: int, unit: RigidUnit) -> tuple[int, F64]:
    """How many outline points a unit has, and these and its tires (K, 2), in its frame."""
    edge = outline(chain, i)
    axles = (*unit.axles_m, *((unit.wheel_base_m,) if i == 0 else ()))
    half = 0.5 * min(unit.track_m or unit.width_m, unit.width_m)
    return len(edge), np.concatenate([edge, [(x, y) for x in axles for y in (half, -half)]])


def _abreast(rows: set[int], lanes: Lanes) -> set[int]:
    """The lanes, and what leads to or follows each of them in a road block of the others: a lane change may begin in
    one block and end in another."""
    blocks = {int(lanes.block[r]) for r in rows} - {-1}
    beside = {int(k) for r in rows for near in (lanes.predecessors, lanes.successors) for k in near[r]}
    return rows | {k for k in beside if int(lanes.block[k]) in blocks}


def _reach(sets: list[list[int]], world: MapData, length: float, way: int) -> set[int]:
    """Lanes within ``length`` m behind (way -1) or ahead (1) of the first lanes of a drive."""
    here, long, lanes = next((s for s in sets if s), []), lane_lengths(world), world.lanes
    near, found = lanes.predecessors if way < 0 else lanes.successors, set()
    queue = [(r, 0.0) for r in here]
    while queue:
        row, gone = queue.pop()
        for k in near[row].tolist():
            if k not in found:
                found.add(k)
                after = gone + float(long[k])
                if after < length:
                    queue.append((k, after))
    return found


_WIDER = 16  # spans of edges that are passed over together


class _Around(NamedTuple):
    """What holds each ``_WIDER`` spans of edges of a layer, looked up once where it is asked for: bounds (W, 4), and
    whether each is known (W,)."""

    bounds: F64
    known: Mask


@inlined_njit
def _near(around: _Around, spans: F64, part: int, near: tuple[float, float, float, float]) -> bool:
    """Whether spans of a part may come near: x, y, and how far to both sides."""
    bounds, (x, y, wide, high) = around.bounds, near
    if not around.known[part]:
        first, last = part * _WIDER, min((part + 1) * _WIDER, len(spans))
        for k in range(4):
            bounds[part, k] = spans[first, k]
        for b in range(first + 1, last):
            for k in range(2):
                bounds[part, k] = min(bounds[part, k], spans[b, k])
                bounds[part, 2 + k] = max(bounds[part, 2 + k], spans[b, 2 + k])
        around.known[part] = True
    return (
        max(bounds[part, 0] - x, x - bounds[part, 2]) <= wide and max(bounds[part, 1] - y, y - bounds[part, 3]) <= high
    )


@inlined_njit
def _holds(layer: LayerArrays, around: _Around, row: int, x: float, y: float) -> bool:
    """``holds``, past the parts of rings whose edges count nothing."""
    points, rings, spans, crossed = layer.points, layer.rings, layer.spans, 0
    for r in range(layer.offsets[row], layer.offsets[row + 1]):
        i, last = rings[r], rings[r + 1] - 1
        while i < last:
            span = i // SPAN
            part = span // _WIDER
            _near(around, spans, part, (x, y, 0.0, 0.0))
            bounds = around.bounds
            if not (bounds[part, 1] <= y <= bounds[part, 3] and x <= bounds[part, 2]):
                i = min((part + 1) * _WIDER * SPAN, last)
                continue
            end = min((span + 1) * SPAN, last)
            if spans[span, 1] <= y <= spans[span, 3] and x <= spans[span, 2]:
                n = crossings(points, i, end, x, y)
                if n < 0:
                    return False
                crossed += n
            i = end
    return crossed % 2 == 1


@inlined_njit
def _in_one_lane(
    box: F64, corner: F64, rows: I64, lanes: LayerArrays, around: _Around, last_seen: tuple[int, float, float]
) -> int:
    """One of the lanes that holds a whole box: it holds a corner, and none of its edges comes into the box. -1 also
    where that is not certain. last_seen: the lane that held it a step before, or -1, and its center then: if that is in
    the box, the lane holds one of the box's points."""
    x, y, c, s = box[0], box[1], math.cos(box[2]), math.sin(box[2])
    ahead, left = 0.5 * box[3] + CLEAR_M, 0.5 * box[4] + CLEAR_M
    wide, high = abs(c) * ahead + abs(s) * left, abs(s) * ahead + abs(c) * left
    points, rings, spans, (seen, px, py) = lanes.points, lanes.rings, lanes.spans, last_seen
    u, v = (px - x) * c + (py - y) * s, (py - y) * c - (px - x) * s
    known = seen >= 0 and abs(u) < ahead - 2.0 * CLEAR_M and abs(v) < left - 2.0 * CLEAR_M
    for k in range(-1, len(rows)):
        row = seen if k < 0 else rows[k]
        if k < 0 and not (known and among(row, rows, 0, len(rows))):
            continue
        if k >= 0 and ((known and row == seen) or not _holds(lanes, around, row, corner[0], corner[1])):
            continue
        clear = True
        for r in range(lanes.offsets[row], lanes.offsets[row + 1]):
            i, last = rings[r], rings[r + 1] - 1
            while i < last and clear:
                span = i // SPAN
                if not _near(around, spans, span // _WIDER, (x, y, wide, high)):
                    i = min((span // _WIDER + 1) * _WIDER * SPAN, last)
                    continue
                end = min((span + 1) * SPAN, last)
                if (
                    max(spans[span, 0] - x, x - spans[span, 2]) <= wide
                    and max(spans[span, 1] - y, y - spans[span, 3]) <= high
                ):
                    for e in range(i, end):
                        ax, ay, bx, by = points[e, 0] - x, points[e, 1] - y, points[e + 1, 0] - x, points[e + 1, 1] - y
                        au, av, bu, bv = ax * c + ay * s, ay * c - ax * s, bx * c + by * s, by * c - bx * s
                        beside = min(av, bv) > left or max(av, bv) < -left
                        clear = clear and (beside or min(au, bu) > ahead or max(au, bu) < -ahead)
                i = end
        if clear:
            return int(row)
    return -1


def _outline(
    boxes: F64,
    unit: tuple[F64, int],
    route: tuple[I64, I64],
    used: tuple[I64, I64],
    layers: tuple[LayerArrays, LayerArrays],
) -> tuple[F64, F64, I64, F64]:
    """``off_road``, ``excess``, ``other`` and ``most`` of :class:`OutlineDepartures`."""
    (lanes, drivable), (n, count, _) = layers, unit[0].shape
    off_road, excess, other = np.zeros((n, count)), np.zeros((n, count)), np.full((n, count), -1, np.int64)
    most = np.zeros((n, 3))
    parts = (len(lanes.spans) + _WIDER - 1) // _WIDER
    around = _Around(np.empty((parts, 4)), np.zeros(parts, np.bool_))
    if _leave(boxes, unit, used, lanes, around, (off_road, excess, other, most)):
        _measure(unit, route, lanes, drivable, (off_road, most))
    return off_road, excess, other, most


@small_njit
def _leave(
    boxes: F64,
    unit: tuple[F64, int],
    used: tuple[I64, I64],
    lanes: LayerArrays,
    around: _Around,
    out: tuple[F64, F64, I64, F64],
) -> bool:
    """``excess``, its largest, and ``other``; whether a point is on no lane: ``off_road`` is -1 there."""
    (points, edges), (off_road, excess, other, most), (rows, offsets), lost = unit, out, used, False
    lane, x0, y0 = -1, 0.0, 0.0
    for i in range(len(boxes)):
        first, last = offsets[i], offsets[i + 1]
        lane = _in_one_lane(boxes[i], points[i, 0], rows[first:last], lanes, around, (lane, x0, y0))
        x0, y0 = boxes[i, 0], boxes[i, 1]
        if lane >= 0:
            continue
        near = -1  # the lane of the point before
        for k in range(points.shape[1]):
            x, y = points[i, k, 0], points[i, k, 1]
            if near >= 0 and _holds(lanes, around, near, x, y):
                continue
            cell, mine, held = cell_of(lanes, x, y), False, False
            a, b = (lanes.starts[cell], lanes.starts[cell + 1]) if cell >= 0 else (0, 0)
            for n in range(a, b):
                e = lanes.entries[n]
                if among(e >> 1, rows, first, last) and (e & 1 or _holds(lanes, around, e >> 1, x, y)):
                    mine, near = True, e >> 1
                    break
            if mine:
                continue
            for n in range(a, b):
                e = lanes.entries[n]
                if e & 1 or _holds(lanes, around, e >> 1, x, y):
                    held, other[i, k] = True, e >> 1
            # no farther than the point before, and the way from there
            d = math.nan if first == last else math.inf
            if first < last and k > 0:
                step = math.hypot(x - points[i, k - 1, 0], y - points[i, k - 1, 1])
                d = excess[i, k - 1] + step + CLEAR_M
            for r in range(first, last):
                d = edge_distance(lanes, rows[r], x, y, d)
            excess[i, k] = d
            if k < edges:
                most[i, 2] = d if first == last else max(most[i, 2], d)
            if not held:
                off_road[i, k], lost = -1.0, True
    return lost


@njit(cache=True, nogil=True)
def _measure(
    unit: tuple[F64, int], route: tuple[I64, I64], lanes: LayerArrays, drivable: LayerArrays, out: tuple[F64, F64]
) -> None:
    """How far the points that are on no lane are off the road, and the largest."""
    (points, edges), (off_road, most) = unit, out
    for i in range(points.shape[0]):
        before = -1  # the last point that was measured
        for k in range(points.shape[1]):
            if off_road[i, k] < 0.0:
                x, y, farthest = points[i, k, 0], points[i, k, 1], math.inf
                if before >= 0:  # no farther than that, and the way from there
                    step = math.hypot(x - points[i, before, 0], y - points[i, before, 1])
                    farthest = off_road[i, before] + step + CLEAR_M
                on, before = in_any(drivable, x, y), k
                off_road[i, k] = 0.0 if on else beyond(x, y, route[0][i, : route[1][i]], lanes, drivable, farthest)
                column = 0 if k < edges else 1
                most[i, column] = max(most[i, column], off_road[i, k])
