"""A planner under supervision: only the wrapped planner's own proposals, copies of them, and braking along them.

Every proposal is simulated (tracker and bicycle) among others that go where the planner foresees them, else straight on, and scored as nuPlan scores a drive:
comfort over what was driven and what will be. The best by rules plus the planner's own opinion is driven. Where it has a flaw, gentler and slower copies
compete, and where one leaves the road, copies of it that keep to the route's centre line; where nothing is safe, ego brakes along a proposal's path, comfortably if that is safe, else as hard as it may.
Source: the scoring of PDM-Closed (tuplan_garage b51d5d0) and of PLUTO's post-processing (Cheng et al., 2024: rules + 0.3 learned).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.geometry.boxes import ego_box
from roadcraft.core.driving.motion.bicycle import motion_of
from roadcraft.core.driving.motion.lqr import NUPLAN, track
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.interfaces import Planner
from roadcraft.core.registry import create
from roadcraft.core.rollout import Forecast, ObservationBatch, Plan
from roadcraft.core.scenario import EGO_SIZE, U8, U64, Ego
from roadcraft.core.types import Keys, PlannerNeeds
from roadcraft.core.vehicle import Vehicle
from roadcraft.planners.guard.comfort import driven_before, ride_tables
from roadcraft.planners.guard.config import GuardConfig
from roadcraft.planners.guard.retime import centred, paced, resample
from roadcraft.planners.guard.simulate_and_score import Bench, judge
from roadcraft.planners.pdm.comfort import NUPLAN_BOUNDS
from roadcraft.planners.pdm.proposals import REFRESH
from roadcraft.planners.trajectory_scoring.paths import Path
from roadcraft.planners.trajectory_scoring.route_path import Grounds, guide_of
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
from roadcraft.planners.trajectory_scoring.traffic import World, foresee, observe

_DT_S = 0.1
_STEP_US = 100_000
_LONGEST = 81  # states of a plan of 8 s
_LIMITS = np.array([50, 25, 10, 50])
_SPEEDING_MPS2 = 2.0  # of gentler copies; nuPlan calls up to 2.4 comfortable
_NOBODY = np.zeros(0, np.uint64)


@dataclass(frozen=True)
class _State:
    inner: Any
    guide: Path
    collided: U64
    fallback: Any = None


class _Verdict(NamedTuple):
    """What is driven: candidate of the wrapped planner as it is (>= 0), or -1 and poses (T, 3); value; whether ego brakes."""

    candidate: int
    poses: F64
    value: float
    braked: bool


class _Stop(NamedTuple):
    poses: F64
    value: float
    ttc: float


class Guard(Planner):
    """See :class:`roadcraft.planners.guard.config.GuardConfig`. Plans have K = 1; debug channels ``guard_changed``, ``guard_braked`` and, with a fallback,
    ``guard_fallback`` are 1 in steps where the wrapped planner's choice was not driven, where ego brakes, and where the fallback drives."""

    def __init__(self, config: GuardConfig, planner: Planner | None = None) -> None:
        """``planner``: the wrapped one, in place of the one that ``config`` names."""
        self.config = config
        self.inner: Planner = planner or create("planner", config.planner.name, config.planner.params)
        other = config.fallback
        self.fallback: Planner | None = create("planner", other.name, other.params) if other else None
        self._grounds = Grounds()
        self._benches: dict[Vehicle, Bench] = {}

    def needs(self) -> PlannerNeeds:
        """Those of the wrapped planner and of the fallback."""
        needs = [p.needs() for p in (self.inner, self.fallback) if p is not None]
        return PlannerNeeds(max(n.object_past for n in needs), any(n.log for n in needs))

    def start(self, obs: ObservationBatch, keys: Keys) -> list[Any]:
        """The wrapped planner's states and the routes' centre lines."""
        inner = self.inner.start(obs, keys)
        out = []
        for b in range(len(obs)):
            m = obs.maps[b]
            ego = np.ascontiguousarray(obs.ego[b])
            guide = guide_of(m, self._grounds(m), obs.route[b], ego, obs.vehicle.box)
            out.append(_State(inner[b], guide, _NOBODY))
        return out

    def plan(self, obs: ObservationBatch, state: list[Any], keys: Keys) -> tuple[Plan, list[Any]]:
        """The wrapped planner's plans, judged."""
        plan, inner = self.inner.plan(obs, [s.inner for s in state], keys)
        after, verdicts = [], []
        for b in range(len(obs)):
            verdict, hits = self._judge_one(obs, b, plan, state[b])
            collided = np.concatenate([state[b].collided, hits]) if len(hits) else state[b].collided
            after.append(replace(state[b], inner=inner[b], collided=collided))
            verdicts.append(verdict)
        out = _assemble(obs, plan, verdicts)
        return self._fall_back(obs, out, after, verdicts, keys) if self.fallback is not None else (out, after)

    def _bench(self, vehicle: Vehicle) -> Bench:
        c = self.config
        if vehicle not in self._benches:
            weights = (c.progress_weight, c.ttc_weight, c.comfort_weight, c.speed_limit_weight)
            self._benches[vehicle] = Bench(
                Rules(_DT_S, REFRESH, np.array([0, 3, 6, 9]), (2.0, 6.0), weights, 0.1),
                ride_tables(_DT_S, vehicle.box[0], NUPLAN_BOUNDS),
                NUPLAN._replace(interval_s=_DT_S),
                vehicle.box,
                motion_of(vehicle),
                c.drivable_area_tolerance_m,
                c.radius_m,
            )
        return self._benches[vehicle]

    @property
    def _count(self) -> int:
        return round(self.config.horizon_s / _DT_S) + 1

    def _judge_one(self, obs: ObservationBatch, b: int, plan: Plan, state: _State) -> tuple[_Verdict, U64]:
        rows = obs.objects.rows(b)
        ego, box = np.ascontiguousarray(obs.ego[b]), obs.vehicle.box
        identity, kind = frozen(obs.objects.id[rows], np.uint64), frozen(obs.objects.kind[rows], np.uint8)
        world = observe(
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
            world = world._replace(path=self._foreseen(plan.forecast, b, int(obs.time_us[b]), world, identity, kind))
        court = _Court(self, obs, b, ego, world, state.guide)
        return court.decide(plan), identity[world.row[world.ignored]]

    def _foreseen(self, forecast: Forecast, b: int, now_us: int, world: World, identity: U64, kind: U8) -> F64:
        """Paths of the world's objects over the horizon and one step more, after which the last one's speed is known."""
        n = _times(forecast, b)
        time_s = (forecast.time_us[b, :n] - now_us) * 1e-6
        if time_s[0] <= 0.0 or (np.diff(time_s) <= 0.0).any():
            raise ValueError("the planner's forecast must begin after now, and its times must increase")
        who, known, pose = forecast.id[b], forecast.known[b], np.ascontiguousarray(forecast.pose[b, :, :n])
        count = (self._count - 1) // REFRESH + 2
        return foresee(world, identity, kind, who, known, time_s, pose, REFRESH * _DT_S, count)

    def _fall_back(
        self, obs: ObservationBatch, out: Plan, state: list[Any], verdicts: list[_Verdict], keys: Keys
    ) -> tuple[Plan, list[Any]]:
        assert self.fallback is not None
        rows = [b for b, v in enumerate(verdicts) if v.braked]
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


class _Court:
    """Judgement of one scenario's proposals at one step."""

    def __init__(self, guard: Guard, obs: ObservationBatch, b: int, ego: F64, world: World, guide: Path) -> None:
        self.config, self.count, self.bench = guard.config, guard._count, guard._bench(obs.vehicle)
        self.now, self.b, self.ego, self.world, self.guide = int(obs.time_us[b]), b, ego, world, guide
        self.past, self.begin = driven_before(
            obs.ego_past[b], obs.ego_past_us[b], obs.ego_past_valid[b], _DT_S, int(obs.iteration[b])
        )
        self.ground = guard._grounds(obs.maps[b])
        self.drivable = obs.maps[b].index.drivable.arrays

    def sheet(self, poses: F64) -> F64:
        shown = np.ascontiguousarray(poses[:, : self.count])
        return judge(
            self.past, self.begin, self.ego, shown, self.world, self.ground, self.drivable, self.guide, self.bench
        )

    def decide(self, plan: Plan) -> _Verdict:
        c = self.config
        rows, poses = self._proposals(plan)
        if not len(rows):
            return self._brake(self._straight_on()[None])
        opinion = plan.scores[self.b, rows]
        learned = c.planner_score_weight * np.exp(opinion - opinion.max())
        sheet = self.sheet(poses)
        value = self._values(sheet, learned)
        best = int(np.argmax(value))
        row, astray = sheet[best], c.follow_centerline & (sheet[:, DRIVABLE] == 0.0)
        good = _safe(sheet)[best] and row[TTC] == 1.0 and row[SPEED_LIMIT] > 0.999 and row[COMFORT] == 1.0
        if good and not (astray & (learned > learned[best])).any():
            return _Verdict(int(rows[best]), poses[best], float(value[best]), False)
        tried = np.argsort(-value, kind="stable")[: c.max_slowed_proposals]
        kept, of = self._centred(poses[tried], astray[tried])
        paths, favour = np.concatenate([poses[tried], kept]), np.concatenate([learned[tried], learned[tried][of]])
        copies = self._copies(paths, c.speed_fractions, c.slowing_mps2, c.jerk_mps3)
        both = np.concatenate([sheet, self.sheet(copies)]) if len(copies) else sheet
        value = self._values(both, np.concatenate([learned, np.repeat(favour, len(c.speed_fractions))]))
        best = int(np.argmax(value))
        if not _safe(both)[best]:
            return self._brake(paths)
        if best < len(rows):
            return _Verdict(int(rows[best]), poses[best], float(value[best]), False)
        return _Verdict(-1, copies[best - len(rows)], float(value[best]), False)

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
        out = np.empty((len(poses) * len(factors), *poses.shape[1:]))
        for i, p in enumerate(poses):
            for j, factor in enumerate(factors):
                paced(p, speed, accel, factor, _SPEEDING_MPS2, decel, jerk, _DT_S, out[i * len(factors) + j])
        return out

    def _centred(self, poses: F64, wanted: Any) -> tuple[F64, I64]:
        """Copies of the wanted ones of poses (N, T, 3) on the route's centre line, as far as they can be made, and the rows that they are of."""
        out, rows = np.empty_like(poses), []
        for n in np.flatnonzero(wanted):
            if centred(poses[n], self.guide, out[len(rows)]):
                rows.append(n)
        return out[: len(rows)], np.array(rows, np.int64)

    def _values(self, sheet: F64, learned: F64) -> F64:
        """Rules plus opinion; what breaks a rule that multiplies stands below all that does not."""
        return np.asarray(total(sheet, self.bench.rules) + learned - 2.0 * ~_safe(sheet))

    def _brake(self, poses: F64) -> _Verdict:
        """Stops along the given paths: the best comfortable one that is safe and stays away from others, else the best hard one, or at least a safe one; else the
        hardest, along the path where the worst comes last."""
        c, found = self.config, None
        for decel, jerk in ((c.comfort_stop_mps2, c.jerk_mps3), (c.emergency_stop_mps2, np.inf)):
            copies = self._copies(poses, (0.0,), decel, jerk)
            sheet = self.sheet(copies)
            value = self._values(sheet, np.zeros(len(sheet)))
            best = int(np.argmax(value))
            if _safe(sheet)[best] and (found is None or sheet[best, TTC] > found.ttc):
                found = _Stop(copies[best], float(value[best]), float(sheet[best, TTC]))
            if found is not None and found.ttc == 1.0:
                break
        if found is None:
            order = np.lexsort((sheet[:, DRIVABLE], sheet[:, NO_COLLISION], sheet[:, COLLISION_STEP]))
            best = int(order[-1])
            found = _Stop(copies[best], float(value[best]), 0.0)
        return _Verdict(-1, found.poses, found.value, True)


def _times(forecast: Forecast, b: int) -> int:
    """How many times of scenario b's forecast are valid."""
    return forecast.time_us.shape[1] if forecast.length is None else int(forecast.length[b])


def _safe(sheet: F64) -> Any:
    return sheet[:, NO_COLLISION] * sheet[:, DRIVABLE] * sheet[:, DIRECTION] > 0.0


def _assemble(obs: ObservationBatch, plan: Plan, verdicts: list[_Verdict]) -> Plan:
    """The driven trajectories as a Plan with K = 1, each on its own time grid."""
    count, own = len(obs), plan.states.shape[2]
    longest = max([own, *(len(v.poses) for v in verdicts if v.candidate < 0)])
    time_us, length = np.zeros((count, longest), np.int64), np.zeros(count, np.int64)
    states = np.zeros((count, 1, longest, EGO_SIZE))
    changed = np.ones(count)
    for b, v in enumerate(verdicts):
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
        "guard_braked": np.array([float(v.braked) for v in verdicts]),
    }
    scores = np.array([[v.value] for v in verdicts])
    controls = _controls(obs, plan, time_us, states, length, changed)
    return Plan(time_us, states, scores, length, controls, debug)


def _controls(obs: ObservationBatch, plan: Plan, time_us: I64, states: F64, length: I64, changed: F64) -> F64 | None:
    """The wrapped planner's controls where its choice is driven, the tracker's for the others; None where it gives none."""
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
