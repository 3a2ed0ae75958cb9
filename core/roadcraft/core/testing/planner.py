"""Conformance of planners."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

from roadcraft.core.arrays import read_only
from roadcraft.core.config.factory import create
from roadcraft.core.data.plan import Plan
from roadcraft.core.data.rollout import ObservationBatch
from roadcraft.core.interfaces import Planner
from roadcraft.core.random import scenario_key, step_keys
from roadcraft.core.testing.world import made_up_scenario, observe


class PlannerConformance:
    """Subclass it, set ``name`` (and ``params``): shapes, finiteness, determinism, independence of the batch, unchanged
    inputs (observations are read-only)."""

    name: ClassVar[str]
    """Name of the plugin under test."""
    params: ClassVar[dict[str, Any]] = {}
    """Its settings."""

    @pytest.fixture
    def planner(self) -> Planner:
        """The planner under test."""
        planner: Planner = create("planner", self.name, self.params)
        return planner

    def observe(self, planner: Planner, count: int = 3, iteration: int = 30) -> ObservationBatch:
        """``count`` made-up scenarios at different speeds and lanes; override to test on scenarios of your own."""
        scenarios = [made_up_scenario(f"{i + 1:016x}", speed_mps=4.0 + 2 * i, lane=i % 2) for i in range(count)]
        return observe(scenarios, iteration, planner.needs())

    def answer(self, planner: Planner, obs: ObservationBatch) -> Plan:
        """The planner's first plan for an observation."""
        keys = np.array([scenario_key(0, t) for t in obs.token], np.uint64)
        obs = read_only(obs)  # as the simulator shows it
        plan, state = planner.plan(obs, planner.start(obs, keys), step_keys(keys, int(obs.iteration[0])))
        assert len(state) == len(obs), "plan() returns one state per scenario"
        return plan

    def test_plan_keeps_the_contract(self, planner: Planner) -> None:
        obs = self.observe(planner)
        plan = self.answer(planner, obs)
        plan.validate(obs)
        assert plan.time_us.dtype == np.int64
        assert np.isfinite(plan.scores).any(1).all(), "every scenario needs a candidate with a finite score"

    def test_same_answer_twice(self, planner: Planner) -> None:
        obs = self.observe(planner)
        first, again = self.answer(planner, obs), self.answer(create("planner", self.name, self.params), obs)
        np.testing.assert_array_equal(first.states, again.states)
        np.testing.assert_array_equal(first.scores, again.scores)

    def test_answer_does_not_depend_on_the_batch(self, planner: Planner) -> None:
        obs = self.observe(planner, 5)
        together = self.answer(planner, obs)
        for i in (4, 1):
            alone = self.answer(planner, obs.select([i]))
            n = alone.time_us.shape[1] if alone.length is None else int(alone.length[0])
            np.testing.assert_array_equal(together.time_us[i, :n], alone.time_us[0, :n])
            k = int(np.argmax(alone.scores[0]))
            assert int(np.argmax(together.scores[i])) == k
            np.testing.assert_array_equal(together.states[i, k, :n], alone.states[0, k, :n])

    def test_inputs_and_state_are_left_alone(self, planner: Planner) -> None:
        obs = self.observe(planner)
        before = obs.ego_past.copy(), obs.objects.box.copy(), obs.time_us.copy()
        keys = np.array([scenario_key(0, t) for t in obs.token], np.uint64)
        state = planner.start(obs, keys)
        first, _ = planner.plan(obs, state, keys)
        second, _ = planner.plan(obs, state, keys)
        np.testing.assert_array_equal(
            first.states, second.states, err_msg="plan() must not mutate the state it was given"
        )
        for kept, now in zip(before, (obs.ego_past, obs.objects.box, obs.time_us), strict=True):
            np.testing.assert_array_equal(kept, now)
