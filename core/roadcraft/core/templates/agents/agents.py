"""Agents that keep the direction and the speed they are first seen with."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from roadcraft.core import AgentPolicy, Keys, Objects, ObservationBatch, Scenario, Vehicle
from roadcraft.validation import stack_objects

from __PACKAGE__.plugin import __CLASS__Config


class __CLASS__(AgentPolicy):
    def __init__(self, config: __CLASS__Config) -> None:
        self.config = config

    def start(self, scenarios: Sequence[Scenario], vehicle: Vehicle, keys: Keys) -> tuple[list[Any], Objects]:
        """Whom the log shows at iteration 0. No state is kept: the observation says where everybody is."""
        seen = []
        for scenario in scenarios:
            objects, tracks = scenario.drive.objects, scenario.drive.tracks
            rows = objects.rows(int(scenario.frames[0]))
            of = objects.track[rows]
            velocity = self.config.pace * objects.velocity[rows]
            seen.append(
                (tracks.id[of], tracks.kind[of], tracks.vehicle[of], tracks.unit[of], objects.box[rows], velocity)
            )
        return [None] * len(scenarios), stack_objects(seen)

    def step(
        self, scenarios: Sequence[Scenario], obs: ObservationBatch, state: list[Any], keys: Keys
    ) -> tuple[list[Any], Objects]:
        """Everybody one step of ``interval_s`` on."""
        objects = obs.objects
        dt = np.repeat(obs.interval_s, np.diff(objects.offsets))
        box = objects.box.copy()  # what is observed is read-only
        box[:, :2] += objects.velocity * dt[:, None]
        return state, replace(objects, box=box)
