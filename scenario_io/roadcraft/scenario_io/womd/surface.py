"""Where one can drive, which Waymo's map gives by road edges alone: polygons of lanes, of junctions, and of the ground
between the edges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from roadcraft.core.arrays import F64, I64
from roadcraft.scenario_io.lane_graph.assemble import at_forks, links
from roadcraft.scenario_io.lane_graph.shapes import TOLERANCE_M, dense, tangents
from roadcraft.scenario_io.womd.features import RawLane, RawLine

_GAP = 1.5  # m: ends of road edges that lie this near are joined, those this near the map's border are led to it


def edges_of(line: F64, widths: F64) -> tuple[F64, F64]:
    """Left and right edge (P, 2) of a lane."""
    t = tangents(line)
    normal = np.stack([-t[:, 1], t[:, 0]], 1)
    return line + widths[:, :1] * normal, line - widths[:, 1:] * normal


def junction_rows(lanes: Sequence[RawLane], polygons: Sequence[Any], signalled: set[int]) -> set[int]:
    """Rows that count as connectors: signalled lanes, lanes after a fork or before a merge, and lanes that lie across
    others."""
    row = {lane.id: i for i, lane in enumerate(lanes)}
    exits, entries = links(lanes)
    out = {row[i] for i in signalled if i in row} | at_forks(exits, entries)
    left = [i for i in range(len(lanes)) if i not in out]
    if not left:
        return out
    shapes = [polygons[i] for i in left]
    a, b = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    for i, j in zip(a.tolist(), b.tolist(), strict=True):
        x, y = left[i], left[j]
        if i < j and y not in exits[x] and x not in exits[y]:
            common = shapes[i].intersection(shapes[j]).area
            if common > 0.15 * min(shapes[i].area, shapes[j].area) or common > 4.0:
                out |= {x, y}
    return out


def drivable_faces(
    edges: Sequence[RawLine], lanes: Sequence[RawLane], lane_area: BaseGeometry, curb_m: float
) -> list[Any]:
    """Polygons of the ground that the road edges enclose and that is road.

    The edges and the border of the map cut the plane into faces. A face is road when a lane runs through it, or when
    more of the edges around it turn their left (drivable) side to it. Where edges end in the open, road and not-road
    form one face: there only a strip of ``curb_m`` behind the edges is taken out again.
    """
    if not edges:
        return []
    lines = [shapely.LineString(e.line).simplify(TOLERANCE_M) for e in edges]
    everything = np.concatenate([*(e.line for e in edges), *(lane.line for lane in lanes)])
    border = shapely.box(*everything.min(0), *everything.max(0)).exterior
    net = shapely.unary_union([*lines, *_bridges(edges, border), border])
    faces = list(shapely.get_parts(shapely.polygonize([net])))
    if not faces:
        return []
    tree = shapely.STRtree(faces)
    left, right = _sides(edges)
    inside = [_face_of(tree, p, len(faces)) for p in (np.concatenate([lane.line for lane in lanes]), left, right)]
    on_lane, on_left, on_right = (np.bincount(f[f >= 0], minlength=len(faces)) for f in inside)
    road = (on_lane >= 5) | (on_left > on_right)
    kept = shapely.unary_union([f for f, r in zip(faces, road, strict=True) if r])
    behind = _kerbs(edges, inside[2], road, curb_m)
    if behind is not None:
        kept = kept.difference(behind.difference(lane_area))
    return [p for p in shapely.get_parts(kept) if p.geom_type == "Polygon" and p.area > 0.5]


def _bridges(edges: Sequence[RawLine], border: BaseGeometry) -> list[Any]:
    """Short lines that close small gaps between ends of edges, and between an end and the border."""
    ends = np.concatenate(
        [e.line[[0, -1]] for e in edges if np.abs(e.line[0] - e.line[-1]).max() > 0.01] or [np.zeros((0, 2))]
    )
    out = []
    for i in range(len(ends)):
        p = shapely.Point(ends[i])
        if 0 < p.distance(border) <= _GAP:
            out.append(shapely.shortest_line(p, border))
        others = np.linalg.norm(ends - ends[i], axis=1)
        out += [
            shapely.LineString([ends[i], ends[j]]) for j in np.flatnonzero((others > 1e-6) & (others <= _GAP)) if j > i
        ]
    return out


def _sides(edges: Sequence[RawLine]) -> tuple[F64, F64]:
    """The points 0.2 m to the left and to the right of the middle of the edges' segments."""
    lefts, rights = [], []
    for e in edges:
        line = dense(e.line, 1.0)
        d = np.diff(line, axis=0)
        n = np.stack([-d[:, 1], d[:, 0]], 1) / np.linalg.norm(d, axis=1, keepdims=True)
        mid = 0.5 * (line[1:] + line[:-1])
        lefts.append(mid + 0.2 * n)
        rights.append(mid - 0.2 * n)
    return np.concatenate(lefts), np.concatenate(rights)


def _face_of(tree: shapely.STRtree, points: F64, faces: int) -> I64:
    out = np.full(len(points), -1, np.int64)
    row, face = tree.query(shapely.points(points), predicate="within")
    out[row] = face
    return out


def _kerbs(edges: Sequence[RawLine], right_face: I64, road: Any, curb_m: float) -> Any:
    """Strips behind the segments that have a road face on their wrong side."""
    quads, at = [], 0
    for e in edges:
        line = dense(e.line, 1.0)
        d = np.diff(line, axis=0)
        n = curb_m * np.stack([-d[:, 1], d[:, 0]], 1) / np.linalg.norm(d, axis=1, keepdims=True)
        face = right_face[at : at + len(d)]
        at += len(d)
        for i in np.flatnonzero((face >= 0) & road[face]):
            quads.append(shapely.Polygon([line[i], line[i + 1], line[i + 1] - n[i], line[i] - n[i]]))
    return shapely.unary_union(quads) if quads and curb_m > 0 else None
