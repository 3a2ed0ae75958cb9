"""``Plan.validate`` raises where the simulator refuses a plan, and says the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from roadcraft.core import Plan, Planner, PlannerNeeds, PluginError
from roadcraft.core.testing import made_up_scenario, observe
from roadcraft.validation import Failure, SimulationConfig, simulate
from roadcraft.validation.simulation.controllers import TwoStage

COUNT, LEAST_S = 64, TwoStage.min_plan_s


def still(obs) -> Plan:
    """Two candidates that stay where they are, the second the better."""
    time_us = obs.time_us[:, None] + 100_000 * np.arange(6)
    return Plan(time_us, np.repeat(np.repeat(obs.ego[:, None, None], 6, 2), 2, 1), np.tile([0.0, 1.0], (len(obs), 1)))


def broken(obs) -> Plan:
    """Plans with up to two random faults each, some of them beyond their length or in the candidate that is not
    driven."""
    rng, p = np.random.default_rng(5), still(obs)
    time_us, states, scores = p.time_us.copy(), p.states.copy(), p.scores.copy()
    length, controls = np.full(len(obs), 6), np.zeros((len(obs), 2))
    for b in range(len(obs)):
        for fault in rng.integers(0, 7, rng.integers(0, 3)):
            at, bad = rng.integers(0, 6), rng.choice([np.nan, np.inf, -np.inf])
            if fault == 0:
                length[b] = rng.choice([-1, 0, 1, 2, 3, 7])
            elif fault == 1:
                time_us[b] += rng.choice([-1, 1])
            elif fault == 2:
                time_us[b, at] = time_us[b, at - 1]
            elif fault == 3:
                time_us[b] = time_us[b, 0] + np.arange(6) * rng.integers(19_998, 20_003)
            elif fault == 4:
                states[b, rng.integers(0, 2), at, rng.integers(0, 10)] = bad
            elif fault == 5:
                scores[b, rng.integers(0, 2)] = bad
            else:
                controls[b, rng.integers(0, 2)] = bad
    return Plan(time_us, states, scores, length, controls)


class Answers(Planner):
    """Answers the first step with ``make(obs)``, and keeps what passed."""

    def __init__(self, make) -> None:
        self.make, self.given = make, None

    def needs(self):
        return PlannerNeeds(object_past=0)

    def start(self, obs, keys):
        return [None] * len(obs)

    def plan(self, obs, state, keys):
        if obs.iteration[0] > 0:
            return still(obs), state
        plan = self.make(obs)
        self.given = obs, plan
        return plan, state


def test_validate_says_what_the_simulator_says():
    scenarios = [made_up_scenario(f"{b + 1:016x}") for b in range(COUNT)]
    planner = Answers(broken)
    results = simulate(scenarios, planner, SimulationConfig(batch=COUNT))
    obs, plan = planner.given
    said = set()
    for b, result in enumerate(results):
        one = plan.select([b]), obs.select([b])
        if isinstance(result, Failure) and result.step == 0:
            rule = result.error.removeprefix("the plan cannot be driven: ")
            said.add(rule)
            with pytest.raises(PluginError) as e:
                one[0].validate(one[1], min_plan_s=LEAST_S)
            assert str(e.value) == f"the plan cannot be driven (row 0, scenario {obs.token[b]}): {rule}"
        else:
            one[0].validate(one[1], min_plan_s=LEAST_S)
    assert len(said) >= 7, said


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("states", lambda p: replace(p, states=p.states[..., :4])),
        ("states", lambda p: replace(p, states=p.states[:, 0])),
        ("time_us", lambda p: replace(p, time_us=p.time_us / 1e6)),
        ("time_us", lambda p: replace(p, time_us=p.time_us[:, 1:])),
        ("scores", lambda p: replace(p, scores=p.scores[:, :1])),
        ("length", lambda p: replace(p, length=np.full(len(p), 6.0))),
        ("controls", lambda p: replace(p, controls=np.zeros(2))),
        ("debug", lambda p: replace(p, debug={"cost": np.zeros(len(p) + 1)})),
    ],
)
def test_a_field_that_does_not_fit_is_named_alike(field, change):
    planner = Answers(lambda obs: change(still(obs)))
    result = simulate([made_up_scenario()], planner)[0]
    obs, plan = planner.given
    with pytest.raises(PluginError, match=rf"^Plan\.{field}\b") as e:
        plan.validate(obs)
    assert isinstance(result, Failure)
    assert result.error == f"PluginError: {e.value}"


def test_without_an_observation_the_plan_is_measured_by_itself():
    obs = observe([made_up_scenario(f"{b + 1:016x}") for b in range(3)], 5)
    plan = still(obs)
    plan.validate()
    later = replace(plan, time_us=plan.time_us + 7)
    later.validate()
    with pytest.raises(PluginError, match=f"row 0, scenario {obs.token[0]}.*first time"):
        later.validate(obs)
    states = plan.states.copy()
    states[2, 1, 3, 0] = np.nan
    with pytest.raises(PluginError, match=r"row 2\).*not finite \(Plan.states\)"):
        replace(plan, states=states).validate()
    with pytest.raises(PluginError, match=r"Plan.time_us has shape \(3, 0\)|at least two states"):
        replace(plan, time_us=plan.time_us[:, :0], states=plan.states[:, :, :0]).validate()
    with pytest.raises(PluginError, match=r"Plan\.states"):
        replace(plan, time_us=np.int64(3), states=np.zeros(())).validate()
