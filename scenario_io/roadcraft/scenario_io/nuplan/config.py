"""Configuration of the nuPlan source (standard library only)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from roadcraft.core.config.load import path_field
from roadcraft.core.config.rules import Range

MAP_VERSION = "nuplan-maps-v1.0"


@dataclass(frozen=True)
class NuplanConfig:
    """Where the logs and maps lie, and how much of a log a single scenario holds."""

    data_root: str = path_field()
    """One .db log, a folder of them, or a folder of split folders of them."""
    maps_root: str | None = path_field(None)
    """Folder with nuplan-maps-v1.0.json (null: in or beside data_root, else that of the environment variable
    NUPLAN_MAPS_ROOT)."""
    splits: tuple[str, ...] = ()
    """Names of the split folders that are read (empty: all)."""
    past_s: Annotated[float, Range(">= 0")] = 2.5
    """Part of the log before its window that a scenario read alone brings along."""
    future_s: Annotated[float, Range(">= 0")] = 8.5
    """Part of the log after its window that a scenario read alone brings along."""
    license: str = "nuPlan dataset licence (non-commercial research use)"
    """Terms of logs that do not state their own."""
