"""Whether ego leaves the lanes and stands where it is told to pull over."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np

from roadcraft.core.data.instructions import PULL_OVER
from roadcraft.core.data.scenario import Ego
from roadcraft.core.driving.map_index.index import inside_any
from roadcraft.core.driving.motion.stopped import STOPPED_MPS
from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import Event, MetricResult
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.freight.common.thresholds import ShoulderStopConfig
from roadcraft.validation.metrics.freight.common.units import outline, placed, unit_name, units


class PulledOver(NamedTuple):
    """How a drive ends in which ego was told to pull over."""

    step: int
    """The first step at which it was told so."""
    left_s: float
    """Time from then to the end."""
    stood_s: float
    """Time from then until it stood for good, infinite where it drives at the end."""
    inside: tuple[int, ...]
    """Units that reach into a lane at the end."""

    @property
    def clear(self) -> bool:
        """Whether it stands at the end, with all units beside the lanes."""
        return bool(np.isfinite(self.stood_s)) and not self.inside


def told_to_pull_over(context: MetricContext) -> int | None:
    """The step from which on ego is told to pull over, to the end; None where it is not told so, or no longer."""
    told, time_us = context.rollout.scenario.drive.instructions, frames(context).time_us
    if not len(told):
        return None
    asks = np.array([PULL_OVER in (told.at(int(t)) or "").lower() for t in time_us])
    others = np.flatnonzero(~asks)
    step = int(others[-1]) + 1 if len(others) else 0
    return step if step < len(asks) else None


def pulled_over(context: MetricContext, clear_m: float) -> PulledOver | None:
    """How ego stands at the end, None where it is not told to pull over. clear_m: reach into a lane that is let
    pass."""
    step = told_to_pull_over(context)
    if step is None:
        return None
    u, lanes, inside = units(context), context.rollout.scenario.map.index.lanes, []
    for i in range(u.boxes.shape[1]):
        edge = outline(u.chain, i)
        edge = np.sign(edge) * np.maximum(np.abs(edge) - clear_m, 0.0)
        if inside_any(lanes, placed(edge, u.poses[-1:, i])[0]).any():
            inside.append(i)
    moves = np.flatnonzero(np.abs(u.speed[:, 0]) > STOPPED_MPS)
    since = max(int(moves[-1]) + 1 if len(moves) else 0, step)
    stood = float(u.seconds[since] - u.seconds[step]) if since < len(u.seconds) else np.inf
    return PulledOver(step, float(u.seconds[-1] - u.seconds[step]), stood, tuple(inside))


class PullsOver(Metric):
    """Multiplier. 0 where ego is told to pull over and does not stand beside the lanes with all units at the end,
    although it had ``within_s``, else 1. No score where it is not told so, or had less time and is not there."""

    role: ClassVar[str] = "multiplier"

    def __init__(self, config: ShoulderStopConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        name, found = "pulls_over", pulled_over(context, self.config.clear_m)
        if found is None or (not found.clear and found.left_s < self.config.within_s):
            return MetricResult(name, None)
        events = () if found.clear else (Event(len(frames(context)) - 1, _said(found)),)
        return MetricResult(name, float(found.clear), {name: found.clear}, events=events)


class ShoulderStop(Metric):
    """Weight 3. How ego stops where it is told to pull over: 0 where it does not stand at the end with all units beside
    the lanes, ramps among them; else the less of two: 1 for standing within ``within_s``, 0 from ``late_s`` on; and 1
    for braking up to ``good_mps2``, 0 from ``bad_mps2`` on. No score where ego is not told so, or had less than
    ``within_s`` and is not there."""

    role: ClassVar[str] = "weighted"
    weight: ClassVar[float] = 3.0

    def __init__(self, config: ShoulderStopConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        c, name, found = self.config, "shoulder_stop", pulled_over(context, self.config.clear_m)
        if found is None or (not found.clear and found.left_s < c.within_s):
            return MetricResult(name, None)
        braking = -frames(context).ego[found.step :, Ego.AX]
        hardest = found.step + int(braking.argmax())
        most = max(float(braking.max()), 0.0)
        in_time = 1.0 - min(max((found.stood_s - c.within_s) / (c.late_s - c.within_s), 0.0), 1.0)
        gentle = 1.0 - min(max((most - c.good_mps2) / (c.bad_mps2 - c.good_mps2), 0.0), 1.0)
        stats: dict[str, float | int | bool | None] = {
            "stood_after_[s]": found.stood_s if np.isfinite(found.stood_s) else None,
            "hardest_braking_[mps2]": most,
            "units_in_lanes": len(found.inside),
        }
        events, last = list[Event](), len(frames(context)) - 1
        if not found.clear:
            events.append(Event(last, _said(found)))
        elif in_time < 1.0:
            events.append(Event(last, f"stood {found.stood_s:.1f} s after it was told to pull over"))
        if gentle < 1.0:
            events.append(Event(hardest, f"braked by {most:.1f} m/s2 on the way to the shoulder"))
        return MetricResult(name, min(in_time, gentle) if found.clear else 0.0, stats, events=tuple(events))


def _said(found: PulledOver) -> str:
    if not np.isfinite(found.stood_s):
        return "drives on where it was told to pull over"
    return f"stands with {', '.join(map(unit_name, found.inside))} in a lane where it was told to pull over"
