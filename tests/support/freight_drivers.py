"""Drives worlds of the freight suite again, by the expert's log or the mistaken driver's, and scores them."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from roadcraft.core.data.plan import Plan
from roadcraft.core.data.rollout import Rollout
from roadcraft.core.data.scenario import Ego, Scenario
from roadcraft.core.interfaces import Planner
from roadcraft.core.plugins.hookspecs import PluginRef
from roadcraft.scenario_io.synthetic.config import LEFT_HAND
from roadcraft.scenario_io.synthetic.freight.dock_play import TRACKER, folding_controls, side_of
from roadcraft.scenario_io.synthetic.freight.driving.dock_legs import DockDriver
from roadcraft.scenario_io.synthetic.freight.driving.wheel import TruckDrive, along, nearest, plan_ahead
from roadcraft.scenario_io.synthetic.freight.log import ANCHOR
from roadcraft.scenario_io.synthetic.freight.world import FreightWorld, mistaken
from roadcraft.scenario_io.synthetic.recording.tags import WARM_UP
from roadcraft.scenario_io.synthetic.world import own_map
from roadcraft.validation.config import SimulationConfig
from roadcraft.validation.metrics import FREIGHT_ROLES, evaluate, freight_metrics
from roadcraft.validation.simulation import simulate

DRIVEN = SimulationConfig(vehicle_model=PluginRef("dynamic_chain"), tracker=PluginRef("truck_lqr"))
DOCKING = SimulationConfig(vehicle_model=PluginRef("dynamic_chain"), tracker=PluginRef("truck_lqr", asdict(TRACKER)))
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


class ToTheDock(Planner):
    """Drives the legs of a world with a dock, or reverses from the first reversal on as who makes the mistake."""

    def __init__(self, world: FreightWorld, side: float | None) -> None:
        assert world.stage.dock is not None
        self.world, self.side, self.far = world, side, 0.0
        self.left, self.driver, self.begun = (
            world.location in LEFT_HAND,
            DockDriver(tuple(world.stage.dock.legs)),
            False,
        )

    def plan(self, obs, state, keys):
        local = _local(obs.ego[0], self.world)
        if not self.begun:  # along the first leg, up to where the scenario begins
            assert self.world.stage.dock is not None
            self.driver = DockDriver(self.driver.legs, way=9.0 * self.world.stage.dock.speed)
            self.begun = True
        reverses = self.side is not None and (not self.driver.legs or not self.driver.legs[0].forward)
        if not (reverses or self.far):
            self.driver = self.driver.after(local)
            reverses = self.side is not None and (not self.driver.legs or not self.driver.legs[0].forward)
        states, controls = self.driver.states(local), None
        if reverses or self.far:
            lock = self.world.stage.vehicle.max_steering_rad
            controls = folding_controls(local, self.side, lock, self.far)[None]
            controls[0, 1] *= -1.0 if self.left else 1.0
            self.far += abs(float(local[Ego.VX])) * 0.1 + 1e-9
        states = _global(states, self.world)
        states[0] = obs.ego[0]
        time_us = obs.time_us[:, None] + 100_000 * np.arange(len(states))
        return Plan(time_us, states[None, None], np.zeros((1, 1)), controls=controls), state


def _local(ego: np.ndarray, world: FreightWorld) -> np.ndarray:
    """An ego state in the frame of the world's stage."""
    place, local = world.patch.place, ego.copy()
    c, s = np.cos(place.angle), np.sin(place.angle)
    local[:2] = np.array([[c, s], [-s, c]]) @ (local[:2] - place.origin) + place.center
    local[2] -= place.angle
    return _other_side(local) if world.location in LEFT_HAND else local


def _global(states: np.ndarray, world: FreightWorld) -> np.ndarray:
    """States of the frame of the world's stage in the global one."""
    states = _other_side(states) if world.location in LEFT_HAND else states
    states[:, :2] = world.patch.place.move(states[:, :2])
    states[:, 2] += world.patch.place.angle
    return states


def _other_side(ego: np.ndarray) -> np.ndarray:
    out = ego.copy()
    out[..., [Ego.Y, Ego.HEADING, Ego.STEERING]] *= -1.0
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
    if world.stage.dock is not None:
        expert, other = (
            _score(s, ToTheDock(world, x), world, DOCKING) for x in (None, side_of(world.stage, world.played))
        )
        return expert, other
    drives = (world.played.expert, mistaken(world.stage, world.played)[0])
    expert, other = (_score(s, AsMeant(world, x), world) for x in drives)
    return expert, other


def _score(s: Scenario, driver: Planner, world: FreightWorld, config: SimulationConfig = DRIVEN) -> float:
    found = simulate([s], driver, config, vehicle=world.stage.vehicle)[0]
    if not isinstance(found, Rollout):
        return 0.0
    return evaluate(found, "closed_loop_nonreactive_agents", freight_metrics(), roles=FREIGHT_ROLES).score
