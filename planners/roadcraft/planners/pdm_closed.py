"""PDM-Closed: five speeds on three paths, simulated, scored by nuPlan-like rules; the best is driven, or the emergency brake.

Source: Dauner et al., "Parting with Misconceptions about Learning-based Vehicle Motion Planning" (CoRL 2023); tuplan_garage b51d5d0 (Apache-2.0).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from roadcraft.core.arrays import I64
from roadcraft.core.driving.bicycle import motion_of
from roadcraft.core.driving.tracker import NUPLAN
from roadcraft.core.interfaces import Keys, Planner
from roadcraft.core.map import MapData
from roadcraft.core.rollout import ObservationBatch, Plan
from roadcraft.core.scenario import EGO_SIZE, U64, LightState
from roadcraft.core.vehicle import Vehicle
from roadcraft.planners.pdm.areas import Ground
from roadcraft.planners.pdm.closed import Setup, Way, step
from roadcraft.planners.pdm.comfort import comfort_tables
from roadcraft.planners.pdm.proposals import REFRESH, Driver
from roadcraft.planners.pdm.scorer import Rules
from roadcraft.planners.pdm.way import ground_of, way_of
from roadcraft.planners.pdm_configs import PdmClosedConfig

_BOUNDS = np.array([-4.05, 2.40, 4.89, 8.37, 4.13, 1.93, 0.95])


@dataclass(frozen=True)
class _State:
    way: Way
    collided: U64
    passed: I64


class PdmClosed(Planner):
    def __init__(self, config: PdmClosedConfig) -> None:
        self.config = config
        self._ground: dict[int, tuple[MapData, Ground]] = {}
        self._setup: dict[Vehicle, Setup] = {}

    def start(self, obs: ObservationBatch, keys: Keys) -> list[Any]:
        return [self._start(obs, b) for b in range(len(obs))]

    def ground(self, m):
        if id(m) not in self._ground:
            self._ground[id(m)] = (m, ground_of(m))
        return self._ground[id(m)][1]

    def _start(self, obs: ObservationBatch, b: int) -> _State:
        m = obs.maps[b]
        way = way_of(
            m,
            self.ground(m),
            obs.route[b],
            np.ascontiguousarray(obs.ego[b]),
            obs.vehicle.box,
            self.config.lateral_offsets_m,
        )
        return _State(way, np.zeros(0, np.uint64), np.zeros(0, np.int64))

    def setup(self, vehicle: Vehicle) -> Setup:
        c = self.config
        if vehicle not in self._setup:
            self._setup[vehicle] = Setup(
                Driver(c.min_gap_m, c.headway_s, c.max_accel_mps2, c.max_decel_mps2, c.interval_s),
                Rules(c.interval_s, REFRESH, np.array([0, 3, 6, 9]), (2.0, 6.0), (5.0, 5.0, 2.0), 0.1),
                comfort_tables(c.proposal_steps + 1, c.interval_s, _BOUNDS),
                NUPLAN._replace(interval_s=c.interval_s),
                np.array(c.speed_fractions),
                c.fallback_speed_mps,
                c.radius_m,
                np.array([c.max_vehicles, c.max_pedestrians, c.max_bicycles, c.max_static]),
                vehicle.box,
                motion_of(vehicle),
                c.proposal_steps,
                c.plan_steps,
                c.brake_within_s,
                c.brake_below_mps,
            )
        return self._setup[vehicle]

    def plan(self, obs: ObservationBatch, state: list[Any], keys: Keys) -> tuple[Plan, list[Any]]:
        c, setup = self.config, self.setup(obs.vehicle)
        count = len(obs)
        time_us = obs.time_us[:, None] + int(c.interval_s * 1e6) * np.arange(c.plan_steps + 1, dtype=np.int64)
        states = np.empty((count, 1, c.plan_steps + 1, EGO_SIZE))
        scores, proposal = np.zeros((count, 1)), np.zeros(count)
        after = []
        for b in range(count):
            s = state[b] or self._start(obs, b)
            m, rows, lights = obs.maps[b], obs.objects.rows(b), obs.lights.rows(b)
            red = obs.lights.lane[lights][obs.lights.state[lights] == LightState.RED]
            red_rows = m.lane_rows(red)
            hits, passed, best, values, _ = step(
                np.ascontiguousarray(obs.ego[b]),
                obs.objects.id[rows],
                obs.objects.kind[rows],
                obs.objects.box[rows],
                obs.objects.velocity[rows],
                red_rows[red_rows >= 0],
                s.collided,
                s.passed,
                self.ground(m),
                s.way,
                setup,
                states[b, 0],
            )
            if len(hits) or len(passed):
                s = replace(s, collided=np.concatenate([s.collided, hits]), passed=np.concatenate([s.passed, passed]))
            after.append(s)
            scores[b, 0], proposal[b] = values.max(), best
        return Plan(
            time_us,
            states,
            scores,
            None,
            None,
            {"emergency_brake": (proposal < 0).astype(np.float64), "proposal": proposal},
        ), after
