"""What both data sets share: tracks and boxes as a Drive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64, U8, Ragged, offsets_of
from roadcraft.core.data.scenario import (
    LAST_MOVING,
    Drive,
    Ego,
    LightFrames,
    ObjectFrames,
    Scenes,
    Tracks,
)
from roadcraft.scenario_io.argoverse2.config import LICENCE

INTERVAL_US = 100_000


@dataclass(frozen=True)
class Boxes:
    """R boxes of a log."""

    frame: I64
    """(R,) int64: frame of the drive."""
    track: I64
    """(R,) int64: row of the names below."""
    box: F64
    """(R, 5) center x, y, heading, length, width; the city's frame."""
    velocity: F64
    """(R, 2) m/s, the city's frame."""
    names: tuple[str, ...]
    """(N) track ids as text."""
    kind: U8
    """(N,) uint8 ``ObjectKind``."""
    height_m: F64
    """(N,)."""
    vehicle: I64
    """(N,) int64: row of the unit that leads the vehicle."""
    unit: U8
    """(N,) uint8."""


@dataclass(frozen=True)
class LogRecord:
    """A log as its files have it; lights are unknown, and the goal is where it ends."""

    name: str
    """Name of the log."""
    source: str
    """The data set."""
    vehicle: str
    """Name of the ego's vehicle file."""
    time_us: I64
    """(F,) int64."""
    ego: F64
    """(F, 10) ``Ego``."""
    boxes: Boxes
    """Everybody else."""
    route: I64
    """(R,) ids of road blocks."""
    anchor: int
    """Frame at which the scenario begins, which bears the tags."""
    tags: Sequence[str]
    """Its tags."""


def drive_of(log: LogRecord) -> Drive:
    """The drive of a log."""
    frames, name = len(log.time_us), log.name
    tracks, objects = _objects(log.boxes, frames)
    goal = log.ego[-1:, : Ego.HEADING + 1].copy()
    return Drive(
        name=name,
        map_name=f"av2_{name}",
        source=log.source,
        licence=LICENCE,
        vehicle=log.vehicle,
        interval_us=INTERVAL_US,
        time_us=log.time_us,
        token=frame_tokens(name, frames),
        ego=log.ego,
        joints=np.zeros((frames, 0)),
        tracks=tracks,
        objects=objects,
        lights=LightFrames(np.zeros(frames + 1, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint8)),
        scenes=Scenes(np.zeros(1, np.int64), Ragged.build([log.route]), goal, np.ones(1, np.bool_), (name,)),
        tag_frame=np.full(len(log.tags), log.anchor, np.int64),
        tag_type=np.arange(len(log.tags)),
        tag_names=tuple(log.tags),
    )


def frame_tokens(name: str, frames: int) -> NDArray[np.uint64]:
    """A token per frame (F,) uint64, from the log's name and the frame's number."""
    return np.array([hashed(f"{name}:{i}") for i in range(frames)], np.uint64)


def hashed(text: str) -> int:
    """64 bits that stand for a text."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def _objects(boxes: Boxes, frames: int) -> tuple[Tracks, ObjectFrames]:
    """Tracks in order of first appearance, then of their names; the rows of a frame keep that order."""
    count = len(boxes.names)
    first = np.full(count, frames, np.int64)
    np.minimum.at(first, boxes.track, boxes.frame)
    order = np.argsort(first, kind="stable")[: int((first < frames).sum())]
    place = np.full(count, -1, np.int64)
    place[order] = np.arange(len(order))
    leader = place[boxes.vehicle[order]]
    lone = leader < 0  # whose leader is seen in no frame leads itself
    leader[lone] = np.flatnonzero(lone)
    tracks = Tracks(
        np.array([hashed(boxes.names[i]) for i in order], np.uint64).reshape(-1),
        boxes.kind[order],
        leader,
        np.where(lone, 0, boxes.unit[order]).astype(np.uint8),
        boxes.height_m[order],
    )
    rows = np.lexsort((place[boxes.track], boxes.frame))
    track = place[boxes.track[rows]]
    moving = (tracks.kind[track] <= LAST_MOVING)[:, None]
    offsets = offsets_of(np.bincount(boxes.frame, minlength=frames))
    velocity = np.where(moving, boxes.velocity[rows], 0.0)
    return tracks, ObjectFrames(offsets, track, np.ascontiguousarray(boxes.box[rows]), velocity)
