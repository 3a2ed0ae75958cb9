"""What is known of a scenario's way from its first step on."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.map import LaneKind, MapData
from roadcraft.core.data.places import PlaceKind
from roadcraft.core.driving.map_index.index import build_layer
from roadcraft.core.driving.motion.chain import ChainArrays, chain_of
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.driving.road import road_under
from roadcraft.core.driving.route_places import closed_places, places_along, truck_speed_limits
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.planners.freight_pdm.config import FreightPdmConfig
from roadcraft.planners.freight_pdm.edges import edges_beside
from roadcraft.planners.freight_pdm.line import Line, LineEdges, nearest_station, station_of, sweep
from roadcraft.planners.freight_pdm.pace import (
    RoadAhead,
    Truck,
    brake_caps,
    braking,
    climbed_after,
    curve_caps,
    slowed_before,
    traction_asked,
)
from roadcraft.planners.freight_pdm.practice import Swings, practiced
from roadcraft.planners.freight_pdm.tight import fitted_offsets, steering_caps
from roadcraft.planners.pdm.route import headings
from roadcraft.planners.pdm.route_path import lanes_ahead, line_of, map_arrays_of

_BEYOND_M = 300.0  # of lanes after the route's end
_JOINS_M, _APART_M = 300.0, 2.8  # of lanes that join; between lines on which two do not touch
_SMOOTH_M, _BEND_M, _SHIFT_M = 1.5, 2.0, 7.0
_ROUNDS = 14
_LOCK_SHARE = 0.85  # of the curvature that the steering allows; the rest is the tracker's


class Route(NamedTuple):
    """One scenario's way."""

    line: Line
    edges: LineEdges
    road: RoadAhead
    centered: F64
    """(S,) offsets with which the band that all units sweep lies about the middle of the lane, or all of it on the
    road."""
    beside: F64
    """(S,) share of a distance beside these that may be kept there: 0 about tight bends, else 1."""
    light_ids: I64
    """(C,) ids of the connectors on the way."""
    light_at: F64
    """(C, 2) stations of their begin and end."""
    joins: F64
    """(L,) for each lane of the map, the station from which on who follows it is in the way: infinite but for lanes
    that join those of the way from beside."""
    shoulders: F64
    """(K, 4): stations of begin and end, width, 1 to the left or -1 to the right of the lane."""


def route_of(map_data: MapData, route_ids: I64, ego: F64, vehicle: Vehicle, truck: Truck, c: FreightPdmConfig) -> Route:
    """The way from ``ego`` (10,) along the road blocks with the given ids and on along what follows. Raises DataError
    on a map without road blocks."""
    arrays = map_arrays_of(map_data)
    _, _, chain = lanes_ahead(map_data, arrays, route_ids, ego, vehicle.box)
    behind = truck.front + truck.behind + 20.0
    lanes = [
        *_followed(map_data, chain[0], behind, False)[::-1],
        *chain,
        *_followed(map_data, chain[-1], _BEYOND_M, True),
    ]
    xy, _ = line_of(map_data, lanes)
    line, begins = _even(xy), _begins(map_data, lanes)
    stations = np.arange(len(line.xy), dtype=np.float64)
    lane = np.asarray(lanes)[np.clip(np.searchsorted(begins, stations, side="right") - 1, 0, len(lanes) - 1)]
    own = np.zeros(len(map_data.lanes), np.bool_)
    own[lanes] = True
    rows = map_data.places.of(PlaceKind.APRON) if len(map_data.places) else np.zeros(0, np.int64)
    aprons = build_layer(map_data.places.polygons, rows)
    edges = edges_beside(line, arrays, own, map_data.index.drivable.arrays, aprons.arrays)
    axles = chain_of(vehicle)
    centered, beside = np.zeros(len(line.xy)), np.ones(len(line.xy))
    if c.center_by_swept_path:
        lock = _LOCK_SHARE * np.tan(vehicle.max_steering_rad) / vehicle.body.wheel_base_m
        centered, beside = fitted_offsets(line, edges, centered_offsets(line, edges, axles), axles, lock)
    near = nearest_station(line, ego[0], ego[1], 0, len(line.xy) - 1)
    front = station_of(line, ego[0], ego[1], near)[0] + truck.front
    road, centered, lee = _road(map_data, vehicle, truck, c, (line, edges, lanes, lane, centered), front)
    edges = edges._replace(lee=np.ascontiguousarray(lee))
    links = [k for k, row in enumerate(lanes) if map_data.lanes.kind[row] == LaneKind.CONNECTOR]
    ids = np.array([map_data.lanes.id[lanes[k]] for k in links], np.int64)
    ends = np.append(begins[1:], stations[-1] + 1.0)
    spans = np.array([(begins[k], ends[k]) for k in links], np.float64).reshape(-1, 2)
    road = road._replace(halt=_beside_junctions(road.halt, front, truck, spans, c.halt_before_m))
    found = places_along(map_data, np.asarray(lanes, np.int64), PlaceKind.SHOULDER)
    value, side = map_data.places.value[found.row], map_data.places.second[found.row]
    shoulders = np.stack([found.begin_m, found.end_m, value, side], 1)[np.abs(side) == 1.0]
    joins = _joins(map_data, lanes, begins, line)
    return Route(line, edges, road, centered, beside, ids, spans, joins, np.ascontiguousarray(shoulders))


def _beside_junctions(halt: float, front: float, truck: Truck, junctions: F64, before_m: float) -> float:
    """A station at which to stand, or one before it with no unit in a junction (K, 2) whose begin lies ahead of ego's
    front."""
    for begin, end in junctions[::-1].tolist():
        if end > halt - truck.front - truck.behind and front < begin - before_m < halt:
            halt = begin - before_m
    return halt


def _followed(map_data: MapData, row: int, reach_m: float, forward: bool) -> list[int]:
    """Lanes that follow one (or lead to it, nearest first), each that which turns least, for so many m."""
    lanes, out, length = map_data.lanes, list[int](), 0.0
    edges = lanes.successors if forward else lanes.predecessors
    while length < reach_m:
        ways = [int(k) for k in edges[row] if int(k) not in out and len(lanes.centerlines[int(k)]) > 1]
        if not ways:
            break
        heading = headings(lanes.centerlines[row])[-1 if forward else 0]
        turns = [abs(np.sin(0.5 * (headings(lanes.centerlines[k])[0 if forward else -1] - heading))) for k in ways]
        row = ways[int(np.argmin(turns))]
        out.append(row)
        length += float(np.hypot(*np.diff(lanes.centerlines[row], axis=0).T).sum())
    return out


def _joins(map_data: MapData, lanes: list[int], begins: F64, line: Line) -> F64:
    """``Route.joins``, of a way along lanes that begin at given stations."""
    out, ahead = np.full(len(map_data.lanes), np.inf), map_data.lanes.predecessors
    for row, begin in zip(lanes, begins.tolist(), strict=True):
        for other in (int(k) for k in ahead[row] if int(k) not in lanes):
            behind = [k for k in [other, *_followed(map_data, other, _JOINS_M, False)] if k not in lanes]
            joint = begin
            for x, y in np.concatenate([map_data.lanes.centerlines[k] for k in behind[::-1]])[::-1].tolist():
                at, left = station_of(line, x, y, nearest_station(line, x, y, 0, len(line.xy) - 1))
                if abs(left) > _APART_M:
                    break
                joint = min(joint, at)
            out[behind] = np.minimum(out[behind], joint)
    return out


def _begins(map_data: MapData, lanes: list[int]) -> F64:
    """Stations at which the lanes of a chain begin."""
    lengths = [float(np.hypot(*np.diff(map_data.lanes.centerlines[k], axis=0).T).sum()) for k in lanes]
    joins = [
        float(np.hypot(*(map_data.lanes.centerlines[b][0] - map_data.lanes.centerlines[a][-1])))
        for a, b in pairwise(lanes)
    ]
    return np.concatenate([[0.0], np.cumsum(np.array(lengths[:-1]) + np.array(joins))])


def _even(points: F64) -> Line:
    """A line through points (P, 2), a station each m."""
    from scipy.ndimage import gaussian_filter1d

    s = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    keep = np.concatenate([[True], np.diff(s) > 1e-6])
    s, points = s[keep], points[keep]
    even = np.arange(0.0, max(s[-1], 2.0) + 1e-9, 1.0)
    raw = np.stack([np.interp(even, s, points[:, 0]), np.interp(even, s, points[:, 1])], 1)
    base = raw[0] + even[:, None] * (raw[-1] - raw[0]) / even[-1]  # what is left is 0 at both ends
    xy = base + gaussian_filter1d(raw - base, _SMOOTH_M, axis=0, mode="nearest")
    xy[0], xy[-1] = raw[0], raw[-1]
    heading = np.unwrap(np.arctan2(*np.gradient(xy, axis=0).T[::-1]))
    curvature = gaussian_filter1d(np.gradient(heading), _BEND_M, mode="nearest")
    facing = np.stack([np.cos(heading), np.sin(heading)], 1)
    return Line(*(np.ascontiguousarray(a) for a in (xy, heading, facing, curvature)))


def centered_offsets(line: Line, edges: LineEdges, chain: ChainArrays) -> F64:
    """Offsets (S,) of unit 0's rear axle with which the band that all units sweep lies about the middle of the lane or,
    where it is wider, reaches beyond it on the side where lanes of the same direction are, else where there is road.

    A fixed point: pull the units along, see what they sweep, move by half of what it lies off, smoothed; the round that
    stands least beyond the lane is kept.
    """
    from scipy.ndimage import gaussian_filter1d

    count, joints = len(line.xy), np.zeros(len(chain.wheel_base) - 1)
    shift = 0.5 * (edges.own[:, 0] + edges.own[:, 1])
    shift = gaussian_filter1d(np.clip(shift, -1.0, 1.0), _SHIFT_M, mode="nearest")
    least, best = np.inf, shift
    ends = np.ones(count)  # where the units are not yet behind each other, or no longer on the line
    settle = min(int(2.0 * chain.wheel_base.sum()) + 10, count // 3)
    ends[:settle] = 0.0
    ends[count - settle :] = 0.0
    for _ in range(_ROUNDS):
        band = sweep(line, edges, shift, 0, joints, chain).band
        goal = _goal(band, edges)
        off = ends * (0.5 * (band[:, 0] + band[:, 1]) - goal)
        worst = float((off * off).sum() + np.abs(off).max())
        if worst < least:
            least, best = worst, shift
        shift = shift - 0.5 * gaussian_filter1d(off, _SHIFT_M, mode="nearest")
    return np.ascontiguousarray(best)


def _goal(band: F64, edges: LineEdges) -> F64:
    """Where the middle of a band (S, 2) is to be, (S,)."""
    width, lane = band[:, 1] - band[:, 0], edges.own[:, 1] - edges.own[:, 0]
    over = np.maximum(width - lane, 0.0)
    middle = 0.5 * (edges.own[:, 0] + edges.own[:, 1])
    for reach in (edges.road, edges.same):  # the last that has room wins
        right, left = edges.own[:, 0] - reach[:, 0], reach[:, 1] - edges.own[:, 1]
        toward = np.where(left >= right, 1.0, -1.0)
        room = np.maximum(left, right)
        shifted = 0.5 * (edges.own[:, 0] + edges.own[:, 1]) + 0.5 * toward * over
        middle = np.where((over > 0.0) & (room > 0.3), shifted, middle)
    return np.asarray(middle)


def _road(
    map_data: MapData,
    vehicle: Vehicle,
    truck: Truck,
    c: FreightPdmConfig,
    way: tuple[Line, LineEdges, list[int], I64, F64],
    front: float,
) -> tuple[RoadAhead, F64, F64]:
    """What the road asks for, the offsets of the way as practice moves them, and what it says of the edges' ``lee``."""
    line, edges, chain, lane, centered = way
    poses = np.concatenate([line.xy, line.heading[:, None]], 1)
    under = road_under([map_data] * len(poses), poses)
    grade, bank, friction = under.grade, under.bank, under.friction
    driven = sweep(line, edges, centered, 0, np.zeros(vehicle.joints), chain_of(vehicle))
    bend = driven.curvature
    known = map_data.lanes.has_speed_limit[lane] & (map_data.lanes.speed_limit_mps[lane] > 0.0)
    limit = np.where(known, map_data.lanes.speed_limit_mps[lane], c.fallback_speed_mps)
    limit = np.minimum(limit, truck_speed_limits(map_data, vehicle)[lane])
    engine = vehicle.powertrain
    if engine is not None and engine.speed_limiter_mps is not None:
        limit = np.minimum(limit, engine.speed_limiter_mps)
    cap = np.minimum(c.limit_share * limit, c.top_speed_mps)
    shares = (1e9 if c.roll_share is None else c.roll_share, c.friction_share, c.lateral_mps2)
    cap = np.minimum(cap, curve_caps(bend, bank, friction, truck, shares))
    cap = np.minimum(cap, steering_caps(driven, vehicle))
    tips = np.full(len(cap), np.inf)
    if c.roll_share is not None:
        tips = curve_caps(bend, bank, friction, truck, (1.0, 1e9, 1e9))
    if c.warm_degC is not None:
        cap = np.minimum(cap, brake_caps(vehicle, grade, c.warm_degC, c.unseen_grade_m))
    rows = np.asarray(chain, np.int64)
    shut = places_along(map_data, rows)
    closed = closed_places(map_data, vehicle, c.clearance_m)[shut.row]
    entry = shut.begin_m[closed] - map_data.places.span[shut.row[closed], 0]  # of the lane that it closes
    entry = np.where(entry > front, entry, shut.begin_m[closed])
    entry = entry[entry > front]  # what ego is in or has passed does not hide what comes
    halt = float(entry.min()) - c.halt_before_m if len(entry) else np.inf
    rails = places_along(map_data, rows, PlaceKind.RAIL_CROSSING)
    clear = np.stack([rails.begin_m, rails.end_m], 1) if len(rails.row) else np.zeros((0, 2))
    brake = braking(truck, grade, friction)
    slowing = float(np.minimum(c.slowing_mps2, 0.5 * brake.min()))
    cap = slowed_before(cap, slowing)
    lee, traction = edges.lee, traction_asked(truck, grade, friction, c.traction_share)
    if c.practice and vehicle.has_masses:
        surface = grade, bank, friction, under.wind_mps
        swings = Swings(c.most_transfer, c.most_swing_m, c.lateral_mps2)
        reached = climbed_after(cap, np.minimum(c.max_accel_mps2, traction / truck.inertia))
        share, centered, lee = practiced(line, edges, centered, reached, surface, vehicle, swings)
        cap = slowed_before(np.where(share < 1.0, share * reached, cap), slowing)
    return RoadAhead(cap, tips, frozen(grade), frozen(brake), frozen(traction), halt, frozen(clear)), centered, lee
