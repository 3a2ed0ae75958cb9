"""A planner under supervision: only the wrapped planner's own proposals, copies of them, and braking along them.

Every proposal is simulated (tracker and bicycle) among others that go where the planner predicts them, else straight
on, and scored as nuPlan scores a drive: comfort over what was driven and what will be. The best by rules plus the
planner's own opinion is driven. Where it has a flaw, gentler and slower copies compete, and where one leaves the road,
copies of it that keep to the route's center line; where nothing is safe, ego brakes along a proposal's path,
comfortably if that is safe, else as hard as it may. Source: the scoring of PDM-Closed (tuplan_garage b51d5d0) and of
PLUTO's post-processing (Cheng et al., 2024: rules + 0.3 learned).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, U8, U64
from roadcraft.core.config.factory import create
from roadcraft.core.data.map import MapData
from roadcraft.core.data.plan import Forecast, Plan
from roadcraft.core.data.rollout import ObservationBatch
from roadcraft.core.data.scenario import EGO_SIZE, Ego
from roadcraft.core.driving.geometry.boxes import ego_box
from roadcraft.core.driving.held import Held
from roadcraft.core.driving.motion.bicycle import motion_of
from roadcraft.core.driving.motion.lqr import NUPLAN, track
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.interfaces import Planner
from roadcraft.core.memo import memo
from roadcraft.core.types import Keys, PlannerNeeds
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.planners.guard.comfort import comfort_filters, driven_before
from roadcraft.planners.guard.config import GuardConfig
from roadcraft.planners.guard.retime import moved_to_centerline, resample, retimed
from roadcraft.planners.guard.simulate_and_score import GuardRoads, ScoringSetup, simulate_and_score
from roadcraft.planners.pdm.comfort import NUPLAN_BOUNDS
from roadcraft.planners.pdm.config import PdmClosedConfig
from roadcraft.planners.pdm.proposals import REFRESH
from roadcraft.planners.pdm.route_path import map_arrays_of, route_path_of
from roadcraft.planners.trajectory_scoring.paths import ArcPath
from roadcraft.planners.trajectory_scoring.scorer import (
    COLLISION_STEP,
    COMFORT,
    DIRECTION,
    DRIVABLE,
    NO_COLLISION,
    SPEED_LIMIT,
    TTC,
    Rules,
    total,
)
from roadcraft.planners.trajectory_scoring.traffic import ForecastRows, Traffic, forecast_paths, observe
from roadcraft.planners.trajectory_scoring.units import ignore_touched, trailers_of

_DT_S = 0.1
_STEP_US = 100_000
_LONGEST = 81  # states of a plan of 8 s
_LIMITS = np.array(PdmClosedConfig().nearest)
_SPEEDING_MPS2 = 2.0  # of gentler copies; nuPlan calls up to 2.4 comfortable
_NOBODY = np.zeros(0, np.uint64)


@dataclass(frozen=True)
class _GuardState:
    inner: Any
    route_path: ArcPath
    collided: U64
    fallback: Any = None


class _Decision(NamedTuple):
    """What is driven: candidate of the wrapped planner as it is (>= 0), or -1 and poses (T, 3); value; whether ego
    brakes."""

    candidate: int
    poses: F64
    value: float
    braked: bool


class _Stop(NamedTuple):
    poses: F64
    value: float
    ttc: float


class Guard(Planner):
    """See :class:`roadcraft.planners.guard.config.GuardConfig`. Plans have K = 1; debug channels ``guard_changed``,
    ``guard_braked`` and, with a fallback, ``guard_fallback`` are 1 in steps where the wrapped planner's choice was not
    driven, where ego brakes, and where the fallback drives."""

    def __init__(self, config: GuardConfig, planner: Planner | None = None) -> None:
        """``planner``: the wrapped one, in place of the one that ``config`` names."""
        self.config = config
        self.inner: Planner = planner or create("planner", config.planner.name, config.planner.params)
        other = config.fallback
        self.fallback: Planner | None = create("planner", other.name, other.params) if other else None
        self._scoring_setups: dict[Vehicle, ScoringSetup] = {}

    def needs(self) -> PlannerNeeds:
        """Those of the wrapped planner and of the fallback."""
        needs = [p.needs() for p in (self.inner, self.fallback) if p is not None]
        return PlannerNeeds(max(n.object_past for n in needs), any(n.log for n in needs))

    def start(self, obs: ObservationBatch, keys: Keys) -> list[Any]:
        """The wrapped planner's states and the routes' center lines."""
        inner = self.inner.start(obs, keys)
        out = []
        for b in range(len(obs)):
            m = obs.maps[b]
            ego = np.array(obs.ego[b])
            route_path = route_path_of(m, map_arrays_of(m), obs.route[b], ego, obs.vehicle.box)
            out.append(_GuardState(inner[b], route_path, _NOBODY))
        return out

    def plan(self, obs: ObservationBatch, state: list[Any], keys: Keys) -> tuple[Plan, list[Any]]:
        """The wrapped planner's plans, judged."""
        plan, inner = self.inner.plan(obs, [s.inner for s in state], keys)
        after, decisions = [], []
        for b in range(len(obs)):
            decision, hits = self._decide_one(obs, b, plan, state[b])
            collided = np.concatenate([state[b].collided, hits]) if len(hits) else state[b].collided
            after.append(replace(state[b], inner=inner[b], collided=collided))
            decisions.append(decision)
        out = _assemble(obs, plan, decisions)
        return self._fall_back(obs, out, after, decisions, keys) if self.fallback is not None else (out, after)

    def _scoring_setup(self, vehicle: Vehicle) -> ScoringSetup:
        c = self.config
        if vehicle not in self._scoring_setups:
            weights = (c.progress_weight, c.ttc_weight, c.comfort_weight, c.speed_limit_weight)
            self._scoring_setups[vehicle] = ScoringSetup(
                Rules(_DT_S, REFRESH, weights),
                comfort_filters(_DT_S, vehicle.box[0], NUPLAN_BOUNDS),
                NUPLAN._replace(interval_s=_DT_S),
                vehicle.box,
                motion_of(vehicle),
                c.drivable_area_tolerance_m,
                c.radius_m,
            )
        return self._scoring_setups[vehicle]

    @property
    def _count(self) -> int:
        return round(self.config.horizon_s / _DT_S) + 1

    def _decide_one(self, obs: ObservationBatch, b: int, plan: Plan, state: _GuardState) -> tuple[_Decision, U64]:
        rows = obs.objects.rows(b)
        ego, box = np.array(obs.ego[b]), obs.vehicle.box
        identity, kind = frozen(obs.objects.id[rows], np.uint64), frozen(obs.objects.kind[rows], np.uint8)
        traffic = observe(
            ego_box(ego, box),
            self.config.radius_m,
            _LIMITS,
            identity,
            kind,
            frozen(obs.objects.box[rows]),
            frozen(obs.objects.velocity[rows]),
            state.collided,
        )
        if plan.forecast is not None and self.config.use_forecast and _times(plan.forecast, b):
            traffic = traffic._replace(
                path=self._forecast_paths(plan.forecast, b, int(obs.time_us[b]), traffic, identity, kind)
            )
        evaluation = _Evaluation(self, obs, b, ego, traffic, state.route_path)
        return evaluation.decide(plan), identity[traffic.row[traffic.ignored]]

    def _forecast_paths(
        self, forecast: Forecast, b: int, now_us: int, traffic: Traffic, identity: U64, kind: U8
    ) -> F64:
        """Paths of the world's objects over the horizon and one step more, after which the last one's speed is
        known."""
        n = _times(forecast, b)
        time_s = (forecast.time_us[b, :n] - now_us) * 1e-6
        if time_s[0] <= 0.0 or (np.diff(time_s) <= 0.0).any():
            raise ValueError("the planner's forecast must begin after now, and its times must increase")
        pose = np.ascontiguousarray(forecast.pose[b, :, :n])
        predicted = ForecastRows(forecast.id[b], forecast.known[b], time_s, pose)
        count = (self._count - 1) // REFRESH + 2
        return forecast_paths(traffic, identity, kind, predicted, REFRESH * _DT_S, count)

    def _fall_back(
        self, obs: ObservationBatch, out: Plan, state: list[Any], decisions: list[_Decision], keys: Keys
    ) -> tuple[Plan, list[Any]]:
        assert self.fallback is not None
        rows = [b for b, v in enumerate(decisions) if v.braked]
        fell = np.zeros(len(obs))
        if rows:
            some, k = obs.select(rows), keys[rows]
            inner = [
                self.fallback.start(obs.select([b]), keys[[b]])[0] if state[b].fallback is None else state[b].fallback
                for b in rows
            ]
            plan, inner = self.fallback.plan(some, inner, k)
            state = list(state)
            for i, b in enumerate(rows):
                state[b] = replace(state[b], fallback=inner[i])
                fell[b] = 1.0
            out = _merge(out, plan, rows)
        debug = {**out.debug, "guard_fallback": fell, "guard_braked": out.debug["guard_braked"] * (1.0 - fell)}
        return replace(out, debug=debug), state


def _roads_of(map_data: MapData) -> Held:
    """The ``GuardRoads`` of a map, kept with it."""
    roads = map_arrays_of(map_data).fields, map_data.index.drivable.arrays
    return memo(map_data, "guard roads", lambda: Held(GuardRoads(*roads)))


class _Evaluation:
    """Judgment of one scenario's proposals at one step."""

    def __init__(
        self, guard: Guard, obs: ObservationBatch, b: int, ego: F64, traffic: Traffic, route_path: ArcPath
    ) -> None:
        self.config, self.count, self.setup = guard.config, guard._count, guard._scoring_setup(obs.vehicle)
        self.now, self.b, self.ego, self.traffic, self.route_path = int(obs.time_us[b]), b, ego, traffic, route_path
        self.driven = driven_before(
            obs.ego_past[b], obs.ego_past_us[b], obs.ego_past_valid[b], _DT_S, int(obs.iteration[b])
        )
        self.roads = _roads_of(obs.maps[b])
        self.trailers = trailers_of(obs, b, self.config.drivable_area_tolerance_m)
        if self.trailers is not None:
            ignore_touched(traffic, self.trailers)

    def score_table(self, poses: F64) -> F64:
        shown = np.ascontiguousarray(poses[:, : self.count])
        return simulate_and_score(
            self.driven,
            self.ego,
            shown,
            self.traffic,
            self.roads,
            self.route_path,
            self.setup,
            self.trailers,
        )

    def decide(self, plan: Plan) -> _Decision:
        c = self.config
        rows, poses = self._proposals(plan)
        if not len(rows):
            return self._brake(self._straight_on()[None])
        opinion = plan.scores[self.b, rows]
        learned = c.planner_score_weight * np.exp(opinion - opinion.max())
        score_table = self.score_table(poses)
        value = self._values(score_table, learned)
        best = int(np.argmax(value))
        row, off_road = score_table[best], c.follow_centerline & (score_table[:, DRIVABLE] == 0.0)
        good = _safe(score_table)[best] and row[TTC] == 1.0 and row[SPEED_LIMIT] > 0.999 and row[COMFORT] == 1.0
        if good and not (off_road & (learned > learned[best])).any():
            return _Decision(int(rows[best]), poses[best], float(value[best]), False)
        tried = np.argsort(-value, kind="stable")[: c.max_slowed_proposals]
        moved, of = self._moved_to_centerline(poses[tried], off_road[tried])
        paths, bonus = np.concatenate([poses[tried], moved]), np.concatenate([learned[tried], learned[tried][of]])
        copies = self._copies(paths, c.speed_fractions, c.slowing_mps2, c.jerk_mps3)
        both = np.concatenate([score_table, self.score_table(copies)]) if len(copies) else score_table
        value = self._values(both, np.concatenate([learned, np.repeat(bonus, len(c.speed_fractions))]))
        best = int(np.argmax(value))
        if not _safe(both)[best]:
            return self._brake(paths)
        if best < len(rows):
            return _Decision(int(rows[best]), poses[best], float(value[best]), False)
        return _Decision(-1, copies[best - len(rows)], float(value[best]), False)

    def _proposals(self, plan: Plan) -> tuple[I64, F64]:
        """Candidates that can be judged, the planner's best first, and their poses (N, T, 3) every 0.1 s."""
        b, states = self.b, plan.states[self.b]
        length = states.shape[1] if plan.length is None else int(plan.length[b])
        time_us = np.ascontiguousarray(plan.time_us[b])
        scores = np.asarray(plan.scores[b], np.float64)
        order = np.argsort(-np.where(np.isfinite(scores), scores, -np.inf), kind="stable")
        span = (int(time_us[length - 1]) - self.now) // _STEP_US + 1 if length else 0
        poses = np.empty((len(order), min(max(span, self.count), _LONGEST), 3))
        rows = []
        for k in (int(i) for i in order if np.isfinite(scores[i])):
            states_k = np.ascontiguousarray(states[k])
            if len(rows) < self.config.max_proposals and resample(
                time_us, states_k, length, self.now, _STEP_US, poses[len(rows)]
            ):
                rows.append(k)
        return np.array(rows, np.int64), poses[: len(rows)]

    def _straight_on(self) -> F64:
        t = np.arange(self.count) * _DT_S
        speed, heading = max(float(self.ego[3]), 0.0), float(self.ego[2])
        return np.stack(
            [
                self.ego[0] + speed * t * np.cos(heading),
                self.ego[1] + speed * t * np.sin(heading),
                np.full(self.count, heading),
            ],
            -1,
        )

    def _copies(self, poses: F64, factors: tuple[float, ...], decel: float, jerk: float) -> F64:
        speed, accel = float(self.ego[Ego.VX]), float(self.ego[Ego.AX])
        limits = (_SPEEDING_MPS2, float(decel), float(jerk))
        out = np.empty((len(poses) * len(factors), *poses.shape[1:]))
        for i, p in enumerate(poses):
            for j, factor in enumerate(factors):
                retimed(p, speed, accel, factor, limits, _DT_S, out[i * len(factors) + j])
        return out

    def _moved_to_centerline(self, poses: F64, wanted: Any) -> tuple[F64, I64]:
        """Copies of the wanted ones of poses (N, T, 3) on the route's center line, as far as they can be made, and the
        rows that they are of."""
        out, rows = np.empty_like(poses), list[int]()
        for n in np.flatnonzero(wanted):
            if moved_to_centerline(poses[n], self.route_path, out[len(rows)]):
                rows.append(n)
        return out[: len(rows)], np.array(rows, np.int64)

    def _values(self, score_table: F64, learned: F64) -> F64:
        """Rules plus opinion; what breaks a rule that multiplies stands below all that does not."""
        return np.asarray(total(score_table, self.setup.rules) + learned - 2.0 * ~_safe(score_table))

    def _brake(self, poses: F64) -> _Decision:
        """Stops along the given paths: the best comfortable one that is safe and stays away from others, else the best
        hard one, or at least a safe one; else the hardest, along the path where the worst comes last."""
        c, found = self.config, None
        for decel, jerk in ((c.comfort_stop_mps2, c.jerk_mps3), (c.emergency_stop_mps2, np.inf)):
            copies = self._copies(poses, (0.0,), decel, jerk)
            score_table = self.score_table(copies)
            value = self._values(score_table, np.zeros(len(score_table)))
            best = int(np.argmax(value))
            if _safe(score_table)[best] and (found is None or score_table[best, TTC] > found.ttc):
                found = _Stop(copies[best], float(value[best]), float(score_table[best, TTC]))
            if found is not None and found.ttc == 1.0:
                break
        if found is None:
            order = np.lexsort((score_table[:, DRIVABLE], score_table[:, NO_COLLISION], score_table[:, COLLISION_STEP]))
            best = int(order[-1])
            found = _Stop(copies[best], float(value[best]), 0.0)
        return _Decision(-1, found.poses, found.value, True)


def _times(forecast: Forecast, b: int) -> int:
    """How many times of scenario b's forecast are valid."""
    return forecast.time_us.shape[1] if forecast.length is None else int(forecast.length[b])


def _safe(score_table: F64) -> Any:
    return score_table[:, NO_COLLISION] * score_table[:, DRIVABLE] * score_table[:, DIRECTION] > 0.0


def _assemble(obs: ObservationBatch, plan: Plan, decisions: list[_Decision]) -> Plan:
    """The driven trajectories as a Plan with K = 1, each on its own time grid."""
    count, own = len(obs), plan.states.shape[2]
    longest = max([own, *(len(v.poses) for v in decisions if v.candidate < 0)])
    time_us, length = np.zeros((count, longest), np.int64), np.zeros(count, np.int64)
    states = np.zeros((count, 1, longest, EGO_SIZE))
    changed = np.ones(count)
    for b, v in enumerate(decisions):
        if v.candidate >= 0:
            n = own if plan.length is None else int(plan.length[b])
            time_us[b, :n], states[b, 0, :n] = plan.time_us[b, :n], plan.states[b, v.candidate, :n]
            changed[b] = float(v.candidate != int(np.argmax(plan.scores[b])))
        else:
            n = len(v.poses)
            time_us[b, :n] = obs.time_us[b] + _STEP_US * np.arange(n)
            states[b, 0, :n, :3] = v.poses
            gap = np.hypot(*np.diff(v.poses[:, :2], axis=0).T) / _DT_S
            states[b, 0, 0, 3], states[b, 0, 1:n, 3] = obs.ego[b, 3], gap
        length[b] = n
    debug = {
        **{k: d for k, d in plan.debug.items() if len(d) == count},
        "guard_changed": changed,
        "guard_braked": np.array([float(v.braked) for v in decisions]),
    }
    scores = np.array([[v.value] for v in decisions])
    controls = _controls(obs, plan, time_us, states, length, changed)
    return Plan(time_us, states, scores, length, controls, debug)


def _controls(obs: ObservationBatch, plan: Plan, time_us: I64, states: F64, length: I64, changed: F64) -> F64 | None:
    """The wrapped planner's controls where its choice is driven, the tracker's for the others; None where it gives
    none."""
    if plan.controls is None:
        return None
    ego = np.ascontiguousarray(obs.ego)
    tracked = track(ego, obs.time_us, time_us, states[:, 0], length, obs.vehicle.body.wheel_base_m)
    return np.where(changed[:, None] > 0.0, tracked, plan.controls)


def _merge(out: Plan, plan: Plan, rows: list[int]) -> Plan:
    """``out`` with the best candidates of ``plan`` in the given rows."""
    longest = max(out.time_us.shape[1], plan.time_us.shape[1])
    pad = longest - out.time_us.shape[1]
    time_us, states = np.pad(out.time_us, ((0, 0), (0, pad))), np.pad(out.states, ((0, 0), (0, 0), (0, pad), (0, 0)))
    assert out.length is not None
    length, scores = out.length.copy(), out.scores.copy()
    for i, b in enumerate(rows):
        n = plan.time_us.shape[1] if plan.length is None else int(plan.length[i])
        best = int(np.argmax(plan.scores[i]))
        time_us[b, :n], states[b, 0, :n], length[b] = plan.time_us[i, :n], plan.states[i, best, :n], n
        scores[b, 0] = plan.scores[i, best]
    return replace(out, time_us=time_us, states=states, length=length, scores=scores)
