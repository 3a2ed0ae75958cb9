"""Lines and surfaces of lanes."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from roadcraft.core.arrays import F64

TOLERANCE_M = 0.01  # straight stretches need no vertex every half meter


def tangents(line: F64) -> F64:
    """Unit directions (P, 2) of a polyline at its vertices."""
    d = np.gradient(line, axis=0)
    out: F64 = d / np.maximum(np.linalg.norm(d, axis=1, keepdims=True), 1e-9)
    return out


def dense(line: F64, step: float = 0.5) -> F64:
    """The polyline with vertices at most ``step`` apart."""
    parts = np.maximum(np.ceil(np.linalg.norm(np.diff(line, axis=0), axis=1) / step).astype(int), 1)
    at = np.concatenate([[0], np.cumsum(parts)])
    t = np.arange(at[-1] + 1)
    return np.stack([np.interp(t, at, line[:, 0]), np.interp(t, at, line[:, 1])], 1)


def between(left: F64, right: F64, step: float = 0.5) -> F64:
    """The center line (P, 2) between two edges: both at equal shares of their lengths, at most ``step`` apart on the
    longer one, averaged."""
    count = max(2, int(np.ceil(max(_length(left), _length(right)) / step)) + 1)
    return 0.5 * (_evenly(left, count) + _evenly(right, count))


def lane_polygon(left: F64, right: F64) -> Any:
    """The surface between two edges, to a centimeter; where a tight bend makes them cross, what is enclosed."""
    polygon = shapely.Polygon(np.concatenate([left, right[::-1]]))
    return (polygon if polygon.is_valid else _areal(shapely.make_valid(polygon))).simplify(TOLERANCE_M)


def rings_of(shape: BaseGeometry) -> list[F64]:
    """All rings of a polygon or multi-polygon, closed, as ``Polygons.build`` wants them."""
    polygons = [p for p in shapely.get_parts(shape) if p.geom_type == "Polygon" and not p.is_empty]
    return [shapely.get_coordinates(r) for p in polygons for r in (p.exterior, *p.interiors)]


def closed(line: F64) -> list[F64]:
    """The line as the one ring of a polygon."""
    return [line if np.array_equal(line[0], line[-1]) else np.concatenate([line, line[:1]])]


def strip(center: F64, left: F64, right: F64, at: F64, depth: float = 1.0) -> Any:
    """A strip across a lane, ``depth`` long, at the vertex of its center line (P, 2) next to ``at``; left and right (P,
    2) are its edges there."""
    k = int(np.linalg.norm(center - at, axis=1).argmin())
    half = 0.5 * depth * tangents(center)[k]
    return shapely.Polygon([left[k] + half, right[k] + half, right[k] - half, left[k] - half])


def _length(line: F64) -> float:
    return float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())


def _evenly(line: F64, count: int) -> F64:
    s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    t = np.linspace(0.0, s[-1], count)
    return np.stack([np.interp(t, s, line[:, 0]), np.interp(t, s, line[:, 1])], 1)


def _areal(shape: BaseGeometry) -> Any:
    parts = [p for p in shapely.get_parts(shape) if p.geom_type in ("Polygon", "MultiPolygon") and p.area > 1e-6]
    return shapely.unary_union(parts) if parts else shape.buffer(0.01)
