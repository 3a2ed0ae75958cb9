"""The driven agents of one scenario: who they are, how they move along their motions, and how trailers follow."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.rollout import Objects
from roadcraft.core.data.scenario import U8, U64, ObjectKind, Scenario
from roadcraft.core.driving.geometry.frames import from_frame, to_frame
from roadcraft.plugins.tokens.vocabulary import POSE_S, POSES, TOKEN_S
from roadcraft.validation import logged_objects

Bool = NDArray[np.bool_]
Frame = tuple[U64, U8, I64, U8, F64, F64]  # columns of ``Objects``
AXLE = 0.75  # of a trailer's length, from its front: where its axle is taken to be


@dataclass(frozen=True)
class AgentAttributes:
    """What does not change while a scenario runs. n moving objects of the first frame: id, kind, vehicle, unit (n,),
    size (n, 2); towed_by (n,): row of the unit before, -1 for none; hitch (n, 2): where a trailer hangs, in the frame
    of the box that tows it; log (N, n, 5) x, y, heading, vx, vy at every iteration, seen (N, n); replayed: all
    others."""

    id: U64
    kind: U8
    vehicle: I64
    unit: U8
    size: F64
    towed_by: I64
    hitch: F64
    log: F64
    seen: Bool
    replayed: Objects


@dataclass(frozen=True)
class AgentStates:
    """State of one scenario. pose (n, 3), velocity (n, 2); alive, driven (n,): not removed; no longer following the
    log. plan (n, 6, 3): poses from the start of the present half second, ``clock_s`` ago; past: the last frames, oldest
    first, now last."""

    attributes: AgentAttributes
    pose: F64
    velocity: F64
    alive: Bool
    driven: Bool
    plan: F64
    clock_s: float
    past: tuple[Frame, ...]

    @property
    def due(self) -> bool:
        """Whether the half second is over."""
        return self.clock_s > TOKEN_S - 1e-3


def assemble(scenario: Scenario, driven: list[ObjectKind], past: int) -> AgentStates:
    """Everybody of the kinds ``driven`` in the first frame, and ``past`` frames of the log up to it."""
    cars = logged_objects(scenario, driven)
    replayed = logged_objects(scenario, [k for k in ObjectKind if k not in driven])
    id, kind, vehicle, unit, box, velocity = cars.columns(0)
    count, frames = len(id), len(cars.offsets) - 1
    log, seen = np.zeros((frames, count, 5)), np.zeros((frames, count), np.bool_)
    order = np.argsort(id, kind="stable")
    if count:
        iteration = np.repeat(np.arange(frames), np.diff(cars.offsets))
        at = np.minimum(np.searchsorted(id[order], cars.id), count - 1)
        row = order[at]
        same = id[row] == cars.id
        log[iteration[same], row[same], :3], log[iteration[same], row[same], 3:] = (
            cars.box[same, :3],
            cars.velocity[same],
        )
        seen[iteration[same], row[same]] = True
    towed_by = np.full(count, -1, np.int64)
    for i in np.flatnonzero(unit > 0):
        before = np.flatnonzero((vehicle == vehicle[i]) & (unit == unit[i] - 1))
        towed_by[i] = before[0] if len(before) else -1
    pose, size = box[:, :3].copy(), box[:, 3:].copy()
    front = pose[:, :2] + 0.5 * size[:, :1] * _ahead(pose[:, 2])
    hitch = np.zeros((count, 2))
    towed = towed_by >= 0
    hitch[towed] = _into(pose[towed_by[towed]], front[towed])
    attributes = AgentAttributes(id, kind, vehicle, unit, size, towed_by, hitch, log, seen, replayed)
    alive = np.ones(count, np.bool_)
    state = AgentStates(
        attributes, pose, velocity.copy(), alive, ~alive, np.repeat(pose[:, None], POSES + 1, 1), TOKEN_S, ()
    )
    earlier = scenario.frames[0] - np.arange(past - 1, 0, -1) * scenario.stride
    before = Objects.logged(scenario.drive, earlier)
    return replace(state, past=(*map(before.columns, range(past - 1)), columns(state, 0)))


def take(state: AgentStates, rows: I64, motions: F64) -> AgentStates:
    """Begin a half second: the agents of the given rows move by ``motions`` (len(rows), 5, 3) x, y, turn as seen from
    where they are; other driven ones go on as they go, and those never driven go on with the log."""
    driven = state.driven.copy()
    driven[rows] = True
    t = POSE_S * np.arange(POSES + 1)
    plan = np.repeat(state.pose[:, None], POSES + 1, 1)
    plan[..., :2] += state.velocity[:, None] * t[:, None]
    here = state.pose[rows]
    c, s = np.cos(here[:, 2:]), np.sin(here[:, 2:])
    plan[rows, 0] = here
    plan[rows, 1:, 0] = here[:, :1] + c * motions[..., 0] - s * motions[..., 1]
    plan[rows, 1:, 1] = here[:, 1:2] + s * motions[..., 0] + c * motions[..., 1]
    plan[rows, 1:, 2] = here[:, 2:] + motions[..., 2]
    return replace(state, driven=driven, plan=plan, clock_s=0.0)


def advance(state: AgentStates, iteration: int, dt_s: float, ego_xy: F64, radius_m: float) -> AgentStates:
    """Everybody ``dt_s`` later, at ``iteration``."""
    attributes, clock = state.attributes, state.clock_s + dt_s
    at = min(clock / POSE_S, float(POSES))
    low = min(int(at), POSES - 1)
    pose = state.plan[:, low] + (at - low) * (state.plan[:, low + 1] - state.plan[:, low])
    driven = state.driven.copy()
    for i in np.argsort(attributes.unit, kind="stable"):
        if attributes.towed_by[i] >= 0:
            driven[i] = driven[attributes.towed_by[i]]
            pose[i] = _follow(state.pose[i], attributes.size[i, 0], pose[attributes.towed_by[i]], attributes.hitch[i])
    velocity = (pose[:, :2] - state.pose[:, :2]) / dt_s
    pose[~driven], velocity[~driven] = attributes.log[iteration, ~driven, :3], attributes.log[iteration, ~driven, 3:]
    near = np.hypot(pose[:, 0] - ego_xy[0], pose[:, 1] - ego_xy[1]) <= radius_m
    near = np.where(attributes.towed_by >= 0, near[attributes.towed_by], near)
    alive = state.alive & np.where(driven, near, attributes.seen[iteration])
    after = replace(state, pose=pose, velocity=velocity, alive=alive, driven=driven, clock_s=clock)
    return replace(after, past=(*state.past[1:], columns(after, iteration)))


def columns(state: AgentStates, iteration: int) -> Frame:
    """Agents in the order of the first frame, then what is replayed."""
    c, a = state.attributes, state.alive
    box = np.concatenate([state.pose[a], c.size[a]], 1)
    own = c.id[a], c.kind[a], c.vehicle[a], c.unit[a], box, state.velocity[a]
    id, kind, vehicle, unit, boxes, velocity = (
        np.concatenate(p) for p in zip(own, c.replayed.columns(iteration), strict=True)
    )
    return id, kind, vehicle, unit, boxes, velocity


def _ahead(heading: F64) -> F64:
    return np.stack([np.cos(heading), np.sin(heading)], -1)


def _into(pose: F64, point: F64) -> F64:
    d = point - pose[:, :2]
    c, s = np.cos(pose[:, 2]), np.sin(pose[:, 2])
    return np.stack(to_frame(d[:, 0], d[:, 1], c, s), 1)


def _follow(trailer: F64, length: float, tractor: F64, hitch: F64) -> F64:
    """Pose (3,) of a trailer whose hitch moved with the tractor: its axle is dragged along, without slip for small
    steps."""
    axle = trailer[:2] - (AXLE - 0.5) * length * _ahead(trailer[2])
    c, s = np.cos(tractor[2]), np.sin(tractor[2])
    front = tractor[:2] + np.array(from_frame(hitch[0], hitch[1], c, s))
    pull = front - axle
    turn = np.arctan2(pull[1], pull[0]) - trailer[2]
    heading = trailer[2] + (turn + np.pi) % (2.0 * np.pi) - np.pi
    return np.append(front - 0.5 * length * _ahead(heading), heading)
