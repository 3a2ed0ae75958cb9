"""TFRecord framing with checksums, without TensorFlow.

A record is: length (u64, little endian), masked CRC-32C of these 8 bytes (u32), the payload, its masked CRC-32C (u32).
The mask rotates by 15 bits and adds a constant (reference: tensorflow, record_writer). Shards of Waymo Motion are not
compressed.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadcraft.core.errors import DataError

_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")
_BROKEN = "the download is incomplete or damaged: fetch this file again"


@dataclass(frozen=True)
class Record:
    """Where one record's payload lies. ``fault``: why it, and all that follows it, cannot be read; None where the
    framing is sound."""

    offset: int
    length: int
    fault: str | None = None


def scan(path: Path) -> list[Record]:
    """The records of a file, found by their headers alone. Where the framing breaks, the last entry says so and the
    scan ends."""
    crc32c = checksum()
    out: list[Record] = []
    try:
        with path.open("rb") as f:
            size = f.seek(0, 2)
            at = 0
            while at < size:
                f.seek(at)
                header = f.read(_HEADER.size)
                if len(header) < _HEADER.size:
                    out.append(Record(at, 0, f"the file is cut off inside a record's header at byte {at}"))
                    break
                length, crc = _HEADER.unpack(header)
                if crc != masked(crc32c, header[:8]):
                    out.append(
                        Record(
                            at, 0, f"the header at byte {at} is damaged (CRC): not a TFRecord file, or a flipped byte"
                        )
                    )
                    break
                end = at + _HEADER.size + length + _FOOTER.size
                if end > size:
                    out.append(
                        Record(
                            at,
                            0,
                            f"the file is cut off: the record at byte {at} ends at byte {end}, the file at {size}",
                        )
                    )
                    break
                out.append(Record(at + _HEADER.size, length))
                at = end
    except OSError as e:
        raise DataError(f"cannot be read: {e.strerror or e}", where=str(path)) from e
    return out


def read(path: Path, record: Record) -> tuple[bytes, bool]:
    """A record's payload, and whether its checksum is right. Raises DataError where the framing was broken or the file
    has changed."""
    if record.fault is not None:
        raise DataError(record.fault, where=str(path), remedy=_BROKEN)
    try:
        with path.open("rb") as f:
            f.seek(record.offset)
            data = f.read(record.length + _FOOTER.size)
    except OSError as e:
        raise DataError(f"cannot be read: {e.strerror or e}", where=str(path)) from e
    if len(data) != record.length + _FOOTER.size:
        raise DataError(f"the file became shorter: nothing at byte {record.offset}", where=str(path), remedy=_BROKEN)
    payload = data[: record.length]
    return payload, _FOOTER.unpack_from(data, record.length)[0] == masked(checksum(), payload)


def crc_error(path: Path, record: Record, scenario: str) -> DataError:
    """What to say of a payload whose checksum is wrong; ``scenario`` as far as it can still be told."""
    named = f"scenario {scenario}" if scenario else "a scenario whose id cannot be read"
    return DataError(
        f"the record at byte {record.offset} ({named}) is damaged: its CRC does not match",
        where=str(path),
        remedy=_BROKEN,
    )


def masked(crc32c: Any, data: bytes) -> int:
    """The checksum as TFRecords store it."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def frame(payload: bytes) -> bytes:
    """A payload as a TFRecord."""
    crc32c = checksum()
    head = struct.pack("<Q", len(payload))
    return head + _FOOTER.pack(masked(crc32c, head)) + payload + _FOOTER.pack(masked(crc32c, payload))


def checksum() -> Any:
    """CRC-32C of bytes. Raises DataError that names the package where it is missing."""
    try:
        import google_crc32c
    except ImportError as e:
        raise DataError("Waymo Motion needs the package google-crc32c", remedy='pip install "roadcraft[womd]"') from e
    return google_crc32c.value
