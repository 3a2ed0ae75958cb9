"""GeoPackage layers by plain SQLite: the binary geometry (OGC 12-128, clause 2.1.3) is a short header before well-known
binary.

Rows come in FID order, and the FID is the id, as with the reference's readers.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from struct import pack
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray

from roadcraft.core.arrays import I64
from roadcraft.core.errors import DataError
from roadcraft.scenario_io.nuplan.database import open_database

APPLICATION_ID: Final = 0x47504B47  # 'GPKG'
USER_VERSION: Final = 10200
WRITTEN: Final = "2000-01-01T00:00:00.000Z"  # constant, so that equal maps give equal files
WGS84: Final = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS '
    '84",6378137,298.257223563,AUTHORITY["EPSG","7030"]],AUTHORITY["EPSG","6326"]],'
    'PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],'
    'AXIS["Latitude",NORTH],AXIS["Longitude",EAST],AUTHORITY["EPSG","4326"]]'
)
_ENVELOPE: Final = (0, 32, 48, 48, 64)  # bytes of each envelope kind
_SYSTEM: Final = (
    "CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER NOT NULL PRIMARY KEY, organization TEXT "
    "NOT NULL, "
    "organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT)",
    "CREATE TABLE gpkg_contents (table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT "
    "UNIQUE, "
    "description TEXT DEFAULT '', last_change DATETIME NOT NULL, min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y "
    "DOUBLE, srs_id INTEGER, "
    "CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id))",
    "CREATE TABLE gpkg_geometry_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL, geometry_type_name TEXT "
    "NOT NULL, "
    "srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT NULL, CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, "
    "column_name), "
    "CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name), "
    "CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys (srs_id))",
)


@dataclass(frozen=True)
class FeatureLayer:
    """N features: fid (N,) int64; geometry (N,) object array of shapely geometries, in lon/lat; columns by name, as
    Python values."""

    fid: I64
    geometry: NDArray[Any]
    columns: Mapping[str, Sequence[Any]]


def create(db: sqlite3.Connection) -> None:
    """Make an empty database a GeoPackage."""
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {USER_VERSION}")
    for statement in _SYSTEM:
        db.execute(statement)
    rows = (
        ("Undefined Cartesian SRS", -1, "NONE", -1, "undefined", "undefined Cartesian coordinate reference system"),
        ("Undefined geographic SRS", 0, "NONE", 0, "undefined", "undefined geographic coordinate reference system"),
        ("WGS 84 geodetic", 4326, "EPSG", 4326, WGS84, "longitude/latitude in decimal degrees on WGS 84"),
    )
    db.executemany("INSERT INTO gpkg_spatial_ref_sys VALUES (?, ?, ?, ?, ?, ?)", rows)


def add_layer(
    db: sqlite3.Connection, name: str, kind: str, layer: FeatureLayer, types: Mapping[str, str], srs_id: int = 4326
) -> None:
    """Add a layer of POLYGON, MULTIPOLYGON or LINESTRING features whose columns have the given SQL types."""
    fields = ", ".join(f'"{c}" {t}' for c, t in types.items())
    db.execute(f'CREATE TABLE "{name}" ("fid" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, "geom" {kind}, {fields})')
    bounds = shapely.total_bounds(layer.geometry).tolist() if len(layer.fid) else [None] * 4
    _register(db, name, "features", bounds, srs_id)
    db.execute("INSERT INTO gpkg_geometry_columns VALUES (?, 'geom', ?, ?, 0, 0)", (name, kind, srs_id))
    rows = zip(layer.fid.tolist(), _blobs(layer.geometry, srs_id), *(layer.columns[c] for c in types), strict=True)
    db.executemany(f'INSERT INTO "{name}" VALUES ({", ".join("?" * (len(types) + 2))})', rows)


def add_attributes(db: sqlite3.Connection, name: str, values: Mapping[str, str]) -> None:
    """Add a table of keys and values without geometry."""
    db.execute(f'CREATE TABLE "{name}" (fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, key TEXT, value TEXT)')
    _register(db, name, "attributes", [None] * 4, 0)
    db.executemany(f'INSERT INTO "{name}" (key, value) VALUES (?, ?)', values.items())


def _register(db: sqlite3.Connection, name: str, data_type: str, bounds: Sequence[float | None], srs_id: int) -> None:
    row = (name, data_type, name, "", WRITTEN, *bounds, srs_id)
    db.execute("INSERT INTO gpkg_contents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def _blobs(geometry: NDArray[Any], srs_id: int) -> list[bytes]:
    """GeoPackage binary with an xy envelope, little-endian."""
    bounds = shapely.bounds(geometry)[:, [0, 2, 1, 3]]
    wkb = shapely.to_wkb(geometry, byte_order=1)
    return [pack("<2sBBi4d", b"GP", 0, 0b11, srs_id, *b) + w for b, w in zip(bounds.tolist(), wkb, strict=True)]


class GeoPackage:
    """A GeoPackage opened for reading. Every fault of the file is a DataError that names the file and the layer."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = open_database(path, "no such map file")

    def __enter__(self) -> GeoPackage:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def layers(self) -> set[str]:
        return {row[0] for row in self._all("gpkg_contents", "SELECT table_name FROM gpkg_contents")}

    def attributes(self, name: str) -> dict[str, str]:
        return {str(k): str(v) for k, v in self._all(name, f'SELECT key, value FROM "{name}"')}

    def crs(self, name: str) -> str:
        """'EPSG:n' of a layer's coordinates."""
        query = (
            "SELECT s.organization, s.organization_coordsys_id FROM gpkg_geometry_columns g "
            f"JOIN gpkg_spatial_ref_sys s ON s.srs_id = g.srs_id WHERE g.table_name = '{name}'"
        )
        rows = self._all(name, query)
        if not rows:
            raise DataError("the layer has no coordinate system", where=f"{self.path}: layer {name}")
        return f"{rows[0][0]}:{rows[0][1]}"

    def layer(self, name: str, columns: Sequence[str]) -> FeatureLayer:
        """A layer with the named columns."""
        found = self._all(
            name, f"SELECT column_name FROM gpkg_geometry_columns WHERE table_name = '{name}'", "gpkg_geometry_columns"
        )
        if not found:
            raise DataError(
                "the map has no such layer", where=f"{self.path}: layer {name}", remedy="get a complete map.gpkg"
            )
        have = {row[1] for row in self._all(name, f'PRAGMA table_info("{name}")')}
        for c in columns:
            # SQLite takes an unknown name in double quotes for a text, so a missing column would go unnoticed.
            if c not in have:
                raise DataError(f"the layer has no column {c!r}", where=f"{self.path}: layer {name}")
        fields = "".join(f', "{c}"' for c in columns)
        rows = self._all(name, f'SELECT rowid, "{found[0][0]}"{fields} FROM "{name}" ORDER BY rowid')
        values = list(zip(*rows, strict=True)) if rows else [()] * (len(columns) + 2)
        geometry = self._geometry(name, values[0], values[1])
        return FeatureLayer(np.array(values[0], np.int64), geometry, dict(zip(columns, values[2:], strict=True)))

    def _geometry(self, name: str, fids: Sequence[int], blobs: Sequence[Any]) -> NDArray[Any]:
        wkb = []
        for fid, blob in zip(fids, blobs, strict=True):
            if not isinstance(blob, bytes) or len(blob) < 8 or blob[:2] != b"GP" or (blob[3] >> 1 & 7) > 4:
                raise DataError("the geometry is missing or broken", where=f"{self.path}: layer {name}, fid {fid}")
            wkb.append(blob[8 + _ENVELOPE[blob[3] >> 1 & 7] :])
        try:
            geometry = shapely.from_wkb(wkb)
        except shapely.errors.ShapelyError:
            geometry = shapely.from_wkb(wkb, on_invalid="ignore")
            bad = [f for f, g in zip(fids, geometry, strict=True) if g is None]
            raise DataError("the geometry is broken", where=f"{self.path}: layer {name}, fid {bad[0]}") from None
        return np.asarray(geometry, object)

    def _all(self, layer: str, query: str, table: str = "") -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(query).fetchall()
        except (sqlite3.Error, OverflowError, ValueError) as e:
            where = f"{self.path}: layer {table or layer}"
            raise DataError(f"cannot be read: {e}", where=where, remedy="get the file anew; it is damaged") from e
