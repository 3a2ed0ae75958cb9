"""Situations on a road without a junction. Each function sets a stage up; its name in config.SITUATIONS is the function's."""

from __future__ import annotations

import numpy as np

from roadcraft.core.map import AreaKind
from roadcraft.core.scenario import ObjectKind
from roadcraft.scenario_io.synthetic.chain import Chain, blend, lay_lanes, lay_links
from roadcraft.scenario_io.synthetic.curves import bends, smoothstep
from roadcraft.scenario_io.synthetic.grounds import ARTERIAL, CITY, HIGHWAY, Road, ego_on, lay_out_road, winding
from roadcraft.scenario_io.synthetic.junction import Crosswalk
from roadcraft.scenario_io.synthetic.paths import make_path
from roadcraft.scenario_io.synthetic.stage import STEPS, Stage
from roadcraft.scenario_io.synthetic.traffic import DT


def _length(limit: float) -> float:
    return 70.0 * limit + 260.0


def _start(stage: Stage) -> float:
    return float(stage.rng.uniform(90, 130))


def car_following(stage: Stage) -> None:
    rng = stage.rng
    limit = float(rng.choice(CITY + ARTERIAL))
    road = lay_out_road(
        stage, length=_length(limit), limit=limit, forward=int(rng.integers(1, 4)), backward=int(rng.integers(1, 3))
    )
    lane, s, v = int(rng.integers(len(road.forward))), _start(stage), 0.8 * limit
    ego_on(stage, road.forward[lane], s, v)
    stage.driver(
        road.forward[lane], s + float(rng.uniform(24, 42)), v, speed_factor=float(rng.uniform(0.78, 0.9)), changes=0
    )
    stage.fill(road.forward + road.backward, float(rng.uniform(38, 80)), factor=0.85)
    stage.strollers(6, 250, road.chain.points[500])
    stage.tag = "following_lane_with_lead"


def slow_lead(stage: Stage) -> None:
    rng = stage.rng
    limit = float(rng.choice(CITY + ARTERIAL))
    road = lay_out_road(stage, length=_length(limit), limit=limit, forward=1, backward=1)
    s, pace = _start(stage), float(rng.uniform(0.25, 0.45)) * limit
    ego_on(stage, road.forward[0], s, 0.75 * limit)
    stage.driver(road.forward[0], s + float(rng.uniform(70, 110)), pace, top_speed=pace, changes=0)
    stage.fill(road.backward, float(rng.uniform(40, 90)))
    stage.strollers(6, 200, road.chain.points[400])
    stage.tag = "following_lane_with_slow_lead"


def _queue(stage: Stage, road: Road, lane: int, s: float, caps: np.ndarray, ahead: int, gap: float, v: float) -> None:
    """A queue ahead of s in a lane whose head drives by the caps, and some more behind."""
    rng = stage.rng
    path = road.forward[lane]
    at = s
    for k in range(ahead):
        at += 5.0 + gap * float(rng.uniform(0.85, 1.25))
        head = {"script": stage.script(caps)} if k == ahead - 1 else {}
        stage.driver(path, at, v, changes=0, gap=float(rng.uniform(1.8, 2.6)), **head)
    at = s
    for _ in range(3):
        at -= 6.0 + gap * float(rng.uniform(0.9, 1.3))
        if at > 6:
            stage.driver(path, at, v, changes=0)


def _waves(rng: np.random.Generator, low: float, high: float) -> np.ndarray:
    t = np.arange(STEPS) * DT
    period, phase = float(rng.uniform(13, 20)), float(rng.uniform(0, 2 * np.pi))
    wave = np.sin(2 * np.pi * t / period + phase)
    return low + (high - low) * smoothstep(0.5 + 0.9 * wave)


def stop_and_go(stage: Stage) -> None:
    rng = stage.rng
    limit = float(rng.choice(ARTERIAL))
    road = lay_out_road(stage, length=640, limit=limit, forward=int(rng.integers(2, 4)), backward=1, bend=1 / 500)
    lane, s = int(rng.integers(len(road.forward))), _start(stage)
    ego_on(stage, road.forward[lane], s, 3.0)
    for k in range(len(road.forward)):
        waves = _waves(rng, -1.0 if k == lane else -0.5, float(rng.uniform(3.5, 6.0)))
        _queue(
            stage,
            road,
            k,
            s if k == lane else s + float(rng.uniform(-4, 4)),
            np.maximum(waves, 0.0),
            int(rng.integers(3, 7)),
            7.0,
            3.0,
        )
    stage.fill(road.backward, 60)
    stage.tag, stage.before = "stationary_in_traffic", (4.0, 8.0)


def crawling(stage: Stage) -> None:
    rng = stage.rng
    road = lay_out_road(stage, length=560, limit=float(rng.choice(CITY)), forward=2, backward=2, bend=1 / 500)
    lane, s = int(rng.integers(2)), _start(stage)
    ego_on(stage, road.forward[lane], s, 1.5)
    for k in range(2):
        _queue(stage, road, k, s if k == lane else s + 3.0, _waves(rng, 0.4, float(rng.uniform(1.6, 2.6))), 4, 5.0, 1.5)
    stage.fill(road.backward, 45)
    stage.strollers(8, 100, road.chain.points[260])
    stage.tag = "low_magnitude_speed"


def stop_behind_lead(stage: Stage) -> None:
    rng = stage.rng
    limit = float(rng.choice(CITY + ARTERIAL[:1]))
    road = lay_out_road(stage, length=_length(0.75 * limit), limit=limit, forward=int(rng.integers(1, 3)), backward=1)
    s, v, lane = _start(stage), 0.75 * limit, len(road.forward) - 1
    ego_on(stage, road.forward[lane], s, v)
    t, when = np.arange(STEPS) * DT, float(rng.uniform(9, 14))
    rest = float(rng.uniform(6, 13))
    caps = np.interp(
        t, [0, when, when + 0.8 * v, when + 0.8 * v + rest, when + 0.8 * v + rest + 4], [v, v, 0, 0, limit]
    )
    stage.driver(road.forward[lane], s + float(rng.uniform(22, 36)), v, script=stage.script(caps), changes=0)
    stage.fill(road.backward + road.forward[:lane], 60)
    stage.strollers(5, 200, road.chain.points[400])
    stage.tag = "stopping_with_lead"


def dense_traffic(stage: Stage) -> None:
    rng = stage.rng
    limit = float(rng.choice((11.18, 13.41)))
    road = lay_out_road(stage, length=_length(0.8 * limit), limit=limit, forward=3, backward=int(rng.integers(1, 3)))
    lane, s = 1, _start(stage)
    ego_on(stage, road.forward[lane], s, 7.5)
    for k in range(3):
        _queue(
            stage,
            road,
            k,
            s if k == lane else s + float(rng.uniform(-9, 9)),
            np.full(STEPS, float(rng.uniform(6.5, 8.5))),
            5,
            13.0,
            7.0,
        )
    stage.fill(road.backward, 40)
    stage.tag = "near_multiple_vehicles"


def _highway(stage: Stage, bend: float = 1 / 900) -> Road:
    rng = stage.rng
    limit = float(rng.choice(HIGHWAY))
    return lay_out_road(
        stage, length=58.0 * limit + 200, limit=limit, forward=int(rng.integers(2, 4)), backward=0, bend=bend, shoulder=2.5,
        walkway=False, posted=0.95,
    )  # fmt: skip


def fast_road(stage: Stage) -> None:
    rng = stage.rng
    road = _highway(stage)
    lane, s, v = int(rng.integers(len(road.forward))), _start(stage), 0.92 * road.limit
    ego_on(stage, road.forward[lane], s, v)
    stage.driver(road.forward[lane], s + float(rng.uniform(60, 90)), v, changes=0)
    stage.fill(road.forward, float(rng.uniform(70, 110)), factor=0.9)
    stage.tag, stage.before = "high_magnitude_speed", (4.0, 6.0)


def free_road(stage: Stage) -> None:
    rng = stage.rng
    limit = float(rng.choice(CITY + ARTERIAL))
    road = lay_out_road(
        stage, length=_length(limit), limit=limit, forward=int(rng.integers(1, 3)), backward=1, bend=1 / 130
    )
    ego_on(stage, road.forward[-1], _start(stage), 0.85 * limit)
    stage.fill(road.backward + road.forward[:-1], 90)
    stage.strollers(8, 250, road.chain.points[500])
    stage.tag = "following_lane_without_lead"


def _lane_change(stage: Stage, side: int) -> None:
    rng = stage.rng
    limit = float(rng.choice((11.18, *ARTERIAL)))
    road = lay_out_road(
        stage,
        length=_length(limit),
        limit=limit,
        forward=int(rng.integers(2, 4)),
        backward=1,
        bend=1 / 600,
        shoulder=0.8,
    )
    n = len(road.forward)
    start = int(rng.integers(1, n)) if side > 0 else int(rng.integers(0, n - 1))
    goal = start - side
    s, v = _start(stage), 0.8 * limit
    run = float(rng.uniform(5.0, 6.5)) * v
    begin = s + v * float(rng.uniform(9, 13))
    grid = np.arange(0.0, road.chain.length, 0.5)
    line = road.chain.at(grid, blend(road.offset(start), road.offset(goal), begin, begin + run))
    stage.ego_path = make_path(stage.sketch, stage.paths[road.forward[goal]].route, decel=1.2, xy=line)
    stage.reserve(stage.paths[road.forward[start]], s, 26, 26)
    stage.reserve(stage.paths[road.forward[goal]], begin, 18, 30)
    stage.ego(s, v)
    stage.lane_change = (begin, begin + run, side)
    slow = float(rng.uniform(0.45, 0.65)) * limit
    there = (begin - s) / (0.9 * limit)  # when the ego gets to where it moves over
    ahead = begin + float(rng.uniform(34, 50)) - slow * there
    stage.driver(road.forward[start], max(ahead, s + 16.0), slow, top_speed=slow, changes=0)
    stage.fill(road.forward + road.backward, float(rng.uniform(60, 110)), factor=0.9)
    stage.tag = "changing_lane_to_left" if side > 0 else "changing_lane_to_right"
    stage.extra = ("changing_lane",)


def lane_change_left(stage: Stage) -> None:
    _lane_change(stage, 1)


def lane_change_right(stage: Stage) -> None:
    _lane_change(stage, -1)


def cut_in(stage: Stage) -> None:
    rng = stage.rng
    limit = float(rng.choice((11.18, *ARTERIAL)))
    road = lay_out_road(
        stage, length=_length(limit), limit=limit, forward=int(rng.integers(2, 4)), backward=1, bend=1 / 600
    )
    n = len(road.forward)
    lane = int(rng.integers(n))
    other = lane + 1 if lane == 0 or (lane < n - 1 and rng.random() < 0.5) else lane - 1
    s, v, when = _start(stage), 0.9 * limit, float(rng.uniform(8, 12))
    ego_on(stage, road.forward[lane], s, v)
    pace = 0.9 * limit
    slower = np.interp(
        np.arange(STEPS) * DT, [0, when + 3, when + 9], [pace, pace, float(rng.uniform(0.55, 0.8)) * limit]
    )
    stage.cutter = stage.driver(
        road.forward[other],
        s + float(rng.uniform(20, 32)),
        v,
        script=stage.script(slower),
        changes=0,
        forced_after=when,
        forced_side=1.0 if other > lane else -1.0,
        forced_near=10.0,
        forced_far=26.0,
    )
    stage.fill(road.forward + road.backward, float(rng.uniform(70, 110)), factor=0.85)
    stage.tag = "following_lane_with_lead"


def bicycle_ahead(stage: Stage) -> None:
    """A bicycle near the right edge, which the ego follows, or passes within its lane where that is wide."""
    rng = stage.rng
    limit, passes = float(rng.choice(CITY)), bool(rng.random() < 0.5)
    width = float(rng.uniform(3.75, 3.95)) if passes else 0.0
    road = lay_out_road(
        stage,
        length=_length(limit if passes else 0.6 * limit),
        limit=limit,
        forward=1,
        backward=1,
        bend=1 / 350,
        width=width,
    )
    s, pace, v = _start(stage), float(rng.uniform(3.6, 5.2)), 0.94 * limit
    ahead, shift = float(rng.uniform(40, 70)), None
    if passes:
        meet = float(rng.uniform(10, 13))
        ahead, at = (v - pace) * meet, s + v * meet
        shift = np.array([[s + 20.0, 0.0], [s + 60.0, 0.85], [at + 50.0, 0.85], [at + 85.0, 0.0]])
    ego_on(stage, road.forward[0], s, v if passes else 0.7 * limit, shift=shift)
    lateral = -float(rng.uniform(1.2, 1.3) if passes else rng.uniform(0.5, 1.1))
    stage.driver(
        road.forward[0], s + ahead, pace, kind=ObjectKind.BICYCLE, length=1.8, width=0.7, top_speed=pace, lateral=lateral,
        wander=0.08, changes=0,
    )  # fmt: skip
    stage.fill(road.backward, float(rng.uniform(35, 70)))
    stage.strollers(6, 200, road.chain.points[300])
    stage.tag = "behind_bike"


def long_vehicle(stage: Stage) -> None:
    rng = stage.rng
    limit = float(rng.choice(CITY + ARTERIAL))
    road = lay_out_road(stage, length=_length(0.8 * limit), limit=limit, forward=int(rng.integers(1, 3)), backward=1)
    lane, s, v = len(road.forward) - 1, _start(stage), 0.6 * limit
    ego_on(stage, road.forward[lane], s, v)
    stage.driver(
        road.forward[lane], s + float(rng.uniform(26, 38)), v, length=float(rng.uniform(9.0, 13.0)), width=2.5,
        top_speed=float(rng.uniform(0.55, 0.75)) * limit, changes=0,
    )  # fmt: skip
    stage.fill(road.backward + road.forward[:lane], float(rng.uniform(45, 90)))
    stage.tag = "behind_long_vehicle"


def fast_curve(stage: Stage) -> None:
    rng = stage.rng
    limit = float(rng.choice((11.18, 13.41, 15.65)))
    pieces = [(float(rng.uniform(200, 280)), 0.0)]
    side = float(rng.choice((-1, 1)))
    for _ in range(5):
        radius = (0.97 * limit) ** 2 / float(rng.uniform(2.5, 3.1))
        pieces += [(float(rng.uniform(0.5, 1.1)) * radius + 30.0, side / radius), (float(rng.uniform(60, 140)), 0.0)]
        side = -side
    points, heading = bends(pieces, ramp=34.0)
    n = min(len(points), int(_length(limit) / 0.5))
    road = lay_out_road(
        stage,
        length=0,
        limit=limit,
        forward=1,
        backward=1,
        median=1.4,
        shoulder=0.9,
        chain=Chain(points[:n], heading[:n]),
    )
    ego_on(stage, road.forward[0], _start(stage), 0.9 * limit, lat_accel=3.0, speed_factor=0.97)
    if rng.random() < 0.5:
        stage.driver(road.forward[0], 175.0, 0.9 * limit, changes=0)
    stage.fill(road.backward, 130)
    stage.tag = "high_lateral_acceleration"


def parked_vehicle(stage: Stage) -> None:
    rng = stage.rng
    limit = float(rng.choice(CITY))
    width = float(rng.uniform(3.5, 3.9))
    road = lay_out_road(
        stage, length=_length(limit), limit=limit, forward=1, backward=1, bend=1 / 500, shoulder=2.3, width=width
    )
    path, s0 = stage.paths[road.forward[0]], _start(stage)
    shift = [[0.0, 0.0]]
    at = s0 + limit * float(rng.uniform(9, 12))
    for _ in range(int(rng.integers(1, 4))):
        into, wide, long_ = float(rng.uniform(0.6, 1.0)), float(rng.uniform(1.85, 2.05)), float(rng.uniform(4.4, 5.6))
        d = -width - 0.5 * wide + into
        xy = road.chain.at(np.array([at]), d)[0]
        k = int(at / road.chain.ds)
        stage.thing(ObjectKind.VEHICLE, xy, float(road.chain.heading[k]), long_, wide, 1.6)
        need = max(0.0, -0.5 * width + into + 0.75 + 1.15)
        a = stage.arc(road.forward[0], xy)
        shift += [
            [a - 0.5 * long_ - 26, 0.0],
            [a - 0.5 * long_ - 9, need],
            [a + 0.5 * long_ + 9, need],
            [a + 0.5 * long_ + 26, 0.0],
        ]
        at += float(rng.uniform(75, 130))
    profile = np.array(shift)
    stage.paths[road.forward[0]] = make_path(stage.sketch, path.route, lat_accel=2.0, shift=profile)
    ego_on(stage, road.forward[0], s0, 0.8 * limit, shift=profile)
    stage.ego_path.cap = np.minimum(stage.ego_path.cap, limit)  # type: ignore[union-attr]
    if rng.random() < 0.4:
        stage.driver(road.forward[0], s0 + 34, 0.8 * limit, changes=0, width=1.85)
    stage.fill(road.backward, float(rng.uniform(60, 110)), trucks=0.0)
    stage.strollers(8, 200, road.chain.points[500])
    stage.tag = "traversing_pickup_dropoff"


def pedestrian_crossing(stage: Stage) -> None:
    rng = stage.rng
    limit = float(rng.choice(CITY))
    s0 = _start(stage)
    at = s0 + limit * float(rng.uniform(10, 14))
    road = lay_out_road(
        stage,
        length=_length(0.8 * limit),
        limit=limit,
        forward=int(rng.integers(1, 3)),
        backward=1,
        bend=1 / 500,
        cuts=(at,),
    )
    p, c = road.profile, road.chain
    stage.sketch.area(AreaKind.CROSSWALK, c.strip(at - 1.8, at + 1.8, p.right, p.left))
    stage.walks = [Crosswalk(c.at(np.array([at, at]), lambda s: np.array([p.right, p.left])))]
    lane = len(road.forward) - 1
    ego_on(stage, road.forward[lane], s0, 0.85 * limit)
    arrive = (at - s0 - 62) / (0.9 * limit)
    for k in range(int(rng.integers(1, 5))):
        side = rng.random() < 0.5
        a, b = (p.right, p.left) if side else (p.left, p.right)
        out = 1.3 if side else -1.3
        along = float(rng.uniform(-0.9, 0.9))
        s = np.array([at + float(rng.uniform(-14, 14)), at + along, at + along, at + float(rng.uniform(-30, 30))])
        d = np.array([a - out, a - out * 0.3, b + out * 0.3, b + out])
        way = c.at(s, lambda _s, d=d: d)
        go = max(0.0, arrive + float(rng.uniform(-0.5, 1.0)) + 0.7 * k)
        speed = float(rng.uniform(1.1, 1.6))
        first = float(np.hypot(*(way[1] - way[0])))
        stage.walker(way, speed=speed, walk=0, go=go, start=max(0.0, first - 0.6 - speed * max(go - 1.0, 0.0)))
    stage.fill(road.forward[:lane] + road.backward, float(rng.uniform(60, 100)))
    stage.strollers(5, 150, c.at(np.array([at]), 0.0)[0])
    stage.tag, stage.extra = "waiting_for_pedestrian_to_cross", ("near_pedestrian_on_crosswalk",)


def cones_lane_drop(stage: Stage) -> None:
    rng = stage.rng
    limit, n, width = float(rng.choice((11.18, 13.41, 15.65))), int(rng.integers(2, 4)), float(rng.uniform(3.4, 3.7))
    chain = winding(rng, _length(limit), 1 / 700, calm=260.0)
    s0, taper = _start(stage), float(rng.uniform(55, 80))
    a = s0 + limit * float(rng.uniform(9, 12))
    b, end, sk = a + taper, chain.length, stage.sketch
    edges = [-k * width for k in range(n + 1)]
    before = lay_lanes(sk, chain, 0.0, a, edges, limit)
    after = lay_lanes(sk, chain, b, end, edges[:-1], limit)
    right = -n * width - 0.6
    mini = sk.area(AreaKind.INTERSECTION, chain.strip(a, b, right, 0.6))
    links = [(before[k], after[k], edges[k], edges[k + 1]) for k in range(n - 1)]
    lower = blend(edges[n], edges[n - 1], a, b)
    links.append((before[n - 1], after[n - 2], blend(edges[n - 1], edges[n - 2], a, b), lower))
    lay_links(sk, chain, a, b, links, limit, mini)
    sk.area(AreaKind.ROAD_SEGMENT, chain.strip(0.0, a, right, 0.6))
    sk.area(AreaKind.ROAD_SEGMENT, chain.strip(b, end, edges[n - 1] - 0.6, 0.6))
    sk.area(AreaKind.GENERIC_DRIVABLE, chain.strip(b, b + 140.0, right, edges[n - 1] - 0.6))
    stage.find_routes()
    stage.merge_lane = after[n - 2]
    paths = [stage.path_from(x) for x in before]
    spots = [(s, float(lower(np.array([s]))[0]) - 0.45) for s in np.arange(a + 6, b, 7.0)]  # type: ignore[operator]
    spots += [(s, edges[n - 1] - 0.35 + float(rng.uniform(0, 0.15))) for s in np.arange(b, b + 110, 8.0)]
    for s, d in spots:
        stage.thing(ObjectKind.TRAFFIC_CONE, chain.at(np.array([s]), d)[0], 0.0, 0.4, 0.4, 0.75)
    h = float(np.interp(b + 30, np.arange(len(chain.heading)) * chain.ds, chain.heading))
    stage.thing(ObjectKind.CZONE_SIGN, chain.at(np.array([a - 10]), right - 0.8)[0], h, 0.3, 1.0, 1.6)
    stage.thing(ObjectKind.BARRIER, chain.at(np.array([b + 30]), edges[n - 1] - 2.2)[0], h + np.pi / 2, 2.4, 0.5, 1.0)
    lane = n - 1 if rng.random() < 0.6 else n - 2
    ego_on(stage, paths[lane], s0, 0.8 * limit)
    stage.fill(paths, float(rng.uniform(60, 100)), factor=0.8)
    stage.tag = "near_trafficcone_on_driveable"


def on_ramp_merge(stage: Stage) -> None:
    rng = stage.rng
    limit, n, width = float(rng.choice((20.12, *HIGHWAY[:2]))), int(rng.integers(2, 4)), float(rng.uniform(3.5, 3.75))
    chain = winding(rng, 60.0 * limit + 260, 1 / 1500, calm=560.0)
    s0, b, taper = _start(stage), float(rng.uniform(330, 380)), float(rng.uniform(90, 120))
    e, end, sk = b + taper, chain.length, stage.sketch
    edges = [-k * width for k in range(n + 1)]
    main = lay_lanes(sk, chain, 0.0, b, edges, limit)
    after = lay_lanes(sk, chain, e, end, edges, limit)
    far = -float(rng.uniform(18, 26))
    top = blend(edges[n] + far, edges[n], 40.0, b - 90.0)
    low = blend(edges[n] + far - width, edges[n] - width, 40.0, b - 90.0)
    ramp = lay_lanes(sk, chain, 0.0, b, [top, low], 0.95 * limit)
    mini = sk.area(AreaKind.INTERSECTION, chain.strip(b, e, edges[n] - width - 1.0, 1.0))
    lay_links(sk, chain, b, e, [(main[k], after[k], edges[k], edges[k + 1]) for k in range(n)], limit, mini)
    link = (ramp[0], after[n - 1], blend(edges[n], edges[n - 1], b, e), blend(edges[n] - width, edges[n], b, e))
    lay_links(sk, chain, b, e, [link], limit, mini)
    sk.area(AreaKind.ROAD_SEGMENT, chain.strip(0.0, b, edges[n] - 0.02, 1.0))
    sk.area(AreaKind.ROAD_SEGMENT, chain.strip(0.0, b, lambda s: low(s) - 1.0, top))  # type: ignore[operator]
    sk.area(AreaKind.ROAD_SEGMENT, chain.strip(e, end, edges[n] - 1.0, 1.0))
    stage.find_routes()
    stage.merge_lane = after[n - 1]
    mains, ramps = [stage.path_from(x) for x in main], stage.path_from(ramp[0])
    ego_on(stage, ramps, s0, 0.85 * limit)
    stage.fill([ramps], 110, factor=0.85)
    stage.fill(mains, float(rng.uniform(75, 120)), factor=0.85, trucks=0.04)
    stage.tag, stage.focus, stage.zipper = "near_high_speed_vehicle", (b - 70.0, e), 210.0
