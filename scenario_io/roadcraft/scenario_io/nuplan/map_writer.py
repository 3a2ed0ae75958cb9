"""Writes maps as GeoPackages that the reference devkit opens."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64, Mask, Polygons, Polylines
from roadcraft.core.data.map import AreaKind, LaneKind, LineKind, MapData
from roadcraft.core.errors import DataError
from roadcraft.core.files import write_atomic
from roadcraft.scenario_io.nuplan import geopackage, places_file
from roadcraft.scenario_io.nuplan.config import MAP_VERSION
from roadcraft.scenario_io.nuplan.database import new_database
from roadcraft.scenario_io.nuplan.geopackage import FeatureLayer
from roadcraft.scenario_io.nuplan.layers import AREAS, COLUMNS, SPEED_BUMPS
from roadcraft.scenario_io.nuplan.placeholder import LOCATIONS, placeholder
from roadcraft.scenario_io.nuplan.places_file import write_places
from roadcraft.scenario_io.nuplan.projection import transform_between

Project = Callable[[F64], F64]
Require = Callable[..., None]


def write_maps(maps: Iterable[MapData], root: str | Path) -> Path:
    """Write each map to ``root/<name>/<version>/map.gpkg`` and list it in ``root/nuplan-maps-v1.0.json``, beside the
    maps already there; its places, if it has any, to ``places.jsonl`` beside the package.

    The reference opens its four hard-coded locations whichever is used: those that are missing get a small placeholder
    of one road. Reading back gives an equal MapData, coordinates within 1e-6 m (they are stored as longitude and
    latitude), provided that ids ascend within each kind and that ``left`` and ``right`` are the lines that
    ``left_line`` and ``right_line`` name (otherwise lines are added). Raises DataError for a map that the format cannot
    hold (no projected frame, ids that are not unique or negative, stop lines without a light, lines that are no
    boundaries).
    """
    root = Path(root)
    index = root / f"{MAP_VERSION}.json"
    listed = _listed(index)
    for m in maps:
        path = root / m.name / m.version / "map.gpkg"
        _write(m, path)
        write_places(m.places, m.lanes.id, path.with_name(places_file.NAME))
        listed[m.name] = {"version": m.version, "layers": {}}
    for name, (version, epsg) in LOCATIONS.items():
        if name not in listed:
            _write(placeholder(name, version, epsg), root / name / version / "map.gpkg")
            listed[name] = {"version": version, "layers": {}}
    write_atomic(index, json.dumps(listed, indent=1) + "\n")
    return root


def _listed(index: Path) -> dict[str, Any]:
    try:
        found = json.loads(index.read_text()) if index.is_file() else {}
        if not isinstance(found, dict):
            raise ValueError("no list of locations")
    except (OSError, ValueError) as e:
        raise DataError(
            f"cannot be read: {e}", where=str(index), remedy="delete it, or write into another folder"
        ) from e
    return found


def _write(m: MapData, path: Path) -> None:
    _check(m, path)
    project = _projection(m.epsg, path)
    with new_database(path) as db:
        geopackage.create(db)
        for name, kind, layer in _layers(m, project):
            geopackage.add_layer(db, name, kind, layer, COLUMNS[name])
        meta = {"projectedCoordSystem": f"EPSG:{m.epsg}", "mapVersion": m.version}
        geopackage.add_attributes(db, "meta", {**meta, "source": m.source, "licence": m.licence})


def _projection(epsg: int, path: Path) -> Project:
    transform = transform_between(f"EPSG:{epsg}", "EPSG:4326", str(path))
    return lambda xy: np.column_stack(transform(xy[:, 0], xy[:, 1])) if len(xy) else xy


def _check(m: MapData, path: Path) -> None:
    def require(ok: object, what: str, remedy: str = "") -> None:
        if not ok:
            raise DataError(what, where=str(path), remedy=remedy)

    _check_rows(m, require)
    _check_shapes(m, require)


def _check_rows(m: MapData, require: Require) -> None:
    require(len(m.lanes), "the map has no lanes")
    require(m.epsg > 0, "the map has no projected frame", "give MapData an EPSG code, e.g. a UTM zone's")
    for what, ids in (("lane", m.lanes.id), ("road block", m.blocks.id), ("line", m.lines.id)):
        values, counts = np.unique(ids, return_counts=True)
        require(not (counts > 1).any(), f"{what} id {values[counts > 1][:1]} is not unique")
        require(not len(values) or values[0] >= 0, f"{what} id {values[:1]} is negative")
    for kind in AreaKind:
        ids = m.areas.id[m.areas.kind == kind]
        require(len(np.unique(ids)) == len(ids), f"ids of {kind.name} areas are not unique")
    require(
        np.all(m.lines.kind == LineKind.BOUNDARY), "nuPlan maps hold lane boundaries only", "drop the map's other lines"
    )
    connectors = m.lanes.kind == LaneKind.CONNECTOR
    for what, links in (("predecessor", m.lanes.predecessors), ("successor", m.lanes.successors)):
        several = connectors & (np.diff(links.offsets) > 1)
        require(
            not several.any(),
            f"connector {m.lanes.id[several][:1]} has two {what}s",
            "nuPlan's connectors join two lanes",
        )
        far = links.values[np.repeat(~connectors, np.diff(links.offsets))]
        require(connectors[far].all(), f"a lane has a lane as its {what}", "nuPlan joins lanes by connectors")
    stopped = (np.diff(m.lanes.stops.offsets) > 0) & ~m.lanes.has_light
    require(
        not stopped.any(),
        f"lane {m.lanes.id[stopped][:1]} has stop lines but no light",
        "nuPlan's stop lines belong to lights",
    )
    order = np.concatenate([np.diff(m.lanes.kind.astype(int)), np.diff(m.blocks.kind.astype(int))])
    require(np.all(order >= 0), "lanes come before connectors, in lanes and in road blocks")


def _check_shapes(m: MapData, require: Require) -> None:
    for what, polygons in (("lane", m.lanes.polygons), ("road block", m.blocks.polygons), ("area", m.areas.polygons)):
        require(np.all(np.diff(polygons.offsets) > 0), f"a {what} has no polygon")
        ends = polygons.points[polygons.rings[:-1]] == polygons.points[polygons.rings[1:] - 1]
        require(
            np.all(ends) and np.all(np.diff(polygons.rings) > 3),
            f"a ring of a {what} is not closed",
            "repeat its first vertex",
        )
    for what, lines in (("centerline", m.lanes.centerlines), ("line", m.lines.lines)):
        require(np.all(np.diff(lines.offsets) > 1), f"a {what} has fewer than 2 points")
    for part in (m.lanes.polygons, m.lanes.centerlines, m.blocks.polygons, m.areas.polygons, m.lines.lines):
        require(np.isfinite(part.points).all(), "coordinates are not finite")


def _layers(m: MapData, project: Project) -> Iterable[tuple[str, str, FeatureLayer]]:
    boundaries = _Boundaries(m)
    left = [boundaries.fid(m.lanes.left_line[i], m.lanes.left[i]) for i in range(len(m.lanes))]
    right = [boundaries.fid(m.lanes.right_line[i], m.lanes.right[i]) for i in range(len(m.lanes))]
    yield from _lane_layers(m, project, {"left_boundary_fid": left, "right_boundary_fid": right})
    edges = _lines(Polylines.build(boundaries.lines), project)
    columns = {"boundary_type_fid": boundaries.types, "is_ground_truth": [0] * len(boundaries.ids)}
    yield "boundaries", "LINESTRING", FeatureLayer(np.array(boundaries.ids, np.int64), edges, columns)
    yield from _block_layers(m, project)
    shapes = _shapes(m.areas.polygons, project)
    for kind, name in AREAS.items():
        rows = m.areas.of(kind)
        if name == SPEED_BUMPS and not len(rows):
            continue
        values = {"stop_polygon_type_fid": m.areas.subtype, "intersection_fids": [""] * len(m.areas)}
        yield name, *_polygon_layer(m.areas.id[rows], shapes[rows], _columns(name, values, rows))


def _lane_layers(m: MapData, project: Project, edges: dict[str, list[int]]) -> Iterable[tuple[str, str, FeatureLayer]]:
    is_lane = m.lanes.kind == LaneKind.LANE
    lanes, connectors = np.flatnonzero(is_lane), np.flatnonzero(~is_lane)
    block = _ids(m.blocks.id, m.lanes.block)
    limits = zip(m.lanes.speed_limit_mps.tolist(), m.lanes.has_speed_limit.tolist(), strict=True)
    values = {
        **edges,
        "lane_fid": m.lanes.id,
        "lane_connector_fid": m.lanes.id,
        "lane_group_fid": block,
        "lane_group_connector_fid": block,
        "lane_index": m.lanes.lane_index,
        "speed_limit_mps": [v if has else None for v, has in limits],
        "exit_lane_fid": _first(m.lanes.id, m.lanes.predecessors),
        "entry_lane_fid": _first(m.lanes.id, m.lanes.successors),
        "traffic_light_stop_line_fids": _stop_texts(m),
        "bulb_fids": [""] * len(m.lanes),
        "intersection_fid": _intersections(m),
    }
    shapes, centers = _shapes(m.lanes.polygons, project), _lines(m.lanes.centerlines, project)
    for name, rows in (("lanes_polygons", lanes), ("gen_lane_connectors_scaled_width_polygons", connectors)):
        yield name, *_polygon_layer(m.lanes.id[rows], shapes[rows], _columns(name, values, rows))
    name, rows = "lane_connectors", connectors
    yield name, "LINESTRING", FeatureLayer(m.lanes.id[rows], centers[rows], _columns(name, values, rows))
    name, rows = "baseline_paths", np.arange(len(m.lanes))
    owner = {"lane_fid": _float_ids(m.lanes.id, is_lane), "lane_connector_fid": _float_ids(m.lanes.id, ~is_lane)}
    yield name, "LINESTRING", FeatureLayer(rows + 1, centers, _columns(name, owner, rows))


def _block_layers(m: MapData, project: Project) -> Iterable[tuple[str, str, FeatureLayer]]:
    values = {
        "from_lane_group_fid": _first(m.blocks.id, m.blocks.predecessors),
        "to_lane_group_fid": _first(m.blocks.id, m.blocks.successors),
        "intersection_fid": _ids(m.areas.id, m.blocks.intersection),
    }
    shapes = _shapes(m.blocks.polygons, project)
    for name, kind in (("lane_groups_polygons", LaneKind.LANE), ("lane_group_connectors", LaneKind.CONNECTOR)):
        rows = np.flatnonzero(m.blocks.kind == kind)
        yield name, *_polygon_layer(m.blocks.id[rows], shapes[rows], _columns(name, values, rows))


def _intersections(m: MapData) -> list[int]:
    """Id of the intersection that each lane's road block lies in."""
    rows = np.full(len(m.lanes), -1, np.int64)
    known = m.lanes.block >= 0
    rows[known] = m.blocks.intersection[m.lanes.block[known]]
    return _ids(m.areas.id, rows)


class _Boundaries:
    """The lines of a map, and those that have to be added because a lane has an edge without one."""

    def __init__(self, m: MapData) -> None:
        self.ids = m.lines.id.tolist()
        self.types = m.lines.subtype.tolist()
        self.lines = [m.lines.lines[i] for i in range(len(m.lines))]
        self._next = max([*self.ids, *m.lanes.id.tolist(), *m.blocks.id.tolist(), *m.areas.id.tolist()]) + 1

    def fid(self, line: int, points: F64) -> int:
        """Id of line row ``line``, or of a new line; 0 (which the reader takes for 'none') where there are no points
        either."""
        if line >= 0:
            return int(self.ids[line])
        if len(points) < 2:
            return 0
        self.ids.append(self._next)
        self.types.append(0)
        self.lines.append(points)
        self._next += 1
        return int(self.ids[-1])


def _columns(name: str, values: dict[str, Any], rows: I64) -> dict[str, Sequence[Any]]:
    """The layer's columns at the given rows; 0 where the map knows nothing."""
    picked: dict[str, Sequence[Any]] = {}
    for c in COLUMNS[name]:
        source = values.get(c)
        plain = source.tolist() if isinstance(source, np.ndarray) else source
        picked[c] = [0] * len(rows) if plain is None else [plain[i] for i in rows.tolist()]
    return picked


def _ids(ids: I64, rows: I64) -> list[int]:
    """Ids of rows, 0 for none."""
    return [int(ids[r]) if r >= 0 else 0 for r in rows.tolist()]


def _first(ids: I64, ragged: Any) -> list[int]:
    return [int(ids[ragged[i][0]]) if len(ragged[i]) else 0 for i in range(len(ragged))]


def _float_ids(ids: I64, where: Mask) -> list[float | None]:
    # The reference reads these columns as floats, since one of the two is null in every row.
    return [float(i) if here else None for i, here in zip(ids.tolist(), where.tolist(), strict=True)]


def _stop_texts(m: MapData) -> list[str]:
    """Comma list of stop line ids; a blank, which counts as a light without a stop line, where there is none."""
    return [
        (",".join(str(m.areas.id[r]) for r in m.lanes.stops[i]) or " ") if m.lanes.has_light[i] else ""
        for i in range(len(m.lanes))
    ]


def _lines(lines: Polylines, project: Project) -> NDArray[Any]:
    owner = np.repeat(np.arange(len(lines)), np.diff(lines.offsets))
    return np.asarray(shapely.linestrings(project(lines.points), indices=owner), object)


def _shapes(polygons: Polygons, project: Project) -> NDArray[Any]:
    """Polygons (N,), or multipolygons where one has several outlines."""
    owner = np.repeat(np.arange(len(polygons.rings) - 1), np.diff(polygons.rings))
    rings = np.asarray(shapely.linearrings(project(polygons.points), indices=owner), object)
    outlines = np.asarray(shapely.polygons(rings), object)
    out = outlines[polygons.offsets[:-1]]
    for i in np.flatnonzero(np.diff(polygons.offsets) > 1).tolist():
        rows = slice(polygons.offsets[i], polygons.offsets[i + 1])
        out[i] = _nested(rings[rows], outlines[rows])
    return out


def _nested(rings: NDArray[Any], outlines: NDArray[Any]) -> Any:
    """Even-odd: a ring within an even number of others is an outline, within an odd number a hole of the smallest
    around it."""
    within = shapely.contains(outlines[:, None], outlines[None, :]) & ~np.eye(len(rings), dtype=bool)
    depth = within.sum(axis=0)
    parts = [
        shapely.polygons(rings[i], rings[within[i] & (depth == depth[i] + 1)]) for i in np.flatnonzero(depth % 2 == 0)
    ]
    return parts[0] if len(parts) == 1 else shapely.multipolygons(parts)


def _polygon_layer(ids: I64, shapes: NDArray[Any], columns: dict[str, Sequence[Any]]) -> tuple[str, FeatureLayer]:
    several = bool(np.any(shapely.get_type_id(shapes) == shapely.GeometryType.MULTIPOLYGON)) if len(shapes) else False
    return "MULTIPOLYGON" if several else "POLYGON", FeatureLayer(ids, shapes, columns)
