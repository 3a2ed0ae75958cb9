"""Drivers of trucks that change lanes: with patience, or as a car would."""

from __future__ import annotations

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.scenario_io.synthetic.freight.driving.course import course_along
from roadcraft.scenario_io.synthetic.freight.driving.pace import CAR_DRIVER, Manner
from roadcraft.scenario_io.synthetic.freight.stage import Highway, Intent, Stage, curve_cap
from roadcraft.scenario_io.synthetic.roads.chain import blend

DECIDED_S = 9.5
"""Time from the start until somebody decides to change lanes: later than the mistaken driver goes its own way."""
CHANGE_S, CAR_CHANGE_S = 8.0, 4.0
"""How long a change of lanes takes a truck, and a car."""


def open_gap(stage: Stage, path: int, front: float | None = None, spare: float = 80.0) -> None:
    """Keeps a gap that a truck can take free of traffic on a path. front: where along it, by default beside the truck's
    start or a little behind; spare: m beside the truck's length."""
    room, s = sum(u.length_m for u in stage.vehicle.units) + spare, stage.start[0]
    front = s - float(stage.rng.uniform(0.0, 40.0)) if front is None else front
    stage.scene.reserve(stage.scene.paths[path], front, room, max(s - front, 0.0) + 60.0)


def patient_changes(
    stage: Stage, road: Highway, lanes: tuple[int, int], last: float, limit: F64 | float = np.inf
) -> list[Intent]:
    """Who changes from one lane to another at the first gap, slower where none comes by, and has begun at ``last`` m
    along the road. limit: largest speed m/s, one for each point of the road's line."""
    speed, found = stage.start[1], []
    decided, run = stage.start[0] + DECIDED_S * speed, CHANGE_S * speed
    for share in (1.0, 0.9, 0.8, 0.7):
        for begin in np.arange(decided, last, 1.2 * speed).tolist():
            shift = blend(road.middle(lanes[0]), road.middle(lanes[1]), begin, begin + run)
            way = course_along(road.chain, shift, stage.surface)
            slows = decided + 20.0 * (1.0 - share) * speed  # late enough that it brakes for it no earlier than decided
            waits = (way.station > slows) & (way.station < begin + 0.4 * run)
            cap = curve_cap(way, stage.threshold, 0.4, np.minimum(np.where(waits, share, 1.0) * speed, limit))
            behind = 12.0 + ((1.0 - share) * speed) ** 2 / 6.0
            until, least = begin + 0.8 * run, 0.5 * share * speed
            found.append(Intent(way, cap, Manner(headway=0.8), until=until, least=least, behind=behind))
    return found


def hasty_changes(stage: Stage, road: Highway, lanes: tuple[int, int], waits: F64) -> list[Intent]:
    """Who changes from one lane to another, so many s after the start, in a car's time and as if nobody were there; at
    its speed, or slower where nobody is beside it then."""
    (start, speed), found = stage.start, []
    towed = sum(u.length_m for u in stage.vehicle.units[1:])
    for pace in (speed, 0.9 * speed, 0.8 * speed):
        for wait in waits.tolist():
            begin, run = start + DECIDED_S * speed + (wait - DECIDED_S) * pace, CAR_CHANGE_S * pace
            shift = blend(road.middle(lanes[0]), road.middle(lanes[1]), begin, begin + run)
            way, until = course_along(road.chain, shift, stage.surface), begin + 0.6 * run + towed
            cap = np.full(len(way.s), pace)
            found.append(Intent(way, cap, CAR_DRIVER, minds=False, until=until, behind=-1.0, beside=0.0))
    return found
