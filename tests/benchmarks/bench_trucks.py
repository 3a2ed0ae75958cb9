"""What trucks cost beside cars, by turns: a closed loop of four units on slipping tires, and the metrics of the freight
score beside nuPlan's. Ratios of minima of CPU time stand in the extra information."""

from __future__ import annotations

from collections.abc import Callable
from time import process_time
from typing import Any

import pytest
from freight_worlds import freight_world

from roadcraft.core.config.factory import create
from roadcraft.core.data.rollout import Rollout
from roadcraft.core.data.scenario import Scenario
from roadcraft.core.plugins.hookspecs import PluginRef
from roadcraft.core.vehicles.vehicle import Vehicle, load_vehicle
from roadcraft.scenario_io.synthetic.freight.log import ANCHOR
from roadcraft.scenario_io.synthetic.world import own_map
from roadcraft.validation.config import SimulationConfig
from roadcraft.validation.metrics import challenge_metrics, evaluate, freight_metrics
from roadcraft.validation.simulation import simulate

SITUATIONS = ("lane_change_dense", "upgrade_climb", "loop_ramp", "roundabout")
STEPS, TURNS = 200, 7
CHALLENGE = "closed_loop_nonreactive_agents"
CAR = SimulationConfig()
TRUCK = SimulationConfig(vehicle_model=PluginRef("dynamic_chain"), tracker=PluginRef("truck_lqr"))


@pytest.fixture(scope="module")
def scenarios() -> list[Scenario]:
    """20 s each, in freight worlds."""
    found = []
    for situation in SITUATIONS:
        world = freight_world(situation)
        drive, area = world.drive, own_map(world.patch, world.location, 2)
        name = drive.tag_names[0]
        found.append(Scenario(f"{drive.token[ANCHOR]:016x}", name, (), "", drive, area, ANCHOR, ANCHOR + 2 * STEPS, 2))
    return found


def by_turns(calls: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """The least CPU seconds of each call, after one that compiles."""
    least: dict[str, float] = {}
    for turn in range(TURNS + 1):
        for name, call in calls.items():
            begun = process_time()
            call()
            if turn:
                least[name] = min(least.get(name, 1e9), process_time() - begun)
    return least


def driven(scenarios: list[Scenario], vehicle: Vehicle, how: SimulationConfig) -> list[Rollout]:
    found = simulate(scenarios, create("planner", "idm"), how, vehicle=vehicle)
    assert all(isinstance(r, Rollout) for r in found)
    return [r for r in found if isinstance(r, Rollout)]


def test_four_units_on_slipping_tires_beside_a_car(benchmark: Any, scenarios: list[Scenario]) -> None:
    """`idm` drives both through the same windows on a highway; a car with nuPlan's tracker and bicycle."""
    windows, car = scenarios[:2] * 4, load_vehicle("pacifica")
    double = load_vehicle("se_a_double", load="loaded")
    least = by_turns({
        "car": lambda: driven(windows, car, CAR),
        "se_a_double": lambda: driven(windows, double, TRUCK),
    })  # fmt: skip
    for name, seconds in least.items():
        benchmark.extra_info[f"{name}, us per scenario-step"] = round(1e6 * seconds / (len(windows) * STEPS), 1)
    benchmark.extra_info["times a car"] = round(least["se_a_double"] / least["car"], 2)
    benchmark.pedantic(driven, (windows, double, TRUCK), rounds=2)


def test_freight_metrics_beside_those_of_nuplan(benchmark: Any, scenarios: list[Scenario]) -> None:
    truck = load_vehicle("us_sleeper_53", load="loaded")
    rollouts = [r for s in scenarios for r in driven([s], truck, TRUCK)]
    own, further = challenge_metrics(CHALLENGE), freight_metrics()

    def judged(more: dict[str, Any]) -> None:
        for rollout in rollouts:
            evaluate(rollout, CHALLENGE, more, metrics=own)

    least = by_turns({"nuPlan's": lambda: judged({}), "both": lambda: judged(further)})
    for name, seconds in least.items():
        benchmark.extra_info[f"{name}, us per scenario-step"] = round(1e6 * seconds / (len(rollouts) * STEPS), 1)
    benchmark.extra_info["both over nuPlan's"] = round(least["both"] / least["nuPlan's"], 2)
    benchmark.pedantic(judged, (further,), rounds=3)
