"""A source that reads tables: one CSV file per log, and ``lanes.json`` beside them.

A row of a log is one object at one time: time_s, id, kind (a name of ``ObjectKind``), x, y, heading, length,
width, vx, vy in one metric frame; the ego has the id ``ego``. ``lanes.json`` is a list of lanes: id, points,
width, limit_mps, next.
"""

import csv
import json
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

import numpy as np

from roadcraft.core import (
    EGO_SIZE,
    F64,
    AreaKind,
    Areas,
    DataError,
    Drive,
    Ego,
    LaneKind,
    Lanes,
    LightFrames,
    Lines,
    MapData,
    ObjectFrames,
    ObjectKind,
    Polygons,
    Polylines,
    Ragged,
    RoadBlocks,
    ScenarioRow,
    ScenarioSource,
    Scenes,
    Tracks,
)

from __PACKAGE__.plugin import __CLASS__Config

LICENCE = "CC0-1.0"  # of the data: the index, checkpoints and reports repeat it
BOX, VELOCITY = ("x", "y", "heading", "length", "width"), ("vx", "vy")


class __CLASS__(ScenarioSource):
    name = "__NAME__"

    def __init__(self, config: __CLASS__Config) -> None:
        self.config, self.folder = config, Path(config.path)

    def logs(self) -> list[str]:
        return sorted(p.stem for p in self.folder.glob("*.csv"))

    def rows(self, log: str) -> list[ScenarioRow]:
        """A scenario every ``length_s``, each as long as that."""
        drive, window_us = self.drive(log), round(self.config.length_s * 1e6)
        starts = range(int(drive.time_us[0]), int(drive.time_us[-1]) - window_us + 1, window_us)
        return [
            ScenarioRow(
                token=f"{drive.token[np.searchsorted(drive.time_us, first)]:016x}", tags=("unknown",), log=log,
                split="all", map_name=drive.map_name, source=self.name, licence=LICENCE, anchor_us=first,
                interval_us=drive.interval_us, stride=1, has_goal=False, first_us=first,
                last_us=first + window_us,
            )
            for first in starts
        ]  # fmt: skip

    def drive(self, log: str) -> Drive:
        path = self.folder / f"{log}.csv"
        with path.open(newline="") as file:
            table = list(csv.DictReader(file))
        time_s = np.unique([float(r["time_s"]) for r in table])
        frame = {t: i for i, t in enumerate(time_s.tolist())}
        ego = self._ego(time_s, [r for r in table if r["id"] == "ego"], path)
        others = sorted((r for r in table if r["id"] != "ego"), key=lambda r: float(r["time_s"]))
        names = list(dict.fromkeys(r["id"] for r in others))
        kinds = {r["id"]: ObjectKind[r["kind"]] for r in others}
        frames = np.array([frame[float(r["time_s"])] for r in others], np.int64)
        return Drive(
            name=log, map_name=self._map.name, source=self.name, licence=LICENCE, vehicle=self.config.vehicle,
            interval_us=round(float(np.median(np.diff(time_s))) * 1e6),
            time_us=(time_s * 1e6).round().astype(np.int64),
            token=np.array([_number(f"{log} {i}") for i in range(len(time_s))], np.uint64), ego=ego,
            joints=np.zeros((len(time_s), 0)),
            tracks=Tracks(
                id=np.array([_number(n) for n in names], np.uint64),
                kind=np.array([kinds[n] for n in names], np.uint8), vehicle=np.arange(len(names)),
                unit=np.zeros(len(names), np.uint8), height_m=np.full(len(names), 1.6),
            ),
            objects=ObjectFrames(
                offsets=np.searchsorted(frames, np.arange(len(time_s) + 1)),
                track=np.array([names.index(r["id"]) for r in others], np.int64),
                box=np.array([[float(r[c]) for c in BOX] for r in others]).reshape(-1, 5),
                velocity=np.array([[float(r[c]) for c in VELOCITY] for r in others]).reshape(-1, 2),
            ),
            lights=LightFrames(
                np.zeros(len(time_s) + 1, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint8)
            ),
            scenes=Scenes(
                np.zeros(1, np.int64), Ragged.build([[]]), np.zeros((1, 3)), np.zeros(1, np.bool_), (log,)
            ),
            tag_frame=np.zeros(0, np.int64), tag_type=np.zeros(0, np.int64), tag_names=(),
        )  # fmt: skip

    def map(self, log: str) -> MapData:
        return self._map

    def _ego(self, time_s: F64, rows: list[dict[str, str]], path: Path) -> F64:
        """Ego states (F, 10): the rear axle's pose, velocity and acceleration along the body."""
        if [float(r["time_s"]) for r in rows] != time_s.tolist():
            raise DataError(
                "the ego is not seen once at each time", where=str(path), remedy="a row with id ego per time"
            )
        x, y, heading, vx, vy = (np.array([float(r[c]) for r in rows]) for c in ("x", "y", "heading", *VELOCITY))
        ego = np.zeros((len(rows), EGO_SIZE))
        ego[:, Ego.X], ego[:, Ego.Y], ego[:, Ego.HEADING] = x, y, heading
        ego[:, Ego.VX] = vx * np.cos(heading) + vy * np.sin(heading)
        ego[:, Ego.AX] = np.gradient(ego[:, Ego.VX], time_s)
        ego[:, Ego.YAW_RATE] = np.gradient(np.unwrap(heading), time_s)
        return ego

    @cached_property
    def _map(self) -> MapData:
        """Lanes from their center lines; each is a road block and a piece of drivable area of its own."""
        lanes = json.loads((self.folder / "lanes.json").read_text())
        row = {lane["id"]: i for i, lane in enumerate(lanes)}
        ids, count = np.array(list(row), np.int64), len(lanes)
        center = [np.array(lane["points"], np.float64) for lane in lanes]
        left, right = (
            [_beside(c, side * lane["width"]) for c, lane in zip(center, lanes)] for side in (0.5, -0.5)
        )
        surface = Polygons.build([[np.concatenate([a, b[::-1], a[:1]])] for a, b in zip(left, right)])
        after = [[row[n] for n in lane["next"]] for lane in lanes]
        before = [[i for i, n in enumerate(after) if k in n] for k in range(count)]
        own, none, kind = (
            Ragged.build([[i] for i in range(count)]),
            np.full(count, -1),
            np.full(count, LaneKind.LANE, np.uint8),
        )
        return MapData(
            name=self.folder.name, version="1", source=self.name, licence=LICENCE, epsg=0,
            lanes=Lanes(
                id=ids, kind=kind, block=np.arange(count), lane_index=np.zeros(count, np.int64),
                speed_limit_mps=np.array([lane["limit_mps"] for lane in lanes]),
                has_speed_limit=np.ones(count, np.bool_), has_light=np.zeros(count, np.bool_),
                polygons=surface, centerlines=Polylines.build(center),
                left=Polylines.build(left), right=Polylines.build(right), successors=Ragged.build(after),
                predecessors=Ragged.build(before), stops=Ragged.build([[]] * count), left_line=none,
                right_line=none,
            ),
            blocks=RoadBlocks(
                id=ids, kind=kind, polygons=surface, lanes=own, successors=Ragged.build(after),
                predecessors=Ragged.build(before), intersection=none,
            ),
            areas=Areas(ids, np.full(count, AreaKind.ROAD_SEGMENT, np.uint8), np.zeros(count, np.int64), surface),
            lines=Lines(np.zeros(0, np.int64), np.zeros(0, np.uint8), np.zeros(0, np.int64), Polylines.build([])),
        )  # fmt: skip


def _beside(line: F64, left_m: float) -> F64:
    """The line (P, 2) moved to its left."""
    along = np.gradient(line, axis=0)
    moved: F64 = line + left_m * np.stack([-along[:, 1], along[:, 0]], 1) / np.hypot(*along.T)[:, None]
    return moved


def _number(text: str) -> int:
    """A number of 64 bits that stands for a text."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")
