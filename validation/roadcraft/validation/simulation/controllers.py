"""From a plan to ego's next state: tracked and driven, placed on the plan, or taken from the log."""

from __future__ import annotations

from math import pi
from typing import Any, NamedTuple, Protocol

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.errors import PluginError
from roadcraft.core.interfaces import Tracker, VehicleModel
from roadcraft.core.vehicles.state import RoadState, VehicleState
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.validation.simulation.joints import pulled

PERFECT_SPEED_LIMIT_MPS = 50.0  # reference: nuplan-devkit e924167, PerfectTrackingController refuses faster states


class Driven(NamedTuple):
    """The trajectories that are driven at one step, B scenarios.

    time_us (B,) and next_us (B,) int64: this and the next iteration; state: the ego's now; seen: the same as planner
    and tracker know it, of the vehicle that they take it for; road: under the ego; log_next (B, 10): the logged state
    then; plan_us (B, T) int64, plan (B, T, 10), length (B,) int64; controls (B, 2) or None.
    """

    time_us: I64
    next_us: I64
    state: VehicleState
    seen: VehicleState
    road: RoadState
    log_next: F64
    plan_us: I64
    plan: F64
    length: I64
    controls: F64 | None

    def select(self, rows: I64) -> Driven:
        return Driven(
            self.time_us[rows],
            self.next_us[rows],
            self.state.select(rows),
            self.seen.select(rows),
            self.road.select(rows),
            self.log_next[rows],
            self.plan_us[rows],
            self.plan[rows],
            self.length[rows],
            None if self.controls is None else self.controls[rows],
        )


class Controller(Protocol):
    """``min_plan_s``: the shortest plan it can follow, beyond reaching the next iteration."""

    min_plan_s: float

    def columns(self, vehicle: Vehicle) -> tuple[str, ...]:
        """Names of the vehicle's further state, as ``VehicleModel.columns``."""
        ...

    def begin(self, ego: F64, joints: F64, vehicle: Vehicle) -> F64:
        """The further state (B, M) at the first iteration."""
        ...

    def step(self, driven: Driven, vehicle: Vehicle, believed: Vehicle) -> VehicleState:
        """The state at the next iteration. believed: what planner and tracker take the vehicle for."""
        ...


class Stateless:
    """A controller that keeps no further state of the vehicle."""

    def columns(self, vehicle: Vehicle) -> tuple[str, ...]:
        return ()

    def begin(self, ego: F64, joints: F64, vehicle: Vehicle) -> F64:
        return np.zeros((len(ego), 0))


class TwoStage:
    """Tracker, then vehicle model: what nuPlan's closed-loop challenges use. ``controls`` of a plan bypass the
    tracker."""

    min_plan_s = 0.1

    def __init__(self, tracker: Tracker, model: VehicleModel) -> None:
        self.tracker, self.model = tracker, model

    def columns(self, vehicle: Vehicle) -> tuple[str, ...]:
        return self.model.columns(vehicle)

    def begin(self, ego: F64, joints: F64, vehicle: Vehicle) -> F64:
        motion = self.model.start(ego, joints, vehicle)
        _check("the vehicle model's", self.model, "first state", motion, (len(ego), len(self.columns(vehicle))))
        return motion

    def step(self, driven: Driven, vehicle: Vehicle, believed: Vehicle) -> VehicleState:
        d = driven
        controls = d.controls
        if controls is None:
            controls = self.tracker.follow(d.seen, d.time_us, d.plan_us, d.plan, d.length, believed)
            _check("the tracker's", self.tracker, "controls", controls, (len(d.time_us), 2))
        # nuPlan's time points turn into seconds by a product, not a quotient; the last bit shows over a drive.
        dt_s: F64 = (d.next_us - d.time_us).astype(np.float64) * 1e-6
        after = self.model.advance(d.state, controls, dt_s, d.road, vehicle)
        for what, values, old in zip(("ego states", "joint angles", "further state"), after, d.state, strict=True):
            _check("the vehicle model's", self.model, what, values, old.shape)
        return after


def _check(whose: str, plugin: Any, what: str, values: Any, shape: tuple[int, ...]) -> None:
    if (values.shape if isinstance(values, np.ndarray) else np.shape(values)) != shape:
        raise PluginError(f"{whose} ({type(plugin).__name__}) {what} have shape {np.shape(values)}, expected {shape}")
    if 0 not in shape and not all_finite(frozen(values)):
        raise PluginError(f"{whose} ({type(plugin).__name__}) {what} are not finite")


@njit(cache=True, nogil=True)
def all_finite(values: F64) -> bool:
    """Whether all of values (B, C) are finite."""
    for row in values:
        for value in row:
            if not np.isfinite(value):
                return False
    return True


class Perfect(Stateless):
    """Ego is where the plan says, with the plan's velocities (reference: nuplan-devkit e924167,
    PerfectTrackingController); trailers are pulled along."""

    min_plan_s = 0.0

    def step(self, driven: Driven, vehicle: Vehicle, believed: Vehicle) -> VehicleState:
        """Raises ValueError for a planned speed that no car has."""
        ego: F64 = interpolate(driven.plan_us, driven.plan, driven.length, driven.next_us)
        if (np.hypot(ego[:, 3], ego[:, 4]) >= PERFECT_SPEED_LIMIT_MPS).any():
            raise ValueError(f"the plan is faster than {PERFECT_SPEED_LIMIT_MPS} m/s")
        return pulled(driven.state, ego, vehicle)


class FollowLog(Stateless):
    """Ego follows the log, whatever is planned: open loop; trailers are pulled along."""

    min_plan_s = 0.0

    def step(self, driven: Driven, vehicle: Vehicle, believed: Vehicle) -> VehicleState:
        return pulled(driven.state, driven.log_next, vehicle)


@njit(cache=True, nogil=True)
def interpolate(plan_us, plan, length, at_us):  # type: ignore[no-untyped-def]
    """States (B, 10) of plans at ``at_us`` (B,), which must lie within them: linear, the heading along the shorter arc,
    yaw rates 0."""
    out = np.zeros((len(plan), 10))
    for b in range(len(plan)):
        j = 1
        while j < length[b] - 1 and plan_us[b, j] < at_us[b]:
            j += 1
        u, v = plan[b, j - 1], plan[b, j]
        span, dx = float(plan_us[b, j] - plan_us[b, j - 1]), float(at_us[b] - plan_us[b, j - 1])
        for c in (0, 1, 3, 4, 5, 6, 7):
            out[b, c] = (v[c] - u[c]) / span * dx + u[c]
        turn = (v[2] - u[2] + pi) % (2.0 * pi) - pi
        out[b, 2] = (turn / span * dx + u[2] + pi) % (2.0 * pi) - pi
    return out
