"""Agents that keep the direction and the speed they are first seen with."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from roadcraft.core import AgentPolicy, Keys, Objects, ObservationBatch, Scenario, Vehicle

from __PACKAGE__.plugin import __CLASS__Config


class __CLASS__(AgentPolicy):
    def __init__(self, config: __CLASS__Config) -> None:
        self.config = config

    def start(self, scenarios: Sequence[Scenario], vehicle: Vehicle, keys: Keys) -> tuple[list[Any], Objects]:
        """Whom the log shows at iteration 0. No state is kept: the observation says where everybody is."""
        seen = Objects.concat([Objects.logged(s.drive, s.frames[:1]) for s in scenarios])
        return [None] * len(scenarios), replace(seen, velocity=self.config.speed_factor * seen.velocity)

    def step(
        self, scenarios: Sequence[Scenario], obs: ObservationBatch, state: list[Any], keys: Keys
    ) -> tuple[list[Any], Objects]:
        """Everybody one step of ``interval_s`` on."""
        objects = obs.objects
        dt = np.repeat(obs.interval_s, np.diff(objects.offsets))
        box = objects.box.copy()  # what is observed is read-only
        box[:, :2] += objects.velocity * dt[:, None]
        return state, replace(objects, box=box)
