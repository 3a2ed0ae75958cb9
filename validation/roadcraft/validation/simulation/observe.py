"""What a planner is shown, without a simulation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from roadcraft.core.arrays import read_only
from roadcraft.core.config.factory import create
from roadcraft.core.data.rollout import ObservationBatch
from roadcraft.core.data.scenario import Scenario
from roadcraft.core.errors import ScenarioError
from roadcraft.core.types import PlannerNeeds
from roadcraft.core.vehicles.vehicle import Vehicle, load_vehicle
from roadcraft.validation.simulation.batch_log import BatchLog
from roadcraft.validation.simulation.joints import pulled
from roadcraft.validation.simulation.recorder import Recorder


def observe(
    scenarios: Sequence[Scenario],
    iteration: int = 0,
    needs: PlannerNeeds | None = None,
    vehicle: Vehicle | str = "pacifica",
) -> ObservationBatch:
    """What ``simulate`` shows a planner at an iteration when everybody, the ego included, has driven as logged.

    scenarios: of one interval; iteration: from 0, at most N - 2 for a scenario of N iterations, as no planner is asked
    at the last one; needs: those of the planner, which say how much object history there is and whether the logs are
    given too; vehicle: ego's. Arrays are read-only, those of ``scenarios`` and of their maps too. Raises ScenarioError.
    """
    intervals = sorted({s.interval_s for s in scenarios})
    if len(intervals) != 1:
        raise ScenarioError(f"scenarios of one interval are observed together; these have {intervals} (s)")
    for s in scenarios:
        if not 0 <= iteration < len(s) - 1:
            raise ScenarioError(f"scenario {s.token} is planned at iterations 0 to {len(s) - 2}, not at {iteration}")
    needs, ego = needs or PlannerNeeds(), load_vehicle(vehicle) if isinstance(vehicle, str) else vehicle
    read_only((*scenarios, ego))
    log, agents, rows = BatchLog.holding(scenarios, ego), create("agents", "log"), np.arange(len(scenarios))
    record, keys = Recorder(log, needs.object_past, 1), np.zeros(len(scenarios), np.uint64)
    record.put(rows, scenarios)
    state, objects = agents.start(scenarios, ego, keys)
    for i in range(iteration + 1):
        at = np.full(len(rows), i)
        now = record.observe(rows, at, objects)
        obs = log.observe(rows, at, now, record.history(rows, at), needs.log)
        if i < iteration:
            log.advance(rows, at, pulled(log.state(rows, at, obs.ego), log.expert[:, i + 1], ego))
            state, objects = agents.step(scenarios, obs, state, keys)
    return obs
