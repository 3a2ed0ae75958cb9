"""How fast the environment is: 32 slots, running score included. Figures per step of all; divide by 32."""

from __future__ import annotations

import numpy as np
import pytest

from roadcraft.core.data.scenario import Scenario
from roadcraft.core.plugins.hookspecs import PluginRef
from roadcraft.scenario_io.synthetic.synthesize import synthesize
from roadcraft.validation import BatchEnv, EnvironmentConfig

SLOTS = 32


@pytest.fixture(scope="module")
def scenarios() -> list[Scenario]:
    """32 windows of 15 s of made-up traffic, each with a token of its own."""
    worlds = synthesize(5, 4, ("dense_traffic", "cut_in"), locations=1)
    return [
        Scenario(f"{i:016x}", "bench", (), "test", *worlds[i % len(worlds)], first=60 + i, last=360 + i, stride=2)
        for i in range(SLOTS)
    ]


class Unseen:
    """Observes nothing: what the simulation and the score take alone."""

    blocks = property(lambda self: {})

    def needs(self):
        from roadcraft.core.types import PlannerNeeds

        return PlannerNeeds()

    def write(self, obs, slots, out):
        pass


@pytest.mark.parametrize("agents", ["log", "idm"])
@pytest.mark.parametrize("observed", [False, True], ids=["unseen", "flat"])
def test_step_32_slots(benchmark, scenarios, agents: str, observed: bool):
    """Egos that roll, each in a scenario of its own, others by log or idm; without and with ``FlatObservation``."""
    config = EnvironmentConfig(slots=SLOTS, agents=PluginRef(agents), end_at_failure=False)
    env = BatchEnv(scenarios, config, None if observed else Unseen())
    env.reset(scenarios=np.arange(SLOTS))
    start, actions = env.state(), np.zeros((SLOTS, 2))
    env.step(actions)
    benchmark.pedantic(env.step, (actions,), setup=lambda: env.set_state(start) and None, rounds=30)


def test_state_of_32_slots(benchmark, scenarios):
    """A copy of the environment as it stands."""
    env = BatchEnv(scenarios, EnvironmentConfig(slots=SLOTS), Unseen())
    env.reset(scenarios=np.arange(SLOTS))
    env.step(np.zeros((SLOTS, 2)))
    benchmark(env.state)
