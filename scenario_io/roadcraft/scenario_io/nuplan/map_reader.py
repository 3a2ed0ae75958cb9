"""Reads a location's GeoPackage into MapData (reference: nuplan-devkit e924167, GPKGMapsDB and
common/maps/nuplan_map)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from roadcraft.core.data.map import MapData
from roadcraft.core.errors import DataError
from roadcraft.scenario_io.nuplan.config import MAP_VERSION
from roadcraft.scenario_io.nuplan.geopackage import FeatureLayer, GeoPackage
from roadcraft.scenario_io.nuplan.layers import AREAS, SPEED_BUMPS
from roadcraft.scenario_io.nuplan.map_builder import CONNECTOR_POLYGONS, MapBuilder
from roadcraft.scenario_io.nuplan.places_file import NAME, read_places
from roadcraft.scenario_io.nuplan.projection import Transform, transform_between

LICENCE = "nuPlan dataset licence (non-commercial research use)"
_READ = {
    "lanes_polygons": (
        "lane_fid", "lane_group_fid", "lane_index", "speed_limit_mps", "left_boundary_fid", "right_boundary_fid",
    ),
    "lane_connectors": (
        "exit_lane_fid", "entry_lane_fid", "lane_group_connector_fid", "speed_limit_mps",
        "traffic_light_stop_line_fids",
    ),
    CONNECTOR_POLYGONS: ("lane_connector_fid", "left_boundary_fid", "right_boundary_fid"),
    "baseline_paths": ("lane_fid", "lane_connector_fid"),
    "boundaries": ("boundary_type_fid",),
    "lane_groups_polygons": (),
    "lane_group_connectors": ("from_lane_group_fid", "to_lane_group_fid", "intersection_fid"),
    "stop_polygons": ("stop_polygon_type_fid",),
}  # fmt: skip


def map_file(root: Path, location: str) -> tuple[Path, str]:
    """The GeoPackage of a location, and its version. Raises DataError where the maps folder does not list the
    location."""
    index = root / f"{MAP_VERSION}.json"
    try:
        listed: Any = json.loads(index.read_text())
        version = str(listed[location]["version"])
    except FileNotFoundError:
        raise DataError(
            "no such file", where=str(index), remedy="maps_root, or NUPLAN_MAPS_ROOT, must be the folder that holds it"
        ) from None
    except (ValueError, OSError) as e:
        raise DataError(f"cannot be read: {e}", where=str(index)) from e
    except (KeyError, TypeError):
        known = ", ".join(listed) if isinstance(listed, dict) else "none"
        raise DataError(
            f"location {location!r} is not listed", where=str(index), remedy=f"known: {known}; get that map"
        ) from None
    return root / location / version / "map.gpkg", version


def read_map(root: Path, location: str, repairs: list[DataError] | None = None) -> MapData:
    """The map of a location, in meters of its UTM zone, with the places in ``places.jsonl`` beside it. ``repairs``
    receives one entry per layer and kind of repaired fault.

    Raises DataError naming file, layer and fid.
    """
    path, version = map_file(root, location)
    with GeoPackage(path) as package:
        meta = package.attributes("meta")
        frame = meta.get("projectedCoordSystem", "")
        if not frame.upper().startswith("EPSG:") or not frame[5:].isdigit():
            raise DataError(
                f"projectedCoordSystem is {frame!r}", where=f"{path}: layer meta", remedy="EPSG:n is expected"
            )
        names = [*_READ, *(n for n in AREAS.values() if n != SPEED_BUMPS and n not in _READ)]
        if SPEED_BUMPS in package.layers():
            names.append(SPEED_BUMPS)
        layers = {n: package.layer(n, _READ.get(n, ())) for n in names}
        project = _Projector(path, frame)
        layers = {n: project(n, package.crs(n), layer) for n, layer in layers.items()}
    build = MapBuilder(path, layers, [] if repairs is None else repairs)
    lanes = build.lanes()
    return MapData(
        name=location,
        version=version,
        source=meta.get("source", "nuplan"),
        licence=meta.get("licence", LICENCE),
        epsg=int(frame[5:]),
        lanes=lanes,
        blocks=build.blocks(),
        areas=build.areas,
        lines=build.lines,
        places=read_places(path.with_name(NAME), lanes),
    )


class _Projector:
    """Moves layers to the metric frame, as geopandas' ``to_crs`` does: one transformer, all vertices of a layer in one
    call."""

    def __init__(self, path: Path, frame: str) -> None:
        self.path, self.frame = path, frame
        self._transformers: dict[str, Transform] = {}

    def __call__(self, name: str, crs: str, layer: FeatureLayer) -> FeatureLayer:
        if crs not in self._transformers:
            self._transformers[crs] = transform_between(crs, self.frame, f"{self.path}: layer {name}")
        points = shapely.get_coordinates(layer.geometry)
        if not len(points):
            return layer
        x, y = self._transformers[crs](points[:, 0], points[:, 1])
        xy = np.column_stack([x, y])
        if not np.isfinite(xy).all():
            _, owner = shapely.get_coordinates(layer.geometry, return_index=True)
            bad = layer.fid[owner[~np.isfinite(xy).all(axis=1)]]
            raise DataError("coordinates are not on the globe", where=f"{self.path}: layer {name}, fid {bad[0]}")
        flat = shapely.force_2d(layer.geometry) if shapely.has_z(layer.geometry).any() else layer.geometry.copy()
        return FeatureLayer(layer.fid, shapely.set_coordinates(flat, xy), layer.columns)
