"""``observe`` gives what the simulator shows a planner that replays the log."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from roadcraft.core import (
    Grid,
    Instructions,
    MapData,
    ObservationBatch,
    PlannerNeeds,
    RasterLayers,
    Scenario,
    ScenarioError,
    create,
)
from roadcraft.core.testing import made_up_scenario
from roadcraft.validation import SimulationConfig, observe, simulate


class Watches:
    """A planner that keeps what it sees."""

    def __init__(self, planner: Any, needs: PlannerNeeds) -> None:
        self.planner, self._needs, self.seen = planner, needs, []

    def needs(self):
        return self._needs

    def start(self, obs, keys):
        return self.planner.start(obs, keys)

    def plan(self, obs, state, keys):
        self.seen.append(obs)
        return self.planner.plan(obs, state, keys)


def assert_same(a: Any, b: Any, where: str = "obs") -> None:
    """Equal to the last bit, and read-only on both sides."""
    assert type(a) is type(b), where
    if isinstance(a, np.ndarray):
        assert (a.dtype, a.shape) == (b.dtype, b.shape), where
        assert a.tobytes() == b.tobytes(), where
        assert not a.flags.writeable, where
        assert not b.flags.writeable, where
    elif isinstance(a, MapData | Scenario):
        assert a is b, where
    elif isinstance(a, tuple):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}[{i}]")
    elif hasattr(a, "__dataclass_fields__"):
        for name in a.__dataclass_fields__:
            assert_same(getattr(a, name), getattr(b, name), f"{where}.{name}")
    else:
        assert a == b, where


@pytest.mark.parametrize(
    ("name", "needs"),
    [
        ("log_replay", PlannerNeeds(0, log=True)),
        ("constant_velocity", PlannerNeeds(1)),
        ("constant_velocity", PlannerNeeds(21)),
    ],
)
def test_an_observation_is_what_the_simulator_shows(name: str, needs: PlannerNeeds) -> None:
    scenarios = [made_up_scenario(f"{i + 1:016x}", speed_mps=4.0 + 2 * i, lane=i % 2) for i in range(3)]
    layers = RasterLayers.build({"friction": Grid(np.ones((4, 4), np.float32), 1.0)})
    scenarios[1] = replace(scenarios[1], drive=replace(scenarios[1].drive, layers=layers))
    told = Instructions(scenarios[2].time_us[[5]] + 1, ("pull over",))
    scenarios[2] = replace(scenarios[2], drive=replace(scenarios[2].drive, instructions=told))
    planner = Watches(create("planner", name), needs)
    simulate(scenarios, planner, SimulationConfig(controller="log"), debug=True)
    assert len(planner.seen) == len(scenarios[0]) - 1
    for i in (0, 1, 7, 40, len(planner.seen) - 1):
        obs = observe(scenarios, i, needs)
        assert isinstance(obs, ObservationBatch)
        assert_same(obs, planner.seen[i])
        assert np.array_equal(obs.ego[0], scenarios[0].expert[i])
        assert obs.instruction == (None, None, "pull over" if i > 5 else None)


def test_what_no_planner_is_asked_is_not_observed() -> None:
    scenario = made_up_scenario(seconds=2.0)
    observe([scenario], len(scenario) - 2)
    for iteration in (-1, len(scenario) - 1):
        with pytest.raises(ScenarioError, match=f"iterations 0 to {len(scenario) - 2}, not at {iteration}"):
            observe([scenario], iteration)
    with pytest.raises(ScenarioError, match="of one interval"):
        observe([scenario, replace(scenario, stride=1)])
    with pytest.raises(ScenarioError, match="of one interval"):
        observe([])
