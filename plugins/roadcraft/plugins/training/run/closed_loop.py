"""Chooses weights by driving: a handful of held-out scenarios in closed loop, others following the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadcraft.core.config.factory import create
from roadcraft.core.data.scenario import Scenario
from roadcraft.core.errors import DataError
from roadcraft.core.interfaces import ScenarioSource, load_planner
from roadcraft.core.plugins.hookspecs import PluginRef
from roadcraft.plugins.training.data.order import spread
from roadcraft.scenario_io import ScenarioFilter, select
from roadcraft.validation import Failure, SimulationConfig, evaluate, simulate

LOG = PluginRef("log")


def scene_rows(source: ScenarioSource, log: str) -> list[Any]:
    """The scenarios of a log in order of time, those with nuPlan's scenario types where it has any."""
    rows = source.rows(log)
    chosen = select(rows, ScenarioFilter(preset="mapped")) or select(rows)
    return sorted(chosen, key=lambda s: s.row.anchor_us)


@dataclass(frozen=True)
class HeldOutDrives:
    """Scenarios of held-out logs, one of each log and as many as asked for."""

    scenarios: tuple[Scenario, ...]
    agents: tuple[PluginRef, ...] = (LOG,)
    """Who drives the others; each scenario is driven with each."""

    @staticmethod
    def choose(
        source: ScenarioSource, logs: Sequence[str], count: int, agents: tuple[PluginRef, ...] = (LOG,)
    ) -> HeldOutDrives:
        """From the index. Raises DataError where no held-out log has a scenario."""
        found = []
        for k in spread(len(logs), count):
            chosen = scene_rows(source, logs[k])
            found += chosen[len(chosen) // 2 :][:1]
        if not found:
            raise DataError("no held-out log has a scenario to drive", remedy="select.by=last")
        return HeldOutDrives(tuple(source.scenario(s.row, s.type, s.window_us) for s in found), agents)

    def score(self, checkpoint: Path) -> float:
        """Mean nuPlan score, closed loop, of the planner in a checkpoint folder; a failed scenario scores 0."""
        planner, scores = load_planner(checkpoint), []
        for ref in self.agents:
            challenge = f"closed_loop_{'non' if ref.name == 'log' else ''}reactive_agents"
            agents = create("agents", ref.name, ref.params)
            driven = simulate(self.scenarios, planner, SimulationConfig(batch=32), agents=agents)
            scores += [0.0 if isinstance(d, Failure) else evaluate(d, challenge).score for d in driven]
        return sum(scores) / len(scores)
