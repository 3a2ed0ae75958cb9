"""How far corners swing out when a turn begins and ends."""

from __future__ import annotations

import math

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.scenario import Ego
from roadcraft.core.driving.geometry.angles import wrap
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import Event, MetricResult, Series
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.freight.common.thresholds import FrontalSwingConfig, TailSwingConfig
from roadcraft.validation.metrics.freight.common.units import Units, unit_name, units


class TailSwing(Metric):
    """Reported only: how far a rear corner passes outward of the line that its unit's side had when the steering was
    last straight (below ``straight_rad``, or changing sides), the largest of all units; within a quarter turn of
    it."""

    name = "tail_swing"
    ends = (1, 2)  # rear left, rear right

    def __init__(self, config: TailSwingConfig | FrontalSwingConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        u, ego = units(context), frames(context).ego
        steering = ego[:, Ego.STEERING]
        at = self.straight_at(_straight(steering, self.config.straight_rad))
        values = _swing(u, at, steering, self.ends)
        most = values.max(axis=0)
        step, unit = divmod(int(values.argmax()), values.shape[1])
        worst = float(values[step, unit])
        stats: dict[str, float | int | bool | None] = {
            f"max_{self.name}_[meters]": worst,
            **{f"max_of_unit_{i}_[meters]": float(v) for i, v in enumerate(most)},
            "within_bound": worst <= self.config.most_m,
        }
        events = (Event(step, f"a corner of {unit_name(unit)} swings out by {worst:.2f} m"),)
        names = tuple(unit_name(i) for i in range(values.shape[1]))
        series = Series(frames(context).time_us, values, "meters", names)
        return MetricResult(self.name, worst, stats, series, events if worst > self.config.most_m else ())

    def straight_at(self, straight: I64) -> I64:
        """(n,) the step whose pose each step is compared with, -1 where there is none. straight: steps."""
        found = np.full(len(straight), -1, np.int64)
        np.maximum.accumulate(straight, out=found)
        return found


class FrontalSwing(TailSwing):
    """Reported only: how far a front corner passes outward of the line that its unit's side has when the steering is
    next straight, the largest of all units; within a quarter turn of it."""

    name = "frontal_swing"
    ends = (0, 3)  # front left, front right

    def straight_at(self, straight: I64) -> I64:
        n = len(straight)
        ahead = np.where(straight >= 0, straight, n)
        found = np.minimum.accumulate(ahead[::-1])[::-1]
        return np.where(found < n, found, -1)


def _straight(steering: F64, below: float) -> I64:
    """(n,) each step's own number where the steering is straight or has just changed sides, else -1."""
    straight = np.abs(steering) < below
    straight[1:] |= steering[1:] * steering[:-1] < 0.0
    return np.where(straight, np.arange(len(steering)), -1)


def _swing(u: Units, at: I64, steering: F64, ends: tuple[int, int]) -> F64:
    """(n, m) m by which the outer corner of each unit is outside the line; 0 where there is none to compare with."""
    found: F64 = _outward(
        (frozen(u.poses), frozen(u.corners), u.chain.width), frozen(at, np.int64), frozen(steering), ends
    )
    return found


@njit(cache=True, nogil=True)
def _outward(units: tuple[F64, F64, F64], at: I64, steering: F64, ends: tuple[int, int]) -> F64:
    (poses, corners, width), (n, m) = units, units[0].shape[:2]
    out = np.zeros((n, m))
    for i in range(n):
        if at[i] < 0:
            continue
        right = steering[i] > 0.0  # the outer side of a left turn
        corner = ends[1] if right else ends[0]
        for j in range(m):
            x, y, heading = poses[at[i], j]
            if abs(wrap(poses[i, j, 2] - heading)) < 0.5 * math.pi:
                dx, dy = corners[i, j, corner, 0] - x, corners[i, j, corner, 1] - y
                left = dy * math.cos(heading) - dx * math.sin(heading)
                out[i, j] = max((-left if right else left) - 0.5 * width[j], 0.0)
    return out
