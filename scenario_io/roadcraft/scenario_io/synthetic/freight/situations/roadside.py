"""Situations at the roadside: somebody who stands there, and a truck that is told to stand there itself."""

from __future__ import annotations

import numpy as np
import shapely

from roadcraft.core.arrays import F64
from roadcraft.core.data.instructions import PULL_OVER
from roadcraft.core.data.places import PlaceKind, RoadPlace
from roadcraft.core.data.scenario import Ego, ObjectKind
from roadcraft.core.driving.motion.chain import chain_of, unit_boxes
from roadcraft.scenario_io.synthetic.freight.changes import open_gap, patient_changes
from roadcraft.scenario_io.synthetic.freight.driving.course import centered, course_along, outline
from roadcraft.scenario_io.synthetic.freight.driving.pace import CAR_DRIVER, Manner
from roadcraft.scenario_io.synthetic.freight.driving.wheel import FRAME_S, TruckDrive
from roadcraft.scenario_io.synthetic.freight.play import make_room
from roadcraft.scenario_io.synthetic.freight.populate import populate
from roadcraft.scenario_io.synthetic.freight.stage import (
    Highway,
    Intent,
    Stage,
    lay_highway,
    put_truck,
)
from roadcraft.scenario_io.synthetic.roads.chain import blend
from roadcraft.scenario_io.synthetic.situations.grounds import winding
from roadcraft.scenario_io.synthetic.situations.scene import STEPS

CAR_WIDTH_M, BARELY_M = 1.9, 1.2
"""Width of a car, and what is left of it for a driver who wants no room beside it."""
PER_MPS = 0.1
"""Room beside who stands there that each m/s asks for, beyond 1 m, s."""
TOLD_S, WITHIN_S = 10.0, 30.0
"""When the truck is told to pull over, s after the start, and how long it may take until it stands."""
GENTLE_MPS2 = 3.0
"""Hardest braking on the way to the shoulder."""


def move_over(stage: Stage) -> None:
    """Somebody stands on the shoulder and reaches into the lane: a car in its middle would pass, a truck does not."""
    rng, scene = stage.rng, stage.scene
    speed = float(rng.uniform(19.0, min(25.0, stage.top_speed)))
    lanes, start = int(rng.integers(2, 4)), 280.0
    there = start + float(rng.uniform(25.0, 29.0)) * speed
    chain = winding(rng, 46.0 * speed + 750.0, 1 / 2000, calm=100.0)
    road = lay_highway(stage, chain, lanes, max(1.1 * speed, 22.4), there + 260.0)
    lane = lanes - 1
    put_truck(stage, road, lane, start, speed, 46.0)
    wide, broad = road.edges[lane] - road.edges[lane + 1], max(u.width_m for u in stage.vehicle.units)
    over = float(rng.uniform(0.5 * (wide - broad) + 0.1, 0.5 * (wide - CAR_WIDTH_M) - 0.08))
    length, width = ((4.9, 1.95), (6.2, 2.1), (11.0, 2.5))[int(rng.integers(3))]
    scene.driver(
        road.paths[lane], there + 0.5 * length, 0.0, script=scene.script(np.zeros(STEPS)), changes=0, noise=0.0,
        wander=0.0, length=length, width=width, lateral=over - 0.5 * (wide + width),
    )  # fmt: skip
    open_gap(stage, road.paths[lane - 1])
    populate(stage, road.paths, 0.85, ahead=there - start + 200.0, changes=False)
    kept = course_along(chain, road.middle(lane), stage.surface)
    stage.ghost = Intent(kept, np.full(len(kept.s), speed), width=BARELY_M)
    beside = (kept.station > there - 30.0) & (kept.station < there + 140.0)
    calm = np.where(beside, (1.5 * wide - 0.5 * broad - over - 1.0) / PER_MPS - 1.5, speed)
    stage.experts = patient_changes(stage, road, (lane, lane - 1), there - 6.0 * speed - 40.0, calm)
    make_room(stage, stage.experts[1])
    stage.mistakes = [Intent(kept, np.full(len(kept.s), speed), CAR_DRIVER, width=BARELY_M)]


def shoulder_stop(stage: Stage) -> None:
    """The truck is told to pull over; some stretch of the shoulder ahead is free."""
    rng, scene, vehicle = stage.rng, stage.scene, stage.vehicle
    speed, length = float(rng.uniform(15.0, min(25.0, stage.top_speed))), sum(u.length_m for u in vehicle.units)
    free, broad = max(float(rng.uniform(60.0, 400.0)), length + 50.0), float(rng.uniform(3.0, 3.7))
    run = float(np.clip(0.4 * (free - length), 26.0, 90.0))
    slow, start = min(run / 5.5, speed), 120.0
    begin = start + (TOLD_S + 1.5 + float(rng.uniform(0.0, 2.0))) * speed + (speed * speed - slow * slow) / 3.2
    chain = winding(rng, max(begin + free + 250.0, 50.0 * speed + 400.0), 1 / 2000, calm=100.0)
    lanes = int(rng.integers(1, 4))
    road = lay_highway(stage, chain, lanes, max(1.1 * speed, 17.9), begin + free + 120.0, broad)
    put_truck(stage, road, lanes - 1, start, speed, 46.0)
    stage.own = list(scene.paths[stage.route].route.segments)
    stage.told = ((TOLD_S, PULL_OVER),)
    edge, lane = road.edges[-1], stage.own[0]
    place, rest = edge - 0.5 * broad, begin + run + 1.1 * length + 10.0
    stage.beside = [chain.strip(begin - 20.0, begin + free, edge - broad, edge + 0.05)]
    arcs = np.hypot(*np.diff(chain.line(0.0, begin + free, road.middle(lanes - 1), 0.85), axis=0).T).cumsum()
    span = float(np.interp(begin, np.linspace(0.0, begin + free, len(arcs)), arcs)), float(arcs[-1])
    scene.sketch.places.append(RoadPlace(PlaceKind.SHOULDER, lane, span, broad, -1.0))
    for k in range(int(rng.integers(1, 3))):
        at = chain.at(np.array([begin + free + 4.0 + 7.5 * k]), place)[0]
        heading = float(np.interp(begin + free, np.arange(len(chain.heading)) * chain.ds, chain.heading))
        scene.thing(ObjectKind.VEHICLE, at, heading, 4.7, 1.9, 1.5)
    populate(stage, road.paths, 0.85, ahead=200.0)
    middle = road.middle(lanes - 1)
    for stretch, decel in ((1.0, 1.6), (1.25, 1.6), (1.0, 2.2)):
        way = course_along(chain, blend(middle, place, begin, begin + stretch * run), stage.surface)
        cap = np.where(way.station > begin - 4.0, slow, speed)
        halt = min(rest + (stretch - 1.0) * run, begin + free - 2.0)
        manner = Manner(decel=decel, jerk=1.0, hard=2.8, headway=0.8, gap=3.0)
        stage.experts.append(Intent(way, cap, manner, halt=halt, behind=0.0))
    lanes_of = shapely.union_all([shapely.Polygon(p.ring) for p in scene.sketch.segments]).buffer(-0.1)
    stage.wrong = lambda driven: _not_pulled_over(driven, stage, lanes_of)
    stage.mistakes = [_on_and_on(stage, road, speed)]
    if len(vehicle.units) > 1 and rng.random() < 0.5:  # the tractor stands on the shoulder, the trailer does not
        way = course_along(chain, blend(middle, place, begin, begin + 25.0), stage.surface)
        cap, halt = np.where(way.station > begin - 10.0, min(slow, 8.0), speed), begin + 26.0 + vehicle.body.front_m
        stage.mistakes = [Intent(way, cap, CAR_DRIVER._replace(gap=1.0, headway=0.5), halt=halt)]


def _on_and_on(stage: Stage, road: Highway, speed: float) -> Intent:
    """Who drives on in its lane."""
    middle = road.middle(len(road.paths) - 1)
    way = course_along(road.chain, centered(road.chain, middle, stage.vehicle), stage.surface)
    return Intent(way, np.full(len(way.s), speed), CAR_DRIVER)


def _not_pulled_over(driven: TruckDrive, stage: Stage, lanes: shapely.Geometry) -> str:
    """What is wrong with how a drive ends."""
    by = round((TOLD_S + WITHIN_S) / FRAME_S)
    last = (np.ascontiguousarray(x[-1:]) for x in (driven.ego, driven.joints))
    edge: F64 = outline(np.asarray(unit_boxes(*last, chain_of(stage.vehicle)))).reshape(-1, 2)
    if np.abs(driven.ego[min(by, len(driven.ego) - 1) :, Ego.VX]).max() > 0.05:
        return f"does not stand {WITHIN_S:.0f} s after it was told to pull over"
    if shapely.contains_xy(lanes, edge[:, 0], edge[:, 1]).any():
        return "stands with a unit in the lane"
    hardest = float(-driven.ego[round(TOLD_S / FRAME_S) :, Ego.AX].min())
    return f"brakes by {hardest:.1f} m/s2 on the way to the shoulder" if hardest > GENTLE_MPS2 else ""
