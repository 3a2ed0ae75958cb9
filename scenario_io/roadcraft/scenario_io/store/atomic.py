"""Writes a file whole or not at all: temporary file, fsync, rename."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any

from roadcraft.core.errors import DataError


class DiskError(DataError):
    """A file could not be written: the disk is full, or the folder refuses. Unlike a bad log it concerns everything that follows."""


def write_atomic(path: Path, chunks: Iterable[Any]) -> tuple[int, str]:
    """Write the chunks (bytes-like) to ``path`` and return (size in bytes, 32 hex digits of BLAKE2).

    A reader sees the old file or the new one; whoever is killed in between leaves at most a ``*.tmp`` that nobody reads. Raises DiskError when the
    disk is full or the folder cannot be written, leaving what was there before.
    """
    tmp = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    digest, size = blake2b(digest_size=16), 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tmp.open("wb") as f:
            for chunk in chunks:
                f.write(chunk)
                digest.update(chunk)
                size += memoryview(chunk).nbytes
            f.flush()
            os.fsync(f.fileno())
        tmp.replace(path)
        _sync_folder(path.parent)
    except OSError as e:
        raise disk_error(e, path) from e
    finally:
        with contextlib.suppress(OSError):
            tmp.unlink(missing_ok=True)
    return size, digest.hexdigest()


def disk_error(e: OSError, path: Path) -> DiskError:
    """What to tell a person about a failed write."""
    if e.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskError(
            "the disk is full",
            where=str(path),
            remedy="free some space and run the same command again; everything written before is intact",
        )
    return DiskError(f"cannot be written: {e.strerror or e}", where=str(path))


def digest_of(path: Path) -> str:
    """BLAKE2 of a file's bytes, 32 hex digits."""
    digest = blake2b(digest_size=16)
    with path.open("rb") as f:
        while chunk := f.read(1 << 22):
            digest.update(chunk)
    return digest.hexdigest()


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # not every file system can
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
