"""From a log's map JSON to MapData.

What Argoverse has: both boundaries of lane segments, which follow or lie beside each other, drivable areas and
crossings. Speed limits, traffic lights and what governs a lane are unknown, and stay so. Center lines are averaged from
the boundaries, for the sensor data set has none; predecessor lists are incomplete, so links are taken from both sides;
a lane's left neighbor is often the oncoming one, and shares no road block. Heights are dropped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from roadcraft.core.arrays import F64, Polylines
from roadcraft.core.data.map import LineKind, Lines, MapData
from roadcraft.core.errors import DataError
from roadcraft.scenario_io.argoverse2.config import LICENCE
from roadcraft.scenario_io.argoverse2.tables import read_json
from roadcraft.scenario_io.lane_graph.assemble import LaneRecord, MapRecord, assemble, at_forks, links
from roadcraft.scenario_io.lane_graph.shapes import between, closed, rings_of, tangents

MARKS = (
    "NONE", "UNKNOWN", "DASH_SOLID_YELLOW", "DASH_SOLID_WHITE", "DASHED_WHITE", "DASHED_YELLOW", "DOUBLE_SOLID_YELLOW",
    "DOUBLE_SOLID_WHITE", "DOUBLE_DASH_YELLOW", "DOUBLE_DASH_WHITE", "SOLID_YELLOW", "SOLID_WHITE", "SOLID_DASH_WHITE",
    "SOLID_DASH_YELLOW", "SOLID_BLUE",
)  # fmt: skip
BIKE = "BIKE"
NEAR_M = 1e-3  # vertices this near are one


def map_of(path: Path, name: str, source: str) -> MapData:
    """The map of a log, in its city's frame. Bicycle lanes are left out. Raises DataError where there is no lane, and
    for what a segment lacks."""
    raw = read_json(path)
    segments = [s for s in _objects(raw, "lane_segments", path) if s.get("lane_type") != BIKE]
    if not segments:
        raise DataError("the map has no lane for vehicles", where=str(path))
    edges = {id(s): (_line(s, "left_lane_boundary", path), _line(s, "right_lane_boundary", path)) for s in segments}
    lines, line_ids = _lines(segments, [edges[id(s)] for s in segments])
    lanes = [
        LaneRecord(
            id=_id(s, path),
            line=between(*edges[id(s)]),
            left=edges[id(s)][0],
            right=edges[id(s)][1],
            connector=bool(s.get("is_intersection")),
            entries=_ids(s, "predecessors", path),
            exits=_ids(s, "successors", path),
            left_line=line_ids[2 * i],
            right_line=line_ids[2 * i + 1],
        )
        for i, s in enumerate(segments)
    ]
    twice = [k for k, n in Counter(lane.id for lane in lanes).items() if n > 1]
    if twice:
        raise DataError(
            f"{len(twice)} ids are those of several lane segments", where=f"{path}: lane segment {twice[0]}"
        )
    record = MapRecord(
        name,
        source,
        LICENCE,
        drivable=[
            _polygon(a, ("area_boundary",), "drivable area", path) for a in _objects(raw, "drivable_areas", path)
        ],
        crosswalks=[
            (_id(a, path), _polygon(a, ("edge1", "edge2"), "pedestrian crossing", path))
            for a in _objects(raw, "pedestrian_crossings", path)
        ],
        lines=lines,
    )
    return assemble(_grouped(lanes, segments, path), record)


def _grouped(lanes: list[LaneRecord], segments: list[Mapping[str, Any]], path: Path) -> list[LaneRecord]:
    """The lanes with what lies beside them in the same direction, and with those as connectors that lie where lanes
    fork or merge."""
    forks = at_forks(*links(lanes))
    row = {lane.id: i for i, lane in enumerate(lanes)}
    out = []
    for i, (lane, segment) in enumerate(zip(lanes, segments, strict=True)):
        beside = [k for side in ("left", "right") for k in _ids(segment, f"{side}_neighbor_id", path) if k in row]
        same = [k for k in beside if _along(lane.line) @ _along(lanes[row[k]].line) > 0.0]
        out.append(replace(lane, connector=lane.connector or i in forks, beside=tuple(same)))
    return out


def _along(line: F64) -> F64:
    """Direction (2,) in the middle of a line."""
    middle: F64 = tangents(line)[len(line) // 2]
    return middle


def _objects(raw: Mapping[str, Any], key: str, path: Path) -> list[Mapping[str, Any]]:
    """The objects under a key, in the file's order."""
    found = raw.get(key, {})
    if not isinstance(found, dict) or not all(isinstance(v, dict) for v in found.values()):
        raise DataError(f"{key} is no mapping from ids to objects", where=str(path))
    return list(found.values())


def _id(found: Mapping[str, Any], path: Path) -> int:
    value = found.get("id")
    if not isinstance(value, int) or isinstance(value, bool):
        raise DataError(f"an object of the map has id {value!r}, which is no integer", where=str(path))
    return value


def _ids(found: Mapping[str, Any], key: str, path: Path) -> tuple[int, ...]:
    """The ids under a key: a list, one id or none."""
    value = found.get(key)
    listed = [] if value is None else value if isinstance(value, list) else [value]
    if not all(isinstance(k, int) for k in listed):
        raise DataError(f"{key} is {value!r}, not ids", where=f"{path}: lane segment {found.get('id')}")
    return tuple(listed)


def _line(found: Mapping[str, Any], key: str, path: Path) -> F64:
    where = f"{path}: lane segment {found.get('id')}, {key}"
    line = _points(found.get(key), where)
    if len(line) < 2:
        raise DataError(f"{len(line)} distinct points where at least 2 are needed", where=where)
    return line


def _points(found: Any, where: str) -> F64:
    """(P, 2) of a list of points, none repeated."""
    try:
        points = np.array([(p["x"], p["y"]) for p in found or ()], np.float64).reshape(-1, 2)
    except (TypeError, KeyError, ValueError) as e:
        raise DataError(f"no list of points with x and y: {e!r}", where=where) from e
    bad = np.flatnonzero(~np.isfinite(points).all(1))
    if len(bad):
        raise DataError("a coordinate is not finite", where=f"{where}, point {bad[0]}")
    keep = np.ones(len(points), np.bool_)
    keep[1:] = (np.abs(np.diff(points, axis=0)) > NEAR_M).any(1)
    return points[keep]


def _polygon(found: Mapping[str, Any], keys: Iterable[str], what: str, path: Path) -> list[F64]:
    """The rings of an area: of two edges the second backwards."""
    where = f"{path}: {what} {found.get('id')}"
    lines = [_points(found.get(key), f"{where}, {key}") for key in keys]
    ring = np.concatenate([lines[0], *(line[::-1] for line in lines[1:])])
    if len(ring) < 3:
        raise DataError(f"{len(ring)} points where at least 3 are needed", where=where)
    polygon = shapely.Polygon(ring)
    return closed(ring) if polygon.is_valid else rings_of(polygon.convex_hull)


def _lines(segments: list[Mapping[str, Any]], edges: list[tuple[F64, F64]]) -> tuple[Lines, list[int]]:
    """The boundaries of the lanes, once each, and the id of the left and the right one of every lane."""
    found: dict[bytes, int] = {}
    kinds: list[int] = []
    lines: list[F64] = []
    ids: list[int] = []
    for segment, sides in zip(segments, edges, strict=True):
        for side, line in zip(("left", "right"), sides, strict=True):
            mark = segment.get(f"{side}_lane_mark_type", "UNKNOWN")
            flipped = tuple(line[0]) > tuple(line[-1])  # neighbors in both directions share a boundary
            key = np.ascontiguousarray(line[::-1] if flipped else line).tobytes()
            if key not in found:
                found[key] = len(lines)
                lines.append(line)
                kinds.append(MARKS.index(mark) if mark in MARKS else MARKS.index("UNKNOWN"))
            ids.append(found[key])
    bounds = np.full(len(lines), int(LineKind.BOUNDARY), np.uint8)
    return Lines(np.arange(len(lines)), bounds, np.array(kinds, np.int64), Polylines.build(lines)), ids
