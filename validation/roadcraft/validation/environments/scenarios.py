"""The scenarios that an environment drives, and which one comes next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import overload

import numpy as np

from roadcraft.core.data.scenario import Scenario
from roadcraft.core.errors import DataError
from roadcraft.core.random import scenario_key, step_keys
from roadcraft.validation.config import SuiteConfig
from roadcraft.validation.environments.config import EnvironmentConfig
from roadcraft.validation.environments.drive_score import SHORTEST
from roadcraft.validation.scoring.suites import open_data, select_items

Sampler = Callable[[int, int, int], int]
"""Which scenario comes next: its number, of seed, slot and episode of the slot."""


class StoreScenarios(Sequence[Scenario]):
    """The scenarios of a store or a folder of logs, read when they are driven."""

    def __init__(self, config: EnvironmentConfig) -> None:
        """Raises ConfigError and DataError where there is no data or the filter lets nothing pass."""
        suite = SuiteConfig(config.data, filter=config.filter)
        self.source = open_data(suite)
        self.items = select_items(suite, self.source)

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, index: int) -> Scenario: ...
    @overload
    def __getitem__(self, index: slice) -> list[Scenario]: ...
    def __getitem__(self, index: int | slice) -> Scenario | list[Scenario]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        item = self.items[index]
        scenario: Scenario = self.source.scenario(item.row, item.type, item.window_us)
        return scenario


def uniform_sampler(count: int) -> Sampler:
    """Any of ``count`` scenarios with equal probability."""

    def sample(seed: int, slot: int, episode: int) -> int:
        return int(step_keys([scenario_key(seed, f"slot {slot}")], np.array([episode]))[0] % np.uint64(count))

    return sample


def check_scenario(scenario: Scenario, horizon_s: float) -> None:
    """Raises DataError for a scenario that is too short to be driven and scored, or whose next iteration may be later
    than ``horizon_s``, the end of what an action says."""
    if len(scenario) <= SHORTEST:
        raise DataError(
            f"{len(scenario)} iterations are too few for an episode",
            where=f"{scenario.log}: scenario {scenario.token}",
            remedy=f"scenarios of at least {SHORTEST + 1} iterations",
        )
    longest_s = float(np.diff(scenario.time_us).max()) * 1e-6
    if longest_s > horizon_s + 1e-9:
        raise DataError(
            f"an action says where to be for {horizon_s:g} s, the next iteration is up to {longest_s:g} s away",
            where=f"{scenario.log}: scenario {scenario.token}",
            remedy="a larger action.points or action.interval_s",
        )
