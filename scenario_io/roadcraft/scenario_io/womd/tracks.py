"""From the tracks and signals of a Scenario message to a Drive.

Approximated, since Waymo logs boxes and not vehicles: the ego is the chosen vehicle file, its box center where the log
has the SDC's; pose, velocity and acceleration are moved to the rear axle of that vehicle; acceleration, yaw rate and
its derivative are central differences; steering is 0. Objects of type OTHER or UNSET count as static generic objects.
Flashing lights count as UNKNOWN: nobody may have to wait for ever at one.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64, Ragged, offsets_of
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
from roadcraft.core.driving.geometry.angles import wrap_array
from roadcraft.core.errors import DataError
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.scenario_io.womd.config import LICENCE, WomdConfig

INTERVAL_US = 100_000
_KINDS = np.array(
    [
        ObjectKind.GENERIC_OBJECT,
        ObjectKind.VEHICLE,
        ObjectKind.PEDESTRIAN,
        ObjectKind.BICYCLE,
        ObjectKind.GENERIC_OBJECT,
    ]
)
# LANE_STATE_UNKNOWN, ARROW_STOP, ARROW_CAUTION, ARROW_GO, STOP, CAUTION, GO, FLASHING_STOP, FLASHING_CAUTION
_LIGHTS = np.array(
    [
        LightState.UNKNOWN, LightState.RED, LightState.YELLOW, LightState.GREEN,
        LightState.RED, LightState.YELLOW, LightState.GREEN, LightState.UNKNOWN, LightState.UNKNOWN,
    ]
)  # fmt: skip
X, Y, HEADING, LENGTH, WIDTH, HEIGHT, VX, VY, VALID = range(9)


def states_of(message: Any, where: str) -> F64:
    """(tracks, steps, 9) float64: x, y, heading, length, width, height, vx, vy, valid. Raises DataError for tracks of
    one id or unequal length. Invalid states are told by ``valid`` alone: their values mean nothing."""
    steps = len(message.timestamps_seconds)
    twice = [id for id, n in Counter(t.id for t in message.tracks).items() if n > 1]
    if twice:
        raise DataError(f"{len(twice)} tracks share an id", where=f"{where}: track {twice[0]}")
    for t in message.tracks:
        if len(t.states) != steps:
            raise DataError(f"track {t.id} has {len(t.states)} states for {steps} time stamps", where=where)
    flat = [
        (s.center_x, s.center_y, s.heading, s.length, s.width, s.height, s.velocity_x, s.velocity_y, s.valid)
        for t in message.tracks
        for s in t.states
    ]
    states = np.array(flat, np.float64).reshape(len(message.tracks), steps, 9)
    return states


def drive_of(message: Any, states: F64, config: WomdConfig, where: str, route: I64) -> Drive:
    """The whole scenario as a drive; states as of ``states_of``. Raises DataError (no SDC, SDC lost, times that do not
    increase, non-finite values)."""
    time_us = np.round(np.array(message.timestamps_seconds) * 1e6).astype(np.int64)
    if len(time_us) < 2 or (np.diff(time_us) <= 0).any():
        raise DataError(f"{len(time_us)} time stamps that do not increase", where=where)
    sdc = sdc_row(message, states, where)
    ego = ego_states(states[sdc], time_us, load_vehicle(config.vehicle).body.axle_to_center_m)
    others = np.delete(np.arange(len(states)), sdc)
    kinds = _KINDS[np.clip([t.object_type for t in message.tracks], 0, 4)].astype(np.uint8)
    tracks, objects = _objects(
        states[others], kinds[others], np.array([t.id for t in message.tracks], np.int64)[others]
    )
    tag_frame, tag_type, tag_names = tags_of(message)
    return Drive(
        name=message.scenario_id,
        map_name=f"womd_{message.scenario_id}",
        source="womd",
        licence=LICENCE,
        vehicle=config.vehicle,
        interval_us=INTERVAL_US,
        time_us=time_us,
        token=frame_tokens(message.scenario_id, len(time_us), message.current_time_index),
        ego=ego,
        joints=np.zeros((len(time_us), 0)),
        tracks=tracks,
        objects=objects,
        lights=_lights(message, len(time_us)),
        scenes=Scenes(
            np.zeros(1, np.int64), Ragged.build([route]), ego[-1:, : Ego.HEADING + 1].copy(), np.ones(1, np.bool_),
            (message.scenario_id,)
        ),
        tag_frame=tag_frame,
        tag_type=tag_type,
        tag_names=tag_names,
    )  # fmt: skip


def sdc_row(message: Any, states: F64, where: str) -> int:
    """Row of the ego's track. Raises DataError when there is none or it is lost, or not finite, at a step."""
    row = message.sdc_track_index
    if not 0 <= row < len(states):
        raise DataError(f"sdc_track_index {row} names none of {len(states)} tracks", where=where)
    lost = np.flatnonzero(states[row, :, VALID] == 0)
    if len(lost):
        raise DataError(f"the ego has no valid state ({len(lost)} times)", where=f"{where}: step {lost[0]}")
    bad = np.flatnonzero(~np.isfinite(states[row]).all(1))
    if len(bad):
        track = f"{where}: track {message.tracks[row].id}, step {bad[0]}"
        raise DataError(f"a state of the ego is not finite ({len(bad)} times)", where=track)
    return row


def ego_states(box: F64, time_us: I64, axle_to_center_m: float) -> F64:
    """Ego states (F, 10) at the rear axle from box states (F, 9) of the SDC."""
    t = time_us * 1e-6
    heading = np.unwrap(box[:, HEADING])
    yaw_rate = np.gradient(heading, t)
    forward = np.stack([np.cos(heading), np.sin(heading)], 1)
    left = np.stack([-forward[:, 1], forward[:, 0]], 1)
    axle = box[:, [X, Y]] - axle_to_center_m * forward
    velocity = box[:, [VX, VY]] - axle_to_center_m * yaw_rate[:, None] * left
    acceleration = np.gradient(velocity, t, axis=0)
    ego = np.zeros((len(t), EGO_SIZE))
    ego[:, : Ego.HEADING] = axle
    ego[:, Ego.HEADING] = wrap_array(heading)
    ego[:, Ego.VX], ego[:, Ego.VY] = (velocity * forward).sum(1), (velocity * left).sum(1)
    ego[:, Ego.AX], ego[:, Ego.AY] = (acceleration * forward).sum(1), (acceleration * left).sum(1)
    ego[:, Ego.YAW_RATE], ego[:, Ego.YAW_ACCEL] = yaw_rate, np.gradient(yaw_rate, t)
    return ego


def _objects(states: F64, kinds: NDArray[np.uint8], ids: I64) -> tuple[Tracks, ObjectFrames]:
    """Tracks in order of first appearance (then of the file); the rows of a frame keep that order too."""
    valid = states[..., VALID] > 0
    first = np.where(valid.any(1), valid.argmax(1), states.shape[1])
    order = np.argsort(first, kind="stable")[: int(valid.any(1).sum())]
    states, valid, kinds, ids = states[order], valid[order], kinds[order], ids[order]
    frame, track = np.nonzero(valid.T)
    rows = states[track, frame]
    moving = (kinds[track] <= LAST_MOVING)[:, None]
    height = states[np.arange(len(order)), first[order], HEIGHT] if len(order) else np.zeros(0)
    tracks = Tracks(ids.astype(np.uint64), kinds, np.arange(len(order)), np.zeros(len(order), np.uint8), height)
    offsets = offsets_of(valid.sum(0))
    box = np.ascontiguousarray(rows[:, [X, Y, HEADING, LENGTH, WIDTH]])
    return tracks, ObjectFrames(offsets, track.astype(np.int64), box, np.where(moving, rows[:, [VX, VY]], 0.0))


def _lights(message: Any, steps: int) -> LightFrames:
    frames = list(message.dynamic_map_states)[:steps]
    lanes = [[(s.lane, s.state) for s in f.lane_states] for f in frames] + [[]] * (steps - len(frames))
    flat = np.array([pair for f in lanes for pair in f], np.int64).reshape(-1, 2)
    state = _LIGHTS[np.clip(flat[:, 1], 0, len(_LIGHTS) - 1)].astype(np.uint8)
    return LightFrames(offsets_of([len(f) for f in lanes]), np.ascontiguousarray(flat[:, 0]), state)


def tags_of(message: Any) -> tuple[I64, I64, tuple[str, ...]]:
    """Tags of the anchor frame: 'womd', and what the file says is of interest or to be predicted."""
    names = ["womd"]
    if len(message.objects_of_interest):
        names.append("womd_interactive")
    types = {
        message.tracks[p.track_index].object_type
        for p in message.tracks_to_predict
        if 0 <= p.track_index < len(message.tracks)
    }
    names += [f"womd_predict_{n}" for t, n in ((1, "vehicle"), (2, "pedestrian"), (3, "cyclist")) if t in types]
    anchor = np.full(len(names), message.current_time_index, np.int64)
    return anchor, np.arange(len(names)), tuple(names)


def frame_tokens(scenario_id: str, frames: int, anchor: int) -> NDArray[np.uint64]:
    """A token per frame; the anchor's is the scenario id itself where that is a 64-bit hexadecimal number."""
    tokens = [
        int.from_bytes(blake2b(f"{scenario_id}:{i}".encode(), digest_size=8).digest(), "big") for i in range(frames)
    ]
    if 0 <= anchor < frames and len(scenario_id) <= 16:
        with suppress(ValueError):
            tokens[anchor] = int(scenario_id, 16)
    return np.array(tokens, np.uint64)
