"""Situation: the right lane ends."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from roadcraft.core.data.map import AreaKind
from roadcraft.scenario_io.synthetic.freight.changes import hasty_changes, open_gap, patient_changes
from roadcraft.scenario_io.synthetic.freight.driving.course import course_along
from roadcraft.scenario_io.synthetic.freight.populate import populate
from roadcraft.scenario_io.synthetic.freight.situations.lanes import MPH
from roadcraft.scenario_io.synthetic.freight.stage import Highway, Intent, Piece, Stage, beyond, put_truck
from roadcraft.scenario_io.synthetic.roads.chain import blend, lay_lanes, lay_links, middle
from roadcraft.scenario_io.synthetic.situations.grounds import winding


def lane_drop(stage: Stage) -> None:
    rng, scene, sketch = stage.rng, stage.scene, stage.scene.sketch
    speed, start = float(rng.uniform(19.0, min(25.0, stage.top_speed))), 280.0
    limit, lanes, width = max(1.1 * speed, 20.2), int(rng.integers(1, 3)), float(rng.uniform(3.5, 3.75))
    b = start + float(rng.uniform(24.0, 27.0)) * speed
    e = b + width * limit / MPH  # MUTCD's W S, the same in feet and in meters
    chain = winding(rng, e + 24.0 * speed + 300.0, 1 / 2000, calm=100.0)
    edges = [-k * width for k in range(lanes + 2)]
    right = blend(edges[-1], edges[-2], b, e)
    before = lay_lanes(sketch, chain, 0.0, b, edges, limit)
    after = lay_lanes(sketch, chain, e, chain.length, edges[:-1], limit)
    inside = sketch.area(AreaKind.INTERSECTION, chain.strip(b, e, beyond(right, -3.0), 1.2))
    over = blend(edges[-2], edges[-3], b, e)  # the lane that ends closes in on the one beside it
    joins = [(x, y, p, q) for x, y, (p, q) in zip(before[:-1], after, pairwise(edges[:-1]), strict=True)]
    links = lay_links(sketch, chain, b, e, [*joins, (before[-1], after[-1], over, right)], limit, inside)
    sketch.area(AreaKind.ROAD_SEGMENT, chain.strip(0.0, b, edges[-1] - 3.0, 1.2))
    sketch.area(AreaKind.ROAD_SEGMENT, chain.strip(e, chain.length, edges[-2] - 3.0, 1.2))
    sides = list(pairwise(edges))
    stage.pieces = [
        *(Piece(x, 0.0, b, middle(p, q)) for x, (p, q) in zip(before, sides, strict=True)),
        *(Piece(x, b, e, middle(p, q)) for x, (p, q) in zip(links, [*sides[:-1], (over, right)], strict=True)),
        *(Piece(x, e, chain.length, middle(p, q)) for x, (p, q) in zip(after, sides[:-1], strict=True)),
    ]
    scene.find_routes()
    stage.own = [p.segment for p in stage.pieces]
    road = Highway(chain, tuple(edges), [scene.path_from(x) for x in before], limit)
    put_truck(stage, road, lanes, start, speed, 46.0)
    closing = float(rng.uniform(0.8, 2.5))
    beside = start - 8.0 - 12.0 * closing  # who is beside the trailer when a hasty driver moves over
    scene.driver(
        road.paths[lanes - 1],
        beside,
        speed + closing,
        changes=0,
        top_speed=speed + closing,
        speed_factor=1.2,
        noise=0.0,
    )
    open_gap(stage, road.paths[lanes - 1], beside, 140.0)  # who lets that one pass is slower than those behind
    populate(stage, road.paths[:-1], 0.85, changes=False)
    waits = course_along(chain, road.middle(lanes), stage.surface)
    stage.ghost = Intent(waits, np.full(len(waits.s), speed))
    stage.experts = patient_changes(stage, road, (lanes, lanes - 1), b - 4.0 * speed)
    stage.mistakes = hasty_changes(stage, road, (lanes, lanes - 1), np.arange(9.5, 24.0, 0.5))
