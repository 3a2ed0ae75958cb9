"""nuPlan's score of a drive while it is driven."""

from __future__ import annotations

from copy import copy
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, U8, Mask
from roadcraft.core.data.map import MapData
from roadcraft.core.data.rollout import Objects, Rollout
from roadcraft.core.data.scenario import Ego, LightState, Scenario
from roadcraft.core.driving.geometry.boxes import corners, ego_box
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.errors import DataError
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.validation.environments.drive_facts import FACTS, drive_facts, fact_map, fact_memory
from roadcraft.validation.environments.rewards import Reward
from roadcraft.validation.environments.score_arrays import (
    FAULT,
    FAULTS,
    SCORE_PARTS,
    score_limits,
    score_map,
    score_memory,
)
from roadcraft.validation.environments.score_kernel import SceneSample, score_step
from roadcraft.validation.metrics.common.dynamics import raw_accelerations

SHORTEST = 4  # samples that the comfort filters need
_NONE = frozen(np.zeros(0), np.int64)


class DriveScore:
    """The running score of one scenario; ``add`` a sample, then read ``parts``. Its last value is the score that
    ``evaluate`` gives the finished rollout, to rounding. facts (F,): of the last sample, columns ``FACTS``."""

    def __init__(self, scenario: Scenario, vehicle: Vehicle, of_facts: bool = False) -> None:
        """of_facts: whether facts are found beside the score. Raises DataError where the scenario is too short for
        nuPlan's metrics, or two lanes overlap under the expert."""
        samples = len(scenario) - 1
        if samples < SHORTEST:
            raise DataError(
                f"{samples} samples are too few to be scored",
                where=f"scenario {scenario.token}",
                remedy=f"scenarios of at least {SHORTEST + 1} iterations",
            )
        self.world, self.limits = score_map(scenario.map), score_limits(scenario, vehicle)
        self.memory = score_memory(scenario)
        self.route = fact_map(scenario, vehicle, self.limits.fields.pairs) if of_facts else None
        self.past, self.facts = fact_memory(), np.zeros(len(FACTS))

    def add(self, moment: SceneSample, r: int, red: I64 = _NONE) -> None:
        """Add the sample in row ``r`` of a moment. red: rows of the lanes whose light is red, for the facts."""
        score_step(self.world, self.limits, self.memory, moment, r)
        if self.route is not None and not self.fault:
            self.facts = drive_facts(self.world, self.limits, self.memory, self.route, self.past, moment, r, red)

    def copy(self) -> DriveScore:
        """The score as it stands, with a memory of its own."""
        out = copy(self)
        out.memory, out.past = self.memory.copy(), self.past.copy()
        return out

    @property
    def parts(self) -> F64:
        """``SCORE_PARTS`` (10,) of the drive so far, a view."""
        parts: F64 = self.memory.fields.parts
        return parts

    @property
    def fault(self) -> str:
        """Why there is no score, empty where there is one."""
        return FAULTS.get(int(self.memory.fields.counts[FAULT]), "")


def moment_of(ego: F64, objects: Objects, vehicle: Vehicle) -> SceneSample:
    """R egos (R, 10) and the objects around each as the score's kernel takes them."""
    box = frozen(ego_box(ego, vehicle.box))
    return SceneSample(
        frozen(ego),
        box,
        frozen(corners(box)),
        frozen(np.hypot(ego[:, Ego.VX], ego[:, Ego.VY])),
        frozen(raw_accelerations(ego, float(vehicle.box[0]))),
        frozen(objects.offsets, np.int64),
        frozen(objects.id, np.uint64),
        frozen(objects.kind, np.uint8),
        frozen(objects.box),
        frozen(np.hypot(objects.velocity[:, 0], objects.velocity[:, 1])),
    )


def red_lanes(map_data: MapData, lane: I64, state: U8) -> I64:
    """Rows of the lanes, of ids ``lane`` (R,), whose light ``state`` (R,) is red."""
    red = state == LightState.RED
    return map_data.lane_rows(lane[red]) if red.any() else _NONE


class RewardTrace(NamedTuple):
    """What each of n steps of a rollout earned, the first nothing."""

    reward: F64
    """(n,) What each step earned."""
    terms: F64
    """(n, P) What it is made of, columns ``Reward.names``."""
    failed: Mask
    """(n,) Whether nothing could be earned any more after it."""
    parts: F64
    """(n, 10) The running score and its parts, columns ``SCORE_PARTS``."""


def running_score(rollout: Rollout) -> F64:
    """The score and its parts (n, 10), columns ``SCORE_PARTS``, of a rollout after each of its n steps.

    It is what ``evaluate`` would say of the drive so far, but that progress is a share of the expert's whole progress,
    overspeed of the whole duration, and that standing still (``making_progress``) costs at the last step only. Raises
    DataError where ``evaluate`` does.
    """
    return _judged(rollout, False)[0]


def running_reward(rollout: Rollout, reward: Reward) -> RewardTrace:
    """What ``BatchEnv`` pays for the same drive, step by step. Raises as ``running_score``."""
    parts, facts = _judged(rollout, reward.of_facts)
    before = np.concatenate([parts[:1], parts[:-1]])
    step = reward(before, parts, facts)
    step.reward[0], step.terms[0] = 0.0, 0.0
    return RewardTrace(step.reward, step.terms, step.failed, parts)


def _judged(rollout: Rollout, of_facts: bool) -> tuple[F64, F64]:
    """``SCORE_PARTS`` (n, 10) and, if asked for, ``FACTS`` (n, F) after each step."""
    drive = rollout.drive
    objects = Objects.logged(drive, np.arange(len(drive)))
    score = DriveScore(rollout.scenario, rollout.vehicle, of_facts)
    moment, lights, map_data = moment_of(drive.ego, objects, rollout.vehicle), drive.lights, rollout.scenario.map
    out, facts = np.empty((len(rollout), len(SCORE_PARTS))), np.zeros((len(rollout), len(FACTS)))
    for i in range(len(rollout)):
        lit = slice(int(lights.offsets[i]), int(lights.offsets[i + 1]))
        red = red_lanes(map_data, lights.lane[lit], lights.state[lit]) if of_facts else _NONE
        score.add(moment, i, red)
        if score.fault:
            raise DataError(score.fault, where=f"scenario {rollout.scenario.token}, step {i}")
        out[i], facts[i] = score.parts, score.facts
    return out, facts
