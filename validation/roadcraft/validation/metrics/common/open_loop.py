"""Errors of the plans against the log (reference: nuplan-devkit e924167,
planner_expert_average_l2_error_within_bound.py).

Once a second a plan is compared with where the expert was 1, 2, .. 8 s later, box centers and headings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.rollout import Rollout
from roadcraft.core.driving.geometry.angles import wrap
from roadcraft.core.driving.geometry.boxes import ego_box
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.readonly import Index, frozen
from roadcraft.core.errors import DataError
from roadcraft.core.interfaces import MetricContext
from roadcraft.core.types import Event, MetricResult, Series
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.common.once import once_per_rollout

HORIZONS = (3, 5, 8)
_FUTURE = HORIZONS[-1]
_SECOND_US = 1_000_000


@dataclass(frozen=True)
class Errors:
    """F compared frames: step (F,), time_us (F,); average, final, largest displacement m and average, final heading
    error rad over each horizon, all (3, F)."""

    step: I64
    time_us: I64
    average: F64
    final: F64
    largest: F64
    average_heading: F64
    final_heading: F64


@once_per_rollout
def errors(context: MetricContext) -> Errors:
    rollout, f = context.rollout, frames(context)
    interval_us = rollout.scenario.drive.interval_us * rollout.scenario.stride
    every = max(_SECOND_US // interval_us, 1)
    step = np.arange(0, len(f), every, dtype=np.int64)
    expert_us, expert = _expert(rollout, every, int(step[-1]))
    log = rollout.plans
    row = np.searchsorted(log.step, step)
    missing = step[~np.isin(step, log.step)]
    if len(missing):
        raise _trouble(rollout, f"no plan was recorded at step {missing[0]}", "open loop needs a plan every second")
    displacement, heading, fault = _compare(
        expert_us,
        expert,
        frozen(log.offsets, np.int64),
        frozen(log.time_us, np.int64),
        frozen(log.states),
        row.astype(np.int64),
        float(rollout.vehicle.box[0]),
    )
    if fault >= 0:
        what = f"the plan of step {step[fault]} is shorter than {_FUTURE} s by more than a second"
        raise _trouble(rollout, what, f"plan {_FUTURE} s ahead")
    windows = [slice(0, h) for h in HORIZONS]
    return Errors(
        step,
        f.time_us[step],
        np.array([displacement[:, w].mean(axis=1) for w in windows]),
        np.array([displacement[:, w.stop - 1] for w in windows]),
        np.array([displacement[:, w].max(axis=1) for w in windows]),
        np.array([heading[:, w].mean(axis=1) for w in windows]),
        np.array([heading[:, w.stop - 1] for w in windows]),
    )


def _trouble(rollout: Rollout, what: str, remedy: str) -> DataError:
    return DataError(what, where=f"scenario {rollout.scenario.token}", remedy=remedy)


def _expert(rollout: Rollout, every: int, last_step: int) -> tuple[I64, F64]:
    """Times and box centers (E, 3) of the expert once a second.

    As in the reference, the scenario's own samples are followed by those of the 8 s after the last compared step. With
    151 iterations the two overlap in one sample, which then stands there twice.
    """
    scenario = rollout.scenario
    second = _SECOND_US // scenario.drive.interval_us
    future = scenario.frames[last_step] + second * np.arange(1, _FUTURE + 1)
    rows = np.concatenate([scenario.frames[::every], future[future < len(scenario.drive)]])
    boxes = ego_box(scenario.drive.ego[rows], rollout.vehicle.box)
    return frozen(scenario.drive.time_us[rows], np.int64), frozen(boxes[:, :3])


@njit(cache=True, nogil=True)
def _compare(
    expert_us: I64, expert: F64, offsets: I64, plan_us: I64, plans: F64, rows: I64, axle_to_center: float
) -> tuple[F64, F64, int]:
    """Displacement m and heading error rad (F, 8) of plan ``rows[f]`` against expert samples f + 1 .. f + 8, and -1, or
    the frame whose plan is too short (where the reference raises)."""
    n = len(rows)
    displacement, heading = np.zeros((n, _FUTURE)), np.zeros((n, _FUTURE))
    for k in range(n):
        first, last = offsets[rows[k]], offsets[rows[k] + 1]
        for j in range(_FUTURE):
            e = k + 1 + j
            if e < len(expert_us) and expert_us[e] <= plan_us[last - 1] and expert_us[e] >= plan_us[first]:
                x, y, h = _at(plan_us, plans, first, last, expert_us[e])
                ex, ey, eh = expert[e, 0], expert[e, 1], expert[e, 2]
            elif j == _FUTURE - 1 and plan_us[last - 1] <= expert_us[-1]:
                # a plan that ends a little early is compared at its own end
                x, y, h = plans[last - 1, 0], plans[last - 1, 1], plans[last - 1, 2]
                ex, ey, eh = _at(expert_us, expert, 0, len(expert_us), plan_us[last - 1])
            else:
                return displacement, heading, k
            dx, dy = x + axle_to_center * math.cos(h) - ex, y + axle_to_center * math.sin(h) - ey
            displacement[k, j] = math.hypot(dx, dy)
            heading[k, j] = abs(wrap(h - eh))
    return displacement, heading, -1


@njit(cache=True, nogil=True)
def _at(time_us: I64, poses: F64, first: Index, last: Index, at_us: Index) -> tuple[float, float, float]:
    """Pose at a time within ``time_us[first:last]``: linear, the heading the short way round."""
    i = first + 1
    while i < last - 1 and time_us[i] < at_us:
        i += 1
    a = i - 1
    span = time_us[i] - time_us[a]
    t = (at_us - time_us[a]) / span if span > 0 else 0.0
    x = poses[a, 0] + t * (poses[i, 0] - poses[a, 0])
    y = poses[a, 1] + t * (poses[i, 1] - poses[a, 1])
    return x, y, wrap(poses[a, 2] + t * wrap(poses[i, 2] - poses[a, 2]))


def horizon_result(name: str, short: str, unit: str, found: Errors, values: F64, most: float) -> MetricResult:
    """The result of an error (3, F): its mean over each horizon and over all, and the score that falls linearly to 0 at
    ``most``."""
    mean = float(np.mean(values))
    stats: dict[str, float | int | bool | None] = {
        f"{short}_horizon_{h}": float(np.mean(v)) for h, v in zip(HORIZONS, values, strict=True)
    }
    stats[name] = mean <= most
    stats[f"avg_{short}_over_all_horizons"] = mean
    over_time = values.mean(axis=0)
    frame = int(over_time.argmax())
    said = f"the plan is {over_time[frame]:.2f} {unit} off on average over the horizons, the worst of all frames"
    events = (Event(int(found.step[frame]), said),) if mean > 0.0 else ()
    series = Series(found.time_us, over_time, f"avg_{short}_over_all_horizons [{unit}]")
    return MetricResult(name, max(0.0, 1.0 - mean / most), stats, series, events)
