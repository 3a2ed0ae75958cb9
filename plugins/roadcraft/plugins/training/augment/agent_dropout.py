"""Agent dropout: some of the agents that give the ego no reason to act are taken out of a scene before its features are
built.

An agent may go only if, as long as the log knows it, it never comes within ``keep_m`` of where the ego drives or would
go on to: its logged path over the targets' horizon, and AHEAD_M straight on from its end, so that whoever crosses in
front of a waiting ego stays. Taking it out of the scene rather than out of one array keeps every feature, of whatever
kind, in agreement; its target goes with it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.scenario import LAST_MOVING, Ego
from roadcraft.core.driving.features.scene import LogScenes, SceneArrays
from roadcraft.core.driving.jit import njit
from roadcraft.core.random import INCREMENT, mix64
from roadcraft.plugins.training.config import AugmentConfig

U8 = NDArray[np.uint8]
AHEAD_M, AHEAD_STEP_M = 30.0, 5.0
SAMPLE_INTERVAL_S = 0.5  # between the moments that are compared
_mix64 = njit(cache=True, nogil=True)(mix64)
_X, _Y, _HEADING = int(Ego.X), int(Ego.Y), int(Ego.HEADING)


def drop_agents(scenes: LogScenes, scene: SceneArrays, frame: int, config: AugmentConfig, draw: float) -> SceneArrays:
    """``scene``, made of ``scenes`` at ``frame``, without the agents that may go and are drawn: each with probability
    ``config.agent_dropout``, decided by ``draw`` in [0, 1) and its track."""
    drive = scenes.drive
    every = max(round(SAMPLE_INTERVAL_S * 1e6 / drive.interval_us), 1)
    last = min(frame + scenes.future_stride * scenes.spec.future_steps, len(drive) - 1)
    objects = _Objects(scenes.key, scenes.kind, drive.objects.box, drive.objects.offsets)
    steps = (frame, last, every)
    gone = agents_to_drop(objects, drive.ego, steps, config.agent_dropout_distance_m, config.agent_dropout, draw)
    if len(gone) == 0:
        return scene
    key, kind, box, velocity, frames = without_agents(
        gone, scene.key, scene.kind, scene.box, scene.velocity, scene.frames
    )
    return replace(scene, key=key, kind=kind, box=box, velocity=velocity, frames=frames)


class _Objects(NamedTuple):
    """All objects of a drive: key, kind (R,), box (R, 5), offsets (F + 1,)."""

    key: I64
    kind: U8
    box: F64
    offsets: I64


@njit(cache=True, nogil=True)
def agents_to_drop(
    objects: _Objects, ego: F64, steps: tuple[int, int, int], keep_m: float, share: float, draw: float
) -> I64:
    """Keys of the agents of a frame that may go and are drawn, ascending. steps: the frame, the last one that is
    looked at, and frames between two that are."""
    (key, kind, _, offsets), frame = objects, steps[0]
    path = _path(ego, steps)
    out, n = np.empty(offsets[frame + 1] - offsets[frame], np.int64), 0
    for i in range(offsets[frame], offsets[frame + 1]):
        if kind[i] <= LAST_MOVING and _chance(key[i], draw) < share and _far(
            objects, i - offsets[frame], steps, path, keep_m
        ):  # fmt: skip
            out[n] = key[i]
            n += 1
    return np.sort(out[:n])


@njit(cache=True, nogil=True)
def _path(ego: F64, steps: tuple[int, int, int]) -> F64:
    frame, last, every = steps
    logged, further = (last - frame) // every + 1, int(AHEAD_M / AHEAD_STEP_M)
    out = np.empty((logged + further, 2))
    for k in range(logged):
        out[k] = ego[frame + k * every, :2]
    end = ego[frame + (logged - 1) * every]
    for k in range(further):
        along = (k + 1) * AHEAD_STEP_M
        out[logged + k, 0] = end[_X] + along * np.cos(end[_HEADING])
        out[logged + k, 1] = end[_Y] + along * np.sin(end[_HEADING])
    return out


@njit(cache=True, nogil=True)
def _far(objects: _Objects, place: int, steps: tuple[int, int, int], path: F64, keep_m: float) -> bool:
    """Whether the track in the ``place``-th row of a frame stays away from the path as long as it is seen."""
    (key, _, box, offsets), (frame, last, every) = objects, steps
    wanted = key[offsets[frame] + place]
    for f in range(frame, last + 1, every):
        first, count = offsets[f], offsets[f + 1] - offsets[f]
        for j in range(count):
            k = (place + j) % count  # a track's row changes little from frame to frame
            if key[first + k] == wanted:
                for p in range(len(path)):
                    if (box[first + k, 0] - path[p, 0]) ** 2 + (box[first + k, 1] - path[p, 1]) ** 2 < keep_m * keep_m:
                        return False
                place = k
                break
    return True


@njit(cache=True, nogil=True)
def _chance(key: int, draw: float) -> float:
    """A number in [0, 1) that depends on the track and the sample's draw (splitmix64)."""
    z = _mix64(np.uint64(key) + np.uint64(draw * 9007199254740992.0) * INCREMENT)
    return float(z >> np.uint64(11)) / 9007199254740992.0


@njit(cache=True, nogil=True)
def without_agents(
    gone: I64, key: I64, kind: U8, box: F64, velocity: F64, frames: I64
) -> tuple[I64, U8, F64, F64, I64]:
    """Rows of the frames (H, 2), in their order, but for those of the tracks that are gone: key, kind, box, velocity,
    frames."""
    total = 0
    for h in range(len(frames)):
        total += frames[h, 1] - frames[h, 0]
    rows, bounds, n = np.empty(total, np.int64), np.zeros_like(frames), 0
    for h in range(len(frames)):
        bounds[h, 0] = n
        for i in range(frames[h, 0], frames[h, 1]):
            at = np.searchsorted(gone, key[i])
            if at == len(gone) or gone[at] != key[i]:
                rows[n] = i
                n += 1
        bounds[h, 1] = n
    rows = rows[:n]
    return key[rows], kind[rows], box[rows], velocity[rows], bounds
