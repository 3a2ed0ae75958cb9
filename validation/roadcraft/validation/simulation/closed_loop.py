"""The closed loop without a planner: scenarios advance together, each at an iteration of its own, under whatever plans
they are given (reference: nuplan-devkit e924167, Simulation).

Iteration i of a scenario: what is seen at i is recorded and shown; a plan is given; then, unless i is the last recorded
one (N - 2), the controller moves ego to i + 1 and the agents move, seeing ego as it was at i. So a scenario of N
iterations yields N - 1 samples, and its last plan is never driven.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import numpy as np

from roadcraft.core.arrays import F64, I64, read_only
from roadcraft.core.config.factory import create
from roadcraft.core.data.plan import FAULTS, Plan
from roadcraft.core.data.rollout import Objects, ObservationBatch, Rollout
from roadcraft.core.data.scenario import Scenario
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.errors import ConfigError, PluginError, ScenarioError
from roadcraft.core.interfaces import AgentPolicy
from roadcraft.core.random import scenario_key, step_keys
from roadcraft.core.types import Keys, PlannerNeeds
from roadcraft.core.vehicles.state import VehicleState
from roadcraft.core.vehicles.vehicle import Vehicle, load_vehicle
from roadcraft.validation.config import SimulationConfig
from roadcraft.validation.simulation.agent_check import checked
from roadcraft.validation.simulation.batch_log import BatchLog
from roadcraft.validation.simulation.controllers import Controller, Driven, FollowLog, Perfect, TwoStage
from roadcraft.validation.simulation.isolation import Parts, all_rows, error_text, isolated
from roadcraft.validation.simulation.joints import Sensing
from roadcraft.validation.simulation.plan_check import check, driven
from roadcraft.validation.simulation.recorder import Recorder, SameIdError


@dataclass(frozen=True)
class Failure:
    """A scenario that could not be driven to its end."""

    scenario: Scenario | None
    """The scenario, or None where it could not be loaded."""
    token: str
    """Its token."""
    step: int | None
    """The iteration; None before the first and after the last."""
    stage: str
    """``planner``, ``plan``, ``controller``, ``agents``, ``load``, ``metrics``, ``timeout`` or ``crash``."""
    error: str
    """The error in one line."""
    traceback: str = ""
    """The traceback as text, empty where there is none."""


@dataclass
class Watch:
    """What a caller may follow. on_call(stage, step): before each call into plugin code, step None before the first;
    seconds: wall time per stage; latency_s: per token, how long each call of ``plan`` took that the scenario took part
    in."""

    on_call: Callable[[str, int | None], None] | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    scenario_steps: int = 0
    latency_s: dict[str, F64] = field(default_factory=dict)

    def call(self, stage: str, step: int | None) -> None:
        if self.on_call is not None:
            self.on_call(stage, step)


@dataclass(frozen=True)
class LoopSetup:
    """What drives a closed loop besides the planner."""

    config: SimulationConfig
    agents: AgentPolicy
    controller: Controller
    vehicle: Vehicle
    believed: Vehicle
    seed: int

    @classmethod
    def of(
        cls,
        config: SimulationConfig | None = None,
        *,
        agents: AgentPolicy | str = "log",
        controller: Controller | None = None,
        vehicle: Vehicle | str = "pacifica",
        believed: Vehicle | None = None,
        seed: int = 0,
    ) -> LoopSetup:
        """The settings of ``simulate``, with what they name. Raises ConfigError where ``believed`` has more units than
        ``vehicle``."""
        config = config or SimulationConfig()
        ego = load_vehicle(vehicle) if isinstance(vehicle, str) else vehicle
        taken_for = believed or ego
        if taken_for.joints > ego.joints:
            raise ConfigError(
                f"the planner takes the vehicle for {taken_for.name!r} with {len(taken_for.units)} units, but "
                f"{ego.name!r} has {len(ego.units)}"
            )
        policy = create("agents", agents) if isinstance(agents, str) else agents
        return cls(config, policy, controller or make_controller(config), read_only(ego), read_only(taken_for), seed)


def make_controller(config: SimulationConfig) -> Controller:
    """The controller that the configuration names."""
    if config.controller == "log":
        return FollowLog()
    if config.controller == "perfect":
        return Perfect()
    return TwoStage(
        create("tracker", config.tracker.name, config.tracker.params),
        create("vehicle_model", config.vehicle_model.name, config.vehicle_model.params),
    )


class ClosedLoop:
    """Room for B scenarios of one interval, which begin together (``of``) or whenever there is room (``begin``):
    ``observe``, then ``advance``, until no rows are left.

    rows (R,): the scenarios that run, ascending; at (R,): the iterations at which they stand; agent_state is aligned
    with them; obs: what ``observe`` or ``begin`` showed last, of the rows that still run; failures: by scenario. The
    arrays of scenarios and of their maps are marked read-only. debug: raise the first fault as ScenarioError instead of
    keeping it in ``failures``.
    """

    obs: ObservationBatch

    def __init__(
        self,
        room: int,
        interval_s: float,
        setup: LoopSetup,
        needs: PlannerNeeds,
        watch: Watch | None = None,
        debug: bool = False,
    ) -> None:
        """room: B."""
        self.setup, self.needs = setup, needs
        self.watch, self.debug, config = watch or Watch(), debug, setup.config
        self._clock = perf_counter()
        sensing = Sensing(setup.believed, config.joint_noise_rad, config.joint_measured, setup.seed)
        self.log = BatchLog(room, interval_s, setup.vehicle, setup.controller.columns(setup.vehicle), sensing)
        every = 1 if config.controller == "log" else config.record_plan_every
        self.record = Recorder(self.log, needs.object_past, every)
        self._seeds = np.zeros((2, room), np.uint64)  # of the planner, and of the agents
        self._keys = np.zeros((2, room, 0), np.uint64)  # the same of every iteration
        self.failures: dict[int, Failure] = {}
        self.rows, self.at = all_rows(0), all_rows(0)
        self.agent_state: list[Any] = []
        self._stays, self._unseen = self.rows, np.zeros(0, np.bool_)

    @classmethod
    def of(
        cls,
        scenarios: Sequence[Scenario],
        setup: LoopSetup,
        needs: PlannerNeeds,
        watch: Watch | None = None,
        debug: bool = False,
    ) -> ClosedLoop:
        """Scenarios of one interval, which begin together."""
        out = cls(len(scenarios), scenarios[0].interval_s, setup, needs, watch, debug)
        out.begin(all_rows(len(scenarios)), scenarios)
        return out

    @property
    def scenarios(self) -> Sequence[Scenario | None]:
        """(B) what runs, or ran last."""
        return self.log.scenarios

    def begin(self, rows: I64, scenarios: Sequence[Scenario]) -> None:
        """Put scenarios at their first iteration into ``rows`` (ascending), where none runs; those that ran there
        before are forgotten. Where others run, ``observe`` has shown them as they stand."""
        some, setup = read_only(tuple(scenarios)), self.setup
        self.log.put(rows, some)
        self.log.motion[rows, 0] = setup.controller.begin(
            self.log.expert[rows, 0], self.log.joints[rows, 0], setup.vehicle
        )
        self.record.put(rows, some)
        for b, s in zip(rows.tolist(), some, strict=True):
            self.failures.pop(b, None)
            self._seeds[:, b] = scenario_key(setup.seed, s.token), scenario_key(setup.seed, f"{s.token}:agents")
        self._keys = step_keys(self._seeds[..., None], np.arange(self.log.time_us.shape[1]))
        self._start_agents(rows, some)

    def observe(self) -> ObservationBatch:
        """What is seen of the running scenarios as they stand, which is recorded."""
        rows, at, fresh = self.rows, self.at, self._unseen
        if np.count_nonzero(fresh) == len(fresh):
            self.objects = self.record.observe(rows, at, self.objects)
        elif fresh.any():  # some have just begun among others that have been seen
            some = np.flatnonzero(fresh)
            self.record.observe(rows[some], at[some], self.objects.select(some))
            self.objects = read_only(self.objects)
        self._unseen = np.zeros(len(rows), np.bool_)
        past = self.record.history(rows, at)
        self.obs = self.log.observe(rows, at, self.objects, past, self.needs.log)
        self.log.feel(rows, at, self.obs.ego)
        self.lap("observe")
        return self.obs

    def advance(self, plan: Plan) -> I64:
        """Drive the plans of the running scenarios (``plan_check.contiguous``) to the next iteration. Returns which of
        the rows go on, by their places among the rows before: those whose plan can be driven, that have a next
        iteration, and that nothing failed in."""
        self._stays = all_rows(len(self.rows))
        plan, best = self._checked(plan)
        self.record.plan(self.rows, self.at, plan, best)
        self.lap("record")
        going = self.log.count[self.rows] - 1 > self.at + 1
        if np.count_nonzero(going) < len(going):
            keep = np.flatnonzero(going)
            self.keep(keep)
            plan, best = plan.select(keep), best[keep]
        if len(self.rows):
            self._control(plan, best)
        if len(self.rows):
            self._move_agents()
        self.at, self._unseen = read_only(self.at + 1), np.ones(len(self.rows), np.bool_)
        return self._stays

    def planner_keys(self) -> Keys:
        """Keys (R,) of the planner at the iterations at which the running scenarios stand."""
        return self.log.now(self._keys[0], self.rows, self.at)

    def result(self, b: int) -> Rollout | Failure:
        """The record of scenario b, once it does not run any more, or why there is none."""
        if b not in self.failures:
            try:
                return self.record.rollout(b)
            except SameIdError as e:
                self._fail(b, e.step, "agents", str(e))
        return self.failures[b]

    def copy(self) -> ClosedLoop:
        """The loop as it stands; neither it nor the copy notices what becomes of the other."""
        out = copy(self)
        out.log, out.failures, out.agent_state = self.log.copy(), dict(self.failures), list(self.agent_state)
        out.record = self.record.copy(out.log)
        out._seeds = self._seeds.copy()
        return out

    # ---- one step ------------------------------------------------------------------------------------------------

    @property
    def _step(self) -> int:
        """The iteration that is told of a call for all."""
        return int(self.at[0])

    def _checked(self, plan: Plan) -> tuple[Plan, F64]:
        """Drop the scenarios whose plan breaks the contract."""
        obs, (best, score) = self.obs, driven(plan)
        until = self.log.now(self.log.until_us, self.rows, self.at)
        codes = check(plan, best, score, obs.time_us, until, int(self.setup.controller.min_plan_s * 1e6))
        if not np.count_nonzero(codes):
            return plan, best
        for r in np.flatnonzero(codes):
            said = f"the plan cannot be driven: {FAULTS[int(codes[r])]}"
            self._fail(int(self.rows[r]), int(self.at[r]), "plan", said)
        keep = np.flatnonzero(codes == 0)
        self.keep(keep)
        return plan.select(keep), best[keep]

    def _control(self, plan: Plan, best: F64) -> None:
        assert plan.length is not None
        obs, rows, at, log = self.obs, self.rows, self.at, self.log
        self.watch.call("controller", self._step)
        state = log.state(rows, at, frozen(obs.ego))
        job = Driven(
            obs.time_us,
            log.next_us(rows, at),
            state,
            log.sensing.state(self.setup.vehicle, log.columns, state, obs.joints),
            log.road(rows, at),
            log.now(log.expert, rows, at, 1),
            plan.time_us,
            best,
            plan.length,
            plan.controls,
        )
        parts = isolated(lambda r: self._moved(job if r is None else read_only(job.select(r))), len(rows))
        self.survive(parts, "controller")
        if parts.parts:
            moved = [answer for _, answer in parts.parts]
            state = moved[0] if len(moved) == 1 else VehicleState(*map(np.concatenate, zip(*moved, strict=True)))
            log.advance(self.rows, self.at, state)
        self.lap("control")

    def _moved(self, job: Driven) -> VehicleState:
        control = self.setup.controller
        state = control.step(job, self.setup.vehicle, self.setup.believed)
        if not isinstance(control, TwoStage) and not np.isfinite(state.ego).all():  # that one asks itself
            raise PluginError(f"the next ego state of {type(control).__name__} is not finite")
        return state

    # ---- agents --------------------------------------------------------------------------------------------------

    def _start_agents(self, rows: I64, scenarios: tuple[Scenario, ...]) -> None:
        """Those of scenarios that begin in ``rows``, which run from now on."""
        self.watch.call("agents.start", None)
        agents, vehicle = self.setup.agents, self.setup.vehicle
        keys = read_only(self._keys[1, rows, 0])

        def call(r: I64 | None) -> tuple[list[Any], Objects]:
            some = scenarios if r is None else tuple(scenarios[b] for b in r)
            return checked(agents.start(some, vehicle, keys if r is None else keys[r]), len(some))

        self.lap("pack")
        parts = isolated(call, len(rows))
        for r, error in parts.faults.items():
            self._fail(int(rows[r]), None, "agents", error_text(error), error)
        if parts.parts:
            states = [s for _, (states, _) in parts.parts for s in states]
            self._join(rows[parts.rows], states, Objects.concat([o for _, (_, o) in parts.parts]))
        self.lap("agents")

    def _join(self, rows: I64, states: list[Any], objects: Objects) -> None:
        """Let scenarios ``rows`` run beside the others."""
        both, running = np.concatenate([self.rows, rows]), len(self.rows)
        order = np.argsort(both)
        self.objects = Objects.concat([self.obs.objects, objects]).select(order) if running else objects
        states = [*self.agent_state, *states]
        self.agent_state = [states[k] for k in order.tolist()]
        self._unseen = (order >= running) | np.concatenate([self._unseen, np.ones(len(rows), np.bool_)])[order]
        self.at = read_only(np.concatenate([self.at, np.zeros(len(rows), np.int64)])[order])
        self.rows = read_only(both[order])
        self._stays = all_rows(len(self.rows))

    def _move_agents(self) -> None:
        obs, agents = self.obs, self.setup.agents
        self.watch.call("agents.step", self._step)
        keys = self.log.now(self._keys[1], self.rows, self.at, 1)
        scenarios = self.log.of(self.rows).scenarios
        if self.setup.believed is not self.setup.vehicle or self.log.seen_joints is not self.log.joints:
            # the others meet what is hitched
            joints = self.log.state(self.rows, self.at, obs.ego).joints
            obs = replace(obs, vehicle=self.setup.vehicle, joints=joints)

        def call(r: I64 | None) -> tuple[list[Any], Objects]:
            if r is None:
                return checked(agents.step(scenarios, obs, list(self.agent_state), keys), len(scenarios))
            some, states = tuple(scenarios[b] for b in r), [self.agent_state[b] for b in r]
            return checked(agents.step(some, obs.select(r), states, keys[r]), len(some))

        parts = isolated(call, len(self.rows))
        self.survive(parts, "agents")
        self.agent_state = [s for _, (states, _) in parts.parts for s in states]
        if parts.parts:
            self.objects = Objects.concat([o for _, (_, o) in parts.parts])
        self.lap("agents")

    # ---- faults --------------------------------------------------------------------------------------------------

    def survive(self, parts: Parts[Any], stage: str) -> None:
        """Go on with the scenarios whose call went well."""
        if not parts.faults:
            return
        for r, error in parts.faults.items():
            self._fail(int(self.rows[r]), int(self.at[r]), stage, error_text(error), error)
        self.keep(parts.rows)

    def keep(self, keep: I64) -> None:
        """Go on with some of the running scenarios, by their places among them (ascending)."""
        self.agent_state = [self.agent_state[b] for b in keep]
        self.rows, self.at, self._unseen = read_only(self.rows[keep]), read_only(self.at[keep]), self._unseen[keep]
        self._stays = self._stays[keep]
        if hasattr(self, "obs"):
            self.obs = self.obs.select(keep)

    def _fail(self, b: int, step: int | None, stage: str, error: str, cause: BaseException | None = None) -> None:
        s = self.log.scenarios[b]
        assert s is not None
        if self.debug:
            at = "" if step is None else f", at {step * s.interval_s:.1f} s"
            raise ScenarioError(f"scenario {s.token}{at}, {stage}: {error}") from cause
        text = "".join(traceback.format_exception(cause)) if cause is not None else ""
        self.failures[b] = Failure(s, s.token, step, stage, error, text)

    def lap(self, stage: str) -> float:
        """Seconds since the last lap, which count for this stage."""
        now = perf_counter()
        passed, self._clock = now - self._clock, now
        self.watch.seconds[stage] = self.watch.seconds.get(stage, 0.0) + passed
        return passed
