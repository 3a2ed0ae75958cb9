"""Chooses weights by driving: a handful of held-out scenarios in closed loop, others following the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from roadcraft.core.errors import DataError
from roadcraft.core.interfaces import ScenarioSource, load_planner
from roadcraft.core.scenario import Scenario
from roadcraft.plugins.training.data.order import spread
from roadcraft.scenario_io import ScenarioFilter, select
from roadcraft.validation import Failure, SimulationConfig, evaluate, simulate


@dataclass(frozen=True)
class HeldOutDrives:
    """Scenarios of held-out logs, one of each log and as many as asked for, with nuPlan's scenario types where the logs
    have any."""

    scenarios: tuple[Scenario, ...]

    @staticmethod
    def choose(source: ScenarioSource, logs: Sequence[str], count: int) -> HeldOutDrives:
        """From the index. Raises DataError where no held-out log has a scenario."""
        found = []
        for k in spread(len(logs), count):
            rows = source.rows(logs[k])
            chosen = select(rows, ScenarioFilter(preset="mapped")) or select(rows)
            found += sorted(chosen, key=lambda s: s.row.anchor_us)[len(chosen) // 2 :][:1]
        if not found:
            raise DataError("no held-out log has a scenario to drive", remedy="select.by=last")
        return HeldOutDrives(tuple(source.scenario(s.row, s.type, s.window_us) for s in found))

    def score(self, checkpoint: Path) -> float:
        """Mean nuPlan score, closed loop with non-reactive agents, of the planner in a checkpoint folder; a failed
        scenario scores 0."""
        planner = load_planner(checkpoint)
        driven = simulate(self.scenarios, planner, SimulationConfig(batch=32), agents="log")
        scores = [
            0.0 if isinstance(d, Failure) else evaluate(d, "closed_loop_nonreactive_agents").score for d in driven
        ]
        return sum(scores) / len(scores)
