"""The slots of one interval: a closed loop, and the running scores of its scenarios."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, Mask
from roadcraft.core.data.plan import Plan
from roadcraft.core.data.rollout import ObservationBatch
from roadcraft.core.data.scenario import Scenario
from roadcraft.core.types import PlannerNeeds
from roadcraft.validation.environments.drive_facts import FACTS
from roadcraft.validation.environments.drive_score import DriveScore, moment_of, red_lanes
from roadcraft.validation.environments.score_arrays import SCORE_PARTS
from roadcraft.validation.simulation.closed_loop import ClosedLoop, Failure, LoopSetup


class Outcome(NamedTuple):
    """What became of R slots in one step. slots (R,); obs: of them; parts (R, 10): ``SCORE_PARTS``; facts (R,
    F): ``FACTS``, where they are asked for; is_last (R,): at
    the last iteration that is recorded; faults: by slot, of those that cannot be scored."""

    slots: I64
    obs: ObservationBatch
    parts: F64
    facts: F64 | None
    is_last: Mask
    faults: dict[int, Failure]


class Cohort:
    """The closed loop of B slots' scenarios of one interval, and their running scores, each at an iteration of its
    own: slot b is row b of the loop."""

    def __init__(self, slots: int, interval_s: float, setup: LoopSetup, needs: PlannerNeeds, of_facts: bool) -> None:
        """slots: B; of_facts: whether facts are found beside the score."""
        self.interval_s, self.of_facts = interval_s, of_facts
        self.loop = ClosedLoop(slots, interval_s, setup, needs)
        self.scores: list[DriveScore | None] = [None] * slots

    def __len__(self) -> int:
        return len(self.loop.rows)

    @property
    def running(self) -> I64:
        """The slots whose scenarios still run (R,), ascending."""
        return self.loop.rows

    @property
    def dt_s(self) -> F64:
        """Time to the next step (R,), s, by the time stamps of the logs: not quite their interval."""
        log, rows, at = self.loop.log, self.loop.rows, self.loop.at
        return (log.time_us[rows, at + 1] - log.time_us[rows, at]).astype(np.float64) * 1e-6

    def begin(self, slots: I64, scenarios: Sequence[Scenario]) -> dict[int, Failure]:
        """Begin scenarios in slots (ascending) where none runs; those in which something failed, and what. Raises
        DataError where one cannot be scored; nothing has changed then."""
        scores = [DriveScore(s, self.loop.setup.vehicle, self.of_facts) for s in scenarios]
        self.loop.begin(slots, scenarios)
        for b, score in zip(slots.tolist(), scores, strict=True):
            self.scores[b] = score
        return {b: self.loop.failures[b] for b in slots.tolist() if b in self.loop.failures}

    def observe(self, slots: I64 | None = None) -> Outcome:
        """What is seen after a step, and the scores with it; slots: of some of those that run, which have just begun,
        alone."""
        loop = self.loop
        places = np.flatnonzero(np.isin(self.running, self.running if slots is None else slots))
        obs, rows = loop.observe(), loop.rows[places]
        obs = obs if len(places) == len(obs) else obs.select(places)
        moment = moment_of(obs.ego, obs.objects, loop.setup.vehicle)
        parts = np.empty((len(rows), len(SCORE_PARTS)))
        facts = np.empty((len(rows), len(FACTS))) if self.of_facts else None
        faults: dict[int, Failure] = {}
        for r, b in enumerate(rows.tolist()):
            score, s = self.scores[b], loop.scenarios[b]
            assert score is not None
            assert s is not None
            if facts is None:
                score.add(moment, r)
            else:
                lit = obs.lights.rows(r)
                score.add(moment, r, red_lanes(s.map, obs.lights.lane[lit], obs.lights.state[lit]))
                facts[r] = score.facts
            parts[r] = score.parts
            if score.fault:
                faults[b] = Failure(s, s.token, int(loop.at[places[r]]), "metrics", score.fault)
        is_last = loop.log.count[rows] - 2 <= loop.at[places]
        return Outcome(rows, obs, parts, facts, is_last, faults)

    def advance(self, plan: Plan) -> dict[int, Failure]:
        """Drive the plans of the running scenarios; the slots in which something failed, and what."""
        before = self.loop.rows.tolist()
        self.loop.advance(plan)
        return {b: self.loop.failures[b] for b in before if b in self.loop.failures}

    def leave(self, slots: I64) -> None:
        """Go on without some slots."""
        stay = ~np.isin(self.running, slots)
        if np.count_nonzero(stay) < len(stay):
            self.loop.keep(np.flatnonzero(stay))

    def copy(self) -> Cohort:
        """The cohort as it stands; neither it nor the copy notices what becomes of the other."""
        out = copy(self)
        out.loop, out.scores = self.loop.copy(), [s and s.copy() for s in self.scores]
        return out
