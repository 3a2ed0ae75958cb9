"""PDM-Closed: five speeds on three paths, simulated, scored by nuPlan-like rules; the best is driven, or the emergency
brake.

Source: Dauner et al., "Parting with Misconceptions about Learning-based Vehicle Motion Planning" (CoRL 2023);
tuplan_garage b51d5d0 (Apache-2.0).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from roadcraft.core.arrays import I64, U64
from roadcraft.core.data.plan import Plan
from roadcraft.core.data.rollout import ObservationBatch
from roadcraft.core.data.scenario import EGO_SIZE
from roadcraft.core.driving.geometry.boxes import ego_box
from roadcraft.core.driving.held import Held
from roadcraft.core.driving.motion.bicycle import motion_of
from roadcraft.core.driving.motion.lqr import NUPLAN
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.interfaces import Planner
from roadcraft.core.types import Keys
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.planners.pdm.comfort import NUPLAN_BOUNDS, comfort_tables
from roadcraft.planners.pdm.config import PdmClosedConfig
from roadcraft.planners.pdm.proposals import REFRESH, Driver
from roadcraft.planners.pdm.propose import Observed, Setup, step
from roadcraft.planners.pdm.route_path import map_arrays_of, route_plan_of
from roadcraft.planners.trajectory_scoring.scorer import Rules
from roadcraft.planners.trajectory_scoring.units import trailers_of


@dataclass(frozen=True)
class _PdmState:
    """route: a ``RoutePlan``, from the first step; collided: ids of objects that overlapped ego, passed: rows of red
    lights' connectors that ego stood in; both are ignored from then on."""

    route: Held
    collided: U64
    passed: I64


class PdmClosed(Planner):
    """PDM-Closed, with the constants of the observation's vehicle. Plans have K = 1 and ``plan_steps + 1`` states: x,
    y, heading and, of the intelligent driver model, the speed; the first is ego's projection on the path driven, not
    ego itself, which is what the tracker is meant to see. Trailers of the ego count for collisions and the drivable
    area.

    Debug channels: ``emergency_brake`` 0 or 1; ``proposal``, the index of the one driven (path by path, slowest first),
    -1 when braking.
    """

    def __init__(self, config: PdmClosedConfig) -> None:
        self.config = config
        self._setups: dict[Vehicle, Held] = {}

    def start(self, obs: ObservationBatch, keys: Keys) -> list[Any]:
        """Routes and paths. Raises DataError on a map without road blocks."""
        return [self._start(obs, b) for b in range(len(obs))]

    def plan(self, obs: ObservationBatch, state: list[Any], keys: Keys) -> tuple[Plan, list[Any]]:
        """Plans of ``plan_steps * interval_s`` seconds."""
        c, setup, count, objects = self.config, self._setup(obs.vehicle), len(obs), obs.objects
        time_us = obs.time_us[:, None] + int(c.interval_s * 1e6) * np.arange(c.plan_steps + 1, dtype=np.int64)
        states = np.empty((count, 1, c.plan_steps + 1, EGO_SIZE))
        scores, proposal = np.zeros((count, 1)), np.zeros(count)
        ego = np.array(obs.ego)
        body, slow = ego_box(ego, obs.vehicle.box), np.hypot(ego[:, 3], ego[:, 4]) <= c.brake_below_mps
        identity, kind = frozen(objects.id, np.uint64), frozen(objects.kind, np.uint8)
        box, velocity = frozen(objects.box), frozen(objects.velocity)
        light_ids, light_state = frozen(obs.lights.lane, np.int64), frozen(obs.lights.state, np.uint8)
        after = []
        for b in range(count):
            s, rows, lights = state[b], objects.rows(b), obs.lights.rows(b)
            seen = Observed(
                ego[b],
                body[b],
                bool(slow[b]),
                identity[rows],
                kind[rows],
                box[rows],
                velocity[rows],
                light_ids[lights],
                light_state[lights],
                s.collided,
                s.passed,
            )
            proposal[b], scores[b, 0], hits, passed = step(
                seen, map_arrays_of(obs.maps[b]), s.route, setup, trailers_of(obs, b), states[b, 0]
            )
            if len(hits) or len(passed):
                s = replace(s, collided=np.concatenate([s.collided, hits]), passed=np.concatenate([s.passed, passed]))
            after.append(s)
        debug = {"emergency_brake": (proposal < 0).astype(np.float64), "proposal": proposal}
        return Plan(time_us, states, scores, None, None, debug), after

    def _start(self, obs: ObservationBatch, b: int) -> _PdmState:
        m, ego = obs.maps[b], np.array(obs.ego[b])
        route = route_plan_of(m, map_arrays_of(m), obs.route[b], ego, obs.vehicle.box, self.config.lateral_offsets_m)
        return _PdmState(Held(route), np.zeros(0, np.uint64), np.zeros(0, np.int64))

    def _setup(self, vehicle: Vehicle) -> Held:
        c = self.config
        if vehicle not in self._setups:
            setup = Setup(
                Driver(c.min_gap_m, c.headway_s, c.max_accel_mps2, c.max_decel_mps2, c.interval_s),
                Rules(c.interval_s, REFRESH, (5.0, 5.0, 2.0, 0.0)),
                comfort_tables(c.proposal_steps + 1, c.interval_s, NUPLAN_BOUNDS),
                NUPLAN._replace(interval_s=c.interval_s),
                np.array(c.speed_fractions),
                c.fallback_speed_mps,
                c.radius_m,
                np.array(c.nearest),
                vehicle.box,
                motion_of(vehicle),
                c.proposal_steps,
                c.plan_steps,
                c.brake_within_s,
            )
            self._setups[vehicle] = Held(setup)
        return self._setups[vehicle]
