"""Progress against what a heavy vehicle could have made."""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.data.scenario import Ego
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.motion.drivetrain import drivetrain_of
from roadcraft.core.driving.road import roads_at
from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.memo import memo
from roadcraft.core.types import Event, MetricResult
from roadcraft.core.vehicles.vehicle import GRAVITY_MPS2
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.common.progress import progress
from roadcraft.validation.metrics.common.routes import expert_route
from roadcraft.validation.metrics.common.speed_limits import limits_of
from roadcraft.validation.metrics.freight.common.channels import roll_groups, threshold_g
from roadcraft.validation.metrics.freight.common.docks import dock_asked_for, rear_at
from roadcraft.validation.metrics.freight.common.thresholds import FeasibleProgressConfig, MakesFeasibleProgressConfig
from roadcraft.validation.metrics.freight.pull_over import told_to_pull_over

_BEND_M = 5.0  # distance before and behind over which the road's curvature is taken
_SETTINGS = "settings of the feasible progress"


class FeasibleProgress(NamedTuple):
    """Progress over the whole scenario, m."""

    ego: float
    """Ego's."""
    reference: float
    """That of the reference."""
    expert: float
    """The expert's."""

    def ratio(self, floor_m: float) -> float:
        """Ego's share of the reference's progress, in [0, 1]; 1 where that is below ``floor_m``: there was nowhere to
        go."""
        return 1.0 if self.reference < floor_m else min(max(self.ego / self.reference, 0.0), 1.0)


class ProgressFeasible(Metric):
    """Weight 5. Ego's progress as a share of that of a reference on the expert's road. The reference starts at ego's
    speed, drives no farther than the expert, no faster than allowed, takes curves at a share of the static roll
    threshold, and accelerates as the vehicle's engine, launch limit and load and the road's grade permit; for a vehicle
    without masses it is the expert. Other than in nuPlan's metric, who does not move makes no progress. Where ego is
    told to pull over, the way up to then counts."""

    role: ClassVar[str] = "weighted"
    weight: ClassVar[float] = 5.0

    def __init__(self, config: FeasibleProgressConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        name, found = "progress_feasible", feasible_progress(context, self.config)
        context.shared(_SETTINGS, lambda: self.config)
        ratio = found.ratio(self.config.floor_m)
        stats: dict[str, float | int | bool | None] = {
            "ego_progress_[meters]": found.ego,
            "reference_progress_[meters]": found.reference,
            "expert_progress_[meters]": found.expert,
            name: ratio,
        }
        what = f"made {found.ego:.1f} m along the route, {found.reference:.1f} m were feasible"
        events = (Event(len(frames(context)) - 1, what),) if ratio < 1.0 else ()
        return MetricResult(name, ratio, stats, events=events)


class MakesFeasibleProgress(Metric):
    """Multiplier. 1 where ego makes at least ``min_ratio`` of the reference's progress of ``progress_feasible``, else
    0. The reference is that of the settings with which ``progress_feasible`` judged the rollout before, else that of
    its defaults."""

    role: ClassVar[str] = "multiplier"

    def __init__(self, config: MakesFeasibleProgressConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        name, reference = "makes_feasible_progress", context.shared(_SETTINGS, FeasibleProgressConfig)
        good = feasible_progress(context, reference).ratio(reference.floor_m) >= self.config.min_ratio
        events = () if good else (Event(len(frames(context)) - 1, "hardly moves along the route"),)
        return MetricResult(name, float(good), {name: good}, events=events)


def feasible_progress(context: MetricContext, config: FeasibleProgressConfig) -> FeasibleProgress:
    """Progress of ego, reference and expert."""
    key = f"feasible progress {config}"
    found: FeasibleProgress = context.shared(key, lambda: _feasible(context, config))
    return found


def _feasible(context: MetricContext, config: FeasibleProgressConfig) -> FeasibleProgress:
    dock = dock_asked_for(context)
    if dock is not None:
        first, last = (float(np.hypot(*(rear_at(context, t) - dock[:2]))) for t in (0, -1))
        return FeasibleProgress(first - last, first, first)
    known, f, told = progress(context), frames(context), told_to_pull_over(context)
    cut = None if told is None else max(told, 1) + 1
    expert = context.rollout.scenario.expert[:cut]
    s = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(expert[:, :2], axis=0).T))])
    dt = np.diff(context.rollout.scenario.time_us[:cut]) * 1e-6
    if known.ego is None or known.expert is None:
        v = f.ego[:-1, Ego.VX][: len(dt)]
        made, along = float((v * dt[: len(v)]).sum()), s
    else:
        made, along = float(known.ego[:cut].sum()), np.cumsum(known.expert)[:cut]
    end = float(s[-1])
    if context.rollout.vehicle.has_masses:
        cap = _caps(context, expert, s, config)
        world = context.rollout.scenario.map
        grade = np.nan_to_num(roads_at(world, expert[:, :3])[:, 0]) if len(world.places) else np.zeros(len(s))
        end = _reference(s, (cap, np.ascontiguousarray(grade)), dt, float(f.ego[0, Ego.VX]), _engine(context))
    return FeasibleProgress(made, float(np.interp(end, s, along)), float(along[-1]))


def _caps(context: MetricContext, expert: F64, s: F64, config: FeasibleProgressConfig) -> F64:
    """Speed m/s that the reference may have at each of the expert's places: the limit, that of the curve, and what lets
    it slow down in time for both."""
    heading, groups = np.unwrap(expert[:, Ego.HEADING]), roll_groups(context)
    assert groups is not None
    bend = np.interp(s + _BEND_M, s, heading) - np.interp(s - _BEND_M, s, heading)
    reach = np.minimum(s + _BEND_M, s[-1]) - np.maximum(s - _BEND_M, 0.0)
    curvature = np.abs(bend) / np.maximum(reach, 1.0)
    lateral = config.share_of_threshold * float(threshold_g(groups).min()) * GRAVITY_MPS2
    cap = np.sqrt(lateral / np.maximum(curvature, 1e-6))
    cap = np.minimum(cap, limits_of(context, expert_route(context))[0][: len(s)])
    # a place allows what the strictest place ahead does, and what slowing down on the way there adds
    square = cap * cap + 2.0 * config.slowing_mps2 * s
    return np.sqrt(np.minimum.accumulate(square[::-1])[::-1] - 2.0 * config.slowing_mps2 * s)


class _Engine(NamedTuple):
    """Power W, largest force N, rolling resistance N, drag kg/m, inertia kg, and weight N."""

    power: float
    force: float
    rolling: float
    drag: float
    inertia: float
    weight: float


def _engine(context: MetricContext) -> _Engine:
    vehicle = context.rollout.vehicle
    d = memo(vehicle, "drivetrain", lambda: drivetrain_of(vehicle))
    weight = d.mass * GRAVITY_MPS2
    return _Engine(d.power, d.launch * d.inertia, d.rolling * weight, d.drag, d.inertia, weight)


@njit(cache=True, nogil=True)
def _reference(s: F64, road: tuple[F64, F64], dt: F64, speed: float, engine: _Engine) -> float:
    """Way of the reference in the time of all intervals ``dt`` (N - 1,), along the expert's places at arc lengths s
    (N,). road: how fast it may be there and the grade (N,)."""
    cap, grade = road
    at, k, v = 0.0, 0, max(speed, 0.0)
    for j in range(len(dt)):
        force = min(engine.power / max(v, 1.0), engine.force) - engine.rolling - engine.drag * v * v
        force -= engine.weight * grade[k] / math.sqrt(1.0 + grade[k] * grade[k])
        faster = max(v + force / engine.inertia * dt[j], 0.0)
        ahead = at + v * dt[j]
        while k < len(s) - 2 and s[k + 1] <= ahead:
            k += 1
        share = (ahead - s[k]) / max(s[k + 1] - s[k], 1e-9)
        allowed = cap[k] + min(max(share, 0.0), 1.0) * (cap[k + 1] - cap[k])
        after = min(faster, allowed)
        way = at + 0.5 * (v + after) * dt[j]
        if way > s[j + 1]:  # no farther than the expert
            after = min(after, math.fabs(s[j + 1] - s[j]) / dt[j])
            way = max(at, s[j + 1])
        at, v = way, after
    return at
