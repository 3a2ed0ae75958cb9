"""Files: written whole or not at all (temporary file, fsync, rename), and their digests. The one place for both."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from roadcraft.core.errors import DiskError


def write_atomic(path: Path, content: str | Iterable[Any]) -> tuple[int, str]:
    """Write text (UTF-8) or chunks (bytes-like) to ``path`` and return (size in bytes, 32 hex digits of BLAKE2).

    A reader sees the old file or the new one; whoever is killed in between leaves at most a ``*.tmp`` that nobody
    reads. Raises DiskError when the disk is full or the folder cannot be written, leaving what was there before.
    """
    digest, size = blake2b(digest_size=16), 0
    with replacing(path) as tmp, tmp.open("wb") as f:
        chunks: Iterable[Any] = [content.encode()] if isinstance(content, str) else content
        for chunk in chunks:
            f.write(chunk)
            digest.update(chunk)
            size += memoryview(chunk).nbytes
    return size, digest.hexdigest()


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` for a library that writes by itself; on leaving, the file is synced and takes
    its final name.

    Where the body raises, nothing is left under either name that was not there before; an OSError comes out as
    DiskError that names ``path``.
    """
    tmp = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield tmp
        _sync(tmp, os.O_RDWR)
        tmp.replace(path)
        with contextlib.suppress(OSError):  # not every file system can
            _sync(path.parent, os.O_RDONLY)
    except OSError as e:
        raise disk_error(e, path) from e
    finally:
        with contextlib.suppress(OSError):
            tmp.unlink(missing_ok=True)


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


def _sync(path: Path, flags: int) -> None:
    fd = os.open(path, flags)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
