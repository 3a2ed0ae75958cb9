"""JSON that tells its own damage: files with a digest of their content, and append-only files whose lines carry a
checksum each."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any
from zlib import crc32

from roadcraft.core.errors import DataError
from roadcraft.core.files import disk_error, write_atomic

_CRC = b', "crc": "'


def write_sealed(path: Path, content: Mapping[str, Any], indent: int | None = None) -> None:
    """Write a map as JSON, with the digest of all the rest under ``digest``."""
    write_atomic(path, json.dumps({**content, "digest": _digest(content)}, indent=indent))


def read_sealed(path: Path, format: int, remedy: str, unsealed: int | None = None) -> dict[str, Any]:
    """The map. unsealed: a former format, whose files carry no digest. Raises DataError where it cannot be read, is of
    another format, or is not what was written."""
    try:
        data = json.loads(path.read_bytes())
        found = data["format"]
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise DataError(f"damaged: {type(e).__name__}: {e}", where=str(path), remedy=remedy) from e
    if found == unsealed:
        return dict(data)
    if found != format:
        newer = isinstance(found, int) and found > format
        raise DataError(
            f"this run is of format {found}, this roadcraft reads {format}",
            where=str(path.parent),
            remedy="upgrade roadcraft" if newer else "score again",
        )
    digest = data.pop("digest", None)
    if digest != _digest(data):
        raise DataError("damaged or edited: not what was written", where=str(path), remedy=remedy)
    return dict(data)


def _digest(content: Mapping[str, Any]) -> str:
    return blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=16).hexdigest()


class RecordFile:
    """An append-only file of results. ``add`` then ``commit``: what was committed survives a kill, what cannot be
    written leaves no trace.

    ``commit`` raises DiskError when the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ahead: list[bytes] = []
        try:
            self._file = path.open("ab", buffering=0)
        except OSError as e:
            raise disk_error(e, path) from e

    def add(self, record: Mapping[str, Any]) -> None:
        text = json.dumps(record, default=_plain).encode()
        self._ahead.append(text[:-1] + _CRC + f'{crc32(text):08x}"}}\n'.encode())

    def commit(self) -> None:
        data, self._ahead = b"".join(self._ahead), []
        before = os.fstat(self._file.fileno()).st_size
        try:
            while data:
                data = data[self._file.write(data) :]
            os.fsync(self._file.fileno())
        except OSError as e:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file.fileno(), before)
            raise disk_error(e, self.path) from e

    def __enter__(self) -> RecordFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def read_lines(path: Path, checked: bool = True) -> Iterator[dict[str, Any] | None]:
    """The records of a part; None for a damaged line. A last line without its end was being written when the process
    was killed: it is left out. checked: whether lines carry checksums."""
    *lines, _ = path.read_bytes().split(b"\n")
    for line in lines:
        if not checked:
            yield json.loads(line)
            continue
        head, _, check = line.rpartition(_CRC)
        yield json.loads(head + b"}") if check == f'{crc32(head + b"}"):08x}"}}'.encode() else None


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be written to a result")
