"""Reads a store: random access to scenarios by token, drives and maps as memory-mapped arrays."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from numpy.typing import NDArray

from roadcraft.core.data.map import MapData
from roadcraft.core.data.scenario import Drive, Scenario, ScenarioRow
from roadcraft.core.errors import DataError
from roadcraft.core.files import digest_of
from roadcraft.core.interfaces import ScenarioSource
from roadcraft.scenario_io.filter_config import DEFAULT_TYPE, ScenarioFilter
from roadcraft.scenario_io.filters import window_of
from roadcraft.scenario_io.store.config import StoreConfig
from roadcraft.scenario_io.store.index import (
    VERSION,
    DriveEntry,
    IndexPart,
    TokenIndex,
    narrow,
    read_index,
    to_rows,
    unique_names,
)
from roadcraft.scenario_io.store.shard import ANEW, Shard

MARKER = "store.json"
OPEN_SHARDS = 128  # each holds a file descriptor; a drive in use keeps its own shard alive
OPEN_MAPS = 256  # where every scenario has a map of its own, they must not pile up


class Store(ScenarioSource):
    """A folder written by :class:`StoreWriter` (``roadcraft ingest``). Any number of processes may read one at once; it
    pickles as its path.

    Arrays are bit-identical to those the drives were stored with: index, drives and maps are compared with their
    checksums when they are first read. Raises DataError naming the file for a folder that is no store, is of another
    version, or is damaged.
    """

    name: ClassVar[str] = "store"
    """Name of the source plugin."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        """The folder."""
        check_marker(self.path)
        self._shards: OrderedDict[str, Shard] = OrderedDict()
        self._maps: OrderedDict[str, MapData] = OrderedDict()

    def __reduce__(self) -> tuple[Any, ...]:
        return Store, (str(self.path),)

    @cached_property
    def index(self) -> IndexPart:
        """Shards, drives and the table of scenario rows."""
        return read_index(self.path / "index")

    def __len__(self) -> int:
        """Number of scenarios."""
        return len(self.index.table)

    # ---- rows ------------------------------------------------------------------------

    def logs(self) -> list[str]:
        return list(self.index.drives)

    def rows(self, log: str) -> list[ScenarioRow]:
        entry = self.entry(log)
        return to_rows(self.index.table.slice(entry.row, entry.rows))

    def iter_rows(self) -> Iterator[ScenarioRow]:
        for log in self.logs():
            yield from self.rows(log)

    def candidates(self, filter: ScenarioFilter) -> list[ScenarioRow]:
        """Rows that the filter's plain lists let pass, in the order of ``iter_rows``: what ``find`` asks first. Raises
        DataError where the store has none at all."""
        if not len(self):
            longest = max(((d.last_us - d.first_us) * 1e-6 for d in self.index.drives.values()), default=0.0)
            what = (
                f"there is no scenario to drive in its {len(self.index.drives)} drives, the longest of which is "
                f"{longest:.1f} s long"
            )
            needed = "15 s (nuPlan) or 9.1 s (Waymo Motion) are needed; the ingest says what was left out"
            raise DataError(what, where=str(self.path), remedy=needed)
        return to_rows(narrow(self.index, filter))

    def names(self, column: str) -> set[str]:
        """The different values of a column of the index (``token``, ``log``, ``map_name``, ``split``, ``tags``)."""
        return unique_names(self.index.table.column(column))

    @cached_property
    def _tokens(self) -> TokenIndex:
        return TokenIndex(self.index.table.column("token"))

    def row(self, token: str) -> ScenarioRow:
        """The index row of a scenario. Raises DataError for an unknown token."""
        at = self._tokens.find(token)
        if at is None:
            raise DataError(
                f"no scenario {token!r}", where=str(self.path), remedy=f"roadcraft show {self.path} lists them"
            )
        return to_rows(self.index.table.slice(at, 1))[0]

    def entry(self, log: str) -> DriveEntry:
        """What the index says about a drive. Raises DataError for an unknown log."""
        found = self.index.drives.get(log)
        if found is None:
            raise DataError(
                f"no log {log!r}", where=str(self.path), remedy=f"roadcraft show {self.path} logs=true lists them"
            )
        return found

    # ---- data ------------------------------------------------------------------------

    def drive(self, log: str) -> Drive:
        return self._shard(self.entry(log).shard).load(log, Drive)

    def extra(self, log: str) -> dict[str, NDArray[Any]]:
        """The extra arrays stored with a drive (plans and channels of a rollout)."""
        return self._shard(self.entry(log).shard).extra(log)

    def meta(self, log: str) -> dict[str, Any]:
        """The metadata stored with a drive."""
        return self._shard(self.entry(log).shard).meta(log)

    def map(self, log: str) -> MapData:
        return self.map_by_hash(self.entry(log).map)

    def map_by_hash(self, content_hash: str) -> MapData:
        """A map by its content hash, with its spatial index, loaded once as long as it is among the OPEN_MAPS used
        last."""
        if content_hash not in self._maps:
            self._maps[content_hash] = load_map(map_path(self.path, content_hash), content_hash)
            while len(self._maps) > OPEN_MAPS:
                self._maps.popitem(last=False)
        self._maps.move_to_end(content_hash)
        return self._maps[content_hash]

    def get(self, token: str, type: str | None = None) -> Scenario:
        """A scenario by token; its type is the alphabetically last of its tags unless given."""
        row = self.row(token)
        type = type or (max(row.tags) if row.tags else DEFAULT_TYPE)
        return self.scenario(row, type, window_of(row, type))

    def release(self) -> None:
        self._shards.clear()

    def _shard(self, file: str) -> Shard:
        shard = self._shards.get(file)
        if shard is None:
            entry = self.index.shards[file]
            shard = Shard(self.path / file, entry.bytes)
            if not shard.checked and digest_of(shard.path) != entry.digest:  # of an earlier roadcraft
                raise DataError("the file is damaged: its checksum does not match", where=str(shard.path), remedy=ANEW)
            self._shards[file] = shard
            while len(self._shards) > OPEN_SHARDS:
                self._shards.popitem(last=False)
        else:
            self._shards.move_to_end(file)
        return shard

    def verify(self) -> list[str]:
        """Compare every file with the checksum noted when it was written; one line per damaged file, and per file with
        drives that the index lacks; none if all is well. Reads everything."""
        unknown = {f"drives/{p.name}" for p in (self.path / "drives").glob("*.safetensors")} - set(self.index.shards)
        lost = (
            "no index file names it, so its drives are not found (an index file is missing, or an ingest was killed: "
            "run the same ingest again)"
        )
        faults = [f"{self.path / file}: {lost}" for file in sorted(unknown) if self._lacks_drives_of(self.path / file)]
        for file, entry in self.index.shards.items():
            path = self.path / file
            if not path.is_file():
                faults.append(f"{path}: missing")
            elif path.stat().st_size != entry.bytes:
                faults.append(f"{path}: {path.stat().st_size} bytes, {entry.bytes} were written")
            elif digest_of(path) != entry.digest:
                faults.append(f"{path}: the contents differ from what was written (checksum)")
        for name in sorted({d.map for d in self.index.drives.values()}):
            try:
                load_map(map_path(self.path, name), name)
            except DataError as e:
                faults.append(str(e))
        return faults

    def _lacks_drives_of(self, file: Path) -> bool:
        """Whether a file that no index names holds a drive that is nowhere else; one that a killed ingest left, and the
        next read anew, is no loss."""
        try:
            return not set(Shard(file).keys) <= set(self.index.drives)
        except DataError:  # half written: its drives were never there
            return False


def map_path(store: Path, content_hash: str) -> Path:
    return store / "maps" / f"{content_hash}.safetensors"


def load_map(path: Path, content_hash: str) -> MapData:
    """A map file with the index that is stored beside it (if this roadcraft's index still looks like that).

    Raises DataError naming the file when it is missing, damaged, or holds another map than that of the hash.
    """
    shard = Shard(path)
    out = shard.load("map", MapData)
    # A file of an earlier roadcraft holds no checks: the contents are hashed, and its index is not believed.
    found = shard.meta("map").get("content_hash") if shard.checked else out.content_hash
    if found != content_hash:
        raise DataError("the contents differ from what was written (content hash)", where=str(path), remedy=ANEW)
    out.__dict__["content_hash"] = content_hash
    if shard.checked and "index" in shard:
        from roadcraft.core.driving.map_index import index as lanes

        if shard.meta("index").get("layout") == index_layout():
            out.__dict__["index"] = shard.load("index", lanes.MapIndex)
    return out


def index_layout() -> str:
    """Identifies the layout of MapIndex: an index that was stored with another one is built anew."""
    from dataclasses import fields, is_dataclass
    from typing import get_type_hints

    from roadcraft.core.driving.map_index import index as lanes

    def names(kind: type) -> list[Any]:
        hints = get_type_hints(kind)
        return [
            (f.name, names(hints[f.name]) if is_dataclass(hints[f.name]) else str(hints[f.name])) for f in fields(kind)
        ]

    return json.dumps([getattr(lanes, "INDEX_VERSION", 0), names(lanes.MapIndex)])


def is_store(path: str | Path) -> bool:
    return (Path(path) / MARKER).is_file()


def check_marker(path: Path) -> None:
    """Raises DataError unless the folder is a store of this version."""
    if not path.exists():
        raise DataError(
            "there is no such folder", where=str(path), remedy="roadcraft ingest FORMAT PATH --out STORE makes a store"
        )
    if not is_store(path):
        raise DataError(
            f"not a store: there is no {MARKER}",
            where=str(path),
            remedy="roadcraft ingest FORMAT PATH --out STORE makes one",
        )
    try:
        about = json.loads((path / MARKER).read_text())
        version = about["version"]
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise DataError(
            f"damaged ({e})",
            where=str(path / MARKER),
            remedy=f'it should read {{"format": "roadcraft-store", "version": {VERSION}}}',
        ) from e
    if version != VERSION:
        raise DataError(
            f"store version {version}, this roadcraft reads version {VERSION}",
            where=str(path / MARKER),
            remedy="upgrade roadcraft" if isinstance(version, int) and version > VERSION else "ingest the logs again",
        )


def from_config(config: StoreConfig) -> Store:
    """The source plugin ``store``."""
    return Store(config.path)
