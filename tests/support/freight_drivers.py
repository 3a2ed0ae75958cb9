"""Drives worlds of the freight suite again, by the expert's log or the mistaken driver's, and scores them."""

from __future__ import annotations

import numpy as np

from roadcraft.core.hookspecs import PluginRef
from roadcraft.core.interfaces import Planner
from roadcraft.core.plan import Plan
from roadcraft.core.rollout import Rollout
from roadcraft.core.scenario import Ego, Scenario
from roadcraft.scenario_io.synthetic.config import LEFT_HAND
from roadcraft.scenario_io.synthetic.freight.log import ANCHOR
from roadcraft.scenario_io.synthetic.freight.play import mistake
from roadcraft.scenario_io.synthetic.freight.wheel import TruckDrive, along, nearest, plan_ahead
from roadcraft.scenario_io.synthetic.freight.world import FreightWorld
from roadcraft.scenario_io.synthetic.recording.tags import WARM_UP
from roadcraft.scenario_io.synthetic.world import own_map
from roadcraft.validation.config import SimulationConfig
from roadcraft.validation.metrics import FREIGHT_ROLES, evaluate, freight_metrics
from roadcraft.validation.simulation import simulate

DRIVEN = SimulationConfig(vehicle_model=PluginRef("dynamic_chain"), tracker=PluginRef("truck_lqr"))
AFTER = 20  # frames beyond the scenario


class AsMeant(Planner):
    """Plans what a driver of a world meant to do when it came to be where it is."""

    def __init__(self, world: FreightWorld, driven: TruckDrive) -> None:
        self.world, self.driven, self.s = world, driven, -1.0
        self.left = world.location in LEFT_HAND

    def plan(self, obs, state, keys):
        place, d = self.world.patch.place, self.driven
        local = obs.ego[0].copy()
        c, s = np.cos(place.angle), np.sin(place.angle)
        local[:2] = np.array([[c, s], [-s, c]]) @ (local[:2] - place.origin) + place.center
        local[2] -= place.angle
        local = _other_side(local) if self.left else local
        self.s = nearest(d.course, local) if self.s < 0.0 else along(d.course, local, self.s)
        k = round(float(obs.time_us[0] - self.world.drive.time_us[0]) / 1e5 + 0.5 * WARM_UP)
        states = plan_ahead(d.course, d.plan, local, self.s, k)
        states = _other_side(states) if self.left else states
        states[:, :2] = place.move(states[:, :2])
        states[:, 2] += place.angle
        states[0] = obs.ego[0]
        time_us = obs.time_us[:, None] + 100_000 * np.arange(len(states))
        return Plan(time_us, states[None, None], np.zeros((1, 1))), state


def _other_side(ego: np.ndarray) -> np.ndarray:
    out = ego.copy()
    out[..., [Ego.Y, Ego.HEADING]] *= -1.0
    return out


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
    drives = (world.played.expert, mistake(world.stage, world.played)[0])
    expert, mistaken = (_score(s, AsMeant(world, x), world) for x in drives)
    return expert, mistaken


def _score(s: Scenario, driver: Planner, world: FreightWorld) -> float:
    found = simulate([s], driver, DRIVEN, vehicle=world.stage.vehicle)[0]
    if not isinstance(found, Rollout):
        return 0.0
    return evaluate(found, "closed_loop_nonreactive_agents", freight_metrics(), roles=FREIGHT_ROLES).score
