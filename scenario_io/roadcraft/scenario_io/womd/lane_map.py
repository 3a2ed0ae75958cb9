"""From Waymo's map features to MapData.

What Waymo has: center lines, the lane graph, neighbors, speed limits, lines, road edges, crosswalks, signals. What it
does not have is made up here, as each function says: lane surfaces (from ``widths``), which lanes are junction
connectors, which lanes share a road block, stop lines, and the drivable area (from ``surface``); the rest by
``lane_graph``. Heights are dropped, so a bridge and the road below it lie on each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely

from roadcraft.core.arrays import F64, Polylines
from roadcraft.core.data.map import LineKind, Lines, MapData
from roadcraft.scenario_io.lane_graph.assemble import LaneRecord, MapRecord, assemble
from roadcraft.scenario_io.lane_graph.shapes import closed, lane_polygon, rings_of, strip
from roadcraft.scenario_io.womd.config import LICENCE, WomdConfig
from roadcraft.scenario_io.womd.features import Features, RawLane
from roadcraft.scenario_io.womd.surface import drivable_faces, edges_of, junction_rows
from roadcraft.scenario_io.womd.widths import half_widths

STOP_SIGN, TRAFFIC_LIGHT = 1, 2  # subtypes of STOP areas


def map_of(features: Features, config: WomdConfig, name: str) -> MapData:
    """The map of one scenario, in the scenario's own local frame."""
    raw = features.lanes
    sides = [edges_of(lane.line, w) for lane, w in zip(raw, half_widths(features, config), strict=True)]
    shapes = [lane_polygon(*s) for s in sides]
    connectors = junction_rows(raw, shapes, set(features.signals))
    order = [i for i in range(len(raw)) if i not in connectors] + sorted(connectors)
    raw, sides, shapes = [raw[i] for i in order], [sides[i] for i in order], [shapes[i] for i in order]
    first = len(raw) - len(connectors)
    stops, governed = _stops(features, raw, sides)
    faces = drivable_faces(features.road_edges, raw, shapely.unary_union(list(shapes)), config.curb_m)
    points = {lane.id: len(lane.line) for lane in raw}
    lanes = [
        LaneRecord(
            id=lane.id,
            line=lane.line,
            left=sides[i][0],
            right=sides[i][1],
            connector=i >= first,
            entries=lane.entries,
            exits=lane.exits,
            beside=_beside(lane, points),
            limit_mps=lane.limit_mps,
            has_light=lane.id in features.signals,
            stops=tuple(governed[i]),
            left_line=_longest(lane.left),
            right_line=_longest(lane.right),
        )
        for i, lane in enumerate(raw)
    ]
    record = MapRecord(
        name,
        "womd",
        LICENCE,
        drivable=[rings_of(f) for f in faces] + [closed(d.line) for d in features.driveways],
        crosswalks=[(f.id, closed(f.line)) for f in features.crosswalks],
        stops=stops,
        speed_bumps=[(f.id, closed(f.line)) for f in features.speed_bumps],
        lines=_lines(features),
    )
    return assemble(lanes, record)


def _beside(lane: RawLane, points: dict[int, int]) -> tuple[int, ...]:
    """Ids of the lanes that run beside it for more than half of both; points: how many the center line of a lane id
    has."""
    return tuple(
        other
        for other, share, start, end in lane.neighbors
        if other in points and share > 0.5 and (end - start) / max(points[other] - 1, 1) > 0.5
    )


def _stops(
    features: Features, raw: Sequence[RawLane], sides: Sequence[tuple[F64, F64]]
) -> tuple[list[tuple[int, Any]], list[list[int]]]:
    """Stop areas (subtype, polygon), and per lane those that govern it: a strip across the lane at the signal's stop
    point, or where the lane passes the sign. Lights after signs, so that each kind keeps the file's order."""
    row = {lane.id: i for i, lane in enumerate(raw)}
    governed: list[list[int]] = [[] for _ in raw]
    out: list[tuple[int, Any]] = []
    wanted = [(STOP_SIGN, lane, at) for _, lanes, at in features.stop_signs for lane in lanes]
    wanted += [(TRAFFIC_LIGHT, lane, at) for lane, at in features.signals.items()]
    for subtype, lane, at in wanted:
        if lane in row:
            governed[row[lane]].append(len(out))
            out.append((subtype, strip(raw[row[lane]].line, *sides[row[lane]], at)))
    return out, governed


def _lines(features: Features) -> Lines:
    all_lines = [*features.road_lines, *features.road_edges]
    kind = [LineKind.ROAD_LINE] * len(features.road_lines) + [LineKind.ROAD_EDGE] * len(features.road_edges)
    return Lines(
        np.array([x.id for x in all_lines], np.int64),
        np.array(kind, np.uint8),
        np.array([x.kind for x in all_lines], np.int64),
        Polylines.build([x.line for x in all_lines]),
    )


def _longest(bounds: Sequence[tuple[int, int, int]]) -> int:
    """Feature id of what bounds a lane along most of it, -1 where nothing does."""
    length: dict[int, int] = {}
    for start, end, feature in bounds:
        length[feature] = length.get(feature, 0) + end - start + 1
    return max(length, key=lambda k: length[k]) if length else -1
