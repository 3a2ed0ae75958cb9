"""A window of a stage's motion as a drive: what the ego's log would hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, Ragged, offsets_of
from roadcraft.core.driving.geometry.angles import wrap_array
from roadcraft.core.random import scenario_key, step_keys
from roadcraft.core.scenario import EGO_SIZE, Drive, Ego, LightFrames, ObjectFrames, ObjectKind, Scenes, Tracks
from roadcraft.core.vehicle import load_vehicle
from roadcraft.scenario_io.synthetic.recording.tags import FRAMES, SCENE_STARTS
from roadcraft.scenario_io.synthetic.roads.assemble import LICENCE, Patch
from roadcraft.scenario_io.synthetic.roads.paths import STEP, DriverPath
from roadcraft.scenario_io.synthetic.situations.scene import SyntheticScene
from roadcraft.scenario_io.synthetic.traffic.traffic import DT, Motion

SIGHT = 100.0  # meters within which the ego's log holds an object
INTERVAL_US = 50_000


@dataclass(frozen=True)
class Identity:
    """Names and times of a world: log name, key of its tokens, location, first time stamp."""

    name: str
    seed: int
    location: str
    start_us: int


def ego_states(path: DriverPath, s: F64, v: F64, a: F64) -> F64:
    """States (T, 10) of an ego whose rear axle is at arcs s of a path, local frame."""
    u = np.clip(s / STEP, 0, len(path.xy) - 2)
    k = u.astype(int)
    f = (u - k)[:, None]
    xy = path.xy[k] * (1 - f) + path.xy[k + 1] * f
    h = path.heading[k] * (1 - f[:, 0]) + path.heading[k + 1] * f[:, 0]
    bend = np.gradient(path.heading, STEP)
    curvature = bend[k] * (1 - f[:, 0]) + bend[k + 1] * f[:, 0]
    out = np.zeros((len(s), EGO_SIZE))
    out[:, Ego.X], out[:, Ego.Y], out[:, Ego.HEADING] = xy[:, 0], xy[:, 1], h
    out[:, Ego.VX], out[:, Ego.AX], out[:, Ego.AY] = v, a, v * v * curvature
    out[:, Ego.STEERING] = np.arctan(load_vehicle("pacifica").body.wheel_base_m * curvature)
    out[:, Ego.YAW_RATE] = v * curvature
    out[:, Ego.YAW_ACCEL] = np.gradient(v * curvature, DT)
    return out


def record(
    scene: SyntheticScene, m: Motion, first: int, tags: Sequence[tuple[int, Sequence[str]]], who: Identity, patch: Patch
) -> Drive:
    """Frames ``first`` .. ``first + FRAMES - 1`` of a motion; tags are (frame of the log, names)."""
    assert scene.ego_path is not None
    window = slice(first, first + FRAMES)
    ego = ego_states(scene.ego_path, m.s[window, 0], m.speed[window, 0], m.accel[window, 0])
    ego[:, :2] = patch.place.move(ego[:, :2])
    ego[:, Ego.HEADING] = wrap_array(ego[:, Ego.HEADING] + patch.place.angle)
    tracks, objects = _objects(scene, m, window, who, patch)
    names = tuple(sorted({t for _, ts in tags for t in ts}))
    pairs = [(f, names.index(t)) for f, ts in sorted(tags) for t in sorted(ts)]
    return Drive(
        name=who.name, map_name=who.location, source="synthetic", licence=LICENCE, vehicle="pacifica",
        interval_us=INTERVAL_US,
        time_us=who.start_us + INTERVAL_US * np.arange(FRAMES, dtype=np.int64),
        token=_keys(who, "frames", FRAMES), ego=ego, joints=np.zeros((FRAMES, 0)), tracks=tracks, objects=objects,
        lights=_lights(scene, window, patch), scenes=_scenes(scene, m, first, ego, who, patch),
        tag_frame=np.array([f for f, _ in pairs], np.int64), tag_type=np.array([t for _, t in pairs], np.int64),
        tag_names=names,
    )  # fmt: skip


def _keys(who: Identity, what: str, count: int) -> NDArray[np.uint64]:
    return step_keys([scenario_key(who.seed, f"{who.name}:{what}")], np.arange(count))


def _objects(
    scene: SyntheticScene, m: Motion, window: slice, who: Identity, patch: Patch
) -> tuple[Tracks, ObjectFrames]:
    """All things within sight, kind by kind, each kind in the order the stage made them."""
    n, q = len(scene.kinds), len(scene.pedestrians)
    t = FRAMES
    boxes = [m.box[window, 1:], np.concatenate([m.walker[window], np.broadcast_to([0.6, 0.7], (t, q, 2))], 2)]
    speeds = [m.speed[window, 1:], m.walker_speed[window]]
    kinds = [*scene.kinds[1:], *[ObjectKind.PEDESTRIAN] * q]
    there = [m.active[window, 1:], np.ones((t, q), bool)]
    tall = [1.6 if c[0] < 7 else 3.2 for c in scene.consts[1:]] + [1.7] * q
    if scene.statics:
        fixed = np.array([b for _, b, _ in scene.statics])
        boxes.append(np.broadcast_to(fixed, (t, *fixed.shape)))
        speeds.append(np.zeros((t, len(fixed))))
        there.append(np.ones((t, len(fixed)), bool))
        kinds += [k for k, _, _ in scene.statics]
        tall += [z for _, _, z in scene.statics]
    box, speed, seen = np.concatenate(boxes, 1), np.concatenate(speeds, 1), np.concatenate(there, 1)
    assert box.shape[1] == n - 1 + q + len(scene.statics)
    reach = np.hypot(box[..., 0] - m.box[window, :1, 0], box[..., 1] - m.box[window, :1, 1])
    seen = seen & (reach < SIGHT)
    order = np.argsort([int(k) for k in kinds], kind="stable")
    seen, box, speed = seen[:, order], box[:, order], speed[:, order]
    kept = np.flatnonzero(seen.any(0))
    frame, column = np.nonzero(seen[:, kept])
    rows = box[:, kept][frame, column].copy()
    rows[:, :2] = patch.place.move(rows[:, :2])
    rows[:, 2] = wrap_array(rows[:, 2] + patch.place.angle)
    v = speed[:, kept][frame, column]
    velocity = np.stack([v * np.cos(rows[:, 2]), v * np.sin(rows[:, 2])], 1)
    ids = _keys(who, "tracks", len(kinds))
    pick = order[kept]
    tracks = Tracks(
        ids[pick], np.array([int(kinds[k]) for k in pick], np.uint8), np.arange(len(kept), dtype=np.int64),
        np.zeros(len(kept), np.uint8), np.array([tall[k] for k in pick], float),
    )  # fmt: skip
    return tracks, ObjectFrames(offsets_of(seen[:, kept].sum(1)), column.astype(np.int64), rows, velocity)


def _lights(scene: SyntheticScene, window: slice, patch: Patch) -> LightFrames:
    ids = patch.segment_ids()
    lit = [k for k, seg in enumerate(scene.sketch.segments) if seg.light >= 0]
    if not lit or scene.lights is None:
        return LightFrames(np.zeros(FRAMES + 1, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint8))
    groups = [scene.sketch.segments[k].light for k in lit]
    state = scene.lights[window][:, groups]
    return LightFrames(
        np.arange(FRAMES + 1, dtype=np.int64) * len(lit), np.tile(ids[lit], FRAMES), np.ascontiguousarray(state).ravel()
    )


def _scenes(scene: SyntheticScene, m: Motion, first: int, ego: F64, who: Identity, patch: Patch) -> Scenes:
    """Scenes whose routes run from the road block under the ego's center to the end of its path; their goal is the
    drive's last pose."""
    path = scene.ego_path
    assert path is not None
    ids = patch.block_ids()
    blocks = [int(ids[scene.sketch.segments[k].block]) for k in path.route.segments]
    routes = []
    for f in SCENE_STARTS:
        at = int(np.searchsorted(path.starts, m.s[first + f, 0] + 0.0, side="right")) - 1
        routes.append(blocks[max(0, min(at, len(blocks) - 1)) :])
    count = len(SCENE_STARTS)
    goal = np.repeat(ego[-1:, [Ego.X, Ego.Y, Ego.HEADING]], count, 0)
    names = tuple(f"scene-{k:03d}" for k in range(count))
    return Scenes(np.array(SCENE_STARTS, np.int64), Ragged.build(routes), goal, np.ones(count, bool), names)
