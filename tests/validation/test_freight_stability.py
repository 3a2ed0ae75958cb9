"""Metrics of joints, roll, amplification, damping and off-tracking."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from made_freight import TRACTOR, TRUCK, along, drive, judged, loaded, mirrored, quiet, straight

from roadcraft.core.data.rollout_context import RolloutContext
from roadcraft.core.data.scenario import Ego
from roadcraft.core.driving.motion.chain import chain_of
from roadcraft.core.driving.motion.closed_forms import steady_circle
from roadcraft.core.errors import DataError
from roadcraft.core.testing.world import ORIGIN
from roadcraft.core.vehicles.geometry import swept_path
from roadcraft.core.vehicles.vehicle import GRAVITY_MPS2
from roadcraft.validation.metrics.freight.common.lane_changes import lane_changes
from roadcraft.validation.metrics.freight.common.units import units

SLEEPER = loaded()
N = 150
T = 0.1 * np.arange(N)
DYNAMIC = ("rollover", "load_transfer", "roll_margin", "rearward_amplification", "yaw_damping", "friction_use")


def lane_change(speed: float = 20.0, seconds: float = 8.0, n: int = N) -> np.ndarray:
    """From the right lane to the left one along a cosine that begins at 3 s."""
    ego, t = straight(speed, n), 0.1 * np.arange(n)
    phase = np.pi * np.clip((t - 3.0) / seconds, 0.0, 1.0)
    lateral = 1.8 * (1.0 - np.cos(phase))
    ego[:, Ego.Y] += lateral
    ego[:, Ego.HEADING] = np.arctan2(np.gradient(lateral, 0.1), speed)
    ego[:, Ego.YAW_RATE] = np.gradient(ego[:, Ego.HEADING], 0.1)
    return ego


# ---- articulation ----------------------------------------------------------------------------------------------------


def test_turns_are_no_jackknife() -> None:
    for curvature, speed in ((1 / 12.0, 3.0), (1 / 25.0, 6.0), (1 / 60.0, 10.0)):
        turn = curvature * np.clip(np.minimum(T - 1.0, 13.0 - T) / 2.0, 0.0, 1.0)
        result = judged("articulation", drive(along(turn, speed, 4.5)))
        assert result.score == 1.0, (curvature, result.events)
        assert result.stats["max_abs_joint_[rad]"] > 0.1
    assert judged("articulation", drive(straight(), replace(TRUCK, units=(TRACTOR,)))).score is None


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_joint_far_from_what_the_path_asks_for_is_a_jackknife(sign: float) -> None:
    joints = sign * np.clip(T - 5.0, 0.0, 0.5)[:, None]
    result = judged("articulation", drive(straight(), joints=joints))
    assert (result.score, result.stats["jackknife"]) == (0.0, True)
    assert result.events[0].step == 50 + 4, "20 degrees are passed at 0.349 rad"
    assert judged("articulation", drive(straight(4.0), joints=joints)).score == 1.0, "slower than 5 m/s it may"


def test_a_joint_at_its_limit_is_a_jackknife_at_any_speed() -> None:
    stiff = replace(TRUCK, units=(TRACTOR, replace(TRUCK.units[1], joint_limit_rad=0.3)))
    joints = np.clip(T - 5.0, 0.0, 0.3)[:, None]
    result = judged("articulation", drive(straight(0.5), stiff, joints=joints))
    assert (result.score, result.events[0].what[:34]) == (0.0, "jackknife: a joint at its limit, 5")


def test_slip_with_a_growing_joint_tells_jackknife_from_swing() -> None:
    joints = np.clip(0.05 * (T - 5.0), 0.0, 0.15)[:, None]  # moves away for 3 s
    slips = np.where((T > 6.0) & (T < 7.0), 0.2, 0.0)
    for channel, jackknife, swing in (("slip_0", True, False), ("slip_1", False, True), ("slip_steered", False, False)):
        rollout = drive(straight(10.0), SLEEPER, channels=quiet(**{channel: slips}), joints=joints)
        result = judged("articulation", rollout)
        assert (result.stats["jackknife"], result.stats["trailer_swing"]) == (jackknife, swing)
        assert result.score == float(not (jackknife or swing))
        assert judged("articulation", mirrored(rollout)).score == result.score
    still = drive(straight(10.0), SLEEPER, channels=quiet(slip_0=slips))
    assert judged("articulation", still).score == 1.0, "the joint does not move away"
    small = drive(straight(10.0), SLEEPER, channels=quiet(slip_0=0.6 * slips), joints=joints)
    assert judged("articulation", small).score == 1.0


def test_joint_rates_and_bent_time_are_told() -> None:
    joints = np.clip(0.5 * (T - 5.0), 0.0, 0.4)[:, None]
    result = judged("articulation", drive(straight(12.0), joints=joints))
    assert result.stats["max_abs_joint_rate_[rad_per_s]"] == pytest.approx(0.5)
    assert result.stats["joint_rate_within_bounds"] is False
    assert result.stats["share_of_time_beyond_0.35_rad_above_5_mps"] == pytest.approx(np.mean(joints > 0.35))


# ---- roll ------------------------------------------------------------------------------------------------------------


def test_without_channels_there_is_no_score() -> None:
    for name in DYNAMIC:
        assert judged(name, drive(straight(), SLEEPER)).score is None
        assert judged(name, drive(straight(), TRUCK)).score is None, "no masses either"


@pytest.mark.parametrize("name", DYNAMIC)
def test_channels_that_are_not_finite_are_refused(name: str) -> None:
    bad = {k: np.where(T[7] == T, np.nan, v) for k, v in quiet().items()}
    with pytest.raises(DataError, match="is not finite at step 7"):
        judged(name, drive(straight(), SLEEPER, channels=bad))


@pytest.mark.parametrize(("steps", "score"), [(1, 1.0), (2, 1.0), (3, 0.0), (9, 0.0)])
def test_a_side_without_load_for_over_a_fifth_of_a_second_is_a_rollover(steps: int, score: float) -> None:
    ratio = np.where((np.arange(N) >= 40) & (np.arange(N) < 40 + steps), -1.02, 0.3)
    rollout = drive(straight(), SLEEPER, channels=quiet(load_transfer_0=ratio))
    result = judged("rollover", rollout)
    assert (result.score, result.stats["rollover"]) == (score, score == 0.0)
    assert judged("load_transfer", rollout).score == 0.0


def test_load_transfer_is_linear_between_its_bounds() -> None:
    scores = []
    for most in (0.0, 0.6, 0.7, 0.9, 1.0, 1.4):
        rollout = drive(straight(), SLEEPER, channels=quiet(load_transfer_0=most * np.sin(T)))
        result = judged("load_transfer", rollout)
        peak = most * np.abs(np.sin(T)).max()
        assert result.stats["max_load_transfer"] == pytest.approx(peak)
        assert result.score == pytest.approx(np.clip((1.0 - peak) / 0.4, 0.0, 1.0))
        assert judged("load_transfer", mirrored(rollout)).score == result.score
        scores.append(result.score)
    assert scores == sorted(scores, reverse=True)


def test_roll_margin_is_linear_in_the_lateral_acceleration() -> None:
    margins = []
    for ay in (0.0, 0.1, 0.2, 0.34, 0.5):
        both = np.full(N, ay * GRAVITY_MPS2)
        margins.append(judged("roll_margin", drive(straight(), SLEEPER, channels=quiet(ay_0=both, ay_1=both))).score)
    np.testing.assert_allclose(margins, 1.0 - np.array([0.0, 0.1, 0.2, 0.34, 0.5]) / 0.34, atol=1e-9)
    leaning = quiet(ay_1=np.full(N, GRAVITY_MPS2 * 0.2))
    with_trailer = judged("roll_margin", drive(straight(), SLEEPER, channels=leaning))
    moments = [m.mass_kg * m.cog_height_m for m in SLEEPER.masses]
    assert with_trailer.score == pytest.approx(1.0 - 0.2 * moments[1] / sum(moments) / 0.34)


def test_a_bank_takes_from_the_margin_or_adds_to_it() -> None:
    both = np.full(N, 0.2 * GRAVITY_MPS2)
    for bank, sign in ((0.06, 1.0), (0.06, -1.0)):
        channels = quiet(ay_0=sign * both, ay_1=sign * both) | {"road.bank": np.full(N, bank)}
        margin = judged("roll_margin", drive(straight(), SLEEPER, channels=channels)).score
        b, ay = np.arctan(bank), sign * 0.2
        tipping = (ay * np.cos(b) - np.sin(b)) / (np.cos(b) + ay * np.sin(b))
        assert margin == pytest.approx(1.0 - abs(tipping) / 0.34)


def test_separate_groups_roll_apart() -> None:
    double = loaded("se_a_double")
    zero = np.zeros(N)
    values = {f"vehicle.ay_{i}": np.full(N, 0.19 * GRAVITY_MPS2) if i >= 2 else zero for i in range(4)}
    result = judged("roll_margin", drive(straight(x=100.0), double, channels=values))
    assert result.score == pytest.approx(1.0 - 0.19 / 0.38)


# ---- lane changes, amplification, damping ----------------------------------------------------------------------------


def test_a_lane_change_is_found_with_its_steps() -> None:
    for ego in (lane_change(), mirrored(drive(lane_change())).drive.ego):
        (change,) = lane_changes(RolloutContext(drive(ego)))
        lateral = 1.8 * (1.0 - np.cos(np.pi * np.clip((T - 3.0) / 8.0, 0.0, 1.0)))
        moving = np.flatnonzero(np.abs(np.gradient(lateral, 0.1)) > 0.1)
        assert change.start == pytest.approx(moving[0], abs=1)
        assert change.settled == pytest.approx(moving[-1] + 1, abs=1)
        center = int(np.flatnonzero(lateral > 1.8)[0])
        assert change.start < change.crossing < center < change.settled
        assert change.inside > center
    assert lane_changes(RolloutContext(drive(straight()))) == ()


@pytest.mark.parametrize("gain", [0.5, 2.4])
def test_amplification_is_the_ratio_of_peaks(gain: float) -> None:
    ego = lane_change()
    first = 0.8 * np.sin(np.pi * (T - 3.0) / 4.0) * ((T > 3.0) & (T < 11.0))
    ego[:, Ego.AY], last = first, np.roll(gain * first, 8)
    rollout = drive(ego, SLEEPER, channels=quiet(ay_1=last))
    result = judged("rearward_amplification", rollout)
    assert result.stats["rearward_amplification"] == pytest.approx(gain, rel=0.01)
    assert result.stats["within_bound"] == (gain <= 5.7 * 0.34)
    assert judged("rearward_amplification", mirrored(rollout)).score == pytest.approx(result.score)
    assert judged("rearward_amplification", drive(straight(), SLEEPER, channels=quiet(ay_1=last))).score is None


@pytest.mark.parametrize("zeta", [0.05, 0.15, 0.3])
def test_damping_is_that_of_a_decaying_wave(zeta: float) -> None:
    wave, t = 2.0 * np.pi * 0.4, np.maximum(0.1 * np.arange(300) - 3.0, 0.0)
    rate = np.exp(-zeta * wave * t) * np.sin(wave * np.sqrt(1.0 - zeta**2) * t) * 0.3
    ego = straight(n := 10.0, 300)
    ego[:, Ego.STEERING] = np.where(0.1 * np.arange(300) < 3.0, 0.1, 0.0)
    rollout = drive(ego, SLEEPER, channels=quiet(n=300, joint_rate_1=rate))
    result = judged("yaw_damping", rollout)
    assert result.score == pytest.approx(zeta, rel=0.06)
    assert result.stats["within_bound"] == (result.score >= 0.15)
    assert judged("yaw_damping", mirrored(rollout)).score == pytest.approx(result.score)
    assert n == 10.0


def test_no_swing_no_damping() -> None:
    assert judged("yaw_damping", drive(straight(), SLEEPER, channels=quiet())).score is None
    once = judged("yaw_damping", drive(straight(), SLEEPER, channels=quiet(joint_rate_1=0.1 * np.exp(-T) * T)))
    assert once.score is None


def test_friction_use_names_the_axles() -> None:
    use = np.where(T[30] == T, 0.9, 0.2)
    result = judged("friction_use", drive(straight(), SLEEPER, channels=quiet(friction_use_1=use)))
    assert result.stats["max_friction_use"] == result.stats["max_friction_use_unit_1"] == 0.9
    assert (result.events[0].step, result.events[0].what) == (30, "0.90 of the friction of the axles of unit 1")
    assert judged("friction_use", drive(straight(), SLEEPER, channels=quiet())).events == ()


# ---- off-tracking, swept width, swing --------------------------------------------------------------------------------


def circle(sign: float = 1.0, n: int = 600) -> np.ndarray:
    """A circle of 20 m radius at 2 m/s."""
    return along(np.full(n, sign / 20.0), 2.0, 4.5, (200.0, 0.0, 0.0))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_offtracking_on_a_circle_is_that_of_the_steady_state(sign: float) -> None:
    steady = steady_circle(chain_of(TRUCK), np.arctan(4.5 / 20.0))
    result = judged("low_speed_offtracking", drive(circle(sign)))
    assert result.stats["max_of_unit_1_[meters]"] == pytest.approx(steady.offtracking_m, abs=0.02)
    assert result.stats["max_of_unit_0_[meters]"] == pytest.approx(steady.steered_m - 20.0, abs=0.01)
    width = judged("swept_width", drive(circle(sign))).score
    assert width == pytest.approx(steady.swept_m, abs=0.03)


def test_swept_width_is_shapely_s() -> None:
    curvature = 0.04 * np.exp(-(((0.1 * np.arange(400) - 14.0) / 5.0) ** 2))
    rollout = drive(along(curvature, 2.5, 4.5, (150.0, 0.0, 0.0)))
    result = judged("swept_width", rollout)
    u = units(RolloutContext(rollout))
    band = shapely.unary_union([shapely.Polygon(c) for c in u.corners.reshape(-1, 4, 2)]).buffer(0)
    places = u.steered[::8]
    along_path = np.gradient(places, axis=0)
    normals = np.stack([-along_path[:, 1], along_path[:, 0]], 1) / np.hypot(*along_path.T)[:, None]
    passed = int(len(places) * 0.55)
    widths = [
        shapely.LineString([p - 15.0 * q, p + 15.0 * q]).intersection(band).length
        for p, q in zip(places[1:passed], normals[1:passed], strict=True)
    ]
    assert result.score == pytest.approx(max(widths), abs=0.05)
    assert max(widths) > 3.2


def test_a_straight_drive_sweeps_the_widest_unit() -> None:
    assert judged("swept_width", drive(straight())).score == pytest.approx(2.59)
    for ego in (straight(0.0), straight(-2.0, x=200.0), straight(1.0)):
        assert judged("swept_width", drive(ego)).score is None
    assert judged("low_speed_offtracking", drive(straight(8.0))).score is None, "faster than it asks for"


def test_high_speed_offtracking_in_a_curve_is_outward_positive() -> None:
    ego = along(np.full(N, 1 / 393.0), 27.8, 4.5, (50.0, 0.0, 0.0))
    for offset in (0.0, 0.3):  # the trailer's axle outward by a joint
        kinematic = drive(ego).drive.joints
        joints = kinematic + offset / 12.5
        other = mirrored(drive(ego, joints=joints))
        result = judged("high_speed_offtracking", drive(ego, joints=joints))
        base = -((4.5**2 + 12.5**2 - 0.3**2) / (2 * 393.0))
        assert result.stats["steady_[meters]"] == pytest.approx(base + offset, abs=0.03)
        assert judged("high_speed_offtracking", other).score == pytest.approx(result.score)
    assert judged("high_speed_offtracking", drive(along(np.full(N, 1 / 393.0), 10.0, 4.5))).score is None


def test_transient_offtracking_is_that_of_the_lane_change() -> None:
    ego = lane_change()
    plain = judged("high_speed_offtracking", drive(ego)).stats["transient_[meters]"]
    swung = drive(ego).drive.joints + 0.04 * (T > 9.0)[:, None] * (T < 10.0)[:, None]
    got = judged("high_speed_offtracking", drive(ego, joints=swung)).stats["transient_[meters]"]
    assert got == pytest.approx(0.5, abs=0.2)
    assert got > plain + 0.2


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_tail_swing_of_a_long_overhang(sign: float) -> None:
    bus = loaded("us_city_bus")
    turn = sign * np.where(np.arange(300) < 50, 0.0, np.where(np.arange(300) < 50 + 98, 1 / 10.0, 0.0))
    ego = along(turn, 1.6, bus.body.wheel_base_m)
    rollout = drive(ego, bus)
    result = judged("tail_swing", rollout)
    u = units(RolloutContext(rollout))
    outer = u.corners[50:148, 0, 2 if sign > 0 else 1, 1] - u.poses[49, 0, 1]
    want = float((-sign * outer).max()) - 0.5 * bus.body.width_m
    assert want > 0.1
    assert result.score == pytest.approx(want, abs=1e-6)
    assert judged("tail_swing", drive(straight(), bus)).score == 0.0


def test_frontal_swing_is_tail_swing_in_reversed_time() -> None:
    bus = loaded("us_city_bus")
    turn = np.where((np.arange(200) >= 50) & (np.arange(200) < 100), 1 / 12.0, 0.0)
    rollout = drive(along(turn, 2.0, bus.body.wheel_base_m), bus)
    u = units(RolloutContext(rollout))
    pose = u.poses[100, 0]
    off = u.corners[50:100, 0, 3] - pose[:2]
    outward = off[:, 0] * np.sin(pose[2]) - off[:, 1] * np.cos(pose[2]) - 0.5 * bus.body.width_m
    assert judged("frontal_swing", rollout).score == pytest.approx(max(0.0, float(outward.max())), abs=1e-6)


def test_a_right_angle_at_crawl_sweeps_what_the_vehicle_s_table_says() -> None:
    base, arc = SLEEPER.body.wheel_base_m, 12.5 * 0.5 * np.pi
    n, step = 900, 0.1
    steered = np.empty((n, 2))
    for k in range(n):  # the steered axle: straight, arc of 12.5 m, straight
        s = k * step - 25.0
        turned, past = np.clip(s, 0.0, arc) / 12.5, s - np.clip(s, 0.0, arc)
        steered[k] = [
            12.5 * np.sin(turned) + past * np.cos(turned), 12.5 * (1.0 - np.cos(turned)) + past * np.sin(turned)
        ]  # fmt: skip
    ego, heading = np.zeros((n, 10)), 0.0
    for k in range(n):
        if k:  # the rear axle is pulled by the steered one
            dx, dy = steered[k] - steered[k - 1]
            heading += np.hypot(dx, dy) / base * np.sin(np.arctan2(dy, dx) - heading)
        ego[k, :3] = [
            *(steered[k] - base * np.array([np.cos(heading), np.sin(heading)]) + np.array(ORIGIN) + [200.0, 0.0]),
            heading,
        ]
    ego[:, Ego.VX], ego[:, Ego.YAW_RATE] = 1.0, np.gradient(ego[:, Ego.HEADING], 0.1)
    want, rollout = swept_path(SLEEPER, 12.5), drive(ego, SLEEPER)
    assert judged("swept_width", rollout).score == pytest.approx(want.swept_width_m, abs=0.06)
    low = judged("low_speed_offtracking", rollout)
    assert low.score == pytest.approx(want.offtracking_m, abs=0.05)
    assert low.stats["p95_of_last_unit_[meters]"] < low.score
