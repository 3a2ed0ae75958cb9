"""Situations with somebody or something in the way. Each function sets a stage up; its name in config.SITUATIONS is the
function's."""

from __future__ import annotations

import numpy as np

from roadcraft.core.data.map import AreaKind
from roadcraft.core.data.scenario import ObjectKind
from roadcraft.scenario_io.synthetic.roads.junction import Crosswalk
from roadcraft.scenario_io.synthetic.roads.paths import make_path
from roadcraft.scenario_io.synthetic.situations.grounds import (
    CITY,
    RoadDesign,
    ego_on,
    lay_out_road,
    road_length,
    start_arc,
)
from roadcraft.scenario_io.synthetic.situations.scene import SyntheticScene


def bicycle_ahead(scene: SyntheticScene) -> None:
    """A bicycle near the right edge, which the ego follows, or passes within its lane where that is wide."""
    rng = scene.rng
    limit, passes = float(rng.choice(CITY)), bool(rng.random() < 0.5)
    width = float(rng.uniform(3.75, 3.95)) if passes else 0.0
    road = lay_out_road(
        scene,
        RoadDesign(
            length=road_length(limit if passes else 0.6 * limit),
            limit=limit,
            forward=1,
            backward=1,
            bend=1 / 350,
            width=width,
        ),
    )
    s, pace, v = start_arc(scene), float(rng.uniform(3.6, 5.2)), 0.94 * limit
    ahead, shift = float(rng.uniform(40, 70)), None
    if passes:
        meet = float(rng.uniform(10, 13))
        ahead, at = (v - pace) * meet, s + v * meet
        shift = np.array([[s + 20.0, 0.0], [s + 60.0, 0.85], [at + 50.0, 0.85], [at + 85.0, 0.0]])
    ego_on(scene, road.forward[0], s, v if passes else 0.7 * limit, shift=shift)
    lateral = -float(rng.uniform(1.2, 1.3) if passes else rng.uniform(0.5, 1.1))
    scene.driver(
        road.forward[0], s + ahead, pace, kind=ObjectKind.BICYCLE, length=1.8, width=0.7, top_speed=pace,
        lateral=lateral,
        wander=0.08, changes=0,
    )  # fmt: skip
    scene.fill(road.backward, float(rng.uniform(35, 70)))
    scene.strollers(6, 200, road.chain.points[300])
    scene.tag = "behind_bike"


def parked_vehicle(scene: SyntheticScene) -> None:
    rng = scene.rng
    limit = float(rng.choice(CITY))
    width = float(rng.uniform(3.5, 3.9))
    road = lay_out_road(
        scene,
        RoadDesign(
            length=road_length(limit), limit=limit, forward=1, backward=1, bend=1 / 500, shoulder=2.3, width=width
        ),
    )
    path, s0 = scene.paths[road.forward[0]], start_arc(scene)
    shift = [[0.0, 0.0]]
    at = s0 + limit * float(rng.uniform(9, 12))
    for _ in range(int(rng.integers(1, 4))):
        into, wide, long_ = float(rng.uniform(0.6, 1.0)), float(rng.uniform(1.85, 2.05)), float(rng.uniform(4.4, 5.6))
        d = -width - 0.5 * wide + into
        xy = road.chain.at(np.array([at]), d)[0]
        k = int(at / road.chain.ds)
        scene.thing(ObjectKind.VEHICLE, xy, float(road.chain.heading[k]), long_, wide, 1.6)
        need = max(0.0, -0.5 * width + into + 0.75 + 1.15)
        a = scene.arc(road.forward[0], xy)
        shift += [
            [a - 0.5 * long_ - 26, 0.0],
            [a - 0.5 * long_ - 9, need],
            [a + 0.5 * long_ + 9, need],
            [a + 0.5 * long_ + 26, 0.0],
        ]
        at += float(rng.uniform(75, 130))
    profile = np.array(shift)
    scene.paths[road.forward[0]] = make_path(scene.sketch, path.route, lat_accel=2.0, shift=profile)
    ego_on(scene, road.forward[0], s0, 0.8 * limit, shift=profile)
    scene.ego_path.cap = np.minimum(scene.ego_path.cap, limit)  # type: ignore[union-attr]
    if rng.random() < 0.4:
        scene.driver(road.forward[0], s0 + 34, 0.8 * limit, changes=0, width=1.85)
    scene.fill(road.backward, float(rng.uniform(60, 110)), trucks=0.0)
    scene.strollers(8, 200, road.chain.points[500])
    scene.tag = "traversing_pickup_dropoff"


def pedestrian_crossing(scene: SyntheticScene) -> None:
    rng = scene.rng
    limit = float(rng.choice(CITY))
    s0 = start_arc(scene)
    at = s0 + limit * float(rng.uniform(10, 14))
    road = lay_out_road(
        scene,
        RoadDesign(
            length=road_length(0.8 * limit),
            limit=limit,
            forward=int(rng.integers(1, 3)),
            backward=1,
            bend=1 / 500,
            cuts=(at,),
        ),
    )
    p, c = road.profile, road.chain
    scene.sketch.area(AreaKind.CROSSWALK, c.strip(at - 1.8, at + 1.8, p.right, p.left))
    scene.walks = [Crosswalk(c.at(np.array([at, at]), lambda s: np.array([p.right, p.left])))]
    lane = len(road.forward) - 1
    ego_on(scene, road.forward[lane], s0, 0.85 * limit)
    arrive = (at - s0 - 62) / (0.9 * limit)
    for k in range(int(rng.integers(1, 5))):
        side = rng.random() < 0.5
        a, b = (p.right, p.left) if side else (p.left, p.right)
        out = 1.3 if side else -1.3
        along = float(rng.uniform(-0.9, 0.9))
        s = np.array([at + float(rng.uniform(-14, 14)), at + along, at + along, at + float(rng.uniform(-30, 30))])
        d = np.array([a - out, a - out * 0.3, b + out * 0.3, b + out])
        waypoints = c.at(s, lambda _s, d=d: d)
        go = max(0.0, arrive + float(rng.uniform(-0.5, 1.0)) + 0.7 * k)
        speed = float(rng.uniform(1.1, 1.6))
        first = float(np.hypot(*(waypoints[1] - waypoints[0])))
        scene.walker(waypoints, speed=speed, walk=0, go=go, start=max(0.0, first - 0.6 - speed * max(go - 1.0, 0.0)))
    scene.fill(road.forward[:lane] + road.backward, float(rng.uniform(60, 100)))
    scene.strollers(5, 150, c.at(np.array([at]), 0.0)[0])
    scene.tag, scene.extra = "waiting_for_pedestrian_to_cross", ("near_pedestrian_on_crosswalk",)
