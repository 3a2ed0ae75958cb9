"""The planner ``cautious``: along the center of the own lane, below the limit, at a long distance to whatever is
ahead."""

from __future__ import annotations

from typing import Any

import numpy as np

from roadcraft.core import Ego, LightState, Plan, SinglePlanner
from roadcraft_cautious.plugin import CautiousConfig

STEPS, DT_S, LOOK_M = 80, 0.1, 120.0


class Cautious(SinglePlanner):
    """Thinks of one scenario at a time, so it subclasses the helper."""

    def __init__(self, config: CautiousConfig) -> None:
        self.config = config

    def plan_one(self, obs: Any, state: Any, key: int) -> tuple[Plan, Any]:
        c, ego = self.config, obs.ego[0]
        path, limit_mps, stop_m = self.lane_ahead(obs)
        arc = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
        room_m = min(self.room_ahead(obs, path, arc), stop_m, arc[-1])
        states = np.zeros((STEPS + 1, 10))
        states[0] = ego
        s, v = 0.0, max(float(ego[Ego.VX]), 0.0)
        for i in range(1, STEPS + 1):
            free = max(room_m - s - 2.0, 0.0)
            target = min(c.share * limit_mps, np.sqrt(2 * c.deceleration_mps2 * free), free / c.headway_s + 0.5)
            v = (
                float(np.clip(target, v - 2 * c.deceleration_mps2 * DT_S, v + c.acceleration_mps2 * DT_S))
                if free > 0
                else max(v - 0.4, 0.0)
            )
            v = max(v, 0.0)
            s += v * DT_S
            x, y = np.interp(s, arc, path[:, 0]), np.interp(s, arc, path[:, 1])
            k = min(int(np.searchsorted(arc, s, "right")), len(arc) - 1)
            dx, dy = path[k] - path[k - 1]
            states[i, : Ego.VX + 1] = x, y, np.arctan2(dy, dx), v
        time_us = obs.time_us[:, None] + np.arange(STEPS + 1) * 100_000
        return Plan(time_us.astype(np.int64), states[None, None], np.zeros((1, 1))), state

    def lane_ahead(self, obs: Any) -> tuple[np.ndarray, float, float]:
        """The path from the ego along its lane and what follows on the route; the lane's limit; meters to a red
        light."""
        lanes, ego = obs.maps[0].lanes, obs.ego[0]
        here = ego[: Ego.HEADING]
        ahead = here + 20.0 * np.array([np.cos(ego[Ego.HEADING]), np.sin(ego[Ego.HEADING])])
        near = [i for i in range(len(lanes)) if len(lanes.centerlines[i]) > 1]
        if not near:
            return np.stack([here, ahead]), 5.0, np.inf
        gap = [
            np.hypot(*(lanes.centerlines[i] - here).T).min() + 0.05 * np.hypot(*(lanes.centerlines[i] - ahead).T).min()
            for i in near
        ]
        row = near[int(np.argmin(gap))]
        limit = float(lanes.speed_limit_mps[row]) if lanes.has_speed_limit[row] else 10.0
        line = lanes.centerlines[row]
        parts, stop = [line[np.hypot(*(line - here).T).argmin() + 1 :]], np.inf
        red = set(obs.lights.lane[obs.lights.state == LightState.RED].tolist())
        wanted, length = set(obs.route[0].tolist()), _length(parts[0])
        blocks = obs.maps[0].blocks.id
        while length < LOOK_M and len(lanes.successors[row]):
            row = int(min(lanes.successors[row], key=lambda n: blocks[lanes.block[n]] not in wanted))
            if int(lanes.id[row]) in red and not np.isfinite(stop):
                stop = length - obs.vehicle.body.front_m
            parts.append(lanes.centerlines[row][1:])
            length += _length(lanes.centerlines[row])
        path = np.concatenate([here[None], *parts])
        if len(path) < 2:
            return np.stack([here, ahead]), limit, stop
        return path, limit, stop

    def room_ahead(self, obs: Any, path: np.ndarray, arc: np.ndarray) -> float:
        """Meters along the path to the first object whose center lies within a car's width of it, ends of both
        subtracted."""
        rows = obs.objects.rows(0)
        box = obs.objects.box[rows]
        if len(box) == 0:
            return np.inf
        distance = np.hypot(box[:, None, 0] - path[None, :, 0], box[:, None, 1] - path[None, :, 1])
        nearest = distance.argmin(1)
        beside = distance.min(1) < 0.5 * (box[:, 4] + obs.vehicle.body.width_m)
        gaps = arc[nearest] - 0.5 * box[:, 3] - obs.vehicle.body.front_m
        gaps = gaps[beside & (arc[nearest] > 0.5)]
        return float(gaps.min()) if len(gaps) else np.inf


def _length(line: np.ndarray) -> float:
    return float(np.hypot(*np.diff(line, axis=0).T).sum())
