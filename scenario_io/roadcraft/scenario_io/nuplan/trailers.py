"""Tables of our own in a log database, for what nuPlan has no place for: the ego's joints, which tracks are units of
one vehicle, and what the ego was told. Other readers ignore them; a log of cars has none."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from roadcraft.core.arrays import F64, I64, U8
from roadcraft.core.data.instructions import NO_INSTRUCTIONS, Instructions
from roadcraft.core.data.scenario import Drive, Tracks

JOINTS = "roadcraft_joints"
UNITS = "roadcraft_units"
TOLD = "roadcraft_instructions"
_SCHEMA = {
    JOINTS: "lidar_pc_token BLOB NOT NULL, joint INTEGER NOT NULL, angle_rad FLOAT, PRIMARY KEY (lidar_pc_token, "
    "joint)",
    UNITS: "track_token BLOB PRIMARY KEY, vehicle_track_token BLOB NOT NULL, unit INTEGER NOT NULL",
    TOLD: "timestamp INTEGER PRIMARY KEY, text TEXT NOT NULL",
}
Ask = Callable[..., list[tuple[Any, ...]]]
Fault = Callable[..., Exception]


def write_trailers(db: sqlite3.Connection, drive: Drive, frames: Sequence[bytes], tracks: Sequence[bytes]) -> None:
    """Write the joints of a drive whose ego has some, the units of its tracked vehicles that have several, and what the
    ego was told. frames and tracks: tokens."""
    if drive.joints.shape[1]:
        rows = ((frames[f], j, angle) for f, a in enumerate(drive.joints.tolist()) for j, angle in enumerate(a))
        _fill(db, JOINTS, rows)
    t = drive.tracks
    leader = leaders(t.vehicle)
    several = np.flatnonzero((leader != np.arange(len(t))) | (t.unit > 0)).tolist()
    if several:
        _fill(db, UNITS, ((tracks[i], tracks[int(leader[i])], int(t.unit[i])) for i in several))
    told = drive.instructions
    if len(told):
        _fill(db, TOLD, zip(told.time_us.tolist(), told.text, strict=True))


def leaders(vehicle: I64) -> I64:
    """Row of the first of each track's vehicle, (N,) int64: vehicle (N,) as in ``Tracks``."""
    _, first, number = np.unique(vehicle, return_index=True, return_inverse=True)
    found: I64 = first[number].astype(np.int64)
    return found


def read_joints(ask: Ask, fault: Fault, span: tuple[int, int, bytes], time_us: I64) -> F64:
    """Joints (F, J) rad of the frames at ``time_us`` (F,), J = 0 where the log has no such table. Raises DataError
    where a frame lacks an angle."""
    if not _there(ask, JOINTS):
        return np.zeros((len(time_us), 0))
    count = ask(JOINTS, f"SELECT COUNT(DISTINCT joint) FROM {JOINTS}")[0][0]
    rows = ask(
        JOINTS,
        f"SELECT p.timestamp, j.joint, j.angle_rad FROM lidar_pc AS p JOIN {JOINTS} AS j ON j.lidar_pc_token = p.token "
        "WHERE p.timestamp >= ? AND p.timestamp <= ? AND p.lidar_token = ?",
        span,
    )
    joints = np.full((len(time_us), count), np.nan)
    for time, joint, angle in rows:
        if not isinstance(joint, int) or not 0 <= joint < count or not isinstance(angle, float):
            raise fault(JOINTS, f"joint {joint!r} at {time} has angle {angle!r}", f"joints 0 to {count - 1}, in rad")
        joints[np.searchsorted(time_us, time), joint] = angle
    bad = np.flatnonzero(~np.isfinite(joints).all(axis=1))
    if len(bad):
        raise fault(JOINTS, f"no angle of each joint at {time_us[bad[0]]}", f"every frame has {count} finite angles")
    return joints


def read_units(ask: Ask, fault: Fault, tracks: Tracks, order: I64) -> Tracks:
    """The tracks with their vehicles and units. order: that which sorts them by id. Raises DataError for an unknown
    track, one that is named twice, a unit that a vehicle has twice, and a vehicle that is named after a unit of
    another."""
    if not _there(ask, UNITS):
        return tracks
    vehicle, unit, named = tracks.vehicle.copy(), tracks.unit.copy(), set[int]()
    for tokens in ask(UNITS, f"SELECT track_token, vehicle_track_token, unit FROM {UNITS}"):
        row, leader = (_row(tracks, order, token) for token in tokens[:2])
        if row < 0 or leader < 0 or not isinstance(tokens[2], int) or not 0 <= tokens[2] < 256:
            shown = ", ".join(t.hex() if isinstance(t, bytes) else repr(t) for t in tokens)
            raise fault(UNITS, f"({shown}) is no unit of a track", "tokens of table track, and a unit from 0")
        if row in named:
            raise fault(UNITS, f"track {tokens[0].hex()} is named twice", "a row for each unit of a vehicle")
        named.add(row)
        vehicle[row], unit[row] = leader, tokens[2]
    _check_units(fault, tracks, vehicle, unit)
    return Tracks(tracks.id, tracks.kind, vehicle, unit, tracks.height_m)


def read_instructions(ask: Ask, fault: Fault) -> Instructions:
    """What the ego was told in the whole log. Raises DataError for what is no text or has no time."""
    if not _there(ask, TOLD):
        return NO_INSTRUCTIONS
    rows = ask(TOLD, f"SELECT timestamp, text FROM {TOLD} ORDER BY timestamp")
    for time, text in rows:
        if not isinstance(time, int) or not isinstance(text, str):
            raise fault(TOLD, f"({time!r}, {text!r}) is no instruction", "a time stamp in us, and a text")
    return Instructions(np.array([t for t, _ in rows], np.int64), tuple(text for _, text in rows))


def _check_units(fault: Fault, tracks: Tracks, vehicle: I64, unit: U8) -> None:
    """Raises DataError where vehicles are named after each other's units, or two units of one have one number."""
    lost = np.flatnonzero(vehicle[vehicle] != vehicle)
    if len(lost):
        row, leader = int(lost[0]), int(vehicle[lost[0]])
        what = f"track {tracks.id[row]:016x} is a unit of {tracks.id[leader]:016x}, which is one of another vehicle"
        raise fault(UNITS, what, "all units of a vehicle name the same track, and that names itself or nobody")
    order = np.lexsort((unit, vehicle))
    same = (np.diff(vehicle[order]) == 0) & (np.diff(unit[order]) == 0)
    if same.any():
        a, b = (int(order[int(same.argmax()) + k]) for k in (0, 1))
        what = f"tracks {tracks.id[a]:016x} and {tracks.id[b]:016x} are both unit {unit[a]} of one vehicle"
        raise fault(UNITS, what, "units of a vehicle are numbered from 0")


def _row(tracks: Tracks, order: I64, token: Any) -> int:
    """Row of a track, or -1."""
    if not isinstance(token, bytes) or len(token) != 8 or not len(tracks):
        return -1
    wanted = np.uint64(int.from_bytes(token, "big"))
    row = int(order[min(int(np.searchsorted(tracks.id, wanted, sorter=order)), len(order) - 1)])
    return row if tracks.id[row] == wanted else -1


def _there(ask: Ask, table: str) -> bool:
    return bool(ask("sqlite_master", "SELECT 1 FROM sqlite_master WHERE name = ?", (table,)))


def _fill(db: sqlite3.Connection, table: str, rows: Iterable[Sequence[Any]]) -> None:
    db.execute(f"CREATE TABLE {table} ({_SCHEMA[table]})")
    db.executemany(f"INSERT INTO {table} VALUES (?, ?{'' if table == TOLD else ', ?'})", rows)
