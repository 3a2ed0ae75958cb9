"""Puts the layers of a nuPlan map together: lanes, road blocks, areas and lines, with references as rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64, Polygons, Polylines, Ragged
from roadcraft.core.data.map import AreaKind, Areas, LaneKind, Lanes, LineKind, Lines, RoadBlocks, index_of
from roadcraft.core.errors import DataError
from roadcraft.scenario_io.faults import repeated
from roadcraft.scenario_io.nuplan.geopackage import FeatureLayer
from roadcraft.scenario_io.nuplan.layers import AREAS

CONNECTOR_POLYGONS = "gen_lane_connectors_scaled_width_polygons"
_LINES = ("lane_connectors", "baseline_paths", "boundaries")


@dataclass
class MapBuilder:
    """Puts the layers together. References to features that the map lacks are left out, as nothing can be driven there;
    repeated vertices of lines are one vertex. ``repairs`` says how many there were."""

    path: Path
    layers: dict[str, FeatureLayer]
    repairs: list[DataError]

    def __post_init__(self) -> None:
        lanes, connectors = self.layers["lanes_polygons"], self.layers["lane_connectors"]
        groups, crossings = self.layers["lane_groups_polygons"], self.layers["lane_group_connectors"]
        if not len(lanes.fid):
            raise DataError("the map is empty: no lanes", where=f"{self.path}: layer lanes_polygons")
        for name, layer in self.layers.items():
            if name not in _LINES:
                self._check_polygons(name, layer)
        self._same_fid(lanes)
        self.lane_id = self._unique("lane_connectors", lanes.fid, connectors.fid)
        self.block_id = self._unique("lane_group_connectors", groups.fid, crossings.fid)
        self.areas = self._areas()
        line = self.layers["boundaries"]
        kind = np.full(len(line.fid), LineKind.BOUNDARY, np.uint8)
        points, offsets = self._line_points("boundaries", line)
        self.lines = Lines(line.fid, kind, self._ints("boundaries", "boundary_type_fid"), Polylines(points, offsets))

    def lanes(self) -> Lanes:
        lanes, connectors = self.layers["lanes_polygons"], self.layers["lane_connectors"]
        n, k = len(lanes.fid), len(connectors.fid)
        edges = self.layers[CONNECTOR_POLYGONS]
        edge_of = self._find(CONNECTOR_POLYGONS, self._ints(CONNECTOR_POLYGONS, "lane_connector_fid"), connectors.fid)
        surface = np.concatenate([lanes.geometry, edges.geometry[edge_of]])
        limits = [*lanes.columns["speed_limit_mps"], *connectors.columns["speed_limit_mps"]]
        limit = self._floats("lanes_polygons", "speed_limit_mps", limits)
        has_limit = np.isfinite(limit)
        left, right = (
            np.concatenate(
                [
                    self._refer(self.lines.id, "lanes_polygons", side, "boundaries"),
                    self._refer(self.lines.id, CONNECTOR_POLYGONS, side, "boundaries")[edge_of],
                ]
            )
            for side in ("left_boundary_fid", "right_boundary_fid")
        )
        centers = self._centerlines()
        comes, leads = (
            self._refer(lanes.fid, "lane_connectors", c, "lanes_polygons") for c in ("exit_lane_fid", "entry_lane_fid")
        )
        after, before = _graph(comes, leads, n, k)
        unstopped: list[list[int]] = [[]] * n
        texts = [str(t) if t is not None else "" for t in connectors.columns["traffic_light_stop_line_fids"]]
        block = np.concatenate(
            [
                self._refer(self.block_id, "lanes_polygons", "lane_group_fid", "lane_groups_polygons"),
                self._refer(self.block_id, "lane_connectors", "lane_group_connector_fid", "lane_group_connectors"),
            ]
        )
        self._block_of = block
        return Lanes(
            id=self.lane_id,
            kind=_kinds(n, k),
            block=block,
            lane_index=np.concatenate([self._ints("lanes_polygons", "lane_index"), np.full(k, -1)]).astype(np.int64),
            speed_limit_mps=np.where(has_limit, limit, 0.0),
            has_speed_limit=has_limit,
            has_light=np.array([False] * n + [bool(t) for t in texts]),
            polygons=_polygons(surface),
            centerlines=Polylines(*self._line_points("baseline_paths", centers)),
            left=_take(self.lines.lines, left),
            right=_take(self.lines.lines, right),
            successors=after,
            predecessors=before,
            stops=Ragged.build(unstopped + self._stops(texts, centers.geometry[n:])),
            left_line=left,
            right_line=right,
        )

    def blocks(self) -> RoadBlocks:
        """Call after ``lanes``."""
        groups, crossings = self.layers["lane_groups_polygons"], self.layers["lane_group_connectors"]
        n, k = len(groups.fid), len(crossings.fid)
        name = "lane_group_connectors"
        comes, leads = (
            self._refer(groups.fid, name, c, "lane_groups_polygons")
            for c in ("from_lane_group_fid", "to_lane_group_fid")
        )
        after, before = _graph(comes, leads, n, k)
        wanted = self._ints(name, "intersection_fid")
        rows = self.areas.of(AreaKind.INTERSECTION)
        found = index_of(self.areas.id[rows], wanted)
        intersection = np.full(n + k, -1, np.int64)
        intersection[n:] = np.where(found >= 0, rows[found] if len(rows) else -1, -1)
        return RoadBlocks(
            id=self.block_id,
            kind=_kinds(n, k),
            polygons=_polygons(np.concatenate([groups.geometry, crossings.geometry])),
            lanes=_invert(self._block_of, n + k),
            successors=after,
            predecessors=before,
            intersection=intersection,
        )

    def _areas(self) -> Areas:
        present = {kind: self.layers[name] for kind, name in AREAS.items() if name in self.layers}
        subtype = [
            self._ints("stop_polygons", "stop_polygon_type_fid")
            if kind == AreaKind.STOP
            else np.zeros(len(layer.fid), np.int64)
            for kind, layer in present.items()
        ]
        kinds = [np.full(len(layer.fid), kind, np.uint8) for kind, layer in present.items()]
        return Areas(
            id=np.concatenate([layer.fid for layer in present.values()]),
            kind=np.concatenate(kinds),
            subtype=np.concatenate(subtype),
            polygons=_polygons(np.concatenate([layer.geometry for layer in present.values()])),
        )

    def _centerlines(self) -> FeatureLayer:
        """The baseline of every lane, then of every connector."""
        name, path = "baseline_paths", self.layers["baseline_paths"]
        lanes, connectors = self.layers["lanes_polygons"].fid, self.layers["lane_connectors"].fid
        of_lane = self._find(name, self._ints(name, "lane_fid"), lanes)
        of_connector = self._find(name, self._ints(name, "lane_connector_fid"), connectors)
        rows = np.concatenate([of_lane, of_connector])
        return FeatureLayer(path.fid[rows], path.geometry[rows], {})

    def _stops(self, texts: Sequence[str], baselines: NDArray[Any]) -> list[list[int]]:
        """Rows of the stop areas of each connector: those listed that its baseline touches, else the one nearest to its
        start."""
        polygons, rows = self.layers["stop_polygons"].geometry, self.areas.of(AreaKind.STOP)
        out: list[list[int]] = []
        lost: list[int] = []
        for fid, text, line in zip(self.layers["lane_connectors"].fid.tolist(), texts, baselines, strict=True):
            wanted = [int(t) for t in text.replace(" ", "").split(",") if t.isdigit()]
            listed = index_of(self.layers["stop_polygons"].fid, np.array(wanted, np.int64))
            lost += [fid] * int((listed < 0).sum())
            listed = listed[listed >= 0]
            if len(listed):
                touched = listed[shapely.intersects(polygons[listed], line)]
                if not len(touched):
                    start = shapely.get_point(line, 0)
                    touched = listed[[int(np.argmin(shapely.distance(polygons[listed], start)))]]
                listed = touched
            out.append(rows[listed].tolist())
        what = f"traffic_light_stop_line_fids names no feature of stop_polygons ({len(lost)} times)"
        self._report("lane_connectors", np.array(lost, np.int64), what)
        return out

    def _same_fid(self, lanes: FeatureLayer) -> None:
        wrong = np.flatnonzero(self._ints("lanes_polygons", "lane_fid") != lanes.fid)
        if len(wrong):
            raise DataError(
                "lane_fid differs from the fid", where=f"{self.path}: layer lanes_polygons, fid {lanes.fid[wrong[0]]}",
                remedy="the format wants them equal",
            )  # fmt: skip

    def _unique(self, name: str, first: I64, second: I64) -> I64:
        ids = np.concatenate([first, second])
        both = np.intersect1d(first, second)
        if len(both):
            raise DataError(
                f"id {both[0]} is not unique",
                where=f"{self.path}: layer {name}",
                remedy="ids are unique over both layers",
            )
        return ids

    def _find(self, name: str, keys: I64, wanted: I64) -> I64:
        """The one row of a layer for each wanted key."""
        values, counts = np.unique(keys[np.isin(keys, wanted)], return_counts=True)
        rows = index_of(keys, wanted)
        if (counts > 1).any():
            raise DataError(f"two features for id {values[counts > 1][0]}", where=f"{self.path}: layer {name}")
        if (rows < 0).any():
            raise DataError(f"no feature for id {wanted[rows < 0][0]}", where=f"{self.path}: layer {name}")
        return rows

    def _ints(self, name: str, column: str) -> I64:
        """An integer column; -1 where it is null."""
        values = self._floats(name, column, self.layers[name].columns[column])
        return np.where(np.isfinite(values), values, -1.0).astype(np.int64)

    def _floats(self, name: str, column: str, values: Sequence[Any]) -> F64:
        """A number column; NaN where it is null."""
        try:
            out = np.array([np.nan if v is None else v for v in values], np.float64)
        except (TypeError, ValueError) as e:
            raise DataError(f"column {column}: {e}", where=f"{self.path}: layer {name}") from e
        if (np.abs(out[np.isfinite(out)]) > 2.0**53).any():
            raise DataError(f"column {column} holds an impossible number", where=f"{self.path}: layer {name}")
        return out

    def _check_polygons(self, name: str, layer: FeatureLayer) -> None:
        kinds = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)
        wrong = ~np.isin(shapely.get_type_id(layer.geometry), kinds) | shapely.is_empty(layer.geometry)
        if wrong.any():
            raise DataError("not a polygon", where=f"{self.path}: layer {name}, fid {layer.fid[wrong][0]}")
        crossed = layer.fid[~shapely.is_valid(layer.geometry)]
        self._report(
            name, crossed, f"{len(crossed)} polygons cross themselves: what their rings enclose twice is outside"
        )

    def _line_points(self, name: str, layer: FeatureLayer) -> tuple[F64, I64]:
        wrong = np.flatnonzero(shapely.get_type_id(layer.geometry) != shapely.GeometryType.LINESTRING)
        if len(wrong):
            raise DataError(
                "not a line of two points or more", where=f"{self.path}: layer {name}, fid {layer.fid[wrong[0]]}"
            )
        points, line = shapely.get_coordinates(layer.geometry, return_index=True)
        again = repeated(points, line)
        points, counts = points[~again], np.bincount(line[~again], minlength=len(layer.fid))
        short = np.flatnonzero(counts < 2)
        if len(short):
            raise DataError("a line without length", where=f"{self.path}: layer {name}, fid {layer.fid[short[0]]}")
        self._report(name, layer.fid[np.unique(line[again])], f"{again.sum()} repeated vertices of lines left out")
        return np.ascontiguousarray(points), np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    def _report(self, name: str, fids: I64, what: str) -> None:
        if len(fids):
            self.repairs.append(DataError(what, where=f"{self.path}: layer {name}, {_listed(fids)}"))

    def _refer(self, ids: I64, name: str, column: str, target: str) -> I64:
        """Rows of the features that a column names, -1 where it names none; what names a feature that is not there is
        told."""
        wanted = self._ints(name, column)
        rows = index_of(ids, wanted)
        lost = (rows < 0) & (wanted >= 0)
        self._report(name, self.layers[name].fid[lost], f"{column} names no feature of {target} ({lost.sum()} times)")
        return rows


def _listed(fids: I64) -> str:
    shown = ", ".join(map(str, fids[:3].tolist()))
    return f"fid {shown}" + (", ..." if len(fids) > 3 else "")


def _kinds(lanes: int, connectors: int) -> NDArray[np.uint8]:
    return np.repeat(np.array([LaneKind.LANE, LaneKind.CONNECTOR], np.uint8), [lanes, connectors])


def _graph(comes: I64, leads: I64, n: int, k: int) -> tuple[Ragged, Ragged]:
    """Successors and predecessors of n lanes and k connectors; connector j comes from lane comes[j] and leads to lane
    leads[j]."""
    rows = n + np.arange(k)
    out, back = _invert(comes, n, rows), _invert(leads, n, rows)
    return _extend(out, leads), _extend(back, comes)


def _extend(ragged: Ragged, one: I64) -> Ragged:
    """The rows of ``ragged``, then a row of one value for each of ``one``, empty where it is -1."""
    here = one >= 0
    offsets = np.concatenate([ragged.offsets, ragged.offsets[-1] + np.cumsum(here)])
    return Ragged(np.concatenate([ragged.values, one[here]]), offsets.astype(np.int64))


def _invert(owner: I64, count: int, rows: I64 | None = None) -> Ragged:
    """For each of ``count`` owners its rows, ascending; -1 owns nothing."""
    order = np.argsort(owner, kind="stable")
    order = order[np.searchsorted(owner[order], 0) :]
    offsets = np.searchsorted(owner[order], np.arange(count + 1)).astype(np.int64)
    return Ragged((order if rows is None else rows[order]).astype(np.int64), offsets)


def _polygons(geometry: NDArray[Any]) -> Polygons:
    """Rings of polygons and multipolygons: outlines, each with its holes."""
    parts, polygon_of_part = shapely.get_parts(geometry, return_index=True)
    rings, part_of_ring = shapely.get_rings(parts, return_index=True)
    points, ring_of_point = shapely.get_coordinates(rings, return_index=True)
    polygon_of_ring = polygon_of_part[part_of_ring]
    return Polygons(
        np.ascontiguousarray(points),
        np.searchsorted(ring_of_point, np.arange(len(rings) + 1)).astype(np.int64),
        np.searchsorted(polygon_of_ring, np.arange(len(geometry) + 1)).astype(np.int64),
    )


def _take(lines: Polylines, rows: I64) -> Polylines:
    """Some of the lines; an empty one for row -1."""
    return Polylines.build([lines[int(r)] if r >= 0 else np.zeros((0, 2)) for r in rows])
