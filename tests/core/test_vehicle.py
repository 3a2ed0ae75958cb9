"""Vehicles as data."""

from __future__ import annotations

from pathlib import Path

import pytest

from roadcraft.core.errors import DataError
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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("units: []", "at least one unit"),
        ("a: [", "not valid YAML"),
        ("units: [{front_m: 1, rear_m: 1, width_m: 2, height_m: 2, wheel_base_m: 3, wings: 2}]", "units.0.wings"),
        (
            "units: [{front_m: 1, rear_m: 1, width_m: -2, height_m: 2, wheel_base_m: 3}]\nmax_steering_rad: 1\naccel_lag_s: 0\nsteering_lag_s: 0",
            "width_m = -2",
        ),
        ("units: [{front_m: 1}]\nmax_steering_rad: 1\naccel_lag_s: 0\nsteering_lag_s: 0", "missing"),
    ],
)
def test_bad_vehicle_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "truck.yaml"
    file.write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        load_vehicle(file=str(file))
    assert "truck.yaml" in str(caught.value)


def test_keys_depend_on_seed_token_and_step_alone() -> None:
    key = scenario_key(0, "a")
    assert key == scenario_key(0, "a") != scenario_key(1, "a")
    assert step_keys([key, scenario_key(0, "b")], 3)[0] == step_keys([key], 3)[0] != step_keys([key], 4)[0]
