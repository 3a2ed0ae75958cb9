"""From Waymo's map features to MapData.

What Waymo has: center lines, the lane graph, neighbors, speed limits, lines, road edges, crosswalks, signals. What it
does not have is made up here, as each function says: lane surfaces (from ``widths``), which lanes are junction
connectors, road blocks, intersections, stop lines, and the drivable area (from ``surface``). Heights are dropped, so a
bridge and the road below it lie on each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely

from roadcraft.core.arrays import F64, I64, Polygons, Polylines, Ragged
from roadcraft.core.data.map import AreaKind, Areas, LaneKind, Lanes, LineKind, Lines, MapData, RoadBlocks, index_of
from roadcraft.scenario_io.womd.config import LICENCE, WomdConfig
from roadcraft.scenario_io.womd.features import Features, RawLane
from roadcraft.scenario_io.womd.surface import (
    drivable_faces,
    edges_of,
    junction_rows,
    lane_polygon,
    rings_of,
    successors_of,
)
from roadcraft.scenario_io.womd.widths import half_widths, tangents

STOP_SIGN, TRAFFIC_LIGHT = 1, 2  # subtypes of STOP areas
_STOP_DEPTH = 1.0  # m along the lane
_CLOSING = 0.5  # m: connectors this near belong to one intersection


def map_of(features: Features, config: WomdConfig, name: str) -> MapData:
    """The map of one scenario, in the scenario's own local frame."""
    widths = half_widths(features, config)
    sides = [edges_of(lane.line, w) for lane, w in zip(features.lanes, widths, strict=True)]
    shapes = [lane_polygon(*s) for s in sides]
    connectors = junction_rows(features.lanes, shapes, set(features.signals))
    order = [i for i in range(len(shapes)) if i not in connectors] + sorted(connectors)
    raw, sides, shapes = [features.lanes[i] for i in order], [sides[i] for i in order], [shapes[i] for i in order]
    first = len(raw) - len(connectors)
    groups = _blocks(raw, first)
    junctions = _junctions(shapes[first:])
    stops, governed = _stops(features, raw, sides)
    areas = _areas(features, groups, shapes, junctions, stops, raw, first, config)
    stop_rows = areas.of(AreaKind.STOP)
    lines = _lines(features)
    return MapData(
        name=name,
        version="1",
        source="womd",
        licence=LICENCE,
        epsg=0,
        lanes=_lanes(
            features, raw, sides, shapes, first, groups, [[int(stop_rows[k]) for k in g] for g in governed], lines
        ),
        blocks=_road_blocks(raw, shapes, groups, first, junctions, areas),
        areas=areas,
        lines=lines,
    )


def _blocks(raw: Sequence[RawLane], first: int) -> list[list[int]]:
    """Rows of the lanes of each road block, leftmost first. Lanes that run beside each other for more than half of both
    share a block; connectors do when they join the same blocks; blocks of lanes come first."""
    row = {lane.id: i for i, lane in enumerate(raw)}
    root = list(range(len(raw)))

    def find(i: int) -> int:
        while root[i] != i:
            i = root[i]
        return i

    for i, lane in enumerate(raw[:first]):
        for other, share, start, end in lane.neighbors:
            j = row.get(other, first)
            if j < first and share > 0.5 and (end - start) / max(len(raw[j].line) - 1, 1) > 0.5:
                root[max(find(i), find(j))] = min(find(i), find(j))
    after, before = successors_of(raw)
    joined: dict[Any, int] = {}
    for i in range(first, len(raw)):
        if before[i] and after[i] and max(*before[i], *after[i]) < first:
            ends = frozenset(map(find, before[i])), frozenset(map(find, after[i]))
            root[i] = joined.setdefault(ends, i)
    groups: dict[int, list[int]] = {}
    for i in range(len(raw)):
        groups.setdefault(find(i), []).append(i)
    return [_from_left(raw, g) for g in groups.values()]


def _from_left(raw: Sequence[RawLane], group: list[int]) -> list[int]:
    """Ordered across the direction of the first lane, leftmost first."""
    if len(group) == 1:
        return group
    line = raw[group[0]].line
    at, direction = line[len(line) // 2], tangents(line)[len(line) // 2]
    nearest = [raw[i].line[np.linalg.norm(raw[i].line - at, axis=1).argmin()] - at for i in group]
    aside = [float(direction[0] * d[1] - direction[1] * d[0]) for d in nearest]
    return [i for _, i in sorted(zip(aside, group, strict=True), key=lambda x: (-x[0], x[1]))]


def _junctions(connectors: Sequence[Any]) -> list[Any]:
    """Intersections: what connectors cover together, where they touch or nearly do."""
    if not connectors:
        return []
    grown = shapely.unary_union(shapely.buffer(connectors, _CLOSING, join_style="mitre"))
    return list(shapely.get_parts(shapely.buffer(grown, -_CLOSING, join_style="mitre")))


def _stops(
    features: Features, raw: Sequence[RawLane], sides: Sequence[Any]
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
            out.append((subtype, _strip(raw[row[lane]].line, sides[row[lane]], at)))
    return out, governed


def _strip(line: F64, sides: tuple[F64, F64], at: F64) -> Any:
    k = int(np.linalg.norm(line - at, axis=1).argmin())
    half = 0.5 * _STOP_DEPTH * tangents(line)[k]
    left, right = sides[0][k], sides[1][k]
    return shapely.Polygon([left + half, right + half, right - half, left - half])


def _areas(
    features: Features,
    groups: Sequence[Sequence[int]],
    shapes: Sequence[Any],
    junctions: Sequence[Any],
    stops: Sequence[tuple[int, Any]],
    raw: Sequence[RawLane],
    first: int,
    config: WomdConfig,
) -> Areas:
    """Road segments are the blocks of lanes, intersections what connectors cover; what else lies between the road
    edges, and driveways, is generic."""
    segments = [shapely.unary_union([shapes[i] for i in g]) for g in groups if g[0] < first]
    ids = [min(raw[i].id for i in g) for g in groups if g[0] < first]
    faces = drivable_faces(features.road_edges, raw, shapely.unary_union(list(shapes)), config.curb_m)
    kinds: list[tuple[AreaKind, list[int], list[int], list[list[F64]]]] = [
        (AreaKind.ROAD_SEGMENT, ids, [0] * len(ids), [rings_of(s) for s in segments]),
        (AreaKind.INTERSECTION, list(range(len(junctions))), [0] * len(junctions), [rings_of(s) for s in junctions]),
    ]
    generic = [rings_of(f) for f in faces] + [_closed(d.line) for d in features.driveways]
    kinds.append((AreaKind.GENERIC_DRIVABLE, list(range(len(generic))), [0] * len(generic), generic))
    kinds.append((AreaKind.CROSSWALK, *_plain(features.crosswalks)))
    kinds.append((AreaKind.STOP, list(range(len(stops))), [s for s, _ in stops], [rings_of(p) for _, p in stops]))
    kinds.append((AreaKind.SPEED_BUMP, *_plain(features.speed_bumps)))
    return Areas(
        np.array([i for _, ids, _, _ in kinds for i in ids], np.int64),
        np.array([k for k, ids, _, _ in kinds for _ in ids], np.uint8),
        np.array([s for _, _, subtypes, _ in kinds for s in subtypes], np.int64),
        Polygons.build([p for _, _, _, polygons in kinds for p in polygons]),
    )


def _closed(line: F64) -> list[F64]:
    return [line if np.array_equal(line[0], line[-1]) else np.concatenate([line, line[:1]])]


def _plain(features: Sequence[Any]) -> tuple[list[int], list[int], list[list[F64]]]:
    return [f.id for f in features], [0] * len(features), [_closed(f.line) for f in features]


def _lines(features: Features) -> Lines:
    all_lines = [*features.road_lines, *features.road_edges]
    kind = [LineKind.ROAD_LINE] * len(features.road_lines) + [LineKind.ROAD_EDGE] * len(features.road_edges)
    return Lines(
        np.array([x.id for x in all_lines], np.int64),
        np.array(kind, np.uint8),
        np.array([x.kind for x in all_lines], np.int64),
        Polylines.build([x.line for x in all_lines]),
    )


def _lanes(
    features: Features,
    raw: Sequence[RawLane],
    sides: Sequence[tuple[F64, F64]],
    shapes: Sequence[Any],
    first: int,
    groups: Sequence[Sequence[int]],
    stops: Sequence[Sequence[int]],
    lines: Lines,
) -> Lanes:
    block, position = np.full(len(raw), -1, np.int64), np.full(len(raw), -1, np.int64)
    for k, group in enumerate(groups):
        block[list(group)], position[list(group)] = k, np.arange(len(group))
    after, before = successors_of(raw)
    limit = np.array([lane.limit_mps for lane in raw])
    left_id = np.array([_longest(lane.left) for lane in raw], np.int64)
    right_id = np.array([_longest(lane.right) for lane in raw], np.int64)
    return Lanes(
        id=np.array([lane.id for lane in raw], np.int64),
        kind=np.array([LaneKind.LANE] * first + [LaneKind.CONNECTOR] * (len(raw) - first), np.uint8),
        block=block,
        lane_index=position,
        speed_limit_mps=limit,
        has_speed_limit=limit > 0,
        has_light=np.isin([lane.id for lane in raw], list(features.signals)),
        polygons=Polygons.build([rings_of(s) for s in shapes]),
        centerlines=Polylines.build([lane.line for lane in raw]),
        left=Polylines.build([s[0] for s in sides]),
        right=Polylines.build([s[1] for s in sides]),
        successors=Ragged.build(after),
        predecessors=Ragged.build(before),
        stops=Ragged.build(stops),
        left_line=index_of(lines.id, left_id),
        right_line=index_of(lines.id, right_id),
    )


def _longest(bounds: Sequence[tuple[int, int, int]]) -> int:
    """Feature id of what bounds a lane along most of it, -1 where nothing does."""
    length: dict[int, int] = {}
    for start, end, feature in bounds:
        length[feature] = length.get(feature, 0) + end - start + 1
    return max(length, key=lambda k: length[k]) if length else -1


def _road_blocks(
    raw: Sequence[RawLane],
    shapes: Sequence[Any],
    groups: Sequence[Sequence[int]],
    first: int,
    junctions: Sequence[Any],
    areas: Areas,
) -> RoadBlocks:
    after, _ = successors_of(raw)
    owner = {i: k for k, g in enumerate(groups) for i in g}
    following = [sorted({owner[j] for i in g for j in after[i]} - {k}) for k, g in enumerate(groups)]
    leading: list[list[int]] = [[] for _ in groups]
    for k, blocks in enumerate(following):
        for b in blocks:
            leading[b].append(k)
    return RoadBlocks(
        id=np.array([min(raw[i].id for i in g) for g in groups], np.int64),
        kind=np.array([LaneKind.LANE if g[0] < first else LaneKind.CONNECTOR for g in groups], np.uint8),
        polygons=Polygons.build([rings_of(shapely.unary_union([shapes[i] for i in g])) for g in groups]),
        lanes=Ragged.build(groups),
        successors=Ragged.build(following),
        predecessors=Ragged.build(leading),
        intersection=_intersections(raw, groups, first, junctions, areas.of(AreaKind.INTERSECTION)),
    )


def _intersections(
    raw: Sequence[RawLane], groups: Sequence[Sequence[int]], first: int, junctions: Sequence[Any], rows: I64
) -> I64:
    """Row of the intersection that holds the middle of a connector block."""
    out = np.full(len(groups), -1, np.int64)
    if len(junctions):
        middles = [raw[g[0]].line[len(raw[g[0]].line) // 2] for g in groups]
        group, junction = shapely.STRtree(junctions).query(shapely.points(middles), predicate="intersects")
        for k, j in zip(group.tolist(), junction.tolist(), strict=True):
            if groups[k][0] >= first:
                out[k] = rows[j]
    return out
