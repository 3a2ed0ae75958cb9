"""Reads a nuPlan log database, whole or a window of it, with one query per table (reference: nuplan-devkit e924167,
database/nuplan_db)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64, Ragged
from roadcraft.core.data.scenario import (
    EGO_SIZE,
    LAST_MOVING,
    Drive,
    Ego,
    LightFrames,
    LightState,
    ObjectFrames,
    ObjectKind,
    Scenes,
    Tracks,
)
from roadcraft.core.errors import DataError
from roadcraft.scenario_io.faults import mended, sound_poses
from roadcraft.scenario_io.nuplan import schema
from roadcraft.scenario_io.nuplan.log_tables import LogTables, hex_of
from roadcraft.scenario_io.nuplan.rotation import yaw_of
from roadcraft.scenario_io.nuplan.trailers import read_instructions, read_joints, read_units

_JITTER = 0.1  # of the nominal time between frames
_MOST_FRAMES = 10  # in an iteration: more is a log in another unit of time
FOREVER = (-(2**62), 2**62)
_FRAMES = """
    SELECT p.timestamp, p.token, p.scene_token, e.x, e.y, e.qw, e.qx, e.qy, e.qz, e.vx, e.vy,
        e.acceleration_x, e.acceleration_y
    FROM lidar_pc AS p LEFT JOIN ego_pose AS e ON e.token = p.ego_pose_token
    WHERE p.timestamp >= ? AND p.timestamp <= ? AND p.lidar_token = ? ORDER BY p.timestamp"""
_BOXES = """
    SELECT p.timestamp, b.track_token, b.rowid, b.x, b.y, b.yaw, b.length, b.width, b.vx, b.vy
    FROM lidar_pc AS p JOIN lidar_box AS b ON b.lidar_pc_token = p.token
    WHERE p.timestamp >= ? AND p.timestamp <= ? AND p.lidar_token = ?"""
_LIGHTS = """
    SELECT p.timestamp, t.lane_connector_id, t.status, t.rowid
    FROM lidar_pc AS p JOIN traffic_light_status AS t ON t.lidar_pc_token = p.token
    WHERE p.timestamp >= ? AND p.timestamp <= ? AND p.lidar_token = ?"""
_TAGS = """
    SELECT p.timestamp, s.type FROM lidar_pc AS p JOIN scenario_tag AS s ON s.lidar_pc_token = p.token
    WHERE p.timestamp >= ? AND p.timestamp <= ? AND p.lidar_token = ? AND s.type IS NOT NULL"""
_LOG = """
    SELECT l.map_version, d.token FROM lidar AS d JOIN log AS l ON l.token = d.log_token WHERE d.channel = ?"""
_SCENES = """
    SELECT s.token, s.name, s.roadblock_ids, e.x, e.y, e.qw, e.qx, e.qy, e.qz
    FROM scene AS s LEFT JOIN ego_pose AS e ON e.token = s.goal_ego_pose_token"""
_TRACKS = (
    "SELECT t.token, c.name, t.height FROM track AS t LEFT JOIN category AS c ON c.token = t.category_token ORDER BY "
    "t.rowid"
)


@dataclass(frozen=True)
class SceneRow:
    """A row of table ``scene``: route are ids of road blocks, goal x, y, heading or None."""

    name: str
    route: tuple[int, ...]
    goal: tuple[float, float, float] | None


@dataclass(frozen=True)
class FrameRow:
    """A frame of a valid scene: time, token, the scene's row, and the sorted tags."""

    time_us: int
    token: str
    scene: SceneRow
    tags: tuple[str, ...]


class LogReader:
    """One log database, opened for reading. Every fault of the file is a DataError that names file, table and token.

    What holds for the whole log (tracks, scenes, names) is read once, on first use; ``drive`` reads a window or all of
    it.
    """

    def __init__(self, path: Path, licence: str) -> None:
        self.path, self.name, self._licence = path, path.name.removesuffix(".db"), licence
        self.repairs: list[DataError] = []  # what was left out when the whole log was read
        self._tables = LogTables(path)

    def close(self) -> None:
        self._tables.close()

    # ---- what holds for the whole log ------------------------------------------------

    @cached_property
    def extra(self) -> dict[str, str]:
        """What a log that we wrote says of itself: source, licence, vehicle, load."""
        known = {"source": "nuplan", "licence": self._licence, "vehicle": "pacifica", "load": ""}
        if self._tables.rows("sqlite_master", "SELECT 1 FROM sqlite_master WHERE name = ?", (schema.EXTRA,)):
            known.update(
                (str(k), str(v)) for k, v in self._tables.rows(schema.EXTRA, f"SELECT key, value FROM {schema.EXTRA}")
            )
        return known

    @cached_property
    def _head(self) -> tuple[str, bytes]:
        rows = self._tables.rows("log", _LOG, (schema.LIDAR_CHANNEL,))
        if len(rows) != 1:
            raise self._tables.fault(
                "lidar", f"{len(rows)} lidars of channel {schema.LIDAR_CHANNEL} with a log", "exactly one is expected"
            )
        name, token = rows[0]
        if not isinstance(name, str) or not name:
            raise self._tables.fault("log", f"map_version is {name!r}", "a location such as us-ma-boston is expected")
        return name.removesuffix(".gpkg"), token

    @property
    def map_name(self) -> str:
        return self._head[0]

    @cached_property
    def scenes(self) -> dict[bytes, SceneRow]:
        """Rows of table scene by token, in row order."""
        out: dict[bytes, SceneRow] = {}
        for token, name, blocks, x, y, *q in self._tables.rows("scene", _SCENES):
            where = f"scene, token {hex_of(token)}"
            try:
                route = tuple(int(i) for i in str(blocks or "").split(" ") if i)
                goal = None if x is None else (float(x), float(y), yaw_of(*(float(v) for v in q)))
            except (TypeError, ValueError) as e:
                raise self._tables.fault(where, f"roadblock_ids or goal: {e}") from e
            if goal is not None and not np.isfinite(goal).all():
                raise self._tables.fault(where, "the goal is not finite")
            if any(abs(i) >= 2**62 for i in route):
                raise self._tables.fault(where, f"roadblock_ids {str(blocks)[:60]!r} are no ids")
            if token in out:
                raise self._tables.fault(where, "the token is not unique")
            out[token] = SceneRow(str(name), route, goal)
        return out

    @cached_property
    def valid_scenes(self) -> set[bytes]:
        """Scenes that give scenarios: by name in text order, without the first two and the last two."""
        by_name = sorted(self.scenes, key=lambda token: self.scenes[token].name.encode())
        if len(by_name) < schema.MIN_SCENES:
            raise self._tables.fault(
                "scene",
                f"the log is too short: {len(by_name)} scenes",
                "at least 5; the first two and last two give no scenarios",
            )
        return set(by_name[2:-2])

    @cached_property
    def _tracks(self) -> tuple[Tracks, list[str], NDArray[np.intp]]:
        """All rows of table track in row order, their category names, and the order that sorts them by token."""
        rows = self._tables.rows("track", _TRACKS)
        ids = self._tables.tokens("track", [r[0] for r in rows])
        order = np.argsort(ids)
        if (np.diff(ids[order].view(np.int64)) == 0).any():
            raise self._tables.fault("track", "tokens are not unique")
        names = [str(r[1]) for r in rows]
        # An unknown category is an error only where one of its boxes is met.
        kind = np.array([schema.CATEGORIES.get(n, ObjectKind.GENERIC_OBJECT) for n in names], np.uint8)
        height = self._tables.floats("track", "height", [r[2] for r in rows])
        n = len(rows)
        tracks = Tracks(ids, kind, np.arange(n), np.zeros(n, np.uint8), np.where(np.isfinite(height), height, 0.0))
        return read_units(self._tables.rows, self._tables.fault, tracks, order), names, order

    @cached_property
    def tag_names(self) -> tuple[str, ...]:
        rows = self._tables.rows("scenario_tag", "SELECT DISTINCT type FROM scenario_tag WHERE type IS NOT NULL")
        return tuple(sorted(str(r[0]) for r in rows))

    @cached_property
    def interval_us(self) -> int:
        """Nominal time between frames: the reference's 20 Hz, or what the log has where a whole number of frames fits
        into 0.1 s."""
        rows = self._tables.rows(
            "lidar_pc", "SELECT timestamp FROM lidar_pc WHERE lidar_token = ? ORDER BY timestamp", self._head[1:]
        )
        steps = np.diff([self._tables.time("lidar_pc", r[0]) for r in rows if r[0] is not None])
        if not len(steps):
            return schema.INTERVAL_US
        step = float(np.median(steps))
        if abs(step - schema.INTERVAL_US) < _JITTER * schema.INTERVAL_US:
            return schema.INTERVAL_US
        per_iteration = round(schema.ITERATION_US / max(step, 1.0))
        if (
            not 1 <= per_iteration <= _MOST_FRAMES
            or abs(step * per_iteration - schema.ITERATION_US) > _JITTER * schema.ITERATION_US
        ):
            what = f"the frames are {step * 1e-6:g} s apart"
            raise self._tables.fault(
                "lidar_pc",
                what,
                f"0.05 s, or 1 to {_MOST_FRAMES} frames in 0.1 s, is expected; time stamps are microseconds",
            )
        return schema.ITERATION_US // per_iteration

    @property
    def stride(self) -> int:
        """Frames from one iteration of a scenario to the next."""
        return schema.ITERATION_US // self.interval_us

    @cached_property
    def without_route(self) -> tuple[DataError, ...]:
        """Why valid scenes give no scenarios: those without a route."""
        lost = [self.scenes[t].name for t in self.scenes if t in self.valid_scenes and not self.scenes[t].route]
        remedy = "ids of road blocks, separated by blanks"
        return tuple(
            self._tables.fault(f"scene, {name}", "no route: roadblock_ids is empty", remedy) for name in sorted(lost)
        )

    @cached_property
    def poses(self) -> tuple[I64, F64]:
        """Times (F,) of the log's frames with a possible ego pose, and where the ego is (F, 2)."""
        columns = list(zip(*self._tables.rows("lidar_pc", _FRAMES, (*FOREVER, self._head[1])), strict=True))
        if not columns:
            return np.zeros(0, np.int64), np.zeros((0, 2))
        ego = self._ego(columns)
        good = sound_poses(ego)
        return self._times(columns[0], columns[1])[good], ego[good, :2]

    def frame_rows(self) -> list[FrameRow]:
        """The frames of valid scenes with a route and a possible ego pose, by time. Raises DataError where there is no
        such scene."""
        valid, (_, lidar) = {t for t in self.valid_scenes if self.scenes[t].route}, self._head
        if not valid:
            raise self.without_route[0]
        there = set(self.poses[0].tolist())
        tags: dict[int, set[str]] = {}
        for time, type in self._tables.rows("scenario_tag", _TAGS, (*FOREVER, lidar)):
            tags.setdefault(time, set()).add(str(type))
        query = "SELECT timestamp, token, scene_token FROM lidar_pc WHERE lidar_token = ? ORDER BY timestamp"
        return [
            FrameRow(time, hex_of(token), self.scenes[scene], tuple(sorted(tags.get(time, ()))))
            for time, token, scene in self._tables.rows("lidar_pc", query, (lidar,))
            if scene in valid and self._tables.time("lidar_pc", time) in there
        ]

    # ---- frames ----------------------------------------------------------------------

    def drive(self, window_us: tuple[int, int] = FOREVER) -> Drive:
        """The frames whose time lies in the inclusive window, without impossible ones and impossible boxes. Tracks are
        those of the whole log, so that rows agree between windows."""
        span = (*window_us, self._head[1])
        rows = self._tables.rows("lidar_pc", _FRAMES, span)
        if not rows:
            raise self._tables.fault(
                "lidar_pc", f"no frame of {schema.LIDAR_CHANNEL} in the window", "is the log empty?"
            )
        columns = list(zip(*rows, strict=True))
        time_us = self._times(columns[0], columns[1])
        token = self._tables.tokens("lidar_pc", columns[1])
        tag_frame, tag_type = self._tags(span, time_us)
        drive = Drive(
            name=self.name,
            map_name=self.map_name,
            **self.extra_fields,
            interval_us=self.interval_us,
            time_us=time_us,
            token=token,
            ego=self._ego(columns),
            joints=read_joints(self._tables.rows, self._tables.fault, span, time_us),
            tracks=self._tracks[0],
            objects=self._objects(span, time_us),
            lights=self._lights(span, time_us),
            scenes=self._scene_runs(columns[2]),
            tag_frame=tag_frame,
            tag_type=tag_type,
            tag_names=self.tag_names,
            instructions=read_instructions(self._tables.rows, self._tables.fault),
        )
        drive, repairs = mended(drive, str(self.path))
        if window_us == FOREVER:
            self.repairs = repairs
        return drive

    @property
    def extra_fields(self) -> dict[str, str]:
        return {key: self.extra[key] for key in ("source", "licence", "vehicle", "load")}

    def _times(self, values: Sequence[Any], tokens: Sequence[Any]) -> I64:
        time_us = np.array([self._tables.time("lidar_pc", v) for v in values], np.int64)
        late = np.flatnonzero(np.diff(time_us) <= 0)
        if len(late):
            where = f"lidar_pc, token {hex_of(tokens[late[0] + 1])}"
            raise self._tables.fault(
                where, f"time stamp {time_us[late[0]]} twice", "time stamps of one lidar are unique"
            )
        return time_us

    def _ego(self, columns: Sequence[Sequence[Any]]) -> F64:
        """Rear-axle states as the reference holds logged ones: steering, yaw rate and its derivative are 0. Not finite
        where the pose is missing, or its quaternion is no rotation."""
        x, y, qw, qx, qy, qz, vx, vy, ax, ay = (
            self._tables.floats("ego_pose", name, column)
            for name, column in zip(
                ("x", "y", "qw", "qx", "qy", "qz", "vx", "vy", "acceleration_x", "acceleration_y"),
                columns[3:],
                strict=True,
            )
        )
        ego = np.zeros((len(x), EGO_SIZE))
        ego[:, Ego.X], ego[:, Ego.Y] = x, y
        ego[:, Ego.VX], ego[:, Ego.VY], ego[:, Ego.AX], ego[:, Ego.AY] = vx, vy, ax, ay
        with np.errstate(over="ignore"):
            norm = np.sqrt(qw**2 + qx**2 + qy**2 + qz**2)
        ego[:, Ego.HEADING] = [yaw_of(*q) for q in zip(qw.tolist(), qx.tolist(), qy.tolist(), qz.tolist(), strict=True)]
        ego[~(np.abs(norm - 1) < 0.01), Ego.HEADING] = np.nan
        return ego

    def _objects(self, span: tuple[int, int, bytes], time_us: I64) -> ObjectFrames:
        """Boxes of the frames, each frame stably sorted by kind (reference: TrackedObjects sorts so), rows of one kind
        as in the database."""
        tracks, names, order = self._tracks
        rows = self._tables.rows("lidar_box", _BOXES, span)
        if not rows:
            return ObjectFrames(
                np.zeros(len(time_us) + 1, np.int64), np.zeros(0, np.int64), np.zeros((0, 5)), np.zeros((0, 2))
            )
        columns = list(zip(*rows, strict=True))
        frame = np.searchsorted(time_us, np.array(columns[0], np.int64))
        ids = self._tables.tokens("lidar_box.track_token", columns[1])
        found = np.minimum(np.searchsorted(tracks.id, ids, sorter=order), len(order) - 1) if len(order) else None
        if found is None or (tracks.id[order[found]] != ids).any():
            lost = ids[0] if found is None else ids[tracks.id[order[found]] != ids][0]
            raise self._tables.fault(f"lidar_box, track token {int(lost):016x}", "no such row in table track")
        track = order[found].astype(np.int64)
        # By row number explicitly: without an index SQLite may join in another order.
        by_kind = np.lexsort((np.array(columns[2], np.int64), tracks.kind[track], frame))
        values = np.stack([self._tables.floats("lidar_box", "box", c) for c in columns[3:]], axis=1)[by_kind]
        track, frame = track[by_kind], frame[by_kind]
        box, velocity = np.ascontiguousarray(values[:, :5]), np.ascontiguousarray(values[:, 5:])
        velocity[tracks.kind[track] > LAST_MOVING] = 0.0
        self._check_kinds(track, names)
        offsets = np.searchsorted(frame, np.arange(len(time_us) + 1)).astype(np.int64)
        return ObjectFrames(offsets, track, box, velocity)

    def _check_kinds(self, track: I64, names: list[str]) -> None:
        unknown = np.array([n not in schema.CATEGORIES for n in names])
        if unknown.any() and unknown[track].any():
            row = int(track[unknown[track]][0])
            where = f"track, token {int(self._tracks[0].id[row]):016x}"
            raise self._tables.fault(
                where, f"unknown category {names[row]!r}", f"known: {', '.join(schema.CATEGORIES)}"
            )

    def _lights(self, span: tuple[int, int, bytes], time_us: I64) -> LightFrames:
        rows = self._tables.rows("traffic_light_status", _LIGHTS, span)
        if not rows:
            return LightFrames(np.zeros(len(time_us) + 1, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint8))
        times, lanes, status, number = zip(*rows, strict=True)
        frame = np.searchsorted(time_us, np.array(times, np.int64))
        order = np.lexsort((np.array(number, np.int64), frame))
        try:
            lane = np.array(lanes, np.int64)[order]
        except (TypeError, ValueError, OverflowError) as e:
            raise self._tables.fault("traffic_light_status", f"lane_connector_id: {e}") from e
        state = np.array([schema.LIGHTS.get(s, LightState.UNKNOWN) for s in status], np.uint8)[order]
        return LightFrames(np.searchsorted(frame[order], np.arange(len(time_us) + 1)).astype(np.int64), lane, state)

    def _scene_runs(self, tokens: Sequence[Any]) -> Scenes:
        """Runs of frames of one scene; frames without a known scene form runs without name, route and goal."""
        starts = [0, *(i for i in range(1, len(tokens)) if tokens[i] != tokens[i - 1])]
        nothing = SceneRow("", (), None)
        scenes = [self.scenes.get(tokens[i], nothing) for i in starts]
        return Scenes(
            first=np.array(starts, np.int64),
            route=Ragged.build([s.route for s in scenes]),
            goal=np.array([s.goal or (0.0, 0.0, 0.0) for s in scenes]),
            has_goal=np.array([s.goal is not None for s in scenes]),
            names=tuple(s.name for s in scenes),
        )

    def _tags(self, span: tuple[int, int, bytes], time_us: I64) -> tuple[I64, I64]:
        """Frame and tag of each tagged frame, ascending; a tag that several objects of one frame share counts once."""
        number = {name: i for i, name in enumerate(self.tag_names)}
        pairs = sorted({(t, number[str(s)]) for t, s in self._tables.rows("scenario_tag", _TAGS, span)})
        frame = np.searchsorted(time_us, np.array([t for t, _ in pairs], np.int64)).astype(np.int64)
        return frame, np.array([s for _, s in pairs], np.int64)
