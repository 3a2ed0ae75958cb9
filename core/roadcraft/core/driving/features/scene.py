"""One scene as plain arrays: what feature groups are written of, from an observation or from a log, the same on both
ways."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.layers import NO_LAYERS, RasterLayers
from roadcraft.core.data.map import MapData
from roadcraft.core.data.rollout import ObservationBatch
from roadcraft.core.data.scenario import Drive, Ego
from roadcraft.core.driving.features.conditions import Conditions
from roadcraft.core.driving.features.map_tensors import LaneLights, rows_of
from roadcraft.core.driving.features.spec import FeatureSpec
from roadcraft.core.driving.features.stopped_time import (
    CREEPING_MPS,
    STANDING_MPS,
    WINDOW_S,
    recent_stopped_time,
    stopped_time,
)
from roadcraft.core.errors import DataError
from roadcraft.core.vehicles.vehicle import Vehicle

U8 = NDArray[np.uint8]
_NEVER = 2**40  # frames ago


@dataclass(frozen=True)
class SceneArrays:
    """One scene in the global frame. H = ``past_steps`` frames, oldest first, the present one last."""

    ego: F64
    """State (10,), columns ``Ego``."""
    key: I64
    """Track ids (R,) of the objects of all frames of the source."""
    kind: U8
    """Their ObjectKind (R,)."""
    box: F64
    """Their boxes (R, 5): x, y, heading, length, width."""
    velocity: F64
    """Their velocities (R, 2)."""
    frames: I64
    """First and past-the-last row (H, 2) of each frame, equal where there is none."""
    light_lane: I64
    """Ids of the lanes (n,) that lights govern now."""
    light_state: U8
    """LightState (n,)."""
    route: I64
    """Ids of the road blocks (r,) of the route, in driving order."""
    map: MapData
    """The map."""
    vehicle: F64
    """Rear axle to box center, length, width, wheel base (4,), m."""
    states: F64
    """States of the ego (F, 10) that ``past`` points to."""
    past: I64
    """Rows (H,) of ``states``, negative where there is none: at most 2 s ago, as far as any observation goes back."""
    goal: F64 | None = None
    """Pose (3,) x, y, heading of the mission's goal, or None."""
    layers: RasterLayers = NO_LAYERS
    """Raster layers known now."""
    conditions: Conditions = Conditions()
    """What the network is told beside the scene."""
    stopped_time_s: float = 0.0
    """For how long the ego has just stood still (``stopped_time``)."""
    ego_vehicle: Vehicle | None = None
    """The ego's vehicle, or None where only its size is known."""
    joints: F64 | None = None
    """Joint angles (J,) of the ego, or None; of another number than the vehicle has where they are unknown."""

    @property
    def ego_past(self) -> tuple[F64, NDArray[np.bool_]]:
        """Ego states (H, 10), the present one last, and which of them are known (H,); zeros elsewhere. In training the
        present state may be displaced from the logged past."""
        known = self.past >= 0
        out = np.where(known[:, None], self.states[np.maximum(self.past, 0)], 0.0)
        out[-1] = self.ego
        return out, known

    @property
    def route_rows(self) -> I64:
        """Rows of RoadBlocks (r,) of the route, -1 where unknown."""
        return self._rows[0]

    @property
    def lights(self) -> LaneLights:
        """The lights by rows of Lanes."""
        return self._rows[1]

    @property
    def _rows(self) -> tuple[I64, LaneLights]:
        """Route and lights by rows of the map. Kept by hand: the lock of cached_property costs as much as this does."""
        found: tuple[I64, LaneLights] | None = vars(self).get("_found")
        if found is None:
            lights = LaneLights(rows_of(self.map, "lanes", self.light_lane), self.light_state)
            found = vars(self)["_found"] = rows_of(self.map, "blocks", self.route), lights
        return found


def vehicle_row(vehicle: Vehicle) -> F64:
    """Rear axle to box center, length, width, wheel base (4,)."""
    return np.append(vehicle.box, vehicle.body.wheel_base_m)


def _stride(wanted: float, interval: float) -> int:
    """Frames of a source between two of those asked for."""
    return max(round(wanted / interval), 1)


class _Past:
    """Which frames of a source are the past."""

    def __init__(self, steps: int, stride: int, interval_s: float) -> None:
        self.steps, self.stride = steps, stride
        ago = stride * np.arange(steps - 1, -1, -1)
        self.ago = np.where(ago * interval_s <= WINDOW_S + 1e-6, ago, _NEVER)

    def frames(self, offsets: I64, now: int) -> I64:
        """First and past-the-last object row (H, 2) of each frame up to ``now``; 0, 0 where there is none."""
        out = np.zeros((self.steps, 2), np.int64)
        known = min(now // self.stride + 1, self.steps)
        first = now - (known - 1) * self.stride
        out[self.steps - known :, 0] = offsets[first : now + 1 : self.stride]
        out[self.steps - known :, 1] = offsets[first + 1 : now + 2 : self.stride]
        return out

    def states(self, now: int) -> I64:
        """Rows (H,) of ego states of which the last is ``now``, negative where there is none or an observation would
        not hold it."""
        rows: I64 = now - self.ago
        return rows


@lru_cache(maxsize=64)
def _past(steps: int, stride: int, interval_s: float) -> _Past:
    return _Past(steps, stride, interval_s)


def scenes_of(obs: ObservationBatch, spec: FeatureSpec, conditions: Conditions | None = None) -> list[SceneArrays]:
    """The scenes of an observation; ``conditions`` go before what the observation says. Without object history every
    past frame but the present one is empty. Raises DataError where the observation has raster layers of more or fewer
    scenes than its own."""
    if len(obs.layers) not in (0, len(obs)):
        raise DataError(
            f"raster layers of {len(obs.layers)} scenes", where="observation", remedy=f"it has {len(obs)} scenes"
        )
    stopped = recent_stopped_time(obs)
    objects = obs.objects if obs.objects_past is None else obs.objects_past
    per = len(objects) // max(len(obs), 1)
    key, vehicle = objects.id.view(np.int64), vehicle_row(obs.vehicle)
    steps, complete = obs.ego_past.shape[1], obs.ego_past_valid.all()
    out = []
    for b in range(len(obs)):
        interval_s = float(obs.interval_s[b])
        past = _past(spec.past_steps, _stride(spec.past_interval_s, interval_s), interval_s)
        rows = past.states(steps - 1)
        if not complete:
            rows[~obs.ego_past_valid[b, np.maximum(rows, 0)]] = -1
        lights = obs.lights.rows(b)
        out.append(
            SceneArrays(
                ego=obs.ego_past[b, -1],
                key=key,
                kind=objects.kind,
                box=objects.box,
                velocity=objects.velocity,
                frames=past.frames(objects.offsets[b * per :], per - 1),
                light_lane=obs.lights.lane[lights],
                light_state=obs.lights.state[lights],
                route=obs.route[b],
                map=obs.maps[b],
                vehicle=vehicle,
                states=obs.ego_past[b],
                past=rows,
                goal=obs.goal[b] if obs.has_goal[b] else None,
                layers=obs.layers[b] if obs.layers else NO_LAYERS,
                conditions=_conditions_of(obs, b).merged_with(conditions or Conditions())
                if spec.instruction_words
                else Conditions(),
                stopped_time_s=float(stopped[b]),
                ego_vehicle=obs.vehicle,
                joints=obs.joints[b],
            )
        )
    return out


def _conditions_of(obs: ObservationBatch, b: int) -> Conditions:
    """What an observation itself tells of scenario b."""
    x, y, heading = (float(v) for v in obs.goal[b])
    said = obs.instruction[b] if obs.instruction is not None else None
    return Conditions(said or "", (x, y, heading) if obs.has_goal[b] else None)


class LogScenes:
    """The scenes of a drive: ``at(frame)`` is what an observation at that frame holds. Looks at nothing later than the
    frame."""

    def __init__(self, drive: Drive, map_data: MapData, vehicle: Vehicle, spec: FeatureSpec) -> None:
        self.drive, self.map, self.spec = drive, map_data, spec
        track = drive.objects.track
        self.key = np.ascontiguousarray(drive.tracks.id[track]).view(np.int64)
        self.kind = np.ascontiguousarray(drive.tracks.kind[track])
        self.vehicle, self.ego_vehicle = vehicle_row(vehicle), vehicle
        self.future_stride = _stride(spec.future_interval_s * 1e6, drive.interval_us)
        self.stopped_time_s = stopped_time(drive.time_us, drive.ego[:, Ego.VX])
        stride = _stride(spec.past_interval_s * 1e6, drive.interval_us)
        self._past = _past(spec.past_steps, stride, drive.interval_us * 1e-6)
        self._empty = np.zeros(0, np.int64)

    def at(self, frame: int, ego: F64 | None = None, stopped_time_s: float | None = None) -> SceneArrays:
        """The scene at a frame, seen from the logged ego state or from another (10,) one, which has just stood still
        for ``stopped_time_s``; by default as long as the logged one, but not at all where that stands and the other
        drives."""
        d = self.drive
        lights, scene = d.lights.rows(frame), d.scenes.at(frame)
        now = d.ego[frame] if ego is None else ego
        if stopped_time_s is None:
            drives = now[Ego.VX] >= CREEPING_MPS and d.ego[frame, Ego.VX] < STANDING_MPS
            stopped_time_s = 0.0 if drives else float(self.stopped_time_s[frame])
        return SceneArrays(
            ego=now,
            key=self.key,
            kind=self.kind,
            box=d.objects.box,
            velocity=d.objects.velocity,
            frames=self._past.frames(d.objects.offsets, frame),
            light_lane=d.lights.lane[lights],
            light_state=d.lights.state[lights],
            route=d.scenes.route[scene] if scene >= 0 else self._empty,
            map=self.map,
            vehicle=self.vehicle,
            states=d.ego,
            past=self._past.states(frame),
            goal=d.scenes.goal[scene] if scene >= 0 and d.scenes.has_goal[scene] else None,
            layers=d.layers.at(frame),
            conditions=Conditions(d.instructions.at(int(d.time_us[frame])) or "")
            if len(d.instructions) and self.spec.instruction_words
            else Conditions(),
            stopped_time_s=stopped_time_s,
            ego_vehicle=self.ego_vehicle,
            joints=d.joints[frame],
        )

    def future(self, frame: int) -> tuple[I64, NDArray[np.bool_]]:
        """Drive frames of the targets (T,) and which of them exist."""
        index = frame + self.future_stride * np.arange(1, self.spec.future_steps + 1)
        return np.minimum(index, len(self.drive) - 1), index < len(self.drive)
