"""Configuration of the store as a source (standard library only)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StoreConfig:
    """A store that ``roadcraft ingest`` wrote."""

    path: str = ""
    """Folder of the store."""
