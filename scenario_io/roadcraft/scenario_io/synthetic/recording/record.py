"""A window of a stage's motion as a drive: what the ego's log would hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, Mask, Ragged, offsets_of
from roadcraft.core.data.scenario import EGO_SIZE, Drive, Ego, LightFrames, ObjectFrames, ObjectKind, Scenes, Tracks
from roadcraft.core.driving.geometry.angles import wrap_array
from roadcraft.core.driving.motion.chain import chain_of, pull_joints, unit_boxes
from roadcraft.core.random import scenario_key, step_keys
from roadcraft.core.vehicles.vehicle import Vehicle, load_vehicle
from roadcraft.scenario_io.synthetic.recording.tags import FRAMES, SCENE_STARTS
from roadcraft.scenario_io.synthetic.roads.assemble import LICENCE, Patch
from roadcraft.scenario_io.synthetic.roads.paths import STEP, DriverPath
from roadcraft.scenario_io.synthetic.situations.scene import SyntheticScene
from roadcraft.scenario_io.synthetic.traffic.drivers import DT
from roadcraft.scenario_io.synthetic.traffic.traffic import Motion

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
    tracks, objects = tables(bodies_of(scene, m, window), m.box[window, :1, :2], SIGHT, who, patch)
    names = tuple(sorted({t for _, ts in tags for t in ts}))
    pairs = [(f, names.index(t)) for f, ts in sorted(tags) for t in sorted(ts)]
    return Drive(
        name=who.name, map_name=who.location, source="synthetic", licence=LICENCE, vehicle="pacifica",
        interval_us=INTERVAL_US,
        time_us=who.start_us + INTERVAL_US * np.arange(FRAMES, dtype=np.int64),
        token=keys_of(who, "frames", FRAMES), ego=ego, joints=np.zeros((FRAMES, 0)), tracks=tracks, objects=objects,
        lights=lights_of(scene, window, patch), scenes=_scenes(scene, m, first, ego, who, patch),
        tag_frame=np.array([f for f, _ in pairs], np.int64), tag_type=np.array([t for _, t in pairs], np.int64),
        tag_names=names,
    )  # fmt: skip


def keys_of(who: Identity, what: str, count: int) -> NDArray[np.uint64]:
    """Keys (count,) of one kind of thing in a world."""
    return step_keys([scenario_key(who.seed, f"{who.name}:{what}")], np.arange(count))


class SceneBodies(NamedTuple):
    """All that may be seen in T frames, N bodies, drivers, then pedestrians, then things that never move."""

    box: F64
    """(T, N, 5), local frame."""
    speed: F64
    """(T, N) m/s."""
    there: Mask
    """(T, N)."""
    kinds: list[ObjectKind]
    """(N)."""
    tall: list[float]
    """(N) heights, m."""
    group: list[int]
    """(N) equal for the units of one vehicle."""
    unit: list[int]
    """(N) 0 for a towing unit or a lone body."""


def bodies_of(scene: SyntheticScene, m: Motion, window: slice) -> SceneBodies:
    """Everybody but driver 0; articulated vehicles unit by unit."""
    walker = m.walker[window]
    t, q = len(walker), len(scene.pedestrians)
    box, speed, there = [], [], []
    kinds: list[ObjectKind] = []
    tall: list[float] = []
    group: list[int] = []
    unit: list[int] = []
    for k in range(1, len(scene.kinds)):
        units = m.box[window, k : k + 1] if k not in scene.rigs else _units(scene.rigs[k], m.box[window, k])
        count = units.shape[1]
        box.append(units)
        speed.append(np.repeat(m.speed[window, k : k + 1], count, 1))
        there.append(np.repeat(m.active[window, k : k + 1], count, 1))
        kinds += [scene.kinds[k]] * count
        lone = 1.6 if scene.consts[k][0] < 7 else 3.2
        tall += [lone] if k not in scene.rigs else [u.height_m for u in scene.rigs[k].units]
        group += [k] * count
        unit += range(count)
    box.append(np.concatenate([walker, np.broadcast_to([0.6, 0.7], (t, q, 2))], 2))
    speed.append(m.walker_speed[window])
    there.append(np.ones((t, q), bool))
    fixed = np.array([b for _, b, _ in scene.statics]).reshape(-1, 5)
    box.append(np.broadcast_to(fixed, (t, *fixed.shape)))
    speed.append(np.zeros((t, len(fixed))))
    there.append(np.ones((t, len(fixed)), bool))
    kinds += [ObjectKind.PEDESTRIAN] * q + [k for k, _, _ in scene.statics]
    tall += [1.7] * q + [z for _, _, z in scene.statics]
    group += range(len(scene.kinds), len(scene.kinds) + q + len(fixed))
    unit += [0] * (q + len(fixed))
    return SceneBodies(
        np.concatenate(box, 1), np.concatenate(speed, 1), np.concatenate(there, 1), kinds, tall, group, unit
    )


def _units(rig: Vehicle, box: F64) -> F64:
    """Boxes (T, n, 5) of the units of a vehicle that drives as one box (T, 5), at first straight."""
    poses, chain = box[:, :3].copy(), chain_of(rig)
    length = rig.body.front_m - 0.5 * box[:, 3]  # rear axle to the box's center
    poses[:, 0] -= length * np.cos(box[:, 2])
    poses[:, 1] -= length * np.sin(box[:, 2])
    joints = np.asarray(pull_joints(poses[None], np.zeros((1, rig.joints)), chain))[0]
    return np.asarray(unit_boxes(poses, joints, chain))


def tables(seen: SceneBodies, eyes: F64, sight: float, who: Identity, patch: Patch) -> tuple[Tracks, ObjectFrames]:
    """All bodies within ``sight`` m of any of the eyes (T, E, 2), kind by kind, each kind in the order of the
    bodies."""
    box, speed, kinds = seen.box, seen.speed, seen.kinds
    near = np.zeros(seen.there.shape, bool)
    for k in range(eyes.shape[1]):
        near |= np.hypot(*(box[..., :2] - eyes[:, k, None]).transpose(2, 0, 1)) < sight
    near &= seen.there
    order = np.argsort([int(k) for k in kinds], kind="stable")
    near, box, speed = near[:, order], box[:, order], speed[:, order]
    kept = np.flatnonzero(near.any(0))
    frame, column = np.nonzero(near[:, kept])
    rows = box[:, kept][frame, column].copy()
    rows[:, :2] = patch.place.move(rows[:, :2])
    rows[:, 2] = wrap_array(rows[:, 2] + patch.place.angle)
    v = speed[:, kept][frame, column]
    velocity = np.stack([v * np.cos(rows[:, 2]), v * np.sin(rows[:, 2])], 1)
    ids, pick = keys_of(who, "tracks", len(kinds)), order[kept]
    first: dict[int, int] = {}
    for row, k in enumerate(pick.tolist()):
        first.setdefault(seen.group[k], row)
    tracks = Tracks(
        ids[pick], np.array([int(kinds[k]) for k in pick], np.uint8),
        np.array([first[seen.group[k]] for k in pick], np.int64).reshape(-1),
        np.array([seen.unit[k] for k in pick], np.uint8), np.array([seen.tall[k] for k in pick], float),
    )  # fmt: skip
    return tracks, ObjectFrames(offsets_of(near[:, kept].sum(1)), column.astype(np.int64), rows, velocity)


def lights_of(scene: SyntheticScene, window: slice, patch: Patch) -> LightFrames:
    """The lights of all connectors that have one, in the frames of a window."""
    ids, frames = patch.segment_ids(), window.stop - window.start
    lit = [k for k, seg in enumerate(scene.sketch.segments) if seg.light >= 0]
    if not lit or scene.lights is None:
        return LightFrames(np.zeros(frames + 1, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint8))
    groups = [scene.sketch.segments[k].light for k in lit]
    state = scene.lights[window][:, groups]
    return LightFrames(
        np.arange(frames + 1, dtype=np.int64) * len(lit), np.tile(ids[lit], frames), np.ascontiguousarray(state).ravel()
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
