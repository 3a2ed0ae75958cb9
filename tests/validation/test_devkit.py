"""The adapter to nuplan-devkit. What needs the devkit itself is skipped where it is not installed."""

from __future__ import annotations

import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from roadcraft.core.data.scenario import ObjectKind
from roadcraft.core.errors import DataError, PluginError
from roadcraft.core.testing.world import sketch_map
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.validation import devkit
from roadcraft.validation.devkit.observe import Observer
from roadcraft.validation.golden.files import GoldenDrive, read_golden
from roadcraft.validation.golden.repeat import repeat_of
from roadcraft.validation.golden.steps import compare_steps
from roadcraft.validation.simulation import simulate

needs_devkit = pytest.mark.skipif(not devkit.available(), reason="nuplan-devkit is not installed")


def fake_state(time_us: int, x: float) -> Any:
    zero = SimpleNamespace(x=0.0, y=0.0)
    motion = SimpleNamespace(
        rear_axle_velocity_2d=SimpleNamespace(x=5.0, y=0.0),
        rear_axle_acceleration_2d=zero,
        angular_velocity=0.1,
        angular_acceleration=0.2,
    )
    pose = SimpleNamespace(x=x, y=2.0, heading=0.3)
    return SimpleNamespace(time_us=time_us, rear_axle=pose, dynamic_car_state=motion, tire_steering_angle=0.4)


def fake_object(token: str, kind: str, x: float) -> Any:
    return SimpleNamespace(
        track_token=token,
        tracked_object_type=SimpleNamespace(name=kind),
        center=SimpleNamespace(x=x, y=0.0, heading=0.0),
        box=SimpleNamespace(length=4.0, width=2.0),
        velocity=SimpleNamespace(x=1.0, y=float("nan")),
    )


def fake_input(states: int = 3) -> Any:
    seen = [
        SimpleNamespace(
            tracked_objects=[
                fake_object("00000000000000ff", "VEHICLE", float(k)),
                fake_object("cone 7", "TRAFFIC_CONE", 9.0),
                fake_object("e", "EGO", 0.0),
            ]
        )
        for k in range(states)
    ]
    history = SimpleNamespace(
        ego_states=[fake_state(100_000 * k, float(k)) for k in range(states)], observations=seen, sample_interval=0.1
    )
    lights = [SimpleNamespace(lane_connector_id="41", status=SimpleNamespace(name="RED"))]
    return SimpleNamespace(
        iteration=SimpleNamespace(index=0, time_us=200_000), history=history, traffic_light_data=lights
    )


def test_observation_of_a_planner_input() -> None:
    obs = Observer(sketch_map([]), ["7", "8"], None, load_vehicle(), past=5).observe(fake_input())
    assert obs.ego_past.shape == (1, 22, 10)
    assert obs.ego_past_valid[0].sum() == 3
    assert obs.ego[0].tolist() == [2.0, 2.0, 0.3, 5.0, 0.0, 0.0, 0.0, 0.4, 0.1, 0.2]
    assert obs.objects.id[0] == 255
    assert obs.objects.kind.tolist() == [ObjectKind.VEHICLE, ObjectKind.TRAFFIC_CONE]
    assert obs.objects.velocity.tolist() == [[1.0, 0.0], [0.0, 0.0]]
    assert obs.objects_past is not None
    assert np.diff(obs.objects_past.offsets).tolist() == [0, 0, 2, 2, 2]
    assert obs.objects_past.box[-2:, 0].tolist() == obs.objects.box[:, 0].tolist()
    assert obs.route[0].tolist() == [7, 8]
    assert (obs.lights.lane.tolist(), obs.lights.state.tolist()) == ([41], [2])
    assert not obs.has_goal[0]


def test_a_history_without_interval() -> None:
    given = fake_input(2)
    given.history.sample_interval = None
    obs = Observer(sketch_map([]), [], (1.0, 2.0, 3.0), load_vehicle()).observe(given)
    assert obs.interval_s[0] == pytest.approx(0.1)
    assert obs.goal[0].tolist() == [1.0, 2.0, 3.0]
    lonely = fake_input(1)
    lonely.history.sample_interval = None
    with pytest.raises(DataError, match="no interval"):
        Observer(sketch_map([]), [], None, load_vehicle()).observe(lonely)


@pytest.mark.skipif(devkit.available(), reason="nuplan-devkit is installed")
def test_without_the_devkit() -> None:
    with pytest.raises(PluginError, match="nuplan-devkit"):
        _ = devkit.RoadcraftPlanner
    with pytest.raises(AttributeError):
        _ = devkit.nothing


# ---- with the devkit ------------------------------------------------------------------------------------------------


def devkit_scenario(golden: Path, drive: GoldenDrive) -> Any:
    from nuplan.planning.scenario_builder.nuplan_db.nuplan_scenario_builder import NuPlanScenarioBuilder
    from nuplan.planning.scenario_builder.nuplan_db.nuplan_scenario_utils import ScenarioMapping
    from nuplan.planning.scenario_builder.scenario_filter import ScenarioFilter
    from nuplan.planning.utils.multithreading.worker_sequential import Sequential

    names = (
        "scenario_types",
        "log_names",
        "map_names",
        "num_scenarios_per_type",
        "limit_total_scenarios",
        "timestamp_threshold_s",
    )
    rest: dict[str, Any] = dict.fromkeys((*names, "ego_displacement_minimum_m"))
    rest |= {"expand_scenarios": False, "remove_invalid_goals": True, "shuffle": False}
    logs = str(golden / "logs")
    mapping = ScenarioMapping({drive.data["scenario_type"]: [15.0, -3.0]}, subsample_ratio_override=0.5)
    files = [f"{logs}/{drive.data['log']}.db"]
    builder = NuPlanScenarioBuilder(
        logs, str(golden / "maps"), logs, files, "nuplan-maps-v1.0", scenario_mapping=mapping, verbose=False
    )
    return builder.get_scenarios(ScenarioFilter(scenario_tokens=[drive.data["token"]], **rest), Sequential())[0]


def devkit_drive(scenario: Any, planner: Any, reactive: bool) -> tuple[np.ndarray, float]:
    """Ego states (n, 10) by the devkit's own simulation, and the seconds that the planner took."""
    from nuplan.planning.simulation.controller.motion_model.kinematic_bicycle import KinematicBicycleModel
    from nuplan.planning.simulation.controller.tracker.lqr import LQRTracker
    from nuplan.planning.simulation.controller.two_stage_controller import TwoStageController
    from nuplan.planning.simulation.observation.idm_agents import IDMAgents
    from nuplan.planning.simulation.observation.tracks_observation import TracksObservation
    from nuplan.planning.simulation.simulation import Simulation
    from nuplan.planning.simulation.simulation_setup import SimulationSetup
    from nuplan.planning.simulation.simulation_time_controller.step_simulation_time_controller import (
        StepSimulationTimeController,
    )

    from roadcraft.validation.devkit.observe import ego_row

    tracker = LQRTracker([10.0], [1.0], [1.0, 10.0, 0.0], [1.0], 0.1, 10, 1e-4, 1e-2, 0.5, 0.2)
    control = TwoStageController(scenario, tracker, KinematicBicycleModel(scenario.ego_vehicle_parameters))
    if reactive:
        kinds = ["PEDESTRIAN", "BARRIER", "CZONE_SIGN", "TRAFFIC_CONE", "GENERIC_OBJECT"]
        others: Any = IDMAgents(10, 1.0, 1.5, 1.0, 2.0, kinds, scenario)
    else:
        others = TracksObservation(scenario)
    setup = SimulationSetup(StepSimulationTimeController(scenario), others, control, scenario)
    simulation = Simulation(setup, simulation_history_buffer_duration=2.0 + scenario.database_interval)
    planner.initialize(simulation.initialize())
    while simulation.is_simulation_running():
        simulation.propagate(planner.compute_trajectory(simulation.get_planner_input()))
    states = [sample.ego_state for sample in simulation.history.data]
    seconds = float(np.sum(planner.generate_planner_report().compute_trajectory_runtimes))
    return np.array([ego_row(s) for s in states]), seconds


@needs_devkit
@pytest.mark.parametrize(
    ("pattern", "name", "within"),
    [
        ("nonreactive_agents.simple.*", "constant_velocity", 1e-6),
        ("nonreactive_agents.idm.2*", "idm", 1e-5),
        ("nonreactive_agents.log_future.9*", "log_replay", 1e-6),
        ("nonreactive_agents.pdm_closed.9*", "pdm_closed", 1e-3),
        ("_reactive_agents.idm_r.9*", "idm", 1e-5),
        ("_reactive_agents.pdm_closed_r.9*", "pdm_closed", 1e-3),
    ],
)
def test_ours_inside_the_devkit(
    shared: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, name: str, within: float
) -> None:
    """Through the devkit's own way from configuration to planner, in its own simulation."""
    from nuplan.planning.script.builders.planner_builder import build_planners
    from omegaconf import OmegaConf

    golden = shared / "golden" / "nuplan"
    monkeypatch.setenv("NUPLAN_MAPS_ROOT", str(golden / "maps"))
    drive = read_golden(next(iter(sorted((golden / "drives").glob(f"closed_loop*{pattern}")))))
    scenario = devkit_scenario(golden, drive)
    kind = "RoadcraftOracle" if name == "log_replay" else "RoadcraftPlanner"
    config = {"_target_": f"roadcraft.validation.devkit.{kind}", "_convert_": "all", "name": name, "params": {}}
    planner = build_planners(OmegaConf.create({"roadcraft": config}), scenario)[0]
    ego, seconds = devkit_drive(scenario, planner, "_reactive_agents" in pattern)
    want = np.array([row[1:11] for row in drive.data["ego"]])
    off = np.abs(ego - want)
    print(
        f"{drive.name} {name}: position {off[:, :2].max():.1e} m, speed {off[:, 3].max():.1e}, steering "
        f"{off[:, 7].max():.1e}, planner {seconds:.2f} s"
    )
    assert off[:, [0, 1, 3, 7]].max() < within
    again = pickle.loads(pickle.dumps(planner))
    assert again.name() == planner.name()


@needs_devkit
@pytest.mark.parametrize(
    "pattern",
    ["nonreactive_agents.simple.*", "nonreactive_agents.idm.2*", "_reactive_agents.idm_r.9*", "_boxes.idm_ol.*"],
)
def test_theirs_inside_ours(shared: Path, pattern: str) -> None:
    from nuplan.planning.simulation.planner.idm_planner import IDMPlanner
    from nuplan.planning.simulation.planner.simple_planner import SimplePlanner

    from roadcraft.scenario_io import NuplanSource
    from roadcraft.validation import SimulationConfig

    golden = shared / "golden" / "nuplan"
    drive = read_golden(next(iter(sorted((golden / "drives").glob(f"*{pattern}")))))
    params = {k: v for k, v in drive.data["planner"]["config"].items() if k != "class"}
    planner = {"IDMPlanner": IDMPlanner, "SimplePlanner": SimplePlanner}[drive.data["planner"]["name"]](**params)
    scenario = drive.scenario(NuplanSource(str(golden / "logs"), str(golden / "maps")))
    config = SimulationConfig(controller="log" if "_boxes" in pattern else "two_stage", record_plan_every=1)
    agents = "idm" if "_reactive" in pattern else "log"
    ours = simulate([scenario], devkit.DevkitPlanner(planner, golden / "maps"), config, agents=agents, debug=True)[0]
    rows = compare_steps(drive, ours, repeat_of(drive))
    print(drive.name, {r.quantity: f"{r.worst:.1e}" for r in rows if r.worst})
    assert all(r.ok for r in rows), [r for r in rows if not r.ok]


@needs_devkit
def test_what_cannot_be_adapted(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PluginError, match="RoadcraftOracle"):
        devkit.RoadcraftPlanner("log_replay")
    monkeypatch.delenv("NUPLAN_MAPS_ROOT", raising=False)
    planner = devkit.RoadcraftPlanner("constant_velocity")
    with pytest.raises(PluginError, match="initialize"):
        planner.compute_planner_trajectory(None)
    with pytest.raises(DataError, match="NUPLAN_MAPS_ROOT"):
        planner.initialize(
            SimpleNamespace(mission_goal=None, route_roadblock_ids=[], map_api=SimpleNamespace(map_name="x"))
        )


@pytest.mark.parametrize("name", ["roadcraft", "roadcraft_oracle"])
def test_the_shipped_configuration(name: str) -> None:
    from omegaconf import OmegaConf

    config: Any = OmegaConf.load(Path(devkit.__file__).parent / "config" / "planner" / f"{name}.yaml")
    module, _, kind = config.roadcraft._target_.rpartition(".")
    assert (module, kind in devkit.__all__) == ("roadcraft.validation.devkit", True)
    assert set(config.roadcraft) == {"_target_", "_convert_", "name", "params"}
