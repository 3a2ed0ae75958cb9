"""What every drive must satisfy before it may enter a store, whatever source it came from."""

from __future__ import annotations

import numpy as np

from roadcraft.core.errors import DataError
from roadcraft.core.map import MapData
from roadcraft.core.scenario import Drive


def check_drive(drive: Drive, map_data: MapData, where: str) -> None:
    """Raises DataError naming the place: no frames, times that do not increase, poses or boxes that are not finite, offsets or rows that point
    nowhere, a map without lanes."""
    n = len(drive)
    if n < 2:
        raise DataError(f"the log is too short: {n} frames", where=where, remedy="at least 2 are needed")
    if len(map_data.lanes) == 0:
        raise DataError("the map is empty: it has no lanes", where=f"{where}: map {map_data.name}")
    _first(where, "time does not increase", np.flatnonzero(np.diff(drive.time_us) <= 0) + 1)
    _first(where, "the ego state is not finite", np.flatnonzero(~np.isfinite(drive.ego).all(1)))
    for what, offsets, rows in (
        ("objects", drive.objects.offsets, len(drive.objects.track)),
        ("lights", drive.lights.offsets, len(drive.lights.lane)),
    ):
        if len(offsets) != n + 1 or offsets[0] != 0 or offsets[-1] != rows or (np.diff(offsets) < 0).any():
            raise DataError(f"the rows of {what} do not fit the frames", where=where)
    bad = ~(np.isfinite(drive.objects.box).all(1) & np.isfinite(drive.objects.velocity).all(1))
    _first(where, "an object's box or velocity is not finite", _frame_of(drive, np.flatnonzero(bad)))
    lost = (drive.objects.track < 0) | (drive.objects.track >= len(drive.tracks))
    _first(where, "an object belongs to no track", _frame_of(drive, np.flatnonzero(lost)))


def _frame_of(drive: Drive, rows: np.ndarray) -> np.ndarray:
    return np.searchsorted(drive.objects.offsets, rows, side="right") - 1


def _first(where: str, what: str, frames: np.ndarray) -> None:
    if len(frames):
        raise DataError(f"{what} ({len(frames)} times)", where=f"{where}: frame {int(frames[0])}")
