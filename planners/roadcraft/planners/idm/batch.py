"""The plans of a whole batch in one kernel call: what the scenarios see, and where they go, stands in shared arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, U8, Mask, offsets_of
from roadcraft.core.data.scenario import LightState
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.readonly import frozen
from roadcraft.planners.idm.kernel import IdmObservation, IdmParams, IdmPath, plan_along

_RED = int(LightState.RED)


class IdmPaths(NamedTuple):
    """The paths of B scenarios in shared arrays: the fields of ``IdmPath``, and where those of each scenario begin,
    (B + 1,).

    line_at, rail_at, chunk_at, lane_at: in the arrays of as many rows; mark_at: in red_count, which is flat; ids: of
    the lanes that may turn red. area_offsets (sum of C + B,) count all rings, which count all points.
    """

    line: F64
    arcs: F64
    progress: F64
    points: F64
    heading: F64
    capsules: F64
    target: F64
    half_width: F64
    area_points: F64
    area_rings: I64
    area_offsets: I64
    red_count: I64
    red_near: Mask
    ids: I64
    line_at: I64
    rail_at: I64
    chunk_at: I64
    lane_at: I64
    mark_at: I64


class IdmScenes(NamedTuple):
    """What is around in B scenarios: objects ``offsets[b]:offsets[b + 1]`` with box (R, 5), corners (R, 4, 2), velocity
    (R, 2), still (R,) bool, touched (R,), as in ``IdmObservation``; lights likewise, with lane id and state."""

    offsets: I64
    box: F64
    corners: F64
    velocity: F64
    still: Mask
    touched: F64
    light_offsets: I64
    light_lane: I64
    light_state: U8


def pack_paths(paths: Sequence[IdmPath], ids: Sequence[I64]) -> IdmPaths:
    """The paths as one, with the ids (C,) of the lanes of each that may turn red."""

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(p, name) for p in paths])

    points = offsets_of([len(p.area_points) for p in paths])
    rings = offsets_of([len(p.area_rings) - 1 for p in paths])
    ring = [p.area_rings[:-1] + n for p, n in zip(paths, points, strict=False)]
    return IdmPaths(
        joined("line"),
        joined("arcs"),
        joined("progress"),
        joined("points"),
        joined("heading"),
        joined("capsules"),
        np.array([p.target for p in paths]),
        np.array([p.half_width for p in paths]),
        frozen(joined("area_points")),
        frozen(np.concatenate([*ring, points[-1:]]), np.int64),
        frozen(np.concatenate([p.area_offsets + n for p, n in zip(paths, rings, strict=False)]), np.int64),
        np.concatenate([p.red_count.ravel() for p in paths]),
        joined("red_near"),
        np.concatenate(ids),
        offsets_of([len(p.line) for p in paths]),
        offsets_of([len(p.points) for p in paths]),
        offsets_of([len(p.capsules) for p in paths]),
        offsets_of([len(p.red_near) for p in paths]),
        offsets_of([p.red_count.size for p in paths]),
    )


@njit(cache=True, nogil=True)
def plan_batch(
    paths: IdmPaths, seen: IdmScenes, params: IdmParams, ego: F64, ego_box: F64, vehicle_box: F64, out: F64, red: Mask
) -> Mask:
    """``plan_along`` of B scenarios: fill out (B, 1, T, 10) and red (sum of C,), whether each lane is red now. Returns
    (B,) bool, False where a decision is too close to call.

    ego (B, 10), ego_box (B, 5).
    """
    clear = np.empty(len(ego), np.bool_)
    for b in range(len(ego)):
        l0, l1, p0, p1 = paths.line_at[b], paths.line_at[b + 1], paths.rail_at[b], paths.rail_at[b + 1]
        k0, k1, c0, c1 = paths.chunk_at[b], paths.chunk_at[b + 1], paths.lane_at[b], paths.lane_at[b + 1]
        path = IdmPath(
            paths.line[l0:l1],
            paths.arcs[l0:l1],
            paths.progress[p0:p1],
            paths.points[p0:p1],
            paths.heading[p0:p1],
            paths.capsules[k0:k1],
            paths.target[b],
            paths.half_width[b],
            paths.area_points,
            paths.area_rings,
            paths.area_offsets[c0 + b : c1 + b + 1],
            paths.red_count[paths.mark_at[b] : paths.mark_at[b + 1]].reshape((c1 - c0, 2, p1 - p0 + 1)),
            paths.red_near[c0:c1],
        )
        for c in range(c0, c1):
            red[c] = False
            for k in range(seen.light_offsets[b], seen.light_offsets[b + 1]):
                if seen.light_lane[k] == paths.ids[c] and seen.light_state[k] == _RED:
                    red[c] = True
        r0, r1 = seen.offsets[b], seen.offsets[b + 1]
        own = IdmObservation(
            seen.box[r0:r1],
            seen.corners[r0:r1],
            seen.velocity[r0:r1],
            seen.still[r0:r1],
            seen.touched[r0:r1],
            red[c0:c1],
        )
        clear[b] = plan_along(path, own, params, ego[b], ego_box[b], vehicle_box, out[b, 0])
    return clear
