"""Queries of a nuPlan log database and their columns as arrays, every fault of the file told with its table."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64
from roadcraft.core.errors import DataError
from roadcraft.scenario_io.nuplan.database import open_database


class LogTables:
    """The tables of one log database, opened for reading: rows of a query, and columns as arrays. Every fault is a
    DataError that names file and table."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = open_database(path, "no such log")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def __del__(self) -> None:
        # A reader that the source has let go of may still be in use elsewhere, so the last user closes it.
        if hasattr(self, "_db"):
            self._db.close()

    def rows(self, table: str, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What a query of a table gives."""
        try:
            return self._db.execute(query, values).fetchall()
        except (sqlite3.Error, OverflowError, UnicodeDecodeError) as e:
            remedy = "a nuPlan log has it" if "no such" in str(e) else "get the file anew; it is damaged"
            raise self.fault(table, f"cannot be read: {e}", remedy) from e

    def tokens(self, table: str, values: Sequence[Any]) -> NDArray[np.uint64]:
        """Tokens (N,) uint64 from 8-byte values, big-endian."""
        flat = b"".join(values) if all(isinstance(v, bytes) for v in values) else b""
        if len(flat) != 8 * len(values) or not all(len(v) == 8 for v in values):
            bad = next(v for v in values if not isinstance(v, bytes) or len(v) != 8)
            raise self.fault(table, f"{bad!r} is no token", "tokens are 8 bytes")
        return np.frombuffer(flat, ">u8").astype(np.uint64)

    def floats(self, table: str, column: str, values: Sequence[Any]) -> F64:
        """A column of numbers; NaN where it is null."""
        try:
            return np.array(values, np.float64)
        except (TypeError, ValueError, OverflowError) as e:
            raise self.fault(table, f"column {column}: {e}", "numbers are expected") from e

    def time(self, table: str, value: Any) -> int:
        """A time stamp in microseconds."""
        if not isinstance(value, int) or not 0 <= value < 2**62:
            raise self.fault(table, f"{value!r} is no time stamp", "microseconds as an integer")
        return value

    def fault(self, table: str, what: str, remedy: str = "") -> DataError:
        """The error that names file and table."""
        return DataError(what, where=f"{self.path}: table {table}", remedy=remedy)


def hex_of(token: Any) -> str:
    """A token as it is written in messages."""
    return token.hex() if isinstance(token, bytes) else repr(token)
