"""How fast tracking, stepping and the closed loop are. Figures per call; divide by the scenarios and steps named."""

from __future__ import annotations

import numpy as np
import pytest

from roadcraft.core import load_vehicle
from roadcraft.core.config.factory import create
from roadcraft.core.driving.motion import bicycle, lqr as tracker
from roadcraft.scenario_io.synthetic.synthesize import synthesize
from roadcraft.validation.config import SimulationConfig
from roadcraft.validation.simulation import simulate

MOTION = bicycle.motion_of(load_vehicle())
SCENARIOS = 64


@pytest.fixture(scope="module")
def scenarios():
    """64 windows of 15 s of made-up traffic, each with a token of its own."""
    from roadcraft.core.data.scenario import Scenario

    worlds = synthesize(5, 4, ("dense_traffic", "cut_in"), locations=1)
    return [
        Scenario(f"{i:016x}", "bench", (), "test", *worlds[i % len(worlds)], first=60 + i, last=360 + i, stride=2)
        for i in range(SCENARIOS)
    ]


def test_track_64_plans(benchmark):
    ego = np.zeros((SCENARIOS, 10))
    ego[:, 3] = 8.0
    times = np.tile(1_600_000_000_000_000 + 250_000 * np.arange(41), (SCENARIOS, 1))
    plan = np.zeros((SCENARIOS, 41, 10))
    plan[:, :, 0] = 2.0 * np.arange(41)
    length = np.full(SCENARIOS, 41)
    benchmark(lambda: tracker.track(ego, times[:, 0].copy(), times, plan, length, MOTION[0]))


def test_rollout_15_proposals_of_40_poses(benchmark):
    ego = np.zeros(10)
    ego[3] = 8.0
    states = np.zeros((15, 41, 3))
    states[:, :, 0] = 0.8 * np.arange(41)
    gains = tracker.NUPLAN._replace(interval_s=0.1)
    benchmark(lambda: tracker.simulate_proposals(ego, states, 41, MOTION, gains))


def test_step_64_egos(benchmark):
    ego = np.ones((SCENARIOS, 10))
    controls, dt = np.ones((SCENARIOS, 2)), np.full(SCENARIOS, 0.1)
    benchmark(lambda: bicycle.step(ego, controls, dt, *MOTION))


@pytest.mark.parametrize(
    ("planner", "agents", "count"), [("constant_velocity", "log", SCENARIOS), ("idm", "log", 16), ("idm", "idm", 4)]
)
def test_closed_loop_of_150_steps(benchmark, scenarios, planner, agents, count):
    driver, others = create("planner", planner), create("agents", agents)
    results = benchmark.pedantic(
        simulate,
        (scenarios[:count], driver, SimulationConfig()),
        {"agents": others},
        rounds=2,
        warmup_rounds=1,
        iterations=1,
    )
    benchmark.extra_info["scenario_steps"] = sum(len(r) for r in results)
    assert len(results) == count
