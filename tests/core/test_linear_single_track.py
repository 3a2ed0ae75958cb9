"""The linear single track: limits that hold whatever the vehicle, and refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from made_trucks import truck

from roadcraft.core import load_vehicle
from roadcraft.core.driving.motion.linear_single_track import (
    gains,
    lane_change,
    least_damping,
    linear_single_track,
    static_loads,
    steady_turn,
)
from roadcraft.core.errors import ConfigError
from roadcraft.core.vehicles.vehicle import GRAVITY_MPS2

seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=20, deadline=None)
@given(seeds, st.integers(1, 4))
def test_loads_carry_the_weight_and_balance_about_the_steered_axle(seed, units):
    vehicle = truck(np.random.default_rng(seed), units)
    loads = static_loads(vehicle)
    weights = np.array([m.mass_kg for m in vehicle.masses]) * GRAVITY_MPS2
    axles = np.zeros(units)
    for i in range(1, units):
        axles[i] = axles[i - 1] + vehicle.units[i - 1].hitch_m - vehicle.units[i].wheel_base_m
    cogs = axles + [m.cog_m for m in vehicle.masses]
    assert loads.sum() == pytest.approx(weights.sum())
    places = np.concatenate([[vehicle.body.wheel_base_m], axles])
    assert loads @ places == pytest.approx(weights @ cogs, rel=1e-9, abs=1e-3)


@settings(max_examples=20, deadline=None)
@given(seeds, st.integers(1, 4))
def test_slow_steering_reaches_every_unit_alike(seed, units):
    model = linear_single_track(truck(np.random.default_rng(seed), units), 20.0)
    assert least_damping(model) > 0.0
    ay, yaw = gains(model, np.array([1e-6]))
    assert ay == pytest.approx([1.0], abs=1e-6)
    assert yaw == pytest.approx([1.0], abs=1e-6)


def test_a_lane_change_of_a_slow_sine_is_not_amplified():
    model = linear_single_track(truck(np.random.default_rng(4), 4), 20.0)
    change = lane_change(model, 0.02, 1.46)
    assert change.rearward_amplification == pytest.approx(1.0, abs=0.01)
    assert change.yaw_amplification == pytest.approx(1.0, abs=0.01)
    assert 0.0 < lane_change(model, 0.4, 1.46).offtracking_m < 2.0


def test_a_lane_change_is_linear_in_its_width():
    model = linear_single_track(truck(np.random.default_rng(5), 3), 25.0)
    one, two = lane_change(model, 0.4, 1.0), lane_change(model, 0.4, 2.0)
    assert two.rearward_amplification == pytest.approx(one.rearward_amplification)
    assert two.offtracking_m == pytest.approx(2.0 * one.offtracking_m)
    assert two.max_steering_rad == pytest.approx(2.0 * one.max_steering_rad)


@settings(max_examples=10, deadline=None)
@given(seeds)
def test_a_steady_turn_stands_still_in_the_model(seed):
    vehicle = truck(np.random.default_rng(seed), 3)
    turn, model = steady_turn(vehicle, 22.0, 0.1), linear_single_track(vehicle, 22.0)
    yaw_rate = 0.1 * GRAVITY_MPS2 / 22.0
    assert turn.radius_m == pytest.approx(22.0 / yaw_rate)
    still = np.linalg.solve(model.A, -model.B * turn.steering_rad)
    assert still[[1, 4, 5]] == pytest.approx([yaw_rate, *turn.joints])
    slow = steady_turn(vehicle, 2.0, 1e-4)
    assert (slow.outward_m < 0.0).all()


def test_refusals():
    with pytest.raises(ConfigError, match="gives no loads"):
        linear_single_track(load_vehicle(), 10.0)
    vehicle = truck(np.random.default_rng(0), 2)
    with pytest.raises(ConfigError, match="a speed above 0 m/s, not 0"):
        linear_single_track(vehicle, 0.0)
    unit = vehicle.units[1]
    heavy = replace(unit, loads={"loaded": replace(unit.loads["loaded"], cog_m=30.0)})
    with pytest.raises(ConfigError, match="axle group of unit 1 would lift off"):
        static_loads(replace(vehicle, units=(vehicle.units[0], heavy)))
