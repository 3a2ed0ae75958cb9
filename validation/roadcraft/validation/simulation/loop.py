"""The closed loop: scenarios advance in lockstep, one planner call per step for all of them (reference: nuplan-devkit
e924167, Simulation).

Step i: the planner sees the history up to i; the step is recorded; then, unless i is the last recorded one (N - 2), the
controller moves ego to i + 1 and the agents move, seeing ego as it was at i. So a scenario of N iterations yields N - 1
samples, and its last plan is never driven.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import numpy as np

from roadcraft.core.arrays import F64, I64, read_only
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.errors import ConfigError, PluginError, ScenarioError
from roadcraft.core.factory import create
from roadcraft.core.interfaces import AgentPolicy, Planner, stack_plans
from roadcraft.core.plan import FAULTS, Plan
from roadcraft.core.random import scenario_key, step_keys
from roadcraft.core.rollout import Objects, ObservationBatch, Rollout
from roadcraft.core.scenario import Scenario
from roadcraft.core.types import Keys
from roadcraft.core.vehicle import Vehicle, load_vehicle
from roadcraft.core.vehicle_state import VehicleState
from roadcraft.validation.config import SimulationConfig
from roadcraft.validation.simulation.agent_check import checked
from roadcraft.validation.simulation.batch_log import BatchLog
from roadcraft.validation.simulation.controllers import Controller, Driven, FollowLog, Perfect, TwoStage
from roadcraft.validation.simulation.isolation import Parts, error_text, isolated
from roadcraft.validation.simulation.joints import Sensing
from roadcraft.validation.simulation.plan_check import check, contiguous, driven
from roadcraft.validation.simulation.ragged import concat_objects
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


def simulate(  # noqa: PLR0913 (settings, by keyword)
    scenarios: Sequence[Scenario],
    planner: Planner,
    config: SimulationConfig | None = None,
    *,
    agents: AgentPolicy | str = "log",
    controller: Controller | None = None,
    vehicle: Vehicle | str = "pacifica",
    believed: Vehicle | None = None,
    seed: int = 0,
    watch: Watch | None = None,
    debug: bool = False,
) -> list[Rollout | Failure]:
    """Drive every scenario; results in the order of ``scenarios``.

    agents: who drives the others, or the name of a registered policy; controller: by default what ``config`` says;
    vehicle: ego's; believed: the vehicle that planner and tracker take it for, by default itself; seed: of all random
    draws; debug: raise the first fault instead of recording it. A result depends on its scenario, the config and the
    seed alone: not on the batch size, the order, or the other scenarios. A planner that raises or breaks its contract
    costs only the scenarios it does so in. What planners and agents are shown is read-only; the arrays of
    ``scenarios``, of their maps and of ``vehicle`` are marked so. Raises ConfigError where ``believed`` has more units
    than ``vehicle``.
    """
    config = config or SimulationConfig()
    policy = create("agents", agents) if isinstance(agents, str) else agents
    ego = load_vehicle(vehicle) if isinstance(vehicle, str) else vehicle
    control = controller or make_controller(config)
    taken_for = believed or ego
    if taken_for.joints > ego.joints:
        raise ConfigError(
            f"the planner takes the vehicle for {taken_for.name!r} with {len(taken_for.units)} units, but {ego.name!r} "
            f"has {len(ego.units)}"
        )
    read_only((*scenarios, ego, taken_for))
    results: list[Rollout | Failure | None] = [None] * len(scenarios)
    for group in _batches(scenarios, config.batch):
        some = tuple(scenarios[i] for i in group)
        run = _Run(some, planner, config, policy, control, ego, taken_for, seed, watch or Watch(), debug)
        for i, result in zip(group, run.drive(), strict=True):
            results[i] = result
    return [r for r in results if r is not None]


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


def _batches(scenarios: Sequence[Scenario], size: int) -> list[list[int]]:
    """Index lists of at most ``size`` scenarios that share one interval."""
    groups: dict[float, list[int]] = {}
    for i, s in enumerate(scenarios):
        groups.setdefault(s.interval_s, []).append(i)
    return [rows[k : k + size] for rows in groups.values() for k in range(0, len(rows), size)]


@dataclass(eq=False)
class _Run:
    """One lockstep batch. ``rows`` are the scenarios that still run; ``state``, ``agent_state`` and ``objects`` are
    aligned with them."""

    scenarios: tuple[Scenario, ...]
    planner: Planner
    config: SimulationConfig
    agents: AgentPolicy
    controller: Controller
    vehicle: Vehicle
    believed: Vehicle
    seed: int
    watch: Watch
    debug: bool

    def __post_init__(self) -> None:
        self.needs = self.planner.needs()
        sensing = Sensing(self.believed, self.config.joint_noise_rad, self.config.joint_measured, self.seed)
        self.log = BatchLog(self.scenarios, self.vehicle, self.controller.columns(self.vehicle), sensing)
        self.log.motion[:, 0] = self.controller.begin(self.log.expert[:, 0], self.log.joints[:, 0], self.vehicle)
        every = 1 if self.config.controller == "log" else self.config.record_plan_every
        self.record = Recorder(self.log, self.needs.object_past, every)
        steps = np.arange(self.log.time_us.shape[1])[:, None]
        # (N_max, B): the keys of every step, of the planner and of the agents
        self.keys = read_only(step_keys([scenario_key(self.seed, s.token) for s in self.scenarios], steps))
        agent_keys = [scenario_key(self.seed, f"{s.token}:agents") for s in self.scenarios]
        self.agent_keys = read_only(step_keys(agent_keys, steps))
        self.failures: dict[int, Failure] = {}
        self.rows = np.arange(len(self.scenarios), dtype=np.int64)
        self.state: list[Any] = []
        self.agent_state: list[Any] = []
        self._latency = np.full(self.log.time_us.shape, np.nan)
        self._clock = perf_counter()

    def drive(self) -> list[Rollout | Failure]:
        self._start_agents()
        for i in range(int(self.log.count.max()) - 1):
            if not len(self.rows):
                break
            obs = self._observe(i)
            if i == 0:
                obs = self._start_planner(obs)
            obs, plan, best = self._plan(obs, i)
            going = self.log.count[self.rows] - 1 > i + 1
            if not going.all():
                obs, plan, best = self._keep(np.flatnonzero(going), obs, plan, best)
            if not len(self.rows):
                break
            obs = self._control(obs, plan, best, i)
            self._move_agents(obs, i)
        results = [self._result(b) for b in range(len(self.scenarios))]
        self.watch.latency_s |= {s.token: row for s, row in zip(self.scenarios, self._latency, strict=True)}
        self._lap("record")
        return results

    def _result(self, b: int) -> Rollout | Failure:
        if b not in self.failures:
            try:
                return self.record.rollout(b)
            except SameIdError as e:
                self._fail(b, e.step, "agents", str(e))
        return self.failures[b]

    def _of_running(self, keys: Keys) -> Keys:
        return keys if len(self.rows) == len(keys) else read_only(keys[self.rows])

    # ---- one step ------------------------------------------------------------------------------------------------

    def _observe(self, i: int) -> ObservationBatch:
        now, past = self.record.observe(self.rows, i, self.objects)
        obs = self.log.observe(self.rows, i, now, past, self.needs.log)
        self.log.feel(self.rows, i, obs.ego)
        return obs

    def _start_planner(self, obs: ObservationBatch) -> ObservationBatch:
        self._lap("observe")
        self.watch.call("planner.start", None)
        keys = self._of_running(self.keys[0])
        parts = isolated(
            lambda r: self._states(self.planner.start(*_some(obs, r), keys if r is None else keys[r]), r),
            len(self.rows),
        )
        self.state = [s for _, states in parts.parts for s in states]
        obs = self._survive(parts, obs, 0, "planner")
        self._lap("plan")
        return obs

    def _plan(self, obs: ObservationBatch, i: int) -> tuple[ObservationBatch, Plan | None, F64]:
        self.watch.call("planner.plan", i)
        self.watch.scenario_steps += len(self.rows)
        keys = self._of_running(self.keys[i])
        before = self.state

        def call(r: I64 | None) -> tuple[Plan, list[Any]]:
            states = list(before) if r is None else [before[b] for b in r]
            plan, after = self.planner.plan(*_some(obs, r), states, keys if r is None else keys[r])
            return contiguous(plan, len(states)), self._states(after, r)

        self._lap("observe")
        parts = isolated(call, len(self.rows)) if len(self.rows) else Parts([], {})
        self._latency[self.rows, i] = self._lap("plan")
        self.state = [s for _, (_, states) in parts.parts for s in states]
        obs = self._survive(parts, obs, i, "planner")
        if not parts.parts:
            return obs, None, np.zeros((0, 0, 0))
        plan = _one_plan([p for _, (p, _) in parts.parts])
        best, score = driven(plan)
        obs, plan, best = self._check(obs, plan, best, score, i)
        self.record.plan(self.rows, i, plan, best)
        self._lap("record")
        return obs, plan, best

    def _check(
        self, obs: ObservationBatch, plan: Plan, best: F64, score: F64, i: int
    ) -> tuple[ObservationBatch, Plan, F64]:
        """Drop the scenarios whose plan breaks the contract."""
        until = self.log.of(self.rows).until_us[i]
        codes = check(plan, best, score, obs.time_us, until, int(self.controller.min_plan_s * 1e6))
        if codes.any():
            for r in np.flatnonzero(codes):
                self._fail(int(self.rows[r]), i, "plan", f"the plan cannot be driven: {FAULTS[int(codes[r])]}")
            obs, kept, best = self._keep(np.flatnonzero(codes == 0), obs, plan, best)
            assert kept is not None
            plan = kept
        return obs, plan, best

    def _control(self, obs: ObservationBatch, plan: Plan | None, best: F64, i: int) -> ObservationBatch:
        assert plan is not None
        assert plan.length is not None
        rows, log = self.rows, self.log.of(self.rows)
        self.watch.call("controller", i)
        state = self.log.state(rows, i, frozen(obs.ego))
        job = Driven(
            obs.time_us,
            log.time_us[i + 1],
            state,
            self.log.sensing.state(self.vehicle, self.log.columns, state, obs.joints),
            self.log.road(rows, i),
            log.expert[i + 1],
            plan.time_us,
            best,
            plan.length,
            plan.controls,
        )
        parts = isolated(lambda r: self._moved(job if r is None else read_only(job.select(r))), len(rows))
        obs = self._survive(parts, obs, i, "controller")
        if parts.parts:
            moved = [answer for _, answer in parts.parts]
            state = moved[0] if len(moved) == 1 else VehicleState(*map(np.concatenate, zip(*moved, strict=True)))
            self.log.advance(self.rows, i, state)
        self._lap("control")
        return obs

    def _moved(self, job: Driven) -> VehicleState:
        state = self.controller.step(job, self.vehicle, self.believed)
        if not isinstance(self.controller, TwoStage) and not np.isfinite(state.ego).all():  # that one asks itself
            raise PluginError(f"the next ego state of {type(self.controller).__name__} is not finite")
        return state

    # ---- agents --------------------------------------------------------------------------------------------------

    def _start_agents(self) -> None:
        self.watch.call("agents.start", None)
        keys = self.agent_keys[0]

        def call(r: I64 | None) -> tuple[list[Any], Objects]:
            some = self.scenarios if r is None else tuple(self.scenarios[b] for b in r)
            return checked(self.agents.start(some, self.vehicle, keys if r is None else keys[r]), len(some))

        self._lap("pack")
        self._take_agents(isolated(call, len(self.scenarios)), None)

    def _move_agents(self, obs: ObservationBatch, i: int) -> None:
        self.watch.call("agents.step", i)
        keys = self._of_running(self.agent_keys[i + 1])
        scenarios = self.log.of(self.rows).scenarios
        if self.believed is not self.vehicle or self.log.seen_joints is not self.log.joints:
            # the others meet what is hitched
            joints = self.log.state(self.rows, i, obs.ego).joints
            obs = replace(obs, vehicle=self.vehicle, joints=joints)

        def call(r: I64 | None) -> tuple[list[Any], Objects]:
            if r is None:
                return checked(self.agents.step(scenarios, obs, list(self.agent_state), keys), len(scenarios))
            some, states = tuple(scenarios[b] for b in r), [self.agent_state[b] for b in r]
            return checked(self.agents.step(some, obs.select(r), states, keys[r]), len(some))

        self._take_agents(isolated(call, len(self.rows)), i)

    def _take_agents(self, parts: Parts[tuple[list[Any], Objects]], i: int | None) -> None:
        self.agent_state = [s for _, (states, _) in parts.parts for s in states]
        if parts.parts:
            self.objects = concat_objects([o for _, (_, o) in parts.parts])
        if parts.faults:
            self._note(parts, i, "agents")
            self.state = [self.state[b] for b in parts.rows] if self.state else self.state
            self.rows = self.rows[parts.rows]
        self._lap("agents")

    # ---- faults --------------------------------------------------------------------------------------------------

    def _states(self, states: Any, rows: I64 | None) -> list[Any]:
        want = len(self.rows) if rows is None else len(rows)
        if not isinstance(states, list) or len(states) != want:
            raise TypeError(
                f"a planner's state is a list with one entry per scenario ({want}), got {type(states).__name__}"
            )
        return states

    def _note(self, parts: Parts[Any], step: int | None, stage: str) -> None:
        for r, error in parts.faults.items():
            self._fail(int(self.rows[r]), step, stage, error_text(error), error)

    def _survive(self, parts: Parts[Any], obs: ObservationBatch, step: int, stage: str) -> ObservationBatch:
        """Go on with the scenarios whose call went well; ``self.state`` is already theirs when a planner was called."""
        if not parts.faults:
            return obs
        self._note(parts, step, stage)
        keep = parts.rows
        if stage == "controller":
            self.state = [self.state[b] for b in keep]
        self.agent_state = [self.agent_state[b] for b in keep]
        self.rows = self.rows[keep]
        return obs.select(keep)

    def _keep(
        self, keep: I64, obs: ObservationBatch, plan: Plan | None, best: F64
    ) -> tuple[ObservationBatch, Plan | None, F64]:
        """Go on with some of the running scenarios."""
        self.state = [self.state[b] for b in keep]
        self.agent_state = [self.agent_state[b] for b in keep]
        self.rows = self.rows[keep]
        return obs.select(keep), None if plan is None else plan.select(keep), best[keep]

    def _fail(self, b: int, step: int | None, stage: str, error: str, cause: BaseException | None = None) -> None:
        s = self.scenarios[b]
        if self.debug:
            at = "" if step is None else f", at {step * s.interval_s:.1f} s"
            raise ScenarioError(f"scenario {s.token}{at}, {stage}: {error}") from cause
        text = "".join(traceback.format_exception(cause)) if cause is not None else ""
        self.failures[b] = Failure(s, s.token, step, stage, error, text)

    def _lap(self, stage: str) -> float:
        """Seconds since the last lap, which count for this stage."""
        now = perf_counter()
        passed, self._clock = now - self._clock, now
        self.watch.seconds[stage] = self.watch.seconds.get(stage, 0.0) + passed
        return passed


def _one_plan(plans: list[Plan]) -> Plan:
    """The plans of all running scenarios as one; what only a judge reads (the forecast) goes no further."""
    bare = [p if p.forecast is None else replace(p, forecast=None) for p in plans]
    return bare[0] if len(bare) == 1 else contiguous(stack_plans(bare), len(bare))


def _some(obs: ObservationBatch, rows: I64 | None) -> tuple[ObservationBatch]:
    return (obs if rows is None else obs.select(rows),)
