"""Everybody but the ego does what the log did (nuPlan's non-reactive agents)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from roadcraft.core.interfaces import AgentPolicy
from roadcraft.core.rollout import Objects, ObservationBatch
from roadcraft.core.scenario import ObjectKind, Scenario
from roadcraft.core.types import Keys
from roadcraft.core.vehicle import Vehicle
from roadcraft.validation.agents.configs import LogAgentsConfig
from roadcraft.validation.agents.logged import logged_objects, stack_objects


class LogAgents(AgentPolicy):
    """The logged objects of each iteration, sorted by kind. State: the scenario's sorted log, never changed.

    Source: nuplan-devkit e924167, TracksObservation.
    """

    def __init__(self, config: LogAgentsConfig) -> None:
        self.config = config

    def start(self, scenarios: Sequence[Scenario], vehicle: Vehicle, keys: Keys) -> tuple[list[Any], Objects]:
        """The sorted logs, and the objects at iteration 0."""
        state = [logged_objects(s, list(ObjectKind)) for s in scenarios]
        return list(state), stack_objects([s.columns(0) for s in state])

    def step(
        self, scenarios: Sequence[Scenario], obs: ObservationBatch, state: list[Any], keys: Keys
    ) -> tuple[list[Any], Objects]:
        """The objects at iteration ``obs.iteration + 1``."""
        frames = [s.columns(int(i) + 1) for s, i in zip(state, obs.iteration, strict=True)]
        return state, stack_objects(frames)
