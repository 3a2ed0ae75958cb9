"""Situation: gusts from the side where a bridge begins, for a truck that is empty."""

from __future__ import annotations

import numpy as np

from roadcraft.scenario_io.synthetic.freight.driving.course import Gust, Surface, centered, course_along
from roadcraft.scenario_io.synthetic.freight.driving.pace import CAR_DRIVER, Manner
from roadcraft.scenario_io.synthetic.freight.populate import populate
from roadcraft.scenario_io.synthetic.freight.stage import Highway, Intent, Stage, lay_way, put_truck
from roadcraft.scenario_io.synthetic.situations.grounds import winding

SHOULDER_M = 0.25
"""From the outer lanes to the curbs of the bridge."""


def crosswind_gusts(stage: Stage) -> None:
    rng, scene = stage.rng, stage.scene
    speed = float(rng.uniform(22.0, min(26.0, stage.top_speed)))
    start, lanes, width = 120.0, int(rng.integers(1, 3)), float(rng.uniform(3.5, 3.75))
    begin = start + float(rng.uniform(14.0, 17.0)) * speed
    chain = winding(rng, 46.0 * speed + 400.0, 1 / 3000, calm=begin + 400.0)
    side, across, gusts, s = float(rng.choice((-1, 1))), float(chain.heading[0]), [], begin
    least = 22.0  # the first gust is one of the strongest
    while s < begin + 350.0:
        end = s + float(rng.uniform(50.0, 110.0))
        gusts.append(Gust(s, end, float(rng.uniform(least, 24.0)), across + side * 0.5 * np.pi))
        s, least = end + float(rng.uniform(20.0, 50.0)), 15.0
    stage.surface = Surface(gusts=tuple(gusts))
    edges = tuple(-k * width for k in range(lanes + 1))
    rows = lay_way(stage, chain, edges, (SHOULDER_M, SHOULDER_M), (begin + 500.0,), 1.08 * speed)
    scene.find_routes()
    road = Highway(chain, edges, [scene.path_from(x) for x in rows[0]], 1.08 * speed)
    lane = 0 if side > 0.0 else lanes - 1  # nothing but the edge is to the lee of it
    put_truck(stage, road, lane, start, speed, 46.0)
    stage.own = list(scene.paths[stage.route].route.segments)
    populate(stage, road.paths, 0.85, ahead=250.0)
    middle = course_along(chain, road.middle(lane), stage.surface)
    kept = course_along(chain, centered(chain, road.middle(lane), stage.vehicle), stage.surface)
    blown = (kept.station > begin - 30.0) & (kept.station < s + 60.0)
    stage.practice = 4
    stage.experts = [Intent(kept, np.where(blown, 0.5 * speed, speed), Manner(decel=0.9), lane=middle)]
    stage.mistakes = [Intent(middle, np.full(len(middle.s), 1.05 * speed), CAR_DRIVER)]
