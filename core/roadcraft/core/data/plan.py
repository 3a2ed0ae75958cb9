"""What planners answer, and the rules that it keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64, U64, Mask, read_only
from roadcraft.core.data.rollout import ObservationBatch
from roadcraft.core.data.scenario import EGO_SIZE
from roadcraft.core.errors import PluginError


@dataclass(frozen=True)
class Forecast:
    """Where a planner expects A others to be."""

    id: U64
    """(B, A) uint64 track tokens."""
    known: Mask
    """(B, A) bool: false in rows without an object."""
    time_us: I64
    """(B, T) int64, strictly increasing, after the observation's."""
    pose: F64
    """(B, A, T, 3) float64: x, y, heading of the boxes' centers; global frame."""
    length: I64 | None = None
    """(B,) int64 valid times per scenario, T where None; what lies beyond is ignored."""

    @classmethod
    def stack(cls, parts: Sequence[Forecast | None]) -> Forecast | None:
        """The forecasts of B scenarios from B of one each, padded to the largest; a scenario without one has length 0,
        all without give None."""
        found = [p for p in parts if p is not None]
        if not found:
            return None
        agents, times = (max(p.pose.shape[axis] for p in found) for axis in (1, 2))
        b = len(parts)
        out = cls(
            np.zeros((b, agents), np.uint64),
            np.zeros((b, agents), np.bool_),
            np.zeros((b, times), np.int64),
            np.zeros((b, agents, times, 3)),
            np.zeros(b, np.int64),
        )
        assert out.length is not None
        for i, p in enumerate(parts):
            if p is not None:
                a, t = p.pose.shape[1:3]
                out.id[i, :a], out.known[i, :a], out.time_us[i, :t], out.pose[i, :a, :t] = (
                    p.id[0],
                    p.known[0],
                    p.time_us[0],
                    p.pose[0],
                )
                out.length[i] = t if p.length is None else p.length[0]
        return out


@dataclass(frozen=True)
class Plan:
    """What a planner answers for B scenarios: K candidate trajectories of up to T states each."""

    time_us: I64
    """(B, T) int64, strictly increasing, the first equal to the observation's."""
    states: F64
    """(B, K, T, 10) float64, columns ``Ego``, global frame; the first is the present state. A planner that knows no
    better leaves velocities consistent with the positions and the rest 0."""
    scores: F64
    """(B, K) float64, higher is better: the best is driven. ``guard`` takes them for log-probabilities up to a
    constant: it judges the best and weighs each by exp(score - best score), so give costs or rewards in units in which
    a difference of 1 means e times as likely."""
    length: I64 | None = None
    """(B,) int64 valid states per scenario, T where None; rows beyond are ignored."""
    controls: F64 | None = None
    """(B, 2) float64: acceleration m/s2 and steering rate rad/s, which bypass the tracker, or None."""
    debug: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """Named values per scenario, each with leading dimension B; those of shape (B,) are recorded step by step in the
    rollout's channels."""
    forecast: Forecast | None = None
    """What others are expected to do, where the planner knows; whoever judges the plan may read it."""

    def __len__(self) -> int:
        return len(self.time_us)

    def validate(self, obs: ObservationBatch | None = None, *, min_plan_s: float = 0.0) -> None:
        """Check what the simulator checks before it drives a plan.

        obs: what was answered: each plan begins at its time and reaches the next step; without it neither is checked.
        min_plan_s: the shortest plan that the controller can follow, 0.1 for the default one, in s.
        Raises PluginError that names the scenario, the field and the rule.
        """
        count = (np.shape(self.time_us) or (0,))[0] if obs is None else len(obs)
        time_us, states, scores, length, controls = plan_arrays(self, count)
        times, rows, best = time_us.astype(np.int64), np.arange(count), np.argmax(scores, axis=1)
        now = until = times[:, 0] if times.shape[1] else np.zeros(count, np.int64)
        if obs is not None:
            now, until = obs.time_us, obs.time_us + np.round(obs.interval_s * 1e6).astype(np.int64)
        if controls is None:
            controls = np.zeros((count, 0))
        score = scores[rows, best]
        codes = plan_faults(times, states[rows, best], length, score, controls, now, until, int(min_plan_s * 1e6))
        for b in np.flatnonzero(codes):
            who = f"row {b}" if obs is None else f"row {b}, scenario {obs.token[b]}"
            raise PluginError(f"the plan cannot be driven ({who}): {FAULTS[int(codes[b])]}")

    def select(self, rows: Sequence[int] | I64) -> Plan:
        """The plans of the given scenarios alone, in the given order."""
        r, f = np.asarray(rows, np.int64), self.forecast
        if f is not None:
            f = Forecast(f.id[r], f.known[r], f.time_us[r], f.pose[r], None if f.length is None else f.length[r])
        return Plan(
            self.time_us[r],
            self.states[r],
            self.scores[r],
            None if self.length is None else self.length[r],
            None if self.controls is None else self.controls[r],
            {k: np.asarray(v)[r] for k, v in self.debug.items()},
            f,
        )


FAULTS = {
    1: "it needs at least two states, and no more than it has rows (Plan.length)",
    2: "its first time is not the observation's (Plan.time_us)",
    3: "its times do not increase (Plan.time_us)",
    4: "it ends before the next iteration (Plan.time_us)",
    5: "its states are not finite (Plan.states)",
    6: "its best score is not a number (Plan.scores)",
    7: "it is too short for the controller (Plan.time_us)",
    8: "its controls are not finite (Plan.controls)",
}
"""What may be wrong with the plan of one scenario, by the codes of ``plan_faults``."""


class PlanArrays(NamedTuple):
    """The arrays of a plan that fit B scenarios; ``length`` is filled in."""

    time_us: NDArray[Any]
    states: NDArray[Any]
    scores: NDArray[Any]
    length: NDArray[Any]
    controls: NDArray[Any] | None


def plan_arrays(plan: Plan, count: int) -> PlanArrays:
    """The arrays of a plan of ``count`` scenarios. Raises PluginError that names the field whose shape or type does not
    fit."""
    states, time_us, scores = np.asarray(plan.states), np.asarray(plan.time_us), np.asarray(plan.scores)
    k, t = states.shape[1:3] if states.ndim == 4 else (0, 0)
    shapes, wanted = (states.shape, time_us.shape, scores.shape), ((count, k, t, EGO_SIZE), (count, t), (count, k))
    if shapes != wanted or k < 1:
        for name, got, want in zip(("states", "time_us", "scores"), shapes, wanted, strict=True):
            if got != want or k < 1:
                raise PluginError(f"Plan.{name} has shape {got}, expected {want} (B, K, T with K >= 1)")
    if time_us.dtype.kind not in "iu":
        raise PluginError(f"Plan.time_us is {time_us.dtype}, expected int64 microseconds")
    length = _whole(count, t) if plan.length is None else np.asarray(plan.length)
    controls = None if plan.controls is None else np.asarray(plan.controls)
    if length.shape != (count,) or length.dtype.kind not in "iu":
        raise PluginError(f"Plan.length is {length.dtype} {length.shape}, expected int64 ({count},)")
    if controls is not None and controls.shape != (count, 2):
        raise PluginError(f"Plan.controls has shape {controls.shape}, expected {(count, 2)}")
    for name, numbers in (("states", states), ("scores", scores), ("controls", controls)):
        # a conversion would guess, or drop an imaginary part
        if numbers is not None and numbers.dtype.kind not in "fiu":
            raise PluginError(f"Plan.{name} is {numbers.dtype}, expected float64")
    _check_extras(plan, count)
    return PlanArrays(time_us, states, scores, length, controls)


@lru_cache(maxsize=16)
def _whole(count: int, states: int) -> I64:
    """The lengths of ``count`` plans all of whose states count."""
    return read_only(np.full(count, states, np.int64))


def _check_extras(plan: Plan, count: int) -> None:
    if not isinstance(plan.debug, Mapping):
        raise PluginError(f"Plan.debug is a {type(plan.debug).__name__}, expected a map of named values")
    for name, value in plan.debug.items():
        if not isinstance(name, str):
            raise PluginError(f"Plan.debug has the key {name!r}, expected text")
        if np.shape(value)[:1] != (count,):
            raise PluginError(f"Plan.debug[{name!r}] has shape {np.shape(value)}, expected ({count}, ...)")
    f = plan.forecast
    if f is None:
        return
    if not isinstance(f, Forecast):
        raise PluginError(f"Plan.forecast is a {type(f).__name__}, expected a Forecast")
    a, t = np.shape(f.pose)[1:3] if np.ndim(f.pose) == 4 else (0, 0)
    wanted: dict[str, tuple[int, ...]] = {
        "id": (count, a),
        "known": (count, a),
        "time_us": (count, t),
        "pose": (count, a, t, 3),
    }
    if f.length is not None:
        wanted["length"] = (count,)
    for name, shape in wanted.items():
        if np.shape(getattr(f, name)) != shape:
            raise PluginError(f"Plan.forecast.{name} has shape {np.shape(getattr(f, name))}, expected {shape}")


def plan_faults(
    time_us: I64, states: F64, length: I64, score: F64, controls: F64, now_us: I64, until_us: I64, min_us: int
) -> I64:
    """A code of ``FAULTS`` per scenario (B,), 0 where the plan is sound; the simulator compiles this function.

    time_us (B, T), states (B, T, 10), length (B,), score (B,): of the driven candidates; controls (B, 2), or (B, 0)
    where there are none; now_us (B,): the observation's time; until_us (B,): the time a plan must reach; min_us: the
    least that it must last.
    """
    codes = np.zeros(len(time_us), np.int64)
    for b in range(len(time_us)):
        n = length[b]
        if n < 2 or n > time_us.shape[1]:
            codes[b] = 1
            continue
        if time_us[b, 0] != now_us[b]:
            codes[b] = 2
            continue
        for k in range(1, n):
            if time_us[b, k] <= time_us[b, k - 1]:
                codes[b] = 3
        if codes[b] == 0 and time_us[b, n - 1] < until_us[b]:
            codes[b] = 4
        if codes[b] == 0 and time_us[b, n - 1] - time_us[b, 0] < min_us:
            codes[b] = 7
        if codes[b] == 0:
            for k in range(n):
                for c in range(states.shape[2]):
                    if not np.isfinite(states[b, k, c]):
                        codes[b] = 5
        if codes[b] == 0 and np.isnan(score[b]):
            codes[b] = 6
        for c in range(controls.shape[1]):
            if codes[b] == 0 and not np.isfinite(controls[b, c]):
                codes[b] = 8
    return codes
