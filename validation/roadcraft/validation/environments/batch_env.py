"""``BatchEnv``: the closed loop as an environment, many scenarios at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from roadcraft.core.arrays import F32, F64, I64, Mask, read_only
from roadcraft.core.config.factory import create
from roadcraft.core.data.plan import Plan
from roadcraft.core.data.scenario import Scenario
from roadcraft.core.driving.features.spec import FeatureSpec
from roadcraft.core.errors import ConfigError, DataError, ScenarioError
from roadcraft.validation.environments.actions import action_count, action_size, kept_plan, plan_of_actions
from roadcraft.validation.environments.cohort import Cohort, Outcome
from roadcraft.validation.environments.config import EnvironmentConfig
from roadcraft.validation.environments.observation import FeatureObservation, FlatObservation, ObservationWriter
from roadcraft.validation.environments.rewards import Reward
from roadcraft.validation.environments.scenarios import Sampler, StoreScenarios, check_scenario, uniform_sampler
from roadcraft.validation.environments.score_arrays import SCORE_PARTS
from roadcraft.validation.simulation.closed_loop import Failure, LoopSetup
from roadcraft.validation.simulation.plan_check import contiguous

_TRIES = 20  # scenarios in a row that cannot be started
_KEPT_FAILURES = 100


class EnvState(NamedTuple):
    """A ``BatchEnv`` as it stood."""

    buffers: dict[str, NDArray[Any]]
    """Copies of its buffers, by name."""
    seed: int
    """Of the sampler."""
    cohorts: list[Cohort]
    """Its closed loops."""
    failures: tuple[Failure, ...]
    """What could not be driven or scored."""


class BatchEnv:
    """``simulate`` without a planner in it: equal actions give the states that ``roadcraft score`` gives, to the bit.

    Row b of every buffer is a slot, which drives one scenario after the other. The buffers are allocated once and
    overwritten by every call; copy what has to last. An episode depends on its scenario, the settings and the actions;
    not on the slot, the number of slots, or the other scenarios.
    """

    config: EnvironmentConfig
    """The settings."""
    scenarios: Sequence[Scenario]
    """What is driven."""
    setup: LoopSetup
    """What drives besides the actions: others, controller, vehicle."""
    observation: ObservationWriter
    """What the policy sees."""
    rewards: Reward
    """What a step earns."""
    sampler: Sampler
    """Which scenario comes next."""
    seed: int
    """Of the sampler."""
    failures: deque[Failure]
    """What could not be driven or scored, other than by the driver's fault: the last 100. Such an episode is truncated
    with reward 0."""
    cohorts: list[Cohort]
    """The closed loops that run, one for each interval of scenarios."""
    obs: dict[str, NDArray[Any]]
    """Blocks by name, each (B, ...): what the policy sees now."""
    final_obs: dict[str, NDArray[Any]]
    """As ``obs``: what was seen last in an episode that ended in this step."""
    reward: F32
    """(B,) float32: of the last action, over all its steps; it sums up to the episode's score less what it began
    with."""
    reward_terms: F64
    """(B, P) float64, columns ``rewards.names``: what the reward is made of; factors too are summed over an action's
    steps."""
    parts: F64
    """(B, 10) float64, columns ``SCORE_PARTS``: the running score and what it is made of."""
    final_parts: F64
    """As ``parts``: the last ones of an episode that ended in this step."""
    terminated: Mask
    """(B,) bool: the episode ended in failure (or with its log, if ``log_end`` says so)."""
    truncated: Mask
    """(B,) bool: it ended with its log, or because something failed that is not the driver's doing."""
    alive: Mask
    """(B,) bool: whether the slot takes the next action; the action of one that does not is ignored."""
    episode: I64
    """(B,) int64: how many episodes of the slot came before."""
    token: I64
    """(B,) int64: number of the slot's scenario."""
    step_count: I64
    """(B,) int64: steps of the episode so far."""
    steps_left: I64
    """(B,) int64: steps until the log ends."""

    def __init__(
        self,
        scenarios: Sequence[Scenario] | None = None,
        config: EnvironmentConfig | None = None,
        observation: ObservationWriter | FeatureSpec | None = None,
        sampler: Sampler | None = None,
    ) -> None:
        """
        Args:
            scenarios: what is driven, read by number when it begins; by default those of ``config.data``.
            config: settings.
            observation: what the policy sees: the features of a network, or any ``ObservationWriter``; by default
                ``FlatObservation``.
            sampler: which scenario comes next, by default any with equal probability.

        Raises:
            ConfigError: neither scenarios nor data, or settings that do not go together; DataError: no scenarios.
        """
        self.config = c = config or EnvironmentConfig()
        if scenarios is None and not c.data:
            raise ConfigError("an environment needs scenarios, or data=STORE, a folder made by `roadcraft ingest`")
        self.scenarios = StoreScenarios(c) if scenarios is None else scenarios
        if not len(self.scenarios):
            raise DataError("there are no scenarios to drive")
        if c.vehicle.of_log:
            raise ConfigError("vehicle: an environment drives one vehicle, not that of each log")
        if c.simulation.controller == "log":
            raise ConfigError("simulation.controller: log drives whatever the actions are; choose two_stage or perfect")
        if c.simulation.controller != "two_stage" and c.action.kind == "controls":
            raise ConfigError("action.kind: controls need simulation.controller two_stage")
        simulation = replace(c.simulation, record_plan_every=1_000_000)
        self.setup = LoopSetup.of(
            simulation, agents=create("agents", c.agents.name, c.agents.params), vehicle=c.vehicle.read(), seed=c.seed
        )
        horizon_s, least_s = c.action.horizon_s, self.setup.controller.min_plan_s
        if horizon_s < least_s:
            raise ConfigError(f"action: a trajectory of {horizon_s:g} s, where the controller needs {least_s:g} s")
        if isinstance(observation, FeatureSpec):
            observation = FeatureObservation(observation)
        self.observation, self.rewards = observation or FlatObservation(), Reward(c.reward, c.weights)
        self.sampler, self.seed = sampler or uniform_sampler(len(self.scenarios)), c.seed
        self.failures = deque(maxlen=_KEPT_FAILURES)
        self.cohorts = []
        self._allocate(c.slots)

    def _allocate(self, b: int) -> None:
        blocks = self.observation.blocks
        self.obs = {k: np.zeros((b, *shape), dtype) for k, (shape, dtype) in blocks.items()}
        self.final_obs = {k: np.zeros((b, *shape), dtype) for k, (shape, dtype) in blocks.items()}
        self.reward = np.zeros(b, np.float32)
        self.reward_terms = np.zeros((b, len(self.rewards.names)))
        self.parts = np.zeros((b, len(SCORE_PARTS)))
        self.final_parts = np.zeros((b, len(SCORE_PARTS)))
        self.terminated = np.zeros(b, np.bool_)
        self.truncated = np.zeros(b, np.bool_)
        self.alive = np.zeros(b, np.bool_)
        self.episode = np.full(b, -1, np.int64)
        self.token = np.zeros(b, np.int64)
        self.step_count = np.zeros(b, np.int64)
        self.steps_left = np.zeros(b, np.int64)

    @property
    def slots(self) -> int:
        """Scenarios that are driven at once."""
        return len(self.alive)

    @property
    def action_size(self) -> int:
        """Numbers in an action."""
        return action_size(self.config.action)

    @property
    def action_count(self) -> int:
        """How many actions there are, where they are counted, else 0."""
        return action_count(self.config.action)

    def reset(self, seed: int | None = None, scenarios: ArrayLike | None = None) -> None:
        """Begin with the first episode of every slot.

        seed: of the sampler, by default the one before; scenarios (B,): their numbers instead of the sampler's, as for
        several drives of one scenario. Raises as ``reset_rows``; where a number is wrong, nothing has changed.
        """
        rows = np.ones(self.slots, np.bool_)
        chosen = self._chosen(rows, scenarios)
        self.seed = self.seed if seed is None else int(seed)
        self.cohorts.clear()
        self.failures.clear()
        self.episode[:] = -1
        self._restart(np.flatnonzero(rows), chosen)

    def reset_rows(self, mask: ArrayLike, scenarios: ArrayLike | None = None) -> None:
        """Begin the next episode in the slots of ``mask`` (B,) bool, whether theirs has ended or not; the others are
        not touched. scenarios (B,): their numbers instead of the sampler's.

        Raises:
            ValueError: a mask of another shape or dtype, or a number that no scenario has.
            ScenarioError: many scenarios in a row could not be begun; what the last one said. Slots without one wait.
        """
        rows = np.asarray(mask)
        if rows.shape != (self.slots,) or rows.dtype != np.bool_:
            raise ValueError(f"mask is ({self.slots},) bool, got {rows.dtype} {rows.shape}")
        self._restart(np.flatnonzero(rows), self._chosen(rows, scenarios))

    def _chosen(self, rows: Mask, scenarios: ArrayLike | None) -> I64 | None:
        """Numbers of scenarios (B,), checked in ``rows`` (B,)."""
        if scenarios is None:
            return None
        chosen: I64 = np.broadcast_to(np.asarray(scenarios, np.int64), (self.slots,))
        wrong = (chosen < 0) | (chosen >= len(self.scenarios))
        if wrong[rows].any():
            bad = chosen[rows & wrong][:8].tolist()
            raise ValueError(f"there are {len(self.scenarios)} scenarios, none has the numbers {bad}")
        return chosen

    def _restart(self, slots: I64, chosen: I64 | None) -> None:
        """End what the slots drive, and begin."""
        for cohort in self.cohorts:
            cohort.leave(slots)
        self.cohorts = [c for c in self.cohorts if len(c)]
        self._unpaid(slots)
        self.terminated[slots], self.truncated[slots] = False, False
        self.alive[slots] = False
        self._begin(slots, chosen)

    def step(self, action: ArrayLike) -> None:
        """Drive one step: action (B, A) as ``ActionConfig`` says, or (B,) where A is 1. Controls outside [-1, 1] are
        clipped.

        Raises:
            ValueError: an action of another shape, or one of a slot that is alive that is not finite, or is the number
                of no maneuver.
            RuntimeError: before the first reset.
        """
        actions = np.asarray(action, np.float64)
        if self.action_size == 1 and actions.ndim == 1:
            actions = actions[:, None]
        if actions.shape != (self.slots, self.action_size):
            raise ValueError(f"actions are ({self.slots}, {self.action_size}), got {actions.shape}")
        bad = np.flatnonzero(self.alive & ~np.isfinite(actions).all(axis=1))
        if len(bad):
            raise ValueError(f"the actions of slots {bad[:8].tolist()} are not finite: {actions[bad[0]].tolist()}")
        count = self.action_count
        if count and (bad := np.flatnonzero(self.alive & ~np.isin(actions[:, 0], np.arange(count)))).size:
            raise ValueError(
                f"slots {bad[:8].tolist()}: there are maneuvers 0 to {count - 1}, not {actions[bad[0], 0]:g}"
            )
        if (self.episode < 0).any():
            raise RuntimeError("reset the environment before its first step")
        self._unpaid(slice(None))
        self.terminated[:], self.truncated[:] = False, False
        plans = [self._plan(c, actions) for c in self.cohorts]  # before anything is driven: all or none
        for cohort, plan in zip(self.cohorts, plans, strict=True):
            self._drive(cohort, plan, actions)
        self.cohorts = [c for c in self.cohorts if len(c)]
        done = self.terminated | self.truncated
        self.alive &= ~done
        if self.config.autoreset and done.any():
            self._begin(np.flatnonzero(done), None)

    def _plan(self, cohort: Cohort, actions: F64) -> Plan:
        return plan_of_actions(actions[cohort.running], cohort.loop.obs, self.config.action, cohort.dt_s)

    def _drive(self, cohort: Cohort, plan: Plan, actions: F64) -> None:
        """Drive the actions (B, A) of a cohort, whose plan is the first step's, for as many steps as they are for."""
        for k in range(self.config.action.repeat):
            if k > 0:
                controls = self.config.action.kind == "controls"
                plan = self._plan(cohort, actions) if controls else kept_plan(plan, cohort.loop.obs)
            before = cohort.running
            failed = cohort.advance(contiguous(plan, len(cohort)))
            if len(cohort):
                self._judge(cohort, cohort.observe(), k + 1 == self.config.action.repeat)
            self._fail(failed)
            if not len(cohort):
                return
            if len(cohort) < len(before):
                plan = plan.select(np.flatnonzero(np.isin(before, cohort.running)))

    def _judge(self, cohort: Cohort, seen: Outcome, shown: bool) -> None:
        """Rewards, and which episodes are over; shown: whether the policy sees the step though none is."""
        slots, parts = seen.slots, seen.parts
        earned = self.rewards(self.parts[slots], parts, seen.facts)
        self.reward[slots] += earned.reward
        self.reward_terms[slots] += earned.terms
        self.parts[slots] = parts
        self.step_count[slots] += 1
        self.steps_left[slots] -= 1
        failed = earned.failed & self.config.end_at_failure
        last = seen.is_last & ~failed
        exact = self.config.log_end == "terminate"
        self.terminated[slots], self.truncated[slots] = failed | (last & exact), last & (not exact)
        over = failed | last
        self._write(seen, np.flatnonzero(over | shown))
        if over.any():
            self._keep_last(slots[over])
            cohort.leave(slots[over])
        if seen.faults:
            cohort.leave(np.array(list(seen.faults), np.int64))
            self._fail(seen.faults)

    def _unpaid(self, slots: I64 | slice) -> None:
        self.reward[slots], self.reward_terms[slots] = 0.0, 0.0

    def _write(self, seen: Outcome, rows: I64) -> None:
        if len(rows):
            obs = seen.obs if len(rows) == len(seen.slots) else seen.obs.select(rows)
            self.observation.write(obs, seen.slots[rows], self.obs)

    def _keep_last(self, slots: I64) -> None:
        """What is seen in the last step of an episode."""
        for name, block in self.obs.items():
            self.final_obs[name][slots] = block[slots]
        self.final_parts[slots] = self.parts[slots]

    def _fail(self, failed: Mapping[int, Failure]) -> None:
        """Episodes that something ended which is not the driver's doing: what was seen last is what was seen before."""
        if failed:
            slots = np.array(list(failed), np.int64)
            self.failures += failed.values()
            self._unpaid(slots)
            self.terminated[slots], self.truncated[slots] = False, True
            self._keep_last(slots)

    # ---- beginnings ----------------------------------------------------------------------------------------------

    def _begin(self, slots: I64, chosen: I64 | None) -> None:
        """Begin the next episode of some slots, with the scenarios ``chosen`` (B,) or the sampler's; where one cannot
        be begun, with the one after it."""
        for _ in range(_TRIES):
            self.episode[slots] += 1
            failed: dict[int, Failure] = {}
            for group in self._groups(slots, chosen, failed):
                failed |= self._start(*group)
            if not failed:
                return
            self.failures += failed.values()
            slots = np.array(sorted(failed), np.int64)
            if chosen is not None:
                break
        last = self.failures[-1]
        raise ScenarioError(f"scenario {last.token} cannot be begun, {last.stage}: {last.error}")

    def _groups(self, slots: I64, chosen: I64 | None, failed: dict[int, Failure]) -> list[tuple[list[Scenario], I64]]:
        """Scenarios of one interval, and their slots; those that cannot be read are in ``failed``."""
        groups: dict[float, tuple[list[Scenario], list[int]]] = {}
        for slot in slots.tolist():
            number = int(chosen[slot]) if chosen is not None else self._sample(slot)
            self.token[slot] = number
            try:
                scenario = self.scenarios[number]
                check_scenario(scenario, self.config.action.horizon_s)
            except DataError as e:
                failed[slot] = Failure(None, str(number), None, "load", str(e))
                continue
            some = groups.setdefault(scenario.interval_s, ([], []))
            some[0].append(scenario)
            some[1].append(slot)
        return [(some, np.array(rows, np.int64)) for some, rows in groups.values()]

    def _sample(self, slot: int) -> int:
        number = self.sampler(self.seed, slot, int(self.episode[slot]))
        if not 0 <= number < len(self.scenarios):
            raise ValueError(f"the sampler names scenario {number} of {len(self.scenarios)}")
        return number

    def _start(self, scenarios: list[Scenario], slots: I64) -> dict[int, Failure]:
        """One more cohort; the slots in which something failed, and what."""
        interval_s = scenarios[0].interval_s
        running = [c for c in self.cohorts if c.interval_s == interval_s]
        of_facts = self.rewards.of_facts
        cohort = (
            running[0] if running else Cohort(self.slots, interval_s, self.setup, self.observation.needs(), of_facts)
        )
        try:
            failed = cohort.begin(slots, read_only(scenarios))
        except DataError as e:
            if len(slots) > 1:  # which one it is shows alone
                parts = [self._start([s], slots[k : k + 1]) for k, s in enumerate(scenarios)]
                return {slot: fault for part in parts for slot, fault in part.items()}
            return {int(slots[0]): Failure(scenarios[0], scenarios[0].token, None, "metrics", str(e))}
        if len(failed) == len(slots):
            return failed
        seen = cohort.observe(slots)
        self.parts[seen.slots] = seen.parts
        self.step_count[seen.slots] = 0
        self.steps_left[seen.slots] = cohort.loop.log.count[seen.slots] - 2
        self.alive[seen.slots] = True
        self._write(seen, np.arange(len(seen.slots)))
        cohort.leave(np.array(list(seen.faults), np.int64))
        if len(cohort) and not running:
            self.cohorts.append(cohort)
        return failed | seen.faults

    # ---- states --------------------------------------------------------------------------------------------------

    def _buffers(self) -> dict[str, NDArray[Any]]:
        names = ("reward", "parts", "final_parts", "terminated", "truncated", "alive", "episode", "token")
        own = {name: getattr(self, name) for name in (*names, "step_count", "steps_left")}
        own |= {f"obs.{k}": v for k, v in self.obs.items()}
        own["reward_terms"] = self.reward_terms
        return own | {f"final_obs.{k}": v for k, v in self.final_obs.items()}

    def state(self) -> EnvState:
        """The environment as it stands: an exact copy, which nothing that is driven later changes."""
        buffers = {name: values.copy() for name, values in self._buffers().items()}
        return EnvState(buffers, self.seed, [c.copy() for c in self.cohorts], tuple(self.failures))

    def set_state(self, state: EnvState) -> None:
        """Go on from ``state``, as often as wanted: equal actions give equal results, to the bit. Raises ValueError
        where it is of an environment with other buffers: another number of slots, another observation."""
        own = self._buffers()
        shapes, theirs = ({n: (v.shape, v.dtype) for n, v in some.items()} for some in (own, state.buffers))
        if shapes != theirs:
            other = sorted(n for n in shapes.keys() | theirs if shapes.get(n) != theirs.get(n))
            raise ValueError(f"the state is that of another environment: {', '.join(other[:4])}")
        for name, values in own.items():
            values[...] = state.buffers[name]
        self.seed, self.cohorts = state.seed, [c.copy() for c in state.cohorts]
        self.failures = deque(state.failures, _KEPT_FAILURES)
