"""What the others will do, as whoever drives along a course sees it."""

from __future__ import annotations

import numpy as np
from scipy.spatial import KDTree

from roadcraft.core.arrays import F64
from roadcraft.core.driving.motion.chain import chain_of, pull_joints, unit_boxes
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.scenario_io.synthetic.freight.driving.course import Course, joints_on, poses_on
from roadcraft.scenario_io.synthetic.freight.driving.pace import Ahead, Pace
from roadcraft.scenario_io.synthetic.freight.driving.wheel import TruckDrive
from roadcraft.scenario_io.synthetic.traffic.traffic import Motion, Told

BESIDE_M = 0.35
"""Room that a driver wants beside its truck."""
_REACH_M = 12.0


def bodies(m: Motion, statics: list[F64], frames: int) -> tuple[F64, F64]:
    """Boxes (T, N, 5) and speeds (T, N) of all others every 0.1 s, far away (inf) where they are not there. frames:
    at 20 Hz."""
    pick = slice(0, frames, 2)
    box = np.where(m.active[pick, 1:, None], m.box[pick, 1:], np.inf)
    walk = np.concatenate([m.walker[pick], np.broadcast_to([0.6, 0.7], (*m.walker[pick].shape[:2], 2))], 2)
    fixed = np.broadcast_to(np.reshape(statics, (-1, 5)), (len(box), len(statics), 5))
    every = np.concatenate([box, walk, fixed], 1)
    speed = np.concatenate([m.speed[pick, 1:], m.walker_speed[pick], np.zeros(fixed.shape[:2])], 1)
    return every, speed


def ahead_on(course: Course, others: tuple[F64, F64], mine: F64, width: float) -> Ahead:
    """Who is nearest ahead in the way of a truck that drives along a course. others: of ``bodies``; mine (T,): where
    the truck is meanwhile, which says whether who comes into its way is ahead or behind; width of the truck, m."""
    box, speed = others
    steps, count = speed.shape
    flat = box.reshape(-1, 5)
    there = np.flatnonzero(np.isfinite(flat[:, 0]))
    far, near = map(np.asarray, KDTree(course.xy).query(flat[there, :2], distance_upper_bound=_REACH_M))
    there, near = there[np.isfinite(far)], near[np.isfinite(far)]
    b, h = flat[there], course.heading[near]
    dx, dy = b[:, 0] - course.xy[near, 0], b[:, 1] - course.xy[near, 1]
    along, aside = dx * np.cos(h) + dy * np.sin(h), dy * np.cos(h) - dx * np.sin(h)
    c, s = np.abs(np.cos(b[:, 2] - h)), np.abs(np.sin(b[:, 2] - h))
    half_width = 0.5 * (b[:, 3] * s + b[:, 4] * c)
    inside = (near > 0) & (near < len(course.s) - 1) & (np.abs(aside) - half_width < 0.5 * width + BESIDE_M)
    way, rear, pace = (np.full((steps, count), np.nan) for _ in range(3))
    at = np.unravel_index(there[inside], (steps, count))
    way[at] = (course.s[near] + along)[inside]
    rear[at] = way[at] - 0.5 * (b[:, 3] * c + b[:, 4] * s)[inside]
    pace[at] = speed.reshape(-1)[there[inside]] * np.cos(b[inside, 2] - h[inside])
    before = np.zeros(count, bool)
    for k in range(steps):  # who comes into the way behind the truck stays behind, who comes ahead stays ahead
        new = np.isnan(way[k - 1]) if k else np.ones(count, bool)
        before = np.where(new, way[k] > mine[k], before)
        rear[k, ~before] = np.nan
    rear[np.isnan(way)] = np.nan
    rear = np.where(np.isnan(rear), np.inf, rear)
    nearest = np.argmin(rear, 1) if count else np.zeros(steps, np.int64)
    out = rear[np.arange(steps), nearest] if count else np.full(steps, np.inf)
    lead = pace[np.arange(steps), nearest] if count else np.zeros(steps)
    return Ahead(out, np.where(np.isfinite(out), lead, 0.0))


def told_by_plan(course: Course, plan: Pace, vehicle: Vehicle, frames: int) -> Told:
    """The units of a truck that keeps to a plan, ``frames`` at 20 Hz; the last pose is kept."""
    t = np.minimum(np.arange(frames) * 0.5, len(plan.s) - 1.0)
    s, speed = np.interp(t, np.arange(len(plan.s)), plan.s), np.interp(t, np.arange(len(plan.s)), plan.speed)
    poses, joints = poses_on(course, s), joints_on(course, float(s[0]), vehicle)[None]
    bent = np.asarray(pull_joints(poses[None], joints, chain_of(vehicle)))[0]
    box = np.asarray(unit_boxes(poses, bent, chain_of(vehicle)))
    return Told(box, np.repeat(speed[:, None], box.shape[1], 1))


def told_by_drive(driven: TruckDrive, vehicle: Vehicle, frames: int) -> Told:
    """The units of a truck as it was driven, ``frames`` of them; after its end it goes straight on as it was."""
    box = np.asarray(
        unit_boxes(np.ascontiguousarray(driven.ego), np.ascontiguousarray(driven.joints), chain_of(vehicle))
    )
    last, speed = box[-1:], float(driven.ego[-1, 3])
    more = np.repeat(last, max(frames - len(box), 0), 0)
    gone = speed * 0.05 * np.arange(1, len(more) + 1)[:, None]
    more[..., 0] += gone * np.cos(last[..., 2])
    more[..., 1] += gone * np.sin(last[..., 2])
    every = np.concatenate([box, more])[:frames]
    v = np.concatenate([driven.ego[:, 3], np.full(len(more), speed)])[:frames]
    return Told(every, np.repeat(v[:, None], every.shape[1], 1))
