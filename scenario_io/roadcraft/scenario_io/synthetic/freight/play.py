"""Plays a freight situation: the traffic without the truck, the expert's plan, its drive, the traffic around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.scenario_io.synthetic.freight.judge import DriveVerdict, first_contact, judge
from roadcraft.scenario_io.synthetic.freight.pace import TICK_S, Ahead, Pace, nobody, pace
from roadcraft.scenario_io.synthetic.freight.script import ahead_on, bodies, told_by_drive, told_by_plan
from roadcraft.scenario_io.synthetic.freight.stage import Intent, Stage
from roadcraft.scenario_io.synthetic.freight.wheel import TruckDrive, drive_along
from roadcraft.scenario_io.synthetic.traffic.traffic import Motion

ROOM_M, ROOM_BEHIND_M = 0.3, 12.0
"""Room that an expert keeps beside its units and behind the last of them."""


@dataclass(frozen=True)
class Played:
    """What came of a stage."""

    motion: Motion
    """The traffic around the expert."""
    expert: TruckDrive
    """The expert's drive."""
    verdict: DriveVerdict
    """What is said of it."""


def play(stage: Stage) -> Played | None:
    """The expert's drive and the traffic that answers it; none where nothing that the expert may do keeps clear."""
    count, first = _count(stage), stage.ghost or stage.experts[0]
    frames = 2 * count - 1
    plan = pace(stage.start, first.course, first.cap, nobody(count), first.manner, stage.vehicle)
    motion = stage.scene.run(told_by_plan(first.course, plan, stage.vehicle, frames))
    motion = stage.scene.run(told_by_plan(first.course, _among(stage, first, motion, plan.s), stage.vehicle, frames))
    for intent in stage.experts:
        plan = _among(stage, intent, motion, plan.s)
        if len(stage.experts) == 1 or _clear(stage, intent, motion, plan):
            break
    else:
        return None
    if len(stage.experts) > 1:
        motion = stage.scene.run(told_by_plan(intent.course, plan, stage.vehicle, frames))
        plan = _among(stage, intent, motion, plan.s)
    driven = drive_along(intent.course, plan, stage.vehicle)
    motion = stage.scene.run(told_by_drive(driven, stage.vehicle, frames))
    return Played(motion, driven, verdict(stage, intent, motion, driven))


def mistake(stage: Stage, motion: Motion) -> tuple[TruckDrive, DriveVerdict]:
    """The drive of whoever makes the mistake, among the traffic as it was around the expert."""
    for intent in stage.mistakes:
        free = pace(stage.start, intent.course, intent.cap, nobody(_count(stage)), intent.manner, stage.vehicle)
        plan = _among(stage, intent, motion, free.s) if intent.minds else free
        if len(stage.mistakes) == 1 or not _clear(stage, intent, motion, plan):
            break
    driven = drive_along(intent.course, plan, stage.vehicle)
    return driven, verdict(stage, intent, motion, driven)


def _count(stage: Stage) -> int:
    return round(stage.seconds / TICK_S) + 1


def _among(stage: Stage, intent: Intent, motion: Motion, mine: F64) -> Pace:
    """A driver's pace among others, where it was at ``mine`` (T,) before."""
    ahead = seen(stage, intent, motion, mine)
    return pace(stage.start, intent.course, intent.cap, ahead, intent.manner, stage.vehicle)


def _clear(stage: Stage, intent: Intent, motion: Motion, plan: Pace) -> bool:
    """Whether a plan keeps all units clear of others."""
    told = told_by_plan(intent.course, plan, stage.vehicle, 2 * _count(stage) - 1)
    end = int(np.searchsorted(np.interp(plan.s, intent.course.s, intent.course.station), intent.until))
    return first_contact(_roomy(told.box[: 2 * end : 2]), others(stage, motion)[0][:end]) < 0


def _roomy(box: F64) -> F64:
    """Boxes (T, n, 5) of units with room around them."""
    out = box.copy()
    out[..., 4] += 2.0 * ROOM_M
    last = out[:, -1]
    last[:, 0] -= 0.5 * ROOM_BEHIND_M * np.cos(last[:, 2])
    last[:, 1] -= 0.5 * ROOM_BEHIND_M * np.sin(last[:, 2])
    last[:, 3] += ROOM_BEHIND_M
    return out


def others(stage: Stage, motion: Motion) -> tuple[F64, F64]:
    """Boxes and speeds of all others every 0.1 s."""
    return bodies(motion, [box for _, box, _ in stage.scene.statics], 2 * _count(stage) - 1)


def seen(stage: Stage, intent: Intent, motion: Motion, mine: F64) -> Ahead:
    """Who is ahead of a driver that is meanwhile at ``mine`` (T,) along its course."""
    width = max(u.width_m for u in stage.vehicle.units)
    return ahead_on(intent.course, others(stage, motion), mine, width)


def verdict(stage: Stage, intent: Intent, motion: Motion, driven: TruckDrive) -> DriveVerdict:
    """What is said of a drive."""
    ahead = seen(stage, intent, motion, driven.s[::2])
    return judge(driven, stage.vehicle, others(stage, motion), ahead, stage.scene.sketch, stage.own)
