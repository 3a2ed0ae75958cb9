"""Situations where lanes end. Each function sets a stage up; its name in config.SITUATIONS is the function's."""

from __future__ import annotations

import numpy as np

from roadcraft.core.data.map import AreaKind
from roadcraft.core.data.scenario import ObjectKind
from roadcraft.scenario_io.synthetic.roads.chain import Edge, blend, lay_lanes, lay_links
from roadcraft.scenario_io.synthetic.situations.grounds import HIGHWAY, ego_on, road_length, start_arc, winding
from roadcraft.scenario_io.synthetic.situations.scene import SyntheticScene


def cones_lane_drop(scene: SyntheticScene) -> None:
    rng = scene.rng
    limit, n, width = float(rng.choice((11.18, 13.41, 15.65))), int(rng.integers(2, 4)), float(rng.uniform(3.4, 3.7))
    chain = winding(rng, road_length(limit), 1 / 700, calm=260.0)
    s0, taper = start_arc(scene), float(rng.uniform(55, 80))
    a = s0 + limit * float(rng.uniform(9, 12))
    b, end, sk = a + taper, chain.length, scene.sketch
    edges = [-k * width for k in range(n + 1)]
    before = lay_lanes(sk, chain, 0.0, a, edges, limit)
    after = lay_lanes(sk, chain, b, end, edges[:-1], limit)
    right = -n * width - 0.6
    mini = sk.area(AreaKind.INTERSECTION, chain.strip(a, b, right, 0.6))
    links: list[tuple[int, int, Edge, Edge]] = [(before[k], after[k], edges[k], edges[k + 1]) for k in range(n - 1)]
    lower = blend(edges[n], edges[n - 1], a, b)
    links.append((before[n - 1], after[n - 2], blend(edges[n - 1], edges[n - 2], a, b), lower))
    lay_links(sk, chain, a, b, links, limit, mini)
    sk.area(AreaKind.ROAD_SEGMENT, chain.strip(0.0, a, right, 0.6))
    sk.area(AreaKind.ROAD_SEGMENT, chain.strip(b, end, edges[n - 1] - 0.6, 0.6))
    sk.area(AreaKind.GENERIC_DRIVABLE, chain.strip(b, b + 140.0, right, edges[n - 1] - 0.6))
    scene.find_routes()
    scene.merge_lane = after[n - 2]
    paths = [scene.path_from(x) for x in before]
    spots = [(s, float(lower(np.array([s]))[0]) - 0.45) for s in np.arange(a + 6, b, 7.0)]  # type: ignore[operator]
    spots += [(s, edges[n - 1] - 0.35 + float(rng.uniform(0, 0.15))) for s in np.arange(b, b + 110, 8.0)]
    for s, d in spots:
        scene.thing(ObjectKind.TRAFFIC_CONE, chain.at(np.array([s]), d)[0], 0.0, 0.4, 0.4, 0.75)
    h = float(np.interp(b + 30, np.arange(len(chain.heading)) * chain.ds, chain.heading))
    scene.thing(ObjectKind.CZONE_SIGN, chain.at(np.array([a - 10]), right - 0.8)[0], h, 0.3, 1.0, 1.6)
    scene.thing(ObjectKind.BARRIER, chain.at(np.array([b + 30]), edges[n - 1] - 2.2)[0], h + np.pi / 2, 2.4, 0.5, 1.0)
    lane = n - 1 if rng.random() < 0.6 else n - 2
    ego_on(scene, paths[lane], s0, 0.8 * limit)
    scene.fill(paths, float(rng.uniform(60, 100)), factor=0.8)
    scene.tag = "near_trafficcone_on_driveable"


def on_ramp_merge(scene: SyntheticScene) -> None:
    rng = scene.rng
    limit, n, width = float(rng.choice((20.12, *HIGHWAY[:2]))), int(rng.integers(2, 4)), float(rng.uniform(3.5, 3.75))
    chain = winding(rng, 60.0 * limit + 260, 1 / 1500, calm=560.0)
    s0, b, taper = start_arc(scene), float(rng.uniform(330, 380)), float(rng.uniform(90, 120))
    e, end, sk = b + taper, chain.length, scene.sketch
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
    scene.find_routes()
    scene.merge_lane = after[n - 1]
    mains, ramps = [scene.path_from(x) for x in main], scene.path_from(ramp[0])
    ego_on(scene, ramps, s0, 0.85 * limit)
    scene.fill([ramps], 110, factor=0.85)
    scene.fill(mains, float(rng.uniform(75, 120)), factor=0.85, trucks=0.04)
    scene.tag, scene.focus, scene.zipper = "near_high_speed_vehicle", (b - 70.0, e), 210.0
