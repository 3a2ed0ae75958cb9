"""Drives worlds of the freight suite again, by the expert's log or the mistaken driver's, and scores them."""

from __future__ import annotations

import numpy as np

from roadcraft.core.hookspecs import PluginRef
from roadcraft.core.interfaces import Planner
from roadcraft.core.plan import Plan
from roadcraft.core.rollout import Rollout
from roadcraft.core.scenario import Scenario
from roadcraft.scenario_io.synthetic.freight.log import ANCHOR
from roadcraft.scenario_io.synthetic.freight.world import FreightWorld, mistaken_drive
from roadcraft.scenario_io.synthetic.world import own_map
from roadcraft.validation.config import SimulationConfig
from roadcraft.validation.metrics import FREIGHT_ROLES, evaluate, freight_metrics
from roadcraft.validation.simulation import simulate

DRIVEN = SimulationConfig(vehicle_model=PluginRef("dynamic_chain"), tracker=PluginRef("truck_lqr"))
AFTER = 20  # frames beyond the scenario


class AsDriven(Planner):
    """Plans what somebody drove: ego states (F, 10) at the times (F,) of frames."""

    def __init__(self, time_us: np.ndarray, ego: np.ndarray) -> None:
        self.time_us, self.ego = time_us, ego

    def plan(self, obs, state, keys):
        first = np.searchsorted(self.time_us, obs.time_us)
        rows = np.minimum(first[:, None] + 2 * np.arange(31), len(self.ego) - 1)
        time_us = obs.time_us[:, None] + 100_000 * np.arange(31)
        states = self.ego[rows].copy()
        states[:, 0] = obs.ego
        return Plan(time_us, states[:, None], np.zeros((len(obs), 1))), state


def scenario_of(world: FreightWorld, seed: int) -> Scenario:
    """The world's scenario: from its tagged frame almost to its end."""
    d = world.drive
    m = own_map(world.patch, world.location, seed)
    last = ANCHOR + 2 * ((len(d) - 1 - AFTER - ANCHOR) // 2)
    return Scenario(f"{d.token[ANCHOR]:016x}", d.tag_names[0], d.tag_names, "freight", d, m, ANCHOR, last, 2)


def freight_scores(world: FreightWorld, seed: int) -> tuple[float, float]:
    """Freight scores of the expert and of the mistaken driver, each in the closed loop with slipping tires; 0 for who
    drives so that the simulation fails."""
    s = scenario_of(world, seed)
    return tuple(
        _score(s, AsDriven(world.drive.time_us, x), world) for x in (world.drive.ego, mistaken_drive(world)[0])
    )


def _score(s: Scenario, driver: Planner, world: FreightWorld) -> float:
    found = simulate([s], driver, DRIVEN, vehicle=world.stage.vehicle)[0]
    if not isinstance(found, Rollout):
        return 0.0
    return evaluate(found, "closed_loop_nonreactive_agents", freight_metrics(), roles=FREIGHT_ROLES).score
