"""Slots that began together: one closed loop, and the running scores of its scenarios."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(eq=False)
class Cohort:
    """``slots`` (B,) are those of the loop's scenarios."""

    loop: ClosedLoop
    slots: I64
    scores: list[DriveScore]

    @classmethod
    def start(
        cls, scenarios: Sequence[Scenario], slots: I64, setup: LoopSetup, needs: PlannerNeeds, of_facts: bool = False
    ) -> Cohort:
        """Scenarios of one interval; of_facts: whether facts are found beside the score. Raises DataError where one
        cannot be scored."""
        scores = [DriveScore(s, setup.vehicle, of_facts) for s in scenarios]
        return cls(ClosedLoop(scenarios, setup, needs), np.array(slots, np.int64), scores)

    def __len__(self) -> int:
        return len(self.loop.rows)

    @property
    def running(self) -> I64:
        """The slots whose scenarios still run (R,)."""
        return self.slots[self.loop.rows]

    @property
    def dt_s(self) -> F64:
        """Time to the next step (R,), s, by the time stamps of the logs: not quite their interval."""
        i, time_us = self.loop.iteration, self.loop.log.of(self.loop.rows).time_us
        return (time_us[i + 1] - time_us[i]).astype(np.float64) * 1e-6

    def observe(self) -> Outcome:
        """What is seen now, and the scores with it."""
        loop = self.loop
        obs = loop.observe()
        moment = moment_of(obs.ego, obs.objects, loop.setup.vehicle)
        rows, parts = loop.rows, np.empty((len(loop.rows), len(SCORE_PARTS)))
        of_facts = self.scores[0].route is not None
        facts = np.empty((len(rows), len(FACTS))) if of_facts else None
        faults: dict[int, Failure] = {}
        for r, b in enumerate(rows.tolist()):
            score, s = self.scores[b], loop.scenarios[b]
            if facts is None:
                score.add(moment, r)
            else:
                lit = obs.lights.rows(r)
                score.add(moment, r, red_lanes(s.map, obs.lights.lane[lit], obs.lights.state[lit]))
                facts[r] = score.facts
            parts[r] = score.parts
            if score.fault:
                faults[int(self.slots[b])] = Failure(s, s.token, loop.iteration, "metrics", score.fault)
        is_last = loop.log.count[rows] - 2 <= loop.iteration
        return Outcome(self.slots[rows], obs, parts, facts, is_last, faults)

    def advance(self, plan: Plan) -> dict[int, Failure]:
        """Drive the plans of the running scenarios; the slots in which something failed, and what."""
        before = set(self.loop.failures)
        self.loop.advance(plan)
        return {int(self.slots[b]): f for b, f in self.loop.failures.items() if b not in before}

    def leave(self, slots: I64) -> None:
        """Go on without some slots."""
        self.loop.keep(np.flatnonzero(~np.isin(self.running, slots)))

    def copy(self) -> Cohort:
        """The cohort as it stands; neither it nor the copy notices what becomes of the other."""
        return Cohort(self.loop.copy(), self.slots, [s.copy() for s in self.scores])
