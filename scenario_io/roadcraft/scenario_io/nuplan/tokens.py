"""8-byte tokens: reproducible ones for what we write, and their forms as integer, bytes and text."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from roadcraft.core.arrays import U64
from roadcraft.core.random import INCREMENT, mix64


def blobs(ids: U64) -> list[bytes]:
    """Tokens as the 8 bytes (big-endian) that the database holds."""
    flat = ids.astype(">u8").tobytes()
    return [flat[i : i + 8] for i in range(0, len(flat), 8)]


def text(token: int | np.unsignedinteger) -> str:
    return f"{int(token):016x}"


def fresh(log: str, table: str, count: int) -> list[bytes]:
    """``count`` tokens of a table, different from one another, the same for the same log name and table (splitmix64 of
    a salted counter)."""
    salt = int.from_bytes(blake2b(f"{log}/{table}".encode(), digest_size=8).digest(), "big")
    with np.errstate(over="ignore"):
        return blobs(mix64(np.uint64(salt) + np.arange(1, count + 1, dtype=np.uint64) * INCREMENT))
