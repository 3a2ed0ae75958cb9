"""Everybody but the ego does what the log did (nuPlan's non-reactive agents)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from roadcraft.core.arrays import I64, read_only
from roadcraft.core.data.rollout import Objects, ObservationBatch
from roadcraft.core.data.scenario import ObjectKind, Scenario
from roadcraft.core.interfaces import AgentPolicy
from roadcraft.core.types import Keys
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.validation.agents.configs import LogAgentsConfig
from roadcraft.validation.agents.logged import logged_batch, stack_objects


class LogAgentsState(NamedTuple):
    """Scenario ``b`` of the ``count`` that began together, and their objects as ``logged_batch`` lists them, never
    changed."""

    logged: Objects
    b: int
    count: int


class LogAgents(AgentPolicy):
    """The logged objects of each iteration, sorted by kind.

    Source: nuplan-devkit e924167, TracksObservation.
    """

    def __init__(self, config: LogAgentsConfig) -> None:
        self.config = config

    def start(self, scenarios: Sequence[Scenario], vehicle: Vehicle, keys: Keys) -> tuple[list[Any], Objects]:
        """The sorted logs, and the objects at iteration 0."""
        if not scenarios:
            return [], stack_objects([])
        states = _states(scenarios)
        return states, _shown(states, np.zeros(len(scenarios), np.int64))

    def step(
        self, scenarios: Sequence[Scenario], obs: ObservationBatch, state: list[Any], keys: Keys
    ) -> tuple[list[Any], Objects]:
        """The objects at iteration ``obs.iteration + 1``."""
        return state, _shown(state, obs.iteration + 1)


def _states(scenarios: Sequence[Scenario]) -> list[Any]:
    logged = read_only(logged_batch(scenarios, list(ObjectKind)))
    return [LogAgentsState(logged, b, len(scenarios)) for b in range(len(scenarios))]


def _shown(states: list[Any], iteration: I64) -> Objects:
    """The objects of scenarios, each at its ``iteration`` (B,): views where they are all that began together, and at
    one iteration."""
    logged, count, first = states[0].logged, states[0].count, int(iteration[0])
    together = len(states) == count and all(s.logged is logged and s.b == b for b, s in enumerate(states))
    if not together or np.count_nonzero(iteration != first):
        places = zip(states, iteration.tolist(), strict=True)
        return stack_objects([s.logged.columns(i * s.count + s.b) for s, i in places])
    offsets = logged.offsets[first * count : (first + 1) * count + 1]
    rows = slice(int(offsets[0]), int(offsets[-1]))
    columns = (c[rows] for c in (logged.id, logged.kind, logged.vehicle, logged.unit, logged.box, logged.velocity))
    return Objects(offsets - offsets[0], *columns)
