"""Heavy vehicles on roads that are not level: what they feel, and what is recorded of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from roadcraft.core import load_vehicle
from roadcraft.core.arrays import to_arrays
from roadcraft.core.config.factory import create
from roadcraft.core.data.layers import Grid, RasterLayers
from roadcraft.core.data.map import MapData
from roadcraft.core.data.places import PlaceKind, Places, RoadPlace
from roadcraft.core.data.rollout import Rollout
from roadcraft.core.data.scenario import Ego, Scenario
from roadcraft.core.driving.road import road_under
from roadcraft.core.plugins.hookspecs import PluginRef
from roadcraft.core.testing import made_up_scenario
from roadcraft.core.testing.world import LaneSketch, sketch_map
from roadcraft.core.vehicles.state import VehicleState
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.validation.config import DynamicChainConfig, SimulationConfig
from roadcraft.validation.simulation import simulate
from roadcraft.validation.simulation.dynamic_chain import DynamicChainModel

K = PlaceKind
LENGTH_M = 20_000.0
MODEL = DynamicChainModel(DynamicChainConfig())
LOADED = load_vehicle("us_sleeper_53", load="loaded")
DYNAMIC = SimulationConfig(vehicle_model=PluginRef("dynamic_chain"))


def straight(*places: RoadPlace) -> MapData:
    line = np.column_stack([np.linspace(0.0, LENGTH_M, 201), np.zeros(201)])
    return replace(sketch_map([LaneSketch(1, 1, line)]), places=Places.build(places))


def drive(vehicle: Vehicle, m: MapData, speed: float, accel: float, seconds: float, steering_rate: float = 0.0) -> dict:
    """States at 10 Hz of a vehicle that starts on the map's lane at 10 m, and is commanded the same all the time."""
    ego = np.zeros((1, 10))
    ego[0, Ego.X], ego[0, Ego.VX] = 10.0, speed
    joints = np.zeros((1, vehicle.joints))
    now = VehicleState(ego, joints, MODEL.start(ego, joints, vehicle))
    controls, dt = np.array([[accel, steering_rate]]), np.full(1, 0.1)
    past = []
    for _ in range(round(seconds * 10)):
        now = MODEL.advance(now, controls, dt, road_under([m], now.ego), vehicle)
        past.append(now)
        if now.ego[0, Ego.VX] <= 0.0:
            break
    names = MODEL.columns(vehicle)
    return {
        "x": np.array([p.ego[0, Ego.X] for p in past]),
        "speed": np.array([p.ego[0, Ego.VX] for p in past]),
        **{n: np.array([p.motion[0, k] for p in past]) for k, n in enumerate(names)},
    }


@pytest.mark.parametrize(("grade", "crawl_kmh"), [(0.03, 71.0), (0.06, 42.0)])
def test_a_loaded_truck_slows_on_a_grade_to_its_crawl_speed(grade: float, crawl_kmh: float) -> None:
    """36.3 t and 335 kW."""
    m = straight(RoadPlace(K.GRADE, 0, (500.0, LENGTH_M), grade))
    found = drive(LOADED, m, 25.0, 1.0, 300.0)
    flat = found["speed"][found["x"] < 500.0]
    assert flat.min() > 24.9, "it has power to spare on the level"
    assert found["speed"][-1] * 3.6 == pytest.approx(crawl_kmh, abs=1.5)
    assert abs(found["speed"][-1] - found["speed"][-100]) < 0.02, "and stays at it"


def test_downhill_it_runs_away_from_its_engine() -> None:
    m = straight(RoadPlace(K.GRADE, 0, (0.0, LENGTH_M), -0.06))
    assert drive(LOADED, m, 20.0, 0.0, 10.0)["speed"][-1] > drive(LOADED, straight(), 20.0, 0.0, 10.0)["speed"][-1]


def test_it_brakes_longer_where_the_road_is_slippery() -> None:
    dry = drive(LOADED, straight(), 22.2, -4.5, 60.0)
    ice = drive(LOADED, straight(RoadPlace(K.FRICTION, 0, (0.0, LENGTH_M), 0.3)), 22.2, -4.5, 60.0)
    assert ice["speed"][-1] <= 0.0
    assert ice["x"][-1] - 10.0 > 22.2**2 / (2.0 * 0.3 * 9.81), "no shorter than the tires can hold"
    assert ice["x"][-1] > 1.25 * dry["x"][-1]


def test_a_banked_road_loads_the_lower_side() -> None:
    level, left, right = (
        drive(LOADED, straight(RoadPlace(K.BANK, 0, (0.0, LENGTH_M), bank)), 15.0, 0.0, 4.0)["load_transfer_0"][-1]
        for bank in (0.0, 0.06, -0.06)
    )
    assert level == pytest.approx(0.0, abs=1e-9)
    assert left == pytest.approx(-right, rel=1e-3)
    assert abs(left) > 0.05


def scenario(*places: RoadPlace, layers: RasterLayers | None = None, token: str = "00000000000000aa") -> Scenario:
    s = made_up_scenario(token, speed_mps=12.0)
    drive = s.drive if layers is None else replace(s.drive, layers=layers)
    return replace(s, map=replace(s.map, places=Places.build(places)), drive=drive)


def simulated(
    scenarios: list[Scenario], config: SimulationConfig = DYNAMIC, vehicle: Vehicle = LOADED
) -> list[Rollout]:
    found = simulate(scenarios, create("planner", "log_replay"), config, vehicle=vehicle, debug=True)
    assert all(isinstance(r, Rollout) for r in found)
    return found  # type: ignore[return-value]


def test_the_simulator_feels_the_road_and_records_it() -> None:
    uphill = RoadPlace(K.GRADE, 3, (0.0, 270.0), 0.08), RoadPlace(K.WIND, 1, (0.0, 50.0), 12.0, 0.0)
    hill, flat = scenario(*uphill), scenario(token="00000000000000bb")
    rollout, level = simulated([hill, flat])
    channel = dict(zip(rollout.channel_names, rollout.channels, strict=True))
    x = rollout.drive.ego[:, Ego.X] - 664_000.0
    np.testing.assert_array_equal(channel["road.grade"], np.where(x > 130.0, 0.08, 0.0))
    np.testing.assert_array_equal(channel["road.wind_x"], np.where(x <= 50.0, 12.0, 0.0))
    assert (channel["road.friction"] == 0.8).all()
    assert not any(n.startswith("road.") for n in level.channel_names), "only where the road is not level"
    assert rollout.drive.ego[-1, Ego.VX] < level.drive.ego[-1, Ego.VX] - 0.5
    assert (rollout.drive.vehicle, rollout.drive.load) == ("us_sleeper_53", "loaded")
    alone = simulated([flat])[0]
    assert alone.channel_names == level.channel_names
    assert alone.drive.ego.tobytes() == level.drive.ego.tobytes(), "whatever the batch"


def test_a_log_that_knows_the_friction_is_believed() -> None:
    values = np.full((40, 400), 0.25, np.float32)
    layers = RasterLayers.build({"friction": Grid(values, 1.0, (664_000.0, 3_997_000.0 - 20.0, 0.0))})
    rollout = simulated([scenario(layers=layers)])[0]
    assert (rollout.channels[rollout.channel_names.index("road.friction")] == 0.25).all()


def test_a_kinematic_car_drives_the_same_on_any_road() -> None:
    hill = scenario(RoadPlace(K.GRADE, 1, (0.0, 100.0), 0.05))
    a, b = (simulated([s], SimulationConfig(), load_vehicle()) for s in (hill, scenario()))
    assert "road.grade" in a[0].channel_names
    assert a[0].drive.load == ""
    one, two = to_arrays(a[0].drive)[0], to_arrays(b[0].drive)[0]
    assert all(one[k].tobytes() == two[k].tobytes() for k in one)
