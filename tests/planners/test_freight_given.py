"""Drives of another planner in the hands of the truck planner: which it takes, and which it refuses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from freight_drivers import scenario_of
from freight_worlds import SEED, freight_world

from roadcraft.core.factory import create
from roadcraft.core.hookspecs import PluginRef
from roadcraft.core.interfaces import Planner
from roadcraft.core.plan import Plan
from roadcraft.core.scenario import Scenario
from roadcraft.core.vehicle import load_vehicle
from roadcraft.planners.freight_pdm.config import FreightPdmConfig
from roadcraft.planners.freight_pdm.given import given_drives
from roadcraft.planners.freight_pdm.planner import FreightPdm
from roadcraft.validation.config import SimulationConfig
from roadcraft.validation.simulation import simulate

DRIVEN = SimulationConfig(vehicle_model=PluginRef("dynamic_chain"), tracker=PluginRef("truck_lqr"))


@dataclass
class _Changed(Planner):
    """The truck planner's own plans, changed by a function of their states (B, 1, T, 10)."""

    change: Any

    def __post_init__(self) -> None:
        self.inner = create("planner", "freight_pdm", {})

    def start(self, obs: Any, keys: Any) -> Any:
        return self.inner.start(obs, keys)

    def plan(self, obs: Any, state: Any, keys: Any) -> Any:
        plan, after = self.inner.plan(obs, state, keys)
        return replace(plan, states=self.change(plan.states.copy())), after


def _driven(scenario: Scenario, change: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """The ego's states, and in which steps a given drive was driven."""
    planner = create("planner", "freight_pdm", {})
    assert isinstance(planner, FreightPdm)
    if change is not None:
        planner.given = _Changed(change)
    vehicle = load_vehicle(scenario.drive.vehicle, load=scenario.drive.load)
    (rollout,) = simulate([scenario], planner, DRIVEN, vehicle=vehicle, debug=True)
    given = "guard_changed" in rollout.channel_names
    return rollout.drive.ego, 1.0 - rollout.channels[
        rollout.channel_names.index("guard_changed")
    ] if given else np.zeros(0)


@pytest.fixture(scope="module")
def ramp() -> Scenario:
    s = scenario_of(freight_world("loop_ramp"), SEED)
    return replace(s, last=min(s.last, s.first + 80 * s.stride))


@pytest.fixture(scope="module")
def plain(ramp: Scenario) -> np.ndarray:
    return _driven(ramp)[0]


def test_what_it_would_do_itself_it_takes_from_another(ramp: Scenario, plain: np.ndarray) -> None:
    ego, given = _driven(ramp, lambda states: states)
    assert given.mean() > 0.9
    assert np.abs(ego[:, :2] - plain[:, :2]).max() < 0.5


@pytest.mark.parametrize("fault", ["aside", "fast", "unknown"])
def test_what_is_wrong_is_not_driven_and_changes_nothing(fault: str, ramp: Scenario, plain: np.ndarray) -> None:
    def change(states: np.ndarray) -> np.ndarray:
        if fault == "aside":  # over the edge of the road within the plan
            states[..., 1] += np.minimum(np.arange(states.shape[2]) * 0.25, 8.0)
        elif fault == "fast":
            states[..., 1:, :2] = states[..., :1, :2] + 2.0 * (states[..., 1:, :2] - states[..., :1, :2])
            states[..., 3] *= 2.0
        elif fault == "unknown":
            states[..., 40, 0] = np.nan
        return states

    ego, given = _driven(ramp, change)
    assert not given.any()
    np.testing.assert_array_equal(ego, plain)


def test_a_given_drive_stops_where_it_must() -> None:
    """Before a structure that is too low, constant velocity is refused in time."""
    s = scenario_of(freight_world("low_bridge"), SEED)
    planner = create("planner", "freight_pdm", {"given": PluginRef("constant_velocity")})
    vehicle = load_vehicle(s.drive.vehicle, load=s.drive.load)
    (rollout,), (alone,) = (
        simulate([s], p, DRIVEN, vehicle=vehicle, debug=True) for p in (planner, create("planner", "freight_pdm", {}))
    )
    assert rollout.drive.ego[-1, 3] < 0.1
    assert alone.drive.ego[-1, 3] < 0.1
    assert np.hypot(*(rollout.drive.ego[-1, :2] - alone.drive.ego[-1, :2])) < 3.0


def test_worth_follows_the_scores() -> None:
    """The likeliest is worth given_weight, others as their likelihood beside it; impossible ones are left out."""
    c = FreightPdmConfig(given_weight=0.2, max_given=2)
    time_us = (1e5 * np.arange(81)).astype(np.int64)[None]
    states = np.zeros((1, 4, 81, 10))
    states[0, :, :, 0] = np.arange(4)[:, None]
    scores = np.array([[np.log(0.1), np.log(0.6), -np.inf, np.log(0.3)]])
    plan = Plan(time_us, states, scores, None, None, {})
    found = given_drives(plan, 0, 0, c)
    assert found.states[:, 0, 0].tolist() == [1.0, 3.0]
    np.testing.assert_allclose(found.worth, [0.2, 0.1])
    shorter = replace(plan, time_us=time_us[:, :60], states=states[:, :, :60])
    assert not len(given_drives(shorter, 0, 0, c).states)
