"""Situation: a roundabout, straight on, to the left or back, whose apron is for trailers' wheels."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
import shapely
from scipy.ndimage import gaussian_filter1d

from roadcraft.core.arrays import F64
from roadcraft.core.data.map import AreaKind
from roadcraft.core.data.places import PlaceKind, RoadPlace
from roadcraft.core.data.scenario import ObjectKind
from roadcraft.core.driving.motion.chain import ChainArrays, chain_of
from roadcraft.core.driving.motion.closed_forms import steady_circle
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.scenario_io.synthetic.freight.driving.course import Course
from roadcraft.scenario_io.synthetic.freight.driving.fit import (
    Ground,
    even_course,
    fitted,
    one_ground,
    reach_beyond,
    steering_cap,
    swept_boxes,
)
from roadcraft.scenario_io.synthetic.freight.driving.pace import CAR_DRIVER, Manner
from roadcraft.scenario_io.synthetic.freight.populate import lay_traffic
from roadcraft.scenario_io.synthetic.freight.stage import Intent, Stage, curve_cap
from roadcraft.scenario_io.synthetic.roads.chain import Chain, Profile, lay_road
from roadcraft.scenario_io.synthetic.roads.curves import headings, resample, turn
from roadcraft.scenario_io.synthetic.roads.junction import Control

RING_MPS, STRAYS_M, CURB_M = 5.5, 0.6, 0.25
"""Speed in the ring: 20 km/h; how far a careless driver's units leave the road; room that an expert keeps."""
APRON_M = 0.08
"""Height of the apron's edge."""
NEAR_M = 60.0
"""How far from their mouths arms are looked at."""
WIDEST_M = 9.5
"""Widest roadway, m."""
_APPROACH_M, _EXIT_M, _MOUTH_M, _FITS_M = 180.0, 460.0, 12.0, 0.08


class Ring(NamedTuple):
    """A roundabout about the origin with four arms at right angles."""

    outer: float
    """Radius of the inscribed circle, m."""
    roadway: float
    """Width of the roadway around, m."""
    apron: float
    """Width of the apron, m."""
    entry: float
    """Width of entries and exits, m."""
    splitter: float
    """Half the width of the islands between entries and exits, m."""
    curb: float
    """Radius of the curbs of entries and exits, m."""

    @property
    def island(self) -> float:
        """Radius of what nobody drives on."""
        return self.outer - self.roadway - self.apron

    @property
    def middle(self) -> float:
        """Radius of the roadway's middle."""
        return self.outer - 0.5 * self.roadway

    @property
    def mouth(self) -> float:
        """Distance of the arms' mouths from the origin."""
        return self.outer + _MOUTH_M

    def pavement(self) -> shapely.Geometry:
        """All of the road, apron and islands left out."""
        half, far = self.splitter + self.entry + 0.3, self.mouth + NEAR_M
        bars = [shapely.box(-half, -far, half, far), shapely.box(-far, -half, far, half)]
        whole = shapely.union_all([shapely.Point(0.0, 0.0).buffer(self.outer, 24), *bars])
        rounded = whole.buffer(self.curb, 12).buffer(-self.curb, 12)
        a, b = self.outer + 1.0, self.mouth + NEAR_M + 10.0
        islands = [shapely.box(a, -self.splitter, b, self.splitter), shapely.box(-b, -self.splitter, -a, self.splitter)]
        islands += [
            shapely.box(-self.splitter, a, self.splitter, b),
            shapely.box(-self.splitter, -b, self.splitter, -a),
        ]
        inside = shapely.Point(0.0, 0.0).buffer(self.outer - self.roadway, 24)
        return rounded.difference(shapely.union_all([*islands, inside]))

    def apron_area(self) -> shapely.Geometry:
        """What trailers alone may roll on."""
        return (
            shapely.Point(0.0, 0.0)
            .buffer(self.outer - self.roadway + 0.05, 24)
            .difference(shapely.Point(0.0, 0.0).buffer(self.island, 24))
        )

    def ground(self) -> Ground:
        """Where units may be."""
        road = self.pavement()
        return Ground(road, shapely.union(road, self.apron_area()) if self.apron > 0.0 else road)

    def lanes(self, turned: float) -> Ground:
        """The way across and the lanes that it joins, with the apron for units behind the first."""
        low, far, u = self.splitter, NEAR_M, np.array([np.sin(turned), -np.cos(turned)])
        a, b = low * np.array([u[1], -u[0]]), (low + self.entry) * np.array([u[1], -u[0]])
        out = np.array([self.mouth * u + a, (self.mouth + far) * u + a, (self.mouth + far) * u + b, self.mouth * u + b])
        left, _, right = self.link(turned)
        into = [[low, -self.mouth - far], [low + self.entry, -self.mouth - far]]
        into = np.array([*into, [low + self.entry, -self.mouth], [low, -self.mouth]])
        own = one_ground([into, np.concatenate([left, right[::-1]]), out])
        return Ground(own.first, shapely.union(own.behind, self.apron_area())) if self.apron > 0.0 else own

    def way(self, p: F64, turned: float, far: tuple[float, float] = (NEAR_M, NEAR_M)) -> F64:
        """Points (P, 2), from the south: straight on, about the curb of the entry, around, about that of the exit. p
        (5,): radius about the origin, radii of entry and exit, offsets from the islands' middle line; turned: angle
        between the arms, rad, from pi / 2 to the left; far: m from the mouth."""
        radius, (enter, leave), (d, e) = float(p[0]), np.maximum(p[1:3], 3.0), p[3:]
        first = self._from(radius, float(enter), float(d), far[0])
        last = self._from(radius, float(leave), float(e), far[1])[::-1] * np.array([-1.0, 1.0])
        c, s = np.cos(turned), np.sin(turned)
        last = last @ np.array([[c, s], [-s, c]])
        a, b = np.arctan2(first[-1, 1], first[-1, 0]), np.arctan2(last[0, 1], last[0, 0])
        while b < a:
            b += 2.0 * np.pi
        around = np.arange(a, b, 0.25 / radius)[1:-1, None]
        ring = radius * np.concatenate([np.cos(around), np.sin(around)], 1)
        even = resample(np.concatenate([first, ring, last]), 0.25)
        return resample(gaussian_filter1d(even, 10.0, axis=0, mode="nearest"), 0.5)

    def _from(self, radius: float, bend: float, d: float, far: float) -> F64:
        """From the south's line at an offset to where an arc to the right touches a circle about the origin."""
        y = -float(np.sqrt(max((radius + bend) ** 2 - (d + bend) ** 2, 0.0)))
        end = float(np.arctan2(-y, -(d + bend)))
        angle = np.linspace(np.pi, end, max(3, round(abs(np.pi - end) * bend / 0.25)))[:, None]
        arc = np.array([d + bend, y]) + bend * np.concatenate([np.cos(angle), np.sin(angle)], 1)
        line = np.arange(-self.mouth - far, y - 0.1, 0.5)
        return np.concatenate([np.stack([np.full(len(line), d), line], 1), arc])

    def link(self, turned: float) -> tuple[F64, F64, F64]:
        """Left edge, middle and right edge of the way from the arm to the south to another: from the curb to the
        roadway's inner edge."""
        d = self.splitter + 0.5 * self.entry
        if turned < 2.0:
            center = turn(np.array([d, -self.mouth]), 0.5 * np.pi, np.array([self.mouth, -d]), 0.0, 0.7)
        else:
            bend = self.curb + 0.5 * self.entry
            way, u = (
                self.way(np.array([self.middle, bend, bend, d, d]), turned),
                np.array([np.sin(turned), -np.cos(turned)]),
            )
            inside = (way[:, 1] > 0.5 - self.mouth) & (way @ u < self.mouth - 0.5)
            ends = np.array([[d, -self.mouth], self.mouth * u + d * np.array([u[1], -u[0]])])
            center = resample(np.concatenate([ends[:1], way[inside], ends[1:]]), 0.7)
        heading, from_center = headings(center), np.hypot(*center.T)
        normal = np.stack([-np.sin(heading), np.cos(heading)], 1)
        out = from_center > self.outer + 1.0
        left = np.clip(0.5 * self.entry + self.outer - from_center, 0.5 * self.entry, self.roadway)
        about = np.mod(np.arctan2(center[:, 1], center[:, 0]) + 0.5 * np.pi, 2.0 * np.pi)
        near = (about < 0.25 * np.pi) | (np.abs(about - turned) < 0.25 * np.pi) | out
        right = np.where(near, 7.0, np.maximum(self.outer - from_center, 0.5 * self.entry))
        road = self.pavement()
        shapely.prepare(road)
        edges = [self._edge(road, center, side * normal, far) for side, far in ((1.0, left), (-1.0, right))]
        return edges[0], center, edges[1]

    @staticmethod
    def _edge(road: shapely.Geometry, center: F64, normal: F64, far: F64) -> F64:
        """Points (P, 2) beside a line where the road ends, at most so far away (P,)."""
        d = np.arange(0.2, float(far.max()) + 0.2, 0.2)
        points = center[:, None] + d[:, None] * normal[:, None]
        on = shapely.contains_xy(road, points[..., 0], points[..., 1]) & (d <= far[:, None])
        count = np.where(on.all(1), len(d), np.argmin(on, 1))
        return np.asarray(center + np.maximum(0.2 * count, 0.2)[:, None] * normal)


def roundabout(stage: Stage) -> None:
    rng, vehicle = stage.rng, stage.vehicle
    turned = float(rng.choice((np.pi, np.pi, 1.5 * np.pi, 2.0 * np.pi)))
    ring, found = _possible(stage, turned)
    kept = even_course(ring.way(found, turned, (_APPROACH_M, _EXIT_M)))
    _lay(stage, ring, turned)
    u = np.array([np.sin(turned), -np.cos(turned)])
    inside = np.flatnonzero((kept.xy[:, 1] > -ring.mouth) & (kept.xy @ u < ring.mouth))
    line, end = float(kept.station[inside[0]]), float(kept.station[inside[-1]])
    speed = float(rng.uniform(8.0, 10.0))
    stage.start, stage.seconds = (line - 9.2 * speed - 24.0, speed), 66.0
    cap = curve_cap(kept, stage.threshold, 0.32, speed)
    bent = np.abs(kept.curvature) > 0.01
    cap = np.minimum(np.where(bent, np.minimum(cap, RING_MPS), cap), steering_cap(kept, stage.vehicle))
    manner = Manner(decel=0.8)
    for wait in (0.0, *np.arange(11.0, 44.0, 1.5).tolist()):
        wall = line - 1.0 + manner.gap, wait
        stage.experts.append(Intent(kept, cap, manner, behind=0.0, wait=wall, over=(line, end), until=end))
    hasty = _careless(vehicle, ring, turned)
    stage.ghost = stage.experts[-1]
    stage.mistakes = [Intent(hasty, np.minimum(curve_cap(hasty, stage.threshold, 0.5, speed), 6.5), CAR_DRIVER)]


def _possible(stage: Stage, turned: float) -> tuple[Ring, F64]:
    """A roundabout that the truck gets around, and its way; a larger one than drawn where it does not."""
    rng, vehicle = stage.rng, stage.vehicle
    diameter, apron = float(rng.uniform(28.0, 50.0)), float(rng.uniform(0.0, 3.0))
    entry, splitter, curb = float(rng.uniform(3.5, 5.0)), float(rng.uniform(1.0, 2.0)), float(rng.uniform(12.0, 20.0))
    chain, wider = chain_of(vehicle), 0.0
    while True:
        room, radius = _needed(chain, 0.5 * diameter - 0.6)
        alone = _needed(ChainArrays(*(x[:1] for x in chain)), 0.5 * diameter - 0.6)[0]
        roadway = max(room + 1.0 - apron, alone + 1.2, 5.0) + wider
        if roadway > WIDEST_M and diameter < 50.0:
            diameter, wider = min(diameter + 2.0, 50.0), 0.5 * wider
            continue
        ring = Ring(0.5 * diameter, min(roadway, WIDEST_M + 1.0), apron, entry, splitter, curb)
        d = splitter + 0.5 * entry
        begins = [(radius, b, b, d, d) for b in (curb + 3.0, curb + 8.0)]
        ground = [(ring.ground().less(CURB_M), 1.0), (ring.lanes(turned), 1.0)]
        scale = (-0.5, 3.0, 3.0, 0.3, 0.3)
        p, reach = fitted(partial(ring.way, turned=turned), begins, scale, vehicle, partial(_always, ground))
        if reach < _FITS_M or roadway > WIDEST_M:
            return ring, p
        wider, curb, entry = wider + max(reach, 0.4), min(curb + 2.0, 25.0), min(entry + 0.2, 5.0)


def _always(ground: list[tuple[Ground, float]], _: F64) -> list[tuple[Ground, float]]:
    return ground


def _needed(chain: ChainArrays, outer: float) -> tuple[float, float]:
    """Width of the ring that units sweep on a steady circle whose outermost radius is given, infinite where they fold,
    and the radius of unit 0's axle."""
    radius = float(np.sqrt(outer * outer - chain.front[0] ** 2) - 0.5 * chain.width[0])
    circle = steady_circle(chain, float(np.arctan(chain.wheel_base[0] / radius)))
    return (np.inf if circle is None else circle.swept_m), radius


def _careless(vehicle: Vehicle, ring: Ring, turned: float) -> Course:
    """The way of a driver who goes around as if there were no trailer, ever nearer to the island until a unit is where
    it must not be."""
    ground, d = ring.ground(), ring.splitter + 0.5 * ring.entry
    for cut in np.arange(0.0, 6.0, 0.5):
        bend = ring.curb + 0.5 * ring.entry + 2.0 * cut
        p = np.array([ring.middle - cut, bend, bend, d, d])
        if reach_beyond(swept_boxes(even_course(ring.way(p, turned)), vehicle), ground) > STRAYS_M:
            break
    return even_course(ring.way(p, turned, (_APPROACH_M, _EXIT_M)))


def _lay(stage: Stage, ring: Ring, turned: float) -> None:
    """The roundabout with everybody at it."""
    rng, scene, sketch = stage.rng, stage.scene, stage.scene.sketch
    profile, limit = Profile(ring.entry, 1, 1, ring.splitter, 0.3, 0.3, walkway=False), float(rng.uniform(9.0, 13.5))
    lanes, target = [], round(turned / (0.5 * np.pi)) % 4
    for k in range(4):
        heading, length = 0.5 * np.pi * (k - 1), _EXIT_M if k == target else _APPROACH_M + 40.0 * (k > 0)
        along = np.arange(ring.mouth, ring.mouth + length + 0.25, 0.5)[:, None]
        points = along * np.array([np.cos(heading), np.sin(heading)])
        arm = Chain(points, np.full(len(points), heading))
        out, into = lay_road(sketch, arm, profile, [], (0.0, arm.length), limit)
        lanes.append((into[-1][0], out[0][0]))
    halves = []
    for low, high in ((-ring.mouth, 0.02), (-0.02, ring.mouth)):
        side = shapely.box(low, -ring.mouth - 0.02, high, ring.mouth + 0.02)
        edge = shapely.get_exterior_ring(shapely.intersection(ring.pavement(), side))
        halves.append(sketch.area(AreaKind.INTERSECTION, shapely.get_coordinates(edge)))
    turns = [(k, (k + j) % 4, 0.5 * np.pi * j) for k in range(4) for j in (1, 2, 3)]
    turns += [(0, 0, 2.0 * np.pi)] if turned > 6.0 else []
    links = {}
    for a, b, angle in turns:
        c, s = np.cos(0.5 * np.pi * a), np.sin(0.5 * np.pi * a)
        strip = [x @ np.array([[c, s], [-s, c]]) for x in ring.link(angle)]
        (link,) = sketch.connectors([(strip[0], strip[1], strip[2])], [(lanes[a][0], lanes[b][1])], limit, halves[0])
        sketch.segments[link].control, sketch.segments[link].priority = Control.FREE, 1
        links[a, b] = link
    if ring.apron > 0.0:
        area = ring.apron_area()
        rings = [
            shapely.get_coordinates(r) for r in (shapely.get_exterior_ring(area), shapely.get_interior_ring(area, 0))
        ]
        sketch.places.append(RoadPlace(PlaceKind.APRON, value=APRON_M, polygon=rings))
    for k in range(4):  # signs that tell whoever enters which way to go
        angle, r = 0.5 * np.pi * (k - 1) + 0.2, ring.island - 0.7
        if r > 1.0:
            spot = r * np.array([np.cos(angle), np.sin(angle)])
            scene.thing(ObjectKind.GENERIC_OBJECT, spot, angle, 0.2, 1.2, 1.4)
    scene.find_routes()
    stage.route = scene.path_from(lanes[0][0], links[0, target])
    stage.own = [lanes[0][0], links[0, target], lanes[target][1]]
    path = scene.paths[stage.route]
    scene.reserve(path, 0.5 * _APPROACH_M, 60.0, 200.0)
    quiet = {lanes[0][0], lanes[target][0]}  # nobody comes from where the truck comes from and goes to
    ways = [i for i, r in enumerate(scene.routes) if r.segments[0] not in quiet]
    lay_traffic(stage, ways, 0.8, inflow=False)
