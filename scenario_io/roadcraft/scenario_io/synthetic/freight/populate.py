"""Random traffic of freight worlds, as dense and with as many trucks as is drawn."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from roadcraft.core.vehicles.geometry import length_of
from roadcraft.core.vehicles.vehicle import Vehicle, load_vehicle
from roadcraft.scenario_io.synthetic.freight.density import TRUCK_M, free_length, lanes_of, lengths_on
from roadcraft.scenario_io.synthetic.freight.stage import Stage
from roadcraft.scenario_io.synthetic.situations.scene import RIGS, SyntheticScene
from roadcraft.scenario_io.synthetic.traffic.drivers import CHANGES

PER_KM, TRUCK_SHARE = (10.0, 25.0), (0.05, 0.3)
"""Vehicles per km and lane, and the share of trucks among them, of which one is drawn."""
APART_M, CAR_M = 17.0, 5.5
"""Least gap between two vehicles at the start, and the length of the longest car, m."""


def populate(stage: Stage, paths: list[int], speed: float, ahead: float = 100.0, changes: bool = True) -> None:
    """Traffic around the truck at its start; ``speed``: share of the limit that they keep; ahead: m that are free
    before it; changes: whether they change lanes."""
    scene, length = stage.scene, sum(u.length_m for u in stage.vehicle.units)
    scene.reserve(scene.paths[stage.route], stage.start[0], length + 30.0, ahead)
    lay_traffic(stage, paths, speed)
    if not changes:
        for constants in scene.consts:
            constants[CHANGES] = 0.0


def lay_traffic(stage: Stage, paths: Sequence[int], speed: float, inflow: bool = True) -> None:
    """Traffic on the lanes of paths, at so much of their caps, as many as a drawn density and share of trucks ask for,
    or as there is room for; and, with inflow, more of it that comes in at their begins."""
    rng, scene = stage.rng, stage.scene
    density, share = float(rng.uniform(*PER_KM)) * scene.traffic, float(rng.uniform(*TRUCK_SHARE))
    stage.populated += paths
    lanes = lanes_of(scene, paths)
    there = lengths_on(scene, lanes_of(scene, stage.populated))
    wanted = math.floor(1e-3 * density * free_length(scene, lanes)) - len(lengths_on(scene, lanes))
    gaps = [gap for lane in sorted(lanes) for gap in _gaps(scene, lane, APART_M / scene.traffic)]
    for count in range(wanted, 0, -1):
        trucks = _trucks(share, count, len(there), sum(x > TRUCK_M for x in there))
        rigs = [load_vehicle(RIGS[int(k)]) for k in rng.integers(len(RIGS), size=trucks)]
        if _lay(scene, paths, [*rigs, *[None] * (count - trucks)], gaps, speed):
            break
    begins = Counter(scene.paths[p].route.segments[0] for p in paths)
    for p in paths if inflow else ():
        scene.inflow(p, max(26.0, 1000.0 / density) * begins[scene.paths[p].route.segments[0]], speed)


def _trucks(share: float, count: int, before: int, trucks: int) -> int:
    """How many of ``count`` vehicles are trucks, so that with those that are there before, of which some are, the share
    is as near to ``share`` as it can be within ``TRUCK_SHARE``."""
    low, high = (math.ceil(TRUCK_SHARE[0] * (before + count)), math.floor(TRUCK_SHARE[1] * (before + count)))
    return min(max(min(max(round(share * count), low - trucks), high - trucks), 0), count)


def _gaps(scene: SyntheticScene, lane: int, apart: float) -> list[tuple[int, float, float]]:
    """Free stretches of a lane: the lane, begin and end, m."""
    out, begin, end = [], 0.0, scene.sketch.segments[lane].length
    for low, high in [*sorted(scene.taken.get(lane, [])), (end, end)]:
        if min(low, end) - begin > apart:
            out.append((lane, begin, min(low, end)))
        begin = max(begin, high)
    return out


def _lay(
    scene: SyntheticScene,
    paths: Sequence[int],
    vehicles: list[Vehicle | None],
    gaps: list[tuple[int, float, float]],
    speed: float,
) -> bool:
    """Lays vehicles, None for cars, longest first, into gaps at random; False, and none is laid, where not all find
    room."""
    rng, apart = scene.rng, APART_M / scene.traffic
    sizes = [CAR_M if v is None else length_of(v) for v in vehicles]
    room, within = np.array([b - a for _, a, b in gaps]), [list[int]() for _ in gaps]
    for k in sorted(range(len(sizes)), key=lambda k: -sizes[k]):
        free = np.where(room >= sizes[k] + apart, room, 0.0)
        if not free.any():
            return False
        g = int(rng.choice(len(gaps), p=free / free.sum()))
        room[g] -= sizes[k] + apart
        within[g].append(k)
    for (lane, at, _), rest, row in zip(gaps, room.tolist(), within, strict=True):
        for k, aside in zip(rng.permutation(row).tolist(), np.sort(rng.uniform(0.0, rest, len(row))), strict=True):
            through = [p for p in paths if lane in scene.paths[p].route.segments]
            p = through[int(rng.integers(len(through)))]
            path = scene.paths[p]
            middle = float(path.starts[path.route.segments.index(lane)] + at + aside + 0.5 * (apart + sizes[k]))
            vehicle = vehicles[k]
            if vehicle is None:
                scene.driver(p, middle, scene.pace(path, middle, speed))
            else:
                scene.rig(p, middle + 0.5 * sizes[k] - vehicle.body.front_m, vehicle, speed)
            at += sizes[k] + apart
    return True
