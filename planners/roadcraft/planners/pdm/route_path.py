"""Route and map of one scenario in the form the compiled kernels want."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from roadcraft.core.arrays import F64, I64, offsets_of
from roadcraft.core.data.map import AreaKind, LaneKind, MapData
from roadcraft.core.driving.held import Held
from roadcraft.core.driving.map_index.cell_edges import cell_edges
from roadcraft.core.driving.map_index.index import build_layer
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.errors import DataError
from roadcraft.core.memo import memo
from roadcraft.planners.pdm.propose import RoutePlan
from roadcraft.planners.pdm.route import centerline, corrected_route, headings
from roadcraft.planners.trajectory_scoring.area_checks import MapArrays
from roadcraft.planners.trajectory_scoring.corridor import strip_marks
from roadcraft.planners.trajectory_scoring.paths import ArcPath, make_path, no_path, offset_path
from roadcraft.planners.trajectory_scoring.start_lane import aligned_lane


def map_arrays_of(map_data: MapData) -> Held:
    """The ``MapArrays`` of a map, computed on first use and kept with the map."""
    return memo(map_data, "map arrays", lambda: Held(_map_arrays_of(map_data)))


def _map_arrays_of(map_data: MapData) -> MapArrays:
    lanes, index = map_data.lanes, map_data.index
    parks = build_layer(map_data.areas.polygons, map_data.areas.of(AreaKind.CARPARK))
    return MapArrays(
        cell_edges(index.lanes),
        index.blocks.arrays,
        cell_edges(parks),
        index.intersections.arrays,
        frozen(lanes.block, np.int64),
        frozen(lanes.centerlines.points),
        frozen(lanes.centerlines.offsets, np.int64),
        frozen(lanes.speed_limit_mps),
        frozen(lanes.has_speed_limit, np.bool_),
    )


def lanes_ahead(
    map_data: MapData, map_arrays: Held, route_ids: I64, ego: F64, vehicle_box: F64
) -> tuple[I64, Any, list[int]]:
    """Rows of the route's lanes in order, which lanes of the map are among them (L,) bool, and the rows to follow from
    ``ego`` (10,).

    route_ids: of road blocks; unknown ones are left out. Raises DataError on a map without road blocks or lanes.
    """
    if not len(map_data.blocks):
        raise DataError("the map has no road blocks", where=map_data.name, remedy="lanes and road blocks are needed")
    rows = map_data.block_rows(np.asarray(route_ids, np.int64))
    route = corrected_route(map_data, [int(r) for r in dict.fromkeys(rows[rows >= 0])], ego[:3])
    lanes = np.array([int(lane) for b in route for lane in map_data.blocks.lanes[b]], np.int64)
    on_route = np.zeros(len(map_data.lanes), np.bool_)
    on_route[lanes] = True
    start = aligned_lane(ego, vehicle_box, map_arrays, lanes, on_route)
    if start < 0:
        raise DataError("the road blocks of the route hold no lanes", where=map_data.name)
    return lanes, on_route, centerline(map_data, route, int(start))


def line_of(map_data: MapData, chain: Sequence[int]) -> tuple[F64, F64]:
    """Points (P, 2) and headings (P,) of lanes one after the other."""
    lines = [map_data.lanes.centerlines[i] for i in chain]
    return np.concatenate(lines), np.concatenate([headings(p) for p in lines])


def route_path_of(map_data: MapData, map_arrays: Held, route_ids: I64, ego: F64, vehicle_box: F64) -> ArcPath:
    """The route's center line from ``ego``; a path without points where the map or the log gives no route."""
    if len(route_ids):
        try:
            return make_path(*line_of(map_data, lanes_ahead(map_data, map_arrays, route_ids, ego, vehicle_box)[2]))
        except DataError:
            pass
    return no_path()


def route_plan_of(
    map_data: MapData, map_arrays: Held, route_ids: I64, ego: F64, vehicle_box: F64, offsets_m: Sequence[float]
) -> RoutePlan:
    """The way from ``ego`` (10,) along the road blocks with the given ids, with a path for each lateral offset beside
    the center line."""
    lanes, on_route, chain = lanes_ahead(map_data, map_arrays, route_ids, ego, vehicle_box)
    xy, heading = line_of(map_data, chain)
    paths = (make_path(xy, heading), *(offset_path(xy, heading, o) for o in offsets_m))
    lights = lanes[map_data.lanes.kind[lanes] == LaneKind.CONNECTOR]
    rings = tuple(max(map_data.lanes.polygons[int(r)], key=len, default=np.zeros((0, 2))) for r in lights)
    marks = np.zeros((len(lights), sum(len(p.xy) for p in paths)), np.int64)
    for c, ring in enumerate(rings):
        at = 0
        for path in paths if len(ring) else ():
            marks[c, at : at + len(path.xy) - 1] = strip_marks(path, 0.5 * vehicle_box[2], ring)
            at += len(path.xy)
    segments = [np.concatenate([p.segment, np.zeros((1, 5))]) for p in paths]  # as many as points
    packed = ArcPath(*(np.concatenate(a) for a in zip(*(p[:-1] for p in paths), strict=True)), np.concatenate(segments))
    return RoutePlan(
        lanes,
        on_route,
        packed,
        offsets_of([len(p.xy) for p in paths]),
        offsets_of([len(p.chunk) for p in paths]),
        map_data.lanes.id[lights].astype(np.int64),
        lights,
        np.concatenate([np.zeros((0, 2)), *rings]),
        offsets_of([len(r) for r in rings]),
        marks,
    )
