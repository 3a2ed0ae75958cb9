"""The maps of a batch in the form that the reactive agents' kernels read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, Mask, read_only
from roadcraft.core.data.joined import joined
from roadcraft.core.data.map import MapData
from roadcraft.core.driving.held import Held
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.memo import memo


class Roads(NamedTuple):
    """Maps for kernels, one after the other; rows of a lane or an area are those of its own map, to which
    ``lane_low[b]`` and ``area_low[b]`` (B,) are added for scenario b.

    line_points, line_offsets: center lines; next_values, next_offsets: successors; stop_values, stop_offsets: rows of
    the areas that govern a lane; has_light (L,) bool; limit (L,) float64 m/s, NaN where unknown; area_points,
    area_rings, area_offsets.
    """

    lane_low: I64
    area_low: I64
    line_points: F64
    line_offsets: I64
    next_values: I64
    next_offsets: I64
    stop_values: I64
    stop_offsets: I64
    has_light: Mask
    limit: F64
    area_points: F64
    area_rings: I64
    area_offsets: I64


_RAGGED = ("line_offsets", "next_offsets", "stop_offsets", "area_rings", "area_offsets")


def roads_of(maps: Sequence[MapData]) -> Roads:
    """The roads of B scenarios with these maps, each map once; of a single map nothing is copied."""
    distinct = list({id(m): m for m in maps}.values())
    parts = [road_arrays(m).fields for m in distinct]
    place = {id(m): k for k, m in enumerate(distinct)}
    which = np.array([place[id(m)] for m in maps], np.int64)
    lanes = np.cumsum([0] + [len(p.has_light) for p in parts])[which]
    areas = np.cumsum([0] + [len(p.area_offsets) - 1 for p in parts])[which]
    if len(parts) == 1:
        return parts[0]._replace(lane_low=frozen(lanes, np.int64), area_low=frozen(areas, np.int64))
    return read_only(joined(parts, _RAGGED)._replace(lane_low=lanes, area_low=areas))


def road_arrays(map_data: MapData) -> Held:
    """The ``Roads`` of one scenario with this map, kept with the map."""
    return memo(map_data, "roads of agents", lambda: Held(_one(map_data)))


def _one(map_data: MapData) -> Roads:
    lanes, areas = map_data.lanes, map_data.areas
    return Roads(
        np.zeros(1, np.int64),
        np.zeros(1, np.int64),
        frozen(lanes.centerlines.points),
        frozen(lanes.centerlines.offsets, np.int64),
        frozen(lanes.successors.values, np.int64),
        frozen(lanes.successors.offsets, np.int64),
        frozen(lanes.stops.values, np.int64),
        frozen(lanes.stops.offsets, np.int64),
        frozen(lanes.has_light, np.bool_),
        frozen(np.where(lanes.has_speed_limit, lanes.speed_limit_mps, np.nan)),
        frozen(areas.polygons.points),
        frozen(areas.polygons.rings, np.int64),
        frozen(areas.polygons.offsets, np.int64),
    )
