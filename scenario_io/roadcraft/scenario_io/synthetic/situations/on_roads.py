"""Situations of driving along a road among others. Each function sets a stage up; its name in config.SITUATIONS is the
function's."""

from __future__ import annotations

import numpy as np

from roadcraft.scenario_io.synthetic.roads.chain import Chain, blend
from roadcraft.scenario_io.synthetic.roads.curves import bends, smoothstep
from roadcraft.scenario_io.synthetic.roads.paths import make_path
from roadcraft.scenario_io.synthetic.situations.grounds import (
    ARTERIAL,
    CITY,
    HIGHWAY,
    Road,
    RoadDesign,
    ego_on,
    lay_out_road,
    road_length,
    start_arc,
)
from roadcraft.scenario_io.synthetic.situations.scene import STEPS, SyntheticScene
from roadcraft.scenario_io.synthetic.traffic.drivers import DT


def car_following(scene: SyntheticScene) -> None:
    rng = scene.rng
    limit = float(rng.choice(CITY + ARTERIAL))
    road = lay_out_road(
        scene,
        RoadDesign(
            length=road_length(limit), limit=limit, forward=int(rng.integers(1, 4)), backward=int(rng.integers(1, 3))
        ),
    )
    lane, s, v = int(rng.integers(len(road.forward))), start_arc(scene), 0.8 * limit
    ego_on(scene, road.forward[lane], s, v)
    scene.driver(
        road.forward[lane], s + float(rng.uniform(24, 42)), v, speed_factor=float(rng.uniform(0.78, 0.9)), changes=0
    )
    scene.fill(road.forward + road.backward, float(rng.uniform(38, 80)), factor=0.85)
    scene.strollers(6, 250, road.chain.points[500])
    scene.tag = "following_lane_with_lead"


def slow_lead(scene: SyntheticScene) -> None:
    rng = scene.rng
    limit = float(rng.choice(CITY + ARTERIAL))
    road = lay_out_road(scene, RoadDesign(length=road_length(limit), limit=limit, forward=1, backward=1))
    s, pace = start_arc(scene), float(rng.uniform(0.25, 0.45)) * limit
    ego_on(scene, road.forward[0], s, 0.75 * limit)
    scene.driver(road.forward[0], s + float(rng.uniform(70, 110)), pace, top_speed=pace, changes=0)
    scene.fill(road.backward, float(rng.uniform(40, 90)))
    scene.strollers(6, 200, road.chain.points[400])
    scene.tag = "following_lane_with_slow_lead"


def _queue(
    scene: SyntheticScene, road: Road, lane: int, s: float, caps: np.ndarray, ahead: int, gap: float, v: float
) -> None:
    """A queue ahead of s in a lane whose head drives by the caps, and some more behind."""
    rng = scene.rng
    path = road.forward[lane]
    at = s
    for k in range(ahead):
        at += 5.0 + gap * float(rng.uniform(0.85, 1.25))
        script = scene.script(caps) if k == ahead - 1 else -1.0
        scene.driver(path, at, v, changes=0, gap=float(rng.uniform(1.8, 2.6)), script=script)
    at = s
    for _ in range(3):
        at -= 6.0 + gap * float(rng.uniform(0.9, 1.3))
        if at > 6:
            scene.driver(path, at, v, changes=0)


def _waves(rng: np.random.Generator, low: float, high: float) -> np.ndarray:
    t = np.arange(STEPS) * DT
    period, phase = float(rng.uniform(13, 20)), float(rng.uniform(0, 2 * np.pi))
    wave = np.sin(2 * np.pi * t / period + phase)
    return low + (high - low) * smoothstep(0.5 + 0.9 * wave)


def stop_and_go(scene: SyntheticScene) -> None:
    rng = scene.rng
    limit = float(rng.choice(ARTERIAL))
    road = lay_out_road(
        scene, RoadDesign(length=640, limit=limit, forward=int(rng.integers(2, 4)), backward=1, bend=1 / 500)
    )
    lane, s = int(rng.integers(len(road.forward))), start_arc(scene)
    ego_on(scene, road.forward[lane], s, 3.0)
    for k in range(len(road.forward)):
        waves = _waves(rng, -1.0 if k == lane else -0.5, float(rng.uniform(3.5, 6.0)))
        _queue(
            scene,
            road,
            k,
            s if k == lane else s + float(rng.uniform(-4, 4)),
            np.maximum(waves, 0.0),
            int(rng.integers(3, 7)),
            7.0,
            3.0,
        )
    scene.fill(road.backward, 60)
    scene.tag, scene.before = "stationary_in_traffic", (4.0, 8.0)


def crawling(scene: SyntheticScene) -> None:
    rng = scene.rng
    road = lay_out_road(
        scene, RoadDesign(length=560, limit=float(rng.choice(CITY)), forward=2, backward=2, bend=1 / 500)
    )
    lane, s = int(rng.integers(2)), start_arc(scene)
    ego_on(scene, road.forward[lane], s, 1.5)
    for k in range(2):
        _queue(scene, road, k, s if k == lane else s + 3.0, _waves(rng, 0.4, float(rng.uniform(1.6, 2.6))), 4, 5.0, 1.5)
    scene.fill(road.backward, 45)
    scene.strollers(8, 100, road.chain.points[260])
    scene.tag = "low_magnitude_speed"


def stop_behind_lead(scene: SyntheticScene) -> None:
    rng = scene.rng
    limit = float(rng.choice(CITY + ARTERIAL[:1]))
    road = lay_out_road(
        scene, RoadDesign(length=road_length(0.75 * limit), limit=limit, forward=int(rng.integers(1, 3)), backward=1)
    )
    s, v, lane = start_arc(scene), 0.75 * limit, len(road.forward) - 1
    ego_on(scene, road.forward[lane], s, v)
    t, when = np.arange(STEPS) * DT, float(rng.uniform(9, 14))
    rest = float(rng.uniform(6, 13))
    caps = np.interp(
        t, [0, when, when + 0.8 * v, when + 0.8 * v + rest, when + 0.8 * v + rest + 4], [v, v, 0, 0, limit]
    )
    scene.driver(road.forward[lane], s + float(rng.uniform(22, 36)), v, script=scene.script(caps), changes=0)
    scene.fill(road.backward + road.forward[:lane], 60)
    scene.strollers(5, 200, road.chain.points[400])
    scene.tag = "stopping_with_lead"


def dense_traffic(scene: SyntheticScene) -> None:
    rng = scene.rng
    limit = float(rng.choice((11.18, 13.41)))
    road = lay_out_road(
        scene, RoadDesign(length=road_length(0.8 * limit), limit=limit, forward=3, backward=int(rng.integers(1, 3)))
    )
    lane, s = 1, start_arc(scene)
    ego_on(scene, road.forward[lane], s, 7.5)
    for k in range(3):
        _queue(
            scene,
            road,
            k,
            s if k == lane else s + float(rng.uniform(-9, 9)),
            np.full(STEPS, float(rng.uniform(6.5, 8.5))),
            5,
            13.0,
            7.0,
        )
    scene.fill(road.backward, 40)
    scene.tag = "near_multiple_vehicles"


def _highway(scene: SyntheticScene, bend: float = 1 / 900) -> Road:
    rng = scene.rng
    limit = float(rng.choice(HIGHWAY))
    return lay_out_road(
        scene,
        RoadDesign(
            58.0 * limit + 200, limit, int(rng.integers(2, 4)), 0, bend, shoulder=2.5, walkway=False, posted=0.95
        ),
    )


def fast_road(scene: SyntheticScene) -> None:
    rng = scene.rng
    road = _highway(scene)
    lane, s, v = int(rng.integers(len(road.forward))), start_arc(scene), 0.92 * road.limit
    ego_on(scene, road.forward[lane], s, v)
    scene.driver(road.forward[lane], s + float(rng.uniform(60, 90)), v, changes=0)
    scene.fill(road.forward, float(rng.uniform(70, 110)), factor=0.9)
    scene.tag, scene.before = "high_magnitude_speed", (4.0, 6.0)


def free_road(scene: SyntheticScene) -> None:
    rng = scene.rng
    limit = float(rng.choice(CITY + ARTERIAL))
    road = lay_out_road(
        scene,
        RoadDesign(length=road_length(limit), limit=limit, forward=int(rng.integers(1, 3)), backward=1, bend=1 / 130),
    )
    ego_on(scene, road.forward[-1], start_arc(scene), 0.85 * limit)
    scene.fill(road.backward + road.forward[:-1], 90)
    scene.strollers(8, 250, road.chain.points[500])
    scene.tag = "following_lane_without_lead"


def _lane_change(scene: SyntheticScene, side: int) -> None:
    rng = scene.rng
    limit = float(rng.choice((11.18, *ARTERIAL)))
    road = lay_out_road(
        scene,
        RoadDesign(
            length=road_length(limit),
            limit=limit,
            forward=int(rng.integers(2, 4)),
            backward=1,
            bend=1 / 600,
            shoulder=0.8,
        ),
    )
    n = len(road.forward)
    start = int(rng.integers(1, n)) if side > 0 else int(rng.integers(0, n - 1))
    goal = start - side
    s, v = start_arc(scene), 0.8 * limit
    run = float(rng.uniform(5.0, 6.5)) * v
    begin = s + v * float(rng.uniform(9, 13))
    grid = np.arange(0.0, road.chain.length, 0.5)
    line = road.chain.at(grid, blend(road.offset(start), road.offset(goal), begin, begin + run))
    scene.ego_path = make_path(scene.sketch, scene.paths[road.forward[goal]].route, decel=1.2, xy=line)
    scene.reserve(scene.paths[road.forward[start]], s, 26, 26)
    scene.reserve(scene.paths[road.forward[goal]], begin, 18, 30)
    scene.ego(s, v)
    scene.lane_change = (begin, begin + run, side)
    slow = float(rng.uniform(0.45, 0.65)) * limit
    there = (begin - s) / (0.9 * limit)  # when the ego gets to where it moves over
    ahead = begin + float(rng.uniform(34, 50)) - slow * there
    scene.driver(road.forward[start], max(ahead, s + 16.0), slow, top_speed=slow, changes=0)
    scene.fill(road.forward + road.backward, float(rng.uniform(60, 110)), factor=0.9)
    scene.tag = "changing_lane_to_left" if side > 0 else "changing_lane_to_right"
    scene.extra = ("changing_lane",)


def lane_change_left(scene: SyntheticScene) -> None:
    _lane_change(scene, 1)


def lane_change_right(scene: SyntheticScene) -> None:
    _lane_change(scene, -1)


def cut_in(scene: SyntheticScene) -> None:
    rng = scene.rng
    limit = float(rng.choice((11.18, *ARTERIAL)))
    road = lay_out_road(
        scene,
        RoadDesign(length=road_length(limit), limit=limit, forward=int(rng.integers(2, 4)), backward=1, bend=1 / 600),
    )
    n = len(road.forward)
    lane = int(rng.integers(n))
    other = lane + 1 if lane == 0 or (lane < n - 1 and rng.random() < 0.5) else lane - 1
    s, v, when = start_arc(scene), 0.9 * limit, float(rng.uniform(8, 12))
    ego_on(scene, road.forward[lane], s, v)
    pace = 0.9 * limit
    slower = np.interp(
        np.arange(STEPS) * DT, [0, when + 3, when + 9], [pace, pace, float(rng.uniform(0.55, 0.8)) * limit]
    )
    scene.cutter = scene.driver(
        road.forward[other],
        s + float(rng.uniform(20, 32)),
        v,
        script=scene.script(slower),
        changes=0,
        forced_after=when,
        forced_side=1.0 if other > lane else -1.0,
        forced_near=10.0,
        forced_far=26.0,
    )
    scene.fill(road.forward + road.backward, float(rng.uniform(70, 110)), factor=0.85)
    scene.tag = "following_lane_with_lead"


def long_vehicle(scene: SyntheticScene) -> None:
    rng = scene.rng
    limit = float(rng.choice(CITY + ARTERIAL))
    road = lay_out_road(
        scene, RoadDesign(length=road_length(0.8 * limit), limit=limit, forward=int(rng.integers(1, 3)), backward=1)
    )
    lane, s, v = len(road.forward) - 1, start_arc(scene), 0.6 * limit
    ego_on(scene, road.forward[lane], s, v)
    scene.driver(
        road.forward[lane], s + float(rng.uniform(26, 38)), v, length=float(rng.uniform(9.0, 13.0)), width=2.5,
        top_speed=float(rng.uniform(0.55, 0.75)) * limit, changes=0,
    )  # fmt: skip
    scene.fill(road.backward + road.forward[:lane], float(rng.uniform(45, 90)))
    scene.tag = "behind_long_vehicle"


def fast_curve(scene: SyntheticScene) -> None:
    rng = scene.rng
    limit = float(rng.choice((11.18, 13.41, 15.65)))
    pieces = [(float(rng.uniform(200, 280)), 0.0)]
    side = float(rng.choice((-1, 1)))
    for _ in range(5):
        radius = (0.97 * limit) ** 2 / float(rng.uniform(2.5, 3.1))
        pieces += [(float(rng.uniform(0.5, 1.1)) * radius + 30.0, side / radius), (float(rng.uniform(60, 140)), 0.0)]
        side = -side
    points, heading = bends(pieces, ramp=34.0)
    n = min(len(points), int(road_length(limit) / 0.5))
    road = lay_out_road(
        scene,
        RoadDesign(
            length=0, limit=limit, forward=1, backward=1, median=1.4, shoulder=0.9, chain=Chain(points[:n], heading[:n])
        ),
    )
    ego_on(scene, road.forward[0], start_arc(scene), 0.9 * limit, lat_accel=3.0, speed_factor=0.97)
    if rng.random() < 0.5:
        scene.driver(road.forward[0], 175.0, 0.9 * limit, changes=0)
    scene.fill(road.backward, 130)
    scene.tag = "high_lateral_acceleration"
