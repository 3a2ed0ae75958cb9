"""Situation: a right turn about a tight corner, with somebody on its inside or parked cars beyond."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
import shapely

from roadcraft.core.arrays import F64
from roadcraft.core.data.scenario import ObjectKind
from roadcraft.scenario_io.synthetic.freight.crossroads import (
    add_link,
    lay_crossroads,
    lights_of,
    link_between,
    paths_between,
    widen,
)
from roadcraft.scenario_io.synthetic.freight.driving.fit import (
    Ground,
    even_course,
    fitted,
    most_curvature,
    one_ground,
    reach_beyond,
    swept_boxes,
)
from roadcraft.scenario_io.synthetic.freight.driving.pace import CAR_DRIVER, Manner
from roadcraft.scenario_io.synthetic.freight.populate import lay_traffic
from roadcraft.scenario_io.synthetic.freight.situations.dual_left import LEAST_TO_LEGS
from roadcraft.scenario_io.synthetic.freight.stage import Intent, Stage, curve_cap
from roadcraft.scenario_io.synthetic.roads.chain import Profile
from roadcraft.scenario_io.synthetic.roads.curves import resample, smoothstep, turn
from roadcraft.scenario_io.synthetic.roads.junction import Arm

CURB_M, TURN_MPS, STRAYS_M = 0.3, 3.5, 0.7
"""Room that an expert keeps from the curb; its speed in the turn; how far a careless driver's trailer leaves the
road."""
NEAR_M = 60.0
"""How far from their mouths arms are looked at."""
_APPROACH_M, _EXIT_M, _FITS_M, _WELL_IN_M = 190.0, 480.0, 0.12, 0.3


class Corner(NamedTuple):
    """A right turn from the arm to the south into the arm to the east."""

    curb: float
    """Least radius of the curb, m."""
    width: tuple[float, float]
    """Of lanes before and after, m."""
    lanes: tuple[int, int]
    """In driving direction, before and after."""
    median: float
    """Half the width between the directions, m."""
    strip: tuple[float, float]
    """Beside the lanes on the right, before and after, m."""

    @property
    def edges(self) -> tuple[float, float]:
        """Where the road's right edges lie: x before, y after the turn."""
        (a, b), (n, m), (p, q) = self.width, self.lanes, self.strip
        return self.median + n * a + p, -self.median - m * b - q

    @property
    def mouths(self) -> tuple[float, float]:
        """Distance of the curb's ends from the origin, before and after."""
        (x, y), legs = self.edges, self.curb / LEAST_TO_LEGS
        return legs - y, legs + x

    @property
    def middles(self) -> tuple[float, float]:
        """Middle of the rightmost lanes: x before, y after the turn."""
        (x, y), (a, b), (p, q) = self.edges, self.width, self.strip
        return x - p - 0.5 * a, y + q + 0.5 * b

    def way(self, p: F64, far: tuple[float, float] = (NEAR_M, NEAR_M)) -> F64:
        """Points (P, 2) of a way. p (5,): m to the left of the lanes' middles before and after the turn, its least
        radius, and the lengths on which the way comes there and goes back; far: m before and beyond the mouths."""
        (x, y), legs = self.middles, max(float(p[2]), 5.0) / LEAST_TO_LEGS
        corner, (before, after) = np.array([x - p[0], y + p[1]]), np.clip(p[3:], 8.0, 60.0)
        bend = turn(corner - np.array([0.0, legs]), 0.5 * np.pi, corner + np.array([legs, 0.0]), 0.0, 0.25)
        south = np.arange(-self.mouths[0] - far[0], bend[0, 1], 0.5)
        east = np.arange(bend[-1, 0] + 0.5, self.mouths[1] + far[1], 0.5)
        come = x - p[0] * smoothstep((south - bend[0, 1] + before) / before)
        leave = y + p[1] * (1.0 - smoothstep((east - bend[-1, 0]) / after))
        return resample(np.concatenate([np.stack([come, south], 1), bend, np.stack([east, leave], 1)]), 0.5)

    def lane(self, before: bool, number: int) -> F64:
        """Outline of a lane, 0 for the leftmost, near its mouth."""
        reach, k = NEAR_M, number
        low = self.median + k * self.width[0 if before else 1]
        high = low + self.width[0 if before else 1]
        a = self.mouths[0 if before else 1]
        box = np.array([[low, -a - reach], [high, -a - reach], [high, -a], [low, -a]])
        return box if before else np.array([[-v, -u] for u, v in box])

    def link(self, target: int) -> tuple[F64, F64, F64]:
        """Left edge, middle and right edge of the way across from the rightmost lane to a lane: all that lies between
        the curb and the lanes' left edges, drawn out to where they meet."""
        (x, y), (a, b), (s, e) = self.edges, self.width, self.mouths
        aside = (self.lanes[1] - 1 - target) * b
        lx, ly = x - self.strip[0] - a, y + self.strip[1] + b + aside
        left = np.concatenate([
            [[lx, -s]], turn(np.array([lx, ly - 3.0]), 0.5 * np.pi, np.array([lx + 3.0, ly]), 0.0, 0.7), [[e, ly]]
        ])  # fmt: skip
        mx, my = self.middles
        center = turn(np.array([mx, -s]), 0.5 * np.pi, np.array([e, my + aside]), 0.0, 0.7)
        right = turn(np.array([x, -s]), 0.5 * np.pi, np.array([e, y]), 0.0, 0.7)
        right = np.concatenate([[[lx + a, -s]], right, [[e, ly - b]]])
        return resample(left, 1.0), center, right

    def road(self) -> Ground:
        """What all units must keep to."""
        (x, y), (s, e), far = self.edges, self.mouths, NEAR_M
        curb = turn(np.array([x, -s]), 0.5 * np.pi, np.array([e, y]), 0.0, 0.5)
        left, up = self.median, -self.median
        outline = np.concatenate([
            [[left, -s - far], [x, -s - far]], curb, [[e + far, y], [e + far, up], [left, up]]
        ])  # fmt: skip
        return one_ground([outline])

    def used(self, boxes: F64) -> Ground:
        """The lanes that unit 0's center comes over, with the ways across from and to them."""
        x, y = boxes[:, 0, 0], boxes[:, 0, 1]
        before, after = (bool(shapely.contains_xy(_beside(self, side), x, y).any()) for side in (True, False))
        return _used(self, before, after)


def _ring(strip: tuple[F64, F64, F64]) -> F64:
    return np.concatenate([strip[0], strip[2][::-1]])


def _box(x: float, y: float, right: float, top: float) -> F64:
    return np.array([[x, y], [right, y], [right, top], [x, top]])


@lru_cache(maxsize=8)
def _used(corner: Corner, before: bool, after: bool) -> Ground:
    """The rightmost lanes before and after the turn, the lanes beside them where that is said, and the ways across."""
    (n, m), (a, _), s, up = corner.lanes, corner.width, corner.mouths[0], -corner.median
    rings = [corner.lane(True, n - 1), corner.lane(False, m - 1)]
    left = corner.median + (n - 1) * a
    rings += [_ring(corner.link(m - 1)), _box(left, -s, left + a, up)]
    if before:
        rings += [corner.lane(True, n - 2), _box(left - a, -s, left, up)]
    if after:
        rings += [corner.lane(False, m - 2), _ring(corner.link(m - 2))]
    return one_ground(rings)


@lru_cache(maxsize=8)
def _beside(corner: Corner, before: bool) -> shapely.Geometry:
    """Well within the lane beside the rightmost one, before or after the turn; empty where there is none."""
    number = corner.lanes[0 if before else 1] - 2
    return shapely.Polygon() if number < 0 else shapely.Polygon(corner.lane(before, number)).buffer(-_WELL_IN_M)


def tight_right_turn(stage: Stage) -> None:
    rng = stage.rng
    corner, found = _possible(stage)
    kept = even_course(corner.way(found, (_APPROACH_M, _EXIT_M)))
    arms = _lay(stage, corner)
    speed, line = float(rng.uniform(8.0, 10.0)), _APPROACH_M - 1.2
    stage.start, stage.seconds = (_APPROACH_M - 9.2 * speed - 24.0, speed), 61.0
    inside = str(rng.choice(("bicycle", "pedestrian", "", "")))
    clear = _somebody(stage, arms, corner, inside, speed)
    cap = curve_cap(kept, stage.threshold, 0.4, speed)
    bent = np.abs(kept.curvature) > 0.01
    cap = np.where(bent, np.minimum(cap, TURN_MPS), cap)
    end = float(kept.station[int(np.argmin(np.hypot(*(kept.xy - [corner.mouths[1], corner.middles[1]]).T)))])
    manner = Manner(decel=0.8)
    for wait in (0.0, *np.arange(clear, clear + 16.0, 2.0).tolist()):
        if wait > 0.0 or not inside:
            wall = line + manner.gap, wait
            stage.experts.append(Intent(kept, cap, manner, behind=0.0, wait=wall, over=(line + 1.0, end), until=end))
    stage.ghost = stage.experts[-1]
    stage.mistakes = [_careless(stage, corner, speed)]


def _possible(stage: Stage) -> tuple[Corner, F64]:
    """A corner that the truck gets about, and its way: where it cannot, another is drawn, at last the widest."""
    rng, vehicle = stage.rng, stage.vehicle
    lock = 1.0 / most_curvature(vehicle)
    for tries in range(12):
        last = tries == 11
        widths = float(rng.uniform(3.2, 3.7)), float(rng.uniform(3.2, 3.7))
        lanes = (2, 2) if last else (int(rng.integers(1, 3)), int(rng.integers(1, 3)))
        strips = float(rng.choice((0.5, 1.8))), float(rng.choice((0.5, 2.3)))
        curb = 15.0 if last else float(rng.uniform(6.0, 15.0))
        corner = Corner(curb, (3.7, 3.7) if last else widths, lanes, float(rng.uniform(0.2, 0.6)), strips)
        (a, b), (n, m), wide = corner.width, corner.lanes, max(curb + 2.0, 1.1 * lock)
        over = [0.0, 0.95 * a] if n > 1 else [0.0]
        begins = [(p, q, wide, 22.0, 22.0) for q in ((0.2, 0.85 * b) if m > 1 else (0.0,)) for p in over]
        grounds = partial(_kept_to, corner, corner.road().less(CURB_M))
        p, reach = fitted(corner.way, begins, (0.5, 0.5, 2.0, 6.0, 6.0), vehicle, grounds)
        if reach < _FITS_M or last:
            break
    return corner, p


def _kept_to(corner: Corner, road: Ground, boxes: F64) -> list[tuple[Ground, float]]:
    return [(road, 2.0), (corner.used(boxes), 1.0)]


def _lay(stage: Stage, corner: Corner) -> list[Arm]:
    """The junction about the corner, with traffic."""
    rng, scene, (n, m) = stage.rng, stage.scene, corner.lanes
    (a, b), (p, q) = corner.width, corner.strip
    mine = Profile(a, n, n, corner.median, p, p)
    across = Profile(b, m, m, corner.median, q, q)
    far = (corner.mouths[0], corner.mouths[1])
    arms = lay_crossroads(
        stage, (mine, across, mine, across), (far[0], far[1], *far), (_APPROACH_M, _EXIT_M, 150.0, 150.0),
        float(rng.choice((11.18, 13.41))),
    )  # fmt: skip
    source, targets = arms[0].inbound[-1], arms[1].outbound
    link = link_between(scene.sketch, source, targets[-1])
    left, center, right = corner.link(m - 1)
    widen(scene.sketch, link, left, right, center)
    more = [add_link(scene.sketch, link, (source, t), corner.link(k)) for k, t in enumerate(targets[:-1])]
    scene.find_routes()
    stage.route = scene.path_from(source, link)
    straight = [s for s in range(len(scene.sketch.segments)) if _leads(stage, s, arms)]
    stage.own = [*arms[0].inbound, *targets, link, *more, *straight]
    scene.lights = lights_of({0: (0.0, 66.0)})
    s, v = _APPROACH_M - 120.0, 0.8
    for path in paths_between(stage, arms, 0, 2):
        scene.reserve(scene.paths[path], s, 50.0, 120.0)
    lay_traffic(stage, paths_between(stage, arms, 0, 2), v, inflow=False)
    lay_traffic(stage, [*paths_between(stage, arms, 1, 3), *paths_between(stage, arms, 3, 1)], v)
    lay_traffic(stage, paths_between(stage, arms, 2, 0), v)
    return arms


def _leads(stage: Stage, segment: int, arms: list[Arm]) -> bool:
    s = stage.scene.sketch.segments[segment]
    return s.source in arms[0].inbound and s.target in arms[2].outbound


def _somebody(stage: Stage, arms: list[Arm], corner: Corner, inside: str, speed: float) -> float:
    """Who is on the inside of the turn, or parked cars beyond it; the time from which the corner is free, s."""
    rng, scene, at = stage.rng, stage.scene, arms[1]
    if corner.strip[1] > 2.0:
        s = float(rng.uniform(16.0, 24.0))
        while s < 90.0:
            spot = at.near(s, at.profile.right + 1.1)
            scene.thing(ObjectKind.VEHICLE, spot, at.heading, float(rng.uniform(4.2, 5.2)), 1.85, 1.6)
            s += float(rng.uniform(6.5, 16.0))
    there = 9.2 + 24.0 / (0.6 * speed)  # when a driver who does not wait is at the corner
    if inside == "bicycle":
        pace, path = float(rng.uniform(4.0, 6.0)), paths_between(stage, arms, 0, 2)[-1]
        aside = -0.5 * corner.width[0] - min(0.5 * corner.strip[0], 0.9)
        s = _APPROACH_M - pace * (there + float(rng.uniform(1.0, 3.0)))
        scene.driver(
            path, max(s, 3.0), pace, kind=ObjectKind.BICYCLE, length=1.8, width=0.6, lateral=aside, top_speed=pace,
            changes=0.0, noise=0.0, wander=0.0, speed_factor=1.0,
        )  # fmt: skip
        return (_APPROACH_M + 25.0 - max(s, 3.0)) / pace
    if inside == "pedestrian":
        pace, begin = float(rng.uniform(1.1, 1.6)), there + float(rng.uniform(-1.0, 2.0))
        right, left, along = at.profile.right, at.profile.left, -2.8
        points = np.array([
            at.near(8.0, right - 1.3), at.near(along, right - 0.4), at.near(along, left + 0.4),
            at.near(20.0, left + 1.3),
        ])  # fmt: skip
        scene.walker(points, speed=pace, walk=1, go=begin, group=-1)
        return begin + (left - right + 2.0) / pace + 1.0
    return 2.0


def _careless(stage: Stage, corner: Corner, speed: float) -> Intent:
    """The way of a driver who turns as if there were no trailer, ever tighter until a unit leaves the road."""
    road = corner.road()
    for cut in np.arange(0.0, 6.1, 0.5):
        p = (-0.2 * cut, -0.2 * cut, corner.curb + 0.5 * corner.width[0] + 1.5 * cut, 20.0, 20.0)
        if reach_beyond(swept_boxes(even_course(corner.way(np.array(p))), stage.vehicle), road) > STRAYS_M:
            break
    course = even_course(corner.way(np.array(p), (_APPROACH_M, _EXIT_M)))
    cap = curve_cap(course, stage.threshold, 0.5, speed)
    return Intent(course, cap, CAR_DRIVER, minds=False)
