"""What every drive must satisfy before it may enter a store, whatever source it came from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from roadcraft.core.data.map import MapData
from roadcraft.core.data.scenario import Drive, ScenarioRow
from roadcraft.core.driving.map_index.index import inside_any
from roadcraft.core.errors import DataError

LOOKED_AT = 200  # frames in which the ego is looked for on the map
BEFORE_US, AFTER_US = 5_200_000, 15_000_000  # of log around a tagged frame


def check_drive(drive: Drive, map_data: MapData, where: str) -> None:
    """Raises DataError naming the place: no frames, times that do not increase, poses or boxes that are not finite,
    offsets or rows that point nowhere, a map without lanes."""
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


def check_place(drive: Drive, map_data: MapData, where: str) -> list[DataError]:
    """A warning where the ego is off the map in most frames. Raises DataError where it is on no lane and no drivable
    area in any frame."""
    frames = np.linspace(0, len(drive) - 1, min(len(drive), LOOKED_AT)).astype(int)
    at, index = np.ascontiguousarray(drive.ego[frames, :2]), map_data.index
    on = inside_any(index.lanes, at) | inside_any(index.drivable, at)
    what = f"on no lane and no drivable area of map {map_data.name}"
    if not on.any():
        raise DataError(f"the ego is {what} in any frame", where=where, remedy="is it the right map?")
    if on.mean() < 0.5:
        off = f"the ego is {what} in {1 - on.mean():.0%} of the frames"
        return [DataError(off, where=where, remedy="is it the right map?")]
    return []


def check_room(drive: Drive, rows: Sequence[ScenarioRow], where: str) -> list[DataError]:
    """A warning where tagged frames have not the log around them that their scenarios, and the reference's reader, ask
    for."""
    tagged = [r for r in rows if r.tags and r.first_us is None]
    early = sum(r.anchor_us - int(drive.time_us[0]) < BEFORE_US for r in tagged)
    late = sum(int(drive.time_us[-1]) - r.anchor_us < AFTER_US for r in tagged)
    if not early and not late:
        return []
    what = f"{early} tagged frames have less than 5.2 s of log before them, {late} less than 15 s after them"
    return [DataError(what, where=where, remedy="their scenarios are shorter, and nuplan-devkit may refuse them")]


def _frame_of(drive: Drive, rows: np.ndarray) -> np.ndarray:
    return np.searchsorted(drive.objects.offsets, rows, side="right") - 1


def _first(where: str, what: str, frames: np.ndarray) -> None:
    if len(frames):
        raise DataError(f"{what} ({len(frames)} times)", where=f"{where}: frame {int(frames[0])}")
