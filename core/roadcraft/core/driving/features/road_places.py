"""The places of a map near the ego as rows of features."""

from __future__ import annotations

import numpy as np

from roadcraft.core.arrays import F64, I64, U8, Mask
from roadcraft.core.data.map import MapData
from roadcraft.core.data.places import PlaceKind
from roadcraft.core.data.scenario import Ego
from roadcraft.core.driving.features.columns import PlaceColumn
from roadcraft.core.driving.route_places import closed_places
from roadcraft.core.memo import memo
from roadcraft.core.vehicles.vehicle import Vehicle

_MASSES = (PlaceKind.GROSS_LIMIT, PlaceKind.AXLE_LIMIT, PlaceKind.NO_TRUCKS)
_SIDED = (PlaceKind.CURB, PlaceKind.SHOULDER)
_FARTHEST = 1e3
"""Largest value that a row holds, in its unit: a sag of a larger radius is level, as where there is none."""
_BOUNDLESS = (PlaceKind.CLEARANCE, PlaceKind.AXLE_LIMIT)
"""Kinds whose second value, where there is none, is none that binds."""


def near_places(map_data: MapData, vehicle: Vehicle | None, ego: F64, count: int, radius_m: float) -> tuple[F64, I64]:
    """Rows (n, PlaceColumn) of ``count`` places and their PlaceKind (n,): the nearest of each kind, nearest first, then
    the second of each, and so on, none farther than ``radius_m``: where a road has a hundred curbs, a low bridge is
    seen all the same. How far one is, is measured to the straight line from its begin to its end.

    ego: state, columns ``Ego``, global frame. vehicle: None where it is unknown; nothing is closed to it then.
    """
    if not len(map_data.places):
        return np.zeros((0, len(PlaceColumn))), np.zeros(0, np.int64)
    ends, fixed = memo(map_data, "place features", lambda: (_ends(map_data), _fixed(map_data)))
    away = _distances(ends, ego[Ego.X], ego[Ego.Y])
    near = np.argsort(away, kind="stable")[: np.count_nonzero(away <= radius_m)]
    near = near[np.argsort(_ranks(map_data.places.kind[near]), kind="stable")][:count]
    out, kind = fixed[near], map_data.places.kind[near].astype(np.int64)
    cos, sin = np.cos(ego[Ego.HEADING]), np.sin(ego[Ego.HEADING])
    dx, dy = (ends[near, :2] - ego[[Ego.X, Ego.Y]]).T
    turned = ends[near, 2] - ego[Ego.HEADING]
    out[:, PlaceColumn.X], out[:, PlaceColumn.Y] = cos * dx + sin * dy, cos * dy - sin * dx
    facing = np.isfinite(turned)
    out[facing, PlaceColumn.COS], out[facing, PlaceColumn.SIN] = np.cos(turned[facing]), np.sin(turned[facing])
    wind = kind == PlaceKind.WIND
    along, across = out[wind, PlaceColumn.VALUE], out[wind, PlaceColumn.ACROSS]
    out[wind, PlaceColumn.VALUE], out[wind, PlaceColumn.ACROSS] = cos * along + sin * across, cos * across - sin * along
    if vehicle is not None:
        out[:, PlaceColumn.CLOSED] = _closed(map_data, vehicle)[near]
    return out, kind


def _ranks(kind: U8) -> I64:
    """How many of the same kind stand before each, (n,)."""
    by_kind = np.argsort(kind, kind="stable")
    out = np.empty(len(kind), np.int64)
    out[by_kind] = np.arange(len(kind)) - np.searchsorted(kind[by_kind], kind[by_kind])
    return out


def _closed(map_data: MapData, vehicle: Vehicle) -> Mask:
    return memo(map_data, ("closed places", vehicle), lambda: closed_places(map_data, vehicle))


def _ends(m: MapData) -> F64:
    """Where each place begins, its direction there, where it ends, and its length: (P, 6) x, y, heading, x, y, m. A
    place without a lane begins and ends at its dock, or in the middle of its area, which has no direction (NaN)."""
    p, out = m.places, np.zeros((len(m.places), 6))
    for i in range(len(p)):
        if p.lane[i] >= 0:
            line = m.lanes.centerlines[int(p.lane[i])]
            step = np.diff(line, axis=0)
            arc = np.concatenate([[0.0], np.cumsum(np.hypot(*step.T))])
            begin, end = (np.array([np.interp(s, arc, c) for c in line.T]) for s in p.span[i])
            dx, dy = step[min(int(np.searchsorted(arc, p.span[i, 0], side="right")), len(step)) - 1]
            out[i] = *begin, np.arctan2(dy, dx), *end, p.span[i, 1] - p.span[i, 0]
        elif np.isfinite(p.pose[i, 0]):
            out[i, :3], out[i, 3:5] = p.pose[i], p.pose[i, :2]
        else:
            middle = np.concatenate(list(p.polygons[i])).mean(axis=0)
            out[i, :2], out[i, 2], out[i, 3:5] = middle, np.nan, middle
    return out


def _fixed(m: MapData) -> F64:
    """Rows with what does not move, wind in the global frame."""
    p, out = m.places, np.zeros((len(m.places), len(PlaceColumn)))
    out[:, PlaceColumn.LENGTH] = p.span[:, 1] - p.span[:, 0]
    none = np.where(np.isin(p.kind, _BOUNDLESS), 1e3 * _FARTHEST, 0.0)
    value, second = np.nan_to_num(p.value), np.where(np.isnan(p.second), none, p.second)
    spread = np.isin(p.kind, (PlaceKind.GRADE, PlaceKind.FRICTION, PlaceKind.BANK)) & np.isnan(p.second)
    second = np.where(spread, value, second)  # it ends as it begins
    tons = np.isin(p.kind, _MASSES)
    value, second = np.where(tons, 1e-3 * value, value), np.where(tons, 1e-3 * second, second)
    limit = p.kind == PlaceKind.TRUCK_SPEED_LIMIT
    second = np.where(limit, 1e-3 * second, second)
    bank, sided, wind = p.kind == PlaceKind.BANK, np.isin(p.kind, _SIDED), p.kind == PlaceKind.WIND
    out[:, PlaceColumn.VALUE] = np.where(bank, 0.0, np.where(wind, value * np.cos(second), value))
    out[:, PlaceColumn.SECOND] = np.where(bank | sided | wind, 0.0, second)
    out[:, PlaceColumn.ACROSS] = np.where(bank, value, np.where(wind, value * np.sin(second), sided * second))
    out[:, PlaceColumn.ACROSS_END] = np.where(bank, second, 0.0)
    return np.minimum(out, _FARTHEST)


def _distances(ends: F64, x: float, y: float) -> F64:
    """From a point to the straight way from begin to end of each place, (P,) m."""
    dx, dy = ends[:, 3] - ends[:, 0], ends[:, 4] - ends[:, 1]
    ex, ey = x - ends[:, 0], y - ends[:, 1]
    share = np.clip((ex * dx + ey * dy) / np.maximum(dx * dx + dy * dy, 1e-9), 0.0, 1.0)
    return np.hypot(ex - share * dx, ey - share * dy)
