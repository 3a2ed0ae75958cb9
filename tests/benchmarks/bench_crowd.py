"""32 vehicles on winding ring roads of 2,000 edge segments and four lanes, a map for each scenario: checks alone, whole
steps and observations of many scenarios in one call."""

from __future__ import annotations

import math
from functools import cache
from time import process_time
from typing import Any

import numpy as np
import pytest
from ring_roads import RingRoads, ring_crowd, ring_road, ring_roads

from roadcraft.core.arrays import F64
from roadcraft.core.driving.held import Held
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.multi_agent.road_grid import road_field

AGENTS, SCENARIOS, STEPS = 32, 64, 10


@cache
def roads() -> RingRoads:
    return ring_roads()


def test_checks_of_32_agents(benchmark: Any) -> None:
    """Called through Python as it is; a call costs some of it."""
    crowd = ring_crowd(1, roads())
    crowd.check()
    benchmark(crowd.check)
    benchmark.extra_info["off"] = int(crowd.off.sum())
    benchmark.extra_info["touching"] = int((crowd.touched >= 0).sum())


class Drive:
    """Ten steps of 64 scenarios from the same start. One row in eight is replayed, and at every step a vehicle of each
    scenario is taken out and another one put back, so that masks change."""

    def __init__(self, vehicle: str) -> None:
        self.crowd = ring_crowd(SCENARIOS, roads(), vehicle)
        self.crowd.places.light[:] = np.random.default_rng(2).integers(0, 4, self.crowd.places.light.shape)
        self.units = self.crowd.rows.there.shape[1] // AGENTS
        self.crowd.rows.driven[:, : AGENTS // 8 * self.units] = False
        self.crowd.check()
        self.controls = np.random.default_rng(1).normal(0.0, [1.0, 0.02], self.crowd.actions.shape)
        self.start = self.crowd.state()

    def ten_steps(self, observe: bool) -> None:
        there = self.crowd.rows.there.reshape(SCENARIOS, AGENTS, self.units)
        for k in range(STEPS):
            there[:, (AGENTS // 8 + k) % AGENTS], there[:, (AGENTS // 8 + k - 1) % AGENTS] = False, True
            self.crowd.step(self.controls, 0.1)
            if observe:
                self.crowd.observe(given=True)

    def rates(self, observe: bool, rounds: int) -> list[float]:
        """Scenario-steps per CPU second of each round."""
        out = []
        for _ in range(rounds):
            self.crowd.set_state(self.start)
            begun = process_time()
            self.ten_steps(observe)
            out.append(STEPS * SCENARIOS / (process_time() - begun))
        return out


@pytest.mark.parametrize("vehicle", ["pacifica", "us_sleeper_53"])
@pytest.mark.parametrize("observe", [False, True], ids=["steps", "steps and observations"])
def test_64_scenarios(benchmark: Any, vehicle: str, observe: bool) -> None:
    """32 cars, or 32 tractors with semitrailers."""
    drive = Drive(vehicle)
    drive.ten_steps(observe)
    benchmark.pedantic(
        drive.ten_steps, (observe,), setup=lambda: drive.crowd.set_state(drive.start), rounds=100, iterations=1
    )
    rates = drive.rates(observe, 200)
    benchmark.extra_info["scenario-steps per CPU second, best"] = round(max(rates))
    benchmark.extra_info["median"] = round(float(np.median(rates)))


@njit(cache=True, nogil=True)
def _floor(rows, checks, road) -> float:  # type: ignore[no-untyped-def]
    """What no step can do without: of each row two sines, two cosines and a tangent, the cells of four corners, and how
    far it is from all after it; its state, box and corners read and written once."""
    there, state, corners, boxes, found = rows.there, rows.state, checks.corners, checks.boxes, 0.0
    for b in range(len(there)):
        m, n = rows.place[b], there.shape[1]
        x0, y0, nx, at = road.grid[m, 0], road.grid[m, 1], road.shape[m, 0], road.head_at[m]
        for i in range(n):
            h = state[b, i, 2] + found * 1e-300
            found += math.cos(h) + math.sin(h) + math.cos(h + 1.5) + math.sin(h + 1.5) + math.tan(state[b, i, 7])
            for k in range(10):
                state[b, i, k] = state[b, i, k] + 0.0
            for k in range(4):
                found += road.head[at + int(corners[b, i, k, 1] - y0) * nx + int(corners[b, i, k, 0] - x0)]
                corners[b, i, k, 0], corners[b, i, k, 1] = corners[b, i, k, 0] + 0.0, corners[b, i, k, 1] + 0.0
            found += _near(checks.circles[0, i + 1 :], checks.circles[1, i + 1 :], boxes[b, i, 0], boxes[b, i, 1])
    return found


@njit(cache=True, nogil=True)
def _near(xs: F64, ys: F64, x: float, y: float) -> int:
    near = 0
    for m in range(len(xs)):
        near += (xs[m] - x) ** 2 + (ys[m] - y) ** 2 <= 30.0
    return near


@njit(cache=True, nogil=True)
def _seen_floor(checks, lanes, out) -> None:  # type: ignore[no-untyped-def]
    """What no observation can do without: 36 points of lanes and 16 boxes read and turned, and all numbers written."""
    boxes, points = checks.boxes, lanes.points
    for b in range(len(out)):
        for i in range(out.shape[1]):
            c, s, x, y, seen = checks.turned[b, i, 2], checks.turned[b, i, 3], boxes[b, i, 0], boxes[b, i, 1], out[b, i]
            for p in range(36):
                dx, dy = points[97 * i + 5 * p, 0] - x, points[97 * i + 5 * p, 1] - y
                seen[154 + 3 * p], seen[155 + 3 * p], seen[156 + 3 * p] = dx * c + dy * s, dy * c - dx * s, 1.0
            for j in range(16):
                dx, dy = boxes[b, j, 0] - x, boxes[b, j, 1] - y
                seen[26 + 8 * j], seen[27 + 8 * j] = dx * c + dy * s, dy * c - dx * s
                for k in range(2, 8):
                    seen[26 + 8 * j + k] = checks.turned[b, j, 2] * c + k
            for k in range(26):
                seen[k] = x


@pytest.mark.parametrize("observe", [False, True], ids=["steps", "observations"])
def test_floor(benchmark: Any, observe: bool) -> None:
    """64 scenarios of 32 cars."""
    drive = Drive("pacifica")
    crowd, held = drive.crowd, (Held(drive.crowd.rows), Held(drive.crowd.checks), Held(drive.crowd.maps.road))
    lanes = Held(crowd.maps.lanes)
    if observe:
        benchmark(lambda: _seen_floor(held[1], lanes, crowd.observations))
    else:
        benchmark(lambda: _floor(*held))


def test_bake_2000_segments(benchmark: Any) -> None:
    m = ring_road()
    benchmark(lambda: road_field([m]))
