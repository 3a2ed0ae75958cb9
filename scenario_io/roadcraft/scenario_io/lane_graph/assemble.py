"""From lanes and their links to a MapData: road blocks, intersections, surfaces and their links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely

from roadcraft.core.arrays import F64, I64, Polygons, Polylines, Ragged
from roadcraft.core.data.map import AreaKind, Areas, LaneKind, Lanes, Lines, MapData, RoadBlocks, index_of
from roadcraft.scenario_io.lane_graph.shapes import lane_polygon, rings_of, tangents

CLOSING_M = 0.5  # connectors this near belong to one intersection


@dataclass(frozen=True)
class LaneRecord:
    """A lane of a format. Ids may name lanes that the map does not hold."""

    id: int
    """Its id, unique."""
    line: F64
    """(P, 2) center line in driving direction, m."""
    left: F64
    """(L, 2) left edge in driving direction, m."""
    right: F64
    """(R, 2) right edge in driving direction, m."""
    connector: bool
    """Whether it leads through a junction, or lies where lanes fork or merge."""
    entries: tuple[int, ...] = ()
    """Ids of lanes that end where it begins; what either of two lanes says of the other counts."""
    exits: tuple[int, ...] = ()
    """Ids of lanes that begin where it ends."""
    beside: tuple[int, ...] = ()
    """Ids of lanes in the same direction that share its road block."""
    limit_mps: float = 0.0
    """Speed limit, 0 where there is none."""
    has_light: bool = False
    """Whether a traffic light governs it."""
    stops: tuple[int, ...] = ()
    """Places in ``MapRecord.stops`` of what governs it."""
    left_line: int = -1
    """Id of the line that bounds it on the left, or -1."""
    right_line: int = -1
    """Id of the line that bounds it on the right, or -1."""


@dataclass(frozen=True)
class MapRecord:
    """What a format says of a map beside its lanes; polygons are lists of closed rings (V, 2), m."""

    name: str
    """The location."""
    source: str
    """The format."""
    licence: str
    """The data's terms."""
    drivable: Sequence[list[F64]] = ()
    """What is drivable beside lanes and intersections."""
    crosswalks: Sequence[tuple[int, list[F64]]] = ()
    """Id and polygon."""
    stops: Sequence[tuple[int, Any]] = ()
    """Subtype of the STOP area and its shapely polygon."""
    speed_bumps: Sequence[tuple[int, list[F64]]] = ()
    """Id and polygon."""
    lines: Lines = field(
        default_factory=lambda: Lines(
            np.zeros(0, np.int64), np.zeros(0, np.uint8), np.zeros(0, np.int64), Polylines.build([])
        )
    )
    """Painted lines and road edges."""
    version: str = "1"
    """The version of the map."""


def assemble(lanes: Sequence[LaneRecord], record: MapRecord) -> MapData:
    """The map, in the frame of the records. Lanes come first, then connectors, each in the given order."""
    lanes = sorted(lanes, key=lambda lane: lane.connector)
    first = sum(not lane.connector for lane in lanes)
    shapes = [lane_polygon(lane.left, lane.right) for lane in lanes]
    after, before = links(lanes)
    groups = _blocks(lanes, first, after, before)
    junctions = _junctions(shapes[first:])
    areas = _areas(record, lanes, groups, shapes, junctions, first)
    return MapData(
        name=record.name,
        version=record.version,
        source=record.source,
        licence=record.licence,
        epsg=0,
        lanes=_lanes(lanes, shapes, first, groups, (after, before), areas.of(AreaKind.STOP), record.lines),
        blocks=_road_blocks(lanes, shapes, groups, first, after, junctions, areas),
        areas=areas,
        lines=record.lines,
    )


def links(lanes: Sequence[Any]) -> tuple[list[list[int]], list[list[int]]]:
    """Successor and predecessor rows of every lane (with id, entries, exits): what either of the two lanes says counts,
    but for a lane that names itself."""
    row = {lane.id: i for i, lane in enumerate(lanes)}
    after: list[set[int]] = [set() for _ in lanes]
    before: list[set[int]] = [set() for _ in lanes]
    for i, lane in enumerate(lanes):
        found = [(i, row[k]) for k in lane.exits if k in row] + [(row[k], i) for k in lane.entries if k in row]
        for a, b in found:
            if a != b:
                after[a].add(b)
                before[b].add(a)
    return [sorted(s) for s in after], [sorted(s) for s in before]


def at_forks(after: Sequence[Sequence[int]], before: Sequence[Sequence[int]]) -> set[int]:
    """Rows of lanes after a fork or before a merge."""
    return {
        i
        for i in range(len(after))
        if any(len(after[p]) > 1 for p in before[i]) or any(len(before[s]) > 1 for s in after[i])
    }


def _blocks(
    lanes: Sequence[LaneRecord], first: int, after: Sequence[Sequence[int]], before: Sequence[Sequence[int]]
) -> list[list[int]]:
    """Rows of the lanes of each road block, leftmost first. Lanes beside each other share a block; connectors do when
    they join the same blocks; blocks of lanes come first."""
    row = {lane.id: i for i, lane in enumerate(lanes)}
    root = list(range(len(lanes)))

    def find(i: int) -> int:
        while root[i] != i:
            i = root[i]
        return i

    for i, lane in enumerate(lanes[:first]):
        for j in (row.get(other, first) for other in lane.beside):
            if j < first:
                root[max(find(i), find(j))] = min(find(i), find(j))
    joined: dict[Any, int] = {}
    for i in range(first, len(lanes)):
        if before[i] and after[i] and max(*before[i], *after[i]) < first:
            ends = frozenset(map(find, before[i])), frozenset(map(find, after[i]))
            root[i] = joined.setdefault(ends, i)
    groups: dict[int, list[int]] = {}
    for i in range(len(lanes)):
        groups.setdefault(find(i), []).append(i)
    return [_from_left(lanes, g) for g in groups.values()]


def _from_left(lanes: Sequence[LaneRecord], group: list[int]) -> list[int]:
    """Ordered across the direction of the first lane, leftmost first."""
    if len(group) == 1:
        return group
    line = lanes[group[0]].line
    at, direction = line[len(line) // 2], tangents(line)[len(line) // 2]
    nearest = [lanes[i].line[np.linalg.norm(lanes[i].line - at, axis=1).argmin()] - at for i in group]
    aside = [float(direction[0] * d[1] - direction[1] * d[0]) for d in nearest]
    return [i for _, i in sorted(zip(aside, group, strict=True), key=lambda x: (-x[0], x[1]))]


def _junctions(connectors: Sequence[Any]) -> list[Any]:
    """Intersections: what connectors cover together, where they touch or nearly do."""
    if not connectors:
        return []
    grown = shapely.unary_union(shapely.buffer(connectors, CLOSING_M, join_style="mitre"))
    return list(shapely.get_parts(shapely.buffer(grown, -CLOSING_M, join_style="mitre")))


def _areas(
    record: MapRecord,
    lanes: Sequence[LaneRecord],
    groups: Sequence[Sequence[int]],
    shapes: Sequence[Any],
    junctions: Sequence[Any],
    first: int,
) -> Areas:
    """Road segments are the blocks of lanes, intersections what connectors cover."""
    segments = [shapely.unary_union([shapes[i] for i in g]) for g in groups if g[0] < first]
    ids = [min(lanes[i].id for i in g) for g in groups if g[0] < first]
    stops, generic = record.stops, record.drivable
    kinds: list[tuple[AreaKind, list[int], list[int], list[list[F64]]]] = [
        (AreaKind.ROAD_SEGMENT, ids, [0] * len(ids), [rings_of(s) for s in segments]),
        (AreaKind.INTERSECTION, list(range(len(junctions))), [0] * len(junctions), [rings_of(s) for s in junctions]),
        (AreaKind.GENERIC_DRIVABLE, list(range(len(generic))), [0] * len(generic), list(generic)),
        (AreaKind.CROSSWALK, *_plain(record.crosswalks)),
        (AreaKind.STOP, list(range(len(stops))), [s for s, _ in stops], [rings_of(p) for _, p in stops]),
        (AreaKind.SPEED_BUMP, *_plain(record.speed_bumps)),
    ]
    return Areas(
        np.array([i for _, ids, _, _ in kinds for i in ids], np.int64),
        np.array([k for k, ids, _, _ in kinds for _ in ids], np.uint8),
        np.array([s for _, _, subtypes, _ in kinds for s in subtypes], np.int64),
        Polygons.build([p for _, _, _, polygons in kinds for p in polygons]),
    )


def _plain(areas: Sequence[tuple[int, list[F64]]]) -> tuple[list[int], list[int], list[list[F64]]]:
    return [i for i, _ in areas], [0] * len(areas), [rings for _, rings in areas]


def _lanes(
    lanes: Sequence[LaneRecord],
    shapes: Sequence[Any],
    first: int,
    groups: Sequence[Sequence[int]],
    linked: tuple[list[list[int]], list[list[int]]],
    stop_rows: I64,
    lines: Lines,
) -> Lanes:
    block, position = np.full(len(lanes), -1, np.int64), np.full(len(lanes), -1, np.int64)
    for k, group in enumerate(groups):
        block[list(group)], position[list(group)] = k, np.arange(len(group))
    limit = np.array([lane.limit_mps for lane in lanes])
    return Lanes(
        id=np.array([lane.id for lane in lanes], np.int64),
        kind=np.array([LaneKind.LANE] * first + [LaneKind.CONNECTOR] * (len(lanes) - first), np.uint8),
        block=block,
        lane_index=position,
        speed_limit_mps=limit,
        has_speed_limit=limit > 0,
        has_light=np.array([lane.has_light for lane in lanes], np.bool_),
        polygons=Polygons.build([rings_of(s) for s in shapes]),
        centerlines=Polylines.build([lane.line for lane in lanes]),
        left=Polylines.build([lane.left for lane in lanes]),
        right=Polylines.build([lane.right for lane in lanes]),
        successors=Ragged.build(linked[0]),
        predecessors=Ragged.build(linked[1]),
        stops=Ragged.build([[int(stop_rows[k]) for k in lane.stops] for lane in lanes]),
        left_line=index_of(lines.id, np.array([lane.left_line for lane in lanes], np.int64)),
        right_line=index_of(lines.id, np.array([lane.right_line for lane in lanes], np.int64)),
    )


def _road_blocks(
    lanes: Sequence[LaneRecord],
    shapes: Sequence[Any],
    groups: Sequence[Sequence[int]],
    first: int,
    after: Sequence[Sequence[int]],
    junctions: Sequence[Any],
    areas: Areas,
) -> RoadBlocks:
    owner = {i: k for k, g in enumerate(groups) for i in g}
    following = [sorted({owner[j] for i in g for j in after[i]} - {k}) for k, g in enumerate(groups)]
    leading: list[list[int]] = [[] for _ in groups]
    for k, blocks in enumerate(following):
        for b in blocks:
            leading[b].append(k)
    return RoadBlocks(
        id=np.array([min(lanes[i].id for i in g) for g in groups], np.int64),
        kind=np.array([LaneKind.LANE if g[0] < first else LaneKind.CONNECTOR for g in groups], np.uint8),
        polygons=Polygons.build([rings_of(shapely.unary_union([shapes[i] for i in g])) for g in groups]),
        lanes=Ragged.build(groups),
        successors=Ragged.build(following),
        predecessors=Ragged.build(leading),
        intersection=_intersections(lanes, groups, first, junctions, areas.of(AreaKind.INTERSECTION)),
    )


def _intersections(
    lanes: Sequence[LaneRecord], groups: Sequence[Sequence[int]], first: int, junctions: Sequence[Any], rows: I64
) -> I64:
    """Row of the intersection that holds the middle of a connector block."""
    out = np.full(len(groups), -1, np.int64)
    if len(junctions):
        middles = [lanes[g[0]].line[len(lanes[g[0]].line) // 2] for g in groups]
        group, junction = shapely.STRtree(junctions).query(shapely.points(middles), predicate="intersects")
        for k, j in zip(group.tolist(), junction.tolist(), strict=True):
            if groups[k][0] >= first:
                out[k] = rows[j]
    return out
