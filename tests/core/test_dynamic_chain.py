"""The whole motion of a heavy vehicle: driving off, braking, heat, roll, low speed, reverse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from made_trucks import truck
from scipy.integrate import solve_ivp

from roadcraft.core import load_vehicle
from roadcraft.core.driving.motion import roll
from roadcraft.core.driving.motion.chain import FREE, advance_rolling, chain_of
from roadcraft.core.driving.motion.drivetrain import START_DEGC
from roadcraft.core.driving.motion.dynamic_chain import (
    advance_dynamic,
    dynamic_chain_of,
    motion_columns,
    road_columns,
    road_rows,
    start_motion,
)
from roadcraft.core.errors import ConfigError
from roadcraft.core.vehicles.state import level_road
from roadcraft.core.vehicles.vehicle import GRAVITY_MPS2, Powertrain

seeds = st.integers(0, 2**32 - 1)


class Driven:
    """A vehicle from a standing or a straight start, driven by one command after another."""

    def __init__(self, vehicle, speed=0.0, friction=0.8, grade=0.0, bank=0.0, ideal=False):
        self.model, self.columns = dynamic_chain_of(vehicle, ideal), motion_columns(vehicle)
        self.ego, self.joints = np.zeros((1, 10)), np.zeros((1, vehicle.joints))
        self.ego[0, 3] = speed
        self.motion = start_motion(vehicle, self.ego, self.joints)
        self.road = road_rows(level_road(1), vehicle)
        self.road[0, :2], self.road[0, 4:] = (grade, bank), friction
        self.past = []

    def drive(self, seconds, accel=0.0, rate=0.0, dt=0.1):
        for _ in range(round(seconds / dt)):
            controls = np.array([[accel, rate]])
            self.ego, self.joints, self.motion = advance_dynamic(
                self.ego, self.joints, self.motion, controls, np.full(1, dt), self.road, self.model
            )
            self.past.append((*self.ego[0], *self.joints[0], *self.motion[0]))
        return self

    @property
    def speed(self):
        return self.ego[0, 3]

    def __getitem__(self, name):
        return self.motion[0, self.columns.index(name)]

    def course(self, name):
        first = 10 + self.joints.shape[1]
        return np.array(self.past)[:, first + self.columns.index(name)]


@pytest.fixture(scope="module")
def vehicle():
    return truck(np.random.default_rng(11), 2)


def test_columns_have_their_names_and_places(vehicle):
    columns = motion_columns(vehicle)
    assert len(set(columns)) == len(columns) == dynamic_chain_of(vehicle).layout.slip + 3
    assert columns[:5] == ("joint_rate_1", "steering_rate", "drive", "brake", "brake_temperature")
    assert road_columns(vehicle)[4:] == ("friction_steered", "friction_0", "friction_1")
    twins = truck(np.random.default_rng(2), 4)
    assert [c for c in motion_columns(twins) if c.startswith("load")] == ["load_transfer_0", "load_transfer_1"]
    assert not any(c.startswith("joint") for c in motion_columns(truck(np.random.default_rng(2), 1)))


def test_full_power_ends_at_the_speed_at_which_it_is_used_up(vehicle):
    driven = Driven(vehicle, 20.0, grade=0.04).drive(800.0, 3.0, dt=0.4)
    drive, v = driven.model.drive, driven.speed
    s = 0.04 / np.hypot(1.0, 0.04)
    held = drive.mass * GRAVITY_MPS2 * (drive.rolling * np.sqrt(1.0 - s * s) + s) + drive.drag * v * v
    assert held * v == pytest.approx(drive.power, rel=1e-6)


def test_it_drives_off_no_faster_than_it_can(vehicle):
    driven = Driven(vehicle).drive(5.0, 3.0)
    assert 0.8 * 5.0 < driven.speed < 1.0 * 5.0
    slow = Driven(vehicle).drive(10.0, 0.3)
    assert slow.speed == pytest.approx(3.0, abs=0.3)
    slippery = Driven(vehicle, friction=0.05).drive(5.0, 3.0)
    assert slippery.speed < 0.05 * GRAVITY_MPS2 * 5.0


def test_the_limiter_holds_the_speed(vehicle):
    slow = replace(vehicle, powertrain=replace(vehicle.powertrain, speed_limiter_mps=15.0))
    driven = Driven(slow, 10.0).drive(60.0, 2.0)
    assert driven.speed == pytest.approx(15.0, abs=0.05)
    assert Driven(slow, 17.0).drive(1.0, 2.0).speed < 17.0


def test_brakes_wait_and_then_stop_it_where_they_should(vehicle):
    smooth = replace(vehicle, powertrain=replace(vehicle.powertrain, drag_area_m2=1e-6))
    driven = Driven(smooth, 25.0).drive(0.2, -9.0)
    assert driven["brake"] == 0.0
    assert driven.drive(0.1, -9.0)["brake"] > 1.0
    driven.drive(20.0, -9.0)
    assert driven.speed == 0.0
    # dead time and lag, 0.2 s each; what rolls resists meanwhile
    way = 25.0 * 0.4 + 25.0**2 / (2.0 * 4.5) - 0.5 * 4.5 * 0.2**2
    assert driven.ego[0, 0] == pytest.approx(way, rel=4e-3)
    wet = Driven(vehicle, 25.0, friction=0.3).drive(30.0, -9.0)
    most = 0.3 * np.sqrt(1.0 - 0.7**2) * GRAVITY_MPS2
    assert 25.0**2 / (2.0 * wet.ego[0, 0]) == pytest.approx(most, rel=0.1)


def test_the_dead_time_counts_steps_of_other_lengths(vehicle):
    for dt in (0.05, 0.1, 0.2):
        driven = Driven(vehicle, 20.0).drive(0.2, -5.0, dt=dt)
        assert driven["brake"] == 0.0
        assert driven.drive(dt, -5.0, dt=dt)["brake"] > 0.5


def test_brakes_heat_up_and_fade(vehicle):
    driven = Driven(vehicle, 20.0, grade=-0.06).drive(800.0, dt=0.2)
    assert driven.speed == pytest.approx(20.0, abs=0.3), "it gains speed before the brakes answer"
    heat = driven.course("brake_temperature")
    assert (np.diff(heat[5:]) > 0.0).all()
    assert heat[-1] > 220.0
    at = driven.ego[0, 0]
    driven.road[0, 0] = 0.0
    driven.drive(20.0, -9.0)
    hot = driven.ego[0, 0] - at
    cold = Driven(vehicle, 20.0).drive(20.0, -9.0).ego[0, 0]
    assert hot > 1.02 * cold
    spared = replace(vehicle, brakes=replace(vehicle.brakes, retarder_W=1e6))
    assert Driven(spared, 20.0, grade=-0.06).drive(10.0)["brake_temperature"] < START_DEGC


def test_it_stands_on_a_grade_and_does_not_roll_back(vehicle):
    for grade in (-0.08, 0.0, 0.08):
        assert Driven(vehicle, grade=grade).drive(5.0).speed == 0.0
    assert Driven(vehicle, grade=0.9).drive(5.0, 0.5).speed == 0.0
    climbing = Driven(vehicle, grade=0.05).drive(1.0)
    climbing.drive(6.0, 0.4)
    assert np.diff([p[0] for p in climbing.past]).min() >= 0.0
    assert climbing.speed > 1.5


def test_it_reverses_once_its_brakes_are_released(vehicle):
    driven = Driven(vehicle, 5.0).drive(10.0, -3.0)
    assert driven.speed == 0.0
    driven.drive(3.0)
    driven.drive(6.0, -0.3)
    assert driven.speed == pytest.approx(-1.8, abs=0.3)
    driven.drive(6.0, 1.0)
    assert driven.speed > 0.0, "it brakes, then drives forward"


@settings(max_examples=10, deadline=None)
@given(seeds, st.integers(1, 4), st.sampled_from([-2.0, 3.0]))
def test_at_low_speed_no_axle_slips(seed, n, speed):
    rng = np.random.default_rng(seed)
    made = truck(rng, n)
    ego, joints = np.zeros((1, 10)), rng.uniform(-0.5, 0.5, (1, n - 1))
    ego[0, [2, 3, 7]] = 1.0, speed, 0.1
    motion, controls, dt = start_motion(made, ego, joints), np.array([[0.2, -0.2]]), np.full(1, 0.1)
    got, bent, _ = advance_dynamic(
        ego, joints, motion, controls, dt, road_rows(level_road(1), made), dynamic_chain_of(made, ideal=True)
    )
    want, turned = advance_rolling(ego, joints, controls, dt, (chain_of(made), FREE), 5)
    assert got[0, [0, 1, 2, 3, 4, 7, 8]] == pytest.approx(want[0, [0, 1, 2, 3, 4, 7, 8]], abs=1e-12)
    assert bent == pytest.approx(turned, abs=1e-12)


@pytest.mark.parametrize(("speed", "accel"), [(9.0, -0.5), (4.0, 0.5)])
def test_nothing_jumps_between_the_two_motions(vehicle, speed, accel):
    driven = Driven(vehicle, speed, ideal=True).drive(1.0, 0.0, 0.1)
    driven.past.clear()
    driven.drive(10.0, accel)
    past = np.array(driven.past)
    assert {True, False} == set(past[:, 3] < 5.0) == set(past[:, 3] > 7.0)
    assert np.abs(np.diff(past[:, 8])).max() < 0.015  # yaw rate
    assert np.abs(np.diff(past[:, 4])).max() < 0.08  # lateral velocity
    for unit in (0, 1):
        assert np.abs(np.diff(driven.course(f"ay_{unit}"))).max() < 0.25


@settings(max_examples=10, deadline=None)
@given(seeds, st.integers(1, 4))
def test_a_mirrored_drive_is_mirrored(seed, n):
    rng = np.random.default_rng(seed)
    made = truck(rng, n)
    one, two = (Driven(made, 15.0) for _ in range(2))
    one.road[0, 1:4], two.road[0, 1:4] = (0.03, 0.0, 9.0), (-0.03, 0.0, -9.0)
    for rate in rng.normal(size=10) * 0.1:
        one.drive(0.1, -0.5, rate)
        two.drive(0.1, -0.5, -rate)
    mirror = np.array([1, -1, -1, 1, -1, 1, -1, -1, -1, -1.0])
    assert two.ego * mirror == pytest.approx(one.ego, abs=1e-10)
    assert two.joints == pytest.approx(-one.joints, abs=1e-10)
    for name in ("load_transfer_0", "ay_0", "slip_steered", "roll_0"):
        assert two[name] == pytest.approx(-one[name], abs=1e-10)
    for name in ("friction_use_0", "brake", "brake_temperature"):
        assert two[name] == pytest.approx(one[name], abs=1e-10)


def test_a_batch_is_its_members_and_leaves_its_input_alone(vehicle):
    rng = np.random.default_rng(5)
    ego, joints = np.zeros((6, 10)), rng.uniform(-0.2, 0.2, (6, 1))
    ego[:, 3] = [0.0, 3.0, 6.0, 12.0, 25.0, -2.0]
    motion, road = start_motion(vehicle, ego, joints), road_rows(level_road(6), vehicle)
    controls, dt, model = rng.normal(size=(6, 2)), rng.uniform(0.05, 0.2, 6), dynamic_chain_of(vehicle)
    given_ = [a.copy() for a in (ego, joints, motion, controls, dt, road)]
    whole = advance_dynamic(ego, joints, motion, controls, dt, road, model)
    for a, b in zip((ego, joints, motion, controls, dt, road), given_, strict=True):
        assert (a == b).all()
    for b in range(6):
        alone = advance_dynamic(*(a[b : b + 1] for a in (ego, joints, motion, controls, dt, road)), model)
        assert all((x[b] == y[0]).all() for x, y in zip(whole, alone, strict=True))


def test_a_slippery_road_saturates_the_tires_and_a_dry_one_does_not(vehicle):
    dry = Driven(vehicle, 20.0).drive(1.0, 0.0, 0.03).drive(5.0)
    ice = Driven(vehicle, 20.0, friction=0.1).drive(1.0, 0.0, 0.03).drive(5.0)
    assert dry.course("friction_use_0").max() < 0.5
    assert ice.course("friction_use_0").max() > 0.9
    assert ice.course("friction_use_0").max() <= 1.0
    assert abs(ice["ay_0"]) < 0.5 * abs(dry["ay_0"])
    split = Driven(vehicle, 20.0)
    split.road[0, split.road.shape[1] - 1] = 0.05
    split.drive(1.0, 0.0, 0.03).drive(5.0)
    assert split.course("slip_1")[-1] < 3.0 * dry.course("slip_1")[-1] < 0.0, "the trailer swings out to the right"


@pytest.mark.parametrize(
    ("name", "load", "friction", "accel"),
    [("us_sleeper_53", "loaded", 0.4, 1.0), ("eu_4x2_13m6", "loaded", 0.2, 1.0), ("au_b_double", "empty", 0.05, -5.0)],
)
def test_whatever_is_done_with_it_its_states_stay_finite(name, load, friction, accel):
    """Full lock to and fro at 25 m/s on a slippery road for a minute: it folds and whirls."""
    wild = Driven(load_vehicle(name, load=load), 25.0, friction=friction)
    for k in range(20):
        wild.drive(3.0, accel if k > 1 else 0.0, -0.35 if k % 2 else 0.35)
        assert np.isfinite(np.concatenate([wild.ego.ravel(), wild.joints.ravel(), wild.motion.ravel()])).all()
        assert np.hypot(wild.ego[0, 3], wild.ego[0, 4]) < 110.0


def test_what_tips_is_the_lateral_acceleration_less_the_bank(vehicle):
    level = Driven(vehicle, 15.0).drive(1.0, 0.0, 0.03).drive(15.0)
    ay = sum(level[f"ay_{i}"] * level.model.roll.weight[i] for i in range(2))
    assert level["load_transfer_0"] == pytest.approx(ay / (0.35 * GRAVITY_MPS2), rel=1e-3)
    assert level["roll_0"] == pytest.approx(roll.ROLL_RAD_PER_G * ay / GRAVITY_MPS2, rel=1e-3)
    banked = Driven(vehicle, 15.0, bank=0.05)
    for _ in range(150):
        banked.drive(0.1, rate=np.clip((0.05 - banked.ego[0, 7]) * 2.0, -0.1, 0.1))
    ay = sum(banked[f"ay_{i}"] * banked.model.roll.weight[i] for i in range(2)) - GRAVITY_MPS2 * 0.05 / np.hypot(
        1, 0.05
    )
    assert banked["load_transfer_0"] == pytest.approx(ay / (0.35 * GRAVITY_MPS2), rel=2e-3)


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_sway_is_a_damped_oscillator(seed):
    rng = np.random.default_rng(seed)
    before, after, dt = rng.normal() * 3.0, rng.normal() * 3.0, rng.uniform(0.02, 0.5)
    wave = 2.0 * np.pi * roll.ROLL_HZ

    def rates(t, y):
        ay = before + (after - before) * t / dt
        pull = wave**2 * (roll.ROLL_RAD_PER_G * ay / GRAVITY_MPS2 - y[0])
        return [y[1], pull - 2.0 * roll.ROLL_DAMPING * wave * y[1]]

    y0 = rng.normal(size=2) * 0.1
    want = solve_ivp(rates, (0.0, dt), y0, "DOP853", rtol=1e-11, atol=1e-13).y[:, -1]
    assert roll.sway((y0[0], y0[1]), before, after, dt) == pytest.approx(want, abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_load_transfer_is_linear(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 3))
    one = roll.load_transfer((a[0], a[1]), a[2], 3.4, 0.8)
    two = roll.load_transfer((b[0], b[1]), b[2], 3.4, 0.8)
    c = 2.0 * a - 3.0 * b
    assert roll.load_transfer((c[0], c[1]), c[2], 3.4, 0.8) == pytest.approx(2.0 * one - 3.0 * two)


def test_refusals(vehicle):
    with pytest.raises(ConfigError, match="gives no loads"):
        dynamic_chain_of(load_vehicle())
    with pytest.raises(ConfigError, match="its file must give loads, powertrain, brakes and max_steering_rate_radps"):
        dynamic_chain_of(replace(vehicle, powertrain=None))
    assert dynamic_chain_of(replace(vehicle, powertrain=None, brakes=None), ideal=True).drive.ideal
    assert isinstance(vehicle.powertrain, Powertrain)
