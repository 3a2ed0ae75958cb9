"""The tracker of trucks on the model with slipping tires: turns, lane changes, steps aside, reverse, limits."""

from __future__ import annotations

import numpy as np
import pytest
from truck_runs import DT, Run, back_up, follow_path, lane_change, straight_run, turn

from roadcraft.core.driving.motion.chain import unit_poses
from roadcraft.core.driving.motion.truck_lqr import track_trucks, truck_gains
from roadcraft.core.driving.motion.truck_lqr_config import TruckLqrConfig
from roadcraft.core.errors import ConfigError
from roadcraft.core.vehicles.vehicle import load_vehicle, vehicle_names

HEAVY = [n for n in vehicle_names() if load_vehicle(n).has_masses]


@pytest.mark.parametrize(
    ("name", "radius", "clothoid", "speed"),
    [
        ("eu_4x2_13m6", 10.1, 6.0, 2.5),
        ("us_sleeper_53", 11.0, 8.0, 2.5),
        ("us_sleeper_53", 15.0, 8.0, 4.0),
        ("us_sleeper_53", 50.0, 15.0, 8.0),
    ],
)
def test_the_rear_axle_keeps_to_tight_turns(name: str, radius: float, clothoid: float, speed: float) -> None:
    seconds = (40.0 + radius * np.pi / 2.0 + clothoid) / speed
    assert follow_path(name, turn(radius, clothoid), speed, seconds).max() <= 0.10


@pytest.mark.parametrize("name", ["us_sleeper_53", "se_a_double"])
def test_a_lane_change_at_highway_speed_settles(name: str) -> None:
    errors = follow_path(name, lane_change(3.5, 150.0), 25.0, 22.0)
    assert errors.max() <= 0.10
    assert errors[-40:].max() < 0.003


def test_nuplans_tracker_misses_the_same_turn() -> None:
    assert follow_path("us_sleeper_53", turn(10.1, 6.0), 2.5, 24.0, nuplan=True).max() > 0.5


@pytest.mark.parametrize("name", HEAVY)
def test_nothing_swings_up_at_any_speed_or_load(name: str) -> None:
    for load in load_vehicle(name).loads:
        vehicle = load_vehicle(name, load=load)
        speed = np.array([8.0, 13.0, 18.0, 22.0, 25.0, 28.0])
        run, plan = straight_run(vehicle, speed, 0.2), np.zeros((len(speed), 31, 10))
        lateral, bent = [], []
        for _ in range(200):
            plan[:, :, 0] = run.ego[:, :1] + speed[:, None] * DT * np.arange(31)
            plan[:, :, 3] = speed[:, None]
            run.follow(plan)
            lateral.append(np.abs(run.ego[:, 1]))
            bent.append(np.abs(run.joints).max(1, initial=0.0))
        late, early = np.max(lateral[150:], axis=0), np.max(lateral[100:150], axis=0)
        assert (late <= early + 1e-6).all()
        assert late.max() < 1e-3, (load, late)
        assert np.max(bent[150:]) < 1e-3


@pytest.mark.parametrize("name", ["us_sleeper_53", "eu_4x2_13m6", "au_b_double", "nordic_25m25"])
@pytest.mark.parametrize(("noise_deg", "most"), [(0.0, 0.10), (0.5, 0.15)])
def test_in_reverse_the_last_unit_comes_to_the_line(name: str, noise_deg: float, most: float) -> None:
    gone, lateral = back_up(name, np.radians(noise_deg))
    assert gone[-1] > 85.0
    assert lateral[gone >= 60.0].max() <= most


def test_one_unit_reverses_onto_the_line_too() -> None:
    gone, lateral = back_up("us_straight_26", meters=60.0)
    assert lateral[gone >= 40.0].max() <= 0.10


def test_in_reverse_a_curve_is_driven_by_the_last_unit() -> None:
    """The plan is a steady turn of 40 m, driven backward from joints that do not fit it."""
    vehicle = load_vehicle("us_sleeper_53", load="loaded")
    radius, speed = 40.0, -1.0
    ego = np.zeros((1, 10))
    ego[0, 3] = speed
    run = Run(vehicle, ego)
    run.ego[0, 7] = np.arctan(vehicle.body.wheel_base_m / radius)
    back = []
    for _ in range(1200):
        turned = np.arctan2(run.ego[0, 0], radius - run.ego[0, 1])
        angle = turned + speed * DT * np.arange(161) / radius
        plan = np.zeros((1, 161, 10))
        plan[0, :, 0], plan[0, :, 1], plan[0, :, 2] = radius * np.sin(angle), radius * (1 - np.cos(angle)), angle
        plan[0, :, 3] = speed
        run.follow(plan)
        last = unit_poses(run.ego, run.joints, run.model.chain)[0, -1]
        back.append(np.hypot(last[0], last[1] - radius))
    want = np.sqrt(radius**2 + 0.3**2 - 12.5**2)
    np.testing.assert_allclose(back[-100:], want, atol=0.05)


def test_acceleration_keeps_to_jerk_and_brakes() -> None:
    vehicle = load_vehicle("us_sleeper_53", load="loaded")
    run, plan = straight_run(vehicle, np.array([20.0]), 0.0), np.zeros((1, 31, 10))
    plan[0, :, 0] = 20.0 * np.arange(31) * DT
    rates, plan_us = np.zeros((1, 2)), (np.arange(31) * 100_000)[None]

    def asked(ego: np.ndarray, states: np.ndarray) -> float:
        plan = (plan_us, states, np.array([31]))
        return float(track_trucks(ego, run.joints, rates, np.zeros(1, np.int64), plan, run.gains)[0, 0])

    stop = plan.copy()
    stop[0, :, 0] = 0.0
    ahead = vehicle.brakes.dead_s + vehicle.brakes.lag_s  # by which what is asked runs ahead
    assert asked(run.ego, stop) == pytest.approx(-5.0 * (DT + ahead)), "5 m/s3 in an emergency"
    braking = run.ego.copy()
    braking[0, 5] = -4.4
    assert asked(braking, stop) == pytest.approx(-4.5), "what loaded brakes can"
    slower = plan.copy()
    slower[0, :, 0] *= 0.955
    assert asked(run.ego, slower) == pytest.approx(-1.0 * (DT + ahead)), "1 m/s3 else"


def test_full_braking_is_there_within_a_second_and_a_half() -> None:
    vehicle = load_vehicle("us_sleeper_53", load="loaded")
    run, plan, time = straight_run(vehicle, np.array([25.0]), 0.0), np.zeros((1, 61, 10)), np.arange(61) * DT
    speed = np.maximum(25.0 - 4.5 * time, 0.0)
    s, now = np.concatenate([[0.0], np.cumsum(0.5 * (speed[1:] + speed[:-1]) * DT)]), 0
    braked = []
    for now in range(30):
        at = np.minimum(now + np.arange(31), 60)
        plan = np.zeros((1, 31, 10))
        plan[0, :, 0], plan[0, :, 3] = s[at], speed[at]
        run.follow(plan)
        braked.append(run.ego[0, 5])
    assert braked[14] < -4.0
    assert min(braked) > -4.6
    assert run.ego[0, 0] < s[30] + 12.0


@pytest.mark.parametrize("pause_s", [0.0, 1.0, 3.0])
def test_a_truck_stops_and_reverses_whatever_the_pause(pause_s: float) -> None:
    vehicle = load_vehicle("eu_4x2_13m6", load="loaded")
    run = straight_run(vehicle, np.array([1.5]), 0.0)
    wanted = [np.interp(k * DT, [0.0, 3.0, 3.0 + pause_s, 5.0 + pause_s], [1.5, 0.0, 0.0, -1.0]) for k in range(160)]
    for k in range(130):
        speed = np.array(wanted[k : k + 31])
        plan = np.zeros((1, 31, 10))
        plan[0, :, 0] = run.ego[0, 0] + np.concatenate([[0.0], np.cumsum(0.5 * (speed[1:] + speed[:-1]) * DT)])
        plan[0, :, 3] = speed
        run.follow(plan)
    assert run.ego[0, 3] == pytest.approx(-1.0, abs=0.15)


def test_rows_do_not_depend_on_each_other_and_mirror() -> None:
    vehicle = load_vehicle("au_b_double", load="loaded")
    generator = np.random.default_rng(3)
    ego = generator.normal(0.0, 0.1, (6, 10))
    ego[:, 3] = [1.0, 4.0, 6.0, 9.0, 22.0, -1.0]
    joints, rates = generator.normal(0.0, 0.05, (6, 2)), generator.normal(0.0, 0.01, (6, 3))
    time = np.arange(41) * DT
    plan = np.zeros((6, 41, 10))
    plan[:, :, 0] = ego[:, 3:4] * time
    plan[:, :, 1], plan[:, :, 2] = 0.01 * plan[:, :, 0] ** 2, 0.02 * plan[:, :, 0]
    plan_us, now, length = np.tile(np.arange(41) * 100_000, (6, 1)), np.zeros(6, np.int64), np.full(6, 41)
    gains = truck_gains(vehicle, TruckLqrConfig())
    both = track_trucks(ego, joints, rates, now, (plan_us, plan, length), gains)
    assert np.isfinite(both).all()
    for b in range(6):
        r = slice(b, b + 1)
        alone = track_trucks(ego[r], joints[r], rates[r], now[r], (plan_us[r], plan[r], length[r]), gains)
        np.testing.assert_array_equal(alone[0], both[b])
    flip = np.array([1, -1, -1, 1, -1, 1, -1, -1, -1, -1.0])
    other = track_trucks(ego * flip, -joints, -rates, now, (plan_us, plan * flip, length), gains)
    np.testing.assert_allclose(other, both * [1, -1], atol=1e-9)


def test_a_car_and_a_truck_without_masses_have_gains_of_low_speed() -> None:
    gains = truck_gains(load_vehicle("pacifica"), TruckLqrConfig())
    assert gains.speeds[-1] == 5.0
    assert gains.brake == np.inf
    with pytest.raises(ConfigError, match="q_lateral"):
        TruckLqrConfig(q_lateral=-1.0)
