"""What nuplan-devkit's simulation shows a planner, as an observation of ours. Devkit objects are read by their
attributes alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np

from roadcraft.core.arrays import F64, Ragged, offsets_of
from roadcraft.core.data.map import MapData
from roadcraft.core.data.rollout import Lights, Objects, ObservationBatch
from roadcraft.core.data.scenario import EGO_SIZE, LAST_MOVING, LightState, ObjectKind, Scenario
from roadcraft.core.errors import DataError
from roadcraft.core.vehicles.vehicle import Vehicle


@dataclass
class Observer:
    """Builds the observations of one scenario, step by step.

    route: ids of road blocks; goal: x, y, heading or None; past: frames of object history the planner wants; scenario:
    the log, for oracles.
    """

    map_data: MapData
    route: Sequence[str]
    goal: tuple[float, float, float] | None
    vehicle: Vehicle
    past: int = 0
    scenario: Scenario | None = None
    token: str = ""
    _tracks: dict[int, int] = field(default_factory=dict)

    def observe(self, given: Any) -> ObservationBatch:
        """The observation (B = 1) of a PlannerInput."""
        history, now = given.history, given.iteration
        states = history.ego_states
        interval = history.sample_interval or _interval(states)
        size = max(int((2.0 + interval) / interval) + 1, len(states))  # the devkit's own buffer size
        ego, times, valid = np.zeros((size, EGO_SIZE)), np.zeros(size, np.int64), np.zeros(size, np.bool_)
        first = size - len(states)
        ego[first:], times[first:], valid[first:] = [ego_row(s) for s in states], [int(s.time_us) for s in states], True
        if not self.token:
            self.token = f"{int(states[-1].time_us):016x}"
        goal = self.goal
        return ObservationBatch(
            token=(self.token,),
            iteration=np.array([now.index], np.int64),
            time_us=np.array([int(now.time_us)], np.int64),
            interval_s=np.array([float(interval)]),
            ego_past=ego[None],
            ego_past_us=times[None],
            ego_past_valid=valid[None],
            joints=np.zeros((1, len(self.vehicle.units) - 1)),
            objects=self._objects([history.observations[-1]]),
            lights=_lights(given.traffic_light_data or []),
            maps=(self.map_data,),
            route=Ragged.build([[int(r) for r in self.route]]),
            goal=np.array([goal if goal is not None else (0.0, 0.0, 0.0)]),
            has_goal=np.array([goal is not None]),
            vehicle=self.vehicle,
            objects_past=self._past(history.observations) if self.past else None,
            scenarios=None if self.scenario is None else (self.scenario,),
        )

    def _past(self, observations: Sequence[Any]) -> Objects:
        known = list(observations)[-self.past :]
        return self._objects([None] * (self.past - len(known)) + known)

    def _objects(self, observations: Sequence[Any]) -> Objects:
        """One frame per observation; those that are None are empty."""
        frames = [[] if o is None else [t for t in o.tracked_objects if _kind(t) is not None] for o in observations]
        rows = [t for frame in frames for t in frame]
        ids = [_id(t) for t in rows]
        for i in ids:
            self._tracks.setdefault(i, len(self._tracks))
        boxes = [(t.center.x, t.center.y, t.center.heading, t.box.length, t.box.width) for t in rows]
        kinds = np.array([_kind(t) for t in rows], np.uint8)
        velocity = np.array([(t.velocity.x, t.velocity.y) for t in rows], np.float64).reshape(-1, 2)
        velocity[kinds > LAST_MOVING] = 0.0
        return Objects(
            offsets_of([len(f) for f in frames]),
            np.array(ids, np.uint64),
            kinds,
            np.array([self._tracks[i] for i in ids], np.int64),
            np.zeros(len(rows), np.uint8),
            np.array(boxes, np.float64).reshape(-1, 5),
            np.nan_to_num(velocity),
        )


def ego_row(state: Any) -> F64:
    """An EgoState as the columns of ``Ego``."""
    pose, motion = state.rear_axle, state.dynamic_car_state
    v, a = motion.rear_axle_velocity_2d, motion.rear_axle_acceleration_2d
    return np.array(
        [
            pose.x,
            pose.y,
            pose.heading,
            v.x,
            v.y,
            a.x,
            a.y,
            state.tire_steering_angle,
            motion.angular_velocity,
            motion.angular_acceleration,
        ],
        np.float64,
    )


def _kind(tracked: Any) -> ObjectKind | None:
    """Ours, or None for what is no object (ego itself)."""
    return ObjectKind.__members__.get(tracked.tracked_object_type.name)


def _id(tracked: Any) -> int:
    """The track token as a number; tokens that are no numbers of 64 bits are hashed."""
    token = str(tracked.track_token)
    try:
        number = int(token, 16)
    except ValueError:
        number = -1
    return number if 0 <= number < 1 << 64 else int.from_bytes(blake2b(token.encode(), digest_size=8).digest(), "big")


def _interval(states: Sequence[Any]) -> float:
    if len(states) < 2:
        raise DataError("the history has no interval", remedy="at least two states, or a sample_interval")
    return float(states[-1].time_us - states[0].time_us) * 1e-6 / (len(states) - 1)


def _lights(status: Sequence[Any]) -> Lights:
    lanes = np.array([int(s.lane_connector_id) for s in status], np.int64)
    return Lights(
        np.array([0, len(status)], np.int64), lanes, np.array([LightState[s.status.name] for s in status], np.uint8)
    )
