"""Writes a drive as a nuPlan log database that the reference devkit opens."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.map import MapData
from roadcraft.core.data.scenario import Drive, Ego, ObjectKind
from roadcraft.core.errors import DataError
from roadcraft.scenario_io.nuplan import calibration, schema
from roadcraft.scenario_io.nuplan.database import new_database
from roadcraft.scenario_io.nuplan.rotation import quaternion_of
from roadcraft.scenario_io.nuplan.tokens import blobs, fresh
from roadcraft.scenario_io.nuplan.trailers import write_trailers


def write_drive(drive: Drive, map: MapData, path: str | Path) -> Path:
    """Write ``drive`` (driven on ``map``) as the log database ``path``, whole or not at all; an existing file is
    replaced.

    Reading it back gives an equal Drive, except what the format has no place for: steering, yaw rate and its derivative
    of the ego (read as 0), velocities of static kinds (0), and the order of kinds within a frame (objects come back
    sorted by kind). Joints, the units of vehicles, instructions and the state of load are in tables of our own
    (``trailers``). The file's name should be ``<drive.name>.db``: the reference takes the log's name from it. Raises
    DataError for a drive that the format cannot hold (not 20 Hz, fewer than 5 scenes, NaN, repeated tokens),
    DiskError when the disk is full.
    """
    path = Path(path)
    _check(drive, map, path)
    with new_database(path) as db:
        for table in schema.TABLES:
            db.execute(schema.create(table))
        for table, rows in _rows(drive, map.epsg):
            _insert(db, table, rows)
        _insert_extra(db, drive)
        write_trailers(db, drive, blobs(drive.token), blobs(drive.tracks.id))
        for table, column in schema.INDICES:
            db.execute(f"CREATE INDEX ix_{table}_{column} ON {table} ({column})")
    return path


def _insert(db: sqlite3.Connection, table: str, rows: Iterable[Sequence[Any]]) -> None:
    width = schema.TABLES[table].count(",") + 1
    db.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * width)})", rows)


def _insert_extra(db: sqlite3.Connection, drive: Drive) -> None:
    db.execute(f"CREATE TABLE {schema.EXTRA} (key TEXT PRIMARY KEY, value TEXT)")
    extra = {"source": drive.source, "licence": drive.licence, "vehicle": drive.vehicle}
    if drive.load:
        extra["load"] = drive.load
    db.executemany(f"INSERT INTO {schema.EXTRA} VALUES (?, ?)", extra.items())


def _check(drive: Drive, map: MapData, path: Path) -> None:
    def require(ok: object, what: str, remedy: str = "") -> None:
        if not ok:
            raise DataError(what, where=f"{path}: drive {drive.name}", remedy=remedy)

    scenes = len(set(drive.scenes.names))
    require(drive.map_name == map.name, f"the drive is on map {drive.map_name!r}, not on {map.name!r}")
    require(
        drive.interval_us == schema.INTERVAL_US, f"interval {drive.interval_us} us", "nuPlan logs are 20 Hz: 50000 us"
    )
    require(
        scenes >= schema.MIN_SCENES, f"{scenes} scenes", "at least 5: the first two and last two never give scenarios"
    )
    require(len(drive.scenes) and drive.scenes.first[0] == 0, "the first scene does not start at frame 0")
    require(np.all(np.diff(drive.time_us) > 0), "time stamps do not increase")
    require(len(np.unique(drive.token)) == len(drive), "frame tokens are not unique")
    require(len(np.unique(drive.tracks.id)) == len(drive.tracks), "track ids are not unique")
    goals = drive.scenes.goal[drive.scenes.has_goal]
    for name, values in (
        ("ego", drive.ego),
        ("joints", drive.joints),
        ("goal", goals),
        ("box", drive.objects.box),
        ("velocity", drive.objects.velocity),
    ):
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        require(not len(bad), f"{name} row {bad[:1]} is not finite")
    headings = np.concatenate([drive.ego[:, Ego.HEADING], goals[:, 2]])
    require(np.all(np.abs(headings) <= np.pi), "a heading of ego or goal lies outside [-pi, pi]", "wrap it")


def _rows(drive: Drive, epsg: int) -> Iterator[tuple[str, Iterable[Sequence[Any]]]]:
    """The rows of every table, in an order that keeps the drive's own orders."""
    (log,), (lidar,) = fresh(drive.name, "log", 1), fresh(drive.name, "lidar", 1)
    start = datetime.fromtimestamp(int(drive.time_us[0]) / 1e6, UTC)
    date = start.strftime("%Y-%m-%d")
    yield "log", [(log, drive.vehicle, date, int(drive.time_us[0]), drive.name, drive.map_name, drive.map_name)]
    yield "lidar", [(lidar, log, schema.LIDAR_CHANNEL, drive.source, *_mounting(calibration.LIDAR_TRANSLATION))]
    yield "camera", _cameras(drive.name, log)
    frames = blobs(drive.token)
    poses = fresh(drive.name, "ego_pose", len(drive) + len(drive.scenes))
    yield "ego_pose", _poses(drive, poses, epsg, log)
    names, scenes = _scenes(drive, poses[len(drive) :], log)
    yield "scene", scenes
    yield "lidar_pc", _frames(drive, frames, poses, lidar, names)
    categories = fresh(drive.name, "category", len(schema.CATEGORIES))
    yield "category", [(t, name, name) for t, name in zip(categories, schema.CATEGORIES, strict=True)]
    tracks = blobs(drive.tracks.id)
    yield "track", _tracks(drive, tracks, dict(zip(schema.CATEGORIES.values(), categories, strict=True)))
    yield "lidar_box", _boxes(drive, frames, tracks)
    tags = fresh(drive.name, "scenario_tag", len(drive.tag_frame))
    yield (
        "scenario_tag",
        (
            (t, frames[f], drive.tag_names[k], None)
            for t, f, k in zip(tags, drive.tag_frame.tolist(), drive.tag_type.tolist(), strict=True)
        ),
    )
    lights = fresh(drive.name, "traffic_light_status", len(drive.lights.lane))
    yield (
        "traffic_light_status",
        (
            (t, frames[f], lane, schema.STATUS[state])
            for t, f, lane, state in zip(
                lights,
                _frame_of(drive.lights.offsets).tolist(),
                drive.lights.lane.tolist(),
                drive.lights.state.tolist(),
                strict=True,
            )
        ),
    )


def _mounting(translation: Sequence[float], rotation: Sequence[float] = (1.0, 0.0, 0.0, 0.0)) -> tuple[bytes, bytes]:
    return calibration.pickled(translation), calibration.pickled(rotation)


def _cameras(name: str, log: bytes) -> Iterator[Sequence[Any]]:
    intrinsic, distortion = calibration.pickled(calibration.INTRINSIC), calibration.pickled(calibration.DISTORTION)
    tokens = fresh(name, "camera", len(calibration.CAMERAS))
    for token, (channel, at, look) in zip(tokens, calibration.CAMERAS, strict=True):
        yield (token, log, channel, "nominal", *_mounting(at, look), intrinsic, distortion, *calibration.IMAGE_SIZE)


def _poses(drive: Drive, tokens: list[bytes], epsg: int, log: bytes) -> Iterator[Sequence[Any]]:
    """One row per frame, then the goals of the scenes that have one."""
    ego = drive.ego.tolist()
    for token, time, e in zip(tokens, drive.time_us.tolist(), ego, strict=False):
        yield _pose(token, time, e, epsg, log)
    last = np.append(drive.scenes.first[1:], len(drive)) - 1
    for s in np.flatnonzero(drive.scenes.has_goal).tolist():
        goal = [*drive.scenes.goal[s].tolist(), *([0.0] * 7)]
        yield _pose(tokens[len(drive) + s], int(drive.time_us[last[s]]), goal, epsg, log)


def _pose(token: bytes, time: int, e: Sequence[float], epsg: int, log: bytes) -> Sequence[Any]:
    q = quaternion_of(e[Ego.HEADING])
    motion = (e[Ego.VX], e[Ego.VY], 0.0, e[Ego.AX], e[Ego.AY], 0.0, 0.0, 0.0, e[Ego.YAW_RATE])
    return (token, time, e[Ego.X], e[Ego.Y], 0.0, *q, *motion, epsg, log)


def _scenes(drive: Drive, goals: list[bytes], log: bytes) -> tuple[list[bytes], list[Sequence[Any]]]:
    """The token of each of the drive's scenes, and the rows of the scene table: one per name."""
    token_of: dict[str, bytes] = {}
    rows: list[Sequence[Any]] = []
    fresh_tokens = fresh(drive.name, "scene", len(drive.scenes))
    for s, name in enumerate(drive.scenes.names):
        if name not in token_of:
            token_of[name] = fresh_tokens[s]
            goal = goals[s] if drive.scenes.has_goal[s] else None
            rows.append((token_of[name], log, name, goal, " ".join(map(str, drive.scenes.route[s].tolist()))))
    return [token_of[name] for name in drive.scenes.names], rows


def _frames(
    drive: Drive, frames: list[bytes], poses: list[bytes], lidar: bytes, scenes: list[bytes]
) -> Iterator[Sequence[Any]]:
    after, before = [*frames[1:], None], [None, *frames[:-1]]
    scene = (np.searchsorted(drive.scenes.first, np.arange(len(drive)), side="right") - 1).tolist()
    for i, (token, time) in enumerate(zip(frames, drive.time_us.tolist(), strict=True)):
        file = f"{drive.name}/{schema.LIDAR_CHANNEL}/{token.hex()}.pcd"
        yield (token, after[i], before[i], poses[i], lidar, scenes[scene[i]], file, time)


def _tracks(drive: Drive, tokens: list[bytes], categories: dict[ObjectKind, bytes]) -> Iterator[Sequence[Any]]:
    """Width and length of a track are those of its first box (the reference reads the boxes')."""
    size: F64 = np.zeros((len(drive.tracks), 2))
    size[drive.objects.track[::-1]] = drive.objects.box[::-1, 3:]
    kinds, heights = drive.tracks.kind.tolist(), drive.tracks.height_m.tolist()
    for token, kind, (length, width), height in zip(tokens, kinds, size.tolist(), heights, strict=True):
        yield (token, categories[ObjectKind(kind)], width, length, height)


def _boxes(drive: Drive, frames: list[bytes], tracks: list[bytes]) -> Iterator[Sequence[Any]]:
    o = drive.objects
    tokens = fresh(drive.name, "lidar_box", len(o.track))
    after, before = _chain(o.track, tokens)
    height = drive.tracks.height_m[o.track]
    columns = (_frame_of(o.offsets), o.track, height, *o.box.T, *o.velocity.T)
    rows = zip(tokens, after, before, *(c.tolist() for c in columns), strict=True)
    for token, nxt, prev, f, track, h, x, y, yaw, length, width, vx, vy in rows:
        yield (
            token, frames[f], tracks[track], nxt, prev, x, y, 0.5 * h, width, length, h, vx, vy, 0.0, yaw, 1.0,
        )  # fmt: skip


def _chain(track: I64, tokens: list[bytes]) -> tuple[list[bytes | None], list[bytes | None]]:
    """Next and previous box of the same track, for rows in frame order."""
    order = np.argsort(track, kind="stable")
    same = np.flatnonzero(track[order[:-1]] == track[order[1:]])
    after: list[bytes | None] = [None] * len(tokens)
    before: list[bytes | None] = [None] * len(tokens)
    for a, b in zip(order[same].tolist(), order[same + 1].tolist(), strict=True):
        after[a], before[b] = tokens[b], tokens[a]
    return after, before


def _frame_of(offsets: I64) -> I64:
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
