"""Steps of 0.1 s of 256 articulated vehicles at once: with slipping tires, without, and by the chord of the hitch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from roadcraft.core.driving.motion.chain import actuators_of, advance_rolling, chain_of, pull_joints
from roadcraft.core.driving.motion.dynamic_chain import advance_dynamic, dynamic_chain_of, road_rows, start_motion
from roadcraft.core.vehicles.state import level_road
from roadcraft.core.vehicles.vehicle import Vehicle, load_vehicle

VEHICLES, SPEED_MPS = 256, 20.0
NAMES = ("us_straight_26", "us_sleeper_53", "au_b_double", "se_a_double")


@pytest.fixture(params=NAMES)
def vehicle(request: pytest.FixtureRequest) -> Vehicle:
    return load_vehicle(request.param)


def states(vehicle: Vehicle, speed: float) -> tuple[Any, Any, Any, Any]:
    """Ego states, joints, controls and time steps; a gentle turn."""
    rng = np.random.default_rng(0)
    ego, joints = np.zeros((VEHICLES, 10)), rng.normal(0.0, 0.02, (VEHICLES, vehicle.joints))
    ego[:, 2], ego[:, 3], ego[:, 7] = rng.uniform(-3, 3, VEHICLES), speed, rng.normal(0.0, 0.02, VEHICLES)
    return ego, joints, rng.normal(0.0, 0.05, (VEHICLES, 2)), np.full(VEHICLES, 0.1)


def per_vehicle(benchmark: Any) -> None:
    """What one vehicle's step takes, into the extra information."""
    benchmark.extra_info["us per vehicle"] = round(benchmark.stats.stats.median / VEHICLES * 1e6, 2)


@pytest.mark.parametrize("speed", [3.0, 6.0, SPEED_MPS])
def test_slipping_tires(benchmark: Any, vehicle: Vehicle, speed: float) -> None:
    ego, joints, controls, dt = states(vehicle, speed)
    motion, road, model = (
        start_motion(vehicle, ego, joints),
        road_rows(level_road(VEHICLES), vehicle),
        dynamic_chain_of(vehicle),
    )
    args = (ego, joints, motion, controls, dt, road, model)
    advance_dynamic(*args)
    benchmark(advance_dynamic, *args)
    per_vehicle(benchmark)


def test_rolling_in_two_steps(benchmark: Any, vehicle: Vehicle) -> None:
    args = (*states(vehicle, SPEED_MPS), (chain_of(vehicle), actuators_of(vehicle)), 2)
    advance_rolling(*args)
    benchmark(advance_rolling, *args)
    per_vehicle(benchmark)


@pytest.mark.parametrize("parts", [1, 2])
def test_chord_of_the_hitch(benchmark: Any, vehicle: Vehicle, parts: int) -> None:
    ego, joints, _, _ = states(vehicle, SPEED_MPS)
    ahead = np.stack([ego[:, 0] + 2.0 * np.cos(ego[:, 2]), ego[:, 1] + 2.0 * np.sin(ego[:, 2]), ego[:, 2] + 0.01], -1)
    args = (np.ascontiguousarray(np.stack([ego[:, :3], ahead], 1)), joints, chain_of(vehicle), parts)
    pull_joints(*args)
    benchmark(pull_joints, *args)
    per_vehicle(benchmark)
