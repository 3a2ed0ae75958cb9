"""Ego does not stand in junctions, nor on crosswalks."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roadcraft.core.arrays import I64, Mask
from roadcraft.core.data.map import LaneKind
from roadcraft.core.data.scenario import LightState
from roadcraft.core.driving.map_index.index import inside_any
from roadcraft.core.driving.motion.stopped import STOPPED_MPS
from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import Event, MetricResult
from roadcraft.validation.metrics.common.routes import ego_route
from roadcraft.validation.metrics.freight.common.thresholds import JunctionBlockedConfig
from roadcraft.validation.metrics.freight.common.units import outline, placed, units


class JunctionBlocked(Metric):
    """Weight 3. 1 where units are in an intersection or on a crosswalk for at most ``most_s`` while unit 0 stands or
    the light of the connector that it is coming over is red, else 0. No score where no unit comes into either."""

    role: ClassVar[str] = "weighted"
    weight: ClassVar[float] = 3.0

    def __init__(self, config: JunctionBlockedConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        name, u, index = "junction_blocked", units(context), context.rollout.scenario.map.index
        count = u.boxes.shape[1]
        centers = np.ascontiguousarray(np.concatenate([u.boxes[:, :, :2].reshape(-1, 2), u.corners.reshape(-1, 2)]))
        layers = [layer for layer in (index.intersections, index.crosswalks) if len(layer)]
        seen = np.zeros(len(centers), np.bool_)
        for layer in layers:
            seen |= inside_any(layer, centers)
        n = len(u.seconds)
        within = np.asarray(
            seen[: n * count].reshape(n, count).any(axis=1) | seen[n * count :].reshape(n, -1).any(axis=1)
        )
        red, last = _red(context)
        left = np.maximum.accumulate(np.where(within, -1, np.arange(n)))  # the step at which all units were out
        waits = np.asarray((np.abs(u.speed[:, 0]) <= STOPPED_MPS) | (red & (left <= last)))
        at = np.flatnonzero(waits & ~within)
        for k in range(count if len(at) else 0):  # a long unit across a narrow crosswalk
            edge = placed(outline(u.chain, k), u.poses[at, k])
            for layer in layers:
                within[at] |= inside_any(layer, edge.reshape(-1, 2)).reshape(len(at), -1).any(axis=1)
        if not within.any():
            return MetricResult(name, None)
        blocked = within & waits
        seconds = float(np.count_nonzero(blocked)) * u.dt_s
        score = float(seconds <= self.config.most_s + 1e-6)
        events = () if score else (Event(int(blocked.argmax()), f"blocks a junction for {seconds:.1f} s"),)
        return MetricResult(name, score, {"blocked_[s]": seconds}, events=events)


def _red(context: MetricContext) -> tuple[Mask, I64]:
    """(n,) whether the light of the last connector under unit 0 is red, and the last step on it, -1 for none."""
    route, lanes, lights = ego_route(context), context.rollout.scenario.map.lanes, context.rollout.drive.lights
    first = np.where(route.count > 0, route.rows[:, 0], -1)
    lit = (first >= 0) & (lanes.kind[first] == LaneKind.CONNECTOR) & lanes.has_light[first]
    out = np.zeros(len(first), np.bool_)
    last = np.maximum.accumulate(np.where(lit, np.arange(len(first)), -1))
    wanted = np.where(last >= 0, lanes.id[first[last]], -1)
    step = np.repeat(np.arange(len(first)), np.diff(lights.offsets))
    out[step[(lights.state == LightState.RED) & (lights.lane == wanted[step]) & (last[step] >= 0)]] = True
    return out, last
