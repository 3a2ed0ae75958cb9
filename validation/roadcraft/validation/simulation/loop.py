"""``simulate``: the closed loop with a planner, one call per step for all scenarios that run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from roadcraft.core.arrays import I64, read_only
from roadcraft.core.data.plan import Plan
from roadcraft.core.data.rollout import ObservationBatch, Rollout
from roadcraft.core.data.scenario import Scenario
from roadcraft.core.interfaces import AgentPolicy, Planner, stack_plans
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.validation.config import SimulationConfig
from roadcraft.validation.simulation.closed_loop import ClosedLoop, Failure, LoopSetup, Watch
from roadcraft.validation.simulation.controllers import Controller
from roadcraft.validation.simulation.isolation import isolated
from roadcraft.validation.simulation.plan_check import contiguous


def simulate(  # noqa: PLR0913 (a public entry: who gives a setting names it, most give none)
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
    config, watch = config or SimulationConfig(), watch or Watch()
    setup = LoopSetup.of(config, agents=agents, controller=controller, vehicle=vehicle, believed=believed, seed=seed)
    read_only(tuple(scenarios))
    results: list[Rollout | Failure | None] = [None] * len(scenarios)
    for group in batches(scenarios, config.batch):
        some = tuple(scenarios[i] for i in group)
        driven = _PlannedLoop(ClosedLoop.of(some, setup, planner.needs(), watch, debug), planner).drive()
        for i, result in zip(group, driven, strict=True):
            results[i] = result
    return [r for r in results if r is not None]


def batches(scenarios: Sequence[Scenario], size: int) -> list[list[int]]:
    """Index lists of at most ``size`` scenarios that share one interval."""
    groups: dict[float, list[int]] = {}
    for i, s in enumerate(scenarios):
        groups.setdefault(s.interval_s, []).append(i)
    return [rows[k : k + size] for rows in groups.values() for k in range(0, len(rows), size)]


@dataclass(eq=False)
class _PlannedLoop:
    """A closed loop and who plans in it; ``state`` is the planner's, aligned with the running scenarios."""

    loop: ClosedLoop
    planner: Planner
    state: list[Any] = field(default_factory=list)

    def drive(self) -> list[Rollout | Failure]:
        loop = self.loop
        self._latency = np.full(loop.log.time_us.shape, np.nan)
        for i in range(int(loop.log.count.max()) - 1):
            if not len(loop.rows):
                break
            loop.observe()
            if i == 0:
                self._start()
            plan = self._plan(i)
            if plan is None:
                break
            stays = loop.advance(plan)
            if len(stays) < len(self.state):
                self.state = [self.state[b] for b in stays]
        results = [loop.result(b) for b in range(len(loop.scenarios))]
        tokens = (s.token for s in loop.scenarios if s is not None)
        loop.watch.latency_s |= dict(zip(tokens, self._latency, strict=True))
        loop.lap("record")
        return results

    def _start(self) -> None:
        loop = self.loop
        loop.watch.call("planner.start", None)
        keys = loop.planner_keys()
        parts = isolated(
            lambda r: self._states(self.planner.start(*_some(loop.obs, r), keys if r is None else keys[r]), r),
            len(loop.rows),
        )
        self.state = [s for _, states in parts.parts for s in states]
        loop.survive(parts, "planner")
        loop.lap("plan")

    def _plan(self, i: int) -> Plan | None:
        """The plans of the running scenarios, None where none is left."""
        loop, before = self.loop, self.state
        loop.watch.call("planner.plan", i)
        loop.watch.scenario_steps += len(loop.rows)
        keys = loop.planner_keys()

        def call(r: I64 | None) -> tuple[Plan, list[Any]]:
            states = list(before) if r is None else [before[b] for b in r]
            plan, after = self.planner.plan(*_some(loop.obs, r), states, keys if r is None else keys[r])
            return contiguous(plan, len(states)), self._states(after, r)

        loop.lap("observe")
        rows = loop.rows
        if not len(rows):
            return None
        parts = isolated(call, len(rows))
        self._latency[rows, i] = loop.lap("plan")
        self.state = [s for _, (_, states) in parts.parts for s in states]
        loop.survive(parts, "planner")
        return _one_plan([p for _, (p, _) in parts.parts]) if parts.parts else None

    def _states(self, states: Any, rows: I64 | None) -> list[Any]:
        want = len(self.loop.rows) if rows is None else len(rows)
        if not isinstance(states, list) or len(states) != want:
            raise TypeError(
                f"a planner's state is a list with one entry per scenario ({want}), got {type(states).__name__}"
            )
        return states


def _one_plan(plans: list[Plan]) -> Plan:
    """The plans of all running scenarios as one; what only a judge reads (the forecast) goes no further."""
    bare = [p if p.forecast is None else replace(p, forecast=None) for p in plans]
    return bare[0] if len(bare) == 1 else contiguous(stack_plans(bare), len(bare))


def _some(obs: ObservationBatch, rows: I64 | None) -> tuple[ObservationBatch]:
    return (obs if rows is None else obs.select(rows),)
