"""Situations about lanes: one that shifts between barriers, a change into dense traffic, a merge from a ramp."""

from __future__ import annotations

import numpy as np

from roadcraft.core.data.scenario import ObjectKind
from roadcraft.scenario_io.synthetic.freight.changes import hasty_changes
from roadcraft.scenario_io.synthetic.freight.driving.course import centered, course_along
from roadcraft.scenario_io.synthetic.freight.driving.pace import CAR_DRIVER, Manner
from roadcraft.scenario_io.synthetic.freight.populate import populate
from roadcraft.scenario_io.synthetic.freight.stage import (
    Intent,
    Stage,
    beyond,
    curve_cap,
    lay_highway,
    lay_way,
    put_truck,
)
from roadcraft.scenario_io.synthetic.roads.chain import blend, middle
from roadcraft.scenario_io.synthetic.situations.grounds import winding

MPH = 0.44704
NARROW_M = 0.2
"""Width of a truck for a driver who thinks that there is room between barriers, but sees who drives ahead."""
BESIDE_S = 12.0
"""When somebody is alongside the truck, s after the start."""


def work_zone_shift(stage: Stage) -> None:
    rng, scene = stage.rng, stage.scene
    limit, shift = float(rng.uniform(45.0, 55.0)) * MPH, float(rng.choice((-1, 1))) * float(rng.uniform(3.0, 4.0))
    taper = 0.5 * abs(shift) * limit / MPH  # half of MUTCD's W S, the same in feet and in meters
    width, lanes = float(rng.uniform(3.05, 3.35)), int(rng.integers(1, 3))
    chain = winding(rng, 42.0 * limit + 300.0, 1 / 2500, calm=950.0)
    start = 120.0
    a = start + float(rng.uniform(18.0, 22.0)) * limit
    edges = [blend(-k * width, shift - k * width, a, a + taper) for k in range(lanes + 1)]
    rows = lay_way(stage, chain, edges, (0.8, 0.8), (0.8 * a, a + taper + 60.0), limit)
    scene.find_routes()
    lane, paths = int(rng.integers(lanes)), [scene.path_from(x) for x in rows[0]]
    stage.own = list(scene.paths[paths[lane]].route.segments)
    stage.route, stage.start, stage.seconds = paths[lane], (start, 0.95 * limit), 40.0
    for s in np.arange(a - 130.0, a + taper + 150.0, 6.0):
        for edge, side in ((edges[0], 0.55), (edges[-1], -0.55)):
            at, ahead = chain.at(np.array([s, s + 6.0]), beyond(edge, side))
            heading = float(np.arctan2(*(ahead - at)[::-1]))
            scene.thing(ObjectKind.BARRIER, 0.5 * (at + ahead), heading, 5.9, 0.4, 0.8)
    populate(stage, paths, 0.85, ahead=250.0, changes=False)
    mid = middle(edges[lane], edges[lane + 1])
    kept = course_along(chain, centered(chain, mid, stage.vehicle), stage.surface)
    slow = np.where((kept.station > a - 120.0) & (kept.station < a + taper + 40.0), 0.72 * limit, 0.95 * limit)
    cap, held = curve_cap(kept, stage.threshold, 0.35, slow), course_along(chain, mid, stage.surface)
    stage.experts = [Intent(kept, cap, Manner(decel=0.8), lane=held)]
    there = float(middle(edges[lane], edges[lane + 1])(np.array([0.0]))[0])  # type: ignore[operator]
    late = blend(there, there + shift, a + 0.35 * taper, a + 0.85 * taper)
    swung = course_along(chain, late, stage.surface)
    stage.mistakes = [Intent(swung, np.full(len(swung.s), 1.1 * limit), CAR_DRIVER, width=NARROW_M)]


def lane_change_dense(stage: Stage) -> None:
    rng, scene = stage.rng, stage.scene
    speed = float(rng.uniform(20.0, min(25.0, stage.top_speed)))
    chain = winding(rng, 50.0 * speed + 700.0, 1 / 2000, calm=100.0)
    road = lay_highway(stage, chain, int(rng.integers(2, 4)), max(1.15 * speed, 24.6))
    lane = int(rng.integers(1, len(road.paths)))
    goal, start = lane - 1, 420.0
    put_truck(stage, road, lane, start, speed, 48.0)
    closing = float(rng.uniform(2.0, 8.0))
    beside = start + 2.0 - BESIDE_S * closing  # who is alongside when a hasty driver moves over
    spots, s = [beside], beside
    while s < start + 130.0:
        s += 4.8 + float(rng.uniform(1.5, 4.0)) * (speed + closing)
        spots.append(s)
    s, opened = beside, False
    while s > 40.0:  # behind it some more, then a hole in the stream that comes by
        gap = 4.8 + float(rng.uniform(1.5, 4.0)) * (speed + closing)
        if not opened and beside - (s - gap) > 7.0 * closing:
            gap, opened = max(gap, _hole(stage, closing)), True
        s -= gap
        spots.append(s)
    for s in spots:
        if s > 15.0:
            scene.driver(
                road.paths[goal], s, speed + closing, changes=0, top_speed=speed + closing, speed_factor=1.3, noise=0.0
            )
    scene.reserve(scene.paths[road.paths[goal]], start, 420.0, 150.0)
    populate(stage, [p for p in road.paths if p != road.paths[goal]], 0.85, ahead=300.0, changes=False)
    sides = road.middle(lane), road.middle(goal)
    kept = course_along(chain, sides[0], stage.surface)
    stage.ghost = Intent(kept, np.full(len(kept.s), speed))
    for share in (1.0, 0.9, 0.8):
        for wait in np.arange(11.0, 31.0, 1.0):
            begin, run = start + (9.0 + share * (float(wait) - 9.0)) * speed, 8.0 * share * speed
            way = course_along(chain, blend(*sides, begin, begin + run), stage.surface)
            late = (way.station > start + 9.0 * speed) & (way.station < begin + 0.5 * run)
            cap = curve_cap(way, stage.threshold, 0.4, np.where(late, share, 1.0) * speed)
            stage.experts.append(Intent(way, cap, Manner(headway=0.8), until=begin + 0.8 * run, least=0.6 * speed))
    stage.mistakes = hasty_changes(stage, road, (lane, goal), np.arange(BESIDE_S - 2.5, 26.0, 0.5))


def _hole(stage: Stage, closing: float) -> float:
    """Room, m, that a change of the truck's lane takes where others are faster."""
    return sum(u.length_m for u in stage.vehicle.units) + 80.0 + 7.0 * closing + closing * closing / 3.0
