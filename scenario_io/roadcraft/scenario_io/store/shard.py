"""Shards: safetensors files that hold the named arrays of many drives (or of a map), read by memory map without
copying.

Array ``box`` of the objects of drive 3 is the tensor ``3/objects.box``; what is not an array (names, tags, licence)
stands in the file's metadata. All 8-byte arrays come first, so that each starts at a multiple of its item size, which
numba kernels need. The map is private (copy on write): arrays are ordinary writeable numpy arrays, equal in type to
those read from a log, and nothing done to them reaches the file.

The header carries a CRC-32 of itself and one of each member, so that no byte is believed before it was compared with
what was written: the header when the file is opened, a member when it is read for the first time.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import from_arrays, to_arrays
from roadcraft.core.data.scenario import Drive
from roadcraft.core.errors import DataError
from roadcraft.core.files import write_atomic

T = TypeVar("T")
SCHEMA = 1  # of the arrays' names and meanings; raised when a reader of the old ones would misread the new
_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip
_NAMES = {v: k for k, v in _DTYPES.items()}
_EXTRA = "extra."
_BLOCK = 1 << 20  # bytes read at once
_BEGIN = (
    b'{"__metadata__":{"format":"roadcraft","check":"'  # 8 hex digits follow: the header's CRC-32, itself read as zeros
)
ANEW = "delete this file and run the same ingest again: its drives are read anew"


@dataclass(frozen=True)
class ShardMember:
    """One member of a shard: a domain dataclass under a key, with extra arrays (plans, channels) and JSON-able meta."""

    key: str
    value: Any
    extra: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ShardInfo:
    """Size and checksum of a shard as written."""

    bytes: int
    digest: str


def write_shard(path: Path, items: Sequence[ShardMember]) -> ShardInfo:
    """Write a shard atomically. Raises DataError (disk), TypeError for an array that safetensors cannot hold."""
    arrays: dict[str, NDArray[Any]] = {}
    members: list[dict[str, Any]] = []
    for i, item in enumerate(items):
        own, leaves = to_arrays(item.value)
        arrays.update({f"{i}/{k}": v for k, v in own.items()})
        arrays.update({f"{i}/{_EXTRA}{k}": np.asarray(v) for k, v in item.extra.items()})
        members.append({"key": item.key, "type": type(item.value).__name__, "leaves": leaves, "meta": dict(item.meta)})
    dtypes = {k: _dtype(k, a) for k, a in arrays.items()}
    order = sorted(arrays, key=lambda k: -arrays[k].dtype.itemsize)
    for i, member in enumerate(members):
        member["check"] = _crc(_bytes(arrays[k]) for k in order if k.startswith(f"{i}/"))
    about = json.dumps({"schema": SCHEMA, "members": members})
    header: dict[str, Any] = {"__metadata__": {"format": "roadcraft", "check": "0" * 8, "roadcraft": about}}
    at = 0
    for key in order:
        a = arrays[key]
        header[key] = {"dtype": dtypes[key], "shape": list(a.shape), "data_offsets": [at, at + a.nbytes]}
        at += a.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    text = _BEGIN + f"{crc32(text):08x}".encode() + text[len(_BEGIN) + 8 :]
    return ShardInfo(*write_atomic(path, _chunks(text, [arrays[k] for k in order])))


def _chunks(header: bytes, arrays: Sequence[NDArray[Any]]) -> Iterator[Any]:
    yield len(header).to_bytes(8, "little")
    yield header
    yield from (_bytes(a) for a in arrays if a.nbytes)


def _dtype(key: str, a: NDArray[Any]) -> str:
    dtype = _NAMES.get(a.dtype.newbyteorder("<").str)
    if dtype is None:
        raise TypeError(f"{key}: arrays of {a.dtype} cannot be stored")
    return dtype


def _bytes(a: NDArray[Any]) -> Any:
    le = a.astype(a.dtype.newbyteorder("<"), copy=False)
    return np.ascontiguousarray(le).reshape(-1).view(np.uint8).data


def _crc(chunks: Iterable[Any]) -> str:
    check = 0
    for chunk in chunks:
        check = crc32(chunk, check)
    return f"{check:08x}"


class Shard:
    """An open shard. Arrays are views of the memory-mapped file. ``expect_bytes`` is the size that the index noted.

    Raises DataError naming the file when it is missing, cut off, not a shard, of another schema version, or damaged.
    ``checked`` is False for a file of an earlier roadcraft, which holds no checks: its contents are vouched for by
    whoever opens it.
    """

    def __init__(self, path: str | Path, expect_bytes: int | None = None) -> None:
        self.path = Path(path)
        """The file."""
        try:
            with self.path.open("rb") as f:
                size, self._file = f.seek(0, 2), os.fstat(f.fileno())
                self._check_size(size, expect_bytes)
                self._data = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_COPY)
        except OSError as e:
            remedy = ANEW.removeprefix("delete this file and ") if isinstance(e, FileNotFoundError) else ""
            raise DataError(f"cannot be opened: {e.strerror or e}", where=str(path), remedy=remedy) from e
        self._start, tensors, self._members = self._read_header(size)
        self._tensors: list[dict[str, tuple[str, list[int], int]]] = [{} for _ in self._members]
        for name, t in tensors.items():
            index, _, key = name.partition("/")
            self._tensors[int(index)][key] = (t["dtype"], t["shape"], self._start + t["data_offsets"][0])
        self._at = {m["key"]: i for i, m in enumerate(self._members)}
        self._loaded: dict[str, Any] = {}
        self._sound: set[int] = set()  # members whose bytes were compared with their check

    def _check_size(self, size: int, expect: int | None) -> None:
        if expect is not None and size != expect:
            raise DataError(
                f"the file is {'cut off' if size < expect else 'longer than written'}: {size} bytes, {expect} were "
                "written",
                where=str(self.path),
                remedy=ANEW,
            )
        if size < 16:
            raise DataError(f"too short for a shard: {size} bytes", where=str(self.path))

    def _read_header(self, size: int) -> tuple[int, dict[str, Any], list[dict[str, Any]]]:
        length = int.from_bytes(self._data[:8], "little")
        remedy = ANEW
        if length > size - 8:
            raise DataError("the file is cut off inside its header", where=str(self.path), remedy=remedy)
        text, end = self._data[8 : 8 + length], len(_BEGIN) + 8
        self.checked = text.startswith(_BEGIN)
        try:
            if self.checked and text[len(_BEGIN) : end] != f"{crc32(_BEGIN + b'0' * 8 + text[end:]):08x}".encode():
                raise ValueError("its checksum does not match")
            tensors = json.loads(text)
            about = json.loads(tensors.pop("__metadata__")["roadcraft"])
            schema, members = about["schema"], about["members"]
            end = max((t["data_offsets"][1] for t in tensors.values()), default=0)
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            raise DataError(f"the header cannot be read ({e})", where=str(self.path), remedy=remedy) from e
        if schema != SCHEMA:
            raise DataError(
                f"written with schema version {schema}, this roadcraft reads version {SCHEMA}",
                where=str(self.path),
                remedy="ingest the logs again" if schema < SCHEMA else "upgrade roadcraft",
            )
        if 8 + length + end != size:
            raise DataError(
                f"the file is cut off: {size} bytes, its header promises {8 + length + end}",
                where=str(self.path),
                remedy=remedy,
            )
        return 8 + length, tensors, members

    @property
    def keys(self) -> list[str]:
        """Keys of its members."""
        return [m["key"] for m in self._members]

    def __contains__(self, key: str) -> bool:
        return key in self._at

    def _array(self, entry: tuple[str, list[int], int]) -> NDArray[Any]:
        dtype, shape, offset = entry
        count = int(np.prod(shape, dtype=np.int64))
        if count == 0:
            return np.zeros(shape, _DTYPES[dtype])
        return np.frombuffer(self._data, _DTYPES[dtype], count, offset).reshape(shape)

    def _find(self, key: str) -> int:
        if key not in self._at:
            raise DataError(f"no member {key!r}", where=str(self.path), remedy=f"it holds {', '.join(self.keys[:5])}")
        return self._at[key]

    def _member(self, key: str) -> int:
        """Number of a member whose bytes are those that were written."""
        i = self._find(key)
        if i not in self._sound:
            if self.checked and self._members[i]["check"] != _crc(self._read(i)):
                raise DataError(f"{key} is damaged: its checksum does not match", where=str(self.path), remedy=ANEW)
            self._sound.add(i)
        return i

    def _read(self, i: int) -> Iterator[Any]:
        """All bytes of a member, read from the file: through the map they would all stay in memory. Where another file
        has taken its place meanwhile, through the map after all."""
        spans = [(t[2], self._array(t)) for t in self._tensors[i].values()]
        try:
            f = self.path.open("rb")
        except OSError:  # it is gone
            yield from (_bytes(array) for _, array in spans)
            return
        with f:
            if not os.path.samestat(os.fstat(f.fileno()), self._file):
                yield from (_bytes(array) for _, array in spans)
                return
            for at, array in spans:
                for k in range(0, array.nbytes, _BLOCK):
                    try:
                        f.seek(at + k)
                        block = f.read(min(_BLOCK, array.nbytes - k))
                    except OSError as e:
                        raise DataError(f"it cannot be read: {e.strerror}", where=str(self.path)) from e
                    yield block

    def fault(self) -> str:
        """What is wrong with the first damaged member, empty if none is."""
        try:
            for key in self.keys:
                self._member(key)
        except DataError as e:
            return str(e)
        return ""

    def load(self, key: str, kind: type[T]) -> T:
        """The member as a domain type; built once, then shared."""
        if key not in self._loaded:
            i = self._member(key)
            arrays = {k: self._array(t) for k, t in self._tensors[i].items() if not k.startswith(_EXTRA)}
            try:
                self._loaded[key] = from_arrays(kind, arrays, self._members[i]["leaves"])
            except KeyError as e:
                raise DataError(f"{key}: array {e} is missing", where=str(self.path), remedy="ingest again") from e
            except ValueError as e:
                raise DataError(f"{key} is damaged: {e}", where=str(self.path), remedy=ANEW) from e
            except DataError as e:
                raise DataError(e.what, where=f"{self.path}: {key}: {e.where}", remedy=e.remedy) from e
        return self._loaded[key]

    def extra(self, key: str) -> dict[str, NDArray[Any]]:
        """The member's extra arrays."""
        tensors = self._tensors[self._member(key)]
        return {k[len(_EXTRA) :]: self._array(t) for k, t in tensors.items() if k.startswith(_EXTRA)}

    def meta(self, key: str) -> dict[str, Any]:
        """What was stored with the member beside its arrays."""
        return self._members[self._find(key)]["meta"]


def save_drive(
    path: str | Path,
    drive: Drive,
    extra: Mapping[str, NDArray[Any]] | None = None,
    meta: Mapping[str, Any] | None = None,
) -> None:
    """One drive in a file of its own (a shard of one), with extra arrays (any numeric dtype and shape) and JSON-able
    meta. Atomic."""
    write_shard(Path(path), [ShardMember(drive.name, drive, extra or {}, meta or {})])


def load_drive(path: str | Path) -> tuple[Drive, dict[str, NDArray[Any]], dict[str, Any]]:
    """The inverse of :func:`save_drive`: (drive, extra arrays, meta). Raises DataError naming file and place."""
    shard = Shard(path)
    if len(shard.keys) != 1:
        raise DataError(
            f"holds {len(shard.keys)} drives, not one", where=str(path), remedy="open its folder as a Store"
        )
    key = shard.keys[0]
    return shard.load(key, Drive), shard.extra(key), shard.meta(key)
