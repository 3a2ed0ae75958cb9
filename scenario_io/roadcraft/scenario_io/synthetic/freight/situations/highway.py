"""Situations on highways that are about braking: the end of a queue, a car that cuts in."""

from __future__ import annotations

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.scenario_io.synthetic.freight.driving.course import Surface, centered, course_along
from roadcraft.scenario_io.synthetic.freight.driving.pace import CAR_BRAKE_MPS2, CAR_DRIVER, Manner
from roadcraft.scenario_io.synthetic.freight.populate import populate
from roadcraft.scenario_io.synthetic.freight.stage import (
    Highway,
    Intent,
    Stage,
    curve_cap,
    lay_highway,
    put_truck,
)
from roadcraft.scenario_io.synthetic.roads.curves import smoothstep
from roadcraft.scenario_io.synthetic.situations.grounds import winding
from roadcraft.scenario_io.synthetic.situations.scene import STEPS
from roadcraft.scenario_io.synthetic.traffic.drivers import DT

STOPS_M = 90.0
"""Way before a queue on which nobody begins, m."""


def end_of_queue(stage: Stage) -> None:
    rng, scene = stage.rng, stage.scene
    speed = float(rng.uniform(22.0, min(29.0, stage.top_speed)))
    sight = float(rng.uniform(80.0, min(250.0, max(90.0, 0.7 * speed * speed / (2.0 * CAR_BRAKE_MPS2)))))
    lanes, start = int(rng.integers(2, 4)), 120.0
    tail = start + float(rng.uniform(16.0, 22.0)) * speed
    slope = float(rng.uniform(0.01, 0.03))
    chain = winding(rng, tail + 500.0, 1 / 1500, calm=100.0)

    def crested(s: F64) -> F64:
        """Up to a crest from which the queue is seen, down behind it."""
        return slope * (1.0 - 2.0 * smoothstep((np.asarray(s) - (tail - sight) + 60.0) / 120.0))

    stage.surface, stage.sight = Surface(crested), sight
    road = lay_highway(stage, chain, lanes, max(speed, 24.6))
    lane = int(rng.integers(lanes))
    put_truck(stage, road, lane, start, speed, 44.0)
    scene.reserve(scene.paths[road.paths[lane]], start, 0.0, tail - start)  # the truck is the next to come
    still = scene.script(np.zeros(STEPS))
    for path in road.paths:
        s = tail + float(rng.uniform(0.0, 15.0))
        scene.reserve(scene.paths[path], s, STOPS_M, 0.0)
        while s < chain.length - 60.0:
            length = float(rng.uniform(9.0, 13.0)) if rng.random() < 0.15 else 4.8
            width = 2.5 if length > 6.0 else 0.0
            scene.driver(path, s + 0.5 * length, 0.0, spawn=-1.0, script=still, changes=0, length=length, width=width)
            s += length + float(rng.uniform(1.8, 3.5))
    populate(stage, road.paths, 0.85, changes=False)
    along_lane(stage, road, lane, speed, Manner(decel=1.0), CAR_DRIVER._replace(sight=sight))


def cut_in_hard_brake(stage: Stage) -> None:
    rng, scene = stage.rng, stage.scene
    speed = float(rng.uniform(20.0, min(26.0, stage.top_speed)))
    wet = rng.random() < 0.4
    stage.surface = Surface(friction=float(rng.uniform(0.5, 0.65)) if wet else 0.8)
    chain = winding(rng, 46.0 * speed + 500.0, 1 / 1500, calm=100.0)
    lanes, start = int(rng.integers(2, 4)), 120.0
    road = lay_highway(stage, chain, lanes, max(1.1 * speed, 24.6))
    lane = int(rng.integers(lanes))
    other = lane + 1 if lane == 0 or (lane < lanes - 1 and rng.random() < 0.5) else lane - 1
    put_truck(stage, road, lane, start, speed, 44.0)
    when, brake = float(rng.uniform(11.0, 15.0)), float(rng.uniform(3.0, 8.0))
    end, held = float(rng.uniform(2.0, 10.0)), float(rng.uniform(3.0, 7.0))
    begin = when + 4.2 + float(rng.uniform(0.0, 1.5))
    t = np.arange(STEPS) * DT
    slow = speed - np.clip(t - begin, 0.0, (speed - end) / brake) * brake
    caps = slow + np.clip(t - begin - (speed - end) / brake - held, 0.0, None)
    gap = float(rng.uniform(10.0, 25.0))
    script, s = scene.script(np.minimum(caps, 1.02 * speed)), start + stage.vehicle.body.front_m + gap + 2.4
    cutter = scene.driver(
        road.paths[other], s, speed, script=script, changes=0, speed_factor=1.0, noise=0.0, accel=2.0,
        forced_after=when, forced_side=1.0 if other > lane else -1.0, forced_near=4.0, forced_far=60.0,
    )  # fmt: skip
    stage.event = lambda m: bool((m.path[:, cutter] == road.paths[lane]).any())
    scene.reserve(scene.paths[road.paths[other]], start, 50.0, 250.0)
    scene.reserve(scene.paths[road.paths[lane]], start, 0.0, 250.0)
    populate(stage, road.paths, 0.85)
    late = CAR_DRIVER._replace(hard=1.2, decel=1.2, jerk=0.6, headway=0.5, sight=20.0)
    along_lane(stage, road, lane, speed, Manner(decel=1.5, hard=3.5), late)


def along_lane(stage: Stage, road: Highway, lane: int, speed: float, well: Manner, badly: Manner) -> None:
    """Both drivers keep to a lane at a speed."""
    kept = course_along(road.chain, centered(road.chain, road.middle(lane), stage.vehicle), stage.surface)
    stage.own = list(stage.scene.paths[stage.route].route.segments)
    stage.experts = [Intent(kept, curve_cap(kept, stage.threshold, 0.4, speed), well)]
    middle = course_along(road.chain, road.middle(lane), stage.surface)
    stage.mistakes = [Intent(middle, np.full(len(middle.s), speed), badly)]
