"""Situation: a merge from an acceleration lane, by who counts on a truck's engine and by who does not."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np

from roadcraft.core.data.map import AreaKind
from roadcraft.scenario_io.synthetic.freight.driving.course import Surface, course_along
from roadcraft.scenario_io.synthetic.freight.driving.pace import CAR_DRIVER, Manner
from roadcraft.scenario_io.synthetic.freight.play import make_room
from roadcraft.scenario_io.synthetic.freight.populate import populate
from roadcraft.scenario_io.synthetic.freight.stage import Intent, Piece, Stage, beyond, curve_cap
from roadcraft.scenario_io.synthetic.roads.chain import Edge, blend, lay_lanes, lay_links, middle
from roadcraft.scenario_io.synthetic.situations.grounds import winding


def on_ramp_merge(stage: Stage) -> None:
    rng, scene, sketch = stage.rng, stage.scene, stage.scene.sketch
    limit, lanes, width = float(rng.uniform(22.0, 31.0)), int(rng.integers(2, 4)), float(rng.uniform(3.5, 3.75))
    grade, far = float(rng.uniform(0.0, 0.04)), -float(rng.uniform(14.0, 20.0))
    beside = float(rng.uniform(560.0, 600.0))
    b = beside + float(rng.uniform(150.0, 400.0))
    e = b + float(rng.uniform(90.0, 120.0))
    chain = winding(rng, e + 24.0 * limit + 300.0, 1 / 2500, calm=e + 50.0)
    edges = [-k * width for k in range(lanes + 1)]
    top = blend(edges[-1] + far, edges[-1], 300.0, beside)
    side: tuple[Edge, Edge] = (top, beyond(top, -width))
    main, ramp = lay_lanes(sketch, chain, 0.0, b, edges, limit), lay_lanes(sketch, chain, 0.0, b, side, 0.9 * limit)
    after = lay_lanes(sketch, chain, e, chain.length, edges, limit)
    inside = sketch.area(AreaKind.INTERSECTION, chain.strip(b, e, edges[-1] - width - 1.5, 1.0))
    joins = [(x, y, p, q) for x, y, (p, q) in zip(main, after, pairwise(edges), strict=True)]
    through = lay_links(sketch, chain, b, e, joins, limit, inside)
    over = blend(edges[-1], edges[-2], b, e), blend(edges[-1] - width, edges[-1], b, e)
    merge = lay_links(sketch, chain, b, e, [(ramp[0], after[-1], *over)], limit, inside)
    sketch.area(AreaKind.ROAD_SEGMENT, chain.strip(0.0, b, edges[-1] - 0.02, 1.0))
    sketch.area(AreaKind.ROAD_SEGMENT, chain.strip(0.0, b, beyond(side[1], -1.5), beyond(top, 0.02)))
    sketch.area(AreaKind.ROAD_SEGMENT, chain.strip(e, chain.length, edges[-1] - 3.0, 1.0))
    for rows, span in ((main, (0.0, b)), (through, (b, e)), (after, (e, chain.length))):
        stage.pieces += [Piece(x, *span, middle(p, q)) for x, (p, q) in zip(rows, pairwise(edges), strict=True)]
    stage.pieces += [Piece(ramp[0], 0.0, b, middle(*side)), Piece(merge[0], b, e, middle(*over))]
    stage.surface = Surface(grade)
    scene.find_routes()
    stage.route = scene.path_from(ramp[0])
    stage.own = [ramp[0], merge[0], main[-1], through[-1], after[-1]]
    stage.start, stage.seconds = (370.0, float(rng.uniform(16.0, 20.0))), 50.0
    paths = [scene.path_from(x) for x in main]
    populate(stage, paths, 0.9, changes=False)
    low, right = middle(*side), 0.5 * (edges[-1] + edges[-2])
    drop = right - 0.5 * (2.0 * edges[-1] - width)
    speed = min(0.95 * limit, stage.top_speed)
    joined = 0.5 * (b + e) + sum(u.length_m for u in stage.vehicle.units[1:])  # the last unit is seen in the lane
    for behind, share in product((30.0, 18.0), np.linspace(1.0, 0.4, 13)):
        moved = blend(0.0, drop, b, e)
        way = course_along(chain, lambda s, m=moved: low(s) + m(s), stage.surface)  # type: ignore[operator,misc]
        cap = curve_cap(way, stage.threshold, 0.4, np.where(way.station < b + 60.0, share * speed, speed))
        least = 0.6 * stage.start[1]
        stage.experts.append(Intent(way, cap, Manner(headway=0.8), until=joined, behind=behind, least=least))
    waits = course_along(chain, low, stage.surface)
    stage.ghost = Intent(waits, np.full(len(waits.s), speed))
    make_room(stage, stage.experts[0])  # there is a gap for who drives as fast as its engine allows
    car = CAR_DRIVER._replace(engine=0.9)
    for begin in np.arange(beside + 10.0, e - 50.0, 12.0):
        moved = blend(0.0, drop, float(begin), float(begin) + 55.0)
        way = course_along(chain, lambda s, m=moved: low(s) + m(s), stage.surface)  # type: ignore[operator,misc]
        cap, until = np.full(len(way.s), speed), float(begin) + 33.0
        stage.mistakes.append(Intent(way, cap, car, minds=False, until=until, behind=-1.0, beside=0.0))
