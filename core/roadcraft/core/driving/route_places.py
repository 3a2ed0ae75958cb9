"""Places that a vehicle meets on its way, and what they forbid it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, Mask
from roadcraft.core.data.map import MapData
from roadcraft.core.data.places import PlaceKind
from roadcraft.core.driving.motion.closed_forms import BridgeVerdict, bridge_formula, sag_rise
from roadcraft.core.memo import memo
from roadcraft.core.vehicles.geometry import static_loads
from roadcraft.core.vehicles.vehicle import GRAVITY_MPS2, Vehicle

KG_PER_POUND = 0.45359237
"""The international pound."""
_FEET_PER_M = 1.0 / 0.3048


class PlacesAhead(NamedTuple):
    """K places along a way, by the distance at which they begin."""

    row: I64
    """(K,) int64: row of ``MapData.places``."""
    begin_m: F64
    """(K,) float64: way to where it begins, m; negative where it has begun already."""
    end_m: F64
    """(K,) float64: way to where it ends, m, not negative."""


class VehicleWeights(NamedTuple):
    """Weights of the standing vehicle in its state of load, kg; NaN where it gives no masses."""

    gross_kg: float
    """All units together."""
    axle_kg: float
    """Its heaviest axle."""
    group_kg: float
    """The heaviest axles of one unit together, the steered one left out."""


def places_along(map_data: MapData, lanes: I64, *kinds: PlaceKind, start_m: float = 0.0) -> PlacesAhead:
    """The places of the given kinds (all where none is given) along a way, without those that lie behind.

    lanes: (R,) rows of Lanes in driving order, from the one that the vehicle is on; start_m: where it is along the
    first one's centerline.
    """
    order, first, length = memo(map_data, "places by lane", lambda: _by_lane(map_data))
    p = map_data.places
    rows = [order[first[k] : first[k + 1]] for k in lanes.tolist()]
    base = np.cumsum([0.0, *length[lanes]]) - start_m
    row = np.concatenate([*rows, np.zeros(0, np.int64)])
    at = np.repeat(base[:-1], [len(r) for r in rows])
    begin, end = at + p.span[row, 0], at + p.span[row, 1]
    keep = end >= 0.0
    if kinds:
        keep &= np.isin(p.kind[row], [int(k) for k in kinds])
    near = np.flatnonzero(keep)
    near = near[np.argsort(begin[near], kind="stable")]
    return PlacesAhead(row[near], begin[near], end[near])


def lane_lengths(map_data: MapData) -> F64:
    """Lengths of the centerlines of a map, (L,) m."""
    return memo(map_data, "places by lane", lambda: _by_lane(map_data))[2]


def _by_lane(m: MapData) -> tuple[I64, I64, F64]:
    """Rows of places by their lane, where those of each lane start (L + 1,), and lengths of the centerlines (L,) m."""
    order = np.argsort(m.places.lane, kind="stable").astype(np.int64)
    first = np.searchsorted(m.places.lane[order], np.arange(len(m.lanes) + 1)).astype(np.int64)
    lines = m.lanes.centerlines
    arc = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(lines.points, axis=0).T)), [0.0]])
    ends = np.maximum(lines.offsets[1:] - 1, lines.offsets[:-1])
    return order, first, arc[ends] - arc[lines.offsets[:-1]]


def weights_of(vehicle: Vehicle) -> VehicleWeights:
    """Weights of a vehicle, by its axles' static loads."""
    return memo(vehicle, "weights", lambda: _weigh(vehicle))


def _weigh(vehicle: Vehicle) -> VehicleWeights:
    if not vehicle.masses:
        return VehicleWeights(math.nan, math.nan, math.nan)
    loads = static_loads(vehicle)
    groups = loads.axles_N / GRAVITY_MPS2
    single = max(kg / len(u.axles_m) for kg, u in zip(groups.tolist(), vehicle.units, strict=True))
    gross = sum(m.mass_kg for m in vehicle.masses)
    return VehicleWeights(gross, max(single, loads.steered_N / GRAVITY_MPS2), float(groups.max()))


def is_truck(vehicle: Vehicle) -> bool:
    """Whether what is forbidden to trucks is forbidden to the vehicle: a truck or a tractor goes ahead."""
    return vehicle.body.kind in ("truck", "tractor")


def unit_heights(vehicle: Vehicle, sag_radius_m: float = math.nan) -> F64:
    """Height, m, of each unit's highest point where it is highest, (n,): within a sag of the road what is between the
    axles is lifted, and so is the hitch that a trailer hangs on. sag_radius_m: NaN on a straight grade."""
    out, hitch = np.array([u.height_m for u in vehicle.units]), 0.0
    if math.isnan(sag_radius_m):
        return out
    for i, u in enumerate(vehicle.units):
        base = u.wheel_base_m
        # its line hangs on the hitch and stands on its axle: the point that is farthest above the road
        x = min(max(0.5 * base + hitch * sag_radius_m / base, -u.rear_m), u.front_m)
        out[i] += sag_rise(x, base - x, sag_radius_m) + hitch * x / base
        hitch = sag_rise(u.hitch_m, base - u.hitch_m, sag_radius_m) + hitch * u.hitch_m / base
    return out


def height_under(vehicle: Vehicle, sag_radius_m: float = math.nan) -> float:
    """Height, m, of the vehicle's highest point where it is highest: the largest of :func:`unit_heights`."""
    return float(unit_heights(vehicle, sag_radius_m).max())


def closed_places(map_data: MapData, vehicle: Vehicle, margin_m: float = 0.1) -> Mask:
    """Which places a vehicle may not pass, (P,) bool: closed to it, or too low by clearance less ``margin_m``, or their
    limits of weight are below it. A vehicle without masses meets no limits of weight, but every closure to trucks."""
    p, w = map_data.places, weights_of(vehicle)
    out = closed_to_trucks(map_data, vehicle)
    out |= (p.kind == PlaceKind.GROSS_LIMIT) & (w.gross_kg > p.value)
    out |= (p.kind == PlaceKind.AXLE_LIMIT) & ((w.axle_kg > p.value) | (w.group_kg > p.second))
    low = p.of(PlaceKind.CLEARANCE)
    out[low] = clearance_margins(map_data, vehicle, low) < margin_m
    return out


def closed_to_trucks(map_data: MapData, vehicle: Vehicle) -> Mask:
    """Which places are closed to a vehicle because it is a truck, (P,) bool; one of unknown mass to all of them."""
    p = map_data.places
    return (p.kind == PlaceKind.NO_TRUCKS) & is_truck(vehicle) & ~(weights_of(vehicle).gross_kg < p.value)


def closed_lanes(map_data: MapData, vehicle: Vehicle, margin_m: float = 0.1) -> Mask:
    """Which lanes have a place that the vehicle may not pass, (L,) bool: see :func:`closed_places`."""
    out = np.zeros(len(map_data.lanes), np.bool_)
    out[map_data.places.lane[closed_places(map_data, vehicle, margin_m)]] = True
    return out


def clearance_margins(map_data: MapData, vehicle: Vehicle, rows: I64) -> F64:
    """Room above the vehicle, m, negative where it does not fit, at the given places of kind CLEARANCE: (K,)."""
    p = map_data.places
    return np.array([p.value[i] - height_under(vehicle, float(p.second[i])) for i in rows.tolist()], np.float64)


def least_clearance(map_data: MapData, vehicle: Vehicle, lanes: I64, start_m: float = 0.0) -> tuple[float, float]:
    """Least room above the vehicle along a way, m, and the way to where it begins, m; infinite where nothing is above.
    lanes, start_m: as of :func:`places_along`."""
    ahead = places_along(map_data, lanes, PlaceKind.CLEARANCE, start_m=start_m)
    if not len(ahead.row):
        return math.inf, math.inf
    margins = clearance_margins(map_data, vehicle, ahead.row)
    k = int(margins.argmin())
    return float(margins[k]), float(ahead.begin_m[k])


def truck_speed_limits(map_data: MapData, vehicle: Vehicle) -> F64:
    """Least limit of each lane that places set for the vehicle, (L,) m/s; infinite where there is none. Posted limits
    of all vehicles are those of ``Lanes``."""
    p, out = map_data.places, np.full(len(map_data.lanes), math.inf)
    rows = truck_limits(map_data, vehicle)
    np.minimum.at(out, p.lane[rows], p.value[rows])
    return out


def truck_limits(map_data: MapData, vehicle: Vehicle) -> I64:
    """Rows of the places whose speed limit holds for the vehicle, (K,) int64: none where it is no truck."""
    p = map_data.places
    rows = p.of(PlaceKind.TRUCK_SPEED_LIMIT)
    return rows[is_truck(vehicle) & ~(weights_of(vehicle).gross_kg < p.second[rows])]


def bridge_verdict(vehicle: Vehicle) -> BridgeVerdict:
    """The vehicle's axles, straight behind each other, against the US federal bridge formula. Raises ConfigError where
    the vehicle gives no masses."""
    return memo(vehicle, "bridge verdict", lambda: _judge(vehicle))


def _judge(vehicle: Vehicle) -> BridgeVerdict:
    loads = static_loads(vehicle)
    place, axles = 0.0, [(vehicle.body.wheel_base_m, loads.steered_N)]
    for i, unit in enumerate(vehicle.units):
        if i:
            place += vehicle.units[i - 1].hitch_m - unit.wheel_base_m
        axles += [(place + x, float(loads.axles_N[i]) / len(unit.axles_m)) for x in unit.axles_m]
    axles.sort(reverse=True)
    pounds = [load / GRAVITY_MPS2 / KG_PER_POUND for _, load in axles]
    return bridge_formula([-x * _FEET_PER_M for x, _ in axles], pounds)
