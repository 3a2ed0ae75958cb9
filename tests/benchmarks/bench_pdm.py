"""Milliseconds per plan of pdm_closed and guard, one scenario, 40 objects around ego."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tiny_world

from roadcraft.core.config.factory import create
from roadcraft.core.data.rollout import Objects


@pytest.fixture(scope="module")
def obs():
    """Ego on a two-lane road among 40 cars at various speeds."""
    traffic = tiny_world.make_map()
    one = tiny_world.observe([tiny_world.make_drive(traffic, 0)], traffic, [60])
    rng, count = np.random.default_rng(0), 40
    ego = one.ego[0]
    box = np.zeros((count, 5))
    box[:, 0] = ego[0] + np.linspace(-45, 48, count)
    box[:, 1] = tiny_world.START[1] + rng.choice([0.0, tiny_world.WIDTH, 8.0, -8.0], count)
    box[np.abs(box[:, 0] - ego[0]) < 9, 1] = tiny_world.START[1] + 8.0
    box[:, 3:] = 4.6, 1.9
    velocity = np.stack([rng.uniform(0, 9, count), np.zeros(count)], 1)
    identity = np.arange(count).astype(np.uint64) + np.uint64(1)
    kinds = np.zeros(count, np.uint8)
    objects = Objects(np.array([0, count]), identity, kinds, np.arange(count), kinds, box, velocity)
    return replace(one, objects=objects)


@pytest.mark.parametrize(
    ("name", "params"), [("pdm_closed", {}), ("guard", {"planner": {"name": "constant_velocity"}})]
)
def test_plan(benchmark, obs, name, params):
    planner, keys = create("planner", name, params), np.zeros(1, np.uint64)
    state = planner.start(obs, keys)
    planner.plan(obs, state, keys)
    benchmark(planner.plan, obs, state, keys)
