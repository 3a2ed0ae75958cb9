"""Follows the log: the plan is what the logged ego did next (an oracle, the upper reference of open-loop scores)."""

from __future__ import annotations

from typing import Any

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.plan import Plan
from roadcraft.core.data.rollout import ObservationBatch
from roadcraft.core.data.scenario import EGO_SIZE, Ego, Scenario
from roadcraft.core.errors import DataError
from roadcraft.core.interfaces import Planner
from roadcraft.core.types import Keys, PlannerNeeds
from roadcraft.planners.basic_configs import LogReplayConfig


class LogReplay(Planner):
    """The logged state now and up to ``poses`` logged states of the horizon; fewer where the log ends (there its last
    frame is followed by a straight stretch, so that a tracker has something to follow).

    Source: nuplan-devkit e924167, LogFuturePlanner. Its plan starts at the *logged* state, not at ego's own.
    """

    def __init__(self, config: LogReplayConfig) -> None:
        self.config = config

    def needs(self) -> PlannerNeeds:
        return PlannerNeeds(log=True)

    def plan(self, obs: ObservationBatch, state: list[Any], keys: Keys) -> tuple[Plan, list[Any]]:
        """Plans with K = 1. Raises DataError when the observation lacks the log, or the log has nothing after the
        present frame."""
        if obs.scenarios is None:
            raise DataError("log_replay needs the log", remedy="simulate it, or set the observation's 'scenarios'")
        parts = [self._follow(s, int(i)) for s, i in zip(obs.scenarios, obs.iteration, strict=True)]
        length = np.array([len(t) for t, _ in parts], np.int64)
        time_us = np.zeros((len(obs), length.max(initial=0)), np.int64)
        states = np.zeros((*time_us.shape, EGO_SIZE))
        for b, (times, rows) in enumerate(parts):
            time_us[b, : len(times)], states[b, : len(times)] = times, rows
        return Plan(time_us, states[:, None], np.zeros((len(obs), 1)), length), state

    def _follow(self, scenario: Scenario, iteration: int) -> tuple[I64, F64]:
        """Times and states of the plan: the present frame, then every k-th of the log's own rate."""
        drive, now = scenario.drive, int(scenario.frames[iteration])
        end = len(drive)
        intervals = int(self.config.horizon_s / (drive.interval_us * 1e-6)) + 1
        step = max(1, intervals // self.config.poses)
        ahead = np.arange(step, intervals + 1, step, dtype=np.int64)[: self.config.poses]
        rows = np.append(now, now + ahead)
        rows = rows[rows < end]
        if len(rows) > 1:
            return drive.time_us[rows], drive.ego[rows]
        # At the very end of a log no sample is left: its last frame, then straight on as long as a sample would have
        # lasted.
        if now + 1 >= end:
            raise DataError(
                f"the log ends at iteration {iteration}",
                where=f"{scenario.log}: scenario {scenario.token}",
                remedy="cut a shorter window",
            )
        rows, lasts_us = np.array([now, end - 1], np.int64), step * drive.interval_us
        beyond = drive.ego[end - 1].copy()
        way = beyond[Ego.VX] * lasts_us * 1e-6
        beyond[Ego.X] += way * np.cos(beyond[Ego.HEADING])
        beyond[Ego.Y] += way * np.sin(beyond[Ego.HEADING])
        return np.append(drive.time_us[rows], drive.time_us[end - 1] + lasts_us), np.vstack([drive.ego[rows], beyond])
