"""Vehicles as data."""

from __future__ import annotations

from pathlib import Path

import pytest

from roadcraft.core.errors import ConfigError, DataError
from roadcraft.core.random import scenario_key, step_keys
from roadcraft.core.vehicles.vehicle import load_vehicle, vehicle_names


@pytest.mark.parametrize("name", vehicle_names())
def test_every_vehicle_loads(name: str) -> None:
    vehicle = load_vehicle(name)
    assert vehicle.body.length_m > 0
    assert vehicle.summary
    assert {vehicle: name}[load_vehicle(name)] == name


def test_the_pacifica_is_nuplans() -> None:
    body = load_vehicle("pacifica").body
    assert (body.length_m, body.width_m, body.wheel_base_m) == pytest.approx((5.176, 2.297, 3.089))
    assert body.axle_to_center_m == pytest.approx(1.461)


UNIT = "{front_m: 1, rear_m: 1, width_m: 2, height_m: 2, wheel_base_m: 3}"
LIMITS = "max_steering_rad: 1\naccel_lag_s: 0\nsteering_lag_s: 0\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"units: []\n{LIMITS}", "units (FILE): must hold at least one unit, got []"),
        (f"units: 3\n{LIMITS}", "units (FILE): expected a list, got '3'"),
        (f"units: [3]\n{LIMITS}", "units[0].rear_m (FILE): is missing"),
        (f"units: [{UNIT}]\n{LIMITS}wings: 2\n", "wings (FILE): unknown key; known: name, units,"),
        (f"units: [{UNIT.replace('width_m', 'widht_m')}]\n{LIMITS}",
        "units[0].widht_m (FILE): unknown key; did you mean 'width_m'?"),
        (f"units: [{UNIT.replace('width_m: 2, ', '')}]\n{LIMITS}", "units[0].width_m (FILE): is missing"),
        (f"units: [{UNIT.replace('width_m: 2', 'width_m: -2')}]\n{LIMITS}",
        "units[0].width_m (FILE): must be above 0 and below 100, got -2.0"),
        (f"units: [{UNIT.replace('width_m: 2', 'width_m: .nan')}]\n{LIMITS}",
        "units[0].width_m (FILE): expected a finite number, got '.nan'"),
        (f"units: [{UNIT.replace('width_m: 2', 'width_m: nan')}]\n{LIMITS}",
        "units[0].width_m (FILE): expected a finite number, got 'nan'"),
        (f"units: [{UNIT}]\n{LIMITS.replace('rad: 1', 'rad: wide')}",
        "max_steering_rad (FILE): expected a number, got 'wide'"),
        (f"units: [{UNIT}]\n{LIMITS}accel_lag_s: 1\n",
        "FILE: line 5: the key accel_lag_s stands twice, first in line 3 (take one out)"),
        ("- a\n", "FILE: a vehicle file is a map with a list 'units' of at least one unit"),
        ("", "FILE: a vehicle file is a map with a list 'units' of at least one unit"),
        ("a: [", "FILE: is not valid YAML: line 2, column 1: did not find expected node content"),
    ],
)  # fmt: skip
def test_bad_vehicle_files_are_named_with_unit_and_key(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "truck.yaml"
    file.write_text(text)
    with pytest.raises((DataError, ConfigError)) as caught:
        load_vehicle(file=str(file))
    assert message.replace("FILE", str(file)) in str(caught.value)


def test_an_unknown_vehicle_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"there is no vehicle 'pacfica'; did you mean 'pacifica'\? known: "):
        load_vehicle("pacfica")
    with pytest.raises(ConfigError, match=r"there is no vehicle 'nix'; known: .*pacifica"):
        load_vehicle("nix")


def test_a_vehicle_without_a_name_bears_its_files(tmp_path: Path) -> None:
    (tmp_path / "truck.yaml").write_text(f"units: [{UNIT}]\n{LIMITS}")
    assert load_vehicle(file=str(tmp_path / "truck.yaml")).name == "truck"
    (tmp_path / "truck.yaml").write_text(f"name: 007\nunits: [{UNIT}]\n{LIMITS}")
    assert load_vehicle(file=str(tmp_path / "truck.yaml")).name == "007", "an edited file is read anew"


def test_keys_depend_on_seed_token_and_step_alone() -> None:
    key = scenario_key(0, "a")
    assert key == scenario_key(0, "a") != scenario_key(1, "a")
    assert step_keys([key, scenario_key(0, "b")], 3)[0] == step_keys([key], 3)[0] != step_keys([key], 4)[0]


TRUCK = """
name: truck
units:
  - {front_m: 7.4, rear_m: 1.3, width_m: 2.4, height_m: 3.9, wheel_base_m: 6.2, hitch_m: 0.3, kind: tractor,
     loads: {empty: {mass_kg: 8600, cog_m: 3.5, cog_height_m: 1.0, yaw_inertia_kgm2: 41600}}}
  - {front_m: 13.4, rear_m: 2.7, width_m: 2.6, height_m: 4.1, wheel_base_m: 12.5, kind: semitrailer,
     loads: {empty: {mass_kg: 6600, cog_m: 5.0, cog_height_m: 1.3, yaw_inertia_kgm2: 138600},
             loaded: {mass_kg: 27687, cog_m: 5.5, cog_height_m: 2.0, yaw_inertia_kgm2: 581000, srt_g: 0.34}}}
max_steering_rad: 0.7
accel_lag_s: 0.5
steering_lag_s: 0.1
loads: {empty: {brake_mps2: 5, launch_mps2: 1.5}, loaded: {brake_mps2: 4.5, launch_mps2: 1}}
"""


def test_a_load_changes_the_masses_of_the_units_that_carry_it(tmp_path: Path) -> None:
    file = tmp_path / "truck.yaml"
    file.write_text(TRUCK)
    empty, loaded = load_vehicle(file=str(file)), load_vehicle(file=str(file), load="loaded")
    assert empty.load == "empty"
    assert [m.mass_kg for m in empty.masses] == [8600, 6600]
    assert [m.mass_kg for m in loaded.masses] == [8600, 27687]
    assert loaded.joints == 1
    assert not loaded.has_masses, "powertrain, brakes and steering rate are not given"
    assert load_vehicle("pacifica").masses == ()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("mass_kg: 8600", "masskg: 8600", "units[0].loads.empty.masskg (FILE): unknown key; did you mean 'mass_kg'?"),
        ("mass_kg: 27687", "mass_kg: -1", "units[1].loads.loaded.mass_kg (FILE): must be above 0"),
        ("loaded: {mass", "laden: {mass", "loads (FILE): must hold 'laden', which unit 1 names"),
        ("loads: {empty: {mass_kg: 8600", "loads: {loaded: {mass_kg: 8600", "unit 0 must give 'empty', the first load"),
        ("name: truck", "load: full", "load (FILE): must be one of empty, loaded, got 'full'"),
        ("kind: tractor", "kind: tracktor", "units[0].kind (FILE): 'tracktor' is not one of"),
    ],
)
def test_a_wrong_load_is_named_with_unit_and_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    file = tmp_path / "truck.yaml"
    assert old in TRUCK
    file.write_text(TRUCK.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        load_vehicle(file=str(file))
    assert message.replace("FILE", str(file)) in str(caught.value)


def test_a_car_carries_no_load() -> None:
    with pytest.raises(ConfigError, match="load must be left out: the vehicle has no loads"):
        load_vehicle("pacifica", load="loaded")


def test_vehicles_are_keys_and_differ_by_load(tmp_path: Path) -> None:
    file = tmp_path / "truck.yaml"
    file.write_text(TRUCK)
    empty, loaded = load_vehicle(file=str(file)), load_vehicle(file=str(file), load="loaded")
    assert {empty: 1, loaded: 2, load_vehicle(file=str(file)): 3} == {empty: 3, loaded: 2}
