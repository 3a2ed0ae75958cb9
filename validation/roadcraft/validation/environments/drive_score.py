"""nuPlan's score of a drive while it is driven."""

from __future__ import annotations

from copy import copy

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.geometry.boxes import corners, ego_box
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.errors import DataError
from roadcraft.core.rollout import Objects, Rollout
from roadcraft.core.scenario import Ego, Scenario
from roadcraft.core.vehicle import Vehicle
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


class DriveScore:
    """The running score of one scenario; ``add`` a sample, then read ``parts``. Its last value is the score that
    ``evaluate`` gives the finished rollout, to rounding."""

    def __init__(self, scenario: Scenario, vehicle: Vehicle) -> None:
        """Raises DataError where the scenario is too short for nuPlan's metrics, or two lanes overlap under the
        expert."""
        samples = len(scenario) - 1
        if samples < SHORTEST:
            raise DataError(
                f"{samples} samples are too few to be scored",
                where=f"scenario {scenario.token}",
                remedy=f"scenarios of at least {SHORTEST + 1} iterations",
            )
        self.world, self.limits = score_map(scenario.map), score_limits(scenario, vehicle)
        self.memory = score_memory(scenario)

    def add(self, moment: SceneSample, r: int) -> None:
        """Add the sample in row ``r`` of a moment."""
        score_step(self.world, self.limits, self.memory, moment, r)

    def copy(self) -> DriveScore:
        """The score as it stands, with a memory of its own."""
        out = copy(self)
        out.memory = self.memory.copy()
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


def running_score(rollout: Rollout) -> F64:
    """The score and its parts (n, 10), columns ``SCORE_PARTS``, of a rollout after each of its n steps.

    It is what ``evaluate`` would say of the drive so far, but that progress is a share of the expert's whole progress,
    overspeed of the whole duration, and that standing still (``making_progress``) costs at the last step only. Raises
    DataError where ``evaluate`` does.
    """
    drive, o = rollout.drive, rollout.drive.objects
    tracks: I64 = o.track
    objects = Objects(
        o.offsets,
        drive.tracks.id[tracks],
        drive.tracks.kind[tracks],
        drive.tracks.vehicle[tracks],
        drive.tracks.unit[tracks],
        o.box,
        o.velocity,
    )
    score, moment = DriveScore(rollout.scenario, rollout.vehicle), moment_of(drive.ego, objects, rollout.vehicle)
    out = np.empty((len(rollout), len(SCORE_PARTS)))
    for i in range(len(rollout)):
        score.add(moment, i)
        if score.fault:
            raise DataError(score.fault, where=f"scenario {rollout.scenario.token}, step {i}")
        out[i] = score.parts
    return out
