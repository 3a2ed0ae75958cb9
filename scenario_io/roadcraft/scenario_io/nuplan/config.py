"""Configuration of the nuPlan source (standard library only)."""

from __future__ import annotations

from dataclasses import dataclass

from roadcraft.core.config import path_field

MAP_VERSION = "nuplan-maps-v1.0"


@dataclass(frozen=True)
class NuplanConfig:
    """Where the logs and maps lie, and how much of a log a single scenario holds.

    data_root: one ``.db`` log, a folder of them, or a folder of split folders of them; maps_root: the folder with ``nuplan-maps-v1.0.json``
    (None: looked for in and beside ``data_root``, else that of the environment variable NUPLAN_MAPS_ROOT); splits: names of the split folders to
    read (empty: all); past_s, future_s: seconds of the log before and after the window that a scenario read alone brings along; licence: terms of
    logs that do not state their own.
    """

    data_root: str = path_field()
    maps_root: str | None = path_field(None)
    splits: tuple[str, ...] = ()
    past_s: float = 2.5
    future_s: float = 8.5
    licence: str = "nuPlan dataset licence (non-commercial research use)"
