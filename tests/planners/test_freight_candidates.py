"""Candidates of another planner in the hands of the truck planner: which it takes, and which it refuses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from freight_drivers import scenario_of
from freight_worlds import SEED, freight_world

from roadcraft.core.config.factory import create
from roadcraft.core.data.plan import Plan
from roadcraft.core.data.rollout import Rollout
from roadcraft.core.data.scenario import Scenario
from roadcraft.core.errors import PluginError
from roadcraft.core.interfaces import Planner
from roadcraft.core.plugins.hookspecs import PluginRef
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.planners.freight_pdm.candidates import candidates_of
from roadcraft.planners.freight_pdm.config import FreightPdmConfig
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


def _driven(scenario: Scenario, wrapped: Planner | None = None) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The ego's states, and the channels."""
    planner = create("planner", "freight_pdm", {})
    assert isinstance(planner, FreightPdm)
    planner.inner = wrapped
    vehicle = load_vehicle(scenario.drive.vehicle, load=scenario.drive.load)
    (rollout,) = simulate([scenario], planner, DRIVEN, vehicle=vehicle, debug=True)
    assert isinstance(rollout, Rollout)
    return rollout.drive.ego, dict(zip(rollout.channel_names, rollout.channels, strict=True))


@pytest.fixture(scope="module")
def ramp() -> Scenario:
    s = scenario_of(freight_world("loop_ramp"), SEED)
    return replace(s, last=min(s.last, s.first + 80 * s.stride))


@pytest.fixture(scope="module")
def plain(ramp: Scenario) -> np.ndarray:
    return _driven(ramp)[0]


def test_what_it_would_do_itself_it_takes_from_another(ramp: Scenario, plain: np.ndarray) -> None:
    ego, channels = _driven(ramp, _Changed(lambda states: states))
    assert channels["guard_changed"].mean() < 0.1
    assert not channels["guard_braked"].any()
    assert not channels["emergency_brake"].any()
    assert (channels["proposal"] == -2).mean() > 0.9
    assert np.abs(ego[:, :2] - plain[:, :2]).max() < 0.5


def _aside(states: np.ndarray) -> np.ndarray:
    states[..., 1] += np.minimum(np.arange(states.shape[2]) * 0.25, 8.0)  # over the edge of the road
    return states


def _fast(states: np.ndarray) -> np.ndarray:
    states[..., 1:, :2] = states[..., :1, :2] + 3.0 * (states[..., 1:, :2] - states[..., :1, :2])
    states[..., 3] *= 3.0
    return states


def _unknown(states: np.ndarray) -> np.ndarray:
    states[..., 40, 0] = np.nan
    return states


def _back(states: np.ndarray) -> np.ndarray:
    states[..., 1:, :2] = states[..., :1, :2] - (states[..., 1:, :2] - states[..., :1, :2])
    states[..., 3] *= -1.0
    return states


def _back_unsaid(states: np.ndarray) -> np.ndarray:
    states = _back(states)
    states[..., 3] *= -1.0
    return states


@pytest.mark.parametrize("fault", [_aside, _fast, _unknown, _back, _back_unsaid])
def test_what_is_wrong_is_not_driven_and_changes_nothing(fault: Any, ramp: Scenario, plain: np.ndarray) -> None:
    ego, channels = _driven(ramp, _Changed(fault))
    assert channels["guard_changed"].all()
    np.testing.assert_array_equal(ego, plain)


def test_a_candidate_stops_where_it_must() -> None:
    """Before a structure that is too low, constant velocity is refused in time."""
    s = scenario_of(freight_world("low_bridge"), SEED)
    planner = create("planner", "freight_pdm", {"planner": PluginRef("constant_velocity")})
    assert isinstance(planner, FreightPdm)
    (ego, channels), (alone, _) = _driven(s, planner.inner), _driven(s)
    assert ego[-1, 3] < 0.1
    assert alone[-1, 3] < 0.1
    assert np.hypot(*(ego[-1, :2] - alone[-1, :2])) < 3.0
    assert channels["guard_changed"][-1] == 1.0


def _plan(scores: list[float], states: np.ndarray) -> Plan:
    time_us = (1e5 * np.arange(states.shape[2])).astype(np.int64)[None]
    return Plan(time_us, states, np.array([scores]), None, None, {})


def test_worth_follows_the_scores() -> None:
    """The likeliest is worth planner_score_weight, others as their likelihood beside it; impossible ones, and those
    that are not finite, are left out, and nobody else takes their number."""
    c = FreightPdmConfig(planner_score_weight=0.2, max_proposals=3)
    states = np.zeros((1, 4, 81, 10))
    states[0, :, :, 0] = np.arange(4)[:, None]
    scores = [float(np.log(0.1)), float(np.log(0.6)), -np.inf, float(np.log(0.3))]
    found = candidates_of(_plan(scores, states), 0, 0, c)
    assert found.states[:, 0, 0].tolist() == [1.0, 3.0, 0.0]
    assert found.rank.tolist() == [0, 1, 2]
    np.testing.assert_allclose(found.worth, [0.2, 0.1, 0.2 / 6.0])
    states[0, 1, 30, 1] = np.nan
    found = candidates_of(_plan(scores, states), 0, 0, c)
    assert found.rank.tolist() == [1, 2]
    np.testing.assert_allclose(found.worth, [0.2, 0.2 / 3.0])


def test_a_plan_that_is_too_short_is_refused() -> None:
    c = FreightPdmConfig(planner=PluginRef("learned"))
    with pytest.raises(PluginError, match=r"planner learned: its plan reaches from 0 to 5.9 s.*from 0 to 8 s"):
        candidates_of(_plan([0.0], np.zeros((1, 1, 60, 10))), 0, 0, c)
