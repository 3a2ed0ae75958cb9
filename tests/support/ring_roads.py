"""Winding ring roads of four lanes between road edges, for crowds."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, Polylines
from roadcraft.core.data.map import LineKind, MapData
from roadcraft.core.data.scenario import EGO_SIZE
from roadcraft.core.driving.multi_agent.crowd import Crowd, CrowdMaps, crowd_maps
from roadcraft.core.driving.multi_agent.routes import extended, widened
from roadcraft.core.driving.multi_agent.rows import unit_rows
from roadcraft.core.testing.world import LaneSketch, sketch_map
from roadcraft.core.vehicles.vehicle import load_vehicle

LANES, SECTORS, LANE_WIDTH_M, ORIGIN = 4, 8, 3.5, (331_000.0, 4_690_000.0)


class RingShape(NamedTuple):
    """A line around the origin that winds in and out."""

    radius_m: float
    waves: int
    wave_m: float = 15.0

    def line(self, beside_m: float, turn: F64) -> F64:
        """Points (T, 2) of a line ``beside_m`` outside of the road's middle, by the angle around the center."""
        radius = self.radius_m + self.wave_m * np.sin(self.waves * turn) + beside_m
        return np.stack([np.cos(turn), np.sin(turn)], 1) * radius[:, None] + ORIGIN


WINDING = (RingShape(120.0, 5), RingShape(110.0, 4), RingShape(130.0, 6), RingShape(140.0, 3))


def ring_road(shape: RingShape = WINDING[0], edge_segments: int = 2000, exits: bool = True) -> MapData:
    """A ring driven counter-clockwise, of ``SECTORS`` blocks of four lanes, the first of each the innermost; with
    ``exits`` a lane leads off from the outermost one of every other block."""
    sketches = []
    for sector in range(SECTORS):
        turn = 2.0 * np.pi * (sector + np.linspace(0.0, 1.0, 49)) / SECTORS
        for k in range(LANES):
            line = shape.line((k - 1.5) * LANE_WIDTH_M, turn)
            after = ((sector + 1) % SECTORS * 10 + k,)
            leaves = exits and k == LANES - 1 and sector % 2 == 0
            sketches.append(
                LaneSketch(sector * 10 + k, sector, line, (*after, 100 + sector) if leaves else after, limit_mps=13.0)
            )
            if leaves:
                step = line[-1] - line[-2]
                off = line[-1] + step / np.hypot(*step) * np.linspace(0.0, 60.0, 31)[:, None]
                sketches.append(LaneSketch(100 + sector, 100 + sector, off, limit_mps=9.0))
    m = sketch_map(sketches, width_m=LANE_WIDTH_M, name=f"ring-{shape}")
    turn, half = np.linspace(0.0, 2.0 * np.pi, edge_segments // 2 + 1), 0.5 * LANES * LANE_WIDTH_M
    edges = []
    for side in (half, -half):
        edge = shape.line(side, turn)
        edge[-1] = edge[0]
        edges.append(edge if side > 0.0 else edge[::-1])
    ids = np.arange(2)
    kinds = np.full(2, int(LineKind.ROAD_EDGE), np.uint8)
    return replace(m, lines=replace(m.lines, id=ids, kind=kinds, subtype=ids, lines=Polylines.build(edges)))


class RingRoads(NamedTuple):
    """Roads, as maps and as a crowd takes them."""

    shapes: tuple[RingShape, ...]
    maps: list[MapData]
    joined: CrowdMaps


def ring_roads(shapes: tuple[RingShape, ...] = WINDING, exits: bool = True) -> RingRoads:
    """The roads of these shapes."""
    maps = [ring_road(shape, exits=exits) for shape in shapes]
    return RingRoads(shapes, maps, crowd_maps(maps))


def ring_crowd(
    scenarios: int,
    roads: RingRoads,
    vehicle: str = "pacifica",
    count: int = 32,
    seed: int = 0,
    spread_m: float = 0.8,
    apart: bool = False,
) -> Crowd:
    """Vehicles all along the rings, each with a route of a round. Every scenario's first block is governed by lights.
    They are ``spread_m`` off the middle of their lanes, by default so that some touch and some have a corner off the
    road; ``apart``: at equal distances along the road."""
    rng, units, maps = np.random.default_rng(seed), unit_rows(load_vehicle(vehicle)), roads.maps
    n = len(units.body)
    crowd = Crowd(scenarios, count * n, roads.joined)
    ids = [{int(k): row for row, k in enumerate(m.lanes.id)} for m in maps]
    for b in range(scenarios):
        place = b % len(maps)
        crowd.clear(b, place, [ids[place][k] for k in range(LANES)])
        for i in range(count):
            turn, lane = rng.uniform(0.0, 2.0 * np.pi), int(rng.integers(LANES))
            if apart:
                turn = 2.0 * np.pi * (i + 0.5) / count
            beside = (lane - 1.5) * LANE_WIDTH_M + rng.normal(0.0, spread_m)
            at = roads.shapes[place].line(beside, turn + np.array([0.0, 1e-4]))
            heading = float(np.arctan2(*(at[1] - at[0])[::-1])) + rng.normal(0.0, 0.125 * spread_m)
            state = np.zeros((n, EGO_SIZE))
            state[:, 2], state[:, 3] = heading, rng.uniform(0.0, 10.0)
            back = np.concatenate([[0.0], np.cumsum(units.towed[1:, 1] - units.towed[1:, 0])])
            state[:, 0], state[:, 1] = at[0, 0] + back * np.cos(heading), at[0, 1] + back * np.sin(heading)
            first = ids[place][int(turn / (2.0 * np.pi) * SECTORS) * 10 + lane]
            crowd.spawn(b, i * n, units, state, route=_round(maps[place], first))
    return crowd


def _round(m: MapData, first: int) -> np.ndarray:
    return widened(m, extended(m, np.array([first]), 1, 600.0))
