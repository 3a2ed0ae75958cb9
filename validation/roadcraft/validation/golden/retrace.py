"""Our planner on the reference's own states: what it answers there, step by step, and whether rounding decides where it
answers otherwise.

Once two closed loops have parted they are two drives, and nothing can be compared any more. So where ours leaves the
reference's, ego is led along the reference's drive: at every step the planner sees the reference's ego and objects,
tracker and vehicle model take one step from there, and the plan and the state that they end in are compared. A step
that ends elsewhere is repeated in copies, moved by a nanometer or less: if one of them ends where the reference does,
rounding decides the step. If every step ends where the reference's does, or is decided by rounding, nothing else parts
the two drives; a fault shows itself here as a step that no copy explains. And where none of these steps parts them, our
loop's own state, some 1e-10 m off, must have done so: the planner is asked there as well, and must answer what it did
in the loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.data.plan import Plan
from roadcraft.core.data.rollout import Objects, ObservationBatch, Rollout
from roadcraft.core.data.scenario import Ego
from roadcraft.core.interfaces import Planner
from roadcraft.core.types import Keys
from roadcraft.core.vehicles.state import VehicleState, level_road
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.validation.config import SimulationConfig
from roadcraft.validation.golden.difference import Comparison
from roadcraft.validation.golden.files import GoldenDrive
from roadcraft.validation.golden.repeat import Repeat
from roadcraft.validation.golden.steps import turned
from roadcraft.validation.simulation.closed_loop import Failure, make_controller
from roadcraft.validation.simulation.controllers import Driven, Stateless
from roadcraft.validation.simulation.loop import simulate
from roadcraft.validation.simulation.plan_check import contiguous, driven

MOVED = 1e-9  # m, rad, m/s: how far copies are moved
COPIES = 1024
_BATCH = 32
_COLUMNS = [Ego.X, Ego.Y, Ego.HEADING, Ego.VX, Ego.STEERING]


@dataclass(frozen=True)
class Parting:
    """A step from the reference's state that ends elsewhere. gap: by how much; copies: how many were asked until one
    ended as the reference's, 0 where none did."""

    step: int
    gap: float
    copies: int

    @property
    def said(self) -> str:
        ends = f"step {self.step}, taken from the reference's own state, ends {self.gap:.1e} off"
        moved = f"moved by at most {MOVED:.0e} m, rad and m/s"
        if self.copies:
            return f"{ends}; the {_nth(self.copies)} copy of it, {moved}, ends where the reference's does"
        return f"{ends}; none of {COPIES} copies of it, {moved}, ends where the reference's does"


@dataclass
class Retraced:
    """steps: asked; partings: those that end elsewhere; worst: the largest gap of the others; leaves: the last step up
    to which our loop's states are the reference's (its plan or its next state are not), or the last of all; repeated:
    whether the planner answers there what it answered in our loop; rollout: the drive led along, with our own agents;
    error: why there is none."""

    leaves: int
    steps: int = 0
    partings: list[Parting] = field(default_factory=list)
    worst: float = 0.0
    repeated: bool = False
    rollout: Rollout | None = None
    error: str = ""

    @property
    def lost(self) -> bool:
        """Whether a step ends elsewhere for another reason than rounding."""
        return any(not p.copies for p in self.partings)

    @property
    def explains(self) -> bool:
        """Whether rounding parts our loop from the reference's."""
        return not self.lost and (self.repeated or any(p.step <= self.leaves for p in self.partings))

    def row(self, drive: str, limit: float) -> Comparison:
        """One value per step."""
        out = Comparison(drive, "steps", tolerance=limit, group="steps")
        out.compared, out.equal = self.steps, self.steps - len(self.partings)
        out.rounding = sum(p.copies > 0 for p in self.partings)
        out.worst = max([self.worst, *(p.gap for p in self.partings)])
        out.unequal = [f"step {p.step}" for p in self.partings]
        if self.partings:
            first = next((p for p in self.partings if not p.copies), self.partings[0])
            out.step, out.example = first.step, first.said
        return out


def retrace(
    golden: GoldenDrive, ours: Rollout, repeat: Repeat, config: SimulationConfig, agents: str, plan_step: int | None
) -> Retraced:
    """Lead our planner along a golden drive that our closed loop drove as ``ours``, with the first unlike plan at
    ``plan_step``. After a step that nothing explains no further ones are judged."""
    scenario = ours.scenario
    led = _Led(golden, ours, repeat, config, plan_step)
    found = simulate([scenario], led, config, agents=agents, controller=led, vehicle=scenario.drive.vehicle)[0]
    if isinstance(found, Failure):
        led.out.error = f"step {found.step}, {found.stage}: {found.error}"
    else:
        led.out.rollout = found
    return led.out


class _Led(Stateless, Planner):
    """Planner and controller at once: asks the planner, takes the step, judges it, and goes on from the reference's
    next state."""

    min_plan_s = 0.0

    def __init__(
        self, golden: GoldenDrive, ours: Rollout, repeat: Repeat, config: SimulationConfig, plan_step: int | None
    ) -> None:
        assert repeat.planner is not None
        self.inner, self.repeat, self.ours = repeat.planner, repeat, ours
        self.control = make_controller(config)
        drive = golden.rollout(ours.scenario).drive
        self.ego, self.time_us = drive.ego, drive.time_us
        self.objects = [Objects.logged(drive, np.array([i])) for i in range(len(drive))]
        self.plans = {int(step): np.array(rows, np.float64).reshape(-1, 5) for step, rows in golden.data["plans"]}
        n = min(len(ours), len(self.ego))
        off = np.flatnonzero(_apart(ours.drive.ego[:n], self.ego[:n]) > repeat.step_m)
        last = int(off[0]) - 1 if len(off) else n - 1
        self.out = Retraced(last if plan_step is None else min(last, plan_step))

    def needs(self) -> Any:
        return self.inner.needs()

    def start(self, obs: ObservationBatch, keys: Keys) -> list[Any]:
        return self.inner.start(self._seen(obs), keys)

    def plan(self, obs: ObservationBatch, state: list[Any], keys: Keys) -> tuple[Plan, list[Any]]:
        """The planner's own answer, judged."""
        obs, i = self._seen(obs), int(obs.iteration[0])
        plan, after = self.inner.plan(obs, state, keys)
        if not self.out.lost:
            self.out.steps += 1
            gap = float(self._gaps(obs, plan)[0])
            if gap <= self.repeat.step_m:
                self.out.worst = max(self.out.worst, gap)
            else:
                self.out.partings.append(Parting(i, gap, self._copies(obs, state, keys)))
        if i == self.out.leaves:
            self.out.repeated = self._repeats(obs, state, keys)
        return plan, after

    def step(self, driven: Driven, vehicle: Vehicle, believed: Vehicle) -> VehicleState:
        """The reference's next state."""
        i = int(np.searchsorted(self.time_us, driven.next_us[0]))
        return driven.state._replace(ego=self.ego[i : i + 1].copy())

    def _seen(self, obs: ObservationBatch) -> ObservationBatch:
        i = int(obs.iteration[0])
        past = obs.ego_past.copy()
        past[0, -1] = self.ego[i]
        return replace(obs, ego_past=past, objects=self.objects[i])

    def _copies(self, obs: ObservationBatch, state: list[Any], keys: Keys) -> int:
        """How many moved copies were asked until one ended as the reference did, 0 where none of ``COPIES`` did."""
        for k, shift in enumerate(shifts(int(obs.iteration[0]), COPIES // _BATCH, _BATCH)):
            past = np.repeat(obs.ego_past, _BATCH, axis=0)
            past[:, -1, : Ego.VX + 1] += shift
            many = replace(obs.select(np.zeros(_BATCH, np.int64)), ego_past=past)
            plan, _ = self.inner.plan(many, state * _BATCH, np.repeat(keys, _BATCH))
            hits = np.flatnonzero(self._gaps(many, plan) <= self.repeat.step_m)
            if len(hits):
                return k * _BATCH + int(hits[0]) + 1
        return 0

    def _repeats(self, obs: ObservationBatch, state: list[Any], keys: Keys) -> bool:
        """Whether the planner answers in our loop's state what it answered in our loop."""
        i, log = int(obs.iteration[0]), self.ours.plans
        past = obs.ego_past.copy()
        past[0, -1] = self.ours.drive.ego[i]
        here = replace(obs, ego_past=past, objects=Objects.logged(self.ours.drive, np.array([i])))
        plan = contiguous(self.inner.plan(here, state, keys)[0], 1)
        row = int(np.searchsorted(log.step, i))
        then = log.states[log.offsets[row] : log.offsets[row + 1]]
        now = driven(plan)[0][0, : len(then), :4]
        return now.shape == then.shape and bool((np.abs(now - then) <= self.repeat.step_m).all())

    def _gaps(self, obs: ObservationBatch, plan: Plan) -> F64:
        """How far from the reference's the answers to the copies (B,) are: next states and, where it is stored, the
        plan."""
        i, count = int(obs.iteration[0]), len(obs)
        plan = contiguous(plan, count)
        best, _ = driven(plan)
        gaps = np.zeros(count)
        if i in self.plans:
            gaps = np.maximum(gaps, self._plan_gaps(plan, best, self.plans[i]))
        if i + 1 >= len(self.ego):
            return gaps
        following = np.full(count, self.time_us[i + 1])
        state = VehicleState(np.ascontiguousarray(obs.ego), obs.joints, np.zeros((count, 0)))
        job = Driven(
            obs.time_us,
            following,
            state,
            state,
            level_road(count),
            np.repeat(self.ego[i + 1 : i + 2], count, axis=0),
            plan.time_us,
            best,
            plan.length,
            plan.controls,
        )
        after = self.control.step(job, obs.vehicle, obs.vehicle)
        return np.maximum(gaps, _apart(after.ego, self.ego[i + 1]))

    def _plan_gaps(self, plan: Plan, best: F64, want: F64) -> F64:
        gaps = np.full(len(best), np.inf)
        for b in range(len(best)):
            n = int(plan.length[b]) if plan.length is not None else best.shape[1]
            if n == len(want) and np.array_equal(plan.time_us[b, :n], want[:, 0].astype(np.int64)):
                off = np.abs(best[b, :n, :4] - want[:, 1:])
                off[:, 2] = turned(off[:, 2])
                gaps[b] = off[:, : 4 if self.repeat.plan_speeds else 3].max()
        return gaps


def _nth(n: int) -> str:
    return f"{n}{'th' if n % 100 in (11, 12, 13) else {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th')}"


def shifts(seed: int, batches: int, size: int) -> Iterator[F64]:
    """Moves of x, y, heading and speed for ``batches`` of ``size`` copies each, by MOVED at most and a tenth of it in
    every other batch."""
    generator = np.random.Generator(np.random.PCG64(seed))
    for k in range(batches):
        yield generator.uniform(-1.0, 1.0, (size, 4)) * (MOVED if k % 2 == 0 else 0.1 * MOVED)


def _apart(a: F64, b: F64) -> F64:
    """How far ego states (..., 10) lie apart: the largest difference of position, heading, speed and steering angle."""
    off = np.abs(a - b)[..., _COLUMNS]
    off[..., 2] = turned(off[..., 2])
    out: F64 = np.where(np.isfinite(off), off, np.inf).max(axis=-1)
    return out
