"""What the simulator shows to planners and agents, and the record of a finished run; what planners answer is in
``plan``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from roadcraft.core.arrays import F64, I64, U8, U64, Mask, Ragged, read_only
from roadcraft.core.data.frame_rows import FrameRows
from roadcraft.core.data.layers import RasterLayers
from roadcraft.core.data.map import MapData
from roadcraft.core.data.scenario import Drive, LightFrames, Scenario
from roadcraft.core.vehicles.vehicle import Vehicle


@dataclass(frozen=True)
class Objects(FrameRows):
    """Objects of M frames (or scenarios), ragged: rows of frame m are ``offsets[m]:offsets[m + 1]``."""

    id: U64
    """(R,) uint64 track token."""
    kind: U8
    """(R,) uint8 ``ObjectKind``."""
    vehicle: I64
    """(R,) int64: equal for the units of one vehicle, as in ``Tracks``."""
    unit: U8
    """(R,) uint8: 0 for the towing unit or a lone vehicle."""
    box: F64
    """(R, 5) float64: center x, y, heading, length, width; global frame."""
    velocity: F64
    """(R, 2) float64: global frame, 0 for static kinds."""

    @classmethod
    def logged(cls, drive: Drive, frames: I64) -> Objects:
        """The objects of some frames of a drive, in the log's order; a frame below 0 is empty."""
        o, t = drive.objects.select(frames), drive.tracks
        k = o.track
        return cls(o.offsets, t.id[k], t.kind[k], t.vehicle[k], t.unit[k], o.box, o.velocity)

    def columns(self, m: int) -> tuple[U64, U8, I64, U8, F64, F64]:
        """id, kind, vehicle, unit, box and velocity of frame ``m``."""
        r = self.rows(m)
        return self.id[r], self.kind[r], self.vehicle[r], self.unit[r], self.box[r], self.velocity[r]


Lights = LightFrames
"""Traffic lights of B scenarios, ragged: rows of scenario b are ``offsets[b]:offsets[b + 1]``."""


@dataclass(frozen=True)
class ObservationBatch:
    """What a planner sees of B running scenarios at one step."""

    token: tuple[str, ...]
    """(B) scenario tokens."""
    iteration: I64
    """(B,) int64: the step, from 0."""
    time_us: I64
    """(B,) int64: now."""
    interval_s: F64
    """(B,) float64: nominal time to the next step."""
    ego_past: F64
    """(B, H, 10) float64, columns ``Ego``, oldest first, the present state last; H = 22 at 10 Hz."""
    ego_past_us: I64
    """(B, H) int64: their times."""
    ego_past_valid: Mask
    """(B, H) bool: false before the log's start."""
    joints: F64
    """(B, J) float64: articulation angles now, J = 0 for a car."""
    objects: Objects
    """The objects now, one frame per scenario."""
    lights: Lights
    """The traffic lights now."""
    maps: tuple[MapData, ...]
    """(B) the map of each scenario."""
    route: Ragged
    """(B) ids of the road blocks to drive through, in order."""
    goal: F64
    """(B, 3) float64: x, y, heading, where there is one."""
    has_goal: Mask
    """(B,) bool."""
    vehicle: Vehicle
    """The ego's vehicle."""
    objects_past: Objects | None = None
    """None, or B * P frames: frame ``b * P + p`` holds scenario b, p oldest first and p = P - 1 now. Given where the
    planner's ``needs().object_past`` is P > 0; frames before the log's start are empty."""
    scenarios: tuple[Scenario, ...] | None = None
    """The logs themselves, only for planners whose ``needs().log`` is true (oracles such as log replay)."""
    instruction: tuple[str | None, ...] | None = None
    """(B) a text command or None, or None where there is none at all."""
    layers: tuple[RasterLayers, ...] = ()
    """(B) raster layers (grade, friction, occupancy, ...) known now, empty where there are none at all. Grids that a
    perception stack made in the ego frame go in with the pose they were made at (``RasterLayers``)."""

    def __len__(self) -> int:
        return len(self.token)

    @property
    def ego(self) -> F64:
        """Current ego states (B, 10)."""
        return self.ego_past[:, -1]

    def locked(self) -> ObservationBatch:
        """The observation itself, its arrays marked read-only (maps and logs are so already where the simulator hands
        them out)."""
        o, li, r = self.objects, self.lights, self.route
        for a in (
            self.iteration, self.time_us, self.interval_s, self.ego_past, self.ego_past_us, self.ego_past_valid,
            self.joints, self.goal,
            self.has_goal, o.offsets, o.id, o.kind, o.vehicle, o.unit, o.box, o.velocity, li.offsets, li.lane, li.state,
            r.values, r.offsets,
        ):  # fmt: skip
            a.setflags(write=False)
        if self.objects_past is not None:
            read_only(self.objects_past)
        return self

    def select(self, rows: Sequence[int] | I64) -> ObservationBatch:
        """The given scenarios alone, in the given order; arrays are read-only."""
        r = np.asarray(rows, np.int64)
        pick = [int(i) for i in r]
        past = self.objects_past
        if past is not None:
            p = len(past) // max(len(self), 1)
            past = past.select((r[:, None] * p + np.arange(p)).ravel())
        return replace(
            self,
            token=tuple(self.token[i] for i in pick),
            iteration=self.iteration[r],
            time_us=self.time_us[r],
            interval_s=self.interval_s[r],
            ego_past=self.ego_past[r],
            ego_past_us=self.ego_past_us[r],
            ego_past_valid=self.ego_past_valid[r],
            joints=self.joints[r],
            objects=self.objects.select(r),
            lights=self.lights.select(r),
            maps=tuple(self.maps[i] for i in pick),
            route=Ragged.build([self.route[i] for i in pick]),
            goal=self.goal[r],
            has_goal=self.has_goal[r],
            objects_past=past,
            scenarios=None if self.scenarios is None else tuple(self.scenarios[i] for i in pick),
            instruction=None if self.instruction is None else tuple(self.instruction[i] for i in pick),
            layers=tuple(self.layers[i] for i in pick) if self.layers else (),
        ).locked()


@dataclass(frozen=True)
class PlanLog:
    """The driven trajectories of a rollout at P of its steps: rows of step p are ``offsets[p]:offsets[p + 1]``."""

    step: I64
    """(P,) int64."""
    offsets: I64
    """(P + 1,) int64."""
    time_us: I64
    """(Q,) int64."""
    states: F64
    """(Q, 4) float64: x, y, heading, speed of the rear axle; global frame."""


@dataclass(frozen=True)
class Rollout:
    """The record of one simulated scenario, which metrics and the report read."""

    scenario: Scenario
    """What was simulated: log, map, expert."""
    drive: Drive
    """What was driven: n = N - 1 frames (the last iteration is never simulated), ego and objects."""
    plans: PlanLog
    """The driven candidates at some of the steps."""
    channel_names: tuple[str, ...]
    """(C) names of the planner's values that were recorded at each step."""
    channels: F64
    """(C, n) float64: the values."""
    vehicle: Vehicle
    """The ego's vehicle."""

    def __len__(self) -> int:
        return len(self.drive)
