"""How ego merges from a lane that ends or joins another one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar, NamedTuple

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.data.map import Lanes
from roadcraft.core.driving.geometry.angles import wrap
from roadcraft.core.driving.motion.stopped import STOPPED_MPS
from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.memo import memo
from roadcraft.core.types import Event, MetricResult
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.common.once import once_per_rollout
from roadcraft.validation.metrics.common.routes import ego_route
from roadcraft.validation.metrics.freight.common.lane_changes import WholeLaneChange, held_by, lane_changes, strand_line
from roadcraft.validation.metrics.freight.common.leaders import leaders
from roadcraft.validation.metrics.freight.common.lines import arcs_on, lane_line
from roadcraft.validation.metrics.freight.common.thresholds import MergeConfig
from roadcraft.validation.metrics.freight.common.units import units
from roadcraft.validation.metrics.freight.lane_change_gap import gaps_at, judged_gaps

_ASIDE_M = 1.0  # by how much more than the other lane one has to come over to be the one that merges
_BESIDE_RAD = math.radians(30.0)  # largest angle between lanes where they begin to join
_TAIL_M = 150.0  # length before the joint that is looked at


class MergingLane(NamedTuple):
    """A lane that ego drove and that ends, or joins another one by coming over to it."""

    lane: int
    """Row of Lanes."""
    line: F64
    """(P, 2) center line of who goes on: what leads to the joint there, and follows it."""
    crossing: int
    """Step of unit 0's first corner among them; -1 where it never came there."""


class Merge(Metric):
    """Weight 3. A merge from a lane that ends, or comes over to another one that it joins: at unit 0's first corner in
    the other lane the gaps, as in ``lane_change_gap``, the speed of the follower less ego's, and the rest of the lane.
    0 where ego stands for over ``wait_s`` within ``end_m`` of the lane's end although nobody stands ahead and the gaps
    beside would do. The worst merge; no score without one."""

    role: ClassVar[str] = "weighted"
    weight: ClassVar[float] = 3.0

    def __init__(self, config: MergeConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        name, found = "merge", merging_lanes(context)
        judged = [j for lane in found if (j := self._judged(context, lane)) is not None]
        if not judged:
            return MetricResult(name, None)
        score, stats, events = min(judged, key=lambda j: j[0])
        return MetricResult(name, score, {"number_of_merges": len(judged), **stats}, events=events)

    def _judged(
        self, context: MetricContext, merging: MergingLane
    ) -> tuple[float, dict[str, float | int | bool | None], tuple[Event, ...]] | None:
        c, u = self.config, units(context)
        rest = _rest(context, merging.lane)
        step = merging.crossing
        waiting = np.flatnonzero((np.abs(u.speed[:, 0]) <= STOPPED_MPS) & (rest <= c.end_m))
        idle = [k for k in waiting.tolist() if not self._blocked(context, k, merging.line)]
        stood = len(idle) * u.dt_s
        if step < 0 and not len(waiting):
            return None
        score, events = 1.0, tuple[Event, ...]()
        stats: dict[str, float | int | bool | None] = {"stood_at_the_end_[s]": stood}
        if step >= 0:
            gaps = gaps_at(context, step, merging.line)
            score, events = judged_gaps(context, step, gaps, c, "merges")
            more = gaps.follower_speed - float(u.speed[step, 0]) if gaps.follower >= 0 else None
            left = float(rest[step])
            stats |= gaps.stats(float(u.speed[step, 0]))
            stats |= {
                "speed_difference_[mps]": more,
                "rest_of_the_lane_[meters]": left if math.isfinite(left) else None,
            }
        if stood > c.wait_s:
            what = f"stands {stood:.1f} s at the end of a lane, {rest[idle[0]]:.0f} m are left"
            score, events = 0.0, (*events, Event(idle[0], what))
        return score, stats, events

    def _blocked(self, context: MetricContext, step: int, line: F64) -> bool:
        led, gaps = leaders(context), gaps_at(context, step, line)
        ahead = led.row[step] >= 0 and led.gap[step] <= self.config.blocked_m and led.speed[step] <= STOPPED_MPS
        return bool(ahead) or gaps.none or gaps.imposed > self.config.bad_mps2


@once_per_rollout
def merging_lanes(context: MetricContext) -> tuple[MergingLane, ...]:
    """Those that ego drove, in the order of its route."""
    return tuple(_merging(context))


def _merging(context: MetricContext) -> Iterator[MergingLane]:
    route, world = ego_route(context), context.rollout.scenario.map
    lanes = world.lanes
    first = np.where(route.count > 0, route.rows[:, 0], -1)
    driven = first[np.concatenate([[True], first[1:] != first[:-1]])]
    for lane in dict.fromkeys(driven[driven >= 0].tolist()):
        if not len(lanes.successors[lane]):
            beside = np.flatnonzero((lanes.block == lanes.block[lane]) & (lanes.block >= 0)).tolist()
            on = [b for b in beside if len(lanes.successors[b])]
            change = next((c for c in lane_changes(context) if c.lane in on and _from(context, c, lane)), None)
            if change is not None:
                yield MergingLane(lane, change.line, change.crossing)
            elif on:
                nearest = min(on, key=lambda b: abs(int(lanes.lane_index[b]) - int(lanes.lane_index[lane])))
                yield MergingLane(lane, strand_line(lanes, nearest), -1)
            continue
        for joint, others in memo(world, ("joined", lane), lambda k=lane: _joined(lanes, k)):  # type: ignore[misc]
            yield MergingLane(lane, _through(lanes, others[0], joint), _crossing(context, lane, others, joint))


def _from(context: MetricContext, change: WholeLaneChange, lane: int) -> bool:
    """Whether a lane change begins in the given lane."""
    route = ego_route(context)
    return bool((route.rows[: change.crossing + 1] == lane).any())


def _joined(lanes: Lanes, lane: int) -> list[tuple[int, list[int]]]:
    """What a lane leads to that others lead to, too, to which it comes over; and these."""
    found = [
        (joint, [int(b) for b in lanes.predecessors[joint] if b != lane and _joins(lanes, lane, int(b))])
        for joint in lanes.successors[lane].tolist()
    ]
    return [f for f in found if f[1]]


def _joins(lanes: Lanes, lane: int, other: int) -> bool:
    """Whether a lane comes over to another one with the same end, rather than that to it."""
    mine, its = _tail(lanes.centerlines[lane]), _tail(lanes.centerlines[other])
    turn = abs(wrap(_heading(mine, 0) - _heading(its, 0)))
    return bool(turn <= _BESIDE_RAD and abs(_aside(mine)) > abs(_aside(its)) + _ASIDE_M)


def _tail(line: F64) -> F64:
    """The last ``_TAIL_M`` of a line."""
    rest = np.cumsum(np.hypot(*np.diff(line[::-1], axis=0).T))
    return line[max(len(line) - 1 - max(int(np.searchsorted(rest, _TAIL_M, side="right")), 1), 0) :]


def _heading(line: F64, at: int) -> float:
    """Heading of a line's first (0) or last (-1) segment that has a length."""
    step = np.diff(line, axis=0)
    step = step[np.hypot(step[:, 0], step[:, 1]) > 1e-6]
    return float(np.arctan2(step[at, 1], step[at, 0])) if len(step) else 0.0


def _aside(line: F64) -> float:
    """How far a line comes over to one side, m: 0 for straight lines and arcs."""
    begin, turn = _heading(line, 0), wrap(_heading(line, -1) - _heading(line, 0))
    dx, dy = line[-1] - line[0]
    return math.hypot(dx, dy) * math.sin(math.atan2(dy, dx) - begin - 0.5 * turn)


def _through(lanes: Lanes, other: int, joint: int) -> F64:
    """Center line (P, 2) of who drives on over the other lane, with what leads to it and what follows the joint."""
    before, after = lanes.predecessors[other].tolist()[:1], lanes.successors[joint].tolist()[:1]
    line = np.concatenate([lanes.centerlines[row] for row in (*before, other, joint, *after)])
    return np.asarray(line[np.concatenate([[True], np.hypot(*np.diff(line, axis=0).T) > 1e-6])])


def _crossing(context: MetricContext, lane: int, others: list[int], joint: int) -> int:
    """The step of unit 0's first corner in the other lanes or behind the joint, once it stays there; else -1."""
    lanes, route = context.rollout.scenario.map.lanes, ego_route(context)
    strand = [joint, *others, *(int(b) for o in others for b in lanes.predecessors[o] if b != lane)]
    on = np.flatnonzero((route.rows == lane).any(axis=1) | (route.rows == joint).any(axis=1))
    out = np.flatnonzero(~held_by(context, frames(context).corners[on], np.array(strand)).any(axis=1))
    first = int(out[-1]) + 1 if len(out) else 0
    return int(on[first]) if first < len(on) else -1


def _rest(context: MetricContext, lane: int) -> F64:
    """(n,) m that are left of the lane, along it and what leads to it; infinite where unit 0 is on neither."""
    world, route, center = context.rollout.scenario.map, ego_route(context), frames(context).box[:, :2]
    rest, length = np.full(len(center), np.inf), 0.0
    for row in (lane, *world.lanes.predecessors[lane].tolist()[:1]):
        on = (route.rows == row).any(axis=1)
        line = lane_line(world, row)
        whole = float(line.ends[-1])
        if on.any():
            arc, _, _ = arcs_on(line, center[on])
            rest[on] = np.minimum(rest[on], whole - arc + length)
        length += whole
    return rest
