"""Longitude and latitude to meters and back, as geopandas' ``to_crs`` does it: pyproj, x before y."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from roadcraft.core.errors import DataError

Transform = Callable[[Any, Any], tuple[Any, Any]]


def transform_between(source: str, target: str, where: str) -> Transform:
    """A function of coordinate arrays x, y (P,). Raises DataError for an unknown coordinate system, or where pyproj is
    missing."""
    try:
        from pyproj import Transformer
        from pyproj.exceptions import ProjError
    except ImportError as e:
        raise DataError("nuPlan maps need pyproj", where=where, remedy="pip install 'roadcraft[nuplan]'") from e
    try:
        transform: Transform = Transformer.from_crs(source, target, always_xy=True).transform
    except ProjError as e:
        raise DataError(f"no projection from {source} to {target}: {e}", where=where) from e
    return transform
