"""The index of a store: Parquet parts with one row per scenario, and in their metadata the shards and drives the rows refer to.

A part is written after its shard, so a shard counts only once a part names it. Parts are never changed; ``compact`` merges many into one, and
a part that is listed in a merged one beside it is read once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from roadcraft.core.errors import DataError
from roadcraft.core.interfaces import ScenarioRow
from roadcraft.scenario_io.filter_config import ScenarioFilter
from roadcraft.scenario_io.store.atomic import write_atomic

VERSION = 1
pc: Any = pyarrow.compute  # its functions are made at run time, which type checkers cannot see
_KEY = b"roadcraft"
_SCHEMA = pa.schema(
    [
        ("token", pa.string()),
        ("tags", pa.list_(pa.string())),
        ("log", pa.string()),
        ("split", pa.string()),
        ("map_name", pa.string()),
        ("map", pa.string()),
        ("source", pa.string()),
        ("licence", pa.string()),
        ("anchor_us", pa.int64()),
        ("first_us", pa.int64()),
        ("last_us", pa.int64()),
        ("frame", pa.int64()),
        ("interval_us", pa.int64()),
        ("stride", pa.int64()),
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
    """A drive as the index knows it: its key (``row.log``), shard file, map hash, what a listing shows, and its rows' range in the table."""

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
class Part:
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
    """Write an index part named after the shards it lists."""
    about = {"version": VERSION, "shards": [asdict(s) for s in shards], "drives": [asdict(d) for d in drives]}
    table = table.replace_schema_metadata({_KEY: json.dumps(about)})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    name = blake2b("\n".join(sorted(s.file for s in shards)).encode(), digest_size=10).hexdigest()
    path = folder / f"{name}.parquet"
    write_atomic(path, [memoryview(sink.getvalue())])
    return path


def read_part(path: Path) -> Part:
    """Raises DataError naming the file when it is damaged or of another version; FileNotFoundError when it is gone."""
    try:
        table = pq.ParquetFile(path).read()
        about = json.loads((table.schema.metadata or {})[_KEY])
        if about["version"] != VERSION:
            raise DataError(
                f"index version {about['version']}, this roadcraft reads version {VERSION}",
                where=str(path),
                remedy="ingest the logs again" if about["version"] < VERSION else "upgrade roadcraft",
            )
        shards = {s["file"]: ShardEntry(**s) for s in about["shards"]}
        drives = {d["key"]: DriveEntry(**d) for d in about["drives"]}
        return Part(shards, drives, table.replace_schema_metadata(None).cast(_SCHEMA))
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as e:
        raise DataError(
            f"the index file cannot be read ({type(e).__name__}: {e})",
            where=str(path),
            remedy="delete it and ingest again: only its drives are read anew",
        ) from e


def read_index(folder: Path) -> Part:
    """All parts of a store as one. A folder that is compacted meanwhile is read again."""
    for attempt in range(5):
        try:
            parts = [read_part(p) for p in sorted(folder.glob("*.parquet"))]
            break
        except FileNotFoundError:
            if attempt == 4:
                raise
    return merge(parts)


def merge(parts: Sequence[Part]) -> Part:
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
    table = pa.concat_tables(tables).combine_chunks() if tables else _SCHEMA.empty_table()
    return Part(shards, dict(sorted(drives.items())), table)


def compact(folder: Path) -> None:
    """Merge all parts into one. Readers see the same store before, during and after."""
    paths = sorted(folder.glob("*.parquet"))
    if len(paths) < 2:
        return
    whole = merge([read_part(p) for p in paths])
    merged = write_part(folder, list(whole.shards.values()), list(whole.drives.values()), whole.table)
    for p in paths:
        if p != merged:
            p.unlink(missing_ok=True)


def to_rows(table: pa.Table) -> list[ScenarioRow]:
    """Scenario rows of a table (or slice of one)."""
    c = {n: table.column(n).to_pylist() for n in _SCHEMA.names if n not in ("map", "frame")}
    return [
        ScenarioRow(
            token=c["token"][i],
            tags=tuple(c["tags"][i]),
            log=c["log"][i],
            split=c["split"][i],
            map_name=c["map_name"][i],
            source=c["source"][i],
            licence=c["licence"][i],
            anchor_us=c["anchor_us"][i],
            interval_us=c["interval_us"][i],
            stride=c["stride"][i],
            has_goal=c["has_goal"][i],
            first_us=c["first_us"][i],
            last_us=c["last_us"][i],
        )
        for i in range(len(table))
    ]


def narrow(table: pa.Table, f: ScenarioFilter) -> pa.Table:
    """The rows that a filter's plain lists (tokens, logs, maps, splits, types, goal) let pass."""
    for column, wanted in (
        ("token", f.scenario_tokens),
        ("log", f.log_names),
        ("map_name", f.map_names),
        ("split", f.splits),
    ):
        if wanted is not None:
            table = table.filter(pc.is_in(table.column(column), pa.array(list(wanted), pa.string())))
    if f.remove_invalid_goals:
        table = table.filter(table.column("has_goal"))
    if f.scenario_types is not None:
        tags = table.column("tags").combine_chunks()
        hit = pc.is_in(pc.list_flatten(tags), pa.array(list(f.scenario_types), pa.string()))
        table = table.take(pc.unique(pc.list_parent_indices(tags).filter(hit)))
    return table
