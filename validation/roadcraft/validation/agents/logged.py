"""The logged objects of a scenario, sorted once for all its iterations into the order in which an observation lists
them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from roadcraft.core.arrays import F64, I64, U8, U64, offsets_of
from roadcraft.core.rollout import Objects
from roadcraft.core.scenario import ObjectKind, Scenario


@dataclass(frozen=True)
class LoggedObjects:
    """Objects of N iterations; rows of iteration i are ``offsets[i]:offsets[i + 1]``. Columns as in ``Objects``."""

    offsets: I64
    """(N + 1,) int64."""
    id: U64
    """(R,) uint64."""
    kind: U8
    """(R,) uint8 ``ObjectKind``."""
    vehicle: I64
    """(R,) int64."""
    unit: U8
    """(R,) uint8."""
    box: F64
    """(R, 5) float64, global frame."""
    velocity: F64
    """(R, 2) float64 m/s, global frame."""

    def rows(self, iteration: int) -> slice:
        """Rows of the objects of an iteration."""
        return slice(int(self.offsets[iteration]), int(self.offsets[iteration + 1]))

    def columns(self, iteration: int) -> tuple[U64, U8, I64, U8, F64, F64]:
        """id, kind, vehicle, unit, box and velocity of one iteration."""
        r = self.rows(iteration)
        return self.id[r], self.kind[r], self.vehicle[r], self.unit[r], self.box[r], self.velocity[r]


def logged_objects(scenario: Scenario, kinds: Sequence[ObjectKind]) -> LoggedObjects:
    """Objects of the given kinds at every iteration, grouped in the order of ``kinds``, within a kind in the log's row
    order.

    Reference: nuplan-devkit e924167, TrackedObjects and get_tracked_objects_of_types.
    """
    drive, frames = scenario.drive, scenario.frames
    first, last = drive.objects.offsets[frames], drive.objects.offsets[frames + 1]
    counts = last - first
    offsets = offsets_of(counts)
    rows = np.arange(offsets[-1]) + np.repeat(first - offsets[:-1], counts)
    iteration = np.repeat(np.arange(len(frames)), counts)
    track = drive.objects.track[rows]
    rank_of = np.full(len(ObjectKind), -1, np.int64)
    rank_of[[int(k) for k in kinds]] = np.arange(len(kinds))
    rank = rank_of[drive.tracks.kind[track]]
    order = np.lexsort((rank, iteration))
    order = order[rank[order] >= 0]
    rows, track = rows[order], track[order]
    return LoggedObjects(
        offsets_of(np.bincount(iteration[order], minlength=len(frames))),
        drive.tracks.id[track],
        drive.tracks.kind[track],
        drive.tracks.vehicle[track],
        drive.tracks.unit[track],
        drive.objects.box[rows],
        drive.objects.velocity[rows],
    )


def stack_objects(frames: Sequence[tuple[U64, U8, I64, U8, F64, F64]]) -> Objects:
    """One ``Objects`` from the columns of M frames."""
    offsets = offsets_of([len(f[0]) for f in frames])
    if len(frames) == 1:
        return Objects(offsets, *frames[0])
    if not frames:
        u8, i64 = np.zeros(0, np.uint8), np.zeros(0, np.int64)
        return Objects(offsets, np.zeros(0, np.uint64), u8, i64, u8, np.zeros((0, 5)), np.zeros((0, 2)))
    id, kind, vehicle, unit, box, velocity = (np.concatenate([f[c] for f in frames]) for c in range(6))
    return Objects(offsets, id, kind, vehicle, unit, box, velocity)
