"""Plays a freight situation: the traffic without the truck, the expert's plan, its drive, the traffic around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.motion.chain import chain_of, unit_boxes
from roadcraft.core.vehicles.geometry import length_of
from roadcraft.scenario_io.synthetic.freight.driving.course import recentered
from roadcraft.scenario_io.synthetic.freight.driving.judge import (
    DriveVerdict,
    botched,
    contacts,
    first_contact,
    from_behind,
    judge,
)
from roadcraft.scenario_io.synthetic.freight.driving.pace import TICK_S, Ahead, Pace, nobody, pace
from roadcraft.scenario_io.synthetic.freight.driving.script import ahead_on, bodies, told_by_drive, told_by_plan
from roadcraft.scenario_io.synthetic.freight.driving.wheel import TruckDrive, drive_along, nearest
from roadcraft.scenario_io.synthetic.freight.stage import Intent, Stage
from roadcraft.scenario_io.synthetic.traffic.drivers import SPAWN
from roadcraft.scenario_io.synthetic.traffic.traffic import Motion

OVER_M, SLOWEST_MPS = 0.5, 0.5
"""Room before and behind what is to be passed, and the speed below which a truck all but stands there."""
AHEAD_M = 25.0
"""Room ahead of a truck that comes over, m."""
MISTAKE_STEP = 90
"""Step from which the mistaken driver goes its own way: that of the log's tagged frame."""
_TRIES = 5  # drives that an expert tries
_ROOMS = 6  # times that somebody is taken out of the way
_ROUNDS, _SETTLED_M = 3, 1.0  # plans that it makes for each, unless one is as the one before
_MISTAKES = 6  # drives that a mistaken driver tries


@dataclass(frozen=True)
class Played:
    """What came of a stage."""

    motion: Motion
    """The traffic around the expert."""
    expert: TruckDrive
    """The expert's drive."""
    verdict: DriveVerdict
    """What is said of it."""


def play(stage: Stage, accept: Callable[[DriveVerdict], bool]) -> Played | None:
    """The expert's drive and the traffic that answers it, of the first of its ways that is acceptable, else of the last
    that was tried; none where nothing that the expert may do keeps clear."""
    first, frames = stage.ghost or stage.experts[0], 2 * _count(stage) - 1
    free = _alone(stage, first)
    motion = stage.scene.run(told_by_plan(first.course, free, stage.vehicle, frames))
    held = _among(stage, first, motion, free.s)
    motion = stage.scene.run(told_by_plan(first.course, held, stage.vehicle, frames))
    found, tries = None, 0
    for intent in stage.experts:
        meanwhile = held.s if stage.ghost is None else _alone(stage, intent).s  # not where its ghost waits
        plan = _among(stage, intent, motion, meanwhile)
        keeps = plan.speed.min() >= intent.least and _passes(stage, intent, plan)
        if len(stage.experts) > 1 and not (keeps and _clear(stage, intent, motion, plan)):
            continue
        driven = _driven(stage, intent, plan)
        if driven is None:
            continue
        found, tries = driven, tries + 1
        if tries == _TRIES or accept(found.verdict):
            break
    return found


def _driven(stage: Stage, intent: Intent, plan: Pace) -> Played | None:
    """An expert's plan as it is driven among those who see it; none where they let it stand where it must not."""
    frames = 2 * _count(stage) - 1
    if len(stage.experts) > 1:
        for _ in range(_ROUNDS):  # who sees the plan makes way for it or not, and who sees that plans anew
            motion, before = stage.scene.run(told_by_plan(intent.course, plan, stage.vehicle, frames)), plan.s
            plan = _among(stage, intent, motion, before)
            if np.abs(plan.s - before).max() < _SETTLED_M:
                break
        touching = replace(intent, behind=0.0, beside=0.0, until=np.inf)
        if not (_passes(stage, intent, plan) and _clear(stage, touching, motion, plan)):
            return None
    driven = drive_along(intent.course, plan, stage.vehicle)
    for _ in range(stage.practice if intent.lane is not None else 0):
        intent = practiced(stage, intent, driven)
        driven = drive_along(intent.course, plan, stage.vehicle)
    motion = stage.scene.run(told_by_drive(driven, stage.vehicle, frames))
    return Played(motion, driven, verdict(stage, intent, motion, driven))


def practiced(stage: Stage, intent: Intent, driven: TruckDrive) -> Intent:
    """The intent of a driver who has seen where its units went."""
    assert intent.lane is not None
    boxes = np.asarray(unit_boxes(*map(np.ascontiguousarray, (driven.ego, driven.joints)), chain_of(stage.vehicle)))
    return replace(intent, course=recentered(intent.course, intent.lane, boxes, stage.surface))


def mistake(stage: Stage, played: Played) -> tuple[TruckDrive, DriveVerdict]:
    """The drive of whoever makes the mistake: as the expert until ``MISTAKE_STEP``, then in its own way among the
    traffic as it was around the expert. The first of its ways that does not keep clear and goes wrong, else the last
    that was tried."""
    before, count, tries = played.expert.until(MISTAKE_STEP), _count(stage), 0
    for k, intent in enumerate(stage.mistakes):
        s = nearest(intent.course, before.ego[-1])
        start = s, float(before.ego[-1, 3])
        alone = halting(intent, nobody(count))
        plan = _later(intent, start, alone, stage)
        if intent.minds:
            mine = np.concatenate([before.s[:-1:2], plan.s])
            plan = _later(intent, start, seen(stage, intent, played.motion, mine), stage)
        plan = Pace(*(np.concatenate([np.full(MISTAKE_STEP, x[0]), x]) for x in plan))
        if k < len(stage.mistakes) - 1 and _clear(stage, intent, played.motion, plan):
            continue
        driven, tries = drive_along(intent.course, plan, stage.vehicle, before), tries + 1
        found = _mistaken(stage, played, intent, driven)
        if tries == _MISTAKES or botched(found[1]):
            break
    return found


def _later(intent: Intent, start: tuple[float, float], ahead: Ahead, stage: Stage) -> Pace:
    """The pace of a driver from ``MISTAKE_STEP`` on."""
    later = Ahead(*(x[MISTAKE_STEP:] for x in ahead))
    return pace(start, intent.course, intent.cap, later, intent.manner, stage.vehicle)


def _mistaken(stage: Stage, played: Played, intent: Intent, driven: TruckDrive) -> tuple[TruckDrive, DriveVerdict]:
    """A mistaken drive and what is said of it, but for contacts that others cause."""
    said = verdict(stage, intent, played.motion, driven)
    end = np.interp(intent.until, intent.course.station, intent.course.s)
    late = said.contact >= 0 and driven.s[2 * said.contact] > end  # others run into it where it is in its lane again
    harmless = late and np.isfinite(intent.until)
    if said.contact >= 0 and not harmless:
        now = told_by_drive(driven, stage.vehicle, len(driven.ego)).box[2 * said.contact]
        harmless = from_behind(now, others(stage, played.motion)[0][said.contact])
    return driven, said._replace(contact=-1) if harmless else said


def _count(stage: Stage) -> int:
    return round(stage.seconds / TICK_S) + 1


def _alone(stage: Stage, intent: Intent) -> Pace:
    """A driver's pace where nobody else is."""
    ahead = halting(intent, nobody(_count(stage)))
    return pace(stage.start, intent.course, intent.cap, ahead, intent.manner, stage.vehicle)


def _among(stage: Stage, intent: Intent, motion: Motion, mine: F64) -> Pace:
    """A driver's pace among others, where it was at ``mine`` (T,) before."""
    ahead = seen(stage, intent, motion, mine)
    return pace(stage.start, intent.course, intent.cap, ahead, intent.manner, stage.vehicle)


def _clear(stage: Stage, intent: Intent, motion: Motion, plan: Pace) -> bool:
    """Whether a plan keeps all units clear of others."""
    box, other = _until(stage, intent, motion, plan)
    return first_contact(_roomy(box, intent), other) < 0


def _until(stage: Stage, intent: Intent, motion: Motion, plan: Pace) -> tuple[F64, F64]:
    """Boxes (T, n, 5) of the units of a plan, until others make room for it, and of the others meanwhile (T, N, 5)."""
    told = told_by_plan(intent.course, plan, stage.vehicle, 2 * _count(stage) - 1)
    begin = int(np.searchsorted(plan.s, plan.s[0], "right")) - 1
    end = int(np.searchsorted(np.interp(plan.s, intent.course.s, intent.course.station), intent.until))
    return told.box[2 * begin : 2 * end : 2], others(stage, motion)[0][begin:end]


def make_room(stage: Stage, intent: Intent) -> None:
    """Takes those out of the traffic who would be in the room that a driver wants, and some ahead of it, before others
    make room for it."""
    assert stage.ghost is not None
    ghost = stage.ghost
    told = told_by_plan(ghost.course, _alone(stage, ghost), stage.vehicle, 2 * _count(stage) - 1)
    free = _alone(stage, intent)
    for _ in range(_ROOMS):
        motion, found = stage.scene.run(told), set[int]()
        for plan in (free, _among(stage, intent, motion, free.s)):
            box, other = _until(stage, intent, motion, plan)
            box = _roomy(box, intent)
            box[:, 0, :2] += 0.5 * AHEAD_M * np.stack([np.cos(box[:, 0, 2]), np.sin(box[:, 0, 2])], 1)
            box[:, 0, 3] += AHEAD_M
            found |= {1 + k for k in contacts(box, other)[1].tolist() if 1 + k < len(stage.scene.consts)}
        for k in found:
            stage.scene.consts[k][SPAWN] = np.inf
        if not found:
            return


def _passes(stage: Stage, intent: Intent, plan: Pace) -> bool:
    """Whether a plan never lets the truck stand on the stretch that it is to pass."""
    begin, end = (intent.course.arc(s) if np.isfinite(s) else np.inf for s in intent.over)
    front = plan.s + stage.vehicle.body.front_m
    there = (front > begin - OVER_M) & (front - length_of(stage.vehicle) < end + OVER_M)
    return not bool((there & (plan.speed < SLOWEST_MPS)).any())


def _roomy(box: F64, intent: Intent) -> F64:
    """Boxes (T, n, 5) of units with room beside them and behind the last."""
    out, behind = box.copy(), intent.behind
    out[..., 4] += 2.0 * intent.beside
    last = out[:, -1]
    last[:, 0] -= 0.5 * behind * np.cos(last[:, 2])
    last[:, 1] -= 0.5 * behind * np.sin(last[:, 2])
    last[:, 3] += behind
    return out


def others(stage: Stage, motion: Motion) -> tuple[F64, F64]:
    """Boxes and speeds of all others every 0.1 s."""
    return bodies(motion, [box for _, box, _ in stage.scene.statics], 2 * _count(stage) - 1)


def seen(stage: Stage, intent: Intent, motion: Motion, mine: F64) -> Ahead:
    """Who is ahead of a driver that is meanwhile at ``mine`` (T,) along its course, or where it stops."""
    width = max(u.width_m for u in stage.vehicle.units) if intent.width is None else intent.width
    return halting(intent, ahead_on(intent.course, others(stage, motion), mine, width))


def halting(intent: Intent, ahead: Ahead) -> Ahead:
    """Who is ahead, and what stands where the driver is to stop, or to wait for a time."""
    for place, until in ((intent.halt, np.inf), intent.wait):
        if np.isfinite(place):
            s = intent.course.arc(place)
            nearer = (np.arange(len(ahead.s)) * TICK_S < until) & (s <= ahead.s)
            ahead = Ahead(np.where(nearer, s, ahead.s), np.where(nearer, 0.0, ahead.speed))
    return ahead


def verdict(stage: Stage, intent: Intent, motion: Motion, driven: TruckDrive) -> DriveVerdict:
    """What is said of a drive."""
    ahead = seen(stage, intent, motion, driven.s[::2])
    own = [*(stage.scene.sketch.segments[k].ring for k in stage.own), *stage.beside]
    said = judge(driven, stage.vehicle, others(stage, motion), ahead, stage.scene.sketch, own)
    return said._replace(wrong=stage.wrong(driven))
