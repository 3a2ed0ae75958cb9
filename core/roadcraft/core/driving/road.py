"""The road under vehicles: slope, friction and wind where they are, by places of their maps and raster layers of
their logs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.layers import LayerKind, RasterLayers
from roadcraft.core.data.map import MapData
from roadcraft.core.data.places import PlaceKind
from roadcraft.core.driving.geometry.bounds import square_to_bounds
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.map_index.index import LayerArrays, row_distance, rows_at
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.memo import memo
from roadcraft.core.vehicles.state import RoadState, level_road

BESIDE_M = 5.0
"""How far beside a lane with slope, friction or wind these still hold, where no lane is, m."""
_KINDS = (PlaceKind.GRADE, PlaceKind.BANK, PlaceKind.FRICTION, PlaceKind.WIND)
_LAYERS = (LayerKind.GRADE, LayerKind.FRICTION)
_OVERLAP = 64  # lanes that may lie above each other
_SPAN = 16  # segments of a centerline whose bounds are known
_ROUNDING_M2 = 1e-6  # squared distances may be off by less


class RoadArrays(NamedTuple):
    """What the places of a map say of its roads, for kernels. Places of lane k are ``first[k]:first[k + 1]``, those of
    the map's order; column (S,) int64: index in (grade, bank, friction, wind); span (S, 2) m; value (S, 2). Vertices of
    lane k are ``line_at[k]:line_at[k + 1]`` of points (P, 2), arc (P,) m from its first one; bounds (B, 4): least and
    largest x and y of each ``_SPAN`` segments of a lane, ``bounds_at[k]:bounds_at[k + 1]`` those of lane k."""

    lanes: LayerArrays
    points: F64
    line_at: I64
    arc: F64
    bounds: F64
    bounds_at: I64
    first: I64
    column: I64
    span: F64
    value: F64


def says_of_roads(map_data: MapData, layers: RasterLayers) -> bool:
    """Whether a map or the layers of a log know of slope, friction or wind."""
    on_map = len(map_data.places) and len(map_data.places.of(*_KINDS))
    return bool(on_map or (len(layers) and np.isin(layers.kind, _LAYERS).any()))


def road_under(maps: Sequence[MapData], ego: F64, layers: Sequence[RasterLayers] = ()) -> RoadState:
    """The road under the rear axles (of unit 0) of B vehicles.

    maps: (B); ego: (B, >= 3) x, y in m, heading in rad; layers: (B) those that are known, or none at all.

    The lane is that under the axle whose direction is nearest the vehicle's; where no lane is, the nearest within
    ``BESIDE_M`` that has places of these kinds. Slopes are turned into the vehicle's direction. Of overlapping spans of
    a kind the first of the map counts. Where the map says nothing of a kind, the layers count (a layer's grade is
    along the heading: a bank of the map is part of it already), and where they say nothing, a level dry road without
    wind.
    """
    road = level_road(len(ego))
    said = [len(m.places) > 0 for m in maps]
    if not any(said) and not any(map(len, layers)):
        return road
    felt = np.full((len(ego), 6), np.nan)
    groups: dict[int, list[int]] = {}
    for b in np.flatnonzero(said).tolist():
        groups.setdefault(id(maps[b]), []).append(b)
    poses = np.ascontiguousarray(ego[:, :3])
    for rows in groups.values():
        felt[rows] = roads_at(maps[rows[0]], poses[rows])
    for b, known in enumerate(layers):
        if len(known):
            for column, said_at, kind in ((0, 5, LayerKind.GRADE), (2, 2, LayerKind.FRICTION)):
                if np.isnan(felt[b, said_at]) and not math.isnan(value := _cell(known, kind, poses[b])):
                    felt[b, column] = value
    level = np.column_stack(road)
    felt = np.where(np.isnan(felt[:, :5]), level, felt[:, :5])
    return RoadState(*(np.ascontiguousarray(c) for c in (felt[:, 0], felt[:, 1], felt[:, 2], felt[:, 3:])))


def roads_at(map_data: MapData, poses: F64) -> F64:
    """What a map says of the road under M poses (M, 3), as :func:`road_under` finds it: (M, 6) grade, bank, friction,
    wind x and y, and the lane's own grade; NaN where it says nothing."""
    arrays = memo(map_data, "roads", lambda: _build(map_data))
    found: F64 = _on_lanes(arrays, np.ascontiguousarray(poses))
    return found


def _build(m: MapData) -> RoadArrays:
    lines = m.lanes.centerlines
    points, line_at = frozen(lines.points), frozen(lines.offsets, np.int64)
    arc, bounds, bounds_at = _measured(points, line_at)
    rows = m.places.of(*_KINDS)
    rows = rows[np.argsort(m.places.lane[rows], kind="stable")]
    begin, end = m.places.value[rows], m.places.second[rows]
    column = np.searchsorted(_KINDS, m.places.kind[rows])
    return RoadArrays(
        m.index.lanes.arrays,
        points,
        line_at,
        frozen(arc),
        frozen(bounds),
        frozen(bounds_at, np.int64),
        frozen(np.searchsorted(m.places.lane[rows], np.arange(len(m.lanes) + 1)), np.int64),
        frozen(column, np.int64),
        frozen(m.places.span[rows]),
        frozen(np.column_stack([begin, np.where(np.isnan(end), begin, end)])),
    )


def _cell(layers: RasterLayers, kind: LayerKind, pose: F64) -> float:
    """What the layer of a kind says of a place, NaN where there is none. Grade is along the heading already."""
    for i in np.flatnonzero(layers.kind == kind).tolist():
        grid = layers[i]
        x, y, heading = grid.pose
        c, s, dx, dy = math.cos(heading), math.sin(heading), pose[0] - x, pose[1] - y
        column, row = math.floor((c * dx + s * dy) / grid.cell_m), math.floor((c * dy - s * dx) / grid.cell_m)
        if 0 <= row < grid.values.shape[0] and 0 <= column < grid.values.shape[1]:
            return float(grid.values[row, column])
    return math.nan


# ---- kernels -------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _on_lanes(road: RoadArrays, poses: F64) -> F64:
    """Grade, bank, friction, wind x and y, and the lane's own grade (M, 6) at poses (M, 3), NaN where the map says
    nothing."""
    out, held, found = np.full((len(poses), 6), math.nan), np.empty(_OVERLAP, np.int64), np.empty((4, 2))
    hint = 0
    for m in range(len(poses)):
        x, y, heading = poses[m]
        lane, arc, direction, hint = _lane_at(road, (x, y, heading), held, hint)
        if lane < 0 or road.first[lane] == road.first[lane + 1]:
            continue
        found[:] = math.nan
        for k in range(road.first[lane], road.first[lane + 1]):
            low, high = road.span[k]
            column = road.column[k]
            if low <= arc <= high and math.isnan(found[column, 0]):
                begin, end = road.value[k]
                share = (arc - low) / (high - low) if high > low and column < 3 else 0.0
                found[column, 0], found[column, 1] = begin + share * (end - begin), end
        if not (math.isnan(found[0, 0]) and math.isnan(found[1, 0])):
            grade = 0.0 if math.isnan(found[0, 0]) else found[0, 0]
            bank = 0.0 if math.isnan(found[1, 0]) else found[1, 0]
            c, s = math.cos(heading - direction), math.sin(heading - direction)
            out[m, 0], out[m, 1] = grade * c - bank * s, grade * s + bank * c
        out[m, 2], out[m, 5] = found[2, 0], found[0, 0]
        out[m, 3], out[m, 4] = found[3, 0] * math.cos(found[3, 1]), found[3, 0] * math.sin(found[3, 1])
    return out


@small_njit
def _lane_at(road: RoadArrays, pose: tuple[float, float, float], held: I64, hint: int) -> tuple[int, float, float, int]:
    """The lane of :func:`road_under`, or -1; the nearest place on its centerline, and the span that has it. hint: a
    span that may be near."""
    (x, y, heading), best, least, arc, direction, span = pose, -1, math.inf, 0.0, 0.0, hint
    for i in range(rows_at(road.lanes, x, y, held, 0)):
        at, along, b = _place_on(road, held[i], x, y, hint)
        against = -math.cos(heading - along)
        if against < least:
            best, least, arc, direction, span = held[i], against, at, along, b
    if best < 0:
        least = BESIDE_M
        for lane in range(len(road.first) - 1):
            if road.first[lane] < road.first[lane + 1]:
                far = row_distance(road.lanes, lane, x, y)
                if far <= least:
                    best, least = lane, far
        if best >= 0:
            arc, direction, span = _place_on(road, best, x, y, hint)
    return best, arc, direction, span


@njit(cache=True, nogil=True)
def _measured(points: F64, line_at: I64) -> tuple[F64, F64, I64]:
    """``arc``, ``bounds`` and ``bounds_at`` of :class:`RoadArrays`."""
    arc, bounds_at = np.zeros(len(points)), np.zeros(len(line_at), np.int64)
    for lane in range(len(line_at) - 1):
        bounds_at[lane + 1] = bounds_at[lane] + (max(line_at[lane + 1] - line_at[lane] - 1, 0) + _SPAN - 1) // _SPAN
    bounds = np.empty((bounds_at[-1], 4))
    for lane in range(len(line_at) - 1):
        first, last = line_at[lane], line_at[lane + 1]
        for i in range(first, last - 1):
            b = bounds_at[lane] + (i - first) // _SPAN
            if (i - first) % _SPAN == 0:
                bounds[b, :2], bounds[b, 2:] = points[i], points[i]
            dx, dy = points[i + 1, 0] - points[i, 0], points[i + 1, 1] - points[i, 1]
            arc[i + 1] = arc[i] + math.sqrt(dx * dx + dy * dy)
            for k in range(2):
                bounds[b, k] = min(bounds[b, k], points[i + 1, k])
                bounds[b, 2 + k] = max(bounds[b, 2 + k], points[i + 1, k])
    return arc, bounds, bounds_at


@small_njit
def _place_on(road: RoadArrays, lane: int, x: float, y: float, hint: int) -> tuple[float, float, int]:
    """The place on a lane's centerline that is nearest to (x, y), the first of several: arc length m, direction rad,
    and its span. hint: a span that may be near, of any lane."""
    points, best, nearest, where = road.points, math.inf, -1, 0.0
    low, high = road.bounds_at[lane], road.bounds_at[lane + 1]
    first, last = road.line_at[lane], road.line_at[lane + 1] - 1
    if low == high:
        return 0.0, 0.0, hint
    known = low <= hint < high
    begin, least = hint if known else low, math.inf
    for b in range(low, low if known else high):
        d = square_to_bounds(road.bounds, b, x, y)
        if d < least:
            begin, least = b, d
    for k in range(low - 1, high):  # the span that seems nearest, then the others
        b = begin if k < low else k
        if k == begin or (k >= low and square_to_bounds(road.bounds, b, x, y) > best + _ROUNDING_M2):
            continue
        for i in range(first + (b - low) * _SPAN, min(first + (b - low + 1) * _SPAN, last)):
            ax, ay = points[i, 0], points[i, 1]
            dx, dy = points[i + 1, 0] - ax, points[i + 1, 1] - ay
            length = math.sqrt(dx * dx + dy * dy)
            along = min(max(((x - ax) * dx + (y - ay) * dy) / length, 0.0), length) if length > 0.0 else 0.0
            share = along / length if length > 0.0 else 0.0
            d = (ax + share * dx - x) ** 2 + (ay + share * dy - y) ** 2
            if d < best or (d == best and i < nearest):
                best, nearest, where = d, i, along
    if nearest < 0:
        return 0.0, 0.0, hint
    dx, dy = points[nearest + 1, 0] - points[nearest, 0], points[nearest + 1, 1] - points[nearest, 1]
    return road.arc[nearest] + where, math.atan2(dy, dx), low + (nearest - first) // _SPAN
