"""What a step costs: the IDM planner's plan and the reactive agents' move, in the busiest golden drives, one scenario
at a time.

``pytest tests/benchmarks/bench_idm.py`` prints the table; the agents (or objects) per scenario stand in its extra_info.
"""

from __future__ import annotations

import gzip
import json
from typing import Any

import numpy as np
import pytest

from roadcraft.core.config.factory import create
from roadcraft.core.data.scenario import Scenario
from roadcraft.scenario_io.nuplan import NuplanSource
from roadcraft.validation.config import SimulationConfig
from roadcraft.validation.simulation import simulate

DRIVES = {
    "nonreactive": "closed_loop_nonreactive_agents.idm.2a841e275ba7cafd",
    "reactive": "closed_loop_reactive_agents.idm_r.55ecd8289878b692",
}


@pytest.fixture(scope="module")
def scenario_of(shared):
    golden = shared / "golden" / "nuplan"
    source = NuplanSource(golden / "logs", golden / "maps")

    def load(name: str) -> Scenario:
        d: dict[str, Any] = json.loads(gzip.decompress((golden / "drives" / f"{name}.json.gz").read_bytes()))
        log = source.drive(d["log"])
        first, last = np.searchsorted(log.time_us, [d["expert"][0][0], d["expert"][-1][0]])
        return Scenario(d["token"], "", (), "", log, source.map(d["log"]), int(first), int(last), 2)

    return load


@pytest.mark.parametrize(
    ("mode", "planner", "agents"),
    [
        ("nonreactive", "constant_velocity", "log"),
        ("nonreactive", "idm", "log"),
        ("reactive", "constant_velocity", "idm"),
        ("reactive", "idm", "idm"),
    ],
)
def test_a_whole_simulation(benchmark, scenario_of, mode, planner, agents) -> None:
    """15 s of one scenario, simulation only; subtract constant_velocity with the log's agents to get the share of the
    planner or the agents."""
    scenario = scenario_of(DRIVES[mode])
    driver, policy = create("planner", planner), create("agents", agents)
    run = lambda: simulate([scenario], driver, SimulationConfig(), agents=policy)  # noqa: E731
    (result,) = run()
    benchmark.extra_info["objects per step"] = round(len(result.drive.objects.track) / len(result), 1)
    benchmark.pedantic(run, rounds=5, iterations=1)


def test_eight_scenarios_in_lockstep(benchmark, scenario_of) -> None:
    scenarios = [scenario_of(DRIVES["reactive"])] * 8
    driver, policy = create("planner", "idm"), create("agents", "idm")
    run = lambda: simulate(scenarios, driver, SimulationConfig(), agents=policy)  # noqa: E731
    run()
    benchmark.pedantic(run, rounds=3, iterations=1)
