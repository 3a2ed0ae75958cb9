"""PDM for heavy and articulated vehicles.

Where PDM-Closed follows center lines at shares of the speed limit and takes every vehicle for a car, here the ways
center what all units sweep, speeds are those that load, curves, grades and engine allow, and who drives behind another
could always stop. The proposals are scored as PDM-Closed's are, and by the room of all units.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from roadcraft.core.arrays import F64, U64
from roadcraft.core.config.factory import create
from roadcraft.core.data.instructions import PULL_OVER
from roadcraft.core.data.plan import Plan
from roadcraft.core.data.rollout import ObservationBatch
from roadcraft.core.data.scenario import EGO_SIZE, LightState
from roadcraft.core.driving.geometry.boxes import ego_box
from roadcraft.core.driving.motion.chain import chain_of
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.interfaces import Planner
from roadcraft.core.types import Keys, PlannerNeeds
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.planners.freight_pdm.candidates import Candidates, candidates_of
from roadcraft.planners.freight_pdm.choose import step
from roadcraft.planners.freight_pdm.config import FreightPdmConfig
from roadcraft.planners.freight_pdm.line import nearest_station, station_of
from roadcraft.planners.freight_pdm.others import Successors
from roadcraft.planners.freight_pdm.pace import Truck, TruckManner, truck_of
from roadcraft.planners.freight_pdm.pull_over import way_onto_shoulder
from roadcraft.planners.freight_pdm.route import Route, route_of
from roadcraft.planners.freight_pdm.scene import FreightSetup, Roadside, TruckScene
from roadcraft.planners.freight_pdm.view import SightView, unseen, viewed
from roadcraft.planners.pdm.comfort import NUPLAN_BOUNDS, comfort_tables
from roadcraft.planners.pdm.proposals import REFRESH
from roadcraft.planners.pdm.route_path import map_arrays_of
from roadcraft.planners.trajectory_scoring.scorer import Rules
from roadcraft.planners.trajectory_scoring.units import units_behind

_NONE = Candidates(np.zeros((0, 1, 4)), np.zeros(0), np.zeros(0, np.int64))


@dataclass(frozen=True)
class _FreightState:
    """route: from the first step; offset (S,): of the way that is driven; collided: ids of objects that overlapped ego,
    which are ignored from then on; station: where ego was, m; view: what was seen;
    pulled: whether its way ends on a shoulder, as it was told to; inner: the state of the wrapped planner."""

    route: Route
    offset: F64
    collided: U64
    station: float
    view: SightView
    pulled: bool = False
    inner: Any = None


class FreightPdm(Planner):
    """Plans have K = 1 and ``plan_steps + 1`` states: x, y, heading and speed; the first is ego's projection on the way
    driven. All that it knows of the vehicle is the observation's.

    Debug channels: ``emergency_brake`` 0 or 1; ``proposal``, the index of the one driven (way by way, the present one
    first, fastest first), -1 when braking fully, -2 - k where candidate k of the wrapped planner is driven, the
    likeliest 0; with one, ``guard_changed`` and ``guard_braked`` are 1 in steps where its likeliest is not driven, and
    where ego brakes fully.
    """

    def __init__(self, config: FreightPdmConfig) -> None:
        self.config = config
        other = config.planner
        self.inner: Planner | None = create("planner", other.name, other.params) if other else None
        self._setups: dict[Vehicle, FreightSetup] = {}

    def start(self, obs: ObservationBatch, keys: Keys) -> list[Any]:
        """Routes and ways. Raises DataError on a map without road blocks."""
        own = [self._start(obs, b) for b in range(len(obs))]
        if self.inner is None:
            return own
        return [replace(s, inner=g) for s, g in zip(own, self.inner.start(obs, keys), strict=True)]

    def needs(self) -> PlannerNeeds:
        """Those of the wrapped planner."""
        return super().needs() if self.inner is None else self.inner.needs()

    def plan(self, obs: ObservationBatch, state: list[Any], keys: Keys) -> tuple[Plan, list[Any]]:
        """Plans of ``plan_steps * interval_s`` seconds."""
        c, setup, count, objects = self.config, self._setup(obs.vehicle), len(obs), obs.objects
        time_us = obs.time_us[:, None] + int(c.interval_s * 1e6) * np.arange(c.plan_steps + 1, dtype=np.int64)
        states = np.empty((count, 1, c.plan_steps + 1, EGO_SIZE))
        scores, proposal = np.zeros((count, 1)), np.zeros(count)
        ego, joints = np.array(obs.ego), np.array(obs.joints)
        body = ego_box(ego, obs.vehicle.box)
        identity, kind = frozen(objects.id, np.uint64), frozen(objects.kind, np.uint8)
        box, velocity = frozen(objects.box), frozen(objects.velocity)
        candidates, inner = [_NONE] * count, [s.inner for s in state]
        if self.inner is not None:
            plan, inner = self.inner.plan(obs, inner, keys)
            candidates = [candidates_of(plan, b, int(obs.time_us[b]), c) for b in range(count)]
        after = []
        for b in range(count):
            rows, m = objects.rows(b), obs.maps[b]
            s = self._told(obs, b, state[b], setup.truck)
            halts, view = (
                self._halts(obs, b, s, setup.truck),
                viewed(s.view, ego[b], identity[rows], box[rows], velocity[rows], float(obs.interval_s[b])),
            )
            seen = TruckScene(
                ego[b],
                body[b],
                joints[b],
                identity[rows],
                kind[rows],
                box[rows],
                velocity[rows],
                view.slowing_mps2,
                s.collided,
                halts,
                view.sight_m,
            )
            following = Successors(
                frozen(m.lanes.successors.values, np.int64), frozen(m.lanes.successors.offsets, np.int64)
            )
            r = s.route
            proposal[b], scores[b, 0], hits, offset, at = step(
                seen,
                (map_arrays_of(m).fields, following),
                Roadside(r.line, r.edges, r.road, r.centered, r.beside, r.joins),
                s.offset,
                setup,
                units_behind(obs, b),
                candidates[b],
                states[b, 0],
            )
            collided = np.concatenate([s.collided, hits]) if len(hits) else s.collided
            after.append(replace(s, offset=offset, collided=collided, station=at, view=view, inner=inner[b]))
            if proposal[b] < -1.0:
                proposal[b] = -2 - candidates[b].rank[int(-2 - proposal[b])]
        braked = (proposal == -1.0).astype(np.float64)
        debug = {"emergency_brake": braked, "proposal": proposal}
        if self.inner is not None:
            debug |= {"guard_changed": (proposal != -2.0).astype(np.float64), "guard_braked": braked}
        return Plan(time_us, states, scores, None, None, debug), after

    def _start(self, obs: ObservationBatch, b: int) -> _FreightState:
        ego, setup = np.array(obs.ego[b]), self._setup(obs.vehicle)
        route = route_of(obs.maps[b], obs.route[b], ego, obs.vehicle, setup.truck, self.config)
        line = route.line
        at, left = station_of(line, ego[0], ego[1], nearest_station(line, ego[0], ego[1], 0, len(line.xy) - 1))
        ahead = np.maximum(np.arange(len(line.xy)) - at, 0.0)
        u = np.clip(ahead / max(4.0 * float(ego[3]), 20.0), 0.0, 1.0)
        rest = (left - np.interp(at, np.arange(len(line.xy)), route.centered)) * (
            1.0 - u**3 * (10.0 + u * (6.0 * u - 15.0))
        )
        return _FreightState(route, route.centered + rest, np.zeros(0, np.uint64), at, unseen(self.config.radius_m))

    def _told(self, obs: ObservationBatch, b: int, s: _FreightState, truck: Truck) -> _FreightState:
        """The state after what ego is told: to pull over, it takes the first shoulder that is long enough; told no
        longer, it goes on along its route."""
        told = None if obs.instruction is None else obs.instruction[b]
        asked = told is not None and PULL_OVER in told.lower()
        if s.pulled == asked:
            return s
        if not asked:
            return replace(self._start(obs, b), collided=s.collided, view=s.view)
        found = way_onto_shoulder(s.route, s.offset, s.station, float(obs.ego[b, 3]), truck, self.config)
        return s if found is None else replace(s, route=found[0], offset=found[1], pulled=True)

    def _halts(self, obs: ObservationBatch, b: int, s: _FreightState, truck: Truck) -> F64:
        """Stations at which to stand: before red lights that are not passed, before what may not be passed."""
        out, lights, front = (
            [s.route.road.halt, len(s.route.line.xy) - 2.0],
            obs.lights.rows(b),
            s.station + truck.front,
        )
        red = obs.lights.lane[lights][obs.lights.state[lights] == int(LightState.RED)]
        for k in np.flatnonzero(np.isin(s.route.light_ids, red)).tolist():
            if front < s.route.light_at[k, 0] + 1.0:
                out.append(float(s.route.light_at[k, 0]) - 1.0)
        return np.array([x for x in out if np.isfinite(x)], np.float64)

    def _setup(self, vehicle: Vehicle) -> FreightSetup:
        c = self.config
        if vehicle not in self._setups:
            self._setups[vehicle] = FreightSetup(
                truck_of(vehicle, c.max_accel_mps2, c.brake_mps2),
                TruckManner(
                    c.max_accel_mps2, c.gentle_mps2, c.firm_mps2, c.jerk_mps3, c.min_gap_m, c.headway_s, c.reaction_s,
                    c.car_brake_mps2, c.truck_brake_mps2, c.passing_mps, c.roadside_slower_mps, c.interval_s,
                ),
                Rules(c.interval_s, REFRESH, (5.0, 5.0, 2.0, 0.0)),
                comfort_tables(c.proposal_steps + 1, c.interval_s, NUPLAN_BOUNDS),
                chain_of(vehicle),
                vehicle.box,
                np.array(c.speed_shares),
                np.array(c.lateral_offsets_m),
                c.radius_m,
                np.array([c.max_vehicles, c.max_pedestrians, c.max_bicycles, c.max_static]),
                (float(c.room_m[0]), float(c.room_m[1])),
                c.lateral_change_mps2,
                c.long_m,
                c.proposal_steps,
                c.brake_within_s,
            )  # fmt: skip
        return self._setups[vehicle]
