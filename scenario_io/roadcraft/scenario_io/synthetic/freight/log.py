"""A played freight situation as a drive: what the truck's log would hold."""

from __future__ import annotations

import numpy as np

from roadcraft.core.arrays import F64, Ragged
from roadcraft.core.data.instructions import NO_INSTRUCTIONS, Instructions
from roadcraft.core.data.places import PlaceKind, RoadPlace
from roadcraft.core.data.scenario import Drive, Ego, Scenes
from roadcraft.core.driving.geometry.angles import wrap_array
from roadcraft.scenario_io.synthetic.config import LEFT_HAND
from roadcraft.scenario_io.synthetic.freight.driving.course import edge_at, poses_on
from roadcraft.scenario_io.synthetic.freight.driving.pace import Manner, nobody, pace
from roadcraft.scenario_io.synthetic.freight.driving.script import ahead_on
from roadcraft.scenario_io.synthetic.freight.driving.wheel import FRAME_S, TruckDrive
from roadcraft.scenario_io.synthetic.freight.play import Played, others
from roadcraft.scenario_io.synthetic.freight.stage import Stage
from roadcraft.scenario_io.synthetic.recording.record import (
    INTERVAL_US,
    Identity,
    bodies_of,
    keys_of,
    lights_of,
    tables,
)
from roadcraft.scenario_io.synthetic.recording.tags import SCENE_STARTS, WARM_UP
from roadcraft.scenario_io.synthetic.roads.assemble import LICENCE, Patch
from roadcraft.scenario_io.synthetic.roads.curves import lengths
from roadcraft.scenario_io.synthetic.roads.paths import STEP
from roadcraft.scenario_io.synthetic.roads.sketch import flipped

ANCHOR = 110
"""Frame of a log that bears its tag: nuPlan's reader wants 5.2 s before it."""
HEEDLESS = Manner(accel=2.0, decel=8.0, jerk=40.0, hard=8.0, gap=1.0, headway=0.0, react=np.inf, engine=1.0)
"""Who drives as fast as road and engine allow until just behind whoever is ahead."""
EYES = 5
"""Places along the way from which a log sees."""
_PLACE_STEP_M = 10.0
_DRY = 0.8


def record_truck(stage: Stage, played: Played, situation: str, who: Identity, patch: Patch) -> Drive:
    """The drive of the expert, mirrored where the location's traffic keeps to the left, as the patch's sketch is."""
    left = who.location in LEFT_HAND
    frames = len(played.expert.ego) - WARM_UP
    window = slice(WARM_UP, WARM_UP + frames)
    ego, joints = placed(played.expert, patch, left)
    seen = bodies_of(stage.scene, played.motion, window)
    at, eyes = played.expert.ego[WARM_UP:, :2], eyes_of(stage, played)[WARM_UP:]
    if left:
        seen = seen._replace(box=flipped(seen.box) * np.array([1.0, 1.0, -1.0, 1.0, 1.0]))
    tracks, objects = tables(seen, flipped(eyes) if left else eyes, stage.sight, who, patch)
    return Drive(
        name=who.name, map_name=who.location, source="synthetic", licence=LICENCE, vehicle=stage.vehicle.name,
        interval_us=INTERVAL_US, time_us=who.start_us + INTERVAL_US * np.arange(frames, dtype=np.int64),
        token=keys_of(who, "frames", frames), ego=ego, joints=joints, tracks=tracks, objects=objects,
        lights=lights_of(stage.scene, window, patch), scenes=_scenes(stage, at, ego, patch),
        tag_frame=np.array([ANCHOR], np.int64), tag_type=np.zeros(1, np.int64), tag_names=(f"freight_{situation}",),
        load=stage.vehicle.load, instructions=_told(stage, who),
    )  # fmt: skip


def eyes_of(stage: Stage, played: Played) -> F64:
    """Places (F, E, 2), local frame, where a truck may be: the expert's, and on from there to that of who is heedless.
    What is seen from any of them the log holds, so that nobody meets somebody who never came into view."""
    driven, frames = played.expert, len(played.expert.ego)
    eyes = np.repeat(driven.ego[:, None, :2], EYES, 1)
    if stage.dock:
        return eyes
    course, path = driven.course, stage.scene.paths[stage.route]
    cap = np.interp(course.s, np.arange(len(path.cap)) * STEP, path.cap)
    start, width = (float(driven.s[0]), float(driven.ego[0, Ego.VX])), max(u.width_m for u in stage.vehicle.units)
    free = pace(start, course, cap, nobody((frames + 1) // 2), HEEDLESS, stage.vehicle)
    ahead = ahead_on(course, others(stage, played.motion), free.s, width)
    fast = pace(start, course, cap, ahead, HEEDLESS, stage.vehicle)
    lead = np.interp(np.arange(frames) * 0.5, np.arange(len(fast.s)), fast.s) - driven.s
    for k in range(1, EYES):
        eyes[:, k] = poses_on(course, driven.s + np.maximum(lead, 0.0) * k / (EYES - 1))[:, :2]
    return eyes


def _told(stage: Stage, who: Identity) -> Instructions:
    """What the stage says, by the clock of the log."""
    if not stage.told:
        return NO_INSTRUCTIONS
    times = [who.start_us + round(INTERVAL_US * (s / FRAME_S - WARM_UP)) for s, _ in stage.told]
    return Instructions(np.array(times, np.int64), tuple(text for _, text in stage.told))


def placed(driven: TruckDrive, patch: Patch, left: bool) -> tuple[F64, F64]:
    """Ego states (F, 10) and joints (F, J) of a drive in the global frame, without its first frames."""
    ego, joints = driven.ego[WARM_UP:].copy(), driven.joints[WARM_UP:].copy()
    if left:
        ego[:, [Ego.Y, Ego.HEADING, Ego.VY, Ego.AY, Ego.STEERING, Ego.YAW_RATE, Ego.YAW_ACCEL]] *= -1.0
        joints *= -1.0
    ego[:, :2] = patch.place.move(ego[:, :2])
    ego[:, Ego.HEADING] = wrap_array(ego[:, Ego.HEADING] + patch.place.angle)
    return ego, joints


def _scenes(stage: Stage, at: F64, ego: F64, patch: Patch) -> Scenes:
    """Scenes whose routes run from the road block under the truck to the end of its route; at (F, 2): where it is in
    the sketch before it was mirrored."""
    path = stage.scene.paths[stage.route]
    ids = patch.block_ids()
    blocks = [int(ids[stage.scene.sketch.segments[k].block]) for k in path.route.segments]
    routes = []
    for f in SCENE_STARTS:
        s = stage.scene.arc(stage.route, at[f])
        k = int(np.searchsorted(path.starts, s, side="right")) - 1
        routes.append(blocks[max(0, min(k, len(blocks) - 1)) :])
    count = len(SCENE_STARTS)
    goal = np.repeat(ego[-1:, [Ego.X, Ego.Y, Ego.HEADING]], count, 0)
    names = tuple(f"scene-{k:03d}" for k in range(count))
    return Scenes(np.array(SCENE_STARTS, np.int64), Ragged.build(routes), goal, np.ones(count, bool), names)


def mark_surface(stage: Stage) -> None:
    """Puts the road's grade, bank, friction and wind on its lanes."""
    for piece in stage.pieces:
        center = stage.scene.sketch.segments[piece.segment].center
        arc, station = lengths(center), np.linspace(piece.begin, piece.end, len(center))
        at = np.unique(np.append(np.arange(0.0, arc[-1], _PLACE_STEP_M), arc[-1]))
        for kind, edge, usual in (
            (PlaceKind.GRADE, stage.surface.grade, 0.0),
            (PlaceKind.BANK, stage.surface.bank, 0.0),
            (PlaceKind.FRICTION, stage.surface.friction, _DRY),
        ):
            value = edge_at(edge, np.interp(at, arc, station))
            for k in _runs(value, usual):
                span = (float(at[k[0]]), float(at[k[1]]))
                begin, end = float(value[k[0]]), float(value[k[1]])
                stage.scene.sketch.places.append(RoadPlace(kind, piece.segment, span, begin, end))

        for gust in stage.surface.gusts:
            low, high = np.interp((gust.begin, gust.end), station, arc).tolist()
            if high > low:
                place = RoadPlace(PlaceKind.WIND, piece.segment, (low, high), gust.speed, gust.direction)
                stage.scene.sketch.places.append(place)


def _runs(value: F64, usual: float) -> list[tuple[int, int]]:
    """Pairs of points between which values are linear and not all the usual one; constant stretches in one."""
    runs: list[tuple[int, int]] = []
    for k in range(len(value) - 1):
        if abs(value[k] - usual) < 1e-9 and abs(value[k + 1] - usual) < 1e-9:
            continue
        same = runs and runs[-1][1] == k and np.ptp(value[runs[-1][0] : k + 2]) < 1e-9
        if same:
            runs[-1] = runs[-1][0], k + 1
        else:
            runs.append((k, k + 1))
    return runs
