"""Writes a store: drives gathered into shards, each map once, the index last."""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.data.map import MapData
from roadcraft.core.data.scenario import Drive, ScenarioRow
from roadcraft.core.errors import DataError
from roadcraft.core.files import disk_error, write_atomic
from roadcraft.scenario_io.store.index import (
    VERSION,
    DriveEntry,
    ShardEntry,
    compact,
    drop,
    read_index,
    scenario_table,
    write_part,
)
from roadcraft.scenario_io.store.shard import ShardMember, write_shard
from roadcraft.scenario_io.store.store import MARKER, check_marker, index_layout, map_path

SHARD_BYTES = 128 << 20
SHARD_DRIVES = 100
KNOWN_MAPS = 32  # where every scenario has a map of its own, they must not pile up
WRITING = ".writing"  # locked: shared by writers between shard and index, exclusively by who cleans up


class StoreWriter:
    """Adds drives to a store, making the folder if need be. What ``flush`` has returned from is durable; killed before,
    the store is as it was.

    Several processes may write to one store with keys of their own. Use as a context manager, or call ``flush`` at the
    end::

        with StoreWriter("stores/mine") as out:
            out.add(log, drive, map_data, rows)
    """

    def __init__(
        self,
        path: str | Path,
        *,
        shard_bytes: int = SHARD_BYTES,
        shard_drives: int = SHARD_DRIVES,
        spatial_index: bool = True,
        check_existing: bool = True,
    ) -> None:
        self.path = Path(path)
        """The folder."""
        self._limits, self._spatial_index = (shard_bytes, shard_drives), spatial_index
        create_store(self.path)
        self.done: set[str] = set(read_index(self.path / "index").drives) if check_existing else set()
        """Keys of the drives that the store holds."""
        self._items: list[tuple[ShardMember, str, Sequence[ScenarioRow]]] = []
        self._bytes = 0
        self._maps: dict[int, tuple[MapData, str]] = {}

    def add(
        self,
        key: str,
        drive: Drive,
        map_data: MapData,
        rows: Sequence[ScenarioRow] = (),
        extra: Mapping[str, NDArray[Any]] | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        """Add a drive under ``key`` (its rows' ``log``) with its map, scenario rows, extra arrays and meta.

        Raises DataError when the key is there already or a row names another log.
        """
        if key in self.done:
            raise DataError(f"drive {key!r} is in the store already", where=str(self.path))
        wrong = next((r for r in rows if r.log != key), None)
        if wrong is not None:
            raise DataError(f"scenario {wrong.token} is of log {wrong.log!r}, not {key!r}", where=str(self.path))
        item = ShardMember(key, drive, extra or {}, meta or {})
        self._items.append((item, self._put_map(map_data), rows))
        self.done.add(key)
        self._bytes += drive.objects.box.nbytes * 2 + drive.ego.nbytes * 2 + drive.layers.values.nbytes
        self._bytes += sum(a.nbytes for a in item.extra.values())
        if self._bytes >= self._limits[0] or len(self._items) >= self._limits[1]:
            self.flush()

    def flush(self) -> None:
        """Write what was added since the last flush: the shard, then the index part that makes it count."""
        if not self._items:
            return
        items, self._items, self._bytes = self._items, [], 0
        name = blake2b("\n".join(i.key for i, _, _ in items).encode(), digest_size=10).hexdigest()
        file = f"drives/{name}.safetensors"
        drives: list[DriveEntry] = []
        table: list[tuple[ScenarioRow, str, int]] = []
        for item, map_hash, rows in items:
            drives.append(_entry(item, file, map_hash, len(table), len(rows)))
            table.extend((row, map_hash, _frame(item.value, row)) for row in rows)
        with _locked(self.path / WRITING, fcntl.LOCK_SH):
            info = write_shard(self.path / file, [i for i, _, _ in items])
            write_part(self.path / "index", [ShardEntry(file, info.bytes, info.digest)], drives, scenario_table(table))

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if kind is None:
            self.flush()

    def _put_map(self, map_data: MapData) -> str:
        """Hash of the map, after writing it unless its file is there. Sources hand out one object per location, so
        hashing happens once."""
        known = self._maps.get(id(map_data))
        if known is not None:
            return known[1]
        content_hash = map_data.content_hash
        path = map_path(self.path, content_hash)
        if not path.exists():
            items = [ShardMember("map", map_data, meta={"content_hash": content_hash})]
            if self._spatial_index:
                items.append(ShardMember("index", map_data.index, meta={"layout": index_layout()}))
            with _locked(self.path / WRITING, fcntl.LOCK_SH):
                write_shard(path, items)
        self._maps[id(map_data)] = (map_data, content_hash)
        while len(self._maps) > KNOWN_MAPS:
            self._maps.pop(next(iter(self._maps)))
        return content_hash


def _entry(item: ShardMember, file: str, map_hash: str, row: int, rows: int) -> DriveEntry:
    d: Drive = item.value
    first, last = (int(d.time_us[0]), int(d.time_us[-1])) if len(d) else (0, 0)
    return DriveEntry(
        item.key, d.name, file, map_hash, d.map_name, d.source, d.licence, d.vehicle, len(d), first, last,
        d.interval_us, row, rows
    )  # fmt: skip


def _frame(drive: Drive, row: ScenarioRow) -> int:
    at = int(np.searchsorted(drive.time_us, row.anchor_us))
    return at if at < len(drive) and drive.time_us[at] == row.anchor_us else -1


def create_store(path: Path) -> None:
    """Make an empty store, or check that the folder is one (or empty). Raises DataError otherwise."""
    if path.exists() and not path.is_dir():
        raise DataError("a file is in the way", where=str(path), remedy="name a folder")
    if path.exists() and any(not p.name.startswith(".") for p in path.iterdir()):
        check_marker(path)
        return
    write_atomic(path / MARKER, [json.dumps({"format": "roadcraft-store", "version": VERSION}).encode() + b"\n"])


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the store's ingest lock, one at a time. Raises DataError if another process holds it."""
    try:
        with _locked(path / ".lock", fcntl.LOCK_EX | fcntl.LOCK_NB):
            yield
    except BlockingIOError as e:
        raise DataError("another ingest is writing to this store", where=str(path), remedy="wait for it to end") from e


@contextlib.contextmanager
def _locked(file: Path, mode: int) -> Iterator[None]:
    try:
        handle = file.open("a")
    except OSError as e:
        raise disk_error(e, file) from e
    with handle:
        fcntl.flock(handle, mode)
        yield


def clean(path: Path) -> int:
    """Remove what a killed writer left: temporary files, and shards that no index part names. Returns how many. Waits
    for writers at work."""
    with _locked(path / WRITING, fcntl.LOCK_EX):
        known = set(read_index(path / "index").shards)
        stale = [p for folder in ("drives", "maps", "index") for p in (path / folder).glob(".*.tmp")]
        stale += [p for p in (path / "drives").glob("*.safetensors") if f"drives/{p.name}" not in known]
        for p in stale:
            p.unlink(missing_ok=True)
    return len(stale)


def repair(path: Path) -> int:
    """Forget drives whose shard or map file is missing or of another size than written, so that an ingest reads them
    anew. Returns how many."""
    index = read_index(path / "index")
    hurt = {f for f, s in index.shards.items() if not (path / f).is_file() or (path / f).stat().st_size != s.bytes}
    maps = {m for m in {d.map for d in index.drives.values()} if not map_path(path, m).is_file()}
    lost = {k for k, d in index.drives.items() if d.shard in hurt or d.map in maps}
    if lost:
        drop(path / "index", lost)
    return len(lost)


__all__ = ["StoreWriter", "clean", "compact", "create_store", "exclusive", "repair"]
