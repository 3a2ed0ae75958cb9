"""Opens SQLite files read-only, and sees at once when one is cut short; writes them whole or not at all."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from struct import unpack_from
from urllib.parse import quote

from roadcraft.core.errors import DataError
from roadcraft.core.files import replacing

_DAMAGED = "get the file anew; it is damaged"


def open_database(path: Path, missing: str) -> sqlite3.Connection:
    """A read-only connection. Raises DataError when the file is missing (``missing`` says what was looked for), no
    database, or truncated.

    SQLite notices a truncation only when it comes to a lost page; its header (file format, 1.3) tells how long the file
    should be.
    """
    try:
        with path.open("rb") as f:
            head, size = f.read(100), path.stat().st_size
    except OSError as e:
        reason = "" if isinstance(e, (FileNotFoundError, IsADirectoryError)) else f": {e.strerror}"
        raise DataError(f"{missing}{reason}", where=str(path)) from None
    if len(head) < 100 or head[:16] != b"SQLite format 3\0":
        raise DataError("not an SQLite database" if size else "the file is empty", where=str(path), remedy=_DAMAGED)
    (page,) = unpack_from(">H", head, 16)
    changes, pages = unpack_from(">II", head, 24)
    (valid_for,) = unpack_from(">I", head, 92)
    expected = (65536 if page == 1 else page) * pages
    if changes == valid_for and size < expected:
        raise DataError(f"the file is cut short: {size} of {expected} bytes", where=str(path), remedy=_DAMAGED)
    # Immutable: neither locks nor journals, so that read-only folders do.
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True, check_same_thread=False)


@contextmanager
def new_database(path: Path) -> Iterator[sqlite3.Connection]:
    """A database to fill, which takes its name when the body ends; an existing file is replaced. Raises DiskError when
    the disk is full."""
    with replacing(path) as tmp:
        try:
            with closing(sqlite3.connect(tmp, isolation_level=None)) as db:
                db.execute("PRAGMA journal_mode = OFF")
                db.execute("PRAGMA synchronous = OFF")
                db.execute("BEGIN")
                yield db
                db.execute("COMMIT")
        except sqlite3.OperationalError as e:
            codes = {
                sqlite3.SQLITE_FULL: errno.ENOSPC,
                sqlite3.SQLITE_IOERR: errno.EIO,
                sqlite3.SQLITE_CANTOPEN: errno.EACCES,
            }
            raise OSError(codes.get(e.sqlite_errorcode & 0xFF, errno.EIO), str(e)) from e
