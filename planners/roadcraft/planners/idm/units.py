"""What the units behind ego's first would touch along the path: leads that unit 0's corridor does not show."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.geometry.angles import normalize
from roadcraft.core.driving.geometry.arc_path import clamp_progress, pose_at
from roadcraft.core.driving.geometry.boxes import separation
from roadcraft.core.driving.geometry.polyline import project_point
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.motion.chain import ChainArrays, place_units, pull_joints
from roadcraft.core.driving.motion.drivetrain import drivetrain_of
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.planners.idm.batch import IdmPaths, IdmScenes
from roadcraft.planners.idm.kernel import IdmParams

_STOPPING_M = 250.0  # that a heavy vehicle may need to stop
_STATION_M = 2.0  # between places on the path for which trailers are placed
NO_TRAILERS = np.zeros(0)
"""What an ego of one unit touches with trailers."""
_ROOM_M = 0.3  # beside a trailer, which does not go exactly where the path leads it
_BACK_M = 20.0  # on which ego comes back to the path
_FASTER = 2.0  # times the way of unit 0 that a point of a trailer moves at most


def params_of(params: IdmParams, vehicle: Vehicle, brake_share: float) -> IdmParams:
    """The driver model of a vehicle: one with masses decelerates by no more than a share of what its brakes give in its
    state of load, keeps their response time beside the time gap, and looks as far as it may need to stop; one without
    drives as a car does."""
    if not vehicle.has_masses:
        return params
    drive = drivetrain_of(vehicle)
    return params._replace(
        headway=params.headway + drive.dead + drive.brake_lag,
        max_decel=min(params.max_decel, brake_share * drive.brake),
        radius=max(params.radius, _STOPPING_M),
    )


@small_njit
def _gap(pose: F64, chain: ChainArrays, u: int, box: F64) -> float:
    """Least gap, m, that boxes are sure to have: unit ``u`` with its axle at a pose (3,), and a box (5,); 0 or less
    iff they overlap."""
    c, s, ahead = math.cos(pose[2]), math.sin(pose[2]), 0.5 * (chain.front[u] - chain.rear[u])
    own = (c, s, chain.front[u] + chain.rear[u], chain.width[u])
    dx, dy = box[0] - pose[0] - ahead * c, box[1] - pose[1] - ahead * s
    return separation(dx, dy, own, (math.cos(box[2]), math.sin(box[2]), box[3], box[4]))


@small_njit
def _first_touched(poses: F64, chain: ChainArrays, u: int, box: F64) -> int:
    """The first of poses (S, n, 3) at which unit ``u`` comes near a box (5,); -1 for none."""
    k = 0
    while k < len(poses):
        gap = _gap(poses[k, u], chain, u, box) - _ROOM_M
        if gap <= 0.0:
            return k
        k += max(int(gap / (_FASTER * _STATION_M)), 1)
    return -1


class Towed(NamedTuple):
    """The J > 0 units behind ego's first: joints (B, J) now; chain: lengths of all n = J + 1 units."""

    joints: F64
    chain: ChainArrays


@njit(cache=True, nogil=True)
def touched_by_trailers(
    paths: IdmPaths, seen: IdmScenes, params: IdmParams, ego: F64, ego_box: F64, vehicle_box: F64, towed: Towed
) -> F64:
    """Where on the path (R,), as ``project_point`` counts, ego's center is before one of its trailers first comes
    within 0.3 m of each object, which stands where it is seen: the last place, of one every 2 m, at which none does.
    Infinite where none does within the horizon, for objects beyond the radius, and for those that touch a trailer now.

    ego (B, 10), ego_box (B, 5), vehicle_box (3,): as in ``plan_batch``.
    """
    out, n = np.full(len(seen.box), np.inf), len(towed.chain.wheel_base)
    now = np.empty((n, 3))
    for b in range(len(ego)):
        r0, r1 = seen.offsets[b], seen.offsets[b + 1]
        l0, l1, p0, p1 = paths.line_at[b], paths.line_at[b + 1], paths.rail_at[b], paths.rail_at[b + 1]
        count = p1 - p0
        progress, points, heading = paths.progress[p0:p1], paths.points[p0:p1], paths.heading[p0:p1]
        s, left, _ = project_point(paths.line[l0:l1], paths.arcs[l0:l1], ego_box[b, 0], ego_box[b, 1])
        turned = pose_at(progress, points, heading, count, clamp_progress(progress, count, s))[2]
        turned = normalize(ego_box[b, 2] - turned)
        ahead = min(abs(paths.target[b]) * params.horizon, progress[count - 1] - s)
        poses = np.empty((1, max(int(ahead / _STATION_M), 0) + 1, 3))
        for k in range(poses.shape[1]):
            x, y, h = pose_at(progress, points, heading, count, clamp_progress(progress, count, s + k * _STATION_M))
            rest = max(1.0 - k * _STATION_M / _BACK_M, 0.0)  # of what ego is beside the path
            x, y, h = x - rest * left * math.sin(h), y + rest * left * math.cos(h), h + rest * turned
            poses[0, k, 0], poses[0, k, 1], poses[0, k, 2] = (
                x - vehicle_box[0] * math.cos(h),
                y - vehicle_box[0] * math.sin(h),
                h,
            )
        bent, units = pull_joints(poses, towed.joints[b : b + 1], towed.chain), np.empty((poses.shape[1], n, 3))
        for k in range(len(units)):
            place_units(poses[0, k], bent[0, k], towed.chain, units[k])
        place_units(ego[b], towed.joints[b], towed.chain, now)
        for r in range(r0, r1):
            dx, dy = seen.box[r, 0] - ego_box[b, 0], seen.box[r, 1] - ego_box[b, 1]
            if not math.sqrt(dx * dx + dy * dy) < params.radius:
                continue
            for u in range(1, n):
                if _gap(now[u], towed.chain, u, seen.box[r]) > 0.0:
                    k = _first_touched(units, towed.chain, u, seen.box[r])
                    if k >= 0:
                        out[r] = min(out[r], s + max(k - 1, 0) * _STATION_M)
                else:
                    out[r] = -np.inf
        for r in range(r0, r1):
            if out[r] < 0.0:
                out[r] = np.inf
    return out
