"""32 agents on a road of 2,000 edge segments: checks alone, and whole steps of many scenarios in one call."""

from __future__ import annotations

from collections.abc import Callable
from time import process_time
from typing import Any

import numpy as np
import pytest

from roadcraft.core.arrays import Polylines
from roadcraft.core.driving.motion.bicycle import motion_of
from roadcraft.core.driving.motion.chain import chain_of, unit_poses
from roadcraft.core.driving.multi_agent.collisions import Checks, check_into
from roadcraft.core.driving.multi_agent.road_edges import RoadEdges, road_edges
from roadcraft.core.driving.multi_agent.road_grid import field_of_edges
from roadcraft.core.driving.multi_agent.step import Crowd, CrowdStep, rows_of
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.vehicle import load_vehicle

AGENTS, SEGMENTS, SCENARIOS, RADIUS_M, HALF_WIDTH_M = 32, 2000, 64, 120.0, 7.0


def road() -> RoadEdges:
    """A winding ring road between two closed edges of 1,000 segments each."""
    turn = np.linspace(0.0, 2.0 * np.pi, SEGMENTS // 2 + 1)
    radius = RADIUS_M + 15.0 * np.sin(5.0 * turn)
    rings = []
    for half in (HALF_WIDTH_M, -HALF_WIDTH_M):
        ring = np.stack([np.cos(turn), np.sin(turn)], 1) * (radius + half)[:, None] + [331_000.0, 4_690_000.0]
        ring[-1] = ring[0]
        rings.append(ring if half > 0.0 else ring[::-1])
    return road_edges(Polylines.build(rings))


def crowd(scenarios: int) -> Crowd:
    """Cars all along the road, at various offsets from its middle, so that some touch and some have a corner off it."""
    rng, vehicle = np.random.default_rng(0), load_vehicle()
    turn = rng.uniform(0.0, 2.0 * np.pi, (scenarios, AGENTS))
    radius = RADIUS_M + 15.0 * np.sin(5.0 * turn) + rng.uniform(-6.5, 6.5, turn.shape)
    state = np.zeros((scenarios, AGENTS, 10))
    state[..., 0], state[..., 1] = 331_000.0 + radius * np.cos(turn), 4_690_000.0 + radius * np.sin(turn)
    state[..., 2], state[..., 3] = turn + 0.5 * np.pi + rng.normal(0.0, 0.2, turn.shape), rng.uniform(0, 10, turn.shape)
    body, motion = np.tile(vehicle.box, (*turn.shape, 1)), np.tile(motion_of(vehicle), (*turn.shape, 1))
    names, there = np.tile(np.arange(AGENTS), (scenarios, 1)), np.ones(turn.shape, np.bool_)
    return Crowd(state, body, motion, names, there, field_of_edges(road()), np.zeros(scenarios, np.int64))


def test_checks_of_32_agents(benchmark: Any) -> None:
    """Called through Python as it is; a call costs some of it."""
    step = CrowdStep(crowd(1))
    step.check()
    benchmark(step.check)
    benchmark.extra_info["off"], benchmark.extra_info["touching"] = int(step.off.sum()), int((step.touched >= 0).sum())


def test_check_kernel_of_32_agents(benchmark: Any) -> None:
    many = CrowdStep(crowd(SCENARIOS))
    many.check()
    c = many.crowd
    out = Checks(many.corners[0], many.touched[0], many.off[0], np.empty((AGENTS, 3)))
    args = (frozen(many.boxes[0]), frozen(c.vehicle[0], np.int64), frozen(c.valid[0], np.bool_), c.field, 0)
    benchmark(lambda: check_into(*args, out))


def trucks(scenarios: int) -> Crowd:
    """As many tractors with semitrailers, straight at first."""
    vehicle, cars = load_vehicle("us_sleeper_53"), crowd(scenarios)
    count, rows = len(vehicle.units), rows_of(vehicle)
    state = np.repeat(cars.state, count, axis=1)
    poses = unit_poses(cars.state.reshape(-1, 10), np.zeros((scenarios * AGENTS, vehicle.joints)), chain_of(vehicle))
    state[..., :3] = poses.reshape(scenarios, AGENTS * count, 3)
    body, motion, towed = (np.tile(part, (scenarios, AGENTS, 1)) for part in rows)
    names = np.tile(np.repeat(np.arange(AGENTS), count), (scenarios, 1))
    return Crowd(state, body, motion, names, np.ones(names.shape, np.bool_), cars.field, cars.place, towed)


@pytest.mark.parametrize("made", [crowd, trucks])
def test_steps_of_64_scenarios(benchmark: Any, made: Callable[[int], Crowd]) -> None:
    """32 cars, or 32 tractors with semitrailers."""
    step = CrowdStep(made(SCENARIOS))
    controls = np.random.default_rng(1).normal(0.0, [1.0, 0.1], (SCENARIOS, step.state.shape[1], 2))
    start = step.state.copy()

    def ten_steps() -> None:
        step.state[:] = start
        for _ in range(10):
            step.step(controls, 0.1)

    ten_steps()
    benchmark(ten_steps)
    begun, runs = process_time(), 20
    for _ in range(runs):
        ten_steps()
    benchmark.extra_info["scenario-steps per CPU second"] = round(runs * 10 * SCENARIOS / (process_time() - begun))


def test_bake_2000_segments(benchmark: Any) -> None:
    edges = road()
    benchmark(lambda: field_of_edges(edges))
