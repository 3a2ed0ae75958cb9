"""The files of Argoverse 2, read and checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.errors import DataError


def read_columns(path: Path, columns: Mapping[str, type]) -> dict[str, Any]:
    """The columns of a Feather or Parquet file: numpy arrays of float or int, lists of text. Raises DataError for a
    file that is damaged, or that lacks a column, has another type in it or no value in a row."""
    import pyarrow as pa
    from pyarrow import feather, parquet

    try:
        table = feather.read_table(path) if path.suffix == ".feather" else parquet.read_table(path)
    except (pa.ArrowException, OSError) as e:
        raise DataError(f"the file cannot be read: {e}", where=str(path), remedy="copy it anew: it may be cut") from e
    out: dict[str, Any] = {}
    for name, kind in columns.items():
        if name not in table.column_names:
            found = ", ".join(table.column_names[:6])
            raise DataError(
                f"there is no column {name}, but {found}, ...", where=str(path), remedy="is it Argoverse 2?"
            )
        column = table.column(name)
        if column.null_count:
            at = column.is_null().to_numpy().argmax()
            raise DataError(f"column {name} has no value in {column.null_count} rows", where=f"{path}: row {at}")
        try:
            if kind is str:
                out[name] = column.cast(pa.string()).to_pylist()
            else:
                typed = column.cast(pa.float64() if kind is float else pa.int64())
                out[name] = np.ascontiguousarray(typed.to_numpy())
        except pa.ArrowException as e:
            what = f"column {name} is {column.type}, not {kind.__name__}"
            raise DataError(what, where=str(path)) from e
    if not table.num_rows:
        raise DataError("the file has no rows", where=str(path))
    return out


def read_json(path: Path) -> dict[str, Any]:
    """The map of a log. Raises DataError for what is no JSON object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as e:
        raise DataError(f"the map cannot be read: {e}", where=str(path), remedy="copy it anew: it may be cut") from e
    if not isinstance(value, dict):
        raise DataError(f"the map is a {type(value).__name__}, not an object", where=str(path))
    return value


def rotations(quaternions: F64, where: str) -> F64:
    """Rotation matrices (N, 3, 3) of quaternions (N, 4) w, x, y, z. Raises DataError where a norm is not 1 within
    1e-3."""
    norm = np.linalg.norm(quaternions, axis=1)
    bad = np.flatnonzero(~(np.abs(norm - 1.0) < 1e-3))
    if len(bad):
        what = f"{len(bad)} quaternions have not length 1, the first {norm[bad[0]]:.3g}"
        raise DataError(what, where=f"{where}: row {bad[0]}")
    w, x, y, z = (quaternions / norm[:, None]).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.ascontiguousarray(np.moveaxis(np.array(rows), -1, 0))
