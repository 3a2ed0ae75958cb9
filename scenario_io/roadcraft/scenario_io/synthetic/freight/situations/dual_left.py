"""Situation: the inner or the outer of two lanes that turn left, beside others who turn too."""

from __future__ import annotations

import numpy as np
import shapely

from roadcraft.core.arrays import F64
from roadcraft.core.data.map import AreaKind
from roadcraft.core.vehicles.geometry import length_of
from roadcraft.scenario_io.synthetic.freight.crossroads import (
    add_link,
    lay_crossroads,
    lights_of,
    link_between,
    paths_between,
    queue_up,
    widen,
)
from roadcraft.scenario_io.synthetic.freight.driving.course import centered, course_along
from roadcraft.scenario_io.synthetic.freight.driving.fit import one_ground, reach_beyond, swept_boxes
from roadcraft.scenario_io.synthetic.freight.driving.pace import CAR_DRIVER, Manner
from roadcraft.scenario_io.synthetic.freight.populate import lay_traffic
from roadcraft.scenario_io.synthetic.freight.stage import Intent, Stage, curve_cap
from roadcraft.scenario_io.synthetic.roads.chain import Chain, Edge, Profile, blend, middle
from roadcraft.scenario_io.synthetic.roads.curves import headings, lengths, smoothstep, turn
from roadcraft.scenario_io.synthetic.roads.sketch import ring_of

LEAST_TO_LEGS = 0.7576
"""Least radius of a turn of 90 degrees over the length of the straight legs that it replaces."""
NARROW_M, WIDEST_M = 4.3, 6.8
"""Width of a turn's lane for cars, and the widest that one is laid out for a truck."""
_APPROACH_M, _EXIT_M = 190.0, 480.0
_FITS_M, _ROUND = 0.1, 0.3  # reach beyond its lane with which a truck fits; step by which the lane is widened


def dual_left_turn(stage: Stage) -> None:
    rng, scene, vehicle = stage.rng, stage.scene, stage.vehicle
    width, wide, median = float(rng.uniform(3.3, 3.7)), float(rng.uniform(3.9, 4.5)), float(rng.uniform(0.6, 1.5))
    lane, limit = int(rng.random() < 0.7), float(rng.choice((11.18, 13.41, 15.65)))
    corner = (median + width, median + wide)  # where the line between the turning lanes would have its corner
    radius, room, beyond = float(rng.uniform(15.0, 28.0)), NARROW_M, float(rng.uniform(6.0, 10.0))
    while True:  # the lane that the truck needs, in a turn that is as wide as that lane asks for
        chain, begin, end = _turning(corner, radius + 0.5 * room, beyond)
        edges = _edges(lane, (width, room, wide), begin, end)
        kept = course_along(chain, centered(chain, middle(*edges), vehicle), stage.surface)
        ring = chain.strip(0.0, chain.length, edges[1], edges[0], 1.0)
        reach = reach_beyond(swept_boxes(kept, vehicle), one_ground([ring]))
        if reach < _FITS_M or (room > WIDEST_M and radius >= 28.0):
            break
        if room > WIDEST_M:
            radius, room = min(1.15 * radius, 28.0), room - 1.0
        room += max(_ROUND, reach)
    legs = (radius + 0.5 * room) / LEAST_TO_LEGS
    _lay(stage, (chain, begin, end), (width, room, wide, median), (lane, legs, beyond, limit))
    line, speed = begin - 1.2, 0.85 * limit
    stage.start, stage.seconds = (_APPROACH_M - 9.2 * speed - 25.0, speed), 50.0
    green = float(rng.uniform(14.0, 18.0))
    scene.lights = lights_of({2: (0.0, green - 5.0), 1: (green, green + 25.0)})
    cap = curve_cap(kept, stage.threshold, 0.4, speed)
    held = course_along(chain, middle(*edges), stage.surface)
    manner = Manner(decel=0.8)
    for late in (0.5, 2.0, 4.0, 6.0):
        wall = line + manner.gap, green + late
        stage.experts.append(Intent(kept, cap, manner, lane=held, behind=0.0, wait=wall))
    stage.ghost = stage.experts[-1]
    toward = 1.0 if lane else -1.0
    for aside in np.arange(0.8, 4.1, 0.4):

        def over(s: F64, aside: float = float(aside)) -> F64:
            s = np.asarray(s)
            bump = smoothstep((s - begin + 6.0) / 16.0) * (1.0 - smoothstep((s - end + 10.0) / 45.0))
            return np.asarray(middle(*edges)(s) + toward * aside * bump)  # type: ignore[operator]

        way = course_along(chain, over, stage.surface)
        cap = curve_cap(way, stage.threshold, 0.4, speed)
        wall = line + CAR_DRIVER.gap, green + 0.5
        stage.mistakes.append(Intent(way, cap, CAR_DRIVER, minds=False, behind=-1.0, beside=-0.8, wait=wall))


def _turning(corner: tuple[float, float], radius: float, beyond: float) -> tuple[Chain, float, float]:
    """The line between the lanes, with a turn of so much least radius, and the places where the junction's connectors
    begin and end."""
    legs, (x, y) = radius / LEAST_TO_LEGS, corner
    bend = turn(np.array([x, y - legs]), 0.5 * np.pi, np.array([x - legs, y]), np.pi, 0.25)
    points = np.concatenate([[[x, y - legs - _APPROACH_M]], bend, [[x - legs - beyond - _EXIT_M, y]]])
    arc = lengths(points)
    grid = np.arange(0.0, arc[-1], 0.5)
    even = np.stack([np.interp(grid, arc, points[:, 0]), np.interp(grid, arc, points[:, 1])], 1)
    return Chain(even, headings(even)), float(arc[1]), float(arc[-2] + beyond)


def _edges(lane: int, widths: tuple[float, float, float], begin: float, end: float) -> tuple[Edge, Edge]:
    """Left and right edge of the left (0) or right (1) lane, wide before, in and after the turn as given."""
    before, room, after = widths
    a, b = blend(0.0, room - before, begin, begin + 0.35 * (end - begin)), blend(0.0, after - room, end - 16.0, end)

    def size(s: F64) -> F64:
        return before + a(s) + b(s)  # type: ignore[operator, no-any-return]

    return (0.0, lambda s: -size(s)) if lane else (size, 0.0)


def _lay(
    stage: Stage,
    line: tuple[Chain, float, float],
    widths: tuple[float, float, float, float],
    shape: tuple[int, float, float, float],
) -> None:
    """The junction around the turn, with everybody at it. widths: of lanes, of the truck's in the turn, of those that
    it leads to, of half the median; shape: the truck's lane, the turn's legs, the way beyond it, the limit."""
    (chain, begin, end), (width, room, wide, median), (lane, legs, beyond, limit) = line, widths, shape
    rng, scene, vehicle = stage.rng, stage.scene, stage.vehicle
    mine, across = Profile(width, 2, 4, median), Profile(wide, 2, 2, median)
    mouths = (legs - median - wide, mine.left + 7.0, max(across.left, 15.0) + 7.0, legs + beyond - median - width)
    north = Profile(width, 2, 2, median)
    arms = lay_crossroads(stage, (mine, across, north, across), mouths, (_APPROACH_M, 150.0, 150.0, _EXIT_M), limit)
    sketch, source, target = scene.sketch, arms[0].inbound, arms[3].outbound
    links = [link_between(sketch, source[0], target[0])]
    strips = []
    for k, size in ((0, room if lane == 0 else NARROW_M), (1, room if lane else NARROW_M)):
        left, right = _edges(k, (width, size, wide), begin, end)
        strips.append(tuple(chain.line(begin, end, e, 0.7) for e in (left, middle(left, right), right)))
    widen(sketch, links[0], strips[0][0], strips[0][2], strips[0][1])
    links.append(add_link(sketch, links[0], (source[1], target[1]), (strips[1][0], strips[1][1], strips[1][2])))
    for left, _, right in strips:
        sketch.area(AreaKind.INTERSECTION, np.array(shapely.Polygon(ring_of(left, right)).buffer(0.4).exterior.coords))
    scene.find_routes()
    own = [scene.path_from(source[k], links[k]) for k in (0, 1)]
    stage.route = own[lane]
    stage.own = [source[lane], links[lane], target[lane]]
    stop = float(scene.paths[own[0]].starts[1])
    others = own[1 - lane]
    queue_up(stage, others, stop - 1.7, 5 + round(length_of(vehicle) / 7.0))
    for path in paths_between(stage, arms, 0, 2):
        queue_up(stage, path, stop - 1.7, int(rng.integers(1, 5)))
    lay_traffic(stage, [*paths_between(stage, arms, 1, 3), *paths_between(stage, arms, 3, 1)], 0.85)
    lay_traffic(stage, paths_between(stage, arms, 2, 0), 0.8)
