"""The feature ``raster``: a bird's-eye picture of one scene in the ego frame, uint8 (channels, cells, cells).

The ego looks up: row 0 lies furthest ahead, column 0 furthest to the left. Its rear axle is in the middle of the
columns and a quarter of the rows from the lower rim (``cell_centers``). The channels are in the manner of CaRL (Jaeger
et al. 2025), with history, directions and the ground added.

A cell belongs to a polygon, a line or a box if its center lies inside. Lines are one cell thick. Boxes are drawn at
least sqrt(2) cells long and wide, so that a pedestrian covers a cell wherever it stands. Where shapes of one channel
overlap the larger code stands; of directions and velocities the last drawn."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, Polygons
from roadcraft.core.data.layers import LayerKind
from roadcraft.core.data.map import AreaKind, MapData
from roadcraft.core.data.scenario import Ego
from roadcraft.core.driving.features import raster_kernels as k
from roadcraft.core.driving.features.kernels import candidates
from roadcraft.core.driving.features.map_tensors import STOP_SIGN, CellIndex, FeatureMap, cell_index
from roadcraft.core.memo import memo

if TYPE_CHECKING:
    from roadcraft.core.driving.features.scene import SceneArrays

U8 = NDArray[np.uint8]
SPEED_MPS = 40.0


class RasterChannel(IntEnum):
    """Channels and their codes. *Mask*: 255 inside, 0 outside. *Signed*: 128 is 0, 1 and 255 are the limits; 128 where
    nothing is drawn."""

    DRIVABLE = k.DRIVABLE
    """Mask: drivable area."""
    ROUTE = k.ROUTE
    """Mask: surface of the lanes on the route."""
    SPEED_LIMIT = k.SPEED_LIMIT
    """Surface of lanes: 255 is 40 m/s; 0 where unknown."""
    LANE = k.LANE
    """Mask: centerlines of lanes and connectors."""
    LANE_COS = k.LANE_COS
    """Signed, [-1, 1]: cosine of the lane's heading in the ego frame, on centerlines."""
    LANE_SIN = k.LANE_SIN
    """Signed, [-1, 1]: sine of the lane's heading in the ego frame, on centerlines."""
    LANE_EDGE = k.LANE_EDGE
    """Mask: edges of lanes, not of connectors."""
    CROSSWALK = k.CROSSWALK
    """Mask: crosswalks."""
    STOP = k.STOP
    """Areas to stop in: 255 stop signs, 128 all others."""
    LIGHT_STOP = k.LIGHT_STOP
    """Centerlines, two cells thick, of connectors whose light is red (255) or yellow (128)."""
    LIGHT_GO = k.LIGHT_GO
    """Mask: centerlines, two cells thick, of connectors whose light is green."""
    VEHICLE = k.VEHICLE
    """Boxes of vehicles in all frames of the past: 255 now, 64 the oldest."""
    PEDESTRIAN = k.PEDESTRIAN
    """Boxes of pedestrians in all frames of the past: 255 now, 64 the oldest."""
    BICYCLE = k.BICYCLE
    """Boxes of bicycles in all frames of the past: 255 now, 64 the oldest."""
    VELOCITY_X = k.VELOCITY_X
    """Signed, 30 m/s: forward velocity (ego axes, over ground) of the present boxes."""
    VELOCITY_Y = k.VELOCITY_Y
    """Signed, 30 m/s: velocity to the left (ego axes, over ground) of the present boxes."""
    STATIC = k.STATIC
    """Mask: cones, barriers and other things that never move."""
    GRADE = k.FIRST_LAYER
    """Signed, 0.25 (rise over run): raster layer ``LayerKind.GRADE``."""
    FRICTION = k.FIRST_LAYER + 1
    """Raster layer ``LayerKind.FRICTION``: 255 is 1."""
    ROUGHNESS = k.FIRST_LAYER + 2
    """Raster layer ``LayerKind.ROUGHNESS``: 255 is 0.2 m."""
    TRAVERSABILITY = k.FIRST_LAYER + 3
    """Raster layer ``LayerKind.TRAVERSABILITY``: 255 is 1."""
    OCCUPANCY = k.FIRST_LAYER + 4
    """Raster layer ``LayerKind.OCCUPANCY``: 255 is 1."""
    GRADE_KNOWN = k.FIRST_LAYER + 5
    """Mask: where the raster layer ``LayerKind.GRADE`` has values; elsewhere its code is that of 0."""
    FRICTION_KNOWN = k.FIRST_LAYER + 6
    """Mask: where the raster layer ``LayerKind.FRICTION`` has values; elsewhere its code is that of 0."""
    ROUGHNESS_KNOWN = k.FIRST_LAYER + 7
    """Mask: where the raster layer ``LayerKind.ROUGHNESS`` has values; elsewhere its code is that of 0."""
    TRAVERSABILITY_KNOWN = k.FIRST_LAYER + 8
    """Mask: where the raster layer ``LayerKind.TRAVERSABILITY`` has values; elsewhere its code is that of 0."""
    OCCUPANCY_KNOWN = k.FIRST_LAYER + 9
    """Mask: where the raster layer ``LayerKind.OCCUPANCY`` has values; elsewhere its code is that of 0."""


CHANNELS = len(RasterChannel)
SIGNED = (
    RasterChannel.LANE_COS,
    RasterChannel.LANE_SIN,
    RasterChannel.VELOCITY_X,
    RasterChannel.VELOCITY_Y,
    RasterChannel.GRADE,
)
SIGNED_ACROSS = (RasterChannel.LANE_SIN, RasterChannel.VELOCITY_Y)  # of which a mirror turns the sign
LAYER_RANGE = {
    LayerKind.GRADE: (-0.25, 0.25),
    LayerKind.FRICTION: (0.0, 1.0),
    LayerKind.ROUGHNESS: (0.0, 0.2),
    LayerKind.TRAVERSABILITY: (0.0, 1.0),
    LayerKind.OCCUPANCY: (0.0, 1.0),
}


def cell_centers(cells: int, cell_m: float) -> tuple[F64, F64]:
    """Ego frame: x of the rows (cells,) and y of the columns (cells,), m."""
    step = np.arange(cells, dtype=np.float64)
    x: F64 = (k.cells_ahead(cells) - 0.5 - step) * cell_m
    y: F64 = (0.5 * cells - 0.5 - step) * cell_m
    return x, y


@dataclass(frozen=True)
class RasterMap:
    """The polygons of a map that are drawn: drivable areas, crosswalks, stop areas and lane surfaces; cells: polygons
    by cell."""

    areas: k.AreaArrays
    cells: CellIndex


def raster_map(map_data: MapData) -> RasterMap:
    """The polygons of ``map_data``, put together on first use and kept with the map."""
    return memo(map_data, "raster map", lambda: build_raster_map(map_data))


def build_raster_map(map_data: MapData) -> RasterMap:
    """Put the polygons together."""
    areas, lanes = map_data.areas, map_data.lanes
    crosswalks, stops = areas.of(AreaKind.CROSSWALK), areas.of(AreaKind.STOP)
    rings = [areas.polygons[int(r)] for rows in (map_data.drivable, crosswalks, stops) for r in rows]
    rings += [lanes.polygons[i] for i in range(len(lanes))]
    counts = (len(map_data.drivable), len(crosswalks), len(stops), len(lanes))
    channels = (k.DRIVABLE, k.CROSSWALK, k.STOP, k.SPEED_LIMIT)
    limit = np.where(lanes.has_speed_limit, np.nan_to_num(lanes.speed_limit_mps), 0.0)
    value = np.full(len(rings), 255, np.uint8)
    value[sum(counts[:2]) : sum(counts[:3])] = np.where(areas.subtype[stops] == STOP_SIGN, 255, 128)
    value[sum(counts[:3]) :] = np.clip(np.round(limit / SPEED_MPS * 255.0), 0, 255)
    lane = np.concatenate([np.full(sum(counts[:3]), -1, np.int64), np.arange(len(lanes), dtype=np.int64)])
    some = np.array([i for i, r in enumerate(rings) if r and len(r[0])], np.int64)
    polygons = Polygons.build([rings[int(i)] for i in some])
    channel = np.repeat(np.array(channels, np.uint8), counts)
    corners = [np.concatenate(rings[int(i)]) for i in some]
    boxes = np.array([[c.min(0), c.max(0)] for c in corners]).reshape(-1, 2, 2)
    drawn = k.AreaArrays(polygons.points, polygons.rings, polygons.offsets, channel[some], value[some], lane[some])
    return RasterMap(drawn, cell_index(boxes))


def write_raster(scene: SceneArrays, fm: FeatureMap, cell_m: float, out: U8, b: int) -> None:
    """Draw a scene into row ``b`` of out (B, channels, cells, cells)."""
    rm, ego, cells, route = raster_map(scene.map), scene.ego, out.shape[2], scene.route_rows
    picture = out[b]
    picture[:] = 0
    for channel in SIGNED:
        picture[channel] = 128
    ahead = (k.cells_ahead(cells) - 0.5 * cells) * cell_m
    reach = float(np.sqrt(0.5)) * cells * cell_m
    x, y = ego[Ego.X] + ahead * np.cos(ego[Ego.HEADING]), ego[Ego.Y] + ahead * np.sin(ego[Ego.HEADING])
    areas = candidates(x, y, reach, rm.cells)
    k.draw_areas(picture, ego, cell_m, areas, rm.areas, fm.lanes.block, route)
    pieces = candidates(x, y, reach, fm.pieces.cells)
    k.draw_lanes(picture, ego, cell_m, pieces, fm.pieces, route, scene.lights)
    k.draw_objects(picture, ego, cell_m, scene.kind, scene.box, scene.velocity, scene.frames)
    for i in range(len(scene.layers)):
        kind, grid = LayerKind(int(scene.layers.kind[i])), scene.layers[i]
        k.draw_grid(picture, ego, cell_m, int(kind), scene.layers.pose[i], grid.cell_m, grid.values, LAYER_RANGE[kind])
