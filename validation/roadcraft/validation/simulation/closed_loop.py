"""The closed loop without a planner: scenarios advance in lockstep under whatever plans they are given (reference:
nuplan-devkit e924167, Simulation).

Step i: what is seen at i is recorded and shown; a plan is given; then, unless i is the last recorded one (N - 2), the
controller moves ego to i + 1 and the agents move, seeing ego as it was at i. So a scenario of N iterations yields N - 1
samples, and its last plan is never driven.
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
    """One lockstep batch of scenarios of one interval: ``observe``, then ``advance``, until no rows are left.

    rows (R,): the scenarios that still run, ascending; agent_state and objects are aligned with them; iteration: the
    one that ``observe`` shows; obs: what it showed last, of the rows that still run; failures: by scenario; keys and
    agent_keys (N_max, B): of every step, of the planner and of the agents. The arrays of ``scenarios`` and of their
    maps are marked read-only. debug: raise the first fault as ScenarioError instead of keeping it in ``failures``.
    """

    obs: ObservationBatch

    def __init__(
        self,
        scenarios: Sequence[Scenario],
        setup: LoopSetup,
        needs: PlannerNeeds,
        watch: Watch | None = None,
        debug: bool = False,
    ) -> None:
        self.scenarios, self.setup, self.needs = read_only(tuple(scenarios)), setup, needs
        self.watch, self.debug, config = watch or Watch(), debug, setup.config
        self._clock = perf_counter()
        sensing = Sensing(setup.believed, config.joint_noise_rad, config.joint_measured, setup.seed)
        self.log = BatchLog(self.scenarios, setup.vehicle, setup.controller.columns(setup.vehicle), sensing)
        self.log.motion[:, 0] = setup.controller.begin(self.log.expert[:, 0], self.log.joints[:, 0], setup.vehicle)
        every = 1 if config.controller == "log" else config.record_plan_every
        self.record = Recorder(self.log, needs.object_past, every)
        steps = np.arange(self.log.time_us.shape[1])[:, None]
        self.keys = read_only(step_keys([scenario_key(setup.seed, s.token) for s in self.scenarios], steps))
        agent_keys = [scenario_key(setup.seed, f"{s.token}:agents") for s in self.scenarios]
        self.agent_keys = read_only(step_keys(agent_keys, steps))
        self.failures: dict[int, Failure] = {}
        self.iteration = 0
        self.rows = np.arange(len(self.scenarios), dtype=np.int64)
        self.agent_state: list[Any] = [None] * len(self.scenarios)
        self._stays = self.rows
        self._start_agents()

    def observe(self) -> ObservationBatch:
        """What is seen of the running scenarios at this iteration, which is recorded."""
        now, past = self.record.observe(self.rows, self.iteration, self.objects)
        self.obs = self.log.observe(self.rows, self.iteration, now, past, self.needs.log)
        self.log.feel(self.rows, self.iteration, self.obs.ego)
        self.lap("observe")
        return self.obs

    def advance(self, plan: Plan) -> I64:
        """Drive the plans of the running scenarios (``plan_check.contiguous``) to the next iteration. Returns which of
        the rows go on, by their places among the rows before: those whose plan can be driven, that have a next
        iteration, and that nothing failed in."""
        i, self._stays = self.iteration, all_rows(len(self.rows))
        plan, best = self._checked(plan)
        self.record.plan(self.rows, i, plan, best)
        self.lap("record")
        going = self.log.count[self.rows] - 1 > i + 1
        if np.count_nonzero(going) < len(going):
            keep = np.flatnonzero(going)
            self.keep(keep)
            plan, best = plan.select(keep), best[keep]
        if len(self.rows):
            self._control(plan, best)
        if len(self.rows):
            self._move_agents()
        self.iteration += 1
        return self._stays

    def of_running(self, keys: Keys) -> Keys:
        """The keys (B,) of the running scenarios."""
        return keys if len(self.rows) == len(keys) else read_only(keys[self.rows])

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
        return out

    # ---- one step ------------------------------------------------------------------------------------------------

    def _checked(self, plan: Plan) -> tuple[Plan, F64]:
        """Drop the scenarios whose plan breaks the contract."""
        i, obs, (best, score) = self.iteration, self.obs, driven(plan)
        until = self.log.of(self.rows).until_us[i]
        codes = check(plan, best, score, obs.time_us, until, int(self.setup.controller.min_plan_s * 1e6))
        if not np.count_nonzero(codes):
            return plan, best
        for r in np.flatnonzero(codes):
            self._fail(int(self.rows[r]), i, "plan", f"the plan cannot be driven: {FAULTS[int(codes[r])]}")
        keep = np.flatnonzero(codes == 0)
        self.keep(keep)
        return plan.select(keep), best[keep]

    def _control(self, plan: Plan, best: F64) -> None:
        assert plan.length is not None
        i, obs, rows, log = self.iteration, self.obs, self.rows, self.log.of(self.rows)
        self.watch.call("controller", i)
        state = self.log.state(rows, i, frozen(obs.ego))
        job = Driven(
            obs.time_us,
            log.time_us[i + 1],
            state,
            self.log.sensing.state(self.setup.vehicle, self.log.columns, state, obs.joints),
            self.log.road(rows, i),
            log.expert[i + 1],
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
            self.log.advance(self.rows, i, state)
        self.lap("control")

    def _moved(self, job: Driven) -> VehicleState:
        control = self.setup.controller
        state = control.step(job, self.setup.vehicle, self.setup.believed)
        if not isinstance(control, TwoStage) and not np.isfinite(state.ego).all():  # that one asks itself
            raise PluginError(f"the next ego state of {type(control).__name__} is not finite")
        return state

    # ---- agents --------------------------------------------------------------------------------------------------

    def _start_agents(self) -> None:
        self.watch.call("agents.start", None)
        agents, vehicle, keys = self.setup.agents, self.setup.vehicle, self.agent_keys[0]

        def call(r: I64 | None) -> tuple[list[Any], Objects]:
            some = self.scenarios if r is None else tuple(self.scenarios[b] for b in r)
            return checked(agents.start(some, vehicle, keys if r is None else keys[r]), len(some))

        self.lap("pack")
        self._take_agents(isolated(call, len(self.scenarios)), None)

    def _move_agents(self) -> None:
        i, obs, agents = self.iteration, self.obs, self.setup.agents
        self.watch.call("agents.step", i)
        keys = self.of_running(self.agent_keys[i + 1])
        scenarios = self.log.of(self.rows).scenarios
        if self.setup.believed is not self.setup.vehicle or self.log.seen_joints is not self.log.joints:
            # the others meet what is hitched
            joints = self.log.state(self.rows, i, obs.ego).joints
            obs = replace(obs, vehicle=self.setup.vehicle, joints=joints)

        def call(r: I64 | None) -> tuple[list[Any], Objects]:
            if r is None:
                return checked(agents.step(scenarios, obs, list(self.agent_state), keys), len(scenarios))
            some, states = tuple(scenarios[b] for b in r), [self.agent_state[b] for b in r]
            return checked(agents.step(some, obs.select(r), states, keys[r]), len(some))

        self._take_agents(isolated(call, len(self.rows)), i)

    def _take_agents(self, parts: Parts[tuple[list[Any], Objects]], i: int | None) -> None:
        self.survive(parts, "agents", i)
        self.agent_state = [s for _, (states, _) in parts.parts for s in states]
        if parts.parts:
            self.objects = Objects.concat([o for _, (_, o) in parts.parts])
        self.lap("agents")

    # ---- faults --------------------------------------------------------------------------------------------------

    def survive(self, parts: Parts[Any], stage: str, step: int | None = -1) -> None:
        """Go on with the scenarios whose call went well; step: by default this iteration."""
        if not parts.faults:
            return
        at = self.iteration if step == -1 else step
        for r, error in parts.faults.items():
            self._fail(int(self.rows[r]), at, stage, error_text(error), error)
        self.keep(parts.rows)

    def keep(self, keep: I64) -> None:
        """Go on with some of the running scenarios, by their places among them (ascending)."""
        self.agent_state = [self.agent_state[b] for b in keep]
        self.rows = self.rows[keep]
        self._stays = self._stays[keep]
        if hasattr(self, "obs"):
            self.obs = self.obs.select(keep)

    def _fail(self, b: int, step: int | None, stage: str, error: str, cause: BaseException | None = None) -> None:
        s = self.scenarios[b]
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
