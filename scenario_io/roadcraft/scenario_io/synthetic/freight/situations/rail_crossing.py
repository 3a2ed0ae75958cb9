"""Situation: a railway before the end of a queue, crossed where the last unit clears it, or stood upon."""

from __future__ import annotations

import numpy as np

from roadcraft.core.data.places import PlaceKind, RoadPlace
from roadcraft.core.data.scenario import Ego
from roadcraft.core.driving.motion.stopped import STOPPED_MPS
from roadcraft.core.vehicles.geometry import length_of
from roadcraft.scenario_io.synthetic.freight.driving.course import centered, course_along
from roadcraft.scenario_io.synthetic.freight.driving.pace import CAR_DRIVER, Manner
from roadcraft.scenario_io.synthetic.freight.driving.wheel import FRAME_S, TruckDrive
from roadcraft.scenario_io.synthetic.freight.populate import populate
from roadcraft.scenario_io.synthetic.freight.stage import Intent, Stage, curve_cap
from roadcraft.scenario_io.synthetic.roads.chain import Profile, lay_road
from roadcraft.scenario_io.synthetic.situations.grounds import winding
from roadcraft.scenario_io.synthetic.situations.scene import STEPS
from roadcraft.scenario_io.synthetic.traffic.drivers import DT

TRACK_M, TRACKS_APART_M = 5.1, 4.3
"""Width that a passing train needs: the gauge and 6 ft beside each rail; distance between two tracks."""
_CUT_M, _BEFORE_M = 12.0, 4.6  # of connectors; from where a truck's front waits to the track


def rail_crossing(stage: Stage) -> None:
    rng, scene, length = stage.rng, stage.scene, length_of(stage.vehicle)
    limit, width = float(rng.uniform(12.0, 18.0)), float(rng.uniform(3.3, 3.75))
    start, speed = 120.0, 0.92 * limit
    rail = start + float(rng.uniform(13.5, 17.0)) * speed
    over = rail, rail + TRACK_M + TRACKS_APART_M * float(rng.integers(2))
    # less room than the truck and what it leaves ahead need: where all fits, nobody can go wrong
    storage = float(rng.uniform(12.0, min(35.0, length + CAR_DRIVER.gap - 3.0)))
    tail, waits, count = over[1] + storage, float(rng.uniform(24.0, 30.0)), int(rng.integers(2, 7))
    queue = tail + 8.0 * count + 20.0
    chain = winding(rng, queue + 44.0 * limit, 1 / 800, calm=queue)
    side = float(rng.uniform(0.6, 1.5))
    profile = Profile(width, 1, 1, 0.0, side, side, walkway=False)
    cuts = [(40.0, 40.0 + _CUT_M), (queue, queue + _CUT_M)]
    forward, backward = lay_road(scene.sketch, chain, profile, cuts, (0.0, chain.length), limit)
    scene.find_routes()
    stage.route, stage.start, stage.seconds = scene.path_from(forward[0][0]), (start, speed), 58.0
    stage.own = list(scene.paths[stage.route].route.segments)
    low, high, ring = over[0] - cuts[0][1], over[1] - cuts[0][1], chain.strip(*over, profile.right, profile.left)
    there, back = forward[1][0], backward[1][0]
    end = scene.sketch.segments[back].length
    for lane, span in ((there, (low, high)), (back, (end - high, end - low))):
        scene.sketch.places.append(RoadPlace(PlaceKind.RAIL_CROSSING, lane, span, polygon=[ring]))
    t = np.arange(STEPS) * DT
    held, s = scene.script(np.where(t < waits, 0.0, np.inf)), tail
    for _ in range(count):
        size = float(rng.uniform(8.0, 12.0)) if rng.random() < 0.2 else 4.8
        wide, room = 2.5 if size > 6.0 else 0.0, float(rng.uniform(1.9, 3.0))
        firm = {"script": held, "gap": room + 1.0, "spawn": -1.0, "changes": 0}  # it does not close up
        scene.driver(stage.route, s + 0.5 * size, 0.0, length=size, width=wide, **firm)
        s += size + room
    populate(stage, [stage.route, scene.path_from(backward[0][0])], 0.85, ahead=queue - start)
    middle = -0.5 * width
    kept = course_along(chain, centered(chain, middle, stage.vehicle), stage.surface)
    cap = curve_cap(kept, stage.threshold, 0.4, speed)
    manner, wall = Manner(decel=0.8), rail - _BEFORE_M + Manner().gap
    for wait in (0.0, *np.arange(waits, waits + 22.0, 1.5).tolist()):
        stage.experts.append(Intent(kept, cap, manner, behind=0.0, wait=(wall, wait), over=over))
    stage.ghost = Intent(kept, cap, manner, wait=(wall, waits + 8.0))
    straight = course_along(chain, middle, stage.surface)
    stage.mistakes = [Intent(straight, np.full(len(straight.s), speed), CAR_DRIVER)]
    front = stage.vehicle.body.front_m

    def wrong(driven: TruckDrive) -> str:
        ahead = driven.s + front
        there = (ahead > kept.arc(over[0])) & (ahead - length < kept.arc(over[1]))
        stands = np.abs(driven.ego[:, Ego.VX]) <= STOPPED_MPS
        return f"stands on rails for {FRAME_S * (there & stands).sum():.1f} s" if (there & stands).any() else ""

    stage.wrong = wrong
