"""What was driven: a continuous log segment (``Drive``) and the window of it that is simulated or trained on
(``Scenario``)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np

from roadcraft.core.arrays import F64, I64, U8, U64, Mask, Ragged, read_only
from roadcraft.core.data.frame_rows import FrameRows
from roadcraft.core.data.instructions import NO_INSTRUCTIONS, Instructions
from roadcraft.core.data.layers import NO_LAYERS, RasterLayers
from roadcraft.core.data.map import MapData


class Ego(IntEnum):
    """Columns of an ego state (..., 10). The pose is that of the rear axle (of unit 0) in the global frame; velocity
    and acceleration are those of the rear axle in the body frame (x forward, y left).
    """

    X = 0
    """m, global frame."""
    Y = 1
    """m, global frame."""
    HEADING = 2
    """rad, global frame, counterclockwise from x."""
    VX = 3
    """m/s, forward."""
    VY = 4
    """m/s, to the left."""
    AX = 5
    """m/s2, forward."""
    AY = 6
    """m/s2, to the left."""
    STEERING = 7
    """rad, angle of the tires, positive to the left."""
    YAW_RATE = 8
    """rad/s."""
    YAW_ACCEL = 9
    """rad/s2."""


EGO_SIZE = len(Ego)
"""Columns of an ego state."""


class ObjectKind(IntEnum):
    """Kinds of tracked objects. The first three move (``kind <= LAST_MOVING``); the others are static and have no
    velocity."""

    VEHICLE = 0
    """Vehicles of four or more wheels, and trailers."""
    PEDESTRIAN = 1
    """People on foot."""
    BICYCLE = 2
    """Bicycles, motorcycles and tricycles."""
    TRAFFIC_CONE = 3
    """Traffic cones."""
    BARRIER = 4
    """Barriers."""
    CZONE_SIGN = 5
    """Temporary signs of construction zones."""
    GENERIC_OBJECT = 6
    """Debris, animals, poles and whatever else stands."""


LAST_MOVING = int(ObjectKind.BICYCLE)
"""The last kind that moves."""


class LightState(IntEnum):
    """States of a traffic light."""

    GREEN = 0
    """Go."""
    YELLOW = 1
    """About to turn red."""
    RED = 2
    """Stop."""
    UNKNOWN = 3
    """The log does not say."""


@dataclass(frozen=True)
class Tracks:
    """N tracked rigid units, in order of first appearance."""

    id: U64
    """(N,) uint64: the source's track token (nuPlan: the 8-byte token, big-endian; ``f"{id:016x}"`` is its text)."""
    kind: U8
    """(N,) uint8 ``ObjectKind``."""
    vehicle: I64
    """(N,) int64: equal for the units of one vehicle (a tractor and its trailers), by default the row itself."""
    unit: U8
    """(N,) uint8: 0 for the towing unit or a lone vehicle."""
    height_m: F64
    """(N,) float64."""

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True)
class ObjectFrames(FrameRows):
    """Objects of F frames, in the source's row order."""

    track: I64
    """(R,) int64: row of ``Tracks``."""
    box: F64
    """(R, 5) float64: center x, y, heading, length, width; global frame."""
    velocity: F64
    """(R, 2) float64: global frame, 0 for static kinds."""


@dataclass(frozen=True)
class LightFrames(FrameRows):
    """Traffic lights of F frames."""

    lane: I64
    """(R,) int64 **id** of the governed lane connector."""
    state: U8
    """(R,) uint8 ``LightState``."""


@dataclass(frozen=True)
class Scenes:
    """S stretches of a drive that share a mission."""

    first: I64
    """(S,) int64: first frame."""
    route: Ragged
    """(S) **ids** of road blocks in driving order."""
    goal: F64
    """(S, 3) float64: x, y, heading, where there is one."""
    has_goal: Mask
    """(S,) bool."""
    names: tuple[str, ...]
    """(S) the source's scene names."""

    def __len__(self) -> int:
        return len(self.first)

    def at(self, frame: int) -> int:
        """Index of the scene that holds the frame."""
        return int(np.searchsorted(self.first, frame, side="right")) - 1


@dataclass(frozen=True)
class Drive:
    """A continuous log segment at the log's own rate: F frames. Simulated rollouts are drives too."""

    name: str
    """The log's name."""
    map_name: str
    """Location."""
    source: str
    """Format: nuplan, womd, synthetic, simulation, ..."""
    licence: str
    """The data's terms."""
    vehicle: str
    """Name of the ego's vehicle file."""
    interval_us: int
    """Nominal time between frames."""
    time_us: I64
    """(F,) int64."""
    token: U64
    """(F,) uint64 of each frame."""
    ego: F64
    """(F, 10) float64, columns ``Ego``."""
    joints: F64
    """(F, J) float64 articulation angles, J = 0 for a car."""
    tracks: Tracks
    """What is tracked."""
    objects: ObjectFrames
    """Where it is, frame by frame."""
    lights: LightFrames
    """Traffic lights, frame by frame."""
    scenes: Scenes
    """Routes and goals."""
    tag_frame: I64
    """(G,) int64: frames of the log's scenario tags."""
    tag_type: I64
    """(G,) int64: their types, rows of ``tag_names``."""
    tag_names: tuple[str, ...]
    """Scenario types that occur."""
    layers: RasterLayers = NO_LAYERS
    """Grade, friction, occupancy, ... where the log supplies them."""
    load: str = ""
    """The state of load in which the ego's vehicle drove, empty for a vehicle without masses or where it is not
    known."""
    instructions: Instructions = NO_INSTRUCTIONS
    """What the ego was told, and when."""

    def __len__(self) -> int:
        return len(self.time_us)


@dataclass(frozen=True)
class ScenarioRow:
    """One row of a scenario index: enough to filter by, without opening the log."""

    token: str
    """Of the anchor frame."""
    tags: tuple[str, ...]
    """Of the anchor frame, sorted."""
    log: str
    """Key of the log."""
    split: str
    """Folder or split of the log."""
    map_name: str
    """Location."""
    source: str
    """Format."""
    licence: str
    """The data's terms."""
    anchor_us: int
    """Time of the anchor frame."""
    interval_us: int
    """Nominal time between frames of the log."""
    stride: int
    """Frames of the log per iteration."""
    has_goal: bool
    """Whether the mission has a goal."""
    first_us: int | None = None
    """Begin of the window, where the source fixes it; None: it follows from the type, by nuPlan's rule."""
    last_us: int | None = None
    """End of the window, likewise."""


@dataclass(frozen=True)
class Scenario:
    """A window of a drive that is simulated, trained on or drawn: every ``stride``-th frame from ``first`` to ``last``
    inclusive.

    The drive may hold frames before ``first`` (the past) and after ``last``.
    """

    token: str
    """The anchor frame's token as text."""
    type: str
    """The one scenario type it is counted under."""
    tags: tuple[str, ...]
    """All tags of the anchor frame."""
    split: str
    """The folder or split that the log came from."""
    drive: Drive
    """The drive."""
    map: MapData
    """Its map."""
    first: int
    """First frame."""
    last: int
    """Last frame."""
    stride: int
    """Frames per iteration."""

    @cached_property
    def frames(self) -> I64:
        """Drive frames of the N iterations, (N,) int64."""
        return read_only(np.arange(self.first, self.last + 1, self.stride, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def log(self) -> str:
        """The name of its log."""
        return self.drive.name

    @property
    def interval_s(self) -> float:
        """Nominal time between iterations."""
        return self.drive.interval_us * self.stride * 1e-6

    @cached_property
    def time_us(self) -> I64:
        """Times of the N iterations, (N,) int64."""
        return read_only(self.drive.time_us[self.frames])

    @cached_property
    def expert(self) -> F64:
        """Logged ego states of the N iterations, (N, 10)."""
        return read_only(self.drive.ego[self.frames])

    def past(self, steps: int) -> I64:
        """Drive frames of up to ``steps`` iterations before the first, oldest first (fewer where the drive starts
        later)."""
        n = min(steps, self.first // self.stride)
        return self.first - self.stride * np.arange(n, 0, -1, dtype=np.int64)

    @cached_property
    def anchor(self) -> int:
        """Drive frame that bears the scenario's token (nuPlan's tagged frame), the first iteration's where none
        does."""
        try:
            found = np.flatnonzero(self.drive.token == np.uint64(int(self.token, 16)))
        except (ValueError, OverflowError):
            return self.first
        return int(found[0]) if len(found) else self.first

    @cached_property
    def route(self) -> I64:
        """Ids of the road blocks of the mission at the anchor frame, in driving order (R,) int64; empty where there is
        none.

        Reference: nuplan-devkit e924167, route and goal belong to the tagged frame's scene, though a window may start
        in the scene before.
        """
        s = self.drive.scenes.at(self.anchor)
        return read_only(self.drive.scenes.route[s] if s >= 0 else np.zeros(0, np.int64))

    @cached_property
    def goal(self) -> F64 | None:
        """x, y, heading of the mission's goal at the anchor frame, or None."""
        s = self.drive.scenes.at(self.anchor)
        return read_only(self.drive.scenes.goal[s]) if s >= 0 and self.drive.scenes.has_goal[s] else None
