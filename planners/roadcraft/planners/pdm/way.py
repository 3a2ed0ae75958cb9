"""Route and map of one scenario in the form the compiled step wants."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.cell_edges import cell_edges
from roadcraft.core.driving.frozen import frozen
from roadcraft.core.driving.lanes import build_layer
from roadcraft.core.errors import DataError
from roadcraft.core.map import AreaKind, LaneKind, MapData
from roadcraft.planners.pdm.areas import Ground
from roadcraft.planners.pdm.closed import Way
from roadcraft.planners.pdm.corridor import strip_marks
from roadcraft.planners.pdm.paths import make_path, offset_path
from roadcraft.planners.pdm.proposals import Paths, path_of
from roadcraft.planners.pdm.route import centerline, corrected_route, headings
from roadcraft.planners.pdm.start_lane import starting_lane


def ground_of(map_data: MapData) -> Ground:
    """The layers and lane attributes of a map."""
    lanes, index = map_data.lanes, map_data.index
    parks = build_layer(map_data.areas.polygons, map_data.areas.of(AreaKind.CARPARK))
    return Ground(
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


def pack(paths) -> Paths:
    at = np.cumsum([0] + [len(p.xy) for p in paths])
    chunk_at = np.cumsum([0] + [len(p.chunk) for p in paths])
    join = lambda k: np.ascontiguousarray(np.concatenate([getattr(p, k) for p in paths]))
    return Paths(join("xy"), join("heading"), join("arc"), join("chunk"), at, chunk_at)


def way_of(map_data: MapData, ground: Ground, route_ids, ego: F64, vehicle_box: F64, offsets_m: Sequence[float]) -> Way:
    """The way from ``ego`` (10,) along the road blocks with the given ids; raises DataError on a map without road blocks."""
    if not len(map_data.blocks):
        raise DataError(
            "the map has no road blocks", where=map_data.name, remedy="pdm_closed needs lanes and road blocks"
        )
    rows = map_data.block_rows(np.asarray(route_ids, np.int64))
    route = corrected_route(map_data, [int(r) for r in dict.fromkeys(rows[rows >= 0])], ego[:3])
    lanes = np.array([int(l) for b in route for l in map_data.blocks.lanes[b]], np.int64)
    on_route = np.zeros(len(map_data.lanes), np.bool_)
    on_route[lanes] = True
    start = starting_lane(ego, vehicle_box, ground, lanes, on_route)
    if start < 0:
        raise DataError("the route's road blocks hold no lanes", where=map_data.name)
    chain = centerline(map_data, route, int(start))
    lines = [map_data.lanes.centerlines[i] for i in chain]
    xy, heading = np.concatenate(lines), np.concatenate([headings(p) for p in lines])
    paths = pack([make_path(xy, heading), *(offset_path(xy, heading, o) for o in offsets_m)])
    lights = lanes[map_data.lanes.kind[lanes] == LaneKind.CONNECTOR]
    rings = [map_data.lanes.polygons[int(r)][0] for r in lights]
    at = np.cumsum([0] + [len(r) for r in rings])
    points = np.ascontiguousarray(np.concatenate(rings)) if rings else np.zeros((0, 2))
    marks = np.zeros((len(lights), len(paths.xy)), np.int64)
    for c, ring in enumerate(rings):
        for k in range(len(paths.at) - 1):
            path = path_of(paths, k)
            marks[c, paths.at[k] : paths.at[k + 1] - 1] = strip_marks(path, 0.5 * vehicle_box[2], ring)
    return Way(lanes, on_route, paths, lights, points, at.astype(np.int64), marks)
