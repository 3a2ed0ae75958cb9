"""Who is beside the units: people and cyclists, and vehicles that stand at the roadside."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, Mask
from roadcraft.core.data.scenario import ObjectKind
from roadcraft.core.driving.map_index.index import containing, inside_any
from roadcraft.core.driving.motion.stopped import STOPPED_MPS
from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import Event, MetricResult
from roadcraft.validation.metrics.common.events import object_event
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.common.speed_limits import speed_limits
from roadcraft.validation.metrics.freight.common.thresholds import MoveOverConfig, VruSideConfig
from roadcraft.validation.metrics.freight.common.units import outline, placed, unit_name, units


class Sides(NamedTuple):
    """R objects and the m units: step (R,) and row (R,) of each; room (R, m) m between a unit's side and the object
    where it is beside it, infinite where it is not."""

    step: I64
    row: I64
    room: F64


def sides(context: MetricContext, rows: I64) -> Sides:
    """The objects of these rows beside the units at their steps."""
    u, objects = units(context), frames(context).objects
    step = np.searchsorted(objects.offsets, rows, side="right") - 1
    box, own = objects.box[rows][:, None], u.boxes[step]
    c, s = np.cos(own[..., 2]), np.sin(own[..., 2])
    dx, dy, turn = box[..., 0] - own[..., 0], box[..., 1] - own[..., 1], box[..., 2] - own[..., 2]
    cosine, sine = np.abs(np.cos(turn)), np.abs(np.sin(turn))
    along = np.abs(dx * c + dy * s) - 0.5 * (own[..., 3] + cosine * box[..., 3] + sine * box[..., 4])
    across = np.abs(dy * c - dx * s) - 0.5 * (own[..., 4] + sine * box[..., 3] + cosine * box[..., 4])
    return Sides(step, rows, np.where(along <= 0.0, across, np.inf))


class VruSide(Metric):
    """Weight 3. The least room between any unit's side and a pedestrian or cyclist beside it while ego moves, over what
    is asked for: ``turning_m`` in turns, ``passing_m`` else; at most 1. No score where nobody is beside a unit within
    ``near_m``."""

    role: ClassVar[str] = "weighted"
    weight: ClassVar[float] = 3.0

    def __init__(self, config: VruSideConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        c, name, u, kind = self.config, "vru_side", units(context), frames(context).objects.kind
        rows = np.flatnonzero((kind == ObjectKind.PEDESTRIAN) | (kind == ObjectKind.BICYCLE))
        if not len(rows):
            return MetricResult(name, None)
        found = sides(context, rows)
        moves = (np.abs(u.speed[:, 0]) > STOPPED_MPS)[found.step][:, None]
        room = np.where(moves & (found.room <= c.near_m), found.room, np.inf)
        if not np.isfinite(room).any():
            return MetricResult(name, None)
        turns = (np.abs(u.yaw_rate[:, 0]) > c.turn_radps)[found.step][:, None]
        share = np.maximum(room, 0.0) / np.where(turns, c.turning_m, c.passing_m)
        k, unit = divmod(int(share.argmin()), share.shape[1])
        score = min(float(share[k, unit]), 1.0)
        stats: dict[str, float | int | bool | None] = {
            "least_room_[meters]": float(room.min()),
            "unit": unit,
            "in_a_turn": bool(turns[k, 0]),
        }
        what = f"a {{kind}} {room[k, unit]:.2f} m beside {unit_name(unit)}"
        events = (object_event(context, int(found.step[k]), what, int(found.row[k])),) if score < 1.0 else ()
        return MetricResult(name, score, stats, events=events)


class MoveOver(Metric):
    """Weight 3. The share of vehicles standing beside the lanes that ego passes with a lane between (one of the map, or
    ``lane_m``), or at least 20 mph below the limit (5 mph where that is below 25), and never with less room than 1 m
    and ``per_mps`` for each m/s. Only where the limit is ``from_mps`` or more: on slower streets vehicles at the side
    are parked. No score where none is passed."""

    role: ClassVar[str] = "weighted"
    weight: ClassVar[float] = 3.0

    def __init__(self, config: MoveOverConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        c, name, u, objects = self.config, "move_over", units(context), frames(context).objects
        rows = np.flatnonzero((objects.kind == ObjectKind.VEHICLE) & (objects.speed <= STOPPED_MPS))
        if len(rows):
            rows = rows[~inside_any(context.rollout.scenario.map.index.lanes, objects.box[rows, :2])]
        if not len(rows):
            return MetricResult(name, None)
        found, speed = sides(context, rows), np.abs(u.speed[:, 0])
        limit = speed_limits(context)
        room = found.room.min(axis=1)
        fast = np.isfinite(limit) & (limit >= c.from_mps) & (speed > STOPPED_MPS)
        near = (room <= 2.0 * c.lane_m) & fast[found.step]
        slow = np.where(limit >= c.fast_limit_mps, limit - c.slower_mps, c.slow_mps)
        v = speed[found.step]
        fair = (room >= c.lane_m) | (v <= slow[found.step])
        ask = np.flatnonzero(near & ~fair)
        fair[ask] = _lane_between(context, found.step[ask], objects.box[rows[ask], :2])
        good = fair & (room >= 1.0 + c.per_mps * v)
        tracks = objects.track[rows]
        passed, events = np.unique(tracks[near]), list[Event]()
        if not len(passed):
            return MetricResult(name, None)
        for track in passed.tolist():
            bad = np.flatnonzero(near & (tracks == track) & ~good)
            if len(bad):
                k = int(bad[room[bad].argmin()])
                what = f"passes a standing {{kind}} by {room[k]:.2f} m at {v[k]:.1f} m/s"
                events.append(object_event(context, int(found.step[k]), what, int(found.row[k])))
        stats: dict[str, float | int | bool | None] = {
            "number_of_passed": len(passed),
            "least_room_[meters]": float(room[near].min()),
        }
        return MetricResult(name, 1.0 - len(events) / len(passed), stats, events=tuple(events))


def _lane_between(context: MetricContext, step: I64, place: F64) -> Mask:
    """Whether a lane without any unit in it lies between places (R, 2) and the nearest unit at steps (R,)."""
    u, index = units(context), context.rollout.scenario.map.index.lanes
    out = np.zeros(len(step), np.bool_)
    edges = [outline(u.chain, i) for i in range(u.boxes.shape[1])]
    for k, (now, there) in enumerate(zip(step.tolist(), place, strict=True)):
        mine = np.concatenate([placed(e, u.poses[now : now + 1, i])[0] for i, e in enumerate(edges)])
        nearest = mine[np.argmin(np.hypot(*(mine - there).T))]
        between = there + np.linspace(0.0, 1.0, 21)[:, None] * (nearest - there)
        held = np.setdiff1d(containing(index, between).values, containing(index, mine).values)
        out[k] = len(held) > 0
    return out
