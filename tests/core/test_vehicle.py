"""Vehicles as data."""

from __future__ import annotations

from pathlib import Path

import pytest

from roadcraft.core.errors import ConfigError, DataError
from roadcraft.core.random import scenario_key, step_keys
from roadcraft.core.vehicle import load_vehicle, vehicle_names


@pytest.mark.parametrize("name", vehicle_names())
def test_every_vehicle_loads(name: str) -> None:
    vehicle = load_vehicle(name)
    assert vehicle.body.length_m > 0
    assert vehicle.summary


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
