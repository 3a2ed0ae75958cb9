"""Conformance of agent policies."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

from roadcraft.core.arrays import read_only
from roadcraft.core.config.factory import create
from roadcraft.core.data.rollout import Objects
from roadcraft.core.interfaces import AgentPolicy
from roadcraft.core.random import scenario_key, step_keys
from roadcraft.core.testing.world import made_up_scenario, observe
from roadcraft.core.vehicles.vehicle import load_vehicle


class AgentsConformance:
    """Subclass it, set ``name`` (and ``params``): shapes, finiteness, determinism, independence of the batch."""

    name: ClassVar[str]
    """Name of the plugin under test."""
    params: ClassVar[dict[str, Any]] = {}
    """Its settings."""

    @pytest.fixture
    def agents(self) -> AgentPolicy:
        """The agents under test."""
        agents: AgentPolicy = create("agents", self.name, self.params)
        return agents

    def drive(self, agents: AgentPolicy, tokens: list[str], steps: int = 5) -> list[Objects]:
        """Objects of ``steps`` + 1 frames of the scenarios with these tokens, all driven in one batch."""
        scenarios = read_only([made_up_scenario(t, speed_mps=3.0 + int(t, 16) % 7) for t in tokens])
        keys = np.array([scenario_key(0, t) for t in tokens], np.uint64)
        state, objects = agents.start(scenarios, load_vehicle(), keys)
        frames = [objects]
        for i in range(steps):
            state, objects = agents.step(scenarios, read_only(observe(scenarios, i)), state, step_keys(keys, i))
            assert len(state) == len(scenarios)
            frames.append(objects)
        return frames

    def test_frames_keep_the_contract(self, agents: AgentPolicy) -> None:
        for objects in self.drive(agents, ["01", "02", "03"]):
            assert len(objects) == 3
            assert objects.box.shape == (objects.offsets[-1], 5)
            assert np.isfinite(objects.box).all()
            assert (objects.box[:, 3:] > 0).all(), "lengths and widths are positive"
            for b in range(3):
                assert len(np.unique(objects.id[objects.rows(b)])) == objects.rows(b).stop - objects.rows(b).start

    def test_answer_does_not_depend_on_the_batch(self, agents: AgentPolicy) -> None:
        together = self.drive(agents, ["01", "02", "03"])
        alone = self.drive(create("agents", self.name, self.params), ["02"])
        for a, b in zip(together, alone, strict=True):
            np.testing.assert_array_equal(a.box[a.rows(1)], b.box)
            np.testing.assert_array_equal(a.id[a.rows(1)], b.id)
