"""Poses, steady circle, static loads and swept paths of vehicles with trailers."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from roadcraft.core.driving.motion import chain
from roadcraft.core.errors import ConfigError
from roadcraft.core.vehicles.geometry import (
    full_lock_m,
    least_circle,
    length_of,
    outlines,
    static_loads,
    swept_path,
    turning_circle,
    unit_poses,
)
from roadcraft.core.vehicles.vehicle import (
    GRAVITY_MPS2,
    RigidUnit,
    UnitLoad,
    Vehicle,
    VehicleLoad,
    load_vehicle,
    vehicle_names,
)

FOLDS = ["us_daycab_53", "us_sleeper_53", "eu_4x2_13m6", "au_b_double", "se_a_double", "us_twins_28", "nordic_25m25"]
COLUMNS = [*FOLDS, "eu_road_train", "us_straight_26", "us_city_bus"]
# swept width on a circle of unit 0's rear axle, by its radius
STEADY_M = {
    15: (10.09, 10.83, 5.46, 8.98, 8.68, 6.92, 6.50, 4.59, 4.15, 5.27),
    25: (6.41, 6.89, 4.26, 6.00, 5.83, 4.96, 4.86, 3.80, 3.58, 4.33),
    50: (4.39, 4.63, 3.40, 4.20, 4.14, 3.72, 3.70, 3.19, 3.11, 3.51),
    100: (3.48, 3.57, 2.98, 3.35, 3.34, 3.15, 3.13, 2.87, 2.85, 3.06),
    200: (3.04, 3.04, 2.76, 2.92, 2.95, 2.87, 2.84, 2.71, 2.72, 2.83),
    300: (2.89, 2.89, 2.69, 2.78, 2.81, 2.78, 2.74, 2.66, 2.68, 2.76),
}


TURNS = ((12.5, 90.0), (15.0, 90.0), (25.0, 60.0))  # radius of the steered axle in m, angle in degrees


def read(shared: Path, name: str) -> Any:
    return json.loads((shared / "golden/freight" / name).read_text())


def cases() -> list[tuple[str, float, float]]:
    others = ("pacifica", "ford_fusion", "cn_6x4_tridem")  # of which no reference number is known
    return [(n, r, a) for n in vehicle_names() if n not in others for r, a in TURNS]


@pytest.mark.parametrize(("name", "radius", "angle"), cases())
def test_swept_paths_are_the_golden_ones(shared: Path, name: str, radius: float, angle: float) -> None:
    found = [
        c for c in read(shared, "swept_paths.json")["cases"]
        if (c["vehicle"], c["radius_m"], c["angle_deg"]) == (name, radius, angle)
    ]  # fmt: skip
    (case,) = found
    vehicle = load_vehicle(name)
    assert [{k: getattr(u, k) for k in case["units"][0]} for u in vehicle.units] == case["units"]
    path = swept_path(vehicle, radius, math.radians(angle))
    assert path.swept_width_m == pytest.approx(case["swept_width_m"], abs=3e-3)
    assert path.offtracking_m == pytest.approx(case["offtracking_m"], abs=2e-4)
    assert path.tail_swing_m == pytest.approx(case["tail_swing_m"], abs=2e-4)
    assert path.max_joint_rad == pytest.approx(case["max_joint_rad"], abs=1e-4)


def test_vehicles_are_those_of_the_golden_drives(shared: Path) -> None:
    files = [f.name for f in sorted((shared / "golden/freight").glob("*_*.json"))]
    drives = [v for f in files if isinstance(v := read(shared, f).get("vehicle"), dict)]
    assert {v["name"] for v in drives} >= {"artic_bus", "commonroad_4", "nordic_25m25", "us_twins_28"}
    for drive in drives:
        vehicle = load_vehicle(drive["name"])
        assert [{k: getattr(u, k) for k in drive["units"][0]} for u in vehicle.units] == drive["units"]
        if "mass_kg" in drive:
            masses = load_vehicle(drive["name"], load="loaded").masses
            for key in ("mass_kg", "cog_m", "yaw_inertia_kgm2"):
                assert [getattr(m, key) for m in masses] == drive[key]


@pytest.mark.parametrize("radius", STEADY_M)
def test_the_steady_circle_sweeps_what_the_closed_form_says(radius: int) -> None:
    circles = [turning_circle(load_vehicle(n), radius) for n in COLUMNS]
    assert [c.swept_m for c in circles if c] == pytest.approx(STEADY_M[radius], abs=0.0051)


def test_a_long_turn_ends_in_the_steady_circle() -> None:
    vehicle = load_vehicle("eu_4x2_13m6")
    circle = turning_circle(vehicle, 20.0)
    assert circle is not None
    path = swept_path(vehicle, circle.steered_m, 1.2 * math.pi)
    turned = int(1.1 * math.pi * circle.steered_m / 0.05)
    joints = np.diff(path.poses[turned, :, 2])
    assert joints == pytest.approx(circle.joints_rad, abs=3e-4)
    assert path.offtracking_m == pytest.approx(circle.offtracking_m, abs=1e-3)


def test_the_eu_truck_fits_the_annulus_of_the_law() -> None:
    vehicle = load_vehicle("eu_4x2_13m6")
    radii = np.linspace(8.0, 14.0, 60_001)
    outer = np.hypot(radii + 0.5 * vehicle.body.width_m, vehicle.body.front_m)
    circle = turning_circle(vehicle, float(radii[np.argmin(np.abs(outer - 12.5))]))
    assert circle is not None
    assert (circle.outer_m, circle.inner_m) == pytest.approx((12.5, 5.316), abs=1e-3)


@pytest.mark.parametrize("name", vehicle_names())
def test_a_trailer_that_folds_at_full_lock_is_told(name: str) -> None:
    vehicle = load_vehicle(name)
    assert (turning_circle(vehicle, full_lock_m(vehicle)) is None) == (
        name in [*FOLDS, "cn_6x4_tridem", "commonroad_4"]
    )
    least = least_circle(vehicle)
    assert least is not None
    assert np.all(np.abs(least.joints_rad) < math.pi)
    tighter = least.radii_m[0] - 1.0
    assert least.radii_m[0] == pytest.approx(full_lock_m(vehicle)) or turning_circle(vehicle, tighter) is None


lengths = st.floats(1.0, 12.0)


@st.composite
def vehicles(draw: Any) -> Vehicle:
    units = []
    for _ in range(draw(st.integers(1, 5))):
        base, hitch = draw(lengths), draw(st.floats(-3.0, 1.0))
        mass = UnitLoad(draw(st.floats(1e3, 4e4)), draw(st.floats(-0.5, base)), 1.5, 1e5)
        units.append(RigidUnit(base + 1.0, 1.0, 2.5, 3.0, base, hitch, loads={"full": mass}))
    return Vehicle("made", tuple(units), 0.7, 0.1, 0.1, loads={"full": VehicleLoad(4.0, 1.0)})


@settings(max_examples=60, deadline=None)
@given(vehicles(), st.integers(0, 2**32 - 1))
def test_hitches_of_neighbors_coincide(vehicle: Vehicle, seed: int) -> None:
    rng = np.random.default_rng(seed)
    joints = rng.uniform(-1.5, 1.5, (3, vehicle.joints))
    poses = unit_poses(vehicle, rng.uniform(-50.0, 50.0, (3, 3)), joints)
    assert np.diff(poses[..., 2]) == pytest.approx(joints, abs=1e-12)

    def point(i: int, ahead: float) -> np.ndarray[Any, Any]:
        x, y, h = np.moveaxis(poses[:, i], -1, 0)
        return np.stack((x + ahead * np.cos(h), y + ahead * np.sin(h)), -1)

    for i in range(vehicle.joints):
        behind = point(i + 1, vehicle.units[i + 1].wheel_base_m)
        assert behind == pytest.approx(point(i, vehicle.units[i].hitch_m), abs=1e-9)
    corners = outlines(vehicle, poses)
    for i, unit in enumerate(vehicle.units):
        assert 0.5 * (corners[:, i, 0] + corners[:, i, 3]) == pytest.approx(point(i, unit.front_m), abs=1e-9)
        sides = np.linalg.norm(np.roll(corners[:, i], -1, 1) - corners[:, i], axis=-1)
        assert sides == pytest.approx(np.tile([unit.length_m, unit.width_m], (3, 2)), abs=1e-9)


@pytest.mark.parametrize("name", ["us_sleeper_53", "nordic_25m25", "se_a_double"])
def test_poses_and_turns_are_those_of_the_kernels(name: str) -> None:
    vehicle = load_vehicle(name)
    poses = swept_path(vehicle).poses
    joints = np.diff(poses[:, :, 2])
    first = np.ascontiguousarray(poses[:, 0])
    assert chain.unit_poses(first, joints, chain.chain_of(vehicle)) == pytest.approx(
        unit_poses(vehicle, first, joints), abs=1e-12
    )
    pulled = chain.pull_joints(first[None], np.zeros((1, vehicle.joints)), chain.chain_of(vehicle))
    assert pulled[0] == pytest.approx(joints, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(vehicles())
def test_static_loads_carry_all_weight_and_balance_every_unit(vehicle: Vehicle) -> None:
    loads, g = static_loads(vehicle), GRAVITY_MPS2
    weights = np.array([m.mass_kg * g for m in vehicle.masses])
    assert loads.steered_N + loads.axles_N.sum() == pytest.approx(weights.sum())
    up = [loads.steered_N, *loads.hitches_N]  # at the front of each unit
    down = [*loads.hitches_N, 0.0]  # at its hitch
    for i, (unit, mass) in enumerate(zip(vehicle.units, vehicle.masses, strict=True)):
        # moments about the front support, where no force of the recursion is taken from
        cog, hitch = unit.wheel_base_m - mass.cog_m, unit.wheel_base_m - unit.hitch_m
        moment = weights[i] * cog + down[i] * hitch - loads.axles_N[i] * unit.wheel_base_m
        assert abs(moment) < 1e-6 * weights.sum() * unit.wheel_base_m
        assert up[i] + loads.axles_N[i] == pytest.approx(weights[i] + down[i])


def test_a_vehicle_without_masses_has_no_axle_loads() -> None:
    with pytest.raises(ConfigError, match="'artic_bus' gives no masses"):
        static_loads(load_vehicle("artic_bus"))


def test_a_car_is_a_vehicle_of_one_unit() -> None:
    car = load_vehicle("pacifica")
    pose = np.array([3.0, -2.0, 0.7])
    assert np.array_equal(unit_poses(car, pose, np.zeros(0)), pose[None])
    assert length_of(car) == pytest.approx(5.176)
    circle = turning_circle(car, full_lock_m(car))
    assert circle is not None
    assert circle.steered_m == pytest.approx(car.body.wheel_base_m / math.sin(car.max_steering_rad))
    path = swept_path(car)
    assert path.max_joint_rad.shape == (0,)
    assert 2.297 < path.swept_width_m < 4.0


def test_a_nearly_straight_drive_sweeps_the_widest_unit() -> None:
    vehicle = load_vehicle("us_twins_28")
    assert swept_path(vehicle, 1e5, 1e-5).swept_width_m == pytest.approx(2.59, abs=1e-3)
