"""Plays a freight situation: the traffic without the truck, the expert's plan, its drive, the traffic around it."""

from __future__ import annotations

from dataclasses import dataclass

from roadcraft.core.arrays import F64
from roadcraft.scenario_io.synthetic.freight.judge import DriveVerdict, judge
from roadcraft.scenario_io.synthetic.freight.pace import TICK_S, Ahead, nobody, pace
from roadcraft.scenario_io.synthetic.freight.script import ahead_on, bodies, told_by_drive, told_by_plan
from roadcraft.scenario_io.synthetic.freight.stage import Intent, Stage
from roadcraft.scenario_io.synthetic.freight.wheel import TruckDrive, drive_along
from roadcraft.scenario_io.synthetic.situations.scene import STEPS
from roadcraft.scenario_io.synthetic.traffic.traffic import Motion


@dataclass(frozen=True)
class Played:
    """What came of a stage."""

    motion: Motion
    """The traffic around the expert."""
    expert: TruckDrive
    """The expert's drive."""
    verdict: DriveVerdict
    """What is said of it."""


def play(stage: Stage) -> Played:
    """The expert's drive and the traffic that answers it."""
    assert stage.expert is not None
    intent, count = stage.expert, round(stage.seconds / TICK_S) + 1
    plan = pace(stage.start, intent.course, intent.cap, nobody(count), intent.manner, stage.vehicle)
    told = told_by_plan(intent.course, plan, stage.vehicle, STEPS)
    mine = plan.s
    for _ in range(2):
        motion = stage.scene.run(told)
        ahead = seen(stage, intent, motion, mine)
        plan = pace(stage.start, intent.course, intent.cap, ahead, intent.manner, stage.vehicle)
        mine, told = plan.s, told_by_plan(intent.course, plan, stage.vehicle, STEPS)
    driven = drive_along(intent.course, plan, stage.vehicle)
    motion = stage.scene.run(told_by_drive(driven, stage.vehicle, STEPS))
    return Played(motion, driven, verdict(stage, intent, motion, driven))


def mistake(stage: Stage, motion: Motion) -> tuple[TruckDrive, DriveVerdict]:
    """The drive of whoever makes the mistake, among the traffic as it was around the expert."""
    assert stage.mistaken is not None
    intent, count = stage.mistaken, round(stage.seconds / TICK_S) + 1
    free = pace(stage.start, intent.course, intent.cap, nobody(count), intent.manner, stage.vehicle)
    ahead = seen(stage, intent, motion, free.s) if intent.minds else nobody(count)
    plan = pace(stage.start, intent.course, intent.cap, ahead, intent.manner, stage.vehicle)
    driven = drive_along(intent.course, plan, stage.vehicle)
    return driven, verdict(stage, intent, motion, driven)


def others(stage: Stage, motion: Motion) -> tuple[F64, F64]:
    """Boxes and speeds of all others every 0.1 s."""
    frames = 2 * round(stage.seconds / TICK_S) + 1
    return bodies(motion, [box for _, box, _ in stage.scene.statics], frames)


def seen(stage: Stage, intent: Intent, motion: Motion, mine: F64) -> Ahead:
    """Who is ahead of a driver that is meanwhile at ``mine`` (T,) along its course."""
    width = max(u.width_m for u in stage.vehicle.units)
    return ahead_on(intent.course, others(stage, motion), mine, width)


def verdict(stage: Stage, intent: Intent, motion: Motion, driven: TruckDrive) -> DriveVerdict:
    """What is said of a drive."""
    ahead = seen(stage, intent, motion, driven.s[::2])
    return judge(driven, stage.vehicle, others(stage, motion), ahead, stage.scene.sketch, stage.own)
