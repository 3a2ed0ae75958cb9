"""The logged objects of a scenario, sorted once for all its iterations into the order in which an observation lists
them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, U8, U64, offsets_of
from roadcraft.core.data.rollout import Objects
from roadcraft.core.data.scenario import ObjectKind, Scenario
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.readonly import frozen


def logged_objects(scenario: Scenario, kinds: Sequence[ObjectKind]) -> Objects:
    """Objects of the given kinds at every iteration, a frame each, grouped in the order of ``kinds``, within a kind in
    the log's row order.

    Reference: nuplan-devkit e924167, TrackedObjects and get_tracked_objects_of_types.
    """
    return logged_batch([scenario], kinds)


def logged_batch(scenarios: Sequence[Scenario], kinds: Sequence[ObjectKind]) -> Objects:
    """``logged_objects`` of B scenarios, frame ``i * B + b`` that of scenario b at iteration i (beyond its last one
    empty): what all show at one iteration stands together."""
    rank_of = np.full(len(ObjectKind), -1, np.int64)
    rank_of[[int(k) for k in kinds]] = np.arange(len(kinds))
    logs = [_log(s) for s in scenarios]
    counts = np.zeros((max(len(s) for s in scenarios), len(scenarios)), np.int64)
    for b, log in enumerate(logs):
        _count(log, rank_of, counts, b)
    offsets = offsets_of(counts.ravel())
    out = room_for_objects(offsets, int(offsets[-1]))
    columns = out.id, out.kind, out.vehicle, out.unit, out.box, out.velocity
    for b, log in enumerate(logs):
        _fill(log, rank_of, len(kinds), offsets, (b, len(logs)), columns)
    return out


class _Log(NamedTuple):
    """The frames of a scenario, and the objects and tracks of its drive."""

    frames: I64
    offsets: I64
    track: I64
    box: F64
    velocity: F64
    id: U64
    kind: U8
    vehicle: I64
    unit: U8


def _log(scenario: Scenario) -> _Log:
    o, t = scenario.drive.objects, scenario.drive.tracks
    return _Log(
        frozen(scenario.frames, np.int64),
        frozen(o.offsets, np.int64),
        frozen(o.track, np.int64),
        frozen(o.box),
        frozen(o.velocity),
        frozen(t.id, np.uint64),
        frozen(t.kind, np.uint8),
        frozen(t.vehicle, np.int64),
        frozen(t.unit, np.uint8),
    )


@njit(cache=True, nogil=True)
def _count(log, rank_of, out, b):  # type: ignore[no-untyped-def]
    """Objects of kinds with a rank at every iteration, into the column b of out (N, B)."""
    for i in range(len(log.frames)):
        f = log.frames[i]
        for r in range(log.offsets[f], log.offsets[f + 1]):
            out[i, b] += rank_of[log.kind[log.track[r]]] >= 0


@njit(cache=True, nogil=True)
def _fill(log, rank_of, ranks, offsets, which, columns):  # type: ignore[no-untyped-def]
    """Write the rows of iteration i from ``offsets[i * B + b]`` on, by rank, then by row of the log. which: b and B."""
    id, kind, vehicle, unit, box, velocity = columns
    place = np.empty(ranks + 1, np.int64)
    for i in range(len(log.frames)):
        f = log.frames[i]
        place[:] = 0
        for r in range(log.offsets[f], log.offsets[f + 1]):
            place[rank_of[log.kind[log.track[r]]] + 1] += 1
        place[0] = offsets[i * which[1] + which[0]]
        for k in range(1, ranks + 1):
            place[k] += place[k - 1]
        for r in range(log.offsets[f], log.offsets[f + 1]):
            t = log.track[r]
            rank = rank_of[log.kind[t]]
            if rank < 0:
                continue
            n = place[rank]
            place[rank] += 1
            id[n], kind[n], vehicle[n], unit[n] = log.id[t], log.kind[t], log.vehicle[t], log.unit[t]
            for c in range(5):
                box[n, c] = log.box[r, c]
            velocity[n, 0], velocity[n, 1] = log.velocity[r, 0], log.velocity[r, 1]


def room_for_objects(offsets: I64, rows: int) -> Objects:
    """Objects with these offsets whose columns, of ``rows`` rows, are yet to be written."""
    return Objects(offsets, *empty_columns(rows))


def empty_columns(rows: int) -> tuple[U64, U8, I64, U8, F64, F64]:
    """The columns id, kind, vehicle, unit, box and velocity of ``Objects``, yet to be written."""
    return (
        np.empty(rows, np.uint64),
        np.empty(rows, np.uint8),
        np.empty(rows, np.int64),
        np.empty(rows, np.uint8),
        np.empty((rows, 5)),
        np.empty((rows, 2)),
    )


def stack_objects(frames: Sequence[tuple[U64, U8, I64, U8, F64, F64]]) -> Objects:
    """One ``Objects`` from the columns of M frames."""
    offsets = offsets_of([len(f[0]) for f in frames])
    if len(frames) == 1:
        return Objects(offsets, *frames[0])
    if not frames:
        return room_for_objects(offsets, 0)
    id, kind, vehicle, unit, box, velocity = (np.concatenate([f[c] for f in frames]) for c in range(6))
    return Objects(offsets, id, kind, vehicle, unit, box, velocity)
