"""The index of a store: Parquet parts with one row per scenario, and in their metadata the shards and drives the rows
refer to.

A part is written after its shard, so a shard counts only once a part names it. Parts are never changed; ``compact``
merges many into one, and a part that is listed in a merged one beside it is read once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
from numpy.typing import NDArray

from roadcraft.core.data.scenario import ScenarioRow
from roadcraft.core.errors import DataError
from roadcraft.core.files import write_atomic
from roadcraft.scenario_io.filter_config import ScenarioFilter

VERSION = 1
pc: Any = pyarrow.compute  # its functions are made at run time, which type checkers cannot see
_KEY = b"roadcraft"
_NAME_LENGTH = 32  # of a part: hex digits of its digest
_NAME = pa.dictionary(pa.int32(), pa.string())  # what many rows share is kept once
_SCHEMA = pa.schema(
    [
        ("token", pa.string()),
        ("tags", pa.list_(pa.string())),
        ("log", _NAME),
        ("split", _NAME),
        ("map_name", _NAME),
        ("map", _NAME),
        ("source", _NAME),
        ("licence", _NAME),
        ("anchor_us", pa.int64()),
        ("first_us", pa.int64()),
        ("last_us", pa.int64()),
        ("frame", pa.int32()),
        ("interval_us", pa.int32()),
        ("stride", pa.int32()),
        ("has_goal", pa.bool_()),
    ]
)


@dataclass(frozen=True)
class ShardEntry:
    """A shard as the index knows it: file relative to the store, its size and checksum."""

    file: str
    bytes: int
    digest: str


@dataclass(frozen=True)
class DriveEntry:
    """A drive as the index knows it: its key (``row.log``), shard file, map hash, what a listing shows, and its rows'
    range in the table."""

    key: str
    name: str
    shard: str
    map: str
    map_name: str
    source: str
    licence: str
    vehicle: str
    frames: int
    first_us: int
    last_us: int
    interval_us: int
    row: int
    rows: int


@dataclass(frozen=True)
class IndexPart:
    """Shards, drives and scenario rows, of one index file or of all."""

    shards: dict[str, ShardEntry]
    drives: dict[str, DriveEntry]
    table: pa.Table


def scenario_table(rows: Sequence[tuple[ScenarioRow, str, int]]) -> pa.Table:
    """Table of (row, map hash, anchor frame) triples."""
    columns: dict[str, list[Any]] = {name: [] for name in _SCHEMA.names}
    for row, map_hash, frame in rows:
        for name in _SCHEMA.names:
            columns[name].append(map_hash if name == "map" else frame if name == "frame" else getattr(row, name))
    columns["tags"] = [list(t) for t in columns["tags"]]
    return pa.table(columns, schema=_SCHEMA)


def write_part(folder: Path, shards: Sequence[ShardEntry], drives: Sequence[DriveEntry], table: pa.Table) -> Path:
    """Write an index part. Its name is the digest of its contents, which a reader compares before it believes them."""
    about = {"version": VERSION, "shards": [asdict(s) for s in shards], "drives": [asdict(d) for d in drives]}
    table = table.replace_schema_metadata({_KEY: json.dumps({**about, "check": _check(about)})})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    data = memoryview(sink.getvalue())
    path = folder / f"{_digest(data)}.parquet"
    write_atomic(path, [data])
    return path


def _digest(data: bytes | memoryview) -> str:
    return blake2b(data, digest_size=16).hexdigest()


def _check(about: dict[str, Any]) -> str:
    return _digest(json.dumps(about, sort_keys=True).encode())


def read_part(path: Path) -> IndexPart:
    """Raises DataError naming the file when it is damaged or of another version; FileNotFoundError when it is gone."""
    try:
        data = path.read_bytes()
        if len(path.stem) == _NAME_LENGTH and path.stem != _digest(
            data
        ):  # parts of an earlier roadcraft have short names
            raise ValueError("its contents differ from what was written")
        table = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True).read()
        about = json.loads((table.schema.metadata or {})[_KEY])
        check = about.pop("check", None)
        if about["version"] != VERSION:
            raise DataError(
                f"index version {about['version']}, this roadcraft reads version {VERSION}",
                where=str(path),
                remedy="ingest the logs again" if about["version"] < VERSION else "upgrade roadcraft",
            )
        if check != _check(about) and (check is not None or set(about) != {"version", "shards", "drives"}):
            raise ValueError("the list of drives does not match its checksum")
        shards = {s["file"]: ShardEntry(**s) for s in about["shards"]}
        drives = {d["key"]: DriveEntry(**d) for d in about["drives"]}
        table = table.replace_schema_metadata(None)
        return IndexPart(shards, drives, table if table.schema.equals(_SCHEMA) else table.cast(_SCHEMA))
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise DataError(
            f"the index file cannot be read ({type(e).__name__}: {e})",
            where=str(path),
            remedy="delete it and run the same ingest again: the drives it listed are read anew",
        ) from e


def read_index(folder: Path) -> IndexPart:
    """All parts of a store as one. A folder that is compacted meanwhile is read again."""
    for attempt in range(5):
        try:
            parts = [read_part(p) for p in sorted(folder.glob("*.parquet"))]
            break
        except FileNotFoundError:
            if attempt == 4:
                raise
    return merge(parts)


def merge(parts: Sequence[IndexPart]) -> IndexPart:
    """One part of many. A part all of whose shards another one lists too is left out."""
    listed = sorted(parts, key=lambda p: -len(p.shards))
    shards: dict[str, ShardEntry] = {}
    drives: dict[str, DriveEntry] = {}
    tables: list[pa.Table] = []
    at = 0
    for part in listed:
        if part.shards and all(s in shards for s in part.shards):
            continue
        shards.update(part.shards)
        drives.update({k: replace(d, row=d.row + at) for k, d in part.drives.items() if k not in drives})
        tables.append(part.table)
        at += len(part.table)
    table = pa.concat_tables(tables) if tables else _SCHEMA.empty_table()
    return IndexPart(shards, dict(sorted(drives.items())), table)


def compact(folder: Path) -> None:
    """Merge all parts into one. Readers see the same store before, during and after."""
    paths = sorted(folder.glob("*.parquet"))
    if len(paths) < 2:
        return
    whole = merge([read_part(p) for p in paths])
    merged = write_part(
        folder, list(whole.shards.values()), list(whole.drives.values()), whole.table.unify_dictionaries()
    )
    for p in paths:
        if p != merged:
            p.unlink(missing_ok=True)


def drop(folder: Path, keys: set[str]) -> None:
    """Take drives, and the shards that then hold none, out of the index."""
    paths = sorted(folder.glob("*.parquet"))
    whole = merge([read_part(p) for p in paths])
    kept = [d for k, d in whole.drives.items() if k not in keys]
    tables, drives, at = [_SCHEMA.empty_table()], [], 0
    for d in kept:
        tables.append(whole.table.slice(d.row, d.rows))
        drives.append(replace(d, row=at))
        at += d.rows
    files = {d.shard for d in kept}
    shards = [s for f, s in whole.shards.items() if f in files]
    written = write_part(folder, shards, drives, pa.concat_tables(tables).unify_dictionaries()) if drives else None
    for p in paths:
        if p != written:
            p.unlink(missing_ok=True)


def to_rows(table: pa.Table) -> list[ScenarioRow]:
    """Scenario rows of a table (or slice of one)."""
    names = [f.name for f in fields(ScenarioRow)]
    columns = [_values(table.column(n)) for n in names]
    columns[names.index("tags")] = [tuple(t) for t in columns[names.index("tags")]]
    return [ScenarioRow(*values) for values in zip(*columns, strict=True)]


def _values(column: pa.ChunkedArray) -> list[Any]:
    """A column as a list; repeated names are one object."""
    if not pa.types.is_dictionary(column.type):
        return column.to_pylist()
    out: list[Any] = []
    for chunk in column.chunks:
        names = chunk.dictionary.to_pylist()
        out += [names[i] for i in chunk.indices.to_pylist()]
    return out


def unique_names(column: pa.ChunkedArray) -> set[str]:
    """The different texts of a column, of lists too."""
    if pa.types.is_list(column.type):
        column = pa.chunked_array([c.flatten() for c in column.chunks], column.type.value_type)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return set(column.unique().to_pylist())


def narrow(part: IndexPart, f: ScenarioFilter) -> pa.Table:
    """The rows that a filter's plain lists (tokens, logs, maps, splits, types, goal) let pass, by drive key, then as
    the source had them."""
    table = part.table
    keep = np.ones(len(table), np.bool_)
    for name, wanted in (("log", f.log_names), ("map_name", f.map_names), ("split", f.splits)):
        if wanted is not None:
            keep &= _named(table.column(name), wanted)
    if f.scenario_tokens is not None:
        keep &= pc.is_in(table.column("token"), pa.array(list(f.scenario_tokens), pa.string())).to_numpy()
    if f.remove_invalid_goals:
        keep &= table.column("has_goal").to_numpy()
    if f.scenario_types is not None:
        keep &= _tagged(table.column("tags"), f.scenario_types)
    return table.take(pa.array(_by_key(part, np.flatnonzero(keep))))


def _named(column: pa.ChunkedArray, wanted: Sequence[str]) -> NDArray[np.bool_]:
    """Rows whose name is among the wanted, asked once per different name."""
    hits = [
        np.isin(c.dictionary.to_pylist(), wanted)[c.indices.to_numpy(zero_copy_only=False)]
        for c in column.chunks
        if len(c)
    ]
    return np.concatenate(hits) if hits else np.zeros(0, np.bool_)


def _tagged(column: pa.ChunkedArray, types: Sequence[str]) -> NDArray[np.bool_]:
    """Rows with at least one of the tags."""
    out = np.zeros(len(column), np.bool_)
    wanted, at = pa.array(list(types), pa.string()), 0
    for chunk in column.chunks:
        hit = pc.is_in(chunk.flatten(), wanted)
        out[at + pc.list_parent_indices(chunk).filter(hit).to_numpy()] = True
        at += len(chunk)
    return out


def _by_key(part: IndexPart, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows ordered by the key of their drive: tables keep the order in which drives were written, which differs between
    runs of an ingest."""
    drives = [d for d in part.drives.values() if d.rows]
    if not drives:
        return rows
    starts = np.array([d.row for d in drives])
    by_row = np.argsort(starts)
    rank = by_row[np.searchsorted(starts[by_row], rows, side="right") - 1]
    return rows[np.lexsort((rows, rank))]


class TokenIndex:
    """Finds the row of a token in microseconds, 12 bytes per row.

    Rows are sorted by 64 bits of a hash; a hit is confirmed with the token itself. Tokens that are not 16 bytes long,
    as those of nuPlan and Waymo are, go into a dictionary.
    """

    def __init__(self, column: pa.ChunkedArray) -> None:
        self._column, self._others = column, {}
        hashes = np.zeros(len(column), np.uint64)
        at = 0
        for chunk in column.chunks:
            length = pc.binary_length(chunk).to_numpy(zero_copy_only=False)
            if len(chunk) and (length == 16).all():
                start = int(np.frombuffer(chunk.buffers()[1], np.int32, 1, 4 * chunk.offset)[0])
                pairs = (
                    np.frombuffer(chunk.buffers()[2], np.uint64, 2 * len(chunk), start)
                    if start % 8 == 0
                    else self._copied(chunk, start)
                )
                hashes[at : at + len(chunk)] = _mix(pairs[0::2], pairs[1::2])
            else:
                self._others.update({t: at + i for i, t in enumerate(chunk.to_pylist())})
            at += len(chunk)
        self._order = np.argsort(hashes, kind="stable").astype(np.int32)
        self._sorted = hashes[self._order]

    @staticmethod
    def _copied(chunk: Any, start: int) -> NDArray[np.uint64]:
        return np.frombuffer(bytes(memoryview(chunk.buffers()[2])[start : start + 16 * len(chunk)]), np.uint64)

    def find(self, token: str) -> int | None:
        """Row of the token, the first if it occurs more than once, or None."""
        if token in self._others:
            return self._others[token]
        data = token.encode()
        if len(data) != 16:
            return None
        pair = np.frombuffer(data, np.uint64)
        key = _mix(pair[:1], pair[1:])[0]
        for i in range(int(np.searchsorted(self._sorted, key)), len(self._sorted)):
            if self._sorted[i] != key:
                return None
            row = int(self._order[i])
            if self._column[row].as_py() == token:
                return row
        return None


def _mix(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        return (a * np.uint64(0x9E3779B97F4A7C15)) ^ (b * np.uint64(0xC2B2AE3D27D4EB4F) + (a >> np.uint64(29)))
