"""32 vehicles on winding ring roads of 2,000 edge segments and four lanes, a map for each scenario: checks alone, whole
steps and observations of many scenarios in one call."""

from __future__ import annotations

from functools import cache
from time import process_time
from typing import Any

import numpy as np
import pytest
from ring_roads import RingRoads, ring_crowd, ring_road, ring_roads

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


def test_bake_2000_segments(benchmark: Any) -> None:
    m = ring_road()
    benchmark(lambda: road_field([m]))
